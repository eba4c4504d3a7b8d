//! What is to be said about a document, with the place.

use std::collections::HashSet;
use std::fmt;

use super::node::{Node, Position};
use super::path::DocumentPath;
use crate::diagnose::Category;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The document is invalid.
    Error,
    /// Valid, but this version of firn cannot do it.
    Unsupported,
    /// Accepted; better corrected.
    Warning,
}

impl Severity {
    /// The kind of failure; `None` for warnings.
    pub const fn category(self) -> Option<Category> {
        match self {
            Self::Error => Some(Category::InvalidDocument),
            Self::Unsupported => Some(Category::Unsupported),
            Self::Warning => None,
        }
    }

    /// The word in texts and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Unsupported => "unsupported",
            Self::Warning => "warning",
        }
    }
}

/// One thing to say about a document.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct DocumentFinding {
    /// Stable code, `kebab-case`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Name of the document, as the caller gave it.
    pub document: String,
    /// The way to the node: `recipes[0].source.pattern`; empty at the root.
    #[serde(serialize_with = "as_text")]
    pub path: DocumentPath,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is the matter, in one sentence.
    pub message: String,
    /// What to do.
    pub help: String,
}

fn as_text<S: serde::Serializer>(path: &DocumentPath, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(path)
}

/// `recipe.yaml:4:7: error: recipes[0].source: … [source-one-of]` and the help on a line of its own.
impl fmt::Display for DocumentFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}: ", self.document, self.line, self.column, self.severity.name())?;
        if !self.path.segments().is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{} [{}]", self.message, self.code)?;
        if !self.help.is_empty() {
            write!(f, "\n    help: {}", self.help)?;
        }
        Ok(())
    }
}

/// Collects the findings of one document, each placed by its path.
#[derive(Debug)]
pub struct Findings<'n> {
    document: String,
    root: &'n Node,
    /// Paths at which nothing more is to be said, since their values may be secret.
    hushed: HashSet<DocumentPath>,
    list: Vec<DocumentFinding>,
}

impl<'n> Findings<'n> {
    /// For a document of this name and content.
    pub fn new(document: impl Into<String>, root: &'n Node) -> Self {
        Self { document: document.into(), root, hushed: HashSet::new(), list: Vec::new() }
    }

    /// The tree of the document.
    pub fn root(&self) -> &'n Node {
        self.root
    }

    /// An error at the value of this path.
    pub fn error(
        &mut self,
        code: &'static str,
        path: &DocumentPath,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.add(code, Severity::Error, path, self.root.locate(path), message.into(), help.into());
    }

    /// A warning at the value of this path.
    pub fn warning(
        &mut self,
        code: &'static str,
        path: &DocumentPath,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.add(code, Severity::Warning, path, self.root.locate(path), message.into(), help.into());
    }

    /// Something that this version does not do, at the key of this path.
    pub fn unsupported(&mut self, path: &DocumentPath, message: impl Into<String>, help: impl Into<String>) {
        let place = self.root.locate_key(path);
        self.add("recipe-unsupported", Severity::Unsupported, path, place, message.into(), help.into());
    }

    /// A finding about the key of this path, not its value.
    pub fn about_key(
        &mut self,
        code: &'static str,
        severity: Severity,
        path: &DocumentPath,
        message: String,
        help: String,
    ) {
        self.add(code, severity, path, self.root.locate_key(path), message, help);
    }

    /// An error at this path, after which nothing else is said there: its value may be secret, and other findings quote values.
    pub fn error_and_hush(&mut self, code: &'static str, path: &DocumentPath, message: &str, help: &str) {
        self.error(code, path, message, help);
        self.hushed.insert(path.clone());
    }

    fn add(
        &mut self,
        code: &'static str,
        severity: Severity,
        path: &DocumentPath,
        place: Position,
        message: String,
        help: String,
    ) {
        if self.hushed.contains(path) {
            return;
        }
        self.list.push(DocumentFinding {
            code,
            severity,
            document: self.document.clone(),
            path: path.clone(),
            line: place.line,
            column: place.column,
            message,
            help,
        });
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Those found so far.
    pub fn list(&self) -> &[DocumentFinding] {
        &self.list
    }

    /// All, in the order of the text.
    pub fn into_list(self) -> Vec<DocumentFinding> {
        let mut list = self.list;
        list.sort_by_key(|finding| (finding.line, finding.column, finding.severity));
        list
    }
}
