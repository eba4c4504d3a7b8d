//! What holds for every repository that a run writes, on a local folder and for both specifications.

mod faults;
mod source_of;

use super::*;
use bytes::Bytes;
use firn_model::array::{ChunkIndices, ChunkTable, SourceObject};
use firn_model::dataset::NodePath;
use firn_model::diagnose::Diagnose;
use firn_model::source::SourceVersion;
use firn_storage::{ObjectUrl, StorageSettings};
use futures::TryStreamExt;
use icechunk::Repository;
use icechunk::format::manifest::ChunkPayload as Stored;
use icechunk::repository::VersionInfo;
use std::collections::BTreeMap;
use std::path::Path;

const SPECS: [SpecVersion; 2] = [SpecVersion::V1, SpecVersion::V2];

fn node(path: &str) -> NodePath {
    NodePath::parse(path).unwrap()
}

fn at(indices: &[u64]) -> ChunkIndices {
    ChunkIndices(indices.to_vec())
}

fn group(path: &str) -> TargetNode {
    let document = serde_json::json!({"zarr_format": 3, "node_type": "group", "attributes": {"of": path}});
    TargetNode { path: node(path), zarr_json: document.to_string().into() }
}

fn array(path: &str, shape: &[u64], chunks: &[u64]) -> TargetNode {
    let document = serde_json::json!({
        "zarr_format": 3, "node_type": "array", "shape": shape, "data_type": "uint8",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0, "codecs": [{"name": "bytes"}], "attributes": {},
        "dimension_names": shape.iter().enumerate().map(|(i, _)| format!("d{i}")).collect::<Vec<_>>(),
    });
    TargetNode { path: node(path), zarr_json: document.to_string().into() }
}

fn structure() -> TargetStructure {
    let nodes = vec![group("/"), array("/a", &[4, 6], &[2, 3]), group("/g"), array("/g/b", &[5000], &[1000])];
    TargetStructure { nodes }
}

fn source(url: &str) -> SourceObject {
    let version = SourceVersion {
        etag: Some("\"e\"".to_owned()),
        last_modified: Some(1_700_000_000),
        size: 100,
        ..SourceVersion::default()
    };
    SourceObject { url: url.to_owned(), version }
}

fn options(run: &str, spec: SpecVersion) -> RunOptions {
    let containers = vec![
        VirtualContainer::Local { root: "/data".into() },
        VirtualContainer::S3 { bucket: "b".to_owned(), access: S3Access::default() },
        VirtualContainer::Http { origin: "https://host".to_owned() },
    ];
    RunOptions { run: run.to_owned(), spec, containers }
}

fn local(root: &Path) -> RepositoryStorage {
    let storage = firn_storage::Storage::new(StorageSettings::default(), tokio::runtime::Handle::current()).unwrap();
    RepositoryStorage::new(storage.prefix(&ObjectUrl::local(root)).unwrap())
}

async fn begin(root: &Path, run: &str, spec: SpecVersion) -> Result<IcechunkTarget, IcechunkError> {
    IcechunkTarget::create_or_resume(local(root), options(run, spec)).await
}

/// Five chunks of 1000 bytes, as a task writes them: what its journal segment then holds.
async fn write_b(target: &IcechunkTarget, value: u8) -> Vec<(ChunkIndices, ChunkPayload)> {
    let writer = target.chunk_writer();
    let mut written = Vec::new();
    for index in 0..5u64 {
        let bytes = Bytes::from(vec![value + index as u8; 1000]);
        written.push((at(&[index]), writer.write(&node("/g/b"), &at(&[index]), bytes).await.unwrap()));
    }
    written
}

async fn fill(target: &mut IcechunkTarget, b: Vec<(ChunkIndices, ChunkPayload)>) {
    target.write_structure(&structure()).await.unwrap();
    let object = source("s3://b/x.nc");
    let chunks =
        (0..4u64).map(|n| VirtualChunk { indices: at(&[n / 2, n % 2]), object: &object, offset: 6 * n, length: 6 });
    target.set_virtual(&node("/a"), chunks).await.unwrap();
    target.set_chunks(&node("/g/b"), b).await.unwrap();
}

async fn open(root: &Path) -> Repository {
    repository::open(&local(root), None).await.unwrap()
}

/// Everything a reader of a branch sees: metadata by path, and what each chunk is.
async fn content(root: &Path, branch: &str) -> BTreeMap<String, String> {
    let repository = open(root).await;
    let session = repository.readonly_session(&VersionInfo::BranchTipRef(branch.to_owned())).await.unwrap();
    let mut seen = BTreeMap::new();
    for found in session.list_nodes(&icechunk::format::Path::root()).await.unwrap() {
        let found = found.unwrap();
        seen.insert(found.path.to_string(), String::from_utf8(found.user_data.to_vec()).unwrap());
    }
    let chunks: Vec<_> = session.all_chunks().await.unwrap().try_collect().await.unwrap();
    for (path, info) in chunks {
        let what = if let Stored::Virtual(reference) = &info.payload {
            format!("{reference:?}")
        } else {
            let all = icechunk::format::ByteRange::From(0);
            let reader = session.get_chunk_reader(&path, &info.coord, &all).await.unwrap();
            format!("{:?}", icechunk::session::get_chunk(reader).await.unwrap().unwrap())
        };
        seen.insert(format!("{path}/c/{:?}", info.coord.0), what);
    }
    seen
}

fn objects(root: &Path, folder: &str) -> usize {
    std::fs::read_dir(root.join(folder)).map_or(0, |entries| entries.count())
}

async fn history(root: &Path) -> Vec<String> {
    let repository = open(root).await;
    let ancestry = repository.ancestry(&VersionInfo::BranchTipRef("main".to_owned())).await.unwrap();
    ancestry.map_ok(|info| info.message).try_collect().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_invisible_until_it_is_published() {
    for spec in SPECS {
        let dir = tempfile::tempdir().unwrap();
        let mut target = begin(dir.path(), "r1", spec).await.unwrap();
        assert_eq!(target.state(), &RunState::Fresh);
        let written = write_b(&target, 1).await;
        fill(&mut target, written).await;
        assert!(matches!(target.publish().await, Err(IcechunkError::NotCommitted { .. })));
        let metadata = BTreeMap::from([("recipe".to_owned(), serde_json::json!("x"))]);
        let snapshot = target.commit_run("first", &metadata).await.unwrap();
        assert_eq!(content(dir.path(), "main").await, BTreeMap::new());
        assert_eq!(content(dir.path(), target.branch()).await.len(), 4 + 4 + 5);

        let published = target.publish().await.unwrap();
        assert_eq!(published, Published::Now { snapshot: snapshot.clone(), previous: target.base() });
        assert_eq!(content(dir.path(), "main").await.len(), 4 + 4 + 5);
        assert_eq!(open(dir.path()).await.list_branches().await.unwrap().into_iter().collect::<Vec<_>>(), ["main"]);
        assert_eq!(target.publish().await.unwrap(), Published::Before { snapshot });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn journalled_payloads_give_the_same_repository_without_new_chunks() {
    for spec in SPECS {
        let whole = tempfile::tempdir().unwrap();
        let mut target = begin(whole.path(), "r1", spec).await.unwrap();
        let written = write_b(&target, 1).await;
        fill(&mut target, written).await;
        target.commit_run("m", &BTreeMap::new()).await.unwrap();
        target.publish().await.unwrap();

        let torn = tempfile::tempdir().unwrap();
        let target = begin(torn.path(), "r1", spec).await.unwrap();
        let journal = serde_json::to_string(&write_b(&target, 1).await).unwrap();
        drop(target);
        let written: Vec<(ChunkIndices, ChunkPayload)> = serde_json::from_str(&journal).unwrap();
        let mut target = begin(torn.path(), "r1", spec).await.unwrap();
        fill(&mut target, written).await;
        target.commit_run("m", &BTreeMap::new()).await.unwrap();
        target.publish().await.unwrap();

        assert_eq!(content(torn.path(), "main").await, content(whole.path(), "main").await);
        assert_eq!(objects(torn.path(), "chunks"), 5);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_done_twice_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let target = begin(dir.path(), "r1", SpecVersion::V1).await.unwrap();
    let first = write_b(&target, 1).await;
    assert_eq!(write_b(&target, 1).await, first);
    assert_eq!(objects(dir.path(), "chunks"), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishing_is_refused_when_main_has_moved() {
    for spec in SPECS {
        let dir = tempfile::tempdir().unwrap();
        let mut slow = begin(dir.path(), "slow", spec).await.unwrap();
        let mut quick = begin(dir.path(), "quick", spec).await.unwrap();
        for (target, value) in [(&mut slow, 1), (&mut quick, 100)] {
            let written = write_b(target, value).await;
            fill(target, written).await;
            target.commit_run("m", &BTreeMap::new()).await.unwrap();
        }
        quick.publish().await.unwrap();
        let before = content(dir.path(), "main").await;
        let error = slow.publish().await.unwrap_err();
        assert_eq!(error.code(), "icechunk-main-moved");
        assert_eq!(content(dir.path(), "main").await, before);

        // Giving it up removes its own chunks and nothing else.
        let again = begin(dir.path(), "slow", spec).await.unwrap();
        assert!(matches!(again.state(), RunState::Committed { .. }));
        let written = write_b(&again, 1).await;
        assert_eq!(again.abandon(written.into_iter().map(|(_, payload)| payload)).await.unwrap(), 5);
        assert_eq!(content(dir.path(), "main").await, before);
        assert_eq!(begin(dir.path(), "slow", spec).await.unwrap().state(), &RunState::Fresh);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_published_run_cannot_be_abandoned() {
    let dir = tempfile::tempdir().unwrap();
    let mut target = begin(dir.path(), "r1", SpecVersion::V1).await.unwrap();
    let written = write_b(&target, 1).await;
    fill(&mut target, written.clone()).await;
    target.commit_run("m", &BTreeMap::new()).await.unwrap();
    target.publish().await.unwrap();
    let again = begin(dir.path(), "r1", SpecVersion::V1).await.unwrap();
    let error = again.abandon(written.into_iter().map(|(_, payload)| payload)).await.unwrap_err();
    assert_eq!(error.code(), "icechunk-already-published");
    assert_eq!(objects(dir.path(), "chunks"), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_killed_between_commit_and_publish_is_published_by_the_next() {
    for spec in SPECS {
        let dir = tempfile::tempdir().unwrap();
        let mut target = begin(dir.path(), "r1", spec).await.unwrap();
        let written = write_b(&target, 1).await;
        fill(&mut target, written).await;
        let snapshot = target.commit_run("m", &BTreeMap::new()).await.unwrap();
        drop(target);
        let mut target = begin(dir.path(), "r1", spec).await.unwrap();
        assert_eq!(target.state(), &RunState::Committed { snapshot: snapshot.clone() });
        target.publish().await.unwrap();
        assert_eq!(history(dir.path()).await.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_killed_between_moving_main_and_removing_its_branch_is_known_as_published() {
    for spec in SPECS {
        let dir = tempfile::tempdir().unwrap();
        let mut target = begin(dir.path(), "r1", spec).await.unwrap();
        let written = write_b(&target, 1).await;
        fill(&mut target, written).await;
        let snapshot = target.commit_run("m", &BTreeMap::new()).await.unwrap();
        target.repository.reset_branch("main", &target.tip, Some(&target.base)).await.unwrap();
        drop(target);
        let target = begin(dir.path(), "r1", spec).await.unwrap();
        assert_eq!(target.state(), &RunState::Published { snapshot });
        assert_eq!(open(dir.path()).await.list_branches().await.unwrap().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_version_replaces_the_hierarchy_and_the_old_one_stays_readable() {
    for spec in SPECS {
        let dir = tempfile::tempdir().unwrap();
        let mut target = begin(dir.path(), "r1", spec).await.unwrap();
        let written = write_b(&target, 1).await;
        fill(&mut target, written).await;
        let first = target.commit_run("m", &BTreeMap::new()).await.unwrap();
        target.publish().await.unwrap();
        let before = content(dir.path(), "main").await;

        let mut target = begin(dir.path(), "r2", spec).await.unwrap();
        assert_eq!(target.base(), first);
        let nodes = vec![group("/"), array("/a", &[4, 6], &[2, 3])];
        target.write_structure(&TargetStructure { nodes }).await.unwrap();
        let payload = target.chunk_writer().write(&node("/a"), &at(&[0, 0]), Bytes::from_static(b"123456")).await;
        target.set_chunks(&node("/a"), [(at(&[0, 0]), payload.unwrap())]).await.unwrap();
        target.commit_run("m2", &BTreeMap::new()).await.unwrap();
        target.publish().await.unwrap();
        let now = content(dir.path(), "main").await;
        assert_eq!(now.keys().collect::<Vec<_>>(), ["/", "/a", "/a/c/[0, 0]"]);

        let repository = open(dir.path()).await;
        let old = icechunk::format::SnapshotId::try_from(first.as_str()).unwrap();
        repository.create_branch("old", &old).await.unwrap();
        assert_eq!(content(dir.path(), "old").await, before);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_leave_one_snapshot_with_every_chunk() {
    for spec in SPECS {
        let dir = tempfile::tempdir().unwrap();
        let mut target = begin(dir.path(), "r1", spec).await.unwrap();
        target.set_batch(7);
        target.write_structure(&TargetStructure { nodes: vec![group("/"), array("/x", &[30], &[1])] }).await.unwrap();
        let object = source("https://host/x.nc");
        let mut table = ChunkTable::known_empty(&[30]).unwrap();
        let number = table.intern(&object);
        for linear in 0..30 {
            table.set_stored(linear, number, 10 * linear, 10, 0);
        }
        target.set_table(&node("/x"), &table).await.unwrap();
        target.commit_run("whole", &BTreeMap::new()).await.unwrap();
        target.publish().await.unwrap();
        assert_eq!(content(dir.path(), "main").await.len(), 2 + 30);
        assert_eq!(history(dir.path()).await, ["whole", "Repository initialized"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_killed_between_batches_starts_over() {
    for spec in SPECS {
        let dir = tempfile::tempdir().unwrap();
        let mut target = begin(dir.path(), "r1", spec).await.unwrap();
        target.set_batch(2);
        let written = write_b(&target, 1).await;
        fill(&mut target, written.clone()).await;
        drop(target);
        let mut target = begin(dir.path(), "r1", spec).await.unwrap();
        assert_eq!(target.state(), &RunState::Fresh);
        fill(&mut target, written).await;
        target.commit_run("m", &BTreeMap::new()).await.unwrap();
        target.publish().await.unwrap();
        assert_eq!(content(dir.path(), "main").await.len(), 4 + 4 + 5);
        assert_eq!(history(dir.path()).await, ["m", "Repository initialized"]);
    }
}

#[test]
fn a_key_comes_back_from_its_reference_as_it_was() {
    for key in ["s3://b/a.nc", "s3://b/a b%20c?d#e%.nc", "s3://b/ö/x+y=z.nc", "s3://b/%/%%4"] {
        let found = reference::referenced(&source(key), SpecVersion::V1, &["s3://b/".to_owned()]).unwrap();
        assert_eq!(reference::source_url(found.location.url()), key);
    }
}

async fn refusal(spec: SpecVersion, object: &SourceObject, indices: &[u64], offset: u64, length: u64) -> &'static str {
    let dir = tempfile::tempdir().unwrap();
    let mut target = begin(dir.path(), "r1", spec).await.unwrap();
    target.write_structure(&structure()).await.unwrap();
    let chunk = VirtualChunk { indices: at(indices), object, offset, length };
    target.set_virtual(&node("/a"), [chunk]).await.err().map_or("none", |error| error.code())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn references_that_a_reader_would_resolve_otherwise_are_refused() {
    use SpecVersion::{V1, V2};
    for (spec, url, code) in [
        (V1, "s3://b/x.nc", "none"),
        (V1, "/data/x y.nc", "none"),
        (V1, "file:///data/../etc/passwd", "icechunk-bad-reference"),
        (V1, "/etc/passwd", "icechunk-no-container"),
        (V1, "/data2/x.nc", "icechunk-no-container"),
        (V1, "s3://b/a/../c.nc", "icechunk-bad-reference"),
        (V1, "https://host/a%2Fb.nc", "icechunk-bad-reference"),
        (V1, "https://host/a%0Ab.nc", "icechunk-bad-reference"),
        (V1, "https://host/a/b.nc", "none"),
        (V1, "https://host:8443/a.nc", "icechunk-port-dropped"),
        (V2, "https://host:8443/a.nc", "icechunk-no-container"),
        (V1, "https://host/a.nc?token=1", "icechunk-bad-reference"),
        (V1, "https://user:pw@host/a.nc", "icechunk-bad-reference"),
        (V1, "https://other/a.nc", "icechunk-no-container"),
        (V1, "https://host/", "icechunk-bad-reference"),
        (V1, "s3://b/a//b.nc", "icechunk-bad-reference"),
        (V1, "s3://bb/a.nc", "icechunk-no-container"),
        (V1, "ftp://host/a.nc", "icechunk-bad-reference"),
        (V1, "data/x.nc", "icechunk-bad-reference"),
    ] {
        assert_eq!(refusal(spec, &source(url), &[0, 0], 0, 6).await, code, "{url}");
    }
    let object = source("s3://b/x.nc");
    assert_eq!(refusal(V1, &object, &[2, 0], 0, 6).await, "icechunk-outside-grid");
    assert_eq!(refusal(V1, &object, &[0], 0, 6).await, "icechunk-outside-grid");
    assert_eq!(refusal(V1, &object, &[0, 0, 0], 0, 6).await, "icechunk-outside-grid");
    assert_eq!(refusal(V1, &object, &[1 << 32, 0], 0, 6).await, "icechunk-outside-grid");
    assert_eq!(refusal(V1, &object, &[0, 0], 0, 0).await, "icechunk-empty-chunk");
    assert_eq!(refusal(V1, &object, &[0, 0], u64::MAX, 2).await, "icechunk-empty-chunk");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunks_that_would_read_as_wrong_values_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut target = begin(dir.path(), "r1", SpecVersion::V1).await.unwrap();
    target.write_structure(&structure()).await.unwrap();
    let unknown = ChunkTable::unknown(&[2, 2]).unwrap();
    assert_eq!(target.set_table(&node("/a"), &unknown).await.unwrap_err().code(), "icechunk-unknown-chunk");
    let mut masked = ChunkTable::known_empty(&[2, 2]).unwrap();
    let number = masked.intern(&source("s3://b/x.nc"));
    masked.set_stored(0, number, 0, 6, 1);
    assert_eq!(target.set_table(&node("/a"), &masked).await.unwrap_err().code(), "icechunk-filter-mask");
    let other = ChunkTable::known_empty(&[2, 3]).unwrap();
    assert_eq!(target.set_table(&node("/a"), &other).await.unwrap_err().code(), "icechunk-bad-metadata");
    let forged = ChunkPayload::Native { id: "../../etc".to_owned(), length: 5 };
    let error = target.set_chunks(&node("/a"), [(at(&[0, 0]), forged)]).await.unwrap_err();
    assert_eq!(error.code(), "icechunk-damaged");
    let empty = target.chunk_writer().write(&node("/a"), &at(&[0, 0]), Bytes::new()).await.unwrap_err();
    assert_eq!(empty.code(), "icechunk-empty-chunk");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_that_icechunk_cannot_hold_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut target = begin(dir.path(), "r1", SpecVersion::V1).await.unwrap();
    let changed = |from: &str, to: &str| {
        let document = String::from_utf8(array("/a", &[4, 6], &[2, 3]).zarr_json.to_vec()).unwrap();
        assert!(document.contains(from), "{from}");
        let node = TargetNode { path: node("/a"), zarr_json: document.replace(from, to).into() };
        TargetStructure { nodes: vec![group("/"), node] }
    };
    for (from, to, code) in [
        ("\"separator\":\"/\"", "\"separator\":\".\"", "icechunk-bad-metadata"),
        ("\"name\":\"default\"", "\"name\":\"v2\"", "icechunk-bad-metadata"),
        ("\"regular\"", "\"rectilinear\"", "icechunk-bad-metadata"),
        ("[2,3]", "[2,0]", "icechunk-bad-metadata"),
        ("[2,3]", "[2]", "icechunk-bad-metadata"),
        ("[4,6]", "[18446744073709551615,6]", "icechunk-too-large"),
        ("\"zarr_format\":3", "\"zarr_format\":2", "icechunk-bad-metadata"),
        ("[\"d0\",\"d1\"]", "[\"d0\"]", "icechunk-bad-metadata"),
    ] {
        let error = target.write_structure(&changed(from, to)).await.unwrap_err();
        assert_eq!(error.code(), code, "{from} -> {to}");
    }
    let orphan = TargetStructure { nodes: vec![group("/"), array("/g/b", &[1], &[1])] };
    assert_eq!(target.write_structure(&orphan).await.unwrap_err().code(), "icechunk-bad-metadata");
    assert_eq!(target.write_structure(&TargetStructure::default()).await.unwrap_err().code(), "icechunk-bad-metadata");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_with_something_else_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("zarr.json"), "{}").unwrap();
    assert_eq!(begin(dir.path(), "r1", SpecVersion::V1).await.unwrap_err().code(), "icechunk-target-not-empty");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_beside_the_repository_does_not_disturb_its_creation() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join(".firn/runs/r1")).unwrap();
    std::fs::write(dir.path().join(".firn/runs/r1/0.json"), "{}").unwrap();
    begin(dir.path(), "r1", SpecVersion::V1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_creation_interrupted_before_main_was_written_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    begin(dir.path(), "r1", SpecVersion::V1).await.unwrap();
    std::fs::remove_dir_all(dir.path().join("refs")).unwrap();
    let target = begin(dir.path(), "r1", SpecVersion::V1).await.unwrap();
    assert_eq!(target.state(), &RunState::Fresh);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_keeps_its_specification_and_its_containers() {
    let dir = tempfile::tempdir().unwrap();
    begin(dir.path(), "r1", SpecVersion::V1).await.unwrap();
    let error = begin(dir.path(), "r1", SpecVersion::V2).await.unwrap_err();
    assert_eq!(error.code(), "icechunk-spec-mismatch");
    let mut other = options("r2", SpecVersion::V1);
    let access = S3Access { anonymous: true, ..S3Access::default() };
    other.containers = vec![VirtualContainer::S3 { bucket: "b".to_owned(), access }];
    let storage = local(dir.path());
    let error = IcechunkTarget::create_or_resume(storage, other).await.unwrap_err();
    assert_eq!(error.code(), "icechunk-container-conflict");
    let saved = std::fs::read_to_string(dir.path().join("config.yaml")).unwrap();
    assert!(saved.contains("https://host/") && saved.contains("s3://b/") && saved.contains("file:///data/"), "{saved}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_arrays_have_several_manifests() {
    let dir = tempfile::tempdir().unwrap();
    let mut target = begin(dir.path(), "r1", SpecVersion::V1).await.unwrap();
    let nodes = vec![group("/"), array("/big (x+y)", &[600_000, 2], &[1, 1])];
    target.write_structure(&TargetStructure { nodes }).await.unwrap();
    let object = source("s3://b/x.nc");
    let ends = [0, 300_000, 599_999u64].map(|index| VirtualChunk {
        indices: at(&[index, 1]),
        object: &object,
        offset: 0,
        length: 1,
    });
    target.set_virtual(&node("/big (x+y)"), ends).await.unwrap();
    target.commit_run("m", &BTreeMap::new()).await.unwrap();
    assert_eq!(objects(dir.path(), "manifests"), 3);
}

#[test]
fn a_run_may_be_driven_from_any_thread() {
    fn is_send<T: Send>(_: &T) {}
    let dir = std::path::PathBuf::from("/nowhere");
    let storage = async move {
        let mut target = begin(&dir, "r", SpecVersion::V1).await?;
        target.set_table(&node("/a"), &ChunkTable::unknown(&[1]).unwrap()).await?;
        target.publish().await
    };
    is_send(&storage);
}
