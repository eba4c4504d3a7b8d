//! Python as text, safely quoted.

/// A Python string: JSON's escapes are Python's too.
pub(super) fn literal(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A value of a dictionary.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// `True`, `False`
    Bool(bool),
    /// A string.
    Text(String),
    /// A dictionary.
    Dict(Dict),
}

/// A dictionary with its keys in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Dict(Vec<(String, Value)>);

impl Dict {
    pub(super) fn with(mut self, key: &str, value: Value) -> Self {
        self.0.push((key.to_owned(), value));
        self
    }

    pub(super) fn text(self, key: &str, value: &str) -> Self {
        self.with(key, Value::Text(value.to_owned()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `{"anon": True}`
    pub(super) fn render(&self) -> String {
        let entries: Vec<String> =
            self.0.iter().map(|(key, value)| format!("{}: {}", literal(key), value.render())).collect();
        format!("{{{}}}", entries.join(", "))
    }

    /// `, storage_options={…}`, or nothing where it is empty.
    pub(super) fn as_argument(&self, name: &str) -> String {
        if self.is_empty() { String::new() } else { format!(", {name}={}", self.render()) }
    }

    /// `, **{…}`, or nothing where it is empty.
    pub(super) fn as_keywords(&self) -> String {
        if self.is_empty() { String::new() } else { format!(", **{}", self.render()) }
    }
}

impl Value {
    fn render(&self) -> String {
        match self {
            Self::Bool(true) => "True".to_owned(),
            Self::Bool(false) => "False".to_owned(),
            Self::Text(text) => literal(text),
            Self::Dict(dict) => dict.render(),
        }
    }
}
