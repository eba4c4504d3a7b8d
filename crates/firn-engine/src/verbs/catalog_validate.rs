//! `firn catalog validate`: everything that is wrong with the documents of feedstocks, at once.

use crate::error::EngineError;
use crate::feedstock::document_error;
use crate::settings::Engine;
pub use crate::verbs::catalog_source::DocumentProblem;
use crate::verbs::catalog_source::{Named, Stock, load_all};
use crate::verbs::requests::CatalogValidateRequest;
use firn_catalog::CatalogFinding;
use firn_catalog::collect::{FeedstockDocuments, collect};
use firn_model::diagnose::{At, Category};
use firn_model::document::{DocumentError, DocumentFinding, Severity};
use schemars::JsonSchema;
use serde::Serialize;

/// One of the feedstocks that were asked for.
#[derive(Debug)]
pub struct Validated {
    /// As it was named.
    pub feedstock: String,
    /// What was found, or why it could not be read.
    pub outcome: Result<ValidatedFeedstock, EngineError>,
}

/// What was found in a feedstock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ValidatedFeedstock {
    /// Its name, which ids are made of.
    pub name: String,
    /// Whether nothing in it is an error.
    pub valid: bool,
    /// The documents that were read.
    pub documents: Vec<String>,
    /// Public ids of its stores.
    pub ids: Vec<String>,
    /// What was found in the documents, in the order of their lines.
    pub findings: Vec<DocumentProblem>,
    /// What was found in what they say together.
    pub catalog_findings: Vec<CatalogFinding>,
    /// What was decided on the way.
    pub notes: Vec<String>,
    /// Why `meta.yaml` was not checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unchecked: Option<String>,
    #[serde(skip)]
    all: Vec<DocumentFinding>,
}

/// Reads and checks every feedstock.
///
/// # Errors
/// A list that cannot be used; [`EngineError::Interrupted`]. What is wrong with feedstocks is in the result.
pub fn catalog_validate(engine: &Engine, request: &CatalogValidateRequest) -> Result<Vec<Validated>, EngineError> {
    let named = load_all(engine, &request.feedstocks)?;
    let mut validated: Vec<Validated> = Vec::with_capacity(named.len());
    let mut usable = Vec::new();
    for Named { place, outcome, .. } in named {
        let outcome = outcome.map(|stock| {
            let described = describe(&stock);
            usable.extend(documents(stock));
            described
        });
        validated.push(Validated { feedstock: place, outcome });
    }
    // Ids are unique over all of them.
    let (entries, findings) = collect(&usable);
    for one in &mut validated {
        let Ok(feedstock) = &mut one.outcome else { continue };
        let own = usable.iter().find(|documents| documents.place == one.feedstock);
        let Some(own) = own else { continue };
        feedstock.catalog_findings =
            findings.iter().filter(|finding| finding.feedstock == own.place).cloned().collect();
        feedstock.ids = entries.iter().filter(|e| e.feedstock == own.name).map(|e| e.id.clone()).collect();
        feedstock.valid &= feedstock.catalog_findings.iter().all(|finding| finding.severity != Severity::Error);
    }
    Ok(validated)
}

/// What makes the whole invalid: every error of every document as one failure, else the first feedstock that could not be
/// read.
pub fn failure(validated: &[Validated]) -> Option<EngineError> {
    let feedstocks = || validated.iter().filter_map(|one| one.outcome.as_ref().ok());
    let findings: Vec<DocumentFinding> = feedstocks().flat_map(|feedstock| feedstock.all.iter().cloned()).collect();
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        return Some(document_error(&DocumentError::Invalid { findings }));
    }
    let errors: Vec<CatalogFinding> = feedstocks()
        .flat_map(|feedstock| feedstock.catalog_findings.iter())
        .filter(|finding| finding.severity == Severity::Error)
        .cloned()
        .collect();
    invalid(&errors)
}

/// The failure that errors in what documents say together are.
pub(super) fn invalid(errors: &[CatalogFinding]) -> Option<EngineError> {
    let first = errors.first()?;
    let more = if errors.len() > 1 { format!(" (and {} more)", errors.len() - 1) } else { String::new() };
    Some(EngineError::Document {
        code: first.code,
        at: At::url(&first.feedstock).node(first.store.clone().unwrap_or_default()),
        what: format!("{}{more}", first.message),
        category: Category::InvalidDocument,
        next: first.help.clone(),
    })
}

fn describe(stock: &Stock) -> ValidatedFeedstock {
    let findings = &stock.loaded.findings;
    ValidatedFeedstock {
        name: stock.name.clone(),
        valid: findings.iter().all(|finding| finding.severity != Severity::Error),
        documents: stock.documents.clone(),
        ids: Vec::new(),
        findings: findings.iter().map(DocumentProblem::from).collect(),
        catalog_findings: Vec::new(),
        notes: stock.notes.clone(),
        unchecked: stock.meta_missing.as_ref().map(ToString::to_string),
        all: findings.clone(),
    }
}

/// The documents that a catalog is made of; `None` where `meta.yaml` or `catalog.yaml` is missing or invalid.
pub(super) fn documents(stock: Stock) -> Option<FeedstockDocuments> {
    Some(FeedstockDocuments {
        place: stock.place,
        name: stock.name,
        url: stock.url,
        meta: stock.loaded.documents.meta?,
        catalog: stock.loaded.documents.catalog?,
    })
}
