//! Local files.

use crate::support::{impatient, runtime, storage};
use crate::web::{Web, good, pattern};
use bytes::Bytes;
use firn_model::source::SourceError;
use firn_storage::{ObjectUrl, Precondition, Storage, StorageError};

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
fn a_sweep_removes_unfinished_writes_and_empty_directories_and_nothing_else() {
    let (runtime, directory) = (runtime(), tempfile::tempdir().unwrap());
    let root = directory.path().join("root");
    let prefix = storage(&runtime).prefix(&ObjectUrl::local(&root)).unwrap();
    std::fs::create_dir_all(root.join("a/b")).unwrap();
    std::fs::create_dir_all(root.join("a/empty/deep")).unwrap();
    let outside = directory.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, root.join("link")).unwrap();
    let unfinished = [root.join(".firn-tmp-1"), root.join("a/b/.firn-tmp-2"), outside.join(".firn-tmp-3")];
    for path in unfinished.iter().chain(&[root.join("a/b/chunk")]) {
        std::fs::write(path, "half").unwrap();
    }
    runtime.block_on(prefix.sweep(0)).unwrap();
    assert!(!unfinished[0].exists() && unfinished[1].exists() && root.join("a/empty/deep").exists());
    runtime.block_on(prefix.sweep(usize::MAX)).unwrap();
    assert!(!unfinished[1].exists() && !root.join("a/empty").exists());
    assert!(root.join("a/b/chunk").exists() && unfinished[2].exists() && root.join("link").exists());
    runtime.block_on(prefix.child("none").unwrap().sweep(usize::MAX)).unwrap();
}

#[test]
fn deletes_side_by_side_do_not_stumble_over_a_directory_that_another_removed() {
    let (runtime, directory) = (runtime(), tempfile::tempdir().unwrap());
    let prefix = storage(&runtime).prefix(&ObjectUrl::local(directory.path().join("root"))).unwrap();
    runtime.block_on(async {
        for _ in 0..50 {
            let keys: Vec<String> = (0..8).map(|n| format!("runs/tasks/{n}")).collect();
            for key in &keys {
                prefix.put(key, Bytes::from("x"), Precondition::None).await.unwrap();
            }
            for done in futures::future::join_all(keys.iter().map(|key| prefix.delete(key))).await {
                done.unwrap();
            }
        }
        assert_eq!(prefix.list("").await.unwrap(), []);
    });
}

#[test]
fn writers_and_deleters_of_one_directory_do_not_disturb_each_other() {
    let (runtime, directory) = (runtime(), tempfile::tempdir().unwrap());
    let prefix = storage(&runtime).prefix(&ObjectUrl::local(directory.path().join("root"))).unwrap();
    let work = (0..4).map(|worker| {
        let prefix = prefix.clone();
        async move {
            for round in 0..50 {
                let key = format!("a/b/{worker}");
                let when = if round % 2 == 0 { Precondition::None } else { Precondition::Create };
                prefix.put(&key, Bytes::from("x"), when).await.unwrap();
                prefix.delete(&key).await.unwrap();
            }
        }
    });
    runtime.block_on(futures::future::join_all(work));
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

#[test]
fn links_out_of_the_root_are_not_written_through() {
    let (runtime, directory) = (runtime(), tempfile::tempdir().unwrap());
    let (root, outside) = (directory.path().join("root"), directory.path().join("outside"));
    std::fs::create_dir_all(root.join("inside")).unwrap();
    std::fs::create_dir_all(&outside).unwrap();
    std::fs::write(outside.join("kept"), "kept").unwrap();
    std::os::unix::fs::symlink(&outside, root.join("out")).unwrap();
    std::os::unix::fs::symlink(root.join("inside"), root.join("in")).unwrap();
    std::os::unix::fs::symlink(outside.join("kept"), root.join("file")).unwrap();
    let prefix = storage(&runtime).prefix(&ObjectUrl::local(&root)).unwrap();
    let put = |key: &'static str| runtime.block_on(prefix.put(key, Bytes::from("x"), Precondition::None));
    assert!(matches!(put("out/new"), Err(StorageError::Escape { .. })));
    assert!(matches!(put("out/deep/new"), Err(StorageError::Escape { .. })));
    assert!(matches!(runtime.block_on(prefix.delete("out/kept")), Err(StorageError::Escape { .. })));
    put("in/new").unwrap();
    assert!(root.join("inside/new").exists());
    // A link in the place of the object is replaced, not followed.
    put("file").unwrap();
    assert_eq!(std::fs::read_to_string(outside.join("kept")).unwrap(), "kept");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
}

#[test]
fn what_a_crash_left_is_not_listed() {
    let (runtime, directory) = (runtime(), tempfile::tempdir().unwrap());
    std::fs::write(directory.path().join(".firn-tmp-0123"), "half").unwrap();
    std::fs::write(directory.path().join("whole"), "whole").unwrap();
    let listed = storage(&runtime).list(&ObjectUrl::local(directory.path())).unwrap();
    assert_eq!(listed.len(), 1);
}

#[test]
fn a_file_written_in_place_while_it_is_read_is_noticed() {
    let (runtime, directory) = (runtime(), tempfile::tempdir().unwrap());
    let path = directory.path().join("a.nc");
    std::fs::write(&path, [0; 100]).unwrap();
    let reader = storage(&runtime).open(&ObjectUrl::local(&path)).unwrap().unwrap();
    std::fs::write(&path, [1; 99]).unwrap();
    let read = reader.read(0..10);
    assert!(matches!(read, Err(SourceError::Changed { .. })), "{read:?}");
}

#[test]
fn link_loops_end() {
    let (runtime, directory) = (runtime(), tempfile::tempdir().unwrap());
    std::fs::create_dir(directory.path().join("a")).unwrap();
    std::os::unix::fs::symlink(directory.path(), directory.path().join("a/back")).unwrap();
    assert!(storage(&runtime).list(&ObjectUrl::local(directory.path())).is_err());
}

#[test]
fn devices_are_not_files() {
    let runtime = runtime();
    let opened = storage(&runtime).open(&ObjectUrl::local("/dev/zero"));
    assert!(matches!(opened, Err(SourceError::BadUrl { .. })));
}

#[test]
fn globs_match_whole_keys() {
    let (runtime, directory) = (runtime(), tempfile::tempdir().unwrap());
    let root = directory.path();
    for key in ["y1/a.nc", "y1/b.nc4", "y2/a.nc", "y2/deep/a.nc"] {
        std::fs::create_dir_all(root.join(key).parent().unwrap()).unwrap();
        std::fs::write(root.join(key), "x").unwrap();
    }
    let storage = storage(&runtime);
    let found = |pattern: &str| -> Vec<String> {
        let found = storage.glob(&format!("{}/{pattern}", root.display())).unwrap();
        found.iter().map(|(url, _)| url.key_below(&ObjectUrl::local(root)).unwrap()).collect()
    };
    assert_eq!(found("y?/*.nc"), ["y1/a.nc", "y2/a.nc"]);
    assert_eq!(found("**/*.nc"), ["y1/a.nc", "y2/a.nc", "y2/deep/a.nc"]);
    assert_eq!(found("y1/{a.nc,b.nc4}"), ["y1/a.nc", "y1/b.nc4"]);
    assert_eq!(found("none/*.nc"), Vec::<String>::new());
    assert!(storage.glob(&format!("{}/[", root.display())).is_err());
}

#[test]
fn locations_name_the_same_object_everywhere() {
    let (runtime, directory) = (runtime(), tempfile::tempdir().unwrap());
    let path = directory.path().display();
    let text = format!(r#"{{"url": "{path}/lab", "public_url": "https://data.example/lab"}}"#);
    let tables = [("lab".to_owned(), serde_json::from_str(&text).unwrap())];
    let settings = impatient().with_locations(tables.iter().map(|(name, table)| (name, table))).unwrap();
    let storage = Storage::new(settings, runtime.handle().clone()).unwrap();
    let same =
        [format!("{path}/lab/sst/a.nc"), "lab:sst/a.nc".to_owned(), "https://data.example/lab/sst/a.nc".to_owned()];
    for text in &same {
        let url = ObjectUrl::parse(text).unwrap();
        assert_eq!(storage.physical(&url).unwrap().to_string(), same[0]);
        assert_eq!(storage.public(&url).unwrap().unwrap().to_string(), same[2]);
        let (location, key) = storage.location_of(&url).unwrap().unwrap();
        assert_eq!((location.name.as_str(), key.as_str()), ("lab", "sst/a.nc"));
    }
    let prefix = storage.prefix(&ObjectUrl::parse("lab:").unwrap()).unwrap();
    runtime.block_on(prefix.put("sst/a.nc", Bytes::from("x"), Precondition::Create)).unwrap();
    // By its public address too, without any request.
    assert!(storage.open(&ObjectUrl::parse(&same[2]).unwrap()).unwrap().is_some());
    assert_eq!(storage.traffic().requests, 0);
    let unknown = storage.open(&ObjectUrl::parse("other:a").unwrap());
    assert!(unknown.is_err_and(|error| error.to_string().contains("lab")));
}

#[test]
fn a_current_thread_runtime_is_refused_rather_than_waited_for() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(matches!(Storage::new(impatient(), runtime.handle().clone()), Err(StorageError::Misuse { .. })));
}

#[test]
fn readers_work_on_any_thread() {
    let (runtime, directory) = (runtime(), tempfile::tempdir().unwrap());
    let web = Web::serve(|request| good(request, &pattern(500_000), &["ETag: \"1\""]));
    std::fs::write(directory.path().join("a"), "x").unwrap();
    let storage = storage(&runtime);
    let read = move |storage: &Storage| {
        let reader = storage.open(&ObjectUrl::parse(&format!("{}/a", web.url)).unwrap()).unwrap().unwrap();
        reader.read(400_000..400_010).unwrap().len()
    };
    assert_eq!(read(&storage), 10);
    assert_eq!(std::thread::scope(|scope| scope.spawn(|| read(&storage)).join().unwrap()), 10);
    // Not what it is for, but it must not panic as `Handle::block_on` does.
    assert_eq!(runtime.block_on(async { tokio::spawn(async move { read(&storage) }).await.unwrap() }), 10);
}

#[test]
fn what_is_no_file_is_refused_before_it_is_opened() {
    let (runtime, directory) = (runtime(), tempfile::tempdir().unwrap());
    let storage = storage(&runtime);
    let pipe = directory.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    std::os::unix::fs::symlink("/dev/zero", directory.path().join("device")).unwrap();
    for name in ["pipe", "device"] {
        // Opening a pipe that nobody writes to waits for ever.
        let error = storage.source(&ObjectUrl::local(directory.path().join(name))).unwrap().object("").err().unwrap();
        assert!(matches!(&error, SourceError::BadUrl { what, .. } if what.contains("not a file")), "{error}");
        let prefix = storage.prefix(&ObjectUrl::local(directory.path())).unwrap();
        assert_eq!(runtime.block_on(prefix.get(name)).unwrap(), None);
    }
}
