//! The keys of one dimension of a pattern.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use super::PatternProblem;
use super::template::{PlaceholderFormat, Template, TimePart};
use crate::cf::{Calendar, CfError, Frequency, PatternTime};
use crate::combine::SlotKey;
use crate::diagnose::Diagnose;
use crate::feedstock::recipe::{Dimension, KeyText, Keys, Label};

/// A key of a dimension.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// The start of a time step.
    Time(PatternTime),
    /// A whole number.
    Integer(i64),
    /// Text.
    Text(String),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => time.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// A key, with what stands for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SourceKey {
    /// The key.
    pub key: Key,
    /// The last second of its step, for steps with a frequency.
    pub end: Option<PatternTime>,
    /// The coordinate value that stands for it, where the recipe gives one.
    pub label: Option<Label>,
}

impl SourceKey {
    /// The place along the dimension, as combining counts: the label where there is one.
    pub fn slot(&self) -> SlotKey {
        match (&self.label, &self.key) {
            (Some(Label::Integer(value)), _) | (None, Key::Integer(value)) => SlotKey::Int(*value),
            (Some(Label::Text(text)), _) | (None, Key::Text(text)) => SlotKey::Text(text.clone()),
            // The years 1 to 9999 fit into 64 bits of microseconds.
            (None, Key::Time(time)) => {
                SlotKey::Time(Calendar::ProlepticGregorian.instant(&time.date_time()).unwrap_or_default())
            }
        }
    }
}

/// A dimension with its keys in order.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    name: String,
    keys: AxisKeys,
}

#[derive(Debug, Clone)]
enum AxisKeys {
    Steps { starts: Vec<PatternTime>, frequency: Frequency },
    Listed(Vec<SourceKey>),
}

/// Keys whose file names are compared with each other; beyond, only neighbours are.
const COMPARED: usize = 100_000;

/// How many keys a dimension has, or everything that is wrong with its declaration.
pub(super) fn count(name: &str, dimension: &Dimension, template: &Template) -> Result<u64, Vec<PatternProblem>> {
    let mut problems = Vec::new();
    let place = |key: &'static str| ["dims".to_owned(), name.to_owned(), key.to_owned()];
    let mut tell = |key: &'static str, message: String, help: &str| {
        problems.push(PatternProblem { place: place(key).to_vec(), gap: None, message, help: help.to_owned() });
    };
    let range =
        [("start", dimension.start.is_some()), ("end", dimension.end.is_some()), ("freq", dimension.freq.is_some())];
    let has_range = range.iter().any(|(_, given)| *given);
    let mut count = 0;
    match (&dimension.keys, has_range) {
        (Some(_), true) => {
            tell("keys", format!("the dimension {name:?} has keys and dates"), "keep keys, or start, end and freq");
        }
        (None, false) => {
            let help = if dimension.merge { "add keys: [sst, ice]" } else { "add keys, or start, end and freq" };
            problems.push(PatternProblem::new(&["dims", name], format!("the dimension {name:?} has no keys"), help));
        }
        (Some(keys), false) => count = keys.labelled().len() as u64,
        (None, true) if dimension.merge => {
            problems.push(PatternProblem::new(
                &["dims", name],
                format!("the merge dimension {name:?} has dates"),
                "give it keys: [sst, ice]",
            ));
        }
        (None, true) => {
            let missing: Vec<&str> = range.iter().filter(|(_, given)| !given).map(|(key, _)| *key).collect();
            if missing.is_empty() {
                match steps(dimension) {
                    Ok(steps) => count = steps.len() as u64,
                    Err((key, error)) => tell(key, error.to_string(), &error.next()),
                }
            } else {
                let message = format!("the dimension {name:?} lacks {}", missing.join(" and "));
                problems.push(PatternProblem::new(&["dims", name], message, "add start, end and freq"));
            }
        }
    }
    if count == 0 && problems.is_empty() {
        problems.push(PatternProblem::new(&["dims", name, "keys"], "there is no key", "add keys"));
    }
    for placeholder in template.of_dim(name) {
        let text = match (&placeholder.format, placeholder.part, has_range) {
            (PlaceholderFormat::Plain, _, true) => format!("{{{name}}} does not say how a date is written"),
            (PlaceholderFormat::Integer { .. }, _, true) => {
                format!("{{{name}}} is written as a number, but it is a date")
            }
            (_, TimePart::End | TimePart::Start, false) => {
                format!("{{{name}.start}} and {{{name}.end}} need steps with a frequency")
            }
            _ => continue,
        };
        let help =
            if has_range { format!("for example {{{name}:%Y%m%d}}") } else { "add start, end and freq".to_owned() };
        problems.push(PatternProblem::new(&["pattern"], text, help));
    }
    if problems.is_empty() { Ok(count) } else { Err(problems) }
}

fn steps(dimension: &Dimension) -> Result<crate::cf::Steps, (&'static str, CfError)> {
    let (Some(start), Some(end), Some(freq)) = (&dimension.start, &dimension.end, &dimension.freq) else {
        return Err(("freq", CfError::InvalidFrequency { text: String::new(), what: "it is missing".to_owned() }));
    };
    let frequency: Frequency = freq.parse().map_err(|error| ("freq", error))?;
    let first = start.start().map_err(|error| ("start", error))?;
    let last = end.end().map_err(|error| ("end", error))?;
    frequency.steps(first, last).map_err(|error| (if last < first { "end" } else { "start" }, error))
}

impl Axis {
    /// The keys of a dimension whose [`count`] was found to be right.
    pub(super) fn new(name: &str, dimension: &Dimension, template: &Template) -> Result<Self, Vec<PatternProblem>> {
        let wrong =
            |key: &str, message: String, help: String| vec![PatternProblem::new(&["dims", name, key], message, help)];
        let keys = match (&dimension.keys, &dimension.freq) {
            (Some(keys), _) => AxisKeys::Listed(listed(name, keys, template)?),
            (None, Some(freq)) => {
                let frequency =
                    freq.parse::<Frequency>().map_err(|error| wrong("freq", error.to_string(), error.next()))?;
                let steps = steps(dimension).map_err(|(key, error)| wrong(key, error.to_string(), error.next()))?;
                AxisKeys::Steps { starts: steps.collect(), frequency }
            }
            (None, None) => return Err(wrong("keys", "there is no key".to_owned(), "add keys".to_owned())),
        };
        let axis = Self { name: name.to_owned(), keys };
        axis.check_distinct(template)?;
        Ok(axis)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn len(&self) -> usize {
        match &self.keys {
            AxisKeys::Steps { starts, .. } => starts.len(),
            AxisKeys::Listed(keys) => keys.len(),
        }
    }

    pub(super) fn key(&self, position: usize) -> Option<SourceKey> {
        match &self.keys {
            AxisKeys::Listed(keys) => keys.get(position).cloned(),
            AxisKeys::Steps { starts, frequency } => starts.get(position).map(|start| SourceKey {
                key: Key::Time(*start),
                end: frequency.last_of_step(*start),
                label: None,
            }),
        }
    }

    /// The positions that a gap means by a key: an equal key, or all steps that begin within the date it names.
    pub(super) fn positions_of(&self, wanted: &KeyText) -> Result<Range<usize>, (String, String)> {
        let text = wanted.to_string();
        let none = || {
            (
                format!("no file of the pattern has the {} {text:?}", self.name),
                "correct the gap, or remove it".to_owned(),
            )
        };
        match &self.keys {
            AxisKeys::Listed(keys) if !keys.iter().all(|key| matches!(key.key, Key::Time(_))) => {
                let position = keys.iter().position(|key| key.key.to_string() == text).ok_or_else(none)?;
                Ok(position..position + 1)
            }
            _ => {
                let not_a_date = |error: CfError| (error.to_string(), error.next());
                let year = if matches!(wanted, KeyText::Integer(_)) { format!("{text:0>4}") } else { text.clone() };
                let (first, last) = (
                    PatternTime::start_of(&year).map_err(not_a_date)?,
                    PatternTime::end_of(&year).map_err(not_a_date)?,
                );
                let within = self.within(first, last);
                if within.is_empty() { Err(none()) } else { Ok(within) }
            }
        }
    }

    /// Positions of the steps that begin from one second to another. Listed dates that are not sorted count up to the first
    /// that is outside.
    fn within(&self, first: PatternTime, last: PatternTime) -> Range<usize> {
        match &self.keys {
            AxisKeys::Steps { starts, .. } => {
                starts.partition_point(|start| *start < first)..starts.partition_point(|start| *start <= last)
            }
            AxisKeys::Listed(keys) => {
                let inside = |key: &SourceKey| matches!(key.key, Key::Time(time) if time >= first && time <= last);
                let from = keys.iter().position(inside).unwrap_or(keys.len());
                let length = keys.iter().skip(from).take_while(|key| inside(key)).count();
                from..from + length
            }
        }
    }

    /// Two keys with the same file name would read one file twice.
    fn check_distinct(&self, template: &Template) -> Result<(), Vec<PatternProblem>> {
        let mut seen: HashMap<String, usize> = HashMap::new();
        for position in 0..self.len().min(COMPARED) {
            let Some(key) = self.key(position) else { break };
            let Some(first) = seen.insert(template.trace(&self.name, &key), position) else { continue };
            let earlier = self.key(first).map(|key| key.key.to_string()).unwrap_or_default();
            let message = format!("the keys {earlier} and {} have the same file name", key.key);
            let (place, help) = match self.keys {
                AxisKeys::Steps { .. } => ("freq", "use codes as fine as freq, or a freq as coarse as the files"),
                AxisKeys::Listed(_) => ("keys", "remove one of the two"),
            };
            return Err(vec![PatternProblem::new(&["dims", &self.name, place], message, help)]);
        }
        Ok(())
    }
}

/// Keys as the placeholders want them: dates for strptime codes, whole numbers for widths.
fn listed(name: &str, keys: &Keys, template: &Template) -> Result<Vec<SourceKey>, Vec<PatternProblem>> {
    let as_time = template.of_dim(name).any(|p| matches!(p.format, PlaceholderFormat::Time(_)));
    let as_integer = template.of_dim(name).any(|p| matches!(p.format, PlaceholderFormat::Integer { .. }));
    let place = ["dims", name, "keys"];
    let mut problems = Vec::new();
    if as_time && as_integer {
        let message = format!("{{{name}}} is written both as a date and as a number");
        problems.push(PatternProblem::new(&["pattern"], message, "use one of the two"));
    }
    let mut list = Vec::new();
    for (text, label) in keys.labelled() {
        let key = if as_time { date_key(&text) } else { plain_key(text, as_integer, name) };
        match key {
            Ok(key) => list.push(SourceKey { key, end: None, label: label.cloned() }),
            Err((message, help)) => problems.push(PatternProblem::new(&place, message, help)),
        }
    }
    if problems.is_empty() { Ok(list) } else { Err(problems) }
}

fn date_key(text: &KeyText) -> Result<Key, (String, String)> {
    let date = match text {
        KeyText::Integer(year) => format!("{year:04}"),
        KeyText::Text(date) => date.clone(),
    };
    PatternTime::start_of(&date).map(Key::Time).map_err(|error| (error.to_string(), error.next()))
}

fn plain_key(text: KeyText, as_integer: bool, name: &str) -> Result<Key, (String, String)> {
    match text {
        KeyText::Integer(value) => Ok(Key::Integer(value)),
        KeyText::Text(text) if as_integer => text.parse().map(Key::Integer).map_err(|_| {
            let message = format!("the key {text:?} is no whole number, but the pattern writes it as one");
            (message, format!("write {{{name}}} without a width"))
        }),
        KeyText::Text(text) if text.is_empty() || text.chars().any(char::is_control) => {
            Err((format!("the key {text:?} is empty or has control characters"), "correct it".to_owned()))
        }
        KeyText::Text(text) => Ok(Key::Text(text)),
    }
}
