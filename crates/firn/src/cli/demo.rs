//! `firn demo`.

use super::arguments::Resources;
use super::build::blocking;
use super::context::Context;
use super::outcome::{Outcome, Style};
use crate::error::FirnError;
use clap::Args;
use firn_engine::verbs::demo::{DemoReport, demo};
use firn_engine::verbs::requests::DemoRequest;
use std::io::{self, Write};
use std::path::PathBuf;

/// Show the whole lifecycle on bundled real files: no network, under 15 seconds
///
/// Writes a virtual and a copied dataset and a catalog into DIR, and prints the lines that open them in Python.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  firn demo\n  firn demo /tmp/demo --no-serve")]
pub struct Arguments {
    /// Directory that becomes the embedded local location
    #[arg(value_name = "DIR", default_value = "firn-demo")]
    pub dir: PathBuf,
    /// Stop after printing, also on a terminal
    #[arg(long)]
    pub no_serve: bool,
}

impl Arguments {
    pub(super) async fn perform(&self, context: &Context) -> Result<Outcome, FirnError> {
        let engine = context.engine(&Resources::default())?;
        let request = DemoRequest { dir: self.dir.clone() };
        Ok(Outcome::of(blocking(move || demo(&engine, &request)).await?, draw))
    }
}

fn draw(report: &DemoReport, out: &mut dyn Write, style: Style) -> io::Result<()> {
    for dataset in &report.datasets {
        writeln!(out, "{}  {}", style.bold(&dataset.id), dataset.title)?;
        let verified = match dataset.verified {
            0 => "published before, and unchanged since".to_owned(),
            values => format!("{values} values verified"),
        };
        writeln!(out, "  {} from {}, {verified}", dataset.storage, files(dataset.sources.len()))?;
        writeln!(out, "  {}", style.dim(&dataset.store))?;
        writeln!(out, "  works always, without firn (needs {}):", dataset.native.requires.join(", "))?;
        for line in dataset.native.code.lines() {
            writeln!(out, "    {line}")?;
        }
        writeln!(out)?;
    }
    writeln!(out, "The catalog (STAC, LEAP JSON and pages) is in {}", style.bold(&report.catalog))?;
    writeln!(out, "Next, with your own data:")?;
    for next in &report.next {
        writeln!(out, "  {next}")?;
    }
    Ok(())
}

fn files(count: usize) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}
