//! What is copied: exactly one version of one object, read where it is wanted.

use crate::copy::CopyExpected;
use crate::error::StorageError;
use crate::local::LocalReader;
use crate::part_memory::Buffer;
use crate::prefix::Prefix;
use crate::remote::Remote;
use crate::storage::Place;
use crate::transport::Sink;
use bytes::Bytes;
use firn_model::source::{ByteRange, RangeReader, SourceError, SourceVersion};
use std::sync::Arc;

/// A reader of one version.
pub(crate) enum Original {
    File(Arc<LocalReader>),
    /// Asked for where it is wanted: neither a thread waits for it, nor are its pieces put together once more.
    Remote(Arc<(Remote, SourceVersion)>),
}

impl Prefix {
    /// A reader of exactly the expected version.
    pub(crate) async fn original(&self, key: &str, expected: &CopyExpected) -> Result<Original, StorageError> {
        let url = self.address(key)?;
        let path = match self.storage().place(&url)? {
            Place::Remote(remote) => {
                let version =
                    SourceVersion { etag: expected.etag.clone(), size: expected.size, ..SourceVersion::default() };
                return Ok(Original::Remote(Arc::new((remote, version))));
            }
            Place::Local(path) => path,
        };
        let open = move || Ok(LocalReader::open(&path)?);
        let reader = self.storage().bridge().blocking(open).await?;
        let reader = reader.ok_or_else(|| SourceError::NotFound { at: url.at() })?;
        if reader.size()? != expected.size || expected.etag.as_ref().is_some_and(|etag| *etag != reader.etag()) {
            let what = "it is not the version any more that was to be copied".to_owned();
            return Err(SourceError::Changed { at: url.at(), what }.into());
        }
        Ok(Original::File(Arc::new(reader)))
    }

    /// Some of its bytes.
    pub(crate) async fn piece(&self, reader: &Original, bytes: ByteRange) -> Result<Bytes, StorageError> {
        match reader {
            Original::Remote(known) => {
                let known = Arc::clone(known);
                self.storage().bridge().apart(async move { Ok(known.0.piece(bytes, &known.1).await?) }).await
            }
            Original::File(reader) => {
                let reader = Arc::clone(reader);
                self.storage().bridge().blocking(move || Ok(reader.read(bytes)?)).await
            }
        }
    }

    /// Some of its bytes into a sink, which is given back.
    pub(crate) async fn feed<S: Sink + 'static>(
        &self,
        known: &Arc<(Remote, SourceVersion)>,
        bytes: ByteRange,
        mut sink: S,
    ) -> Result<S, StorageError> {
        let (known, storage) = (Arc::clone(known), self.storage().clone());
        let work = async move {
            match known.0.read_into(storage.transport(), bytes, &known.1, &mut sink).await {
                Ok(()) => Ok(sink),
                Err(error) => Err(sink.failure().unwrap_or_else(|| error.into())),
            }
        };
        self.storage().bridge().apart(work).await
    }

    /// As many of its bytes as the buffer has, from `start`.
    pub(crate) async fn fill(&self, reader: &Original, start: u64, mut buffer: Buffer) -> Result<Buffer, StorageError> {
        match reader {
            Original::File(reader) => {
                let reader = Arc::clone(reader);
                let work = move || {
                    reader.fill(buffer.bytes_mut(), start)?;
                    Ok(buffer)
                };
                self.storage().bridge().blocking(work).await
            }
            Original::Remote(known) => {
                let bytes = start..start + buffer.as_ref().len() as u64;
                let filled = self.feed(known, bytes, Filling { buffer, at: 0 }).await?;
                Ok(filled.buffer)
            }
        }
    }

    /// All of it, and its digest.
    pub(crate) async fn whole(
        &self,
        key: &str,
        expected: &CopyExpected,
        digest: bool,
    ) -> Result<(Bytes, Option<String>), StorageError> {
        let reader = self.original(key, expected).await?;
        let bytes = if expected.size == 0 { Bytes::new() } else { self.piece(&reader, 0..expected.size).await? };
        let digest = digest.then(|| blake3::hash(&bytes).to_hex().to_string());
        Ok((bytes, digest))
    }
}

/// A buffer that is filled with an answer.
struct Filling {
    buffer: Buffer,
    at: usize,
}

impl Sink for Filling {
    fn begin(&mut self) {
        self.at = 0;
    }

    fn take(&mut self, bytes: Bytes) -> bool {
        let end = self.at + bytes.len();
        let Some(room) = self.buffer.bytes_mut().get_mut(self.at..end) else { return false };
        room.copy_from_slice(&bytes);
        self.at = end;
        true
    }
}
