//! Putting files side by side: schema, order along each dimension, and where every box goes.

use super::NotCombined;
use super::axis::{AxisOrder, Slot};
use super::facts::is_coordinate;
use super::fill::Filled;
use super::{
    CombineError, CombineRules, Combined, CombinedArray, CombinedContent, Disagreement, EqualityCheck, FileFacts,
    Noted, Overlap, Piece, Rule, SlotKey, merged_attributes, time, unwritten,
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
    /// For each gap that is filled its slot.
    pub gap_slot: Vec<usize>,
    pub order: AxisOrder,
}

pub(super) struct Work<'a> {
    pub files: &'a [FileFacts],
    pub rules: &'a CombineRules,
    pub noted: Vec<Noted>,
    pub wrong: Vec<Disagreement>,
    /// Dimensions without a usable key, each with a variable that would order the files.
    pub proposed_keys: Vec<(String, String)>,
    /// Values by digest, from whichever file carries them.
    pub known: BTreeMap<[u8; 32], Arc<Values>>,
    /// Values of the steps that are filled.
    pub filled: Filled,
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
    let mut work = Work {
        files,
        rules,
        noted: Vec::new(),
        wrong: Vec::new(),
        proposed_keys: Vec::new(),
        known,
        filled: Filled::default(),
    };
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
    work.note_filled(&axes);
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

    pub(super) fn array(&self, file: usize, path: &NodePath) -> &'a Array {
        // `members` only lists files that hold the path.
        #[expect(clippy::expect_used, reason = "members only lists files that hold the path")]
        self.files[file].dataset.array(path).expect("a member holds its array")
    }

    /// Whether an array gets a dimension that no file has: data variables do, coordinates do not.
    pub(super) fn gets_new(&self, path: &NodePath, axis: &Axis) -> bool {
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
            // Filled steps have values of their own, or were seen to read as missing.
            let has_all_values = self.filled.values.contains_key(path)
                || reencoded.get(path).is_none_or(|encoding| encoding.has_all(axes, &array.metadata));
            if !self.is_filled(path, holders, axes) {
                self.wrong.extend(unwritten::check(&array, has_all_values, self.files, holders));
            }
            self.add_checks(path, holders, axes, &mut checks);
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
                let filled = self.filled.values.get(path);
                CombinedContent::Values(time::values(values, filled, axes, &dim, &metadata.shape))
            }
            None => {
                if let Some(values) = self.with_filled(path, axes, &mut metadata) {
                    CombinedContent::Values(values)
                } else {
                    if self.is_filled(path, holders, axes) {
                        self.settle_fill(path, &mut metadata);
                    }
                    CombinedContent::Pieces(self.pieces(path, holders, axes, &new))
                }
            }
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

    /// Steps that two files hold: which values of a variable have to be equal, where the rule says so. Where the file that
    /// is kept lacks the variable, the values of the other would be lost.
    fn add_checks(&mut self, path: &NodePath, holders: &[usize], axes: &[Axis], checks: &mut Vec<EqualityCheck>) {
        let compares = matches!(self.rules.overlap, Overlap::Identical | Overlap::Fail);
        let names = &self.array(holders[0], path).metadata.dimension_names;
        for axis in axes {
            let Some(position) = names.iter().position(|n| n == &axis.name) else { continue };
            for (kept, kept_step, dropped, dropped_step) in &axis.order.duplicates {
                for dropped_file in holders.iter().filter(|n| axis.slot_of[**n] == *dropped) {
                    let Some(kept_file) = holders.iter().find(|n| {
                        axis.slot_of[**n] == *kept
                            && axes.iter().all(|a| a.name == axis.name || a.slot_of[**n] == a.slot_of[*dropped_file])
                    }) else {
                        self.wrong.push(lost(path, &self.files[*dropped_file], &axis.slots[*kept].url));
                        continue;
                    };
                    if !compares {
                        continue;
                    }
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

/// A variable that a step has in the file that is dropped alone.
fn lost(path: &NodePath, dropped: &FileFacts, kept: &str) -> Disagreement {
    Disagreement {
        rule: Rule::Variables,
        at: At::url(&dropped.url).node(path.as_str()),
        against: Some(kept.to_owned()),
        expected: "the variable in the file whose steps are kept".to_owned(),
        found: "the variable in the other file only, where its values would be lost".to_owned(),
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
