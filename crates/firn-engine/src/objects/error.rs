//! What can be wrong with a command about objects.

use firn_model::diagnose::{At, Category, Diagnose, shell_word};

/// Objects that an error names one by one.
const SHOWN: usize = 10;

/// Why objects were not copied, removed, or found equal.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectsError {
    /// A folder, and nobody said that all of it is meant.
    #[error("{at} is a folder of {objects} objects")]
    Folder {
        /// Where.
        at: At,
        /// How many objects lie below it.
        objects: u64,
        /// The command, with `-r`.
        next: String,
    },
    /// Other objects lie at the destination under the same keys.
    #[error("{} at the destination are other than those to be copied{}", count(keys.len()), list(keys))]
    Different {
        /// The destination.
        at: At,
        /// Their keys there, and how they differ.
        keys: Vec<String>,
        /// The exact next command.
        next: String,
    },
    /// Two trees are not equal.
    #[error("{at}: {what}{}", list(keys))]
    CheckDiffers {
        /// The second tree.
        at: At,
        /// How many are missing, more, or other.
        what: String,
        /// The first of them.
        keys: Vec<String>,
        /// The exact next command.
        next: String,
    },
    /// Not everything in a place could be adopted.
    #[error("{at}: {what}{}", list(keys))]
    NotAdopted {
        /// The place.
        at: At,
        /// How many finds are broken or changed.
        what: String,
        /// Which, and why.
        keys: Vec<String>,
        /// The exact next command.
        next: String,
    },
    /// What lies there is not replaced or removed object by object.
    #[error("{at}: {what}")]
    Protected {
        /// Where.
        at: At,
        /// The rule.
        what: String,
        /// The exact next command.
        next: String,
    },
    /// One key is the folder of another.
    #[error("{at}: {what}")]
    Occupied {
        /// Where.
        at: At,
        /// What is in the way.
        what: String,
    },
    /// An object whose key cannot be used.
    #[error("{at} is left alone: {what}")]
    Unusable {
        /// The object.
        at: At,
        /// The rule that its key breaks.
        what: String,
    },
    /// Nobody said yes.
    #[error("{} below {at} would be removed", count(*objects))]
    Unconfirmed {
        /// Where.
        at: At,
        /// How many.
        objects: usize,
        /// The command, with `--yes`.
        next: String,
    },
}

fn count(n: usize) -> String {
    if n == 1 { "1 object".to_owned() } else { format!("{n} objects") }
}

fn list(keys: &[String]) -> String {
    let mut lines: Vec<String> = keys.iter().take(SHOWN).map(|key| format!("\n  {key}")).collect();
    if keys.len() > SHOWN {
        lines.push(format!("\n  and {} more", keys.len() - SHOWN));
    }
    lines.concat()
}

impl ObjectsError {
    /// An object below an address that is left alone.
    pub fn unusable(below: &firn_storage::ObjectUrl, odd: &firn_storage::Unusable) -> Self {
        let place = below.to_string();
        let at = At::url(format!("{}/{}", place.trim_end_matches('/'), odd.key));
        Self::Unusable { at, what: odd.what.clone() }
    }
}

impl Diagnose for ObjectsError {
    fn code(&self) -> &'static str {
        match self {
            Self::Folder { .. } => "objects-folder",
            Self::Different { .. } => "objects-different",
            Self::CheckDiffers { .. } => "check-differs",
            Self::NotAdopted { .. } => "adopt-incomplete",
            Self::Protected { .. } => "objects-protected",
            Self::Occupied { .. } => "objects-occupied",
            Self::Unusable { .. } => "objects-unusable-key",
            Self::Unconfirmed { .. } => "objects-unconfirmed",
        }
    }

    fn category(&self) -> Category {
        match self {
            Self::Folder { .. } | Self::Unconfirmed { .. } => Category::Usage,
            Self::Different { .. } | Self::Occupied { .. } => Category::Conflict,
            Self::CheckDiffers { .. } | Self::NotAdopted { .. } => Category::Differences,
            Self::Protected { .. } => Category::Denied,
            Self::Unusable { .. } => Category::Unsupported,
        }
    }

    fn at(&self) -> At {
        match self {
            Self::Folder { at, .. }
            | Self::Different { at, .. }
            | Self::CheckDiffers { at, .. }
            | Self::NotAdopted { at, .. }
            | Self::Protected { at, .. }
            | Self::Occupied { at, .. }
            | Self::Unusable { at, .. }
            | Self::Unconfirmed { at, .. } => at.clone(),
        }
    }

    fn why(&self) -> String {
        match self {
            Self::Folder { .. } => "all that lies below it is more than one may expect",
            Self::Different { .. } => "an object that is replaced is lost; nothing was copied",
            Self::CheckDiffers { .. } => "the two trees do not hold the same bytes",
            Self::NotAdopted { .. } => {
                "readers of what was left alone see wrong data, or none; everything else was adopted"
            }
            Self::Protected { .. } => "readers and records rely on what lies there",
            Self::Occupied { .. } => "on a file system a name is a file or a folder, not both",
            Self::Unusable { .. } => {
                "other tools would take such a key for something else, or for a path that leads elsewhere"
            }
            Self::Unconfirmed { .. } => "what is removed cannot be brought back",
        }
        .to_owned()
    }

    fn next(&self) -> String {
        match self {
            Self::Folder { next, .. }
            | Self::Different { next, .. }
            | Self::CheckDiffers { next, .. }
            | Self::NotAdopted { next, .. }
            | Self::Protected { next, .. }
            | Self::Unconfirmed { next, .. } => next.clone(),
            Self::Occupied { at, .. } => {
                let place = at.url.as_deref().map_or_else(String::new, shell_word);
                format!("copy to another place, or look what is there: firn ls {place}")
            }
            Self::Unusable { .. } => {
                "give the object another key with the tool that made it; all others were copied".to_owned()
            }
        }
    }
}
