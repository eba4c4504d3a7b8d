//! Objects below a prefix of a bucket, whatever the service: conditional writes, writes in parts, safe when an answer is lost.

use crate::capabilities::EtagForm;
use crate::error::StorageError;
use crate::listing::Listing;
use crate::prefix::{Guarantee, Precondition, PutResult};
use crate::s3::{S3Failure, version};
use crate::transport::Transport;
use bytes::Bytes;
use firn_model::diagnose::At;
use firn_model::source::{ByteRange, SourceError, SourceVersion};
use futures::stream::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, GetOptions, GetRange, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode,
    PutMultipartOptions, PutOptions, UpdateVersion,
};
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

/// Name of the mark of a conditional write in the object's metadata (`x-amz-meta-…`); Azure takes letters, digits and `_` only.
const MARK: &str = "firnwrite";
/// Largest object of one PUT request, by S3's rule.
const LARGEST_PUT: u64 = 5 << 30;

/// How a service is told which version an update replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UpdateBy {
    /// By its entity tag.
    Tag,
    /// By its generation, which is asked for first: it is still the one with the tag if the write succeeds.
    Generation,
}

/// A prefix of a bucket, by what all services have in common.
#[derive(Clone)]
pub(crate) struct StorePrefix {
    store: Arc<dyn ObjectStore>,
    base: Path,
    at: At,
    update_by: UpdateBy,
}

impl StorePrefix {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, base: Path, at: At, update_by: UpdateBy) -> Self {
        Self { store, base, at, update_by }
    }

    /// The key of the prefix.
    pub(crate) fn base(&self) -> &str {
        self.base.as_ref()
    }

    pub(crate) fn at(&self, key: &str) -> At {
        At::url(format!("{}/{key}", self.at.url.as_deref().unwrap_or_default().trim_end_matches('/')))
    }

    /// The whole key.
    pub(crate) fn path(&self, key: &str) -> Result<Path, StorageError> {
        let at = self.at(key);
        let whole = crate::url::join(self.base.as_ref(), key);
        let bad = |what: &str| StorageError::BadKey { at, key: key.into(), what: what.to_owned() };
        if whole.len() > 1024 {
            return Err(bad("together with its prefix it is longer than 1,024 bytes, the bound of S3"));
        }
        Path::parse(whole).map_err(|_| bad("S3 clients cannot name it"))
    }

    pub(crate) async fn get(&self, key: &str, limit: u64) -> Result<Option<(Bytes, SourceVersion)>, StorageError> {
        let at = self.at(key);
        let failure = |error: object_store::Error| S3Failure::of(&error);
        let result = match self.store.get_opts(&self.path(key)?, GetOptions::new()).await {
            Ok(result) => result,
            Err(error) => return none_if_absent(failure(error), &at),
        };
        if result.meta.size > limit {
            return Err(StorageError::TooLarge { at, size: result.meta.size, limit });
        }
        let version = version(&result.meta);
        let bytes = result.bytes().await.map_err(|error| failure(error).source(&at))?;
        if bytes.len() as u64 != version.size {
            let what = format!("{} bytes were announced, and {} came", version.size, bytes.len());
            return Err(SourceError::Broken { at, what }.into());
        }
        Ok(Some((bytes, version)))
    }

    pub(crate) async fn get_range(&self, key: &str, range: ByteRange) -> Result<Bytes, StorageError> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let length = range.end - range.start;
        let at = self.at(key).bytes(range.start, length);
        let failure = |error: object_store::Error| S3Failure::of(&error).source(&at);
        let options = GetOptions::new().with_range(Some(GetRange::Bounded(range)));
        let result = self.store.get_opts(&self.path(key)?, options).await.map_err(failure)?;
        let size = result.meta.size;
        let bytes = result.bytes().await.map_err(failure)?;
        if bytes.len() as u64 != length {
            return Err(SourceError::OutOfBounds { at, size }.into());
        }
        Ok(bytes)
    }

    pub(crate) async fn head(&self, key: &str) -> Result<Option<SourceVersion>, StorageError> {
        match self.store.head(&self.path(key)?).await {
            Ok(meta) => Ok(Some(version(&meta))),
            Err(error) => none_if_absent(S3Failure::of(&error), &self.at(key)),
        }
    }

    pub(crate) async fn delete(&self, key: &str) -> Result<(), StorageError> {
        match self.store.delete(&self.path(key)?).await {
            Ok(()) => Ok(()),
            Err(error) => none_if_absent::<()>(S3Failure::of(&error), &self.at(key)).map(|_| ()),
        }
    }

    pub(crate) async fn put(
        &self,
        transport: &Transport,
        key: &str,
        bytes: Bytes,
        when: &Precondition,
        form: EtagForm,
    ) -> Result<PutResult, StorageError> {
        let (at, path) = (self.at(key), self.path(key)?);
        let size = bytes.len() as u64;
        if *when == Precondition::None && size >= transport.limits.multipart_from {
            return self.put_parts(transport, &path, &at, bytes).await;
        }
        if size > LARGEST_PUT {
            return Err(StorageError::TooLarge { at, size, limit: LARGEST_PUT });
        }
        match when {
            Precondition::None => {
                let put = self.store.put_opts(&path, bytes.into(), options(key, PutMode::Overwrite)).await;
                let put = put.map_err(|error| S3Failure::of(&error).source(&at))?;
                Ok(PutResult { etag: put.e_tag, guarantee: Guarantee::Atomic })
            }
            _ => self.put_conditional(transport, key, &bytes, when, form).await,
        }
    }

    /// A conditional write whose answer may be lost.
    ///
    /// When it is, the object may or may not have been written, and asking again would answer "exists" for our own
    /// success. So each conditional write carries a random mark in the object's metadata, and after a failure of which
    /// nobody knows the effect, what is there is looked at: our mark, and the write was done; another mark or none, and
    /// somebody else wrote; nothing, or still the old version, and the write is repeated. Equal bytes would not do: two
    /// writers that want the same state would both be told that they won.
    async fn put_conditional(
        &self,
        transport: &Transport,
        key: &str,
        bytes: &Bytes,
        when: &Precondition,
        form: EtagForm,
    ) -> Result<PutResult, StorageError> {
        let (at, path) = (self.at(key), self.path(key)?);
        let mode = match when {
            Precondition::IfMatch(etag) => self.update(key, etag, form).await?,
            _ => PutMode::Create,
        };
        let mark = format!("{:016x}", std::hash::RandomState::new().build_hasher().finish());
        for attempt in 1.. {
            let mut options = options(key, mode.clone());
            options.attributes.insert(Attribute::Metadata(MARK.into()), mark.clone().into());
            let put = self.store.put_opts(&path, bytes.clone().into(), options).await;
            let failure = match put {
                Ok(put) => return Ok(PutResult { etag: put.e_tag, guarantee: Guarantee::Atomic }),
                Err(error) => S3Failure::of(&error),
            };
            let refused = matches!(failure, S3Failure::Exists | S3Failure::Precondition);
            if !refused && !failure.may_have_happened() {
                return Err(failure.source(&at).into());
            }
            match self.look(key, &mark, when).await? {
                Found::Ours(etag) => return Ok(PutResult { etag, guarantee: Guarantee::Atomic }),
                Found::Other(what) => return Err(StorageError::conflict(at, what)),
                // 412 says that the tag is not the one that is there, and it is: the server reads tags in another form.
                Found::Unwritten if matches!(failure, S3Failure::Precondition) => {
                    return Err(StorageError::conflict(
                        at,
                        "the server refuses the write although its condition holds",
                    ));
                }
                // Refused although nothing is there now: another writer was at work at the same moment.
                Found::Unwritten if attempt < transport.attempts() => tokio::time::sleep(transport.wait(attempt)).await,
                Found::Unwritten if refused => {
                    return Err(StorageError::conflict(
                        at,
                        "the server refuses the write although its condition holds",
                    ));
                }
                Found::Unwritten => return Err(failure.source(&at).into()),
            }
        }
        Err(StorageError::Misuse { what: "a write was neither done nor refused".to_owned() })
    }

    async fn update(&self, key: &str, etag: &str, form: EtagForm) -> Result<PutMode, StorageError> {
        let tag = if form == EtagForm::Unquoted { etag.trim_matches('"') } else { etag };
        let by_tag = UpdateVersion { e_tag: Some(tag.to_owned()), version: None };
        if self.update_by == UpdateBy::Tag {
            return Ok(PutMode::Update(by_tag));
        }
        let conflict = |what: String| StorageError::conflict(self.at(key), what);
        let meta = match self.store.head(&self.path(key)?).await {
            Ok(meta) => Some(meta),
            Err(error) => none_if_absent(S3Failure::of(&error), &self.at(key))?,
        };
        let meta = meta.ok_or_else(|| conflict("it does not exist any more".to_owned()))?;
        let is = meta.e_tag.unwrap_or_default();
        if is != *etag {
            return Err(conflict(format!("it is {is} now, not {etag}")));
        }
        Ok(PutMode::Update(UpdateVersion { version: meta.version, ..by_tag }))
    }

    /// What is there after a conditional write of unknown outcome.
    async fn look(&self, key: &str, mark: &str, when: &Precondition) -> Result<Found, StorageError> {
        let head = self.store.get_opts(&self.path(key)?, GetOptions::new().with_head(true)).await;
        let head = match head.map_err(|error| S3Failure::of(&error)) {
            Ok(head) => head,
            Err(S3Failure::NotFound { bucket: false }) => {
                return Ok(match when {
                    Precondition::IfMatch(_) => Found::Other("it does not exist any more".to_owned()),
                    _ => Found::Unwritten,
                });
            }
            Err(failure) => return Err(failure.source(&self.at(key)).into()),
        };
        if head.attributes.get(&Attribute::Metadata(MARK.into())).is_some_and(|found| **found == *mark) {
            return Ok(Found::Ours(head.meta.e_tag));
        }
        let tag = head.meta.e_tag.unwrap_or_default();
        Ok(match when {
            Precondition::IfMatch(expected) if tag == *expected => Found::Unwritten,
            Precondition::IfMatch(expected) => Found::Other(format!("it is {tag} now, not {expected}")),
            _ => Found::Other("it exists already".to_owned()),
        })
    }

    /// Everything below the prefix, or one level of it, as the library lists it.
    pub(crate) async fn list(&self, one_level: bool) -> Result<Listing, StorageError> {
        let base = (!self.base.is_root()).then_some(&self.base);
        let failure = |error: object_store::Error| crate::listing::listing_failure(&self.at, &error);
        let below = |meta: &ObjectMeta| crate::listing::below(&self.base, meta);
        let mut listing = Listing::default();
        if one_level {
            let found = self.store.list_with_delimiter(base).await.map_err(failure)?;
            let objects = found.objects.iter().filter_map(below);
            objects.for_each(|object| listing.add(&self.at, object.key.as_bytes(), object.version));
            for prefix in found.common_prefixes.iter().filter_map(Path::filename) {
                listing.add_prefix(&self.at, prefix.as_bytes());
            }
        } else {
            let mut found = self.store.list(base);
            while let Some(meta) = found.try_next().await.map_err(failure)? {
                if let Some(object) = below(&meta) {
                    listing.add(&self.at, object.key.as_bytes(), object.version);
                }
            }
        }
        listing.objects.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(listing)
    }

    /// Begins an upload in parts that nobody sees before it is completed.
    pub(crate) async fn begin_parts(&self, key: &str) -> Result<Box<dyn MultipartUpload>, StorageError> {
        let options = PutMultipartOptions { attributes: attributes(key), ..PutMultipartOptions::default() };
        let begun = self.store.put_multipart_opts(&self.path(key)?, options).await;
        begun.map_err(|error| S3Failure::of(&error).source(&self.at(key)).into())
    }

    /// Copies within the bucket, on the server.
    pub(crate) async fn copy(&self, from: &str, to: &str) -> Result<(), StorageError> {
        let copied = self.store.copy(&self.path(from)?, &self.path(to)?).await;
        copied.map_err(|error| S3Failure::of(&error).source(&self.at(from)).into())
    }

    /// Writes in parts, whatever the size.
    pub(crate) async fn put_in_parts(
        &self,
        transport: &Transport,
        key: &str,
        bytes: Bytes,
    ) -> Result<PutResult, StorageError> {
        self.put_parts(transport, &self.path(key)?, &self.at(key), bytes).await
    }

    /// A large object in parts; nobody sees it before the last. A plain put may be repeated as a whole.
    async fn put_parts(
        &self,
        transport: &Transport,
        path: &Path,
        at: &At,
        bytes: Bytes,
    ) -> Result<PutResult, StorageError> {
        let mut failures = 0;
        loop {
            let failure = match self.try_parts(transport, path, &bytes).await {
                Ok(()) => return self.check_parts(path, at, bytes.len() as u64).await,
                Err(error) => S3Failure::of(&error),
            };
            failures += 1;
            // The upload is gone: its completion was carried out and the answer lost, or somebody ended it.
            let repeat = matches!(failure, S3Failure::NotFound { bucket: false }) || failure.may_have_happened();
            if !repeat || failures >= 2 {
                return Err(failure.source(at).into());
            }
        }
    }

    /// What the parts became. Ceph 16 does not tell the tag when it joins them.
    async fn check_parts(&self, path: &Path, at: &At, size: u64) -> Result<PutResult, StorageError> {
        let meta = self.store.head(path).await.map_err(|error| S3Failure::of(&error).source(at))?;
        if meta.size != size {
            let what = format!("{size} bytes were written in parts, and the object has {}", meta.size);
            return Err(SourceError::Broken { at: at.clone(), what }.into());
        }
        Ok(PutResult { etag: meta.e_tag, guarantee: Guarantee::Atomic })
    }

    async fn try_parts(&self, transport: &Transport, path: &Path, bytes: &Bytes) -> object_store::Result<()> {
        let limits = &transport.limits;
        // S3 takes at most 10,000 parts.
        let part = limits.part.max((bytes.len() as u64).div_ceil(10_000)).max(1) as usize;
        let options = PutMultipartOptions { attributes: attributes(path.as_ref()), ..PutMultipartOptions::default() };
        let mut upload = self.store.put_multipart_opts(path, options).await?;
        let starts = (0..bytes.len()).step_by(part);
        let parts: Vec<_> =
            starts.map(|start| upload.put_part(bytes.slice(start..(start + part).min(bytes.len())).into())).collect();
        let sent = futures::stream::iter(parts).buffer_unordered(limits.parts_at_once.max(1)).try_collect::<()>().await;
        let outcome = match sent {
            Ok(()) => upload.complete().await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(_) => Ok(()),
            Err(error) => {
                // The first failure is the one to tell; parts that stay are what a lifecycle rule removes.
                if let Err(abort) = upload.abort().await {
                    tracing::debug!(%path, error = %crate::s3::scrub(&abort.to_string()), "upload could not be ended");
                }
                Err(error)
            }
        }
    }
}

enum Found {
    Ours(Option<String>),
    Other(String),
    Unwritten,
}

fn none_if_absent<T>(failure: S3Failure, at: &At) -> Result<Option<T>, StorageError> {
    match failure {
        S3Failure::NotFound { bucket: false } => Ok(None),
        failure => Err(failure.source(at).into()),
    }
}

fn options(key: &str, mode: PutMode) -> PutOptions {
    PutOptions { mode, attributes: attributes(key), ..PutOptions::default() }
}

/// The content type, so that a browser shows what a static catalog consists of.
pub(crate) fn content_type(key: &str) -> &'static str {
    let extension = key.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|(_, extension)| extension);
    match extension {
        Some("json") => "application/json",
        Some("geojson") => "application/geo+json",
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css",
        Some("js") => "text/javascript",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("txt" | "md") => "text/plain; charset=utf-8",
        Some("yaml" | "yml") => "application/yaml",
        _ => "application/octet-stream",
    }
}

fn attributes(key: &str) -> Attributes {
    Attributes::from_iter([(Attribute::ContentType, content_type(key))])
}
