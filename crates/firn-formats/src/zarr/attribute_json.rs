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

/// Attributes of a group as JSON.
pub(super) fn group_attributes_to_json(attributes: &Attributes) -> Map<String, Value> {
    attributes.iter().map(|(name, value)| (name.clone(), to_json(value))).collect()
}

/// Attributes of an array of this type as JSON.
///
/// `_FillValue` and `_Encoding` of text stay out: xarray 2026.9 opens no dataset that has the first and no variable that has
/// the second. A `_FillValue` that no element can equal (NaN or a fraction for integers) stays out too: xarray ignores it in
/// the source and opens no Zarr dataset that has it.
///
/// # Errors
/// [`FormatError::Unsupported`] for a `_FillValue` of several numbers, or of text for an array of numbers.
pub(super) fn array_attributes_to_json(
    attributes: &Attributes,
    data_type: DataType,
    at: &At,
) -> Result<Map<String, Value>, FormatError> {
    let mut json = Map::new();
    for (name, value) in attributes {
        let written = match name.as_str() {
            FILL_VALUE => fill_value_to_json(value, data_type, at)?,
            "_Encoding" if data_type == DataType::String => None,
            // NaN marks nothing among integers; as a name it would make xarray promote them to floats.
            "missing_value" if data_type.is_integer() && value.as_number().is_some_and(f64::is_nan) => {
                Some(Value::Null)
            }
            _ => Some(to_json(value)),
        };
        if let Some(written) = written {
            json.insert(name.clone(), written);
        }
    }
    Ok(json)
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

/// What xarray's decoder of `_FillValue` takes for this type: base64 of a little-endian float64 for floats, the number for
/// integers, true or false. `None` where the attribute stays out.
fn fill_value_to_json(value: &AttributeValue, data_type: DataType, at: &At) -> Result<Option<Value>, FormatError> {
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
        float if float.is_float() => Some(Value::from(STANDARD.encode(wide.to_le_bytes()))),
        _ => match number {
            Numbers::Float32(_) | Numbers::Float64(_) => {
                let whole = wide.fract() == 0.0 && wide.abs() < 9e15;
                whole.then(|| Value::from(wide as i64))
            }
            integer => numbers_to_json(integer).pop(),
        },
    })
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
