//! Local files.

use crate::support::{runtime, storage};
use bytes::Bytes;
use firn_storage::{ObjectUrl, Precondition, StorageError};

#[test]
fn what_was_put_is_read_listed_and_deleted() {
    let (runtime, directory) = (runtime(), tempfile::tempdir().unwrap());
    let storage = storage(&runtime);
    let root = ObjectUrl::local(directory.path().join("root"));
    let prefix = storage.prefix(&root).unwrap();
    runtime.block_on(async {
        prefix.put("a/b.json", Bytes::from("{}"), Precondition::None).await.unwrap();
        prefix.put("a/c/d", Bytes::from("12345"), Precondition::Create).await.unwrap();
        let keys: Vec<String> = prefix.list("").await.unwrap().into_iter().map(|object| object.key).collect();
        assert_eq!(keys, ["a/b.json", "a/c/d"]);
        assert_eq!(prefix.get_range("a/c/d", 1..3).await.unwrap(), "23");
        assert_eq!(prefix.get("a/none").await.unwrap(), None);
    });
    let source = storage.source(&root).unwrap();
    let reader = source.object("a/c/d").unwrap().unwrap();
    assert_eq!(reader.size().unwrap(), 5);
    assert_eq!(reader.read(0..5).unwrap(), "12345");
    assert!(source.object("a").unwrap().is_none());
    runtime.block_on(async {
        prefix.delete("a/c/d").await.unwrap();
        prefix.delete("a/c/d").await.unwrap();
        assert_eq!(prefix.head("a/c/d").await.unwrap(), None);
    });
    assert!(!directory.path().join("root/a/c").exists());
}

#[test]
fn create_refuses_what_exists() {
    let (runtime, directory) = (runtime(), tempfile::tempdir().unwrap());
    let prefix = storage(&runtime).prefix(&ObjectUrl::local(directory.path())).unwrap();
    runtime.block_on(async {
        prefix.put("zarr.json", Bytes::from("one"), Precondition::Create).await.unwrap();
        let again = prefix.put("zarr.json", Bytes::from("two"), Precondition::Create).await;
        assert!(matches!(again, Err(StorageError::Conflict { .. })), "{again:?}");
        assert_eq!(prefix.get("zarr.json").await.unwrap().unwrap().bytes, "one");
        assert_eq!(prefix.list("").await.unwrap().len(), 1);
    });
}

#[test]
fn local_conforms() {
    let (runtime, directory) = (runtime(), tempfile::tempdir().unwrap());
    let prefix = storage(&runtime).prefix(&ObjectUrl::local(directory.path().join("root"))).unwrap();
    let outcome = runtime.block_on(firn_storage::conformance::run(&prefix));
    assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
}
