//! What can go wrong in the command itself, apart from what its verbs say.

use firn_engine::cancel::Interrupted;
use firn_engine::error::EngineError;
use firn_model::diagnose::{At, Category, Diagnose};
use firn_storage::StorageError;

/// One thing that is wrong with a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFinding {
    /// File, key, line.
    pub at: At,
    /// What is wrong with it, with "did you mean" where that is known.
    pub what: String,
}

/// Why the command could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FirnError {
    /// The command line is wrong.
    #[error("{what}")]
    Usage {
        /// What is wrong with it.
        what: String,
        /// The exact next step.
        next: String,
    },
    /// A verb that is part of firn's design and not of this version.
    #[error("`firn {verb}` is not part of this version")]
    VerbUnsupported {
        /// The verb.
        verb: String,
    },
    /// A configuration file is there and cannot be read.
    #[error("{at} cannot be read: {cause}")]
    ConfigUnreadable {
        /// The file.
        at: At,
        /// What the operating system says.
        #[source]
        cause: std::io::Error,
    },
    /// A configuration file is not valid; all that was found.
    #[error("{}", config_findings(findings))]
    ConfigInvalid {
        /// At least one.
        findings: Vec<ConfigFinding>,
    },
    /// A setting of the environment is not valid.
    #[error("{variable}={value:?} is not valid: {what}")]
    EnvironmentInvalid {
        /// The variable.
        variable: String,
        /// Its value.
        value: String,
        /// What is wrong with it.
        what: String,
    },
    /// No error of firn has this code.
    #[error("no error of firn has the code {code:?}{}", did_you_mean(nearest.as_deref()))]
    UnknownCode {
        /// The code asked for.
        code: String,
        /// The one that may be meant.
        nearest: Option<String>,
    },
    /// The answer could not be written to standard output.
    #[error("the answer could not be written: {cause}")]
    Output {
        /// What the operating system says.
        #[source]
        cause: std::io::Error,
    },
    /// The answer could not be put into JSON.
    #[error("the answer could not be put into JSON: {cause}")]
    Json {
        /// What the serialiser says.
        #[source]
        cause: serde_json::Error,
    },
    /// The runtime could not be started.
    #[error("the threads that firn works with could not be started: {cause}")]
    Runtime {
        /// What the operating system says.
        #[source]
        cause: std::io::Error,
    },
    /// A mistake in firn: it gave up in the middle of something.
    #[error("firn gave up at {place}: {what}")]
    Panic {
        /// Source file and line.
        place: String,
        /// What it found.
        what: String,
    },
    /// The server cannot listen at its address.
    #[error("nobody can be served at {address}: {cause}")]
    Listen {
        /// The address.
        address: String,
        /// What the operating system says.
        #[source]
        cause: std::io::Error,
    },
    /// Stopped by the user.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// Locations cannot do what they are for.
    #[error("{names} cannot do what the configuration asks of it: {first}")]
    LocationCheck {
        /// The locations.
        names: String,
        /// What is wrong with the first.
        first: String,
    },
    /// A verb failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Storage could not do what was asked.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// ` (did you mean …?)`, or nothing.
pub fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|nearest| format!("; did you mean {nearest:?}?")).unwrap_or_default()
}

fn config_findings(findings: &[ConfigFinding]) -> String {
    match findings {
        [one] => format!("{}: {}", one.at, one.what),
        all => {
            let lines: Vec<String> =
                all.iter().map(|finding| format!("\n  {}: {}", finding.at, finding.what)).collect();
            format!("{} things are wrong in the configuration{}", all.len(), lines.concat())
        }
    }
}

impl Diagnose for FirnError {
    fn code(&self) -> &'static str {
        match self {
            Self::Usage { .. } => "usage",
            Self::VerbUnsupported { .. } => "verb-unsupported",
            Self::ConfigUnreadable { .. } => "config-unreadable",
            Self::ConfigInvalid { .. } => "config-invalid",
            Self::EnvironmentInvalid { .. } => "environment-invalid",
            Self::UnknownCode { .. } => "code-unknown",
            Self::Output { .. } => "output-failed",
            Self::Json { .. } => "output-json",
            Self::Runtime { .. } => "runtime-failed",
            Self::Panic { .. } => "panic",
            Self::Listen { .. } => "listen-failed",
            Self::Interrupted(error) => error.code(),
            Self::LocationCheck { .. } => "location-check",
            Self::Engine(error) => error.code(),
            Self::Storage(error) => error.code(),
        }
    }

    fn category(&self) -> Category {
        match self {
            Self::Usage { .. } | Self::EnvironmentInvalid { .. } => Category::Usage,
            Self::VerbUnsupported { .. } => Category::Unsupported,
            Self::ConfigUnreadable { cause, .. } if cause.kind() == std::io::ErrorKind::PermissionDenied => {
                Category::Denied
            }
            Self::ConfigUnreadable { .. } | Self::ConfigInvalid { .. } => Category::InvalidDocument,
            Self::UnknownCode { .. } => Category::NotFound,
            Self::Listen { cause, .. } => match cause.kind() {
                std::io::ErrorKind::AddrInUse => Category::Conflict,
                std::io::ErrorKind::PermissionDenied => Category::Denied,
                _ => Category::Usage,
            },
            Self::Output { .. } | Self::Runtime { .. } => Category::Unavailable,
            Self::Json { .. } | Self::Panic { .. } => Category::Bug,
            Self::Interrupted(error) => error.category(),
            Self::LocationCheck { .. } => Category::Differences,
            Self::Engine(error) => error.category(),
            Self::Storage(error) => error.category(),
        }
    }

    fn at(&self) -> At {
        match self {
            Self::ConfigUnreadable { at, .. } => at.clone(),
            Self::ConfigInvalid { findings } => findings.first().map(|finding| finding.at.clone()).unwrap_or_default(),
            Self::EnvironmentInvalid { variable, .. } => At::nowhere().node(variable),
            Self::Listen { address, .. } => At::nowhere().node(address),
            Self::Interrupted(error) => error.at(),
            Self::Engine(error) => error.at(),
            Self::Storage(error) => error.at(),
            _ => At::nowhere(),
        }
    }

    fn why(&self) -> String {
        match self {
            Self::Usage { .. } => "firn does not guess what a command means: it may write or publish",
            Self::VerbUnsupported { .. } => {
                "its name is kept for it, so that no script of today means something else tomorrow"
            }
            Self::ConfigUnreadable { .. } => "carrying on without it would use other settings than yours",
            Self::ConfigInvalid { .. } => "a setting that is ignored because of a slip is worse than none",
            Self::EnvironmentInvalid { .. } => "carrying on without it would use another value than yours",
            Self::UnknownCode { .. } => "codes are never renamed or reused, so this one never existed",
            Self::Output { .. } => "the answer is incomplete and must not be used",
            Self::Json { .. } => "firn made an answer that it cannot print",
            Self::Runtime { .. } => "nothing was done",
            Self::Listen { .. } => "readers ask at this address and nowhere else",
            Self::Panic { .. } => "firn contradicts itself here; nothing was published by this command",
            Self::Interrupted(error) => return error.why(),
            Self::LocationCheck { .. } => "a run would find out only after hours of work",
            Self::Engine(error) => return error.why(),
            Self::Storage(error) => return error.why(),
        }
        .to_owned()
    }

    fn next(&self) -> String {
        match self {
            Self::Usage { next, .. } => return next.clone(),
            Self::VerbUnsupported { .. } => "firn --help lists what this version does",
            Self::ConfigUnreadable { at, .. } => {
                let file = at.url.clone().unwrap_or_default();
                return format!("make it readable or remove it: ls -l {file}");
            }
            Self::ConfigInvalid { .. } => "mend the lines above, then: firn config show",
            Self::EnvironmentInvalid { variable, .. } => return format!("unset {variable}, or give it another value"),
            Self::UnknownCode { .. } => "firn explain lists all codes",
            Self::Output { .. } => "look for space on the disk that standard output goes to, then run it again",
            Self::Json { .. } => "firn explain output-json says how to report it",
            Self::Runtime { .. } => "look at the limits of this session (ulimit -u), then run it again",
            Self::Listen { .. } => "choose another address: firn serve --listen 127.0.0.1:0 takes any free port",
            Self::Panic { .. } => "firn explain panic says how to report it; then run the same command again",
            Self::Interrupted(error) => return error.next(),
            Self::LocationCheck { .. } => "look at credentials (firn config show) and at the policy of the bucket",
            Self::Engine(error) => return error.next(),
            Self::Storage(error) => return error.next(),
        }
        .to_owned()
    }
}
