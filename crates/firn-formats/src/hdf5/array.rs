//! One dataset as an array of the model.

use super::attributes::text_of;
use super::chunk_index::Job;
use super::codecs;
use super::file::File;
use super::global_heap::{self, GlobalHeaps};
use super::message::dataspace::Dataspace;
use super::message::datatype::{Datatype, Padding};
use super::message::layout::Layout;
use super::netcdf4::Dimensions;
use super::variable::{FillOf, Variable};
use crate::FormatError;
use bytes::Bytes;
use firn_model::array::chunk_grid::product;
use firn_model::array::{
    Array, ArrayMetadata, AttributeValue, Attributes, ChunkGrid, ChunkManifest, ChunkTable, DataType, Elements, Endian,
    FillValue, Numbers, SourceObject, StoredAs, Values,
};
use firn_model::diagnose::At;

/// Characters of a text that a fill value may be repeated to.
const MAX_FILL_TEXT: u64 = 1 << 16;

/// What the elements of a dataset are.
struct Kind {
    data_type: DataType,
    stored_as: StoredAs,
    endian: Endian,
    element_size: usize,
    /// Integers with names.
    members: Option<(Numbers, Vec<String>)>,
}

/// An array whose chunks may still have to be found.
pub(super) struct Planned {
    pub array: Array,
    /// Where the chunks have to be looked for; the table of the array is empty until then.
    pub job: Option<Job>,
}

/// Puts the table of a finished job in place.
pub(super) fn finish(mut array: Array, table: ChunkTable) -> Array {
    array.manifest = ChunkManifest::Table(table);
    array
}

/// Translates a dataset. Its shape is that of its dimensions, in each at least its own extent.
///
/// # Errors
/// `Unsupported` and `Limit` for what concerns this dataset alone.
pub(super) fn plan(
    file: &File,
    at: &At,
    variable: &Variable,
    dimensions: &Dimensions,
    heaps: &mut GlobalHeaps,
    object: &SourceObject,
) -> Result<Planned, FormatError> {
    let Dataspace::Simple { shape: extents, max_shape } = &variable.dataspace else {
        let what = "it has a null dataspace: no elements and no shape";
        return Err(FormatError::unsupported("unsupported-hdf5-null-dataspace", at, what));
    };
    let shape = dimensions.shape.as_slice();
    let mut kind = kind_of(file, at, &variable.datatype, dimensions.joins_characters)?;
    if variable.dataspace.count().and_then(|n| n.checked_mul(kind.element_size as u64)).is_none()
        || product(shape).is_none()
    {
        return Err(FormatError::limit(at, "the number of bytes of its elements", u64::MAX, u64::MAX));
    }
    let has_fill = matches!(variable.fill, FillOf::User(_)) || kind.data_type == DataType::String;
    if shape != extents.as_slice() && !has_fill {
        let what = format!(
            "its shape is {extents:?}, that of its dimensions {shape:?} (other variables are longer along an unlimited one), and it \
             has no fill value for the rest: netCDF-C and HDF5 disagree about what stands there"
        );
        return Err(FormatError::unsupported("unsupported-hdf5-short-variable", at, what));
    }
    let (chunk_shape, filters) = match &variable.layout {
        Layout::Chunked(chunked) => (chunked.chunk_shape.clone(), variable.filters.as_slice()),
        _ => (extents.clone(), Default::default()),
    };
    if chunk_shape.len() != extents.len() {
        let what = format!("it has {} dimensions and its chunks {}", extents.len(), chunk_shape.len());
        return Err(FormatError::corrupt(at, what));
    }
    let grid = ChunkGrid::regular(&chunk_shape);
    let chunk_shape = grid.chunk_shape().unwrap_or_default().to_vec();
    let codecs = codecs::of_filters(at, kind.endian, filters, kind.element_size)?;
    let num_chunks = grid.num_chunks(shape).unwrap_or(u64::MAX);
    file.spend_chunks(at, num_chunks)?;
    let table = ChunkTable::known_empty(&grid.grid_shape(shape));
    let mut table = table.ok_or_else(|| {
        FormatError::limit(at, "the number of chunks", num_chunks, firn_model::array::manifest::MAX_CHUNKS)
    })?;
    let number = table.intern(object);
    let job = place(file, at, variable, &kind, &mut table, number, extents, max_shape)?;

    let mut array_shape = shape.to_vec();
    let mut array_chunks = chunk_shape;
    let mut names = dimensions.names.clone();
    if let StoredAs::CharDimension { length, chunk_length } = &mut kind.stored_as {
        *length = array_shape.pop().unwrap_or(1);
        *chunk_length = array_chunks.pop().unwrap_or(1);
        names.pop();
    }
    let metadata = ArrayMetadata {
        shape: array_shape,
        data_type: kind.data_type,
        chunk_grid: ChunkGrid::regular(&array_chunks),
        fill_value: fill(file, at, variable, &kind, heaps)?,
        codecs,
        dimension_names: names,
        attributes: flags(&kind),
    };
    let (manifest, job) = match job {
        Some(job) => (ChunkTable::known_empty(&[0]), Some(Job { table, ..job })),
        None => (Some(table), None),
    };
    let manifest = manifest.ok_or_else(|| FormatError::bug(at, "no empty table could be made"))?;
    Ok(Planned { array: Array { metadata, stored_as: kind.stored_as, manifest: ChunkManifest::Table(manifest) }, job })
}

fn kind_of(file: &File, at: &At, datatype: &Datatype, joins_characters: bool) -> Result<Kind, FormatError> {
    let element_size = datatype.size(file.sizes.offset);
    let text = |stored_as| Kind {
        data_type: DataType::String,
        stored_as,
        endian: Endian::Little,
        element_size,
        members: None,
    };
    match datatype {
        Datatype::Number { data_type, endian, .. } => Ok(Kind {
            data_type: *data_type,
            stored_as: StoredAs::Elements,
            endian: one_byte_is_little(element_size, *endian),
            element_size,
            members: None,
        }),
        Datatype::FixedText { .. } if joins_characters => {
            Ok(text(StoredAs::CharDimension { length: 0, chunk_length: 0 }))
        }
        Datatype::FixedText { size, .. } => Ok(text(StoredAs::FixedText { length: *size })),
        Datatype::VlenText { .. } => Ok(text(StoredAs::Hdf5VlenText { offset_size: file.sizes.offset })),
        Datatype::Enum { .. } if datatype.is_bool() => Ok(Kind {
            data_type: DataType::Bool,
            stored_as: StoredAs::Elements,
            endian: Endian::Little,
            element_size,
            members: None,
        }),
        Datatype::Enum { base, members } => {
            let mut kind = kind_of(file, at, base, false)?;
            let bytes: Vec<u8> = members.iter().flat_map(|(_, value)| little(value, kind.endian)).collect();
            let names = members.iter().map(|(name, _)| name.clone()).collect();
            kind.members = numbers(kind.data_type, &bytes).map(|values| (values, names));
            Ok(kind)
        }
        other => {
            let what = format!("its elements are {}, which are not read", other.describe());
            Err(FormatError::unsupported(other.refusal_code(), at, what))
        }
    }
}

fn one_byte_is_little(size: usize, endian: Endian) -> Endian {
    if size == 1 { Endian::Little } else { endian }
}

fn little(value: &[u8], endian: Endian) -> Vec<u8> {
    let mut bytes = value.to_vec();
    if endian == Endian::Big {
        bytes.reverse();
    }
    bytes
}

fn numbers(data_type: DataType, bytes: &[u8]) -> Option<Numbers> {
    let values = Values { data_type, shape: Vec::new(), elements: Elements::Fixed(bytes.to_vec()) };
    if data_type == DataType::UInt64 {
        let numbers = bytes.chunks_exact(8).map(|b| b.iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte)));
        return Some(Numbers::UInt64(numbers.collect()));
    }
    let values = values.to_i64()?;
    Some(match data_type {
        DataType::Int8 => Numbers::Int8(values.into_iter().map(|v| v as i8).collect()),
        DataType::Int16 => Numbers::Int16(values.into_iter().map(|v| v as i16).collect()),
        DataType::Int32 => Numbers::Int32(values.into_iter().map(|v| v as i32).collect()),
        DataType::Int64 => Numbers::Int64(values),
        DataType::UInt8 => Numbers::UInt8(values.into_iter().map(|v| v as u8).collect()),
        DataType::UInt16 => Numbers::UInt16(values.into_iter().map(|v| v as u16).collect()),
        DataType::UInt32 => Numbers::UInt32(values.into_iter().map(|v| v as u32).collect()),
        _ => return None,
    })
}

/// The names of an enumeration as CF flags; they stand where the file has no flags of its own.
fn flags(kind: &Kind) -> Attributes {
    let mut attributes = Attributes::new();
    if let Some((values, names)) = &kind.members {
        let words: Vec<String> =
            names.iter().map(|name| name.split_whitespace().collect::<Vec<_>>().join("_")).collect();
        attributes.insert("flag_values".to_owned(), AttributeValue::Numbers(values.clone()));
        attributes.insert("flag_meanings".to_owned(), AttributeValue::Text(words.join(" ")));
    }
    attributes
}

fn fill(
    file: &File,
    at: &At,
    variable: &Variable,
    kind: &Kind,
    heaps: &mut GlobalHeaps,
) -> Result<Option<FillValue>, FormatError> {
    let bytes = match &variable.fill {
        FillOf::Undefined => return Ok(None),
        FillOf::Default => return Ok(Some(FillValue::zero(kind.data_type))),
        FillOf::User(bytes) => bytes,
    };
    if bytes.len() != kind.element_size {
        let what = format!("the fill value has {} bytes, an element {}", bytes.len(), kind.element_size);
        return Err(FormatError::corrupt(at, what));
    }
    let text = match (kind.stored_as, &variable.datatype) {
        (StoredAs::Elements, _) => return Ok(Some(FillValue::Fixed(little(bytes, kind.endian)))),
        (StoredAs::CharDimension { length, .. }, _) => match bytes[0] {
            0 => String::new(),
            _ if length > MAX_FILL_TEXT => {
                return Err(FormatError::limit(at, "the length of texts with a fill character", length, MAX_FILL_TEXT));
            }
            byte => char::from(byte).to_string().repeat(length as usize),
        },
        (_, Datatype::VlenText { padding }) => vlen_fill(file, at, bytes, *padding, heaps)?,
        (_, Datatype::FixedText { padding, .. }) => text_of(bytes, *padding).0,
        _ => return Ok(None),
    };
    Ok(Some(FillValue::Text(text)))
}

fn vlen_fill(
    file: &File,
    at: &At,
    bytes: &Bytes,
    padding: Padding,
    heaps: &mut GlobalHeaps,
) -> Result<String, FormatError> {
    let reference = global_heap::reference(&mut file.cursor(bytes, 0, at, "fill value"))?;
    let Some(object) = reference.object else { return Ok(String::new()) };
    heaps.fetch(file, at, [object.0])?;
    let bytes = heaps.get(at, object)?;
    Ok(text_of(&bytes[..bytes.len().min(reference.count as usize)], padding).0)
}

/// Says where the elements are, or gives the job of finding their chunks.
#[allow(clippy::too_many_arguments)]
fn place(
    file: &File,
    at: &At,
    variable: &Variable,
    kind: &Kind,
    table: &mut ChunkTable,
    object: u32,
    extents: &[u64],
    max_shape: &[Option<u64>],
) -> Result<Option<Job>, FormatError> {
    let total = product(extents).and_then(|count| count.checked_mul(kind.element_size as u64));
    let total =
        total.ok_or_else(|| FormatError::limit(at, "the number of bytes of its elements", u64::MAX, u64::MAX))?;
    match &variable.layout {
        Layout::Virtual => {
            let what = "it is a virtual dataset, whose elements are in other datasets, which is not read";
            Err(FormatError::unsupported("unsupported-hdf5-virtual-dataset", at, what))
        }
        Layout::Compact(bytes) => {
            if (bytes.len() as u64) < total {
                let what = format!("its elements take {total} bytes, of which its header holds {}", bytes.len());
                return Err(FormatError::corrupt(at, what));
            }
            if total > 0 {
                table.set_inline(0, bytes.slice(..total as usize));
            }
            Ok(None)
        }
        Layout::Contiguous { address, size } => {
            if let Some(address) = address.filter(|_| total > 0) {
                if size.is_some_and(|size| size < total) {
                    let what =
                        format!("its elements take {total} bytes, of which only {} are there", size.unwrap_or(0));
                    return Err(FormatError::corrupt(at, what));
                }
                let offset = file.place(at, (address, total), "its elements")?;
                table.set_stored(0, object, offset, total, 0);
            }
            Ok(None)
        }
        Layout::Chunked(chunked) => {
            if chunked.element_size != kind.element_size as u64 {
                let what =
                    format!("its elements have {} bytes, in its layout {}", kind.element_size, chunked.element_size);
                return Err(FormatError::corrupt(at, what));
            }
            let chunk_bytes = product(&chunked.chunk_shape).and_then(|count| count.checked_mul(chunked.element_size));
            let chunk_bytes = chunk_bytes.filter(|bytes| u32::try_from(*bytes).is_ok() || chunked.size_width.is_some());
            let chunk_bytes = chunk_bytes.ok_or_else(|| {
                FormatError::corrupt(at, "its chunks have 4 GiB or more, which this layout does not allow")
            })?;
            let empty =
                ChunkTable::known_empty(&[0]).ok_or_else(|| FormatError::bug(at, "no empty table could be made"))?;
            Ok(Some(Job {
                at: at.clone(),
                chunked: chunked.clone(),
                shape: extents.to_vec(),
                max_shape: max_shape.to_vec(),
                num_filters: variable.filters.len(),
                chunk_bytes,
                table: empty,
                object,
            }))
        }
    }
}
