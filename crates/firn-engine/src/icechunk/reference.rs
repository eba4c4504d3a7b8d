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

/// How references into this object are written, for readers of this specification.
///
/// # Errors
/// [`IcechunkError::PortDropped`], [`IcechunkError::BadReference`].
pub(super) fn referenced(object: &SourceObject, spec: SpecVersion) -> Result<Referenced, IcechunkError> {
    let at = At::url(&object.url);
    let bad = |what: &str| IcechunkError::BadReference { at: at.clone(), what: what.to_owned() };
    let url = if object.url.starts_with('/') {
        Url::from_file_path(&object.url).map_err(|()| bad("is not an absolute path"))?
    } else {
        Url::parse(&object.url).map_err(|_| bad("is not a URL"))?
    };
    if !matches!(url.scheme(), "file" | "http" | "https" | "s3") {
        return Err(bad("has a scheme that Icechunk readers do not know"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad("has a query or fragment, which readers drop"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("carries credentials, which would be published"));
    }
    if spec == SpecVersion::V1 && url.scheme() != "s3" && url.port().is_some() {
        return Err(IcechunkError::PortDropped { at });
    }
    let path = url.path();
    if path.len() < 2 || path.contains("//") || path.ends_with('/') {
        return Err(bad("has an empty part in its path, which readers cannot ask for"));
    }
    let location = VirtualChunkLocation::from_url(url.as_str())
        .map_err(|error| IcechunkError::from_reference(&at, &error.kind))?;
    Ok(Referenced { location, checksum: checksum(url.scheme(), &object.version) })
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
