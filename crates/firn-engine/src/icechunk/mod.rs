//! Icechunk repositories, as a target and as a source. The only module that knows the icechunk library.
//!
//! A run never touches `main`: it writes chunks into the repository's chunk storage, records them on a branch of its own
//! (`run-<id>`), and moves `main` there in one compare-and-swap once the result is verified. Nothing of icechunk's own
//! session or fork formats is ever serialised: they carry the storage's credentials. What a run has written is told by
//! [`ChunkPayload`]s, which a journal keeps and a later process sets again.
//!
//! See <https://icechunk.io/en/latest/spec/> for what is stored.

mod container;
mod documents;
mod error;
mod payload;
mod publish;
mod reference;
mod repository;
mod source;
mod storage;
mod structure;
mod target;

pub use container::{S3Access, VirtualContainer, containers_for};
pub use error::IcechunkError;
pub use payload::{ChunkPayload, ChunkWriter};
pub use publish::Published;
pub use reference::check_address;
pub use source::{OpenedSnapshot, VersionName, open_named, open_snapshot, snapshot_of, still_holds};
pub use storage::RepositoryStorage;
pub use structure::{TargetNode, TargetStructure};
pub use target::{IcechunkTarget, RunOptions, RunState, VirtualChunk};

/// Version of Icechunk's specification that a repository is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub enum SpecVersion {
    /// Read by every icechunk library; the newest one for Python 3.11 reads nothing else.
    #[default]
    #[serde(rename = "1")]
    V1,
    /// Read by icechunk 2 and newer.
    #[serde(rename = "2")]
    V2,
}

impl std::fmt::Display for SpecVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::V1 => "1",
            Self::V2 => "2",
        })
    }
}

#[cfg(test)]
mod tests;
