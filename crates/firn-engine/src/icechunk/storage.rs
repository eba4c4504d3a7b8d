//! The storage of a repository.

use super::IcechunkError;
use firn_model::diagnose::At;
use icechunk::Storage;
use std::path::Path;
use std::sync::Arc;

/// Where a repository is kept.
#[derive(Debug, Clone)]
pub struct RepositoryStorage {
    pub(super) at: At,
    pub(super) url: String,
    pub(super) storage: Arc<dyn Storage + Send + Sync>,
}

impl RepositoryStorage {
    /// A folder of this machine.
    ///
    /// # Errors
    /// What the file system says.
    pub async fn local(root: &Path) -> Result<Self, IcechunkError> {
        let url = root.display().to_string();
        let at = At::url(&url);
        let storage = icechunk::new_local_filesystem_storage(root)
            .await
            .map_err(|error| IcechunkError::Storage { at: at.clone(), what: error.kind.to_string() })?;
        Ok(Self { at, url, storage })
    }
}
