//! A recipe in the words of the pure rules: combining, selecting, chunk lengths.

use indexmap::IndexMap;

use super::{
    AttributeRule, Bound, Codec, Extent, ExtentWord, IndexSelector, Overlap, Recipe, SchemaRule, Selector, Step,
};
use crate::array::codec::BloscCompressor;
use crate::combine;
use crate::plan::{ChunkLength, CodecChoice};

impl Recipe {
    /// The rules under which its files are joined.
    pub fn combine_rules(&self) -> combine::CombineRules {
        let declared = &self.combine;
        combine::CombineRules {
            concat_dims: self.source.concat_dims().map(str::to_owned).collect(),
            merge_dims: self.source.merge_dims().map(str::to_owned).collect(),
            keys: declared.key.iter().map(|(dim, variable)| (dim.clone(), variable.clone())).collect(),
            tolerances: declared.coordinates.iter().map(|(name, rule)| (name.clone(), rule.tolerance)).collect(),
            overlap: declared.overlap.into(),
            schema: declared.schema.into(),
            attributes: declared.attributes.into(),
            gaps_declared: !self.source.gaps.is_empty() || declared.gaps == super::GapRule::Allow,
            filled: Vec::new(),
        }
    }

    /// What is kept and what it is called, all in the source's names. Selecting by labels and steps other than `rename` and
    /// `squeeze` are not in it: checking has found them unsupported.
    pub fn selection(&self) -> combine::Selection {
        let mut ranges = IndexMap::new();
        for (dim, selector) in &self.select.sel {
            match selector {
                Selector::Value(Bound::Number(value)) => {
                    ranges.insert(dim.clone(), combine::Range::Value(*value));
                }
                Selector::Range([Bound::Number(from), Bound::Number(to)]) => {
                    ranges.insert(dim.clone(), combine::Range::Values(*from, *to));
                }
                Selector::Value(Bound::Text(date)) => {
                    ranges.insert(dim.clone(), combine::Range::Date(date.clone()));
                }
                Selector::Range([Bound::Text(from), Bound::Text(to)]) => {
                    ranges.insert(dim.clone(), combine::Range::Dates(from.clone(), to.clone()));
                }
                Selector::Range(_) => {}
            }
        }
        for (dim, selector) in &self.select.isel {
            let range = match selector {
                IndexSelector::Index(index) => combine::Range::Index(*index),
                IndexSelector::Range([from, to]) => combine::Range::Indices(*from, *to),
            };
            ranges.insert(dim.clone(), range);
        }
        let mut rename: IndexMap<String, String> = IndexMap::new();
        let mut squeeze = Vec::new();
        for step in &self.transform {
            match step {
                Step::Rename(names) => rename = renamed(&rename, names),
                Step::Squeeze(names) => squeeze.extend(names.names().iter().map(|name| source_name(&rename, name))),
                _ => {}
            }
        }
        combine::Selection { variables: self.select.variables.clone(), ranges, rename, squeeze }
    }
}

/// Two renamings after each other as one.
fn renamed(first: &IndexMap<String, String>, second: &IndexMap<String, String>) -> IndexMap<String, String> {
    let mut both = first.clone();
    for (old, new) in second {
        both.insert(source_name(first, old), new.clone());
    }
    both.retain(|old, new| old != new);
    both
}

/// The name in the source of what is called so by now.
fn source_name(renamed: &IndexMap<String, String>, name: &str) -> String {
    renamed.iter().find(|(_, new)| *new == name).map_or_else(|| name.to_owned(), |(old, _)| old.clone())
}

impl Extent {
    /// The length in the words of planning; `None` for 0, which checking refuses.
    pub fn chunk_length(self) -> Option<ChunkLength> {
        match self {
            Self::Length(-1) | Self::Word(ExtentWord::All) => Some(ChunkLength::Whole),
            Self::Word(ExtentWord::Auto) => Some(ChunkLength::Auto),
            Self::Length(length) => u64::try_from(length).ok().and_then(std::num::NonZeroU64::new).map(ChunkLength::Of),
        }
    }
}

impl From<Codec> for CodecChoice {
    fn from(codec: Codec) -> Self {
        match codec {
            Codec::None => Self::None,
            Codec::Zstd { level } => Self::Zstd { level: i32::from(level) },
            Codec::Gzip { level } => Self::Gzip { level },
            Codec::BloscLz4 { level, shuffle } => Self::Blosc { compressor: BloscCompressor::Lz4, level, shuffle },
            Codec::BloscZstd { level, shuffle } => Self::Blosc { compressor: BloscCompressor::Zstd, level, shuffle },
        }
    }
}

impl From<Overlap> for combine::Overlap {
    fn from(overlap: Overlap) -> Self {
        match overlap {
            Overlap::Fail => Self::Fail,
            Overlap::Identical => Self::Identical,
            Overlap::Newest => Self::Newest,
            Overlap::First => Self::First,
        }
    }
}

impl From<SchemaRule> for combine::Schema {
    fn from(schema: SchemaRule) -> Self {
        match schema {
            SchemaRule::Strict => Self::Strict,
            SchemaRule::Intersection => Self::Intersection,
            SchemaRule::Union => Self::Union,
        }
    }
}

impl From<AttributeRule> for combine::AttributeRule {
    fn from(rule: AttributeRule) -> Self {
        match rule {
            AttributeRule::DropConflicts => Self::DropConflicts,
            AttributeRule::Identical => Self::Identical,
            AttributeRule::First => Self::First,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_steps_see_the_names_of_earlier_ones() {
        let text = "version: 1
recipes:
  - id: a
    source: {files: [a.nc]}
    transform: [{rename: {lat: y, lev: z}}, {rename: {y: latitude, z: lev}}, {squeeze: [lev, latitude]}]
";
        let checked = crate::feedstock::read_recipe("recipe.yaml", text);
        assert_eq!(checked.findings, []);
        let selection = checked.value.unwrap().recipes[0].selection();
        let expected: IndexMap<String, String> = [("lat".to_owned(), "latitude".to_owned())].into();
        assert_eq!(selection.rename, expected);
        assert_eq!(selection.squeeze, ["lev", "lat"]);
    }
}
