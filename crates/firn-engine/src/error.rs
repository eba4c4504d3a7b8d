//! One error for every verb.

use crate::cancel::Interrupted;
use crate::icechunk::IcechunkError;
use crate::verbs::advice::category_in_recipe;
use firn_formats::FormatError;
use firn_model::combine::{CombineError, SelectError};
use firn_model::diagnose::{At, Category, Diagnose};
use firn_model::plan::{LayoutError, PlanError};
use firn_model::source::SourceError;
use firn_storage::StorageError;

/// Why a verb failed. Nothing is published after an error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// Bytes could not be had.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A file could not be read.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A location could not be used.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Files disagree.
    #[error(transparent)]
    Combine(#[from] CombineError),
    /// A selection names what is not there.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// The work does not fit its bounds.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// An Icechunk repository could not be used.
    #[error(transparent)]
    Icechunk(#[from] IcechunkError),
    /// A catalog cannot be read, or does not hold what was asked for.
    #[error(transparent)]
    Catalog(#[from] firn_catalog::CatalogError),
    /// An upload is not what it must be.
    #[error(transparent)]
    Upload(#[from] firn_model::upload::UploadError),
    /// Objects that cannot be copied, compared or removed like this.
    #[error(transparent)]
    Objects(#[from] crate::objects::ObjectsError),
    /// The user stopped it.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// Several things failed; all are listed, the first decides the kind.
    #[error("{what}: {} failed{}", errors.len(), list(errors))]
    Several {
        /// What was being done.
        what: String,
        /// The failures, at least one.
        errors: Vec<EngineError>,
    },
    /// A failure whose mending is known better here than where it happened.
    #[error("{error}")]
    Advised {
        /// The failure.
        error: Box<EngineError>,
        /// The exact next step.
        next: String,
    },
    /// A rule of a recipe cannot be followed.
    #[error("{error}")]
    InRecipe {
        /// Why.
        error: Box<EngineError>,
        /// Where the rule is written.
        at: At,
        /// The exact next step.
        next: String,
    },
    /// A version is published, and its entry in `catalog.yaml` could not be written.
    #[error("{store} is published, and its entry in catalog.yaml was not written: {error}")]
    NotEntered {
        /// What is published.
        store: String,
        /// Why the entry was not written.
        error: Box<EngineError>,
        /// The exact next step.
        next: String,
    },
    /// The call is wrong.
    #[error("{what}")]
    Usage {
        /// What is wrong.
        what: String,
        /// The exact next command.
        next: String,
    },
    /// Valid, but this version cannot do it.
    #[error("{what}")]
    Unsupported {
        /// Stable code.
        code: &'static str,
        /// Where.
        at: At,
        /// What.
        what: String,
        /// What to do instead.
        next: String,
    },
    /// The target exists.
    #[error("{at} exists already")]
    TargetExists {
        /// Where.
        at: At,
    },
    /// Objects that this command did not write lie at the target.
    #[error("{at} is not empty: {what}")]
    TargetNotEmpty {
        /// Where.
        at: At,
        /// What lies there.
        what: String,
        /// What to do.
        next: String,
    },
    /// A part of a dataset was to become a version of the whole one.
    #[error("{at} is the whole dataset (since {version}), and --limit makes a part of it")]
    TargetIsWhole {
        /// Where.
        at: At,
        /// A version that is whole.
        version: String,
    },
    /// Publishing before all tasks are done.
    #[error("{open} of {tasks} tasks are not done yet")]
    TasksOpen {
        /// Tasks that are not done.
        open: usize,
        /// All tasks.
        tasks: usize,
    },
    /// Another process works on the same target.
    #[error("another process is writing {at}: {what}")]
    TargetBusy {
        /// Where.
        at: At,
        /// Since when, and who.
        what: String,
    },
    /// What was written is not what the journal says.
    #[error("{at}: {what}")]
    JournalDamaged {
        /// Where.
        at: At,
        /// What is wrong.
        what: String,
    },
    /// Verification found errors; nothing was published.
    #[error("verification found {} in {at}{}", count(*errors, "error"), text)]
    Verification {
        /// The store.
        at: At,
        /// Number of findings of severity error.
        errors: usize,
        /// The first findings, one a line.
        text: String,
    },
    /// A document is invalid.
    #[error("{what}")]
    Document {
        /// Stable code.
        code: &'static str,
        /// Where.
        at: At,
        /// All findings.
        what: String,
        /// Of which kind.
        category: Category,
        /// What to do.
        next: String,
    },
    /// A store that a catalog must not list.
    #[error("{what}")]
    NotLinkable {
        /// Stable code.
        code: &'static str,
        /// Where.
        at: At,
        /// What stands in the way.
        what: String,
        /// Of which kind.
        category: Category,
        /// What to do.
        next: String,
    },
    /// A mistake in firn.
    #[error("{what}")]
    Bug {
        /// What happened.
        what: String,
    },
}

fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

fn list(errors: &[EngineError]) -> String {
    const SHOWN: usize = 5;
    let mut lines: Vec<String> = errors.iter().take(SHOWN).map(|e| format!("\n  [{}] {e}", e.code())).collect();
    if errors.len() > SHOWN {
        lines.push(format!("\n  and {} more", errors.len() - SHOWN));
    }
    lines.concat()
}

impl EngineError {
    /// A mistake in firn.
    pub fn bug(what: impl Into<String>) -> Self {
        Self::Bug { what: what.into() }
    }

    /// The call is wrong.
    pub fn usage(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::Usage { what: what.into(), next: next.into() }
    }

    /// One error, or all of them.
    pub fn several(what: impl Into<String>, mut errors: Vec<Self>) -> Option<Self> {
        if errors.len() <= 1 { errors.pop() } else { Some(Self::Several { what: what.into(), errors }) }
    }

    /// The single failures behind this one.
    pub(crate) fn single(&self) -> Vec<&Self> {
        match self {
            Self::Several { errors, .. } => errors.iter().flat_map(Self::single).collect(),
            Self::Advised { error, .. } | Self::NotEntered { error, .. } => error.single(),
            other => vec![other],
        }
    }

    /// The error that has code, place and advice, where this one only carries it.
    fn inner(&self) -> Option<&dyn Diagnose> {
        Some(match self {
            Self::Source(e) => e,
            Self::Format(e) => e,
            Self::Storage(e) => e,
            Self::Combine(e) => e,
            Self::Select(e) => e,
            Self::Plan(e) => e,
            Self::Icechunk(e) => e,
            Self::Catalog(e) => e,
            Self::Upload(e) => e,
            Self::Objects(e) => e,
            Self::Interrupted(e) => e,
            Self::Several { errors, .. } => errors.first()?,
            Self::Advised { error, .. } | Self::InRecipe { error, .. } | Self::NotEntered { error, .. } => {
                error.as_ref()
            }
            _ => return None,
        })
    }
}

impl From<LayoutError> for EngineError {
    fn from(error: LayoutError) -> Self {
        Self::Plan(PlanError::Layout(error))
    }
}

impl Diagnose for EngineError {
    fn code(&self) -> &'static str {
        match self {
            Self::Usage { .. } => "usage",
            Self::Unsupported { code, .. } | Self::Document { code, .. } | Self::NotLinkable { code, .. } => code,
            Self::TargetExists { .. } => "target-exists",
            Self::TargetNotEmpty { .. } => "target-not-empty",
            Self::TargetIsWhole { .. } => "target-is-whole",
            Self::TasksOpen { .. } => "tasks-open",
            Self::TargetBusy { .. } => "target-busy",
            Self::JournalDamaged { .. } => "journal-damaged",
            Self::Verification { .. } => "verification-failed",
            Self::Bug { .. } => "bug",
            other => other.inner().map_or("bug", |e| e.code()),
        }
    }

    fn category(&self) -> Category {
        match self {
            Self::Usage { .. } => Category::Usage,
            Self::Unsupported { .. } => Category::Unsupported,
            Self::TargetExists { .. }
            | Self::TargetNotEmpty { .. }
            | Self::TargetIsWhole { .. }
            | Self::TasksOpen { .. }
            | Self::TargetBusy { .. } => Category::Conflict,
            Self::JournalDamaged { .. } => Category::Corrupt,
            Self::Verification { .. } => Category::Differences,
            Self::Document { category, .. } | Self::NotLinkable { category, .. } => *category,
            Self::InRecipe { error, .. } => category_in_recipe(error.category()),
            Self::Bug { .. } => Category::Bug,
            other => other.inner().map_or(Category::Bug, |e| e.category()),
        }
    }

    fn at(&self) -> At {
        match self {
            Self::Unsupported { at, .. }
            | Self::TargetExists { at }
            | Self::TargetNotEmpty { at, .. }
            | Self::TargetIsWhole { at, .. }
            | Self::TargetBusy { at, .. }
            | Self::JournalDamaged { at, .. }
            | Self::Verification { at, .. }
            | Self::Document { at, .. }
            | Self::InRecipe { at, .. }
            | Self::NotLinkable { at, .. } => at.clone(),
            other => other.inner().map(|e| e.at()).unwrap_or_default(),
        }
    }

    fn why(&self) -> String {
        match self {
            Self::Usage { .. } => "firn does not guess what was meant".to_owned(),
            Self::Unsupported { .. } => "firn refuses what it cannot do right".to_owned(),
            Self::NotEntered { .. } => "the catalog does not tell of what readers of the store see already".to_owned(),
            Self::TargetExists { .. } => "published stores are never overwritten".to_owned(),
            Self::TargetNotEmpty { .. } => "objects of two origins would be mixed in one store".to_owned(),
            Self::TargetIsWhole { .. } => "readers of the current version would see a part of the data".to_owned(),
            Self::TasksOpen { .. } => "what is published is complete".to_owned(),
            Self::TargetBusy { .. } => "two writers could undo each other's work".to_owned(),
            Self::JournalDamaged { .. } => "what was written before cannot be trusted to be complete".to_owned(),
            Self::Verification { .. } => {
                "what does not verify is not published; what was there before is untouched".to_owned()
            }
            Self::Document { category: Category::NotFound | Category::Corrupt, .. } => {
                "what is missing or something else would leave a hole in the dataset".to_owned()
            }
            Self::Document { category: Category::Denied, .. } => {
                "what may not be read or written cannot be worked with".to_owned()
            }
            Self::Document { .. } => "nothing runs on a document that is not understood as a whole".to_owned(),
            Self::NotLinkable { .. } => {
                "what a catalog lists has to open for everybody who reads the catalog".to_owned()
            }
            Self::Bug { .. } => "this is a mistake in firn, not in your data".to_owned(),
            other => other.inner().map(|e| e.why()).unwrap_or_default(),
        }
    }

    fn next(&self) -> String {
        match self {
            Self::Usage { next, .. }
            | Self::Unsupported { next, .. }
            | Self::Document { next, .. }
            | Self::NotLinkable { next, .. }
            | Self::Advised { next, .. }
            | Self::InRecipe { next, .. }
            | Self::NotEntered { next, .. }
            | Self::TargetNotEmpty { next, .. } => next.clone(),
            Self::TargetIsWhole { .. } => {
                "the same command with another --target, or without --target: then it goes to PATH.limitN".to_owned()
            }
            Self::TasksOpen { .. } => {
                "run the remaining --task-range parts first, or run without --finish to do them here".to_owned()
            }
            Self::TargetExists { at } => format!(
                "the same command with another --target, or remove {} yourself first",
                at.url.as_deref().unwrap_or("it")
            ),
            Self::TargetBusy { .. } => {
                "wait for the other process; if it is gone, run the same command again in a minute".to_owned()
            }
            Self::JournalDamaged { .. } => {
                "remove the unfinished target (firn run --abandon for a feedstock), then run the same command again"
                    .to_owned()
            }
            Self::Verification { .. } => {
                "mend the sources, or what the recipe asks for; then run the same command again".to_owned()
            }
            Self::Bug { .. } => "please report it with the command and its output".to_owned(),
            other => other.inner().map(|e| e.next()).unwrap_or_default(),
        }
    }
}
