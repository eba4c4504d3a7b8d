//! From an entry of the catalog and a version to the store that holds it.

use crate::error::EngineError;
use crate::icechunk::{RepositoryStorage, VersionName, snapshot_of};
use crate::managed::{self, ManagedDataset};
use crate::settings::Engine;
use crate::store::{self, StoreKind, kind_of};
use crate::verbs::catalog_build::reaching;
use crate::verify::StoreView;
use firn_catalog::{CatalogEntry, CatalogError};
use firn_model::diagnose::{Category, Diagnose};
use firn_storage::ObjectUrl;

/// Where a version of a dataset is.
pub struct Address {
    engine: Engine,
    url: ObjectUrl,
    /// Id of the snapshot, in a repository.
    snapshot: Option<String>,
    /// What the version is called; `None` where the store has no versions.
    pub version: Option<String>,
}

impl Address {
    /// The store of an entry at a version; the latest where none is named.
    ///
    /// # Errors
    /// [`CatalogError::UnknownVersion`]; what the storage says.
    pub fn of(engine: &Engine, entry: &CatalogEntry, version: Option<&str>) -> Result<Self, EngineError> {
        let named = ObjectUrl::parse(&entry.url)?;
        let engine = reaching(engine, entry, &named)?;
        let managed = managed(&engine, &named, version.is_some())?;
        let kind = match &managed {
            Some((_, dataset)) if dataset.format == "icechunk" => StoreKind::Icechunk,
            Some(_) => StoreKind::Plain,
            None if entry.kind == firn_catalog::classify::StoreKind::Icechunk => StoreKind::Icechunk,
            None => kind_of(&engine, &named)?,
        };
        match kind {
            StoreKind::Icechunk => Self::snapshot(engine, entry, named, managed.map(|(_, dataset)| dataset), version),
            StoreKind::Plain => Self::plain(engine, entry, named, managed, version),
        }
    }

    fn plain(
        engine: Engine,
        entry: &CatalogEntry,
        named: ObjectUrl,
        managed: Option<(ObjectUrl, ManagedDataset)>,
        version: Option<&str>,
    ) -> Result<Self, EngineError> {
        let at = |engine, url, version| Ok(Self { engine, url, snapshot: None, version });
        match (managed, version) {
            (Some((root, dataset)), None) => {
                at(engine, dataset.address(&root, &dataset.current)?, Some(dataset.current))
            }
            (Some((root, dataset)), Some(version)) => {
                let known = dataset.versions.iter().find(|known| known.version == version);
                let known = known.ok_or_else(|| unknown(entry, version, &published(&dataset)))?;
                at(engine, dataset.address(&root, &known.version)?, Some(known.version.clone()))
            }
            (None, None) => at(engine, named, None),
            (None, Some(version)) => Err(unknown(entry, version, "its store has no versions")),
        }
    }

    /// Branches are not versions: they move.
    fn snapshot(
        engine: Engine,
        entry: &CatalogEntry,
        url: ObjectUrl,
        managed: Option<ManagedDataset>,
        version: Option<&str>,
    ) -> Result<Self, EngineError> {
        let storage = RepositoryStorage::new(engine.storage.prefix(&url)?);
        let versions = managed.as_ref().map(|dataset| dataset.versions.as_slice()).unwrap_or_default();
        let details = entry.icechunk.as_ref();
        let numbered = versions.iter().find(|known| Some(known.version.as_str()) == version);
        let name = match (version, numbered.and_then(|known| known.snapshot.as_deref())) {
            (Some(_), Some(snapshot)) => VersionName::Fixed(snapshot),
            (Some(version), None) => VersionName::Fixed(version),
            (None, _) => match details.map(|d| (d.snapshot.as_deref().or(d.tag.as_deref()), d.branch.as_deref())) {
                Some((Some(fixed), _)) => VersionName::Fixed(fixed),
                Some((None, Some(branch))) => VersionName::Branch(branch),
                _ => VersionName::Branch("main"),
            },
        };
        let resolved = engine.storage.runtime().block_on(snapshot_of(&storage, name));
        let snapshot = match (resolved, version) {
            (Err(error), Some(version)) if error.category() == Category::NotFound => {
                return Err(unknown(entry, version, "no version, tag or snapshot has this name"));
            }
            (resolved, _) => resolved?,
        };
        let numbered = versions.iter().rfind(|known| known.snapshot.as_deref() == Some(&snapshot));
        let version = numbered.map_or_else(|| snapshot.clone(), |known| known.version.clone());
        Ok(Self { engine, url, snapshot: Some(snapshot), version: Some(version) })
    }

    /// Opens it.
    ///
    /// # Errors
    /// What the storage says, and what the store is refused for.
    pub fn open(&self) -> Result<StoreView, EngineError> {
        match &self.snapshot {
            Some(snapshot) => Ok(store::open_version(&self.engine, &self.url, VersionName::Fixed(snapshot))?.view),
            None => store::open_plain(&self.engine, &self.url),
        }
    }
}

fn unknown(entry: &CatalogEntry, version: &str, what: &str) -> EngineError {
    CatalogError::UnknownVersion { id: entry.id.clone(), version: version.to_owned(), what: what.to_owned() }.into()
}

fn published(dataset: &ManagedDataset) -> String {
    let names: Vec<&str> = dataset.versions.iter().map(|version| version.version.as_str()).collect();
    format!("published are {}", names.join(", "))
}

/// The managed dataset that an address belongs to: at the address, or one above where it names a version of plain Zarr.
/// A place that may not be looked at has none, unless a version is asked for.
fn managed(
    engine: &Engine,
    named: &ObjectUrl,
    is_asked: bool,
) -> Result<Option<(ObjectUrl, ManagedDataset)>, EngineError> {
    let above = managed::dataset_of(named);
    let is_file = above.is_none() && named.local_path().is_some_and(|path| path.is_file());
    if is_file || engine.storage.physical(named)?.is_read_only() {
        return Ok(None);
    }
    let root = above.unwrap_or_else(|| named.clone());
    let read = || engine.storage.runtime().block_on(managed::read(&engine.storage.prefix(&root)?));
    match read() {
        Ok(found) => Ok(found.map(|(dataset, _)| (root, dataset))),
        Err(error) if error.category() == Category::Denied && !is_asked => Ok(None),
        Err(error) => Err(error),
    }
}
