//! `firn rm`.

use super::arguments::Resources;
use super::build::{blocking, bytes};
use super::context::Context;
use super::outcome::{Outcome, Style};
use crate::error::FirnError;
use crate::report::ErrorReport;
use clap::Args;
use firn_engine::verbs::rm::{RemoveReport, RemoveRequest, find};
use std::io::{self, IsTerminal, Write};

/// Remove objects; asks first
///
/// Refused in locations with the role inbox, published or pipeline. Of a store the root goes first, so that nobody reads a part of it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  firn rm -r scratch:old.zarr --dry-run\n  firn rm -r scratch:old.zarr --yes")]
pub struct Arguments {
    /// Objects, patterns, folders
    #[arg(value_name = "URL", required = true)]
    pub urls: Vec<String>,
    /// Folders, with all that lies below them
    #[arg(short, long)]
    pub recursive: bool,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// Say what would be removed, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

impl Arguments {
    pub(super) async fn perform(&self, context: &Context) -> Result<Outcome, FirnError> {
        let engine = context.engine(&Resources::default())?;
        let request = RemoveRequest { urls: self.urls.clone(), recursive: self.recursive, dry_run: self.dry_run };
        let (yes, asks) = (self.yes || self.dry_run, io::stdin().is_terminal() && io::stderr().is_terminal());
        let (report, error) = blocking(move || {
            let removal = find(&engine, &request)?;
            if !(yes || asks && confirmed(removal.objects, removal.bytes)) {
                return Err(removal.unconfirmed());
            }
            removal.perform(&engine)
        })
        .await?;
        let failure = error.map(|error| ErrorReport::new(&FirnError::from(error)));
        Ok(Outcome::of(report, draw).with_failure(failure))
    }
}

fn confirmed(objects: usize, size: u64) -> bool {
    let mut answer = String::new();
    let asked = write!(io::stderr(), "remove {objects} objects, {}? [y/N] ", bytes(size));
    asked.is_ok() && io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

/// Addresses that are told one by one.
const SHOWN: usize = 20;

fn draw(report: &RemoveReport, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let (count, word) = if report.dry_run { (report.objects, "to remove") } else { (report.removed, "removed") };
    writeln!(out, "{count} objects {word}, {}", bytes(report.bytes))?;
    for url in report.urls.iter().take(SHOWN) {
        writeln!(out, "  {url}")?;
    }
    if report.objects as usize > SHOWN {
        writeln!(out, "  and {} more", report.objects as usize - SHOWN)?;
    }
    for failure in report.failures.iter().take(SHOWN) {
        writeln!(out, "  {} [{}] {}: {}", style.red("failed"), failure.code, failure.key, failure.what)?;
    }
    Ok(())
}
