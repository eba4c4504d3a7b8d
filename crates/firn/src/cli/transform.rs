//! `firn transform`.

use super::arguments::Resources;
use super::build::{blocking, outcome};
use super::context::Context;
use super::outcome::Outcome;
use super::values::{JoinArgs, parse_chunk, unique};
use crate::error::FirnError;
use clap::{Args, ValueEnum};
use firn_engine::verbs::requests::{ChunkLength, TextEncoding, TransformFormat, TransformRequest};
use firn_engine::verbs::transform::transform;

/// Copy sources into one rechunked store
///
/// One source is fine without --concat-dim; a Zarr source makes it a rechunk. The target must not exist: nothing is
/// ever overwritten. An interrupted command continues when it is run again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  firn transform sst.198109.nc --target sst.zarr\n  \
                  firn transform sst.1981*.nc --target s3://bucket/sst.zarr \\\n    --concat-dim time --chunks time=30,lat=180,lon=360\n  \
                  firn transform store.zarr --target rechunked.zarr --chunks time=all,lat=10,lon=10 --codec zstd:3")]
pub struct Arguments {
    /// Files or stores, in any order along the concat dimension
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
    /// Lengths of chunks; a dimension that is not named is whole [default: those of the source]
    #[arg(long, value_name = "DIM=N", value_delimiter = ',', value_parser = parse_chunk)]
    pub chunks: Vec<(String, ChunkLength)>,
    /// Lengths of shards, multiples of those of the chunks [default: no shards]
    #[arg(long, value_name = "DIM=N", value_delimiter = ',', value_parser = parse_chunk)]
    pub shards: Vec<(String, ChunkLength)>,
    /// none, zstd:N, gzip:N, blosc-lz4:N:shuffle or blosc-zstd:N:shuffle|bitshuffle
    #[arg(long, value_name = "CODEC")]
    pub codec: Option<String>,
    /// Encoding of text in the sources
    #[arg(long, value_enum, default_value_t, value_name = "ENCODING")]
    pub encoding: Encoding,
    #[command(flatten)]
    pub resources: Resources,
}

/// What to write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Plain Zarr v3
    #[default]
    Zarr3,
    /// An Icechunk repository with native chunks
    Icechunk,
}

/// Encoding of text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Encoding {
    /// UTF-8; other bytes are refused
    #[default]
    #[value(name = "utf-8")]
    Utf8,
    /// Every byte is a character
    #[value(name = "latin-1")]
    Latin1,
}

impl From<Encoding> for TextEncoding {
    fn from(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Utf8 => Self::Utf8,
            Encoding::Latin1 => Self::Latin1,
        }
    }
}

impl Arguments {
    /// As a request.
    ///
    /// # Errors
    /// [`FirnError::Usage`] for flags that contradict each other.
    pub fn request(&self) -> Result<TransformRequest, FirnError> {
        let chunks = unique("--chunks", "transform", &self.chunks)?;
        let shards = unique("--shards", "transform", &self.shards)?;
        Ok(TransformRequest {
            sources: self.urls.clone(),
            target: self.target.clone(),
            format: match self.format {
                Format::Zarr3 => TransformFormat::Zarr3,
                Format::Icechunk => TransformFormat::Icechunk,
            },
            concat: self.concat.request("transform")?,
            chunks: (!chunks.is_empty()).then_some(chunks),
            shards: (!shards.is_empty()).then_some(shards),
            codec: self.codec.clone(),
            encoding: self.encoding.into(),
        })
    }

    pub(super) async fn perform(&self, context: &Context) -> Result<Outcome, FirnError> {
        let request = self.request()?;
        let engine = context.engine(&self.resources)?;
        Ok(outcome(blocking(move || transform(&engine, &request)).await?))
    }
}
