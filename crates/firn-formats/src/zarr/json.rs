//! JSON as zarr-python writes it: non-finite numbers are the bare words `NaN`, `Infinity`, `-Infinity`, which are no JSON.

use crate::error::FormatError;
use firn_model::diagnose::At;
use serde_json::Value;

/// Starts the text that stands for a bare word, so that it is not taken for a text of the document.
const BARE: char = '\0';

/// The document; bare words become texts that [`bare_number`] knows.
///
/// # Errors
/// [`FormatError::Corrupt`] at line and column for what is no JSON.
pub(super) fn parse(bytes: &[u8], at: &At) -> Result<Value, FormatError> {
    let strict = match serde_json::from_slice(bytes) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let quoted = quote_bare_words(bytes);
    let lenient = quoted.and_then(|quoted| serde_json::from_slice(&quoted).ok());
    lenient.ok_or_else(|| {
        FormatError::corrupt(&at.line(strict.line(), strict.column()), format!("the document is no JSON: {strict}"))
    })
}

/// The number that a bare word was.
pub(super) fn bare_number(text: &str) -> Option<f64> {
    non_finite(text.strip_prefix(BARE)?)
}

/// The number that Zarr writes as this text.
pub(super) fn non_finite(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// The text that Zarr writes for this number, where JSON has none.
pub(super) fn non_finite_text(number: f64) -> Option<&'static str> {
    if number.is_nan() {
        Some("NaN")
    } else if number.is_infinite() {
        Some(if number > 0.0 { "Infinity" } else { "-Infinity" })
    } else {
        None
    }
}

/// The document with its bare words as marked texts; `None` where it has none.
fn quote_bare_words(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len() + 64);
    let (mut rest, mut in_string, mut found) = (bytes, false, false);
    while let Some((first, after)) = rest.split_first() {
        let mut taken = 1;
        match first {
            b'"' => in_string = !in_string,
            b'\\' if in_string && !after.is_empty() => taken = 2,
            _ if !in_string => {
                let word = [&b"NaN"[..], b"Infinity", b"-Infinity"].into_iter().find(|word| rest.starts_with(word));
                if let Some(word) = word {
                    out.extend_from_slice(b"\"\\u0000");
                    out.extend_from_slice(word);
                    out.push(b'"');
                    rest = &rest[word.len()..];
                    found = true;
                    continue;
                }
            }
            _ => {}
        }
        out.extend_from_slice(&rest[..taken]);
        rest = &rest[taken..];
    }
    found.then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_words_outside_of_texts_are_numbers() {
        let value = parse(br#"{"a": NaN, "b": [1, -Infinity], "c": "NaN \" NaN"}"#, &At::nowhere()).unwrap();
        assert!(bare_number(value["a"].as_str().unwrap()).unwrap().is_nan());
        assert_eq!(bare_number(value["b"][1].as_str().unwrap()), Some(f64::NEG_INFINITY));
        assert_eq!(value["c"], "NaN \" NaN");
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_place() {
        let error = parse(b"{\n  \"a\": nothing}", &At::url("s3://b/zarr.json")).unwrap_err();
        assert!(error.to_string().starts_with("s3://b/zarr.json, line 2"), "{error}");
    }
}
