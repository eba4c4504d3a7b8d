//! `firn verify`.

use super::arguments::Resources;
use super::build::blocking;
use super::context::Context;
use super::outcome::{Outcome, Style};
use crate::error::FirnError;
use crate::report::ErrorReport;
use clap::Args;
use firn_engine::verbs::requests::{VerifyDepth, VerifyRequest};
use firn_engine::verbs::verify::verify;
use firn_engine::verify::VerifyReport;

/// Check a store: it opens, every chunk is there and decodes, coordinates are sane, values equal the source
///
/// Findings are the answer; the exit status is 10 where one of them is an error.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  firn verify sst.zarr\n  firn verify sst.zarr --against sst.198109.nc sst.198110.nc --full\n  \
                  firn verify s3://bucket/sst --against feedstock/ --sample 200"
)]
pub struct Arguments {
    /// The store
    #[arg(value_name = "STORE")]
    pub store: String,
    /// Compare values with a feedstock's sources, or with these files
    #[arg(long, value_name = "FEEDSTOCK|URL", num_args = 1..)]
    pub against: Vec<String>,
    /// How many chunks are decoded and compared [default: 50]
    #[arg(long, value_name = "N", conflicts_with = "full")]
    pub sample: Option<u64>,
    /// All of them
    #[arg(long)]
    pub full: bool,
}

impl Arguments {
    /// As a request.
    pub fn request(&self) -> VerifyRequest {
        let depth = match (self.full, self.sample) {
            (true, _) => VerifyDepth::Full,
            (false, Some(sample)) => VerifyDepth::Sample(sample),
            (false, None) => VerifyDepth::default(),
        };
        VerifyRequest { store: self.store.clone(), against: self.against.clone(), depth }
    }

    pub(super) async fn perform(&self, context: &Context) -> Result<Outcome, FirnError> {
        let engine = context.engine(&Resources::default())?;
        let request = self.request();
        let report = blocking(move || verify(&engine, &request)).await?;
        // The report is the answer also where it is a bad one.
        let failure = report.clone().into_result().err().map(|error| {
            let mut failure = ErrorReport::new(&FirnError::from(error));
            // The findings are in the answer already.
            failure.what = failure.what.lines().next().unwrap_or_default().to_owned();
            "readers would get wrong values, or none".clone_into(&mut failure.why);
            "bring back what is missing, or write the store again from its sources".clone_into(&mut failure.next);
            failure
        });
        Ok(Outcome::of(report, draw).with_failure(failure))
    }
}

fn draw(report: &VerifyReport, out: &mut dyn std::io::Write, style: Style) -> std::io::Result<()> {
    writeln!(out, "{}", style.bold(&report.store))?;
    summary(report, out, style)
}

/// What verification saw, in a few lines.
pub fn summary(report: &VerifyReport, out: &mut dyn std::io::Write, style: Style) -> std::io::Result<()> {
    use firn_engine::verify::Severity;
    let checked = &report.checked;
    let verdict = if report.ok { style.green("verified") } else { style.red("differences") };
    let values = match (report.against_sources, report.ok) {
        (false, _) => "no values compared: --against names the sources".to_owned(),
        (true, true) => format!("{} values equal to the source", checked.compared),
        (true, false) => format!("{} values compared with the source", checked.compared),
    };
    writeln!(
        out,
        "  {verdict}: {} arrays, {} chunks ({} known empty, {} absent), {} decoded, {values}",
        checked.arrays, checked.chunks, checked.known_empty, checked.absent, checked.decoded
    )?;
    for finding in &report.findings {
        let severity = match finding.severity {
            Severity::Error => style.red("error"),
            Severity::Warning => style.yellow("warning"),
            Severity::Info => style.dim("info"),
        };
        writeln!(
            out,
            "  {severity} [{}] {}: found {}, expected {}",
            finding.rule, finding.at, finding.found, finding.expected
        )?;
    }
    Ok(())
}
