//! The write side: objects below one prefix, whole or not at all, under preconditions.

use crate::error::StorageError;
use crate::listing::Level;
use crate::remote::Remote;
use crate::s3::S3Object;
use crate::s3_write::S3Prefix;
use crate::storage::{Place, Storage};
use crate::url::{ObjectUrl, check_key};
use crate::{local_write, url};
use bytes::Bytes;
use firn_model::source::{ByteRange, ListedObject, SourceError, SourceVersion};
use std::path::PathBuf;

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

/// A place to write below: a local directory or an S3 prefix. Cheap to clone.
///
/// All methods are async and may be awaited on any runtime thread; keys are checked by [`check_key`] each time.
#[derive(Clone)]
pub struct Prefix {
    storage: Storage,
    url: ObjectUrl,
    backend: Backend,
}

#[derive(Clone)]
enum Backend {
    Local(PathBuf),
    S3(S3Prefix),
}

impl Prefix {
    pub(crate) fn new(storage: Storage, url: ObjectUrl) -> Result<Self, StorageError> {
        let backend = match storage.place(&url)? {
            Place::Local(path) => Backend::Local(path),
            Place::Remote(Remote::S3(S3Object { store, path, at })) => Backend::S3(S3Prefix::new(store, path, at)),
            Place::Remote(Remote::Http(_)) => {
                return Err(StorageError::Unsupported {
                    at: url.at(),
                    what: "a web server cannot be written to".to_owned(),
                    next: "name a local directory, s3://bucket/prefix, or a location of firn.toml".to_owned(),
                });
            }
        };
        Ok(Self { storage, url, backend })
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
        Self::new(self.storage.clone(), self.url.child(key)?)
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
        };
        Ok(found.map(|(bytes, version)| Object { bytes, version }))
    }

    /// Some bytes of an object.
    ///
    /// # Errors
    /// [`SourceError::NotFound`], [`SourceError::OutOfBounds`], else what the storage says.
    pub async fn get_range(&self, key: &str, range: ByteRange) -> Result<Bytes, StorageError> {
        let url = self.url.child(key)?;
        match &self.backend {
            Backend::Local(_) => {
                let storage = self.storage.clone();
                let work = move || {
                    let reader = storage.open(&url)?.ok_or_else(|| SourceError::NotFound { at: url.at() })?;
                    Ok(reader.read(range)?)
                };
                self.storage.bridge().blocking(work).await
            }
            Backend::S3(prefix) => prefix.get_range(key, range).await,
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
        }
    }

    /// Writes an object: readers see the old one or the new one, never a part.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] where the precondition does not hold; else what the storage says.
    pub async fn put(&self, key: &str, bytes: Bytes, when: Precondition) -> Result<PutResult, StorageError> {
        check_key(&self.url.at(), key)?;
        match &self.backend {
            Backend::Local(root) => {
                let (root, key) = (root.clone(), key.to_owned());
                self.storage.bridge().blocking(move || local_write::put(&root, &key, &bytes, &when)).await
            }
            Backend::S3(prefix) => prefix.put(self.storage.transport(), key, bytes, &when).await,
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
        }
    }

    /// All objects below a key of this prefix (the empty key: all), in key order; keys relative to this prefix.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn list(&self, key: &str) -> Result<Vec<ListedObject>, StorageError> {
        let listed = self.storage.list_async(&self.below(key)?).await?;
        let rooted = |object: ListedObject| ListedObject { key: url::join(key, &object.key), ..object };
        Ok(listed.into_iter().map(rooted).collect())
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
