//! What is to be said about the datasets of a catalog.

use firn_model::document::Severity;
use schemars::JsonSchema;
use serde::Serialize;

/// One thing to say about a feedstock or one of its stores, or about the catalog as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CatalogFinding {
    /// Stable code, `kebab-case`.
    pub code: &'static str,
    /// How bad it is: `error`, `unsupported` or `warning`.
    #[schemars(with = "String")]
    pub severity: Severity,
    /// The feedstock, as it was named.
    pub feedstock: String,
    /// Id of the store as the feedstock writes it; absent where the whole feedstock is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// What is the matter, in one sentence.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl CatalogFinding {
    /// An error.
    pub fn error(code: &'static str, feedstock: &str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, feedstock, message.into(), help.into())
    }

    /// A warning.
    pub fn warning(code: &'static str, feedstock: &str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, feedstock, message.into(), help.into())
    }

    fn new(code: &'static str, severity: Severity, feedstock: &str, message: String, help: String) -> Self {
        Self { code, severity, feedstock: feedstock.to_owned(), store: None, message, help }
    }

    /// The same, about one store.
    #[must_use]
    pub fn of_store(self, store: &str) -> Self {
        Self { store: Some(store.to_owned()), ..self }
    }
}

/// `feedstock, store: error: … [code]` and the help on a line of its own.
impl std::fmt::Display for CatalogFinding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.feedstock)?;
        if let Some(store) = &self.store {
            write!(f, ", {store}")?;
        }
        write!(f, ": {}: {} [{}]", self.severity.name(), self.message, self.code)?;
        if self.help.is_empty() { Ok(()) } else { write!(f, "\n    help: {}", self.help) }
    }
}
