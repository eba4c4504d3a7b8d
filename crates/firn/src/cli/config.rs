//! `firn config`.

pub(super) mod check;
pub(super) mod show;

use super::context::Context;
use super::outcome::Outcome;
use crate::error::FirnError;
use clap::{Args, Subcommand};

/// Show the effective settings, and check locations
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  firn config show\n  firn config check published")]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub verb: ConfigVerb,
}

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigVerb {
    /// Show the effective settings and where each came from
    ///
    /// Precedence: flags, FIRN_* variables, ./firn.toml, the user's firn/config.toml, defaults. Secrets are never
    /// shown, only where they would come from.
    #[command(after_help = "Example:\n  firn config show -o json")]
    Show(show::Arguments),
    /// Probe what locations can do
    ///
    /// Writes, reads and removes a small object in each location. What was found is kept and obeyed by every verb.
    ///
    /// Of two locations it is tried whether the server copies from the first to the second. Where it refuses, the bucket
    /// policy is printed that would allow it, and what happens without.
    #[command(
        after_help = "Examples:\n  firn config check\n  firn config check published\n  firn config check inbox published"
    )]
    Check(check::Arguments),
}

impl ConfigVerb {
    /// The second word of the verb.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Show(_) => "show",
            Self::Check(_) => "check",
        }
    }
}

impl Arguments {
    pub(super) async fn perform(&self, context: &Context) -> Result<Outcome, FirnError> {
        match &self.verb {
            ConfigVerb::Show(arguments) => arguments.perform(context),
            ConfigVerb::Check(arguments) => arguments.perform(context).await,
        }
    }
}
