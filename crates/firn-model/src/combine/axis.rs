//! The order of files along a concat dimension, and what they overlap or leave out.

use super::{CombineRules, Disagreement, Noted, Overlap, Rule, SlotKey};
use crate::array::{DataType, Values};
use crate::diagnose::At;
use std::cmp::Ordering;

/// One value of a concat key, comparable.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum KeyValue {
    Int(i64),
    Float(f64),
    Text(String),
}

impl KeyValue {
    /// Total within one axis: all of its values have one kind.
    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Float(a), Self::Float(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            _ => Ordering::Equal,
        }
    }

    fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(v) => Some(*v as f64),
            Self::Float(v) => Some(*v),
            Self::Text(_) => None,
        }
    }
}

impl std::fmt::Display for KeyValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Int(v) => write!(f, "{v}"),
            Self::Float(v) => write!(f, "{v}"),
            Self::Text(v) => write!(f, "{v:?}"),
        }
    }
}

/// The values of a 1-D key variable; `None` for unsigned values beyond `i64`.
pub(super) fn key_values(values: &Values) -> Option<Vec<KeyValue>> {
    if let crate::array::Elements::Text(texts) = &values.elements {
        return Some(texts.iter().cloned().map(KeyValue::Text).collect());
    }
    if values.data_type == DataType::Bool || values.data_type.is_integer() {
        return Some(values.to_i64()?.into_iter().map(KeyValue::Int).collect());
    }
    Some(values.to_f64()?.into_iter().map(KeyValue::Float).collect())
}

/// Files that share one place along a dimension.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    /// Key of the pattern, where there is one.
    pub key: Option<SlotKey>,
    /// Position of its first file in the source list; `None` where there is none and the step is filled.
    pub first_file: Option<usize>,
    /// URL of that file.
    pub url: String,
    /// Last modification of that file.
    pub last_modified: Option<i64>,
    /// Length of the dimension in its files (1 for a new dimension).
    pub length: u64,
    /// Values of the key variable, one a step; empty where the pattern's key orders the slots.
    pub values: Vec<KeyValue>,
}

/// Consecutive steps of one slot and where they go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub slot: usize,
    pub source_start: u64,
    pub length: u64,
    pub target_start: u64,
}

/// A step that two slots hold: `(kept slot, its step, dropped slot, its step)`.
pub(super) type Duplicate = (usize, u64, usize, u64);

/// How the slots of one dimension follow each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct AxisOrder {
    pub runs: Vec<Run>,
    pub length: u64,
    /// Steps that were dropped because another slot has them too.
    pub duplicates: Vec<Duplicate>,
}

/// Orders the slots of a dimension. Without values of a key variable the pattern's keys order them.
pub(super) fn order(
    dim: &str,
    key_name: &str,
    slots: &[Slot],
    rules: &CombineRules,
    noted: &mut Vec<Noted>,
    wrong: &mut Vec<Disagreement>,
) -> AxisOrder {
    let mut sequence: Vec<usize> = (0..slots.len()).collect();
    if slots.iter().any(|slot| slot.values.is_empty() && slot.length > 0) {
        // The pattern declares the order of its keys, and its slots come in that order.
        return consecutive(&sequence, slots);
    }
    sequence.retain(|s| !slots[*s].values.is_empty());
    if sequence.len() <= 1 {
        return consecutive(&sequence, slots);
    }
    let descending = slots
        .iter()
        .find(|s| s.values.len() > 1)
        .is_some_and(|s| s.values[0].compare(&s.values[s.values.len() - 1]) == Ordering::Greater);
    let directed = |a: &KeyValue, b: &KeyValue| if descending { b.compare(a) } else { a.compare(b) };
    if !each_file_is_monotonic(key_name, slots, &sequence, &directed, wrong) {
        return AxisOrder::default();
    }
    sequence.sort_by(|a, b| directed(&slots[*a].values[0], &slots[*b].values[0]).then(a.cmp(b)));
    let overlaps = sequence.windows(2).any(|pair| {
        let last = &slots[pair[0]].values[slots[pair[0]].values.len() - 1];
        directed(last, &slots[pair[1]].values[0]) != Ordering::Less
    });
    if overlaps {
        return resolve_overlap(dim, key_name, slots, &sequence, rules, &directed, noted, wrong);
    }
    if !rules.gaps_declared {
        find_gap(key_name, slots, &sequence, wrong);
    }
    consecutive(&sequence, slots)
}

fn consecutive(sequence: &[usize], slots: &[Slot]) -> AxisOrder {
    let mut order = AxisOrder::default();
    for slot in sequence {
        let length = slots[*slot].length;
        order.runs.push(Run { slot: *slot, source_start: 0, length, target_start: order.length });
        order.length += length;
    }
    order
}

fn each_file_is_monotonic(
    key_name: &str,
    slots: &[Slot],
    sequence: &[usize],
    directed: &impl Fn(&KeyValue, &KeyValue) -> Ordering,
    wrong: &mut Vec<Disagreement>,
) -> bool {
    let before = wrong.len();
    for slot in sequence.iter().map(|s| &slots[*s]) {
        let bad = slot.values.windows(2).position(|w| directed(&w[0], &w[1]) != Ordering::Less);
        let nan = slot.values.iter().position(|v| matches!(v, KeyValue::Float(x) if x.is_nan()));
        if let Some(step) = nan.or(bad.map(|b| b + 1)) {
            wrong.push(Disagreement {
                rule: Rule::NotMonotonic,
                at: At::url(&slot.url).node(key_name).index(vec![step as u64]),
                against: None,
                expected: "strictly monotonic values in the same direction as the other files".to_owned(),
                found: slot.values[step].to_string(),
            });
        }
    }
    wrong.len() == before
}

/// Steps in order, of equal ones the one that the rule keeps.
#[expect(clippy::too_many_arguments, reason = "one step of `order`, split for its length")]
fn resolve_overlap(
    dim: &str,
    key_name: &str,
    slots: &[Slot],
    sequence: &[usize],
    rules: &CombineRules,
    directed: &impl Fn(&KeyValue, &KeyValue) -> Ordering,
    noted: &mut Vec<Noted>,
    wrong: &mut Vec<Disagreement>,
) -> AxisOrder {
    let mut steps: Vec<(usize, u64)> =
        sequence.iter().flat_map(|s| (0..slots[*s].values.len() as u64).map(move |i| (*s, i))).collect();
    let value = |step: &(usize, u64)| &slots[step.0].values[step.1 as usize];
    // Of equal steps the one to keep comes first.
    steps.sort_by(|a, b| {
        directed(value(a), value(b))
            .then_with(|| match rules.overlap {
                Overlap::Newest => slots[b.0].last_modified.cmp(&slots[a.0].last_modified),
                _ => Ordering::Equal,
            })
            .then(a.0.cmp(&b.0))
    });
    if rules.overlap == Overlap::Newest
        && slots.iter().any(|slot| slot.first_file.is_some() && slot.last_modified.is_none())
    {
        wrong.push(overlap_disagreement(
            key_name,
            slots,
            "a time of modification of every file, to tell which is newest",
        ));
        return AxisOrder::default();
    }
    let mut order = AxisOrder::default();
    let mut kept: Vec<(usize, u64)> = Vec::with_capacity(steps.len());
    for step in steps {
        match kept.last() {
            Some(last) if value(last).compare(value(&step)) == Ordering::Equal => {
                order.duplicates.push((last.0, last.1, step.0, step.1));
            }
            _ => kept.push(step),
        }
    }
    let filled = |slot: usize| slots[slot].first_file.is_none();
    if let Some((a, i, b, _)) = order.duplicates.iter().find(|(a, _, b, _)| filled(*a) || filled(*b)) {
        let (gap, file) = if filled(*a) { (*a, *b) } else { (*b, *a) };
        wrong.push(Disagreement {
            rule: Rule::GapFill,
            at: At::url(&slots[gap].url).node(key_name),
            against: Some(slots[file].url.clone()),
            expected: "a step that no file holds".to_owned(),
            found: format!("{}, which a file holds", slots[*a].values[*i as usize]),
        });
        return order;
    }
    if rules.overlap == Overlap::Fail {
        let Some((a, i, b, _)) = order.duplicates.first().copied() else {
            // No step twice, but the files interleave: nothing is lost or doubled, yet the order was not declared.
            wrong.push(overlap_disagreement(key_name, slots, "files whose ranges do not interleave"));
            return AxisOrder::default();
        };
        wrong.push(Disagreement {
            rule: Rule::Overlap,
            at: At::url(&slots[b].url).node(key_name),
            against: Some(slots[a].url.clone()),
            expected: "steps that no other file holds".to_owned(),
            found: format!(
                "{} steps that another file holds too, first {}",
                order.duplicates.len(),
                slots[a].values[i as usize]
            ),
        });
        return order;
    }
    if !order.duplicates.is_empty() {
        noted.push(Noted {
            code: "overlap-resolved",
            at: dim.to_owned(),
            what: format!(
                "{} steps that several files hold: one of each is kept (overlap: {})",
                order.duplicates.len(),
                rules.overlap
            ),
        });
    }
    for (slot, index) in kept {
        match order.runs.last_mut() {
            Some(run) if run.slot == slot && run.source_start + run.length == index => run.length += 1,
            _ => order.runs.push(Run { slot, source_start: index, length: 1, target_start: order.length }),
        }
        order.length += 1;
    }
    order
}

fn overlap_disagreement(key_name: &str, slots: &[Slot], expected: &str) -> Disagreement {
    Disagreement {
        rule: Rule::Overlap,
        at: At::url(slots.first().map_or("", |s| s.url.as_str())).node(key_name),
        against: None,
        expected: expected.to_owned(),
        found: "ranges that overlap".to_owned(),
    }
}

/// A jump of more than 1.75 usual steps between two files, on an axis whose other steps are all alike (within 15 %, so that
/// months count as alike). An axis that is irregular elsewhere tells nothing.
fn find_gap(key_name: &str, slots: &[Slot], sequence: &[usize], wrong: &mut Vec<Disagreement>) {
    let Some(flat) = sequence
        .iter()
        .flat_map(|s| slots[*s].values.iter().map(move |v| v.as_f64().map(|x| (*s, x))))
        .collect::<Option<Vec<_>>>()
    else {
        return;
    };
    let steps: Vec<f64> = flat.windows(2).map(|w| (w[1].1 - w[0].1).abs()).collect();
    if steps.len() < 2 {
        return;
    }
    let mut sorted = steps.clone();
    sorted.sort_by(f64::total_cmp);
    let usual = sorted[(sorted.len() - 1) / 2];
    let jumps: Vec<usize> = (0..steps.len()).filter(|i| steps[*i] > 1.75 * usual).collect();
    let others_alike =
        steps.iter().filter(|step| **step <= 1.75 * usual).all(|step| (step - usual).abs() <= 0.15 * usual);
    if usual <= 0.0 || !others_alike || jumps.len() * 2 >= steps.len() {
        return;
    }
    for at in jumps {
        let (before, after) = (flat[at], flat[at + 1]);
        if before.0 == after.0 {
            continue;
        }
        wrong.push(Disagreement {
            rule: Rule::Gap,
            at: At::url(&slots[after.0].url).node(key_name),
            against: Some(slots[before.0].url.clone()),
            expected: format!("a step of about {usual} after {}", before.1),
            found: format!("{} (about {} steps are missing)", after.1, (steps[at] / usual).round() - 1.0),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(n: usize, values: &[i64]) -> Slot {
        Slot {
            key: None,
            first_file: Some(n),
            url: format!("f{n}.nc"),
            last_modified: Some(n as i64),
            length: values.len() as u64,
            values: values.iter().map(|v| KeyValue::Int(*v)).collect(),
        }
    }

    fn ordered(slots: &[Slot], overlap: Overlap) -> (AxisOrder, Vec<Rule>) {
        let (mut noted, mut wrong) = (Vec::new(), Vec::new());
        let rules = CombineRules { overlap, ..CombineRules::default() };
        let order = order("time", "time", slots, &rules, &mut noted, &mut wrong);
        (order, wrong.into_iter().map(|d| d.rule).collect())
    }

    #[test]
    fn files_are_ordered_by_their_key_not_by_their_name() {
        let (order, wrong) = ordered(&[slot(0, &[4, 5]), slot(1, &[2, 3])], Overlap::Fail);
        assert_eq!(wrong, []);
        assert_eq!(order.runs[0], Run { slot: 1, source_start: 0, length: 2, target_start: 0 });
    }

    #[test]
    fn descending_axes_stay_descending() {
        let (order, wrong) = ordered(&[slot(0, &[2, 1]), slot(1, &[4, 3])], Overlap::Fail);
        assert_eq!(wrong, []);
        assert_eq!(order.runs.iter().map(|r| r.slot).collect::<Vec<_>>(), [1, 0]);
    }

    #[test]
    fn overlap_stops_unless_a_rule_is_declared() {
        let slots = [slot(0, &[1, 2, 3]), slot(1, &[3, 4])];
        assert_eq!(ordered(&slots, Overlap::Fail).1, [Rule::Overlap]);
        let (order, wrong) = ordered(&slots, Overlap::Newest);
        assert_eq!(wrong, []);
        assert_eq!(order.length, 4);
        assert_eq!(order.duplicates, [(1, 0, 0, 2)]);
        let (order, _) = ordered(&slots, Overlap::First);
        assert_eq!(order.duplicates, [(0, 2, 1, 0)]);
        assert_eq!(order.runs[1], Run { slot: 1, source_start: 1, length: 1, target_start: 3 });
    }

    #[test]
    fn a_missing_file_of_a_regular_axis_is_a_gap() {
        assert_eq!(ordered(&[slot(0, &[1, 2, 3]), slot(1, &[7, 8])], Overlap::Fail).1, [Rule::Gap]);
        let months = [slot(0, &[0]), slot(1, &[31]), slot(2, &[59]), slot(3, &[120])];
        assert_eq!(ordered(&months, Overlap::Fail).1, [Rule::Gap]);
        assert_eq!(ordered(&months[..3], Overlap::Fail).1, []);
    }

    #[test]
    fn an_irregular_axis_has_no_gaps() {
        let slots = [slot(0, &[1]), slot(1, &[2]), slot(2, &[5]), slot(3, &[6]), slot(4, &[100])];
        assert_eq!(ordered(&slots[..3], Overlap::Fail).1, []);
    }

    #[test]
    fn a_repeated_value_within_a_file_is_not_monotonic() {
        assert_eq!(ordered(&[slot(0, &[1, 1]), slot(1, &[2])], Overlap::Fail).1, [Rule::NotMonotonic]);
    }
}
