//! `firn seal`.

use super::arguments::Resources;
use super::build::{blocking, bytes};
use super::context::Context;
use super::outcome::{Outcome, Style};
use crate::error::FirnError;
use clap::Args;
use firn_engine::verbs::requests::SealRequest;
use firn_engine::verbs::seal::{SealReport, seal};
use std::io::{self, Write};

/// Say that an upload is complete
///
/// What firn pushed is taken as it arrived; what other tools left is read once. Afterwards nothing is accepted any more.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  firn seal inbox/air\n  firn seal inbox:air -o json")]
pub struct Arguments {
    /// The upload
    #[arg(value_name = "INBOX/NAME")]
    pub upload: String,
    #[command(flatten)]
    pub resources: Resources,
}

impl Arguments {
    pub(super) async fn perform(&self, context: &Context) -> Result<Outcome, FirnError> {
        let engine = context.engine(&self.resources)?;
        let jobs = self.resources.jobs.map(std::num::NonZeroUsize::get);
        let request = SealRequest { upload: self.upload.clone(), jobs };
        Ok(Outcome::of(blocking(move || seal(&engine, &request)).await?, draw))
    }
}

fn draw(report: &SealReport, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let state = if report.already { "was sealed before" } else { "sealed" };
    writeln!(out, "{} {}", style.bold(&report.upload), style.green(state))?;
    for store in &report.stores {
        writeln!(out, "  store {}", if store.is_empty() { "(the upload itself)" } else { store })?;
    }
    writeln!(out, "  {} objects, {} ({} read now)", report.seal.objects, bytes(report.seal.bytes), report.read)?;
    writeln!(out, "  digest {}", report.seal.digest)?;
    writeln!(out, "next: {}", report.next)
}
