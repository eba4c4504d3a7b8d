//! Opening sources: metadata of every file in parallel, and the values that combining compares.

use crate::error::EngineError;
use crate::execute::{OpenSource, lock};
use crate::own_references::OwnReferences;
use crate::progress::Unit;
use crate::settings::Engine;
use crate::store::{Opened, StoreKind, as_source, open_any};
use crate::verify::StoreView;
use firn_formats::TextEncoding;
use firn_formats::sniff::FileFormat;
use firn_model::array::{ArraySubset, Elements, Values};
use firn_model::combine::{CombineRules, Content, FileFacts, SlotKey, Wanted, keep_variables, values_wanted};
use firn_model::dataset::{Dataset, NodePath};
use firn_model::diagnose::{At, Category};
use firn_model::feedstock::recipe::SourceFormat;
use firn_model::source::{ListedObject, RangeReader, Source, SourceError, SourceVersion};
use firn_storage::{ObjectUrl, Storage};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

/// A source file to open.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Where it is.
    pub url: ObjectUrl,
    /// Its place along each dimension of the pattern.
    pub keys: BTreeMap<String, SlotKey>,
}

/// What to read of each file.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// How files will be combined.
    pub rules: CombineRules,
    /// Variables to keep; all where empty.
    pub variables: Vec<String>,
    /// Dimensions whose coordinate values a selection needs.
    pub selected: Vec<String>,
    /// Encoding of text that is not UTF-8.
    pub encoding: TextEncoding,
    /// The format that every file must have.
    pub format: SourceFormat,
}

/// Files that are opened side by side over a network.
const OPEN_AT_ONCE: usize = 24;

/// Opens every file. All failures are collected.
///
/// # Errors
/// Every file that could not be opened, and every variable that would be lost.
pub fn open_all(
    engine: &Engine,
    files: &[SourceFile],
    options: &OpenOptions,
) -> Result<(Vec<FileFacts>, Vec<OpenSource>), EngineError> {
    let remote = files.iter().any(|f| f.url.local_path().is_none());
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(if remote { OPEN_AT_ONCE } else { engine.settings.jobs })
        .build()
        .map_err(|error| EngineError::bug(format!("no threads: {error}")))?;
    let progress = engine.progress.task("scan", Some(files.len() as u64), Unit::Files);
    let seen = Mutex::new(HashMap::new());
    let results: Vec<Result<(FileFacts, OpenSource), EngineError>> = pool.install(|| {
        files
            .par_iter()
            .map(|file| {
                engine.cancel.check()?;
                let opened = open_one(engine, file, options, &seen);
                progress.advance(1);
                opened
            })
            .collect()
    });
    let mut opened = (Vec::new(), Vec::new());
    let mut errors = Vec::new();
    for result in results {
        match result {
            Ok((facts, open)) => {
                opened.0.push(facts);
                opened.1.push(open);
            }
            Err(EngineError::Interrupted(stop)) => return Err(stop.into()),
            Err(error) => errors.push(error),
        }
    }
    let mut formats = BTreeMap::new();
    for file in &opened.0 {
        *formats.entry(file.dataset.format.name()).or_insert(0_u64) += 1;
    }
    for (format, files) in formats {
        tracing::info!(files, format, "sources opened");
    }
    EngineError::several(format!("{} of {} files could not be opened", errors.len(), files.len()), errors)
        .map_or(Ok(opened), Err)
}

/// Distinct contents of arrays that should be equal in every file, whose values are kept for the error text.
const MOST_DISTINCT: usize = 4096;

/// Content digests seen so far, so that equal values are kept once.
type Seen = Mutex<HashMap<[u8; 32], Arc<Values>>>;

fn open_one(
    engine: &Engine,
    file: &SourceFile,
    options: &OpenOptions,
    seen: &Seen,
) -> Result<(FileFacts, OpenSource), EngineError> {
    let opened = open_any(engine, &file.url)?;
    check_format(options.format, &opened)?;
    let (own_version, kind) = (opened.version(), opened.kind);
    let StoreView { mut dataset, source, url: found, ledger } = opened.view;
    let source = as_source(source, ledger.as_ref());
    let at = At::url(source.url());
    keep_variables(&mut dataset, &options.variables);
    refuse_refused(&dataset, &at)?;
    let version = match own_version {
        Some(version) => Some(version),
        None => source.object("")?.map(|reader| reader.version()).transpose()?,
    };
    let mut contents = BTreeMap::new();
    for (path, wanted) in values_wanted(&dataset, &options.rules, &options.selected) {
        let content = content(&dataset, source.as_ref(), &path, wanted, options.encoding, &at, seen)?;
        contents.insert(path, content);
    }
    let url = source.url().to_owned();
    // Neither the open file nor what was cached of it is kept: there may be thousands.
    let source: Arc<dyn Source> = match (kind, &version) {
        (StoreKind::Icechunk, _) => source,
        (StoreKind::Plain, Some(version)) => {
            let inner = Arc::new(OwnReferences::over(engine, engine.storage.source(&file.url)?));
            let known = KnownSource::new(engine.storage.clone(), &file.url, inner, version);
            as_source(Arc::new(known), ledger.as_ref())
        }
        (StoreKind::Plain, None) => as_source(engine.storage.source(&ObjectUrl::parse(&found)?)?, ledger.as_ref()),
    };
    let version = version.unwrap_or_default();
    let facts = FileFacts { url: url.clone(), version, keys: file.keys.clone(), dataset, contents };
    Ok((facts, OpenSource { url, source }))
}

/// What a recipe says of its sources must be true of each.
fn check_format(wanted: SourceFormat, opened: &Opened) -> Result<(), EngineError> {
    if wanted == SourceFormat::Auto {
        return Ok(());
    }
    let source = &opened.view.source;
    let at = At::url(source.url());
    let found = match (opened.kind, source.object("")?) {
        (StoreKind::Icechunk, _) => SourceFormat::Icechunk,
        (StoreKind::Plain, None) => SourceFormat::Zarr,
        (StoreKind::Plain, Some(object)) => match firn_formats::sniff::sniff(object.as_ref(), &at) {
            Ok(FileFormat::NetCdf3) => SourceFormat::Netcdf3,
            Ok(FileFormat::Hdf5) => SourceFormat::Hdf5,
            Ok(FileFormat::KerchunkJson) => SourceFormat::Kerchunk,
            // Servers answer for a folder too.
            _ => SourceFormat::Zarr,
        },
    };
    if found == wanted {
        return Ok(());
    }
    Err(EngineError::Document {
        code: "source-format-differs",
        at,
        what: format!("the recipe says format: {}, and this is {}", wanted.name(), found.name()),
        category: Category::Corrupt,
        next: format!("correct the address, or say `format: {}` (auto: by content)", found.name()),
    })
}

/// A variable that cannot be read would be lost without a word.
fn refuse_refused(dataset: &Dataset, at: &At) -> Result<(), EngineError> {
    let errors: Vec<EngineError> = dataset
        .refusals()
        .map(|(path, refusal)| {
            firn_formats::FormatError::unsupported(
                refusal.code,
                &at.node(path.as_str()),
                format!("{} (leave it out with `select: {{variables: [...]}}` in a recipe)", refusal.what),
            )
            .into()
        })
        .collect();
    EngineError::several("variables that cannot be read", errors).map_or(Ok(()), Err)
}

fn content(
    dataset: &Dataset,
    source: &dyn Source,
    path: &NodePath,
    wanted: Wanted,
    encoding: TextEncoding,
    at: &At,
    seen: &Seen,
) -> Result<Content, EngineError> {
    let array = dataset.array(path).ok_or_else(|| EngineError::bug(format!("{path} is not in its file")))?;
    let whole = ArraySubset::whole(&array.metadata.shape);
    let values = firn_formats::read_subset(source, array, &whole, encoding, &at.node(path.as_str()))?;
    let digest = digest(&values);
    let mut seen = lock(seen);
    if seen.len() >= MOST_DISTINCT && wanted == Wanted::Digest && !seen.contains_key(&digest) {
        // So many distinct ones are an error already; their values would only fill the memory.
        return Ok(Content { digest, values: None });
    }
    let known = Arc::clone(seen.entry(digest).or_insert_with(|| Arc::new(values)));
    Ok(Content { digest, values: Some(known) })
}

/// BLAKE3 of type, shape and elements.
pub fn digest(values: &Values) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(values.data_type.name().as_bytes());
    hasher.update(&(values.shape.len() as u64).to_le_bytes());
    for extent in &values.shape {
        hasher.update(&extent.to_le_bytes());
    }
    match &values.elements {
        Elements::Fixed(bytes) => {
            hasher.update(bytes);
        }
        Elements::Text(texts) => {
            for text in texts {
                hasher.update(&(text.len() as u64).to_le_bytes());
                hasher.update(text.as_bytes());
            }
        }
    }
    *hasher.finalize().as_bytes()
}

/// A source that opens its own object once: over a network each opening is a request, and all readers share one cache.
pub struct OnceSource {
    inner: Arc<dyn Source>,
    whole: Mutex<Whole>,
}

/// What is known of the object of a source.
enum Whole {
    NotAsked,
    Answered(Option<Arc<dyn RangeReader>>),
}

impl OnceSource {
    /// Over this source.
    pub fn new(inner: Arc<dyn Source>) -> Self {
        Self { inner, whole: Mutex::new(Whole::NotAsked) }
    }
}

impl Source for OnceSource {
    fn url(&self) -> &str {
        self.inner.url()
    }

    fn object(&self, key: &str) -> Result<Option<Arc<dyn RangeReader>>, SourceError> {
        if !key.is_empty() {
            return self.inner.object(key);
        }
        let mut whole = lock(&self.whole);
        if let Whole::Answered(known) = &*whole {
            return Ok(known.clone());
        }
        let opened = self.inner.object("")?;
        *whole = Whole::Answered(opened.clone());
        Ok(opened)
    }

    fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, SourceError> {
        self.inner.list(prefix)
    }

    fn sibling(&self, url: &str) -> Result<Arc<dyn Source>, SourceError> {
        self.inner.sibling(url)
    }
}

/// A source whose own object was opened before: each opening asks for nothing, and reads nothing but that version.
pub struct KnownSource {
    storage: Storage,
    object: ObjectUrl,
    inner: Arc<dyn Source>,
    version: SourceVersion,
}

impl KnownSource {
    /// Over this source at this address.
    pub fn new(storage: Storage, object: &ObjectUrl, inner: Arc<dyn Source>, version: &SourceVersion) -> Self {
        Self { storage, object: object.clone(), inner, version: version.clone() }
    }
}

impl Source for KnownSource {
    fn url(&self) -> &str {
        self.inner.url()
    }

    fn object(&self, key: &str) -> Result<Option<Arc<dyn RangeReader>>, SourceError> {
        if key.is_empty() {
            return self.storage.open_known(&self.object, &self.version).map(Some);
        }
        self.inner.object(key)
    }

    fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, SourceError> {
        self.inner.list(prefix)
    }

    fn sibling(&self, url: &str) -> Result<Arc<dyn Source>, SourceError> {
        self.inner.sibling(url)
    }
}

/// An Icechunk repository as a source: its own objects, and those of its declared containers.
pub struct ContainerSource {
    storage: Storage,
    own: ObjectUrl,
    inner: Arc<dyn Source>,
    prefixes: Vec<String>,
    expected: BTreeMap<String, Vec<SourceVersion>>,
    dates: Dates,
}

/// What the date of a reference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dates {
    /// That of the object: firn wrote the references, and an older object is another one too.
    OfObject,
    /// Some moment after it: other writers take that of the writing, so that only a later object is known to be another one.
    After,
}

impl ContainerSource {
    /// Over this repository, whose references may point below these URL prefixes.
    ///
    /// # Errors
    /// As [`Storage::source`].
    pub fn new(storage: Storage, url: &ObjectUrl, prefixes: Vec<String>) -> Result<Self, EngineError> {
        let inner = storage.source(url)?;
        Ok(Self { storage, own: url.clone(), inner, prefixes, expected: BTreeMap::new(), dates: Dates::After })
    }

    /// The same, reading nothing but these versions of objects.
    #[must_use]
    pub fn expecting(self, expected: BTreeMap<String, Vec<SourceVersion>>, dates: Dates) -> Self {
        Self { expected, dates, ..self }
    }
}

impl Source for ContainerSource {
    fn url(&self) -> &str {
        self.inner.url()
    }

    fn object(&self, key: &str) -> Result<Option<Arc<dyn RangeReader>>, SourceError> {
        self.inner.object(key)
    }

    fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, SourceError> {
        self.inner.list(prefix)
    }

    fn sibling(&self, url: &str) -> Result<Arc<dyn Source>, SourceError> {
        let own = url.strip_prefix(self.inner.url()).and_then(|rest| rest.strip_prefix('/'));
        let source = if let Some(key) = own {
            // A key of the repository itself. Its address may be relative to where firn runs, or to a location: taken as the
            // text of a reference it would be another place.
            let own = self.own.child(key).map_err(|error| bad_reference(url, &error))?;
            self.storage.source(&own)?
        } else {
            let parsed = ObjectUrl::parse(url).map_err(|error| bad_reference(url, &error))?;
            if within(&self.prefixes, url, &parsed) {
                self.storage.source(&parsed)?
            } else {
                self.inner.sibling(url)?
            }
        };
        let expected = self.expected.get(url).cloned().unwrap_or_default();
        Ok(Arc::new(ReferencedSource {
            store: self.inner.url().to_owned(),
            inner: source,
            expected,
            dates: self.dates,
        }))
    }
}

fn bad_reference(url: &str, error: &firn_storage::StorageError) -> SourceError {
    SourceError::BadUrl { at: At::url(url), what: error.to_string() }
}

/// Whether a reference points into one of the containers of its repository. The prefix of a folder is a path without
/// escapes, and the reference a URL: they are compared as paths, as icechunk does it.
fn within(prefixes: &[String], url: &str, parsed: &ObjectUrl) -> bool {
    let (text, parts) = match parsed.local_path() {
        Some(path) => (path.to_str().map(|path| format!("file://{path}")), path.to_str().unwrap_or_default()),
        None => (Some(url.to_owned()), url),
    };
    // A `..` could leave a container that is a folder of this machine.
    let leaves = parts.split('/').any(|part| part == ".." || part.eq_ignore_ascii_case("%2e%2e"));
    !leaves && text.is_some_and(|text| prefixes.iter().any(|prefix| text.starts_with(prefix.as_str())))
}

/// An object that references point into: other bytes than they were written for are never read.
struct ReferencedSource {
    store: String,
    inner: Arc<dyn Source>,
    expected: Vec<SourceVersion>,
    dates: Dates,
}

impl Source for ReferencedSource {
    fn url(&self) -> &str {
        self.inner.url()
    }

    fn object(&self, key: &str) -> Result<Option<Arc<dyn RangeReader>>, SourceError> {
        let Some(reader) = self.inner.object(key)? else { return Ok(None) };
        if key.is_empty() && !self.expected.is_empty() {
            let version = reader.version()?;
            if let Some(what) = self.expected.iter().find_map(|expected| changed(expected, &version, self.dates)) {
                let at = At::url(self.inner.url());
                return Err(SourceError::Stale { at, store: self.store.as_str().into(), what });
            }
        }
        Ok(Some(reader))
    }

    fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, SourceError> {
        self.inner.list(prefix)
    }

    fn sibling(&self, url: &str) -> Result<Arc<dyn Source>, SourceError> {
        self.inner.sibling(url)
    }
}

/// How an object differs from the one that references were written for. A size that is known of references is only where
/// the last of them ends.
pub fn changed(expected: &SourceVersion, seen: &SourceVersion, dates: Dates) -> Option<String> {
    /// References to local files carry the next full second.
    const SLACK: i64 = 1;
    if expected.size > seen.size {
        return Some(format!("references reach to byte {} and it has {} bytes", expected.size, seen.size));
    }
    let later = SourceVersion { size: 0, ..expected.clone() }.difference(seen);
    if later.is_some() || dates == Dates::After || (expected.etag.is_some() && seen.etag.is_some()) {
        return later;
    }
    match (expected.last_modified, seen.last_modified) {
        (Some(a), Some(b)) if b < a.saturating_sub(SLACK) => Some(format!(
            "it was modified at {a}, and the one that is there now at {b}, which is earlier (seconds since 1970-01-01)"
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Dates, changed};
    use firn_model::source::SourceVersion;

    #[test]
    fn an_older_file_is_another_one_where_the_date_is_that_of_the_object() {
        let of = |seconds| SourceVersion { last_modified: Some(seconds), ..SourceVersion::default() };
        let reference = of(1001);
        for same in [1000, 1001] {
            assert_eq!(changed(&reference, &of(same), Dates::OfObject), None, "{same}");
        }
        for (other, only_of_object) in [(999, true), (0, true), (1002, false)] {
            assert!(changed(&reference, &of(other), Dates::OfObject).is_some(), "{other}");
            assert_eq!(changed(&reference, &of(other), Dates::After).is_none(), only_of_object, "{other}");
        }
    }
}
