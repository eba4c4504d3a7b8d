//! From a checked upload to a published version: claim, data, documents, roots, name.

use super::checked::{Checked, published_key, sole_store};
use super::hash::tagged;
use super::place::Upload;
use super::transfer::{Proof, Transfer, Way, ended};
use crate::error::EngineError;
use crate::journal::{Claim, Journal, RunRecord};
use crate::lease::RunLease;
use crate::managed::{self, Version};
use crate::progress::Unit;
use crate::settings::Engine;
use crate::target::ledger::{LEDGER_KEY, Ledger, LedgerEntry};
use crate::verify::StoreView;
use bytes::Bytes;
use firn_formats::zarr::{consolidated_v2, consolidated_v3};
use firn_model::array::ChunkManifest;
use firn_model::array::chunk_grid::{indices_of, product};
use firn_model::source::SourceError;
use firn_model::upload::{Rank, StoreFormat, StoreRoot, UploadError, UploadManifest, find_stores, is_record, rank};
use firn_storage::{ObjectUrl, Precondition, Prefix, StorageError};
use std::collections::BTreeMap;

/// The only version that a promotion makes: what exists is never added to.
const VERSION: &str = "v1";
/// What was promoted, beside what it became.
pub const PROMOTION_KEY: &str = ".firn/promotion.json";
/// Objects that are recorded together.
const SEGMENT: usize = 256;
/// Chunks of one store that are looked at for its ledger.
const MOST_CHUNKS: u64 = 1 << 24;

/// What was promoted.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Promotion {
    /// `firn/promotion/1`.
    pub schema: String,
    /// The upload, as the address of the inbox that it lay in.
    pub upload: String,
    /// What the upload was: BLAKE3 of keys, sizes and digests.
    pub digest: String,
    /// When it was sealed, RFC 3339.
    pub sealed: String,
    /// Objects that were published.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whether entity tags were taken for proof that bytes are what was sealed.
    pub trust_etag: bool,
    /// The stores.
    pub stores: Vec<PromotedStore>,
    /// Objects that belong to no store.
    pub files: u64,
    /// Their bytes.
    pub file_bytes: u64,
}

/// A store that was published.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct PromotedStore {
    /// Its key in the upload.
    pub key: String,
    /// Its key in the version; empty where the version is the store.
    pub published_as: String,
    /// Its format.
    pub format: StoreFormat,
    /// Whether its consolidated metadata were derived, because it had none.
    pub derived_consolidated: bool,
    /// Chunks that are not there and read as fill values.
    pub absent: u64,
    /// Its licence, where its attributes say one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub license: Option<String>,
}

/// Where an upload goes.
pub struct Destination {
    /// The managed dataset.
    pub dataset: Prefix,
    /// Its version.
    pub version: Prefix,
    /// This promotion.
    pub run: String,
    sources: String,
    journal: Journal,
}

/// How far a promotion is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Nothing is there.
    Free,
    /// This promotion was begun.
    Begun,
    /// One of the same upload in another state was begun, by this run, and did not end.
    Stale(String),
    /// This promotion is done.
    Done,
}

impl Destination {
    /// Where the upload of this digest goes.
    ///
    /// # Errors
    /// As [`Engine::target_prefix`].
    pub fn new(
        engine: &Engine,
        url: &ObjectUrl,
        upload: &Upload,
        digest: &str,
        objects: u64,
    ) -> Result<Self, EngineError> {
        let dataset = engine.target_prefix(url)?;
        let version = engine.target_prefix(&url.child(VERSION)?)?;
        let from = engine.storage.prefix(&upload.url)?.identity();
        let run = blake3::hash(format!("promote\n{from}\n{digest}\n{}\n", dataset.identity()).as_bytes())
            .to_hex()
            .to_string();
        let sources = blake3::hash(format!("upload\n{from}\n").as_bytes()).to_hex().to_string();
        let journal = Journal::new(version.clone(), RunRecord::new(&run, &sources, objects));
        Ok(Self { dataset, version, run, sources, journal })
    }

    /// The address of the version.
    pub fn url(&self) -> &ObjectUrl {
        self.version.url()
    }

    /// Whether anything is there, and whose it is.
    ///
    /// # Errors
    /// [`EngineError::TargetExists`], [`EngineError::TargetNotEmpty`] where it is not this promotion's.
    pub async fn state(&self) -> Result<State, EngineError> {
        let named = managed::read(&self.dataset).await?.map(|(dataset, _)| dataset);
        if named.is_some_and(|dataset| dataset.versions.iter().any(|version| version.run != self.run)) {
            return Err(EngineError::TargetExists { at: self.dataset.url().at() });
        }
        match Journal::holder(&self.version).await? {
            Some(record) if record.run == self.run => {
                return Ok(if record.finished { State::Done } else { State::Begun });
            }
            Some(record) if record.finished => return Err(EngineError::TargetExists { at: self.dataset.url().at() }),
            Some(record) if record.sources == self.sources => return Ok(State::Stale(record.run)),
            Some(_) => return Err(self.not_empty("another promotion or run that is not finished")),
            None => {}
        }
        let level = self.dataset.list_shallow("").await?;
        let names = level.objects.iter().map(|object| &object.key).chain(&level.prefixes);
        for name in names.filter(|name| !managed::is_own(name)) {
            if name != VERSION {
                return Err(self.not_empty(&format!("{name:?}, which no promotion wrote")));
            }
            let inner = self.version.list_shallow("").await?;
            let foreign = inner
                .objects
                .iter()
                .map(|object| &object.key)
                .chain(&inner.prefixes)
                .find(|name| !managed::is_own(name));
            if let Some(foreign) = foreign {
                return Err(self.not_empty(&format!("\"{VERSION}/{foreign}\", which no promotion wrote")));
            }
        }
        Ok(State::Free)
    }

    fn not_empty(&self, what: &str) -> EngineError {
        EngineError::TargetNotEmpty {
            at: self.dataset.url().at(),
            what: format!("it holds {what}"),
            next: "choose another path: --to LOCATION/PATH".to_owned(),
        }
    }

    /// Claims the version and takes the lease of this promotion. `None` where it is done.
    ///
    /// # Errors
    /// [`EngineError::TargetBusy`] where another process does the same; as [`Destination::state`].
    pub fn enter(&self, engine: &Engine) -> Result<Option<RunLease>, EngineError> {
        let runtime = engine.storage.runtime();
        match runtime.block_on(self.journal.claim())? {
            Claim::Finished => return Ok(None),
            Claim::Other(record) if record.finished => {
                return Err(EngineError::TargetExists { at: self.dataset.url().at() });
            }
            Claim::Other(_) => {
                let what = "another promotion claimed it first".to_owned();
                return Err(EngineError::TargetBusy { at: self.dataset.url().at(), what });
            }
            Claim::Ours => {}
        }
        let lease = RunLease::take(engine, &self.version, &self.run, None)?;
        match runtime.block_on(Journal::holder(&self.version))? {
            Some(record) if record.run == self.run && record.finished => return Ok(None),
            Some(record) if record.run == self.run => {}
            _ => {
                let what = "it gave up this promotion at this very moment".to_owned();
                return Err(EngineError::TargetBusy { at: self.dataset.url().at(), what });
            }
        }
        if lease.continues() {
            runtime.block_on(self.version.sweep(usize::MAX))?;
        }
        Ok(Some(lease))
    }

    /// Whether every object of an upload that was published here is still here, as far as a listing tells.
    ///
    /// # Errors
    /// [`UploadError::CopyLost`]; what the storage says.
    pub fn holds(&self, engine: &Engine, manifest: &UploadManifest) -> Result<(), EngineError> {
        let stores = find_stores(manifest.objects.keys().map(String::as_str));
        let sole = sole_store(&stores, manifest);
        let listed = engine.storage.runtime().block_on(self.version.list(""))?;
        let there: BTreeMap<&str, u64> = listed.iter().map(|o| (o.key.as_str(), o.version.size)).collect();
        for (key, object) in manifest.objects.iter().filter(|(key, _)| !is_record(key)) {
            let to_key = published_key(sole.as_ref(), key);
            // Roots may have got consolidated metadata.
            let is_root = rank(&stores, key) == Rank::Root;
            let what = match there.get(to_key) {
                None => "is not there any more".to_owned(),
                Some(size) if *size != object.size && !is_root => {
                    format!("had {} bytes and has {size}", object.size)
                }
                Some(_) => continue,
            };
            return Err(UploadError::CopyLost { at: self.version.url().child(to_key)?.at(), what }.into());
        }
        Ok(())
    }

    /// Ends the promotion, whose version is published and named.
    ///
    /// # Errors
    /// What the storage says.
    pub fn finish(&self, engine: &Engine, lease: RunLease) -> Result<(), EngineError> {
        let runtime = engine.storage.runtime();
        drop(lease);
        runtime.block_on(self.journal.finish())?;
        self.clear(engine)
    }

    /// Removes what a finished promotion needs no more.
    ///
    /// # Errors
    /// What the storage says.
    pub fn clear(&self, engine: &Engine) -> Result<(), EngineError> {
        engine.storage.runtime().block_on(self.journal.remove())?;
        Ok(())
    }

    /// What was promoted here, where something was.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn promotion(version: &Prefix) -> Result<Option<Promotion>, EngineError> {
        let Some(object) = version.get(PROMOTION_KEY).await? else { return Ok(None) };
        serde_json::from_slice(&object.bytes).map(Some).map_err(|error| EngineError::JournalDamaged {
            at: version.url().at().node(PROMOTION_KEY),
            what: format!("cannot be read: {error}"),
        })
    }
}

/// Publishes a checked upload.
pub struct Publication<'a> {
    /// Settings and storage.
    pub engine: &'a Engine,
    /// Where it comes from.
    pub upload: &'a Upload,
    /// What it is.
    pub checked: &'a Checked,
    /// Its stores, opened, in the order of [`Checked::stores`].
    pub views: &'a [StoreView],
    /// Where it goes.
    pub to: &'a Destination,
    /// The right to write there.
    pub lease: &'a RunLease,
    /// Whether entity tags are proof enough.
    pub trust_etag: bool,
}

/// An object that was published, as its destination told.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Published {
    key: String,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    etag: Option<String>,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Segment {
    schema: String,
    objects: Vec<Published>,
}

impl Publication<'_> {
    /// Copies data, then documents, then roots; and names the version.
    ///
    /// # Errors
    /// [`UploadError::ObjectChanged`] where bytes are not what was sealed; what the storage says.
    pub fn publish(&self) -> Result<Promotion, EngineError> {
        let promotion = self.copy_all()?;
        self.lease.confirm()?;
        let runtime = self.engine.storage.runtime();
        let version = Version {
            version: VERSION.to_owned(),
            run: self.to.run.clone(),
            published: crate::clock::now(),
            snapshot: None,
            source_files: promotion.objects,
            limit: None,
            in_place: false,
        };
        runtime.block_on(managed::publish_version(&self.to.dataset, None, self.format(), version))?;
        Ok(promotion)
    }

    /// How the dataset is called in `firn.json`: the format of its store, where it is one.
    fn format(&self) -> &'static str {
        match self.checked.sole.as_ref().map(|store| store.format) {
            Some(StoreFormat::Zarr3) => "zarr3",
            Some(StoreFormat::Zarr2) => "zarr2",
            None => "files",
        }
    }

    fn copy_all(&self) -> Result<Promotion, EngineError> {
        let runtime = self.engine.storage.runtime();
        let checked = self.checked;
        let from_local = self.engine.storage.physical(checked.data.url())?.local_path().is_some();
        let transfer = Transfer::new(self.engine, from_local, self.to.version.clone(), None)?;
        let total = checked.manifest.bytes();
        let progress = self.engine.progress.task("publish", Some(total), Unit::Bytes);
        let done = runtime.block_on(self.published_before())?;
        let mut published = done.clone();
        // Roots are written below, last.
        for wanted in [Rank::Data, Rank::Metadata] {
            let open: Vec<&str> = checked.of_rank(wanted).into_iter().filter(|key| !done.contains_key(*key)).collect();
            for part in open.chunks(SEGMENT) {
                self.engine.cancel.check()?;
                self.lease.check()?;
                let arrived = runtime.block_on(self.copy_part(&transfer, part, &progress))?;
                published.extend(arrived.into_iter().map(|object| (object.key.clone(), object)));
            }
        }
        runtime.block_on(self.check_published(&published))?;
        let mut stores = Vec::new();
        let mut roots = Vec::new();
        for (store, view) in checked.stores.iter().zip(self.views) {
            let (promoted, documents) = runtime.block_on(self.prepare_store(store, view))?;
            stores.push(promoted);
            roots.extend(documents);
        }
        let files: Vec<&str> = checked
            .of_rank(Rank::Data)
            .into_iter()
            .filter(|key| firn_model::upload::store_of(&checked.stores, key).is_none())
            .collect();
        let keys = [Rank::Data, Rank::Metadata, Rank::Root].into_iter().flat_map(|rank| checked.of_rank(rank));
        let size = |key: &str| checked.manifest.objects.get(key).map_or(0, |object| object.size);
        let (objects, bytes) = keys.fold((0, 0), |(n, sum), key| (n + 1, sum + size(key)));
        let promotion = Promotion {
            schema: "firn/promotion/1".to_owned(),
            upload: self.engine.storage.physical(&self.upload.url)?.to_string(),
            digest: checked.seal.digest.clone(),
            sealed: checked.seal.sealed.clone(),
            objects,
            bytes,
            trust_etag: self.trust_etag,
            stores,
            files: files.len() as u64,
            file_bytes: files.iter().map(|key| size(key)).sum(),
        };
        let text = serde_json::to_vec_pretty(&promotion).map_err(|error| EngineError::bug(error.to_string()))?;
        runtime.block_on(self.to.version.put(PROMOTION_KEY, Bytes::from(text), Precondition::None))?;
        self.engine.cancel.check()?;
        self.lease.confirm()?;
        for (key, document) in roots {
            runtime.block_on(self.put_root(&key, document))?;
        }
        Ok(promotion)
    }

    async fn copy_one(
        &self,
        transfer: &Transfer,
        key: &str,
        progress: &crate::progress::TaskProgress,
    ) -> Result<Published, EngineError> {
        self.engine.cancel.check()?;
        let proof = if self.trust_etag { Proof::Tag } else { Proof::Digest };
        let (sealed, version) = (self.sealed(key)?, self.version(key)?);
        let to_key = self.checked.published_key(key);
        let moved = transfer
            .copy(&self.checked.data, key, to_key, version, Way { parts: sealed.part_size, ..proof.into() })
            .await
            .map_err(|error| self.changed(key, error))?;
        if moved.blake3.is_some_and(|blake3| blake3 != sealed.blake3) {
            return Err(UploadError::ObjectChanged { at: self.upload.at().node(key) }.into());
        }
        progress.advance(sealed.size);
        Ok(Published { key: key.to_owned(), size: sealed.size, etag: moved.etag })
    }

    async fn copy_part(
        &self,
        transfer: &Transfer,
        keys: &[&str],
        progress: &crate::progress::TaskProgress,
    ) -> Result<Vec<Published>, EngineError> {
        let arrived = ended(transfer.at_once, keys.iter().map(|key| self.copy_one(transfer, key, progress))).await?;
        transfer
            .settle(arrived.iter().map(|object| self.checked.published_key(&object.key).to_owned()).collect())
            .await?;
        let name = arrived.iter().map(|object| object.key.as_str()).min().unwrap_or_default();
        let name = &blake3::hash(name.as_bytes()).to_hex()[..16];
        let segment = Segment { schema: "firn/promoted/1".to_owned(), objects: arrived.clone() };
        let text = serde_json::to_vec(&segment).map_err(|error| EngineError::bug(error.to_string()))?;
        self.to.version.put(&format!("{}/{name}.json", self.segments()), Bytes::from(text), Precondition::None).await?;
        Ok(arrived)
    }

    fn segments(&self) -> String {
        format!(".firn/runs/{}/tasks", self.to.run)
    }

    /// What an earlier process of this promotion copied.
    async fn published_before(&self) -> Result<BTreeMap<String, Published>, EngineError> {
        let mut found = BTreeMap::new();
        for object in self.to.version.list(&self.segments()).await? {
            let Some(segment) = self.to.version.get(&object.key).await? else { continue };
            let segment: Segment =
                serde_json::from_slice(&segment.bytes).map_err(|error| EngineError::JournalDamaged {
                    at: self.to.version.url().at().node(object.key.clone()),
                    what: format!("cannot be read: {error}"),
                })?;
            found.extend(segment.objects.into_iter().map(|object| (object.key.clone(), object)));
        }
        Ok(found)
    }

    /// What lies at the destination is what was written there.
    async fn check_published(&self, published: &BTreeMap<String, Published>) -> Result<(), EngineError> {
        let there: BTreeMap<String, _> =
            tagged(&self.to.version).await?.into_iter().map(|o| (o.key, o.version)).collect();
        for (key, object) in published {
            let to_key = self.checked.published_key(key);
            let at = self.to.version.url().child(to_key)?.at();
            let what = match there.get(to_key) {
                None => "it was written and is not there".to_owned(),
                Some(seen) if seen.size != object.size => {
                    format!("{} bytes were written, and it has {}", object.size, seen.size)
                }
                Some(seen) if object.etag.is_some() && seen.etag != object.etag => {
                    "something else was written there meanwhile".to_owned()
                }
                Some(_) => continue,
            };
            return Err(SourceError::NotAsWritten { at, what }.into());
        }
        Ok(())
    }

    /// Everything of a store but its root: its ledger, and for v2 nothing else. Gives the documents of its root, in the order in
    /// which they are written.
    async fn prepare_store(
        &self,
        store: &StoreRoot,
        view: &StoreView,
    ) -> Result<(PromotedStore, Vec<(String, Bytes)>), EngineError> {
        let published_as = if self.checked.sole.is_some() { String::new() } else { store.key.clone() };
        let (ledger, absent) = self.ledger(store, view)?;
        if let Some(ledger) = ledger {
            let key = join(&published_as, LEDGER_KEY);
            self.to.version.put(&key, Bytes::from(ledger.to_text()), Precondition::None).await?;
        }
        let mut roots = BTreeMap::new();
        let mut nodes = Vec::new();
        for (key, inner) in self.checked.of_store(store) {
            let rank = rank(&self.checked.stores, key);
            if rank == Rank::Data {
                continue;
            }
            let bytes = self.document(key).await?;
            if rank == Rank::Root {
                roots.insert(inner.to_owned(), bytes.clone());
            }
            nodes.push((inner.to_owned(), bytes.to_vec()));
        }
        nodes.sort();
        let at = self.upload.at().node(store.key.clone());
        let mut derived = false;
        if store.format == StoreFormat::Zarr3 {
            let root = roots.get("zarr.json").cloned().unwrap_or_default();
            let below =
                |(key, bytes): &(String, Vec<u8>)| Some((key.strip_suffix("/zarr.json")?.to_owned(), bytes.clone()));
            let nodes: Vec<_> = nodes.iter().filter_map(below).collect();
            if let Some(joined) = consolidated_v3(&root, &nodes, &at)? {
                roots.insert("zarr.json".to_owned(), Bytes::from(joined));
                derived = true;
            }
        } else if !store.has_zmetadata {
            let is_v2 = |key: &str| !key.ends_with("zarr.json");
            let nodes: Vec<_> = nodes.into_iter().filter(|(key, _)| is_v2(key)).collect();
            roots.insert(".zmetadata".to_owned(), Bytes::from(consolidated_v2(&nodes, &at)?));
            derived = true;
        }
        // `.zmetadata` and `zarr.json` are what readers look for first, so they come last.
        let mut documents: Vec<(String, Bytes)> = roots.into_iter().collect();
        documents.sort_by_key(|(key, _)| (key == "zarr.json", key == ".zmetadata"));
        let documents = documents.into_iter().map(|(key, bytes)| (join(&published_as, &key), bytes)).collect();
        let license = super::license_of(view);
        let promoted = PromotedStore {
            key: store.key.clone(),
            published_as,
            format: store.format,
            derived_consolidated: derived,
            absent,
            license,
        };
        Ok((promoted, documents))
    }

    /// A document, if its bytes are those that were sealed.
    async fn document(&self, key: &str) -> Result<Bytes, EngineError> {
        let at = || self.upload.at().node(key);
        let sealed = self.sealed(key)?;
        let object = self.checked.data.get(key).await?;
        let object = object.ok_or_else(|| UploadError::ObjectMissing { at: at(), size: sealed.size })?;
        if blake3::hash(&object.bytes).to_hex().to_string() != sealed.blake3 {
            return Err(UploadError::ObjectChanged { at: at() }.into());
        }
        Ok(object.bytes)
    }

    /// What each chunk of a store is: stored, or not there and so the fill value. `None` where it has too many to look at.
    fn ledger(&self, store: &StoreRoot, view: &StoreView) -> Result<(Option<Ledger>, u64), EngineError> {
        let mut ledger = Ledger::default();
        for (key, inner) in self.checked.of_store(store) {
            if rank(&self.checked.stores, key) != Rank::Data {
                continue;
            }
            let object = self.sealed(key)?;
            ledger.entries.insert(
                inner.to_owned(),
                LedgerEntry::Stored { length: object.size, blake3: Some(object.blake3.clone()) },
            );
        }
        let (mut chunks, mut absent) = (0u64, 0u64);
        for (_, array) in view.dataset.arrays() {
            let ChunkManifest::Keyed(keyed) = &array.manifest else { continue };
            let grid = array.metadata.chunk_grid.grid_shape(&array.metadata.shape);
            chunks = chunks.saturating_add(product(&grid).unwrap_or(u64::MAX));
            if chunks > MOST_CHUNKS {
                return Ok((None, 0));
            }
            for indices in indices_of(&grid) {
                ledger.entries.entry(keyed.key(&indices)).or_insert_with(|| {
                    absent += 1;
                    LedgerEntry::KnownEmpty
                });
            }
        }
        Ok((Some(ledger), absent))
    }

    /// A document of a root: never over another one.
    async fn put_root(&self, key: &str, document: Bytes) -> Result<(), EngineError> {
        match self.to.version.put(key, document.clone(), Precondition::Create).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_conflict() => match self.to.version.get(key).await? {
                // An earlier process of this promotion was stopped right after it.
                Some(found) if found.bytes == document => Ok(()),
                _ => Err(EngineError::TargetExists { at: self.to.version.url().at().node(key) }),
            },
            Err(error) => Err(error.into()),
        }
    }

    fn sealed(&self, key: &str) -> Result<&firn_model::upload::UploadObject, EngineError> {
        self.checked.manifest.objects.get(key).ok_or_else(|| EngineError::bug(format!("{key} is not in the manifest")))
    }

    fn version(&self, key: &str) -> Result<&firn_model::source::SourceVersion, EngineError> {
        self.checked.versions.get(key).ok_or_else(|| EngineError::bug(format!("{key} was not listed")))
    }

    /// An original that is another one now, in the words of uploads.
    fn changed(&self, key: &str, error: EngineError) -> EngineError {
        match error {
            EngineError::Source(SourceError::Changed { .. } | SourceError::NotFound { .. })
            | EngineError::Storage(StorageError::Source(SourceError::Changed { .. } | SourceError::NotFound { .. })) => {
                UploadError::ObjectChanged { at: self.upload.at().node(key) }.into()
            }
            other => other,
        }
    }
}

fn join(base: &str, key: &str) -> String {
    if base.is_empty() { key.to_owned() } else { format!("{base}/{key}") }
}
