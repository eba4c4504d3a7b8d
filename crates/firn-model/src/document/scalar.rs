//! Plain scalars of the YAML 1.2 core schema: what they mean, and how to write a text so that it means itself.

use super::node::{NodeValue, Style};

/// What a plain scalar means. Whole numbers count as numbers only in their shortest form, since `007` is more often a name.
pub fn resolve_plain(text: &str) -> NodeValue {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return NodeValue::Null,
        "true" | "True" | "TRUE" => return NodeValue::Boolean(true),
        "false" | "False" | "FALSE" => return NodeValue::Boolean(false),
        _ => {}
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    if is_digits(digits) {
        let shortest = digits == "0" && digits == text || !digits.starts_with('0');
        if let (true, Ok(value)) = (shortest, text.parse()) {
            return NodeValue::Integer(value);
        }
        return NodeValue::Text(text.to_owned());
    }
    match (is_float(text), text.parse::<f64>()) {
        (true, Ok(value)) if value.is_finite() => NodeValue::Float(value),
        _ => NodeValue::Text(text.to_owned()),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`, with a point or an exponent.
fn is_float(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (text, None),
    };
    let mantissa_ok = match mantissa.split_once('.') {
        Some(("", fraction)) => is_digits(fraction),
        Some((whole, fraction)) => is_digits(whole) && (fraction.is_empty() || is_digits(fraction)),
        None => is_digits(mantissa) && exponent.is_some(),
    };
    mantissa_ok && exponent.is_none_or(is_digits)
}

/// A scalar to be written.
#[derive(Debug, Clone, PartialEq)]
pub enum YamlScalar {
    /// `null`
    Null,
    /// `true`, `false`
    Boolean(bool),
    /// A number, as JSON writes it.
    Number(serde_json::Number),
    /// Text.
    Text(String),
}

/// A scalar as YAML on one line, without quotes where every YAML reader (1.1 and 1.2) takes it for what it is.
pub fn yaml_text(scalar: &YamlScalar) -> String {
    yaml_text_styled(scalar, Style::Plain)
}

/// As [`yaml_text`]; text is written in the quotes of the given style where that can hold it.
pub fn yaml_text_styled(scalar: &YamlScalar, style: Style) -> String {
    match scalar {
        YamlScalar::Null => "null".to_owned(),
        YamlScalar::Boolean(value) => value.to_string(),
        YamlScalar::Number(number) => number.to_string(),
        YamlScalar::Text(text) => {
            let printable = text.chars().all(|c| !c.is_control() && !is_unusual(c));
            match style {
                Style::SingleQuoted if printable => format!("'{}'", text.replace('\'', "''")),
                Style::SingleQuoted | Style::DoubleQuoted => double_quoted(text),
                _ if is_plain_everywhere(text) => text.clone(),
                _ => double_quoted(text),
            }
        }
    }
}

fn is_unusual(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// Letters first, nothing that YAML gives a meaning, and no word that some reader takes for a truth value, null or number.
fn is_plain_everywhere(text: &str) -> bool {
    const WORDS: [&str; 12] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "infinity"];
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let harmless = |c: char| c.is_ascii_alphanumeric() || "_./+-@=%~()".contains(c);
    let mut previous = ' ';
    for (at, c) in text.char_indices() {
        let spaced = c == ' ' && previous != ' ' && previous != ':' && at + 1 < text.len();
        let colon = c == ':' && text[at + 1..].starts_with(|next: char| harmless(next));
        if !(harmless(c) || spaced || colon) {
            return false;
        }
        previous = c;
    }
    starts_well && !WORDS.contains(&text.to_ascii_lowercase().as_str())
}

fn double_quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control() || is_unusual(c) => quoted.extend(format!("\\u{:04X}", u32::from(c)).chars()),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
