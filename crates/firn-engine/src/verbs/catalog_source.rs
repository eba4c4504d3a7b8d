//! Feedstocks from wherever they are: directories, documents, lists of them; paths and URLs.

use crate::error::EngineError;
use crate::feedstock::{document_error, load};
use crate::progress::Unit;
use crate::settings::Engine;
use firn_catalog::id::feedstock_name;
use firn_model::diagnose::{At, Category, Diagnose, without_secrets};
use firn_model::document::{DocumentError, DocumentFinding};
use firn_model::feedstock::{
    DocumentText, Feedstock, FeedstockTexts, LoadedFeedstock, raw_url, read_feedstock_list, read_meta,
};
use firn_model::source::{Source, SourceError};
use firn_storage::ObjectUrl;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The largest document that is read, bytes.
const MAX_DOCUMENT: u64 = 16 << 20;

/// Documents and stores that are read side by side: they wait for servers most of the time.
const AT_ONCE: usize = 16;

/// The most feedstocks of a list.
const MAX_FEEDSTOCKS: usize = 100_000;

/// A feedstock, read.
pub(super) struct Stock {
    /// Where it is, as it was named.
    pub place: String,
    /// Its name, which ids are made of.
    pub name: String,
    /// Its URL, where it is one of the web.
    pub url: Option<String>,
    /// The directory of its documents, where it is local.
    pub dir: Option<PathBuf>,
    /// The documents that were read, by their paths or URLs.
    pub documents: Vec<String>,
    /// What they say, and what was found in them.
    pub loaded: LoadedFeedstock,
    /// Why `meta.yaml` is missing, where it could not be fetched.
    pub meta_missing: Option<EngineError>,
    /// What was decided on the way.
    pub notes: Vec<String>,
}

/// A feedstock that was named, and what became of it.
pub(super) struct Named {
    /// As it was named.
    pub place: String,
    /// Whether a server had to be asked for it.
    pub remote: bool,
    /// The feedstock, or why it could not be read.
    pub outcome: Result<Stock, EngineError>,
}

/// Something that a document says, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DocumentProblem {
    /// Stable code.
    pub code: String,
    /// `error`, `unsupported` or `warning`.
    pub severity: String,
    /// Path or URL of the document.
    pub document: String,
    /// The way to the node: `stores[0].url`; empty at the root.
    pub path: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is the matter, in one sentence.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl From<&DocumentFinding> for DocumentProblem {
    fn from(finding: &DocumentFinding) -> Self {
        Self {
            code: finding.code.to_owned(),
            severity: finding.severity.name().to_owned(),
            document: finding.document.clone(),
            path: finding.path.to_string(),
            line: finding.line,
            column: finding.column,
            message: finding.message.clone(),
            help: finding.help.clone(),
        }
    }
}

/// All feedstocks that the arguments name; lists are opened.
///
/// # Errors
/// A list that cannot be used, or an interruption. What is wrong with single feedstocks is in their [`Named`].
pub(super) fn load_all(engine: &Engine, arguments: &[String]) -> Result<Vec<Named>, EngineError> {
    let mut places = Vec::new();
    for argument in arguments {
        match list_of(engine, argument)? {
            Some(items) => places.extend(items),
            None => places.push(argument.clone()),
        }
    }
    if places.len() > MAX_FEEDSTOCKS {
        let what = format!("{} feedstocks are named, more than {MAX_FEEDSTOCKS}", places.len());
        return Err(EngineError::usage(what, "build several catalogs"));
    }
    let progress = engine.progress.task("read feedstocks", Some(places.len() as u64), Unit::Items);
    let pool = pool()?;
    let named = pool.install(|| {
        let one = |place: String| {
            engine.cancel.check()?;
            let remote = is_remote(&place);
            let outcome = load_one(engine, &place);
            progress.advance(1);
            let place = without_secrets(&place);
            let outcome = outcome.map(|stock| Stock { place: place.clone(), ..stock });
            Ok(Named { place, remote, outcome })
        };
        places.into_par_iter().map(one).collect::<Result<Vec<_>, EngineError>>()
    })?;
    engine.cancel.check()?;
    Ok(named)
}

/// Threads for things that wait.
pub(super) fn pool() -> Result<rayon::ThreadPool, EngineError> {
    let built = rayon::ThreadPoolBuilder::new().num_threads(AT_ONCE).build();
    built.map_err(|error| EngineError::bug(format!("no threads: {error}")))
}

fn is_remote(place: &str) -> bool {
    place.contains("://") && !place.to_ascii_lowercase().starts_with("file:")
}

fn is_document(place: &str) -> bool {
    let path = place.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    let extension = Path::new(&path).extension();
    extension.is_some_and(|name| name.eq_ignore_ascii_case("yaml") || name.eq_ignore_ascii_case("yml"))
}

/// The items of a list, absolute; `None` where the argument is no list.
fn list_of(engine: &Engine, argument: &str) -> Result<Option<Vec<String>>, EngineError> {
    if !is_document(argument) {
        return Ok(None);
    }
    let url = document_url(argument)?;
    let Some(text) = fetch(engine, &url)? else { return Err(SourceError::NotFound { at: url.at() }.into()) };
    let name = url.to_string();
    let (root, _) = firn_model::document::parse(&name, &text);
    if root.is_none_or(|root| root.get("feedstocks").is_none()) {
        return Ok(None);
    }
    let checked = read_feedstock_list(&name, &text);
    let Some(list) = checked.value else {
        return Err(document_error(&DocumentError::Invalid { findings: checked.findings }));
    };
    let items = list.feedstocks.iter().map(|item| item_of(&url, item)).collect::<Result<Vec<_>, _>>()?;
    Ok(Some(items))
}

/// An item of a list: relative to it where the list is local; a list of a server may not name files of this machine.
fn item_of(list: &ObjectUrl, item: &str) -> Result<String, EngineError> {
    if is_remote(item) {
        return Ok(item.to_owned());
    }
    match list.local_path() {
        Some(path) => {
            let folder = path.parent().unwrap_or(Path::new("."));
            let item = ObjectUrl::parse(item)?;
            Ok(match item.local_path() {
                Some(path) if path.is_relative() => folder.join(path).display().to_string(),
                _ => item.to_string(),
            })
        }
        None => Err(EngineError::Document {
            code: "list-local-item",
            at: list.at(),
            what: format!("it names {item:?}, a place of this machine"),
            category: Category::Denied,
            next: "copy the list to this machine, or name the feedstock by its URL".to_owned(),
        }),
    }
}

/// GitHub's page of a document is not the document.
fn document_url(place: &str) -> Result<ObjectUrl, EngineError> {
    Ok(ObjectUrl::parse(&raw_url(place))?)
}

fn load_one(engine: &Engine, place: &str) -> Result<Stock, EngineError> {
    let url = document_url(place)?;
    match url.local_path() {
        Some(path) => load_local(engine, place, path),
        None => load_remote(engine, place, &url),
    }
}

fn load_local(engine: &Engine, place: &str, path: &Path) -> Result<Stock, EngineError> {
    let dir = if path.is_file() { path.parent().unwrap_or(Path::new(".")) } else { path };
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    let feedstock = load(dir)?;
    let mut stock = Stock {
        place: place.to_owned(),
        name: feedstock.name,
        url: None,
        documents: Vec::new(),
        loaded: feedstock.loaded,
        meta_missing: None,
        notes: Vec::new(),
        dir: Some(feedstock.dir.clone()),
    };
    let here: Vec<PathBuf> =
        ["meta.yaml", "catalog.yaml", "recipe.yaml"].iter().map(|name| feedstock.dir.join(name)).collect();
    stock.documents = here.iter().filter(|path| path.is_file()).map(|path| path.display().to_string()).collect();
    let named = stock.loaded.documents.catalog.as_ref().and_then(|catalog| catalog.meta_url()).map(str::to_owned);
    let Some(named) = named else { return Ok(stock) };
    let base = ObjectUrl::local(&feedstock.dir);
    if here[0].is_file() {
        if is_remote(&named) {
            stock.notes.push(format!("{} is used, not {named}, which catalog.yaml names", here[0].display()));
        }
    } else {
        let url = document_url(&named).map(|url| match url.local_path() {
            Some(path) if path.is_relative() => ObjectUrl::local(feedstock.dir.join(path)),
            _ => url,
        });
        add_meta(engine, &mut stock, &base, url);
    }
    Ok(stock)
}

/// `meta.yaml` from where `catalog.yaml` says it is.
fn add_meta(engine: &Engine, stock: &mut Stock, base: &ObjectUrl, url: Result<ObjectUrl, EngineError>) {
    let fetched = url.and_then(|url| {
        if url.local_path().is_some() && base.local_path().is_none() {
            let what = "the catalog.yaml of a server refers to a file of this machine".to_owned();
            return Err(SourceError::Denied { at: url.at(), what }.into());
        }
        let text = fetch(engine, &url)?.ok_or_else(|| SourceError::NotFound { at: url.at() })?;
        Ok((url.to_string(), text))
    });
    match fetched {
        Ok((name, text)) => {
            let checked = read_meta(&name, &text);
            stock.documents.push(name);
            stock.loaded.documents.meta = checked.value;
            stock.loaded.findings.extend(checked.findings);
        }
        Err(error) => stock.meta_missing = Some(error),
    }
}

/// The documents of a feedstock on a server: beside each other, like in a directory.
fn load_remote(engine: &Engine, place: &str, url: &ObjectUrl) -> Result<Stock, EngineError> {
    let (catalog_url, catalog) = catalog_of(engine, place, url)?;
    let base = catalog_url.parent().ok_or_else(|| SourceError::NotFound { at: url.at() })?;
    let beside = |name: &str| -> Result<Option<(String, String)>, EngineError> {
        let url = base.child(name)?;
        // Absent is all that a server has to say for it: not every one tells absent from forbidden.
        let text = match fetch(engine, &url) {
            Err(error) if error.category() == Category::Denied => None,
            fetched => fetched?,
        };
        Ok(text.map(|text| (url.to_string(), text)))
    };
    let (meta, recipe) = (beside("meta.yaml")?, beside("recipe.yaml")?);
    let catalog = (catalog_url.to_string(), catalog);
    fn document(read: &(String, String)) -> DocumentText<'_> {
        DocumentText { name: &read.0, text: &read.1 }
    }
    let loaded = Feedstock::from_texts(FeedstockTexts {
        meta: meta.as_ref().map(document),
        catalog: Some(document(&catalog)),
        recipe: recipe.as_ref().map(document),
    });
    let documents = [meta.as_ref(), Some(&catalog), recipe.as_ref()].into_iter().flatten();
    let named = loaded.documents.catalog.as_ref().and_then(|catalog| catalog.meta_url()).map(str::to_owned);
    let mut stock = Stock {
        place: place.to_owned(),
        name: feedstock_name(place).unwrap_or_default(),
        url: place.starts_with("http").then(|| without_secrets(place)),
        dir: None,
        documents: documents.map(|(name, _)| name.clone()).collect(),
        loaded,
        meta_missing: None,
        notes: Vec::new(),
    };
    if let Some(named) = named {
        let target = document_url(&named);
        match &meta {
            Some((name, _)) if target.as_ref().is_ok_and(|url| url.to_string() != *name) => {
                stock.notes.push(format!("{name} is used, not {named}, which catalog.yaml names"));
            }
            Some(_) => {}
            None => {
                let relative = target.as_ref().is_ok_and(|url| url.local_path().is_some_and(Path::is_relative));
                let url = if relative { base.child(&named).map_err(EngineError::from) } else { target };
                add_meta(engine, &mut stock, &base, url);
            }
        }
    }
    Ok(stock)
}

/// `catalog.yaml` of a URL that is the document itself, or the directory that holds it, or a repository of GitHub.
fn catalog_of(engine: &Engine, place: &str, url: &ObjectUrl) -> Result<(ObjectUrl, String), EngineError> {
    let mut tried = Vec::new();
    if is_document(place) {
        let text = fetch(engine, url)?.ok_or_else(|| SourceError::NotFound { at: url.at() })?;
        return Ok((url.clone(), text));
    }
    let base = match repository(place) {
        Some(raw) => ObjectUrl::parse(&raw)?,
        None => url.clone(),
    };
    for key in ["catalog.yaml", "feedstock/catalog.yaml"] {
        let candidate = base.child(key)?;
        if let Some(text) = fetch(engine, &candidate)? {
            return Ok((candidate, text));
        }
        tried.push(candidate.to_string());
    }
    Err(EngineError::Document {
        code: "feedstock-not-found",
        at: url.at(),
        what: format!("there is no catalog.yaml: {} do not exist", tried.join(" and ")),
        category: Category::NotFound,
        next: "name the catalog.yaml itself".to_owned(),
    })
}

/// Where the files of `https://github.com/OWNER/REPOSITORY` are.
fn repository(place: &str) -> Option<String> {
    let rest = place.strip_prefix("https://github.com/")?.trim_end_matches('/');
    let (owner, name) = rest.split_once('/')?;
    let name = name.strip_suffix(".git").unwrap_or(name);
    (!owner.is_empty() && !name.is_empty() && !name.contains('/'))
        .then(|| format!("https://raw.githubusercontent.com/{owner}/{name}/HEAD"))
}

/// A document as text; `None` where it does not exist.
pub(super) fn fetch(engine: &Engine, url: &ObjectUrl) -> Result<Option<String>, EngineError> {
    let source = engine.storage.source(url)?;
    let Some(bytes) = fetch_bytes(source.as_ref(), MAX_DOCUMENT)? else { return Ok(None) };
    let text = String::from_utf8(bytes).map_err(|_| EngineError::Document {
        code: "document-unreadable",
        at: url.at(),
        what: "it is not UTF-8".to_owned(),
        category: Category::InvalidDocument,
        next: "mend the document, then run the same command again".to_owned(),
    })?;
    Ok(Some(text))
}

/// The whole object of a source, of at most so many bytes; `None` where it does not exist.
pub(super) fn fetch_bytes(source: &dyn Source, limit: u64) -> Result<Option<Vec<u8>>, EngineError> {
    let Some(reader) = source.object("")? else { return Ok(None) };
    let size = match reader.size() {
        Err(SourceError::NotFound { .. }) => return Ok(None),
        size => size?,
    };
    if size > limit {
        return Err(EngineError::Document {
            code: "document-unreadable",
            at: At::url(source.url()),
            what: format!("it has {size} bytes, more than the {limit} that a document may have"),
            category: Category::InvalidDocument,
            next: "name another document".to_owned(),
        });
    }
    Ok(Some(reader.read(0..size)?.to_vec()))
}
