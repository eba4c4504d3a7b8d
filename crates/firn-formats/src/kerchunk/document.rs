//! The references of a file, by key.

use crate::error::FormatError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use firn_model::diagnose::At;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// Most references of a file.
pub(super) const MAX_REFERENCES: usize = 1 << 24;

/// What stands behind a key.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reference {
    /// The bytes themselves.
    Inline(Bytes),
    /// A range of the object with this number, `None` for all of it.
    Range { object: u32, range: Option<(u64, u64)> },
}

/// A whole file.
#[derive(Debug, Default)]
pub(super) struct References {
    /// By key, in the order of the file; a key that stands twice is an error.
    pub entries: Vec<(String, Reference)>,
    /// The URLs that ranges are in, templates filled in.
    pub urls: Vec<String>,
}

/// Reads a file.
///
/// # Errors
/// [`FormatError::Corrupt`] for what is no file of references; [`FormatError::Unsupported`] for generated references (`gen`)
/// and templates with expressions.
pub(super) fn parse(bytes: &[u8], at: &At) -> Result<References, FormatError> {
    let mut top = Top::default();
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let parsed = TopSeed(&mut top).deserialize(&mut reader).and_then(|()| reader.end());
    parsed.map_err(|error| FormatError::corrupt(&at.line(error.line(), error.column()), format!("{error}")))?;
    match top.version.as_ref().map(Value::as_u64) {
        None | Some(Some(0 | 1)) => {}
        Some(_) => {
            let what = "references of another version than 0 and 1 are not read yet";
            return Err(FormatError::unsupported("unsupported-kerchunk-version", at, what));
        }
    }
    if top.has_generated {
        let what = "references that are generated from expressions (`gen`) are not read; kerchunk writes them out";
        return Err(FormatError::unsupported("unsupported-kerchunk-gen", at, what));
    }
    let mut references = top.references;
    for url in &mut references.urls {
        *url = filled(url, &top.templates, at)?;
    }
    check_keys(&references, at)?;
    Ok(references)
}

fn check_keys(references: &References, at: &At) -> Result<(), FormatError> {
    let mut keys: Vec<&str> = references.entries.iter().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    match keys.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(FormatError::corrupt(at, format!("the key {} stands twice", pair[0]))),
        None => Ok(()),
    }
}

/// The URL with its templates (`{{name}}`) filled in.
fn filled(url: &str, templates: &BTreeMap<String, String>, at: &At) -> Result<String, FormatError> {
    let mut out = String::new();
    let mut rest = url;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        let Some(text) = templates.get(name.trim()) else {
            let what = format!("the template {{{{{name}}}}} is not one of the file's, or is an expression");
            return Err(FormatError::unsupported("unsupported-kerchunk-template", at, what));
        };
        if text.contains("{{") || text.contains("{%") {
            let what = format!("the template {name} is an expression");
            return Err(FormatError::unsupported("unsupported-kerchunk-template", at, what));
        }
        out.push_str(before);
        out.push_str(text);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// The file as it is read; version 0 has the references at its top.
#[derive(Default)]
struct Top {
    version: Option<Value>,
    templates: BTreeMap<String, String>,
    has_generated: bool,
    references: References,
    numbers: HashMap<String, u32>,
}

struct TopSeed<'a>(&'a mut Top);

impl<'de> DeserializeSeed<'de> for TopSeed<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for TopSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a file of references")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let top = self.0;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "version" => top.version = Some(map.next_value()?),
                "templates" => top.templates = map.next_value::<Option<_>>()?.unwrap_or_default(),
                "gen" => {
                    top.has_generated = map.next_value::<Option<Vec<IgnoredAny>>>()?.is_some_and(|g| !g.is_empty());
                }
                "refs" => map.next_value_seed(RefsSeed(top))?,
                _ => add(top, key, &mut map)?,
            }
        }
        Ok(())
    }
}

struct RefsSeed<'a>(&'a mut Top);

impl<'de> DeserializeSeed<'de> for RefsSeed<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RefsSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("references by key")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            add(self.0, key, &mut map)?;
        }
        Ok(())
    }
}

fn add<'de, A: MapAccess<'de>>(top: &mut Top, key: String, map: &mut A) -> Result<(), A::Error> {
    if top.references.entries.len() >= MAX_REFERENCES {
        return Err(A::Error::custom(format!("there are more than {MAX_REFERENCES} references")));
    }
    let reference = map.next_value_seed(EntrySeed(top))?;
    top.references.entries.push((key, reference));
    Ok(())
}

struct EntrySeed<'a>(&'a mut Top);

impl<'de> DeserializeSeed<'de> for EntrySeed<'_> {
    type Value = Reference;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Reference, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for EntrySeed<'_> {
    type Value = Reference;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a document, or [url], or [url, offset, length]")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Reference, E> {
        let bytes = match text.strip_prefix("base64:") {
            Some(encoded) => Bytes::from(STANDARD.decode(encoded).map_err(|error| E::custom(error.to_string()))?),
            None => Bytes::copy_from_slice(text.as_bytes()),
        };
        Ok(Reference::Inline(bytes))
    }

    /// Documents may stand as they are.
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Reference, A::Error> {
        let document = serde::Deserialize::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
        let document: Value = document;
        Ok(Reference::Inline(Bytes::from(document.to_string())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Reference, A::Error> {
        let url: std::borrow::Cow<'_, str> = list.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
        let range = match list.next_element::<u64>()? {
            None => None,
            Some(offset) => {
                let length = list.next_element::<u64>()?.ok_or_else(|| A::Error::invalid_length(2, &self))?;
                offset.checked_add(length).ok_or_else(|| A::Error::custom("the range ends beyond all files"))?;
                Some((offset, length))
            }
        };
        if list.next_element::<IgnoredAny>()?.is_some() {
            return Err(A::Error::invalid_length(4, &self));
        }
        let top = self.0;
        let object = if let Some(number) = top.numbers.get(url.as_ref()) {
            *number
        } else {
            let number = u32::try_from(top.references.urls.len()).map_err(A::Error::custom)?;
            top.references.urls.push(url.clone().into_owned());
            top.numbers.insert(url.into_owned(), number);
            number
        };
        Ok(Reference::Range { object, range })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<References, FormatError> {
        parse(text.as_bytes(), &At::nowhere())
    }

    #[test]
    fn both_versions_are_read_and_templates_filled_in() {
        let zero = read(r#"{"a/0": ["s3://b/x.nc", 1, 2], "a/.zattrs": "{}"}"#).unwrap();
        assert_eq!(zero.urls, ["s3://b/x.nc"]);
        assert_eq!(zero.entries[0].1, Reference::Range { object: 0, range: Some((1, 2)) });
        let one = r#"{"version": 1, "templates": {"u": "s3://b"}, "gen": [], "refs": {"a/0": ["{{u}}/x.nc"], "b": "base64:AAE=", "c": {"d": 1}}}"#;
        let one = read(one).unwrap();
        assert_eq!(one.urls, ["s3://b/x.nc"]);
        assert_eq!(one.entries[0].1, Reference::Range { object: 0, range: None });
        assert_eq!(one.entries[1].1, Reference::Inline(Bytes::from_static(&[0, 1])));
        assert_eq!(one.entries[2].1, Reference::Inline(Bytes::from_static(br#"{"d":1}"#)));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (text, code) in [
            (r#"{"version": 2, "refs": {}}"#, "unsupported-kerchunk-version"),
            (r#"{"version": 1, "gen": [{"key": "a"}], "refs": {}}"#, "unsupported-kerchunk-gen"),
            (r#"{"version": 1, "templates": {}, "refs": {"a/0": ["{{u}}/x"]}}"#, "unsupported-kerchunk-template"),
            (r#"{"a": "1", "a": "2"}"#, "corrupt"),
            (r#"{"a": ["u", 1]}"#, "corrupt"),
            (r#"{"a": ["u", 1, 18446744073709551615]}"#, "corrupt"),
            (r#"{"a": ["u", -1, 1]}"#, "corrupt"),
            (r#"{"a": 3}"#, "corrupt"),
            (r#"{"a": "base64:%"}"#, "corrupt"),
            ("[]", "corrupt"),
        ] {
            use firn_model::diagnose::Diagnose;
            assert!(read(text).unwrap_err().code().contains(code), "{text}");
        }
    }
}
