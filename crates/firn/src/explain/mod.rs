//! The long texts of error codes, one section each in `codes.md`.

use schemars::JsonSchema;
use serde::Serialize;
use std::sync::LazyLock;

/// The text of one code, as it stands in `codes.md`: `## code: title`, then the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The code.
    pub code: &'static str,
    /// What it is, in a few words.
    pub title: &'static str,
    /// The text: Markdown.
    pub text: &'static str,
}

/// One code, ready to be printed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Explanation {
    /// The code.
    pub code: String,
    /// What it is, in a few words.
    pub title: String,
    /// What it means, how it comes about, and what to do: Markdown.
    pub text: String,
}

impl Explanation {
    /// Of this entry.
    pub fn of(entry: &Entry) -> Self {
        Self { code: entry.code.to_owned(), title: entry.title.to_owned(), text: entry.text.to_owned() }
    }
}

/// Every code, in alphabetical order.
pub static CODES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let mut codes = parse(include_str!("codes.md"));
    codes.sort_by_key(|entry| entry.code);
    codes
});

/// The text of this code.
pub fn find(code: &str) -> Option<&'static Entry> {
    CODES.iter().find(|entry| entry.code == code)
}

fn parse(text: &'static str) -> Vec<Entry> {
    let mut sections = text.split("\n## ");
    // What stands before the first section describes the file itself.
    sections.next();
    let entry = |section: &'static str| {
        let (heading, text) = section.split_once('\n').unwrap_or((section, ""));
        let (code, title) = heading.split_once(": ").unwrap_or((heading, ""));
        Entry { code: code.trim(), title: title.trim(), text: text.trim() }
    };
    sections.map(entry).collect()
}
