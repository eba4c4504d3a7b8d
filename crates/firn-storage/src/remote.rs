//! One remote object as a sync reader: many ranges of a batch are fetched at once.

use crate::bridge::Bridge;
use crate::cloud::CloudObject;
use crate::file_server::FileObject;
use crate::http::HttpObject;
use crate::s3::S3Object;
use crate::transport::{Sink, Transport};
use bytes::{Bytes, BytesMut};
use firn_model::diagnose::At;
use firn_model::source::{ByteRange, RangeReader, SourceError, SourceVersion};
use futures::stream::{StreamExt, TryStreamExt};

/// Requests of one batch in flight; the budget of the host bounds them further.
const AT_ONCE: usize = 16;
/// A longer range is fetched in pieces of this length, side by side.
const PIECE: u64 = 8 << 20;

/// What the first answer told.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    pub version: SourceVersion,
    /// The first bytes of the object, or all of it where the server ignores ranges.
    pub head: Bytes,
}

/// An object that is reached by requests.
#[derive(Clone)]
pub(crate) enum Remote {
    Http(HttpObject),
    S3(S3Object),
    Cloud(CloudObject),
    File(FileObject),
}

impl Remote {
    pub(crate) fn at(&self) -> &At {
        match self {
            Self::Http(object) => &object.at,
            Self::S3(object) => &object.object.at,
            Self::Cloud(object) => &object.object.at,
            Self::File(object) => &object.at,
        }
    }

    pub(crate) async fn open(&self, head: u64) -> Result<Option<Opened>, SourceError> {
        match self {
            Self::Http(object) => object.open(head).await,
            Self::S3(object) => object.object.open(head).await,
            Self::Cloud(object) => object.object.open(head).await,
            Self::File(object) => object.open(head).await,
        }
    }

    /// Some bytes, by one request.
    pub(crate) async fn piece(&self, range: ByteRange, expected: &SourceVersion) -> Result<Bytes, SourceError> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        match self {
            Self::Http(object) => object.read(range, expected).await,
            Self::S3(object) => object.object.read(range, expected).await,
            Self::Cloud(object) => object.object.read(range, expected).await,
            Self::File(object) => object.read(range, expected).await,
        }
    }

    /// The same into a sink; what it took counts only after success. By requests of our own they come as they are, else after the
    /// last.
    pub(crate) async fn read_into(
        &self,
        transport: &Transport,
        range: ByteRange,
        expected: &SourceVersion,
        sink: &mut dyn Sink,
    ) -> Result<(), SourceError> {
        if let Self::S3(object) = self {
            return object.read_into(transport, range, expected, sink).await;
        }
        let runs = self.runs(range, expected).await?;
        sink.begin();
        if runs.into_iter().all(|run| sink.take(run)) {
            return Ok(());
        }
        Err(SourceError::Broken { at: self.at().clone(), what: "the bytes could not be kept".to_owned() })
    }

    /// The same in the runs in which they came, where that spares putting them together.
    async fn runs(&self, range: ByteRange, expected: &SourceVersion) -> Result<Vec<Bytes>, SourceError> {
        match self {
            Self::Cloud(object) if !range.is_empty() => object.object.runs(range, expected).await,
            _ => Ok(vec![self.piece(range, expected).await?]),
        }
    }

    /// The bytes of each range, in the order asked.
    async fn read(self, ranges: Vec<ByteRange>, expected: SourceVersion) -> Result<Vec<Bytes>, SourceError> {
        let pieces: Vec<(usize, ByteRange)> = ranges
            .iter()
            .enumerate()
            .flat_map(|(index, range)| pieces(range).map(move |piece| (index, piece)))
            .collect();
        let parts: Vec<(usize, Bytes)> = futures::stream::iter(pieces)
            .map(|(index, piece)| {
                let (remote, expected) = (&self, &expected);
                async move { Ok((index, remote.piece(piece, expected).await?)) }
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let mut parts = parts.into_iter().peekable();
        let whole = ranges.iter().enumerate().map(|(index, range)| {
            let mut next = || parts.next_if(|(of, _)| *of == index).map(|(_, bytes)| bytes);
            let first = next().unwrap_or_default();
            if first.len() as u64 == range.end - range.start {
                return first;
            }
            let mut all = BytesMut::with_capacity((range.end - range.start) as usize);
            all.extend_from_slice(&first);
            while let Some(part) = next() {
                all.extend_from_slice(&part);
            }
            all.freeze()
        });
        Ok(whole.collect())
    }
}

fn pieces(range: &ByteRange) -> impl Iterator<Item = ByteRange> + use<> {
    let (start, end) = (range.start, range.end);
    (start..end).step_by(PIECE as usize).map(move |from| from..(from + PIECE).min(end))
}

/// Is it still the object that was opened?
///
/// Entity tags decide where both answers have one; else dates. The size is compared in any case.
pub(crate) fn check_version(at: &At, expected: &SourceVersion, got: &SourceVersion) -> Result<(), SourceError> {
    let same = match (&expected.etag, &got.etag) {
        (Some(expected), Some(got)) => expected == got,
        _ => match (expected.last_modified, got.last_modified) {
            (Some(was), Some(is)) => was == is && expected.has_the_fraction_of(got),
            _ => true,
        },
    };
    if same && expected.size == got.size {
        return Ok(());
    }
    let tell = |version: &SourceVersion| {
        let tag = version.etag.as_deref().unwrap_or("none").to_owned();
        format!("{} bytes, ETag {tag}", version.size)
    };
    Err(SourceError::Changed { at: at.clone(), what: format!("was {}, is {}", tell(expected), tell(got)) })
}

/// A remote object of a known version, behind the bridge.
pub(crate) struct BridgedReader {
    pub bridge: Bridge,
    pub remote: Remote,
    pub version: SourceVersion,
}

impl RangeReader for BridgedReader {
    fn size(&self) -> Result<u64, SourceError> {
        Ok(self.version.size)
    }

    fn version(&self) -> Result<SourceVersion, SourceError> {
        Ok(self.version.clone())
    }

    fn read_ranges(&self, ranges: &[ByteRange]) -> Result<Vec<Bytes>, SourceError> {
        check_bounds(self.remote.at(), ranges, self.version.size)?;
        let work = self.remote.clone().read(ranges.to_vec(), self.version.clone());
        self.bridge.wait(work).map_err(|error| error.into_source())?
    }
}

/// Most bytes that one batch may ask for: sizes come from files, and a wrong one must not exhaust the memory.
const BATCH: u64 = 4 << 30;

/// Every range lies inside the object, and all together fit into memory.
pub(crate) fn check_bounds(at: &At, ranges: &[ByteRange], size: u64) -> Result<(), SourceError> {
    for range in ranges {
        if range.start > range.end || range.end > size {
            let length = range.end.saturating_sub(range.start);
            return Err(SourceError::OutOfBounds { at: at.bytes(range.start, length), size });
        }
    }
    let total = ranges.iter().fold(0_u64, |sum, range| sum.saturating_add(range.end - range.start));
    if total > BATCH {
        let what = format!("{total} bytes were wanted at once, more than the {BATCH} that one batch may have");
        return Err(SourceError::Broken { at: at.clone(), what });
    }
    Ok(())
}
