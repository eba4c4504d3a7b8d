//! What files must agree on: which variables they hold, their shapes and types, and the values of what repeats.

use super::facts::is_coordinate;
use super::place::{Axis, Members, Work};
use super::{Disagreement, Noted, Rule, Schema, SlotKey, compare_values, time};
use crate::dataset::NodePath;
use crate::diagnose::At;
use indexmap::IndexMap;
use std::collections::{BTreeMap, BTreeSet};

impl Work<'_> {
    /// Files with the same keys of merge dimensions must hold the same variables, or the schema rule decides.
    pub(super) fn members(&mut self) -> Members {
        let mut members: Members = IndexMap::new();
        for (number, file) in self.files.iter().enumerate() {
            for (path, _) in file.dataset.arrays() {
                members.entry(path.clone()).or_default().push(number);
            }
        }
        let merge_key = |number: usize| -> Vec<Option<SlotKey>> {
            self.rules.merge_dims.iter().map(|dim| self.files[number].keys.get(dim).cloned()).collect()
        };
        let mut by_key: BTreeMap<Vec<Option<SlotKey>>, Vec<usize>> = BTreeMap::new();
        for number in 0..self.files.len() {
            by_key.entry(merge_key(number)).or_default().push(number);
        }
        let mut dropped = BTreeSet::new();
        for (path, holders) in &members {
            let holding: BTreeSet<usize> = holders.iter().copied().collect();
            for same in by_key.values().filter(|same| same.iter().any(|n| holding.contains(n))) {
                let Some(lacking) = same.iter().find(|n| !holding.contains(n)) else { continue };
                match self.rules.schema {
                    Schema::Strict => self.wrong.push(Disagreement {
                        rule: Rule::Variables,
                        at: At::url(&self.files[*lacking].url).node(path.as_str()),
                        against: Some(self.files[holders[0]].url.clone()),
                        expected: format!("the variable {path}"),
                        found: "no such variable".to_owned(),
                    }),
                    Schema::Intersection => {
                        dropped.insert(path.clone());
                    }
                    Schema::Union => self.noted.push(Noted {
                        code: "variable-absent",
                        at: path.to_string(),
                        what: format!(
                            "is absent in some files, first in {}; unwritten there",
                            self.files[*lacking].url
                        ),
                    }),
                }
            }
        }
        for path in dropped {
            members.shift_remove(&path);
            self.noted.push(Noted {
                code: "variable-dropped",
                at: path.to_string(),
                what: "is not in every file and is dropped".to_owned(),
            });
        }
        members
    }

    /// Every holder of a variable against the first one: dimensions, shape, type, fill.
    pub(super) fn compare_variables(&mut self, members: &Members, reencoded: &time::TimeEncodings) {
        for (path, holders) in members {
            let first = self.array(holders[0], path);
            for number in &holders[1..] {
                let other = self.array(*number, path);
                let mut differs = |rule: Rule, expected: String, found: String| {
                    self.wrong.push(Disagreement {
                        rule,
                        at: At::url(&self.files[*number].url).node(path.as_str()),
                        against: Some(self.files[holders[0]].url.clone()),
                        expected,
                        found,
                    });
                };
                let (a, b) = (&first.metadata, &other.metadata);
                if a.dimension_names != b.dimension_names {
                    differs(Rule::Dimensions, dimensions(&a.dimension_names), dimensions(&b.dimension_names));
                    continue;
                }
                for (axis, dim) in a.dimension_names.iter().enumerate() {
                    if !self.rules.concat_dims.contains(dim) && a.shape[axis] != b.shape[axis] {
                        differs(Rule::Shape, format!("{dim}: {}", a.shape[axis]), format!("{dim}: {}", b.shape[axis]));
                    }
                }
                if a.data_type != b.data_type && !reencoded.get(path).is_some_and(time::Encoding::is_new) {
                    differs(Rule::DataType, a.data_type.to_string(), b.data_type.to_string());
                }
                if let (Some(x), Some(y)) = (&a.fill_value, &b.fill_value)
                    && x != y
                    && a.data_type == b.data_type
                {
                    differs(Rule::Fill, x.display(a.data_type), y.display(b.data_type));
                }
            }
        }
    }

    /// Arrays that lack a concat dimension must be equal in all files that share the slots of those they have.
    pub(super) fn compare_static(&mut self, members: &Members, axes: &[Axis]) {
        for (path, holders) in members {
            let first = self.array(holders[0], path);
            let own: Vec<&Axis> = axes
                .iter()
                .filter(|a| first.metadata.dimension_names.contains(&a.name) || self.gets_new(path, a))
                .collect();
            let mut reference: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
            for number in holders {
                let place: Vec<usize> = own.iter().map(|a| a.slot_of[*number]).collect();
                let Some(known) = reference.get(&place).copied() else {
                    reference.insert(place, *number);
                    continue;
                };
                self.compare_content(path, known, *number);
            }
        }
    }

    fn compare_content(&mut self, path: &NodePath, known: usize, other: usize) {
        let (Some(a), Some(b)) = (self.files[known].contents.get(path), self.files[other].contents.get(path)) else {
            // Two files with the same place along every concat dimension hold the same data variable.
            self.wrong.push(Disagreement {
                rule: Rule::Merge,
                at: At::url(&self.files[other].url).node(path.as_str()),
                against: Some(self.files[known].url.clone()),
                expected: "a variable that only one file holds for these keys".to_owned(),
                found: "the same variable again".to_owned(),
            });
            return;
        };
        if a.digest == b.digest {
            return;
        }
        let values = self.known.get(&a.digest).zip(self.known.get(&b.digest));
        let Some(difference) = values.and_then(|(x, y)| compare_values(x, y)) else {
            self.wrong.push(Disagreement {
                rule: Rule::StaticVariable,
                at: At::url(&self.files[other].url).node(path.as_str()),
                against: Some(self.files[known].url.clone()),
                expected: "equal values".to_owned(),
                found: "other values".to_owned(),
            });
            return;
        };
        let tolerance = self.rules.tolerances.get(path.name()).copied();
        if let (Some(max), Some(tolerance)) = (difference.max_difference, tolerance)
            && max <= tolerance
        {
            self.noted.push(Noted {
                code: "coordinate-snapped",
                at: path.to_string(),
                what: format!("{} differs by at most {max:e}; the first file's values are used", self.files[other].url),
            });
            return;
        }
        let coordinate = is_coordinate(&self.files[known].dataset, path);
        self.wrong.push(Disagreement {
            rule: if coordinate { Rule::Coordinate } else { Rule::StaticVariable },
            at: At::url(&self.files[other].url).node(path.as_str()).index(difference.index.clone()),
            against: Some(self.files[known].url.clone()),
            expected: difference.expected.clone(),
            found: difference.to_string(),
        });
    }
}

/// As `ncdump` writes them.
fn dimensions(names: &[String]) -> String {
    format!("({})", names.join(", "))
}
