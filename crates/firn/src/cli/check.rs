//! `firn check`.

use super::arguments::Transfer;
use super::build::{blocking, bytes};
use super::context::Context;
use super::outcome::{Outcome, Style};
use crate::error::FirnError;
use crate::report::ErrorReport;
use clap::Args;
use firn_engine::verbs::check::{CheckReport, check};
use std::io::{self, Write};

/// Compare two folders or two objects, byte by byte as far as it takes
///
/// By the digests of the copy that made one from the other, else by entity tags that are MD5 sums, else by reading both; the answer
/// says how many of each. Files of this machine are always read. Exit status 10 where anything differs.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  firn check air.zarr osn:me/air.zarr\n  firn check s3://bucket/a s3://other/a -o json"
)]
pub struct Arguments {
    /// One
    #[arg(value_name = "SRC")]
    pub source: String,
    /// The other
    #[arg(value_name = "DST")]
    pub target: String,
    #[command(flatten)]
    pub transfer: Transfer,
}

impl Arguments {
    pub(super) async fn perform(&self, context: &Context) -> Result<Outcome, FirnError> {
        let engine = context.engine_for(&self.transfer)?;
        let (source, target, jobs) = (self.source.clone(), self.target.clone(), self.transfer.jobs());
        let (report, error) = blocking(move || check(&engine, &source, &target, jobs)).await?;
        let failure = error.map(|error| ErrorReport::new(&FirnError::from(error)));
        Ok(Outcome::of(report, draw).with_failure(failure))
    }
}

/// Keys of each kind that are told.
const SHOWN: usize = 50;

fn draw(report: &CheckReport, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let state = if report.ok { style.green("equal") } else { style.red("not equal") };
    writeln!(out, "{} and {}: {state}", style.bold(&report.source), style.bold(&report.target))?;
    let by = &report.equal_by;
    writeln!(
        out,
        "  {} objects, {}; {} equal: {} by the record of their copy, {} by entity tag, {} by reading",
        report.objects,
        bytes(report.bytes),
        report.equal,
        by.record,
        by.tag,
        by.reading
    )?;
    let list = |out: &mut dyn Write, word: &str, lines: Vec<String>| -> io::Result<()> {
        for line in lines.iter().take(SHOWN) {
            writeln!(out, "  {} {line}", style.red(word))?;
        }
        if lines.len() > SHOWN {
            writeln!(out, "  and {} more {word}: -o json lists them", lines.len() - SHOWN)?;
        }
        Ok(())
    };
    list(out, "missing", report.missing.clone())?;
    list(out, "extra", report.extra.clone())?;
    list(out, "different", report.different.iter().map(|d| format!("{}: {}", d.key, d.what)).collect())?;
    list(out, "failed", report.failures.iter().map(|f| format!("[{}] {}: {}", f.code, f.key, f.what)).collect())?;
    writeln!(out, "next: {}", report.next)
}
