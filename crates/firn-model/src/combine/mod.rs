//! May datasets be joined, and how: every disagreement is a declared rule or an error with file, variable and difference.
//!
//! Pure: the caller has opened the files and read the small arrays that [`values_wanted`] names. The result says for every
//! array which box of which file goes where; no element of a data variable is touched here.

mod agree;
mod attributes;
mod axis;
mod compare;
mod disagreement;
mod facts;
mod fill;
mod place;
mod select;
mod slots;
mod time;
mod unwritten;
mod verdict;
mod virtualize;

pub use attributes::coding_rule;
pub use compare::{Difference, compare_values};
pub use disagreement::{CombineError, Disagreement, Rule};
pub use facts::{Content, FileFacts, SlotKey, Wanted, is_coordinate, values_wanted};
pub use fill::FilledGap;
pub use select::{Range, SelectError, Selection, keep_variables, select};
pub use verdict::{VirtualVerdict, virtual_verdict, virtual_verdict_alone};
pub use virtualize::{MAX_REFERENCES, NotVirtual, VirtualArray, split_uncompressed};

use crate::array::{ArrayMetadata, ArraySubset, Attributes, Values};
use crate::dataset::{Group, NodePath};
use indexmap::IndexMap;
use std::collections::BTreeMap;

/// What to do with steps that several files hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Overlap {
    /// Stop.
    #[default]
    Fail,
    /// Keep one where all values are equal, else stop.
    Identical,
    /// Keep the step of the file modified last.
    Newest,
    /// Keep the step of the first file in the order of the source list.
    First,
}

impl std::fmt::Display for Overlap {
    /// The word of recipes.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Fail => "fail",
            Self::Identical => "identical",
            Self::Newest => "newest",
            Self::First => "first",
        })
    }
}

/// What to do with variables that not every file holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Schema {
    /// Stop.
    #[default]
    Strict,
    /// Keep those that every file holds.
    Intersection,
    /// Keep all; where a file lacks one it is unwritten, which must read as missing.
    Union,
}

/// What to do with attributes that differ. Coding attributes must agree always.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AttributeRule {
    /// Drop them and record it.
    #[default]
    DropConflicts,
    /// Stop.
    Identical,
    /// Keep those of the first file and record it.
    First,
}

/// The declared rules of a combination.
#[derive(Debug, Clone, Default)]
pub struct CombineRules {
    /// Dimensions along which files follow each other, outermost first.
    pub concat_dims: Vec<String>,
    /// Dimensions of the pattern whose keys select variables, not elements.
    pub merge_dims: Vec<String>,
    /// Dimension → variable that orders it, where that is not the dimension's own variable.
    pub keys: BTreeMap<String, String>,
    /// Coordinate variable → largest absolute difference that is snapped to the first file's value.
    pub tolerances: BTreeMap<String, f64>,
    /// What to do with steps that several files hold.
    pub overlap: Overlap,
    /// What to do with variables that not every file holds.
    pub schema: Schema,
    /// What to do with attributes that differ.
    pub attributes: AttributeRule,
    /// Whether jumps along an otherwise regular axis were declared or allowed, and are no finding.
    pub gaps_declared: bool,
    /// Places of the pattern without a file that stay on the axis, in its order.
    pub filled: Vec<FilledGap>,
}

/// A box of a file's array and where it goes in the combined array. Both boxes have the same number of elements; the axes
/// of the combined array are [`CombinedArray::axes`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Number of the file in [`Combined::files`].
    pub file: u32,
    /// The box in the file's array.
    pub source: ArraySubset,
    /// The box in the combined array.
    pub target: ArraySubset,
}

/// Where the elements of a combined array come from.
#[derive(Debug, Clone, PartialEq)]
pub enum CombinedContent {
    /// From these boxes of files; what no piece covers is unwritten.
    Pieces(Vec<Piece>),
    /// These values, which were encoded anew (a time axis, keys of a pattern).
    Values(Values),
}

/// One array of the combination.
#[derive(Debug, Clone, PartialEq)]
pub struct CombinedArray {
    /// Shape, type, dimensions and attributes after combining. Chunk grid and codecs are those of the first file.
    pub metadata: ArrayMetadata,
    /// The path of the array in its files.
    pub source_path: NodePath,
    /// For each axis of the files' array the axis of the combined one, `None` where it was dropped (length 1).
    pub axes: Vec<Option<usize>>,
    /// Where its elements come from.
    pub content: CombinedContent,
}

/// Something that was noticed and settled by a rule.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct Noted {
    /// Stable code.
    pub code: &'static str,
    /// The node, and the attribute or dimension.
    pub at: String,
    /// What was done.
    pub what: String,
}

/// Two boxes that must hold equal values for the combination to be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EqualityCheck {
    /// The array in both files.
    pub path: NodePath,
    /// One file and its box.
    pub kept: (u32, ArraySubset),
    /// The other file and its box.
    pub dropped: (u32, ArraySubset),
}

/// Many files as one dataset.
#[derive(Debug, Clone)]
pub struct Combined {
    /// The files, in the order of the source list.
    pub files: Vec<FileFacts>,
    /// The groups.
    pub groups: IndexMap<NodePath, Group>,
    /// The arrays.
    pub arrays: IndexMap<NodePath, CombinedArray>,
    /// What was settled by rules.
    pub noted: Vec<Noted>,
    /// What the caller has yet to compare by reading.
    pub checks: Vec<EqualityCheck>,
}

/// Files that cannot be joined, handed back.
#[derive(Debug)]
pub struct NotCombined {
    /// Why.
    pub error: CombineError,
    /// The files.
    pub files: Vec<FileFacts>,
}

/// Joins the files under the rules.
///
/// # Errors
/// [`NotCombined`] with every disagreement found.
pub fn combine(files: Vec<FileFacts>, rules: &CombineRules) -> Result<Combined, NotCombined> {
    place::combine(files, rules)
}

/// Attributes of a group or array over all files.
fn merged_attributes(
    all: &[(&FileFacts, &Attributes)],
    node: &NodePath,
    is_group: bool,
    rule: AttributeRule,
    noted: &mut Vec<Noted>,
    wrong: &mut Vec<Disagreement>,
) -> Attributes {
    attributes::merge(all, node, is_group, rule, noted, wrong)
}

#[cfg(test)]
mod tests;
