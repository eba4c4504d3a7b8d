//! `firn cp`, and what it shares with `firn sync`.

use super::arguments::Transfer;
use super::build::{blocking, bytes};
use super::context::Context;
use super::outcome::{Outcome, Style};
use crate::error::FirnError;
use crate::report::ErrorReport;
use clap::Args;
use firn_engine::verbs::cp::{CopyReport, cp};
use firn_engine::verbs::requests::CopyRequest;
use firn_model::hosting::Egress;
use std::io::{self, Write};

/// Copy objects: between folders, buckets, locations, from web servers
///
/// `cp -r SRC DST` makes DST the copy of SRC; of several sources each keeps its name below DST. Nothing is deleted, and what is
/// there already is left where it is equal and never replaced without --replace. Stores appear last, as a whole. Bytes are hashed as
/// they pass, and recorded: the same command continues, and `firn check` compares.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "they are the flags of a command line")]
#[command(
    after_help = "Examples:\n  firn cp -r air.zarr osn:me/air.zarr\n  firn cp 'https://host/data/*.nc' data/\n  \
                  firn cp -r --explain s3://bucket/a s3://other/a"
)]
pub struct Arguments {
    /// Objects, patterns, folders; last the destination
    #[arg(value_name = "SRC… DST", required = true, num_args = 2..)]
    pub urls: Vec<String>,
    /// Folders, with all that lies below them
    #[arg(short, long)]
    pub recursive: bool,
    /// Replace other objects at the destination
    #[arg(long)]
    pub replace: bool,
    /// Say what would be done, which way the bytes would go, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// As --dry-run, and say how it would go: method, time, who pays for the traffic, which rules hold
    #[arg(long)]
    pub explain: bool,
    #[command(flatten)]
    pub transfer: Transfer,
}

impl Arguments {
    pub(super) async fn perform(&self, context: &Context) -> Result<Outcome, FirnError> {
        let (target, sources) = self.urls.split_last().map_or_else(Default::default, |(t, s)| (t.clone(), s.to_vec()));
        let request = CopyRequest {
            sources,
            target,
            recursive: self.recursive,
            replace: self.replace,
            dry_run: self.dry_run || self.explain,
            explain: self.explain,
            jobs: self.transfer.jobs(),
            ..CopyRequest::default()
        };
        perform(context, &self.transfer, request).await
    }
}

/// Copies.
///
/// # Errors
/// What the verb says.
pub async fn perform(context: &Context, transfer: &Transfer, request: CopyRequest) -> Result<Outcome, FirnError> {
    let engine = context.engine_for(transfer)?;
    let (report, error) = blocking(move || cp(&engine, &request)).await?;
    let failure = error.map(|error| ErrorReport::new(&FirnError::from(error)));
    Ok(Outcome::of(report, draw).with_failure(failure))
}

/// A time as people say it: 40 s, 12 min, 3.5 h, 2.1 days.
fn duration(seconds: u64) -> String {
    let whole = seconds as f64;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{:.0} min", whole / 60.0),
        7200..172_800 => format!("{:.1} h", whole / 3600.0),
        _ => format!("{:.1} days", whole / 86_400.0),
    }
}

/// Failures that are told one by one.
const SHOWN: usize = 20;

fn draw(report: &CopyReport, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let failed = !report.failures.is_empty();
    let state = match (report.dry_run, failed) {
        (true, _) => style.yellow("nothing done (dry run)"),
        (false, true) => style.red("not complete"),
        (false, false) => style.green("complete"),
    };
    writeln!(out, "{} {state}", style.bold(&report.target))?;
    let way = match report.route.as_str() {
        "server" => "copied by the server",
        "local" => "from file to file",
        _ => "by way of this machine",
    };
    writeln!(out, "  {} objects, {}, {way}", report.objects, bytes(report.bytes))?;
    let (verb, replaced) = (if report.dry_run { "to copy" } else { "copied" }, report.replaced);
    let replaced = if replaced > 0 { format!(", {replaced} of them in place of others") } else { String::new() };
    writeln!(out, "  {} {verb}, {}{replaced}", report.copied, bytes(report.copied_bytes))?;
    if report.kept > 0 {
        let by = &report.kept_by;
        let mut how = Vec::new();
        for (count, what) in [(by.record, "by record"), (by.tag, "by entity tag"), (by.reading, "by reading both")] {
            if count > 0 {
                how.push(format!("{count} {what}"));
            }
        }
        writeln!(out, "  {} there already and equal ({})", report.kept, how.join(", "))?;
    }
    if report.extra_objects > 0 {
        let (done, word) = match (report.deleted, report.dry_run) {
            (0, _) => ("left", "that the source does not have"),
            (_, true) => ("to remove", "that the source does not have"),
            (_, false) => ("removed", "that the source does not have"),
        };
        writeln!(out, "  {} at the destination {word}: {done}", report.extra_objects)?;
        for key in report.extra.iter().take(SHOWN) {
            writeln!(out, "    {key}")?;
        }
        if report.extra_objects as usize > SHOWN {
            writeln!(out, "    and {} more", report.extra_objects as usize - SHOWN)?;
        }
    }
    for failure in report.failures.iter().take(SHOWN) {
        writeln!(out, "  {} [{}] {}: {}", style.red("failed"), failure.code, failure.key, failure.what)?;
    }
    if report.failures.len() > SHOWN {
        writeln!(out, "  and {} more failures: -o json lists them", report.failures.len() - SHOWN)?;
    }
    if let Some(advice) = &report.advice {
        writeln!(out, "  method   {}; {} requests that write", advice.method, advice.requests)?;
        let [low, high] = advice.seconds.map(duration);
        writeln!(out, "  time     {low} to {high}, with {}", advice.assuming)?;
        let cost = advice.egress_cost.as_ref().map(|cost| format!(", about {cost}")).unwrap_or_default();
        writeln!(out, "  traffic  paid by: {} ({}){cost}", who_pays(advice.egress), advice.egress_because)?;
        for rule in &advice.rules {
            writeln!(out, "  rule     {rule}")?;
        }
    }
    if report.held_back > 0 {
        writeln!(out, "  {} not tried, so that no incomplete store appears", report.held_back)?;
    }
    writeln!(out, "next: {}", report.next)
}

/// Who pays for traffic, in words.
pub(super) fn who_pays(egress: Egress) -> &'static str {
    match egress {
        Egress::None => "nobody",
        Egress::Provider => "the owner of the source",
        Egress::Reader => "you",
        Egress::Unknown => "unknown",
    }
}
