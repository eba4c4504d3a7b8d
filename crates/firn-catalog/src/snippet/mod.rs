//! The Python that opens a store, without firn: what a reader pastes. It is data, so that a page, a terminal and a test
//! show the same lines.

mod files;
mod gateway;
mod icechunk;
mod python;
mod zarr;

pub use gateway::gateway;

use crate::classify::StoreKind;
use crate::place::Place;
use firn_model::feedstock::store_entry::{Access, IcechunkDetails, KerchunkDetails};
use firn_model::feedstock::{StoreEntry, url_secret};
use python::{Dict, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Lines that open a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Snippet {
    /// What it uses, in a few words.
    pub title: String,
    /// `python`.
    pub language: String,
    /// The lines; they bind `ds`, or `df` for tables.
    pub code: String,
    /// The same as one expression behind the usual imports, where that is possible.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub one_line: Option<String>,
    /// Packages that have to be installed.
    pub requires: Vec<String>,
}

/// What a snippet is made of.
#[derive(Debug, Clone)]
pub struct Opening<'a> {
    /// What it is.
    pub kind: StoreKind,
    /// Where it is.
    pub place: Place,
    /// How to reach it.
    pub access: Access,
    /// Whether everybody may read it.
    pub public: bool,
    /// Details of an Icechunk repository.
    pub icechunk: Option<&'a IcechunkDetails>,
    /// Details of kerchunk references.
    pub kerchunk: Option<&'a KerchunkDetails>,
}

/// Why there is no snippet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct NoSnippet {
    /// What stands in the way, in one sentence.
    pub what: String,
}

impl NoSnippet {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into() }
    }
}

impl<'a> Opening<'a> {
    /// Of a store entry that was found to be of this kind.
    pub fn of(entry: &'a StoreEntry, kind: StoreKind) -> Self {
        Self {
            kind,
            place: Place::parse(&entry.url),
            access: entry.access.clone().unwrap_or_default(),
            public: entry.public.unwrap_or(false),
            icechunk: entry.icechunk.as_ref(),
            kerchunk: entry.kerchunk.as_ref(),
        }
    }

    /// Whether requests go without a signature.
    fn anonymous(&self) -> bool {
        self.access.anonymous.unwrap_or(self.public)
    }

    /// Whether the bucket is named in the path of requests: firn's own default for anything that is not Amazon's.
    fn path_style(&self) -> bool {
        match self.access.extra.get("addressing").and_then(serde_json::Value::as_str) {
            Some(style) => style == "path",
            None => self.access.endpoint.is_some(),
        }
    }

    /// Options of fsspec for this place, and the packages that it needs for it.
    fn fsspec(&self) -> Result<(Dict, Vec<&'static str>), NoSnippet> {
        match &self.place {
            Place::Local(_) => Ok((Dict::default(), Vec::new())),
            Place::Http(_) => Ok((Dict::default(), vec!["fsspec", "aiohttp"])),
            Place::S3 { .. } => {
                let mut options = Dict::default();
                if self.anonymous() {
                    options = options.with("anon", Value::Bool(true));
                }
                if let Some(endpoint) = &self.access.endpoint {
                    options = options.text("endpoint_url", endpoint);
                }
                if let Some(region) = &self.access.region {
                    options = options.with("client_kwargs", Value::Dict(Dict::default().text("region_name", region)));
                }
                if self.access.requester_pays == Some(true) {
                    options = options.with("requester_pays", Value::Bool(true));
                }
                let style = self.access.extra.get("addressing").and_then(serde_json::Value::as_str);
                if let Some(style @ ("path" | "virtual")) = style {
                    let s3 = Dict::default().text("addressing_style", style);
                    options = options.with("config_kwargs", Value::Dict(Dict::default().with("s3", Value::Dict(s3))));
                }
                Ok((options, vec!["s3fs"]))
            }
            Place::Gcs { .. } => {
                let options = Dict::default();
                let options = if self.anonymous() { options.text("token", "anon") } else { options };
                Ok((options, vec!["gcsfs"]))
            }
            Place::Other(url) => Err(NoSnippet::new(format!(
                "firn knows no Python that opens {}",
                url.split(':').next().unwrap_or_default()
            ))),
        }
    }
}

/// The snippet of a store.
///
/// # Errors
/// [`NoSnippet`] where no released Python package is known that opens it from there.
pub fn snippet(opening: &Opening<'_>) -> Result<Snippet, NoSnippet> {
    if let Place::Http(url) | Place::Other(url) = &opening.place
        && let Some(secret) = url_secret(url)
    {
        return Err(NoSnippet::new(format!("its address is {secret}, and lines to paste never hold one")));
    }
    match opening.kind {
        StoreKind::Zarr | StoreKind::ZarrV2 | StoreKind::ZarrV3 => zarr::zarr(opening),
        StoreKind::KerchunkJson | StoreKind::KerchunkParquet => zarr::kerchunk(opening),
        StoreKind::Icechunk => icechunk::icechunk(opening),
        StoreKind::Netcdf => files::netcdf(opening),
        StoreKind::Parquet => files::table(opening, "read_parquet", &["pandas", "pyarrow"]),
        StoreKind::Csv => files::table(opening, "read_csv", &["pandas"]),
        StoreKind::Grib => files::grib(opening),
        StoreKind::Geotiff => files::geotiff(opening),
        StoreKind::Files => files::bytes(opening),
    }
}

fn python(title: &str, imports: &[&str], lines: &str, one_line: Option<String>, requires: Vec<&str>) -> Snippet {
    let imports = imports.join(
        "
",
    );
    Snippet {
        title: title.to_owned(),
        language: "python".to_owned(),
        code: format!("{imports}\n\n{lines}\n"),
        one_line,
        requires: requires.into_iter().map(str::to_owned).collect(),
    }
}

const XARRAY: &str = "import xarray as xr";

#[cfg(test)]
mod tests;
