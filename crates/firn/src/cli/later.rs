//! Verbs that are designed and not there yet: their names and flags are kept, so that a script written for them never
//! means something else. They answer *unsupported*, whatever their arguments are.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// A verb of a later version.
#[derive(Debug, Subcommand)]
pub enum Later {
    /// Bring a dataset up to date
    #[command(hide = true)]
    Update(Words),
    /// Versions of a dataset
    #[command(hide = true)]
    Log(Words),
    /// What changed between two versions
    #[command(hide = true)]
    Diff(Words),
    /// Name a version
    #[command(hide = true)]
    Tag(Words),
    /// Go back to a version
    #[command(hide = true)]
    Rollback(Words),
    /// What is stored and what it costs
    #[command(hide = true)]
    Sizes(Words),
    /// What is over its time
    #[command(hide = true)]
    Expire(Words),
    /// Delete a dataset
    #[command(hide = true)]
    Delete(Words),
    /// Undo a deletion
    #[command(hide = true)]
    Restore(Words),
    /// Draw a variable
    #[command(hide = true)]
    Plot(Plot),
}

impl Later {
    /// The words of the verb.
    pub fn words(&self) -> String {
        match self {
            Self::Update(_) => "update",
            Self::Log(_) => "log",
            Self::Diff(_) => "diff",
            Self::Tag(_) => "tag",
            Self::Rollback(_) => "rollback",
            Self::Sizes(_) => "sizes",
            Self::Expire(_) => "expire",
            Self::Delete(_) => "delete",
            Self::Restore(_) => "restore",
            Self::Plot(_) => "plot",
        }
        .to_owned()
    }
}

/// Any words.
#[derive(Debug, Args)]
pub struct Words {
    pub words: Vec<String>,
}

/// `firn plot STORE VAR --out FILE.png`.
#[derive(Debug, Args)]
pub struct Plot {
    pub store: Option<String>,
    pub variable: Option<String>,
    #[arg(long)]
    pub time: Option<String>,
    #[arg(long, value_name = "FILE.png")]
    pub out: Option<PathBuf>,
}
