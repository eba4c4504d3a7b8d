//! Why a catalog, or a dataset in it, cannot be had.

use firn_model::diagnose::{At, Category, Diagnose};

/// A catalog cannot be read, or does not hold what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// The document is none that firn reads as a catalog.
    #[error("{url} is no catalog: {what}")]
    NotACatalog {
        /// Where.
        url: String,
        /// What it is instead, in one sentence.
        what: String,
    },
    /// There is no dataset of this id.
    #[error("{url} has no dataset {id:?}{}", near.as_ref().map(|near| format!("; did you mean {near}?")).unwrap_or_default())]
    UnknownDataset {
        /// The catalog.
        url: String,
        /// The id that was asked for.
        id: String,
        /// The nearest one that exists.
        near: Option<String>,
        /// The first ids that exist.
        known: Vec<String>,
    },
    /// The dataset has no such version, or its versions cannot be told from its address.
    #[error("{id} has no version {version:?}: {what}")]
    UnknownVersion {
        /// Id of the dataset.
        id: String,
        /// The version that was asked for.
        version: String,
        /// Why not, in one sentence.
        what: String,
    },
    /// No Python is known that opens the dataset.
    #[error("there is no snippet for {id}: {what}")]
    NoSnippet {
        /// Id of the dataset.
        id: String,
        /// Where its store is.
        url: String,
        /// Why not, in one sentence.
        what: String,
    },
}

impl Diagnose for CatalogError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotACatalog { .. } => "catalog-unreadable",
            Self::UnknownDataset { .. } => "dataset-unknown",
            Self::UnknownVersion { .. } => "version-unknown",
            Self::NoSnippet { .. } => "snippet-unknown",
        }
    }

    fn category(&self) -> Category {
        match self {
            Self::NotACatalog { .. } => Category::InvalidDocument,
            Self::UnknownDataset { .. } | Self::UnknownVersion { .. } => Category::NotFound,
            Self::NoSnippet { .. } => Category::Unsupported,
        }
    }

    fn at(&self) -> At {
        match self {
            Self::NotACatalog { url, .. } | Self::UnknownDataset { url, .. } | Self::NoSnippet { url, .. } => {
                At::url(url)
            }
            Self::UnknownVersion { .. } => At::nowhere(),
        }
    }

    fn why(&self) -> String {
        match self {
            Self::NotACatalog { .. } => "firn would show datasets that nobody catalogued",
            Self::UnknownDataset { .. } => "firn does not guess which dataset was meant",
            Self::UnknownVersion { .. } => "another version may hold other values",
            Self::NoSnippet { .. } => "lines that do not run would only cost your time",
        }
        .to_owned()
    }

    fn next(&self) -> String {
        match self {
            Self::NotACatalog { .. } => {
                "name a directory that `firn catalog build` wrote, the catalog.json of a STAC catalog, or a LEAP JSON"
                    .to_owned()
            }
            Self::UnknownDataset { near: Some(near), .. } => format!("firn catalog show {near}"),
            Self::UnknownDataset { known, .. } if known.is_empty() => {
                "build the catalog from feedstocks with stores".to_owned()
            }
            Self::UnknownDataset { known, .. } => format!("choose one of: {}", known.join(", ")),
            Self::UnknownVersion { id, .. } => format!("firn catalog show {id}"),
            Self::NoSnippet { id, .. } => format!("firn catalog show {id} tells where it is"),
        }
    }
}
