//! The tree of a document: every node knows where it is written.

use super::path::{DocumentPath, Segment};

/// A place in the text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// In bytes from the start of the text.
    pub offset: usize,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// How a node is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A scalar without quotes.
    Plain,
    /// A scalar in `'…'`.
    SingleQuoted,
    /// A scalar in `"…"`.
    DoubleQuoted,
    /// A scalar after `|` or `>`.
    BlockScalar,
    /// A collection in `[…]` or `{…}`.
    Flow,
    /// A collection by indentation.
    Block,
    /// A value that is not written at all (`key:`).
    Absent,
}

/// What a node holds. Plain scalars are resolved by the YAML 1.2 core schema, so dates stay text.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeValue {
    /// Nothing, `~` or `null`.
    Null,
    /// `true`, `false`.
    Boolean(bool),
    /// A whole number written in its shortest form; `007` and `0x10` are text.
    Integer(i64),
    /// Any other finite number.
    Float(f64),
    /// Text.
    Text(String),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values in the order in which they are written.
    Mapping(Vec<Entry>),
}

/// A node of the tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its first character.
    pub start: Position,
    /// Behind its last character; for block collections, behind the last character of the last child.
    pub end: Position,
    /// How it is written.
    pub style: Style,
    /// Whether it stands here by an alias (`*name`): its place is that of the anchor.
    pub aliased: bool,
    /// What it holds.
    pub value: NodeValue,
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// First character of the key.
    pub key_start: Position,
    /// Behind the last character of the key.
    pub key_end: Position,
    /// The value.
    pub value: Node,
}

impl Node {
    /// The value of a key of a mapping.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// A key of a mapping, with its value.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The entries of a mapping; none for other nodes.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            NodeValue::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none for other nodes.
    pub fn items(&self) -> &[Self] {
        match &self.value {
            NodeValue::Sequence(items) => items,
            _ => &[],
        }
    }

    /// The text of a text node.
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            NodeValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The kind of value, in words for people.
    pub fn kind(&self) -> &'static str {
        match self.value {
            NodeValue::Null => "nothing",
            NodeValue::Boolean(_) => "true or false",
            NodeValue::Integer(_) => "a whole number",
            NodeValue::Float(_) => "a number",
            NodeValue::Text(_) => "text",
            NodeValue::Sequence(_) => "a list",
            NodeValue::Mapping(_) => "a mapping",
        }
    }

    /// Where the node at the path is written, or the nearest one above it that exists. A key, where the path leads to the value
    /// of a key that has none.
    pub fn locate(&self, path: &DocumentPath) -> Position {
        let mut node = self;
        let mut place = self.start;
        for segment in path.segments() {
            let next = match segment {
                Segment::Key(key) => node.entry(key).map(|entry| {
                    let absent = entry.value.style == Style::Absent;
                    (&entry.value, if absent { entry.key_start } else { entry.value.start })
                }),
                Segment::Index(index) => node.items().get(*index).map(|item| (item, item.start)),
            };
            let Some((next, start)) = next else { break };
            (node, place) = (next, start);
        }
        place
    }

    /// Where the last key of the path is written, else as [`Node::locate`].
    pub fn locate_key(&self, path: &DocumentPath) -> Position {
        let segments = path.segments();
        if let Some((Segment::Key(key), _)) = segments.split_last() {
            let parent = path.head(segments.len() - 1);
            if let Some(entry) = self.find(&parent).and_then(|node| node.entry(key)) {
                return entry.key_start;
            }
        }
        self.locate(path)
    }

    /// The node at a path.
    pub fn find(&self, path: &DocumentPath) -> Option<&Self> {
        path.segments().iter().try_fold(self, |node, segment| match segment {
            Segment::Key(key) => node.get(key),
            Segment::Index(index) => node.items().get(*index),
        })
    }

    /// Takes the key or item at the path out of the tree; an item leaves a null, so that the others keep their positions.
    pub(super) fn remove(&mut self, path: &[Segment]) {
        let Some((last, parent)) = path.split_last() else { return };
        match (self.find_mut(parent).map(|node| &mut node.value), last) {
            (Some(NodeValue::Mapping(entries)), Segment::Key(key)) => entries.retain(|entry| entry.key != *key),
            (Some(NodeValue::Sequence(items)), Segment::Index(index)) => {
                if let Some(item) = items.get_mut(*index) {
                    item.value = NodeValue::Null;
                }
            }
            _ => {}
        }
    }

    /// Makes a truth value of a text that was one in YAML 1.1.
    pub(super) fn set_old_boolean(&mut self, path: &[Segment]) {
        if let Some(node) = self.find_mut(path)
            && let Some(value) = super::schema::old_boolean(node)
        {
            node.value = NodeValue::Boolean(value);
        }
    }

    fn find_mut(&mut self, path: &[Segment]) -> Option<&mut Self> {
        path.iter().try_fold(self, |node, segment| match (segment, &mut node.value) {
            (Segment::Key(key), NodeValue::Mapping(entries)) => {
                entries.iter_mut().find(|entry| entry.key == *key).map(|entry| &mut entry.value)
            }
            (Segment::Index(index), NodeValue::Sequence(items)) => items.get_mut(*index),
            _ => None,
        })
    }

    /// The values alone.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.value {
            NodeValue::Null => Value::Null,
            NodeValue::Boolean(value) => Value::Bool(*value),
            NodeValue::Integer(value) => Value::from(*value),
            NodeValue::Float(value) => Value::from(*value),
            NodeValue::Text(text) => Value::String(text.clone()),
            NodeValue::Sequence(items) => items.iter().map(Self::to_json).collect(),
            NodeValue::Mapping(entries) => {
                Value::Object(entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect())
            }
        }
    }

    /// Visits every node with its path, parents first.
    pub fn walk(&self, path: &DocumentPath, visit: &mut impl FnMut(&DocumentPath, &Self)) {
        visit(path, self);
        for entry in self.entries() {
            entry.value.walk(&path.key(&entry.key), visit);
        }
        for (index, item) in self.items().iter().enumerate() {
            item.walk(&path.index(index), visit);
        }
    }
}
