//! Objects below a folder of a server of files: read over SFTP and FTP, written over SFTP.

use crate::capabilities::{Capability, Conditions, EtagForm};
use crate::error::StorageError;
use crate::file_server::{FileObject, FileServer};
use crate::listing::Listing;
use crate::prefix::{Guarantee, Precondition, PutResult};
use crate::sftp::SftpServer;
use crate::sftp_write::{LINK, Place, Target, Upload};
use bytes::Bytes;
use firn_model::source::{ByteRange, SourceVersion};
use futures::FutureExt;
use std::sync::Arc;

/// A folder of a server.
#[derive(Clone)]
pub(crate) struct FilePrefix {
    folder: FileObject,
}

impl FilePrefix {
    pub(crate) fn new(folder: FileObject) -> Self {
        Self { folder }
    }

    pub(crate) fn identity(&self) -> String {
        let server = match &self.folder.server {
            FileServer::Sftp(server) => server.identity(),
            FileServer::Ftp(server) => server.identity(),
        };
        format!("{server}/{}", self.folder.key)
    }

    /// Is it one that is written to?
    ///
    /// # Errors
    /// [`StorageError::Unsupported`] where not.
    pub(crate) fn check_writable(&self) -> Result<(), StorageError> {
        self.sftp().map(|_| ())
    }

    pub(crate) async fn get(&self, key: &str, limit: u64) -> Result<Option<(Bytes, SourceVersion)>, StorageError> {
        let object = self.folder.child(key);
        let Some(opened) = object.open(limit.min(1 << 20)).await? else { return Ok(None) };
        let (size, have) = (opened.version.size, opened.head.len() as u64);
        if size > limit {
            return Err(StorageError::TooLarge { at: object.at, size, limit });
        }
        if have == size {
            return Ok(Some((opened.head, opened.version)));
        }
        let rest = object.read(have..size, &opened.version).await?;
        Ok(Some(([opened.head, rest].concat().into(), opened.version)))
    }

    pub(crate) async fn get_range(&self, key: &str, range: ByteRange) -> Result<Bytes, StorageError> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        Ok(self.folder.child(key).read_any(range).await?)
    }

    pub(crate) async fn head(&self, key: &str) -> Result<Option<SourceVersion>, StorageError> {
        Ok(self.folder.child(key).head().await?)
    }

    pub(crate) async fn list(&self, one_level: bool) -> Result<Listing, StorageError> {
        Ok(self.folder.list(one_level).boxed().await?)
    }

    pub(crate) async fn first_link(&self) -> Result<Option<String>, StorageError> {
        Ok(self.folder.first_link().await?)
    }

    /// How far the server decides preconditions itself.
    pub(crate) async fn conditions(&self) -> Result<Conditions, StorageError> {
        let server = self.sftp()?;
        let session = server.session(&self.folder.at).boxed().await?;
        let create = if session.has(LINK) {
            Capability::yes("a second name for a file (hardlink@openssh.com), where that is free")
        } else {
            Capability::no("the server gives no file a second name (hardlink@openssh.com)")
        };
        let if_match = Capability::no("SFTP has no writes under a condition");
        Ok(Conditions { create, if_match, etag_form: EtagForm::Quoted })
    }

    pub(crate) async fn put(
        &self,
        key: &str,
        bytes: &Bytes,
        when: &Precondition,
        is_durable: bool,
    ) -> Result<PutResult, StorageError> {
        let server = self.sftp()?;
        let target = self.target(key);
        let place = match when {
            Precondition::None => Place::Replace,
            Precondition::Create => Place::Create,
            Precondition::IfMatch(_) => {
                let what = "SFTP has no writes under a condition".to_owned();
                return Err(StorageError::Incapable { at: target.at, what });
            }
        };
        let etag = server.put(&target, bytes, place, is_durable).boxed().await?;
        Ok(PutResult { etag, guarantee: Guarantee::Atomic })
    }

    /// Writes `staging`, then gives it the name of `key` too; false where the server cannot.
    pub(crate) async fn create_staged(&self, staging: &str, key: &str, bytes: &Bytes) -> Result<bool, StorageError> {
        let server = self.sftp()?;
        if !server.session(&self.folder.at).boxed().await?.has(LINK) {
            return Ok(false);
        }
        server.create_staged(&self.target(staging), &self.target(key), bytes).boxed().await?;
        Ok(true)
    }

    pub(crate) async fn make_durable(&self, keys: Vec<String>) -> Result<(), StorageError> {
        self.sftp()?.make_durable(&self.folder.key, keys, &self.folder.at).boxed().await
    }

    pub(crate) async fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.sftp()?.delete(&self.target(key)).boxed().await
    }

    pub(crate) async fn sweep(&self, depth: usize) -> Result<(), StorageError> {
        match &self.folder.server {
            FileServer::Sftp(server) => server.sweep(&self.folder.key, depth, &self.folder.at).boxed().await,
            FileServer::Ftp(_) => Ok(()),
        }
    }

    /// The next request is made on another connection.
    pub(crate) async fn forget(&self) {
        if let FileServer::Sftp(server) = &self.folder.server {
            server.forget().await;
        }
    }

    /// Begins a file that is written piece by piece.
    pub(crate) async fn begin(&self, key: &str) -> Result<Upload, StorageError> {
        self.sftp()?.begin(&self.target(key)).boxed().await
    }

    fn target(&self, key: &str) -> Target {
        Target { base: self.folder.key.clone(), key: key.to_owned(), at: self.folder.child(key).at }
    }

    fn sftp(&self) -> Result<&Arc<SftpServer>, StorageError> {
        match &self.folder.server {
            FileServer::Sftp(server) => Ok(server),
            FileServer::Ftp(_) => Err(StorageError::Unsupported {
                at: self.folder.at.clone(),
                what: "an FTP server is only read from".to_owned(),
                next: "where the server has SFTP too, write sftp://; else name a local directory, s3://bucket/prefix, or a location of firn.toml".into(),
            }),
        }
    }
}
