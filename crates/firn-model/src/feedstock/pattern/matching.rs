//! The other way round: the keys that a URL stands for.

use std::collections::HashMap;

use indexmap::IndexMap;

use super::axis::Key;
use super::template::{Piece, Placeholder, PlaceholderFormat, Template, TimePart};
use crate::cf::{PatternTime, TimeFormat};

/// Steps of the search before a URL counts as not matching: hostile URLs must not hold it up.
const MAX_STEPS: usize = 100_000;

/// The keys of each dimension, read by every placeholder of it alike. `.end` placeholders only have to be dates.
pub(super) fn keys_of(template: &Template, url: &str) -> Option<IndexMap<String, Key>> {
    let mut search = Search { pieces: template.pieces(), captured: Vec::new(), steps: 0 };
    search.from(0, url)
}

struct Search<'t, 'u> {
    pieces: &'t [Piece],
    captured: Vec<(&'t Placeholder, &'u str)>,
    steps: usize,
}

impl<'u> Search<'_, 'u> {
    fn from(&mut self, piece: usize, rest: &'u str) -> Option<IndexMap<String, Key>> {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return None;
        }
        match self.pieces.get(piece) {
            None if rest.is_empty() => keys(&self.captured),
            None => None,
            Some(Piece::Text(text)) => self.from(piece + 1, rest.strip_prefix(text.as_str())?),
            Some(Piece::Placeholder(placeholder)) => {
                let seen = self.captured.iter().find(|(other, _)| *other == placeholder).map(|(_, text)| *text);
                let lengths: Vec<usize> = match seen {
                    Some(text) => {
                        if rest.starts_with(text) {
                            vec![text.len()]
                        } else {
                            Vec::new()
                        }
                    }
                    None => lengths(placeholder, rest),
                };
                lengths.into_iter().find_map(|length| {
                    let (text, after) = rest.split_at_checked(length)?;
                    self.captured.push((placeholder, text));
                    let found = self.from(piece + 1, after);
                    self.captured.pop();
                    found
                })
            }
        }
    }
}

/// How many bytes a placeholder may take, most likely first.
fn lengths(placeholder: &Placeholder, rest: &str) -> Vec<usize> {
    match &placeholder.format {
        PlaceholderFormat::Time(format) => time_lengths(format),
        PlaceholderFormat::Integer { width, .. } => {
            let spaces = rest.bytes().take_while(|b| *b == b' ').count();
            let sign = usize::from(rest[spaces..].starts_with('-'));
            let digits = rest[spaces + sign..].bytes().take_while(u8::is_ascii_digit).count();
            let least = (*width).max(spaces + sign + 1);
            (least..=spaces + sign + digits).collect()
        }
        PlaceholderFormat::Plain => {
            let end = rest.find('/').unwrap_or(rest.len());
            (1..=end).filter(|length| rest.is_char_boundary(*length)).collect()
        }
    }
}

/// The lengths of a format's dates: they differ by the names of months only.
fn time_lengths(format: &TimeFormat) -> Vec<usize> {
    let dates = (1..=12).filter_map(|month| PatternTime::start_of(&format!("2000-{month:02}")).ok());
    let mut lengths: Vec<usize> = dates.map(|date| format.format(date).len()).collect();
    lengths.sort_unstable();
    lengths.dedup();
    lengths
}

/// One key a dimension, if its placeholders agree.
fn keys(captured: &[(&Placeholder, &str)]) -> Option<IndexMap<String, Key>> {
    let mut keys: IndexMap<String, Key> = IndexMap::new();
    let mut dates: HashMap<(&str, bool), (String, String)> = HashMap::new();
    for (placeholder, text) in captured {
        let key = match &placeholder.format {
            PlaceholderFormat::Time(format) => {
                let (formats, texts) = dates.entry((&placeholder.dim, placeholder.part == TimePart::End)).or_default();
                // Several placeholders of one dimension are one date, written in pieces.
                formats.push('\u{1}');
                formats.push_str(format.as_str());
                texts.push('\u{1}');
                texts.push_str(text);
                continue;
            }
            PlaceholderFormat::Integer { zeros, width } => {
                let key = text.trim_start_matches(' ').parse().ok()?;
                let written = if *zeros { format!("{key:0width$}") } else { format!("{key:width$}") };
                if written != *text {
                    return None;
                }
                Key::Integer(key)
            }
            PlaceholderFormat::Plain => Key::Text((*text).to_owned()),
        };
        if keys.get(&placeholder.dim).is_some_and(|known| known.to_string() != key.to_string()) {
            return None;
        }
        keys.insert(placeholder.dim.clone(), key);
    }
    for ((dim, is_end), (formats, texts)) in dates {
        let date = TimeFormat::new(&formats).ok()?.parse(&texts).ok()?;
        if !is_end {
            keys.insert(dim.to_owned(), Key::Time(date));
        }
    }
    // In the order of the pattern.
    let order = |name: &String| captured.iter().position(|(placeholder, _)| placeholder.dim == *name);
    keys.sort_by(|a, _, b, _| order(a).cmp(&order(b)));
    Some(keys)
}
