//! `firn plan`.

mod markdown;
mod text;

use super::arguments::Resources;
use super::build::blocking;
use super::context::Context;
use super::outcome::Outcome;
use super::values::{parse_dim, unique};
use crate::error::FirnError;
use crate::report::ErrorReport;
use clap::{Args, ValueEnum};
use firn_engine::verbs::plan::plan;
use firn_engine::verbs::requests::{DimKeys, PlanRequest};
use std::path::PathBuf;

/// Say what a run would do, from a feedstock, a pattern, or one example file
///
/// One example URL is enough: its folder is listed, pattern and range are proposed, five matches and the misses shown.
/// Runs nothing; the last line is the next command.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  firn plan https://host/sst.198109.nc\n  \
                  firn plan 'https://host/sst.{time:%Y%m%d}.nc' \\\n    --dim time=1981-09-01..1981-09-30/1D --write feedstock/\n  \
                  firn plan feedstock/ --format markdown")]
pub struct Arguments {
    /// A feedstock directory, one example URL, or a pattern
    #[arg(value_name = "FEEDSTOCK|URL|URL-PATTERN")]
    pub subject: String,
    /// The keys along a dimension of the pattern: FIRST..LAST, FIRST..LAST/STEP or A,B,C
    #[arg(long, value_name = "DIM=KEYS", value_parser = parse_dim)]
    pub dim: Vec<(String, DimKeys)>,
    /// Write the feedstock to this directory; must not exist
    #[arg(long, value_name = "DIR")]
    pub write: Option<PathBuf>,
    /// Form of the text
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// Form of the text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a terminal
    #[default]
    Text,
    /// For a pull request
    Markdown,
}

impl Arguments {
    /// As a request.
    ///
    /// # Errors
    /// [`FirnError::Usage`] for a dimension given twice.
    pub fn request(&self) -> Result<PlanRequest, FirnError> {
        let dims = unique("--dim", "plan", &self.dim)?;
        Ok(PlanRequest { subject: self.subject.clone(), dims, write: self.write.clone() })
    }

    pub(super) async fn perform(&self, context: &Context) -> Result<Outcome, FirnError> {
        let request = self.request()?;
        let engine = context.engine(&Resources::default())?;
        let planned = blocking(move || plan(&engine, &request)).await?;
        let failure = planned.failure.as_ref().map(|failure| ErrorReport::new(failure));
        let draw = match self.format {
            Format::Text => text::draw,
            Format::Markdown => markdown::draw,
        };
        Ok(Outcome::of(planned.report, draw).with_failure(failure))
    }
}
