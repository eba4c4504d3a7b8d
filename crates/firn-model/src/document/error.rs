//! Why a document cannot be used.

use super::finding::{DocumentFinding, Severity};
use crate::diagnose::{At, Category, Diagnose};

/// A document, or what it asks for, cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// The documents have errors. All findings are there, warnings too.
    #[error("{}", summary(findings, Severity::Error))]
    Invalid {
        /// Everything that was found.
        findings: Vec<DocumentFinding>,
    },
    /// The documents are valid, but ask for what this version of firn does not do.
    #[error("{}", summary(findings, Severity::Unsupported))]
    Unsupported {
        /// Everything that was found.
        findings: Vec<DocumentFinding>,
    },
    /// A document that is needed was not given.
    #[error("there is no {document}")]
    Missing {
        /// Its name.
        document: String,
    },
    /// The recipe that was asked for does not exist, or several exist and none was named.
    #[error("{document}: {}", match id { Some(id) => format!("there is no recipe {id:?}"), None => "there are several recipes".to_owned() })]
    WhichRecipe {
        /// Name of the document.
        document: String,
        /// The id that was asked for.
        id: Option<String>,
        /// The ids that exist.
        ids: Vec<String>,
    },
    /// A file pattern that stands for too many files.
    #[error("the pattern {pattern:?} stands for {count} files, more than {limit}")]
    TooManyFiles {
        /// The pattern.
        pattern: String,
        /// How many files; saturated.
        count: u64,
        /// The bound.
        limit: u64,
    },
    /// A file pattern or glob that cannot be used.
    #[error("the pattern {pattern:?} cannot be used: {what}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong, in one clause.
        what: String,
        /// What to do.
        help: String,
    },
    /// A document that cannot be edited without touching more than was asked for.
    #[error("{document}: {what}")]
    CannotEdit {
        /// Name of the document.
        document: String,
        /// Where, from 1; 0 where unknown.
        line: usize,
        /// What is in the way, in one sentence.
        what: String,
        /// The text to paste by hand, and where.
        paste: String,
    },
}

impl DocumentError {
    /// The findings of the documents, if this is about findings.
    pub fn findings(&self) -> &[DocumentFinding] {
        match self {
            Self::Invalid { findings } | Self::Unsupported { findings } => findings,
            _ => &[],
        }
    }

    fn worst(&self) -> Option<&DocumentFinding> {
        self.findings().iter().min_by_key(|finding| finding.severity)
    }
}

fn summary(findings: &[DocumentFinding], severity: Severity) -> String {
    let one = |finding: &DocumentFinding| {
        let path = if finding.path.segments().is_empty() { String::new() } else { format!("{}: ", finding.path) };
        format!("{}:{}:{}: {path}{}", finding.document, finding.line, finding.column, finding.message)
    };
    let of_kind: Vec<&DocumentFinding> = findings.iter().filter(|finding| finding.severity == severity).collect();
    match of_kind.as_slice() {
        [] => "the documents cannot be used".to_owned(),
        [only] => one(only),
        several => {
            let lines = several.iter().map(|finding| {
                let help = if finding.help.is_empty() { String::new() } else { format!(" ({})", finding.help) };
                format!("\n  {}{help}", one(finding))
            });
            format!("{} findings{}", several.len(), lines.collect::<String>())
        }
    }
}

impl Diagnose for DocumentError {
    fn code(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "document-invalid",
            Self::Unsupported { .. } => "recipe-unsupported",
            Self::Missing { .. } => "document-missing",
            Self::WhichRecipe { .. } => "recipe-unknown",
            Self::TooManyFiles { .. } => "pattern-too-many-files",
            Self::Pattern { .. } => "pattern-invalid",
            Self::CannotEdit { .. } => "document-cannot-edit",
        }
    }

    fn category(&self) -> Category {
        match self {
            Self::Invalid { .. } | Self::TooManyFiles { .. } | Self::Pattern { .. } => Category::InvalidDocument,
            Self::Unsupported { .. } => Category::Unsupported,
            Self::Missing { .. } | Self::WhichRecipe { id: Some(_), .. } => Category::NotFound,
            Self::WhichRecipe { id: None, .. } => Category::Usage,
            Self::CannotEdit { .. } => Category::Conflict,
        }
    }

    fn at(&self) -> At {
        match self {
            Self::Invalid { .. } | Self::Unsupported { .. } => match self.worst() {
                Some(finding) => {
                    let document = At::url(&finding.document);
                    let node = finding.path.to_string();
                    let place = if node.is_empty() { document } else { document.node(node) };
                    place.line(finding.line, finding.column)
                }
                None => At::nowhere(),
            },
            Self::Missing { document }
            | Self::WhichRecipe { document, .. }
            | Self::CannotEdit { document, line: 0, .. } => At::url(document),
            Self::TooManyFiles { .. } | Self::Pattern { .. } => At::nowhere(),
            Self::CannotEdit { document, line, .. } => At::url(document).line(*line, 1),
        }
    }

    fn why(&self) -> String {
        match self {
            Self::Invalid { .. } => {
                "a document that is only partly understood would describe another dataset than the one that was meant"
            }
            Self::Unsupported { .. } => "leaving the key out would make another dataset than the one that is described",
            Self::Missing { .. } => "without it nothing says what the dataset is",
            Self::WhichRecipe { .. } => "firn runs one recipe at a time, and does not guess which",
            Self::TooManyFiles { .. } => "a list of that size is a mistake in the pattern more often than not",
            Self::Pattern { .. } => "the list of source files would not be the one that was meant",
            Self::CannotEdit { .. } => {
                "the entry would be missing from the catalog, or something else in the document would change"
            }
        }
        .to_owned()
    }

    fn next(&self) -> String {
        match self {
            Self::Invalid { .. } | Self::Unsupported { .. } => self
                .worst()
                .map(|finding| finding.help.clone())
                .filter(|help| !help.is_empty())
                .unwrap_or_else(|| "correct the document, then run `firn catalog validate` on it".to_owned()),
            Self::Missing { document } => format!("write {document}, or start with `firn init DIR`"),
            Self::WhichRecipe { ids, .. } => format!("name one with --recipe: {}", ids.join(", ")),
            Self::TooManyFiles { .. } => "narrow start, end or keys of the dimensions, or split the recipe".to_owned(),
            Self::Pattern { help, .. } => help.clone(),
            Self::CannotEdit { paste, .. } => paste.clone(),
        }
    }
}
