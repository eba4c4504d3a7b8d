//! firn's own document of a catalog: everything that it knows of every dataset, in one file.

use crate::entry::CatalogEntry;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Its name in the directory of a catalog.
pub const FILE_NAME: &str = "firn-catalog.json";

/// What `schema` says.
pub const SCHEMA: &str = "firn/catalog-index/1";

/// A catalog.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CatalogIndex {
    /// `firn/catalog-index/1`.
    pub schema: String,
    /// Name and version of what wrote it.
    pub generator: String,
    /// The datasets, in the order of their feedstocks.
    pub datasets: Vec<CatalogEntry>,
    /// Every file of this catalog, by its path below the directory: what the next build may replace.
    pub files: Vec<String>,
}

impl CatalogIndex {
    /// Of these datasets and files.
    pub fn new(datasets: Vec<CatalogEntry>, files: Vec<String>) -> Self {
        Self { schema: SCHEMA.to_owned(), generator: format!("firn {}", env!("CARGO_PKG_VERSION")), datasets, files }
    }
}
