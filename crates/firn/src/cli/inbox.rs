//! `firn inbox`.

use super::arguments::Resources;
use super::build::{blocking, bytes};
use super::context::Context;
use super::outcome::{Outcome, Style};
use crate::error::FirnError;
use crate::report::ErrorReport;
use clap::{Args, Subcommand};
use firn_engine::error::EngineError;
use firn_engine::verbs::inbox_list::{InboxList, inbox_list};
use firn_engine::verbs::inbox_review::{ReviewReport, inbox_review};
use firn_engine::verbs::promote::{PromoteReport, promote};
use firn_engine::verbs::requests::PromoteRequest;
use firn_model::diagnose::At;
use std::io::{self, Write};
use std::path::PathBuf;

/// Look after an inbox: list, review and publish what producers pushed
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  firn inbox list inbox\n  firn inbox review inbox/air\n  \
                  firn inbox promote inbox/air --to published --feedstock air-feedstock")]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub verb: InboxVerb,
}

/// What to do with an inbox.
#[derive(Debug, Subcommand)]
pub enum InboxVerb {
    /// What lies there
    #[command(after_help = "Example:\n  firn inbox list inbox -o json")]
    List(List),
    /// The report card of an upload: what it holds, whether it opens and is complete, what stands in the way
    #[command(after_help = "Example:\n  firn inbox review inbox/air")]
    Review(Review),
    /// Publish a sealed upload
    ///
    /// Every byte is compared with what was sealed; data are copied first, root documents last. Nothing is copied where the upload
    /// is not what was sealed or the destination exists. The inbox copy stays until --purge.
    #[command(after_help = "Examples:\n  firn inbox promote inbox/air --to published\n  \
                      firn inbox promote inbox/air --to published/reanalysis/air --feedstock air-feedstock --purge")]
    Promote(Promote),
    /// Let a producer push
    #[command(hide = true)]
    Invite(Words),
    /// Refuse a push
    #[command(hide = true)]
    Reject(Words),
}

impl InboxVerb {
    /// The second word of the verb.
    pub fn word(&self) -> &'static str {
        match self {
            Self::List(_) => "list",
            Self::Review(_) => "review",
            Self::Promote(_) => "promote",
            Self::Invite(_) => "invite",
            Self::Reject(_) => "reject",
        }
    }
}

/// `firn inbox list INBOX`.
#[derive(Debug, Args)]
pub struct List {
    /// A location with the role inbox
    #[arg(value_name = "INBOX")]
    pub inbox: String,
}

/// `firn inbox review INBOX/NAME`.
#[derive(Debug, Args)]
pub struct Review {
    /// The upload
    #[arg(value_name = "INBOX/NAME")]
    pub upload: String,
}

/// `firn inbox promote INBOX/NAME --to LOCATION[/PATH]`.
#[derive(Debug, Args)]
pub struct Promote {
    /// The upload
    #[arg(value_name = "INBOX/NAME")]
    pub upload: String,
    /// Where to publish it; without a path, under its own name
    #[arg(long, value_name = "LOCATION[/PATH]")]
    pub to: String,
    /// The feedstock whose catalog.yaml gets the store entries
    #[arg(long, value_name = "DIR")]
    pub feedstock: Option<PathBuf>,
    /// Remove the inbox copy once it is published
    #[arg(long)]
    pub purge: bool,
    /// Take entity tags for proof that the bytes are what was sealed (recorded)
    #[arg(long)]
    pub trust_etag: bool,
    /// Print the store entries, and write nothing into the feedstock
    #[arg(long)]
    pub no_write: bool,
}

/// Any words.
#[derive(Debug, Args)]
pub struct Words {
    #[arg(hide = true)]
    pub words: Vec<String>,
}

impl Arguments {
    pub(super) async fn perform(&self, context: &Context) -> Result<Outcome, FirnError> {
        let engine = context.engine(&Resources::default())?;
        match &self.verb {
            InboxVerb::List(list) => {
                let inbox = list.inbox.clone();
                Ok(Outcome::of(blocking(move || inbox_list(&engine, &inbox)).await?, draw_list))
            }
            InboxVerb::Review(review) => {
                let upload = review.upload.clone();
                let report = blocking(move || inbox_review(&engine, &upload)).await?;
                let failure = failure_of(&report);
                Ok(Outcome::of(report, draw_review).with_failure(failure))
            }
            InboxVerb::Promote(arguments) => {
                let request = PromoteRequest {
                    upload: arguments.upload.clone(),
                    to: arguments.to.clone(),
                    feedstock: arguments.feedstock.clone(),
                    purge: arguments.purge,
                    trust_etag: arguments.trust_etag,
                    no_write: arguments.no_write,
                };
                Ok(Outcome::of(blocking(move || promote(&engine, &request)).await?, draw_promotion))
            }
            InboxVerb::Invite(_) | InboxVerb::Reject(_) => {
                Err(FirnError::VerbUnsupported { verb: format!("inbox {}", self.verb.word()) })
            }
        }
    }
}

/// A bad report card is an answer, and a failure beside it. An upload that only waits for its seal is no bad one.
fn failure_of(report: &ReviewReport) -> Option<ErrorReport> {
    let waits = report.problems.iter().all(|problem| problem.code == "upload-not-sealed");
    let verified = report.stores.iter().all(|store| store.verification.as_ref().is_none_or(|v| v.ok));
    if waits && verified {
        return None;
    }
    let error = EngineError::Verification {
        at: At::url(&report.upload),
        errors: report.problems.len()
            + report.stores.iter().filter(|s| s.verification.as_ref().is_some_and(|v| !v.ok)).count(),
        text: String::new(),
    };
    let mut failure = ErrorReport::new(&FirnError::from(error));
    "it would not be promoted as it is".clone_into(&mut failure.why);
    failure.next.clone_from(&report.next);
    Some(failure)
}

fn draw_list(report: &InboxList, out: &mut dyn Write, style: Style) -> io::Result<()> {
    if report.uploads.is_empty() {
        return writeln!(out, "{} is empty", style.bold(&report.inbox));
    }
    for upload in &report.uploads {
        let sealed = upload.sealed.as_ref().map(|sealed| format!(" {sealed}")).unwrap_or_default();
        writeln!(
            out,
            "{}  {}{sealed}  {} objects, {}, {} stores",
            style.bold(&upload.upload),
            upload.state,
            upload.objects,
            bytes(upload.bytes),
            upload.stores
        )?;
    }
    Ok(())
}

fn draw_review(report: &ReviewReport, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let sealed = report.seal.as_ref().map_or("not sealed".to_owned(), |seal| format!("sealed {}", seal.sealed));
    writeln!(out, "{}  {sealed}, {} objects, {}", style.bold(&report.upload), report.objects, bytes(report.bytes))?;
    for problem in &report.problems {
        writeln!(out, "  {} [{}] {}", style.red("problem"), problem.code, problem.what)?;
    }
    for store in &report.stores {
        let name = if store.key.is_empty() { "(the upload itself)" } else { store.key.as_str() };
        writeln!(
            out,
            "  store {name}: Zarr v{}, {} objects, {}, licence {}",
            store.format.number(),
            store.objects,
            bytes(store.bytes),
            store.license.as_deref().unwrap_or("not said")
        )?;
        writeln!(out, "    variables {}", store.variables.join(", "))?;
        if let Some(verification) = &store.verification {
            super::verify::summary(verification, out, style)?;
        }
    }
    if report.files > 0 {
        writeln!(
            out,
            "  {} files of no store, {}: {}",
            report.files,
            bytes(report.file_bytes),
            report.file_examples.join(", ")
        )?;
    }
    if report.left_out > 0 {
        writeln!(out, "  {} of firn's own records in the stores, which are not published", report.left_out)?;
    }
    writeln!(out, "next: {}", report.next)
}

fn draw_promotion(report: &PromoteReport, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let state = if report.already { "was published before" } else { "published" };
    writeln!(out, "{} {} as {}", style.bold(&report.upload), style.green(state), report.published)?;
    let promotion = &report.promotion;
    writeln!(out, "  {} objects, {}, digest {}", promotion.objects, bytes(promotion.bytes), promotion.digest)?;
    for (store, opened) in promotion.stores.iter().zip(&report.stores) {
        let derived = if store.derived_consolidated { ", consolidated metadata derived" } else { "" };
        let absent =
            if store.absent > 0 { format!(", {} chunks absent (fill values)", store.absent) } else { String::new() };
        writeln!(out, "  {}: Zarr v{}{derived}{absent}", opened.url, store.format.number())?;
    }
    if promotion.files > 0 {
        writeln!(out, "  {} files of no store, {}", promotion.files, bytes(promotion.file_bytes))?;
    }
    let copy = if report.purged { "removed" } else { "kept: --purge removes it" };
    writeln!(out, "  the inbox copy is {copy}")?;
    for change in report.catalog_entries.iter().filter(|change| !change.diff.is_empty()) {
        let done = if change.written { "updated" } else { "would change" };
        writeln!(out, "  {} {done}:", change.path)?;
        writeln!(out, "{}", change.diff)?;
    }
    for snippet in report.stores.iter().filter_map(|store| store.snippet.as_ref()) {
        writeln!(out, "  open it in Python (needs {}):", snippet.requires.join(", "))?;
        for line in snippet.code.lines() {
            writeln!(out, "    {line}")?;
        }
    }
    writeln!(out, "next: {}", report.next)
}
