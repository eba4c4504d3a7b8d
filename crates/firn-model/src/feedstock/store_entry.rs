//! An item of `stores:` in `catalog.yaml`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::catalog::{DataType, LineageEntry};
use crate::hosting::Egress;

/// A store entry: one store of a dataset. Keys that firn does not know are kept in `extra`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StoreEntry {
    /// Id; any text in existing documents, a slug in new ones.
    #[schemars(length(min = 1))]
    pub id: String,
    /// Title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where the store is.
    #[schemars(length(min = 1))]
    pub url: String,
    /// The same data in other chunks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rechunking: Option<Vec<Rechunking>>,
    /// Whether everybody may read it without credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public: Option<bool>,
    /// Whether the map viewer can show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geospatial: Option<bool>,
    /// What xarray needs to open it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xarray_open_kwargs: Option<XarrayOpenKwargs>,
    /// When it was last written, ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_updated: Option<String>,
    /// How the data came to be here.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub data_type: Option<DataType>,
    /// Licence as SPDX expression, where it is not that of the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// DOI of this store's data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doi: Option<String>,
    /// What the data were made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<Vec<LineageEntry>>,
    /// Former ids, which redirect here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aliases: Option<Vec<String>>,
    /// What kind of store it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<StoreMode>,
    /// Details of `mode: zarr`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zarr: Option<ZarrDetails>,
    /// Details of `mode: icechunk`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icechunk: Option<IcechunkDetails>,
    /// Details of `mode: kerchunk`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kerchunk: Option<KerchunkDetails>,
    /// Details of `mode: files`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<FilesDetails>,
    /// How to reach it, where the URL does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// The permanent public id, derived once and never reused.
    #[serde(rename = "firn:id", default, skip_serializing_if = "Option::is_none")]
    pub firn_id: Option<String>,
    /// What `firn link` saw of a store that lies elsewhere, and what was accepted.
    #[serde(rename = "firn:link", default, skip_serializing_if = "Option::is_none")]
    pub firn_link: Option<LinkRecord>,
    /// Further keys, as they are.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The same data in other chunks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rechunking {
    /// Where.
    pub path: String,
    /// For which use.
    pub use_case: String,
    /// Further keys, as they are.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// What xarray needs to open a store. Any keyword argument may stand here.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-firn-other-keys" = true))]
pub struct XarrayOpenKwargs {
    /// xarray's engine: `zarr`, `kerchunk`, ….
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// The other keyword arguments.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// What kind of store an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StoreMode {
    /// Zarr, version 2 or 3.
    Zarr,
    /// An Icechunk repository.
    Icechunk,
    /// References of kerchunk, JSON or Parquet.
    Kerchunk,
    /// What does not fit Zarr: Parquet, CSV, PDF.
    Files,
}

impl StoreMode {
    /// The word in the document.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Zarr => "zarr",
            Self::Icechunk => "icechunk",
            Self::Kerchunk => "kerchunk",
            Self::Files => "files",
        }
    }
}

/// Details of a Zarr store.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ZarrDetails {
    /// Version of the Zarr format: 2 or 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 3))]
    pub format: Option<u8>,
    /// Whether it has consolidated metadata.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consolidated: Option<bool>,
    /// Further keys, as they are.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Details of an Icechunk repository.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IcechunkDetails {
    /// Version of Icechunk's format: 1 or 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2))]
    pub spec: Option<u8>,
    /// Branch to open; `main` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Tag to open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Snapshot to open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// URL prefixes of its virtual chunks, which a reader has to authorize.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_chunk_containers: Option<Vec<String>>,
    /// Further keys, as they are.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Details of kerchunk references.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KerchunkDetails {
    /// How the references are written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<KerchunkFormat>,
    /// Protocol of the files that they refer to: `s3`, `https`, ….
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_protocol: Option<String>,
    /// Further keys, as they are.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// How kerchunk references are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KerchunkFormat {
    /// One JSON file.
    Json,
    /// A directory of Parquet files.
    Parquet,
}

/// Details of a collection of files.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FilesDetails {
    /// Media type of the files, where they are of one type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// How many files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Bytes of all files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Further keys, as they are.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// What `firn link` saw of a store.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LinkRecord {
    /// Who pays for traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Option<Egress>,
    /// Warnings that nobody accepted yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warnings: Option<Vec<String>>,
    /// Warnings that somebody accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Vec<AcceptedWarning>>,
    /// Further keys, as they are.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A warning that somebody accepted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AcceptedWarning {
    /// Its code.
    pub warning: String,
    /// Why it is no obstacle.
    pub reason: String,
    /// Further keys, as they are.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// How to reach a store, where its URL does not say. Never a secret.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Access {
    /// Endpoint of an S3-compatible object store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Whether requests go without a signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anonymous: Option<bool>,
    /// Whether the reader pays for requests and traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requester_pays: Option<bool>,
    /// Further keys, as they are.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
