//! Attributes in Zarr v3 documents (ADR 0004).
//!
//! Integers are written as integers; floats as the shortest text that reads back as the same float64, where a float32 counts
//! as the float64 of the same value; what is not finite as Zarr writes it in fill values, by name. `_FillValue` takes the
//! form that xarray decodes for the type of its array.

use super::json::{bare_number, non_finite, non_finite_text};
use crate::error::FormatError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use firn_model::array::{AttributeValue, Attributes, DataType, Numbers};
use firn_model::diagnose::At;
use serde_json::{Map, Number, Value};

const FILL_VALUE: &str = "_FillValue";
const MISSING_VALUE: &str = "missing_value";

/// Attributes of a group as JSON.
pub(super) fn group_attributes_to_json(attributes: &Attributes) -> Map<String, Value> {
    attributes.iter().map(|(name, value)| (name.clone(), to_json(value))).collect()
}

/// Attributes of an array of this type as JSON.
///
/// `_FillValue` and `_Encoding` of text stay out: xarray 2026.9 opens no dataset that has the first and no variable that has
/// the second. A `_FillValue` that no element can equal (NaN or a fraction for integers) stays out too: xarray ignores it in
/// the source and opens no Zarr dataset that has it. An infinite `missing_value`, which JSON cannot say, becomes the
/// `_FillValue`, which can.
///
/// # Errors
/// [`FormatError::Unsupported`] for a `_FillValue` of several numbers, or of text for an array of numbers, and for an infinite
/// `missing_value` beside another `_FillValue`.
pub(super) fn array_attributes_to_json(
    attributes: &Attributes,
    data_type: DataType,
    at: &At,
) -> Result<Map<String, Value>, FormatError> {
    let mut json = Map::new();
    for (name, value) in attributes {
        let written = match name.as_str() {
            FILL_VALUE => fill_value_to_json(value, data_type, marked_unsigned(attributes), at)?,
            "scale_factor" | "add_offset" => Some(packing_to_json(name, value, at)?),
            "_Encoding" if data_type == DataType::String => None,
            MISSING_VALUE => missing_value_to_json(value, data_type),
            _ => Some(to_json(value)),
        };
        if let Some(written) = written {
            json.insert(name.clone(), written);
        }
    }
    if let Some(infinity) = infinite_missing_value(attributes, data_type, at)? {
        json.insert(FILL_VALUE.to_owned(), base64_of(infinity));
    }
    Ok(json)
}

/// Attributes of an array of this type as they are read back from a document that holds them.
///
/// # Errors
/// As for writing them.
pub fn attributes_as_read(attributes: &Attributes, data_type: DataType, at: &At) -> Result<Attributes, FormatError> {
    let json = Value::Object(array_attributes_to_json(attributes, data_type, at)?);
    Ok(array_attributes_from_json(Some(&json), data_type))
}

/// Of a `missing_value` only what marks something and what JSON can say: text among numbers makes xarray take all of them for
/// text. NaN marks nothing that is not missing anyway, nor any integer; infinity marks no integer.
fn missing_value_to_json(value: &AttributeValue, data_type: DataType) -> Option<Value> {
    let AttributeValue::Numbers(numbers) = value else { return Some(to_json(value)) };
    let wide = numbers.to_f64();
    if wide.iter().all(|number| number.is_finite()) || !(data_type.is_float() || data_type.is_integer()) {
        return Some(to_json(value));
    }
    let mut finite = numbers_to_json(numbers);
    finite.retain(Value::is_number);
    match finite.len() {
        // As a name NaN would make xarray promote integers to floats.
        0 if data_type.is_integer() => Some(Value::Null),
        0 if wide.iter().any(|number| number.is_infinite()) => None,
        0 => Some(to_json(value)),
        1 => finite.pop(),
        _ => Some(Value::Array(finite)),
    }
}

/// The infinity that marks missing elements of an array of floats, to be written as its `_FillValue`.
fn infinite_missing_value(attributes: &Attributes, data_type: DataType, at: &At) -> Result<Option<f64>, FormatError> {
    let Some(AttributeValue::Numbers(missing)) = attributes.get(MISSING_VALUE).filter(|_| data_type.is_float()) else {
        return Ok(None);
    };
    let infinite: Vec<f64> = missing.to_f64().into_iter().filter(|number| number.is_infinite()).collect();
    let Some(first) = infinite.first().copied() else { return Ok(None) };
    // NaN is missing among floats whatever the attributes say.
    let other = match attributes.get(FILL_VALUE) {
        None => None,
        Some(fill) => fill.as_number().filter(|fill| !fill.is_nan() && *fill != first),
    };
    let other = other.or_else(|| infinite.iter().copied().find(|number| *number != first));
    match other {
        None => Ok(Some(first)),
        Some(other) => {
            let what = format!(
                "{first} (missing_value) and {other} both mark missing elements, and the attributes of a Zarr array can say \
                 infinity in _FillValue alone"
            );
            Err(FormatError::unsupported("unsupported-missing-value", at, what))
        }
    }
}

fn to_json(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::Text(text) => Value::from(text.as_str()),
        AttributeValue::Texts(texts) => Value::from(texts.clone()),
        AttributeValue::Json(json) => json.clone(),
        AttributeValue::Numbers(numbers) => {
            let mut list = numbers_to_json(numbers);
            match list.pop() {
                Some(only) if list.is_empty() => only,
                Some(last) => {
                    list.push(last);
                    Value::Array(list)
                }
                None => Value::Array(list),
            }
        }
    }
}

fn numbers_to_json(numbers: &Numbers) -> Vec<Value> {
    fn each<T: Copy + Into<Value>>(v: &[T]) -> Vec<Value> {
        v.iter().map(|x| (*x).into()).collect()
    }
    match numbers {
        Numbers::Int8(v) => each(v),
        Numbers::Int16(v) => each(v),
        Numbers::Int32(v) => each(v),
        Numbers::Int64(v) => each(v),
        Numbers::UInt8(v) => each(v),
        Numbers::UInt16(v) => each(v),
        Numbers::UInt32(v) => each(v),
        Numbers::UInt64(v) => each(v),
        Numbers::Float32(v) => v.iter().map(|x| float_to_json(f64::from(*x))).collect(),
        Numbers::Float64(v) => v.iter().map(|x| float_to_json(*x)).collect(),
    }
}

/// A JSON number, or the name of what is not finite.
pub(super) fn float_to_json(number: f64) -> Value {
    match non_finite_text(number) {
        Some(name) => Value::from(name),
        None => Number::from_f64(number).map_or(Value::Null, Value::Number),
    }
}

/// `_Unsigned`, where it says that integers are meant otherwise than their type says.
fn marked_unsigned(attributes: &Attributes) -> Option<&str> {
    attributes.get("_Unsigned").and_then(AttributeValue::as_text)
}

/// Packing that is not finite makes no value of anything, and xarray opens no Zarr dataset whose packing is text.
fn packing_to_json(name: &str, value: &AttributeValue, at: &At) -> Result<Value, FormatError> {
    match value {
        AttributeValue::Numbers(numbers) if numbers.to_f64().iter().any(|number| !number.is_finite()) => {
            let what = format!("its {name} is {value}, which the attributes of a Zarr array cannot say");
            Err(FormatError::unsupported("unsupported-packing", at, what))
        }
        _ => Ok(to_json(value)),
    }
}

/// The type whose numbers xarray takes for the `_FillValue` of an array whose integers `_Unsigned` marks as of the other sign.
fn as_other_sign(data_type: DataType, unsigned: Option<&str>) -> Option<DataType> {
    use DataType::{Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64};
    match (unsigned, data_type) {
        (Some("true"), Int8 | Int16 | Int32 | Int64) => Some(data_type),
        (Some("false"), UInt8) => Some(Int8),
        (Some("false"), UInt16) => Some(Int16),
        (Some("false"), UInt32) => Some(Int32),
        (Some("false"), UInt64) => Some(Int64),
        _ => None,
    }
}

fn whole(number: &Value) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

/// The number that has these low bits in the type: what readers of other formats make of a `_FillValue` that the type of its
/// array cannot hold, where `_Unsigned` says that the other sign is meant.
fn wrapped(number: i128, data_type: DataType) -> Option<Value> {
    let bits = data_type.size().filter(|_| data_type.is_integer())? as u32 * 8;
    let low = number.rem_euclid(1 << bits);
    let signed = matches!(data_type, DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64);
    let number = if signed && low >= 1 << (bits - 1) { low - (1 << bits) } else { low };
    i64::try_from(number).map(Value::from).or_else(|_| u64::try_from(number).map(Value::from)).ok()
}

/// What xarray's decoder of `_FillValue` takes for this type: base64 of a little-endian float64 for floats, the number for
/// integers, true or false. `None` where the attribute stays out. Where `unsigned` says that the other sign is meant, the number
/// that the type would hold (int8 and 255: -1; uint8 and 200: -56), because xarray takes no other from a Zarr store.
fn fill_value_to_json(
    value: &AttributeValue,
    data_type: DataType,
    unsigned: Option<&str>,
    at: &At,
) -> Result<Option<Value>, FormatError> {
    if data_type == DataType::String {
        return Ok(None);
    }
    let number = match value {
        AttributeValue::Numbers(numbers) if numbers.len() == 1 => numbers,
        AttributeValue::Json(Value::Bool(flag)) if data_type == DataType::Bool => return Ok(Some(Value::Bool(*flag))),
        other => {
            let what = format!("its _FillValue is {other}, which is not one number");
            return Err(FormatError::unsupported("unsupported-fill-value", at, what));
        }
    };
    let wide = number.to_f64().first().copied().unwrap_or(f64::NAN);
    Ok(match data_type {
        DataType::Bool => Some(Value::Bool(wide != 0.0)),
        float if float.is_float() => Some(base64_of(wide)),
        _ => match number {
            Numbers::Float32(_) | Numbers::Float64(_) => {
                let whole = wide.fract() == 0.0 && wide.abs() < 9e15;
                whole.then(|| Value::from(wide as i64))
            }
            integer => {
                let number = numbers_to_json(integer).pop();
                match (as_other_sign(data_type, unsigned), number.as_ref().and_then(whole)) {
                    (Some(meant), Some(whole)) => wrapped(whole, meant),
                    _ => number,
                }
            }
        },
    })
}

/// As xarray's decoder of `_FillValue` takes a float.
fn base64_of(number: f64) -> Value {
    Value::from(STANDARD.encode(number.to_le_bytes()))
}

/// Attributes of a group from JSON.
pub(super) fn group_attributes_from_json(json: Option<&Value>) -> Attributes {
    let map = json.and_then(Value::as_object);
    map.into_iter().flatten().map(|(name, value)| (name.clone(), from_json(value))).collect()
}

/// Attributes of an array of this type from JSON: `_FillValue` as a number of the type.
pub(super) fn array_attributes_from_json(json: Option<&Value>, data_type: DataType) -> Attributes {
    let mut attributes = group_attributes_from_json(json);
    if let Some(value) = attributes.get_mut(FILL_VALUE)
        && let Some(decoded) = fill_value_from_json(value, data_type)
    {
        *value = decoded;
    }
    attributes
}

fn from_json(value: &Value) -> AttributeValue {
    match value {
        Value::String(text) => match bare_number(text) {
            Some(number) => AttributeValue::Numbers(Numbers::Float64(vec![number])),
            None => AttributeValue::Text(text.clone()),
        },
        Value::Number(_) => numbers_from_json(std::slice::from_ref(value)),
        // A list of one number is kept as it is: numbers would be written as one without a list.
        Value::Array(list) if list.len() > 1 && list.iter().any(Value::is_number) => numbers_from_json(list),
        Value::Array(list) if !list.is_empty() && list.iter().all(Value::is_string) => {
            let texts: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
            if texts.iter().all(|text| bare_number(text).is_some()) {
                return numbers_from_json(list);
            }
            AttributeValue::Texts(texts.into_iter().map(str::to_owned).collect())
        }
        other => AttributeValue::Json(other.clone()),
    }
}

/// Int64, else UInt64, else Float64 where every number can be told apart from a text; the JSON itself else.
fn numbers_from_json(list: &[Value]) -> AttributeValue {
    if let Some(all) = list.iter().map(Value::as_i64).collect::<Option<Vec<_>>>() {
        return AttributeValue::Numbers(Numbers::Int64(all));
    }
    if let Some(all) = list.iter().map(Value::as_u64).collect::<Option<Vec<_>>>() {
        return AttributeValue::Numbers(Numbers::UInt64(all));
    }
    let float = |value: &Value| match value {
        Value::String(text) => bare_number(text).or_else(|| non_finite(text)),
        number => number.as_f64(),
    };
    match list.iter().map(float).collect::<Option<Vec<_>>>() {
        Some(all) => AttributeValue::Numbers(Numbers::Float64(all)),
        None => AttributeValue::Json(Value::Array(list.to_vec())),
    }
}

fn fill_value_from_json(value: &AttributeValue, data_type: DataType) -> Option<AttributeValue> {
    let float = |value: &AttributeValue| match value {
        AttributeValue::Text(text) => {
            let bytes = STANDARD.decode(text).ok()?;
            bytes.first_chunk::<8>().filter(|_| bytes.len() == 8).map(|b| f64::from_le_bytes(*b))
        }
        number => number.as_number(),
    };
    macro_rules! integer {
        ($variant:ident, $t:ty) => {
            match value {
                AttributeValue::Numbers(Numbers::Int64(v)) => {
                    Numbers::$variant(vec![<$t>::try_from(*v.first()?).ok()?])
                }
                AttributeValue::Numbers(Numbers::UInt64(v)) => {
                    Numbers::$variant(vec![<$t>::try_from(*v.first()?).ok()?])
                }
                _ => return None,
            }
        };
    }
    Some(AttributeValue::Numbers(match data_type {
        DataType::Float64 => Numbers::Float64(vec![float(value)?]),
        DataType::Float32 | DataType::Float16 => Numbers::Float32(vec![float(value)? as f32]),
        DataType::Int8 => integer!(Int8, i8),
        DataType::Int16 => integer!(Int16, i16),
        DataType::Int32 => integer!(Int32, i32),
        DataType::Int64 => integer!(Int64, i64),
        DataType::UInt8 => integer!(UInt8, u8),
        DataType::UInt16 => integer!(UInt16, u16),
        DataType::UInt32 => integer!(UInt32, u32),
        DataType::UInt64 => integer!(UInt64, u64),
        DataType::Bool | DataType::String => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use firn_model::diagnose::Diagnose;
    use serde_json::json;

    fn array_json(name: &str, value: AttributeValue, data_type: DataType) -> Value {
        let attributes = Attributes::from_iter([(name.to_owned(), value)]);
        Value::Object(array_attributes_to_json(&attributes, data_type, &At::nowhere()).unwrap())
    }

    #[test]
    fn a_float32_is_written_as_the_float64_of_the_same_value() {
        let scale = AttributeValue::Numbers(Numbers::Float32(vec![0.01]));
        assert_eq!(
            array_json("scale_factor", scale, DataType::Int16).to_string(),
            r#"{"scale_factor":0.009999999776482582}"#
        );
    }

    #[test]
    fn integers_and_floats_stay_what_they_are() {
        for (value, text) in [
            (Numbers::Int16(vec![1]), "1"),
            (Numbers::Float64(vec![1.0]), "1.0"),
            (Numbers::UInt64(vec![u64::MAX]), "18446744073709551615"),
            (Numbers::Int8(vec![1, -2]), "[1,-2]"),
            (Numbers::Float64(vec![f64::NAN, 0.1]), r#"["NaN",0.1]"#),
            (Numbers::Float32(vec![]), "[]"),
        ] {
            assert_eq!(to_json(&AttributeValue::Numbers(value)).to_string(), text);
        }
    }

    #[test]
    fn fill_values_take_the_form_that_xarray_decodes() {
        let one = |numbers| AttributeValue::Numbers(numbers);
        let fill = |value, data_type| array_json(FILL_VALUE, value, data_type);
        // xarray.backends.zarr.FillValueCoder.encode(value, dtype)
        assert_eq!(fill(one(Numbers::Float32(vec![1e20])), DataType::Float32), json!({ FILL_VALUE: "AAAAgB2vFUQ=" }));
        assert_eq!(
            fill(one(Numbers::Float64(vec![f64::NAN])), DataType::Float64),
            json!({ FILL_VALUE: "AAAAAAAA+H8=" })
        );
        assert_eq!(fill(one(Numbers::Int16(vec![-999])), DataType::Int16), json!({ FILL_VALUE: -999 }));
        assert_eq!(fill(one(Numbers::Float32(vec![-999.0])), DataType::Int16), json!({ FILL_VALUE: -999 }));
        assert_eq!(fill(one(Numbers::Float32(vec![f32::NAN])), DataType::Int16), json!({}));
        assert_eq!(fill(AttributeValue::Text(" ".to_owned()), DataType::String), json!({}));
    }

    #[test]
    fn a_missing_value_is_written_so_that_xarray_masks_it() {
        let missing = |numbers, data_type| array_json(MISSING_VALUE, AttributeValue::Numbers(numbers), data_type);
        // base64.b64encode(struct.pack("<d", -inf))
        assert_eq!(
            missing(Numbers::Float32(vec![f32::NEG_INFINITY]), DataType::Float32),
            json!({ FILL_VALUE: "AAAAAAAA8P8=" })
        );
        assert_eq!(
            missing(Numbers::Float64(vec![-9.0, f64::INFINITY, f64::NAN]), DataType::Float64),
            json!({ MISSING_VALUE: -9.0, FILL_VALUE: "AAAAAAAA8H8=" })
        );
        assert_eq!(
            missing(Numbers::Float64(vec![f64::NAN, 1.0, 2.0]), DataType::Float64),
            json!({ MISSING_VALUE: [1.0, 2.0] })
        );
        assert_eq!(missing(Numbers::Float32(vec![f32::NAN]), DataType::Float32), json!({ MISSING_VALUE: "NaN" }));
        assert_eq!(missing(Numbers::Float32(vec![f32::INFINITY]), DataType::Int16), json!({ MISSING_VALUE: null }));
        assert_eq!(missing(Numbers::Float64(vec![f64::NAN, -1.0]), DataType::Int16), json!({ MISSING_VALUE: -1.0 }));
    }

    #[test]
    fn an_infinite_missing_value_that_fill_value_cannot_say_is_refused() {
        let written = |missing: &[f64], fill: f64| {
            let attributes = Attributes::from_iter([
                (MISSING_VALUE.to_owned(), AttributeValue::Numbers(Numbers::Float64(missing.to_vec()))),
                (FILL_VALUE.to_owned(), AttributeValue::Numbers(Numbers::Float64(vec![fill]))),
            ]);
            array_attributes_to_json(&attributes, DataType::Float64, &At::nowhere()).map(Value::Object)
        };
        let positive = json!({ FILL_VALUE: "AAAAAAAA8H8=" });
        assert_eq!(written(&[f64::INFINITY], f64::INFINITY).unwrap(), positive);
        assert_eq!(written(&[f64::INFINITY], f64::NAN).unwrap(), positive);
        for (missing, fill) in [
            (&[f64::INFINITY][..], -9.0),
            (&[f64::INFINITY], f64::NEG_INFINITY),
            (&[f64::INFINITY, f64::NEG_INFINITY], f64::NAN),
        ] {
            assert_eq!(written(missing, fill).unwrap_err().code(), "unsupported-missing-value");
        }
    }

    #[test]
    fn numbers_come_back_from_json() {
        let read = |text: &str| from_json(&serde_json::from_str(text).unwrap());
        assert_eq!(read("3"), AttributeValue::Numbers(Numbers::Int64(vec![3])));
        assert_eq!(read("18446744073709551615"), AttributeValue::Numbers(Numbers::UInt64(vec![u64::MAX])));
        assert_eq!(read("[1, 2.5]"), AttributeValue::Numbers(Numbers::Float64(vec![1.0, 2.5])));
        assert_eq!(read(r#"["a"]"#), AttributeValue::Texts(vec!["a".to_owned()]));
        assert_eq!(read("[1]"), AttributeValue::Json(json!([1])));
        assert_eq!(read("true"), AttributeValue::Json(json!(true)));
    }

    #[test]
    fn a_fill_value_comes_back_in_the_type_of_its_array() {
        for numbers in [
            Numbers::Float32(vec![1e20]),
            Numbers::Float64(vec![f64::NAN]),
            Numbers::Int16(vec![-999]),
            Numbers::UInt64(vec![u64::MAX]),
        ] {
            let (data_type, value) = (numbers.data_type(), AttributeValue::Numbers(numbers));
            let json = array_json(FILL_VALUE, value.clone(), data_type);
            let back = array_attributes_from_json(Some(&json), data_type);
            assert!(back[FILL_VALUE].same(&value), "{back:?}");
        }
    }
}
