//! Checks a tree against the JSON Schema of the Rust types, and says in words for people what differs.
//!
//! Only the keywords that `schemars` writes for our types are understood (a test keeps it so).

use serde_json::{Map, Value};

use super::finding::{Findings, Severity};
use super::node::{Node, NodeValue, Style};
use super::path::DocumentPath;
use super::suggest::{did_you_mean, nearest};

/// Set on an object schema whose further keys are expected, so that they are no finding.
pub const OTHER_KEYS: &str = "x-firn-other-keys";

/// The code of truth values in the words of YAML 1.1.
pub(super) const OLD_BOOLEAN: &str = "yaml-old-boolean";

/// What is wrong with a text of a certain `format`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatProblem {
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// Checks a text against a `format` of the schema; `Ok` for formats that it does not know.
pub type FormatCheck = fn(format: &str, text: &str) -> Result<(), FormatProblem>;

/// Checks the tree of `findings` against the schema. `unknown_keys` says how bad a key is that the types do not have.
pub fn check_schema(schema: &Value, unknown_keys: Severity, formats: FormatCheck, findings: &mut Findings<'_>) {
    let checker = Checker { root: schema, unknown_keys, formats };
    let mut problems = Vec::new();
    checker.check(schema, findings.root(), &DocumentPath::root(), &mut problems);
    for problem in problems {
        if problem.about_key {
            findings.about_key(problem.code, problem.severity, &problem.path, problem.message, problem.help);
        } else if problem.severity == Severity::Warning {
            findings.warning(problem.code, &problem.path, problem.message, problem.help);
        } else {
            findings.error(problem.code, &problem.path, problem.message, problem.help);
        }
    }
}

struct Checker<'s> {
    root: &'s Value,
    unknown_keys: Severity,
    formats: FormatCheck,
}

struct Problem {
    code: &'static str,
    severity: Severity,
    path: DocumentPath,
    about_key: bool,
    message: String,
    help: String,
}

fn value_problem(code: &'static str, path: &DocumentPath, message: String, help: String) -> Problem {
    Problem { code, severity: Severity::Error, path: path.clone(), about_key: false, message, help }
}

impl<'s> Checker<'s> {
    fn check(&self, schema: &'s Value, node: &Node, path: &DocumentPath, problems: &mut Vec<Problem>) {
        let Some(schema) = self.resolve(schema).as_object() else { return };
        if let Some(branches) = branches(schema) {
            return self.check_branches(branches, node, path, problems);
        }
        if let Some(words) = words_of(schema) {
            return check_word(&words, node, path, problems);
        }
        if !admits(schema, node) {
            let mut problem = wrong_type(&describe(schema), node, path);
            // Where keys of other tools are welcome, so are the words that other readers take for truth values.
            if types(schema).any(|kind| kind == "boolean") && old_boolean(node).is_some() {
                problem.code = OLD_BOOLEAN;
                problem.severity = self.unknown_keys;
            }
            return problems.push(problem);
        }
        match &node.value {
            NodeValue::Mapping(_) => self.check_mapping(schema, node, path, problems),
            NodeValue::Sequence(items) => self.check_sequence(schema, items, path, problems),
            NodeValue::Text(text) => self.check_text(schema, text, path, problems),
            NodeValue::Integer(_) | NodeValue::Float(_) => check_number(schema, node, path, problems),
            NodeValue::Null | NodeValue::Boolean(_) => {}
        }
    }

    /// Follows `$ref` into `$defs`. The types are not recursive, but a schema that is would end here all the same.
    fn resolve(&self, schema: &'s Value) -> &'s Value {
        let mut schema = schema;
        for _ in 0..16 {
            let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix("#/$defs/")) else {
                return schema;
            };
            match self.root.get("$defs").and_then(|defs| defs.get(name)) {
                Some(found) => schema = found,
                None => return schema,
            }
        }
        schema
    }

    /// The alternatives of `anyOf` and `oneOf`, nested ones too.
    fn alternatives(&self, branches: &'s [Value]) -> Vec<&'s Map<String, Value>> {
        let mut flat = Vec::new();
        for branch in branches {
            let Some(branch) = self.resolve(branch).as_object() else { continue };
            match branches_of(branch) {
                Some(inner) => flat.extend(self.alternatives(inner)),
                None => flat.push(branch),
            }
        }
        flat
    }

    fn check_branches(&self, branches: &'s [Value], node: &Node, path: &DocumentPath, problems: &mut Vec<Problem>) {
        let alternatives = self.alternatives(branches);
        let possible: Vec<_> = alternatives.iter().copied().filter(|branch| admits(branch, node)).collect();
        let words: Vec<&str> = possible.iter().filter_map(|branch| words_of(branch)).flatten().collect();
        if !words.is_empty() && words.len() >= possible.len() && node.as_text().is_some() {
            return check_word(&words, node, path, problems);
        }
        if let Some(tagged) = tagged(&possible, node, path, problems) {
            if let Tagged::As(branch) = tagged {
                self.check_mapping(branch, node, path, problems);
            }
            return;
        }
        let mut best: Option<Vec<Problem>> = None;
        for branch in &possible {
            let mut found = Vec::new();
            self.check_resolved(branch, node, path, &mut found);
            if best.as_ref().is_none_or(|best| found.len() < best.len()) {
                best = Some(found);
            }
        }
        if let Some(found) = best {
            return problems.extend(found);
        }
        let mut kinds: Vec<String> = Vec::new();
        for branch in alternatives.iter().filter(|branch| branch.get("type") != Some(&Value::from("null"))) {
            let kind = describe(branch);
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        problems.push(wrong_type(&kinds.join(" or "), node, path));
    }

    fn check_resolved(
        &self,
        schema: &'s Map<String, Value>,
        node: &Node,
        path: &DocumentPath,
        problems: &mut Vec<Problem>,
    ) {
        if let Some(words) = words_of(schema) {
            return check_word(&words, node, path, problems);
        }
        match &node.value {
            NodeValue::Mapping(_) => self.check_mapping(schema, node, path, problems),
            NodeValue::Sequence(items) => self.check_sequence(schema, items, path, problems),
            NodeValue::Text(text) => self.check_text(schema, text, path, problems),
            NodeValue::Integer(_) | NodeValue::Float(_) => check_number(schema, node, path, problems),
            NodeValue::Null | NodeValue::Boolean(_) => {}
        }
    }

    fn check_mapping(
        &self,
        schema: &'s Map<String, Value>,
        node: &Node,
        path: &DocumentPath,
        problems: &mut Vec<Problem>,
    ) {
        static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&NONE);
        let others = schema.get("additionalProperties");
        let expected =
            schema.contains_key(OTHER_KEYS) || (properties.is_empty() && others != Some(&Value::Bool(false)));
        for entry in node.entries() {
            let path = path.key(&entry.key);
            match (properties.get(&entry.key), others) {
                (Some(property), _) => self.check(property, &entry.value, &path, problems),
                (None, Some(other @ Value::Object(_))) => self.check(other, &entry.value, &path, problems),
                (None, _) if expected => {}
                (None, _) => problems.push(Problem {
                    code: "unknown-key",
                    severity: self.unknown_keys,
                    path,
                    about_key: true,
                    message: format!("unknown key {:?}", entry.key),
                    help: did_you_mean(&entry.key, properties.keys().map(String::as_str)),
                }),
            }
        }
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        for key in required.filter(|key| node.get(key).is_none()) {
            let near = nearest(key, node.entries().iter().map(|entry| entry.key.as_str()))
                .filter(|written| !properties.contains_key(*written));
            let help = match near {
                Some(written) => format!("{written:?} should be {key:?}"),
                None => format!("add `{key}:`"),
            };
            problems.push(value_problem("missing-key", path, format!("the key {key:?} is missing"), help));
        }
        if number(schema, "minProperties").is_some_and(|least| (node.entries().len() as f64) < least) {
            problems.push(value_problem(
                "empty",
                path,
                "this mapping is empty".to_owned(),
                "fill it, or remove the key".to_owned(),
            ));
        }
    }

    fn check_sequence(
        &self,
        schema: &'s Map<String, Value>,
        items: &[Node],
        path: &DocumentPath,
        problems: &mut Vec<Problem>,
    ) {
        let length = items.len() as f64;
        let least = number(schema, "minItems").unwrap_or(0.0);
        let most = number(schema, "maxItems").unwrap_or(f64::INFINITY);
        if length < least || length > most {
            let wanted = if least == most {
                format!("{least}")
            } else if length < least {
                format!("at least {least}")
            } else {
                format!("at most {most}")
            };
            let message = format!("this list has {length} items, expected {wanted}");
            problems.push(value_problem("list-length", path, message, String::new()));
        }
        let prefix = schema.get("prefixItems").and_then(Value::as_array);
        for (index, item) in items.iter().enumerate() {
            let of_item = prefix.and_then(|prefix| prefix.get(index)).or_else(|| schema.get("items"));
            if let Some(schema) = of_item {
                self.check(schema, item, &path.index(index), problems);
            }
        }
    }

    fn check_text(&self, schema: &Map<String, Value>, text: &str, path: &DocumentPath, problems: &mut Vec<Problem>) {
        if number(schema, "minLength").is_some_and(|least| (text.chars().count() as f64) < least) {
            problems.push(value_problem(
                "empty",
                path,
                "this text is empty".to_owned(),
                "fill it, or remove the key".to_owned(),
            ));
            return;
        }
        if let Some(format) = schema.get("format").and_then(Value::as_str)
            && let Err(problem) = (self.formats)(format, text)
        {
            problems.push(value_problem("invalid-value", path, problem.message, problem.help));
        }
    }
}

/// The kinds of value that a schema admits, in words.
fn describe(schema: &Map<String, Value>) -> String {
    if let Some(words) = words_of(schema) {
        return words.join(" | ");
    }
    let kinds: Vec<&str> = types(schema)
        .filter(|kind| *kind != "null")
        .map(|kind| match kind {
            "string" => "text",
            "integer" => "a whole number",
            "number" => "a number",
            "boolean" => "true or false",
            "array" => "a list",
            "object" => "a mapping",
            other => other,
        })
        .collect();
    kinds.join(" or ")
}

/// What the single key of a mapping says about which alternative is meant.
enum Tagged<'s> {
    As(&'s Map<String, Value>),
    Told,
}

/// Alternatives that are all mappings of one key (`- rename: {…}`) are told apart by that key.
fn tagged<'s>(
    possible: &[&'s Map<String, Value>],
    node: &Node,
    path: &DocumentPath,
    problems: &mut Vec<Problem>,
) -> Option<Tagged<'s>> {
    let keys: Option<Vec<(&str, &'s Map<String, Value>)>> = possible
        .iter()
        .map(|branch| {
            let properties = branch.get("properties")?.as_object()?;
            let (key, _) = properties.iter().next().filter(|_| properties.len() == 1)?;
            Some((key.as_str(), *branch))
        })
        .collect();
    let keys = keys.filter(|keys| keys.len() > 1)?;
    let NodeValue::Mapping(entries) = &node.value else { return None };
    let help = || format!("possible: {}", keys.iter().map(|(key, _)| *key).collect::<Vec<_>>().join(", "));
    let [entry] = entries.as_slice() else {
        let message = format!("expected a mapping of one key, found {} keys", entries.len());
        problems.push(value_problem("one-key", path, message, help()));
        return Some(Tagged::Told);
    };
    if let Some((_, branch)) = keys.iter().find(|(key, _)| *key == entry.key) {
        return Some(Tagged::As(branch));
    }
    problems.push(Problem {
        code: "unknown-key",
        severity: Severity::Error,
        path: path.key(&entry.key),
        about_key: true,
        message: format!("unknown key {:?}", entry.key),
        help: did_you_mean(&entry.key, keys.iter().map(|(key, _)| *key)),
    });
    Some(Tagged::Told)
}

fn branches(schema: &Map<String, Value>) -> Option<&[Value]> {
    branches_of(schema)
}

fn branches_of(schema: &Map<String, Value>) -> Option<&[Value]> {
    schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array).map(Vec::as_slice)
}

/// The texts that an enumeration admits.
fn words_of(schema: &Map<String, Value>) -> Option<Vec<&str>> {
    if let Some(word) = schema.get("const").and_then(Value::as_str) {
        return Some(vec![word]);
    }
    Some(schema.get("enum")?.as_array()?.iter().filter_map(Value::as_str).collect())
}

fn check_word(words: &[&str], node: &Node, path: &DocumentPath, problems: &mut Vec<Problem>) {
    match node.as_text() {
        Some(text) if words.contains(&text) => {}
        Some(text) => {
            let near = nearest(text, words.iter().copied()).map(|word| format!("did you mean {word:?}? "));
            let help = format!("{}possible: {}", near.unwrap_or_default(), words.join(" | "));
            problems.push(value_problem("unknown-value", path, format!("{text:?} is not possible here"), help));
        }
        None => problems.push(wrong_type(&words.join(" | "), node, path)),
    }
}

fn types(schema: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let (one, many) = match schema.get("type") {
        Some(Value::String(kind)) => (Some(kind.as_str()), None),
        Some(Value::Array(kinds)) => (None, Some(kinds.iter().filter_map(Value::as_str))),
        _ => (None, None),
    };
    one.into_iter().chain(many.into_iter().flatten())
}

/// Whether the schema admits values of the node's kind; a schema without `type` admits all.
fn admits(schema: &Map<String, Value>, node: &Node) -> bool {
    if let Some(constant) = schema.get("const").or_else(|| schema.get("enum")?.get(0)) {
        return constant.is_string() == node.as_text().is_some();
    }
    if types(schema).next().is_none() {
        return true;
    }
    types(schema).any(|kind| match &node.value {
        NodeValue::Null => kind == "null",
        NodeValue::Boolean(_) => kind == "boolean",
        NodeValue::Integer(_) => kind == "integer" || kind == "number",
        NodeValue::Float(_) => kind == "number",
        NodeValue::Text(_) => kind == "string",
        NodeValue::Sequence(_) => kind == "array",
        NodeValue::Mapping(_) => kind == "object",
    })
}

fn wrong_type(expected: &str, node: &Node, path: &DocumentPath) -> Problem {
    let help = match (&node.value, node.style) {
        (NodeValue::Text(_), _) if expected.contains("true or false") && old_boolean(node).is_some() => {
            "write true or false".to_owned()
        }
        (NodeValue::Integer(_) | NodeValue::Float(_) | NodeValue::Boolean(_), _) if expected.contains("text") => {
            "write it in quotes".to_owned()
        }
        (NodeValue::Null, Style::Absent) => "fill it, or remove the key".to_owned(),
        _ => String::new(),
    };
    value_problem("wrong-type", path, format!("expected {expected}, found {}", node.kind()), help)
}

/// What YAML 1.1 took for a truth value: `yes`, `no`, `on`, `off` without quotes.
pub(super) fn old_boolean(node: &Node) -> Option<bool> {
    let text = node.as_text().filter(|_| node.style == Style::Plain)?;
    match text.to_ascii_lowercase().as_str() {
        "yes" | "on" => Some(true),
        "no" | "off" => Some(false),
        _ => None,
    }
}

fn check_number(schema: &Map<String, Value>, node: &Node, path: &DocumentPath, problems: &mut Vec<Problem>) {
    let value = match node.value {
        NodeValue::Integer(value) => value as f64,
        NodeValue::Float(value) => value,
        _ => return,
    };
    let bound = match (number(schema, "minimum"), number(schema, "exclusiveMinimum"), number(schema, "maximum")) {
        (Some(least), _, _) if value < least => format!("at least {least}"),
        (_, Some(below), _) if value <= below => format!("more than {below}"),
        (_, _, Some(most)) if value > most => format!("at most {most}"),
        _ => return,
    };
    problems.push(value_problem(
        "out-of-range",
        path,
        format!("{value} is out of range, expected {bound}"),
        String::new(),
    ));
}

fn number(schema: &Map<String, Value>, keyword: &str) -> Option<f64> {
    schema.get(keyword).and_then(Value::as_f64)
}
