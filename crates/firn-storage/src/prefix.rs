//! The write side: objects below one prefix, whole or not at all, under preconditions.

use crate::capabilities::{Capabilities, Capability, Conditions, EtagForm};
use crate::claims::Claim;
use crate::cloud::CloudPrefix;
use crate::error::StorageError;
use crate::file_prefix::FilePrefix;
use crate::listing::{Level, Listing};
use crate::remote::Remote;
use crate::s3_prefix::S3Prefix;
use crate::storage::{Place, Storage};
use crate::url::{ObjectUrl, check_key};
use crate::web_folder::WebFolder;
use crate::{local_write, url};
use bytes::Bytes;
use firn_model::source::{ByteRange, ListedObject, SourceError, SourceVersion};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Under which condition an object is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Precondition {
    /// Always; what is there is replaced.
    #[default]
    None,
    /// Only where there is nothing yet.
    Create,
    /// Only where the object still has this entity tag.
    IfMatch(String),
}

/// How sure a precondition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarantee {
    /// Decided by the storage in one step.
    Atomic,
    /// The storage cannot; firn's processes agree among themselves. Other programs are not held off.
    Coordinated,
}

/// What a write gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutResult {
    /// Entity tag of what was written, where the storage told.
    pub etag: Option<String>,
    /// How sure the precondition was.
    pub guarantee: Guarantee,
}

/// An object in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its bytes.
    pub bytes: Bytes,
    /// Its version, with the entity tag for [`Precondition::IfMatch`].
    pub version: SourceVersion,
}

/// A place below which objects lie: a local directory, an S3 prefix, a folder of an SFTP server, or, to read only, a folder of a
/// web or FTP server ([`Storage::tree`]). Cheap to clone.
///
/// All methods are async and may be awaited on any runtime thread; keys are checked by [`check_key`] each time.
#[derive(Clone)]
pub struct Prefix {
    storage: Storage,
    url: ObjectUrl,
    backend: Backend,
    conditions: Option<Arc<Conditions>>,
    copies: Arc<BTreeMap<String, Capability>>,
}

#[derive(Clone)]
pub(crate) enum Backend {
    Local(PathBuf),
    S3(S3Prefix),
    Cloud(CloudPrefix),
    Web(WebFolder),
    File(FilePrefix),
}

impl Prefix {
    pub(crate) fn new(storage: Storage, url: ObjectUrl) -> Result<Self, StorageError> {
        let prefix = Self::readable(storage, url)?;
        match &prefix.backend {
            Backend::Web(_) => Err(read_only(&prefix.url)),
            Backend::File(folder) => folder.check_writable().map(|()| prefix),
            _ => Ok(prefix),
        }
    }

    pub(crate) fn readable(storage: Storage, url: ObjectUrl) -> Result<Self, StorageError> {
        let backend = match storage.place(&url)? {
            Place::Local(path) => Backend::Local(path),
            Place::Remote(Remote::S3(object)) => Backend::S3(S3Prefix::new(object)),
            Place::Remote(Remote::Cloud(object)) => Backend::Cloud(CloudPrefix::new(object)),
            Place::Remote(Remote::File(folder)) => Backend::File(FilePrefix::new(folder)),
            Place::Remote(Remote::Http(_)) => Backend::Web(WebFolder::new(storage.clone(), url.clone())),
        };
        Ok(Self { storage, url, backend, conditions: None, copies: Arc::default() })
    }

    /// The same prefix, obeying this table: preconditions that the storage does not honour are agreed among firn's
    /// writers instead, and [`PutResult::guarantee`] says so.
    #[must_use]
    pub fn with_capabilities(self, table: &Capabilities) -> Self {
        let copies = Arc::new(table.copies_from.clone());
        Self { conditions: Some(Arc::new(table.conditions.clone())), copies, ..self }
    }

    /// The prefix that an object lies in, and its key there. `None` at a root.
    ///
    /// # Errors
    /// As [`Storage::tree`].
    pub(crate) fn holding(storage: &Storage, url: &ObjectUrl) -> Result<Option<(Self, String)>, StorageError> {
        let (Some(folder), name) = (storage.parent(url), url.file_name()) else { return Ok(None) };
        if name.is_empty() {
            return Ok(None);
        }
        let prefix = Self::readable(storage.clone(), folder)?;
        let backend = match prefix.backend {
            Backend::Web(web) => Backend::Web(web.of(name.clone(), url.clone())),
            other => other,
        };
        Ok(Some((Self { backend, ..prefix }, name)))
    }

    /// The address of an object of this prefix.
    pub(crate) fn address(&self, key: &str) -> Result<ObjectUrl, StorageError> {
        match &self.backend {
            Backend::Web(folder) => folder.address(key),
            _ => self.url.child(key),
        }
    }

    pub(crate) fn backend(&self) -> &Backend {
        &self.backend
    }

    /// From where the server was seen to copy to this location, or not to.
    pub(crate) fn known_copies(&self) -> &BTreeMap<String, Capability> {
        &self.copies
    }

    /// What names this location in a table of capabilities: its physical address, and for S3 the endpoint.
    pub fn identity(&self) -> String {
        match &self.backend {
            Backend::Local(root) => root.display().to_string(),
            Backend::S3(prefix) => prefix.identity(),
            Backend::Cloud(prefix) => prefix.identity(),
            Backend::Web(folder) => folder.identity(),
            Backend::File(folder) => folder.identity(),
        }
    }

    /// The address of this prefix.
    pub fn url(&self) -> &ObjectUrl {
        &self.url
    }

    /// The storage that it belongs to.
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// The prefix of this key below this one.
    ///
    /// # Errors
    /// [`StorageError::BadKey`].
    pub fn child(&self, key: &str) -> Result<Self, StorageError> {
        let child = Self::readable(self.storage.clone(), self.url.child(key)?)?;
        Ok(Self { conditions: self.conditions.clone(), copies: Arc::clone(&self.copies), ..child })
    }

    /// The whole object, or `None` where it does not exist.
    ///
    /// # Errors
    /// [`StorageError::TooLarge`] above the bound of the settings, else anything but "does not exist".
    pub async fn get(&self, key: &str) -> Result<Option<Object>, StorageError> {
        check_key(&self.url.at(), key)?;
        let limit = self.storage.settings().limits.object_in_memory;
        let found = match &self.backend {
            Backend::Local(root) => {
                let (root, key) = (root.clone(), key.to_owned());
                self.storage.bridge().blocking(move || local_write::get(&root, &key, limit)).await?
            }
            Backend::S3(prefix) => prefix.get(key, limit).await?,
            Backend::Cloud(prefix) => prefix.get(key, limit).await?,
            Backend::Web(folder) => folder.get(key, limit).await?,
            Backend::File(folder) => folder.get(key, limit).await?,
        };
        Ok(found.map(|(bytes, version)| Object { bytes, version }))
    }

    /// The MD5 sums of files that are small enough to be read whole, if they are of these versions. `None` for one that is not,
    /// and for all where this is no file system. Many together cost one thread its time, each alone would be handed to one and
    /// back.
    ///
    /// # Errors
    /// [`StorageError::BadKey`], and what the file system says of any of them.
    pub async fn md5_of_files(
        &self,
        files: Vec<(String, SourceVersion)>,
    ) -> Result<Vec<Option<[u8; 16]>>, StorageError> {
        files.iter().try_for_each(|(key, _)| check_key(&self.url.at(), key))?;
        let Backend::Local(root) = &self.backend else { return Ok(vec![None; files.len()]) };
        let (root, limit) = (root.clone(), self.storage.settings().limits.object_in_memory);
        let work = move || {
            let mut sums = Vec::with_capacity(files.len());
            for group in files.chunks(crate::md5_lanes::LANES) {
                let mut read = Vec::with_capacity(group.len());
                for (key, version) in group {
                    let found = local_write::get(&root, key, limit)?;
                    read.push(
                        found.filter(|(_, seen)| version.size == seen.size && version.difference(seen).is_none()),
                    );
                }
                let bytes: Vec<&[u8]> = read.iter().flatten().map(|(bytes, _)| bytes.as_ref()).collect();
                let mut found = crate::md5_of_many(&bytes).into_iter();
                sums.extend(read.iter().map(|read| read.as_ref().and_then(|_| found.next())));
            }
            Ok(sums)
        };
        self.storage.bridge().blocking(work).await
    }

    /// Some bytes of an object.
    ///
    /// # Errors
    /// [`SourceError::NotFound`], [`SourceError::OutOfBounds`], else what the storage says.
    pub async fn get_range(&self, key: &str, range: ByteRange) -> Result<Bytes, StorageError> {
        let url = self.address(key)?;
        match &self.backend {
            Backend::Local(_) | Backend::Web(_) => {
                let storage = self.storage.clone();
                let work = move || {
                    let reader = storage.open(&url)?.ok_or_else(|| SourceError::NotFound { at: url.at() })?;
                    Ok(reader.read(range)?)
                };
                self.storage.bridge().blocking(work).await
            }
            Backend::S3(prefix) => prefix.get_range(key, range).await,
            Backend::Cloud(prefix) => prefix.get_range(key, range).await,
            Backend::File(folder) => folder.get_range(key, range).await,
        }
    }

    /// The version of an object, or `None` where it does not exist.
    ///
    /// # Errors
    /// Anything but "does not exist".
    pub async fn head(&self, key: &str) -> Result<Option<SourceVersion>, StorageError> {
        check_key(&self.url.at(), key)?;
        match &self.backend {
            Backend::Local(root) => {
                let (root, key) = (root.clone(), key.to_owned());
                self.storage.bridge().blocking(move || local_write::head(&root, &key)).await
            }
            Backend::S3(prefix) => prefix.head(key).await,
            Backend::Cloud(prefix) => prefix.head(key).await,
            Backend::Web(folder) => folder.head(key).await,
            Backend::File(folder) => folder.head(key).await,
        }
    }

    /// Writes an object: readers see the old one or the new one, never a part.
    ///
    /// A precondition is left to the storage only where it was seen to decide it: by the table given to
    /// [`Prefix::with_capabilities`], else by a short probe at the first conditional write to this bucket.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] where the precondition does not hold; else what the storage says. Where the answer was
    /// lost and another has written since, nobody can tell whether ours was there in between: that is a conflict too, so a
    /// loop of read, change and write looks first whether its change is there already.
    pub async fn put(&self, key: &str, bytes: Bytes, when: Precondition) -> Result<PutResult, StorageError> {
        check_key(&self.url.at(), key)?;
        if when == Precondition::None || matches!(self.backend, Backend::Local(_)) {
            return self.put_raw(key, bytes, &when, EtagForm::Quoted).await;
        }
        let conditions = self.conditions().await?;
        let honoured = match when {
            Precondition::IfMatch(_) => conditions.if_match.is_yes(),
            _ => conditions.create.is_yes(),
        };
        if honoured {
            return self.put_raw(key, bytes, &when, conditions.etag_form).await;
        }
        self.put_claimed(key, bytes, &when).await
    }

    /// Writes an object where there is nothing yet, as [`Prefix::put`] with [`Precondition::Create`]. But where the storage is
    /// a file system, what a writer that is stopped leaves half written lies at `staging` or beside it, never beside `key`.
    /// What is at `staging` afterwards is the caller's to remove.
    ///
    /// # Errors
    /// As [`Prefix::put`].
    pub async fn create_staged(&self, staging: &str, key: &str, bytes: Bytes) -> Result<Guarantee, StorageError> {
        check_key(&self.url.at(), staging)?;
        check_key(&self.url.at(), key)?;
        match &self.backend {
            Backend::Local(root) => {
                let (root, staging, key) = (root.clone(), staging.to_owned(), key.to_owned());
                let work = move || local_write::create_staged(&root, &staging, &key, &bytes);
                self.storage.bridge().blocking(work).await
            }
            Backend::File(folder) if folder.create_staged(staging, key, &bytes).await? => Ok(Guarantee::Atomic),
            Backend::S3(_) | Backend::Cloud(_) | Backend::File(_) => {
                Ok(self.put(key, bytes, Precondition::Create).await?.guarantee)
            }
            Backend::Web(_) => Err(read_only(&self.url)),
        }
    }

    /// Writes an object as an unconditional [`Prefix::put`]: whole or not at all for readers. But where the storage is a
    /// file system, what was written is safe from the loss of power only after [`Prefix::make_durable`], which waits once
    /// for many objects.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn put_deferred(&self, key: &str, bytes: Bytes) -> Result<(), StorageError> {
        check_key(&self.url.at(), key)?;
        match &self.backend {
            Backend::Local(root) => {
                let (root, key) = (root.clone(), key.to_owned());
                self.storage.bridge().blocking(move || local_write::put_deferred(&root, &key, &bytes)).await
            }
            Backend::File(folder) => folder.put(key, &bytes, &Precondition::None, false).await.map(|_| ()),
            Backend::S3(_) | Backend::Cloud(_) => self.put_plain(key, bytes).await.map(|_| ()),
            Backend::Web(_) => Err(read_only(&self.url)),
        }
    }

    /// Returns when these objects, which [`Prefix::put_deferred`] wrote, are safe from the loss of power.
    ///
    /// # Errors
    /// Where one of them does not exist, and what the file system says. An object storage answers a put when it is safe.
    pub async fn make_durable(&self, keys: Vec<String>) -> Result<(), StorageError> {
        keys.iter().try_for_each(|key| check_key(&self.url.at(), key))?;
        match &self.backend {
            Backend::Local(root) => {
                let root = root.clone();
                self.storage.bridge().blocking(move || local_write::make_durable(&root, &keys)).await
            }
            Backend::File(folder) => folder.make_durable(keys).await,
            Backend::S3(_) | Backend::Cloud(_) | Backend::Web(_) => Ok(()),
        }
    }

    /// How far the storage decides preconditions.
    pub(crate) async fn conditions(&self) -> Result<Arc<Conditions>, StorageError> {
        match (&self.conditions, &self.backend) {
            (Some(conditions), _) => Ok(Arc::clone(conditions)),
            (None, Backend::S3(_) | Backend::Cloud(_)) => {
                let bucket = match &self.backend {
                    Backend::S3(prefix) => prefix.identity_of_bucket(),
                    Backend::Cloud(prefix) => prefix.identity_of_bucket(),
                    Backend::Local(_) | Backend::Web(_) | Backend::File(_) => String::new(),
                };
                let cell = self.storage.known_conditions(&bucket);
                // Boxed, because the probe writes by way of this type.
                let probe = || async { Box::pin(crate::probe::conditions(self)).await.map(Arc::new) };
                cell.get_or_try_init(probe).await.map(Arc::clone)
            }
            // The server says what it can.
            (None, Backend::File(folder)) => folder.conditions().await.map(Arc::new),
            (None, Backend::Local(_) | Backend::Web(_)) => Ok(Arc::default()),
        }
    }

    /// Leaves the precondition to the storage, whatever it makes of it.
    pub(crate) async fn put_raw(
        &self,
        key: &str,
        bytes: Bytes,
        when: &Precondition,
        form: EtagForm,
    ) -> Result<PutResult, StorageError> {
        match &self.backend {
            Backend::Local(root) => {
                let (root, key, when) = (root.clone(), key.to_owned(), when.clone());
                self.storage.bridge().blocking(move || local_write::put(&root, &key, &bytes, &when)).await
            }
            Backend::S3(prefix) => prefix.put(self.storage.transport(), key, bytes, when, form).await,
            Backend::Cloud(prefix) => prefix.put(self.storage.transport(), key, bytes, when, form).await,
            Backend::File(folder) => folder.put(key, &bytes, when, true).await,
            Backend::Web(_) => Err(read_only(&self.url)),
        }
    }

    /// An unconditional write.
    pub(crate) async fn put_plain(&self, key: &str, bytes: Bytes) -> Result<PutResult, StorageError> {
        self.put_raw(key, bytes, &Precondition::None, EtagForm::Quoted).await
    }

    /// Checks the precondition itself, under a claim that keeps other writers of firn off.
    async fn put_claimed(&self, key: &str, bytes: Bytes, when: &Precondition) -> Result<PutResult, StorageError> {
        let claim = Claim::take(self, key).await?;
        let outcome = self.put_checked(&claim, key, bytes, when).await;
        let released = claim.release().await;
        let put = outcome?;
        released?;
        Ok(PutResult { guarantee: Guarantee::Coordinated, ..put })
    }

    async fn put_checked(
        &self,
        claim: &Claim<'_>,
        key: &str,
        bytes: Bytes,
        when: &Precondition,
    ) -> Result<PutResult, StorageError> {
        let at = self.url.child(key)?.at();
        match (self.head(key).await?, when) {
            (Some(_), Precondition::Create) => return Err(StorageError::conflict(at, "it exists already")),
            (None, Precondition::IfMatch(_)) => return Err(StorageError::conflict(at, "it does not exist any more")),
            (Some(version), Precondition::IfMatch(expected)) if version.etag.as_ref() != Some(expected) => {
                let tag = version.etag.unwrap_or_default();
                return Err(StorageError::conflict(at, format!("it is {tag} now, not {expected}")));
            }
            _ => {}
        }
        claim.check()?;
        self.put_plain(key, bytes).await
    }

    /// Writes a small object in parts, to see whether that works.
    pub(crate) async fn put_in_parts(&self, key: &str, bytes: Bytes) -> Result<(), StorageError> {
        match &self.backend {
            Backend::Local(_) | Backend::File(_) => self.put_plain(key, bytes).await.map(|_| ()),
            Backend::S3(prefix) => prefix.put_in_parts(self.storage.transport(), key, bytes).await.map(|_| ()),
            Backend::Cloud(prefix) => prefix.put_in_parts(self.storage.transport(), key, bytes).await.map(|_| ()),
            Backend::Web(_) => Err(read_only(&self.url)),
        }
    }

    /// Copies an object to another key of this prefix, on the server where the storage is one. What is there is replaced.
    ///
    /// # Errors
    /// [`SourceError::NotFound`] where there is no such object; else what the storage says.
    pub async fn copy(&self, from: &str, to: &str) -> Result<(), StorageError> {
        check_key(&self.url.at(), from)?;
        check_key(&self.url.at(), to)?;
        match &self.backend {
            Backend::Local(_) | Backend::File(_) => {
                let missing = || SourceError::NotFound { at: self.url.at().node(from) };
                let object = self.get(from).await?.ok_or_else(missing)?;
                self.put_plain(to, object.bytes).await.map(|_| ())
            }
            Backend::S3(prefix) => prefix.copy(from, to).await,
            Backend::Cloud(prefix) => prefix.copy(from, to).await,
            Backend::Web(_) => Err(read_only(&self.url)),
        }
    }

    /// Removes an object. One that is not there is no error.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn delete(&self, key: &str) -> Result<(), StorageError> {
        check_key(&self.url.at(), key)?;
        match &self.backend {
            Backend::Local(root) => {
                let (root, key) = (root.clone(), key.to_owned());
                self.storage.bridge().blocking(move || local_write::delete(&root, &key)).await
            }
            Backend::S3(prefix) => prefix.delete(key).await,
            Backend::Cloud(prefix) => prefix.delete(key).await,
            Backend::File(folder) => folder.delete(key).await,
            Backend::Web(_) => Err(read_only(&self.url)),
        }
    }

    /// Removes what writers that were stopped left below this prefix and no store is made of: unfinished writes and empty
    /// directories of a local one, `depth` directories deep; what a probe of a service left, directly below.
    ///
    /// Only for what nobody else writes: the unfinished writes of the living are removed too, and have to be made again.
    ///
    /// # Errors
    /// What the file system says.
    pub async fn sweep(&self, depth: usize) -> Result<(), StorageError> {
        match &self.backend {
            Backend::Local(root) => {
                let root = root.clone();
                self.storage.bridge().blocking(move || local_write::sweep(&root, depth)).await
            }
            Backend::File(folder) => {
                folder.sweep(depth).await?;
                crate::probe::sweep(self).await
            }
            Backend::S3(_) | Backend::Cloud(_) => crate::probe::sweep(self).await,
            Backend::Web(_) => Ok(()),
        }
    }

    /// All objects below a key of this prefix (the empty key: all), in key order; keys relative to this prefix. Of a web
    /// server, what the index pages name, without versions.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn list(&self, key: &str) -> Result<Vec<ListedObject>, StorageError> {
        if let Backend::Web(folder) = &self.backend {
            return folder.list(key).await;
        }
        let listed = self.storage.list_async(&self.below(key)?).await?;
        let rooted = |object: ListedObject| ListedObject { key: url::join(key, &object.key), ..object };
        Ok(listed.into_iter().map(rooted).collect())
    }

    /// All objects below this prefix with what the listing itself tells of their versions, and those that are left alone
    /// because of their keys: one odd name hides no others.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn list_all(&self) -> Result<Listing, StorageError> {
        let at = self.url.at();
        match &self.backend {
            Backend::Local(root) => {
                let root = root.clone();
                self.storage.bridge().blocking(move || crate::local::list_all(&root, false)).await
            }
            Backend::S3(prefix) => prefix.list_all(self.storage.transport(), &at, false).await,
            Backend::Cloud(prefix) => prefix.list(false).await,
            Backend::File(folder) => folder.list(false).await,
            Backend::Web(folder) => Ok(Listing { objects: folder.list("").await?, ..Listing::default() }),
        }
    }

    /// The objects and folders directly below this prefix, as [`Prefix::list_all`] tells all.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn list_level(&self) -> Result<Listing, StorageError> {
        let at = self.url.at();
        match &self.backend {
            Backend::Local(root) => {
                let root = root.clone();
                self.storage.bridge().blocking(move || crate::local::list_all(&root, true)).await
            }
            Backend::S3(prefix) => prefix.list_all(self.storage.transport(), &at, true).await,
            Backend::Cloud(prefix) => prefix.list(true).await,
            Backend::File(folder) => folder.list(true).await,
            Backend::Web(_) => {
                let level = self.storage.list_level_async(&self.url).await?;
                Ok(Listing { objects: level.objects, unusable: Vec::new(), folders: level.prefixes })
            }
        }
    }

    /// A symbolic link at this prefix (the empty key) or below it, on a file system: listings follow links, so what they name
    /// may lie anywhere.
    ///
    /// # Errors
    /// What the file system says.
    pub async fn first_link(&self) -> Result<Option<String>, StorageError> {
        if let Backend::File(folder) = &self.backend {
            return folder.first_link().await;
        }
        let Backend::Local(root) = &self.backend else { return Ok(None) };
        let root = root.clone();
        self.storage.bridge().blocking(move || crate::local::first_link(&root)).await
    }

    /// The objects and prefixes directly below a key; names relative to that key.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn list_shallow(&self, key: &str) -> Result<Level, StorageError> {
        self.storage.list_level_async(&self.below(key)?).await
    }

    fn below(&self, key: &str) -> Result<ObjectUrl, StorageError> {
        if key.is_empty() { Ok(self.url.clone()) } else { self.url.child(key) }
    }
}

fn read_only(url: &ObjectUrl) -> StorageError {
    StorageError::Unsupported {
        at: url.at(),
        what: "a web server cannot be written to".to_owned(),
        next: "name a local directory, s3://bucket/prefix, or a location of firn.toml".into(),
    }
}
