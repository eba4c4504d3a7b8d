//! Keeping the `stores` of a feedstock's `catalog.yaml` up to date.

use crate::error::EngineError;
use crate::feedstock::document_error;
use crate::settings::Engine;
use firn_catalog::classify::{StoreKind, classify};
use firn_catalog::snippet::{NoSnippet, Opening, Snippet, snippet};
use firn_model::diagnose::At;
use firn_model::feedstock::store_entry::{Access, FilesDetails, IcechunkDetails, KerchunkDetails, ZarrDetails};
use firn_model::feedstock::{StoreChange, StoreEntry, StoreMode, edit_store, read_catalog, slug};
use firn_storage::{Addressing, ObjectUrl, StorageError};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a run knows of the store it published.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishedStore {
    /// Id of the store entry.
    pub id: String,
    /// Title, for an entry that is new.
    pub name: Option<String>,
    /// Where it is: the version of a managed dataset, or the repository.
    pub url: ObjectUrl,
    /// Public id.
    pub public_id: Option<String>,
    /// What it is.
    pub details: StoreDetails,
    /// When it was published, RFC 3339.
    pub last_updated: String,
}

/// What a published store is.
#[derive(Debug, Clone, PartialEq)]
pub enum StoreDetails {
    /// Plain Zarr.
    Zarr {
        /// Version of the format: 2 or 3.
        format: u8,
        /// Whether its root is consolidated.
        consolidated: bool,
    },
    /// An Icechunk repository.
    Icechunk {
        /// Version of the specification, 1 or 2.
        spec: u8,
        /// URL prefixes that readers authorise.
        containers: Vec<String>,
    },
    /// A file of kerchunk references.
    Kerchunk(KerchunkDetails),
    /// Files as they are.
    Files(FilesDetails),
}

/// A change of `catalog.yaml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StoreEntryChange {
    /// The document.
    pub path: String,
    /// What changes, as a unified diff; empty where nothing does.
    pub diff: String,
    /// Whether the entry is new.
    pub added: bool,
    /// Whether it was written.
    pub written: bool,
}

/// The store entry of a published store, as readers everywhere need it: the public address where its location has one, else
/// the physical one with endpoint and region. Never a credential.
///
/// # Errors
/// An address in an unknown location.
pub fn store_entry(engine: &Engine, store: &PublishedStore) -> Result<StoreEntry, EngineError> {
    let storage = &engine.storage;
    let physical = storage.physical(&store.url)?;
    let public = storage.public(&store.url)?.filter(|url| url.scheme().starts_with("http"));
    let mut entry = StoreEntry {
        id: store.id.clone(),
        name: store.name.clone(),
        url: physical.to_string(),
        last_updated: Some(store.last_updated.clone()),
        firn_id: store.public_id.clone(),
        ..StoreEntry::default()
    };
    match &store.details {
        StoreDetails::Zarr { format, consolidated } => {
            entry.mode = Some(StoreMode::Zarr);
            let details =
                ZarrDetails { format: Some(*format), consolidated: Some(*consolidated), ..ZarrDetails::default() };
            entry.zarr = Some(details);
            // Every client reads plain Zarr over the web; Icechunk 1 does not.
            if let Some(public) = &public {
                entry.url = public.to_string();
            }
        }
        StoreDetails::Icechunk { spec, containers } => {
            entry.mode = Some(StoreMode::Icechunk);
            let virtual_chunk_containers = (!containers.is_empty()).then(|| containers.clone());
            let details = IcechunkDetails { spec: Some(*spec), virtual_chunk_containers, ..IcechunkDetails::default() };
            entry.icechunk = Some(details);
        }
        StoreDetails::Kerchunk(details) => {
            entry.mode = Some(StoreMode::Kerchunk);
            entry.kerchunk = Some(details.clone());
            if let Some(public) = &public {
                entry.url = public.to_string();
            }
        }
        StoreDetails::Files(details) => {
            entry.mode = Some(StoreMode::Files);
            entry.files = Some(details.clone());
            if let Some(public) = &public {
                entry.url = public.to_string();
            }
        }
    }
    if public.is_some() {
        entry.public = Some(true);
    }
    if entry.url.starts_with("s3://") {
        entry.access = access(engine, &physical, public.is_some())?;
    }
    Ok(entry)
}

/// How others reach the bucket; `None` where its URL says it all.
pub(super) fn access(engine: &Engine, physical: &ObjectUrl, public: bool) -> Result<Option<Access>, EngineError> {
    let settings = engine.storage.settings();
    let location = engine.storage.location_of(physical)?.map(|(location, _)| location);
    let endpoint = location.and_then(|location| location.endpoint.clone()).or_else(|| settings.endpoint.clone());
    let region = location.and_then(|location| location.region.clone()).or_else(|| settings.region.clone());
    let addressing = location.and_then(|location| location.addressing).or(settings.addressing);
    let anonymous = public || location.is_some_and(|location| location.anonymous);
    let mut access = Access {
        endpoint: endpoint.map(|url| url.as_str().trim_end_matches('/').to_owned()),
        region,
        anonymous: anonymous.then_some(true),
        ..Access::default()
    };
    if let Some(addressing) = addressing {
        let word = if addressing == Addressing::Path { "path" } else { "virtual" };
        access.extra.insert("addressing".to_owned(), json!(word));
    }
    Ok((access != Access::default()).then_some(access))
}

/// The Python that opens a published store, without firn.
///
/// # Errors
/// [`NoSnippet`] where none is known.
pub fn native_snippet(entry: &StoreEntry) -> Result<Snippet, NoSnippet> {
    let kind: StoreKind = classify(entry).kind;
    snippet(&Opening::of(entry, kind))
}

/// Creates or updates the entry of a published store in `catalog.yaml` of this directory, which is made if absent. Comments and
/// order stay. With `write` false only the change is told.
///
/// # Errors
/// A document that is invalid or that changes meanwhile; what the file system says.
pub fn update_feedstock_entry(
    engine: &Engine,
    dir: &Path,
    store: &PublishedStore,
    write: bool,
) -> Result<StoreEntryChange, EngineError> {
    put_entry(dir, &store_entry(engine, store)?, "", write)
}

/// Creates or updates an entry in `catalog.yaml` of this directory, which is made of the text `new` if absent.
///
/// # Errors
/// As [`update_feedstock_entry`].
pub(super) fn put_entry(
    dir: &Path,
    entry: &StoreEntry,
    new: &str,
    write: bool,
) -> Result<StoreEntryChange, EngineError> {
    let path = dir.join("catalog.yaml");
    let before = read(&path)?;
    let text = before.clone().unwrap_or_else(|| new.to_owned());
    let name = path.display().to_string();
    let known = read_catalog(&name, &text).value.unwrap_or_default();
    let existing = known.stores().iter().find(|known| same(&known.id, &entry.id));
    let change = StoreChange {
        id: existing.map_or_else(|| entry.id.clone(), |existing| existing.id.clone()),
        set: changes(entry, existing)?,
        remove: other_details(entry),
    };
    let edited = edit_store(&name, &text, &change).map_err(|error| document_error(&error))?;
    let written = write && !edited.diff.is_empty();
    if written {
        put(&path, before.as_deref(), &edited.text)?;
    }
    Ok(StoreEntryChange { path: name, diff: edited.diff, added: edited.added, written })
}

/// Existing documents call a store by words of which the id is the slug.
fn same(existing: &str, id: &str) -> bool {
    existing == id || slug(existing).is_some_and(|slug| slug == id)
}

/// The keys that a run knows better than who wrote the document.
fn changes(entry: &StoreEntry, existing: Option<&StoreEntry>) -> Result<Map<String, Value>, EngineError> {
    let value = serde_json::to_value(entry).map_err(|error| EngineError::bug(error.to_string()))?;
    let Value::Object(mut set) = value else { return Err(EngineError::bug("a store entry is no mapping")) };
    set.shift_remove("id");
    if let Some(existing) = existing {
        // Its title is its author's, and its public id is derived once.
        set.shift_remove("name");
        if existing.firn_id.is_some() {
            set.shift_remove("firn:id");
        }
        // Whether it is public may be known to its author only.
        if existing.public.is_some() {
            set.shift_remove("public");
        }
    }
    Ok(set)
}

/// The keys that tell details of stores of another kind: a dataset that changes its format must not keep them.
fn other_details(entry: &StoreEntry) -> Vec<String> {
    let modes = [StoreMode::Zarr, StoreMode::Icechunk, StoreMode::Kerchunk, StoreMode::Files];
    modes.into_iter().filter(|mode| Some(*mode) != entry.mode).map(|mode| mode.name().to_owned()).collect()
}

fn read(path: &Path) -> Result<Option<String>, EngineError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path, &error)),
    }
}

/// How the names of copies begin that are on their way to replace a document.
const TEMPORARY: &str = ".catalog.yaml.firn-";

/// After which time a copy is one that a killed process left: replacing takes a moment.
const LEFT_BEHIND: Duration = Duration::from_mins(1);

/// Removes what killed processes left. Nobody reads it: what cannot be removed does no harm.
fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(TEMPORARY));
        let age = || entry.metadata().ok()?.modified().ok()?.elapsed().ok();
        if is_ours && age().is_some_and(|age| age > LEFT_BEHIND) {
            let _gone = std::fs::remove_file(entry.path());
        }
    }
}

/// Replaces the document in one step, unless somebody changed it meanwhile.
fn put(path: &Path, before: Option<&str>, text: &str) -> Result<(), EngineError> {
    // A link stays one: what it leads to is replaced.
    let target: PathBuf = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = target.parent().unwrap_or(Path::new("."));
    sweep(folder);
    let temporary = folder.join(format!("{TEMPORARY}{}", std::process::id()));
    let written = (|| -> std::io::Result<()> {
        let mut file = std::fs::File::create(&temporary)?;
        file.write_all(text.as_bytes())?;
        if let Ok(seen) = std::fs::metadata(&target) {
            file.set_permissions(seen.permissions())?;
        }
        file.sync_all()
    })();
    let moved = written.map_err(|error| failed(folder, &error)).and_then(|()| {
        if read(&target)?.as_deref() != before {
            return Err(EngineError::TargetBusy { at: at(path), what: "it changed while firn edited it".to_owned() });
        }
        std::fs::rename(&temporary, &target).map_err(|error| failed(&target, &error))
    });
    if moved.is_err() {
        // The failure is what counts; a copy that stays behind does no harm.
        let _gone = std::fs::remove_file(&temporary);
    }
    moved
}

fn at(path: &Path) -> At {
    At::url(path.to_string_lossy())
}

fn failed(path: &Path, error: &std::io::Error) -> EngineError {
    StorageError::io(at(path), error).into()
}

#[cfg(test)]
mod tests;
