//! `firn seal`: says that an upload is complete.

use crate::error::EngineError;
use crate::inbox::checked::{objects, refuse_links};
use crate::inbox::hash::digest_of;
use crate::inbox::place::Upload;
use crate::inbox::records::{LEASES, Records, Seal};
use crate::lease::RunLease;
use crate::progress::Unit;
use crate::settings::Engine;
use crate::verbs::requests::SealRequest;
use firn_model::diagnose::shell_word;
use firn_model::upload::{UploadError, UploadManifest, UploadObject, check_keys, find_stores};
use futures::{StreamExt, TryStreamExt};

/// What sealing did.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct SealReport {
    /// The upload.
    pub upload: String,
    /// The seal.
    pub seal: Seal,
    /// Whether it was sealed before.
    pub already: bool,
    /// Keys of the stores that were found.
    pub stores: Vec<String>,
    /// Objects that were read, because no push had recorded them.
    pub read: u64,
    /// The next command.
    pub next: String,
}

/// Seals an upload: what a push recorded is taken as it arrived, everything else is read.
///
/// # Errors
/// [`UploadError`] where it is not complete or has keys that cannot be published; what the storage says.
pub fn seal(engine: &Engine, request: &SealRequest) -> Result<SealReport, EngineError> {
    let upload = Upload::parse(engine, &request.upload)?;
    let runtime = engine.storage.runtime();
    let data = engine.storage.prefix(&upload.url)?;
    let known = runtime.block_on(Records::new(engine, &upload)?.seal())?;
    let report = |seal: Seal, already: bool, manifest: &UploadManifest, read: u64| SealReport {
        upload: upload.text(),
        seal,
        already,
        stores: find_stores(manifest.objects.keys().map(String::as_str)).into_iter().map(|store| store.key).collect(),
        read,
        next: format!("firn inbox review {}", shell_word(&upload.text())),
    };
    if let Some(seal) = known {
        let manifest = runtime.block_on(Records::new(engine, &upload)?.manifest(&seal))?;
        return Ok(report(seal, true, &manifest, 0));
    }
    refuse_links(engine, &upload)?;
    let listed = objects(engine, &upload, &data)?;
    if listed.is_empty() {
        return Err(upload.not_found());
    }
    check_keys(&upload.at(), listed.iter().map(|object| object.key.as_str()))?;
    let records = Records::writable(engine, &upload)?;
    let lease = RunLease::take_at(engine, records.prefix(), LEASES, None)?;
    if lease.continues() {
        runtime.block_on(records.sweep())?;
    }
    if let Some((_, push)) = runtime.block_on(records.pushes())?.into_iter().find(|(_, push)| !push.complete) {
        let what = format!("{} objects into {}, begun at {}", push.objects, push.into.join(", "), push.begun);
        return Err(UploadError::Unfinished { at: upload.at(), what }.into());
    }
    // After the lease: what a push wrote until then is seen.
    let listed = objects(engine, &upload, &data)?;
    check_keys(&upload.at(), listed.iter().map(|object| object.key.as_str()))?;
    let (mut sent, _) = runtime.block_on(records.sent(""))?;
    let mut manifest = UploadManifest::default();
    let mut open = Vec::new();
    for object in listed {
        match sent.remove(&object.key) {
            Some(known)
                if known.object.size == object.version.size
                    && known.object.etag == object.version.etag
                    && known.object.etag.is_some() =>
            {
                manifest.objects.insert(object.key, known.object);
            }
            _ => open.push(object),
        }
    }
    if let Some((key, lost)) = sent.into_iter().next() {
        return Err(UploadError::ObjectMissing { at: upload.at().node(key), size: lost.object.size }.into());
    }
    let total = open.iter().map(|object| object.version.size).sum();
    let progress = engine.progress.task(format!("read {}", upload.text()), Some(total), Unit::Bytes);
    let at_once = request.jobs.unwrap_or(engine.settings.jobs.max(8)).max(1);
    let read = open.len() as u64;
    let (data, progress) = (&data, &progress);
    let hashed: Vec<(String, UploadObject)> = runtime.block_on(
        futures::stream::iter(open)
            .map(|object| async move {
                engine.cancel.check()?;
                let blake3 = digest_of(data, &object.key, &object.version).await?;
                progress.advance(object.version.size);
                let (size, etag) = (object.version.size, object.version.etag);
                Ok::<_, EngineError>((object.key, UploadObject { size, blake3, etag, part_size: None }))
            })
            .buffer_unordered(at_once)
            .try_collect(),
    )?;
    manifest.objects.extend(hashed);
    lease.confirm()?;
    let sealed = runtime.block_on(records.put_seal(&manifest))?;
    drop(lease);
    Ok(report(sealed, false, &manifest, read))
}
