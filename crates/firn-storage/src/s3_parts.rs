//! An upload in parts, by requests of our own: parts are copied by the server, or sent with their MD5.

use crate::s3_signed::{Bucket, Refusal, Request, element};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use firn_model::source::ByteRange;
use md5::{Digest, Md5};
use reqwest::Method;
use std::collections::BTreeMap;
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
    key: String,
    id: String,
}

impl<'a> Upload<'a> {
    pub(crate) async fn begin(bucket: Bucket<'a>, key: String, content_type: &str) -> Result<Upload<'a>, Refusal> {
        let query = vec![("uploads", String::new())];
        let headers = vec![("content-type", content_type.to_owned())];
        let answer = bucket.send(&Request { query, headers, ..Request::new(Method::POST, &key) }).await?;
        match element(&String::from_utf8_lossy(&answer.body), "UploadId") {
            Some(id) => Ok(Self { bucket, key, id }),
            None => Err(nameless(answer.status.as_u16())),
        }
    }

    /// One that was begun before.
    pub(crate) fn of(bucket: Bucket<'a>, key: String, id: String) -> Self {
        Self { bucket, key, id }
    }

    /// What the server calls it.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Entity tags and sizes of the parts that the server has, by their numbers.
    pub(crate) async fn parts(&self) -> Result<BTreeMap<u64, (String, u64)>, Refusal> {
        let (mut parts, mut after) = (BTreeMap::new(), None);
        for _ in 0..MOST_PARTS {
            let mut query = vec![("uploadId", self.id.clone())];
            query.extend(after.map(|number: u64| ("part-number-marker", number.to_string())));
            query.sort_unstable();
            let answer = self.bucket.send(&Request { query, ..Request::new(Method::GET, &self.key) }).await?;
            let text = String::from_utf8_lossy(&answer.body);
            for part in text.split("<Part>").skip(1) {
                let number = |name| element(part, name).and_then(|text| text.parse::<u64>().ok());
                if let (Some(at), Some(size), Some(tag)) = (number("PartNumber"), number("Size"), element(part, "ETag"))
                {
                    parts.insert(at, (tag, size));
                }
            }
            let last = parts.keys().next_back().copied();
            let is_cut = element(&text, "IsTruncated").is_some_and(|text| text == "true");
            // A server that says that more follow, and gives none, would be asked for ever.
            if !is_cut || last <= after {
                break;
            }
            after = last;
        }
        Ok(parts)
    }

    fn part(&self, number: u64) -> Request<'_> {
        let query = vec![("partNumber", number.to_string()), ("uploadId", self.id.clone())];
        Request { query, ..Request::new(Method::PUT, &self.key) }
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
        let request = Request { query, body: text.into(), repeatable: false, ..Request::new(Method::POST, &self.key) };
        self.bucket.send(&request).await.map(|_| ())
    }

    /// Gives the upload up. Parts that stay are what a lifecycle rule of the bucket removes.
    pub(crate) async fn abort(self) {
        let query = vec![("uploadId", self.id.clone())];
        if let Err(refusal) = self.bucket.send(&Request { query, ..Request::new(Method::DELETE, &self.key) }).await {
            tracing::debug!(key = self.key, %refusal, "upload could not be ended");
        }
    }
}

/// The entity tag of an object of these parts: the MD5 of their MD5 sums, and their number. `None` where their tags are no sums, as
/// with some kinds of encryption.
pub(crate) fn tag_of_parts(tags: &[String]) -> Option<String> {
    let mut sums = Md5::new();
    for tag in tags {
        let tag = tag.trim_matches('"');
        if tag.len() != 32 || !tag.is_ascii() {
            return None;
        }
        for at in (0..32).step_by(2) {
            sums.update([u8::from_str_radix(tag.get(at..at + 2)?, 16).ok()?]);
        }
    }
    let mut text = String::from("\"");
    for byte in sums.finalize() {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    let _ = write!(text, "-{}\"", tags.len());
    Some(text)
}

/// An answer of success that lacks what it has to tell.
fn nameless(status: u16) -> Refusal {
    Refusal::Answer { status, code: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_of_parts_is_what_s3_makes_of_them() {
        // printf a | md5sum, printf b | md5sum; then md5sum of the bytes of the two sums.
        let tags = ["\"0cc175b9c0f1b6a831c399e269772661\"".to_owned(), "92eb5ffee6ae2fec3ad71c777531578f".to_owned()];
        assert_eq!(tag_of_parts(&tags).as_deref(), Some("\"96e024ba2074fe77e8e965ba43a704be-2\""));
        assert_eq!(tag_of_parts(&["\"opaque\"".to_owned()]), None);
        assert_eq!(tag_of_parts(&["ä".repeat(16)]), None);
    }
}
