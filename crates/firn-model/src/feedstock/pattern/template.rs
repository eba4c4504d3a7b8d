//! The text of a pattern: literal text and placeholders.

use indexmap::IndexMap;

use super::PatternProblem;
use super::axis::{Key, SourceKey};
use crate::cf::TimeFormat;
use crate::document::did_you_mean;
use crate::feedstock::recipe::Dimension;

/// More placeholders than this are refused.
const MAX_PLACEHOLDERS: usize = 64;
/// Wider integers than this are refused.
const MAX_WIDTH: usize = 32;

/// A placeholder of a pattern: `{time.end:%Y%m}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placeholder {
    /// The dimension.
    pub dim: String,
    /// Which part of the step.
    pub part: TimePart,
    /// How the key is written.
    pub format: PlaceholderFormat,
}

/// Which part of a time step a placeholder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimePart {
    /// The step itself, which is its start.
    Key,
    /// `.start`: its start, said out loud.
    Start,
    /// `.end`: its last second, so that a format by days gives its last day.
    End,
}

/// How a key is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlaceholderFormat {
    /// As it is.
    Plain,
    /// By strptime codes.
    Time(TimeFormat),
    /// `03d`: digits, filled with zeros or (`3d`) spaces.
    Integer {
        /// Least number of characters.
        width: usize,
        /// Whether zeros fill it.
        zeros: bool,
    },
}

/// A part of a pattern as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RawPiece<'a> {
    /// Literal text, doubled braces made single.
    Text(String),
    /// What stands between the braces of a placeholder.
    Placeholder(&'a str),
}

/// The parts of a pattern.
///
/// # Errors
/// The brace that has no counterpart.
pub fn raw_pieces(text: &str) -> Result<Vec<RawPiece<'_>>, &str> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        literal.push_str(&rest[..at]);
        let (bracket, after) = rest[at..].split_at(1);
        if let Some(after) = after.strip_prefix(bracket) {
            literal.push_str(bracket);
            rest = after;
            continue;
        }
        let inside = (bracket == "{").then(|| after.split_once('}')).flatten();
        let Some((inside, after)) = inside else { return Err(bracket) };
        if !literal.is_empty() {
            pieces.push(RawPiece::Text(std::mem::take(&mut literal)));
        }
        pieces.push(RawPiece::Placeholder(inside));
        rest = after;
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        pieces.push(RawPiece::Text(literal));
    }
    Ok(pieces)
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Placeholder(Placeholder),
}

#[derive(Debug, Clone)]
pub(super) struct Template {
    text: String,
    pieces: Vec<Piece>,
}

impl Template {
    pub(super) fn parse(text: &str) -> Result<Self, PatternProblem> {
        let wrong = |message: String, help: &str| PatternProblem::new(&["pattern"], message, help);
        let raw = raw_pieces(text).map_err(|bracket| {
            let message = format!("{bracket:?} has no counterpart");
            wrong(message, "close the placeholder, or write {{ and }} for the characters themselves")
        })?;
        let piece = |raw| match raw {
            RawPiece::Text(text) => Ok(Piece::Text(text)),
            RawPiece::Placeholder(inside) => Placeholder::parse(inside).map(Piece::Placeholder),
        };
        let pieces = raw.into_iter().map(piece).collect::<Result<_, _>>()?;
        let template = Self { text: text.to_owned(), pieces };
        match template.placeholders().count() {
            0 => Err(wrong("the pattern has no placeholder".to_owned(), "name single files under `files:`")),
            n if n > MAX_PLACEHOLDERS => Err(wrong(format!("the pattern has {n} placeholders"), "split the recipe")),
            _ => Ok(template),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    pub(super) fn placeholders(&self) -> impl Iterator<Item = &Placeholder> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Placeholder(placeholder) => Some(placeholder),
            Piece::Text(_) => None,
        })
    }

    pub(super) fn of_dim<'t>(&'t self, dim: &'t str) -> impl Iterator<Item = &'t Placeholder> {
        self.placeholders().filter(move |placeholder| placeholder.dim == dim)
    }

    /// Placeholders without a dimension, and dimensions without a placeholder.
    pub(super) fn against_dims(&self, dims: &IndexMap<String, Dimension>) -> Vec<PatternProblem> {
        let mut problems = Vec::new();
        let mut told: Vec<&str> = Vec::new();
        for placeholder in self.placeholders() {
            let dim = placeholder.dim.as_str();
            if dims.contains_key(dim) || told.contains(&dim) {
                continue;
            }
            told.push(dim);
            let near = did_you_mean(dim, dims.keys().map(String::as_str));
            let help = if near.starts_with("did you mean") { near } else { format!("add `{dim}:` under `dims:`") };
            problems.push(PatternProblem::new(
                &["pattern"],
                format!("the placeholder {{{dim}}} is not among the dims"),
                help,
            ));
        }
        for dim in dims.keys().filter(|dim| self.of_dim(dim).next().is_none()) {
            let message = format!("the pattern has no placeholder for the dimension {dim:?}");
            let help = format!("write {{{dim}}} where its key stands in the URL, or remove the dimension");
            problems.push(PatternProblem::new(&["dims", dim], message, help));
        }
        problems
    }

    /// The URL of these keys.
    pub(super) fn fill(&self, keys: &IndexMap<String, SourceKey>) -> String {
        let mut url = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => url.push_str(text),
                Piece::Placeholder(placeholder) => {
                    if let Some(key) = keys.get(&placeholder.dim) {
                        url.push_str(&placeholder.write(key));
                    }
                }
            }
        }
        url
    }

    /// What all placeholders of one dimension make of a key, for telling keys apart.
    pub(super) fn trace(&self, dim: &str, key: &SourceKey) -> String {
        self.of_dim(dim).map(|placeholder| placeholder.write(key)).collect::<Vec<_>>().join("\u{1}")
    }
}

impl Placeholder {
    fn parse(inside: &str) -> Result<Self, PatternProblem> {
        let wrong = |message: String, help: String| PatternProblem::new(&["pattern"], message, help);
        let (name, format) = match inside.split_once(':') {
            Some((name, format)) => (name, Some(format)),
            None => (inside, None),
        };
        let (dim, part) = match name.rsplit_once('.') {
            Some((dim, "start")) => (dim, TimePart::Start),
            Some((dim, "end")) => (dim, TimePart::End),
            Some((dim, other)) => {
                let help = format!("write {{{dim}.start}} or {{{dim}.end}}");
                return Err(wrong(format!("{{{inside}}} asks for {other:?} of a key"), help));
            }
            None => (name, TimePart::Key),
        };
        let named = !dim.is_empty() && dim.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
        if !named {
            return Err(wrong(
                format!("{{{inside}}} names no dimension"),
                "for example {time:%Y%m%d} or {variable}".to_owned(),
            ));
        }
        let format = match format {
            None => PlaceholderFormat::Plain,
            Some(format) if format.contains('%') => {
                let format = TimeFormat::new(format)
                    .map_err(|error| wrong(error.to_string(), crate::diagnose::Diagnose::next(&error)))?;
                PlaceholderFormat::Time(format)
            }
            Some(format) => integer_format(format).ok_or_else(|| {
                wrong(
                    format!("the format {format:?} of {{{inside}}} is unknown"),
                    "write strptime codes (%Y%m%d) or a width (03d)".to_owned(),
                )
            })?,
        };
        if part != TimePart::Key && !matches!(format, PlaceholderFormat::Time(_)) {
            return Err(wrong(format!("{{{inside}}} has no format"), format!("for example {{{name}:%Y%m%d}}")));
        }
        Ok(Self { dim: dim.to_owned(), part, format })
    }

    fn write(&self, key: &SourceKey) -> String {
        match (&self.format, &key.key, self.part) {
            (PlaceholderFormat::Time(format), Key::Time(_), TimePart::End) => {
                key.end.map(|end| format.format(end)).unwrap_or_default()
            }
            (PlaceholderFormat::Time(format), Key::Time(time), _) => format.format(*time),
            (PlaceholderFormat::Integer { width, zeros: true }, Key::Integer(value), _) => format!("{value:0width$}"),
            (PlaceholderFormat::Integer { width, zeros: false }, Key::Integer(value), _) => format!("{value:width$}"),
            (_, key, _) => key.to_string(),
        }
    }
}

fn integer_format(format: &str) -> Option<PlaceholderFormat> {
    let digits = format.strip_suffix('d')?;
    let width = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    (plain && width <= MAX_WIDTH).then(|| PlaceholderFormat::Integer { width, zeros: digits.starts_with('0') })
}
