//! What is recorded of an upload, beside it.
//!
//! Below `NAME.firn/`:
//!
//! | key | is |
//! |---|---|
//! | `leases/` | who pushes or seals |
//! | `pushes/<id>/push.json` | a push, and whether it ended |
//! | `pushes/<id>/sent/<n>.json` | objects that arrived, with digest, entity tag, and the version of their source |
//! | `manifest` | [`UploadManifest`]: what was sealed |
//! | `seal.json` | the seal, made by conditional create: nothing is accepted any more |

use super::place::Upload;
use crate::error::EngineError;
use crate::settings::Engine;
use bytes::Bytes;
use firn_model::source::SourceVersion;
use firn_model::upload::{UploadError, UploadManifest, UploadObject};
use firn_storage::{Precondition, Prefix};
use futures::{StreamExt, TryStreamExt};
use std::collections::BTreeMap;

const SEAL: &str = "seal.json";
const MANIFEST: &str = "manifest";
/// Where leases lie.
pub const LEASES: &str = "leases";
const PUSHES: &str = "pushes";
/// Requests under way at once.
const REQUESTS: usize = 32;

/// The seal of an upload.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Seal {
    /// `firn/seal/1`.
    pub schema: String,
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What the upload is, wherever it lies: BLAKE3 of keys, sizes and digests.
    pub digest: String,
    /// BLAKE3 of the manifest.
    pub manifest: String,
    /// When it was sealed, RFC 3339.
    pub sealed: String,
    /// The version of firn that did.
    pub firn_version: String,
}

/// A push.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PushRecord {
    /// `firn/push-record/1`.
    pub schema: String,
    /// What it puts into the upload: its first folders or files.
    pub into: Vec<String>,
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// When it was begun, RFC 3339.
    pub begun: String,
    /// Whether it ended.
    pub complete: bool,
}

/// An object that arrived.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Sent {
    /// Its key in the upload.
    pub key: String,
    /// What it is.
    #[serde(flatten)]
    pub object: UploadObject,
    /// The version of its source.
    pub source: SourceVersion,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Segment {
    schema: String,
    objects: Vec<Sent>,
}

/// The records of one upload.
#[derive(Clone)]
pub struct Records {
    prefix: Prefix,
}

impl Records {
    /// Of this upload, for reading.
    ///
    /// # Errors
    /// An address that leads nowhere.
    pub fn new(engine: &Engine, upload: &Upload) -> Result<Self, EngineError> {
        Ok(Self { prefix: engine.storage.prefix(&upload.records)? })
    }

    /// Of this upload, for writing too.
    ///
    /// # Errors
    /// As [`Engine::target_prefix`].
    pub fn writable(engine: &Engine, upload: &Upload) -> Result<Self, EngineError> {
        Ok(Self { prefix: engine.target_prefix(&upload.records)? })
    }

    /// Where they lie.
    pub fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// The seal, where there is one.
    ///
    /// # Errors
    /// What the storage says; a seal that is none.
    pub async fn seal(&self) -> Result<Option<Seal>, EngineError> {
        self.read(SEAL).await
    }

    /// The manifest that was sealed.
    ///
    /// # Errors
    /// [`UploadError::ManifestDamaged`] where it is not that one.
    pub async fn manifest(&self, seal: &Seal) -> Result<UploadManifest, EngineError> {
        let at = self.prefix.url().child(MANIFEST)?.at();
        let damaged = |what: &str| UploadError::ManifestDamaged { at: at.clone(), what: what.to_owned() };
        let object = self.prefix.get(MANIFEST).await?.ok_or_else(|| damaged("it is not there"))?;
        if blake3::hash(&object.bytes).to_hex().to_string() != seal.manifest {
            return Err(damaged("it is not the one that was sealed (its BLAKE3 differs)").into());
        }
        let text = std::str::from_utf8(&object.bytes).map_err(|_| damaged("it is not text"))?;
        let manifest = UploadManifest::parse(text, &at)?;
        if (manifest.objects.len() as u64, manifest.bytes()) != (seal.objects, seal.bytes) {
            return Err(damaged("it has other objects than the seal says").into());
        }
        if manifest.digest() != seal.digest {
            return Err(damaged("its digest is not the one that was sealed").into());
        }
        Ok(manifest)
    }

    /// Seals: the manifest, then the seal by conditional create.
    ///
    /// # Errors
    /// A conflict where it is sealed already; what the storage says.
    pub async fn put_seal(&self, manifest: &UploadManifest) -> Result<Seal, EngineError> {
        let text = manifest.to_text();
        let seal = Seal {
            schema: "firn/seal/1".to_owned(),
            objects: manifest.objects.len() as u64,
            bytes: manifest.bytes(),
            digest: manifest.digest(),
            manifest: blake3::hash(text.as_bytes()).to_hex().to_string(),
            sealed: crate::clock::now(),
            firn_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        self.prefix.put(MANIFEST, Bytes::from(text), Precondition::None).await?;
        self.prefix.put(SEAL, json(&seal)?, Precondition::Create).await?;
        Ok(seal)
    }

    /// Every push, by id.
    ///
    /// # Errors
    /// What the storage says; a record that is none.
    pub async fn pushes(&self) -> Result<BTreeMap<String, PushRecord>, EngineError> {
        let mut found = BTreeMap::new();
        for id in self.prefix.list_shallow(PUSHES).await?.prefixes {
            if let Some(record) = self.read(&format!("{PUSHES}/{id}/push.json")).await? {
                found.insert(id, record);
            }
        }
        Ok(found)
    }

    /// Records a push.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn put_push(&self, id: &str, record: &PushRecord) -> Result<(), EngineError> {
        self.prefix.put(&format!("{PUSHES}/{id}/push.json"), json(record)?, Precondition::None).await?;
        Ok(())
    }

    /// Everything that arrived by any push, what arrived last of each key; and the next number of a segment of this push.
    ///
    /// # Errors
    /// What the storage says; a segment that is none.
    pub async fn sent(&self, id: &str) -> Result<(BTreeMap<String, Sent>, u64), EngineError> {
        let mut listed = self.prefix.list(PUSHES).await?;
        listed.retain(|object| object.key.contains("/sent/"));
        let own = format!("{PUSHES}/{id}/sent/");
        let number = |key: &str| key.rsplit('/').next()?.strip_suffix(".json")?.parse::<u64>().ok();
        let next = listed.iter().filter(|object| object.key.starts_with(&own)).filter_map(|o| number(&o.key)).max();
        // What one push says of a key may be out of date by another one: the destination's tag decides, so all are kept apart.
        let segments: Vec<Option<Segment>> = futures::stream::iter(&listed)
            .map(|object| async move { self.read(&object.key).await })
            .buffered(REQUESTS)
            .try_collect()
            .await?;
        let mut sent = BTreeMap::new();
        for object in segments.into_iter().flatten().flat_map(|segment: Segment| segment.objects) {
            sent.insert(object.key.clone(), object);
        }
        Ok((sent, next.map_or(0, |next| next + 1)))
    }

    /// Records objects that arrived and are safe.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn put_sent(&self, id: &str, number: u64, objects: Vec<Sent>) -> Result<(), EngineError> {
        let segment = Segment { schema: "firn/sent/1".to_owned(), objects };
        let key = format!("{PUSHES}/{id}/sent/{number:08}.json");
        self.prefix.put(&key, json(&segment)?, Precondition::None).await?;
        Ok(())
    }

    /// Removes what a process that was killed was just recording. Only for the holder of the lease; not below [`LEASES`], where
    /// those write who do not hold it.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn sweep(&self) -> Result<(), EngineError> {
        self.prefix.sweep(0).await?;
        Ok(self.prefix.child(PUSHES)?.sweep(usize::MAX).await?)
    }

    /// Removes everything but the seal, then the seal.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn remove(&self) -> Result<(), EngineError> {
        let mut listed = self.prefix.list("").await?;
        listed.retain(|object| object.key != SEAL);
        for object in listed {
            self.prefix.delete(&object.key).await?;
        }
        self.prefix.delete(SEAL).await?;
        Ok(self.prefix.sweep(usize::MAX).await?)
    }

    async fn read<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<Option<T>, EngineError> {
        let Some(object) = self.prefix.get(key).await? else { return Ok(None) };
        let what = |error: serde_json::Error| UploadError::ManifestDamaged {
            at: self.prefix.url().at().node(key),
            what: format!("cannot be read: {error}"),
        };
        Ok(Some(serde_json::from_slice(&object.bytes).map_err(what)?))
    }
}

fn json(value: &impl serde::Serialize) -> Result<Bytes, EngineError> {
    serde_json::to_vec_pretty(value).map(Bytes::from).map_err(|error| EngineError::bug(error.to_string()))
}
