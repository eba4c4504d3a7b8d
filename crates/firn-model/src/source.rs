//! The only door between a format reader and bytes.

use crate::diagnose::{At, Category, Diagnose, shell_word};
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;

/// A byte range of an object: `start..end`.
pub type ByteRange = Range<u64>;

/// Which state of an object was seen, as far as its server tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct SourceVersion {
    /// Entity tag, as sent (with its quotes).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub etag: Option<String>,
    /// Last modification, in seconds since 1970-01-01 UTC.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_modified: Option<i64>,
    /// Nanoseconds of that, where they are told: a file may change twice in a second.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub nanoseconds: Option<u32>,
    /// Size in bytes.
    pub size: u64,
}

impl SourceVersion {
    /// Whether both were modified at the same fraction of their seconds, as far as both sides know.
    pub fn has_the_fraction_of(&self, other: &Self) -> bool {
        self.nanoseconds.zip(other.nanoseconds).is_none_or(|(a, b)| a == b)
    }

    /// How another version of the same object differs from this one, as far as both sides know: a size of 0 is unknown
    /// (nothing refers into an empty object), and entity tags are compared without their quotes.
    pub fn difference(&self, seen: &Self) -> Option<String> {
        if self.size != 0 && seen.size != 0 && self.size != seen.size {
            return Some(format!("it had {} bytes and has {}", self.size, seen.size));
        }
        match (&self.etag, &seen.etag) {
            (Some(a), Some(b)) if a.trim_matches('"') != b.trim_matches('"') => {
                return Some(format!("its ETag was {a} and is {b}"));
            }
            (Some(_), Some(_)) => return None,
            _ => {}
        }
        match (self.last_modified, seen.last_modified) {
            // References may carry the next full second, which readers compare with.
            (Some(a), Some(b)) if b > a => {
                Some(format!("it was modified at {a} and again at {b} (seconds since 1970-01-01)"))
            }
            (Some(a), Some(b)) if a == b && !self.has_the_fraction_of(seen) => {
                Some(format!("it was modified twice in the second {a} since 1970-01-01"))
            }
            _ => None,
        }
    }
}

/// What a listing says of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// Key below the listed source, without a leading `/`.
    pub key: String,
    /// Its version.
    pub version: SourceVersion,
}

/// Random access to the bytes of one object. Synchronous; an implementation may coalesce and cache.
pub trait RangeReader: Send + Sync {
    /// Size in bytes.
    ///
    /// # Errors
    /// [`SourceError`] where the size has to be asked for and the answer fails.
    fn size(&self) -> Result<u64, SourceError>;

    /// The version that is being read.
    ///
    /// # Errors
    /// As [`RangeReader::size`].
    fn version(&self) -> Result<SourceVersion, SourceError>;

    /// The bytes of each range, in the order asked. Every answer has exactly the length of its range.
    ///
    /// # Errors
    /// [`SourceError::OutOfBounds`] for a range beyond the end, else what the storage says.
    fn read_ranges(&self, ranges: &[ByteRange]) -> Result<Vec<Bytes>, SourceError>;

    /// The bytes of one range.
    ///
    /// # Errors
    /// As [`RangeReader::read_ranges`].
    fn read(&self, range: ByteRange) -> Result<Bytes, SourceError> {
        let at = At::nowhere().bytes(range.start, range.end.saturating_sub(range.start));
        self.read_ranges(std::slice::from_ref(&range))?
            .pop()
            .ok_or(SourceError::Broken { at, what: "no bytes were returned for the range".to_owned() })
    }
}

/// An object or a prefix: what a format reader opens.
pub trait Source: Send + Sync {
    /// The URL this source was opened with, without credentials.
    fn url(&self) -> &str;

    /// The object below this source with this key; the empty key is the source itself. `None` where the storage says
    /// that it does not exist.
    ///
    /// # Errors
    /// Anything but "does not exist".
    fn object(&self, key: &str) -> Result<Option<Arc<dyn RangeReader>>, SourceError>;

    /// The objects below this prefix, all levels, in key order.
    ///
    /// # Errors
    /// [`SourceError::NotListable`] where the protocol has no listings.
    fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, SourceError>;

    /// Another source that this one refers to, where the host policy allows it.
    ///
    /// # Errors
    /// [`SourceError::Denied`] for a host that is not allowed.
    fn sibling(&self, url: &str) -> Result<Arc<dyn Source>, SourceError>;
}

/// Why bytes could not be had.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The object does not exist.
    #[error("{at} does not exist")]
    NotFound {
        /// Where.
        at: At,
    },
    /// The server refuses: credentials are missing or do not suffice, or the host is not allowed.
    #[error("access to {at} was denied: {what}")]
    Denied {
        /// Where.
        at: At,
        /// What the server said, without secrets.
        what: String,
    },
    /// The server did not prove that it is the one that is meant.
    #[error("{at} was not asked: {what}")]
    HostKey {
        /// Where.
        at: At,
        /// What it showed instead.
        what: String,
        /// The exact next step.
        next: Box<str>,
    },
    /// There is no key by which the server lets the user in.
    #[error("{at} lets nobody in by the keys that are here: {what}")]
    Login {
        /// Where.
        at: At,
        /// Which were tried, or why none was; never the keys.
        what: String,
        /// The exact next step.
        next: Box<str>,
    },
    /// No answer, or a failing one, also after retries.
    #[error("{at} could not be reached: {what}")]
    Unavailable {
        /// Where.
        at: At,
        /// The last failure.
        what: String,
    },
    /// A range beyond the end of the object.
    #[error("{at} lies beyond the end of the object, which has {size} bytes")]
    OutOfBounds {
        /// Where; its place is the range.
        at: At,
        /// The size of the object.
        size: u64,
    },
    /// The object changed while it was being read.
    #[error("{at} changed while it was being read: {what}")]
    Changed {
        /// Where.
        at: At,
        /// Old and new version.
        what: String,
    },
    /// An object that references of a store point into is no longer the one that they were written for.
    #[error("the references of {store} into {at} are stale: {what}")]
    Stale {
        /// The object.
        at: At,
        /// The store of references.
        store: Box<str>,
        /// What changed.
        what: String,
    },
    /// The ledger of its store says something else of the object.
    #[error("{at} is not as it was written: {what}")]
    NotAsWritten {
        /// Where.
        at: At,
        /// What the ledger says, and what was found.
        what: String,
    },
    /// The protocol cannot list.
    #[error("{at} cannot be listed: {what}")]
    NotListable {
        /// Where.
        at: At,
        /// Why.
        what: String,
    },
    /// The URL is not one that firn understands.
    #[error("{at} is not a URL that firn can open: {what}")]
    BadUrl {
        /// Where.
        at: At,
        /// What is wrong with it.
        what: String,
    },
    /// The server answered something that contradicts its own protocol (a wrong length, a range not asked for).
    #[error("{at} was answered wrongly: {what}")]
    Broken {
        /// Where.
        at: At,
        /// What was wrong.
        what: String,
    },
}

impl Diagnose for SourceError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "source-not-found",
            Self::Denied { .. } => "source-denied",
            Self::HostKey { .. } => "source-host-key",
            Self::Login { .. } => "source-login",
            Self::Unavailable { .. } => "source-unavailable",
            Self::OutOfBounds { .. } => "source-truncated",
            Self::Changed { .. } => "source-changed",
            Self::Stale { .. } => "source-stale",
            Self::NotAsWritten { .. } => "source-not-as-written",
            Self::NotListable { .. } => "source-not-listable",
            Self::BadUrl { .. } => "source-bad-url",
            Self::Broken { .. } => "source-broken-answer",
        }
    }

    fn category(&self) -> Category {
        match self {
            Self::NotFound { .. } => Category::NotFound,
            Self::Denied { .. } | Self::HostKey { .. } | Self::Login { .. } => Category::Denied,
            Self::Unavailable { .. } | Self::Broken { .. } => Category::Unavailable,
            Self::OutOfBounds { .. } | Self::Changed { .. } | Self::Stale { .. } | Self::NotAsWritten { .. } => {
                Category::Corrupt
            }
            Self::NotListable { .. } => Category::Unsupported,
            Self::BadUrl { .. } => Category::Usage,
        }
    }

    fn at(&self) -> At {
        match self {
            Self::NotFound { at }
            | Self::Denied { at, .. }
            | Self::HostKey { at, .. }
            | Self::Login { at, .. }
            | Self::Unavailable { at, .. }
            | Self::OutOfBounds { at, .. }
            | Self::Changed { at, .. }
            | Self::Stale { at, .. }
            | Self::NotAsWritten { at, .. }
            | Self::NotListable { at, .. }
            | Self::BadUrl { at, .. }
            | Self::Broken { at, .. } => at.clone(),
        }
    }

    fn why(&self) -> String {
        match self {
            Self::NotFound { .. } => "a missing source would leave a hole in the dataset",
            Self::Denied { .. } => "what may not be read is not empty, and what may not be written is not stored: carrying on would lose values",
            Self::HostKey { .. } => "another machine may stand between you and the server, read what you send and change what you get",
            Self::Login { .. } => "what may not be read is not empty: carrying on would lose values",
            Self::Unavailable { .. } | Self::Broken { .. } => {
                "what cannot be read now must not be taken for absent data"
            }
            Self::OutOfBounds { .. } => "the file ends before its own metadata says; it was probably cut in transfer",
            Self::Changed { .. } => "parts of two different files would be mixed",
            Self::Stale { .. } => "the bytes at a reference may be other values now, or the middle of some",
            Self::NotAsWritten { .. } => "a lost or damaged chunk would be read as missing or wrong values",
            Self::NotListable { .. } => "without a listing firn cannot know which objects there are",
            Self::BadUrl { .. } => "nothing can be read from it",
        }
        .to_owned()
    }

    fn next(&self) -> String {
        let plain = self.at().url.unwrap_or_else(|| "URL".to_owned());
        let url = shell_word(&plain);
        match self {
            Self::NotFound { .. } => format!("check the address: firn inspect {url}"),
            Self::Denied { .. } if plain.starts_with("file:") || !plain.contains("://") => {
                format!("give yourself the right to it, or choose another place: ls -ld {url}")
            }
            Self::Denied { .. } if plain.starts_with("http") => {
                "add the host, your user and password to ~/.netrc, or set EARTHDATA_TOKEN for data of NASA; where the server speaks S3, name the object as s3://bucket/key, with its endpoint in firn.toml".to_owned()
            }
            Self::Denied { .. } if plain.starts_with("sftp://") => {
                format!("ask who runs the server for the right to it, or name another user: sftp://USER@{}", plain.trim_start_matches("sftp://"))
            }
            Self::Denied { .. } if plain.starts_with("ftp://") => {
                "fetch it by a tool that sends passwords openly (rclone, curl), or ask for an https address of the data".to_owned()
            }
            Self::HostKey { next, .. } | Self::Login { next, .. } => next.to_string(),
            Self::Denied { .. } if plain.starts_with("gs://") => {
                "gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS; then: firn config show".to_owned()
            }
            Self::Denied { .. } if plain.starts_with("az://") => {
                "set AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN; then: firn config show".to_owned()
            }
            Self::Denied { .. } => "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a location in firn.toml; then: firn config check".to_owned(),
            Self::Unavailable { .. } | Self::Broken { .. } => "run the same command again later; it continues where it stopped".to_owned(),
            Self::OutOfBounds { .. } => format!("fetch the file again, then: firn inspect {url}"),
            Self::Changed { .. } => "run the same command again; it starts over with the new version".to_owned(),
            Self::Stale { .. } => format!(
                "put the old file back, or write new references to all sources: firn virtualize {url} … --target ANOTHER"
            ),
            Self::NotAsWritten { .. } => "see what else the store lost, then fetch or build it again: firn verify STORE --full".to_owned(),
            Self::NotListable { .. } => "name the files in a pattern or a list instead (firn plan URL-PATTERN), or a store whose metadata is consolidated".to_owned(),
            Self::BadUrl { .. } => "use a path, file://, http(s)://, s3://bucket/key, gs://, az://, sftp:// or ftp://".to_owned(),
        }
    }
}

/// A whole object in memory as a [`RangeReader`]: for tests, fuzzing and small embedded files.
#[derive(Debug, Clone)]
pub struct MemoryReader {
    at: At,
    bytes: Bytes,
}

impl MemoryReader {
    /// A reader of these bytes, named by this URL in errors.
    pub fn new(url: &str, bytes: impl Into<Bytes>) -> Self {
        Self { at: At::url(url), bytes: bytes.into() }
    }
}

impl RangeReader for MemoryReader {
    fn size(&self) -> Result<u64, SourceError> {
        Ok(self.bytes.len() as u64)
    }

    fn version(&self) -> Result<SourceVersion, SourceError> {
        Ok(SourceVersion { size: self.bytes.len() as u64, ..SourceVersion::default() })
    }

    fn read_ranges(&self, ranges: &[ByteRange]) -> Result<Vec<Bytes>, SourceError> {
        let size = self.bytes.len() as u64;
        ranges
            .iter()
            .map(|range| {
                if range.start > range.end || range.end > size {
                    let length = range.end.saturating_sub(range.start);
                    return Err(SourceError::OutOfBounds { at: self.at.bytes(range.start, length), size });
                }
                Ok(self.bytes.slice(range.start as usize..range.end as usize))
            })
            .collect()
    }
}

/// One object in memory as a [`Source`].
#[derive(Debug, Clone)]
pub struct MemorySource {
    url: String,
    bytes: Bytes,
}

impl MemorySource {
    /// A source of these bytes, named by this URL in errors.
    pub fn new(url: &str, bytes: impl Into<Bytes>) -> Self {
        Self { url: url.to_owned(), bytes: bytes.into() }
    }
}

impl Source for MemorySource {
    fn url(&self) -> &str {
        &self.url
    }

    fn object(&self, key: &str) -> Result<Option<Arc<dyn RangeReader>>, SourceError> {
        if key.is_empty() {
            return Ok(Some(Arc::new(MemoryReader::new(&self.url, self.bytes.clone()))));
        }
        Ok(None)
    }

    fn list(&self, _prefix: &str) -> Result<Vec<ListedObject>, SourceError> {
        Ok(Vec::new())
    }

    fn sibling(&self, url: &str) -> Result<Arc<dyn Source>, SourceError> {
        Err(SourceError::Denied { at: At::url(url), what: "a source in memory refers to nothing else".to_owned() })
    }
}
