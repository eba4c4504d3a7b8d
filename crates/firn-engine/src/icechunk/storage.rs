//! The storage of a repository: icechunk's `Storage` over firn's own [`Prefix`], so that there is one S3 client, one
//! retry policy and one way to credentials.
//!
//! `Prefix` writes whole objects or none, on a local folder too; it leaves a precondition to the storage only where the
//! storage was seen to decide it, and agrees with firn's other writers elsewhere; and it knows whether a write whose
//! answer was lost took place. icechunk's trait is sealed by convention only; should a later version close it, its own
//! clients take over here and nowhere else.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use firn_model::diagnose::At;
use firn_storage::{Precondition, Prefix, StorageError as Failure};
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use icechunk::Storage;
use icechunk::storage::{
    DeleteObjectsResult, GetModifiedResult, ICError, ListInfo, RepositoryCreation, StorageContext, StorageError,
    StorageErrorKind, StorageInfo, StorageResult, VersionInfo, VersionedUpdateResult,
};
use std::fmt;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

/// Objects deleted at once.
const DELETES_AT_ONCE: usize = 16;

/// Where the chunks of a repository are, below its prefix.
pub(super) const CHUNKS: &str = "chunks/";

/// Where a repository is kept.
#[derive(Debug, Clone)]
pub struct RepositoryStorage {
    pub(super) at: At,
    pub(super) url: String,
    pub(super) storage: Arc<dyn Storage + Send + Sync>,
}

impl RepositoryStorage {
    /// A repository below this prefix.
    pub fn new(prefix: Prefix) -> Self {
        let url = prefix.url().to_string();
        Self { at: prefix.url().at(), url, storage: Arc::new(PrefixStorage { prefix }) }
    }
}

struct PrefixStorage {
    prefix: Prefix,
}

impl PrefixStorage {
    /// What a failed conditional write means. icechunk asks again on a conflict, for ever where the storage refuses
    /// although nothing changed; so a conflict is only said where something did.
    async fn resolve(
        &self,
        path: &str,
        bytes: &Bytes,
        previous: &VersionInfo,
        failure: Failure,
    ) -> StorageResult<VersionedUpdateResult> {
        let found = self.prefix.get(path).await.map_err(storage_error)?;
        match found {
            Some(object) if object.bytes == *bytes => {
                Ok(VersionedUpdateResult::Updated { new_version: version(path, object.version.etag)? })
            }
            Some(object) if object.version.etag.as_ref() == previous.etag() => Err(storage_error(failure)),
            None if previous.is_create() => Err(storage_error(failure)),
            _ if failure.is_conflict() => Ok(VersionedUpdateResult::NotOnLatestVersion),
            _ => Err(storage_error(failure)),
        }
    }
}

impl fmt::Debug for PrefixStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrefixStorage({})", self.prefix.url())
    }
}

impl fmt::Display for PrefixStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// icechunk can serialise sessions with their storage and its credentials; firn never does, and this keeps it so.
impl serde::Serialize for PrefixStorage {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("storage is not serialised: it holds credentials"))
    }
}

impl<'de> serde::Deserialize<'de> for PrefixStorage {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("storage is not serialised: it holds credentials"))
    }
}

impl icechunk_storage::sealed::Sealed for PrefixStorage {}

#[async_trait::async_trait]
#[typetag::serde(name = "firn_prefix")]
impl Storage for PrefixStorage {
    fn storage_info(&self) -> StorageInfo {
        StorageInfo { backend_type: "firn", fields: vec![("url", self.prefix.url().to_string())] }
    }

    async fn can_write(&self) -> StorageResult<bool> {
        Ok(true)
    }

    async fn can_create_repository(&self) -> StorageResult<RepositoryCreation> {
        let url = self.prefix.url();
        let at_root = matches!(url.scheme(), "s3" | "gs" | "az") && url.parent().is_none();
        Ok(if at_root { RepositoryCreation::RefusedEmptyPrefix } else { RepositoryCreation::Allowed })
    }

    async fn get_object_range(
        &self,
        _: &StorageContext<'_>,
        path: &str,
        range: Option<&Range<u64>>,
    ) -> StorageResult<(Pin<Box<dyn futures::Stream<Item = Result<Bytes, StorageError>> + Send>>, VersionInfo)> {
        let (bytes, version) = match range {
            None => {
                let object = self.prefix.get(path).await.map_err(storage_error)?.ok_or_else(not_found)?;
                (object.bytes, version(path, object.version.etag)?)
            }
            Some(range) => {
                let bytes = self.prefix.get_range(path, range.clone()).await.map_err(storage_error)?;
                (bytes, VersionInfo::for_creation())
            }
        };
        Ok((futures::stream::iter([Ok(bytes)]).boxed(), version))
    }

    async fn put_object(
        &self,
        _: &StorageContext<'_>,
        path: &str,
        bytes: Bytes,
        _content_type: Option<&str>,
        _metadata: Vec<(String, String)>,
        previous: Option<&VersionInfo>,
    ) -> StorageResult<VersionedUpdateResult> {
        let when = match previous.map(VersionInfo::etag) {
            None => Precondition::None,
            Some(None) => Precondition::Create,
            Some(Some(etag)) => Precondition::IfMatch(etag.clone()),
        };
        if previous.is_none() && path.starts_with(CHUNKS) {
            // The run makes the chunks of a task durable together, before its journal says that they are.
            self.prefix.put_deferred(path, bytes).await.map_err(storage_error)?;
            return Ok(VersionedUpdateResult::Updated { new_version: VersionInfo::for_creation() });
        }
        match (self.prefix.put(path, bytes.clone(), when).await, previous) {
            // Nobody asks for the version of an object that is written without a condition.
            (Ok(_), None) => Ok(VersionedUpdateResult::Updated { new_version: VersionInfo::for_creation() }),
            (Ok(written), Some(_)) => Ok(VersionedUpdateResult::Updated { new_version: version(path, written.etag)? }),
            (Err(failure), None) => Err(storage_error(failure)),
            (Err(failure), Some(previous)) => self.resolve(path, &bytes, previous, failure).await,
        }
    }

    async fn copy_object(
        &self,
        _: &StorageContext<'_>,
        from: &str,
        to: &str,
        _content_type: Option<&str>,
        version: &VersionInfo,
    ) -> StorageResult<VersionedUpdateResult> {
        let object = self.prefix.get(from).await.map_err(storage_error)?.ok_or_else(not_found)?;
        if version.etag().is_some() && object.version.etag.as_ref() != version.etag() {
            return Ok(VersionedUpdateResult::NotOnLatestVersion);
        }
        self.prefix.put(to, object.bytes, Precondition::None).await.map_err(storage_error)?;
        Ok(VersionedUpdateResult::Updated { new_version: version.clone() })
    }

    async fn list_objects<'a>(
        &'a self,
        _: &StorageContext<'_>,
        prefix: &str,
    ) -> StorageResult<BoxStream<'a, StorageResult<ListInfo<String>>>> {
        let folder = prefix.trim_matches('/').to_owned();
        let listed = match self.prefix.list(&folder).await {
            Ok(listed) => listed,
            Err(failure) if failure.is_not_found() => Vec::new(),
            Err(failure) => return Err(storage_error(failure)),
        };
        let infos = listed.into_iter().map(move |object| {
            let id = object.key.strip_prefix(&folder).unwrap_or(&object.key).trim_start_matches('/').to_owned();
            let created_at = time(&object.key, object.version.last_modified)?;
            Ok(ListInfo { id, created_at, size_bytes: object.version.size })
        });
        Ok(futures::stream::iter(infos.collect::<Vec<_>>()).boxed())
    }

    async fn delete_batch(
        &self,
        _: &StorageContext<'_>,
        prefix: &str,
        batch: Vec<(String, u64)>,
    ) -> StorageResult<DeleteObjectsResult> {
        let sizes: Vec<u64> = futures::stream::iter(batch)
            .map(|(id, size)| async move {
                let key = format!("{}/{id}", prefix.trim_matches('/'));
                self.prefix.delete(&key).await.map(|()| size).map_err(storage_error)
            })
            .buffer_unordered(DELETES_AT_ONCE)
            .try_collect()
            .await?;
        Ok(DeleteObjectsResult { deleted_objects: sizes.len() as u64, deleted_bytes: sizes.iter().sum() })
    }

    async fn get_object_last_modified(&self, _: &StorageContext<'_>, path: &str) -> StorageResult<DateTime<Utc>> {
        let version = self.prefix.head(path).await.map_err(storage_error)?.ok_or_else(not_found)?;
        time(path, version.last_modified)
    }

    async fn get_object_conditional(
        &self,
        _: &StorageContext<'_>,
        path: &str,
        previous: Option<&VersionInfo>,
    ) -> StorageResult<GetModifiedResult> {
        let object = self.prefix.get(path).await.map_err(storage_error)?.ok_or_else(not_found)?;
        if let Some(etag) = previous.and_then(VersionInfo::etag)
            && object.version.etag.as_ref() == Some(etag)
        {
            return Ok(GetModifiedResult::OnLatestVersion);
        }
        let new_version = version(path, object.version.etag)?;
        Ok(GetModifiedResult::Modified { data: Box::pin(std::io::Cursor::new(object.bytes)), new_version })
    }
}

fn version(path: &str, etag: Option<String>) -> StorageResult<VersionInfo> {
    etag.map(VersionInfo::from_etag_only)
        .ok_or_else(|| ICError::capture(StorageErrorKind::Other(format!("the storage tells no entity tag of {path}"))))
}

fn time(path: &str, seconds: Option<i64>) -> StorageResult<DateTime<Utc>> {
    seconds
        .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
        .ok_or_else(|| ICError::capture(StorageErrorKind::Other(format!("the storage tells no date of {path}"))))
}

fn not_found() -> StorageError {
    ICError::capture(StorageErrorKind::ObjectNotFound)
}

fn storage_error(failure: Failure) -> StorageError {
    if failure.is_not_found() {
        return not_found();
    }
    ICError::capture(StorageErrorKind::ObjectStore(Box::new(failure)))
}
