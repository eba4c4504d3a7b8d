//! The errors of this crate: what, where, why it matters, what to do next.

use firn_model::diagnose::{At, Category, Diagnose};
use firn_model::source::SourceError;

/// Why storage could not do what was asked. Texts never carry credentials or signed query strings.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// Reading failed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The text is not a URL or path.
    #[error("{at} is not an address that firn understands: {what}")]
    BadUrl {
        /// The text, without secrets.
        at: At,
        /// What is wrong with it.
        what: String,
    },
    /// A key that is not safe to write or to join.
    #[error("the key {key:?} below {at} cannot be used: {what}")]
    BadKey {
        /// The prefix.
        at: At,
        /// The key.
        key: Box<str>,
        /// Which rule it breaks.
        what: String,
    },
    /// A kind of address that this version does not open.
    #[error("{at} cannot be opened by this version of firn: {what}")]
    Unsupported {
        /// Where.
        at: At,
        /// What is missing.
        what: String,
        /// The exact next step.
        next: Box<str>,
    },
    /// No location of this name is configured.
    #[error("no location is called {name:?}{}", known_locations(known))]
    UnknownLocation {
        /// The name asked for.
        name: String,
        /// The names that are configured.
        known: Vec<String>,
    },
    /// The configuration of a location is invalid.
    #[error("the location {name:?} is not valid: {what}")]
    BadLocation {
        /// Its name.
        name: String,
        /// What is wrong.
        what: String,
    },
    /// More than one location holds the same address at different endpoints.
    #[error("{at} lies in several locations with different endpoints: {}", names.join(", "))]
    AmbiguousLocation {
        /// The address.
        at: At,
        /// The locations.
        names: Vec<String>,
    },
    /// A variable of the environment that storage is reached by has no usable value.
    #[error("{name} cannot be used: {what}")]
    BadSetting {
        /// The variable.
        name: String,
        /// What is wrong with it.
        what: String,
    },
    /// A rule of the configuration says no.
    #[error("{at} is not written to: {what} ({rule})")]
    Forbidden {
        /// Where.
        at: At,
        /// The rule as it is written.
        rule: String,
        /// What it forbids here.
        what: String,
    },
    /// Credentials were found but cannot be used.
    #[error("the credentials for {at} cannot be used: {what}")]
    Credentials {
        /// For what.
        at: At,
        /// Why not; never the credentials.
        what: String,
    },
    /// It exists already, or changed since it was read.
    #[error("{at} was not written: {what}")]
    Conflict {
        /// Where.
        at: At,
        /// Which condition did not hold.
        what: String,
    },
    /// Another process holds the lease.
    #[error("{at} is being written by {holder}, whose lease ends in {seconds} s unless it is renewed")]
    LeaseHeld {
        /// The lease object.
        at: At,
        /// Who holds it.
        holder: String,
        /// When it was taken, in milliseconds since 1970-01-01 UTC.
        since: u64,
        /// Seconds until it may be taken over.
        seconds: u64,
    },
    /// The lease was taken over while it was held.
    #[error("the lease {at} was lost: {what}")]
    LeaseLost {
        /// The lease object.
        at: At,
        /// By whom, or why.
        what: String,
    },
    /// A symbolic link leads out of the root that may be written.
    #[error("{at} would be written outside its root: {what}")]
    Escape {
        /// The key's path.
        at: At,
        /// Which component leads where.
        what: String,
    },
    /// The location cannot do what is needed.
    #[error("{at} cannot do what is needed: {what}")]
    Incapable {
        /// The location.
        at: At,
        /// The missing capability and its evidence.
        what: String,
    },
    /// The operating system refused.
    #[error("{at}: {what}")]
    Io {
        /// Where.
        at: At,
        /// What the operating system said.
        what: String,
        /// Its kind, as far as it decides the category.
        kind: std::io::ErrorKind,
    },
    /// An object is larger than one request or the memory bound takes.
    #[error("{at} has {size} bytes, more than the {limit} that are taken at once")]
    TooLarge {
        /// Where.
        at: At,
        /// Its size.
        size: u64,
        /// The bound.
        limit: u64,
    },
    /// A mistake in firn: a rule of its own interface was broken.
    #[error("storage was used wrongly: {what}")]
    Misuse {
        /// Which rule.
        what: String,
    },
}

/// Does the error say that symbolic links lead in a circle?
pub(crate) fn is_loop(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

fn known_locations(known: &[String]) -> String {
    if known.is_empty() {
        return "; none is configured".to_owned();
    }
    format!("; configured are {}", known.join(", "))
}

impl StorageError {
    /// An error of the operating system, at this place: what is denied is told apart from what cannot be had now.
    pub fn io(at: At, error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        match error.kind() {
            ErrorKind::NotFound => Self::Source(SourceError::NotFound { at }),
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                Self::Source(SourceError::Denied { at, what: error.to_string() })
            }
            _ if is_loop(error) => {
                Self::Source(SourceError::BadUrl { at, what: "its symbolic links lead in a circle".to_owned() })
            }
            ErrorKind::InvalidFilename => {
                let what = "a name in it is longer than the file system takes".to_owned();
                Self::Source(SourceError::BadUrl { at, what })
            }
            ErrorKind::NotADirectory => {
                let what = "a file is where a folder of its path would be".to_owned();
                Self::Source(SourceError::BadUrl { at, what })
            }
            kind => Self::Io { at, what: error.to_string(), kind },
        }
    }

    /// A failed condition.
    pub(crate) fn conflict(at: At, what: impl Into<String>) -> Self {
        Self::Conflict { at, what: what.into() }
    }

    /// Is it that the object does not exist?
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Source(SourceError::NotFound { .. }))
    }

    /// Is it that a condition of a write did not hold?
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. })
    }

    /// The same failure in the words of a reader.
    pub(crate) fn into_source(self) -> SourceError {
        match self {
            Self::Source(error) => error,
            Self::BadUrl { at, what } | Self::Unsupported { at, what, .. } => SourceError::BadUrl { at, what },
            Self::Credentials { at, what } | Self::Escape { at, what } => SourceError::Denied { at, what },
            Self::Io { at, what, .. } => SourceError::Unavailable { at, what },
            other => SourceError::BadUrl { at: other.at(), what: other.to_string() },
        }
    }
}

impl Diagnose for StorageError {
    fn code(&self) -> &'static str {
        match self {
            Self::Source(error) => error.code(),
            Self::BadUrl { .. } => "storage-bad-url",
            Self::BadKey { .. } => "storage-bad-key",
            Self::Unsupported { .. } => "storage-unsupported",
            Self::UnknownLocation { .. } => "location-unknown",
            Self::BadLocation { .. } => "location-invalid",
            Self::AmbiguousLocation { .. } => "location-ambiguous",
            Self::BadSetting { .. } => "environment-invalid",
            Self::Forbidden { .. } => "policy-forbids",
            Self::Credentials { .. } => "storage-credentials",
            Self::Conflict { .. } => "storage-conflict",
            Self::LeaseHeld { .. } => "lease-held",
            Self::LeaseLost { .. } => "lease-lost",
            Self::Escape { .. } => "storage-escape",
            Self::Incapable { .. } => "storage-incapable",
            Self::Io { .. } => "storage-io",
            Self::TooLarge { .. } => "storage-too-large",
            Self::Misuse { .. } => "storage-misuse",
        }
    }

    fn category(&self) -> Category {
        match self {
            Self::Source(error) => error.category(),
            Self::BadUrl { .. } | Self::BadKey { .. } | Self::UnknownLocation { .. } | Self::BadSetting { .. } => {
                Category::Usage
            }
            Self::BadLocation { .. } | Self::AmbiguousLocation { .. } => Category::InvalidDocument,
            Self::Unsupported { .. } | Self::Incapable { .. } | Self::TooLarge { .. } => Category::Unsupported,
            Self::Forbidden { .. } | Self::Credentials { .. } | Self::Escape { .. } => Category::Denied,
            Self::Conflict { .. } | Self::LeaseHeld { .. } | Self::LeaseLost { .. } => Category::Conflict,
            Self::Io { .. } => Category::Unavailable,
            Self::Misuse { .. } => Category::Bug,
        }
    }

    fn at(&self) -> At {
        match self {
            Self::Source(error) => error.at(),
            Self::BadUrl { at, .. }
            | Self::BadKey { at, .. }
            | Self::Unsupported { at, .. }
            | Self::AmbiguousLocation { at, .. }
            | Self::Credentials { at, .. }
            | Self::Forbidden { at, .. }
            | Self::Conflict { at, .. }
            | Self::LeaseHeld { at, .. }
            | Self::LeaseLost { at, .. }
            | Self::Escape { at, .. }
            | Self::Incapable { at, .. }
            | Self::Io { at, .. }
            | Self::TooLarge { at, .. } => at.clone(),
            Self::UnknownLocation { name, .. } | Self::BadLocation { name, .. } => {
                At::nowhere().node(format!("locations.{name}"))
            }
            Self::BadSetting { name, .. } => At::nowhere().node(name),
            Self::Misuse { .. } => At::nowhere(),
        }
    }

    fn why(&self) -> String {
        match self {
            Self::Source(error) => return error.why(),
            Self::BadUrl { .. } | Self::UnknownLocation { .. } => "nothing can be read from or written to it",
            Self::BadKey { .. } => "another tool could take such a key for another object, or leave the prefix",
            Self::Unsupported { .. } => "guessing another meaning of the address could read or write the wrong data",
            Self::BadLocation { .. } => "what is kept there would be written to, or looked for, in the wrong place",
            Self::AmbiguousLocation { .. } => "the same bucket name at another endpoint is another bucket",
            Self::BadSetting { .. } => {
                "requests would go to another place, or in another name, than the one that is meant"
            }
            Self::Forbidden { .. } => "the owner of the place made the rule for all who write there",
            Self::Credentials { .. } => {
                "carrying on without them would report data as missing that is only not allowed"
            }
            Self::Conflict { .. } => "overwriting would destroy what another writer put there",
            Self::LeaseHeld { .. } => "two writers of the same run would mix their results",
            Self::LeaseLost { .. } => "another process may have written since; going on could mix two results",
            Self::Escape { .. } => "files outside the location could be overwritten",
            Self::Incapable { .. } => {
                "without it a reader could see a partial store, or a writer overwrite another's work"
            }
            Self::Io { .. } => "what was to be stored may not be there",
            Self::TooLarge { .. } => "the memory bound would not hold",
            Self::Misuse { .. } => "the result cannot be relied on",
        }
        .to_owned()
    }

    fn next(&self) -> String {
        match self {
            Self::Source(error) => error.next(),
            Self::BadUrl { .. } => "use a path, file://, http(s)://, s3://bucket/key (gs://, az://), or name:key of a location or remote".to_owned(),
            Self::BadKey { .. } => {
                "use segments separated by single slashes, without `..`, control characters or a leading slash".to_owned()
            }
            Self::Unsupported { next, .. } => next.to_string(),
            Self::UnknownLocation { name, .. } => {
                format!("add [locations.{name}] to firn.toml or a remote to rclone.conf (or write ./{name}:… for a local file); then: firn config show")
            }
            Self::BadLocation { name, .. } => format!("correct [locations.{name}] in firn.toml; then: firn config check"),
            Self::AmbiguousLocation { names, .. } => {
                format!("name the location: {}:KEY", names.first().map_or("NAME", String::as_str))
            }
            Self::BadSetting { name, .. } => format!("correct or unset {name}; then: firn config show"),
            Self::Forbidden { .. } => "choose the place that the rule names, or ask who runs it; the rules are in: firn config show".to_owned(),
            Self::Credentials { .. } => {
                "export AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, for temporary ones, AWS_SESSION_TOKEN; then: firn config check"
                    .to_owned()
            }
            Self::Conflict { .. } => "look at what is there, then choose another path or run the same command again".to_owned(),
            Self::LeaseHeld { seconds, .. } => {
                format!("wait for the other run, or until its lease ends ({seconds} s), then run the same command again")
            }
            Self::LeaseLost { .. } => "run the same command again; it continues from what is recorded as done".to_owned(),
            Self::Escape { .. } => "remove the symbolic link, or configure a location at the place it leads to".to_owned(),
            Self::Incapable { .. } => "firn config check".to_owned(),
            Self::Io { kind: std::io::ErrorKind::StorageFull, .. } => {
                "free space there, then run the same command again; it continues where it stopped".to_owned()
            }
            Self::Io { .. } => "check the disk and its mount, then run the same command again".to_owned(),
            Self::TooLarge { .. } => "choose smaller chunks or shards".to_owned(),
            Self::Misuse { .. } => "report it, with the command that was run".to_owned(),
        }
    }
}
