//! One request.

use super::answer::{self, Answer, BYTES, HTML, JSON, Keep};
use super::links::Links;
use super::route::{DataPath, Route, moved, names_a_chunk, route};
use crate::report::ErrorReport;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, Method, Response, StatusCode};
use firn_catalog::index::CatalogIndex;
use firn_catalog::lookup::find;
use firn_catalog::site::{self, PageLinks};
use firn_catalog::snippet::gateway as gateway_snippet;
use firn_catalog::stac::{self, RootDescription};
use firn_catalog::{CatalogEntry, CatalogError};
use firn_engine::error::EngineError;
use firn_engine::gateway::{Entries, Gateway, Key, Lookup, ServedDataset, is_unknown};
use firn_model::diagnose::{At, Category, Diagnose};
use firn_model::source::SourceError;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long a request may take until it is given up: one that waits holds its connection.
const PATIENCE: Duration = Duration::from_mins(2);

/// What every request is answered from.
pub struct Server {
    pub gateway: Arc<Gateway>,
    pub links: Links,
}

/// Answers a request.
pub async fn handle(State(server): State<Arc<Server>>, request: Request) -> Response<Body> {
    let method = request.method().clone();
    let response = match &method {
        &Method::GET | &Method::HEAD => {
            let (path, headers) = (request.uri().path(), request.headers());
            match timeout(PATIENCE, server.get(path, headers)).await {
                Ok(response) => response,
                Err(_) => failed(&too_late(path), path, headers),
            }
        }
        &Method::OPTIONS => answer::preflight(),
        other => {
            let what = format!("{other} is not answered here: what is served is only read");
            answer::not_allowed(&ErrorReport::new(&EngineError::usage(what, "use GET or HEAD")))
        }
    };
    answer::without_body(response, &method)
}

impl Server {
    async fn get(&self, path: &str, headers: &HeaderMap) -> Response<Body> {
        let entries = match self.entries().await {
            Ok(entries) => entries,
            Err(error) => return failed(&error, path, headers),
        };
        match route(path, &self.links.prefix) {
            Route::Index => {
                let all: Vec<CatalogEntry> = entries.all.iter().map(|entry| entry.as_ref().clone()).collect();
                page(site::index(&RootDescription::default(), &all), headers)
            }
            Route::CatalogDocument => {
                let all = entries.all.iter().map(|entry| self.offered(entry, None)).collect();
                json(&CatalogIndex::new(all, Vec::new()), headers)
            }
            Route::Stac => {
                let all: Vec<CatalogEntry> = entries.all.iter().map(|entry| entry.as_ref().clone()).collect();
                json(&stac::root(&RootDescription::default(), &all), headers)
            }
            Route::Collection(id) => match entries.lookup(&id) {
                Lookup::Entry(entry) => json(&stac::collection(&self.offered(&entry, None), Some(site::PAGE)), headers),
                _ => unknown_dataset(&id, path, headers),
            },
            Route::Page(id) => match entries.lookup(&id) {
                Lookup::Entry(entry) => self.page(&entry, None, path, headers).await,
                _ => unknown_dataset(&id, path, headers),
            },
            Route::Data(data) => self.data(&entries, &data, path, headers).await,
            Route::Nothing => not_found(path, headers),
        }
    }

    async fn entries(&self) -> Result<Arc<Entries>, EngineError> {
        let gateway = Arc::clone(&self.gateway);
        let read = tokio::task::spawn_blocking(move || gateway.catalog().entries()).await;
        read.map_err(|failure| EngineError::bug(format!("reading the catalog ended early: {failure}")))
    }

    async fn data(&self, entries: &Entries, data: &DataPath, path: &str, headers: &HeaderMap) -> Response<Body> {
        let entry = match entries.lookup(&data.id) {
            Lookup::Entry(entry) => entry,
            Lookup::Alias(id) => return answer::moved(&moved(data, &id, path, &self.links.prefix)),
            Lookup::Unknown => return unknown_dataset(&data.id, path, headers),
        };
        if data.key.is_empty() && wants_page(headers) {
            if !data.is_folder {
                let name = path.rsplit('/').next().unwrap_or_default();
                return answer::moved(&format!("{name}/"));
            }
            return self.page(&entry, data.version.as_deref(), path, headers).await;
        }
        let dataset = match self.gateway.dataset(&entry, data.version.as_deref()).await {
            Ok(dataset) => dataset,
            Err(error) => return failed(&error, path, headers),
        };
        let keep = if data.version.is_some() { Keep::ForEver } else { Keep::Revalidate };
        match dataset.key(&data.key) {
            Key::Document(document) => {
                answer::found(Answer { media_type: JSON, bytes: document.clone(), keep }, headers)
            }
            Key::Group(children) => answer::html(StatusCode::OK, list(children), keep),
            Key::Chunk(array, indices) => match self.gateway.chunk(&entry, &dataset, array, indices).await {
                Ok(Some(bytes)) => answer::found(Answer { media_type: BYTES, bytes, keep }, headers),
                Ok(None) => answer::nothing_stored(keep),
                Err(error) => failed(&error, path, headers),
            },
            Key::Refused(refusal) => {
                let error = EngineError::Unsupported {
                    code: refusal.code,
                    at: At::url(&entry.url).node(&data.key),
                    what: format!("this variable is not served: {}", refusal.what),
                    next: "read it with the reader of its format".to_owned(),
                };
                failed(&error, path, headers)
            }
            Key::Nothing => not_found(path, headers),
        }
    }

    /// The page of a dataset, with how its store opens now.
    async fn page(
        &self,
        entry: &Arc<CatalogEntry>,
        version: Option<&str>,
        path: &str,
        headers: &HeaderMap,
    ) -> Response<Body> {
        let dataset = match self.gateway.dataset(entry, version).await {
            Ok(dataset) => dataset,
            Err(error) => return failed(&error, path, headers),
        };
        let collection = format!("../../{}", stac::collection_path(&entry.id));
        let links = PageLinks { collection: &collection, ..PageLinks::default() };
        page(site::page(&self.offered(entry, Some(&dataset)), links), headers)
    }

    /// An entry with the lines that open it through this server before its own.
    fn offered(&self, entry: &CatalogEntry, dataset: Option<&ServedDataset>) -> CatalogEntry {
        let version = dataset.and_then(|dataset| dataset.version.as_deref());
        // The catalog may have been built before the latest version was published.
        let numbered = version.filter(|version| version.starts_with('v') && !entry.url.ends_with(*version));
        let native = numbered.and_then(|version| {
            let found = find(std::slice::from_ref(entry), "", &format!("{}@{version}", entry.id)).ok()?;
            (entry.kind.is_plain_zarr()).then_some(found)
        });
        let mut entry = entry.clone();
        if let Some(native) = native {
            (entry.url, entry.snippets) = (native.url, native.snippets);
        }
        let mut snippets = Vec::new();
        if let Some(version) = version {
            let title = format!("Version {version} through this server, always the same values:");
            snippets.push(gateway_snippet(&title, &self.links.dataset(&entry.id, Some(version))));
        }
        let title = "The latest version through this server:";
        snippets.push(gateway_snippet(title, &self.links.dataset(&entry.id, None)));
        for mut native in entry.snippets {
            native.title = format!("Without any server, with {}:", native.title);
            snippets.push(native);
        }
        CatalogEntry { snippets, ..entry }
    }
}

fn wants_page(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT).iter().any(|accept| accept.to_str().is_ok_and(|accept| accept.contains("text/html")))
}

fn page(text: String, headers: &HeaderMap) -> Response<Body> {
    answer::found(Answer { media_type: HTML, bytes: text.into(), keep: Keep::Revalidate }, headers)
}

fn json(value: &impl serde::Serialize, headers: &HeaderMap) -> Response<Body> {
    match serde_json::to_vec_pretty(value) {
        Ok(bytes) => answer::found(Answer { media_type: JSON, bytes: bytes.into(), keep: Keep::Revalidate }, headers),
        Err(error) => failed(&EngineError::bug(format!("a document is no JSON: {error}")), "", headers),
    }
}

/// Characters that a link to a child is escaped for: those that would end it in HTML. Readers that list take the text of a
/// link for the name, so all others stay as they are.
const ESCAPED: &AsciiSet = &CONTROLS.add(b'"').add(b'\'').add(b'<').add(b'>');

/// Links to the children of a group and nothing else: readers that list by HTTP take every link for a child.
fn list(children: &[String]) -> String {
    let mut text = String::from("<!doctype html>\n");
    for child in children {
        let name = link(child);
        let _ = writeln!(text, "<a href=\"{name}\">{name}</a>");
    }
    text
}

fn link(name: &str) -> String {
    let part = |character: char| {
        let mut buffer = [0; 4];
        let text = character.encode_utf8(&mut buffer);
        if character.is_ascii() { utf8_percent_encode(text, ESCAPED).to_string() } else { text.to_owned() }
    };
    name.chars().map(part).collect()
}

fn too_late(path: &str) -> EngineError {
    let what = format!("there was no answer for {} seconds", PATIENCE.as_secs());
    SourceError::Unavailable { at: At::url(path), what }.into()
}

fn unknown_dataset(id: &str, path: &str, headers: &HeaderMap) -> Response<Body> {
    let error = CatalogError::UnknownDataset {
        url: "this server".to_owned(),
        id: id.to_owned(),
        near: None,
        known: Vec::new(),
    };
    refused(absent(path), &error, headers)
}

fn not_found(path: &str, headers: &HeaderMap) -> Response<Body> {
    let error = EngineError::Document {
        code: "not-served",
        at: At::url(path),
        what: format!("{path} is nothing that is served here"),
        category: Category::NotFound,
        next: "see what is: /, and /d/ID/ for the children of a dataset".to_owned(),
    };
    refused(absent(path), &error, headers)
}

/// The status of what does not exist. Nobody asks for a chunk that does not, unless the dataset was another one when it was
/// opened: it left the catalog since, or has another shape. A reader who is told 404 fills in values.
fn absent(path: &str) -> StatusCode {
    if names_a_chunk(path) { StatusCode::GONE } else { StatusCode::NOT_FOUND }
}

/// What went wrong between the server and what was asked for.
fn failed(error: &EngineError, path: &str, headers: &HeaderMap) -> Response<Body> {
    let status = if is_unknown(error) { absent(path) } else { answer::status_of(error.category()) };
    if status.is_server_error() {
        tracing::error!("{status}: {error}");
    }
    refused(status, error, headers)
}

fn refused(status: StatusCode, error: &dyn Diagnose, headers: &HeaderMap) -> Response<Body> {
    let report = ErrorReport::new(error);
    if !wants_page(headers) {
        return answer::failure(status, &report);
    }
    let code = format!("{} ({})", report.code, report.category);
    let text =
        site::message(status.canonical_reason().unwrap_or("Error"), &[&report.what, &report.why, &report.next, &code]);
    answer::html(status, text, Keep::Not)
}
