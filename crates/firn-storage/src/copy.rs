//! Copying an object from one prefix to another, by the shortest way that there is.

use crate::claims::Claim;
use crate::error::StorageError;
use crate::file_prefix::FilePrefix;
use crate::local_copy;
use crate::prefix::{Backend, Guarantee, Precondition, Prefix};
use crate::s3::S3Failure;
use crate::s3_copy::{self, Outcome, pieces};
use crate::s3_parts::{MOST_PARTS, content_md5};
use crate::s3_prefix::S3Prefix;
use crate::s3_signed::Request;
use crate::sftp_write::Place;
use crate::store_prefix::content_type;
use crate::upload_parts::PartsJob;
use crate::url::check_key;
use firn_model::source::{SourceError, SourceVersion};
use futures::FutureExt;
use futures::stream::{StreamExt, TryStreamExt};
use reqwest::Method;
use std::path::PathBuf;
use std::sync::Arc;

/// Largest part that passes here: several are in memory at once.
const LARGEST_PIECE: u64 = 128 << 20;

/// The object that is to be copied, as it was seen before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CopyExpected {
    /// Its size.
    pub size: u64,
    /// Its entity tag. Without one, what is there when the copy begins is copied, if it has this size.
    pub etag: Option<String>,
    /// The size of the parts in which it was written, where that is known: the copy gets the same parts, and so the same tag.
    pub part_size: Option<u64>,
    /// Size and entity tag are from one answer of the service, as those of a listing are: if the server says that its copy has
    /// this tag, then it has this size, and is not asked about once more.
    pub size_is_of_tag: bool,
}

/// Told of bytes of a large object as they arrive at its destination; of those that were there before a stop at once.
#[derive(Clone)]
pub struct Arriving(Arc<dyn Fn(u64) + Send + Sync>);

impl Arriving {
    /// Calls this, which must return quickly, from any thread.
    pub fn new(tell: impl Fn(u64) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    pub(crate) fn tell(told: Option<&Self>, bytes: u64) {
        if let Some(told) = told {
            (told.0)(bytes);
        }
    }
}

impl std::fmt::Debug for Arriving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Arriving")
    }
}

/// How to copy.
#[derive(Debug, Clone)]
pub struct CopyOptions {
    /// Only where there is nothing at the destination yet.
    pub only_new: bool,
    /// Hash the bytes where they pass here; what a server copies itself does not.
    pub digest: bool,
    /// Let the server copy where it can.
    pub server_side: bool,
    /// Pieces of the object that are asked for at once; `None` for as many as one alone should have.
    pub pieces_at_once: Option<usize>,
    /// Where it is noted which parts of a large object arrived: after a stop the same copy goes on with the others.
    pub parts: Option<PathBuf>,
    /// Who wants to know how far a large object is.
    pub arriving: Option<Arriving>,
}

impl Default for CopyOptions {
    fn default() -> Self {
        Self { only_new: false, digest: false, server_side: true, pieces_at_once: None, parts: None, arriving: None }
    }
}

/// Which way the bytes went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum How {
    /// The server copied them.
    ServerSide,
    /// The operating system copied them, from file to file.
    Local,
    /// They were read and written here.
    Through,
}

/// A copy, as it was seen at its destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Its entity tag.
    pub etag: Option<String>,
    /// Its size.
    pub size: u64,
    /// Which way the bytes went.
    pub how: How,
    /// How sure "only where there is nothing yet" was.
    pub guarantee: Guarantee,
    /// BLAKE3 of the bytes, in hexadecimal, where it was asked for and they passed here.
    pub digest: Option<String>,
}

impl Prefix {
    /// Copies the object `key` of `source` to `to_key` of this prefix, if it is still the one that is expected.
    ///
    /// Within one S3 service the server copies, by one request or in parts; where it refuses (see
    /// [`Prefix::can_copy_from`]), and between different places, the bytes pass here, in bounded memory: at most twice
    /// `parts_at_once` parts. From file to file the operating system copies. Whole or not at all for readers.
    ///
    /// With [`CopyOptions::only_new`] an S3 service decides where it honours conditional writes and the object is small
    /// enough to pass here by one request. Otherwise, and always for copies on the server (Ceph 16 ignores conditions of
    /// copies, and so do others), firn's writers agree by a claim, under which it is looked whether there is something:
    /// [`Guarantee::Coordinated`]. What is to be published at the same moment by two should be small.
    ///
    /// What was copied is compared at the destination: by size, and by entity tag where the two can be compared; where they
    /// cannot, by looking again whether the original is still the one that is expected. After an error that says that the
    /// original changed, something else may lie at the destination.
    ///
    /// A copy by one request on the server keeps content type and metadata; otherwise the content type is that of the name.
    ///
    /// # Errors
    /// [`SourceError::NotFound`], [`SourceError::Changed`] for the original; [`StorageError::Conflict`] where something is
    /// there; else what the storage says.
    pub async fn copy_object(
        &self,
        source: &Self,
        key: &str,
        to_key: &str,
        expected: &CopyExpected,
        options: &CopyOptions,
    ) -> Result<Copied, StorageError> {
        check_key(&source.url().at(), key)?;
        check_key(&self.url().at(), to_key)?;
        if matches!(self.backend(), Backend::Local(_) | Backend::Web(_)) {
            return self.copy_to_file(source, key, to_key, expected, options).await;
        }
        let expected = &source.seen(key, expected).await?;
        if let Backend::File(to) = self.backend()
            && options.only_new
            && self.conditions().await?.create.is_yes()
        {
            return self.copy_to_server(source, key, (to, to_key), expected, options).boxed().await;
        }
        let whole = expected.size < self.storage().settings().limits.multipart_from;
        if !options.only_new {
            return self.copy_over(source, key, to_key, expected, options).await;
        }
        if whole && self.conditions().await?.create.is_yes() {
            let (bytes, digest) = source.whole(key, expected, options.digest).await?;
            let put = self.put(to_key, bytes, Precondition::Create).await?;
            let copy = Copied { guarantee: put.guarantee, ..self.passed(to_key, expected, digest).await? };
            return Ok(copy);
        }
        let claim = Claim::take(self, to_key).await?;
        let outcome = match self.head(to_key).await {
            Ok(None) => match claim.check() {
                Ok(()) => self.copy_over(source, key, to_key, expected, options).await,
                Err(error) => Err(error),
            },
            Ok(Some(_)) => Err(StorageError::conflict(self.url().child(to_key)?.at(), "it exists already")),
            Err(error) => Err(error),
        };
        let released = claim.release().await;
        let copy = outcome?;
        released?;
        Ok(Copied { guarantee: Guarantee::Coordinated, ..copy })
    }

    /// Replaces what is there.
    async fn copy_over(
        &self,
        source: &Self,
        key: &str,
        to_key: &str,
        expected: &CopyExpected,
        options: &CopyOptions,
    ) -> Result<Copied, StorageError> {
        if let (Backend::S3(from), Backend::S3(to)) = (source.backend(), self.backend())
            && options.server_side
            && self.refuses_copies_from(source).is_none()
        {
            match s3_copy::copy(self.storage().transport(), (from, key), (to, to_key), expected).await? {
                Outcome::Done(copy) => return Ok(copy),
                Outcome::Refused(how) => {
                    tracing::debug!(from = %source.url(), to = %self.url(), how, "not copied by the server");
                    self.storage().refuse_copy(buckets(from, to), how);
                }
            }
        }
        match self.backend() {
            Backend::S3(to) => self.copy_through(source, key, to, to_key, expected, options).await,
            Backend::File(to) => {
                let options = CopyOptions { only_new: false, ..options.clone() };
                self.copy_to_server(source, key, (to, to_key), expected, &options).boxed().await
            }
            _ => self.copy_to_cloud(source, key, to_key, expected, options.digest).await,
        }
    }

    /// Whether the server is asked to copy from there: both are in one S3 service, and it was not seen to refuse.
    pub fn can_copy_from(&self, source: &Self) -> bool {
        self.refuses_copies_from(source).is_none()
    }

    /// Why the server is not asked to copy from there: another service, or it refused before. `None` where it can be tried.
    pub(crate) fn refuses_copies_from(&self, source: &Self) -> Option<String> {
        let (Backend::S3(from), Backend::S3(to)) = (source.backend(), self.backend()) else {
            return Some("one of them is not in an S3 service".to_owned());
        };
        if from.address().endpoint != to.address().endpoint {
            return Some("they are at different services, and none copies from the other".to_owned());
        }
        let known = self.known_copies().iter().find(|(place, _)| lies_below(&source.identity(), place));
        match known {
            Some((_, seen)) if seen.answer == crate::Answer::No => Some(seen.detail.clone()),
            _ => self.storage().refused_copy(&buckets(from, to)),
        }
    }

    /// What is expected, with the tag of what is there where none is expected.
    async fn seen(&self, key: &str, expected: &CopyExpected) -> Result<CopyExpected, StorageError> {
        if expected.etag.is_some() {
            return Ok(expected.clone());
        }
        let at = self.url().child(key)?.at();
        let Some(SourceVersion { etag, size, .. }) = self.head(key).await? else {
            return Err(SourceError::NotFound { at }.into());
        };
        if size != expected.size {
            let what = format!("{} bytes were to be copied; it has {size}", expected.size);
            return Err(SourceError::Changed { at, what }.into());
        }
        Ok(CopyExpected { etag, ..expected.clone() })
    }

    /// By way of this machine.
    async fn copy_through(
        &self,
        source: &Self,
        key: &str,
        to: &S3Prefix,
        to_key: &str,
        expected: &CopyExpected,
        options: &CopyOptions,
    ) -> Result<Copied, StorageError> {
        if expected.size < self.storage().settings().limits.multipart_from {
            let (body, digest) = source.whole(key, expected, options.digest).await?;
            let path = to.path(to_key)?;
            let headers = vec![content_md5(&body), ("content-type", content_type(to_key).to_owned())];
            let request = Request { headers, body, ..Request::new(Method::PUT, path.as_ref()) };
            let sent = to.bucket(self.storage().transport()).send(&request).await;
            sent.map_err(|refusal| to.refused(to_key, &refusal))?;
            return self.passed(to_key, expected, digest).await;
        }
        let reader = &source.original(key, expected).await?;
        let job = PartsJob { from: source, key, reader, to: self, bucket: to, to_key, expected, options };
        let digest = job.run().boxed().await?;
        self.passed(to_key, expected, digest).await
    }

    /// By way of this machine, to a service that is spoken to through the library alone.
    async fn copy_to_cloud(
        &self,
        source: &Self,
        key: &str,
        to_key: &str,
        expected: &CopyExpected,
        digest: bool,
    ) -> Result<Copied, StorageError> {
        let limits = &self.storage().settings().limits;
        let Backend::Cloud(to) = self.backend() else {
            return Err(StorageError::Misuse { what: "a bucket was expected".to_owned() });
        };
        if expected.size < limits.multipart_from {
            let (bytes, digest) = source.whole(key, expected, digest).await?;
            self.put_plain(to_key, bytes).await?;
            return self.passed(to_key, expected, digest).await;
        }
        let reader = source.original(key, expected).await?;
        let mut upload = to.begin_parts(to_key).await?;
        let part = limits.part.max(expected.size.div_ceil(MOST_PARTS)).clamp(1, LARGEST_PIECE);
        let at_once = limits.parts_at_once.max(1);
        let mut hasher = blake3::Hasher::new();
        let failure = |error: object_store::Error| StorageError::from(S3Failure::of(&error).source(&to.at(to_key)));
        let sent = futures::stream::iter(pieces(expected.size, part))
            .map(|bytes| source.piece(&reader, bytes))
            .buffered(at_once)
            .map_ok(|bytes| {
                if digest {
                    hasher.update(&bytes);
                }
                let sending = upload.put_part(bytes.into());
                async move { sending.await.map_err(failure) }
            })
            .try_buffered(at_once)
            .try_collect::<()>()
            .await;
        let outcome = match sent {
            Ok(()) => upload.complete().await.map(|_| ()).map_err(failure),
            Err(error) => Err(error),
        };
        if let Err(error) = outcome {
            // The first failure is the one to tell; parts that stay are what a lifecycle rule removes.
            if let Err(abort) = upload.abort().await {
                tracing::debug!(key = to_key, error = %crate::s3::scrub(&abort.to_string()), "upload could not be ended");
            }
            return Err(error);
        }
        let digest = digest.then(|| hasher.finalize().to_hex().to_string());
        self.passed(to_key, expected, digest).await
    }

    /// What came to lie at the destination.
    async fn passed(&self, key: &str, expected: &CopyExpected, digest: Option<String>) -> Result<Copied, StorageError> {
        let at = || Ok::<_, StorageError>(self.url().child(key)?.at());
        match self.head(key).await? {
            Some(copy) if copy.size == expected.size => {
                Ok(Copied { etag: copy.etag, size: copy.size, how: How::Through, guarantee: Guarantee::Atomic, digest })
            }
            Some(copy) => {
                let what = format!("{} bytes were written, and the copy has {}", expected.size, copy.size);
                Err(SourceError::Broken { at: at()?, what }.into())
            }
            None => {
                let what = "the server says that it was written, and it is not there".to_owned();
                Err(SourceError::Broken { at: at()?, what }.into())
            }
        }
    }

    /// By way of this machine, to a server of files.
    async fn copy_to_server(
        &self,
        source: &Self,
        key: &str,
        (to, to_key): (&FilePrefix, &str),
        expected: &CopyExpected,
        options: &CopyOptions,
    ) -> Result<Copied, StorageError> {
        let place = if options.only_new { Place::Create } else { Place::Replace };
        let reader = source.original(key, expected).await?;
        let limits = &self.storage().settings().limits;
        let mut failures = 0;
        let (etag, digest) = loop {
            let once = async {
                let mut upload = to.begin(to_key).await?;
                let mut hasher = blake3::Hasher::new();
                let pieces = futures::stream::iter(pieces(expected.size, limits.part.clamp(1, LARGEST_PIECE)));
                let mut pieces = pieces.map(|bytes| source.piece(&reader, bytes)).buffered(limits.parts_at_once.max(1));
                while let Some(bytes) = pieces.try_next().await? {
                    if options.digest {
                        hasher.update(&bytes);
                    }
                    upload.write(&bytes).await?;
                }
                let etag = upload.finish(place, true).await?;
                Ok((etag, options.digest.then(|| hasher.finalize().to_hex().to_string())))
            };
            match once.await {
                // Nothing is there before the last step; whether that was done, nobody can tell where it must not be twice.
                Err(StorageError::Source(SourceError::Unavailable { .. })) if !options.only_new && failures == 0 => {
                    failures += 1;
                    to.forget().await;
                }
                outcome => break outcome?,
            }
        };
        Ok(Copied { etag, size: expected.size, how: How::Through, guarantee: Guarantee::Atomic, digest })
    }

    async fn copy_to_file(
        &self,
        source: &Self,
        key: &str,
        to_key: &str,
        expected: &CopyExpected,
        options: &CopyOptions,
    ) -> Result<Copied, StorageError> {
        let Backend::Local(root) = self.backend() else {
            return Err(StorageError::Misuse { what: "a file is written below a directory".to_owned() });
        };
        let (root, to_key) = (root.clone(), to_key.to_owned());
        if let Backend::Local(from) = source.backend() {
            let (from, key) = (from.clone(), key.to_owned());
            let (expected, options) = (expected.clone(), options.clone());
            let work = move || local_copy::copy((&from, &key), (&root, &to_key), &expected, &options);
            return self.storage().bridge().blocking(work).await;
        }
        let expected = source.seen(key, expected).await?;
        self.download((source, key), (root, to_key), &expected, options).boxed().await
    }
}

fn buckets(from: &S3Prefix, to: &S3Prefix) -> (String, String) {
    (from.identity_of_bucket(), to.identity_of_bucket())
}

/// Is the place with this identity the other one, or below it?
fn lies_below(identity: &str, place: &str) -> bool {
    let rest = identity.strip_prefix(place);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || place.ends_with(' '))
}
