//! Lost answers and writers at the same moment.

use super::*;
use icechunk::Storage;
use icechunk::storage::{
    DeleteObjectsResult, GetModifiedResult, ListInfo, StorageContext, StorageError, StorageErrorKind, StorageInfo,
    StorageResult, VersionInfo as ObjectVersion, VersionedUpdateResult,
};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Storage that does what it is told and, once, loses the answer to a conditional write of a key.
#[derive(Debug)]
struct LosesAnswer {
    inner: Arc<dyn Storage + Send + Sync>,
    key: &'static str,
    armed: Arc<AtomicBool>,
    /// Whether the write takes place before its answer is lost.
    happens: bool,
}

impl std::fmt::Display for LosesAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl serde::Serialize for LosesAnswer {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("no"))
    }
}

impl<'de> serde::Deserialize<'de> for LosesAnswer {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("no"))
    }
}

impl icechunk_storage::sealed::Sealed for LosesAnswer {}

#[async_trait::async_trait]
#[typetag::serde(name = "firn_loses_answer")]
impl Storage for LosesAnswer {
    fn storage_info(&self) -> StorageInfo {
        self.inner.storage_info()
    }

    async fn can_write(&self) -> StorageResult<bool> {
        self.inner.can_write().await
    }

    async fn get_object_range(
        &self,
        context: &StorageContext<'_>,
        path: &str,
        range: Option<&Range<u64>>,
    ) -> StorageResult<(Pin<Box<dyn futures::Stream<Item = Result<Bytes, StorageError>> + Send>>, ObjectVersion)> {
        self.inner.get_object_range(context, path, range).await
    }

    async fn put_object(
        &self,
        context: &StorageContext<'_>,
        path: &str,
        bytes: Bytes,
        content_type: Option<&str>,
        metadata: Vec<(String, String)>,
        previous: Option<&ObjectVersion>,
    ) -> StorageResult<VersionedUpdateResult> {
        if path != self.key || !self.armed.swap(false, Ordering::SeqCst) {
            return self.inner.put_object(context, path, bytes, content_type, metadata, previous).await;
        }
        if self.happens {
            self.inner.put_object(context, path, bytes, content_type, metadata, previous).await?;
        }
        Err(StorageError::capture(StorageErrorKind::Other("the connection was closed".to_owned())))
    }

    async fn copy_object(
        &self,
        context: &StorageContext<'_>,
        from: &str,
        to: &str,
        content_type: Option<&str>,
        version: &ObjectVersion,
    ) -> StorageResult<VersionedUpdateResult> {
        self.inner.copy_object(context, from, to, content_type, version).await
    }

    async fn list_objects<'a>(
        &'a self,
        context: &StorageContext<'_>,
        prefix: &str,
    ) -> StorageResult<futures::stream::BoxStream<'a, StorageResult<ListInfo<String>>>> {
        self.inner.list_objects(context, prefix).await
    }

    async fn delete_batch(
        &self,
        context: &StorageContext<'_>,
        prefix: &str,
        batch: Vec<(String, u64)>,
    ) -> StorageResult<DeleteObjectsResult> {
        self.inner.delete_batch(context, prefix, batch).await
    }

    async fn get_object_last_modified(
        &self,
        context: &StorageContext<'_>,
        path: &str,
    ) -> StorageResult<chrono::DateTime<chrono::Utc>> {
        self.inner.get_object_last_modified(context, path).await
    }

    async fn get_object_conditional(
        &self,
        context: &StorageContext<'_>,
        path: &str,
        previous: Option<&ObjectVersion>,
    ) -> StorageResult<GetModifiedResult> {
        self.inner.get_object_conditional(context, path, previous).await
    }
}

/// The object that names the tip of `main`.
fn main_key(spec: SpecVersion) -> &'static str {
    match spec {
        SpecVersion::V1 => "refs/branch.main/ref.json",
        SpecVersion::V2 => "repo",
    }
}

async fn committed(root: &Path, spec: SpecVersion, happens: bool) -> (IcechunkTarget, Arc<AtomicBool>) {
    let armed = Arc::new(AtomicBool::new(false));
    let plain = local(root);
    let inner = Arc::clone(&plain.storage);
    let losing = LosesAnswer { inner, key: main_key(spec), armed: Arc::clone(&armed), happens };
    let storage = RepositoryStorage { storage: Arc::new(losing), ..plain };
    let mut target = IcechunkTarget::create_or_resume(storage, options("r1", spec)).await.unwrap();
    let written = write_b(&target, 1).await;
    fill(&mut target, written).await;
    target.commit_run("m", &BTreeMap::new()).await.unwrap();
    (target, armed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_to_a_swap_that_took_place_is_a_success() {
    for spec in SPECS {
        let dir = tempfile::tempdir().unwrap();
        let (mut target, armed) = committed(dir.path(), spec, true).await;
        armed.store(true, Ordering::SeqCst);
        assert!(matches!(target.publish().await.unwrap(), Published::Now { .. }));
        assert!(!armed.load(Ordering::SeqCst));
        assert_eq!(history(dir.path()).await, ["m", "Repository initialized"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_to_a_swap_that_did_not_take_place_is_an_error_and_the_next_try_publishes() {
    for spec in SPECS {
        let dir = tempfile::tempdir().unwrap();
        let (mut target, armed) = committed(dir.path(), spec, false).await;
        armed.store(true, Ordering::SeqCst);
        assert_eq!(target.publish().await.unwrap_err().code(), "icechunk-failed");
        assert_eq!(history(dir.path()).await, ["Repository initialized"]);
        target.publish().await.unwrap();
        assert_eq!(history(dir.path()).await, ["m", "Repository initialized"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_runs_that_publish_at_once_exactly_one_wins() {
    for spec in SPECS {
        let dir = tempfile::tempdir().unwrap();
        let mut targets = Vec::new();
        for run in 0..6u8 {
            let mut target = begin(dir.path(), &format!("r{run}"), spec).await.unwrap();
            let written = write_b(&target, run).await;
            fill(&mut target, written).await;
            target.commit_run("m", &BTreeMap::new()).await.unwrap();
            targets.push(target);
        }
        let tasks: Vec<_> = targets
            .into_iter()
            .map(|mut target| tokio::spawn(async move { target.publish().await.map_err(|error| error.code()) }))
            .collect();
        let mut won = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(_) => won += 1,
                Err(code) => assert_eq!(code, "icechunk-main-moved"),
            }
        }
        assert_eq!(won, 1);
        assert_eq!(history(dir.path()).await.len(), 2);
    }
}
