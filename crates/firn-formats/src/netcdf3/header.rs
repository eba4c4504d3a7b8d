//! The header as it is in the file.

use super::parse::{Cursor, Stop};
use crate::error::FormatError;
use firn_model::array::{AttributeValue, Numbers};
use firn_model::diagnose::At;

const TAG_DIMENSION: u32 = 10;
const TAG_VARIABLE: u32 = 11;
const TAG_ATTRIBUTE: u32 = 12;

/// Most dimensions of one variable (`NC_MAX_VAR_DIMS`).
const MAX_RANK: u64 = 1024;

/// The external types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NcType {
    Byte,
    Char,
    Short,
    Int,
    Float,
    Double,
    UByte,
    UShort,
    UInt,
    Int64,
    UInt64,
}

impl NcType {
    fn from_code(code: u32) -> Option<Self> {
        use NcType as T;
        let all = [
            T::Byte,
            T::Char,
            T::Short,
            T::Int,
            T::Float,
            T::Double,
            T::UByte,
            T::UShort,
            T::UInt,
            T::Int64,
            T::UInt64,
        ];
        all.get(usize::try_from(code).ok()?.checked_sub(1)?).copied()
    }

    /// Bytes of one element.
    pub(super) fn size(self) -> u64 {
        match self {
            Self::Byte | Self::Char | Self::UByte => 1,
            Self::Short | Self::UShort => 2,
            Self::Int | Self::Float | Self::UInt => 4,
            Self::Double | Self::Int64 | Self::UInt64 => 8,
        }
    }
}

pub(super) struct Dimension {
    pub(super) name: String,
    /// 0 for the record dimension.
    pub(super) length: u64,
}

pub(super) struct Attribute {
    pub(super) name: String,
    pub(super) value: AttributeValue,
}

pub(super) struct Variable {
    pub(super) name: String,
    /// Positions in the list of dimensions, all valid.
    pub(super) dimensions: Vec<usize>,
    pub(super) attributes: Vec<Attribute>,
    pub(super) nc_type: NcType,
    pub(super) begin: u64,
}

pub(super) struct Header {
    /// `None`: to be computed from the size of the file.
    pub(super) num_records: Option<u64>,
    pub(super) dimensions: Vec<Dimension>,
    pub(super) attributes: Vec<Attribute>,
    pub(super) variables: Vec<Variable>,
    pub(super) notes: Vec<String>,
}

pub(super) enum Parsed {
    Header(Header),
    /// So many bytes from the start of the file are needed, at least.
    Needs(u64),
}

/// Parses the header from the first bytes of the file.
pub(super) fn parse(bytes: &[u8], at: &At) -> Result<Parsed, FormatError> {
    match parse_all(bytes, at) {
        Ok(header) => Ok(Parsed::Header(header)),
        Err(Stop::Needs(needed)) => Ok(Parsed::Needs(needed)),
        Err(Stop::Wrong(error)) => Err(*error),
    }
}

fn parse_all(bytes: &[u8], at: &At) -> Result<Header, Stop> {
    let mut cursor = Cursor::new(bytes, at)?;
    let mut notes = Vec::new();
    let num_records = cursor.length_or_streaming()?;
    let mut dimensions = Vec::new();
    for _ in 0..cursor.list(TAG_DIMENSION, "dimensions")? {
        let name = text(cursor.name()?, "the name of a dimension", &mut notes);
        dimensions.push(Dimension { name, length: cursor.length()? });
    }
    let attributes = attributes(&mut cursor, "the file", &mut notes)?;
    let mut variables = Vec::new();
    for _ in 0..cursor.list(TAG_VARIABLE, "variables")? {
        variables.push(variable(&mut cursor, dimensions.len(), &mut notes)?);
    }
    Ok(Header { num_records, dimensions, attributes, variables, notes })
}

fn variable(cursor: &mut Cursor, num_dimensions: usize, notes: &mut Vec<String>) -> Result<Variable, Stop> {
    let name = text(cursor.name()?, "the name of a variable", notes);
    let rank = cursor.length()?;
    if rank > MAX_RANK {
        return Err(cursor.wrong(format!("the variable {name} would have {rank} dimensions")));
    }
    let mut dimensions = Vec::new();
    for _ in 0..rank {
        let id = cursor.length()?;
        match usize::try_from(id) {
            Ok(id) if id < num_dimensions => dimensions.push(id),
            _ => return Err(cursor.wrong(format!("the variable {name} names dimension {id} of {num_dimensions}"))),
        }
    }
    let attributes = attributes(cursor, &name, notes)?;
    let nc_type = nc_type(cursor)?;
    // `vsize` overflows for large variables and is wrong in files of some writers: it is computed anew.
    let _ = cursor.length_or_streaming()?;
    let begin = cursor.offset()?;
    Ok(Variable { name, dimensions, attributes, nc_type, begin })
}

fn nc_type(cursor: &mut Cursor) -> Result<NcType, Stop> {
    let code = cursor.u32()?;
    NcType::from_code(code).ok_or_else(|| cursor.wrong(format!("{code} is not a type of NetCDF classic")))
}

fn attributes(cursor: &mut Cursor, owner: &str, notes: &mut Vec<String>) -> Result<Vec<Attribute>, Stop> {
    let mut attributes = Vec::new();
    for _ in 0..cursor.list(TAG_ATTRIBUTE, "attributes")? {
        let name = text(cursor.name()?, "the name of an attribute", notes);
        let nc_type = nc_type(cursor)?;
        let count = cursor.length()?;
        let length = count.checked_mul(nc_type.size()).ok_or(Stop::Needs(u64::MAX))?;
        let bytes = cursor.take_padded(length)?;
        let value = value(bytes, nc_type, &format!("the attribute {name} of {owner}"), notes);
        attributes.push(Attribute { name, value });
    }
    Ok(attributes)
}

fn value(bytes: &[u8], nc_type: NcType, what: &str, notes: &mut Vec<String>) -> AttributeValue {
    macro_rules! numbers {
        ($variant:ident, $t:ty) => {
            Numbers::$variant(
                bytes.as_chunks::<{ size_of::<$t>() }>().0.iter().map(|b| <$t>::from_be_bytes(*b)).collect(),
            )
        };
    }
    AttributeValue::Numbers(match nc_type {
        NcType::Char => return AttributeValue::Text(text(bytes, what, notes)),
        NcType::Byte => numbers!(Int8, i8),
        NcType::Short => numbers!(Int16, i16),
        NcType::Int => numbers!(Int32, i32),
        NcType::Float => numbers!(Float32, f32),
        NcType::Double => numbers!(Float64, f64),
        NcType::UByte => numbers!(UInt8, u8),
        NcType::UShort => numbers!(UInt16, u16),
        NcType::UInt => numbers!(UInt32, u32),
        NcType::Int64 => numbers!(Int64, i64),
        NcType::UInt64 => numbers!(UInt64, u64),
    })
}

/// Text without its NUL padding; bytes that are not UTF-8 are taken for Latin-1, and a NUL inside is left out as the
/// netCDF libraries do, both with a note.
fn text(bytes: &[u8], what: &str, notes: &mut Vec<String>) -> String {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let bytes = &bytes[..end];
    let mut text = std::str::from_utf8(bytes).map_or_else(
        |_| {
            notes.push(format!("{what} is not UTF-8 and was read as Latin-1"));
            bytes.iter().map(|byte| char::from(*byte)).collect()
        },
        str::to_owned,
    );
    if text.contains('\0') {
        notes.push(format!("{what} contains NUL characters, which were left out"));
        text.retain(|c| c != '\0');
    }
    text
}
