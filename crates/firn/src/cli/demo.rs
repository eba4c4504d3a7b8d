//! `firn demo`.

use super::arguments::Resources;
use super::build::blocking;
use super::context::Context;
use super::outcome::{Outcome, Style};
use crate::error::FirnError;
use crate::server::{Bound, Links};
use clap::Args;
use firn_catalog::snippet::gateway as gateway_snippet;
use firn_engine::gateway::Gateway;
use firn_engine::verbs::demo::{DemoReport, demo};
use firn_engine::verbs::requests::DemoRequest;
use std::io::{self, Write};
use std::path::PathBuf;

/// Show the whole lifecycle on bundled real files: no network, under 15 seconds
///
/// Writes a virtual and a copied dataset and a catalog into DIR, and prints the lines that open them in Python. On a terminal it then serves the
/// catalog until Ctrl-C.
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
        let mut report = blocking({
            let engine = engine.clone();
            move || demo(&engine, &request)
        })
        .await?;
        if self.no_serve || !context.is_interactive() {
            return Ok(Outcome::of(report, draw));
        }
        let cancel = engine.cancel.clone();
        let catalog = report.catalog.clone();
        let gateway = blocking(move || Gateway::open(engine, &catalog)).await?;
        let bound = match Bound::to(LISTEN).await {
            Ok(bound) => bound,
            // Somebody is there already, perhaps another demo.
            Err(_) => Bound::to(ANY_PORT).await?,
        };
        let links = Links::new(bound.address, None, context.environment().get("JUPYTERHUB_SERVICE_PREFIX"));
        for dataset in &mut report.datasets {
            dataset.gateway = Some(gateway_snippet("xarray and zarr", &links.dataset(&dataset.id, None)));
        }
        report.page = Some(links.page.clone());
        Ok(Outcome::of(report, draw).then(bound.serve(gateway, links, cancel)))
    }
}

/// Where the demo listens, if nobody else does.
const LISTEN: &str = "127.0.0.1:8080";
const ANY_PORT: &str = "127.0.0.1:0";

fn draw(report: &DemoReport, out: &mut dyn Write, style: Style) -> io::Result<()> {
    for dataset in &report.datasets {
        writeln!(out, "{}  {}", style.bold(&dataset.id), dataset.title)?;
        let verified = match dataset.verified {
            0 => "published before, and unchanged since".to_owned(),
            values => format!("{values} values verified"),
        };
        writeln!(out, "  {} from {}, {verified}", dataset.storage, files(dataset.sources.len()))?;
        writeln!(out, "  {}", style.dim(&dataset.store))?;
        if let Some(gateway) = &dataset.gateway {
            writeln!(out, "  works while this runs, whatever the store is (needs {}):", gateway.requires.join(", "))?;
            for line in gateway.code.lines() {
                writeln!(out, "    {line}")?;
            }
        }
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
    if let Some(page) = &report.page {
        writeln!(out, "\nThe catalog is served at {}; Ctrl-C stops it.", style.bold(page))?;
    }
    Ok(())
}

fn files(count: usize) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}
