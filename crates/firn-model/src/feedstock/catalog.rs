//! `catalog.yaml`: where the stores of a dataset are and how to show them, in LEAP's words, with firn's optional ones.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::store_entry::StoreEntry;

/// The document `catalog.yaml`. Keys that firn does not know are kept in `extra`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "catalog.yaml")]
pub struct CatalogDocument {
    /// Where `meta.yaml` is; a `meta.yaml` beside this document wins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta_yaml_url: Option<String>,
    /// The same, under its older name.
    #[serde(rename = "ncviewjs:meta_yaml_url", default, skip_serializing_if = "Option::is_none")]
    pub ncviewjs_meta_yaml_url: Option<String>,
    /// Words to find the dataset by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// URL of a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<String>,
    /// Further reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<Vec<Link>>,
    /// The stores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stores: Option<Vec<StoreEntry>>,
    /// A table (CSV or Parquet) that stands for thousands of stores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stores_table: Option<String>,
    /// How the data came to be here; of all stores that do not say otherwise.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub data_type: Option<DataType>,
    /// Licence as SPDX expression, where it is not that of `meta.yaml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// DOI of the dataset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doi: Option<String>,
    /// What the dataset was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<Vec<LineageEntry>>,
    /// Former ids, which redirect here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aliases: Option<Vec<String>>,
    /// Further keys, as they are.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl CatalogDocument {
    /// Where `meta.yaml` is, under either name.
    pub fn meta_url(&self) -> Option<&str> {
        self.meta_yaml_url.as_deref().or(self.ncviewjs_meta_yaml_url.as_deref())
    }

    /// The stores; none where the key is absent.
    pub fn stores(&self) -> &[StoreEntry] {
        self.stores.as_deref().unwrap_or_default()
    }

    /// The store with this id.
    pub fn store(&self, id: &str) -> Option<&StoreEntry> {
        self.stores().iter().find(|store| store.id == id)
    }
}

/// A link of the dataset's page.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Link {
    /// What is shown.
    pub label: String,
    /// Where it leads.
    pub url: String,
    /// Further keys, as they are.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// How data came to be here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DataType {
    /// Already analysis-ready and public somewhere; linked.
    Curated,
    /// Public archive data with unchanged values; virtual or rechunked.
    Ingested,
    /// Made by our people.
    Produced,
}

/// Something that a dataset was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum LineageEntry {
    /// A URL, DOI or id of a catalogued dataset.
    Source(String),
    /// The same, with words.
    Described(Lineage),
}

/// Something that a dataset was made from, with words.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Lineage {
    /// A URL, DOI or id of a catalogued dataset.
    pub source: String,
    /// What was done with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Further keys, as they are.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The list of feedstocks that a catalog is built from (`input.yaml`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "list of feedstocks")]
pub struct FeedstockList {
    /// Paths or URLs of feedstocks or of their `catalog.yaml`.
    pub feedstocks: Vec<String>,
    /// Further keys, as they are.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
