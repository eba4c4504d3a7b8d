//! The slots of each concat dimension: files that share a place along it, their order, and whether all combinations are there.

use super::axis::{self, AxisOrder, Slot};
use super::fill::FilledGap;
use super::place::{Axis, Members, Work};
use super::{CombineRules, Disagreement, Rule, SlotKey, time};
use crate::array::{ArrayMetadata, AttributeValue, DataType, Values};
use crate::dataset::NodePath;
use crate::diagnose::At;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

impl Work<'_> {
    /// Slots of one concat dimension, ordered.
    pub(super) fn axis(&mut self, dim: &str, members: &Members, reencoded: &time::TimeEncodings) -> Axis {
        let is_new = !self.files.iter().any(|f| f.dataset.groups().any(|(_, g)| g.dimensions.contains_key(dim)));
        let key_name = self.rules.keys.get(dim).cloned().unwrap_or_else(|| dim.to_owned());
        let key_path = members.keys().find(|path| path.name() == key_name).cloned();
        if !is_new {
            self.check_lengths(dim, members);
        }
        let (slots, slot_of, gap_slot) = self.slots(dim, is_new, key_path.as_ref(), reencoded);
        let mut axis =
            Axis { name: dim.to_owned(), key_name, is_new, slots, slot_of, gap_slot, order: AxisOrder::default() };
        let wrong = self.wrong.len();
        self.fill_slots(&mut axis, key_path.as_ref(), reencoded);
        if self.wrong.len() > wrong {
            return axis;
        }
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
        if self.wrong.len() == before {
            self.check_keys_of_other_groups(&axis, key_path.as_ref(), members, reencoded);
        }
        axis
    }

    /// Groups may each have a dimension of this name; all steps of a file go to one place, so they must be as many.
    fn check_lengths(&mut self, dim: &str, members: &Members) {
        for (number, file) in self.files.iter().enumerate() {
            let mut arrays = members
                .iter()
                .filter(|(_, holders)| holders.contains(&number))
                .filter_map(|(path, _)| Some((path, length_along(&self.array(number, path).metadata, dim)?)));
            let Some((first, length)) = arrays.next() else { continue };
            let Some((other, found)) = arrays.find(|(_, found)| *found != length) else { continue };
            self.wrong.push(Disagreement {
                rule: Rule::AxisLengths,
                at: At::url(&file.url).node(other.as_str()),
                against: None,
                expected: format!("{length} steps along {dim:?} as in {first}"),
                found: format!("{found} steps"),
            });
        }
    }

    /// The key variables of other groups must put the files in the same order, by the same rules.
    fn check_keys_of_other_groups(
        &mut self,
        axis: &Axis,
        key_path: Option<&NodePath>,
        members: &Members,
        reencoded: &time::TimeEncodings,
    ) {
        let Some(key_path) = key_path.filter(|_| !axis.is_new) else { return };
        for path in members.keys().filter(|path| path.name() == axis.key_name && *path != key_path) {
            let mut slots = axis.slots.clone();
            for slot in &mut slots {
                let values = slot.first_file.and_then(|file| self.key_values(file, path, reencoded));
                slot.values = values.filter(|values| values.len() as u64 == slot.length).unwrap_or_default();
            }
            let is_ordered = slots.iter().all(|slot| slot.length == 0 || !slot.values.is_empty());
            if !is_ordered || slots.iter().zip(&axis.slots).all(|(own, first)| own.values == first.values) {
                continue;
            }
            let wrong = self.wrong.len();
            let order = axis::order(&axis.name, path.as_str(), &slots, self.rules, &mut Vec::new(), &mut self.wrong);
            if self.wrong.len() == wrong && order != axis.order {
                self.wrong.push(Disagreement {
                    rule: Rule::NotMonotonic,
                    at: At::nowhere().node(path.as_str()),
                    against: None,
                    expected: format!("values that put the files in the order of {key_path}"),
                    found: "another order, or other steps that several files hold".to_owned(),
                });
            }
        }
    }

    fn slots(
        &mut self,
        dim: &str,
        is_new: bool,
        key_path: Option<&NodePath>,
        reencoded: &time::TimeEncodings,
    ) -> (Vec<Slot>, Vec<usize>, Vec<usize>) {
        let mut slots: Vec<Slot> = Vec::new();
        let mut gap_slot = Vec::with_capacity(self.rules.filled.len());
        let mut gaps = self.rules.filled.iter().peekable();
        let mut slot_of = Vec::with_capacity(self.files.len());
        let mut by_key: BTreeMap<SlotKey, usize> = BTreeMap::new();
        for (number, file) in self.files.iter().enumerate() {
            while let Some(gap) = gaps.next_if(|gap| gap.files_before <= number) {
                gap_slot.push(slot_of_gap(gap, dim, &mut slots, &mut by_key));
            }
            let key = file.keys.get(dim).cloned();
            let length = if is_new {
                1
            } else {
                let of_array = file.dataset.arrays().find_map(|(_, array)| length_along(&array.metadata, dim));
                let of_group = || file.dataset.groups().find_map(|(_, g)| g.dimensions.get(dim)).map(|d| d.size);
                of_array.or_else(of_group).unwrap_or(0)
            };
            let values = key_path.filter(|_| !is_new).and_then(|path| self.key_values(number, path, reencoded));
            let made = |values: Option<Vec<axis::KeyValue>>| Slot {
                key: key.clone(),
                first_file: Some(number),
                url: file.url.clone(),
                last_modified: file.version.last_modified,
                length,
                values: values.unwrap_or_default(),
            };
            if let Some(slot) = key.as_ref().and_then(|k| by_key.get(k)).copied() {
                slot_of.push(slot);
                if slots[slot].first_file.is_none() {
                    slots[slot] = made(values);
                    continue;
                }
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
                continue;
            }
            if let Some(key) = &key {
                by_key.insert(key.clone(), slots.len());
            }
            slot_of.push(slots.len());
            slots.push(made(values));
        }
        gap_slot.extend(gaps.map(|gap| slot_of_gap(gap, dim, &mut slots, &mut by_key)));
        (slots, slot_of, gap_slot)
    }

    pub(super) fn key_values(
        &self,
        file: usize,
        path: &NodePath,
        reencoded: &time::TimeEncodings,
    ) -> Option<Vec<axis::KeyValue>> {
        if let Some(values) = reencoded.get(path).and_then(|encoding| encoding.values.as_ref()) {
            return values.get(&file).map(|v| v.iter().copied().map(axis::KeyValue::Int).collect());
        }
        let content = self.files[file].contents.get(path)?;
        let values = content.values.as_ref().or_else(|| self.known.get(&content.digest))?;
        let marked = self.array(file, path).metadata.attributes.get("_Unsigned").and_then(AttributeValue::as_text);
        (values.shape.len() == 1).then(|| axis::key_values(&as_marked(values, marked))).flatten()
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
                let mut slots: Vec<Slot> =
                    axis.slots.iter().filter(|slot| slot.first_file.is_some()).cloned().collect();
                for slot in &mut slots {
                    slot.values = self.key_values(slot.first_file?, path, &reencoded)?;
                }
                let (mut noted, mut wrong) = (Vec::new(), Vec::new());
                let order =
                    axis::order(&axis.name, path.name(), &slots, &CombineRules::default(), &mut noted, &mut wrong);
                (wrong.is_empty() && order.length > 0).then(|| path.name().to_owned())
            })
    }

    /// Every combination of slots must have a file: in each merge key, the product of the dimensions.
    pub(super) fn find_holes(&mut self, axes: &[Axis]) {
        if axes.len() < 2 && self.rules.merge_dims.is_empty() {
            return;
        }
        let mut present: BTreeMap<Vec<Option<SlotKey>>, BTreeSet<Vec<usize>>> = BTreeMap::new();
        for (number, file) in self.files.iter().enumerate() {
            let merge = self.rules.merge_dims.iter().map(|dim| file.keys.get(dim).cloned()).collect();
            present.entry(merge).or_default().insert(axes.iter().map(|a| a.slot_of[number]).collect());
        }
        for (number, gap) in self.rules.filled.iter().enumerate() {
            let merge: Vec<Option<SlotKey>> =
                self.rules.merge_dims.iter().map(|dim| gap.keys.get(dim).cloned()).collect();
            // Without any file of these keys nothing tells which variables are missing.
            if let Some(known) = present.get_mut(&merge) {
                known.insert(axes.iter().map(|a| a.gap_slot[number]).collect());
            } else {
                self.wrong.push(Disagreement {
                    rule: Rule::Hole,
                    at: At::url(&gap.url),
                    against: None,
                    expected: "at least one file that tells which variables are to be filled".to_owned(),
                    found: "only gaps".to_owned(),
                });
            }
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
}

/// Length of an array along a dimension that it has.
fn length_along(metadata: &ArrayMetadata, dim: &str) -> Option<u64> {
    let place = metadata.dimension_names.iter().position(|name| name == dim)?;
    metadata.shape.get(place).copied()
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

/// The slot of a declared gap: its key's, which may have files for other keys.
fn slot_of_gap(gap: &FilledGap, dim: &str, slots: &mut Vec<Slot>, by_key: &mut BTreeMap<SlotKey, usize>) -> usize {
    let key = gap.keys.get(dim).cloned();
    if let Some(slot) = key.as_ref().and_then(|key| by_key.get(key)) {
        return *slot;
    }
    by_key.extend(key.clone().map(|key| (key, slots.len())));
    let url = gap.url.clone();
    slots.push(Slot { key, first_file: None, url, last_modified: None, length: 1, values: Vec::new() });
    slots.len() - 1
}

/// Keys of a file along its merge dimensions.
fn keys(keys: &[Option<SlotKey>]) -> String {
    let one = |key: &Option<SlotKey>| key.as_ref().map_or_else(|| "no key".to_owned(), SlotKey::to_string);
    keys.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Integers as the attribute `_Unsigned` says that they are meant (NetCDF users' guide, best practices): the order of `int8`
/// is that of `uint8` where it is "true", and the other way round where it is "false".
fn as_marked<'v>(values: &'v Values, unsigned: Option<&str>) -> Cow<'v, Values> {
    let data_type = match (unsigned, values.data_type) {
        (Some("true"), DataType::Int8) => DataType::UInt8,
        (Some("true"), DataType::Int16) => DataType::UInt16,
        (Some("true"), DataType::Int32) => DataType::UInt32,
        (Some("true"), DataType::Int64) => DataType::UInt64,
        (Some("false"), DataType::UInt8) => DataType::Int8,
        (Some("false"), DataType::UInt16) => DataType::Int16,
        (Some("false"), DataType::UInt32) => DataType::Int32,
        (Some("false"), DataType::UInt64) => DataType::Int64,
        _ => return Cow::Borrowed(values),
    };
    Cow::Owned(Values { data_type, ..values.clone() })
}
