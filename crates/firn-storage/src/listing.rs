//! Listings and glob patterns: local, S3, and the index pages of web servers one level at a time.

use crate::cloud::CloudObject;
use crate::error::StorageError;
use crate::remote::Remote;
use crate::s3::{S3Failure, S3Object, StoreObject, version};
use crate::storage::{Place, Storage};
use crate::url::{ObjectUrl, check_key, join};
use firn_model::diagnose::At;
use firn_model::source::{ListedObject, SourceError, SourceVersion};
use futures::TryStreamExt;
use globset::{GlobBuilder, GlobMatcher};
use object_store::ObjectStore;

/// One level of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Level {
    /// Objects directly below the prefix; keys relative to it.
    pub objects: Vec<ListedObject>,
    /// Prefixes ("folders") directly below it, without trailing slash.
    pub prefixes: Vec<String>,
}

/// All that lies below a prefix, also what no key can name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Objects, in key order; keys relative to the prefix.
    pub objects: Vec<ListedObject>,
    /// Objects with keys that are not safe to use ([`check_key`]).
    pub unusable: Vec<Unusable>,
    /// Folders, without trailing slash, where one level was asked for.
    pub folders: Vec<String>,
}

/// What matches a pattern.
#[derive(Debug, Clone, Default)]
pub struct Matched {
    /// Objects, in order of their addresses.
    pub objects: Vec<(ObjectUrl, ListedObject)>,
    /// Folders, in order of their addresses.
    pub folders: Vec<ObjectUrl>,
}

/// An object that is left alone because of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// The key, with what is no text escaped.
    pub key: String,
    /// The rule that it breaks.
    pub what: String,
}

impl Listing {
    /// Sorts an object in. The marker of an empty folder (a key with a slash at its end, no bytes) is no object.
    pub(crate) fn add(&mut self, at: &At, key: &[u8], version: SourceVersion) {
        let Ok(text) = std::str::from_utf8(key) else { return self.leave(key, "it is not UTF-8") };
        if text.is_empty() || text.ends_with('/') && version.size == 0 {
            return;
        }
        match check_key(at, text) {
            Ok(()) => self.objects.push(ListedObject { key: text.to_owned(), version }),
            Err(StorageError::BadKey { what, .. }) => self.leave(key, &what),
            Err(error) => self.leave(key, &error.to_string()),
        }
    }

    /// Sorts a folder in, whose name may end in a slash.
    pub(crate) fn add_prefix(&mut self, at: &At, name: &[u8]) {
        let name = name.strip_suffix(b"/").unwrap_or(name);
        match std::str::from_utf8(name) {
            Ok(text) => match check_key(at, text) {
                Ok(()) => self.folders.push(text.to_owned()),
                Err(StorageError::BadKey { what, .. }) => self.leave(&[name, b"/"].concat(), &what),
                Err(error) => self.leave(&[name, b"/"].concat(), &error.to_string()),
            },
            Err(_) => self.leave(&[name, b"/"].concat(), "it is not UTF-8"),
        }
    }

    /// Notes an object that is left alone.
    pub(crate) fn leave(&mut self, key: &[u8], what: &str) {
        let shown = |text: &str| text.chars().flat_map(char::escape_debug).collect();
        let key = std::str::from_utf8(key).map_or_else(|_| key.escape_ascii().to_string(), shown);
        self.unusable.push(Unusable { key, what: what.to_owned() });
    }
}

impl Storage {
    /// All objects below a prefix, in key order; keys relative to it. A prefix without objects is empty.
    ///
    /// Blocks the calling thread: not for async code, which has [`crate::Prefix::list`].
    ///
    /// # Errors
    /// [`SourceError::NotListable`] for web servers, else what the storage says.
    pub fn list(&self, prefix: &ObjectUrl) -> Result<Vec<ListedObject>, StorageError> {
        let (storage, prefix) = (self.clone(), prefix.clone());
        self.bridge().wait(async move { storage.list_async(&prefix).await })?
    }

    /// The objects and prefixes directly below a prefix; of a web server what the links of its index page name, without sizes
    /// and dates. Blocks as [`Storage::list`] does.
    ///
    /// # Errors
    /// [`SourceError::NotListable`] for a web server without an index page, else as [`Storage::list`].
    pub fn list_level(&self, prefix: &ObjectUrl) -> Result<Level, StorageError> {
        let (storage, prefix) = (self.clone(), prefix.clone());
        self.bridge().wait(async move { storage.list_level_async(&prefix).await })?
    }

    /// The objects that match a pattern, in order of their addresses: `*` and `?` within a segment, `[ab]`, `{a,b}`, and `**`
    /// for any number of segments. Without `**` only the levels of the pattern are listed, never the whole prefix.
    /// Blocks as [`Storage::list`] does.
    ///
    /// # Errors
    /// [`StorageError::BadUrl`] for a malformed pattern, else as [`Storage::list`].
    pub fn glob(&self, pattern: &str) -> Result<Vec<(ObjectUrl, ListedObject)>, StorageError> {
        Ok(self.glob_all(pattern)?.objects)
    }

    /// As [`Storage::glob`], and the folders that match; none with `**`, which reaches all that lies in them.
    ///
    /// # Errors
    /// As [`Storage::glob`].
    pub fn glob_all(&self, pattern: &str) -> Result<Matched, StorageError> {
        let (base, rest) = split_pattern(pattern)?;
        let storage = self.clone();
        let at = At::url(pattern);
        self.bridge().wait(async move { storage.glob_async(&at, &base, &rest).await })?
    }

    pub(crate) async fn list_async(&self, prefix: &ObjectUrl) -> Result<Vec<ListedObject>, StorageError> {
        match self.place(prefix)? {
            Place::Local(path) => self.bridge().blocking(move || crate::local::list(&path)).await,
            Place::Remote(Remote::Http(_)) => Err(not_listable(prefix)),
            Place::Remote(Remote::File(folder)) => Ok(folder.list_keys().await?),
            Place::Remote(
                Remote::S3(S3Object { object: StoreObject { store, path, .. }, .. })
                | Remote::Cloud(CloudObject { object: StoreObject { store, path, .. }, .. }),
            ) => {
                let at = prefix.at();
                let failure = |error: object_store::Error| listing_failure(&at, &error);
                let mut objects: Vec<ListedObject> = store
                    .list((!path.is_root()).then_some(&path))
                    .map_err(failure)
                    .try_filter_map(|meta| std::future::ready(Ok(below(&path, &meta))))
                    .try_collect()
                    .await?;
                objects.sort_by(|a, b| a.key.cmp(&b.key));
                Ok(objects)
            }
        }
    }

    pub(crate) async fn list_level_async(&self, prefix: &ObjectUrl) -> Result<Level, StorageError> {
        match self.place(prefix)? {
            Place::Local(path) => {
                let found = self.bridge().blocking(move || crate::local::read_directory(&path)).await?;
                let object = |(key, version)| ListedObject { key, version };
                let objects = found.files.into_iter().map(object).collect();
                Ok(Level { objects, prefixes: found.directories })
            }
            Place::Remote(Remote::File(folder)) => Ok(folder.level().await?),
            Place::Remote(Remote::Http(object)) => object.index().await?.ok_or_else(|| no_index(prefix)),
            Place::Remote(
                Remote::S3(S3Object { object: StoreObject { store, path, .. }, .. })
                | Remote::Cloud(CloudObject { object: StoreObject { store, path, .. }, .. }),
            ) => {
                let found = store.list_with_delimiter((!path.is_root()).then_some(&path)).await;
                let found = found.map_err(|error| listing_failure(&prefix.at(), &error))?;
                let last = |path: &object_store::path::Path| path.filename().map(str::to_owned);
                let mut objects: Vec<_> = found.objects.iter().filter_map(|meta| below(&path, meta)).collect();
                objects.sort_by(|a, b| a.key.cmp(&b.key));
                Ok(Level { objects, prefixes: found.common_prefixes.iter().filter_map(last).collect() })
            }
        }
    }

    async fn glob_async(&self, at: &At, base: &ObjectUrl, pattern: &str) -> Result<Matched, StorageError> {
        let whole = matcher(at, pattern)?;
        let mut matched = Matched::default();
        let found = &mut matched.objects;
        if pattern.split('/').any(|segment| segment.contains("**")) {
            for object in self.list_async(base).await? {
                if whole.is_match(&object.key) {
                    found.push((base.child(&object.key)?, object));
                }
            }
            return Ok(matched);
        }
        let segments: Vec<&str> = pattern.split('/').collect();
        let mut level = vec![String::new()];
        for (index, segment) in segments.iter().enumerate() {
            let is_last = index + 1 == segments.len();
            let segment = matcher(at, segment)?;
            let mut next = Vec::new();
            for key in &level {
                let prefix = if key.is_empty() { base.clone() } else { base.child(key)? };
                let here = self.list_level_async(&prefix).await?;
                if is_last {
                    for object in here.objects.into_iter().filter(|object| segment.is_match(&object.key)) {
                        let key = join(key, &object.key);
                        found.push((base.child(&key)?, ListedObject { key, version: object.version }));
                    }
                    for name in here.prefixes.iter().filter(|name| segment.is_match(name)) {
                        matched.folders.push(base.child(&join(key, name))?);
                    }
                } else {
                    next.extend(here.prefixes.iter().filter(|name| segment.is_match(name)).map(|name| join(key, name)));
                }
            }
            level = next;
        }
        found.sort_by(|a, b| a.1.key.cmp(&b.1.key));
        matched.folders.sort_by_key(ToString::to_string);
        Ok(matched)
    }
}

/// The listed object with its key relative to the prefix; `None` for the marker of the folder itself.
pub(crate) fn below(prefix: &object_store::path::Path, meta: &object_store::ObjectMeta) -> Option<ListedObject> {
    let key: Vec<String> = meta.location.prefix_match(prefix)?.map(|part| part.as_ref().to_owned()).collect();
    (!key.is_empty()).then(|| ListedObject { key: key.join("/"), version: version(meta) })
}

/// Buckets may hold keys that the library cannot name, and it then gives up on the whole listing.
pub(crate) fn listing_failure(at: &At, error: &object_store::Error) -> StorageError {
    use object_store::path::Error::{BadSegment, EmptySegment};
    let (key, what) = match crate::s3::find::<object_store::path::Error>(error) {
        Some(EmptySegment { path }) => {
            (path, "it has an empty segment (a leading, trailing or double slash)".to_owned())
        }
        Some(BadSegment { path, source }) => (path, source.to_string()),
        _ => return StorageError::from(S3Failure::of(error).source(at)),
    };
    StorageError::BadKey { at: at.clone(), key: key.as_str().into(), what }
}

/// An index page names one level, and not what a level below it holds.
fn not_listable(prefix: &ObjectUrl) -> StorageError {
    let what = "web servers list a folder at most, not all that lies below it".to_owned();
    StorageError::Source(SourceError::NotListable { at: prefix.at(), what })
}

fn no_index(prefix: &ObjectUrl) -> StorageError {
    let what = "the web server has no index page of this folder".to_owned();
    StorageError::Source(SourceError::NotListable { at: prefix.at(), what })
}

fn matcher(at: &At, pattern: &str) -> Result<GlobMatcher, StorageError> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build();
    let glob = glob.map_err(|error| StorageError::BadUrl { at: at.clone(), what: error.to_string() })?;
    Ok(glob.compile_matcher())
}

/// Does the text have wildcards?
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '[', '{']) || (!text.contains("://") && text.contains('?'))
}

/// The prefix without wildcards, and the pattern below it.
fn split_pattern(text: &str) -> Result<(ObjectUrl, String), StorageError> {
    let first = text.find(['*', '?', '[', '{', '\\']).unwrap_or(text.len());
    let cut = text[..first].rfind(['/', ':']).map_or(0, |slash| slash + 1);
    let (base, pattern) = text.split_at(cut);
    let bad = |what: &str| StorageError::BadUrl { at: At::url(text), what: what.to_owned() };
    if base.ends_with("//") {
        return Err(bad("the bucket or host may not be a pattern"));
    }
    if pattern.is_empty() {
        return Err(bad("the pattern is empty; name a file"));
    }
    check_key(&At::url(text), pattern)?;
    let base = match base {
        "" => ObjectUrl::local("."),
        "/" => ObjectUrl::local("/"),
        base => ObjectUrl::parse(base.strip_suffix('/').unwrap_or(base))?,
    };
    Ok((base, pattern.to_owned()))
}
