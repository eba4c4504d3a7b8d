//! A large object into a file: its pieces side by side, each hashed and written while it comes; after a stop only those that are
//! not there.

use crate::copy::{Arriving, Copied, CopyExpected, CopyOptions, How};
use crate::error::StorageError;
use crate::file_part::FilePart;
use crate::local_copy::LocalWriter;
use crate::original::Original;
use crate::part_log::{Arrived, Found, PartLog};
use crate::prefix::Prefix;
use crate::s3_copy::pieces;
use crate::tree_hash::{self, Nodes, RangeHash};
use firn_model::source::{ByteRange, SourceError, SourceVersion};
use futures::FutureExt;
use futures::stream::{StreamExt, TryStreamExt};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes that are asked for at once.
const PIECE: u64 = 16 << 20;
/// Pieces that are asked for at once.
const PIECES: usize = 8;
/// Bytes that are hashed at once where a file is read again.
const BUFFER: usize = 1 << 20;

impl Prefix {
    /// Copies an object from behind a network to a file below `root`.
    pub(crate) async fn download(
        &self,
        (source, key): (&Self, &str),
        (root, to_key): (PathBuf, String),
        expected: &CopyExpected,
        options: &CopyOptions,
    ) -> Result<Copied, StorageError> {
        let (size, bridge) = (expected.size, self.storage().bridge());
        let Original::Remote(original) = source.original(key, expected).await? else {
            return Err(StorageError::Misuse { what: "files are copied by the operating system".to_owned() });
        };
        let version = SourceVersion { etag: expected.etag.clone(), size, ..SourceVersion::default() };
        let log =
            if size > PIECE { self.part_log(options, (source, key), &to_key, version, PIECE).await? } else { None };
        let (log, found) = log.map_or((None, None), |(log, found)| (Some(log), found));
        let noted = log.clone();
        let begin = move || begin(&root, &to_key, size, noted.as_ref(), found);
        let Begun { writer, arrived } = bridge.blocking(begin).await?;
        let (file, path) = (Arc::new(writer.file()?), Arc::from(writer.path()));
        let is_hashed = options.digest || log.is_some();
        let missing = pieces(size, PIECE).zip(1..).filter(|(_, number)| !arrived.contains_key(number));
        let (original, file, path, log, told) = (&original, &file, &path, log.as_ref(), options.arriving.as_ref());
        let there = pieces(size, PIECE).zip(1..).filter(|(_, number)| arrived.contains_key(number));
        Arriving::tell(told, there.map(|(bytes, _)| bytes.end - bytes.start).sum());
        let came = futures::stream::iter(missing)
            .map(|(bytes, number)| {
                let work = async move {
                    let length = bytes.end - bytes.start;
                    let part = FilePart::new(Arc::clone(file), Arc::clone(path), size, bytes.clone(), is_hashed);
                    let part = source.feed(original, bytes, part).await?;
                    let nodes = bridge.blocking(move || part.finish()).await?;
                    let arrived = Arrived { tag: None, nodes };
                    if let Some(log) = log {
                        log.add(number, &arrived)?;
                    }
                    Arriving::tell(told, length);
                    Ok(arrived)
                };
                work.boxed()
            })
            .buffer_unordered(options.pieces_at_once.unwrap_or(PIECES).max(1))
            .try_collect::<Vec<Arrived>>()
            .await;
        let came = match came {
            Ok(came) => came,
            Err(error) => {
                if let Some(log) = log
                    && !matches!(error, StorageError::Source(SourceError::Unavailable { .. }))
                {
                    log.remove();
                    writer.discard();
                }
                return Err(error);
            }
        };
        let nodes: Nodes = came.into_iter().chain(arrived.into_values()).flat_map(|part| part.nodes).collect();
        let (only_new, noted) = (options.only_new, log.cloned());
        let finish = move || {
            let finished = writer.finish(only_new);
            if let Some(log) = noted {
                log.remove();
            }
            finished
        };
        let (etag, guarantee) = bridge.blocking(finish).await?;
        let digest = options.digest.then(|| tree_hash::joined(size, &nodes)).flatten();
        let digest = digest.map(|digest| digest.to_hex().to_string());
        Ok(Copied { etag: Some(etag), size, how: How::Through, guarantee, digest })
    }
}

struct Begun {
    writer: LocalWriter,
    arrived: BTreeMap<u64, Arrived>,
}

/// A new file, or the one that a stop left, with the pieces of it that are what they were.
fn begin(
    root: &Path,
    key: &str,
    size: u64,
    log: Option<&PartLog>,
    found: Option<Found>,
) -> Result<Begun, StorageError> {
    if let Some(found) = found
        && let Some(writer) = LocalWriter::left(root, key, &found.place)?
        && found.is_same
    {
        let file = writer.file()?;
        let ranges: Vec<ByteRange> = pieces(size, PIECE).collect();
        // After the loss of power a file may have zeros where something was written.
        let is_there = |number: u64, noted: &Arrived| {
            let range = usize::try_from(number).ok().and_then(|number| ranges.get(number.checked_sub(1)?));
            range.is_some_and(|range| hashed(&file, size, range).is_some_and(|nodes| nodes == noted.nodes))
        };
        writer.keep();
        let arrived = found.parts.into_iter().filter(|(number, noted)| is_there(*number, noted)).collect();
        return Ok(Begun { writer, arrived });
    }
    let writer = LocalWriter::begin(root, key)?;
    if let Some(log) = log {
        log.begin(&writer.name())?;
        writer.keep();
    }
    Ok(Begun { writer, arrived: BTreeMap::new() })
}

/// The subtrees of what a file has there; `None` where it has less.
fn hashed(file: &File, size: u64, range: &ByteRange) -> Option<Nodes> {
    let mut hash = RangeHash::new(size, range)?;
    let mut buffer = vec![0; BUFFER];
    let mut at = range.start;
    while at < range.end {
        let length = ((range.end - at) as usize).min(BUFFER);
        file.read_exact_at(&mut buffer[..length], at).ok()?;
        hash.update(&buffer[..length]);
        at += length as u64;
    }
    hash.finish()
}
