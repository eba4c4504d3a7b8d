//! Time along a concat dimension: verbatim where all files agree, else in one exact integer unit.

use super::place::{Axis, Members};
use super::{CombineRules, Disagreement, FileFacts, Noted, Rule, SlotKey, facts};
use crate::array::{
    Array, ArrayMetadata, AttributeValue, Attributes, ChunkGrid, CodecMetadata, DataType, Elements, Endian, Numbers,
    Values,
};
use crate::cf::{self, CfError, Number, TimeDecision, TimeValues, TimeVariable};
use crate::dataset::NodePath;
use crate::diagnose::At;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How a time variable of all files is stored.
pub(super) struct Encoding {
    /// The first file's `units` and `calendar`; other words of the same meaning give way to them.
    words: Vec<(&'static str, Option<AttributeValue>)>,
    /// Values encoded anew by file; `None` where they stay as they are.
    pub values: Option<BTreeMap<usize, Vec<i64>>>,
    /// Their units.
    pub units: Option<String>,
}

/// By path, bounds included.
pub(super) type TimeEncodings = BTreeMap<NodePath, Encoding>;

impl Encoding {
    /// Whether the values are encoded anew.
    pub fn is_new(&self) -> bool {
        self.values.is_some()
    }

    /// Whether each step of the array, which was encoded anew, has values of some file.
    pub fn has_all(&self, axes: &[Axis], metadata: &ArrayMetadata) -> bool {
        let (Some(values), Some(dim)) = (&self.values, metadata.dimension_names.first()) else { return true };
        axes.iter().filter(|axis| axis.name == *dim).all(|axis| {
            let of_slot = by_slot(values, axis);
            axis.order.runs.iter().all(|run| of_slot.contains_key(&run.slot))
        })
    }

    /// An attribute set of one file, in the words that all files share.
    pub fn settle(&self, attributes: &Attributes) -> Attributes {
        let mut settled = attributes.clone();
        for (name, value) in &self.words {
            match value {
                Some(value) => {
                    settled.insert((*name).to_owned(), value.clone());
                }
                None => {
                    settled.shift_remove(*name);
                }
            }
        }
        if self.is_new() {
            for name in ["_FillValue", "missing_value", "valid_min", "valid_max", "valid_range", "actual_range"] {
                settled.shift_remove(name);
            }
            if let (Some(units), true) = (&self.units, settled.contains_key("units")) {
                settled.insert("units".to_owned(), AttributeValue::Text(units.clone()));
            }
        }
        settled
    }
}

/// What an array is after encoding anew.
pub(super) fn describe(metadata: &mut ArrayMetadata) {
    metadata.data_type = DataType::Int64;
    metadata.fill_value = None;
    metadata.codecs = vec![CodecMetadata::Bytes { endian: Endian::Little }];
    metadata.chunk_grid = ChunkGrid::regular(&metadata.shape);
}

/// Decides for every time variable along a concat dimension.
pub(super) fn plan(
    files: &[FileFacts],
    members: &Members,
    rules: &CombineRules,
    noted: &mut Vec<Noted>,
    wrong: &mut Vec<Disagreement>,
) -> TimeEncodings {
    let mut encodings = TimeEncodings::new();
    for (path, holders) in members.iter().filter(|(_, holders)| holders.len() > 1) {
        if !is_time_axis(&files[holders[0]], path, rules) {
            continue;
        }
        let Some(variables) = raw(files, path, holders) else { continue };
        let bounds_path = facts::bounds_of(&files[holders[0]].dataset, path);
        let bounds: Vec<Option<Raw>> = match &bounds_path {
            Some(bounds) => holders.iter().map(|n| raw_one(&files[*n], bounds, Some(path))).collect(),
            None => Vec::new(),
        };
        let views: Vec<TimeVariable<'_>> = variables.iter().map(Raw::view).collect();
        let bound_views: Vec<Option<TimeVariable<'_>>> = bounds.iter().map(|b| b.as_ref().map(Raw::view)).collect();
        match cf::decide(&views, &bound_views) {
            Ok(decision) => match bounds_left(bounds_path.as_ref(), &bounds, &decision, &encodings) {
                Some(what) => wrong.push(differing_bounds(files, holders, path, what)),
                None => settle(files, path, bounds_path, holders, decision, &mut encodings, noted),
            },
            Err(error) => wrong.push(disagreement(files, holders, path, &error)),
        }
    }
    encodings
}

/// Why the bounds could not follow their parent into its new encoding, and would then mean other times.
fn bounds_left(
    path: Option<&NodePath>,
    bounds: &[Option<Raw>],
    decision: &TimeDecision,
    encodings: &TimeEncodings,
) -> Option<String> {
    let path = path?;
    let is_new = matches!(decision, TimeDecision::Reencoded(_));
    if is_new && bounds.iter().any(Option::is_none) {
        return Some(format!(
            "its bounds {path} are not numbers of shape (steps, up to 16 vertices), so they cannot follow"
        ));
    }
    let other = encodings.get(path)?;
    (is_new || other.is_new()).then(|| format!("its bounds {path} are also those of another time variable"))
}

fn differing_bounds(files: &[FileFacts], holders: &[usize], path: &NodePath, what: String) -> Disagreement {
    let odd = holders.iter().copied().find(|n| !same_words(&files[holders[0]], &files[*n], path)).unwrap_or(holders[0]);
    Disagreement {
        rule: Rule::TimeEncoding,
        at: At::url(&files[odd].url).node(path.as_str()),
        against: Some(files[holders[0]].url.clone()),
        expected: "the same units, calendar and type in every file, because the bounds stay as they are".to_owned(),
        found: format!("another encoding of time; {what}"),
    }
}

fn same_words(a: &FileFacts, b: &FileFacts, path: &NodePath) -> bool {
    let (Some(a), Some(b)) = (a.dataset.array(path), b.dataset.array(path)) else { return true };
    let word = |array: &Array, name: &str| array.metadata.attributes.get(name).cloned();
    a.metadata.data_type == b.metadata.data_type
        && ["units", "calendar"].iter().all(|name| word(a, name) == word(b, name))
}

fn settle(
    files: &[FileFacts],
    path: &NodePath,
    bounds_path: Option<NodePath>,
    holders: &[usize],
    decision: TimeDecision,
    encodings: &mut TimeEncodings,
    noted: &mut Vec<Noted>,
) {
    let (values, bounds, units) = match decision {
        TimeDecision::Verbatim => (None, None, None),
        TimeDecision::Reencoded(new) => {
            noted.push(Noted {
                code: "time-reencoded",
                at: path.to_string(),
                what: format!("the files encode time differently; stored as int64 {:?}", new.units),
            });
            (Some(new.values), new.bounds, Some(new.units))
        }
    };
    let by_file = |values: Vec<Vec<i64>>| holders.iter().copied().zip(values).collect();
    let words = |path: &NodePath| {
        let attributes = files[holders[0]].dataset.array(path).map(|a| &a.metadata.attributes);
        ["units", "calendar"].map(|name| (name, attributes.and_then(|a| a.get(name)).cloned())).to_vec()
    };
    if let Some(bounds_path) = bounds_path {
        let encoding = Encoding { words: words(&bounds_path), values: bounds.map(by_file), units: units.clone() };
        encodings.insert(bounds_path, encoding);
    }
    encodings.insert(path.clone(), Encoding { words: words(path), values: values.map(by_file), units });
}

fn is_time_axis(file: &FileFacts, path: &NodePath, rules: &CombineRules) -> bool {
    file.dataset.array(path).is_some_and(|array| {
        let attributes = &array.metadata.attributes;
        array.metadata.dimension_names.len() == 1
            && rules.concat_dims.contains(&array.metadata.dimension_names[0])
            && attributes.get("units").and_then(AttributeValue::as_text).is_some_and(|u| u.contains(" since "))
            && !attributes.contains_key("scale_factor")
            && !attributes.contains_key("add_offset")
            // Its numbers are not those that the type of the array says.
            && !attributes.contains_key("_Unsigned")
    })
}

/// A time variable of one file.
pub(super) struct Raw {
    values: TimeValues,
    data_type: DataType,
    units: String,
    calendar: Option<String>,
    missing: Vec<Number>,
}

impl Raw {
    pub(super) fn view(&self) -> TimeVariable<'_> {
        TimeVariable {
            values: &self.values,
            data_type: self.data_type,
            units: &self.units,
            calendar: self.calendar.as_deref(),
            missing: &self.missing,
        }
    }
}

fn raw(files: &[FileFacts], path: &NodePath, holders: &[usize]) -> Option<Vec<Raw>> {
    holders.iter().map(|n| raw_one(&files[*n], path, None)).collect()
}

pub(super) fn raw_one(file: &FileFacts, path: &NodePath, parent: Option<&NodePath>) -> Option<Raw> {
    let array = file.dataset.array(path)?;
    let values: &Arc<Values> = file.contents.get(path)?.values.as_ref()?;
    let text = |name: &str| {
        let of = |p: &NodePath| file.dataset.array(p)?.metadata.attributes.get(name)?.as_text().map(str::to_owned);
        of(path).or_else(|| parent.and_then(of))
    };
    let missing = ["_FillValue", "missing_value"]
        .iter()
        .filter_map(|name| array.metadata.attributes.get(*name))
        .filter_map(|value| match value {
            AttributeValue::Numbers(numbers) => Some(numbers),
            _ => None,
        })
        .flat_map(numbers)
        .collect();
    Some(Raw {
        values: TimeValues::new(values)?,
        data_type: array.metadata.data_type,
        units: text("units")?,
        calendar: text("calendar"),
        missing,
    })
}

fn numbers(numbers: &Numbers) -> Vec<Number> {
    match numbers {
        Numbers::UInt64(v) => v.iter().copied().map(Number::UInt).collect(),
        Numbers::Int64(v) => v.iter().copied().map(Number::Int).collect(),
        Numbers::Float32(_) | Numbers::Float64(_) => numbers.to_f64().into_iter().map(Number::Float).collect(),
        _ => numbers.to_f64().into_iter().map(|v| Number::Int(v as i64)).collect(),
    }
}

fn disagreement(files: &[FileFacts], holders: &[usize], path: &NodePath, error: &CfError) -> Disagreement {
    let rule = match error {
        CfError::CalendarsDiffer { .. } | CfError::UnknownCalendar { .. } => Rule::Calendar,
        CfError::InvalidUnits { .. } | CfError::InvalidDate { .. } => Rule::Units,
        _ => Rule::TimeEncoding,
    };
    let file = error.file().and_then(|f| holders.get(f)).copied().unwrap_or(holders[0]);
    let mut at = At::url(&files[file].url).node(path.as_str());
    if let CfError::Value { index, .. } = error {
        at = at.index(vec![*index as u64]);
    }
    Disagreement {
        rule,
        at,
        against: Some(files[holders[0]].url.clone()),
        expected: "times that one integer unit and calendar hold exactly".to_owned(),
        found: error.to_string(),
    }
}

/// The values of each slot, of the first file there that has any.
fn by_slot<'a>(encoded: &'a BTreeMap<usize, Vec<i64>>, axis: &Axis) -> BTreeMap<usize, &'a [i64]> {
    let mut of_slot = BTreeMap::new();
    for (file, values) in encoded {
        of_slot.entry(axis.slot_of[*file]).or_insert(values.as_slice());
    }
    of_slot
}

/// The values of a re-encoded array, put in the order of the axis. The axis is its first dimension.
pub(super) fn values(
    encoded: &BTreeMap<usize, Vec<i64>>,
    filled: Option<&BTreeMap<usize, Values>>,
    axes: &[Axis],
    dim: &str,
    shape: &[u64],
) -> Values {
    let row: usize = shape[1..].iter().product::<u64>() as usize;
    let mut bytes = vec![0u8; shape.iter().product::<u64>() as usize * size_of::<i64>()];
    if let Some(axis) = axes.iter().find(|a| a.name == dim) {
        let of_slot = by_slot(encoded, axis);
        for run in &axis.order.runs {
            let of_gap = || filled.and_then(|filled| filled.get(&run.slot)?.to_i64()).map(Cow::Owned);
            let Some(values) = of_slot.get(&run.slot).map(|values| Cow::Borrowed(*values)).or_else(of_gap) else {
                continue;
            };
            let from = run.source_start as usize * row;
            let count = run.length as usize * row;
            let to = run.target_start as usize * row * size_of::<i64>();
            for (value, slot) in
                values.iter().skip(from).take(count).zip(bytes[to..].chunks_exact_mut(size_of::<i64>()))
            {
                slot.copy_from_slice(&value.to_le_bytes());
            }
        }
    }
    Values { data_type: DataType::Int64, shape: shape.to_vec(), elements: Elements::Fixed(bytes) }
}

/// The keys of a pattern as a coordinate: labels as text, numbers as `int64`, instants as `int64` in the coarsest unit that
/// is exact, proleptic Gregorian.
pub(super) fn key_coordinate(keys: &[&SlotKey], attributes: &mut Attributes) -> (DataType, Elements) {
    let ints = |values: Vec<i64>| Elements::Fixed(values.iter().flat_map(|v| v.to_le_bytes()).collect());
    if keys.iter().all(|k| matches!(k, SlotKey::Int(_))) {
        let values = keys.iter().map(|k| if let SlotKey::Int(v) = k { *v } else { 0 }).collect();
        return (DataType::Int64, ints(values));
    }
    if keys.iter().all(|k| matches!(k, SlotKey::Time(_))) {
        let micros: Vec<i64> = keys.iter().map(|k| if let SlotKey::Time(v) = k { *v } else { 0 }).collect();
        const UNITS: [(&str, i64); 4] =
            [("days", 86_400_000_000), ("hours", 3_600_000_000), ("minutes", 60_000_000), ("seconds", 1_000_000)];
        let (unit, size) =
            UNITS.into_iter().find(|(_, size)| micros.iter().all(|m| m % size == 0)).unwrap_or(("microseconds", 1));
        attributes.insert("units".to_owned(), AttributeValue::Text(format!("{unit} since 1970-01-01 00:00:00")));
        attributes.insert("calendar".to_owned(), AttributeValue::Text("proleptic_gregorian".to_owned()));
        return (DataType::Int64, ints(micros.iter().map(|m| m / size).collect()));
    }
    let text = keys
        .iter()
        .map(|key| match key {
            SlotKey::Text(text) => text.clone(),
            SlotKey::Int(value) | SlotKey::Time(value) => value.to_string(),
        })
        .collect();
    (DataType::String, Elements::Text(text))
}
