//! Putting files side by side: schema, order along each dimension, and where every box goes.

use super::NotCombined;
use super::axis::{self, AxisOrder, Slot};
use super::facts::is_coordinate;
use super::{
    CombineError, CombineRules, Combined, CombinedArray, CombinedContent, Disagreement, EqualityCheck, FileFacts,
    Noted, Overlap, Piece, Rule, Schema, SlotKey, compare_values, merged_attributes, time, unwritten,
};
use crate::array::{Array, ArrayMetadata, ArraySubset, Attributes, DataType, Values};
use crate::dataset::{Dimension, Group, NodePath};
use crate::diagnose::At;
use indexmap::IndexMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One concat dimension after ordering.
pub(super) struct Axis {
    pub name: String,
    pub key_name: String,
    /// Whether no file has it: then each file is one step.
    pub is_new: bool,
    pub slots: Vec<Slot>,
    /// For each file its slot.
    pub slot_of: Vec<usize>,
    pub order: AxisOrder,
}

struct Work<'a> {
    files: &'a [FileFacts],
    rules: &'a CombineRules,
    noted: Vec<Noted>,
    wrong: Vec<Disagreement>,
    /// Dimensions without a usable key, each with a variable that would order the files.
    proposed_keys: Vec<(String, String)>,
    /// Values by digest, from whichever file carries them.
    known: BTreeMap<[u8; 32], Arc<Values>>,
}

pub(super) fn combine(files: Vec<FileFacts>, rules: &CombineRules) -> Result<Combined, NotCombined> {
    match join(&files, rules) {
        Ok(Joined { groups, arrays, noted, checks }) => Ok(Combined { files, groups, arrays, noted, checks }),
        Err(error) => Err(NotCombined { error, files }),
    }
}

/// All of a [`Combined`] but its files.
struct Joined {
    groups: IndexMap<NodePath, Group>,
    arrays: IndexMap<NodePath, CombinedArray>,
    noted: Vec<Noted>,
    checks: Vec<EqualityCheck>,
}

fn join(files: &[FileFacts], rules: &CombineRules) -> Result<Joined, CombineError> {
    let known = files
        .iter()
        .flat_map(|f| f.contents.values())
        .filter_map(|c| c.values.as_ref().map(|v| (c.digest, Arc::clone(v))))
        .collect();
    let mut work = Work { files, rules, noted: Vec::new(), wrong: Vec::new(), proposed_keys: Vec::new(), known };
    let members = work.members();
    work.stop_if_wrong()?;
    let reencoded = time::plan(files, &members, rules, &mut work.noted, &mut work.wrong);
    work.compare_variables(&members, &reencoded);
    work.stop_if_wrong()?;
    let axes: Vec<Axis> = rules.concat_dims.iter().map(|dim| work.axis(dim, &members, &reencoded)).collect();
    work.stop_if_wrong()?;
    work.find_holes(&axes);
    work.compare_static(&members, &axes);
    work.stop_if_wrong()?;
    let (arrays, checks) = work.place(&members, &axes, &reencoded);
    let groups = work.groups(&axes);
    work.stop_if_wrong()?;
    Ok(Joined { groups, arrays, noted: work.noted, checks })
}

/// For each array path the files that hold it, in source order.
pub(super) type Members = IndexMap<NodePath, Vec<usize>>;

impl<'a> Work<'a> {
    fn stop_if_wrong(&mut self) -> Result<(), CombineError> {
        match CombineError::of(std::mem::take(&mut self.wrong)) {
            Some(error) => Err(CombineError { proposed_keys: std::mem::take(&mut self.proposed_keys), ..error }),
            None => Ok(()),
        }
    }

    /// Files with the same keys of merge dimensions must hold the same variables, or the schema rule decides.
    fn members(&mut self) -> Members {
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

    fn array(&self, file: usize, path: &NodePath) -> &'a Array {
        // `members` only lists files that hold the path.
        #[expect(clippy::expect_used, reason = "members only lists files that hold the path")]
        self.files[file].dataset.array(path).expect("a member holds its array")
    }

    /// Every holder of a variable against the first one: dimensions, shape, type, fill.
    fn compare_variables(&mut self, members: &Members, reencoded: &time::TimeEncodings) {
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

    /// Slots of one concat dimension, ordered.
    fn axis(&mut self, dim: &str, members: &Members, reencoded: &time::TimeEncodings) -> Axis {
        let is_new = !self.files.iter().any(|f| f.dataset.groups().any(|(_, g)| g.dimensions.contains_key(dim)));
        let key_name = self.rules.keys.get(dim).cloned().unwrap_or_else(|| dim.to_owned());
        let key_path = members.keys().find(|path| path.name() == key_name).cloned();
        let (slots, slot_of) = self.slots(dim, is_new, key_path.as_ref(), reencoded);
        let mut axis = Axis { name: dim.to_owned(), key_name, is_new, slots, slot_of, order: AxisOrder::default() };
        if axis.slots.len() > 1
            && !is_new
            && axis.slots.iter().any(|s| s.values.is_empty() && s.length > 0 && s.key.is_none())
        {
            let proposal = self.propose_key(&axis, members);
            self.wrong.push(no_key(&axis, proposal.as_deref()));
            self.proposed_keys.extend(proposal.map(|key| (dim.to_owned(), key)));
            return axis;
        }
        let before = self.wrong.len();
        axis.order = axis::order(dim, &axis.key_name, &axis.slots, self.rules, &mut self.noted, &mut self.wrong);
        if let Some(proposal) = self.propose_key(&axis, members)
            && self.wrong.len() > before
        {
            for disagreement in &mut self.wrong[before..] {
                disagreement.expected =
                    format!("{} (the variable {proposal:?} would order the files)", disagreement.expected);
                disagreement.rule = Rule::NoKey;
            }
            self.proposed_keys.push((dim.to_owned(), proposal));
        }
        axis
    }

    fn slots(
        &mut self,
        dim: &str,
        is_new: bool,
        key_path: Option<&NodePath>,
        reencoded: &time::TimeEncodings,
    ) -> (Vec<Slot>, Vec<usize>) {
        let mut slots: Vec<Slot> = Vec::new();
        let mut slot_of = Vec::with_capacity(self.files.len());
        let mut by_key: BTreeMap<SlotKey, usize> = BTreeMap::new();
        for (number, file) in self.files.iter().enumerate() {
            let key = file.keys.get(dim).cloned();
            let length = if is_new {
                1
            } else {
                file.dataset.groups().find_map(|(_, g)| g.dimensions.get(dim)).map_or(0, |d| d.size)
            };
            let values = key_path.filter(|_| !is_new).and_then(|path| self.key_values(number, path, reencoded));
            if let Some(slot) = key.as_ref().and_then(|k| by_key.get(k)).copied() {
                let known: &Slot = &slots[slot];
                let same = values.is_none() || known.values.is_empty() || values.as_ref() == Some(&known.values);
                if known.length != length || !same {
                    self.wrong.push(Disagreement {
                        rule: if known.length == length { Rule::Coordinate } else { Rule::Shape },
                        at: At::url(&file.url).node(dim),
                        against: Some(known.url.clone()),
                        expected: format!("the same {} steps along {dim:?}", known.length),
                        found: format!("{length} steps, or other values"),
                    });
                }
                if slots[slot].values.is_empty() {
                    slots[slot].values = values.unwrap_or_default();
                }
                slot_of.push(slot);
                continue;
            }
            if let Some(key) = &key {
                by_key.insert(key.clone(), slots.len());
            }
            slot_of.push(slots.len());
            slots.push(Slot {
                key,
                first_file: number,
                url: file.url.clone(),
                last_modified: file.version.last_modified,
                length,
                values: values.unwrap_or_default(),
            });
        }
        (slots, slot_of)
    }

    fn key_values(&self, file: usize, path: &NodePath, reencoded: &time::TimeEncodings) -> Option<Vec<axis::KeyValue>> {
        if let Some(values) = reencoded.get(path).and_then(|encoding| encoding.values.as_ref()) {
            return values.get(&file).map(|v| v.iter().copied().map(axis::KeyValue::Int).collect());
        }
        let content = self.files[file].contents.get(path)?;
        let values = content.values.as_ref().or_else(|| self.known.get(&content.digest))?;
        (values.shape.len() == 1).then(|| axis::key_values(values)).flatten()
    }

    /// Another 1-D variable along the dimension that would order the files strictly.
    fn propose_key(&self, axis: &Axis, members: &Members) -> Option<String> {
        let reencoded = time::TimeEncodings::new();
        members
            .iter()
            .filter(|(path, holders)| {
                let dims = &self.array(holders[0], path).metadata.dimension_names;
                path.name() != axis.key_name
                    && dims.len() == 1
                    && dims[0] == axis.name
                    && holders.len() == self.files.len()
            })
            .find_map(|(path, _)| {
                let mut slots = axis.slots.clone();
                for slot in &mut slots {
                    slot.values = self.key_values(slot.first_file, path, &reencoded)?;
                }
                let (mut noted, mut wrong) = (Vec::new(), Vec::new());
                let order =
                    axis::order(&axis.name, path.name(), &slots, &CombineRules::default(), &mut noted, &mut wrong);
                (wrong.is_empty() && order.length > 0).then(|| path.name().to_owned())
            })
    }

    /// Every combination of slots must have a file: in each merge key, the product of the dimensions.
    fn find_holes(&mut self, axes: &[Axis]) {
        if axes.len() < 2 && self.rules.merge_dims.is_empty() {
            return;
        }
        let mut present: BTreeMap<Vec<Option<SlotKey>>, BTreeSet<Vec<usize>>> = BTreeMap::new();
        for (number, file) in self.files.iter().enumerate() {
            let merge = self.rules.merge_dims.iter().map(|dim| file.keys.get(dim).cloned()).collect();
            present.entry(merge).or_default().insert(axes.iter().map(|a| a.slot_of[number]).collect());
        }
        let wanted: usize = axes.iter().map(|a| a.slots.len()).product();
        for (merge, combinations) in present.iter().filter(|(_, c)| c.len() != wanted) {
            let names: Vec<&str> = axes.iter().map(|a| a.name.as_str()).collect();
            self.wrong.push(Disagreement {
                rule: Rule::Hole,
                at: At::nowhere().node(names.join(" × ")),
                against: None,
                expected: format!("a file for each of the {wanted} combinations of keys"),
                found: format!(
                    "{} of them{}",
                    combinations.len(),
                    if merge.is_empty() { String::new() } else { format!(" for {}", keys(merge)) }
                ),
            });
        }
    }

    /// Arrays that lack a concat dimension must be equal in all files that share the slots of those they have.
    fn compare_static(&mut self, members: &Members, axes: &[Axis]) {
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

    /// Whether an array gets a dimension that no file has: data variables do, coordinates do not.
    fn gets_new(&self, path: &NodePath, axis: &Axis) -> bool {
        axis.is_new && !is_coordinate(&self.files[0].dataset, path)
    }

    fn place(
        &mut self,
        members: &Members,
        axes: &[Axis],
        reencoded: &time::TimeEncodings,
    ) -> (IndexMap<NodePath, CombinedArray>, Vec<EqualityCheck>) {
        let mut arrays = IndexMap::new();
        let mut checks = Vec::new();
        for axis in axes.iter().filter(|a| a.is_new) {
            if let Some((path, array)) = new_coordinate(axis, members) {
                arrays.insert(path, array);
            }
        }
        for (path, holders) in members {
            let array = self.place_one(path, holders, axes, reencoded);
            let has_all_values = reencoded.get(path).is_none_or(|encoding| encoding.has_all(axes, &array.metadata));
            self.wrong.extend(unwritten::check(&array, has_all_values, self.files, holders));
            if self.rules.overlap == Overlap::Identical || self.rules.overlap == Overlap::Fail {
                self.add_checks(path, holders, axes, &mut checks);
            }
            arrays.insert(path.clone(), array);
        }
        (arrays, checks)
    }

    fn place_one(
        &mut self,
        path: &NodePath,
        holders: &[usize],
        axes: &[Axis],
        reencoded: &time::TimeEncodings,
    ) -> CombinedArray {
        let first = self.array(holders[0], path);
        let new: Vec<&Axis> = axes.iter().filter(|a| self.gets_new(path, a)).collect();
        let mut metadata = first.metadata.clone();
        let encoding = reencoded.get(path);
        let settled: Vec<Attributes> = holders
            .iter()
            .map(|n| &self.array(*n, path).metadata.attributes)
            .map(|attributes| encoding.map_or_else(|| attributes.clone(), |e| e.settle(attributes)))
            .collect();
        let all: Vec<(&FileFacts, &Attributes)> = holders.iter().map(|n| &self.files[*n]).zip(&settled).collect();
        metadata.attributes =
            merged_attributes(&all, path, false, self.rules.attributes, &mut self.noted, &mut self.wrong);
        for (axis, dim) in first.metadata.dimension_names.iter().enumerate() {
            if let Some(concat) = axes.iter().find(|a| &a.name == dim) {
                metadata.shape[axis] = concat.order.length;
            }
        }
        let mut names: Vec<String> = new.iter().map(|a| a.name.clone()).collect();
        names.append(&mut metadata.dimension_names);
        let mut shape: Vec<u64> = new.iter().map(|a| a.order.length).collect();
        shape.append(&mut metadata.shape);
        let chunk: Vec<u64> = std::iter::repeat_n(1, new.len())
            .chain(first.metadata.chunk_grid.chunk_shape().unwrap_or(&[]).iter().copied())
            .collect();
        let mapping = (0..first.metadata.shape.len()).map(|a| Some(a + new.len())).collect();
        metadata = ArrayMetadata {
            shape,
            dimension_names: names,
            chunk_grid: crate::array::ChunkGrid::regular(&chunk),
            ..metadata
        };
        let content = match encoding.and_then(|e| e.values.as_ref()) {
            Some(values) => {
                time::describe(&mut metadata);
                let dim = metadata.dimension_names[0].clone();
                CombinedContent::Values(time::values(values, axes, &dim, &metadata.shape))
            }
            None => CombinedContent::Pieces(self.pieces(path, holders, axes, &new)),
        };
        CombinedArray { metadata, source_path: path.clone(), axes: mapping, content }
    }

    fn pieces(&self, path: &NodePath, holders: &[usize], axes: &[Axis], new: &[&Axis]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut taken: BTreeSet<Vec<usize>> = BTreeSet::new();
        let names = &self.array(holders[0], path).metadata.dimension_names;
        let own: Vec<&Axis> = axes.iter().filter(|a| names.contains(&a.name)).collect();
        for number in holders {
            let array = self.array(*number, path);
            let place: Vec<usize> = new.iter().chain(&own).map(|a| a.slot_of[*number]).collect();
            if !taken.insert(place) {
                continue;
            }
            let mut boxes = vec![(ArraySubset::whole(&array.metadata.shape), {
                let mut start = vec![0; new.len()];
                start.extend(vec![0; array.metadata.shape.len()]);
                let mut shape = vec![1; new.len()];
                shape.extend(&array.metadata.shape);
                ArraySubset { start, shape }
            })];
            for (position, axis) in new.iter().enumerate() {
                boxes = each_run(&boxes, axis, axis.slot_of[*number], None, position);
            }
            for axis in &own {
                let source = names.iter().position(|n| n == &axis.name).unwrap_or(0);
                boxes = each_run(&boxes, axis, axis.slot_of[*number], Some(source), new.len() + source);
            }
            pieces.extend(
                boxes.into_iter().filter(|(source, _)| !source.shape.contains(&0)).map(|(source, target)| Piece {
                    file: *number as u32,
                    source,
                    target,
                }),
            );
        }
        pieces
    }

    fn add_checks(&self, path: &NodePath, holders: &[usize], axes: &[Axis], checks: &mut Vec<EqualityCheck>) {
        let names = &self.array(holders[0], path).metadata.dimension_names;
        for axis in axes {
            let Some(position) = names.iter().position(|n| n == &axis.name) else { continue };
            for (kept, kept_step, dropped, dropped_step) in &axis.order.duplicates {
                for dropped_file in holders.iter().filter(|n| axis.slot_of[**n] == *dropped) {
                    let Some(kept_file) = holders.iter().find(|n| {
                        axis.slot_of[**n] == *kept
                            && axes.iter().all(|a| a.name == axis.name || a.slot_of[**n] == a.slot_of[*dropped_file])
                    }) else {
                        continue;
                    };
                    let step = |file: usize, at: u64| {
                        let mut subset = ArraySubset::whole(&self.array(file, path).metadata.shape);
                        subset.start[position] = at;
                        subset.shape[position] = 1;
                        (file as u32, subset)
                    };
                    checks.push(EqualityCheck {
                        path: path.clone(),
                        kept: step(*kept_file, *kept_step),
                        dropped: step(*dropped_file, *dropped_step),
                    });
                }
            }
        }
    }

    fn groups(&mut self, axes: &[Axis]) -> IndexMap<NodePath, Group> {
        let mut groups: IndexMap<NodePath, Group> = IndexMap::new();
        for (path, _) in self.files.iter().flat_map(|f| f.dataset.groups()) {
            if groups.contains_key(path) {
                continue;
            }
            let holders: Vec<(&FileFacts, &Group)> =
                self.files.iter().filter_map(|f| f.dataset.group(path).map(|g| (f, g))).collect();
            let all: Vec<(&FileFacts, &Attributes)> = holders.iter().map(|(f, g)| (*f, &g.attributes)).collect();
            let attributes =
                merged_attributes(&all, path, true, self.rules.attributes, &mut self.noted, &mut self.wrong);
            let mut dimensions: IndexMap<String, Dimension> = IndexMap::new();
            for (name, dimension) in holders.iter().flat_map(|(_, g)| &g.dimensions) {
                dimensions.entry(name.clone()).or_insert_with(|| dimension.clone());
            }
            for axis in axes {
                if let Some(dimension) = dimensions.get_mut(&axis.name) {
                    dimension.size = axis.order.length;
                } else if axis.is_new && path.is_root() {
                    dimensions.insert(axis.name.clone(), Dimension { size: axis.order.length, unlimited: false });
                }
            }
            groups.insert(path.clone(), Group { attributes, dimensions });
        }
        groups
    }
}

/// Splits boxes by the runs of one slot: `source` is the axis in the file's array (`None` for a new dimension).
fn each_run(
    boxes: &[(ArraySubset, ArraySubset)],
    axis: &Axis,
    slot: usize,
    source: Option<usize>,
    target: usize,
) -> Vec<(ArraySubset, ArraySubset)> {
    let mut split = Vec::new();
    for run in axis.order.runs.iter().filter(|run| run.slot == slot) {
        for (from, to) in boxes {
            let (mut from, mut to) = (from.clone(), to.clone());
            if let Some(source) = source {
                from.start[source] = run.source_start;
                from.shape[source] = run.length;
            }
            to.start[target] = run.target_start;
            to.shape[target] = run.length;
            split.push((from, to));
        }
    }
    split
}

/// The coordinate of a dimension that no file has: the keys of the pattern.
fn new_coordinate(axis: &Axis, members: &Members) -> Option<(NodePath, CombinedArray)> {
    let path = NodePath::parse(&axis.name).ok()?;
    if members.contains_key(&path) {
        return None;
    }
    let keys: Vec<&SlotKey> =
        axis.order.runs.iter().map(|run| axis.slots[run.slot].key.as_ref()).collect::<Option<Vec<_>>>()?;
    let mut attributes = Attributes::new();
    let (data_type, elements) = time::key_coordinate(&keys, &mut attributes);
    let shape = vec![keys.len() as u64];
    let metadata = ArrayMetadata {
        shape: shape.clone(),
        data_type,
        chunk_grid: crate::array::ChunkGrid::regular(&shape),
        fill_value: None,
        codecs: vec![match data_type {
            DataType::String => crate::array::CodecMetadata::VlenUtf8,
            _ => crate::array::CodecMetadata::Bytes { endian: crate::array::Endian::Little },
        }],
        dimension_names: vec![axis.name.clone()],
        attributes,
    };
    let content = CombinedContent::Values(Values { data_type, shape, elements });
    Some((path.clone(), CombinedArray { metadata, source_path: path, axes: vec![], content }))
}

/// As `ncdump` writes them.
fn dimensions(names: &[String]) -> String {
    format!("({})", names.join(", "))
}

fn no_key(axis: &Axis, proposal: Option<&str>) -> Disagreement {
    let expected = match proposal {
        Some(name) => format!("a variable that orders the files along {:?}, such as {name:?}", axis.name),
        None => format!("a variable {:?} with values along it", axis.key_name),
    };
    Disagreement {
        rule: Rule::NoKey,
        at: At::url(&axis.slots[0].url).node(axis.name.clone()),
        against: None,
        expected,
        found: "no values to order the files by".to_owned(),
    }
}

/// Keys of a file along its merge dimensions.
fn keys(keys: &[Option<SlotKey>]) -> String {
    let one = |key: &Option<SlotKey>| key.as_ref().map_or_else(|| "no key".to_owned(), SlotKey::to_string);
    keys.iter().map(one).collect::<Vec<_>>().join(", ")
}
