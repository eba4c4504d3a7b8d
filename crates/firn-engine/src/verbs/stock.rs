//! A feedstock that gets entries of stores which no recipe of it made.

use crate::error::EngineError;
use crate::feedstock::{FeedstockDir, document_error, load};
use crate::settings::Engine;
use crate::verbs::catalog_entry::{StoreEntryChange, put_entry};
use crate::verbs::init::write_new;
use firn_catalog::place::Place;
use firn_model::diagnose::{Category, Diagnose};
use firn_model::document::{DocumentError, Severity};
use firn_model::feedstock::{CatalogDocument, DataType, StoreEntry, public_id};
use std::path::{Path, PathBuf};

/// A feedstock, there or not.
pub(super) struct Stock {
    dir: PathBuf,
    name: String,
    known: Option<FeedstockDir>,
}

/// What a feedstock says where its documents are missing.
pub(super) struct NewDocuments<'a> {
    /// `meta.yaml`.
    pub meta: &'a str,
    /// `catalog.yaml`, without stores.
    pub catalog: &'a str,
}

/// What was written.
pub(super) struct Written {
    /// Documents that were made.
    pub created: Vec<String>,
    /// The entry.
    pub change: StoreEntryChange,
}

impl Stock {
    /// The feedstock of this directory, or one that is to be made.
    ///
    /// # Errors
    /// Documents that are there and invalid.
    pub fn open(dir: &Path) -> Result<Self, EngineError> {
        match load(dir) {
            Ok(known) => {
                let findings = &known.loaded.findings;
                if findings.iter().any(|finding| finding.severity == Severity::Error) {
                    return Err(document_error(&DocumentError::Invalid { findings: findings.clone() }));
                }
                Ok(Self { dir: known.dir.clone(), name: known.name.clone(), known: Some(known) })
            }
            Err(error) if error.category() == Category::NotFound => {
                let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
                let name = firn_catalog::id::feedstock_name(&absolute.to_string_lossy()).unwrap_or_default();
                Ok(Self { dir: dir.to_owned(), name, known: None })
            }
            Err(error) => Err(error),
        }
    }

    fn catalog(&self) -> Option<&CatalogDocument> {
        self.known.as_ref()?.loaded.documents.catalog.as_ref()
    }

    /// The entry that has this address.
    pub fn entry_at(&self, url: &str) -> Option<&StoreEntry> {
        let same = |entry: &&StoreEntry| entry.url.trim_end_matches('/') == url.trim_end_matches('/');
        self.catalog()?.stores().iter().find(same)
    }

    /// An id that no other entry has.
    pub fn free_id(&self, wanted: &str) -> String {
        let stores = self.catalog().map(CatalogDocument::stores).unwrap_or_default();
        let slug = |text: &str| firn_model::feedstock::slug(text);
        let is_taken = |id: &str| stores.iter().any(|entry| entry.id == id || slug(&entry.id).as_deref() == Some(id));
        let numbered = (2..).map(|number| format!("{wanted}-{number}"));
        std::iter::once(wanted.to_owned()).chain(numbered).find(|id| !is_taken(id)).unwrap_or_else(|| wanted.to_owned())
    }

    /// The public id of a store of this feedstock.
    pub fn public_id(&self, store: &str) -> Option<String> {
        public_id(&self.name, store)
    }

    /// What the document says of all its stores; where there is none, what a new one will say.
    pub fn data_type(&self, new: DataType) -> Option<DataType> {
        if self.is_without_catalog() { Some(new) } else { self.catalog()?.data_type }
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn is_without_catalog(&self) -> bool {
        self.known.as_ref().is_none_or(|known| known.catalog_text.is_none())
    }

    /// Writes the entry, and the documents that are missing.
    ///
    /// # Errors
    /// A document that cannot be edited safely; what the file system says.
    pub fn write(&self, entry: &StoreEntry, new: &NewDocuments<'_>) -> Result<Written, EngineError> {
        let mut created = Vec::new();
        let named = self.catalog().and_then(CatalogDocument::meta_url).is_some();
        let meta = self.dir.join("meta.yaml");
        if !named && meta.symlink_metadata().is_err() {
            write_new(&meta, new.meta)?;
            created.push(meta.display().to_string());
        }
        if self.is_without_catalog() {
            created.push(self.dir.join("catalog.yaml").display().to_string());
        }
        let change = put_entry(&self.dir, entry, new.catalog, true)?;
        Ok(Written { created, change })
    }
}

/// Why a folder of this machine is not enough for this catalog: something of it is elsewhere.
pub(super) fn elsewhere(engine: &Engine, stock: Option<&Stock>) -> Option<String> {
    let locations = engine.storage.settings().locations.values();
    let remote = locations.into_iter().find(|location| location.url.local_path().is_none());
    if let Some(location) = remote {
        return Some(format!("the location {} is at {}", location.name, location.url));
    }
    let stores = stock.and_then(Stock::catalog).map(CatalogDocument::stores).unwrap_or_default();
    let remote = stores.iter().find(|store| !matches!(Place::parse(&store.url), Place::Local(_)))?;
    Some(format!(
        "the store {} of this catalog is at {}",
        remote.id,
        firn_model::diagnose::without_secrets(&remote.url)
    ))
}
