//! Copies between two buckets of one service that do not pass here.

use crate::copy::{Copied, CopyExpected};
use crate::error::StorageError;
use crate::http::unreachable_source;
use crate::prefix::Guarantee;
use crate::s3_parts::{MOST_PARTS, Upload};
use crate::s3_prefix::S3Prefix;
use crate::s3_signed::{Bucket, Refusal, Request, element, encoded_key};
use crate::settings::LimitSettings;
use crate::store_prefix::content_type;
use crate::transport::Transport;
use firn_model::diagnose::At;
use firn_model::source::{ByteRange, SourceError, SourceVersion};
use futures::stream::{StreamExt, TryStreamExt};
use reqwest::Method;

/// Smallest part but the last, by S3's rule.
const SMALLEST_PART: u64 = 5 << 20;

/// What became of asking the server.
pub(crate) enum Outcome {
    Done(Copied),
    /// The server will not or cannot do it, for this reason.
    Refused(String),
}

/// One object of a bucket on its way to another bucket.
struct Job<'a> {
    from: &'a S3Prefix,
    to: Bucket<'a>,
    to_key: &'a str,
    to_at: At,
    from_at: At,
    /// `x-amz-copy-source` and its condition.
    source: Vec<(&'static str, String)>,
    size: u64,
}

/// Asks the server to copy the object as it was seen (`expected`, whose tag is known), and looks at what came of it.
pub(crate) async fn copy(
    transport: &Transport,
    (from, key): (&S3Prefix, &str),
    (to, to_key): (&S3Prefix, &str),
    expected: &CopyExpected,
) -> Result<Outcome, StorageError> {
    let to_path = to.path(to_key)?;
    let job = Job::new(transport, (from, key), (to, to_key, to_path.as_ref()), expected)?;
    let done = match part_size(expected, &transport.limits) {
        Some(part) => job.in_parts(part).await?,
        None => match job.whole().await? {
            Ok(tag) if expected.size_is_of_tag && tag.is_some() && tag == expected.etag => {
                let copy = SourceVersion { etag: tag, size: expected.size, ..SourceVersion::default() };
                return Ok(Outcome::Done(Copied::on_the_server(copy)));
            }
            Ok(_) => None,
            Err(refusal) if refusal.is_size() && expected.size > SMALLEST_PART => {
                job.in_parts(transport.limits.copy_part).await?
            }
            Err(refusal) => Some(refusal),
        },
    };
    match done {
        Some(refusal) => Ok(Outcome::Refused(refusal.to_string())),
        None => job.check(key, to, to_key, expected).await.map(Outcome::Done),
    }
}

/// Asks by one request and leaves it at that; how the server refused.
pub(crate) async fn ask(
    transport: &Transport,
    from: (&S3Prefix, &str),
    (to, to_key): (&S3Prefix, &str),
    expected: &CopyExpected,
) -> Result<Option<String>, StorageError> {
    let to_path = to.path(to_key)?;
    let job = Job::new(transport, from, (to, to_key, to_path.as_ref()), expected)?;
    Ok(job.whole().await?.err().map(|refusal| refusal.to_string()))
}

/// The same with one part.
pub(crate) async fn ask_in_parts(
    transport: &Transport,
    from: (&S3Prefix, &str),
    (to, to_key): (&S3Prefix, &str),
    expected: &CopyExpected,
) -> Result<Option<String>, StorageError> {
    let to_path = to.path(to_key)?;
    let job = Job::new(transport, from, (to, to_key, to_path.as_ref()), expected)?;
    Ok(job.in_parts(expected.size).await?.map(|refusal| refusal.to_string()))
}

/// The parts in which an object is copied; `None` for one request. An object that was written in parts is copied in the
/// same parts where they are known, so that the copy has the same entity tag.
fn part_size(expected: &CopyExpected, limits: &LimitSettings) -> Option<u64> {
    let tag = expected.etag.as_deref().unwrap_or_default().trim_matches('"');
    let count: Option<u64> = tag.rsplit_once('-').and_then(|(_, count)| count.parse().ok());
    let fits = |part: &u64| Some(expected.size.div_ceil(*part)) == count && *part >= SMALLEST_PART;
    let known = [expected.part_size, Some(limits.part)].into_iter().flatten().find(fits);
    if known.is_some() {
        return known;
    }
    let needed = limits.copy_part.max(expected.size.div_ceil(MOST_PARTS)).max(SMALLEST_PART);
    (expected.size > limits.copy_at_once).then_some(needed)
}

impl Refusal {
    /// Is it that the object is larger than the server copies at once?
    fn is_size(&self) -> bool {
        matches!(self, Self::Answer { status: 400 | 413, code } if matches!(code.as_str(), "EntityTooLarge" | "InvalidRequest"))
    }

    /// Can the server have done what it was asked?
    pub(crate) fn may_have_happened(&self) -> bool {
        match self {
            Self::Transport(error) => error.kind.may_have_happened(),
            Self::Answer { status: 200..300, .. } => true,
            Self::Answer { code, .. } => code == "NoSuchUpload",
            Self::Unsigned(_) | Self::NoKeys(_) | Self::Unreadable(_) => false,
        }
    }
}

impl<'a> Job<'a> {
    fn new(
        transport: &'a Transport,
        (from, key): (&'a S3Prefix, &str),
        (to, to_key, to_path): (&'a S3Prefix, &str, &'a str),
        expected: &CopyExpected,
    ) -> Result<Job<'a>, StorageError> {
        let bucket = &from.address().bucket;
        let mut source = vec![("x-amz-copy-source", format!("/{bucket}/{}", encoded_key(from.path(key)?.as_ref())))];
        source.extend(expected.etag.clone().map(|tag| ("x-amz-copy-source-if-match", tag)));
        let (to_at, from_at) = (to.at(to_key), from.at(key));
        Ok(Self { from, to: to.bucket(transport), to_key: to_path, to_at, from_at, source, size: expected.size })
    }

    /// By one request: the entity tag of the copy, as far as the server tells it. A refusal that another way may not meet is
    /// given back.
    async fn whole(&self) -> Result<Result<Option<String>, Refusal>, StorageError> {
        let request =
            Request { headers: self.source.clone(), moved: self.size.max(1), ..Request::new(Method::PUT, self.to_key) };
        match self.to.send(&request).await {
            Ok(answer) => Ok(Ok(element(&String::from_utf8_lossy(&answer.body), "ETag"))),
            Err(refusal) => self.judge(refusal).map(Err),
        }
    }

    /// Part by part. Where nobody knows whether the parts were joined, all is done once more.
    async fn in_parts(&self, part: u64) -> Result<Option<Refusal>, StorageError> {
        let mut refusal = None;
        for _ in 0..2 {
            let upload = match Upload::begin(self.to, self.to_key.to_owned(), content_type(self.to_key)).await {
                Ok(upload) => upload,
                Err(refusal) => return self.judge(refusal).map(Some),
            };
            let outcome = match self.copy_parts(&upload, part).await {
                Ok(tags) => upload.complete(&tags).await.map_err(|refusal| (refusal.may_have_happened(), refusal)),
                Err(refusal) => Err((false, refusal)),
            };
            let Err((again, failure)) = outcome else { return Ok(None) };
            upload.abort().await;
            if !again {
                return self.judge(failure).map(Some);
            }
            refusal = Some(failure);
        }
        refusal.map_or(Ok(None), |refusal| self.judge(refusal).map(Some))
    }

    async fn copy_parts(&self, upload: &Upload<'_>, part: u64) -> Result<Vec<String>, Refusal> {
        let parts = pieces(self.size, part).enumerate();
        let copies = parts.map(|(at, bytes)| upload.copy(at as u64 + 1, self.source.clone(), bytes));
        let at_once = self.to.transport.limits.parts_at_once.max(1);
        futures::stream::iter(copies).buffered(at_once).try_collect().await
    }

    /// An error where the object itself is not there, is another, or the service is down: no other way would help. Else the
    /// refusal, for which there may be another way.
    fn judge(&self, refusal: Refusal) -> Result<Refusal, StorageError> {
        let at = self.from_at.clone();
        match &refusal {
            Refusal::Answer { status: 412, .. } => {
                let what = "it is not the version any more that was to be copied".to_owned();
                Err(SourceError::Changed { at, what }.into())
            }
            Refusal::Answer { status: 404, code } if code == "NoSuchKey" || code.is_empty() => {
                Err(SourceError::NotFound { at }.into())
            }
            // Another request is at work on the object, or somebody ended the upload.
            Refusal::Answer { status: 404 | 409, code } if code != "NoSuchBucket" => {
                Err(SourceError::Unavailable { at: self.to_at.clone(), what: refusal.to_string() }.into())
            }
            Refusal::Transport(error) => Err(unreachable_source(&self.to_at, error).into()),
            Refusal::Answer { .. } | Refusal::Unsigned(_) | Refusal::NoKeys(_) | Refusal::Unreadable(_) => Ok(refusal),
        }
    }

    /// Looks at the copy: its size, and its tag where the two can be compared. Where they cannot (a copy in other parts has
    /// another tag), the original must still be the version that was to be copied, because some services (Ceph 16) copy
    /// whatever is there.
    async fn check(
        &self,
        key: &str,
        to: &S3Prefix,
        to_key: &str,
        expected: &CopyExpected,
    ) -> Result<Copied, StorageError> {
        let Some(copy) = to.head(to_key).await? else {
            let what = "the server says that it was copied, and it is not there".to_owned();
            return Err(SourceError::Broken { at: self.to_at.clone(), what }.into());
        };
        if copy.etag != expected.etag || copy.size != expected.size {
            self.check_original(key, expected).await?;
        }
        if copy.size != expected.size {
            let what = format!("{} bytes were to be copied, and the copy has {}", expected.size, copy.size);
            return Err(SourceError::Broken { at: self.to_at.clone(), what }.into());
        }
        Ok(Copied::on_the_server(copy))
    }

    async fn check_original(&self, key: &str, expected: &CopyExpected) -> Result<(), StorageError> {
        let Some(SourceVersion { etag, size, .. }) = self.from.head(key).await? else {
            return Err(SourceError::NotFound { at: self.from_at.clone() }.into());
        };
        if size == expected.size && (expected.etag.is_none() || etag == expected.etag) {
            return Ok(());
        }
        let tag = |tag: &Option<String>| tag.clone().unwrap_or_else(|| "no tag".to_owned());
        let (was, is) = (tag(&expected.etag), tag(&etag));
        let what = format!("{} bytes, {was} were to be copied; it has {size} bytes, {is}", expected.size);
        Err(SourceError::Changed { at: self.from_at.clone(), what }.into())
    }
}

/// The ranges of the parts of so many bytes.
pub(crate) fn pieces(size: u64, part: u64) -> impl Iterator<Item = ByteRange> {
    let part = part.max(1);
    (0..size.div_ceil(part)).map(move |at| at * part..(at * part).saturating_add(part).min(size))
}

impl Copied {
    fn on_the_server(copy: SourceVersion) -> Self {
        let (etag, size) = (copy.etag, copy.size);
        Self { etag, size, how: crate::copy::How::ServerSide, guarantee: Guarantee::Atomic, digest: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_the_original_are_kept_where_they_are_known() {
        let limits = LimitSettings { part: 8 << 20, copy_at_once: 5 << 30, copy_part: 512 << 20, ..Default::default() };
        let part = |size: u64, tag: &str, known: Option<u64>| {
            part_size(
                &CopyExpected { size, etag: Some(tag.to_owned()), part_size: known, ..CopyExpected::default() },
                &limits,
            )
        };
        assert_eq!(part(20 << 20, "\"0af\"", None), None, "written at once");
        assert_eq!(part(20 << 20, "\"0af-3\"", None), Some(8 << 20), "as firn writes parts");
        assert_eq!(part(20 << 20, "\"0af-2\"", Some(16 << 20)), Some(16 << 20));
        assert_eq!(part(20 << 20, "\"0af-2\"", None), None, "other parts, which are not known");
        assert_eq!(part(20 << 20, "\"0af-4\"", Some(16 << 20)), None, "what is said does not fit");
        assert_eq!(part(6 << 30, "\"0af\"", None), Some(512 << 20), "too large for one request");
        assert_eq!(part(10_000 << 30, "\"0af\"", None), Some((10_000_u64 << 30).div_ceil(10_000)));
    }

    #[test]
    fn pieces_cover_the_object_once() {
        assert_eq!(pieces(10, 4).collect::<Vec<_>>(), [0..4, 4..8, 8..10]);
        assert_eq!(pieces(8, 4).collect::<Vec<_>>(), [0..4, 4..8]);
        assert_eq!(pieces(0, 4).count(), 0);
    }
}
