//! What files can disagree on: one code each.

use crate::diagnose::{At, Category, Diagnose};
use std::fmt;

/// The rule that two files, or the steps of an axis, break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Rule {
    /// A variable is missing in some file.
    Variables,
    /// A variable is missing in some file, and unwritten elements would read as data.
    AbsentWithoutFill,
    /// The dimensions of a variable.
    Dimensions,
    /// The length of a dimension.
    Shape,
    /// The type of a variable's elements.
    DataType,
    /// `scale_factor`, `add_offset`, `_Unsigned`.
    Packing,
    /// `_FillValue`, `missing_value`, or the format's own fill.
    Fill,
    /// `units`.
    Units,
    /// `calendar`.
    Calendar,
    /// Another attribute that changes what values mean.
    CodingAttribute,
    /// Any other attribute, under `attributes: identical`.
    Attribute,
    /// Arrays of one file that are not equally long along the concat dimension.
    AxisLengths,
    /// The values of a coordinate.
    Coordinate,
    /// The values of another variable that does not vary along the concat dimension.
    StaticVariable,
    /// Time values that no common integer unit holds exactly.
    TimeEncoding,
    /// The shape of chunks.
    ChunkShape,
    /// The codecs of chunks.
    Codecs,
    /// An axis without a variable that orders it.
    NoKey,
    /// An axis whose key is not strictly monotonic.
    NotMonotonic,
    /// Steps that several files hold.
    Overlap,
    /// Steps that several files hold, with equal values.
    OverlapIdentical,
    /// Steps that several files hold, with different values.
    OverlapDifferent,
    /// A jump along an otherwise regular axis.
    Gap,
    /// A declared gap that cannot be filled.
    GapFill,
    /// A combination of keys for which there is no file.
    Hole,
    /// The same variable in the files of two merge keys, with different content.
    Merge,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 26] = [
        Self::Variables,
        Self::AbsentWithoutFill,
        Self::Dimensions,
        Self::Shape,
        Self::DataType,
        Self::Packing,
        Self::Fill,
        Self::Units,
        Self::Calendar,
        Self::CodingAttribute,
        Self::Attribute,
        Self::AxisLengths,
        Self::Coordinate,
        Self::StaticVariable,
        Self::TimeEncoding,
        Self::ChunkShape,
        Self::Codecs,
        Self::NoKey,
        Self::NotMonotonic,
        Self::Overlap,
        Self::OverlapIdentical,
        Self::OverlapDifferent,
        Self::Gap,
        Self::GapFill,
        Self::Hole,
        Self::Merge,
    ];

    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Variables => "drift-variables",
            Self::AbsentWithoutFill => "drift-absent-without-fill",
            Self::Dimensions => "drift-dimensions",
            Self::Shape => "drift-shape",
            Self::DataType => "drift-data-type",
            Self::Packing => "drift-packing",
            Self::Fill => "drift-fill",
            Self::Units => "drift-units",
            Self::Calendar => "drift-calendar",
            Self::CodingAttribute => "drift-coding-attribute",
            Self::Attribute => "drift-attribute",
            Self::AxisLengths => "axis-lengths",
            Self::Coordinate => "drift-coordinate",
            Self::StaticVariable => "drift-static-variable",
            Self::TimeEncoding => "drift-time-encoding",
            Self::ChunkShape => "drift-chunk-shape",
            Self::Codecs => "drift-codecs",
            Self::NoKey => "axis-no-key",
            Self::NotMonotonic => "axis-not-monotonic",
            Self::Overlap => "axis-overlap",
            Self::OverlapIdentical => "axis-overlap-identical",
            Self::OverlapDifferent => "axis-overlap-different",
            Self::Gap => "axis-gap",
            Self::GapFill => "gap-fill",
            Self::Hole => "axis-hole",
            Self::Merge => "merge-conflict",
        }
    }

    /// Why it matters.
    pub const fn why(self) -> &'static str {
        match self {
            Self::Variables => "the dataset would hold a variable that is silently missing for some steps",
            Self::AbsentWithoutFill => {
                "where the file has no such variable, readers would see numbers that nobody measured"
            }
            Self::Dimensions | Self::Shape => "the arrays do not fit together; one of them would be cut or shifted",
            Self::AxisLengths => {
                "a file takes one range of the joined dimension: steps of the longer array would be left out"
            }
            Self::DataType => "values would be cast, and cast values are not the source's values",
            Self::Packing => {
                "one array has one scale and offset: the other file's values would be decoded with the wrong ones"
            }
            Self::Fill => "missing cells of one file would read as valid numbers, or valid numbers as missing",
            Self::Units => "numbers of different units would stand side by side in one array",
            Self::Calendar => "the same number means another date in another calendar",
            Self::CodingAttribute => "the attribute decides what the values mean",
            Self::Attribute => "the recipe asks for identical attributes",
            Self::Coordinate => "a grid that shifts, even by 1e-6, makes joins on it come out empty",
            Self::TimeEncoding => "rounded times are wrong times",
            Self::ChunkShape | Self::Codecs => "references need every chunk in the same shape and encoding",
            Self::NoKey => "without a key firn cannot know in which order the files belong",
            Self::NotMonotonic => "selecting by label needs a strictly monotonic axis",
            Self::Overlap | Self::OverlapIdentical | Self::OverlapDifferent => {
                "a step would be in the dataset twice, or one of two versions would win by chance"
            }
            Self::Gap => "a missing file would go unnoticed: nothing in the result tells it from a short record",
            Self::GapFill => "a filled step needs a coordinate that is not a guess, and cells that read as missing",
            Self::Hole => "the hole would read as fill values, as if the data were missing at the source",
            Self::StaticVariable | Self::Merge => "only one of the two versions would survive",
        }
    }

    /// How to mend it with the flags of a verb that joins files without a recipe.
    pub fn by_flags(self) -> String {
        match self {
            Self::ChunkShape | Self::Codecs => {
                "copy instead of referring: firn transform with the same files".to_owned()
            }
            Self::NoKey | Self::NotMonotonic => {
                "name the variable that orders the files: the same command with --concat-key DIM=VARIABLE".to_owned()
            }
            Self::Gap => "add the missing file; or join what is there: the same command with --allow-gaps".to_owned(),
            // No flag says what a recipe can: what its help has in quotes is a key.
            _ if self.help().contains('`') => {
                format!(
                    "write a recipe (firn plan FILE --write DIR); there {}",
                    self.help().replace(" in the recipe", "")
                )
            }
            _ => self.help().to_owned(),
        }
    }

    /// How to mend it in a recipe.
    pub const fn help(self) -> &'static str {
        match self {
            Self::Variables => {
                "say `combine: {schema: intersection}` or `union` in the recipe, or `select: {variables: [...]}`"
            }
            Self::AbsentWithoutFill => {
                "say `combine: {schema: intersection}` in the recipe, leave the variable out with `select: {variables: [...]}`, or \
                 make a recipe of its own for the files that have it"
            }
            Self::Dimensions | Self::Shape | Self::DataType => {
                "leave the file out, or make a recipe of its own for it: firn inspect FILE"
            }
            Self::AxisLengths => {
                "make a recipe for each group, which takes its variables: `select: {variables: [/GROUP/NAME, ...]}`"
            }
            Self::Packing | Self::Fill | Self::Units | Self::Calendar | Self::CodingAttribute => {
                "compare the files (firn inspect A B), leave the odd ones out, or give them a recipe of their own"
            }
            Self::Attribute => "say `combine: {attributes: drop_conflicts}` or `first` in the recipe",
            Self::Coordinate => {
                "if the difference is noise, say `combine: {coordinates: {NAME: {tolerance: VALUE}}}` in the recipe"
            }
            Self::StaticVariable => "leave it out with `select: {variables: [...]}`, or leave the file out",
            Self::TimeEncoding => "leave the odd files out, or give them a recipe of their own",
            Self::ChunkShape | Self::Codecs => "copy instead of referring: say `strategy: transform` in the recipe",
            Self::NoKey | Self::NotMonotonic => {
                "name the variable that orders the files: `combine: {key: {DIM: VARIABLE}}` in the recipe"
            }
            Self::Overlap => "say `combine: {overlap: identical}`, `newest` or `first` in the recipe",
            Self::OverlapIdentical => "the values are equal: say `combine: {overlap: identical}` in the recipe",
            Self::OverlapDifferent => {
                "the values differ: say `combine: {overlap: newest}` or `first` in the recipe, or leave one file out"
            }
            Self::Gap => "add the missing file; or join what is there: `combine: {gaps: allow}` in the recipe",
            Self::GapFill => {
                "remove `fill: true`, which leaves the step out of the axis; or leave the variable out with `select: {variables: [...]}`"
            }
            Self::Hole => "add the missing file, or declare the step as a gap in every other file too",
            Self::Merge => "rename one of them in a recipe of its own, or leave it out with `select`",
        }
    }
}

/// One disagreement.
#[derive(Debug, Clone, PartialEq)]
pub struct Disagreement {
    /// The rule.
    pub rule: Rule,
    /// The file that disagrees, the variable, and the index of the element where that is known.
    pub at: At,
    /// The file it is compared with, where there is one.
    pub against: Option<String>,
    /// What the others say.
    pub expected: String,
    /// What this one says.
    pub found: String,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: found {}, expected {}", self.at, self.found, self.expected)?;
        if let Some(against) = &self.against {
            write!(f, " as in {against}")?;
        }
        Ok(())
    }
}

/// The files cannot be joined.
#[derive(Debug, Clone)]
pub struct CombineError {
    /// All that was found, at least one, the one that decides the code first.
    pub disagreements: Vec<Disagreement>,
    /// Dimensions without a usable key, each with a variable that would order the files.
    pub proposed_keys: Vec<(String, String)>,
}

impl From<Disagreement> for CombineError {
    fn from(disagreement: Disagreement) -> Self {
        Self { disagreements: vec![disagreement], proposed_keys: Vec::new() }
    }
}

impl CombineError {
    /// Of these, in the order of their rules; `None` where there are none.
    pub fn of(mut disagreements: Vec<Disagreement>) -> Option<Self> {
        disagreements.sort_by_key(|d| d.rule);
        (!disagreements.is_empty()).then_some(Self { disagreements, proposed_keys: Vec::new() })
    }

    /// The next step of a verb that joins files by its flags.
    pub fn next_by_flags(&self) -> String {
        if self.rule() != Rule::NoKey || self.proposed_keys.is_empty() {
            return self.rule().by_flags();
        }
        let keys: Vec<String> = self.proposed_keys.iter().map(|(dim, key)| format!("{dim}={key}")).collect();
        format!("the same command with --concat-key {}", keys.join(","))
    }

    /// The rule that decides the code.
    pub fn rule(&self) -> Rule {
        self.disagreements.first().map_or(Rule::Variables, |d| d.rule)
    }
}

impl fmt::Display for CombineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        f.write_str("the files do not agree")?;
        for disagreement in self.disagreements.iter().take(SHOWN) {
            write!(f, "\n  [{}] {disagreement}", disagreement.rule.code())?;
        }
        if self.disagreements.len() > SHOWN {
            write!(f, "\n  and {} more", self.disagreements.len() - SHOWN)?;
        }
        Ok(())
    }
}

impl std::error::Error for CombineError {}

impl Diagnose for CombineError {
    fn code(&self) -> &'static str {
        self.rule().code()
    }

    fn category(&self) -> Category {
        Category::Inconsistent
    }

    fn at(&self) -> At {
        self.disagreements.first().map(|d| d.at.clone()).unwrap_or_default()
    }

    fn why(&self) -> String {
        self.rule().why().to_owned()
    }

    fn next(&self) -> String {
        if self.rule() != Rule::NoKey || self.proposed_keys.is_empty() {
            return self.rule().help().to_owned();
        }
        let keys: Vec<String> = self.proposed_keys.iter().map(|(dim, key)| format!("{dim}: {key}")).collect();
        format!("say `combine: {{key: {{{}}}}}` in the recipe", keys.join(", "))
    }
}
