//! What lies in the place, and what of it is managed already.

use crate::error::EngineError;
use crate::inbox::place::address;
use crate::managed::{self, DATASET_KEY, ManagedDataset};
use crate::settings::Engine;
use crate::verbs::requests::AdoptRequest;
use firn_model::adopt::is_no_data;
use firn_model::diagnose::shell_word;
use firn_model::source::{ListedObject, SourceError};
use firn_model::upload::UploadManifest;
use firn_storage::{Listing, LocationRole, ObjectUrl, Prefix};
use futures::{StreamExt, TryStreamExt};
use std::sync::Arc;

/// Questions that are under way at once.
const REQUESTS: usize = 32;
/// The manifest of what was adopted, below its folder.
pub(super) const MANIFEST_KEY: &str = ".firn/manifest";

/// A place with what lies there.
pub(super) struct Place {
    /// Its address.
    pub url: ObjectUrl,
    /// Its objects.
    pub prefix: Arc<Prefix>,
    /// What lies there, each object with its version.
    pub listing: Listing,
    /// What is managed there.
    pub managed: Vec<Managed>,
}

/// A dataset that is managed.
pub(super) struct Managed {
    /// Its folder.
    pub key: String,
    /// What its document says; the error where that cannot be told.
    pub dataset: Result<ManagedDataset, EngineError>,
    /// What was adopted, where it was.
    pub manifest: Option<UploadManifest>,
    /// Objects of versions that firn wrote.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Managed {
    /// Whether a key is of a version that firn wrote here.
    pub fn is_own(&self, key: &str) -> bool {
        let Some(inner) = below(&self.key, key) else { return false };
        let Ok(dataset) = &self.dataset else { return true };
        if dataset.adopted().is_some() {
            return false;
        }
        dataset.format == "icechunk" || inner.split_once('/').is_some_and(|(first, _)| managed::is_version(first))
    }
}

/// The rest of a key below a folder.
pub(super) fn below<'k>(folder: &str, key: &'k str) -> Option<&'k str> {
    if folder.is_empty() { Some(key) } else { key.strip_prefix(folder)?.strip_prefix('/') }
}

/// Looks at a place that is to be adopted.
///
/// # Errors
/// A place that cannot be: a web server, an inbox, nothing at all; what the storage says.
pub(super) fn look(engine: &Engine, request: &AdoptRequest) -> Result<Place, EngineError> {
    let url = address(engine, &request.place)?;
    let again = shell_word(&request.place);
    if engine.storage.physical(&url)?.scheme().starts_with("http") {
        return Err(EngineError::Unsupported {
            code: "adopt-web",
            at: url.at(),
            what: "what lies behind a web server is somebody else's: records cannot be written there".to_owned(),
            next: format!("catalog it where it is: firn link {again}"),
        });
    }
    if let Some((location, _)) = engine.storage.location_of(&url)?
        && location.role == LocationRole::Inbox
    {
        return Err(EngineError::usage(
            format!("{} is an inbox, whose uploads are published and not adopted", location.name),
            format!("firn inbox list {}", location.name),
        ));
    }
    engine.may_write(&url)?;
    crate::store::refuse_inside(engine, &url)?;
    let prefix = Arc::new(engine.storage.tree(&url)?);
    let runtime = engine.storage.runtime();
    let progress = engine.progress.task("list", None, crate::progress::Unit::Items);
    let mut listing = runtime.block_on(prefix.list_all())?;
    if listing.objects.is_empty() && listing.unusable.is_empty() {
        return Err(SourceError::NotFound { at: url.at() }.into());
    }
    let documents: Vec<String> =
        listing.objects.iter().filter_map(|object| folder_of(&object.key, DATASET_KEY)).collect();
    let mut managed = runtime.block_on(
        futures::stream::iter(documents)
            .map(|key| managed_at(&prefix, key))
            .buffered(REQUESTS)
            .try_collect::<Vec<Managed>>(),
    )?;
    for known in &mut managed {
        let own = listing.objects.iter().filter(|object| known.is_own(&object.key)).map(|object| object.version.size);
        (known.objects, known.bytes) = own.fold((0, 0), |(objects, bytes), size| (objects + 1, bytes + size));
    }
    listing.objects.retain(|object| !is_no_data(&object.key) && !managed.iter().any(|known| known.is_own(&object.key)));
    listing.objects = runtime.block_on(tagged(&prefix, listing.objects))?;
    progress.advance(listing.objects.len() as u64);
    Ok(Place { url, prefix, listing, managed })
}

fn folder_of(key: &str, name: &str) -> Option<String> {
    let folder = key.strip_suffix(name)?;
    if folder.is_empty() { Some(String::new()) } else { Some(folder.strip_suffix('/')?.to_owned()) }
}

async fn managed_at(place: &Prefix, key: String) -> Result<Managed, EngineError> {
    let folder = if key.is_empty() { place.clone() } else { place.child(&key)? };
    let dataset = match managed::read(&folder).await {
        Ok(Some((dataset, _))) => Ok(dataset),
        Ok(None) => Err(SourceError::NotFound { at: folder.url().at() }.into()),
        // A document of that name may be anybody's.
        Err(error @ EngineError::JournalDamaged { .. }) => Err(error),
        Err(error) => return Err(error),
    };
    let is_adopted = dataset.as_ref().is_ok_and(|dataset| dataset.adopted().is_some());
    let manifest = if is_adopted { manifest(&folder).await? } else { None };
    Ok(Managed { key, dataset, manifest, objects: 0, bytes: 0 })
}

async fn manifest(folder: &Prefix) -> Result<Option<UploadManifest>, EngineError> {
    let Some(object) = folder.get(MANIFEST_KEY).await? else { return Ok(None) };
    let at = folder.url().at().node(MANIFEST_KEY);
    let damaged = || EngineError::JournalDamaged { at: at.clone(), what: "the manifest is not text".to_owned() };
    let text = std::str::from_utf8(&object.bytes).map_err(|_| damaged())?;
    Ok(Some(UploadManifest::parse_adopted(text, &at)?))
}

/// Each object with an entity tag, where its storage has some: listings of files do not tell them.
async fn tagged(prefix: &Prefix, objects: Vec<ListedObject>) -> Result<Vec<ListedObject>, EngineError> {
    futures::stream::iter(objects)
        .map(|object| async move {
            if object.version.etag.is_some() {
                return Ok::<_, EngineError>(object);
            }
            let missing = || SourceError::NotFound { at: prefix.url().at().node(&object.key) };
            let version = prefix.head(&object.key).await?.ok_or_else(missing)?;
            Ok(ListedObject { version, ..object })
        })
        .buffered(REQUESTS)
        .try_collect()
        .await
}
