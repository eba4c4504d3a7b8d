//! Is an upload what was sealed, and can it be published? Nothing is written here.

use super::hash::{digest_of, tagged};
use super::place::Upload;
use super::records::{Records, Seal};
use crate::error::EngineError;
use crate::progress::Unit;
use crate::settings::Engine;
use crate::store::open_store;
use crate::verbs::requests::VerifyDepth;
use crate::verify::{StoreView, VerifyOptions, VerifyReport, documents, verify};
use firn_formats::zarr::{consolidated_documents, is_consolidated};
use firn_model::source::{ListedObject, SourceVersion};
use firn_model::upload::{
    Difference, Rank, StoreFormat, StoreRoot, UploadError, UploadManifest, check_keys, compare, find_stores, is_record,
    rank, store_of,
};
use firn_storage::Prefix;
use futures::{StreamExt, TryStreamExt};
use std::collections::{BTreeMap, BTreeSet};

/// Chunks of each array's store that are decoded before it is published.
const SAMPLE: u64 = 20;
/// Differences that are listed; reading goes no further.
const SHOWN: usize = 100;

/// An upload that is what was sealed.
pub struct Checked {
    /// Its objects.
    pub data: Prefix,
    /// The seal.
    pub seal: Seal,
    /// What was sealed.
    pub manifest: UploadManifest,
    /// The version of each object as it is now.
    pub versions: BTreeMap<String, SourceVersion>,
    /// Its stores.
    pub stores: Vec<StoreRoot>,
    /// The only one, where the upload is nothing else.
    pub sole: Option<StoreRoot>,
}

/// The seal and the objects, whatever they are worth.
pub struct Found {
    /// Its objects.
    pub data: Prefix,
    /// Its records.
    pub records: Records,
    /// The seal, where there is one.
    pub seal: Option<Seal>,
    /// What lies there.
    pub listed: Vec<ListedObject>,
}

/// Looks for an upload.
///
/// # Errors
/// What the storage says.
pub fn find(engine: &Engine, upload: &Upload) -> Result<Found, EngineError> {
    let runtime = engine.storage.runtime();
    let (data, records) = (engine.storage.prefix(&upload.url)?, Records::new(engine, upload)?);
    refuse_links(engine, upload)?;
    let listed = objects(engine, upload, &data)?;
    let seal = runtime.block_on(records.seal())?;
    Ok(Found { data, records, seal, listed })
}

/// All objects of an upload, each with its entity tag.
///
/// # Errors
/// [`UploadError::BadKey`] for keys that no client can name; what the storage says.
pub fn objects(engine: &Engine, upload: &Upload, data: &Prefix) -> Result<Vec<ListedObject>, EngineError> {
    engine.storage.runtime().block_on(tagged(data)).map_err(|error| hostile(upload, error))
}

/// Refuses an upload on a file system with links in it, or in its records: what lies behind them may not be the producer's to
/// give away, and would be removed with the upload.
///
/// # Errors
/// [`UploadError::BadKey`] for a link; what the storage says.
pub fn refuse_links(engine: &Engine, upload: &Upload) -> Result<(), EngineError> {
    let link = |key: String| {
        let what = "it is a symbolic link, which leads out of the upload".to_owned();
        Err(UploadError::BadKey { at: upload.at(), key, what }.into())
    };
    // Of `user/dataset` the folder `user` too.
    if let Some(path) = engine.storage.physical(&upload.url)?.local_path() {
        let above = path.ancestors().skip(1).take(upload.name.matches('/').count());
        if let Some(found) = above.into_iter().find(|folder| folder.is_symlink()) {
            return link(found.to_string_lossy().into_owned());
        }
    }
    for url in [&upload.url, &upload.records] {
        let prefix = engine.storage.prefix(url)?;
        if let Some(key) = engine.storage.runtime().block_on(prefix.first_link())? {
            return link(if key.is_empty() { url.file_name() } else { key });
        }
    }
    Ok(())
}

/// A listing that names what no client can name is one of an upload with such keys.
fn hostile(upload: &Upload, error: EngineError) -> EngineError {
    match error {
        EngineError::Storage(firn_storage::StorageError::BadKey { key, what, .. }) => {
            UploadError::BadKey { at: upload.at(), key: key.into(), what }.into()
        }
        other => other,
    }
}

/// Whether an upload is what was sealed: its keys, each object's size and entity tag, and the bytes of those whose tag is another.
///
/// # Errors
/// [`UploadError`], all of them; what the storage says.
pub fn check(engine: &Engine, upload: &Upload, found: Found) -> Result<Checked, EngineError> {
    let Found { data, records, seal, listed } = found;
    let runtime = engine.storage.runtime();
    check_keys(&upload.at(), listed.iter().map(|object| object.key.as_str()))?;
    let seal = seal.ok_or_else(|| UploadError::NotSealed { at: upload.at() })?;
    let manifest = runtime.block_on(records.manifest(&seal))?;
    check_keys(&upload.at(), manifest.objects.keys().map(String::as_str))?;
    let mut wrong = differences(engine, upload, &data, &manifest, &listed)?;
    wrong.truncate(SHOWN);
    if let Some(error) = several(wrong) {
        return Err(error);
    }
    let versions = listed.into_iter().map(|object| (object.key, object.version)).collect();
    let stores = find_stores(manifest.objects.keys().map(String::as_str));
    let sole = sole_store(&stores, &manifest);
    Ok(Checked { data, seal, manifest, versions, stores, sole })
}

/// One error of several objects.
pub fn several(wrong: Vec<EngineError>) -> Option<EngineError> {
    EngineError::several("objects that are not as they were sealed", wrong)
}

/// In what an upload differs from what was sealed; bytes are read where neither size nor entity tag tells, and nothing else
/// differs.
///
/// # Errors
/// What the storage says.
pub fn differences(
    engine: &Engine,
    upload: &Upload,
    data: &Prefix,
    manifest: &UploadManifest,
    listed: &[ListedObject],
) -> Result<Vec<EngineError>, EngineError> {
    let runtime = engine.storage.runtime();
    let mut wrong: Vec<EngineError> = Vec::new();
    let mut unproven = Vec::new();
    for difference in compare(&upload.at(), manifest, listed) {
        match difference {
            Difference::Wrong(error) => wrong.push(error.into()),
            Difference::Unproven { key } => unproven.push(key),
        }
    }
    if wrong.is_empty() && !unproven.is_empty() {
        let progress = engine.progress.task("read what was written again", Some(unproven.len() as u64), Unit::Items);
        let versions: BTreeMap<&str, &SourceVersion> =
            listed.iter().map(|object| (object.key.as_str(), &object.version)).collect();
        let (versions, progress) = (&versions, &progress);
        let changed: Vec<Option<EngineError>> = runtime.block_on(
            futures::stream::iter(&unproven)
                .map(|key| async move {
                    engine.cancel.check()?;
                    let version = versions.get(key.as_str()).copied().cloned().unwrap_or_default();
                    let digest = digest_of(data, key, &version).await?;
                    progress.advance(1);
                    let same = manifest.objects.get(key).is_some_and(|object| object.blake3 == digest);
                    Ok::<_, EngineError>(
                        (!same).then(|| UploadError::ObjectChanged { at: upload.at().node(key) }.into()),
                    )
                })
                .buffered(engine.settings.jobs.max(8))
                .try_collect(),
        )?;
        wrong.extend(changed.into_iter().flatten());
    }
    Ok(wrong)
}

/// The only store of an upload that is nothing else: it becomes the version itself.
pub fn sole_store(stores: &[StoreRoot], manifest: &UploadManifest) -> Option<StoreRoot> {
    let [store] = stores else { return None };
    let published = manifest.objects.keys().filter(|key| !is_record(key));
    published.into_iter().all(|key| store_of(stores, key).is_some()).then(|| store.clone())
}

impl Checked {
    /// Objects of a rank that are published: not firn's records of the place where a store was written.
    pub fn of_rank(&self, wanted: Rank) -> Vec<&str> {
        let keys = self.manifest.objects.keys().map(String::as_str);
        keys.filter(|key| !is_record(key) && rank(&self.stores, key) == wanted).collect()
    }

    /// The objects of a store that are published: their keys in the upload and in the store.
    pub fn of_store<'c>(&'c self, store: &StoreRoot) -> impl Iterator<Item = (&'c str, &'c str)> {
        let below = if store.key.is_empty() { String::new() } else { format!("{}/", store.key) };
        let from = self.manifest.objects.range(below.clone()..).map(|(key, _)| key.as_str());
        let own = from.map_while(move |key| Some((key, key.strip_prefix(&below)?)));
        own.filter(|(key, _)| !is_record(key))
    }

    /// The key of an object in the version.
    pub fn published_key<'k>(&self, key: &'k str) -> &'k str {
        published_key(self.sole.as_ref(), key)
    }
}

/// The key in the version of an object of the upload.
pub fn published_key<'k>(sole: Option<&StoreRoot>, key: &'k str) -> &'k str {
    match sole {
        Some(store) if !store.key.is_empty() => key.get(store.key.len() + 1..).unwrap_or_default(),
        _ => key,
    }
}

/// Opens a store of an upload.
///
/// # Errors
/// What its bytes are refused for; [`UploadError::StoreEmpty`] where it has no variable; [`UploadError::ConsolidatedStale`].
pub fn open<'k>(
    engine: &Engine,
    upload: &Upload,
    store: &StoreRoot,
    keys: impl Iterator<Item = &'k str>,
) -> Result<StoreView, EngineError> {
    let url = if store.key.is_empty() { upload.url.clone() } else { upload.url.child(&store.key)? };
    let view = open_store(engine, &url)?;
    if view.dataset.arrays().next().is_none() && view.dataset.refusals().next().is_none() {
        return Err(UploadError::StoreEmpty { at: url.at() }.into());
    }
    match stale(engine, &view, store, keys)? {
        Some(what) => Err(UploadError::ConsolidatedStale { at: url.at(), what }.into()),
        None => Ok(view),
    }
}

/// In what consolidated metadata differ from the documents of a store, whose keys in it these are: what was written after them
/// would be lost to readers.
///
/// # Errors
/// What reading them says.
pub fn stale<'k>(
    engine: &Engine,
    view: &StoreView,
    store: &StoreRoot,
    keys: impl Iterator<Item = &'k str>,
) -> Result<Option<String>, EngineError> {
    if !is_consolidated(view.source.as_ref(), view.dataset.format)? {
        return Ok(None);
    }
    let documents = consolidated_documents(view.source.as_ref(), view.dataset.format)?;
    let known: BTreeSet<&str> = documents.iter().map(|document| document.key.as_str()).collect();
    let node = if store.format == StoreFormat::Zarr3 { "/zarr.json" } else { "/.zarray" };
    if let Some(lost) = keys.filter(|key| key.ends_with(node)).find(|key| !known.contains(key)) {
        return Ok(Some(format!("{lost} is not among them")));
    }
    let finding = documents::check(engine, view)?.into_iter().next();
    Ok(finding.map(|finding| format!("{} has {}", finding.at, finding.found)))
}

/// What verification says of a store of an upload.
///
/// # Errors
/// Where a rule could not be run.
pub fn verified(engine: &Engine, view: &StoreView) -> Result<VerifyReport, EngineError> {
    let options = VerifyOptions { against: None, depth: VerifyDepth::Sample(SAMPLE), ordered: &[], missing: None };
    verify(engine, view, options)
}
