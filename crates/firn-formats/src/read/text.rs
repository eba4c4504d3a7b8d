//! Text, however it is stored.

use super::fetch::Fetch;
use super::layout::UTF32;
use super::locate::{ChunkLocation, chunk_location};
use super::{MAX_READ_BYTES, StoredLayout, elements};
use crate::box_copy::BoxCopy;
use crate::chunk_codec;
use crate::error::FormatError;
use bytes::Bytes;
use firn_model::array::{Array, ArraySubset, Endian, FillValue, StoredAs};
use firn_model::diagnose::At;
use firn_model::source::Source;

/// How the bytes of text are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TextEncoding {
    /// As UTF-8, of which ASCII is a part; other bytes are an error.
    #[default]
    Utf8,
    /// As Latin-1: every byte is a character.
    Latin1,
}

impl TextEncoding {
    /// The encoding that the attribute `_Encoding` of an array names (NetCDF conventions), else this one.
    pub(super) fn of(self, array: &Array) -> Self {
        let named = array.metadata.attributes.get("_Encoding").and_then(|v| v.as_text()).map(str::to_ascii_lowercase);
        match named.as_deref() {
            Some("latin-1" | "latin1" | "iso-8859-1" | "iso8859-1" | "iso_8859-1") => Self::Latin1,
            _ => self,
        }
    }

    /// The text of these bytes without the NULs that pad it.
    ///
    /// # Errors
    /// [`FormatError::InvalidText`] for bytes that are not in this encoding.
    pub fn decode(self, bytes: &[u8], at: &At) -> Result<String, FormatError> {
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let bytes = &bytes[..end];
        match self {
            Self::Latin1 => Ok(bytes.iter().map(|byte| char::from(*byte)).collect()),
            Self::Utf8 => std::str::from_utf8(bytes).map(str::to_owned).map_err(|error| {
                let byte = bytes.get(error.valid_up_to()).copied().unwrap_or(0);
                let what = format!("the text is not UTF-8: its byte {} is {byte:#04x}", error.valid_up_to());
                FormatError::invalid_text(at, what)
            }),
        }
    }
}

/// Text whose stored elements have a fixed size: characters or padded texts.
pub(super) fn read_stored(
    source: &dyn Source,
    array: &Array,
    subset: &ArraySubset,
    encoding: TextEncoding,
    at: &At,
) -> Result<Vec<String>, FormatError> {
    let layout = StoredLayout::of(array, at)?;
    let count = count(subset, at)?;
    let width = match array.stored_as {
        StoredAs::CharDimension { length, .. } => length as usize,
        _ => layout.element_size,
    };
    if width == 0 {
        return Ok(vec![String::new(); count]);
    }
    let bytes = elements::read(source, array, &layout, subset, at)?;
    let texts = bytes.chunks_exact(width);
    match array.stored_as {
        StoredAs::FixedUtf32 { endian, .. } => each(texts.map(|text| utf32(text, endian, at)), subset, at),
        _ => decode_all(texts, encoding.of(array), subset, at),
    }
}

/// The text of these characters of four bytes without the NULs that pad it.
fn utf32(bytes: &[u8], endian: Endian, at: &At) -> Result<String, FormatError> {
    let (characters, _) = bytes.as_chunks::<UTF32>();
    let code = |bytes: &[u8; UTF32]| match endian {
        Endian::Little => u32::from_le_bytes(*bytes),
        Endian::Big => u32::from_be_bytes(*bytes),
    };
    let end = characters.iter().rposition(|character| code(character) != 0).map_or(0, |last| last + 1);
    let character = |bytes| {
        let code = code(bytes);
        let what = || format!("the text is not UTF-32: it has a character {code:#x}");
        char::from_u32(code).ok_or_else(|| FormatError::invalid_text(at, what()))
    };
    characters[..end].iter().map(character).collect()
}

/// Each of these texts, in the order of the elements of `subset`.
pub(super) fn decode_all<'a>(
    texts: impl Iterator<Item = &'a [u8]>,
    encoding: TextEncoding,
    subset: &ArraySubset,
    at: &At,
) -> Result<Vec<String>, FormatError> {
    each(texts.map(|text| encoding.decode(text, at)), subset, at)
}

/// All texts, or the first error at its element.
fn each(
    texts: impl Iterator<Item = Result<String, FormatError>>,
    subset: &ArraySubset,
    at: &At,
) -> Result<Vec<String>, FormatError> {
    let placed = |(number, text): (u64, Result<String, FormatError>)| {
        text.map_err(|error| with_index(error, number, subset, at))
    };
    (0u64..).zip(texts).map(placed).collect()
}

/// The error at the element where it is.
fn with_index(error: FormatError, number: u64, subset: &ArraySubset, at: &At) -> FormatError {
    let FormatError::InvalidText { what, .. } = error else { return error };
    let inside = firn_model::array::chunk_grid::from_linear(number, &subset.shape);
    let index: Vec<u64> = inside.0.iter().zip(&subset.start).map(|(i, start)| i + start).collect();
    FormatError::InvalidText { at: at.index(index), what }
}

pub(super) fn count(subset: &ArraySubset, at: &At) -> Result<usize, FormatError> {
    let size = size_of::<String>() as u64;
    let bytes = subset.num_elements().map_or(u64::MAX, |n| n.saturating_mul(size));
    if bytes > MAX_READ_BYTES {
        return Err(FormatError::limit(at, "the size of what is read at once in bytes", bytes, MAX_READ_BYTES));
    }
    Ok((bytes / size) as usize)
}

/// Text of variable length (`vlen-utf8`).
pub(super) fn read_variable(
    source: &dyn Source,
    array: &Array,
    subset: &ArraySubset,
    at: &At,
) -> Result<Vec<String>, FormatError> {
    let fill = match &array.metadata.fill_value {
        Some(FillValue::Text(text)) => text.as_str(),
        _ => "",
    };
    let mut out = vec![fill.to_owned(); count(subset, at)?];
    if out.is_empty() {
        return Ok(out);
    }
    let chunk_shape = super::layout::regular(array, at)?;
    let mut fetch = Fetch::new(source, at);
    let mut pieces = Vec::new();
    for indices in array.metadata.chunk_grid.chunks_in(subset) {
        let start: Vec<u64> = indices.0.iter().zip(chunk_shape).map(|(i, extent)| i.saturating_mul(*extent)).collect();
        match chunk_location(array, &indices, at)? {
            ChunkLocation::Empty => {}
            ChunkLocation::Inline(bytes) => pieces.push((start, Err(bytes.clone()))),
            ChunkLocation::Range { object, range, .. } => {
                let object = fetch.object(object)?;
                pieces.push((start, Ok(fetch.want(object, range))));
            }
            ChunkLocation::Key(key) => {
                if let Some((object, size)) = fetch.key(&key)? {
                    pieces.push((start, Ok(fetch.want(object, 0..size))));
                }
            }
        }
    }
    let mut fetched = fetch.read()?;
    for (start, bytes) in pieces {
        let encoded: Bytes = bytes.map_or_else(|inline| inline, |ticket| fetched.take(ticket));
        let chunk = ArraySubset { start, shape: chunk_shape.to_vec() };
        let mut texts = chunk_codec::decode_text(encoded, &array.metadata.codecs, chunk_shape, fill, at)?;
        let Some(shared) = chunk.intersection(subset) else { continue };
        let copy = BoxCopy {
            src_shape: chunk_shape,
            src_start: &shared.relative_to(&chunk.start).start,
            dst_shape: &subset.shape,
            dst_start: &shared.relative_to(&subset.start).start,
            shape: &shared.shape,
        };
        copy.take(&mut texts, &mut out).ok_or_else(|| FormatError::bug(at, "a chunk does not fit the box"))?;
    }
    Ok(out)
}
