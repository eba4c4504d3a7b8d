//! `firn virtualize`.

use super::arguments::Resources;
use super::build::{blocking, outcome};
use super::context::Context;
use super::outcome::Outcome;
use super::values::JoinArgs;
use crate::error::FirnError;
use clap::{Args, ValueEnum};
use firn_engine::verbs::requests::{IcechunkSpec, VirtualizeFormat, VirtualizeRequest};
use firn_engine::verbs::virtualize::virtualize;

/// Write references to the bytes of sources where they are
///
/// Readers fetch the chunks from the sources. Text, scalars, short lists, and arrays of at most 1 MiB that cannot be referred
/// to are copied, and the report says why. What is larger and cannot be virtual is refused with the reason; `firn inspect`
/// tells beforehand.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  firn virtualize https://host/sst.198109.nc --target sst.icechunk\n  \
                  firn virtualize nemo_*.nc --target s3://bucket/nemo \\\n    --concat-dim time_counter --concat-key time_counter=time_centered\n  \
                  firn virtualize 'sst.*.nc' --target sst.json \\\n    --format kerchunk-json --concat-dim time")]
pub struct Arguments {
    /// Files, in any order along the concat dimension
    #[arg(value_name = "URL", required = true)]
    pub urls: Vec<String>,
    /// The store to write; must not exist
    #[arg(long, value_name = "URL")]
    pub target: String,
    /// What to write
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
    #[command(flatten)]
    pub concat: JoinArgs,
    /// Version of the Icechunk specification; version 2 needs icechunk 2 to read
    #[arg(long, value_enum, default_value_t, value_name = "VERSION")]
    pub icechunk_spec: Spec,
    #[command(flatten)]
    pub resources: Resources,
}

/// What to write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// An Icechunk repository
    #[default]
    Icechunk,
    /// One kerchunk JSON file
    KerchunkJson,
    /// Kerchunk Parquet files
    KerchunkParquet,
}

/// Version of the Icechunk specification.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Spec {
    /// Read by every released icechunk
    #[default]
    #[value(name = "1")]
    V1,
    /// Read by icechunk 2 and later
    #[value(name = "2")]
    V2,
}

impl Arguments {
    /// As a request.
    ///
    /// # Errors
    /// [`FirnError::Usage`] for flags that contradict each other.
    pub fn request(&self) -> Result<VirtualizeRequest, FirnError> {
        Ok(VirtualizeRequest {
            sources: self.urls.clone(),
            target: self.target.clone(),
            format: match self.format {
                Format::Icechunk => VirtualizeFormat::Icechunk,
                Format::KerchunkJson => VirtualizeFormat::KerchunkJson,
                Format::KerchunkParquet => VirtualizeFormat::KerchunkParquet,
            },
            concat: self.concat.request("virtualize")?,
            icechunk_spec: match self.icechunk_spec {
                Spec::V1 => IcechunkSpec::V1,
                Spec::V2 => IcechunkSpec::V2,
            },
        })
    }

    pub(super) async fn perform(&self, context: &Context) -> Result<Outcome, FirnError> {
        let request = self.request()?;
        let engine = context.engine(&self.resources)?;
        Ok(outcome(blocking(move || virtualize(&engine, &request)).await?))
    }
}
