//! Writing over SFTP so that nobody ever sees half of a file: under another name beside it, then put in place in one step.

use crate::error::StorageError;
use crate::file_failure::Failure;
use crate::file_server::{NodeKind, path_of, version};
use crate::sftp::{Session, SftpServer, failure_of, kind};
use crate::sftp_file::OpenFile;
use crate::url::join;
use bytes::Bytes;
use firn_model::diagnose::At;
use firn_model::source::SourceError;
use futures::stream::{StreamExt, TryStreamExt};
use russh_sftp::extensions::HardlinkExtension;
use russh_sftp::protocol::{FileAttributes, OpenFlags, Packet, StatusCode};
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, PoisonError};

/// Puts a file in the place of another in one step.
pub(crate) const RENAME: &str = "posix-rename@openssh.com";
/// Gives a file a second name, where that is free.
pub(crate) const LINK: &str = "hardlink@openssh.com";
/// Returns when the bytes of a file are safe.
const SYNC: &str = "fsync@openssh.com";
/// Folders that are remembered as seen.
const MOST_FOLDERS: usize = 100_000;
/// How often a folder that vanishes is made again: who deletes the last file of one removes it.
const TRIES: u32 = 16;
/// Requests that are made at once of many keys.
const AT_ONCE: usize = 16;

/// How a file is put in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// What is there is replaced.
    Replace,
    /// Only where there is nothing.
    Create,
}

/// Where a file is written: below which folder, and at which key.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub base: String,
    pub key: String,
    pub at: At,
}

impl Target {
    fn path(&self) -> String {
        path_of(&join(&self.base, &self.key))
    }

    /// The key of the folder, below the base.
    fn folder(&self) -> &str {
        self.key.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// The failure of a write, in the words of storage.
    fn failed(&self, failure: Failure) -> StorageError {
        match failure {
            Failure::Refused(what) => {
                let what = format!("the server says: {what}");
                StorageError::Io { at: self.at.clone(), what, kind: std::io::ErrorKind::Other }
            }
            other => other.source(&self.at).into(),
        }
    }

    fn incapable(&self, what: &str) -> StorageError {
        StorageError::Incapable { at: self.at.clone(), what: what.to_owned() }
    }
}

/// A file that nobody sees before it is finished.
pub(crate) struct Upload {
    target: Target,
    session: Arc<Session>,
    file: Option<OpenFile>,
    /// The path it has until then.
    staged: Option<String>,
    written: u64,
}

impl SftpServer {
    /// Begins to write a file.
    pub(crate) async fn begin(&self, target: &Target) -> Result<Upload, StorageError> {
        let mut tries = 0;
        loop {
            let session = self.session(&target.at).await?;
            make_folders(&session, target).await?;
            let random = std::hash::RandomState::new().build_hasher().finish();
            let name = format!("{}{random:016x}", crate::local::TEMPORARY);
            let staged = path_of(&join(&join(&target.base, target.folder()), &name));
            match session.open(&staged, OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::EXCLUDE).await {
                Ok(file) => {
                    let target = target.clone();
                    return Ok(Upload { target, session, file: Some(file), staged: Some(staged), written: 0 });
                }
                Err(Failure::Absent) if tries < TRIES => {
                    session.folders.lock().unwrap_or_else(PoisonError::into_inner).clear();
                    tries += 1;
                }
                Err(Failure::Worn) if tries < TRIES => {
                    // A file without a name to write to it by is left: it is empty, and nobody else has seen it.
                    let _ = session.ask(session.raw.remove(staged)).await;
                    tries += 1;
                }
                Err(failure) => return Err(target.failed(failure)),
            }
        }
    }

    /// Writes a whole file; the tag of what was written comes back.
    pub(crate) async fn put(
        &self,
        target: &Target,
        bytes: &Bytes,
        place: Place,
        is_durable: bool,
    ) -> Result<Option<String>, StorageError> {
        let mut failures = 0;
        loop {
            let once = async {
                let mut upload = self.begin(target).await?;
                upload.write(bytes).await?;
                upload.finish(place, is_durable).await
            };
            match Box::pin(self.turn(once)).await {
                // Whether it was created before the connection was lost, nobody can tell.
                Err(StorageError::Source(SourceError::Unavailable { .. }))
                    if place == Place::Replace && failures + 1 < self.transport.attempts() =>
                {
                    failures += 1;
                    self.forget().await;
                    tokio::time::sleep(self.transport.wait(failures)).await;
                }
                outcome => return outcome,
            }
        }
    }

    /// Writes `staging` and gives it the name of `target` too, where that is free.
    pub(crate) async fn create_staged(
        &self,
        staging: &Target,
        target: &Target,
        bytes: &Bytes,
    ) -> Result<(), StorageError> {
        Box::pin(self.put(staging, bytes, Place::Replace, true)).await?;
        let session = self.session(&target.at).await?;
        make_folders(&session, target).await?;
        link(&session, &staging.path(), target).await
    }

    /// Waits until what was written at these keys is safe, where the server can tell.
    pub(crate) async fn make_durable(&self, base: &str, keys: Vec<String>, at: &At) -> Result<(), StorageError> {
        futures::stream::iter(keys)
            .map(|key| async move {
                let path = &path_of(&join(base, &key));
                let work = |session: Arc<Session>| async move {
                    let file = session.open(path, OpenFlags::READ).await?;
                    sync(&file).await?;
                    file.close().await
                };
                self.run(at, work).await.map_err(StorageError::from)
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }

    /// Removes a file, and the folders that it leaves empty.
    pub(crate) async fn delete(&self, target: &Target) -> Result<(), StorageError> {
        let path = &target.path();
        let work = |session: Arc<Session>| async move {
            if let Some(link) = links_of(&session, target).await? {
                return Ok(Some(link));
            }
            match session.ask(session.raw.remove(path.as_str())).await {
                Ok(_) | Err(Failure::Absent) => {}
                Err(Failure::Refused(what)) => match session.lstat(path).await {
                    Err(Failure::Absent) => {}
                    Ok(seen) if kind(&seen) == NodeKind::Folder => {}
                    _ => return Err(Failure::Refused(what)),
                },
                Err(failure) => return Err(failure),
            }
            let mut folder = target.folder();
            while !folder.is_empty() {
                let path = path_of(&join(&target.base, folder));
                // One that is not empty is refused.
                if session.ask(session.raw.rmdir(path)).await.is_err() {
                    break;
                }
                session.folders.lock().unwrap_or_else(PoisonError::into_inner).clear();
                folder = folder.rsplit_once('/').map_or("", |(above, _)| above);
            }
            Ok(None)
        };
        match self.run(&target.at, work).await? {
            Some(link) => Err(escape(target, &link)),
            None => Ok(()),
        }
    }

    /// Removes what writers that were stopped left, `depth` folders deep.
    pub(crate) async fn sweep(&self, base: &str, depth: usize, at: &At) -> Result<(), StorageError> {
        let mut open = vec![(String::new(), 0)];
        while let Some((folder, deep)) = open.pop() {
            let path = path_of(&join(base, &folder));
            for entry in self.entries(&path, at).await?.unwrap_or_default() {
                let key = join(&folder, &entry.name);
                match entry.kind {
                    NodeKind::File if entry.name.starts_with(crate::local::TEMPORARY) => {
                        let path = &path_of(&join(base, &key));
                        let remove = |session: Arc<Session>| async move {
                            match session.ask(session.raw.remove(path.as_str())).await {
                                Ok(_) | Err(Failure::Absent) => Ok(()),
                                Err(failure) => Err(failure),
                            }
                        };
                        self.run(at, remove).await?;
                    }
                    NodeKind::Folder if deep < depth && !matches!(entry.name.as_str(), "." | "..") => {
                        crate::url::check_key(at, &key)?;
                        open.push((key, deep + 1));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

impl Upload {
    pub(crate) async fn write(&mut self, bytes: &Bytes) -> Result<(), StorageError> {
        let Some(file) = &self.file else {
            return Err(StorageError::Misuse { what: "a finished file is written to".to_owned() });
        };
        file.write(self.written, bytes).await.map_err(|failure| self.target.failed(failure))?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Puts it in place, and tells its tag.
    pub(crate) async fn finish(mut self, place: Place, is_durable: bool) -> Result<Option<String>, StorageError> {
        let (Some(file), Some(staged)) = (self.file.take(), self.staged.clone()) else {
            return Err(StorageError::Misuse { what: "a file is finished twice".to_owned() });
        };
        let (target, session) = (&self.target, &self.session);
        let failed = |failure| target.failed(failure);
        if is_durable {
            sync(&file).await.map_err(failed)?;
        }
        let path = target.path();
        let (seen, there) = futures::join!(file.stat(), session.lstat(&path));
        let seen = seen.map_err(failed)?;
        let size = seen.size.unwrap_or(self.written);
        if size != self.written {
            let what = format!("{} bytes were written, and the server has {size}", self.written);
            return Err(SourceError::Broken { at: target.at.clone(), what }.into());
        }
        let mut modified = seen.mtime;
        if let Ok(there) = &there
            && (there.size, there.mtime) == (Some(size), seen.mtime)
            && let Some(time) = seen.mtime
        {
            // Else the two would look alike to who reads.
            let later =
                FileAttributes { atime: Some(time), mtime: Some(time.saturating_add(1)), ..FileAttributes::empty() };
            let set = session.ask(session.raw.fsetstat(file.handle(), later)).await;
            set.map_err(|_| {
                target
                    .incapable("the server sets no times of files, so a version cannot be told from the one before it")
            })?;
            modified = Some(time.saturating_add(1));
        }
        file.close().await.map_err(failed)?;
        match place {
            Place::Create => link(session, &staged, target).await?,
            Place::Replace if session.has(RENAME) => {
                let names = HardlinkExtension { oldpath: staged.clone(), newpath: path };
                let names: Vec<u8> = names.try_into().map_err(|_| target.incapable("its path cannot be sent"))?;
                let answer = session.ask(session.raw.extended(RENAME, names)).await.map_err(failed)?;
                match answer {
                    Packet::Status(status) if status.status_code == StatusCode::Ok => {}
                    Packet::Status(status) => return Err(failed(failure_of(status.into()))),
                    _ => return Err(failed(Failure::Refused("another answer than to this question".to_owned()))),
                }
                self.staged = None;
            }
            Place::Replace => {
                let rename = session.ask(session.raw.rename(staged.as_str(), path.as_str())).await;
                match rename {
                    Ok(_) => self.staged = None,
                    Err(Failure::Refused(_)) if there.is_ok() => {
                        return Err(target.incapable("the server replaces no file in one step (it has no posix-rename@openssh.com); remove it first"));
                    }
                    Err(failure) => return Err(failed(failure)),
                }
            }
        }
        Ok(version(size, modified.map(i64::from)).etag)
    }
}

impl Drop for Upload {
    /// The staged name goes: it was given up, or the file has its own name.
    fn drop(&mut self) {
        let file = self.file.take();
        let (Some(staged), Ok(runtime)) = (self.staged.take(), tokio::runtime::Handle::try_current()) else { return };
        let session = Arc::clone(&self.session);
        runtime.spawn(async move {
            drop(file);
            let _ = session.ask(session.raw.remove(staged)).await;
        });
    }
}

/// Gives a file a second name where that is free: of several writers at the same moment one succeeds.
async fn link(session: &Arc<Session>, staged: &str, target: &Target) -> Result<(), StorageError> {
    let path = target.path();
    match session.ask(session.raw.hardlink(staged, path.as_str())).await {
        Ok(_) => Ok(()),
        Err(Failure::Refused(what)) => match session.lstat(&path).await {
            Ok(_) => Err(StorageError::conflict(target.at.clone(), "it exists already")),
            Err(_) => Err(target.incapable(&format!("the server does not give a file a second name ({what})"))),
        },
        Err(failure) => Err(target.failed(failure)),
    }
}

async fn sync(file: &OpenFile) -> Result<(), Failure> {
    if !file.session.has(SYNC) {
        return Ok(());
    }
    file.session.ask(file.session.raw.fsync(file.handle())).await.map(|_| ())
}

fn escape(target: &Target, link: &str) -> StorageError {
    let what = format!("{link} is a symbolic link of the server, and may lead anywhere");
    StorageError::Escape { at: target.at.clone(), what }
}

/// The folders of a target below its base, from the top.
fn folders_of(target: &Target) -> Vec<String> {
    let folder = target.folder();
    let ends = folder.match_indices('/').map(|(at, _)| at).chain((!folder.is_empty()).then_some(folder.len()));
    ends.map(|end| path_of(&join(&target.base, &folder[..end]))).collect()
}

/// The first link among the folders of a target.
async fn links_of(session: &Arc<Session>, target: &Target) -> Result<Option<String>, Failure> {
    for folder in folders_of(target) {
        match session.lstat(&folder).await {
            Ok(seen) if kind(&seen) == NodeKind::Link => return Ok(Some(folder)),
            Ok(_) => {}
            Err(Failure::Absent) => break,
            Err(failure) => return Err(failure),
        }
    }
    Ok(None)
}

/// Makes the folders of a target, the base too. None of those below the base is a link.
async fn make_folders(session: &Arc<Session>, target: &Target) -> Result<(), StorageError> {
    let whole = path_of(&join(&target.base, target.folder()));
    if session.folders.lock().unwrap_or_else(PoisonError::into_inner).contains(&whole) {
        return Ok(());
    }
    if session.stat(&path_of(&target.base)).await.is_err() {
        let base = &target.base;
        let ends = base.match_indices('/').map(|(at, _)| at).chain([base.len()]);
        for end in ends.filter(|end| *end > 0) {
            // Whether it is there already, the next one shows.
            let _ = session.ask(session.raw.mkdir(path_of(&base[..end]), FileAttributes::empty())).await;
        }
    }
    for folder in folders_of(target) {
        let seen = match session.lstat(&folder).await {
            Err(Failure::Absent) => {
                let made = session.ask(session.raw.mkdir(folder.as_str(), FileAttributes::empty())).await;
                match (made, session.lstat(&folder).await) {
                    (_, Ok(seen)) => seen,
                    // Another removed it since.
                    (Ok(_) | Err(Failure::Refused(_)), Err(Failure::Absent)) => return Ok(()),
                    (Err(failure), _) | (_, Err(failure)) => return Err(target.failed(failure)),
                }
            }
            seen => seen.map_err(|failure| target.failed(failure))?,
        };
        if kind(&seen) == NodeKind::Link {
            return Err(escape(target, &folder));
        }
    }
    let mut folders = session.folders.lock().unwrap_or_else(PoisonError::into_inner);
    if folders.len() >= MOST_FOLDERS {
        folders.clear();
    }
    folders.insert(whole);
    Ok(())
}
