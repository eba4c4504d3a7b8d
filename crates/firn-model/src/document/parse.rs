//! Text → tree. Every document is hostile: size, depth and the growth by aliases are bounded.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, Tag};

use super::finding::{DocumentFinding, Severity};
use super::node::{Entry, Node, NodeValue, Position, Style};
use super::path::DocumentPath;
use super::scalar::resolve_plain;

/// Longer documents are refused.
pub const MAX_BYTES: usize = 4 << 20;
/// Deeper nesting is refused.
pub const MAX_DEPTH: usize = 64;
/// More nodes, aliases followed, are refused.
pub const MAX_NODES: usize = 200_000;

/// Reads one YAML document. The tree is `None` where the text cannot be read at all; a text without content is a null.
pub fn parse(name: &str, text: &str) -> (Option<Node>, Vec<DocumentFinding>) {
    let mut reader = Reader::new(name, text);
    let root = reader.read();
    (root, reader.findings)
}

struct Reader<'t> {
    name: &'t str,
    text: &'t str,
    /// Byte offset of each character; empty where all are ASCII.
    offsets: Vec<usize>,
    findings: Vec<DocumentFinding>,
    stack: Vec<Open>,
    anchors: HashMap<usize, Node>,
    open_anchors: HashSet<usize>,
    nodes: usize,
    documents: usize,
    root: Option<Node>,
}

/// A collection that is not closed yet.
struct Open {
    node: Node,
    anchor: usize,
    /// The key whose value comes next.
    key: Option<(String, Position, Position)>,
    /// Key → line where it was first written.
    keys: HashMap<String, usize>,
}

/// The rest of the document is not read.
struct Stop;

impl<'t> Reader<'t> {
    fn new(name: &'t str, text: &'t str) -> Self {
        let offsets =
            if text.is_ascii() { Vec::new() } else { text.char_indices().map(|(offset, _)| offset).collect() };
        Self {
            name,
            text,
            offsets,
            findings: Vec::new(),
            stack: Vec::new(),
            anchors: HashMap::new(),
            open_anchors: HashSet::new(),
            nodes: 0,
            documents: 0,
            root: None,
        }
    }

    fn read(&mut self) -> Option<Node> {
        if self.text.len() > MAX_BYTES {
            let message =
                format!("the document has {} bytes, more than the {MAX_BYTES} that firn reads", self.text.len());
            self.error("document-too-large", Position { offset: 0, line: 1, column: 1 }, message, "split it");
            return None;
        }
        let mut parser = Parser::new_from_str(self.text);
        while let Some(event) = parser.next_event() {
            match event {
                Ok((event, span)) => self.event(event, span).ok()?,
                Err(error) => {
                    let place = self.position(*error.marker());
                    let message = format!("this is not YAML: {}", error.info());
                    self.error(
                        "yaml-syntax",
                        place,
                        message,
                        "check indentation, quotes and brackets on this line and the one above",
                    );
                    return None;
                }
            }
        }
        let start = Position { offset: 0, line: 1, column: 1 };
        Some(self.root.take().unwrap_or(Node {
            start,
            end: start,
            style: Style::Absent,
            aliased: false,
            value: NodeValue::Null,
        }))
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Stop> {
        let (start, end) = (self.position(span.start), self.position(span.end));
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.error(
                        "yaml-several-documents",
                        start,
                        "a second document begins here",
                        "keep one document a file",
                    );
                    return Err(Stop);
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let node = self.scalar(&text, style, tag.as_deref(), start, end);
                self.finish(node, anchor)?;
            }
            Event::SequenceStart(anchor, tag) => {
                self.open(NodeValue::Sequence(Vec::new()), anchor, tag.as_deref(), start, end)?;
            }
            Event::MappingStart(anchor, tag) => {
                self.open(NodeValue::Mapping(Vec::new()), anchor, tag.as_deref(), start, end)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(start)?,
            Event::Alias(anchor) => self.alias(anchor, start, end)?,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, start: Position, end: Position) -> Node {
        let is_text = self.check_tag(tag, start);
        let (style, value) = match style {
            ScalarStyle::Plain if start.offset == end.offset => (Style::Absent, NodeValue::Null),
            ScalarStyle::Plain if is_text => (Style::Plain, NodeValue::Text(text.to_owned())),
            ScalarStyle::Plain => (Style::Plain, resolve_plain(text)),
            ScalarStyle::SingleQuoted => (Style::SingleQuoted, NodeValue::Text(text.to_owned())),
            ScalarStyle::DoubleQuoted => (Style::DoubleQuoted, NodeValue::Text(text.to_owned())),
            ScalarStyle::Literal | ScalarStyle::Folded => (Style::BlockScalar, NodeValue::Text(text.to_owned())),
        };
        Node { start, end, style, aliased: false, value }
    }

    /// Whether the tag is `!!str`. Tags outside the core schema are findings.
    fn check_tag(&mut self, tag: Option<&Tag>, at: Position) -> bool {
        let Some(tag) = tag else { return false };
        let core = tag.is_yaml_core_schema()
            && ["str", "int", "float", "bool", "null", "seq", "map"].contains(&tag.suffix.as_str());
        if !core {
            let message = format!("the tag {:?} has no meaning here", tag.to_string());
            self.error("yaml-tag", at, message, "remove the tag");
        }
        core && tag.suffix == "str"
    }

    fn open(
        &mut self,
        value: NodeValue,
        anchor: usize,
        tag: Option<&Tag>,
        start: Position,
        end: Position,
    ) -> Result<(), Stop> {
        self.check_tag(tag, start);
        if self.stack.len() >= MAX_DEPTH {
            self.error(
                "yaml-too-deep",
                start,
                format!("nested deeper than {MAX_DEPTH} levels"),
                "flatten the document",
            );
            return Err(Stop);
        }
        // The start token of a flow collection is its bracket; a block collection has none.
        let flow = self.text[start.offset..].starts_with(['[', '{']) && end.offset > start.offset;
        let style = if flow { Style::Flow } else { Style::Block };
        if anchor > 0 {
            self.open_anchors.insert(anchor);
        }
        let node = Node { start, end, style, aliased: false, value };
        self.stack.push(Open { node, anchor, key: None, keys: HashMap::new() });
        Ok(())
    }

    /// `bracket`: where the closing bracket of a flow collection is. The end of its token lies behind blanks and comments.
    fn close(&mut self, bracket: Position) -> Result<(), Stop> {
        let Some(Open { mut node, anchor, .. }) = self.stack.pop() else { return Err(Stop) };
        node.end = match (&node.style, &node.value) {
            (Style::Flow, _) => Position { offset: bracket.offset + 1, column: bracket.column + 1, ..bracket },
            (_, NodeValue::Sequence(items)) => items.last().map_or(node.start, |item| item.end),
            (_, NodeValue::Mapping(entries)) => entries.last().map_or(node.start, |entry| entry.value.end),
            _ => bracket,
        };
        self.open_anchors.remove(&anchor);
        self.finish(node, anchor)
    }

    fn alias(&mut self, anchor: usize, start: Position, end: Position) -> Result<(), Stop> {
        if self.open_anchors.contains(&anchor) {
            self.error("yaml-alias", start, "this alias stands inside what it repeats", "write the value out");
            return Err(Stop);
        }
        let Some(node) = self.anchors.get(&anchor) else {
            self.error("yaml-alias", start, "this alias has no anchor", "write the value out");
            return Err(Stop);
        };
        let (count, depth) = measure(node);
        if self.nodes + count > MAX_NODES || self.stack.len() + depth > MAX_DEPTH {
            self.error("yaml-alias", start, "this alias makes the document too large", "write the value out");
            return Err(Stop);
        }
        let mut node = node.clone();
        mark_aliased(&mut node);
        (node.start, node.end) = (start, end);
        self.nodes += count - 1;
        self.finish(node, 0)
    }

    /// Puts a complete node where it belongs.
    fn finish(&mut self, mut node: Node, anchor: usize) -> Result<(), Stop> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            self.error("document-too-large", node.start, format!("more than {MAX_NODES} values"), "split the document");
            return Err(Stop);
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.stack.last_mut() else {
            self.root.get_or_insert(node);
            return Ok(());
        };
        match &mut open.node.value {
            NodeValue::Sequence(items) => items.push(node),
            NodeValue::Mapping(entries) => match open.key.take() {
                Some((key, key_start, key_end)) => {
                    if node.style == Style::Absent {
                        // The parser places it at the next token, which may be lines away.
                        (node.start, node.end) = (key_end, key_end);
                    }
                    entries.push(Entry { key, key_start, key_end, value: node });
                }
                None => self.key(node)?,
            },
            _ => return Err(Stop),
        }
        Ok(())
    }

    fn key(&mut self, node: Node) -> Result<(), Stop> {
        let (key, problem) = match node.value {
            NodeValue::Text(text) if text == "<<" && node.style == Style::Plain => {
                (text, Some("merge keys (<<) are not part of YAML 1.2"))
            }
            NodeValue::Text(text) => (text, None),
            NodeValue::Sequence(_) | NodeValue::Mapping(_) => {
                self.error("yaml-key", node.start, "a key is a list or a mapping", "use text as key");
                return Err(Stop);
            }
            _ => {
                let written = self.text.get(node.start.offset..node.end.offset).unwrap_or_default();
                (written.to_owned(), Some("this key is not text"))
            }
        };
        if let Some(problem) = problem {
            let help =
                if key == "<<" { "write the keys out".to_owned() } else { format!("write it in quotes: {key:?}") };
            self.error("yaml-key", node.start, problem, help);
        }
        let first = match self.stack.last_mut() {
            Some(open) => {
                open.key = Some((key.clone(), node.start, node.end));
                open.keys.insert(key.clone(), node.start.line)
            }
            None => None,
        };
        if let Some(line) = first {
            let message = format!("the key {key:?} is written twice, first on line {line}");
            self.error("yaml-duplicate-key", node.start, message, "keep one of the two");
        }
        Ok(())
    }

    fn position(&self, marker: Marker) -> Position {
        let offset = if self.offsets.is_empty() {
            marker.index().min(self.text.len())
        } else {
            self.offsets.get(marker.index()).copied().unwrap_or(self.text.len())
        };
        Position { offset, line: marker.line().max(1), column: marker.col() + 1 }
    }

    fn error(&mut self, code: &'static str, at: Position, message: impl Into<String>, help: impl Into<String>) {
        self.findings.push(DocumentFinding {
            code,
            severity: Severity::Error,
            document: self.name.to_owned(),
            path: DocumentPath::root(),
            line: at.line,
            column: at.column,
            message: message.into(),
            help: help.into(),
        });
    }
}

/// Nodes and levels of a tree.
fn measure(node: &Node) -> (usize, usize) {
    let children = node.items().iter().chain(node.entries().iter().map(|entry| &entry.value));
    let (count, depth) = children.map(measure).fold((0, 0), |(c, d), (count, depth)| (c + count, d.max(depth)));
    (count + 1, depth + 1)
}

fn mark_aliased(node: &mut Node) {
    node.aliased = true;
    match &mut node.value {
        NodeValue::Sequence(items) => items.iter_mut().for_each(mark_aliased),
        NodeValue::Mapping(entries) => entries.iter_mut().for_each(|entry| mark_aliased(&mut entry.value)),
        _ => {}
    }
}
