//! Cuts and insertions in a text, by places of its tree.

use std::ops::Range;

use super::Refusal;
use crate::document::{Entry, Node, Style};

/// Collects changes of a text and applies them together.
pub(super) struct Editor<'t> {
    text: &'t str,
    newline: &'static str,
    splices: Vec<(Range<usize>, String)>,
}

impl<'t> Editor<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let crlf = text.find('\n').is_some_and(|at| text[..at].ends_with('\r'));
        Self { text, newline: if crlf { "\r\n" } else { "\n" }, splices: Vec::new() }
    }

    /// Another text in place of a node on one line.
    pub(super) fn replace(&mut self, node: &Node, with: String) {
        self.splices.push((node.start.offset..self.end_of(node), with));
    }

    /// A value for a key that has none.
    pub(super) fn put_after_colon(&mut self, entry: &Entry, value: &str) -> Result<(), Refusal> {
        let after = &self.text[entry.key_end.offset..];
        let blanks = after.len() - after.trim_start_matches([' ', '\t']).len();
        if !after[blanks..].starts_with(':') {
            return Err(Refusal { line: entry.key_start.line, what: "this key has no colon behind it" });
        }
        let at = entry.key_end.offset + blanks + 1;
        self.splices.push((at..at, value.to_owned()));
        Ok(())
    }

    /// One more entry or item at the end of `{…}` or `[…]`.
    pub(super) fn put_into_flow(&mut self, node: &Node, what: &str) {
        let last = node.entries().last().map(|entry| self.end_of_entry(entry));
        let last = last.or_else(|| node.items().last().map(|item| self.end_of(item)));
        let (at, what) = match last {
            Some(end) => (end, format!(", {what}")),
            None => (node.start.offset + 1, what.to_owned()),
        };
        self.splices.push((at..at, what));
    }

    /// Lines below a key.
    pub(super) fn put_lines_below(&mut self, entry: &Entry, lines: &[String]) {
        self.put_lines(self.next_line(entry.key_end.offset), lines);
    }

    /// Lines below the last line of a block collection whose own lines begin at `indent`.
    pub(super) fn put_lines_after(&mut self, node: &Node, indent: usize, lines: &[String]) {
        self.put_lines(self.line_after(node, indent), lines);
    }

    /// Lines at the end of the document, below its last line and the comments that follow.
    pub(super) fn put_lines_at_end(&mut self, root: &Node, indent: usize, lines: &[String]) {
        let mut at = self.line_after(root, indent);
        // Comments and blank lines at the end belong to what is above them.
        let rest = &self.text[at..];
        if rest.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
            at = self.text.len();
        }
        self.put_lines(at, lines);
    }

    /// Cuts a node and the blanks before it.
    pub(super) fn remove_with_blanks_before(&mut self, node: &Node) {
        let before = self.text[..node.start.offset].trim_end_matches([' ', '\t']).len();
        self.splices.push((before..self.end_of(node), String::new()));
    }

    /// Cuts the lines of an entry of a block mapping, which stands on lines of its own.
    pub(super) fn remove_lines(&mut self, entry: &Entry) {
        let start = self.text[..entry.key_start.offset].rfind('\n').map_or(0, |at| at + 1);
        let end = match entry.value.style {
            Style::Absent => self.next_line(entry.key_end.offset),
            _ => self.line_after(&entry.value, entry.key_start.column - 1),
        };
        self.splices.push((start..end, String::new()));
    }

    /// The blanks before the dash of an item, and those behind it (one, unless a mapping begins there).
    pub(super) fn dash_of(&self, item: &Node) -> Option<(usize, usize)> {
        let line = self.text[..item.start.offset].rfind('\n').map_or(0, |at| at + 1);
        let before = &self.text[line..item.start.offset];
        let dash = before.len() - before.trim_start_matches(' ').len();
        let behind = before[dash..].strip_prefix('-')?;
        let gap = if item.style == Style::Block && behind.bytes().all(|b| b == b' ') { behind.len() } else { 1 };
        Some((dash, gap))
    }

    /// The text with all changes.
    pub(super) fn finish(mut self) -> String {
        self.splices.sort_by_key(|(range, _)| (range.start, range.end));
        let mut edited = String::with_capacity(self.text.len() + 256);
        let mut at = 0;
        for (range, with) in &self.splices {
            edited.push_str(self.text.get(at..range.start).unwrap_or_default());
            edited.push_str(with);
            at = range.end.max(at);
        }
        edited.push_str(self.text.get(at..).unwrap_or_default());
        edited
    }

    /// Whole lines at the beginning of a line, or at the end of a text without a last newline.
    fn put_lines(&mut self, at: usize, lines: &[String]) {
        let joined = lines.join(self.newline);
        let complete = at == 0 || self.text[..at].ends_with('\n');
        let with = if complete { format!("{joined}{}", self.newline) } else { format!("{}{joined}", self.newline) };
        self.splices.push((at..at, with));
    }

    fn next_line(&self, offset: usize) -> usize {
        self.text[offset..].find('\n').map_or(self.text.len(), |at| offset + at + 1)
    }

    /// The beginning of the line below the last line of a block collection.
    fn line_after(&self, node: &Node, indent: usize) -> usize {
        let last = last_leaf(node);
        let mut at = self.next_line(last.end.offset.min(self.text.len()));
        if last.style != Style::BlockScalar {
            return self.next_line(self.end_of(last));
        }
        // The parser ends a block scalar where the next token begins: count its lines by their indentation instead.
        let mut line = self.next_line(last.start.offset);
        at = at.min(line);
        while line < self.text.len() {
            let next = self.next_line(line);
            let content = self.text[line..next].trim_end_matches(['\n', '\r']);
            let blanks = content.len() - content.trim_start_matches(' ').len();
            if content.trim().is_empty() {
                line = next;
            } else if blanks > indent {
                line = next;
                at = next;
            } else {
                break;
            }
        }
        at
    }

    /// Behind the last character of a node on one line, without the blanks that a plain scalar may drag along.
    fn end_of(&self, node: &Node) -> usize {
        let written = self.text.get(node.start.offset..node.end.offset).unwrap_or_default();
        node.start.offset + written.trim_end().len()
    }

    fn end_of_entry(&self, entry: &Entry) -> usize {
        if entry.value.style == Style::Absent { entry.key_end.offset } else { self.end_of(&entry.value) }
    }
}

fn last_leaf(node: &Node) -> &Node {
    let mut leaf = node;
    while leaf.style == Style::Block {
        let below = leaf.entries().last().map(|entry| &entry.value).or_else(|| leaf.items().last());
        match below {
            Some(below) => leaf = below,
            None => break,
        }
    }
    leaf
}
