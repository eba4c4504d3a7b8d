//! NumPy type strings (`<f4`, `|S10`, `>U5`, `|O`) and the fill values of such arrays.

use super::super::fill_value;
use crate::error::FormatError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use firn_model::array::{DataType, Endian, FillValue, StoredAs};
use firn_model::diagnose::At;
use serde_json::Value;

/// Most characters of a text of fixed length.
const MAX_TEXT: usize = 1 << 24;

/// What the elements of an array are, and how they are stored.
pub(super) struct ElementType {
    pub data_type: DataType,
    pub stored_as: StoredAs,
    pub endian: Endian,
    /// Bytes of a stored element; 0 for text of variable length.
    pub size: usize,
}

/// The type that a type string names. Objects are text if a codec says so.
///
/// # Errors
/// [`FormatError::Unsupported`] for times, complex numbers, raw bytes, records and objects that are not text.
pub(super) fn element_type(value: &Value, is_text: bool, at: &At) -> Result<ElementType, FormatError> {
    let unsupported = || {
        let what = format!("elements of the type {value} are not read yet");
        FormatError::unsupported("unsupported-data-type", at, what)
    };
    let name = value.as_str().ok_or_else(unsupported)?;
    let endian = if name.starts_with('>') { Endian::Big } else { Endian::Little };
    let name = name.strip_prefix(['<', '>', '|', '=']).unwrap_or(name);
    let (kind, size) = name.split_at_checked(1).ok_or_else(unsupported)?;
    let text = |stored_as, endian, size| ElementType { data_type: DataType::String, stored_as, endian, size };
    if kind == "O" {
        return if is_text { Ok(text(StoredAs::Elements, Endian::Little, 0)) } else { Err(unsupported()) };
    }
    let size: usize = size.parse().ok().filter(|size| *size <= MAX_TEXT).ok_or_else(unsupported)?;
    let data_type = match (kind, size) {
        ("b", 1) => DataType::Bool,
        ("i", 1) => DataType::Int8,
        ("i", 2) => DataType::Int16,
        ("i", 4) => DataType::Int32,
        ("i", 8) => DataType::Int64,
        ("u", 1) => DataType::UInt8,
        ("u", 2) => DataType::UInt16,
        ("u", 4) => DataType::UInt32,
        ("u", 8) => DataType::UInt64,
        ("f", 2) => DataType::Float16,
        ("f", 4) => DataType::Float32,
        ("f", 8) => DataType::Float64,
        ("S", length) => return Ok(text(StoredAs::FixedText { length }, Endian::Little, length)),
        ("U", length) => {
            let stored_as = StoredAs::FixedUtf32 { length, endian };
            return Ok(text(stored_as, Endian::Little, length.saturating_mul(4)));
        }
        _ => return Err(unsupported()),
    };
    Ok(ElementType { data_type, stored_as: StoredAs::Elements, endian, size })
}

/// The fill value of an array of this type; `None` where it is null, which leaves unwritten elements undefined.
///
/// # Errors
/// [`FormatError::Corrupt`] for what is no value of the type.
pub(super) fn fill(value: &Value, element: &ElementType, at: &At) -> Result<Option<FillValue>, FormatError> {
    if value.is_null() {
        return Ok(None);
    }
    let fill = match (&element.stored_as, value) {
        (StoredAs::FixedText { .. }, Value::String(text)) => text_of_base64(text).map(FillValue::Text),
        // zarr-python 2 writes 0 for objects and for text of fixed length that were given no fill value.
        _ if element.data_type == DataType::String && value.as_u64() == Some(0) => Some(FillValue::Text(String::new())),
        _ => fill_value::from_json(value, element.data_type),
    };
    let wrong = || FormatError::corrupt(at, format!("its fill_value {value} is no {}", element.data_type));
    fill.ok_or_else(wrong).map(Some)
}

/// The text behind base64 of its bytes, without the NULs that pad it.
pub(in super::super) fn text_of_base64(text: &str) -> Option<String> {
    let mut bytes = STANDARD.decode(text).ok()?;
    bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
    String::from_utf8(bytes).ok()
}
