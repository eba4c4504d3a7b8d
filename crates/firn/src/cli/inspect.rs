//! `firn inspect`.

pub(super) mod answer;
mod draw;

use super::arguments::Resources;
use super::context::Context;
use super::outcome::Outcome;
use crate::error::FirnError;
use clap::Args;
use firn_engine::verbs::inspect::{chunks, inspect};
use firn_engine::verbs::requests::InspectRequest;

/// Show what is in a file or store, and whether it can be virtual
///
/// Reads metadata only. For each variable: type, dimensions, chunks, codecs, sizes, attributes, and the verdict:
/// virtual (references to the bytes where they are), copied (small, or text: a virtual store holds a copy), transformable
/// (a virtual store is refused, a copy is not; with the reason) or refused (cannot be read, with the reason).
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  firn inspect sst.198109.nc\n  firn inspect https://host/sst.198109.nc s3://bucket/store.zarr\n  \
                  firn inspect sst.198109.nc --chunks sst -o jsonl"
)]
pub struct Arguments {
    /// Files or stores: a path, file://, http(s)://, s3:// or LOCATION:KEY
    #[arg(value_name = "URL", required = true)]
    pub urls: Vec<String>,
    /// List the chunks of this variable: position, state, offset, length
    #[arg(long, value_name = "VAR")]
    pub chunks: Option<String>,
}

impl Arguments {
    pub(super) async fn perform(&self, context: &Context) -> Result<Outcome, FirnError> {
        let engine = context.engine(&Resources::default())?;
        let Some(variable) = &self.chunks else {
            let request = InspectRequest { sources: self.urls.clone() };
            return Ok(answer::of_inspections(inspect(&engine, &request).await?));
        };
        let mut listings = Vec::with_capacity(self.urls.len());
        for url in &self.urls {
            listings.push(chunks(&engine, url, variable).await?);
        }
        Ok(Outcome::answer(answer::Chunks(listings)))
    }
}
