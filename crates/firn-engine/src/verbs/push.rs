//! `firn push`: stores and files into an inbox.

use crate::error::EngineError;
use crate::inbox::checked::{objects, refuse_links};
use crate::inbox::hash::tagged;
use crate::inbox::place::Upload;
use crate::inbox::records::{LEASES, PushRecord, Records, Sent};
use crate::inbox::transfer::{Proof, Transfer, ended};
use crate::lease::RunLease;
use crate::progress::{TaskProgress, Unit};
use crate::settings::Engine;
use crate::verbs::requests::{PushRequest, SealRequest};
use crate::verbs::seal::{SealReport, seal};
use firn_model::diagnose::shell_word;
use firn_model::source::{ListedObject, SourceVersion};
use firn_model::upload::{
    Rank, StoreRoot, UploadError, UploadManifest, UploadObject, check_keys, find_stores, is_record, rank, store_of,
};
use firn_storage::{ObjectUrl, Prefix};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Objects that are recorded together.
const SEGMENT: usize = 256;

/// What a push did.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct PushReport {
    /// The upload.
    pub upload: String,
    /// Where it lies.
    pub url: String,
    /// Keys of the stores that were pushed, in the upload.
    pub stores: Vec<String>,
    /// Objects of this push.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What was pushed, wherever it lies: BLAKE3 of keys, sizes and digests.
    pub digest: String,
    /// Objects that were sent by this command.
    pub sent: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Objects that were proven to be there already.
    pub kept: u64,
    /// Records of firn that lie in the stores and belong to the place where they were written: not sent.
    pub left_out: u64,
    /// The seal, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seal: Option<SealReport>,
    /// The next command.
    pub next: String,
}

/// An object to send.
struct Item {
    from: Arc<Prefix>,
    key: String,
    to_key: String,
    version: SourceVersion,
}

/// Pushes, or continues to.
///
/// # Errors
/// Anything on the way; the same call continues.
pub fn push(engine: &Engine, request: &PushRequest) -> Result<PushReport, EngineError> {
    let upload = Upload::parse(engine, &request.to)?;
    let mut chosen = chosen(engine, request, &upload)?;
    let runtime = engine.storage.runtime();
    let records = Records::writable(engine, &upload)?;
    if let Some(report) = sealed_before(engine, request, &upload, &records, &chosen)? {
        return Ok(report);
    }
    refuse_sealed(engine, &records, &upload)?;
    let lease = RunLease::take_at(engine, records.prefix(), LEASES, None)?;
    refuse_sealed(engine, &records, &upload)?;
    refuse_links(engine, &upload)?;
    let target = engine.target_prefix(&upload.url)?;
    if lease.continues() {
        // What a push that was killed was just writing is no object, but would stay beside them for ever.
        runtime.block_on(target.sweep(usize::MAX))?;
        runtime.block_on(records.sweep())?;
    }
    let (sent, segment) = runtime.block_on(records.sent(&chosen.id))?;
    let there: BTreeMap<String, SourceVersion> =
        objects(engine, &upload, &target)?.into_iter().map(|object| (object.key, object.version)).collect();
    check_keys(
        &upload.at(),
        there
            .keys()
            .chain(chosen.items.iter().map(|i| &i.to_key).filter(|k| !there.contains_key(*k)))
            .map(String::as_str),
    )?;

    let mut manifest = UploadManifest::default();
    let all = std::mem::take(&mut chosen.items);
    let (objects, bytes) = (all.len() as u64, all.iter().map(|item| item.version.size).sum());
    let mut open = Vec::new();
    for item in all {
        match proven(&item, &sent, &there) {
            Some(object) => {
                manifest.objects.insert(item.to_key, object);
            }
            None => open.push(item),
        }
    }
    let kept = manifest.objects.len() as u64;
    if kept > 0 {
        engine.progress.note(format!("{kept} of {objects} objects arrived before and are kept"));
    }
    let begun = PushRecord {
        schema: "firn/push-record/1".to_owned(),
        into: chosen.into.clone(),
        objects,
        bytes,
        begun: crate::clock::now(),
        complete: false,
    };
    let (sent_count, sent_bytes) = (open.len() as u64, open.iter().map(|item| item.version.size).sum());
    runtime.block_on(records.put_push(&chosen.id, &begun))?;
    let from_local =
        open.iter().all(|item| engine.storage.physical(item.from.url()).is_ok_and(|u| u.local_path().is_some()));
    let transfer = Transfer::new(engine, from_local, target, request.jobs)?;
    let progress = engine.progress.task(format!("push to {}", upload.text()), Some(sent_bytes), Unit::Bytes);
    let mut sender = Sender {
        engine,
        records: &records,
        lease: &lease,
        transfer: &transfer,
        progress: &progress,
        id: &chosen.id,
        segment,
    };
    for wanted in [Rank::Data, Rank::Metadata, Rank::Root] {
        let now: Vec<&Item> = open.iter().filter(|item| rank(&chosen.stores, &item.to_key) == wanted).collect();
        for arrived in sender.send(&now)? {
            manifest.objects.insert(arrived.key, arrived.object);
        }
    }
    lease.confirm()?;
    runtime.block_on(records.put_push(&chosen.id, &PushRecord { complete: true, ..begun }))?;
    drop(lease);
    let sealed = if request.seal {
        Some(seal(engine, &SealRequest { upload: request.to.clone(), jobs: request.jobs })?)
    } else {
        None
    };
    let next = match &sealed {
        Some(_) => format!("firn inbox review {}", shell_word(&upload.text())),
        None => format!("firn seal {}", shell_word(&upload.text())),
    };
    Ok(PushReport {
        upload: upload.text(),
        url: engine.storage.physical(&upload.url)?.to_string(),
        stores: chosen.stores.into_iter().map(|store| store.key).collect(),
        objects,
        bytes,
        digest: manifest.digest(),
        sent: sent_count,
        sent_bytes,
        kept,
        left_out: chosen.left_out,
        seal: sealed,
        next,
    })
}

/// What the same command sealed before it was stopped: nothing is accepted, and nothing is missing.
fn sealed_before(
    engine: &Engine,
    request: &PushRequest,
    upload: &Upload,
    records: &Records,
    chosen: &Chosen,
) -> Result<Option<PushReport>, EngineError> {
    let runtime = engine.storage.runtime();
    let Some(known) = runtime.block_on(records.seal())?.filter(|_| request.seal) else { return Ok(None) };
    let manifest = runtime.block_on(records.manifest(&known))?;
    let (sent, _) = runtime.block_on(records.sent(&chosen.id))?;
    let mut pushed = UploadManifest::default();
    for item in &chosen.items {
        let arrived = sent.get(&item.to_key).filter(|sent| is_from(sent, item));
        let Some(object) = arrived.map(|sent| &sent.object) else { return Ok(None) };
        if manifest.objects.get(&item.to_key).is_none_or(|sealed| sealed.blake3 != object.blake3) {
            return Ok(None);
        }
        pushed.objects.insert(item.to_key.clone(), object.clone());
    }
    let sealed = seal(engine, &SealRequest { upload: request.to.clone(), jobs: request.jobs })?;
    let objects = pushed.objects.len() as u64;
    Ok(Some(PushReport {
        upload: upload.text(),
        url: engine.storage.physical(&upload.url)?.to_string(),
        stores: chosen.stores.iter().map(|store| store.key.clone()).collect(),
        objects,
        bytes: pushed.bytes(),
        digest: pushed.digest(),
        sent: 0,
        sent_bytes: 0,
        kept: objects,
        left_out: chosen.left_out,
        next: sealed.next.clone(),
        seal: Some(sealed),
    }))
}

fn is_from(sent: &Sent, item: &Item) -> bool {
    sent.source.etag.is_some() && sent.source == item.version
}

fn refuse_sealed(engine: &Engine, records: &Records, upload: &Upload) -> Result<(), EngineError> {
    match engine.storage.runtime().block_on(records.seal())? {
        Some(seal) => Err(UploadError::Sealed { at: upload.at(), sealed: seal.sealed }.into()),
        None => Ok(()),
    }
}

/// What was there and arrived from this very state of its source, and lies there as it arrived.
fn proven(item: &Item, sent: &BTreeMap<String, Sent>, there: &BTreeMap<String, SourceVersion>) -> Option<UploadObject> {
    let (known, seen) = (sent.get(&item.to_key)?, there.get(&item.to_key)?);
    let same_source = is_from(known, item);
    let same_target = known.object.etag.is_some() && known.object.etag == seen.etag && known.object.size == seen.size;
    (same_source && same_target).then(|| known.object.clone())
}

/// Sends objects side by side, and records them a segment at a time.
struct Sender<'a> {
    engine: &'a Engine,
    records: &'a Records,
    lease: &'a RunLease,
    transfer: &'a Transfer,
    progress: &'a TaskProgress,
    id: &'a str,
    segment: u64,
}

impl Sender<'_> {
    fn send(&mut self, items: &[&Item]) -> Result<Vec<Sent>, EngineError> {
        let mut all = Vec::with_capacity(items.len());
        for part in items.chunks(SEGMENT) {
            self.engine.cancel.check()?;
            self.lease.check()?;
            let sent = self.engine.storage.runtime().block_on(self.send_part(part))?;
            self.segment += 1;
            all.extend(sent);
        }
        Ok(all)
    }

    async fn send_one(&self, item: &Item) -> Result<Sent, EngineError> {
        self.engine.cancel.check()?;
        let (key, to_key, version) = (&item.key, &item.to_key, &item.version);
        let moved = self.transfer.copy(&item.from, key, to_key, version, Proof::Digest.into()).await?;
        let undone = || EngineError::bug(format!("{key} was sent without its digest"));
        self.progress.advance(version.size);
        let object = UploadObject {
            size: version.size,
            blake3: moved.blake3.ok_or_else(undone)?,
            etag: moved.etag,
            part_size: moved.part_size,
        };
        Ok(Sent { key: to_key.clone(), object, source: version.clone() })
    }

    async fn send_part(&self, items: &[&Item]) -> Result<Vec<Sent>, EngineError> {
        let sent = ended(self.transfer.at_once, items.iter().map(|item| self.send_one(item))).await?;
        self.transfer.settle(sent.iter().map(|sent| sent.key.clone()).collect()).await?;
        self.records.put_sent(self.id, self.segment, sent.clone()).await?;
        Ok(sent)
    }
}

/// What is to be sent.
struct Chosen {
    /// Tells this push from others into the same upload: by what it puts there.
    id: String,
    into: Vec<String>,
    items: Vec<Item>,
    stores: Vec<StoreRoot>,
    left_out: u64,
}

fn chosen(engine: &Engine, request: &PushRequest, upload: &Upload) -> Result<Chosen, EngineError> {
    let mut items: Vec<Item> = Vec::new();
    for path in &request.paths {
        engine.cancel.check()?;
        items.extend(listed(engine, path, upload)?);
    }
    items.sort_by(|a, b| a.to_key.cmp(&b.to_key));
    if let Some(pair) = items.windows(2).find(|pair| pair[0].to_key == pair[1].to_key) {
        return Err(EngineError::usage(
            format!("two of the paths have an object for {}", pair[0].to_key),
            "push them to two names, or rename one",
        ));
    }
    let stores = find_stores(items.iter().map(|item| item.to_key.as_str()));
    let before = items.len();
    items.retain(|item| !is_record(&item.to_key));
    let left_out = (before - items.len()) as u64;
    check_keys(&upload.at(), items.iter().map(|item| item.to_key.as_str()))?;
    let loose: Vec<&Item> = items.iter().filter(|item| store_of(&stores, &item.to_key).is_none()).collect();
    if let (Some(first), false) = (loose.first(), request.as_is) {
        let at = ObjectUrl::parse(&request.paths[0])?.at();
        return Err(UploadError::NoStore { at, count: loose.len(), example: first.to_key.clone() }.into());
    }
    let tops: BTreeSet<&str> = items.iter().filter_map(|item| item.to_key.split('/').next()).collect();
    let into: Vec<String> = tops.into_iter().map(str::to_owned).collect();
    let id = blake3::hash(into.join("\n").as_bytes()).to_hex()[..16].to_owned();
    Ok(Chosen { id, into, items, stores, left_out })
}

/// The objects of one path: a file, a store (which keeps its name), or a folder of stores and files (whose content is taken).
fn listed(engine: &Engine, path: &str, upload: &Upload) -> Result<Vec<Item>, EngineError> {
    let url = ObjectUrl::parse(path)?.absolute()?;
    let place = |url: &ObjectUrl| -> Result<String, EngineError> {
        Ok(format!("{}/", engine.storage.prefix(url)?.identity().trim_end_matches('/')))
    };
    let from = place(&url)?;
    for own in [&upload.url, &upload.records] {
        let to = place(own)?;
        if to.starts_with(&from) || from.starts_with(&to) {
            return Err(EngineError::usage(
                format!("{path} and the upload {} lie in one another", upload.text()),
                "name what is to be pushed, from outside of the inbox",
            ));
        }
    }
    let runtime = engine.storage.runtime();
    let prefix = Arc::new(engine.storage.prefix(&url)?);
    let objects: Vec<ListedObject> = runtime.block_on(tagged(&prefix))?;
    let name = url.file_name();
    if objects.is_empty() {
        let missing = || EngineError::from(firn_model::source::SourceError::NotFound { at: url.at() });
        let folder = url.parent().ok_or_else(missing)?;
        let from = Arc::new(engine.storage.prefix(&folder)?);
        let version = runtime.block_on(from.head(&name))?.ok_or_else(missing)?;
        return Ok(vec![Item { from, key: name.clone(), to_key: name, version }]);
    }
    let is_store =
        find_stores(objects.iter().map(|object| object.key.as_str())).iter().any(|store| store.key.is_empty());
    let to_key = |key: &str| if is_store && !name.is_empty() { format!("{name}/{key}") } else { key.to_owned() };
    let item = |object: ListedObject| Item {
        from: Arc::clone(&prefix),
        to_key: to_key(&object.key),
        key: object.key,
        version: object.version,
    };
    Ok(objects.into_iter().map(item).collect())
}
