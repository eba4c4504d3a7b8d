//! Boxes of elements of fixed size.

use super::fetch::{Fetch, Fetched, Ticket};
use super::locate::{ChunkLocation, chunk_location};
use super::{MAX_READ_BYTES, StoredLayout};
use crate::box_copy::{self, BoxCopy};
use crate::chunk_codec::{self, ChunkSpec, ShardIndex};
use crate::error::FormatError;
use bytes::Bytes;
use firn_model::array::codec::is_uncompressed;
use firn_model::array::{Array, ArraySubset, ChunkGrid, ChunkIndices, CodecMetadata, Endian};
use firn_model::diagnose::At;
use firn_model::source::{ByteRange, Source};

/// Runs of an uncompressed chunk that are closer than this are read as one range.
const GAP: u64 = 4 << 10;

/// Where a box needs more ranges of a chunk than `MANY`, gaps up to this are read too.
const WIDE_GAP: u64 = 1 << 20;
const MANY: usize = 1 << 16;

/// A chunk (or inner chunk of a shard) that shares elements with the box.
struct Piece<'a> {
    /// First index of the chunk in the array.
    start: Vec<u64>,
    /// What the chunk and the box share, in indices of the array.
    shared: ArraySubset,
    spec: ChunkSpec<'a>,
    codecs: &'a [CodecMetadata],
    bytes: PieceBytes,
}

enum PieceBytes {
    /// The encoded chunk.
    Encoded { ticket: Ticket, filter_mask: u32 },
    /// These parts of the uncompressed chunk.
    Parts(Vec<(ByteRange, Ticket)>),
    /// The encoded chunk itself.
    Inline(Bytes),
    /// The fill value.
    Empty,
}

/// What is read, and into which box of the array.
struct Job<'a> {
    array: &'a Array,
    layout: &'a StoredLayout,
    subset: &'a ArraySubset,
    at: &'a At,
}

/// Little-endian bytes of the stored elements of a box of the array.
pub(super) fn read(
    source: &dyn Source,
    array: &Array,
    layout: &StoredLayout,
    subset: &ArraySubset,
    at: &At,
) -> Result<Vec<u8>, FormatError> {
    let stored = layout.stored_subset(subset);
    let bytes = stored.num_elements().and_then(|n| n.checked_mul(layout.element_size as u64)).unwrap_or(u64::MAX);
    if bytes > MAX_READ_BYTES {
        return Err(FormatError::limit(at, "the size of what is read at once in bytes", bytes, MAX_READ_BYTES));
    }
    if bytes == 0 {
        return Ok(Vec::new());
    }
    let job = Job { array, layout, subset: &stored, at };
    let mut fetch = Fetch::new(source, at);
    let pieces = job.pieces(&mut fetch)?;
    let fetched = fetch.read()?;
    job.assemble(pieces, fetched, bytes as usize)
}

impl<'a> Job<'a> {
    fn pieces(&self, fetch: &mut Fetch) -> Result<Vec<Piece<'a>>, FormatError> {
        let codecs: &'a [CodecMetadata] = &self.array.metadata.codecs;
        let grid = self.layout.chunk_grid();
        let mut pieces = Vec::new();
        let (mut wholes, mut shards) = (Vec::new(), Vec::new());
        for indices in grid.chunks_in(self.subset) {
            let chunk = whole_chunk(&grid, &indices, self.at)?;
            let Some(shared) = chunk.intersection(self.subset) else { continue };
            let mut piece =
                Piece { start: chunk.start, shared, spec: self.layout.chunk_spec(), codecs, bytes: PieceBytes::Empty };
            let (object, range, filter_mask) = match chunk_location(self.array, &indices, self.at)? {
                ChunkLocation::Empty => {
                    pieces.push(piece);
                    continue;
                }
                ChunkLocation::Inline(bytes) => {
                    piece.bytes = PieceBytes::Inline(bytes.clone());
                    pieces.push(piece);
                    continue;
                }
                ChunkLocation::Range { object, range, filter_mask } => (fetch.object(object)?, range, filter_mask),
                ChunkLocation::Key(key) => {
                    let Some((object, size)) = fetch.key(&key)? else {
                        pieces.push(piece);
                        continue;
                    };
                    (object, 0..size, 0)
                }
            };
            if is_uncompressed(codecs) {
                piece.bytes = PieceBytes::Parts(self.want_parts(&piece, fetch, object, &range)?);
                pieces.push(piece);
            } else if piece.is_partial_shard() {
                shards.push((piece, object, range));
            } else {
                wholes.push((piece, object, range, filter_mask));
            }
        }
        // Indices of shards are read before anything else is asked for: a round of reading ends every ticket.
        self.want_inner_chunks(shards, &mut pieces, fetch)?;
        for (mut piece, object, range, filter_mask) in wholes {
            piece.bytes = PieceBytes::Encoded { ticket: fetch.want(object, range), filter_mask };
            pieces.push(piece);
        }
        Ok(pieces)
    }

    /// Asks for the runs of an uncompressed chunk that lie in the box, those close together as one.
    fn want_parts(
        &self,
        piece: &Piece,
        fetch: &mut Fetch,
        object: usize,
        range: &ByteRange,
    ) -> Result<Vec<(ByteRange, Ticket)>, FormatError> {
        let (size, len) = (self.layout.element_size as u64, range.end - range.start);
        let needed = firn_model::array::chunk_grid::product(piece.spec.shape).and_then(|n| n.checked_mul(size));
        if needed != Some(len) {
            let needed = needed.unwrap_or(u64::MAX);
            let at = self.at.bytes(range.start, len);
            return Err(FormatError::corrupt(&at, format!("the chunk has {len} bytes where its shape needs {needed}")));
        }
        let copy = piece.copy(self.subset);
        let mut parts: Vec<ByteRange> = Vec::new();
        for gap in [GAP, WIDE_GAP] {
            parts.clear();
            self.runs(&copy.borrowed(), |run| {
                let (start, end) = (run.src as u64 * size, (run.src + run.len) as u64 * size);
                match parts.last_mut() {
                    Some(last) if start.saturating_sub(last.end) <= gap => last.end = end,
                    _ => parts.push(start..end),
                }
            })?;
            if parts.len() <= MANY {
                break;
            }
        }
        Ok(parts
            .into_iter()
            .map(|part| {
                let ticket = fetch.want(object, range.start + part.start..range.start + part.end);
                (part, ticket)
            })
            .collect())
    }

    fn runs(&self, copy: &BoxCopy, each: impl FnMut(box_copy::Run)) -> Result<(), FormatError> {
        copy.runs(each).ok_or_else(|| FormatError::bug(self.at, "the box does not lie within the chunk"))
    }

    /// Reads the indices of shards, and asks for the inner chunks that lie in the box.
    fn want_inner_chunks(
        &self,
        shards: Vec<(Piece<'a>, usize, ByteRange)>,
        pieces: &mut Vec<Piece<'a>>,
        fetch: &mut Fetch,
    ) -> Result<(), FormatError> {
        let [CodecMetadata::ShardingIndexed { chunk_shape, codecs, index_codecs, index_at_end }] =
            self.array.metadata.codecs.as_slice()
        else {
            return Ok(());
        };
        if shards.is_empty() {
            return Ok(());
        }
        let shard_grid = chunk_codec::inner_grid(&self.layout.chunk_shape, chunk_shape, self.at)?;
        let index_length = chunk_codec::index_length(&shard_grid, index_codecs, self.at)?;
        let mut tickets = Vec::with_capacity(shards.len());
        for (_, object, range) in &shards {
            if range.end - range.start < index_length {
                let at = self.at.bytes(range.start, range.end - range.start);
                return Err(FormatError::corrupt(
                    &at,
                    format!("the shard is shorter than its index of {index_length}"),
                ));
            }
            let index = if *index_at_end {
                range.end - index_length..range.end
            } else {
                range.start..range.start + index_length
            };
            tickets.push(fetch.want(*object, index));
        }
        let mut fetched = fetch.read()?;
        let inner_grid = ChunkGrid::regular(chunk_shape);
        for ((shard, object, range), ticket) in shards.into_iter().zip(tickets) {
            let index = ShardIndex::decode(&fetched.take(ticket), &shard_grid, index_codecs, self.at)?;
            let inside = shard.shared.relative_to(&shard.start);
            for indices in inner_grid.chunks_in(&inside) {
                let mut inner = whole_chunk(&inner_grid, &indices, self.at)?;
                inner.start.iter_mut().zip(&shard.start).for_each(|(start, origin)| *start += origin);
                let Some(shared) = inner.intersection(&shard.shared) else { continue };
                let bytes = match index.get(&indices, range.end - range.start, self.at)? {
                    Some(found) => {
                        let start = range.start + found.offset;
                        let ticket = fetch.want(object, start..start + found.length);
                        PieceBytes::Encoded { ticket, filter_mask: 0 }
                    }
                    None => PieceBytes::Empty,
                };
                let spec = ChunkSpec { shape: chunk_shape, ..self.layout.chunk_spec() };
                pieces.push(Piece { start: inner.start, shared, spec, codecs, bytes });
            }
        }
        Ok(())
    }

    fn assemble(&self, pieces: Vec<Piece>, mut fetched: Fetched, len: usize) -> Result<Vec<u8>, FormatError> {
        let size = self.layout.element_size;
        // Uncompressed elements are gathered as they are stored and swapped once at the end.
        let raw = is_uncompressed(&self.array.metadata.codecs);
        let swap =
            raw && matches!(self.array.metadata.codecs.as_slice(), [CodecMetadata::Bytes { endian: Endian::Big }]);
        let mut fill = self.layout.fill_value.clone();
        if swap {
            chunk_codec::swap_bytes(&mut fill, size);
        }
        let mut out = if let Some(whole) = self.only_piece(&pieces, &mut fetched, len)? {
            whole
        } else {
            let mut out = chunk_codec::zeroed(len, self.at)?;
            for piece in &pieces {
                self.place(piece, &mut fetched, &fill, raw, &mut out)?;
            }
            out
        };
        if swap {
            chunk_codec::swap_bytes(&mut out, size);
        }
        Ok(out)
    }

    /// The bytes of the one piece, where its decoded chunk or its one part is just the box: nothing needs to be copied.
    fn only_piece(&self, pieces: &[Piece], fetched: &mut Fetched, len: usize) -> Result<Option<Vec<u8>>, FormatError> {
        let [piece] = pieces else { return Ok(None) };
        match &piece.bytes {
            PieceBytes::Parts(parts) => match parts.as_slice() {
                [(part, ticket)] if part.end - part.start == len as u64 => Ok(Some(fetched.take(*ticket).into())),
                _ => Ok(None),
            },
            PieceBytes::Encoded { ticket, filter_mask } if piece.is_whole() && piece.shared == *self.subset => {
                let encoded = fetched.take(*ticket);
                let decoded = chunk_codec::decode(encoded, piece.codecs, *filter_mask, piece.spec, self.at)?;
                Ok(Some(decoded.into()))
            }
            _ => Ok(None),
        }
    }

    fn place(
        &self,
        piece: &Piece,
        fetched: &mut Fetched,
        fill: &[u8],
        raw: bool,
        out: &mut [u8],
    ) -> Result<(), FormatError> {
        let size = self.layout.element_size;
        let copy = piece.copy(self.subset);
        let copy = copy.borrowed();
        let misfit = || FormatError::bug(self.at, "a chunk does not fit the box");
        let decoded = match &piece.bytes {
            PieceBytes::Empty => {
                return box_copy::fill_bytes(out, copy.dst_shape, copy.dst_start, copy.shape, fill).ok_or_else(misfit);
            }
            PieceBytes::Parts(parts) => {
                let mut parts = parts.iter().map(|(part, ticket)| (part.clone(), fetched.take(*ticket)));
                let mut current = parts.next();
                let mut complete = true;
                self.runs(&copy, |run| {
                    let (start, end) = (run.src * size, (run.src + run.len) * size);
                    while current.as_ref().is_some_and(|(part, _)| part.end < end as u64) {
                        current = parts.next();
                    }
                    let from = current.as_ref().and_then(|(part, bytes)| {
                        let offset = start.checked_sub(part.start as usize)?;
                        bytes.get(offset..offset + end - start)
                    });
                    match (from, out.get_mut(run.dst * size..(run.dst + run.len) * size)) {
                        (Some(from), Some(to)) => to.copy_from_slice(from),
                        _ => complete = false,
                    }
                })?;
                return complete.then_some(()).ok_or_else(misfit);
            }
            PieceBytes::Inline(bytes) if raw => {
                let len = piece.spec.len(self.at)?;
                if bytes.len() != len {
                    let what = format!("the inline chunk has {} bytes where its shape needs {len}", bytes.len());
                    return Err(FormatError::corrupt(self.at, what));
                }
                bytes.clone()
            }
            PieceBytes::Inline(bytes) => chunk_codec::decode(bytes.clone(), piece.codecs, 0, piece.spec, self.at)?,
            PieceBytes::Encoded { ticket, filter_mask } => {
                let encoded = fetched.take(*ticket);
                let at = self.at.index(piece.start.clone());
                chunk_codec::decode(encoded, piece.codecs, *filter_mask, piece.spec, &at)?
            }
        };
        copy.copy_bytes(&decoded, out, size).ok_or_else(misfit)
    }
}

/// The box of a chunk as it is encoded: also beyond the end of the array.
fn whole_chunk(grid: &ChunkGrid, indices: &ChunkIndices, at: &At) -> Result<ArraySubset, FormatError> {
    let shape = grid.chunk_shape().unwrap_or(&[]).to_vec();
    let start: Option<Vec<u64>> = indices.0.iter().zip(&shape).map(|(i, extent)| i.checked_mul(*extent)).collect();
    let start = start.ok_or_else(|| FormatError::corrupt(at, format!("chunk {:?} is beyond 64 bits", indices.0)))?;
    Ok(ArraySubset { start, shape })
}

/// The start of both boxes of a copy.
struct OwnedCopy<'a> {
    src_shape: &'a [u64],
    src_start: Vec<u64>,
    dst_shape: &'a [u64],
    dst_start: Vec<u64>,
    shape: &'a [u64],
}

impl OwnedCopy<'_> {
    fn borrowed(&self) -> BoxCopy<'_> {
        BoxCopy {
            src_shape: self.src_shape,
            src_start: &self.src_start,
            dst_shape: self.dst_shape,
            dst_start: &self.dst_start,
            shape: self.shape,
        }
    }
}

impl<'a> Piece<'a> {
    /// The copy of the shared elements from the decoded chunk to the box.
    fn copy<'b>(&'b self, subset: &'b ArraySubset) -> OwnedCopy<'b>
    where
        'a: 'b,
    {
        OwnedCopy {
            src_shape: self.spec.shape,
            src_start: self.shared.relative_to(&self.start).start,
            dst_shape: &subset.shape,
            dst_start: self.shared.relative_to(&subset.start).start,
            shape: &self.shared.shape,
        }
    }

    fn is_whole(&self) -> bool {
        self.shared.shape == self.spec.shape
    }

    /// Whether the box takes so little of a shard that its index and inner chunks are read alone.
    fn is_partial_shard(&self) -> bool {
        let elements = |shape: &[u64]| firn_model::array::chunk_grid::product(shape).unwrap_or(u64::MAX);
        matches!(self.codecs, [CodecMetadata::ShardingIndexed { .. }])
            && elements(&self.shared.shape).saturating_mul(2) < elements(self.spec.shape)
    }
}
