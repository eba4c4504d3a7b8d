//! Why an upload is not accepted, sealed or published.

use crate::diagnose::{At, Category, Diagnose};

/// What is wrong with an upload. Nothing is copied, moved or deleted after one of these.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UploadError {
    /// There is no such upload.
    #[error("{at} holds no upload")]
    NotFound {
        /// Where it should be.
        at: At,
    },
    /// It is not sealed.
    #[error("{at} is not sealed")]
    NotSealed {
        /// The upload.
        at: At,
    },
    /// It is sealed: nothing is accepted any more.
    #[error("{at} was sealed at {sealed}")]
    Sealed {
        /// The upload.
        at: At,
        /// When, RFC 3339.
        sealed: String,
    },
    /// A push into it was begun and did not end.
    #[error("a push into {at} did not end: {what}")]
    Unfinished {
        /// The upload.
        at: At,
        /// Which push.
        what: String,
    },
    /// An object of the manifest is not there.
    #[error("{at} is not there: {size} bytes were sealed")]
    ObjectMissing {
        /// The object.
        at: At,
        /// Its size by the manifest.
        size: u64,
    },
    /// An object has another size than the manifest says.
    #[error("{at} has {found} bytes, and {size} were sealed")]
    ObjectSize {
        /// The object.
        at: At,
        /// Its size by the manifest.
        size: u64,
        /// Its size.
        found: u64,
    },
    /// An object has other bytes than the manifest says.
    #[error("the bytes of {at} are not those that were sealed (their BLAKE3 differs)")]
    ObjectChanged {
        /// The object.
        at: At,
    },
    /// An object that the manifest does not know.
    #[error("{at} was written after the upload was sealed")]
    ObjectAdded {
        /// The object.
        at: At,
    },
    /// The manifest is not one, or not the one that was sealed.
    #[error("the manifest {at} cannot be used: {what}")]
    ManifestDamaged {
        /// The manifest.
        at: At,
        /// What is wrong.
        what: String,
    },
    /// A key that is not safe to join to a prefix.
    #[error("the key {key:?} of {at} cannot be published: {what}")]
    BadKey {
        /// The upload.
        at: At,
        /// The key.
        key: String,
        /// Which rule it breaks.
        what: String,
    },
    /// Two keys that some file systems take for one.
    #[error(
        "the keys {first:?} and {second:?} of {at} differ only in upper and lower case, or in how their letters are composed"
    )]
    CaseCollision {
        /// The upload.
        at: At,
        /// One key.
        first: String,
        /// The other.
        second: String,
    },
    /// A key that is also the folder of another.
    #[error("the key {key:?} of {at} is an object and the folder of {below:?}")]
    ObjectAndFolder {
        /// The upload.
        at: At,
        /// The object.
        key: String,
        /// An object below it.
        below: String,
    },
    /// Objects that belong to no store, without `--as-is`.
    #[error("{at} holds {count} files that belong to no Zarr store, such as {example:?}")]
    NoStore {
        /// What was to be pushed.
        at: At,
        /// How many.
        count: usize,
        /// One of them.
        example: String,
    },
    /// A store whose consolidated metadata say something else than its documents.
    #[error("the consolidated metadata of {at} are not those of its arrays: {what}")]
    ConsolidatedStale {
        /// The store.
        at: At,
        /// The first difference.
        what: String,
    },
    /// The inbox copy is to be removed, and what was published of it is not there.
    #[error("{at}, which was published, {what}: the inbox copy is kept")]
    CopyLost {
        /// The object at the destination.
        at: At,
        /// What it is now.
        what: String,
    },
    /// A store that opens with zero variables.
    #[error("the store {at} opens with no variable")]
    StoreEmpty {
        /// The store.
        at: At,
    },
}

impl Diagnose for UploadError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "upload-not-found",
            Self::NotSealed { .. } => "upload-not-sealed",
            Self::Sealed { .. } => "upload-sealed",
            Self::Unfinished { .. } => "upload-unfinished",
            Self::ObjectMissing { .. } => "upload-object-missing",
            Self::ObjectSize { .. } => "upload-object-size",
            Self::ObjectChanged { .. } => "upload-object-changed",
            Self::ObjectAdded { .. } => "upload-object-added",
            Self::ManifestDamaged { .. } => "upload-manifest-damaged",
            Self::BadKey { .. } => "upload-key",
            Self::CaseCollision { .. } => "upload-case-collision",
            Self::ObjectAndFolder { .. } => "upload-object-and-folder",
            Self::NoStore { .. } => "push-no-store",
            Self::ConsolidatedStale { .. } => "upload-consolidated-stale",
            Self::CopyLost { .. } => "upload-copy-lost",
            Self::StoreEmpty { .. } => "upload-store-empty",
        }
    }

    fn category(&self) -> Category {
        match self {
            Self::NotFound { .. } => Category::NotFound,
            Self::NotSealed { .. }
            | Self::Sealed { .. }
            | Self::Unfinished { .. }
            | Self::ObjectChanged { .. }
            | Self::ObjectAdded { .. } => Category::Conflict,
            Self::ObjectMissing { .. }
            | Self::ObjectSize { .. }
            | Self::ManifestDamaged { .. }
            | Self::CopyLost { .. } => Category::Corrupt,
            Self::BadKey { .. } | Self::CaseCollision { .. } | Self::ObjectAndFolder { .. } => {
                Category::InvalidDocument
            }
            Self::NoStore { .. } => Category::Usage,
            Self::StoreEmpty { .. } | Self::ConsolidatedStale { .. } => Category::Differences,
        }
    }

    fn at(&self) -> At {
        match self {
            Self::NotFound { at }
            | Self::NotSealed { at }
            | Self::Sealed { at, .. }
            | Self::Unfinished { at, .. }
            | Self::ObjectMissing { at, .. }
            | Self::ObjectSize { at, .. }
            | Self::ObjectChanged { at }
            | Self::ObjectAdded { at }
            | Self::ManifestDamaged { at, .. }
            | Self::BadKey { at, .. }
            | Self::CaseCollision { at, .. }
            | Self::ObjectAndFolder { at, .. }
            | Self::NoStore { at, .. }
            | Self::ConsolidatedStale { at, .. }
            | Self::CopyLost { at, .. }
            | Self::StoreEmpty { at } => at.clone(),
        }
    }

    fn why(&self) -> String {
        match self {
            Self::NotFound { .. } => "there is nothing to look at",
            Self::NotSealed { .. } => "an upload may still be growing until its producer says that it is complete",
            Self::Sealed { .. } => "what was sealed may be under review, and is what gets published",
            Self::Unfinished { .. } => "a part of a dataset would be sealed as the whole",
            Self::ObjectMissing { .. } | Self::ObjectSize { .. } => "readers would get fill values, or broken chunks",
            Self::ObjectChanged { .. } | Self::ObjectAdded { .. } => {
                "what is published is what was sealed and reviewed, and nothing else"
            }
            Self::ManifestDamaged { .. } => "without it nobody can tell whether the upload is what was sealed",
            Self::BadKey { .. } => "another tool could take such a key for another object, or leave the prefix",
            Self::CaseCollision { .. } | Self::ObjectAndFolder { .. } => {
                "copied to a file system, one of them would be lost"
            }
            Self::NoStore { .. } => "a file that was not meant to be sent would be published",
            Self::ConsolidatedStale { .. } => "readers open what the consolidated metadata say, without an error",
            Self::CopyLost { .. } => "the inbox may hold the only copy",
            Self::StoreEmpty { .. } => "readers would open an empty dataset, without an error",
        }
        .to_owned()
    }

    fn next(&self) -> String {
        match self {
            Self::NotFound { .. } => "firn inbox list INBOX, which shows what there is",
            Self::NotSealed { .. } => "firn seal INBOX/NAME, once its producer says that it is complete",
            Self::Sealed { .. } => "push to another name",
            Self::Unfinished { .. } => "run that push again, which sends only what is missing; then seal",
            Self::ObjectMissing { .. }
            | Self::ObjectSize { .. }
            | Self::ObjectChanged { .. }
            | Self::ObjectAdded { .. }
            | Self::ManifestDamaged { .. } => "ask the producer to push to another name and to seal that",
            Self::BadKey { .. } | Self::CaseCollision { .. } | Self::ObjectAndFolder { .. } => {
                "rename the object, then push to another name"
            }
            Self::NoStore { .. } => "the same command with --as-is, or name the stores only",
            Self::ConsolidatedStale { .. } => {
                "consolidate the store again (zarr.consolidate_metadata), then push to another name"
            }
            Self::CopyLost { .. } => "firn verify DESTINATION, then promote to another path",
            Self::StoreEmpty { .. } => {
                "write the store again with its variables (and consolidated metadata), then push to another name"
            }
        }
        .to_owned()
    }
}
