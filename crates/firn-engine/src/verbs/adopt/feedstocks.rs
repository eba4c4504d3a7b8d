//! The feedstocks of what was adopted: one for each first folder of the place.

use super::report::AdoptedFeedstock;
use crate::error::EngineError;
use crate::settings::Engine;
use crate::verbs::catalog_entry::{PublishedStore, StoreDetails, store_entry};
use crate::verbs::link::entry::{id_of, meta_text};
use crate::verbs::stock::{NewDocuments, Stock};
use firn_model::dataset::Dataset;
use firn_model::feedstock::{DataType, slug};
use firn_storage::ObjectUrl;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Where feedstocks are written, and what was.
pub(super) struct Feedstocks<'a> {
    engine: &'a Engine,
    folder: PathBuf,
    kind: DataType,
    owner: Option<&'a str>,
    names: BTreeMap<String, String>,
    /// Groups of several stores, which no one of them describes.
    shared: BTreeSet<String>,
    written: BTreeMap<String, AdoptedFeedstock>,
}

/// What a store of a feedstock is.
pub(super) struct NewStore<'a> {
    /// The first folder that it lies in.
    pub group: &'a str,
    /// Its address.
    pub url: &'a ObjectUrl,
    /// What it is.
    pub details: StoreDetails,
    /// Its structure, where it was opened.
    pub dataset: Option<&'a Dataset>,
}

/// Where the entry of a store is to go.
pub(super) struct Named {
    /// The feedstock.
    stock: Stock,
    /// Id of the entry.
    pub id: String,
    /// Public id.
    pub public_id: Option<String>,
}

impl<'a> Feedstocks<'a> {
    /// Below a folder. Groups keep their names however many there are.
    pub fn new(
        engine: &'a Engine,
        folder: &Path,
        kind: DataType,
        owner: Option<&'a str>,
        place: &ObjectUrl,
        groups: impl Iterator<Item = &'a str>,
    ) -> Self {
        let mut names = BTreeMap::new();
        let (mut taken, mut shared) = (BTreeSet::new(), BTreeSet::new());
        for group in groups {
            if names.contains_key(group) {
                shared.insert(group.to_owned());
                continue;
            }
            let named =
                if group.is_empty() { place.clone() } else { place.child(group).unwrap_or_else(|_| place.clone()) };
            let stem =
                group.rsplit_once('.').filter(|(_, ending)| ending.starts_with("zarr")).map_or(group, |(stem, _)| stem);
            let wanted = slug(stem).unwrap_or_else(|| id_of(&named));
            let numbered = (2..).map(|number| format!("{wanted}-{number}"));
            let name = std::iter::once(wanted.clone()).chain(numbered).find(|name| !taken.contains(name));
            let name = name.unwrap_or_else(|| wanted.clone());
            taken.insert(name.clone());
            names.insert(group.to_owned(), name);
        }
        Self { engine, folder: folder.to_owned(), kind, owner, names, shared, written: BTreeMap::new() }
    }

    /// The entry that a store has or is to get.
    ///
    /// # Errors
    /// Documents that are there and invalid.
    pub fn name(&self, store: &NewStore<'_>) -> Result<Named, EngineError> {
        let name = self.names.get(store.group).cloned().unwrap_or_else(|| "adopted".to_owned());
        let stock = Stock::open(&self.folder.join(&name))?;
        let probe = PublishedStore {
            id: String::new(),
            name: None,
            url: store.url.clone(),
            public_id: None,
            details: store.details.clone(),
            last_updated: String::new(),
        };
        let address = store_entry(self.engine, &probe)?.url;
        let id = if let Some(known) = stock.entry_at(&address) {
            known.id.clone()
        } else {
            let wanted = id_of(store.url);
            let is_files = matches!(store.details, StoreDetails::Files(_));
            stock.free_id(&if is_files && !wanted.ends_with("files") { format!("{wanted}-files") } else { wanted })
        };
        let public_id = stock.public_id(&id);
        Ok(Named { stock, id, public_id })
    }

    /// Writes the entry; the directory of its feedstock.
    ///
    /// # Errors
    /// What the file system says; a document that cannot be edited safely.
    pub fn write(&mut self, named: Named, store: &NewStore<'_>, published: &str) -> Result<String, EngineError> {
        let Named { stock, id, public_id } = named;
        let dir = stock.dir().display().to_string();
        let published = PublishedStore {
            id: id.clone(),
            name: None,
            url: store.url.clone(),
            public_id,
            details: store.details.clone(),
            last_updated: published.to_owned(),
        };
        let mut entry = store_entry(self.engine, &published)?;
        entry.data_type = Some(self.kind).filter(|kind| stock.data_type(self.kind) != Some(*kind));
        let mut titled = entry.clone();
        if let Some(name) = self.names.get(store.group).filter(|name| slug(name).as_deref() != Some(id.as_str())) {
            titled.id.clone_from(name);
        }
        let described = store.dataset.filter(|_| !self.shared.contains(store.group));
        let meta = meta_text(&titled, described, self.owner);
        let kind = serde_json::to_value(self.kind).ok();
        let kind = kind.as_ref().and_then(serde_json::Value::as_str).unwrap_or("ingested");
        let catalog = format!(
            "# Stores that lay there already, as `firn adopt` found them.\ntype: {kind}\ntags: []\nstores: []\n"
        );
        std::fs::create_dir_all(stock.dir())
            .map_err(|error| firn_storage::StorageError::io(firn_model::diagnose::At::url(dir.clone()), &error))?;
        let written = stock.write(&entry, &NewDocuments { meta: &meta, catalog: &catalog })?;
        let known = self.written.entry(dir.clone()).or_insert_with(|| AdoptedFeedstock {
            dir: dir.clone(),
            created: !written.created.is_empty(),
            stores: Vec::new(),
        });
        known.stores.push(id);
        Ok(dir)
    }

    /// What was written.
    pub fn written(self) -> Vec<AdoptedFeedstock> {
        self.written.into_values().collect()
    }
}
