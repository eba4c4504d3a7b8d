//! Listings of S3 with every key as it is: a bucket may hold keys that no path, and so no client library, can name.

use crate::s3_signed::{Bucket, Refusal, Request};
use firn_model::source::SourceVersion;
use percent_encoding::percent_decode_str;
use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::Event;
use reqwest::Method;

/// Bounds what a server that never ends its listing can make of us.
const MOST_PAGES: usize = 1_000_000;

/// An object as the server names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawObject {
    /// The whole key, bytes of any kind.
    pub key: Vec<u8>,
    /// Its version.
    pub version: SourceVersion,
}

/// What a server lists.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct RawListing {
    pub objects: Vec<RawObject>,
    /// Prefixes with their last slash, where one level was asked for.
    pub prefixes: Vec<Vec<u8>>,
}

/// Everything whose key begins so, or one level of it, page by page, in the order of the server.
pub(crate) async fn list(bucket: Bucket<'_>, prefix: &str, one_level: bool) -> Result<RawListing, Refusal> {
    let mut listing = RawListing::default();
    let mut token: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let mut query =
            vec![("list-type", "2".to_owned()), ("encoding-type", "url".to_owned()), ("prefix", prefix.to_owned())];
        query.extend(one_level.then(|| ("delimiter", "/".to_owned())));
        query.extend(token.as_ref().map(|token| ("continuation-token", token.clone())));
        query.sort_unstable();
        let answer = bucket.send(&Request { query, ..Request::new(Method::GET, "") }).await?;
        let page = page(&String::from_utf8_lossy(&answer.body)).map_err(Refusal::Unreadable)?;
        listing.objects.extend(page.listing.objects);
        listing.prefixes.extend(page.listing.prefixes);
        match page.next {
            // The same token again would be the same page again.
            Some(next) if token.as_ref() != Some(&next) => token = Some(next),
            _ => return Ok(listing),
        }
    }
    Err(Refusal::Unreadable("the listing does not end".to_owned()))
}

#[derive(Debug, Default, PartialEq)]
struct Page {
    listing: RawListing,
    next: Option<String>,
}

/// One page: `ListBucketResult` of the S3 API reference, `ListObjectsV2`.
fn page(text: &str) -> Result<Page, String> {
    let mut reader = Reader::from_str(text);
    let (mut path, mut value): (Vec<String>, String) = (Vec::new(), String::new());
    let (mut page, mut raw, mut is_encoded, mut is_cut) = (Page::default(), Raw::default(), false, false);
    let mut is_listing = false;
    loop {
        match reader.read_event().map_err(|error| format!("the listing is no XML: {error}"))? {
            Event::Start(start) => {
                path.push(String::from_utf8_lossy(start.local_name().as_ref()).into_owned());
                is_listing |= path.len() == 1 && path[0] == "ListBucketResult";
                value.clear();
            }
            Event::Text(part) => value.push_str(&part.decode().map_err(|error| error.to_string())?),
            Event::CData(part) => value.push_str(&part.decode().map_err(|error| error.to_string())?),
            Event::GeneralRef(entity) => {
                let name = entity.decode().map_err(|error| error.to_string())?;
                let character = unescape(&format!("&{name};")).map_err(|error| error.to_string())?.into_owned();
                value.push_str(&character);
            }
            Event::End(_) => {
                match path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
                    [_, "EncodingType"] => is_encoded = value == "url",
                    [_, "IsTruncated"] => is_cut = value == "true",
                    [_, "NextContinuationToken"] => page.next = Some(std::mem::take(&mut value)),
                    [_, "Contents", "Key"] => raw.key = Some(std::mem::take(&mut value)),
                    [_, "Contents", "Size"] => raw.size = value.trim().parse().ok(),
                    [_, "Contents", "ETag"] => raw.etag = Some(std::mem::take(&mut value)),
                    [_, "Contents", "LastModified"] => raw.modified = crate::http_date::parse_iso(&value),
                    [_, "Contents"] => page.listing.objects.push(std::mem::take(&mut raw).object()?),
                    [_, "CommonPrefixes", "Prefix"] => {
                        page.listing.prefixes.push(std::mem::take(&mut value).into_bytes());
                    }
                    _ => {}
                }
                path.pop();
                value.clear();
            }
            Event::Eof => break,
            _ => {}
        }
    }
    if !is_listing || !path.is_empty() {
        return Err("the answer is no listing".to_owned());
    }
    if is_encoded {
        page.listing.objects.iter_mut().for_each(|object| decode(&mut object.key));
        page.listing.prefixes.iter_mut().for_each(decode);
    }
    if is_cut && page.next.is_none() {
        return Err("the listing is cut and does not say how it goes on".to_owned());
    }
    page.next = page.next.filter(|_| is_cut);
    Ok(page)
}

#[derive(Default)]
struct Raw {
    key: Option<String>,
    size: Option<u64>,
    etag: Option<String>,
    modified: Option<i64>,
}

impl Raw {
    fn object(self) -> Result<RawObject, String> {
        let (Some(key), Some(size)) = (self.key, self.size) else {
            return Err("an entry of the listing has no key or no size".to_owned());
        };
        let version = SourceVersion { etag: self.etag, last_modified: self.modified, nanoseconds: None, size };
        Ok(RawObject { key: key.into_bytes(), version })
    }
}

/// Keys of listings are encoded as those of forms are: a space is `+` or `%20`, a plus `%2B`.
fn decode(key: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(key).replace('+', " ");
    *key = percent_decode_str(&text).collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(page: &Page) -> Vec<String> {
        page.listing.objects.iter().map(|object| String::from_utf8_lossy(&object.key).into_owned()).collect()
    }

    #[test]
    fn keys_are_decoded_and_versions_read() {
        let text = r#"<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
            <Name>b</Name><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>
            <NextContinuationToken>a&amp;b=</NextContinuationToken>
            <Contents><Key>a+b/%2B%0A//x</Key><LastModified>1994-11-06T08:49:37.000Z</LastModified><ETag>&quot;e-2&quot;</ETag>
            <Size>7</Size><StorageClass>STANDARD</StorageClass><Owner><ID>me</ID></Owner></Contents>
            <Contents><Key>%FF</Key><Size>0</Size></Contents>
            <CommonPrefixes><Prefix>x%2F+y/</Prefix></CommonPrefixes></ListBucketResult>"#;
        let found = page(text).unwrap();
        assert_eq!(found.next.as_deref(), Some("a&b="));
        assert_eq!(keys(&found), ["a b/+\n//x", "\u{fffd}"]);
        let seen = SourceVersion {
            etag: Some("\"e-2\"".to_owned()),
            last_modified: Some(784_111_777),
            nanoseconds: None,
            size: 7,
        };
        assert_eq!(found.listing.objects[0].version, seen);
        assert_eq!(found.listing.objects[1].key, [0xff]);
        assert_eq!(found.listing.prefixes, [b"x/ y/".to_vec()]);
    }

    #[test]
    fn keys_of_a_server_that_does_not_encode_are_taken_as_they_are() {
        let text = "<ListBucketResult><IsTruncated>false</IsTruncated><NextContinuationToken>x</NextContinuationToken>\
                    <Contents><Key>a+b &amp; %41</Key><Size>1</Size></Contents></ListBucketResult>";
        let found = page(text).unwrap();
        assert_eq!((keys(&found), found.next), (vec!["a+b & %41".to_owned()], None));
    }

    #[test]
    fn what_is_no_listing_is_refused() {
        for text in [
            "",
            "<html><body>hello</body></html>",
            "<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
            "<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>",
            "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
            "<ListBucketResult><Contents><Key>a</Key><Size>1</Size></Contents>",
            "<ListBucketResult><Contents><Key>&nonsense;</Key><Size>1</Size></Contents></ListBucketResult>",
            "<ListBucketResult><Contents><Key>a</Key><Size>-1</Size></Contents></ListBucketResult>",
        ] {
            assert!(page(text).is_err(), "{text}");
        }
    }
}
