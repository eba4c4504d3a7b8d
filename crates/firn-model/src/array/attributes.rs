//! Attributes with value and numeric type.

use indexmap::IndexMap;
use std::fmt;

/// The numbers of an attribute, in their own type.
#[derive(Debug, Clone, PartialEq)]
pub enum Numbers {
    /// `int8`
    Int8(Vec<i8>),
    /// `int16`
    Int16(Vec<i16>),
    /// `int32`
    Int32(Vec<i32>),
    /// `int64`
    Int64(Vec<i64>),
    /// `uint8`
    UInt8(Vec<u8>),
    /// `uint16`
    UInt16(Vec<u16>),
    /// `uint32`
    UInt32(Vec<u32>),
    /// `uint64`
    UInt64(Vec<u64>),
    /// `float32`
    Float32(Vec<f32>),
    /// `float64`
    Float64(Vec<f64>),
}

impl Numbers {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Int8(v) => v.len(),
            Self::Int16(v) => v.len(),
            Self::Int32(v) => v.len(),
            Self::Int64(v) => v.len(),
            Self::UInt8(v) => v.len(),
            Self::UInt16(v) => v.len(),
            Self::UInt32(v) => v.len(),
            Self::UInt64(v) => v.len(),
            Self::Float32(v) => v.len(),
            Self::Float64(v) => v.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The type.
    pub fn data_type(&self) -> super::DataType {
        use super::DataType as T;
        match self {
            Self::Int8(_) => T::Int8,
            Self::Int16(_) => T::Int16,
            Self::Int32(_) => T::Int32,
            Self::Int64(_) => T::Int64,
            Self::UInt8(_) => T::UInt8,
            Self::UInt16(_) => T::UInt16,
            Self::UInt32(_) => T::UInt32,
            Self::UInt64(_) => T::UInt64,
            Self::Float32(_) => T::Float32,
            Self::Float64(_) => T::Float64,
        }
    }

    /// The numbers of these little-endian bytes, float16 as float32; `None` for a type that is no number.
    pub fn from_le_bytes(data_type: super::DataType, bytes: &[u8]) -> Option<Self> {
        use super::DataType as T;
        macro_rules! read {
            ($variant:ident, $t:ty) => {{
                let (numbers, _) = bytes.as_chunks::<{ size_of::<$t>() }>();
                Self::$variant(numbers.iter().map(|number| <$t>::from_le_bytes(*number)).collect())
            }};
        }
        Some(match data_type {
            T::Int8 => read!(Int8, i8),
            T::Int16 => read!(Int16, i16),
            T::Int32 => read!(Int32, i32),
            T::Int64 => read!(Int64, i64),
            T::UInt8 => read!(UInt8, u8),
            T::UInt16 => read!(UInt16, u16),
            T::UInt32 => read!(UInt32, u32),
            T::UInt64 => read!(UInt64, u64),
            T::Float32 => read!(Float32, f32),
            T::Float64 => read!(Float64, f64),
            T::Float16 => {
                let (numbers, _) = bytes.as_chunks::<2>();
                Self::Float32(numbers.iter().map(|number| half::f16::from_le_bytes(*number).to_f32()).collect())
            }
            T::Bool | T::String => return None,
        })
    }

    /// Little-endian bytes of all of them.
    pub fn to_le_bytes(&self) -> Vec<u8> {
        macro_rules! bytes {
            ($v:expr) => {
                $v.iter().flat_map(|x| x.to_le_bytes()).collect()
            };
        }
        match self {
            Self::Int8(v) => bytes!(v),
            Self::Int16(v) => bytes!(v),
            Self::Int32(v) => bytes!(v),
            Self::Int64(v) => bytes!(v),
            Self::UInt8(v) => bytes!(v),
            Self::UInt16(v) => bytes!(v),
            Self::UInt32(v) => bytes!(v),
            Self::UInt64(v) => bytes!(v),
            Self::Float32(v) => bytes!(v),
            Self::Float64(v) => bytes!(v),
        }
    }

    /// All of them as `f64` (64-bit integers may lose their last bits: for display and comparison with a tolerance only).
    pub fn to_f64(&self) -> Vec<f64> {
        macro_rules! wide {
            ($v:expr) => {
                $v.iter().copied().map(f64::from).collect()
            };
        }
        match self {
            Self::Int8(v) => wide!(v),
            Self::Int16(v) => wide!(v),
            Self::Int32(v) => wide!(v),
            Self::Int64(v) => v.iter().map(|x| *x as f64).collect(),
            Self::UInt8(v) => wide!(v),
            Self::UInt16(v) => wide!(v),
            Self::UInt32(v) => wide!(v),
            Self::UInt64(v) => v.iter().map(|x| *x as f64).collect(),
            Self::Float32(v) => wide!(v),
            Self::Float64(v) => v.clone(),
        }
    }
}

/// The value of an attribute. NetCDF attributes are one-dimensional; a single number reads as a scalar.
#[derive(Debug, Clone, PartialEq)]
pub enum AttributeValue {
    /// One text.
    Text(String),
    /// Several texts (netCDF-4 `string` arrays of another length than one).
    Texts(Vec<String>),
    /// Numbers; one of them reads as a scalar.
    Numbers(Numbers),
    /// JSON that is neither (from Zarr).
    Json(serde_json::Value),
}

/// As a person would write it: texts in quotes, numbers with their type.
impl fmt::Display for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Texts(texts) => write!(f, "{texts:?}"),
            Self::Numbers(numbers) => {
                let values: Vec<String> = numbers.to_f64().iter().map(f64::to_string).collect();
                write!(f, "{} ({})", values.join(", "), numbers.data_type())
            }
            Self::Json(json) => write!(f, "{json}"),
        }
    }
}

impl AttributeValue {
    /// The text, where it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number as `f64`, where it is a single one.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Numbers(numbers) if numbers.len() == 1 => numbers.to_f64().first().copied(),
            _ => None,
        }
    }

    /// Equal in type and bits: NaN equals NaN, 1 (int16) is not 1.0.
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Numbers(a), Self::Numbers(b)) => {
                a.data_type() == b.data_type() && a.to_le_bytes() == b.to_le_bytes()
            }
            _ => self == other,
        }
    }
}

/// Attributes in their order.
pub type Attributes = IndexMap<String, AttributeValue>;
