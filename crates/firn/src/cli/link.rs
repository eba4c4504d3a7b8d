//! `firn link`.

use super::arguments::Resources;
use super::build::{blocking, bytes};
use super::context::Context;
use super::outcome::{Outcome, Style};
use super::table::write_table;
use crate::error::FirnError;
use crate::report::ErrorReport;
use clap::{Args, ValueEnum};
use firn_engine::verbs::link::{ChunkRead, CriterionVerdict, LinkReport, LinkedVariable, link};
use firn_engine::verbs::requests::LinkRequest;
use firn_model::feedstock::DataType;
use std::io::{self, Write};
use std::path::PathBuf;

/// Judge a store that lies elsewhere, and put it into a catalog where it is
///
/// Says what it is by its content, whether everybody may read it, who pays for traffic, whether it is chunked,
/// consolidated, and readable by web pages; reads and decodes a chunk of each variable. Only what is not public or does
/// not open is refused; other warnings are recorded, with the reason for which they are accepted.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  firn link https://host/sst.zarr\n  firn link s3://bucket/sst.zarr --feedstock sst-feedstock/\n  \
                  firn link https://host/sst.zarr --feedstock sst-feedstock/ \\\n    --accept egress-unknown --reason \"the host pays\""
)]
pub struct Arguments {
    /// The store: Zarr, Icechunk, kerchunk references; of a file, how it can be virtual
    #[arg(value_name = "URL")]
    pub url: String,
    /// How the data came to be there
    #[arg(long = "type", value_enum, default_value_t, value_name = "TYPE")]
    pub kind: Kind,
    /// Write the entry into this feedstock; made where it does not exist
    #[arg(long, value_name = "DIR")]
    pub feedstock: Option<PathBuf>,
    /// Accept this warning
    #[arg(long, value_name = "WARN")]
    pub accept: Vec<String>,
    /// Why what is accepted is no obstacle; written into the catalog
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// How data came to be somewhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Made public elsewhere, by others
    #[default]
    Curated,
    /// The values of a source, unchanged
    Ingested,
    /// Made by us
    Produced,
}

impl Arguments {
    /// As a request.
    pub fn request(&self) -> LinkRequest {
        LinkRequest {
            url: self.url.clone(),
            data_type: match self.kind {
                Kind::Curated => DataType::Curated,
                Kind::Ingested => DataType::Ingested,
                Kind::Produced => DataType::Produced,
            },
            feedstock: self.feedstock.clone(),
            accept: self.accept.clone(),
            reason: self.reason.clone(),
        }
    }

    pub(super) async fn perform(&self, context: &Context) -> Result<Outcome, FirnError> {
        let engine = context.engine(&Resources::default())?;
        let request = self.request();
        let linked = blocking(move || link(&engine, &request)).await?;
        let failure = linked.failure.as_ref().map(|failure| ErrorReport::new(failure));
        Ok(Outcome::of(linked.report, draw).with_failure(failure))
    }
}

fn draw(report: &LinkReport, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let state = match (report.linkable, report.summary.is_some()) {
        (true, _) => style.green("can be linked"),
        (false, true) => style.yellow("a file, and no store"),
        (false, false) => style.red("cannot be linked"),
    };
    writeln!(out, "{} {state}", style.bold(&report.url))?;
    criteria(report, out, style)?;
    if let Some(summary) = report.summary {
        let parts = [
            (summary.virtual_, "can be references to the bytes where they are"),
            (summary.copied, "are copied into a store of references"),
            (summary.transformable, "must be copied"),
            (summary.refused, "cannot be read by this version"),
        ];
        let parts: Vec<String> =
            parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        writeln!(out, "  variables: {}", parts.join(", "))?;
    }
    variables(&report.variables, out)?;
    for warning in &report.warnings {
        match &warning.accepted {
            Some(reason) => writeln!(out, "  {} [{}] {reason}", style.dim("accepted"), warning.code)?,
            None => writeln!(out, "  {} [{}] {}", style.yellow("warning"), warning.code, warning.what)?,
        }
    }
    if let Some(snippet) = &report.snippet {
        writeln!(out, "  open it in Python (needs {}):", snippet.requires.join(", "))?;
        lines(&snippet.code, out)?;
    }
    match (&report.feedstock, &report.entry_yaml) {
        (Some(feedstock), _) => {
            for file in &feedstock.created {
                writeln!(out, "  made {file}")?;
            }
            let change = &feedstock.change;
            if change.diff.is_empty() {
                writeln!(out, "  {} says all of this already", change.path)?;
            } else {
                writeln!(out, "  {} updated:", change.path)?;
                writeln!(out, "{}", change.diff)?;
            }
        }
        (None, Some(entry)) => {
            writeln!(out, "  its entry in catalog.yaml:")?;
            lines(entry, out)?;
        }
        (None, None) => {}
    }
    writeln!(out, "{} {}", style.dim("next:"), report.next)
}

fn lines(text: &str, out: &mut dyn Write) -> io::Result<()> {
    text.lines().try_for_each(|line| if line.is_empty() { writeln!(out) } else { writeln!(out, "    {line}") })
}

fn criteria(report: &LinkReport, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let widest = report.criteria.iter().map(|criterion| criterion.name.len()).max().unwrap_or(0);
    for criterion in &report.criteria {
        let word = format!("{:<8}", criterion.verdict.word());
        let word = match criterion.verdict {
            CriterionVerdict::Pass => style.green(word),
            CriterionVerdict::Fail => style.red(word),
            CriterionVerdict::Warn | CriterionVerdict::Unknown => style.yellow(word),
            CriterionVerdict::NotApplicable => style.dim(word),
        };
        writeln!(out, "  {:<widest$}  {word} {}", criterion.name, criterion.found)?;
    }
    Ok(())
}

fn variables(variables: &[LinkedVariable], out: &mut dyn Write) -> io::Result<()> {
    let join = |shape: &[u64]| shape.iter().map(u64::to_string).collect::<Vec<_>>().join("×");
    let row = |variable: &LinkedVariable| {
        let dims = variable.dimensions.iter().zip(&variable.shape).map(|(dim, extent)| format!("{dim}: {extent}"));
        let chunks = variable.chunk_shape.as_deref().map(join).unwrap_or_default();
        let shards = variable.shard_shape.as_deref().map(|s| format!(" in shards {}", join(s))).unwrap_or_default();
        vec![
            variable.path.trim_start_matches('/').to_owned(),
            variable.data_type.clone(),
            format!("({})", dims.collect::<Vec<_>>().join(", ")),
            format!("chunks {chunks}{shards}"),
            variable.chunk_bytes.map(bytes).unwrap_or_default(),
            match variable.chunk {
                ChunkRead::Decoded { .. } => "decodes",
                ChunkRead::Absent => "absent",
                ChunkRead::NotRead { .. } => "not tried",
                ChunkRead::Denied { .. } => "not public",
                ChunkRead::Failed { .. } => "does not decode",
            }
            .to_owned(),
        ]
    };
    write_table(out, 2, &variables.iter().map(row).collect::<Vec<_>>())
}
