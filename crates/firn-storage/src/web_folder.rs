//! A folder of a web server: read by its index pages, never written to.

use crate::error::StorageError;
use crate::http::HttpObject;
use crate::remote::{Opened, Remote};
use crate::storage::{Place, Storage};
use crate::url::{ObjectUrl, join};
use bytes::{Bytes, BytesMut};
use firn_model::source::{ListedObject, SourceError, SourceVersion};

/// Bytes that are asked for at first: most small objects come with one request.
const HEAD: u64 = 1 << 20;
/// Index pages that are read of one tree: a server may make them up as it is asked.
const MOST_PAGES: usize = 10_000;
/// Deepest folder that is looked into.
const DEEPEST: usize = 64;

/// A folder of a web server.
#[derive(Clone)]
pub(crate) struct WebFolder {
    storage: Storage,
    url: ObjectUrl,
    /// The only object, with its name: an address with a query (which may be a signature) has no others beside it.
    only: Option<(String, ObjectUrl)>,
}

impl WebFolder {
    pub(crate) fn new(storage: Storage, url: ObjectUrl) -> Self {
        Self { storage, url, only: None }
    }

    /// A folder that holds this object alone.
    pub(crate) fn of(self, name: String, object: ObjectUrl) -> Self {
        Self { only: Some((name, object)), ..self }
    }

    /// The address of an object.
    pub(crate) fn address(&self, key: &str) -> Result<ObjectUrl, StorageError> {
        match &self.only {
            Some((name, url)) if name == key => Ok(url.clone()),
            _ => self.url.child(key),
        }
    }

    pub(crate) fn identity(&self) -> String {
        self.url.to_string()
    }

    fn object(&self, key: &str) -> Result<HttpObject, StorageError> {
        match self.storage.place(&self.address(key)?)? {
            Place::Remote(Remote::Http(object)) => Ok(object),
            _ => Err(StorageError::Misuse { what: "an object of a web server lies elsewhere".to_owned() }),
        }
    }

    pub(crate) async fn head(&self, key: &str) -> Result<Option<SourceVersion>, StorageError> {
        Ok(self.object(key)?.open(1).await?.map(|opened| opened.version))
    }

    /// A whole object of at most `limit` bytes.
    pub(crate) async fn get(&self, key: &str, limit: u64) -> Result<Option<(Bytes, SourceVersion)>, StorageError> {
        let object = self.object(key)?;
        let Some(Opened { version, head }) = object.open(HEAD.min(limit)).await? else { return Ok(None) };
        let (size, have) = (version.size, head.len() as u64);
        if size > limit {
            return Err(StorageError::TooLarge { at: object.at.clone(), size, limit });
        }
        if have == size {
            return Ok(Some((head, version)));
        }
        let mut whole = BytesMut::with_capacity(size as usize);
        whole.extend_from_slice(&head);
        whole.extend_from_slice(&object.read(have..size, &version).await?);
        Ok(Some((whole.freeze(), version)))
    }

    /// All that the index pages name below a key, in key order, without versions.
    pub(crate) async fn list(&self, key: &str) -> Result<Vec<ListedObject>, StorageError> {
        let refused = |what: String| StorageError::Source(SourceError::NotListable { at: self.url.at(), what });
        let (mut objects, mut open, mut pages) = (Vec::new(), vec![(key.to_owned(), 0)], 0);
        while let Some((folder, depth)) = open.pop() {
            pages += 1;
            if pages > MOST_PAGES || depth > DEEPEST {
                return Err(refused(format!("it has more than {MOST_PAGES} folders, or {DEEPEST} within one another")));
            }
            let url = if folder.is_empty() { self.url.clone() } else { self.url.child(&folder)? };
            let level = self.storage.list_level_async(&url).await?;
            let below = |object: ListedObject| ListedObject { key: join(&folder, &object.key), ..object };
            objects.extend(level.objects.into_iter().map(below));
            open.extend(level.prefixes.iter().map(|name| (join(&folder, name), depth + 1)));
        }
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(objects)
    }
}
