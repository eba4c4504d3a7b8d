//! Local files: read at positions, without async.

use crate::error::{StorageError, is_loop};
use crate::listing::Listing;
use crate::remote::check_bounds;
use bytes::Bytes;
use firn_model::diagnose::At;
use firn_model::source::{ByteRange, ListedObject, RangeReader, SourceError, SourceVersion};
use std::fs::{File, Metadata};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Beginning of the names of files that are being written, or that a crash left. Never listed, never a key.
pub(crate) const TEMPORARY: &str = ".firn-tmp-";
/// Deepest nesting of directories that is listed: a bound against link loops.
const DEEPEST: usize = 64;

/// A local file.
pub(crate) struct LocalReader {
    file: File,
    at: At,
    seen: Metadata,
}

impl LocalReader {
    /// Opens a file; `None` where it does not exist or is a directory.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, SourceError> {
        let at = At::url(path.to_string_lossy());
        let absent_or = |error: std::io::Error| {
            if is_absent(&error) { Ok(None) } else { Err(StorageError::io(at.clone(), &error).into_source()) }
        };
        // Before it is opened: a pipe that nobody writes to would wait for ever.
        match std::fs::metadata(path) {
            Ok(seen) if seen.is_dir() => return Ok(None),
            Ok(seen) if !seen.is_file() => {
                return Err(SourceError::BadUrl { at, what: "it is a device, pipe or socket, not a file".to_owned() });
            }
            Ok(_) => {}
            Err(error) => return absent_or(error),
        }
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) => return absent_or(error),
        };
        let seen = file.metadata().map_err(|error| StorageError::io(at.clone(), &error).into_source())?;
        tracing::debug!(file = %at, bytes = seen.size(), "file opened");
        Ok(Some(Self { file, at, seen }))
    }

    /// The entity tag of what was opened.
    pub(crate) fn etag(&self) -> String {
        crate::local_write::etag(&self.seen)
    }

    /// Fills the buffer with the bytes from `start`.
    pub(crate) fn fill(&self, buffer: &mut [u8], start: u64) -> Result<(), SourceError> {
        self.read_at(buffer, start)?;
        self.check_unchanged()
    }

    fn read_at(&self, buffer: &mut [u8], start: u64) -> Result<(), SourceError> {
        if let Err(error) = self.file.read_exact_at(buffer, start) {
            let at = self.at.bytes(start, buffer.len() as u64);
            if error.kind() == ErrorKind::UnexpectedEof {
                self.check_unchanged()?;
            }
            return Err(StorageError::io(at, &error).into_source());
        }
        Ok(())
    }

    /// The file was replaced by a rename: then this reader goes on with the old one, whole. It was written in place:
    /// then its time or size differ, and parts of two states would be mixed.
    fn check_unchanged(&self) -> Result<(), SourceError> {
        let now = self.file.metadata().map_err(|error| StorageError::io(self.at.clone(), &error).into_source())?;
        let state = |seen: &Metadata| (seen.size(), seen.mtime(), seen.mtime_nsec());
        if state(&now) == state(&self.seen) {
            return Ok(());
        }
        let what = format!("had {} bytes, has {}, and another time of modification", self.seen.size(), now.size());
        Err(SourceError::Changed { at: self.at.clone(), what })
    }
}

impl RangeReader for LocalReader {
    fn size(&self) -> Result<u64, SourceError> {
        Ok(self.seen.size())
    }

    fn version(&self) -> Result<SourceVersion, SourceError> {
        Ok(version(&self.seen))
    }

    fn read_ranges(&self, ranges: &[ByteRange]) -> Result<Vec<Bytes>, SourceError> {
        check_bounds(&self.at, ranges, self.seen.size())?;
        let mut all = Vec::with_capacity(ranges.len());
        for range in ranges {
            let mut bytes = vec![0; (range.end - range.start) as usize];
            self.read_at(&mut bytes, range.start)?;
            all.push(Bytes::from(bytes));
        }
        self.check_unchanged()?;
        Ok(all)
    }
}

/// What the file system says of a file that is read. It has no entity tags: inodes change where a file system is mounted again.
fn version(seen: &Metadata) -> SourceVersion {
    SourceVersion {
        etag: None,
        last_modified: Some(seen.mtime()),
        nanoseconds: u32::try_from(seen.mtime_nsec()).ok(),
        size: seen.size(),
    }
}

/// Does the error say that there is no such file? Also where a segment of the path is a file.
pub(crate) fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// What lies in one directory.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    /// Files, by name.
    pub files: Vec<(String, SourceVersion)>,
    /// Directories, by name.
    pub directories: Vec<String>,
}

/// The files and directories in `path`, following links, in the order of their names. A directory that does not exist
/// is empty, as a prefix without objects is.
pub(crate) fn read_directory(path: &Path) -> Result<Directory, StorageError> {
    let at = || At::url(path.to_string_lossy());
    let mut found = Directory::default();
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(found),
        Err(error) => return Err(StorageError::io(at(), &error)),
    };
    for entry in entries {
        let entry = entry.map_err(|error| StorageError::io(at(), &error))?;
        let name = entry.file_name().into_string().map_err(|name| StorageError::BadKey {
            at: at(),
            key: name.to_string_lossy().into(),
            what: "the name is not UTF-8".to_owned(),
        })?;
        if name.starts_with(TEMPORARY) {
            continue;
        }
        match std::fs::metadata(entry.path()) {
            Ok(seen) if seen.is_dir() => found.directories.push(name),
            Ok(seen) if seen.is_file() => found.files.push((name, version(&seen))),
            Ok(_) => {}
            // Removed since the directory was read, or a link that leads nowhere.
            Err(error) if is_absent(&error) || is_loop(&error) => {}
            Err(error) => return Err(StorageError::io(At::url(entry.path().to_string_lossy()), &error)),
        }
    }
    found.files.sort_by(|a, b| a.0.cmp(&b.0));
    found.directories.sort();
    Ok(found)
}

/// The first symbolic link that is `root` itself (the empty key) or lies below it. None is followed.
pub(crate) fn first_link(root: &Path) -> Result<Option<String>, StorageError> {
    match std::fs::symlink_metadata(root) {
        Ok(seen) if seen.is_symlink() => return Ok(Some(String::new())),
        Ok(_) => {}
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(StorageError::io(At::url(root.to_string_lossy()), &error)),
    }
    let mut open: Vec<(PathBuf, String)> = vec![(root.to_owned(), String::new())];
    while let Some((path, base)) = open.pop() {
        let failed = |error: &std::io::Error| StorageError::io(At::url(path.to_string_lossy()), error);
        let entries = match std::fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => continue,
            Err(error) => return Err(failed(&error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| failed(&error))?;
            let key = crate::url::join(&base, &entry.file_name().to_string_lossy());
            let kind = entry.file_type().map_err(|error| failed(&error))?;
            if kind.is_symlink() {
                return Ok(Some(key));
            }
            if kind.is_dir() {
                open.push((entry.path(), key));
            }
        }
    }
    Ok(None)
}

/// All files below `root`, keys relative to it, in key order.
pub(crate) fn list(root: &Path) -> Result<Vec<ListedObject>, StorageError> {
    let mut objects = Vec::new();
    let mut open: Vec<(PathBuf, String, usize)> = vec![(root.to_owned(), String::new(), 0)];
    while let Some((path, base, depth)) = open.pop() {
        if depth > DEEPEST {
            let what = format!("it is nested deeper than {DEEPEST} directories; a link may lead back to one above");
            return Err(StorageError::Source(SourceError::NotListable { at: At::url(path.to_string_lossy()), what }));
        }
        let found = read_directory(&path)?;
        let key = |name: &str| crate::url::join(&base, name);
        objects.extend(found.files.into_iter().map(|(name, version)| ListedObject { key: key(&name), version }));
        open.extend(found.directories.iter().map(|name| (path.join(name), key(name), depth + 1)));
    }
    objects.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(objects)
}

/// All files below `root`, or one level of them, with entity tags, and those whose names no key can hold.
pub(crate) fn list_all(root: &Path, one_level: bool) -> Result<Listing, StorageError> {
    let root_at = At::url(root.to_string_lossy());
    let mut listing = Listing::default();
    let mut open: Vec<(PathBuf, Vec<u8>, usize)> = vec![(root.to_owned(), Vec::new(), 0)];
    while let Some((path, base, depth)) = open.pop() {
        let at = || At::url(path.to_string_lossy());
        if depth > DEEPEST {
            let what = format!("it is nested deeper than {DEEPEST} directories; a link may lead back to one above");
            return Err(StorageError::Source(SourceError::NotListable { at: at(), what }));
        }
        let entries = match std::fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => continue,
            Err(error) => return Err(StorageError::io(at(), &error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| StorageError::io(at(), &error))?;
            let name = entry.file_name();
            if name.as_bytes().starts_with(TEMPORARY.as_bytes()) {
                continue;
            }
            let separator: &[u8] = if base.is_empty() { b"" } else { b"/" };
            let key = [&base, separator, name.as_bytes()].concat();
            match std::fs::metadata(entry.path()) {
                Ok(seen) if seen.is_dir() && one_level => listing.add_prefix(&root_at, &key),
                Ok(seen) if seen.is_dir() => open.push((entry.path(), key, depth + 1)),
                Ok(seen) if seen.is_file() => listing.add(&root_at, &key, crate::local_write::version(&seen)),
                Ok(_) => listing.leave(&key, "it is a device, pipe or socket"),
                Err(error) if is_absent(&error) || is_loop(&error) => {
                    // Else it was removed since the directory was read.
                    if entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
                        listing.leave(&key, "it is a link that leads nowhere");
                    }
                }
                Err(error) => return Err(StorageError::io(At::url(entry.path().to_string_lossy()), &error)),
            }
        }
    }
    listing.objects.sort_by(|a, b| a.key.cmp(&b.key));
    listing.folders.sort();
    Ok(listing)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_link_is_found_wherever_it_is_and_never_followed() {
        let root = tempfile::tempdir().unwrap();
        let inside = root.path().join("upload");
        std::fs::create_dir_all(inside.join("a/b")).unwrap();
        std::fs::write(inside.join("a/b/chunk"), b"1").unwrap();
        assert_eq!(first_link(&inside).unwrap(), None);
        assert_eq!(first_link(&root.path().join("nothing")).unwrap(), None);
        assert_eq!(first_link(&inside.join("a/b/chunk")).unwrap(), None);
        for to in ["/etc/hostname", "nowhere", ".."] {
            let link = inside.join("a/b/link");
            symlink(to, &link).unwrap();
            assert_eq!(first_link(&inside).unwrap().as_deref(), Some("a/b/link"), "{to}");
            std::fs::remove_file(link).unwrap();
        }
        symlink(&inside, root.path().join("other")).unwrap();
        assert_eq!(first_link(&root.path().join("other")).unwrap().as_deref(), Some(""));
    }
}
