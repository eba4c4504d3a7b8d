//! `firn push`.

use super::arguments::Transfer;
use super::build::{blocking, bytes};
use super::context::Context;
use super::outcome::{Outcome, Style};
use crate::error::FirnError;
use clap::Args;
use firn_engine::error::EngineError;
use firn_engine::verbs::push::{PushReport, push};
use firn_engine::verbs::requests::PushRequest;
use firn_model::diagnose::At;
use std::io::{self, Write};

/// Send stores, or files as they are, to an inbox
///
/// A store keeps its name; of a folder, the stores in it are sent. Data go first, root documents last. The same command continues
/// an interrupted push, and sends only what is not proven to be there.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  firn push air.zarr --to inbox/air --seal\n  \
                  firn push january.zarr february.zarr --to inbox/winter\n  \
                  firn push raw/*.nc readme.txt --to inbox/buoys --as-is --jobs 32")]
pub struct Arguments {
    /// Zarr stores, folders of them, or files
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<String>,
    /// The upload: a location with the role inbox, and a name of your choice
    #[arg(long, value_name = "INBOX/NAME", required_unless_present = "token")]
    pub to: Option<String>,
    /// A token that an administrator gave
    #[arg(long, value_name = "T", hide = true, conflicts_with = "to")]
    pub token: Option<String>,
    /// Send files that belong to no Zarr store, too
    #[arg(long)]
    pub as_is: bool,
    /// Say that the upload is complete, once it is
    #[arg(long)]
    pub seal: bool,
    #[command(flatten)]
    pub transfer: Transfer,
}

impl Arguments {
    fn request(&self) -> Result<PushRequest, FirnError> {
        let refused = |code, what: &str, next: &str| {
            let (what, next) = (what.to_owned(), next.to_owned());
            FirnError::from(EngineError::Unsupported { code, at: At::nowhere(), what, next })
        };
        let Some(to) = self.to.clone() else {
            let next = "push with the credentials of the bucket: --to INBOX/NAME";
            return Err(refused("unsupported-token", "pushing by token is not part of this version", next));
        };
        let jobs = self.transfer.jobs();
        Ok(PushRequest { paths: self.paths.clone(), to, as_is: self.as_is, seal: self.seal, jobs })
    }

    pub(super) async fn perform(&self, context: &Context) -> Result<Outcome, FirnError> {
        let request = self.request()?;
        let engine = context.engine_for(&self.transfer)?;
        Ok(Outcome::of(blocking(move || push(&engine, &request)).await?, draw))
    }
}

fn draw(report: &PushReport, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let state = if report.seal.is_some() { style.green("pushed and sealed") } else { style.green("pushed") };
    writeln!(out, "{} {state}", style.bold(&report.upload))?;
    for store in &report.stores {
        writeln!(out, "  store {store}")?;
    }
    writeln!(
        out,
        "  {} objects, {} ({} objects, {} sent now; {} there before)",
        report.objects,
        bytes(report.bytes),
        report.sent,
        bytes(report.sent_bytes),
        report.kept
    )?;
    if report.left_out > 0 {
        writeln!(out, "  {} of firn's own records in the stores were not sent", report.left_out)?;
    }
    writeln!(out, "  digest {}", report.digest)?;
    writeln!(out, "next: {}", report.next)
}
