//! From source files to one combined dataset with a layout: what `transform`, `virtualize` and `run` share.

use crate::error::EngineError;
use crate::execute::OpenSource;
use crate::open::{OpenOptions, SourceFile, open_all};
use crate::phases::{Phases, Stopwatch};
use crate::reading::read_combined_box;
use crate::settings::Engine;
use crate::store::open_any;
use firn_formats::TextEncoding;
use firn_model::array::ArraySubset;
use firn_model::combine::{
    CombineError, CombineRules, Combined, Disagreement, EqualityCheck, FileFacts, NotCombined, Noted, Overlap, Rule,
    SelectError, Selection, combine, compare_values, select, split_uncompressed,
};
use firn_model::dataset::{Node, NodePath};
use firn_model::diagnose::{At, Category, shell_word};
use firn_model::feedstock::recipe::SourceFormat;
use firn_model::plan::{ArrayLayout, Resources, TargetOptions, check_dimensions, layout_of};
use firn_storage::ObjectUrl;
use std::collections::BTreeSet;

/// What is to be built.
#[derive(Debug, Clone, Default)]
pub struct BuildSpec {
    /// The source files.
    pub files: Vec<SourceFile>,
    /// How they are joined.
    pub rules: CombineRules,
    /// What of them is kept.
    pub selection: Selection,
    /// How it is laid out.
    pub options: TargetOptions,
    /// Encoding of text that is not UTF-8.
    pub encoding: TextEncoding,
    /// The format that every file must have.
    pub format: SourceFormat,
}

impl BuildSpec {
    /// What of the files is opened and read.
    pub(crate) fn open_options(&self) -> OpenOptions {
        OpenOptions {
            rules: self.rules.clone(),
            variables: self.selection.variables.clone(),
            selected: self.selection.ranges.keys().cloned().collect(),
            encoding: self.encoding,
            format: self.format,
        }
    }
}

/// Sources, opened and joined.
pub struct Prepared {
    /// The dataset.
    pub combined: Combined,
    /// Its sources, numbered as in [`Combined::files`].
    pub sources: Vec<OpenSource>,
    /// Encoding of text that is not UTF-8.
    pub encoding: TextEncoding,
    /// What scanning and combining took.
    pub phases: Phases,
}

/// Opens the files, joins them, compares by reading what the rules ask for, and selects.
///
/// # Errors
/// What opening says, every disagreement, and what the selection says.
pub fn prepare(engine: &Engine, spec: &BuildSpec) -> Result<Prepared, EngineError> {
    if spec.files.is_empty() {
        return Err(EngineError::Document {
            code: "sources-empty",
            at: At::nowhere(),
            what: "no source file is named".to_owned(),
            category: Category::NotFound,
            next: "name one at least: firn inspect URL".to_owned(),
        });
    }
    if spec.files.len() > 1 && spec.rules.concat_dims.is_empty() && spec.rules.merge_dims.is_empty() {
        return Err(EngineError::usage(
            format!("{} sources, and nothing says along which dimension they follow each other", spec.files.len()),
            "the same command with --concat-dim time (firn inspect FILE shows the dimensions)",
        ));
    }
    let mut watch = Stopwatch::start(&engine.storage);
    let (facts, sources) = open_all(engine, &spec.files, &spec.open_options())?;
    let scan = watch.lap("scan");
    check_concat_dims(&facts, &spec.rules)?;
    check_names(&facts, spec)?;
    let combined = match combine(facts, &spec.rules) {
        Ok(combined) => combined,
        Err(refused) => return Err(explain_overlap(engine, refused, &sources, &spec.rules, spec.encoding)),
    };
    run_checks(engine, &combined, &sources, spec.encoding)?;
    let mut combined = select(combined, &spec.selection).map_err(|error| with_all_names(engine, spec, error))?;
    if combined.arrays.is_empty() {
        let file = combined.files.first().map_or("URL", |file| file.url.as_str());
        return Err(EngineError::Unsupported {
            code: "unsupported-no-variable",
            at: At::url(file),
            what: "the sources hold no variable, and a dataset without any would replace one that readers use"
                .to_owned(),
            next: format!("firn inspect {}", shell_word(file)),
        });
    }
    note_readers(&mut combined);
    let phases = Phases { scan, combine: watch.lap("combine"), ..Phases::default() };
    Ok(Prepared { combined, sources, encoding: spec.encoding, phases })
}

/// Variables that were not selected were left out when the files were opened, and are there.
fn with_all_names(engine: &Engine, spec: &BuildSpec, error: SelectError) -> EngineError {
    let SelectError::Unknown { name, .. } = &error else { return error.into() };
    let first = spec.files.first().filter(|_| spec.selection.variables.contains(name));
    let Some(Ok(opened)) = first.map(|file| open_any(engine, &file.url)) else { return error.into() };
    let names: Vec<&str> = opened.view.dataset.arrays().map(|(path, _)| path.as_key()).collect();
    SelectError::Unknown { name: name.clone(), available: names.join(", ") }.into()
}

/// A rule for a variable that no file has would be ignored.
fn check_names(facts: &[FileFacts], spec: &BuildSpec) -> Result<(), EngineError> {
    let known: BTreeSet<&str> =
        facts.iter().flat_map(|file| file.dataset.nodes.iter()).map(|(path, _)| path.name()).collect();
    let rules = &spec.rules;
    let keys = rules.keys.iter().map(|(dim, name)| (name, format!("the key of {dim:?}")));
    let tolerances = rules.tolerances.keys().map(|name| (name, "a tolerance".to_owned()));
    match keys.chain(tolerances).find(|(name, _)| !known.contains(name.as_str())) {
        Some((name, what)) => Err(unknown_name(&what, name, known.into_iter())),
        None => Ok(()),
    }
}

fn unknown_name<'n>(what: &str, name: &str, known: impl Iterator<Item = &'n str>) -> EngineError {
    let known: Vec<&str> = known.filter(|name| !name.is_empty()).collect();
    EngineError::Document {
        code: "name-not-in-sources",
        at: At::nowhere().node(name),
        what: format!("{what} names {name:?}, which no file has; there are: {}", known.join(", ")),
        category: Category::InvalidDocument,
        next: "write one of these names (firn inspect FILE tells what they are)".to_owned(),
    }
}

/// What readers noticed in the files, each kind once.
fn note_readers(combined: &mut Combined) {
    let mut seen = BTreeSet::new();
    let mut noted = Vec::new();
    for file in &combined.files {
        for note in &file.dataset.notes {
            if seen.insert(note.as_str()) {
                noted.push(Noted { code: "reader-note", at: file.url.clone(), what: note.clone() });
            }
        }
    }
    combined.noted.extend(noted);
}

/// A concat dimension must be one of the files, or of their pattern.
fn check_concat_dims(facts: &[FileFacts], rules: &CombineRules) -> Result<(), EngineError> {
    for dim in &rules.concat_dims {
        let known = facts.iter().any(|f| {
            f.keys.contains_key(dim) || f.dataset.groups().any(|(_, group)| group.dimensions.contains_key(dim))
        });
        if !known {
            let mut names: Vec<&str> = facts
                .iter()
                .flat_map(|f| f.dataset.groups().flat_map(|(_, g)| g.dimensions.keys().map(String::as_str)))
                .collect();
            names.sort_unstable();
            names.dedup();
            return Err(EngineError::Document {
                code: "name-not-in-sources",
                at: At::nowhere().node(dim),
                what: format!("no file has the dimension {dim:?}; there are: {}", names.join(", ")),
                category: Category::Usage,
                next: "name one of them as the dimension to join along (--concat-dim, or `dims:` of a recipe)"
                    .to_owned(),
            });
        }
    }
    Ok(())
}

/// Reads the steps that several files hold, so that the error says whether they are equal.
fn explain_overlap(
    engine: &Engine,
    refused: NotCombined,
    sources: &[OpenSource],
    rules: &CombineRules,
    encoding: TextEncoding,
) -> EngineError {
    let NotCombined { mut error, files } = refused;
    if error.rule() != Rule::Overlap {
        return error.into();
    }
    let Ok(joined) = combine(files, &CombineRules { overlap: Overlap::Identical, ..rules.clone() }) else {
        return error.into();
    };
    if joined.checks.is_empty() {
        return error.into();
    }
    match first_difference(engine, &joined, sources, encoding) {
        Ok(Some(different)) => CombineError::from(different).into(),
        Ok(None) => {
            for disagreement in &mut error.disagreements {
                if disagreement.rule == Rule::Overlap {
                    disagreement.rule = Rule::OverlapIdentical;
                    disagreement.found.push_str(", with equal values");
                }
            }
            error.into()
        }
        Err(other) => other,
    }
}

fn run_checks(
    engine: &Engine,
    combined: &Combined,
    sources: &[OpenSource],
    encoding: TextEncoding,
) -> Result<(), EngineError> {
    match first_difference(engine, combined, sources, encoding)? {
        Some(different) => Err(CombineError::from(different).into()),
        None => Ok(()),
    }
}

fn first_difference(
    engine: &Engine,
    combined: &Combined,
    sources: &[OpenSource],
    encoding: TextEncoding,
) -> Result<Option<Disagreement>, EngineError> {
    for EqualityCheck { path, kept, dropped } in &combined.checks {
        engine.cancel.check()?;
        let read = |(file, subset): &(u32, ArraySubset)| {
            let facts = &combined.files[*file as usize];
            let array =
                facts.dataset.array(path).ok_or_else(|| EngineError::bug(format!("{path} is not in {}", facts.url)))?;
            let source = sources[*file as usize].source.as_ref();
            Ok::<_, EngineError>(firn_formats::read_subset(
                source,
                array,
                subset,
                encoding,
                &At::url(&facts.url).node(path.as_str()),
            )?)
        };
        let (a, b) = (read(kept)?, read(dropped)?);
        if let Some(difference) = compare_values(&a, &b) {
            let index: Vec<u64> = difference.index.iter().zip(&dropped.1.start).map(|(i, s)| i + s).collect();
            return Ok(Some(Disagreement {
                rule: Rule::OverlapDifferent,
                at: At::url(&combined.files[dropped.0 as usize].url).node(path.as_str()).index(index),
                against: Some(combined.files[kept.0 as usize].url.clone()),
                expected: difference.expected.clone(),
                found: difference.to_string(),
            }));
        }
    }
    Ok(None)
}

impl Prepared {
    /// Layouts of all arrays, in their order.
    ///
    /// # Errors
    /// Dimensions that do not exist, shards that are no multiples of chunks.
    pub fn layouts(&self, options: &TargetOptions) -> Result<Vec<(NodePath, ArrayLayout)>, EngineError> {
        check_dimensions(&self.combined.arrays, options)?;
        let known = || self.combined.arrays.keys().map(NodePath::name);
        if let Some(name) = options.codec_of.keys().find(|name| !known().any(|known| known == name.as_str())) {
            return Err(unknown_name("a codec", name, known()));
        }
        let layout = |(path, array)| Ok((NodePath::clone(path), layout_of(path, array, options)?));
        self.combined.arrays.iter().map(layout).collect()
    }

    /// What a build from these sources into this target, with so many references, may use.
    pub fn resources(&self, engine: &Engine, target: Option<&ObjectUrl>, references: u64) -> Resources {
        let is_remote = |url: &ObjectUrl| engine.storage.physical(url).is_ok_and(|url| url.local_path().is_none());
        let sources = || self.sources.iter().filter_map(|source| ObjectUrl::parse(&source.url).ok());
        Resources {
            memory: engine.settings.memory,
            jobs: engine.settings.jobs,
            is_remote: target.is_some_and(is_remote) || sources().any(|url| is_remote(&url)),
            references,
        }
    }

    /// Cuts contiguous source arrays into byte ranges of moderate size, so that parts of them can be read.
    pub fn split_for_reading(&mut self) {
        const BYTES: u64 = 4 << 20;
        for file in &mut self.combined.files {
            for node in file.dataset.nodes.values_mut() {
                if let Node::Array(array) = node {
                    split_uncompressed(array, BYTES);
                }
            }
        }
    }

    /// The values of a box of a combined array, read from its sources.
    ///
    /// # Errors
    /// What reading says.
    pub fn read(&self, path: &NodePath, subset: &ArraySubset) -> Result<firn_model::array::Values, EngineError> {
        read_combined_box(&self.combined, &self.sources, path, subset, self.encoding)
    }
}
