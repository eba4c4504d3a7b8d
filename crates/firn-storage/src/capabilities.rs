//! What a location was seen to do: a table that is kept, shown and obeyed.

use crate::error::StorageError;
use firn_model::diagnose::At;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Version of the table's form. A table of another version counts as not there, and the location is probed again.
pub const CAPABILITIES_VERSION: u32 = 1;

/// Does it?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// Seen to work.
    Yes,
    /// Seen not to work.
    No,
    /// Could not be tried. Not the same as no.
    #[default]
    Unknown,
}

/// One answer with its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capability {
    /// Does it?
    pub answer: Answer,
    /// What was seen.
    pub detail: String,
}

impl Capability {
    pub(crate) fn yes(detail: impl Into<String>) -> Self {
        Self { answer: Answer::Yes, detail: detail.into() }
    }

    pub(crate) fn no(detail: impl Into<String>) -> Self {
        Self { answer: Answer::No, detail: detail.into() }
    }

    pub(crate) fn unknown(detail: impl Into<String>) -> Self {
        Self { answer: Answer::Unknown, detail: detail.into() }
    }

    /// Was it seen to work?
    pub fn is_yes(&self) -> bool {
        self.answer == Answer::Yes
    }
}

/// How an entity tag is written in `If-Match`. By RFC 9110 with its quotes; Ceph 16 answers 412 to that even when the
/// tag is right, and understands it without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EtagForm {
    /// `"abc"`
    #[default]
    Quoted,
    /// `abc`
    Unquoted,
}

impl std::fmt::Display for EtagForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Quoted => "in quotes",
            Self::Unquoted => "without quotes",
        })
    }
}

/// How far the storage itself decides the preconditions of writes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conditions {
    /// `If-None-Match: *`, or a hard link: of several writers at the same moment exactly one wins.
    pub create: Capability,
    /// `If-Match`, or a lock on the directory.
    pub if_match: Capability,
    /// How the tag has to be written.
    #[serde(default)]
    pub etag_form: EtagForm,
}

/// What a location was seen to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capabilities {
    /// Version of this form.
    pub version: u32,
    /// The location: address, and for S3 its endpoint.
    pub location: String,
    /// When, in seconds since 1970-01-01 UTC.
    pub probed: u64,
    /// An object can be written and is read back the same.
    pub write: Capability,
    /// Preconditions of writes.
    pub conditions: Conditions,
    /// A listing shows what was just written.
    pub list: Capability,
    /// An object can be written in parts.
    pub multipart: Capability,
    /// The server copies an object within the location.
    pub copy: Capability,
    /// Objects can be removed.
    pub delete: Capability,
    /// Everybody can read at the `public_url`.
    pub public_read: Capability,
    /// Web pages of other hosts can read at the `public_url` (`Access-Control-Allow-Origin: *`).
    pub cors: Capability,
    /// From where the server copies to this location ([`crate::Prefix::identity`]), as [`crate::probe_copy()`] saw it.
    #[serde(default)]
    pub copies_from: BTreeMap<String, Capability>,
}

impl Capabilities {
    /// The table's rows in the order they are shown: name, answer, evidence.
    pub fn rows(&self) -> [(&'static str, &Capability); 9] {
        [
            ("write", &self.write),
            ("conditional create", &self.conditions.create),
            ("If-Match", &self.conditions.if_match),
            ("list", &self.list),
            ("multipart", &self.multipart),
            ("copy", &self.copy),
            ("delete", &self.delete),
            ("public read", &self.public_read),
            ("CORS", &self.cors),
        ]
    }
}

/// Tables kept as JSON files in one directory, by location.
#[derive(Debug, Clone)]
pub struct CapabilityStore {
    directory: PathBuf,
}

impl CapabilityStore {
    /// Tables in this directory, which is made at the first write.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// The table of a location ([`crate::Prefix::identity`]), or `None` where there is none that this version reads.
    ///
    /// # Errors
    /// [`StorageError`] where a file is there but cannot be read.
    pub fn load(&self, location: &str) -> Result<Option<Capabilities>, StorageError> {
        let path = self.path(location);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StorageError::io(at(&path), &error)),
        };
        // A table that cannot be read was written by another version, or cut: probing again is always right.
        let table = serde_json::from_slice::<Capabilities>(&text).ok();
        Ok(table.filter(|table| table.version == CAPABILITIES_VERSION && table.location == location))
    }

    /// Keeps a table, in place of an older one of the same location.
    ///
    /// # Errors
    /// [`StorageError`] where the directory cannot be written.
    pub fn save(&self, table: &Capabilities) -> Result<(), StorageError> {
        let misuse = |error: serde_json::Error| StorageError::Misuse { what: error.to_string() };
        let text = serde_json::to_vec_pretty(table).map_err(misuse)?;
        let path = self.path(&table.location);
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        crate::local_write::put(&self.directory, name, &text.into(), &crate::Precondition::None).map(|_| ())
    }

    fn path(&self, location: &str) -> PathBuf {
        let digest = blake3::hash(location.as_bytes()).to_hex();
        self.directory.join(format!("{}.json", &digest[..32]))
    }
}

fn at(path: &Path) -> At {
    At::url(path.to_string_lossy())
}
