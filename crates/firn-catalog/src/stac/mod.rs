//! A static STAC catalog (STAC 1.1.0): a root, and a collection for every dataset. Links are relative, so that the directory can
//! be copied anywhere.
//!
//! See <https://github.com/radiantearth/stac-spec/tree/v1.1.0> and <https://github.com/stac-extensions/datacube/tree/v2.2.0>.

mod collection;
mod datacube;
mod reading;

pub use collection::collection;
pub(crate) use collection::web;
pub use reading::{StacDocument, read};

use crate::entry::CatalogEntry;
use serde_json::{Value, json};

/// The version of STAC that is written.
pub const VERSION: &str = "1.1.0";

/// Name of the root document.
pub const ROOT: &str = "catalog.json";

/// What the root says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootDescription {
    /// Id.
    pub id: String,
    /// Title.
    pub title: String,
    /// In some sentences.
    pub description: String,
}

impl Default for RootDescription {
    fn default() -> Self {
        Self {
            id: "catalog".to_owned(),
            title: "Data catalog".to_owned(),
            description: "Datasets that open with one line.".to_owned(),
        }
    }
}

/// Directory of a dataset, below that of the catalog. Ids have one of their own: `catalog.json` is an id too.
pub fn dataset_directory(id: &str) -> String {
    format!("datasets/{id}")
}

/// Path of the document of a dataset, below the root's directory.
pub fn collection_path(id: &str) -> String {
    format!("{}/collection.json", dataset_directory(id))
}

/// The root document.
pub fn root(description: &RootDescription, entries: &[CatalogEntry]) -> Value {
    let mut links = vec![json!({"rel": "root", "href": "./catalog.json", "type": "application/json"})];
    links.extend(entries.iter().map(|entry| {
        json!({
            "rel": "child",
            "href": format!("./{}", collection_path(&entry.id)),
            "type": "application/json",
            "title": entry.title,
        })
    }));
    json!({
        "type": "Catalog",
        "stac_version": VERSION,
        "id": description.id,
        "title": description.title,
        "description": description.description,
        "links": links,
    })
}

#[cfg(test)]
mod tests;
