//! Is an upload what was sealed, and can it be published? Nothing is written here.

use super::hash::{digest_of, tagged};
use super::place::Upload;
use super::records::{Records, Seal};
use crate::error::EngineError;
use crate::progress::Unit;
use crate::settings::Engine;
use crate::store::open_store;
use crate::verbs::requests::VerifyDepth;
use crate::verify::{StoreView, VerifyOptions, VerifyReport, verify};
use firn_model::source::{ListedObject, SourceVersion};
use firn_model::upload::{
    Difference, Rank, StoreRoot, UploadError, UploadManifest, check_keys, compare, find_stores, is_record, rank,
};
use firn_storage::Prefix;
use futures::{StreamExt, TryStreamExt};
use std::collections::BTreeMap;

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
    let listed = runtime.block_on(tagged(&data)).map_err(|error| hostile(upload, error))?;
    let seal = runtime.block_on(records.seal())?;
    Ok(Found { data, records, seal, listed })
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
    let mut wrong: Vec<EngineError> = Vec::new();
    let mut unproven = Vec::new();
    for difference in compare(&upload.at(), &manifest, &listed) {
        match difference {
            Difference::Wrong(error) => wrong.push(error.into()),
            Difference::Unproven { key } => unproven.push(key),
        }
    }
    let versions: BTreeMap<String, SourceVersion> =
        listed.into_iter().map(|object| (object.key, object.version)).collect();
    if wrong.is_empty() && !unproven.is_empty() {
        let progress = engine.progress.task("read what was written again", Some(unproven.len() as u64), Unit::Items);
        let (data, versions, manifest, progress) = (&data, &versions, &manifest, &progress);
        let changed: Vec<Option<EngineError>> = runtime.block_on(
            futures::stream::iter(&unproven)
                .map(|key| async move {
                    engine.cancel.check()?;
                    let version = versions.get(key).cloned().unwrap_or_default();
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
    wrong.truncate(SHOWN);
    if let Some(error) = EngineError::several("objects that are not as they were sealed", wrong) {
        return Err(error);
    }
    let stores = find_stores(manifest.objects.keys().map(String::as_str));
    Ok(Checked { data, seal, manifest, versions, stores })
}

impl Checked {
    /// Objects of a rank that are published: not firn's records of the place where a store was written.
    pub fn of_rank(&self, wanted: Rank) -> Vec<&str> {
        let keys = self.manifest.objects.keys().map(String::as_str);
        keys.filter(|key| !is_record(&self.stores, key) && rank(&self.stores, key) == wanted).collect()
    }
}

/// Opens a store of an upload.
///
/// # Errors
/// What its bytes are refused for; [`UploadError::StoreEmpty`] where it has no variable.
pub fn open(engine: &Engine, upload: &Upload, store: &StoreRoot) -> Result<StoreView, EngineError> {
    let url = if store.key.is_empty() { upload.url.clone() } else { upload.url.child(&store.key)? };
    let view = open_store(engine, &url)?;
    if view.dataset.arrays().next().is_none() && view.dataset.refusals().next().is_none() {
        return Err(UploadError::StoreEmpty { at: url.at() }.into());
    }
    Ok(view)
}

/// What verification says of a store of an upload.
///
/// # Errors
/// Where a rule could not be run.
pub fn verified(engine: &Engine, view: &StoreView) -> Result<VerifyReport, EngineError> {
    let options = VerifyOptions { against: None, depth: VerifyDepth::Sample(SAMPLE), ordered: &[], missing: None };
    verify(engine, view, options)
}
