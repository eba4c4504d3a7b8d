//! Which parts of a large object have arrived, kept on this machine while it is copied: after a stop the same copy goes on with
//! the others. The format: `docs/formats/transfer-record.md`.

use crate::error::StorageError;
use crate::local::TEMPORARY;
use crate::tree_hash::Nodes;
use firn_model::diagnose::At;
use firn_model::source::SourceVersion;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const SCHEMA: &str = "firn/transfer-parts/1";
/// Longest line that is read, bytes: a part of any size has a few dozen subtrees.
const LONGEST: u64 = 1 << 16;
/// Most lines: S3's ten thousand parts, and pieces of 16 MiB of what fits on a disk.
const MOST: usize = 1 << 20;

/// What is copied, and how: a log of anything else is of no use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    schema: String,
    /// Identity of the place that is copied from, and key.
    from: String,
    /// The same of the destination.
    to: String,
    version: SourceVersion,
    /// Bytes of each part but the last.
    part: u64,
}

impl Head {
    /// `None` where the object has no tag: nothing would tell after a stop whether it is the same.
    pub(crate) fn new(from: String, to: String, version: SourceVersion, part: u64) -> Option<Self> {
        version.etag.is_some().then(|| Self { schema: SCHEMA.to_owned(), from, to, version, part })
    }
}

#[derive(Serialize, Deserialize)]
struct First {
    #[serde(flatten)]
    head: Head,
    /// Where the parts lie: the identifier of an upload, or the name of a temporary file.
    place: String,
}

/// One part that arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// From one.
    #[serde(rename = "part")]
    number: u64,
    /// Its entity tag, where the storage gives one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    tag: Option<String>,
    /// Subtrees of BLAKE3 in it: first byte, byte after the last, chaining value in hexadecimal.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    blake3: Vec<(u64, u64, String)>,
}

/// What is known of a part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub tag: Option<String>,
    pub nodes: Nodes,
}

/// Parts that arrived before a stop.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Where they lie.
    pub place: String,
    /// Whether they are of what is copied now; else they are in the way.
    pub is_same: bool,
    /// By their numbers.
    pub parts: BTreeMap<u64, Arrived>,
}

/// The log of one object. Clones write to the same file.
#[derive(Debug, Clone)]
pub(crate) struct PartLog {
    path: PathBuf,
    head: Arc<Head>,
    file: Arc<Mutex<File>>,
}

impl PartLog {
    /// Opens the log of this copy in `folder`, and gives what it holds. `None` where another process is at the same copy.
    pub(crate) fn open(folder: &Path, head: Head) -> Result<Option<(Self, Option<Found>)>, StorageError> {
        let id = blake3::hash(format!("{}\n{}", head.from, head.to).as_bytes());
        let path = folder.join(format!("{}.jsonl", &id.to_hex()[..32]));
        let failed = |error: std::io::Error| StorageError::io(at(&path), &error);
        std::fs::create_dir_all(folder).map_err(failed)?;
        let file =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Ok(None),
            // A file system without locks: two at the same copy would mix their lines, which `place` tells apart.
            Err(std::fs::TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
            Err(std::fs::TryLockError::Error(error)) => return Err(failed(error)),
        }
        let found = read(&file, &head).map_err(failed)?;
        let mut end = &file;
        end.seek(SeekFrom::End(0)).map_err(failed)?;
        let log = Self { path, head: Arc::new(head), file: Arc::new(Mutex::new(file)) };
        Ok(Some((log, found)))
    }

    fn write(&self, line: &impl Serialize, from_start: bool) -> Result<(), StorageError> {
        let failed = |error: std::io::Error| StorageError::io(at(&self.path), &error);
        let mut text = serde_json::to_string(line).map_err(|error| failed(error.into()))?;
        text.push('\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if from_start {
            file.set_len(0).and_then(|()| file.rewind()).map_err(failed)?;
        }
        file.write_all(text.as_bytes()).map_err(failed)
    }

    /// Begins anew: the parts will lie at this place.
    pub(crate) fn begin(&self, place: &str) -> Result<(), StorageError> {
        self.write(&First { head: (*self.head).clone(), place: place.to_owned() }, true)
    }

    /// A part arrived.
    pub(crate) fn add(&self, number: u64, arrived: &Arrived) -> Result<(), StorageError> {
        let hex = |value: &[u8; 32]| blake3::Hash::from(*value).to_hex().to_string();
        let blake3 = arrived.nodes.iter().map(|((start, end), value)| (*start, *end, hex(value))).collect();
        self.write(&Part { number, tag: arrived.tag.clone(), blake3 }, false)
    }

    /// The copy is done, or given up for good.
    pub(crate) fn remove(&self) {
        // One that stays names an upload or a file that does not exist any more, which is found out.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Removes the logs of copies that nobody went on with for so long, and the files that they left beside their destinations.
/// Uploads that were begun stay: a lifecycle rule of the bucket removes them.
pub fn forget_older(folder: &Path, age: Duration) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let is_old = |path: &Path| Some(path.metadata().ok()?.modified().ok()?.elapsed().ok()? > age);
        let Ok(file) = File::open(&path) else { continue };
        if is_old(&path) != Some(true) || file.try_lock().is_err() {
            continue;
        }
        let mut line = Vec::new();
        let read = BufReader::new(&file).take(LONGEST).read_until(b'\n', &mut line);
        if read.is_ok()
            && let Ok(first) = serde_json::from_slice::<First>(&line)
            && first.place.starts_with(TEMPORARY)
            && !first.place.contains('/')
            && let Some((root, key)) = first.head.to.split_once('\n')
            && let Some(directory) = Path::new(root).join(key).parent()
            && directory.is_absolute()
        {
            // One that stays is never listed.
            let _ = std::fs::remove_file(directory.join(&first.place));
        }
        let _ = std::fs::remove_file(&path);
    }
}

fn at(path: &Path) -> At {
    At::url(path.to_string_lossy())
}

/// What a log holds; lines that are cut, as a kill leaves the last one, prove nothing.
fn read(file: &File, head: &Head) -> std::io::Result<Option<Found>> {
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    let mut next = |line: &mut Vec<u8>| {
        line.clear();
        reader.by_ref().take(LONGEST).read_until(b'\n', line)
    };
    next(&mut line)?;
    let Ok(first) = serde_json::from_slice::<First>(&line) else { return Ok(None) };
    let mut found = Found { place: first.place, is_same: first.head == *head, parts: BTreeMap::new() };
    for _ in 0..MOST {
        if next(&mut line)? == 0 || line.last() != Some(&b'\n') {
            break;
        }
        let Ok(part) = serde_json::from_slice::<Part>(&line) else { continue };
        let nodes = part
            .blake3
            .iter()
            .map(|(start, end, value)| Some(((*start, *end), *blake3::Hash::from_hex(value).ok()?.as_bytes())));
        if let Some(nodes) = nodes.collect::<Option<Nodes>>() {
            found.parts.insert(part.number, Arrived { tag: part.tag, nodes });
        }
    }
    Ok(Some(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(tag: &str) -> Head {
        let version = SourceVersion { etag: Some(tag.to_owned()), size: 100, ..SourceVersion::default() };
        Head::new("a x".to_owned(), "b y".to_owned(), version, 1024).unwrap()
    }

    #[test]
    fn what_was_added_is_found_after_a_stop() {
        let folder = tempfile::tempdir().unwrap();
        let open = |head| PartLog::open(&folder.path().join("parts"), head).unwrap();
        let (log, found) = open(head("1")).unwrap();
        assert_eq!(found, None);
        log.begin("upload").unwrap();
        let part = |tag: &str| Arrived { tag: Some(tag.to_owned()), nodes: Nodes::from([((0, 1024), [7; 32])]) };
        log.add(1, &part("a")).unwrap();
        log.add(3, &part("c")).unwrap();
        assert!(open(head("1")).is_none(), "another is at the same copy");
        log.file.lock().unwrap().write_all(b"{\"part\":4,\"ta").unwrap();
        drop(log);
        let (log, found) = open(head("1")).unwrap();
        let found = found.unwrap();
        assert!(found.is_same && found.place == "upload", "{found:?}");
        assert_eq!(found.parts, BTreeMap::from([(1, part("a")), (3, part("c"))]));
        drop(log);
        let (log, found) = open(head("2")).unwrap();
        assert!(!found.unwrap().is_same, "the original is another");
        log.begin("second").unwrap();
        drop(log);
        let (log, found) = open(head("2")).unwrap();
        assert_eq!(found.unwrap(), Found { place: "second".to_owned(), is_same: true, parts: BTreeMap::new() });
        log.remove();
        drop(log);
        assert_eq!(open(head("2")).unwrap().1, None);
    }

    #[test]
    fn an_object_without_a_tag_cannot_be_taken_up_again() {
        assert!(Head::new(String::new(), String::new(), SourceVersion::default(), 1).is_none());
    }
}
