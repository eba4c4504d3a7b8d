//! URLs and versions of source objects, as virtual chunk references that every icechunk reader resolves to the same bytes.

use super::{IcechunkError, SpecVersion};
use firn_model::array::SourceObject;
use firn_model::diagnose::At;
use firn_model::source::SourceVersion;
use icechunk::format::manifest::{Checksum, SecondsSinceEpoch, VirtualChunkLocation};
use icechunk::storage::{ETag, strip_quotes};
use url::Url;

/// An object as references name it.
#[derive(Debug, Clone)]
pub(super) struct Referenced {
    pub(super) location: VirtualChunkLocation,
    pub(super) checksum: Option<Checksum>,
}

/// How references into this object are written, for readers of this specification. One of the container prefixes has to
/// hold it.
///
/// # Errors
/// [`IcechunkError::PortDropped`], [`IcechunkError::BadReference`], [`IcechunkError::NoContainer`].
pub(super) fn referenced(
    object: &SourceObject,
    spec: SpecVersion,
    prefixes: &[String],
) -> Result<Referenced, IcechunkError> {
    let at = At::url(&object.url);
    let address = readable(&object.url, spec)?;
    if !prefixes.iter().any(|prefix| address.plain.starts_with(prefix.as_str())) {
        return Err(IcechunkError::NoContainer { at });
    }
    let location = VirtualChunkLocation::from_url(address.url.as_str())
        .map_err(|error| IcechunkError::from_reference(&at, &error.kind))?;
    Ok(Referenced { location, checksum: checksum(address.url.scheme(), &object.version) })
}

/// Whether readers of this specification can follow references into an object at this address.
///
/// # Errors
/// [`IcechunkError::PortDropped`], [`IcechunkError::BadReference`].
pub fn check_address(url: &str, spec: SpecVersion) -> Result<(), IcechunkError> {
    readable(url, spec).map(|_| ())
}

fn readable(text: &str, spec: SpecVersion) -> Result<Address, IcechunkError> {
    let at = At::url(text);
    let address =
        address(text).map_err(|what| IcechunkError::BadReference { at: at.clone(), what: what.to_owned() })?;
    let has_port = address.url.scheme() != "s3" && address.url.port().is_some();
    if spec == SpecVersion::V1 && has_port {
        return Err(IcechunkError::PortDropped { at });
    }
    Ok(address)
}

struct Address {
    /// As it stands in a reference.
    url: Url,
    /// Without escapes: what readers compare with the prefixes of the containers.
    plain: String,
}

/// A source's address as a URL of which readers, who decode its path once, ask for the same object.
fn address(text: &str) -> Result<Address, &'static str> {
    let (url, plain) = if let Some(key) = text.strip_prefix("s3://") {
        // The key stands there as it is, not escaped.
        let url = Url::parse(&format!("s3://{}", escape(key))).map_err(|_| "is not a URL")?;
        (url, text.to_owned())
    } else if text.starts_with('/') {
        (Url::from_file_path(text).map_err(|()| "is not an absolute path")?, format!("file://{text}"))
    } else {
        let url = Url::parse(text).map_err(|_| "is not an absolute path or a URL")?;
        let plain = match url.scheme() {
            "http" | "https" => url.to_string(),
            "file" => {
                let path = url.to_file_path().map_err(|()| "is not an absolute path")?;
                format!("file://{}", path.to_str().ok_or("is not UTF-8")?)
            }
            _ => {
                return Err(
                    "has a scheme that firn writes no references to (it writes them to http(s), s3 and local files)",
                );
            }
        };
        (url, plain)
    };
    if url.query().is_some() || url.fragment().is_some() {
        return Err("has a query or fragment, which readers drop");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("carries credentials, which would be published");
    }
    let path = url.path();
    if path.len() < 2 || path.contains("//") || path.ends_with('/') {
        return Err("has an empty part in its path, which readers cannot ask for");
    }
    if text.split('/').any(|part| matches!(part, "." | "..")) {
        return Err("has a . or .. in its path, which readers resolve in different ways");
    }
    let escapes = path.split('%').skip(1).map(|after| after.as_bytes());
    if escapes.into_iter().any(|after| matches!(after, [b'0' | b'1', ..] | [b'2', b'f' | b'F', ..])) {
        return Err("has an escaped slash or control character in its path, which readers ask for otherwise");
    }
    Ok(Address { url, plain })
}

/// What firn calls the object of a reference: keys of buckets as they are, everything else as a URL.
pub(super) fn source_url(location: &str) -> String {
    match location.strip_prefix("s3://") {
        Some(key) => format!("s3://{}", unescape(key.split(['?', '#']).next().unwrap_or(key))),
        None => location.to_owned(),
    }
}

/// Everything but what a path may hold, escaped.
fn escape(key: &str) -> String {
    let mut escaped = String::with_capacity(key.len());
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push('%');
            escaped.extend([byte >> 4, byte & 15].map(|digit| char::from(b"0123456789ABCDEF"[usize::from(digit)])));
        }
    }
    escaped
}

fn unescape(key: &str) -> String {
    let mut bytes = Vec::with_capacity(key.len());
    let mut rest = key.as_bytes();
    while let [first, after @ ..] = rest {
        let value = match (first, after) {
            (b'%', [high, low, ..]) => char::from(*high).to_digit(16).zip(char::from(*low).to_digit(16)),
            _ => None,
        };
        if let Some((high, low)) = value {
            bytes.push((high * 16 + low) as u8);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| key.to_owned())
}

/// What readers compare before they trust the bytes.
///
/// Buckets compare entity tags, and take them without quotes from every reader (Ceph 16 takes no others). Web servers
/// compare them with quotes, which icechunk 2 strips and icechunk 1 does not: they get the date, which both send alike.
/// Files get the date too, since a file's entity tag holds its inode.
fn checksum(scheme: &str, version: &SourceVersion) -> Option<Checksum> {
    // A date is cut to whole seconds, and local readers compare with the fraction.
    let slack = i64::from(scheme == "file");
    let modified = version
        .last_modified
        .and_then(|seconds| u32::try_from(seconds.saturating_add(slack)).ok())
        .map(|seconds| Checksum::LastModified(SecondsSinceEpoch(seconds)));
    let etag = version
        .etag
        .as_ref()
        .filter(|tag| !tag.starts_with("W/"))
        .map(|tag| Checksum::ETag(ETag(strip_quotes(tag).to_owned())));
    match scheme {
        "s3" => etag.or(modified),
        _ => modified,
    }
}
