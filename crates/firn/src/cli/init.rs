//! `firn init`.

use super::arguments::Resources;
use super::build::blocking;
use super::context::Context;
use super::outcome::{Outcome, Style};
use crate::error::FirnError;
use clap::Args;
use firn_engine::verbs::init::{InitReport, init};
use firn_engine::verbs::requests::InitRequest;
use std::io::{self, Write};
use std::path::PathBuf;

/// Start a feedstock: meta.yaml, catalog.yaml, recipe.yaml, README and a GitHub workflow
///
/// With --from, title, variables, pattern and range are filled in from the files: one example, a folder, a glob, a
/// pattern, or a store. Files that exist are never overwritten.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  firn init feedstock/\n  firn init feedstock/ --from https://host/sst.198109.nc\n  \
                  firn init feedstock/ --from data/"
)]
pub struct Arguments {
    /// Directory of the feedstock; made where it does not exist
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// An example file, a folder, a glob or a pattern to fill it in from
    #[arg(long, value_name = "URL")]
    pub from: Option<String>,
}

impl Arguments {
    pub(super) async fn perform(&self, context: &Context) -> Result<Outcome, FirnError> {
        let engine = context.engine(&Resources::default())?;
        let request = InitRequest { dir: self.dir.clone(), from: self.from.clone() };
        Ok(Outcome::of(blocking(move || init(&engine, &request)).await?, draw))
    }
}

fn draw(report: &InitReport, out: &mut dyn Write, style: Style) -> io::Result<()> {
    for file in &report.files {
        writeln!(out, "wrote {file}")?;
    }
    for note in &report.notes {
        writeln!(out, "{} {note}", style.yellow("note:"))?;
    }
    writeln!(out, "{} {}", style.dim("next:"), report.next)
}
