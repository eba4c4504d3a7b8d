//! `fill_value` in array documents.

use super::attribute_json::float_to_json;
use super::json::{bare_number, non_finite};
use firn_model::array::{DataType, FillValue};
use serde_json::Value;

/// The fill value as JSON; zero where the array has none.
pub(super) fn to_json(fill_value: Option<&FillValue>, data_type: DataType) -> Option<Value> {
    let zero = FillValue::zero(data_type);
    let bytes = match fill_value.unwrap_or(&zero) {
        FillValue::Text(text) => return (data_type == DataType::String).then(|| Value::from(text.as_str())),
        FillValue::Fixed(bytes) => bytes.as_slice(),
    };
    macro_rules! number {
        ($t:ty) => {
            Value::from(<$t>::from_le_bytes(bytes.try_into().ok()?))
        };
    }
    Some(match data_type {
        DataType::Bool => Value::Bool(bytes.first()? != &0),
        DataType::Int8 => number!(i8),
        DataType::Int16 => number!(i16),
        DataType::Int32 => number!(i32),
        DataType::Int64 => number!(i64),
        DataType::UInt8 => number!(u8),
        DataType::UInt16 => number!(u16),
        DataType::UInt32 => number!(u32),
        DataType::UInt64 => number!(u64),
        DataType::Float16 => float_to_json(half_to_f64(u16::from_le_bytes(bytes.try_into().ok()?))),
        DataType::Float32 => float_to_json(f64::from(f32::from_le_bytes(bytes.try_into().ok()?))),
        DataType::Float64 => float_to_json(f64::from_le_bytes(bytes.try_into().ok()?)),
        DataType::String => return None,
    })
}

/// The fill value from JSON: a number, the name of one that is not finite, its bits as `0x…`, a flag, a text. `None` for a
/// value that is not one of the type.
pub(super) fn from_json(value: &Value, data_type: DataType) -> Option<FillValue> {
    if data_type == DataType::String {
        return value.as_str().map(|text| FillValue::Text(text.to_owned()));
    }
    if let Some(bits) = value.as_str().and_then(|text| text.strip_prefix("0x")) {
        let size = data_type.size()?;
        let bits = u64::from_str_radix(bits, 16).ok().filter(|_| bits.len() == size * 2)?;
        return Some(FillValue::Fixed(bits.to_le_bytes()[..size].to_vec()));
    }
    macro_rules! integer {
        ($t:ty) => {
            match (value.as_i64(), value.as_u64()) {
                (Some(n), _) => <$t>::try_from(n).ok()?.to_le_bytes().to_vec(),
                (None, Some(n)) => <$t>::try_from(n).ok()?.to_le_bytes().to_vec(),
                // zarr-python writes the fill value of some integer arrays as a float.
                (None, None) => {
                    let n = value.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9e15)?;
                    <$t>::try_from(n as i64).ok()?.to_le_bytes().to_vec()
                }
            }
        };
    }
    let float = || match value {
        Value::String(text) => non_finite(text).or_else(|| bare_number(text)),
        number => number.as_f64(),
    };
    Some(FillValue::Fixed(match data_type {
        DataType::Bool => vec![u8::from(value.as_bool().or_else(|| value.as_u64().map(|n| n != 0))?)],
        DataType::Int8 => integer!(i8),
        DataType::Int16 => integer!(i16),
        DataType::Int32 => integer!(i32),
        DataType::Int64 => integer!(i64),
        DataType::UInt8 => integer!(u8),
        DataType::UInt16 => integer!(u16),
        DataType::UInt32 => integer!(u32),
        DataType::UInt64 => integer!(u64),
        DataType::Float16 => half_from_f64(float()?).to_le_bytes().to_vec(),
        DataType::Float32 => (float()? as f32).to_le_bytes().to_vec(),
        DataType::Float64 => float()?.to_le_bytes().to_vec(),
        DataType::String => return None,
    }))
}

fn half_to_f64(bits: u16) -> f64 {
    half::f16::from_bits(bits).to_f64()
}

fn half_from_f64(value: f64) -> u16 {
    half::f16::from_f64(value).to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_form_round_trips() {
        for (data_type, value) in [
            (DataType::Bool, json!(true)),
            (DataType::Int8, json!(-128)),
            (DataType::Int64, json!(-9_223_372_036_854_775_806i64)),
            (DataType::UInt64, json!(18_446_744_073_709_551_614u64)),
            (DataType::Float16, json!(1.5)),
            (DataType::Float32, json!(1.000_000_020_040_877_3e20)),
            (DataType::Float32, json!("NaN")),
            (DataType::Float64, json!("-Infinity")),
            (DataType::Float64, json!(0.0)),
            (DataType::String, json!("none")),
        ] {
            let fill = from_json(&value, data_type).unwrap();
            assert_eq!(to_json(Some(&fill), data_type).unwrap(), value, "{data_type}");
        }
    }

    #[test]
    fn bits_are_read_and_other_types_refused() {
        assert_eq!(from_json(&json!("0x7fc00001"), DataType::Float32), Some(FillValue::Fixed(vec![1, 0, 0xc0, 0x7f])));
        assert_eq!(from_json(&json!("0x7fc"), DataType::Float32), None);
        assert_eq!(from_json(&json!(300), DataType::UInt8), None);
        assert_eq!(from_json(&json!(1.5), DataType::Int16), None);
        assert_eq!(from_json(&json!("x"), DataType::Int16), None);
    }
}
