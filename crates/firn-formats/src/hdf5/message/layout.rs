//! Data layout message, versions 1 to 5 ("IV.A.2.i").

use crate::FormatError;
use crate::hdf5::cursor::Cursor;
use crate::hdf5::limits;
use bytes::Bytes;

/// Where the elements of a dataset are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hdf5) enum Layout {
    /// In the message.
    Compact(Bytes),
    /// In one run of bytes; not allocated yet without an address. Old versions do not say the size.
    Contiguous { address: Option<u64>, size: Option<u64> },
    /// In chunks.
    Chunked(Chunked),
    /// In other datasets.
    Virtual,
}

/// The chunks of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hdf5) struct Chunked {
    /// Shape of a chunk in elements.
    pub chunk_shape: Vec<u64>,
    /// Bytes of an element.
    pub element_size: u64,
    /// Partial chunks at the end of a dimension are stored without filters.
    pub edges_unfiltered: bool,
    /// Bytes of the size of a filtered chunk in index entries: from the chunk's size (`None`), or this many.
    pub size_width: Option<u8>,
    pub index: Index,
    /// Address of the index, or of the only chunk; `None`: no chunk was written.
    pub address: Option<u64>,
}

/// Which structure finds the chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hdf5) enum Index {
    BTree1,
    /// One chunk; size and filter mask where it is filtered.
    Single(Option<(u64, u32)>),
    /// All chunks in a row.
    Implicit,
    FixedArray,
    ExtensibleArray,
    BTree2,
}

/// Parses the message, whose body the cursor runs over.
pub(in crate::hdf5) fn parse(cursor: &mut Cursor<'_>, body: &Bytes) -> Result<Layout, FormatError> {
    match cursor.version(&[1, 2, 3, 4, 5])? {
        1 | 2 => parse_old(cursor, body),
        version => parse_new(cursor, body, version),
    }
}

fn parse_old(cursor: &mut Cursor<'_>, body: &Bytes) -> Result<Layout, FormatError> {
    let rank = usize::from(cursor.u8()?);
    let class = cursor.u8()?;
    cursor.skip(5)?;
    let address = if class == 0 { None } else { cursor.offset()? };
    let dimensions = dimensions(cursor, rank, 4)?;
    match class {
        0 => {
            let size = cursor.u32()? as usize;
            Ok(Layout::Compact(body.slice_ref(cursor.take(size)?)))
        }
        1 => Ok(Layout::Contiguous { address, size: None }),
        2 => chunked(cursor, dimensions, Index::BTree1, address),
        other => Err(cursor.corrupt(format_args!("layout class {other} in an old version"))),
    }
}

fn parse_new(cursor: &mut Cursor<'_>, body: &Bytes, version: u8) -> Result<Layout, FormatError> {
    match cursor.u8()? {
        0 => {
            let size = usize::from(cursor.u16()?);
            Ok(Layout::Compact(body.slice_ref(cursor.take(size)?)))
        }
        1 => Ok(Layout::Contiguous { address: cursor.offset()?, size: Some(cursor.length()?) }),
        2 if version == 3 => {
            let rank = usize::from(cursor.u8()?);
            let address = cursor.offset()?;
            let dimensions = dimensions(cursor, rank, 4)?;
            chunked(cursor, dimensions, Index::BTree1, address)
        }
        2 => parse_indexed(cursor, version),
        3 => Ok(Layout::Virtual),
        other => Err(cursor.unsupported("unsupported-hdf5-layout", format_args!("layout class {other} is not known"))),
    }
}

fn parse_indexed(cursor: &mut Cursor<'_>, version: u8) -> Result<Layout, FormatError> {
    let flags = cursor.u8()?;
    let rank = usize::from(cursor.u8()?);
    let width = usize::from(cursor.u8()?);
    if !(1..=8).contains(&width) {
        return Err(cursor.corrupt(format_args!("{width} bytes for an extent")));
    }
    let dimensions = dimensions(cursor, rank, width)?;
    let index = match cursor.u8()? {
        1 if flags & 0x02 != 0 => Index::Single(Some((cursor.length()?, cursor.u32()?))),
        1 => Index::Single(None),
        2 => Index::Implicit,
        // Their parameters are repeated in the headers of the structures.
        3 => {
            cursor.skip(1)?;
            Index::FixedArray
        }
        4 => {
            cursor.skip(5)?;
            Index::ExtensibleArray
        }
        5 => {
            cursor.skip(6)?;
            Index::BTree2
        }
        other => {
            return Err(
                cursor.unsupported("unsupported-hdf5-chunk-index", format_args!("chunk index {other} is not known"))
            );
        }
    };
    let address = cursor.offset()?;
    let Layout::Chunked(mut chunks) = chunked(cursor, dimensions, index, address)? else {
        return Err(cursor.corrupt("not chunked"));
    };
    chunks.edges_unfiltered = flags & 0x01 != 0;
    if version >= 5 {
        chunks.size_width = Some(cursor.sizes().length);
    }
    Ok(Layout::Chunked(chunks))
}

fn dimensions(cursor: &mut Cursor<'_>, rank: usize, width: usize) -> Result<Vec<u64>, FormatError> {
    if rank > limits::RANK + 1 {
        return Err(cursor.corrupt(format_args!("{rank} dimensions, of which HDF5 allows {}", limits::RANK)));
    }
    let mut dimensions = Vec::with_capacity(rank);
    for _ in 0..rank {
        dimensions.push(cursor.uint(width)?);
    }
    Ok(dimensions)
}

fn chunked(
    cursor: &Cursor<'_>,
    mut dimensions: Vec<u64>,
    index: Index,
    address: Option<u64>,
) -> Result<Layout, FormatError> {
    let element_size = dimensions.pop().unwrap_or(0);
    if dimensions.is_empty() || element_size == 0 || dimensions.contains(&0) {
        return Err(cursor.corrupt("a chunk without extent"));
    }
    Ok(Layout::Chunked(Chunked {
        chunk_shape: dimensions,
        element_size,
        edges_unfiltered: false,
        size_width: None,
        index,
        address,
    }))
}
