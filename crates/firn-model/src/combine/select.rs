//! Choosing variables and parts of dimensions, renaming, dropping dimensions of length one.

use super::{Combined, CombinedArray, CombinedContent, Piece};
use crate::array::{ArraySubset, AttributeValue, DataType, Elements, Values};
use crate::cf::{PatternTime, TimeCoding};
use crate::dataset::{Dataset, Node, NodeName, NodePath};
use crate::diagnose::{At, Category, Diagnose};
use indexmap::IndexMap;
use std::fmt;

/// A part of one dimension.
#[derive(Debug, Clone, PartialEq)]
pub enum Range {
    /// One index; the dimension is dropped. Negative ones count from the end.
    Index(i64),
    /// From one index up to another, which is not included.
    Indices(i64, i64),
    /// The coordinate value; the dimension is dropped.
    Value(f64),
    /// Coordinate values from one to another, both included.
    Values(f64, f64),
    /// The one step that lies in this day, month or year, or at this time; the dimension is dropped.
    Date(String),
    /// Dates from one to another, both included as a whole: `1981-09` is all of that month.
    Dates(String, String),
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(f, "{index}"),
            Self::Indices(from, to) => write!(f, "[{from}, {to}]"),
            Self::Value(value) => write!(f, "{value}"),
            Self::Values(from, to) => write!(f, "[{from}, {to}]"),
            Self::Date(date) => f.write_str(date),
            Self::Dates(from, to) => write!(f, "[{from}, {to}]"),
        }
    }
}

/// What to keep, in the source's names, and what to call it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selection {
    /// Variables to keep, with the coordinates they need; all where empty.
    pub variables: Vec<String>,
    /// Parts of dimensions.
    pub ranges: IndexMap<String, Range>,
    /// Old name → new name, of variables and dimensions.
    pub rename: IndexMap<String, String>,
    /// Dimensions of length one to drop.
    pub squeeze: Vec<String>,
}

/// The selection names something that is not there, or empties it.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SelectError {
    /// A variable or dimension that no file has.
    #[error("the selection names {name:?}, which is not in the files; there are: {available}")]
    Unknown {
        /// The name.
        name: String,
        /// The names that exist.
        available: String,
    },
    /// A range that holds no element.
    #[error("the selection {range} of {dim:?} holds no element; the dimension has {size}")]
    Empty {
        /// The dimension.
        dim: String,
        /// The range.
        range: String,
        /// Length of the dimension.
        size: u64,
    },
    /// A dimension without a usable coordinate variable.
    #[error("{dim:?} has no one-dimensional numeric, monotonic coordinate variable to select by value")]
    NoCoordinate {
        /// The dimension.
        dim: String,
    },
    /// A dimension of several groups that is not the same in all.
    #[error("{dim:?} is not one dimension: {what}")]
    Ambiguous {
        /// The dimension.
        dim: String,
        /// In what its groups differ.
        what: String,
    },
    /// Values of a coordinate that is stored packed.
    #[error("the coordinate {dim:?} is packed ({attribute}), so its numbers are not the ones that it means")]
    Packed {
        /// The dimension.
        dim: String,
        /// The attribute that says so.
        attribute: String,
    },
    /// Dates of a dimension whose coordinate is no time.
    #[error("{dim:?} is selected by dates, and its coordinate is no time: {what}")]
    NotTime {
        /// The dimension.
        dim: String,
        /// What is missing.
        what: String,
    },
    /// A date that is to choose one step and fits several.
    #[error("{count} steps of {dim:?} lie in {date}, and one is to be chosen")]
    Several {
        /// The dimension.
        dim: String,
        /// The date.
        date: String,
        /// How many steps lie in it.
        count: u64,
    },
    /// A dimension to drop that is longer than one.
    #[error("{dim:?} has length {size} and cannot be dropped")]
    NotOne {
        /// The dimension.
        dim: String,
        /// Its length.
        size: u64,
    },
    /// A new name that is taken or not allowed.
    #[error("{from:?} cannot be renamed to {to:?}: {why}")]
    BadName {
        /// The old name.
        from: String,
        /// The new name.
        to: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Diagnose for SelectError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "select-unknown-name",
            Self::Empty { .. } => "select-empty",
            Self::NoCoordinate { .. } => "select-no-coordinate",
            Self::Ambiguous { .. } => "select-ambiguous",
            Self::Packed { .. } => "select-packed",
            Self::NotTime { .. } => "select-not-time",
            Self::Several { .. } => "select-several",
            Self::NotOne { .. } => "squeeze-not-one",
            Self::BadName { .. } => "rename-bad-name",
        }
    }

    fn category(&self) -> Category {
        Category::InvalidDocument
    }

    fn at(&self) -> At {
        let name = match self {
            Self::Unknown { name, .. } => name,
            Self::BadName { from, .. } => from,
            Self::Empty { dim, .. }
            | Self::NoCoordinate { dim }
            | Self::Ambiguous { dim, .. }
            | Self::Packed { dim, .. }
            | Self::NotTime { dim, .. }
            | Self::Several { dim, .. }
            | Self::NotOne { dim, .. } => dim,
        };
        At::nowhere().node(name.as_str())
    }

    fn why(&self) -> String {
        "the dataset would not hold what the recipe says".to_owned()
    }

    fn next(&self) -> String {
        match self {
            Self::NoCoordinate { .. } | Self::NotTime { .. } | Self::Packed { .. } => "select by index instead: `isel`",
            Self::Ambiguous { .. } => "take whole groups, or one: `select: {variables: [group/variable]}`",
            Self::Several { .. } => {
                "write a range of dates, which keeps the dimension: `time: [1981-09-01, 1981-09-01]`"
            }
            _ => "see what is there: firn inspect FILE",
        }
        .to_owned()
    }
}

/// Applies the selection.
///
/// # Errors
/// [`SelectError`] for names that do not exist, empty ranges, and names that are taken.
pub fn select(mut combined: Combined, selection: &Selection) -> Result<Combined, SelectError> {
    for name in &selection.variables {
        if !NodePath::parse(name).is_ok_and(|path| combined.arrays.contains_key(&path)) {
            return Err(SelectError::Unknown { name: name.clone(), available: available(&combined) });
        }
    }
    for (dim, range) in &selection.ranges {
        let size = dimension_size(&combined, dim)?;
        let (start, length, drops) = resolve(&combined, dim, size, range)?;
        clip(&mut combined, dim, start, length, drops);
    }
    for dim in &selection.squeeze {
        let size = dimension_size(&combined, dim)?;
        if size != 1 {
            return Err(SelectError::NotOne { dim: dim.clone(), size });
        }
        clip(&mut combined, dim, 0, 1, true);
    }
    rename(&mut combined, &selection.rename)?;
    Ok(combined)
}

fn available(combined: &Combined) -> String {
    combined.arrays.keys().map(|path| path.as_key()).collect::<Vec<_>>().join(", ")
}

/// Keeps these variables of a file, with the coordinates, bounds and grid mappings that they name, as CF says; all where
/// none is named. Names that the file does not have are left to [`select`].
pub fn keep_variables(dataset: &mut Dataset, variables: &[String]) {
    if variables.is_empty() {
        return;
    }
    let mut keep: Vec<NodePath> = variables.iter().filter_map(|name| NodePath::parse(name).ok()).collect();
    let mut at = 0;
    while at < keep.len() {
        let path = keep[at].clone();
        for related in related(dataset, &path) {
            if !keep.contains(&related) {
                keep.push(related);
            }
        }
        at += 1;
    }
    dataset.nodes.retain(|path, node| matches!(node, Node::Group(_)) || keep.contains(path));
}

fn related(dataset: &Dataset, path: &NodePath) -> Vec<NodePath> {
    let Some(array) = dataset.array(path) else { return Vec::new() };
    let mut names: Vec<String> = array.metadata.dimension_names.clone();
    for key in REFERRING {
        if let Some(text) = array.metadata.attributes.get(key).and_then(|v| v.as_text()) {
            names.extend(text.split([' ', ':', ',']).filter(|w| !w.is_empty()).map(str::to_owned));
        }
    }
    names.iter().filter_map(|name| in_scope(dataset, path, name)).collect()
}

/// The variable of this name that a variable of a group refers to: in its group, or the nearest above.
fn in_scope(dataset: &Dataset, path: &NodePath, name: &str) -> Option<NodePath> {
    let mut group = path.parent();
    loop {
        let candidate = NodePath::parse(&format!("{group}/{name}")).ok()?;
        if dataset.array(&candidate).is_some() {
            return Some(candidate);
        }
        if group.is_root() {
            return None;
        }
        group = group.parent();
    }
}

/// Attributes that name other variables (CF conventions).
const REFERRING: [&str; 13] = [
    "coordinates",
    "bounds",
    "climatology",
    "grid_mapping",
    "formula_terms",
    "cell_measures",
    "ancillary_variables",
    "compress",
    "geometry",
    "node_coordinates",
    "node_count",
    "part_node_count",
    "interior_ring",
];

/// The one size that a dimension has in all arrays. Groups may have dimensions of the same name that are not the same.
fn dimension_size(combined: &Combined, dim: &str) -> Result<u64, SelectError> {
    let mut found: Option<(&NodePath, u64)> = None;
    for (path, array) in &combined.arrays {
        let Some(axis) = array.metadata.axis(dim) else { continue };
        let size = array.metadata.shape[axis];
        match found {
            Some((first, other)) if other != size => {
                let what = format!("{first} has {other} of it, {path} has {size}");
                return Err(SelectError::Ambiguous { dim: dim.to_owned(), what });
            }
            _ => found = Some((path, size)),
        }
    }
    found.map(|(_, size)| size).ok_or_else(|| {
        let mut names: Vec<&str> =
            combined.arrays.values().flat_map(|a| a.metadata.dimension_names.iter().map(String::as_str)).collect();
        names.sort_unstable();
        names.dedup();
        SelectError::Unknown { name: dim.to_owned(), available: names.join(", ") }
    })
}

fn resolve(combined: &Combined, dim: &str, size: u64, range: &Range) -> Result<(u64, u64, bool), SelectError> {
    let empty = || SelectError::Empty { dim: dim.to_owned(), range: range.to_string(), size };
    let from_end = |i: i64| if i < 0 { (size as i64).checked_add(i) } else { Some(i) };
    match range {
        Range::Index(index) => {
            let at = from_end(*index).and_then(|i| u64::try_from(i).ok()).filter(|i| *i < size).ok_or_else(empty)?;
            Ok((at, 1, true))
        }
        Range::Indices(from, to) => {
            let bound = |i: i64| from_end(i).map_or(0, |i| i.clamp(0, size as i64) as u64);
            let (from, to) = (bound(*from), bound(*to));
            if from >= to { Err(empty()) } else { Ok((from, to - from, false)) }
        }
        Range::Value(value) => {
            let Coordinate { values, data_type, .. } = coordinate(combined, dim)?;
            let value = as_stored(*value, data_type);
            let at = values.iter().position(|v| *v == value).ok_or_else(empty)?;
            Ok((at as u64, 1, true))
        }
        Range::Values(a, b) => {
            let Coordinate { values, data_type, .. } = coordinate(combined, dim)?;
            let (low, high) = (as_stored(a.min(*b), data_type), as_stored(a.max(*b), data_type));
            let inside = |v: &f64| *v >= low && *v <= high;
            let first = values.iter().position(inside).ok_or_else(empty)?;
            let count = values[first..].iter().take_while(|v| inside(v)).count();
            Ok((first as u64, count as u64, false))
        }
        Range::Date(date) => match within(combined, dim, date, date)? {
            (_, 0) => Err(empty()),
            (at, 1) => Ok((at, 1, true)),
            (_, count) => Err(SelectError::Several { dim: dim.to_owned(), date: date.clone(), count }),
        },
        Range::Dates(from, to) => match within(combined, dim, from, to)? {
            (_, 0) => Err(empty()),
            (first, count) => Ok((first, count, false)),
        },
    }
}

/// The number of a document as a coordinate of this type would hold it: 0.6 of a recipe means the `float32` next to it, too.
fn as_stored(number: f64, data_type: DataType) -> f64 {
    match data_type {
        DataType::Float32 => f64::from(number as f32),
        _ => number,
    }
}

/// The first step between two dates, and how many there are.
fn within(combined: &Combined, dim: &str, from: &str, to: &str) -> Result<(u64, u64), SelectError> {
    let not_time = |what: String| SelectError::NotTime { dim: dim.to_owned(), what };
    let Coordinate { values, array, .. } = coordinate(combined, dim)?;
    let text = |name: &str| array.metadata.attributes.get(name)?.as_text();
    let units = text("units").ok_or_else(|| not_time("it has no units".to_owned()))?;
    let coding = TimeCoding::new(units, text("calendar")).map_err(|error| not_time(error.to_string()))?;
    let mut found = (0, 0);
    for (at, value) in values.iter().enumerate() {
        let instant = coding.instant_of_float(*value).map_err(|_| not_time(format!("{value} is no time")))?;
        let date = coding.date_time(instant.micros);
        let place = |text: &str| PatternTime::place_of(&date, text).map_err(|error| not_time(error.to_string()));
        if place(from)?.is_ge() && place(to)?.is_le() {
            found = (if found.1 == 0 { at as u64 } else { found.0 }, found.1 + 1);
        }
    }
    Ok(found)
}

/// The coordinate variable of a dimension.
struct Coordinate<'c> {
    array: &'c CombinedArray,
    data_type: DataType,
    /// Strictly monotonic.
    values: Vec<f64>,
}

/// The coordinate variable of a dimension; where several groups have one, all must be the same.
fn coordinate<'c>(combined: &'c Combined, dim: &str) -> Result<Coordinate<'c>, SelectError> {
    let missing = || SelectError::NoCoordinate { dim: dim.to_owned() };
    let mut found: Option<(&NodePath, Coordinate<'c>)> = None;
    let is_coordinate = |path: &NodePath, array: &CombinedArray| {
        path.name() == dim && array.metadata.dimension_names.as_slice() == [dim.to_owned()]
    };
    for (path, array) in combined.arrays.iter().filter(|(path, array)| is_coordinate(path, array)) {
        let attributes = &array.metadata.attributes;
        if let Some(attribute) = PACKING.iter().find(|name| attributes.contains_key(**name)) {
            return Err(SelectError::Packed { dim: dim.to_owned(), attribute: (*attribute).to_owned() });
        }
        let values = coordinate_values(combined, array).ok_or_else(missing)?;
        let alike = |other: &Coordinate| {
            let word = |array: &CombinedArray, name: &str| array.metadata.attributes.get(name).cloned();
            other.values == values && ["units", "calendar"].iter().all(|n| word(other.array, n) == word(array, n))
        };
        match &found {
            Some((first, other)) if !alike(other) => {
                let what = format!("the coordinates {first} and {path} differ");
                return Err(SelectError::Ambiguous { dim: dim.to_owned(), what });
            }
            Some(_) => {}
            None => found = Some((path, Coordinate { array, data_type: array.metadata.data_type, values })),
        }
    }
    let (_, coordinate) = found.ok_or_else(missing)?;
    let values = &coordinate.values;
    let monotonic = values.windows(2).all(|w| w[0] < w[1]) || values.windows(2).all(|w| w[0] > w[1]);
    if monotonic { Ok(coordinate) } else { Err(missing()) }
}

/// Attributes by which the numbers of an array are not those that it means.
const PACKING: [&str; 3] = ["scale_factor", "add_offset", "_Unsigned"];

fn coordinate_values(combined: &Combined, array: &CombinedArray) -> Option<Vec<f64>> {
    let pieces = match &array.content {
        CombinedContent::Values(values) => return values.to_f64(),
        CombinedContent::Pieces(pieces) => pieces,
    };
    let mut all = vec![f64::NAN; *array.metadata.shape.first()? as usize];
    for piece in pieces {
        let content = combined.files.get(piece.file as usize)?.contents.get(&array.source_path)?;
        let values = content.values.as_ref()?.to_f64()?;
        let (from, to, n) =
            (piece.source.start[0] as usize, piece.target.start[0] as usize, piece.source.shape[0] as usize);
        all.get_mut(to..to + n)?.copy_from_slice(values.get(from..from + n)?);
    }
    Some(all)
}

/// Cuts a dimension in every array that has it, and drops it where asked.
fn clip(combined: &mut Combined, dim: &str, start: u64, length: u64, drops: bool) {
    for array in combined.arrays.values_mut() {
        if let Some(axis) = array.metadata.axis(dim) {
            clip_array(array, axis, start, length);
            if drops {
                drop_axis(array, axis);
            }
        }
    }
    for group in combined.groups.values_mut() {
        if drops {
            group.dimensions.shift_remove(dim);
        } else if let Some(dimension) = group.dimensions.get_mut(dim) {
            dimension.size = length;
        }
    }
}

fn clip_array(array: &mut CombinedArray, axis: usize, start: u64, length: u64) {
    match &mut array.content {
        CombinedContent::Pieces(pieces) => {
            let source_axis = array.axes.iter().position(|a| *a == Some(axis));
            *pieces = pieces.iter().filter_map(|piece| clip_piece(piece, axis, source_axis, start, length)).collect();
        }
        CombinedContent::Values(values) => *values = clip_values(values, axis, start, length),
    }
    array.metadata.shape[axis] = length;
}

fn clip_piece(piece: &Piece, axis: usize, source_axis: Option<usize>, start: u64, length: u64) -> Option<Piece> {
    let from = piece.target.start[axis].max(start);
    let to = piece.target.end(axis).min(start + length);
    if from >= to {
        return None;
    }
    let mut clipped = piece.clone();
    if let Some(source) = source_axis {
        clipped.source.start[source] += from - piece.target.start[axis];
        clipped.source.shape[source] = to - from;
    }
    clipped.target.start[axis] = from - start;
    clipped.target.shape[axis] = to - from;
    Some(clipped)
}

fn clip_values(values: &Values, axis: usize, start: u64, length: u64) -> Values {
    let inner: u64 = values.shape[axis + 1..].iter().product();
    let outer: u64 = values.shape[..axis].iter().product();
    let extent = values.shape[axis];
    let rows = (0..outer).map(|o| ((o * extent + start) * inner) as usize);
    let count = (length * inner) as usize;
    let elements = match &values.elements {
        Elements::Fixed(bytes) => {
            let size = values.data_type.size().unwrap_or(1);
            Elements::Fixed(rows.flat_map(|row| bytes[row * size..(row + count) * size].iter().copied()).collect())
        }
        Elements::Text(texts) => Elements::Text(rows.flat_map(|row| texts[row..row + count].iter().cloned()).collect()),
    };
    let mut shape = values.shape.clone();
    shape[axis] = length;
    Values { data_type: values.data_type, shape, elements }
}

fn drop_axis(array: &mut CombinedArray, axis: usize) {
    array.metadata.shape.remove(axis);
    array.metadata.dimension_names.remove(axis);
    if let Some(chunk) = array.metadata.chunk_grid.chunk_shape() {
        let mut chunk = chunk.to_vec();
        chunk.remove(axis);
        array.metadata.chunk_grid = crate::array::ChunkGrid::regular(&chunk);
    }
    for mapped in &mut array.axes {
        *mapped = match *mapped {
            Some(a) if a == axis => None,
            Some(a) if a > axis => Some(a - 1),
            other => other,
        };
    }
    match &mut array.content {
        CombinedContent::Pieces(pieces) => {
            for piece in pieces {
                let ArraySubset { start, shape } = &mut piece.target;
                start.remove(axis);
                shape.remove(axis);
            }
        }
        CombinedContent::Values(values) => {
            values.shape.remove(axis);
        }
    }
}

fn rename(combined: &mut Combined, names: &IndexMap<String, String>) -> Result<(), SelectError> {
    for (from, to) in names {
        let bad = |why: &str| SelectError::BadName { from: from.clone(), to: to.clone(), why: why.to_owned() };
        NodeName::new(to).map_err(|why| bad(&why))?;
        let is_variable = combined.arrays.keys().any(|path| path.name() == from);
        let is_dimension = combined.arrays.values().any(|a| a.metadata.axis(from).is_some());
        if !is_variable && !is_dimension {
            return Err(SelectError::Unknown { name: from.clone(), available: available(combined) });
        }
        let taken = combined.arrays.keys().any(|path| path.name() == to)
            || combined.arrays.values().any(|a| a.metadata.axis(to).is_some());
        if taken && !names.contains_key(to) {
            return Err(bad("the name is taken"));
        }
    }
    let new = |name: &str| names.get(name).cloned().unwrap_or_else(|| name.to_owned());
    let mut arrays = IndexMap::new();
    for (path, mut array) in std::mem::take(&mut combined.arrays) {
        for dim in &mut array.metadata.dimension_names {
            *dim = new(dim);
        }
        rename_references(&mut array, names);
        // The last part only: groups keep their names.
        let renamed = NodeName::new(&new(path.name())).map(|name| path.parent().child(&name)).unwrap_or(path);
        arrays.insert(renamed, array);
    }
    combined.arrays = arrays;
    for group in combined.groups.values_mut() {
        group.dimensions = std::mem::take(&mut group.dimensions).into_iter().map(|(n, d)| (new(&n), d)).collect();
    }
    Ok(())
}

/// How an attribute names variables and dimensions (CF conventions, appendix A).
#[derive(Clone, Copy, PartialEq)]
enum Naming {
    /// Every word is a name.
    Words,
    /// Every word is a name, also before a colon: `crs: x y`.
    WordsAndKeys,
    /// Names follow keys: `area: areacella`.
    Values,
    /// Keys are names, up to a parenthesis: `time: mean (interval: 1 hr)`.
    Keys,
}

const NAMING: [(&str, Naming); 14] = [
    ("coordinates", Naming::Words),
    ("bounds", Naming::Words),
    ("climatology", Naming::Words),
    ("ancillary_variables", Naming::Words),
    ("compress", Naming::Words),
    ("geometry", Naming::Words),
    ("node_coordinates", Naming::Words),
    ("node_count", Naming::Words),
    ("part_node_count", Naming::Words),
    ("interior_ring", Naming::Words),
    ("grid_mapping", Naming::WordsAndKeys),
    ("formula_terms", Naming::Values),
    ("cell_measures", Naming::Values),
    ("cell_methods", Naming::Keys),
];

/// Attributes that name other variables and dimensions follow a rename.
fn rename_references(array: &mut CombinedArray, names: &IndexMap<String, String>) {
    for (key, naming) in NAMING {
        if let Some(AttributeValue::Text(text)) = array.metadata.attributes.get_mut(key) {
            *text = renamed_words(text, naming, names);
        }
    }
}

fn renamed_words(text: &str, naming: Naming, names: &IndexMap<String, String>) -> String {
    let mut depth = 0_usize;
    let words: Vec<String> = text
        .split(' ')
        .map(|word| {
            let (name, colon) = word.strip_suffix(':').map_or((word, ""), |name| (name, ":"));
            let is_name = match naming {
                Naming::Words | Naming::Values => colon.is_empty(),
                Naming::WordsAndKeys => true,
                // "area" is CF's word for the horizontal dimensions, also where a variable has that name (CF 7.3).
                Naming::Keys => !colon.is_empty() && depth == 0 && name != "area",
            };
            depth = (depth + word.matches('(').count()).saturating_sub(word.matches(')').count());
            match names.get(name).filter(|_| is_name) {
                Some(new) => format!("{new}{colon}"),
                None => word.to_owned(),
            }
        })
        .collect();
    words.join(" ")
}
