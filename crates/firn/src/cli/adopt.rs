//! `firn adopt`.

use super::arguments::Resources;
use super::build::{blocking, bytes};
use super::context::Context;
use super::outcome::{Outcome, Style};
use crate::error::FirnError;
use crate::report::ErrorReport;
use clap::Args;
use firn_engine::error::EngineError;
use firn_engine::verbs::adopt::{AdoptFind, AdoptReport, FindState, adopt};
use firn_engine::verbs::requests::AdoptRequest;
use firn_model::feedstock::DataType;
use std::io::{self, Write};
use std::path::PathBuf;

/// Take over what other tools left in a bucket or folder
///
/// Finds every store (Zarr, Icechunk, kerchunk) and every collection of files, opens and verifies it, and reads it once for digests.
/// What is right becomes a managed dataset where it lies: nothing is copied or changed; a manifest, a ledger and firn.json are written
/// beside the objects, and a feedstock for each first folder. What readers would see wrongly is named and left alone. The same command
/// continues after a stop, and later tells what changed since.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  firn adopt osn:old --dry-run                   what is there, and what is broken\n  firn adopt osn/old --owner \"Jane Doe\" --as produced\n  firn adopt s3://bucket/prefix --no-hash        by sizes alone: nothing but metadata is read"
)]
pub struct Arguments {
    /// The place: an address, or LOCATION/PREFIX
    #[arg(value_name = "URL|LOCATION/PREFIX")]
    pub place: String,
    /// Who answers for it: the maintainer in meta.yaml, and in firn.json
    #[arg(long, value_name = "NAME")]
    pub owner: Option<String>,
    /// How the data came to be: curated, ingested or produced
    #[arg(long = "as", value_name = "TYPE", default_value = "ingested", value_parser = parse_type)]
    pub data_type: DataType,
    /// Read metadata and samples only: the records get sizes and no digests
    #[arg(long)]
    pub no_hash: bool,
    /// Adopt what changed since it was adopted as it is now
    #[arg(long)]
    pub again: bool,
    /// Say what is there, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Folder in which the feedstocks are written
    #[arg(long, value_name = "DIR", default_value = "feedstocks")]
    pub feedstocks: PathBuf,
    #[command(flatten)]
    pub resources: Resources,
}

fn parse_type(text: &str) -> Result<DataType, String> {
    match text {
        "curated" => Ok(DataType::Curated),
        "ingested" => Ok(DataType::Ingested),
        "produced" => Ok(DataType::Produced),
        _ => Err("there are curated, ingested, produced".to_owned()),
    }
}

impl Arguments {
    pub(super) async fn perform(&self, context: &Context) -> Result<Outcome, FirnError> {
        let engine = context.engine(&self.resources)?;
        let owner = self.owner.as_deref().map(str::trim).map(str::to_owned);
        if owner.as_ref().is_some_and(|owner| owner.is_empty() || owner.chars().any(char::is_control)) {
            return Err(EngineError::usage("--owner names nobody", "firn adopt PLACE --owner \"Jane Doe\"").into());
        }
        let request = AdoptRequest {
            place: self.place.clone(),
            owner,
            data_type: self.data_type,
            hash: !self.no_hash,
            again: self.again,
            dry_run: self.dry_run,
            feedstocks: self.feedstocks.clone(),
        };
        let (report, error) = blocking(move || adopt(&engine, &request)).await?;
        let failure = error.map(|error| ErrorReport::new(&FirnError::from(error)));
        Ok(Outcome::of(report, draw).with_failure(failure))
    }
}

fn draw(report: &AdoptReport, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let counts = &report.counts;
    writeln!(out, "{}: {} objects, {}", style.bold(&report.place), report.objects, bytes(report.bytes))?;
    for find in &report.finds {
        draw_find(find, out, style)?;
    }
    for odd in &report.left_alone {
        writeln!(out, "{} {}: {}", style.red("left alone"), odd.key, odd.what)?;
    }
    let words = [
        (counts.adopted, "adopted"),
        (counts.managed, "managed before"),
        (counts.changed, "changed"),
        (counts.broken, "broken"),
        (counts.unsupported, "not read by this version"),
        (counts.failed, "failed"),
    ];
    let words: Vec<String> = words.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    writeln!(out, "{}", words.join(", "))?;
    for feedstock in &report.feedstocks {
        let word = if feedstock.created { "made" } else { "updated" };
        writeln!(out, "{word} {} ({})", feedstock.dir, feedstock.stores.join(", "))?;
    }
    writeln!(out, "next: {}", report.next)
}

/// Files and arrays that are told one by one.
const SHOWN: usize = 5;

fn draw_find(find: &AdoptFind, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let state = match find.state {
        FindState::Adopted | FindState::Managed => style.green(find.state.name()),
        FindState::Unsupported => find.state.name().to_owned(),
        _ => style.red(find.state.name()),
    };
    let kind =
        serde_json::to_value(find.kind).ok().and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default();
    let name = if find.key.is_empty() { "." } else { &find.key };
    let size = format!("{} objects, {}", find.objects, bytes(find.bytes));
    let variables = find.variables.map(|n| format!(", {n} variables")).unwrap_or_default();
    let endings: Vec<String> = find
        .endings
        .iter()
        .map(|(ending, n)| format!("{n} {}", if ending.is_empty() { "without ending" } else { ending }))
        .collect();
    let endings = if endings.is_empty() { String::new() } else { format!(" ({})", endings.join(", ")) };
    writeln!(out, "{state} {} {kind}: {size}{variables}{endings}", style.bold(name))?;
    if let Some(problem) = &find.problem {
        writeln!(out, "    [{}] {}", problem.code, problem.what)?;
        writeln!(out, "    {}", problem.next)?;
    }
    for file in find.broken_files.iter().take(SHOWN) {
        writeln!(out, "    {} [{}] {}: {}", style.red("broken"), file.code, file.key, file.what)?;
    }
    if find.broken_files.len() > SHOWN {
        writeln!(out, "    and {} more broken files: -o json lists them", find.broken_files.len() - SHOWN)?;
    }
    for absent in find.absent.iter().take(SHOWN) {
        writeln!(
            out,
            "    {}: {} of {} chunks are not there and read as fill values (the first: {})",
            absent.path, absent.absent, absent.chunks, absent.first
        )?;
    }
    for finding in find.findings.iter().take(SHOWN) {
        writeln!(out, "    [{}] {}", finding.rule, finding.found)?;
    }
    Ok(())
}
