//! An upload in parts, by requests of our own: parts are copied by the server, or sent with their MD5.

use crate::s3_signed::{Bucket, Refusal, Request, element};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use firn_model::source::ByteRange;
use md5::{Digest, Md5};
use reqwest::Method;
use std::fmt::Write;

/// Most parts of one object, by S3's rule.
pub(crate) const MOST_PARTS: u64 = 10_000;

/// What the server compares the bytes with.
pub(crate) fn content_md5(bytes: &[u8]) -> (&'static str, String) {
    content_md5_of(&Md5::digest(bytes).into())
}

/// The same of a sum that is known.
pub(crate) fn content_md5_of(sum: &[u8; 16]) -> (&'static str, String) {
    ("content-md5", BASE64_STANDARD.encode(sum))
}

/// An upload that nobody sees before it is completed.
pub(crate) struct Upload<'a> {
    bucket: Bucket<'a>,
    key: &'a str,
    id: String,
}

impl<'a> Upload<'a> {
    pub(crate) async fn begin(bucket: Bucket<'a>, key: &'a str, content_type: &str) -> Result<Upload<'a>, Refusal> {
        let query = vec![("uploads", String::new())];
        let headers = vec![("content-type", content_type.to_owned())];
        let answer = bucket.send(&Request { query, headers, ..Request::new(Method::POST, key) }).await?;
        match element(&String::from_utf8_lossy(&answer.body), "UploadId") {
            Some(id) => Ok(Self { bucket, key, id }),
            None => Err(nameless(answer.status.as_u16())),
        }
    }

    fn part(&self, number: u64) -> Request<'a> {
        let query = vec![("partNumber", number.to_string()), ("uploadId", self.id.clone())];
        Request { query, ..Request::new(Method::PUT, self.key) }
    }

    /// Copies these bytes of another object, and gives the part's entity tag.
    pub(crate) async fn copy(
        &self,
        number: u64,
        source: Vec<(&'static str, String)>,
        bytes: ByteRange,
    ) -> Result<String, Refusal> {
        let mut headers = source;
        headers.push(("x-amz-copy-source-range", format!("bytes={}-{}", bytes.start, bytes.end.saturating_sub(1))));
        let moved = bytes.end - bytes.start;
        let answer = self.bucket.send(&Request { headers, moved, ..self.part(number) }).await?;
        let tag = element(&String::from_utf8_lossy(&answer.body), "ETag");
        tag.ok_or_else(|| nameless(answer.status.as_u16()))
    }

    /// Sends these bytes with their sum as a header, and gives the part's entity tag.
    pub(crate) async fn put(&self, number: u64, body: Bytes, sum: (&'static str, String)) -> Result<String, Refusal> {
        let headers = vec![sum];
        let answer = self.bucket.send(&Request { headers, body, ..self.part(number) }).await?;
        let tag = answer.headers.get(reqwest::header::ETAG).and_then(|tag| tag.to_str().ok());
        tag.map(str::to_owned).ok_or_else(|| nameless(answer.status.as_u16()))
    }

    /// Joins the parts, whose tags are given in order.
    pub(crate) async fn complete(&self, tags: &[String]) -> Result<(), Refusal> {
        let mut text = String::from("<CompleteMultipartUpload>");
        for (at, tag) in tags.iter().enumerate() {
            let tag = tag.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
            // Writing to a text cannot fail.
            let _ = write!(text, "<Part><PartNumber>{}</PartNumber><ETag>{tag}</ETag></Part>", at + 1);
        }
        text.push_str("</CompleteMultipartUpload>");
        let query = vec![("uploadId", self.id.clone())];
        let request = Request { query, body: text.into(), repeatable: false, ..Request::new(Method::POST, self.key) };
        self.bucket.send(&request).await.map(|_| ())
    }

    /// Gives the upload up. Parts that stay are what a lifecycle rule of the bucket removes.
    pub(crate) async fn abort(self) {
        let query = vec![("uploadId", self.id.clone())];
        if let Err(refusal) = self.bucket.send(&Request { query, ..Request::new(Method::DELETE, self.key) }).await {
            tracing::debug!(key = self.key, %refusal, "upload could not be ended");
        }
    }
}

/// An answer of success that lacks what it has to tell.
fn nameless(status: u16) -> Refusal {
    Refusal::Answer { status, code: String::new() }
}
