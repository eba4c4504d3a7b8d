//! Datatype message, all classes ("IV.A.2.d").

use crate::FormatError;
use crate::hdf5::cursor::Cursor;
use crate::hdf5::limits;
use firn_model::array::{DataType, Endian};

/// How a fixed string fills its bytes, and where a variable one ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hdf5) enum Padding {
    Nul,
    NulPadded,
    Space,
}

/// A datatype: what is needed of each class to read it, or to say why it is not read.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hdf5) enum Datatype {
    /// A number whose form is one of the model's types.
    Number { data_type: DataType, endian: Endian, is_bitfield: bool },
    /// A number of another form; says which.
    OddNumber { size: usize, what: String },
    /// Text of `size` bytes.
    FixedText { size: usize, padding: Padding },
    /// Text of variable length.
    VlenText { padding: Padding },
    /// Integers with names.
    Enum { base: Box<Datatype>, members: Vec<(String, Vec<u8>)> },
    /// A sequence of variable length.
    Vlen { base: Box<Datatype> },
    /// Several fields; whether libnetcdf can tell what they are.
    Compound { size: usize, members: usize, is_known_to_netcdf: bool },
    /// An array as element.
    Array { size: usize, shape: Vec<u64>, base: Box<Datatype> },
    /// A reference; `object`: to an object by its address, as DIMENSION_LIST has them.
    Reference { size: usize, object: bool },
    /// Bytes without meaning.
    Opaque { size: usize },
    /// A point in time (never written by HDF5 itself).
    Time { size: usize },
    /// A pair of floats (HDF5 2.0).
    Complex { size: usize },
}

impl Datatype {
    /// Bytes of an element; for what is variable, of its heap reference.
    pub fn size(&self, offset_size: u8) -> usize {
        match self {
            Self::Number { data_type, .. } => data_type.size().unwrap_or(0),
            Self::VlenText { .. } | Self::Vlen { .. } => usize::from(offset_size) + 8,
            Self::Enum { base, .. } => base.size(offset_size),
            Self::OddNumber { size, .. }
            | Self::FixedText { size, .. }
            | Self::Compound { size, .. }
            | Self::Array { size, .. }
            | Self::Reference { size, .. }
            | Self::Opaque { size }
            | Self::Time { size }
            | Self::Complex { size } => *size,
        }
    }

    /// What it is, as the subject of a sentence that says that it is not read.
    pub fn describe(&self) -> String {
        match self {
            Self::Number { data_type, .. } => data_type.name().to_owned(),
            Self::OddNumber { what, .. } => what.clone(),
            Self::FixedText { size, .. } => format!("text of {size} bytes"),
            Self::VlenText { .. } => "text of variable length".to_owned(),
            Self::Enum { base, .. } => format!("an enumeration over {}", base.describe()),
            Self::Vlen { base } => format!("sequences of variable length of {}", base.describe()),
            Self::Compound { members, .. } => format!("a compound of {members} fields"),
            Self::Array { shape, base, .. } => format!("an array {shape:?} of {} as one element", base.describe()),
            Self::Reference { .. } => "references".to_owned(),
            Self::Opaque { size } => format!("opaque elements of {size} bytes"),
            Self::Time { .. } => "the HDF5 time class".to_owned(),
            Self::Complex { .. } => "complex numbers".to_owned(),
        }
    }

    /// The stable code of its refusal.
    pub fn refusal_code(&self) -> &'static str {
        match self {
            Self::Compound { .. } => "unsupported-hdf5-compound",
            Self::Vlen { .. } => "unsupported-hdf5-vlen",
            Self::Array { .. } => "unsupported-hdf5-array-type",
            Self::Reference { .. } => "unsupported-hdf5-reference",
            Self::Opaque { .. } => "unsupported-hdf5-opaque",
            Self::Complex { .. } => "unsupported-hdf5-complex",
            Self::Time { .. } => "unsupported-hdf5-time",
            _ => "unsupported-hdf5-number",
        }
    }

    /// Whether libnetcdf shows variables of this type. Those it does not show have no part in its numbering of dimensions.
    pub fn is_known_to_netcdf(&self) -> bool {
        match self {
            Self::Number { data_type, is_bitfield, .. } => *data_type != DataType::Float16 && !is_bitfield,
            Self::Vlen { base } => base.is_known_to_netcdf(),
            Self::Compound { is_known_to_netcdf, .. } => *is_known_to_netcdf,
            Self::Array { .. } | Self::Reference { .. } | Self::Time { .. } | Self::Complex { .. } => false,
            Self::OddNumber { size, .. } => matches!(size, 1 | 2 | 4 | 8),
            Self::FixedText { .. } | Self::VlenText { .. } | Self::Enum { .. } | Self::Opaque { .. } => true,
        }
    }

    /// Whether elements of this type can be read.
    pub fn is_read(&self) -> bool {
        match self {
            Self::Number { .. } | Self::FixedText { .. } | Self::VlenText { .. } => true,
            Self::Enum { base, .. } => base.is_read(),
            _ => false,
        }
    }

    /// Whether it is a single character, as NetCDF-4 stores its `char`.
    pub fn is_char(&self) -> bool {
        matches!(self, Self::FixedText { size: 1, .. })
    }

    /// Whether it is exactly what h5py makes of booleans: int8 with FALSE = 0 and TRUE = 1.
    pub fn is_bool(&self) -> bool {
        let Self::Enum { base, members } = self else { return false };
        let Self::Number { data_type: DataType::Int8, .. } = base.as_ref() else { return false };
        let [(no, zero), (yes, one)] = members.as_slice() else { return false };
        no == "FALSE" && yes == "TRUE" && zero == &[0] && one == &[1]
    }
}

/// Parses the message.
pub(in crate::hdf5) fn parse(cursor: &mut Cursor<'_>) -> Result<Datatype, FormatError> {
    parse_at(cursor, 0)
}

fn parse_at(cursor: &mut Cursor<'_>, depth: usize) -> Result<Datatype, FormatError> {
    if depth > limits::TYPE_DEPTH {
        return Err(cursor.unsupported("unsupported-hdf5-type-depth", "more than 16 datatypes within each other"));
    }
    let first = cursor.u8()?;
    let (class, version) = (first & 0x0f, first >> 4);
    let bits = cursor.uint(3)? as u32;
    let size = cursor.u32()? as usize;
    if !(1..=5).contains(&version) {
        return Err(cursor.unsupported("unsupported-hdf5-version", format_args!("version {version} is not known")));
    }
    match class {
        0 | 4 => integer(cursor, bits, size, class == 4),
        1 => float(cursor, bits, size),
        2 => {
            cursor.skip(2)?;
            Ok(Datatype::Time { size })
        }
        3 if size == 0 => Err(cursor.corrupt("text of no bytes")),
        3 => Ok(Datatype::FixedText { size, padding: padding(bits & 0x0f) }),
        5 => {
            cursor.skip((bits & 0xff) as usize)?;
            Ok(Datatype::Opaque { size })
        }
        6 => compound(cursor, bits, size, version, depth),
        7 => Ok(Datatype::Reference { size, object: matches!(bits & 0x0f, 0) && version < 4 }),
        8 => enumeration(cursor, bits, version, depth),
        9 => {
            let base = parse_at(cursor, depth + 1)?;
            match bits & 0x0f {
                0 => Ok(Datatype::Vlen { base: Box::new(base) }),
                1 => Ok(Datatype::VlenText { padding: padding(bits >> 4 & 0x0f) }),
                other => {
                    Err(cursor.unsupported("unsupported-hdf5-vlen", format_args!("variable length of kind {other}")))
                }
            }
        }
        10 => array(cursor, size, version, depth),
        11 => Ok(Datatype::Complex { size }),
        _ => Err(cursor.unsupported("unsupported-hdf5-class", format_args!("class {class} is not known"))),
    }
}

fn padding(bits: u32) -> Padding {
    match bits {
        1 => Padding::NulPadded,
        2 => Padding::Space,
        _ => Padding::Nul,
    }
}

fn integer(cursor: &mut Cursor<'_>, bits: u32, size: usize, is_bitfield: bool) -> Result<Datatype, FormatError> {
    let (bit_offset, precision) = (cursor.u16()?, cursor.u16()?);
    let signed = bits & 0x08 != 0 && !is_bitfield;
    let data_type = match (size, signed) {
        (1, true) => DataType::Int8,
        (2, true) => DataType::Int16,
        (4, true) => DataType::Int32,
        (8, true) => DataType::Int64,
        (1, false) => DataType::UInt8,
        (2, false) => DataType::UInt16,
        (4, false) => DataType::UInt32,
        (8, false) => DataType::UInt64,
        _ => return Ok(Datatype::OddNumber { size, what: format!("integers of {size} bytes") }),
    };
    if bit_offset != 0 || usize::from(precision) != 8 * size {
        let what = format!("integers of {precision} bits from bit {bit_offset} of {size} bytes");
        return Ok(Datatype::OddNumber { size, what });
    }
    let endian = if bits & 1 == 0 { Endian::Little } else { Endian::Big };
    Ok(Datatype::Number { data_type, endian, is_bitfield })
}

fn float(cursor: &mut Cursor<'_>, bits: u32, size: usize) -> Result<Datatype, FormatError> {
    let form = (cursor.u16()?, cursor.u16()?, cursor.u8()?, cursor.u8()?, cursor.u8()?, cursor.u8()?, cursor.u32()?);
    let sign = bits >> 8 & 0xff;
    let is_vax = bits & 0x41 == 0x41;
    // bit offset, precision, exponent at and of bits, mantissa at and of bits, bias; sign bit; normalised with an implied 1
    let data_type = match (size, form, sign, bits >> 4 & 0x03) {
        (2, (0, 16, 10, 5, 0, 10, 15), 15, 2) => Some(DataType::Float16),
        (4, (0, 32, 23, 8, 0, 23, 127), 31, 2) => Some(DataType::Float32),
        (8, (0, 64, 52, 11, 0, 52, 1023), 63, 2) => Some(DataType::Float64),
        _ => None,
    };
    match data_type {
        Some(data_type) if !is_vax => {
            let endian = if bits & 1 == 0 { Endian::Little } else { Endian::Big };
            Ok(Datatype::Number { data_type, endian, is_bitfield: false })
        }
        _ => Ok(Datatype::OddNumber {
            size,
            what: format!(
                "floats of {size} bytes that are not IEEE 754 ({} bits of exponent, {} of mantissa)",
                form.3, form.5
            ),
        }),
    }
}

fn name(cursor: &mut Cursor<'_>, version: u8) -> Result<String, FormatError> {
    let from = cursor.position();
    let name = String::from_utf8_lossy(cursor.text_to_nul()?).into_owned();
    if version < 3 {
        cursor.align(from, 8)?;
    }
    Ok(name)
}

fn compound(
    cursor: &mut Cursor<'_>,
    bits: u32,
    size: usize,
    version: u8,
    depth: usize,
) -> Result<Datatype, FormatError> {
    let members = (bits & 0xffff) as usize;
    let mut is_known_to_netcdf = true;
    for _ in 0..members {
        name(cursor, version)?;
        match version {
            1 => cursor.skip(4 + 1 + 3 + 4 + 4 + 16)?,
            2 => cursor.skip(4)?,
            _ => cursor.skip(bytes_for(size))?,
        }
        is_known_to_netcdf &= match parse_at(cursor, depth + 1)? {
            Datatype::Array { base, .. } => base.is_known_to_netcdf(),
            member => member.is_known_to_netcdf(),
        };
    }
    Ok(Datatype::Compound { size, members, is_known_to_netcdf })
}

/// Bytes that a number up to `limit` needs.
fn bytes_for(limit: usize) -> usize {
    ((usize::BITS - limit.leading_zeros()).div_ceil(8) as usize).max(1)
}

fn enumeration(cursor: &mut Cursor<'_>, bits: u32, version: u8, depth: usize) -> Result<Datatype, FormatError> {
    let base = parse_at(cursor, depth + 1)?;
    let width = match &base {
        Datatype::Number { data_type, .. } => data_type.size().unwrap_or(0),
        Datatype::OddNumber { size, .. } => *size,
        _ => return Err(cursor.corrupt("an enumeration over something that is no number")),
    };
    let count = (bits & 0xffff) as usize;
    let mut names = Vec::new();
    for _ in 0..count {
        names.push(name(cursor, version)?);
    }
    let mut members = Vec::with_capacity(names.len());
    for name in names {
        members.push((name, cursor.take(width)?.to_vec()));
    }
    Ok(Datatype::Enum { base: Box::new(base), members })
}

fn array(cursor: &mut Cursor<'_>, size: usize, version: u8, depth: usize) -> Result<Datatype, FormatError> {
    let rank = usize::from(cursor.u8()?);
    if version < 3 {
        cursor.skip(3)?;
    }
    let mut shape = Vec::new();
    for _ in 0..rank {
        shape.push(u64::from(cursor.u32()?));
    }
    if version < 3 {
        cursor.skip(4 * rank)?;
    }
    let base = parse_at(cursor, depth + 1)?;
    Ok(Datatype::Array { size, shape, base: Box::new(base) })
}
