//! Chunks written into the repository's own chunk storage, and how a journal remembers them.

use super::IcechunkError;
use super::storage::CHUNKS;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use firn_model::array::ChunkIndices;
use firn_model::dataset::NodePath;
use firn_model::diagnose::At;
use icechunk::asset_manager::AssetManager;
use icechunk::format::ChunkId;
use icechunk::format::manifest::ChunkRef;
use std::sync::Arc;

/// Chunks up to this many bytes lie in the manifest itself: a request for them would cost more than they weigh.
const INLINE_BYTES: usize = 512;

/// Where the bytes of one written chunk are. Plain data without credentials: it goes into a run's journal, and a
/// later process sets it again without writing the bytes again.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChunkPayload {
    /// In the manifest.
    Inline(#[serde(with = "base64_bytes")] Bytes),
    /// In an object of the repository.
    Native {
        /// Name of the object below `chunks/`.
        id: String,
        /// Its length in bytes.
        length: u64,
    },
}

impl ChunkPayload {
    /// Key of the object that holds it, below the repository; `None` where the manifest does.
    pub fn object_key(&self) -> Option<String> {
        match self {
            Self::Inline(_) => None,
            Self::Native { id, .. } => Some(format!("{CHUNKS}{id}")),
        }
    }

    pub(super) fn to_icechunk(&self, at: &At) -> Result<icechunk::format::manifest::ChunkPayload, IcechunkError> {
        use icechunk::format::manifest::ChunkPayload as Stored;
        let payload = match self {
            Self::Inline(bytes) => Stored::Inline(bytes.clone()),
            Self::Native { id, length } => {
                let id = ChunkId::try_from(id.as_str()).map_err(|_| IcechunkError::Damaged {
                    at: at.clone(),
                    what: format!("{id:?} is not the name of a chunk object"),
                })?;
                Stored::Ref(ChunkRef { id, offset: 0, length: *length })
            }
        };
        if payload.length() == 0 {
            return Err(IcechunkError::EmptyChunk { at: at.clone() });
        }
        Ok(payload)
    }
}

/// Writes encoded chunks into a repository's chunk storage, from any number of tasks at once. What it writes is not part
/// of any snapshot until its payload is set and committed.
#[derive(Debug, Clone)]
pub struct ChunkWriter {
    pub(super) at: At,
    pub(super) run: String,
    pub(super) assets: Arc<AssetManager>,
}

impl ChunkWriter {
    /// Writes the encoded bytes of one chunk and says where they are.
    ///
    /// The name of the object follows from run, array, position and bytes: a task that is done again after a crash
    /// writes the same object again and leaves nothing behind. On a file system it is safe from the loss of power only after
    /// [`firn_storage::Prefix::make_durable`] of [`ChunkPayload::object_key`].
    ///
    /// # Errors
    /// [`IcechunkError::EmptyChunk`], or what the storage says.
    pub async fn write(
        &self,
        array: &NodePath,
        indices: &ChunkIndices,
        bytes: Bytes,
    ) -> Result<ChunkPayload, IcechunkError> {
        let at = self.at.node(array.as_str()).index(indices.0.clone());
        if bytes.is_empty() {
            return Err(IcechunkError::EmptyChunk { at });
        }
        if bytes.len() <= INLINE_BYTES {
            return Ok(ChunkPayload::Inline(bytes));
        }
        let length = bytes.len() as u64;
        let id = chunk_id(&self.run, array, indices, &bytes);
        let coordinates: Vec<u32> = indices.0.iter().map(|index| *index as u32).collect();
        self.assets
            .write_chunk(array.as_str(), &coordinates, id.clone(), bytes)
            .await
            .map_err(|error| IcechunkError::from_repository(&at, error))?;
        Ok(ChunkPayload::Native { id: id.to_string(), length })
    }
}

fn chunk_id(run: &str, array: &NodePath, indices: &ChunkIndices, bytes: &[u8]) -> ChunkId {
    let mut hasher = blake3::Hasher::new_derive_key("firn icechunk chunk id 1");
    for part in [run.as_bytes(), array.as_str().as_bytes()] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    for index in &indices.0 {
        hasher.update(&index.to_le_bytes());
    }
    hasher.update(blake3::hash(bytes).as_bytes());
    let mut id = [0u8; 12];
    hasher.finalize_xof().fill(&mut id);
    ChunkId::new(id)
}

mod base64_bytes {
    use super::{Bytes, Engine, STANDARD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Bytes::from).map_err(D::Error::custom)
    }
}
