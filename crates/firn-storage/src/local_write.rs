//! Writing local files so that nobody ever sees half of one.

use crate::error::StorageError;
use crate::local::{TEMPORARY, is_absent};
use crate::prefix::{Guarantee, Precondition, PutResult};
use bytes::Bytes;
use firn_model::diagnose::At;
use firn_model::source::SourceVersion;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs::{File, Metadata, OpenOptions};
use std::hash::{BuildHasher, Hasher};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// So many files are made durable together with all else that waits in their file system: each alone would wait for the
/// journal of the file system once more.
const MANY: usize = 64;

/// Writes a file below `root`: a temporary file beside it, synchronised, then put in place in one step. A plain put
/// renames; [`Precondition::Create`] makes a hard link, which fails where the name exists, also over NFS;
/// [`Precondition::IfMatch`] compares and renames under a lock on the directory.
pub(crate) fn put(root: &Path, key: &str, bytes: &Bytes, when: &Precondition) -> Result<PutResult, StorageError> {
    again_where_a_directory_vanished(|| try_put(root, key, bytes, when))
}

/// A delete may remove the directory, which it leaves empty, between two steps of a put: then it is made again.
pub(crate) fn again_where_a_directory_vanished<T>(
    put: impl Fn() -> Result<T, StorageError>,
) -> Result<T, StorageError> {
    for _ in 0..16 {
        match put() {
            Err(error) if error.is_not_found() => {}
            done => return done,
        }
    }
    put()
}

/// As an unconditional [`put`], but what was written survives the loss of power only after [`make_durable`]. What it
/// replaces may be durable and in use, so that is only replaced by what is durable, too.
pub(crate) fn put_deferred(root: &Path, key: &str, bytes: &Bytes) -> Result<(), StorageError> {
    again_where_a_directory_vanished(|| {
        let directory = make_parent(root, key)?;
        let temporary = Temporary::write(&directory, bytes)?;
        let target = root.join(key);
        if target.symlink_metadata().is_ok() {
            temporary.file.sync_all().map_err(|error| io(&temporary.path, &error))?;
        }
        temporary.place(&target)
    })
}

/// Files that were written, and then the directories that name them, up to the root: one wait for many files costs little
/// more than one for each of them.
pub(crate) fn make_durable(root: &Path, keys: &[String]) -> Result<(), StorageError> {
    if keys.len() >= MANY && sync_file_system(root)? {
        return Ok(());
    }
    let mut directories = BTreeSet::new();
    for key in keys {
        let path = root.join(key);
        File::open(&path).and_then(|file| file.sync_all()).map_err(|error| io(&path, &error))?;
        let above = path.ancestors().skip(1).take_while(|directory| directory.starts_with(root));
        directories.extend(above.map(Path::to_owned));
    }
    directories.iter().try_for_each(|directory| sync(directory))
}

/// Writes all that waits for the disk in the file system of a directory; says whether the system can.
#[cfg(target_os = "linux")]
fn sync_file_system(root: &Path) -> Result<bool, StorageError> {
    let directory = File::open(root).map_err(|error| io(root, &error))?;
    rustix::fs::syncfs(&directory).map_err(|error| io(root, &error.into()))?;
    Ok(true)
}

#[cfg(not(target_os = "linux"))]
fn sync_file_system(_: &Path) -> Result<bool, StorageError> {
    Ok(false)
}

fn try_put(root: &Path, key: &str, bytes: &Bytes, when: &Precondition) -> Result<PutResult, StorageError> {
    let target = root.join(key);
    let directory = make_parent(root, key)?;
    let temporary = Temporary::write(&directory, bytes)?;
    temporary.file.sync_all().map_err(|error| io(&temporary.path, &error))?;
    let guarantee = match when {
        Precondition::None => {
            temporary.place(&target)?;
            Guarantee::Atomic
        }
        Precondition::Create => create(&temporary.path, &target, &directory)?,
        Precondition::IfMatch(expected) => {
            let _lock = lock(&directory)?;
            replace(&temporary, &target, expected)?;
            Guarantee::Atomic
        }
    };
    sync(&directory)?;
    // Of the file that was written, not of what another may have put in its place since.
    let seen = temporary.file.metadata().map_err(|error| io(&target, &error))?;
    Ok(PutResult { etag: Some(etag(&seen)), guarantee })
}

/// Creates a file by way of another one below `root`, where the name is free: a writer that is stopped leaves nothing but
/// that one.
pub(crate) fn create_staged(root: &Path, staging: &str, key: &str, bytes: &Bytes) -> Result<Guarantee, StorageError> {
    put(root, staging, bytes, &Precondition::None)?;
    let directory = make_parent(root, key)?;
    let guarantee = create(&root.join(staging), &root.join(key), &directory)?;
    sync(&directory)?;
    Ok(guarantee)
}

/// The entity tag of a local file: inode, time and size, which no two states of the file share.
pub(crate) fn etag(seen: &Metadata) -> String {
    format!("\"{:x}-{:x}.{:x}-{:x}\"", seen.ino(), seen.mtime(), seen.mtime_nsec(), seen.size())
}

/// The version of a file below `root`, with its entity tag.
pub(crate) fn head(root: &Path, key: &str) -> Result<Option<SourceVersion>, StorageError> {
    let path = root.join(key);
    match std::fs::metadata(&path) {
        Ok(seen) if seen.is_file() => Ok(Some(version(&seen))),
        Ok(_) => Ok(None),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(io(&path, &error)),
    }
}

pub(crate) fn version(seen: &Metadata) -> SourceVersion {
    SourceVersion {
        etag: Some(etag(seen)),
        last_modified: Some(seen.mtime()),
        nanoseconds: u32::try_from(seen.mtime_nsec()).ok(),
        size: seen.size(),
    }
}

/// A whole file, of at most `limit` bytes, with its version.
pub(crate) fn get(root: &Path, key: &str, limit: u64) -> Result<Option<(Bytes, SourceVersion)>, StorageError> {
    use std::io::Read;
    let path = root.join(key);
    // Before it is opened: a pipe that nobody writes to would wait for ever.
    if head(root, key)?.is_none() {
        return Ok(None);
    }
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(io(&path, &error)),
    };
    let seen = file.metadata().map_err(|error| io(&path, &error))?;
    if seen.size() > limit {
        return Err(StorageError::TooLarge { at: at(&path), size: seen.size(), limit });
    }
    let mut bytes = Vec::with_capacity(seen.size() as usize);
    // One more than the limit, to notice a file that grows meanwhile.
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| io(&path, &error))?;
    if bytes.len() as u64 != seen.size() {
        return Err(StorageError::conflict(at(&path), "it changed while it was being read"));
    }
    Ok(Some((bytes.into(), version(&seen))))
}

/// Removes a file below `root`, and the directories that it leaves empty. One that is not there is no error.
pub(crate) fn delete(root: &Path, key: &str) -> Result<(), StorageError> {
    // Deletes run side by side: another may remove the emptied directory between any two steps of this one.
    let directory = match existing_parent(root, key) {
        Ok(Some(directory)) => directory,
        Ok(None) => return Ok(()),
        Err(error) if error.is_not_found() => return Ok(()),
        Err(error) => return Err(error),
    };
    let path = root.join(key);
    match std::fs::remove_file(&path) {
        Ok(()) => match sync(&directory) {
            Err(error) if error.is_not_found() => {}
            synced => synced?,
        },
        Err(error) if is_absent(&error) => {}
        Err(error) => return Err(io(&path, &error)),
    }
    // Prefixes exist only as long as they have objects. A directory that is not empty stays, and ends the way up.
    let mut parent = directory.as_path();
    while parent != root && parent.starts_with(root) && std::fs::remove_dir(parent).is_ok() {
        let Some(up) = parent.parent() else { break };
        parent = up;
    }
    Ok(())
}

/// Removes unfinished writes below `root`, `depth` directories deep, and the directories that are then empty, without
/// following links.
pub(crate) fn sweep(root: &Path, depth: usize) -> Result<(), StorageError> {
    let mut directories = vec![(root.to_owned(), 0)];
    let mut next = 0;
    while let Some((directory, level)) = directories.get(next).cloned() {
        next += 1;
        let entries = match std::fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => continue,
            Err(error) => return Err(io(&directory, &error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| io(&directory, &error))?;
            let kind = entry.file_type().map_err(|error| io(&entry.path(), &error))?;
            if kind.is_dir() && level < depth {
                directories.push((entry.path(), level + 1));
            } else if kind.is_file() && entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
                match std::fs::remove_file(entry.path()) {
                    Err(error) if !is_absent(&error) => return Err(io(&entry.path(), &error)),
                    _ => {}
                }
            }
        }
    }
    // The deepest come last in the list, so they go first. One that is not empty stays: removing fails.
    for (directory, _) in directories.iter().skip(1).rev() {
        let _ = std::fs::remove_dir(directory);
    }
    Ok(())
}

pub(crate) fn at(path: &Path) -> At {
    At::url(path.to_string_lossy())
}

pub(crate) fn io(path: &Path, error: &std::io::Error) -> StorageError {
    StorageError::io(at(path), error)
}

pub(crate) fn sync(directory: &Path) -> Result<(), StorageError> {
    File::open(directory).and_then(|file| file.sync_all()).map_err(|error| io(directory, &error))
}

fn make_root(root: &Path) -> Result<(), StorageError> {
    let missing: Vec<&Path> = root.ancestors().take_while(|path| !path.exists()).collect();
    std::fs::create_dir_all(root).map_err(|error| io(root, &error))?;
    // A relative path of one name has the empty path above it, which is this directory.
    let above = missing.iter().filter_map(|path| path.parent()).filter(|path| !path.as_os_str().is_empty());
    above.for_each(|path| {
        // The directories above may belong to others, and then need not be readable.
        let _ = sync(path);
    });
    Ok(())
}

/// The directory of the key, made where it is missing. A link on the way that leads out of the root is refused.
pub(crate) fn make_parent(root: &Path, key: &str) -> Result<PathBuf, StorageError> {
    let segments = key.rsplit_once('/').map_or("", |(directories, _)| directories);
    // Mostly it is there; asking for each directory on the way costs as much as writing a small file.
    let whole = root.join(segments);
    if let (Ok(real), Ok(real_root)) = (whole.canonicalize(), root.canonicalize())
        && real.starts_with(real_root)
    {
        return Ok(whole);
    }
    make_root(root)?;
    let real_root = root.canonicalize().map_err(|error| io(root, &error))?;
    let mut directory = root.to_owned();
    for segment in segments.split('/').filter(|segment| !segment.is_empty()) {
        let parent = directory.clone();
        directory.push(segment);
        match std::fs::create_dir(&directory) {
            Ok(()) => sync(&parent)?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => check_inside(&real_root, &directory)?,
            // Removed by a delete that emptied it, between two steps.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                std::fs::create_dir_all(&directory).map_err(|error| io(&directory, &error))?;
            }
            Err(error) => return Err(io(&directory, &error)),
        }
    }
    Ok(directory)
}

/// The directory of the key, where it exists; with the same refusal.
fn existing_parent(root: &Path, key: &str) -> Result<Option<PathBuf>, StorageError> {
    let directory = key.rsplit_once('/').map_or_else(|| root.to_owned(), |(directories, _)| root.join(directories));
    match (root.canonicalize(), directory.symlink_metadata()) {
        (Ok(root), Ok(_)) => check_inside(&root, &directory).map(|()| Some(directory)),
        (Err(error), _) | (_, Err(error)) if is_absent(&error) => Ok(None),
        (Err(error), _) | (_, Err(error)) => Err(io(&directory, &error)),
    }
}

fn check_inside(real_root: &Path, directory: &Path) -> Result<(), StorageError> {
    let real = directory.canonicalize().map_err(|error| io(directory, &error))?;
    if real.starts_with(real_root) {
        return Ok(());
    }
    let what = format!("a symbolic link leads to {}", real.display());
    Err(StorageError::Escape { at: at(directory), what })
}

/// Puts the file in place if the name is free.
pub(crate) fn create(from: &Path, to: &Path, directory: &Path) -> Result<Guarantee, StorageError> {
    let exists = || StorageError::conflict(at(to), "it exists already");
    match std::fs::hard_link(from, to) {
        Ok(()) => Ok(Guarantee::Atomic),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(exists()),
        // A file system without hard links: the lock is the coordinator, for the processes of this machine that ask.
        Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::PermissionDenied) => {
            let _lock = lock(directory)?;
            if to.symlink_metadata().is_ok() {
                return Err(exists());
            }
            std::fs::rename(from, to).map_err(|error| io(to, &error))?;
            Ok(Guarantee::Coordinated)
        }
        Err(error) => Err(io(to, &error)),
    }
}

/// Puts the file in place of one with this entity tag. The lock is held.
fn replace(temporary: &Temporary, target: &Path, expected: &str) -> Result<(), StorageError> {
    let seen = match std::fs::metadata(target) {
        Ok(seen) => seen,
        Err(error) if is_absent(&error) => {
            return Err(StorageError::conflict(at(target), "it does not exist any more"));
        }
        Err(error) => return Err(io(target, &error)),
    };
    let found = etag(&seen);
    if found != expected {
        return Err(StorageError::conflict(at(target), format!("it is {found} now, not {expected}")));
    }
    // The clock of a file system is coarse: two states within one tick must not have the same tag.
    let before = seen.modified().map_err(|error| io(target, &error))?;
    if SystemTime::now() <= before + Duration::from_millis(20) {
        let later = before + Duration::from_micros(1);
        let set = temporary.file.set_modified(later).and_then(|()| temporary.file.sync_all());
        set.map_err(|error| io(&temporary.path, &error))?;
    }
    temporary.place(target)
}

/// Held until dropped; the operating system frees it if the process dies.
struct Lock {
    _file: File,
}

/// Locks the directory itself, or where the file system cannot (NFS), a file in it.
fn lock(directory: &Path) -> Result<Lock, StorageError> {
    if let Ok(file) = File::open(directory)
        && file.lock().is_ok()
    {
        return Ok(Lock { _file: file });
    }
    let path = directory.join(format!("{TEMPORARY}lock"));
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.and_then(|file| file.lock().map(|()| file)).map_err(|error| io(&path, &error))?;
    Ok(Lock { _file: file })
}

/// A file that is removed again unless it was renamed.
pub(crate) struct Temporary {
    pub path: PathBuf,
    pub file: File,
    is_placed: Cell<bool>,
}

impl Temporary {
    pub(crate) fn write(directory: &Path, bytes: &Bytes) -> Result<Self, StorageError> {
        let random = std::hash::RandomState::new().build_hasher().finish();
        let path = directory.join(format!("{TEMPORARY}{random:016x}"));
        // Read, too, where a copy goes on.
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let file = file.map_err(|error| io(&path, &error))?;
        let mut temporary = Self { file, path, is_placed: Cell::new(false) };
        temporary.file.write_all(bytes).map_err(|error| io(&temporary.path, &error))?;
        Ok(temporary)
    }

    /// One that was left, if there is a file of this name, which must be one of a temporary file.
    pub(crate) fn left(directory: &Path, name: &str) -> Option<Self> {
        let path = directory.join(name);
        if !name.starts_with(TEMPORARY) || name.contains('/') || !path.symlink_metadata().ok()?.is_file() {
            return None;
        }
        // Nor a link that somebody puts there now.
        let no_link = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
        let file = OpenOptions::new().read(true).write(true).custom_flags(no_link).open(&path).ok()?;
        Some(Self { path, file, is_placed: Cell::new(false) })
    }

    /// Whether the file stays where it is after this, to be taken up again.
    pub(crate) fn keep(&self, is_kept: bool) {
        self.is_placed.set(is_kept);
    }

    /// Gives the file its name; what had it is replaced.
    pub(crate) fn place(&self, target: &Path) -> Result<(), StorageError> {
        std::fs::rename(&self.path, target).map_err(|error| io(target, &error))?;
        self.is_placed.set(true);
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.is_placed.get() {
            // One that stays is never listed.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
