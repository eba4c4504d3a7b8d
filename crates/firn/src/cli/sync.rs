//! `firn sync`.

use super::arguments::Transfer;
use super::context::Context;
use super::cp;
use super::outcome::Outcome;
use crate::error::FirnError;
use clap::Args;
use firn_engine::verbs::requests::CopyRequest;

/// Make a folder equal to another
///
/// Copies what is missing, replaces what differs, and shows what the source does not have: it is removed with --delete alone. Bytes
/// decide, not times.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  firn sync data/ osn:me/data --dry-run --delete\n  firn sync data/ osn:me/data --delete"
)]
pub struct Arguments {
    /// The folder that the other becomes equal to
    #[arg(value_name = "SRC")]
    pub source: String,
    /// The other
    #[arg(value_name = "DST")]
    pub target: String,
    /// Remove what the source does not have
    #[arg(long)]
    pub delete: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub transfer: Transfer,
}

impl Arguments {
    pub(super) async fn perform(&self, context: &Context) -> Result<Outcome, FirnError> {
        let request = CopyRequest {
            sources: vec![self.source.clone()],
            target: self.target.clone(),
            recursive: true,
            sync: true,
            delete: self.delete,
            dry_run: self.dry_run,
            jobs: self.transfer.jobs(),
            ..CopyRequest::default()
        };
        cp::perform(context, &self.transfer, request).await
    }
}
