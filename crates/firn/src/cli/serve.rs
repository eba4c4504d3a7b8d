//! `firn serve`.

use super::arguments::Resources;
use super::build::blocking;
use super::context::Context;
use super::outcome::{Outcome, Style};
use crate::config::Flags;
use crate::error::FirnError;
use crate::server::{Bound, Links};
use clap::Args;
use firn_engine::gateway::Gateway;
use schemars::JsonSchema;
use serde::Serialize;
use std::io::{self, Write};
use url::Url;

/// Serve a catalog: its pages, and every dataset as plain Zarr
///
/// Each dataset of the catalog opens as xr.open_zarr("http://…/d/ID"), whatever its store is: Zarr of any version, shards, Icechunk, kerchunk
/// references, NetCDF. Nothing else of this machine is served. Stops with Ctrl-C.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  firn serve --catalog catalog/\n  firn serve --catalog catalog/ --listen 0.0.0.0:8080 --base-url https://data.example.org/firn/"
)]
pub struct Arguments {
    /// A catalog, as `firn catalog build` writes it [default: FIRN_CATALOG, or catalog in the configuration]
    #[arg(long, value_name = "DIR")]
    pub catalog: Option<String>,
    /// Address to listen at; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: String,
    /// URL that the server is reached at, where a proxy stands before it
    #[arg(long, value_name = "URL", value_parser = base_url)]
    pub base_url: Option<Url>,
    #[command(flatten)]
    pub resources: Resources,
}

/// What is served where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Serving {
    /// The address that was taken.
    pub address: String,
    /// The page, as a browser finds it.
    pub page: String,
    /// The datasets.
    pub datasets: Vec<ServedDataset>,
}

/// A dataset that is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ServedDataset {
    /// Public id.
    pub id: String,
    /// What `xr.open_zarr` takes.
    pub url: String,
}

impl Arguments {
    pub(super) async fn perform(&self, context: &Context) -> Result<Outcome, FirnError> {
        let flags = Flags { memory: self.resources.memory, jobs: self.resources.jobs, catalog: self.catalog.clone() };
        let settings = context.settings(&flags)?;
        let Some(catalog) = settings.catalog.value.clone() else {
            let what = "no catalog is named".to_owned();
            return Err(FirnError::Usage {
                what,
                next: "firn serve --catalog DIR, as written by firn catalog build".to_owned(),
            });
        };
        let engine = context.engine_of(&settings)?;
        let cancel = engine.cancel.clone();
        let gateway = blocking(move || Gateway::open(engine, &catalog)).await?;
        let bound = Bound::to(&self.listen).await?;
        let hub = context.environment().get("JUPYTERHUB_SERVICE_PREFIX");
        let links = Links::new(bound.address, self.base_url.as_ref(), hub);
        let ids = gateway.catalog().known().all.iter().map(|entry| entry.id.clone()).collect();
        let serving = serving(&bound, &links, ids);
        Ok(Outcome::of(serving, draw).then(bound.serve(gateway, links, cancel)))
    }
}

/// What is said of a server.
fn serving(bound: &Bound, links: &Links, ids: Vec<String>) -> Serving {
    let dataset = |id: String| ServedDataset { url: links.dataset(&id, None), id };
    Serving {
        address: bound.address.to_string(),
        page: links.page.clone(),
        datasets: ids.into_iter().map(dataset).collect(),
    }
}

/// Datasets that are listed one by one.
const SHOWN: usize = 20;

fn draw(serving: &Serving, out: &mut dyn Write, style: Style) -> io::Result<()> {
    writeln!(out, "Serving {} datasets at {}", serving.datasets.len(), style.bold(&serving.page))?;
    for dataset in serving.datasets.iter().take(SHOWN) {
        writeln!(out, "  xr.open_zarr(\"{}\")", dataset.url)?;
    }
    if serving.datasets.len() > SHOWN {
        writeln!(out, "  … and {} more", serving.datasets.len() - SHOWN)?;
    }
    writeln!(out, "Ctrl-C stops it.")
}

fn base_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    let is_plain = ["http", "https"].contains(&url.scheme()) && url.query().is_none() && url.fragment().is_none();
    if is_plain && url.username().is_empty() && url.password().is_none() {
        return Ok(url);
    }
    Err("write http:// or https://, a host, and a path if there is one".to_owned())
}
