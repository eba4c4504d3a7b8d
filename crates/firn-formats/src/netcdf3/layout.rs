//! Where the data of each variable lie: computed from shapes, never taken from `vsize`.

use super::header::{Header, NcType, Variable};
use crate::error::FormatError;
use firn_model::array::chunk_grid::product;
use firn_model::diagnose::At;

/// Most chunks of all variables together: their tables take 20 bytes each.
const MAX_TOTAL_CHUNKS: u64 = firn_model::array::manifest::MAX_CHUNKS;

/// The data of one variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    /// Extent of each dimension, records included.
    pub(super) shape: Vec<u64>,
    /// First byte of the variable, or of its first record.
    pub(super) begin: u64,
    /// Bytes of the variable, or of one of its records, without padding.
    pub(super) length: u64,
    /// Whether its first dimension is the record dimension.
    pub(super) is_record: bool,
}

/// The data of all variables.
#[derive(Debug)]
pub(super) struct Layout {
    /// Bytes from one record to the next.
    pub(super) record_size: u64,
    /// Number of records.
    pub(super) num_records: u64,
    /// One entry a variable, in the order of the header.
    pub(super) variables: Vec<Placed>,
    /// Whether the file ends inside of a record that its header does not count.
    pub(super) has_partial_record: bool,
}

impl Layout {
    /// The layout of a file of this size, which must reach to the end of every variable.
    pub(super) fn new(header: &Header, file_size: u64, at: &At) -> Result<Self, FormatError> {
        let record_dimension = record_dimension(header, at)?;
        let mut variables = Vec::with_capacity(header.variables.len());
        for variable in &header.variables {
            variables.push(place(header, variable, record_dimension, at)?);
        }
        let record_size = record_size(header, &variables, at)?;
        let (num_records, has_partial_record) = match header.num_records {
            Some(count) => (count, false),
            None => streamed_records(&variables, record_size, file_size),
        };
        for (placed, variable) in variables.iter_mut().zip(&header.variables) {
            if placed.is_record {
                placed.shape[0] = num_records;
            }
            check_length(placed, &variable.name, record_size, num_records, file_size, at)?;
        }
        let records = variables.iter().filter(|v| v.is_record).count() as u64;
        let chunks = records.saturating_mul(num_records);
        if chunks > MAX_TOTAL_CHUNKS {
            return Err(FormatError::limit(at, "the number of records of all variables", chunks, MAX_TOTAL_CHUNKS));
        }
        Ok(Self { record_size, num_records, variables, has_partial_record })
    }
}

fn record_dimension(header: &Header, at: &At) -> Result<Option<usize>, FormatError> {
    let mut found = header.dimensions.iter().enumerate().filter(|(_, d)| d.length == 0).map(|(id, _)| id);
    let first = found.next();
    if let Some(second) = found.next() {
        let name = &header.dimensions[second].name;
        return Err(FormatError::corrupt(at, format!("{name} would be a second dimension of unlimited length")));
    }
    Ok(first)
}

fn place(
    header: &Header,
    variable: &Variable,
    record_dimension: Option<usize>,
    at: &At,
) -> Result<Placed, FormatError> {
    let at = at.node(format!("/{}", variable.name));
    let is_record = record_dimension.is_some() && variable.dimensions.first().copied() == record_dimension;
    let inner = variable.dimensions.get(usize::from(is_record)..).unwrap_or(&[]);
    if inner.iter().any(|id| Some(*id) == record_dimension) {
        return Err(FormatError::corrupt(&at, "the unlimited dimension is not the first of the variable"));
    }
    let shape: Vec<u64> = variable.dimensions.iter().map(|id| header.dimensions[*id].length).collect();
    let length = product(&shape[usize::from(is_record)..]).and_then(|n| n.checked_mul(variable.nc_type.size()));
    let length = length.filter(|n| i64::try_from(*n).is_ok());
    let length = length.ok_or_else(|| FormatError::corrupt(&at, format!("the shape {shape:?} is beyond 64 bits")))?;
    Ok(Placed { shape, begin: variable.begin, length, is_record })
}

/// The records of all record variables lie one after the other, each padded to four bytes, except that the records of a
/// single one are not padded (spec, "Note on padding").
fn record_size(header: &Header, variables: &[Placed], at: &At) -> Result<u64, FormatError> {
    let records: Vec<(&Placed, NcType)> =
        variables.iter().zip(&header.variables).filter(|(p, _)| p.is_record).map(|(p, v)| (p, v.nc_type)).collect();
    if let [(only, _)] = records.as_slice() {
        return Ok(only.length);
    }
    let total = records.iter().try_fold(0u64, |sum, (p, _)| sum.checked_add(p.length.checked_next_multiple_of(4)?));
    total.ok_or_else(|| FormatError::corrupt(at, "the size of a record is beyond 64 bits"))
}

/// Whole records in a file whose writer did not count them; and whether more bytes follow them.
fn streamed_records(variables: &[Placed], record_size: u64, file_size: u64) -> (u64, bool) {
    let whole = |p: &Placed| match file_size.checked_sub(p.begin.saturating_add(p.length)) {
        Some(rest) => rest.checked_div(record_size).map_or(0, |n| n + 1),
        None => 0,
    };
    let count = variables.iter().filter(|p| p.is_record).map(whole).min().unwrap_or(0);
    let first = variables.iter().filter(|p| p.is_record).map(|p| p.begin).min();
    let end = first.map(|begin| begin.saturating_add(count.saturating_mul(record_size)));
    (count, end.is_some_and(|end| end < file_size))
}

fn check_length(
    placed: &Placed,
    name: &str,
    record_size: u64,
    num_records: u64,
    file_size: u64,
    at: &At,
) -> Result<(), FormatError> {
    let stride = if placed.is_record {
        if num_records == 0 {
            return Ok(());
        }
        record_size.checked_mul(num_records - 1)
    } else {
        Some(0)
    };
    // The padding after the last value may be missing: libraries write it only when something follows.
    let end = stride.and_then(|s| s.checked_add(placed.begin)).and_then(|s| s.checked_add(placed.length));
    match end {
        Some(end) if end <= file_size => Ok(()),
        end => {
            let node = at.node(format!("/{name}"));
            let what =
                if placed.is_record { format!("the last of {num_records} records") } else { "the variable".to_owned() };
            Err(FormatError::truncated(&node, what, end.unwrap_or(u64::MAX), file_size))
        }
    }
}
