//! A written repository as a source.

use super::*;
use firn_model::array::{ChunkEntry, ChunkManifest, DataType};

fn entry<'a>(opened: &'a OpenedSnapshot, path: &str, indices: &[u64]) -> ChunkEntry<'a> {
    match &opened.dataset.array(&node(path)).unwrap().manifest {
        ChunkManifest::Table(table) => table.get(&at(indices)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_reads_back_as_a_dataset() {
    for spec in SPECS {
        let dir = tempfile::tempdir().unwrap();
        let mut target = begin(dir.path(), "r1", spec).await.unwrap();
        let mut written = write_b(&target, 1).await;
        written.remove(3);
        let small = target.chunk_writer().write(&node("/g/b"), &at(&[4]), Bytes::from_static(b"small")).await.unwrap();
        written[3].1 = small;
        fill(&mut target, written).await;
        let snapshot = target.commit_run("first", &BTreeMap::new()).await.unwrap();
        let unpublished = open_snapshot(&local(dir.path()), "main").await.unwrap_err();
        assert_eq!(unpublished.code(), "icechunk-empty");
        let before = open_snapshot(&local(dir.path()), target.branch()).await.unwrap();
        target.publish().await.unwrap();

        let opened = open_snapshot(&local(dir.path()), "main").await.unwrap();
        assert_eq!((opened.snapshot.as_str(), opened.message.as_str()), (snapshot.as_str(), "first"));
        assert_eq!(opened.containers, ["file:///data/", "https://host/", "s3://b/"]);
        assert_eq!(opened.dataset, before.dataset);
        assert_eq!(opened.dataset, open_snapshot(&local(dir.path()), &snapshot).await.unwrap().dataset);
        let a = &opened.dataset.array(&node("/a")).unwrap().metadata;
        assert_eq!((a.shape.as_slice(), a.data_type), (&[4u64, 6][..], DataType::UInt8));
        assert!(opened.dataset.group(&node("/g")).is_some());

        let version = SourceVersion { etag: Some("e".to_owned()), ..SourceVersion::default() };
        let object = SourceObject { url: "s3://b/x.nc".to_owned(), version };
        let stored = ChunkEntry::Stored { object: &object, offset: 18, length: 6, filter_mask: 0 };
        assert_eq!(entry(&opened, "/a", &[1, 1]), stored);
        assert_eq!(entry(&opened, "/g/b", &[3]), ChunkEntry::KnownEmpty);
        assert_eq!(entry(&opened, "/g/b", &[4]), ChunkEntry::Inline(&Bytes::from_static(b"small")));
        let ChunkEntry::Stored { object, offset: 0, length: 1000, .. } = entry(&opened, "/g/b", &[2]) else { panic!() };
        assert_eq!(std::fs::read(&object.url).unwrap(), vec![3u8; 1000]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_are_found_by_branch_tag_and_snapshot() {
    for spec in SPECS {
        let dir = tempfile::tempdir().unwrap();
        let mut target = begin(dir.path(), "r1", spec).await.unwrap();
        let written = write_b(&target, 1).await;
        fill(&mut target, written).await;
        let snapshot = target.commit_run("m", &BTreeMap::new()).await.unwrap();
        open(dir.path()).await.create_tag("v1", &target.tip).await.unwrap();
        for version in [target.branch(), "v1", &snapshot] {
            assert_eq!(open_snapshot(&local(dir.path()), version).await.unwrap().snapshot, snapshot);
        }
        for version in ["v2", "", "../x", "00000000000000000000"] {
            let error = open_snapshot(&local(dir.path()), version).await.unwrap_err();
            assert_eq!(error.code(), "icechunk-no-such-version", "{version:?}: {error}");
        }
        let nothing = tempfile::tempdir().unwrap();
        let error = open_snapshot(&local(nothing.path()), "main").await.unwrap_err();
        assert_eq!(error.code(), "icechunk-no-repository");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_files_are_errors_never_panics() {
    for spec in SPECS {
        let dir = tempfile::tempdir().unwrap();
        let mut target = begin(dir.path(), "r1", spec).await.unwrap();
        let written = write_b(&target, 1).await;
        fill(&mut target, written).await;
        target.commit_run("m", &BTreeMap::new()).await.unwrap();
        target.publish().await.unwrap();
        for folder in ["snapshots", "manifests", "refs/branch.main"] {
            let Ok(files) = std::fs::read_dir(dir.path().join(folder)) else { continue };
            for file in files {
                let path = file.unwrap().path();
                let whole = std::fs::read(&path).unwrap();
                let of_initial = path.ends_with(format!("snapshots/{}", target.base()));
                for cut in [0, 1, whole.len() / 2, whole.len() - 1] {
                    std::fs::write(&path, &whole[..cut]).unwrap();
                    let mut turned = whole.clone();
                    if let Some(byte) = turned.get_mut(cut) {
                        *byte ^= 0x40;
                    }
                    let opened = open_snapshot(&local(dir.path()), "main").await;
                    assert!(opened.is_err() || of_initial, "{} cut to {cut}", path.display());
                    std::fs::write(&path, &turned).unwrap();
                    // A flipped bit may fall where it means nothing; what counts is that reading ends.
                    let _ = open_snapshot(&local(dir.path()), "main").await;
                }
                std::fs::write(&path, &whole).unwrap();
            }
        }
        open_snapshot(&local(dir.path()), "main").await.unwrap();
    }
}
