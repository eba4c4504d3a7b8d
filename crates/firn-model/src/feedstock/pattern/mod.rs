//! File patterns: a URL with placeholders and the keys of its dimensions stand for an ordered list of files.

mod axis;
mod matching;
mod template;

pub use axis::{Key, SourceKey};
pub use template::{Placeholder, PlaceholderFormat, RawPiece, TimePart, raw_pieces};

use indexmap::IndexMap;

use super::recipe::{Gap, Source};
use crate::document::DocumentError;
use axis::Axis;
use template::Template;

/// More files than this are refused.
pub const DEFAULT_FILE_LIMIT: u64 = 10_000_000;

/// A pattern with the keys of its dimensions. Files are made one by one; only keys are held.
#[derive(Debug, Clone)]
pub struct FilePattern {
    template: Template,
    axes: Vec<Axis>,
    gaps: Vec<CompiledGap>,
    len: u64,
}

/// A file of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// URL or path.
    pub url: String,
    /// Dimension → key, in the order of the recipe.
    pub keys: IndexMap<String, SourceKey>,
}

/// A place of a pattern: a file that should exist, or a declared gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PatternSlot<'p> {
    /// A file.
    File(SourceFile),
    /// A file that is known not to exist.
    Gap {
        /// The file that would be there.
        file: SourceFile,
        /// Why it is not.
        reason: &'p str,
        /// Whether its step stays on the axis, filled.
        fill: bool,
    },
}

/// What is wrong with a pattern, and where in its recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternProblem {
    /// Keys from `source` on: `["dims", "time", "freq"]`.
    pub place: Vec<String>,
    /// The position in `gaps`, where it is about one.
    pub gap: Option<usize>,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl PatternProblem {
    fn new(place: &[&str], message: impl Into<String>, help: impl Into<String>) -> Self {
        let place = place.iter().map(|key| (*key).to_owned()).collect();
        Self { place, gap: None, message: message.into(), help: help.into() }
    }
}

#[derive(Debug, Clone)]
struct CompiledGap {
    reason: String,
    fill: bool,
    /// Axis → positions of the keys that the gap names (from, up to). Axes that it does not name are not here.
    keys: Vec<(usize, std::ops::Range<usize>)>,
}

impl FilePattern {
    /// The pattern of a source, with at most [`DEFAULT_FILE_LIMIT`] files.
    ///
    /// # Errors
    /// [`DocumentError::Pattern`] with the first problem, [`DocumentError::TooManyFiles`].
    pub fn new(source: &Source) -> Result<Self, DocumentError> {
        Self::with_limit(source, DEFAULT_FILE_LIMIT)
    }

    /// The pattern of a source, with at most so many files.
    ///
    /// # Errors
    /// As [`FilePattern::new`].
    pub fn with_limit(source: &Source, limit: u64) -> Result<Self, DocumentError> {
        let pattern = source.pattern.clone().unwrap_or_default();
        Self::check(source, limit).map_err(|failure| match failure {
            PatternFailure::TooMany(count) => DocumentError::TooManyFiles { pattern, count, limit },
            PatternFailure::Problems(problems) => {
                let first = problems.into_iter().next();
                let (what, help) = first.map(|first| (first.message, first.help)).unwrap_or_default();
                DocumentError::Pattern { pattern, what, help }
            }
        })
    }

    /// The pattern, or everything that is wrong with it.
    pub(super) fn check(source: &Source, limit: u64) -> Result<Self, PatternFailure> {
        let text = source.pattern.as_deref().unwrap_or_default();
        let template = Template::parse(text).map_err(|problem| PatternFailure::Problems(vec![problem]))?;
        let mut problems = template.against_dims(&source.dims);
        let mut counts = Vec::new();
        for (name, dimension) in &source.dims {
            match axis::count(name, dimension, &template) {
                Ok(count) => counts.push(count),
                Err(found) => problems.extend(found),
            }
        }
        let total = counts.iter().try_fold(1u64, |total, count| total.checked_mul(*count)).unwrap_or(u64::MAX);
        if total > limit || counts.iter().any(|count| *count > limit) {
            return Err(PatternFailure::TooMany(total));
        }
        let mut axes = Vec::new();
        for (name, dimension) in &source.dims {
            if problems.iter().any(|problem| problem.place.get(1) == Some(name)) {
                continue;
            }
            match Axis::new(name, dimension, &template) {
                Ok(axis) => axes.push(axis),
                Err(found) => problems.extend(found),
            }
        }
        let mut gaps = Vec::new();
        for (number, gap) in source.gaps.iter().enumerate() {
            match compile_gap(gap, source, &axes) {
                Ok(gap) => gaps.push(gap),
                Err(found) => {
                    problems.extend(found.into_iter().map(|problem| PatternProblem { gap: Some(number), ..problem }));
                }
            }
        }
        if problems.is_empty() {
            Ok(Self { template, axes, gaps, len: total })
        } else {
            Err(PatternFailure::Problems(problems))
        }
    }

    /// The pattern as it was given.
    pub fn as_str(&self) -> &str {
        self.template.as_str()
    }

    /// Its placeholders, in the order of the text.
    pub fn placeholders(&self) -> impl Iterator<Item = &Placeholder> {
        self.template.placeholders()
    }

    /// How many slots: files and gaps.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is no slot at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A slot by its number; the last dimension changes fastest. `None` from [`FilePattern::len`] on.
    pub fn slot(&self, number: u64) -> Option<PatternSlot<'_>> {
        if number >= self.len {
            return None;
        }
        let mut positions = vec![0; self.axes.len()];
        let mut rest = number;
        for (position, axis) in positions.iter_mut().zip(&self.axes).rev() {
            let length = axis.len() as u64;
            *position = (rest % length) as usize;
            rest /= length;
        }
        let file = self.file_at(&positions)?;
        let gap = self.gaps.iter().find(|gap| {
            gap.keys.iter().all(|(axis, keys)| positions.get(*axis).is_some_and(|position| keys.contains(position)))
        });
        Some(match gap {
            Some(gap) => PatternSlot::Gap { file, reason: &gap.reason, fill: gap.fill },
            None => PatternSlot::File(file),
        })
    }

    /// All slots in order.
    pub fn slots(&self) -> impl Iterator<Item = PatternSlot<'_>> {
        (0..self.len).map_while(|number| self.slot(number))
    }

    /// The files in order, gaps left out.
    pub fn files(&self) -> impl Iterator<Item = SourceFile> {
        self.slots().filter_map(|slot| match slot {
            PatternSlot::File(file) => Some(file),
            PatternSlot::Gap { .. } => None,
        })
    }

    /// The keys that a URL of this pattern stands for; `None` where it does not match. Keys need not be among those listed.
    pub fn keys_of(&self, url: &str) -> Option<IndexMap<String, Key>> {
        matching::keys_of(&self.template, url)
    }

    fn file_at(&self, positions: &[usize]) -> Option<SourceFile> {
        let mut keys = IndexMap::with_capacity(self.axes.len());
        for (axis, position) in self.axes.iter().zip(positions) {
            keys.insert(axis.name().to_owned(), axis.key(*position)?);
        }
        let url = self.template.fill(&keys);
        Some(SourceFile { url, keys })
    }
}

/// Reads the keys out of a URL by a pattern alone, without the keys of its dimensions.
///
/// # Errors
/// [`DocumentError::Pattern`] where the pattern cannot be read.
pub fn keys_of_url(pattern: &str, url: &str) -> Result<Option<IndexMap<String, Key>>, DocumentError> {
    let template = Template::parse(pattern).map_err(|problem| DocumentError::Pattern {
        pattern: pattern.to_owned(),
        what: problem.message,
        help: problem.help,
    })?;
    Ok(matching::keys_of(&template, url))
}

/// Why there is no pattern.
#[derive(Debug)]
pub(super) enum PatternFailure {
    TooMany(u64),
    Problems(Vec<PatternProblem>),
}

fn compile_gap(gap: &Gap, source: &Source, axes: &[Axis]) -> Result<CompiledGap, Vec<PatternProblem>> {
    let mut keys = Vec::new();
    let mut problems = Vec::new();
    if gap.keys.is_empty() {
        let help = "name a dimension and its key: {time: 1987-12-01, reason: …}";
        problems.push(PatternProblem::new(&[], "this gap names no dimension", help));
    }
    for (dim, key) in &gap.keys {
        if !source.dims.contains_key(dim) {
            let mut words: Vec<&str> = source.dims.keys().map(String::as_str).collect();
            words.extend(["reason", "fill"]);
            let help = crate::document::did_you_mean(dim, words);
            problems.push(PatternProblem::new(&[dim], format!("{dim:?} is not a dimension of this source"), help));
            continue;
        }
        // A dimension that is wrong itself has been told already, and is not among the axes.
        let Some((number, axis)) = axes.iter().enumerate().find(|(_, axis)| axis.name() == dim) else { continue };
        match axis.positions_of(key) {
            Ok(positions) => keys.push((number, positions)),
            Err((message, help)) => problems.push(PatternProblem::new(&[dim], message, help)),
        }
    }
    if problems.is_empty() {
        Ok(CompiledGap { reason: gap.reason.clone(), fill: gap.fill, keys })
    } else {
        Err(problems)
    }
}

#[cfg(test)]
mod tests;
