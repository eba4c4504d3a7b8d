//! Steps that stay on the axis without a file: where they are, and what their cells read as.
//!
//! A filled step has a key of the pattern and no values. Its coordinate is the key plus what lies between key and coordinate
//! in the files, where that is the same in all of them; anything else would be a guess.

use super::axis::{KeyValue, key_values};
use super::place::{Axis, Work};
use super::{Disagreement, Noted, Rule, SlotKey, facts, time, unwritten};
use crate::array::{ArrayMetadata, ChunkGrid, CodecMetadata, DataType, Elements, Endian, Values};
use crate::cf::{self, Calendar, TimeCoding};
use crate::dataset::NodePath;
use crate::diagnose::At;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// A place of the pattern that has no file and is filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilledGap {
    /// The file that would be there.
    pub url: String,
    /// Its key along each dimension of the pattern.
    pub keys: BTreeMap<String, SlotKey>,
    /// How many files come before it.
    pub files_before: usize,
}

/// What the slots without a file hold along the axes.
#[derive(Default)]
pub(super) struct Filled {
    /// Variable → slot → values, in the stored type.
    pub values: BTreeMap<NodePath, BTreeMap<usize, Values>>,
    /// Bounds whose values do not follow from the key, and why.
    unknown: BTreeMap<NodePath, String>,
}

impl Work<'_> {
    /// Gives the slots without a file their length and, where the files have values along the axis, theirs.
    pub(super) fn fill_slots(&mut self, axis: &mut Axis, key_path: Option<&NodePath>, encodings: &time::TimeEncodings) {
        let with_file = || axis.slots.iter().filter(|slot| slot.first_file.is_some());
        let Some(first) = with_file().next() else { return };
        let gap_url = axis.slots.iter().find(|slot| slot.first_file.is_none()).map(|slot| slot.url.clone());
        let Some(gap_url) = gap_url else { return };
        let length = first.length;
        if let Some(other) = with_file().find(|slot| slot.length != length) {
            let found = format!("{length} steps in {}, {} in {}", first.url, other.length, other.url);
            let expected = format!("files of equal length along {:?}", axis.name);
            self.refuse_fill(&gap_url, &axis.name, expected, found);
            return;
        }
        let has_values = with_file().all(|slot| !slot.values.is_empty());
        for slot in axis.slots.iter_mut().filter(|slot| slot.first_file.is_none()) {
            slot.length = length;
        }
        let Some(path) = key_path.filter(|_| has_values && !axis.is_new) else { return };
        match self.extend(axis, path, None, encodings) {
            Ok(found) => {
                for (slot, values) in &found {
                    axis.slots[*slot].values = key_values(values).unwrap_or_default();
                }
                self.filled.values.insert(path.clone(), found);
            }
            Err(found) => {
                let expected = format!("{:?} at one distance from the keys of the pattern", path.name());
                self.refuse_fill(&gap_url, path.as_str(), expected, found);
                return;
            }
        }
        let dataset = &self.files[axis.slots.iter().find_map(|slot| slot.first_file).unwrap_or(0)].dataset;
        let Some(bounds) = facts::bounds_of(dataset, path) else { return };
        let along = dataset.array(&bounds).is_some_and(|array| {
            let dims = &array.metadata.dimension_names;
            dims.len() == 2 && dims[0] == axis.name
        });
        if along {
            match self.extend(axis, &bounds, Some(path), encodings) {
                Ok(found) => {
                    self.filled.values.insert(bounds, found);
                }
                Err(why) => {
                    self.filled.unknown.insert(bounds, why);
                }
            }
        }
    }

    fn refuse_fill(&mut self, url: &str, node: &str, expected: String, found: String) {
        let at = At::url(url).node(node);
        self.wrong.push(Disagreement { rule: Rule::GapFill, at, against: None, expected, found });
    }

    /// Values of a variable at the slots without a file, or why they do not follow from the keys.
    fn extend(
        &self,
        axis: &Axis,
        path: &NodePath,
        parent: Option<&NodePath>,
        encodings: &time::TimeEncodings,
    ) -> Result<BTreeMap<usize, Values>, String> {
        let mut known: Vec<(usize, &SlotKey)> = Vec::new();
        let mut wanted: Vec<(usize, &SlotKey)> = Vec::new();
        for (number, slot) in axis.slots.iter().enumerate() {
            let key = slot.key.as_ref().ok_or_else(|| format!("{} has no key", slot.url))?;
            match slot.first_file {
                Some(file) => known.push((file, key)),
                None => wanted.push((number, key)),
            }
        }
        let text = known.iter().all(|(_, key)| matches!(key, SlotKey::Text(_)));
        if known.len() < 2 && !text {
            return Err("there is one file, which does not show how keys and values go together".to_owned());
        }
        if known.iter().all(|(_, key)| matches!(key, SlotKey::Time(_))) {
            return self.extend_time(path, parent, encodings, &known, &wanted);
        }
        let mut rows = Vec::new();
        for (file, _) in &known {
            rows.push(self.stored(*file, path, encodings).ok_or("its values are not at hand")?);
        }
        let first = rows.first().ok_or("there is no file")?;
        let lists: Option<Vec<Vec<KeyValue>>> = rows.iter().map(|values| key_values(values)).collect();
        let lists = lists.ok_or("its values are beyond 64 bits")?;
        let mut found = BTreeMap::new();
        let mut distance: Option<Vec<KeyValue>> = None;
        for ((file, key), list) in known.iter().zip(&lists) {
            let apart: Option<Vec<KeyValue>> = list.iter().map(|value| minus(value, key)).collect();
            let apart = apart.ok_or_else(|| format!("the key {key:?} is no value of its kind"))?;
            if distance.get_or_insert_with(|| apart.clone()) != &apart {
                return Err(format!("another distance in {}", self.files[*file].url));
            }
        }
        for (slot, key) in wanted {
            let sums = distance.iter().flatten().map(|distance| plus(distance, key));
            let elements = elements(first.data_type, sums)
                .ok_or_else(|| format!("no {} stands for the key {key:?}", first.data_type))?;
            found.insert(slot, Values { data_type: first.data_type, shape: first.shape.clone(), elements });
        }
        Ok(found)
    }

    fn extend_time(
        &self,
        path: &NodePath,
        parent: Option<&NodePath>,
        encodings: &time::TimeEncodings,
        known: &[(usize, &SlotKey)],
        wanted: &[(usize, &SlotKey)],
    ) -> Result<BTreeMap<usize, Values>, String> {
        let mut distance: Option<Vec<i64>> = None;
        let mut coding = None;
        for (file, key) in known {
            let facts = &self.files[*file];
            let attributes = facts.dataset.array(path).map(|array| &array.metadata.attributes);
            if attributes.is_some_and(|a| a.contains_key("scale_factor") || a.contains_key("add_offset")) {
                return Err(format!("packed times in {}", facts.url));
            }
            let raw = time::raw_one(facts, path, parent).ok_or_else(|| format!("no times in {}", facts.url))?;
            let (own, instants) = cf::instants(&raw.view()).map_err(|error| format!("{error} ({})", facts.url))?;
            let base = instant_of_key(own.calendar, key)?;
            let apart: Vec<i64> = instants.iter().map(|instant| instant.wrapping_sub(base)).collect();
            if let Some(distance) = &distance
                && *distance != apart
            {
                let shown = |apart: &[i64]| apart.first().map_or(0.0, |micros| *micros as f64 / 86_400e6);
                return Err(format!(
                    "it begins {} days after the key in {}, {} in {}",
                    shown(distance),
                    self.files[known[0].0].url,
                    shown(&apart),
                    facts.url
                ));
            }
            distance.get_or_insert(apart);
            coding.get_or_insert(own);
        }
        let (Some(distance), Some(first)) = (distance, coding) else { return Err("there is no file".to_owned()) };
        let stored = self.stored(known[0].0, path, encodings).ok_or("its values are not at hand")?;
        let coding = match encodings.get(path).filter(|e| e.is_new()).and_then(|e| e.units.as_deref()) {
            Some(units) => TimeCoding::new(units, Some(first.calendar.name())).map_err(|error| error.to_string())?,
            None => first,
        };
        let mut found = BTreeMap::new();
        for (slot, key) in wanted {
            let base = instant_of_key(coding.calendar, key)?;
            let counts = distance.iter().map(|apart| {
                let instant = base.checked_add(*apart)?;
                if stored.data_type.is_integer() {
                    coding.count_of(instant).map(KeyValue::Int)
                } else {
                    let narrow = stored.data_type == DataType::Float32;
                    coding.float_count_of(instant, narrow).map(KeyValue::Float)
                }
            });
            let elements = elements(stored.data_type, counts).ok_or_else(|| {
                format!("no {} in {:?} is exactly the time of a filled step", stored.data_type, coding.units.reference)
            })?;
            found.insert(*slot, Values { data_type: stored.data_type, shape: stored.shape.clone(), elements });
        }
        Ok(found)
    }

    /// Values of a variable of one file as they are going to be stored.
    fn stored(&self, file: usize, path: &NodePath, encodings: &time::TimeEncodings) -> Option<Cow<'_, Values>> {
        let content = self.files[file].contents.get(path)?;
        let values = content.values.as_ref().or_else(|| self.known.get(&content.digest))?;
        match encodings.get(path).and_then(|encoding| encoding.values.as_ref()) {
            Some(encoded) => {
                let bytes = encoded.get(&file)?.iter().flat_map(|count| count.to_le_bytes()).collect();
                let shape = values.shape.clone();
                Some(Cow::Owned(Values { data_type: DataType::Int64, shape, elements: Elements::Fixed(bytes) }))
            }
            None => Some(Cow::Borrowed(values)),
        }
    }

    /// All values of a variable along its first dimension: those of the files, and those of the filled steps.
    pub(super) fn with_filled(&self, path: &NodePath, axes: &[Axis], metadata: &mut ArrayMetadata) -> Option<Values> {
        let filled = self.filled.values.get(path)?;
        let axis = axes.iter().find(|axis| metadata.dimension_names.first() == Some(&axis.name))?;
        let row: usize = metadata.shape[1..].iter().product::<u64>() as usize;
        let (mut bytes, mut texts) = (Vec::new(), Vec::new());
        for run in &axis.order.runs {
            let values = match axis.slots[run.slot].first_file {
                Some(file) => self.stored(file, path, &time::TimeEncodings::new())?,
                None => Cow::Borrowed(filled.get(&run.slot)?),
            };
            let (from, count) = (run.source_start as usize * row, run.length as usize * row);
            match &values.elements {
                Elements::Fixed(all) => {
                    let size = metadata.data_type.size()?;
                    bytes.extend_from_slice(all.get(from * size..(from + count) * size)?);
                }
                Elements::Text(all) => texts.extend_from_slice(all.get(from..from + count)?),
            }
        }
        let (elements, codec) = match metadata.data_type.size() {
            Some(_) => (Elements::Fixed(bytes), CodecMetadata::Bytes { endian: Endian::Little }),
            None => (Elements::Text(texts), CodecMetadata::VlenUtf8),
        };
        metadata.codecs = vec![codec];
        metadata.chunk_grid = ChunkGrid::regular(&metadata.shape);
        Some(Values { data_type: metadata.data_type, shape: metadata.shape.clone(), elements })
    }

    /// Whether some cells of an array belong to a filled gap, and no file holds them.
    pub(super) fn is_filled(&self, path: &NodePath, holders: &[usize], axes: &[Axis]) -> bool {
        if self.rules.filled.is_empty() {
            return false;
        }
        let names = &self.array(holders[0], path).metadata.dimension_names;
        let own: Vec<&Axis> = axes.iter().filter(|a| names.contains(&a.name) || self.gets_new(path, a)).collect();
        let covered: BTreeSet<Vec<usize>> =
            holders.iter().map(|number| own.iter().map(|axis| axis.slot_of[*number]).collect()).collect();
        let mut gaps = (0..self.rules.filled.len()).map(|gap| own.iter().map(|axis| axis.gap_slot[gap]).collect());
        gaps.any(|place: Vec<usize>| !covered.contains(&place))
    }

    /// Cells without a file must read as missing: the fill value becomes one that the attributes name.
    pub(super) fn settle_fill(&mut self, path: &NodePath, metadata: &mut ArrayMetadata) {
        if metadata.fill_value.as_ref().is_some_and(|fill| unwritten::is_missing(fill, metadata)) {
            return;
        }
        let named = unwritten::missing_values(metadata).next();
        if let Some(fill) = named {
            metadata.fill_value = Some(fill);
            return;
        }
        let why = self.filled.unknown.get(path).map(|why| format!(", and its values do not follow: {why}"));
        let found = format!("no attribute of the type {}{}", metadata.data_type, why.unwrap_or_default());
        let url = self.rules.filled.first().map(|gap| gap.url.clone()).unwrap_or_default();
        self.refuse_fill(
            &url,
            path.as_str(),
            "_FillValue or missing_value, which filled cells read as".to_owned(),
            found,
        );
    }

    /// Records what was filled.
    pub(super) fn note_filled(&mut self, axes: &[Axis]) {
        for axis in axes {
            let steps: u64 = axis.slots.iter().filter(|s| s.first_file.is_none()).map(|s| s.length).sum();
            if steps > 0 {
                let what = format!("{steps} steps have no file and are filled, as the recipe declares");
                self.noted.push(Noted { code: "gap-filled", at: axis.name.clone(), what });
            }
        }
    }
}

/// The date of a key in a file's calendar.
fn instant_of_key(calendar: Calendar, key: &SlotKey) -> Result<i64, String> {
    let SlotKey::Time(micros) = key else { return Err("a key is no date".to_owned()) };
    calendar.instant(&Calendar::ProlepticGregorian.date_time(*micros)).map_err(|error| error.to_string())
}

/// From a key to a value; `None` where they do not compare.
fn minus(value: &KeyValue, key: &SlotKey) -> Option<KeyValue> {
    match (value, key) {
        (KeyValue::Int(value), SlotKey::Int(key)) => value.checked_sub(*key).map(KeyValue::Int),
        (KeyValue::Float(value), SlotKey::Int(key)) => {
            let key = *key as f64;
            let apart = value - key;
            (apart.is_finite() && apart + key == *value).then_some(KeyValue::Float(apart))
        }
        (KeyValue::Text(value), SlotKey::Text(key)) => (value == key).then(|| KeyValue::Text(String::new())),
        _ => None,
    }
}

fn plus(distance: &KeyValue, key: &SlotKey) -> Option<KeyValue> {
    match (distance, key) {
        (KeyValue::Int(distance), SlotKey::Int(key)) => distance.checked_add(*key).map(KeyValue::Int),
        (KeyValue::Float(distance), SlotKey::Int(key)) => Some(KeyValue::Float(distance + *key as f64)),
        (KeyValue::Text(_), SlotKey::Text(key)) => Some(KeyValue::Text(key.clone())),
        _ => None,
    }
}

/// Values in the bytes of their type; `None` where one of them is none of that type.
fn elements(data_type: DataType, values: impl Iterator<Item = Option<KeyValue>>) -> Option<Elements> {
    let (mut bytes, mut texts) = (Vec::new(), Vec::new());
    for value in values {
        match (value?, data_type) {
            (KeyValue::Text(text), DataType::String) => texts.push(text),
            (KeyValue::Float(value), DataType::Float64) => bytes.extend(value.to_le_bytes()),
            (KeyValue::Float(value), DataType::Float32) => {
                let narrow = value as f32;
                if f64::from(narrow).to_bits() != value.to_bits() {
                    return None;
                }
                bytes.extend(narrow.to_le_bytes());
            }
            (KeyValue::Int(value), DataType::Int8) => bytes.extend(i8::try_from(value).ok()?.to_le_bytes()),
            (KeyValue::Int(value), DataType::Int16) => bytes.extend(i16::try_from(value).ok()?.to_le_bytes()),
            (KeyValue::Int(value), DataType::Int32) => bytes.extend(i32::try_from(value).ok()?.to_le_bytes()),
            (KeyValue::Int(value), DataType::Int64) => bytes.extend(value.to_le_bytes()),
            (KeyValue::Int(value), DataType::UInt8) => bytes.extend(u8::try_from(value).ok()?.to_le_bytes()),
            (KeyValue::Int(value), DataType::UInt16) => bytes.extend(u16::try_from(value).ok()?.to_le_bytes()),
            (KeyValue::Int(value), DataType::UInt32) => bytes.extend(u32::try_from(value).ok()?.to_le_bytes()),
            (KeyValue::Int(value), DataType::UInt64) => bytes.extend(u64::try_from(value).ok()?.to_le_bytes()),
            _ => return None,
        }
    }
    Some(if data_type == DataType::String { Elements::Text(texts) } else { Elements::Fixed(bytes) })
}
