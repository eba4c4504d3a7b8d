//! Addresses of objects, parsed once.

use crate::cloud::CloudService;
use crate::error::StorageError;
use crate::file_server::{FileAddress, FileProtocol};
use firn_model::diagnose::At;
use std::fmt;
use std::path::{Path, PathBuf};
use url::Url;

/// The address of an object or of a prefix (a "folder").
///
/// | text | is |
/// |---|---|
/// | `data/a.nc`, `/data/a.nc`, `file:///data/a.nc` | a local file or directory |
/// | `http://host/a.nc`, `https://…` | an object of a web server |
/// | `s3://bucket/key` | an object of an S3 service |
/// | `gs://bucket/key`, `az://container/key` | an object of Google Cloud Storage, of Azure Blob Storage |
/// | `sftp://[user@]host[:port]/path`, `ftp://host[:port]/path` | a file of a server, from its root; below the home folder `/~/path` |
/// | `name:key` | a key below the location `name` of `firn.toml`, or the remote `name` of `rclone.conf` |
///
/// A local path whose first segment has a colon is written `./a:b`. The text never carries credentials: user
/// information is refused, and the values of a query (which may be a signature) are not shown.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectUrl(Kind);

/// What kind of address.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Path in the local file system, as given.
    Local(PathBuf),
    /// On a web server.
    Http(Url),
    /// In an S3 bucket; the key has no leading and no trailing slash.
    S3 { bucket: String, key: String },
    /// In a bucket of Google Cloud or a container of Azure; keys as of S3.
    Cloud { service: CloudService, bucket: String, key: String },
    /// On a server of files; the key is the path without its leading slash.
    Server { server: FileAddress, key: String },
    /// Below a configured location.
    Named { location: String, key: String },
}

impl ObjectUrl {
    /// The address that this text means.
    ///
    /// # Errors
    /// [`StorageError::BadUrl`] for a malformed text or one with credentials, [`StorageError::Unsupported`] for a
    /// scheme that firn knows but does not open.
    pub fn parse(text: &str) -> Result<Self, StorageError> {
        let bad = |what: &str| StorageError::BadUrl { at: At::url(text), what: what.to_owned() };
        if text.is_empty() {
            return Err(bad("it is empty"));
        }
        if text.contains(|c: char| c.is_control()) {
            return Err(bad("it has control characters"));
        }
        let Some((scheme, rest)) = text.split_once(':') else { return Ok(Self::local(text)) };
        if scheme.contains('/') || scheme.is_empty() || scheme == "." {
            return Ok(Self::local(text));
        }
        let lower = scheme.to_ascii_lowercase();
        match (lower.as_str(), rest.strip_prefix("//")) {
            ("file", _) => parse_file(text),
            ("http" | "https", Some(_)) => parse_http(text),
            ("s3", Some(rest)) => parse_s3(text, rest),
            ("gs" | "gcs", Some(rest)) => parse_cloud(text, CloudService::Google, rest),
            ("az" | "azure", Some(rest)) => parse_cloud(text, CloudService::Azure, rest),
            ("sftp", Some(rest)) => parse_server(text, FileProtocol::Sftp, rest),
            ("ftp", Some(rest)) => parse_server(text, FileProtocol::Ftp, rest),
            (other, Some(_)) => Err(unsupported_scheme(text, other)),
            ("http" | "https" | "s3" | "gs" | "az" | "sftp" | "ftp", None) => {
                Err(bad("the scheme is not followed by `//`"))
            }
            (_, None) => parse_named(text, scheme, rest),
        }
    }

    /// A local path.
    pub fn local(path: impl Into<PathBuf>) -> Self {
        Self(Kind::Local(path.into()))
    }

    /// A key in an S3 bucket.
    pub(crate) fn s3(bucket: &str, key: &str) -> Self {
        Self(Kind::S3 { bucket: bucket.to_owned(), key: key.trim_matches('/').to_owned() })
    }

    /// A key in a bucket of the same service.
    pub(crate) fn in_bucket(&self, bucket: &str, key: &str) -> Self {
        match &self.0 {
            Kind::Cloud { service, .. } => Self::cloud(*service, bucket, key),
            _ => Self::s3(bucket, key),
        }
    }

    /// A key in a bucket of this service.
    pub(crate) fn cloud(service: CloudService, bucket: &str, key: &str) -> Self {
        Self(Kind::Cloud { service, bucket: bucket.to_owned(), key: key.trim_matches('/').to_owned() })
    }

    /// A key of a server of files.
    pub(crate) fn server(server: FileAddress, key: &str) -> Self {
        Self(Kind::Server { server, key: key.trim_matches('/').to_owned() })
    }

    /// A key below a configured location.
    ///
    /// # Errors
    /// [`StorageError::BadKey`] for a key that [`check_key`] refuses; the empty key is the location itself.
    pub fn named(location: &str, key: &str) -> Result<Self, StorageError> {
        if !key.is_empty() {
            check_key(&At::nowhere().node(format!("locations.{location}")), key)?;
        }
        Ok(Self(Kind::Named { location: location.to_owned(), key: key.to_owned() }))
    }

    pub(crate) fn kind(&self) -> &Kind {
        &self.0
    }

    /// The path of a local address.
    pub fn local_path(&self) -> Option<&Path> {
        match &self.0 {
            Kind::Local(path) => Some(path),
            _ => None,
        }
    }

    /// `file`, `http`, `https`, `s3`, `gs`, `az`, `sftp`, `ftp`, or `location`.
    pub fn scheme(&self) -> &str {
        match &self.0 {
            Kind::Local(_) => "file",
            Kind::Http(url) => url.scheme(),
            Kind::S3 { .. } => "s3",
            Kind::Cloud { service, .. } => service.scheme(),
            Kind::Server { server, .. } => server.protocol.scheme(),
            Kind::Named { .. } => "location",
        }
    }

    /// Is it on a server that nothing can be written to?
    pub fn is_read_only(&self) -> bool {
        match &self.0 {
            Kind::Http(_) => true,
            Kind::Server { server, .. } => server.protocol == FileProtocol::Ftp,
            _ => false,
        }
    }

    /// The last segment of the path or key, empty at a root.
    pub fn file_name(&self) -> String {
        match &self.0 {
            Kind::Local(path) => path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            Kind::Http(url) => {
                let last = url.path().trim_end_matches('/').rsplit('/').next().unwrap_or_default();
                percent_decode(last).unwrap_or_else(|| last.to_owned())
            }
            Kind::S3 { key, .. } | Kind::Cloud { key, .. } | Kind::Server { key, .. } | Kind::Named { key, .. } => {
                key.rsplit('/').next().unwrap_or_default().to_owned()
            }
        }
    }

    /// The address of `key` below this prefix.
    ///
    /// # Errors
    /// [`StorageError::BadKey`] for a key that [`check_key`] refuses; [`StorageError::BadUrl`] for a URL with a query,
    /// which names one object only.
    pub fn child(&self, key: &str) -> Result<Self, StorageError> {
        check_key(&self.at(), key)?;
        Ok(Self(match &self.0 {
            Kind::Local(path) => Kind::Local(path.join(key)),
            Kind::Http(url) => {
                if url.query().is_some() {
                    let what = "a URL with a query names one object and has nothing below it".to_owned();
                    return Err(StorageError::BadUrl { at: self.at(), what });
                }
                let (mut url, mut below) = (url.clone(), url.clone());
                if let Ok(mut segments) = below.path_segments_mut() {
                    segments.clear().extend(key.split('/'));
                }
                let folder = url.path().strip_suffix('/').unwrap_or(url.path());
                let path = format!("{folder}{}", below.path());
                url.set_path(&path);
                Kind::Http(url)
            }
            Kind::S3 { bucket, key: base } => Kind::S3 { bucket: bucket.clone(), key: join(base, key) },
            Kind::Cloud { service, bucket, key: base } => {
                Kind::Cloud { service: *service, bucket: bucket.clone(), key: join(base, key) }
            }
            Kind::Server { server, key: base } => Kind::Server { server: server.clone(), key: join(base, key) },
            Kind::Named { location, key: base } => Kind::Named { location: location.clone(), key: join(base, key) },
        }))
    }

    /// The same address where a local path has one spelling: from the root, without `.` and `..`, links as they are written.
    /// Other addresses have one already.
    ///
    /// # Errors
    /// Where the current directory is not known.
    pub fn absolute(&self) -> Result<Self, StorageError> {
        match &self.0 {
            Kind::Local(path) => {
                let absolute = crate::absolute::absolute(path).map_err(|error| StorageError::io(self.at(), &error))?;
                Ok(Self(Kind::Local(absolute)))
            }
            _ => Ok(self.clone()),
        }
    }

    /// The prefix that holds this object; `None` at a root.
    pub fn parent(&self) -> Option<Self> {
        let up = |key: &str| key.rsplit_once('/').map_or(String::new(), |(base, _)| base.to_owned());
        match &self.0 {
            Kind::Local(path) => {
                let parent = path.parent()?;
                let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
                Some(Self(Kind::Local(parent.to_owned())))
            }
            Kind::Http(url) => {
                let trimmed = url.path().trim_end_matches('/');
                let (base, _) = trimmed.rsplit_once('/')?;
                let mut parent = url.clone();
                parent.set_query(None);
                parent.set_path(&format!("{base}/"));
                Some(Self(Kind::Http(parent)))
            }
            Kind::S3 { key, .. } | Kind::Cloud { key, .. } | Kind::Server { key, .. } | Kind::Named { key, .. }
                if key.is_empty() =>
            {
                None
            }
            Kind::Server { server, key } if key != "~" => Some(Self::server(server.clone(), &up(key))),
            // Where the home folder lies, only the server knows.
            Kind::Server { .. } => None,
            Kind::Cloud { service, bucket, key } => Some(Self::cloud(*service, bucket, &up(key))),
            Kind::S3 { bucket, key } => Some(Self(Kind::S3 { bucket: bucket.clone(), key: up(key) })),
            Kind::Named { location, key } => Some(Self(Kind::Named { location: location.clone(), key: up(key) })),
        }
    }

    /// The key of this object below `prefix`; empty where they are the same, `None` where it lies elsewhere.
    pub fn key_below(&self, prefix: &Self) -> Option<String> {
        match (&self.0, &prefix.0) {
            (Kind::Local(path), Kind::Local(base)) => {
                path.strip_prefix(base).ok().and_then(Path::to_str).map(str::to_owned)
            }
            (Kind::Http(url), Kind::Http(base)) if url.origin() == base.origin() && base.query().is_none() => {
                percent_decode(below_path(url.path(), base.path())?)
            }
            (Kind::S3 { bucket, key }, Kind::S3 { bucket: other, key: base }) if bucket == other => {
                strip_base(key, base)
            }
            (
                Kind::Cloud { service, bucket, key },
                Kind::Cloud { service: other_service, bucket: other, key: base },
            ) if service == other_service && bucket == other => strip_base(key, base),
            (Kind::Server { server, key }, Kind::Server { server: other, key: base }) if server == other => {
                strip_base(key, base)
            }
            (Kind::Named { location, key }, Kind::Named { location: other, key: base }) if location == other => {
                strip_base(key, base)
            }
            _ => None,
        }
    }

    /// May the text be written into a plan, a manifest or a store? Not where the URL has a query, whose values may be
    /// a signature and are not part of the text.
    pub fn is_durable(&self) -> bool {
        !matches!(&self.0, Kind::Http(url) if url.query().is_some())
    }

    /// This address as the place of an error.
    pub fn at(&self) -> At {
        At::url(self.to_string())
    }
}

impl fmt::Display for ObjectUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Local(path) => write!(f, "{}", path.display()),
            Kind::Http(url) => f.write_str(&firn_model::diagnose::without_secrets(url.as_str())),
            Kind::S3 { bucket, key } if key.is_empty() => write!(f, "s3://{bucket}"),
            Kind::S3 { bucket, key } => write!(f, "s3://{bucket}/{key}"),
            Kind::Cloud { service, bucket, key } if key.is_empty() => write!(f, "{}://{bucket}", service.scheme()),
            Kind::Cloud { service, bucket, key } => write!(f, "{}://{bucket}/{key}", service.scheme()),
            Kind::Server { server, key } if key.is_empty() => write!(f, "{server}"),
            Kind::Server { server, key } => write!(f, "{server}/{key}"),
            Kind::Named { location, key } => write!(f, "{location}:{key}"),
        }
    }
}

impl fmt::Debug for ObjectUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectUrl({self})")
    }
}

impl std::str::FromStr for ObjectUrl {
    type Err = StorageError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// Is this key safe to write, to join to a prefix, and to be understood alike by every tool?
///
/// Segments are separated by single slashes; no leading or trailing slash, no `.` or `..`, no control character, at
/// most 1,024 bytes (the bound of S3), and not a name that firn keeps for its own temporary files.
///
/// # Errors
/// [`StorageError::BadKey`] with the rule that is broken.
pub fn check_key(at: &At, key: &str) -> Result<(), StorageError> {
    let bad = |what: &str| Err(StorageError::BadKey { at: at.clone(), key: key.into(), what: what.to_owned() });
    if key.is_empty() {
        return bad("it is empty");
    }
    if key.len() > 1024 {
        return bad("it is longer than 1,024 bytes");
    }
    if key.contains(|c: char| c.is_control()) {
        return bad("it has control characters");
    }
    for segment in key.split('/') {
        match segment {
            "" => return bad("it has an empty segment (a leading, trailing or double slash)"),
            "." | ".." => return bad("it has a `.` or `..` segment"),
            name if name.starts_with(crate::local::TEMPORARY) => return bad("the name is kept for temporary files"),
            _ => {}
        }
    }
    Ok(())
}

/// `base` and `key` with one slash between, or `key` alone at a root.
pub(crate) fn join(base: &str, key: &str) -> String {
    match (base.is_empty(), key.is_empty()) {
        (true, _) => key.to_owned(),
        (_, true) => base.to_owned(),
        _ => format!("{base}/{key}"),
    }
}

fn strip_base(key: &str, base: &str) -> Option<String> {
    if base.is_empty() || key == base {
        return Some(if base.is_empty() { key.to_owned() } else { String::new() });
    }
    key.strip_prefix(base)?.strip_prefix('/').map(str::to_owned)
}

/// What of the path of a URL lies below a folder; one slash at its end is no part of its name, a second is.
fn below_path<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    let folder = folder.strip_suffix('/').unwrap_or(folder);
    let rest = path.strip_prefix(folder)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

fn parse_file(text: &str) -> Result<ObjectUrl, StorageError> {
    let bad = |what: &str| StorageError::BadUrl { at: At::url(text), what: what.to_owned() };
    let url = Url::parse(text).map_err(|error| bad(&error.to_string()))?;
    if !text[5..].starts_with("//") {
        return Err(bad("a file URL is written file:///absolute/path"));
    }
    let path = url.to_file_path().map_err(|()| bad("a file URL names an absolute path on this machine"))?;
    // What is written into plans and stores is the path: it has to mean the same file when it is read again.
    match path.to_str() {
        None => return Err(bad("its path is not UTF-8")),
        Some(path) if path.contains(|c: char| c.is_control()) => return Err(bad("its path has control characters")),
        Some(_) => {}
    }
    Ok(ObjectUrl::local(path))
}

fn parse_http(text: &str) -> Result<ObjectUrl, StorageError> {
    let bad = |what: &str| StorageError::BadUrl { at: At::url(text), what: what.to_owned() };
    let mut url = Url::parse(text).map_err(|error| bad(&error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("it carries a user name or password, which would be written into plans and logs"));
    }
    // A fragment is never sent to a server (netCDF-C uses it for its own options): the object is the same without it.
    url.set_fragment(None);
    Ok(ObjectUrl(Kind::Http(url)))
}

fn parse_s3(text: &str, rest: &str) -> Result<ObjectUrl, StorageError> {
    bucket_and_key(text, rest).map(|(bucket, key)| ObjectUrl::s3(bucket, key))
}

fn parse_cloud(text: &str, service: CloudService, rest: &str) -> Result<ObjectUrl, StorageError> {
    bucket_and_key(text, rest).map(|(bucket, key)| ObjectUrl::cloud(service, bucket, key))
}

fn parse_server(text: &str, protocol: FileProtocol, rest: &str) -> Result<ObjectUrl, StorageError> {
    FileAddress::parse(text, protocol, rest).map(|(server, key)| ObjectUrl::server(server, &key))
}

fn bucket_and_key<'a>(text: &str, rest: &'a str) -> Result<(&'a str, &'a str), StorageError> {
    let bad = |what: &str| StorageError::BadUrl { at: At::url(text), what: what.to_owned() };
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() {
        return Err(bad("it names no bucket"));
    }
    if bucket.contains('@') {
        return Err(bad("it carries credentials, which would be written into plans and logs"));
    }
    // `$web` and `$root` are containers of Azure.
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '$');
    if bucket.len() > 255 || !bucket.chars().all(valid) {
        return Err(bad("the bucket name has characters that no bucket has"));
    }
    if key.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(bad("the key has a `.` or `..` segment"));
    }
    Ok((bucket, key))
}

fn parse_named(text: &str, location: &str, key: &str) -> Result<ObjectUrl, StorageError> {
    if !is_location_name(location) && !is_remote_name(location) {
        let what = "the part before the colon is neither a scheme nor the name of a location or remote".to_owned();
        return Err(StorageError::BadUrl { at: At::url(text), what });
    }
    ObjectUrl::named(location, key.trim_end_matches('/'))
}

/// Can this be the name of a remote of `rclone.conf`? Letters and digits of any script, `_`, `-`, `.`, `+`, `@` and, not at
/// the ends, spaces: <https://rclone.org/docs/#valid-remote-names>.
fn is_remote_name(name: &str) -> bool {
    let valid = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '+' | '@' | ' ');
    let is_scheme = is_scheme(&name.to_ascii_lowercase());
    !is_scheme && name.chars().all(valid) && !name.starts_with(['-', ' ']) && !name.is_empty() && !name.ends_with(' ')
}

fn is_scheme(name: &str) -> bool {
    const SCHEMES: [&str; 14] =
        ["file", "http", "https", "s3", "s3a", "gs", "gcs", "az", "azure", "abfs", "abfss", "ftp", "sftp", "hf"];
    SCHEMES.contains(&name)
}

/// Can this be the name of a location? Lower-case letters, digits, `-` and `_`, beginning with a letter or digit, and
/// not the name of a URL scheme.
pub(crate) fn is_location_name(name: &str) -> bool {
    let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.chars().all(valid)
        && !is_scheme(name)
}

fn unsupported_scheme(text: &str, scheme: &str) -> StorageError {
    let (what, next) = match scheme {
        "abfs" | "abfss" | "adl" | "wasb" | "wasbs" => (
            format!("{scheme} is Hadoop's name of Azure's storage"),
            "write az://CONTAINER/KEY, with AZURE_STORAGE_ACCOUNT or a location that names the account".to_owned(),
        ),
        "ftps" | "ftpes" => (
            "FTP over TLS is not spoken".to_owned(),
            "where the server has SFTP or https too, use those; else copy it by rclone first".to_owned(),
        ),
        "ssh" | "scp" => (
            format!("{scheme} is not a protocol of files"),
            format!("write sftp://{}", text.split_once("://").map_or("", |(_, rest)| rest)),
        ),
        "s3a" | "s3n" => (
            format!("{scheme} is Hadoop's name of S3"),
            format!("write s3://{}", text.split_once("://").map_or("", |(_, rest)| rest)),
        ),
        other => (
            format!("the scheme {other:?} is not supported"),
            "use a path, file://, http(s)://, s3://, gs://, az://, sftp:// or ftp://, or copy the data there first"
                .to_owned(),
        ),
    };
    StorageError::Unsupported { at: At::url(text), what, next: next.into() }
}

/// The text with `%XX` decoded; `None` where the result is not UTF-8.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let escaped = (bytes[i] == b'%').then(|| text.get(i + 1..i + 3)).flatten();
        if let Some(byte) = escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            out.push(byte);
            i += 3;
        } else {
            out.push(bytes[i]);
            i += 1;
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests;
