//! Adds or updates one store entry in the text of a `catalog.yaml`; comments, order and everything else stay byte for byte.
//!
//! Single values are cut out and put in at the places that the tree knows. What comes out is read again: if it does not say
//! exactly what was asked for, the edit is refused and the error tells what to paste by hand.

mod diff;
mod render;
mod splice;

use serde_json::{Map, Value};

use crate::document::{DocumentError, Node, NodeValue, Style, parse};
use render::{block_lines, flow};
use splice::Editor;

/// What is to be said of one store. Keys that are not named stay as they are.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreChange {
    /// Id of the store entry, which is made if absent.
    pub id: String,
    /// Key → value. Mappings are merged key by key, lists and scalars replaced.
    pub set: Map<String, Value>,
    /// Keys of the entry that go, with all that stands in them.
    pub remove: Vec<String>,
}

/// An edited document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// The new text.
    pub text: String,
    /// What changed, as a unified diff; empty where nothing did.
    pub diff: String,
    /// Whether the entry is new.
    pub added: bool,
}

/// Adds or updates a store entry.
///
/// # Errors
/// [`DocumentError::CannotEdit`] where the document is invalid, or the change would touch more than the entry.
pub fn edit_store(name: &str, text: &str, change: &StoreChange) -> Result<Edited, DocumentError> {
    let refuse = |line: usize, what: &str| DocumentError::CannotEdit {
        document: name.to_owned(),
        line,
        what: what.to_owned(),
        paste: paste(change),
    };
    let (root, findings) = parse(name, text);
    let (Some(root), []) = (root, findings.as_slice()) else {
        let finding = findings.first();
        let what = finding.map_or("it is no YAML", |finding| finding.message.as_str());
        return Err(refuse(
            finding.map_or(0, |finding| finding.line),
            &format!("it cannot be edited before it is corrected: {what}"),
        ));
    };
    let mut editor = Editor::new(text);
    let stores = root.get("stores");
    let same_id = |item: &&Node| item.get("id").and_then(Node::as_text) == Some(&change.id);
    let mut found = stores.map(Node::items).unwrap_or_default().iter().filter(same_id);
    let existing = found.next();
    if let Some(second) = found.next() {
        return Err(refuse(second.start.line, &format!("the store {:?} is there twice", change.id)));
    }
    let planned = match existing {
        Some(entry) => {
            remove(&mut editor, entry, &change.remove).and_then(|()| update(&mut editor, entry, &change.set))
        }
        None => add(&mut editor, &root, change),
    };
    planned.map_err(|Refusal { line, what }| refuse(line, what))?;
    let edited = editor.finish();
    let expected = expected(root.to_json(), change);
    let (after, findings) = parse(name, &edited);
    if !findings.is_empty() || after.map(|after| after.to_json()) != Some(expected) {
        return Err(refuse(
            root.start.line,
            "it is written in a way that firn cannot edit without changing something else",
        ));
    }
    let diff = diff::unified(name, text, &edited);
    Ok(Edited { text: edited, diff, added: existing.is_none() })
}

/// Why an edit is not tried.
pub(super) struct Refusal {
    line: usize,
    what: &'static str,
}

/// The values that the document has to have afterwards.
fn expected(document: Value, change: &StoreChange) -> Value {
    let mut document = match document {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    let stores = document.entry("stores").or_insert(Value::Null);
    if !stores.is_array() {
        *stores = Value::Array(Vec::new());
    }
    if let Value::Array(stores) = stores {
        let position = stores.iter().position(|store| store.get("id").and_then(Value::as_str) == Some(&change.id));
        match position.and_then(|position| stores.get_mut(position)) {
            Some(Value::Object(entry)) => {
                entry.retain(|key, _| !change.remove.contains(key));
                merge(entry, &change.set);
            }
            _ => stores.push(Value::Object(new_entry(change))),
        }
    }
    Value::Object(document)
}

fn merge(into: &mut Map<String, Value>, from: &Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(key), value) {
            (Some(Value::Object(into)), Value::Object(from)) => merge(into, from),
            _ => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

fn new_entry(change: &StoreChange) -> Map<String, Value> {
    let mut entry = Map::new();
    entry.insert("id".to_owned(), Value::String(change.id.clone()));
    for (key, value) in change.set.iter().filter(|(key, _)| *key != "id") {
        entry.insert(key.clone(), value.clone());
    }
    entry
}

/// Removes keys of an existing entry.
fn remove(editor: &mut Editor<'_>, node: &Node, keys: &[String]) -> Result<(), Refusal> {
    for entry in node.entries().iter().filter(|entry| keys.contains(&entry.key)) {
        let line = entry.key_start.line;
        if node.aliased || node.style == Style::Block && line == node.start.line {
            return Err(Refusal { line, what: "a key would have to be removed that begins the entry" });
        }
        if node.style == Style::Flow {
            return Err(Refusal { line, what: "a key would have to be removed from an entry in braces" });
        }
        editor.remove_lines(entry);
    }
    Ok(())
}

/// Sets the keys of an existing entry, or of a mapping inside it.
fn update(editor: &mut Editor<'_>, node: &Node, set: &Map<String, Value>) -> Result<(), Refusal> {
    if node.aliased {
        return Err(Refusal { line: node.start.line, what: "the entry stands here by an alias" });
    }
    let mut missing = Map::new();
    for (key, value) in set {
        let Some(entry) = node.entry(key) else {
            missing.insert(key.clone(), value.clone());
            continue;
        };
        if entry.value.to_json() == *value {
            continue;
        }
        if entry.value.aliased {
            return Err(Refusal { line: entry.value.start.line, what: "the value stands here by an alias" });
        }
        match (&entry.value.value, value) {
            (NodeValue::Mapping(entries), Value::Object(set)) if !entries.is_empty() => {
                update(editor, &entry.value, set)?;
            }
            _ => match entry.value.style {
                Style::Absent => editor.put_after_colon(entry, &format!(" {}", flow(value, Style::Plain)))?,
                Style::Plain | Style::SingleQuoted | Style::DoubleQuoted | Style::Flow => {
                    editor.replace(&entry.value, flow(value, entry.value.style));
                }
                Style::BlockScalar | Style::Block => {
                    return Err(Refusal {
                        line: entry.key_start.line,
                        what: "a value of several lines would have to be replaced",
                    });
                }
            },
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    if node.style == Style::Flow {
        let text: Vec<String> = missing.iter().map(|(key, value)| render::flow_entry(key, value)).collect();
        editor.put_into_flow(node, &text.join(", "));
        return Ok(());
    }
    let indent = node.entries().first().map_or(0, |entry| entry.key_start.column - 1);
    editor.put_lines_after(node, indent, &block_lines(&missing, indent));
    Ok(())
}

/// Adds an entry to `stores`, which is made if absent.
fn add(editor: &mut Editor<'_>, root: &Node, change: &StoreChange) -> Result<(), Refusal> {
    let entry = new_entry(change);
    if !matches!(root.value, NodeValue::Mapping(_) | NodeValue::Null) {
        return Err(Refusal { line: 1, what: "it is not a mapping" });
    }
    let in_flow = || flow(&Value::Object(entry.clone()), Style::Plain);
    let Some(stores) = root.entry("stores") else {
        if root.style == Style::Flow {
            editor.put_into_flow(root, &format!("stores: [{}]", in_flow()));
        } else {
            let indent = root.entries().first().map_or(0, |entry| entry.key_start.column - 1);
            let mut lines = vec![format!("{}stores:", " ".repeat(indent))];
            lines.extend(item_lines(&entry, indent + 2, 1));
            editor.put_lines_at_end(root, indent, &lines);
        }
        return Ok(());
    };
    let node = &stores.value;
    if node.aliased {
        return Err(Refusal { line: stores.key_start.line, what: "the list of stores stands here by an alias" });
    }
    match (&node.value, node.style) {
        (NodeValue::Sequence(items), Style::Flow) if !items.is_empty() || root.style == Style::Flow => {
            editor.put_into_flow(node, &in_flow());
        }
        (NodeValue::Sequence(items), Style::Block) => {
            let Some((dash, gap)) = items.first().and_then(|item| editor.dash_of(item)) else {
                return Err(Refusal {
                    line: stores.key_start.line,
                    what: "the list has no dash where one is expected",
                });
            };
            editor.put_lines_after(node, dash, &item_lines(&entry, dash, gap));
        }
        (NodeValue::Null | NodeValue::Sequence(_), _) if root.style != Style::Flow => {
            // `stores:`, `stores: []`, `stores: null`: what stands there goes, the list follows below.
            if node.style != Style::Absent {
                editor.remove_with_blanks_before(node);
            }
            let indent = stores.key_start.column - 1;
            editor.put_lines_below(stores, &item_lines(&entry, indent + 2, 1));
        }
        (NodeValue::Null, _) => editor.put_after_colon(stores, &format!(" [{}]", in_flow()))?,
        _ => return Err(Refusal { line: stores.key_start.line, what: "`stores` is not a list" }),
    }
    Ok(())
}

/// An item of a block list, `gap` blanks behind its dash.
fn item_lines(entry: &Map<String, Value>, dash: usize, gap: usize) -> Vec<String> {
    let indent = dash + 1 + gap;
    let mut lines = block_lines(entry, indent);
    if let Some(first) = lines.first_mut() {
        *first = format!("{}-{}{}", " ".repeat(dash), " ".repeat(gap), first.trim_start());
    }
    lines
}

fn paste(change: &StoreChange) -> String {
    let lines = item_lines(&new_entry(change), 2, 1).join("\n");
    format!("put this under `stores:` by hand, in place of the entry with this id if there is one:\n{lines}")
}

#[cfg(test)]
mod tests;
