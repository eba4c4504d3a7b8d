//! Consolidated metadata of a hierarchy that has none: its documents joined as they are, text by text, so that numbers which JSON
//! cannot say (`NaN`) and keys that this version does not know stay what they were.

use super::document::consolidated_order;
use super::json;
use super::open::ROOT_DOCUMENT;
use crate::error::FormatError;
use firn_model::diagnose::At;
use serde_json::Value;

const FIELD: &str = "consolidated_metadata";

/// The root document of a v3 hierarchy with those of all other nodes (path and document) in it; `None` where it is
/// consolidated already.
///
/// # Errors
/// [`FormatError::Corrupt`] for what is no JSON object.
pub fn consolidated_v3(root: &[u8], nodes: &[(String, Vec<u8>)], at: &At) -> Result<Option<Vec<u8>>, FormatError> {
    if matches!(json::parse(root, at)?.pointer("/consolidated_metadata/metadata"), Some(Value::Object(_))) {
        return Ok(None);
    }
    let mut metadata = String::new();
    let paths: Vec<&str> = nodes.iter().map(|(path, _)| path.as_str()).collect();
    for (path, document) in consolidated_order(&paths).into_iter().map(|place| &nodes[place]) {
        let at = at.node(path.as_str());
        let is_group = json::parse(document, &at)?.get("node_type").and_then(Value::as_str) == Some("group");
        let text = if is_group { with_field(document, "{}", &at)? } else { text(document, &at)?.trim().to_owned() };
        push_member(&mut metadata, path, &text);
    }
    let root = with_field(root, &format!("{{{metadata}}}"), &at.node(ROOT_DOCUMENT))?;
    Ok(Some(format!("{root}\n").into_bytes()))
}

/// The `.zmetadata` of a v2 hierarchy with these documents (`air/.zarray`), in this order.
///
/// # Errors
/// [`FormatError::Corrupt`] for what is no JSON.
pub fn consolidated_v2(documents: &[(String, Vec<u8>)], at: &At) -> Result<Vec<u8>, FormatError> {
    let mut metadata = String::new();
    for (key, document) in documents {
        let at = at.node(key.as_str());
        json::parse(document, &at)?;
        push_member(&mut metadata, key, text(document, &at)?.trim());
    }
    Ok(format!("{{\"metadata\":{{{metadata}}},\"zarr_consolidated_format\":1}}\n").into_bytes())
}

/// A group's document with this consolidated metadata, in place of any other.
fn with_field(document: &[u8], metadata: &str, at: &At) -> Result<String, FormatError> {
    let mut members = String::new();
    for (name, value) in members_of(text(document, at)?, at)? {
        if name != FIELD {
            push_member(&mut members, &name, value);
        }
    }
    let field = format!("{{\"kind\":\"inline\",\"must_understand\":false,\"metadata\":{metadata}}}");
    push_member(&mut members, FIELD, &field);
    Ok(format!("{{{members}}}"))
}

fn push_member(members: &mut String, name: &str, value: &str) {
    if !members.is_empty() {
        members.push(',');
    }
    members.push_str(&Value::String(name.to_owned()).to_string());
    members.push(':');
    members.push_str(value);
}

fn text<'a>(document: &'a [u8], at: &At) -> Result<&'a str, FormatError> {
    std::str::from_utf8(document).map_err(|_| FormatError::corrupt(at, "the document is not UTF-8"))
}

/// The members of a JSON object that is known to be one, their values as they are written.
fn members_of<'a>(text: &'a str, at: &At) -> Result<Vec<(String, &'a str)>, FormatError> {
    let bad = || FormatError::corrupt(at, "the document is no JSON object");
    let body = text.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).ok_or_else(bad)?;
    let mut members = Vec::new();
    for member in split(body, ',') {
        if member.trim().is_empty() {
            continue;
        }
        let mut parts = split(member, ':').into_iter();
        let name: String = parts.next().and_then(|name| serde_json::from_str(name.trim()).ok()).ok_or_else(bad)?;
        let value = parts.next().ok_or_else(bad)?;
        members.push((name, value.trim()));
    }
    Ok(members)
}

/// Splits at a character that stands outside of texts, arrays and objects.
fn split(text: &str, at: char) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut in_text, mut escaped) = (Vec::new(), 0, 0u32, false, false);
    for (index, c) in text.char_indices() {
        if in_text {
            in_text = escaped || c != '"';
            escaped = !escaped && c == '\\';
            continue;
        }
        match c {
            '"' => in_text = true,
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            _ if c == at && depth == 0 => {
                parts.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Vec<u8> {
        text.as_bytes().to_vec()
    }

    #[test]
    fn the_documents_of_v3_are_joined_as_they_are() {
        let root = br#"{"attributes":{"a":"x \" , : } y","n":NaN},"zarr_format":3,"consolidated_metadata":null,"node_type":"group"}"#;
        let nodes = [
            ("g".to_owned(), document(r#"{"zarr_format":3,"node_type":"group"}"#)),
            ("g/v".to_owned(), document(r#"{ "node_type": "array", "fill_value": 1.10, "zarr_format": 3 }"#)),
        ];
        let joined = consolidated_v3(root, &nodes, &At::nowhere()).unwrap().unwrap();
        let value = json::parse(&joined, &At::nowhere()).unwrap();
        assert_eq!(value["attributes"]["a"], "x \" , : } y");
        assert_eq!(value["consolidated_metadata"]["metadata"]["g/v"]["node_type"], "array");
        assert_eq!(
            value["consolidated_metadata"]["metadata"]["g"]["consolidated_metadata"]["metadata"],
            serde_json::json!({})
        );
        let text = String::from_utf8(joined.clone()).unwrap();
        assert!(
            text.contains("NaN") && text.contains("1.10") && text.matches("must_understand").count() == 2,
            "{text}"
        );
        assert_eq!(consolidated_v3(&joined, &nodes, &At::nowhere()).unwrap(), None);
    }

    #[test]
    fn the_documents_of_v2_are_joined_as_they_are() {
        let documents = [
            (".zgroup".to_owned(), document("{\"zarr_format\": 2}\n")),
            ("v/.zarray".to_owned(), document("{\"fill_value\": NaN}")),
        ];
        let joined = String::from_utf8(consolidated_v2(&documents, &At::nowhere()).unwrap()).unwrap();
        assert_eq!(
            joined,
            "{\"metadata\":{\".zgroup\":{\"zarr_format\": 2},\"v/.zarray\":{\"fill_value\": NaN}},\"zarr_consolidated_format\":1}\n"
        );
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for bad in ["[]", "1", "", "{\"a\":", "\"x\""] {
            assert!(consolidated_v3(bad.as_bytes(), &[], &At::nowhere()).is_err(), "{bad}");
        }
    }
}
