//! What can go wrong with an Icechunk repository.

use firn_model::diagnose::{At, Category, Diagnose, shell_word};
use icechunk::format::IcechunkFormatErrorKind;
use icechunk::format::manifest::VirtualReferenceErrorKind;
use icechunk::refs::RefErrorKind;
use icechunk::repository::{RepositoryError, RepositoryErrorKind};
use icechunk::session::{SessionError, SessionErrorKind};
use icechunk::storage::StorageErrorKind;

/// Why an Icechunk repository could not be written or read.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum IcechunkError {
    /// There is no repository.
    #[error("{at} is not an Icechunk repository")]
    NoRepository {
        /// The repository.
        at: At,
    },
    /// The target holds something that is not an Icechunk repository.
    #[error("{at} already holds something that is not an Icechunk repository: {found}")]
    NotEmpty {
        /// The repository.
        at: At,
        /// The first key found.
        found: String,
    },
    /// The repository exists in another version of the specification.
    #[error("{at} is written in Icechunk spec version {found}, not {asked}")]
    SpecMismatch {
        /// The repository.
        at: At,
        /// Version of the repository.
        found: super::SpecVersion,
        /// Version asked for.
        asked: super::SpecVersion,
    },
    /// No such branch, tag or snapshot.
    #[error("{at} has no branch, tag or snapshot named {version:?}")]
    NoSuchVersion {
        /// The repository.
        at: At,
        /// What was asked for.
        version: String,
    },
    /// A version without a single group or array: what `main` is before the first run is published.
    #[error("{at} holds nothing at {version:?}")]
    Empty {
        /// The repository.
        at: At,
        /// What was asked for.
        version: String,
    },
    /// `main` is not where it was when the run began.
    #[error("main of {at} moved from {expected} to {found} since this run began")]
    MainMoved {
        /// The repository.
        at: At,
        /// The snapshot the run builds on.
        expected: Box<str>,
        /// The snapshot that `main` names now.
        found: Box<str>,
    },
    /// The branch of the run was changed by somebody else.
    #[error("the branch of this run in {at} was changed by another writer")]
    BranchMoved {
        /// The repository.
        at: At,
    },
    /// The run was published; it cannot be abandoned.
    #[error("run {run} is published in {at}")]
    AlreadyPublished {
        /// The repository.
        at: At,
        /// The run.
        run: String,
    },
    /// The run has not been committed.
    #[error("run {run} has nothing committed in {at}")]
    NotCommitted {
        /// The repository.
        at: At,
        /// The run.
        run: String,
    },
    /// Another process holds the lock of the repository.
    #[error("{at} is locked by another writer: {what}")]
    Locked {
        /// The repository.
        at: At,
        /// Who, as far as it is known.
        what: String,
    },
    /// A container with the same prefix is declared with other access settings.
    #[error("{at} declares the virtual chunk container {prefix} with other settings")]
    ContainerConflict {
        /// The repository.
        at: At,
        /// URL prefix of the container.
        prefix: String,
    },
    /// A URL with a port, which icechunk 1 drops when it reads a reference.
    #[error("{at} names a port, which readers of Icechunk spec version 1 ignore")]
    PortDropped {
        /// The object referred to.
        at: At,
    },
    /// A URL that no reference can name exactly.
    #[error("{at} cannot be a virtual chunk reference: it {what}")]
    BadReference {
        /// The object referred to.
        at: At,
        /// What is wrong with it.
        what: String,
    },
    /// A reference outside of every declared container.
    #[error("{at} lies in none of the declared virtual chunk containers")]
    NoContainer {
        /// The object referred to.
        at: At,
    },
    /// A chunk that skipped a filter.
    #[error("{at} skipped filters {mask:#b} of its codecs")]
    FilterMask {
        /// The chunk.
        at: At,
        /// Bit `i` set: filter `i` was skipped.
        mask: u32,
    },
    /// A chunk of which nothing is known.
    #[error("nothing is known of {at}")]
    UnknownChunk {
        /// The chunk.
        at: At,
    },
    /// A chunk without bytes.
    #[error("{at} has no bytes")]
    EmptyChunk {
        /// The chunk.
        at: At,
    },
    /// A position outside of the array's chunk grid.
    #[error("{at} lies outside of the chunk grid {grid_shape:?}")]
    OutsideGrid {
        /// The chunk.
        at: At,
        /// Chunks along each dimension.
        grid_shape: Vec<u64>,
    },
    /// More chunks than Icechunk can count.
    #[error("{at} is too large for Icechunk: {what}")]
    TooLarge {
        /// The array.
        at: At,
        /// What is too large.
        what: String,
    },
    /// Metadata that Icechunk cannot hold.
    #[error("the Zarr metadata of {at} cannot be stored in Icechunk: {what}")]
    BadMetadata {
        /// The node.
        at: At,
        /// What is wrong with it.
        what: String,
    },
    /// The repository contradicts its own format.
    #[error("{at} is damaged: {what}")]
    Damaged {
        /// The repository or node.
        at: At,
        /// What is wrong with it.
        what: String,
    },
    /// The local clock and that of the storage differ too much, or the clock went backwards.
    #[error("the clock of this machine disagrees with {at}: {what}")]
    Clock {
        /// The repository.
        at: At,
        /// Both times.
        what: String,
    },
    /// The repository says of itself that it is read-only.
    #[error("{at} is read-only: {what}")]
    ReadOnly {
        /// The repository.
        at: At,
        /// What it says.
        what: String,
    },
    /// The storage failed.
    #[error(transparent)]
    Storage(Box<firn_storage::StorageError>),
    /// A metadata document cannot be read.
    #[error(transparent)]
    Format(Box<firn_formats::FormatError>),
    /// icechunk failed in another way.
    #[error("icechunk failed on {at}: {what}")]
    Failed {
        /// The repository.
        at: At,
        /// The failure and its causes.
        what: String,
    },
}

impl From<firn_storage::StorageError> for IcechunkError {
    fn from(error: firn_storage::StorageError) -> Self {
        Self::Storage(Box::new(error))
    }
}

impl From<firn_formats::FormatError> for IcechunkError {
    fn from(error: firn_formats::FormatError) -> Self {
        Self::Format(Box::new(error))
    }
}

impl Diagnose for IcechunkError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoRepository { .. } => "icechunk-no-repository",
            Self::NotEmpty { .. } => "icechunk-target-not-empty",
            Self::SpecMismatch { .. } => "icechunk-spec-mismatch",
            Self::NoSuchVersion { .. } => "icechunk-no-such-version",
            Self::Empty { .. } => "icechunk-empty",
            Self::MainMoved { .. } => "icechunk-main-moved",
            Self::BranchMoved { .. } => "icechunk-branch-moved",
            Self::AlreadyPublished { .. } => "icechunk-already-published",
            Self::NotCommitted { .. } => "icechunk-not-committed",
            Self::Locked { .. } => "icechunk-locked",
            Self::ContainerConflict { .. } => "icechunk-container-conflict",
            Self::PortDropped { .. } => "icechunk-port-dropped",
            Self::BadReference { .. } => "icechunk-bad-reference",
            Self::NoContainer { .. } => "icechunk-no-container",
            Self::FilterMask { .. } => "icechunk-filter-mask",
            Self::UnknownChunk { .. } => "icechunk-unknown-chunk",
            Self::EmptyChunk { .. } => "icechunk-empty-chunk",
            Self::OutsideGrid { .. } => "icechunk-outside-grid",
            Self::TooLarge { .. } => "icechunk-too-large",
            Self::BadMetadata { .. } => "icechunk-bad-metadata",
            Self::Damaged { .. } => "icechunk-damaged",
            Self::Clock { .. } => "icechunk-clock",
            Self::ReadOnly { .. } => "icechunk-read-only",
            Self::Storage(failure) => failure.code(),
            Self::Format(failure) => failure.code(),
            Self::Failed { .. } => "icechunk-failed",
        }
    }

    fn category(&self) -> Category {
        match self {
            Self::NoRepository { .. } | Self::NoSuchVersion { .. } | Self::Empty { .. } => Category::NotFound,
            Self::NotEmpty { .. }
            | Self::SpecMismatch { .. }
            | Self::MainMoved { .. }
            | Self::BranchMoved { .. }
            | Self::AlreadyPublished { .. }
            | Self::NotCommitted { .. }
            | Self::Locked { .. }
            | Self::ContainerConflict { .. } => Category::Conflict,
            Self::PortDropped { .. }
            | Self::BadReference { .. }
            | Self::FilterMask { .. }
            | Self::TooLarge { .. }
            | Self::BadMetadata { .. } => Category::Unsupported,
            Self::NoContainer { .. } => Category::Usage,
            Self::UnknownChunk { .. } | Self::EmptyChunk { .. } | Self::OutsideGrid { .. } | Self::Damaged { .. } => {
                Category::Corrupt
            }
            Self::ReadOnly { .. } => Category::Denied,
            Self::Storage(failure) => failure.category(),
            Self::Format(failure) => failure.category(),
            Self::Clock { .. } | Self::Failed { .. } => Category::Unavailable,
        }
    }

    fn at(&self) -> At {
        match self {
            Self::NoRepository { at }
            | Self::NotEmpty { at, .. }
            | Self::SpecMismatch { at, .. }
            | Self::NoSuchVersion { at, .. }
            | Self::Empty { at, .. }
            | Self::MainMoved { at, .. }
            | Self::BranchMoved { at }
            | Self::AlreadyPublished { at, .. }
            | Self::NotCommitted { at, .. }
            | Self::Locked { at, .. }
            | Self::ContainerConflict { at, .. }
            | Self::PortDropped { at }
            | Self::BadReference { at, .. }
            | Self::NoContainer { at }
            | Self::FilterMask { at, .. }
            | Self::UnknownChunk { at }
            | Self::EmptyChunk { at }
            | Self::OutsideGrid { at, .. }
            | Self::TooLarge { at, .. }
            | Self::BadMetadata { at, .. }
            | Self::Damaged { at, .. }
            | Self::Clock { at, .. }
            | Self::ReadOnly { at, .. }
            | Self::Failed { at, .. } => at.clone(),
            Self::Storage(failure) => failure.at(),
            Self::Format(failure) => failure.at(),
        }
    }

    fn why(&self) -> String {
        match self {
            Self::NoRepository { .. } | Self::NoSuchVersion { .. } | Self::Empty { .. } => "there is nothing to read",
            Self::NotEmpty { .. } => "a repository written among other files could not be told from them again",
            Self::SpecMismatch { .. } => "one repository has one version, and readers of the other cannot open it",
            Self::MainMoved { .. } | Self::BranchMoved { .. } => {
                "publishing now would silently undo what the other writer published"
            }
            Self::AlreadyPublished { .. } => "readers use it: removing its chunks would break what they open",
            Self::NotCommitted { .. } => "publishing would make an unfinished dataset visible",
            Self::Locked { .. } => "this storage cannot compare and swap, so two writers at once would lose a version",
            Self::ContainerConflict { .. } => "changing it would change where every published reference is read from",
            Self::PortDropped { .. } => "icechunk 1 would ask another server for the bytes, or none",
            Self::BadReference { .. } => "a reader would ask for other bytes than the ones that were scanned",
            Self::NoContainer { .. } => "no reader could be authorised to read it",
            Self::FilterMask { .. } => {
                "one codec list decodes every chunk of a Zarr array, so this chunk would decode to wrong values"
            }
            Self::UnknownChunk { .. } => "a chunk that is absent reads as fill values, which would be wrong data",
            Self::EmptyChunk { .. } => "no chunk decodes from nothing",
            Self::OutsideGrid { .. } => "the metadata and the chunks do not belong together",
            Self::TooLarge { .. } => "Icechunk numbers chunks with 32 bits a dimension",
            Self::BadMetadata { .. } => "readers would look for the chunks under other names",
            Self::Damaged { .. } => "what it says cannot be trusted",
            Self::Clock { .. } => "snapshots are ordered by time: a wrong clock makes them expire wrongly",
            Self::ReadOnly { .. } => "its owner stopped all changes",
            Self::Storage(failure) => return failure.why(),
            Self::Format(failure) => return failure.why(),
            Self::Failed { .. } => "it is not known whether the last step took place",
        }
        .to_owned()
    }

    fn next(&self) -> String {
        let url = shell_word(&self.at().url.unwrap_or_else(|| "URL".to_owned()));
        match self {
            Self::NoRepository { .. } => format!("check the address: firn inspect {url}"),
            Self::NotEmpty { .. } => "choose another target: firn run FEEDSTOCK --target URL".to_owned(),
            Self::SpecMismatch { found, .. } => format!("run the same command with --icechunk-spec {found}"),
            Self::NoSuchVersion { .. } => format!("see which versions there are: firn inspect {url}"),
            Self::Empty { .. } => "finish the run that writes it: firn run FEEDSTOCK".to_owned(),
            Self::MainMoved { .. } | Self::BranchMoved { .. } => {
                "give this run up and start it again on the new main: firn run FEEDSTOCK --abandon".to_owned()
            }
            Self::AlreadyPublished { .. } => format!("publish a newer version instead; see firn inspect {url}"),
            Self::NotCommitted { .. } => "run the same command again; it continues where it stopped".to_owned(),
            Self::Locked { .. } => "wait for the other writer to end, then run the same command again".to_owned(),
            Self::ContainerConflict { .. } => {
                "use the settings that the repository declares, or another target".to_owned()
            }
            Self::PortDropped { .. } => {
                "write spec version 2 (--icechunk-spec 2; readers need icechunk 2), refer to the bytes through S3, \
                 or serve the dataset by the gateway"
                    .to_owned()
            }
            Self::BadReference { .. } => "copy the data instead: set strategy: transform in recipe.yaml".to_owned(),
            Self::NoContainer { .. } => {
                "put the files below one folder, or copy them: firn transform, or strategy: transform in recipe.yaml"
                    .to_owned()
            }
            Self::FilterMask { .. } | Self::TooLarge { .. } | Self::BadMetadata { .. } => {
                "copy this variable with chunks of its own: set strategy: transform in recipe.yaml".to_owned()
            }
            Self::UnknownChunk { .. } | Self::EmptyChunk { .. } | Self::OutsideGrid { .. } => {
                "check the source file: firn inspect URL --chunks VAR".to_owned()
            }
            Self::Damaged { .. } => format!("see what is wrong: firn verify {url}"),
            Self::Clock { .. } => "set the clock of this machine, then run the same command again".to_owned(),
            Self::ReadOnly { .. } => format!("ask its owner, then look again: firn inspect {url}"),
            Self::Storage(failure) => failure.next(),
            Self::Format(failure) => failure.next(),
            Self::Failed { .. } => "run the same command again later; it continues where it stopped".to_owned(),
        }
    }
}

impl IcechunkError {
    pub(super) fn from_repository(at: &At, error: RepositoryError) -> Self {
        from_repository_kind(at, error.kind)
    }

    pub(super) fn from_session(at: &At, error: SessionError) -> Self {
        match error.kind {
            SessionErrorKind::RepositoryError(kind) => from_repository_kind(at, kind),
            SessionErrorKind::StorageError(kind) => from_storage_kind(at, &kind),
            SessionErrorKind::FormatError(kind) => from_format_kind(at, &kind),
            SessionErrorKind::RefError(kind) => from_ref_kind(at, kind),
            SessionErrorKind::VirtualReferenceError(kind) => Self::from_reference(at, &kind),
            SessionErrorKind::InvalidSnapshotTimestamp { object_store_time, snapshot_time } => {
                Self::Clock { at: at.clone(), what: format!("{snapshot_time} here, {object_store_time} there") }
            }
            SessionErrorKind::InvalidSnapshotTimestampOrdering { parent, child } => Self::Clock {
                at: at.clone(),
                what: format!("the snapshot before was written at {parent}, and here it is {child}"),
            },
            SessionErrorKind::Conflict { .. } => Self::BranchMoved { at: at.clone() },
            kind => Self::Damaged { at: at.clone(), what: chain(&kind) },
        }
    }

    pub(super) fn from_storage(at: &At, kind: &StorageErrorKind) -> Self {
        from_storage_kind(at, kind)
    }

    pub(super) fn from_format(at: &At, kind: &IcechunkFormatErrorKind) -> Self {
        from_format_kind(at, kind)
    }

    pub(super) fn from_reference(at: &At, kind: &VirtualReferenceErrorKind) -> Self {
        match kind {
            VirtualReferenceErrorKind::NoContainerForUrl(_) | VirtualReferenceErrorKind::NoContainerForName(_) => {
                Self::NoContainer { at: at.clone() }
            }
            kind => Self::BadReference { at: at.clone(), what: format!("is refused by icechunk ({})", chain(kind)) },
        }
    }
}

fn from_repository_kind(at: &At, kind: RepositoryErrorKind) -> IcechunkError {
    match kind {
        RepositoryErrorKind::StorageError(kind) => from_storage_kind(at, &kind),
        RepositoryErrorKind::FormatError(kind) => from_format_kind(at, &kind),
        RepositoryErrorKind::Ref(kind) => from_ref_kind(at, kind),
        RepositoryErrorKind::SnapshotNotFound { id } => {
            IcechunkError::NoSuchVersion { at: at.clone(), version: id.to_string() }
        }
        RepositoryErrorKind::InvalidSnapshotId(version) => IcechunkError::NoSuchVersion { at: at.clone(), version },
        RepositoryErrorKind::RepositoryDoesntExist => IcechunkError::NoRepository { at: at.clone() },
        RepositoryErrorKind::ReadonlyStorage(what) | RepositoryErrorKind::ReadonlyRepository(what) => {
            IcechunkError::ReadOnly { at: at.clone(), what }
        }
        RepositoryErrorKind::Conflict { .. } => IcechunkError::BranchMoved { at: at.clone() },
        kind @ (RepositoryErrorKind::DeserializationError(_) | RepositoryErrorKind::ConfigDeserializationError(_)) => {
            IcechunkError::Damaged { at: at.clone(), what: chain(&kind) }
        }
        kind => IcechunkError::Failed { at: at.clone(), what: chain(&kind) },
    }
}

fn from_ref_kind(at: &At, kind: RefErrorKind) -> IcechunkError {
    match kind {
        RefErrorKind::RefNotFound(version) | RefErrorKind::InvalidRefName(version) => {
            IcechunkError::NoSuchVersion { at: at.clone(), version }
        }
        RefErrorKind::Conflict { .. } => IcechunkError::BranchMoved { at: at.clone() },
        RefErrorKind::Storage(kind) => from_storage_kind(at, &kind),
        kind => IcechunkError::Damaged { at: at.clone(), what: chain(&kind) },
    }
}

fn from_storage_kind(at: &At, kind: &StorageErrorKind) -> IcechunkError {
    match kind {
        StorageErrorKind::ObjectNotFound => {
            IcechunkError::Damaged { at: at.clone(), what: "an object that it names does not exist".to_owned() }
        }
        StorageErrorKind::ObjectStore(cause) => match cause.downcast_ref::<firn_storage::StorageError>() {
            Some(failure) => failure.clone().into(),
            None => IcechunkError::Failed { at: at.clone(), what: chain(kind) },
        },
        kind => IcechunkError::Failed { at: at.clone(), what: chain(kind) },
    }
}

fn from_format_kind(at: &At, kind: &IcechunkFormatErrorKind) -> IcechunkError {
    match kind {
        IcechunkFormatErrorKind::SnapshotIdNotFound { snapshot_id } => {
            IcechunkError::NoSuchVersion { at: at.clone(), version: snapshot_id.to_string() }
        }
        kind => IcechunkError::Damaged { at: at.clone(), what: chain(kind) },
    }
}

/// The error and its causes in one line. icechunk's own `Display` of a whole error appends a trace of spans.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}
