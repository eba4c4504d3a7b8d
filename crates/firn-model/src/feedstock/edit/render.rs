//! Values as YAML text.

use serde_json::{Map, Value};

use crate::document::{Style, YamlScalar, yaml_text, yaml_text_styled};

/// A value on one line, text in the given quotes.
pub(super) fn flow(value: &Value, style: Style) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| flow(item, Style::Plain)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(map) => {
            let entries: Vec<String> = map.iter().map(|(key, value)| flow_entry(key, value)).collect();
            format!("{{{}}}", entries.join(", "))
        }
        scalar => yaml_text_styled(&yaml_scalar(scalar), style),
    }
}

/// `key: value` on one line.
pub(super) fn flow_entry(key: &str, value: &Value) -> String {
    format!("{}: {}", key_text(key), flow(value, Style::Plain))
}

/// A mapping as lines; mappings inside are indented, lists stay on one line.
pub(super) fn block_lines(map: &Map<String, Value>, indent: usize) -> Vec<String> {
    let blanks = " ".repeat(indent);
    let mut lines = Vec::new();
    for (key, value) in map {
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                lines.push(format!("{blanks}{}:", key_text(key)));
                lines.extend(block_lines(inner, indent + 2));
            }
            value => lines.push(format!("{blanks}{}", flow_entry(key, value))),
        }
    }
    lines
}

fn key_text(key: &str) -> String {
    yaml_text(&YamlScalar::Text(key.to_owned()))
}

fn yaml_scalar(value: &Value) -> YamlScalar {
    match value {
        Value::Bool(value) => YamlScalar::Boolean(*value),
        Value::Number(number) => YamlScalar::Number(number.clone()),
        Value::String(text) => YamlScalar::Text(text.clone()),
        _ => YamlScalar::Null,
    }
}
