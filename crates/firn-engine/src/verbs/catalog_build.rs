//! `firn catalog build`: feedstocks to a catalog for any file server.

mod facts;
mod write;

use crate::error::EngineError;
use crate::feedstock::document_error;
use crate::folder::local_folder;
use crate::settings::Engine;
use crate::verbs::catalog_source::{Named, Stock, load_all};
use crate::verbs::catalog_validate::{documents, invalid};
use crate::verbs::requests::CatalogBuildRequest;
pub(crate) use facts::reaching;
use firn_catalog::CatalogFinding;
use firn_catalog::build::{BuildOptions, build};
use firn_catalog::collect::{FeedstockDocuments, collect};
use firn_catalog::index::CatalogIndex;
use firn_catalog::place::Place;
use firn_model::diagnose::Diagnose;
use firn_model::document::{DocumentError, DocumentFinding, Severity};
use firn_storage::ObjectUrl;
use schemars::JsonSchema;
use serde::Serialize;
use std::path::Path;

/// A catalog that was built.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CatalogBuildReport {
    /// Its directory.
    pub out: String,
    /// Feedstocks in it.
    pub feedstocks: usize,
    /// Public ids of the datasets in it.
    pub datasets: Vec<String>,
    /// Datasets that were opened.
    pub opened: usize,
    /// Files that were written, below the directory.
    pub files: Vec<String>,
    /// Files of the catalog before that are gone.
    pub removed: Vec<String>,
    /// What readers of the catalog will stumble over; an `error` is a feedstock that is not in it.
    pub findings: Vec<CatalogFinding>,
    /// Warnings of the documents, as texts.
    pub warnings: Vec<String>,
    /// What was decided on the way.
    pub notes: Vec<String>,
    /// firn's own document of it.
    #[serde(skip)]
    pub index: CatalogIndex,
}

/// Builds a catalog. Stores are opened to describe them; one that cannot be opened is a finding, and so is a feedstock on a
/// server that does not answer. Nothing is written where a document is invalid.
///
/// # Errors
/// Invalid documents, all at once; local feedstocks that are not there; no feedstock at all; an output directory with files of
/// others.
pub fn catalog_build(engine: &Engine, request: &CatalogBuildRequest) -> Result<CatalogBuildReport, EngineError> {
    let out = local_folder(engine, &request.out)?;
    let mut findings = Vec::new();
    let stocks = usable(load_all(engine, &request.feedstocks)?, &mut findings)?;
    let (warnings, notes) = (warnings(&stocks), stocks.iter().flat_map(|stock| stock.notes.clone()).collect());
    let feedstocks: Vec<FeedstockDocuments> =
        stocks.into_iter().filter_map(|stock| prepared(engine, stock, &mut findings)).collect();
    findings.extend(feedstocks.iter().filter_map(without_stores));
    let (mut entries, found) = collect(&feedstocks);
    let errors: Vec<CatalogFinding> = found.iter().filter(|f| f.severity == Severity::Error).cloned().collect();
    if let Some(error) = invalid(&errors) {
        return Err(error);
    }
    findings.extend(found);
    write::check(&out)?;
    let mut seen = Vec::new();
    let opened = facts::describe(engine, &mut entries, &mut seen)?;
    findings.extend(seen.into_iter().map(|finding| named_as_given(finding, &feedstocks)));
    let options = BuildOptions { pages: request.static_site, ..BuildOptions::default() };
    let (files, found) = build(&feedstocks, &entries, &options)
        .map_err(|error| EngineError::bug(format!("a document of the catalog is no JSON: {error}")))?;
    findings.extend(found);
    engine.cancel.check()?;
    let removed = write::write(&out, &files)?;
    let names: Vec<String> = files.into_iter().map(|file| file.path).collect();
    Ok(CatalogBuildReport {
        out: out.display().to_string(),
        feedstocks: feedstocks.len(),
        datasets: entries.iter().map(|entry| entry.id.clone()).collect(),
        opened,
        removed,
        findings,
        warnings,
        notes,
        index: CatalogIndex::new(entries, names.clone()),
        files: names,
    })
}

/// The feedstocks that can be catalogued. A server that does not answer costs one feedstock, a mistake in a document all.
fn usable(named: Vec<Named>, findings: &mut Vec<CatalogFinding>) -> Result<Vec<Stock>, EngineError> {
    let mut stocks = Vec::new();
    let (mut local, mut remote) = (Vec::new(), Vec::new());
    for Named { place, remote: is_remote, outcome } in named {
        match outcome {
            Ok(stock) => stocks.push(stock),
            Err(EngineError::Interrupted(stop)) => return Err(stop.into()),
            Err(error) if is_remote => {
                let finding = CatalogFinding::error("feedstock-unreachable", &place, error.to_string(), error.next());
                findings.push(finding);
                remote.push(error);
            }
            Err(error) => local.push(error),
        }
    }
    if let Some(error) = EngineError::several("feedstocks that cannot be read", local) {
        return Err(error);
    }
    if stocks.is_empty()
        && let Some(error) = EngineError::several("feedstocks that cannot be read", remote)
    {
        return Err(error);
    }
    let invalid: Vec<DocumentFinding> = stocks.iter().flat_map(|stock| stock.loaded.findings.iter().cloned()).collect();
    if invalid.iter().any(|finding| finding.severity == Severity::Error) {
        return Err(document_error(&DocumentError::Invalid { findings: invalid }));
    }
    Ok(stocks)
}

fn warnings(stocks: &[Stock]) -> Vec<String> {
    stocks.iter().flat_map(|stock| stock.loaded.findings.iter().map(ToString::to_string)).collect()
}

/// A feedstock whose dataset was not published, or whose run failed, adds nothing to a catalog.
fn without_stores(feedstock: &FeedstockDocuments) -> Option<CatalogFinding> {
    let has_stores = feedstock.catalog.stores.as_ref().is_some_and(|stores| !stores.is_empty());
    let what = "it has no stores in catalog.yaml, so it adds no dataset to the catalog";
    let next = "publish one, then build again: `firn run FEEDSTOCK` enters it in catalog.yaml";
    (!has_stores).then(|| CatalogFinding::warning("feedstock-without-stores", &feedstock.place, what, next))
}

/// Entries know their feedstock by its name; findings call it as the command did.
fn named_as_given(finding: CatalogFinding, feedstocks: &[FeedstockDocuments]) -> CatalogFinding {
    let named = feedstocks.iter().find(|feedstock| feedstock.name == finding.feedstock);
    let feedstock = named.map_or_else(|| finding.feedstock.clone(), |feedstock| feedstock.place.clone());
    CatalogFinding { feedstock, ..finding }
}

/// The documents of a feedstock with addresses that everybody understands; a finding where one is missing.
fn prepared(engine: &Engine, mut stock: Stock, findings: &mut Vec<CatalogFinding>) -> Option<FeedstockDocuments> {
    let place = stock.place.clone();
    let (dir, meta_missing) = (stock.dir.take(), stock.meta_missing.take());
    let has_catalog = stock.loaded.documents.catalog.is_some();
    let Some(mut feedstock) = documents(stock) else {
        findings.push(match meta_missing {
            Some(error) => CatalogFinding::error(
                "meta-unreachable",
                &place,
                format!("meta.yaml cannot be read, so it is not in the catalog: {error}"),
                error.next(),
            ),
            None => CatalogFinding::error(
                "feedstock-incomplete",
                &place,
                format!(
                    "it has no {}, so it is not in the catalog",
                    if has_catalog { "meta.yaml" } else { "catalog.yaml" }
                ),
                "write it, or name it by `meta_yaml_url:`",
            ),
        });
        return None;
    };
    for store in feedstock.catalog.stores.iter_mut().flatten() {
        match address(engine, &store.url, dir.as_deref()) {
            Ok(Some(url)) => store.url = url,
            Ok(None) => {}
            Err(error) => {
                let finding = CatalogFinding::warning("store-address", &place, error.to_string(), error.next());
                findings.push(finding.of_store(&store.id));
            }
        }
    }
    Some(feedstock)
}

/// The address of a store for readers that have neither firn's configuration nor its directory; `None` where it is one
/// already.
fn address(engine: &Engine, url: &str, dir: Option<&Path>) -> Result<Option<String>, EngineError> {
    match Place::parse(url) {
        Place::Local(path) if path.is_absolute() => Ok((!url.starts_with('/')).then(|| path.display().to_string())),
        Place::Local(path) => {
            let parsed = ObjectUrl::parse(url)?;
            if parsed.local_path().is_none() {
                // A key of a location: its public URL, else where it physically is.
                let public = engine.storage.public(&parsed)?;
                let url = public.map_or_else(|| engine.storage.physical(&parsed), Ok)?;
                return Ok(Some(url.to_string()));
            }
            let Some(dir) = dir else {
                let what = format!("{url:?} is a path of another machine");
                return Err(EngineError::usage(what, "write the URL of the store into catalog.yaml"));
            };
            let joined = ObjectUrl::local(dir.join(path)).absolute()?;
            Ok(Some(joined.to_string()))
        }
        _ => Ok(None),
    }
}
