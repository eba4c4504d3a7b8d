//! Decoded elements in memory.

use super::DataType;

/// Decoded elements of a box, C order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Elements {
    /// Elements of fixed size: little-endian bytes.
    Fixed(Vec<u8>),
    /// Text elements.
    Text(Vec<String>),
}

/// Decoded elements with type and shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values {
    /// Type of an element.
    pub data_type: DataType,
    /// Extent of each dimension.
    pub shape: Vec<u64>,
    /// The elements.
    pub elements: Elements,
}

macro_rules! each {
    ($bytes:expr, $t:ty) => {
        $bytes.chunks_exact(size_of::<$t>()).map(|b| {
            let mut a = [0u8; size_of::<$t>()];
            a.copy_from_slice(b);
            <$t>::from_le_bytes(a)
        })
    };
}

impl Values {
    /// Number of elements held.
    pub fn len(&self) -> usize {
        match &self.elements {
            Elements::Fixed(bytes) => bytes.len() / self.data_type.size().unwrap_or(1),
            Elements::Text(texts) => texts.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements as `f64`; `None` for text. 64-bit integers may lose their last bits.
    pub fn to_f64(&self) -> Option<Vec<f64>> {
        let Elements::Fixed(bytes) = &self.elements else { return None };
        Some(match self.data_type {
            DataType::Bool | DataType::UInt8 => bytes.iter().map(|b| f64::from(*b)).collect(),
            DataType::Int8 => each!(bytes, i8).map(f64::from).collect(),
            DataType::Int16 => each!(bytes, i16).map(f64::from).collect(),
            DataType::Int32 => each!(bytes, i32).map(f64::from).collect(),
            DataType::Int64 => each!(bytes, i64).map(|x| x as f64).collect(),
            DataType::UInt16 => each!(bytes, u16).map(f64::from).collect(),
            DataType::UInt32 => each!(bytes, u32).map(f64::from).collect(),
            DataType::UInt64 => each!(bytes, u64).map(|x| x as f64).collect(),
            DataType::Float16 => each!(bytes, u16).map(|b| half::f16::from_bits(b).to_f64()).collect(),
            DataType::Float32 => each!(bytes, f32).map(f64::from).collect(),
            DataType::Float64 => each!(bytes, f64).collect(),
            DataType::String => return None,
        })
    }

    /// The elements as `i64`; `None` for floats, text and unsigned values beyond `i64`.
    pub fn to_i64(&self) -> Option<Vec<i64>> {
        let Elements::Fixed(bytes) = &self.elements else { return None };
        Some(match self.data_type {
            DataType::Bool | DataType::UInt8 => bytes.iter().map(|b| i64::from(*b)).collect(),
            DataType::Int8 => each!(bytes, i8).map(i64::from).collect(),
            DataType::Int16 => each!(bytes, i16).map(i64::from).collect(),
            DataType::Int32 => each!(bytes, i32).map(i64::from).collect(),
            DataType::Int64 => each!(bytes, i64).collect(),
            DataType::UInt16 => each!(bytes, u16).map(i64::from).collect(),
            DataType::UInt32 => each!(bytes, u32).map(i64::from).collect(),
            DataType::UInt64 => each!(bytes, u64).map(|x| i64::try_from(x).ok()).collect::<Option<_>>()?,
            _ => return None,
        })
    }

    /// Little-endian bytes of element `index`; empty for text.
    pub fn element_bytes(&self, index: usize) -> &[u8] {
        match (&self.elements, self.data_type.size()) {
            (Elements::Fixed(bytes), Some(size)) => bytes.get(index * size..(index + 1) * size).unwrap_or(&[]),
            _ => &[],
        }
    }

    /// Element `index` as a person would read it.
    pub fn display(&self, index: usize) -> String {
        match &self.elements {
            Elements::Text(texts) => texts.get(index).map(|t| format!("{t:?}")).unwrap_or_default(),
            Elements::Fixed(_) => {
                let one = Values {
                    data_type: self.data_type,
                    shape: vec![],
                    elements: Elements::Fixed(self.element_bytes(index).to_vec()),
                };
                if let Some(v) = one.to_i64().and_then(|v| v.first().copied()) {
                    return v.to_string();
                }
                if self.data_type == DataType::UInt64 {
                    // Beyond `i64`, where a float would show other digits.
                    return each!(self.element_bytes(index), u64).next().map_or_else(String::new, |v| v.to_string());
                }
                match one.to_f64().and_then(|v| v.first().copied()) {
                    Some(v) if self.data_type == DataType::Float32 => format!("{}", v as f32),
                    Some(v) => format!("{v}"),
                    None => String::new(),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsigned_numbers_beyond_the_signed_range_are_shown_to_the_last_digit() {
        for number in [0, i64::MAX as u64 + 1, u64::MAX - 1] {
            let elements = Elements::Fixed(number.to_le_bytes().to_vec());
            let values = Values { data_type: DataType::UInt64, shape: Vec::new(), elements };
            assert_eq!(values.display(0), number.to_string());
        }
    }
}
