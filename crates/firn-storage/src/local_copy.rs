//! Local files that are written piece by piece, or copied, and put in place as a whole.

use crate::copy::{Copied, CopyExpected, CopyOptions, How};
use crate::error::StorageError;
use crate::local::is_absent;
use crate::local_write::{Temporary, again_where_a_directory_vanished, at, create, etag, io, make_parent, sync};
use crate::prefix::Guarantee;
use firn_model::source::SourceError;
use std::fs::{File, Metadata};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Bytes that are hashed at once.
const BUFFER: usize = 1 << 20;

/// A file that nobody sees before it is finished; dropped before, it is removed.
pub(crate) struct LocalWriter {
    temporary: Temporary,
    directory: PathBuf,
    target: PathBuf,
}

impl LocalWriter {
    pub(crate) fn begin(root: &Path, key: &str) -> Result<Self, StorageError> {
        let (directory, temporary) = again_where_a_directory_vanished(|| {
            let directory = make_parent(root, key)?;
            let temporary = Temporary::write(&directory, &bytes::Bytes::new())?;
            Ok((directory, temporary))
        })?;
        Ok(Self { temporary, directory, target: root.join(key) })
    }

    /// The one that a stop left under this name.
    pub(crate) fn left(root: &Path, key: &str, name: &str) -> Result<Option<Self>, StorageError> {
        let directory = make_parent(root, key)?;
        let temporary = Temporary::left(&directory, name);
        Ok(temporary.map(|temporary| Self { temporary, directory, target: root.join(key) }))
    }

    /// The name that it has before it is finished.
    pub(crate) fn name(&self) -> String {
        self.temporary.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Path of the file before it is finished.
    pub(crate) fn path(&self) -> &Path {
        &self.temporary.path
    }

    /// The file, to be written at any place.
    pub(crate) fn file(&self) -> Result<File, StorageError> {
        self.temporary.file.try_clone().map_err(|error| io(&self.temporary.path, &error))
    }

    /// Where it is dropped before it is finished, it stays, to be taken up by [`LocalWriter::left`].
    pub(crate) fn keep(&self) {
        self.temporary.keep(true);
    }

    /// Removes it after all.
    pub(crate) fn discard(self) {
        self.temporary.keep(false);
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.temporary.file.write_all(bytes).map_err(|error| io(&self.temporary.path, &error))
    }

    /// Puts the file in place, once it is safe from the loss of power; with `only_new` where nothing is there yet.
    pub(crate) fn finish(self, only_new: bool) -> Result<(String, Guarantee), StorageError> {
        self.temporary.keep(false);
        self.temporary.file.sync_all().map_err(|error| io(&self.temporary.path, &error))?;
        let guarantee = if only_new {
            create(&self.temporary.path, &self.target, &self.directory)?
        } else {
            self.temporary.place(&self.target)?;
            Guarantee::Atomic
        };
        sync(&self.directory)?;
        let seen = self.temporary.file.metadata().map_err(|error| io(&self.target, &error))?;
        Ok((etag(&seen), guarantee))
    }
}

/// Copies a file. The operating system moves the bytes, and shares them where the file system can (copy on write); a hard
/// link would not be a copy. Where a digest is wanted the bytes pass here.
pub(crate) fn copy(
    (from_root, key): (&Path, &str),
    (root, to_key): (&Path, &str),
    expected: &CopyExpected,
    options: &CopyOptions,
) -> Result<Copied, StorageError> {
    let path = from_root.join(key);
    let (mut file, before) = open(&path)?;
    check(&path, &before, expected)?;
    let mut writer = LocalWriter::begin(root, to_key)?;
    let failed = |error: std::io::Error| io(&path, &error);
    let (copied, digest) = if options.digest {
        let (mut hasher, mut buffer, mut copied) = (blake3::Hasher::new(), vec![0; BUFFER], 0);
        loop {
            let length = file.read(&mut buffer).map_err(failed)?;
            if length == 0 {
                break;
            }
            hasher.update(&buffer[..length]);
            writer.write(&buffer[..length])?;
            copied += length as u64;
        }
        (copied, Some(hasher.finalize().to_hex().to_string()))
    } else {
        let copied = std::io::copy(&mut file, &mut writer.temporary.file);
        (copied.map_err(|error| io(&writer.target, &error))?, None)
    };
    let after = file.metadata().map_err(failed)?;
    if copied != expected.size || etag(&after) != etag(&before) {
        let what = "it changed while it was being copied".to_owned();
        return Err(SourceError::Changed { at: at(&path), what }.into());
    }
    let (etag, guarantee) = writer.finish(options.only_new)?;
    Ok(Copied { etag: Some(etag), size: copied, how: How::Local, guarantee, digest })
}

fn open(path: &Path) -> Result<(File, Metadata), StorageError> {
    let failed = |error: std::io::Error| {
        if is_absent(&error) { SourceError::NotFound { at: at(path) }.into() } else { io(path, &error) }
    };
    // Before it is opened: a pipe that nobody writes to would wait for ever.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(SourceError::NotFound { at: at(path) }.into());
    }
    let file = File::open(path).map_err(failed)?;
    let seen = file.metadata().map_err(failed)?;
    Ok((file, seen))
}

fn check(path: &Path, seen: &Metadata, expected: &CopyExpected) -> Result<(), StorageError> {
    let tag = etag(seen);
    if seen.size() == expected.size && expected.etag.as_ref().is_none_or(|expected| *expected == tag) {
        return Ok(());
    }
    let was = expected.etag.as_deref().unwrap_or("any tag");
    let what = format!("{} bytes, {was} were to be copied; it has {} bytes, {tag}", expected.size, seen.size());
    Err(SourceError::Changed { at: at(path), what }.into())
}
