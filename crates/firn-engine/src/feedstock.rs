//! Reading a feedstock directory, and finding the files that a recipe names.

use crate::error::EngineError;
use crate::open::SourceFile;
use crate::settings::Engine;
use firn_model::combine::{FilledGap, SlotKey};
use firn_model::diagnose::{At, Category, Diagnose, without_secrets};
use firn_model::document::DocumentError;
use firn_model::feedstock::recipe::{Recipe, SourceKind};
use firn_model::feedstock::{
    DocumentText, Feedstock, FeedstockTexts, FilePattern, LoadedFeedstock, PatternSlot, parse_list,
};
use firn_model::source::SourceError;
use firn_storage::ObjectUrl;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

/// The largest document that is read, bytes.
const MAX_DOCUMENT: u64 = 16 << 20;

/// A feedstock directory, read.
pub struct FeedstockDir {
    /// The directory that holds the documents.
    pub dir: PathBuf,
    /// Its name, as ids are derived from it.
    pub name: String,
    /// The documents, with everything that was found in them.
    pub loaded: LoadedFeedstock,
    /// The text of `recipe.yaml`.
    pub recipe_text: Option<String>,
    /// The text of `catalog.yaml`.
    pub catalog_text: Option<String>,
}

/// Reads the documents of a directory, or of `feedstock/` below it.
///
/// # Errors
/// A directory that does not exist or holds no document, a document that cannot be read.
pub fn load(dir: &Path) -> Result<FeedstockDir, EngineError> {
    const NAMES: [&str; 3] = ["meta.yaml", "catalog.yaml", "recipe.yaml"];
    let holds = |dir: &Path| NAMES.iter().any(|name| dir.join(name).is_file());
    let nested = dir.join("feedstock");
    let home = if !holds(dir) && holds(&nested) { nested } else { dir.to_owned() };
    if !holds(&home) {
        let at = At::url(dir.display().to_string());
        return Err(EngineError::Document {
            code: "feedstock-not-found",
            at,
            what: if dir.is_dir() {
                "this directory holds neither meta.yaml nor catalog.yaml nor recipe.yaml".to_owned()
            } else {
                format!("there is no directory {}", without_secrets(&dir.to_string_lossy()))
            },
            category: Category::NotFound,
            next: "make a feedstock: firn init DIR --from URL".to_owned(),
        });
    }
    let [meta, catalog, recipe] = NAMES.map(|name| read(&home.join(name)));
    let (meta, catalog, recipe) = (meta?, catalog?, recipe?);
    let names = NAMES.map(|name| home.join(name).display().to_string());
    fn document<'t>(name: &'t str, text: Option<&'t String>) -> Option<DocumentText<'t>> {
        text.map(|text| DocumentText { name, text })
    }
    let loaded = Feedstock::from_texts(FeedstockTexts {
        meta: document(&names[0], meta.as_ref()),
        catalog: document(&names[1], catalog.as_ref()),
        recipe: document(&names[2], recipe.as_ref()),
    });
    let absolute = std::fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    let name = firn_catalog::id::feedstock_name(&absolute.to_string_lossy()).unwrap_or_default();
    Ok(FeedstockDir { dir: home, name, loaded, recipe_text: recipe, catalog_text: catalog })
}

fn read(path: &Path) -> Result<Option<String>, EngineError> {
    let at = || At::url(path.display().to_string());
    let failed = |what: String| EngineError::Document {
        code: "document-unreadable",
        at: at(),
        what,
        category: Category::InvalidDocument,
        next: "mend the file, then run the same command again".to_owned(),
    };
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error.to_string())),
        // Devices and pipes have no size and no end.
        Ok(found) if !found.is_file() => return Err(failed("it is not a file".to_owned())),
        Ok(found) if found.len() > MAX_DOCUMENT => return Err(failed(format!("it has {} bytes", found.len()))),
        Ok(_) => {}
    }
    std::fs::read_to_string(path).map(Some).map_err(|error| failed(error.to_string()))
}

/// A document's own error as one of the engine.
pub fn document_error(error: &DocumentError) -> EngineError {
    EngineError::Document {
        code: error.code(),
        at: error.at(),
        what: error.to_string(),
        category: error.category(),
        next: error.next(),
    }
}

/// What a recipe names as its sources.
#[derive(Default)]
pub struct Sources {
    /// The files, in the order of the recipe.
    pub files: Vec<SourceFile>,
    /// Gaps that are filled.
    pub filled: Vec<FilledGap>,
}

/// The files that a recipe names, in its order; with a limit only those of the first so many keys along each concat
/// dimension.
///
/// # Errors
/// A pattern that is wrong, a list that cannot be read, a glob that matches nothing.
pub fn source_files(
    engine: &Engine,
    dir: &Path,
    recipe: &Recipe,
    limit: Option<NonZeroU64>,
) -> Result<Sources, EngineError> {
    let plain = |texts: Vec<String>| -> Result<Vec<SourceFile>, EngineError> {
        let mut files = Vec::with_capacity(texts.len());
        for text in texts {
            files.push(SourceFile { url: resolve(dir, &text)?, keys: BTreeMap::new() });
        }
        Ok(files)
    };
    let mut files = match recipe.source.kind() {
        Some(SourceKind::Pattern(_)) => {
            let pattern = FilePattern::new(&recipe.source).map_err(|error| document_error(&error))?;
            return pattern_files(&pattern, dir, recipe, limit);
        }
        Some(SourceKind::Files(files)) => plain(files.to_vec())?,
        Some(SourceKind::List(list)) => {
            let url = resolve(dir, list)?;
            let named = parse_list(&read_text(engine, &url)?);
            if named.is_empty() {
                return Err(empty_list(&url));
            }
            plain(named)?
        }
        Some(SourceKind::Glob(glob)) => {
            let pattern = resolve(dir, glob)?.to_string();
            let found = engine.storage.glob(&pattern)?;
            if found.is_empty() {
                return Err(SourceError::NotFound { at: At::url(pattern) }.into());
            }
            found.into_iter().map(|(url, _)| SourceFile { url, keys: BTreeMap::new() }).collect()
        }
        None => return Err(EngineError::bug("a checked recipe names its files in exactly one way")),
    };
    if let Some(limit) = limit {
        files.truncate(usize::try_from(limit.get()).unwrap_or(usize::MAX));
    }
    Ok(Sources { files, filled: Vec::new() })
}

/// A list that a failed command left empty is not a dataset without files.
fn empty_list(url: &ObjectUrl) -> EngineError {
    EngineError::Document {
        code: "sources-empty",
        at: url.at(),
        what: "the list names no file".to_owned(),
        category: Category::NotFound,
        next: "write the addresses of the files into it, one a line, then run the same command again".to_owned(),
    }
}

fn pattern_files(
    pattern: &FilePattern,
    dir: &Path,
    recipe: &Recipe,
    limit: Option<NonZeroU64>,
) -> Result<Sources, EngineError> {
    let concat: Vec<&str> = recipe.source.concat_dims().collect();
    let mut seen: BTreeMap<&str, BTreeSet<SlotKey>> = BTreeMap::new();
    let mut sources = Sources::default();
    for slot in pattern.slots() {
        let (file, is_filled) = match slot {
            PatternSlot::File(file) => (file, false),
            PatternSlot::Gap { file, fill: true, .. } => (file, true),
            PatternSlot::Gap { .. } => continue,
        };
        let keys: BTreeMap<String, SlotKey> = file.keys.iter().map(|(dim, key)| (dim.clone(), key.slot())).collect();
        let kept = concat.iter().all(|dim| {
            let (Some(limit), Some(key)) = (limit, keys.get(*dim)) else { return true };
            let known = seen.entry(dim).or_default();
            known.contains(key) || ((known.len() as u64) < limit.get() && known.insert(key.clone()))
        });
        if !kept {
            continue;
        }
        let url = resolve(dir, &file.url)?;
        if is_filled {
            sources.filled.push(FilledGap { url: url.to_string(), keys, files_before: sources.files.len() });
        } else {
            sources.files.push(SourceFile { url, keys });
        }
    }
    Ok(sources)
}

/// An address of a document: relative paths are relative to the directory of the document.
pub(crate) fn resolve(dir: &Path, text: &str) -> Result<ObjectUrl, EngineError> {
    let url = ObjectUrl::parse(text)?;
    match url.local_path() {
        Some(path) => Ok(ObjectUrl::local(dir.join(path)).absolute()?),
        None => Ok(url),
    }
}

fn read_text(engine: &Engine, url: &ObjectUrl) -> Result<String, EngineError> {
    let reader = engine.storage.open(url)?.ok_or_else(|| SourceError::NotFound { at: url.at() })?;
    let size = reader.size()?;
    let bad = |what: String| EngineError::Document {
        code: "document-unreadable",
        at: url.at(),
        what,
        category: Category::InvalidDocument,
        next: "mend the list, then run the same command again".to_owned(),
    };
    if size > MAX_DOCUMENT {
        return Err(bad(format!("it has {size} bytes")));
    }
    String::from_utf8(reader.read(0..size)?.to_vec()).map_err(|_| bad("it is not UTF-8".to_owned()))
}

/// The address of the repository that holds a directory, as its remote `origin` says, without credentials; `None` where
/// there is none, or one on this machine.
pub fn git_origin(dir: &Path) -> Option<String> {
    let config = std::fs::read_to_string(git_dir(dir)?.join("config")).ok()?;
    let mut in_origin = false;
    let mut found = None;
    for line in config.lines().map(str::trim) {
        if line.starts_with('[') {
            in_origin = line.eq_ignore_ascii_case("[remote \"origin\"]");
        } else if in_origin
            && let Some((key, value)) = line.split_once('=')
            && key.trim().eq_ignore_ascii_case("url")
        {
            found = Some(value.trim().to_owned());
        }
    }
    web_address(&found?)
}

/// `git@host:owner/name.git` and `ssh://git@host/owner/name` are https addresses of most hosts.
fn web_address(url: &str) -> Option<String> {
    let path = match url.split_once("://") {
        Some(("https" | "http" | "ssh" | "git", rest)) => rest.to_owned(),
        Some(_) => return None,
        None => {
            let (host, path) = url.split_once(':').filter(|(host, _)| host.contains('@') && !host.contains('/'))?;
            format!("{host}/{path}")
        }
    };
    let (authority, path) = path.split_once('/')?;
    let host = authority.rsplit('@').next()?;
    let path = path.split(['?', '#']).next().unwrap_or(path);
    Some(format!("https://{host}/{}", path.trim_end_matches('/').trim_end_matches(".git")))
}

/// The `.git` directory of the repository that holds a directory.
fn git_dir(dir: &Path) -> Option<PathBuf> {
    let absolute = std::fs::canonicalize(dir).ok()?;
    absolute.ancestors().map(|folder| folder.join(".git")).find(|git| git.is_dir())
}

/// The commit of the repository that holds a directory, read from its files; `None` where it is not in one.
pub fn git_commit(dir: &Path) -> Option<String> {
    let git = git_dir(dir)?;
    let head = std::fs::read_to_string(git.join("HEAD")).ok()?;
    let is_commit = |text: &str| text.len() >= 40 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let head = head.trim();
    let Some(reference) = head.strip_prefix("ref: ") else { return is_commit(head).then(|| head.to_owned()) };
    if let Ok(commit) = std::fs::read_to_string(git.join(reference)) {
        return is_commit(commit.trim()).then(|| commit.trim().to_owned());
    }
    let packed = std::fs::read_to_string(git.join("packed-refs")).ok()?;
    let commit = packed.lines().find_map(|line| line.strip_suffix(reference))?.trim();
    is_commit(commit).then(|| commit.to_owned())
}

#[cfg(test)]
mod tests {
    use super::web_address;

    #[test]
    fn the_address_of_a_repository_has_no_credentials() {
        let https = Some("https://github.com/o/n".to_owned());
        for url in [
            "https://github.com/o/n.git",
            "https://user:secret@github.com/o/n",
            "git@github.com:o/n.git",
            "ssh://git@github.com/o/n",
            "https://github.com/o/n?token=secret",
        ] {
            assert_eq!(web_address(url), https, "{url}");
        }
        assert_eq!(web_address("/srv/n.git"), None);
        assert_eq!(web_address("file:///srv/n.git"), None);
    }
}
