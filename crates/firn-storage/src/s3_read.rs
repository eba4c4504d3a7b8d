//! Parts of objects of an S3 service that go where they are wanted while they come.

use crate::http::{content_range, version, wrong_range};
use crate::remote::check_version;
use crate::s3::S3Object;
use crate::s3_prefix::refused_source;
use crate::s3_signed::{Bucket, Refusal, Request};
use crate::transport::{Sink, Transport};
use firn_model::source::{ByteRange, SourceError, SourceVersion};
use reqwest::{Method, StatusCode};

impl S3Object {
    /// Exactly these bytes of exactly this version; what the sink took counts only after success.
    pub(crate) async fn read_into(
        &self,
        transport: &Transport,
        range: ByteRange,
        expected: &SourceVersion,
        sink: &mut dyn Sink,
    ) -> Result<(), SourceError> {
        let length = range.end - range.start;
        let at = self.object.at.bytes(range.start, length);
        let bucket = Bucket { transport, store: &self.client, address: &self.address };
        let request = Request { range: Some(range.clone()), ..Request::new(Method::GET, self.object.path.as_ref()) };
        let answer = match bucket.send_into(&request, Some(sink)).await {
            Ok(answer) => answer,
            Err(Refusal::Answer { status: 404, code }) if code != "NoSuchBucket" => {
                return Err(SourceError::Changed { at, what: "it was there before and is gone now".to_owned() });
            }
            Err(Refusal::Answer { status: 416, .. }) => {
                let what = format!("it has no bytes {}..{}", range.start, range.end);
                return Err(SourceError::Changed { at, what });
            }
            Err(refusal) => return Err(refused_source(&at, &refusal)),
        };
        if answer.status != StatusCode::PARTIAL_CONTENT {
            let what = "a part was asked for, and the server gave all of it".to_owned();
            return Err(SourceError::Broken { at, what });
        }
        let (got, size) = content_range(&at, &answer.headers)?;
        check_version(&at, expected, &version(&answer.headers, size))?;
        if got != range {
            return Err(wrong_range(&at, &range, &got));
        }
        if answer.taken != length {
            let what = format!("{length} bytes were asked for, and {} came", answer.taken);
            return Err(SourceError::Broken { at, what });
        }
        Ok(())
    }
}
