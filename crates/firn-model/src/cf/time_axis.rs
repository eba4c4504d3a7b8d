//! How the time coordinates of many files become one: as they are, or in one integer unit that holds each value exactly.
//!
//! The caller unpacks nothing: a time variable with `scale_factor` or `add_offset` is not for this module.

use super::calendar::Calendar;
use super::coding::{Instant, TimeCoding};
use super::error::{CfError, ValueProblem, shown};
use super::units::{TimeStep, TimeUnit, TimeUnits};
use crate::array::{DataType, Elements, Values};

/// Raw numbers of a time variable, C order.
#[derive(Debug, Clone, PartialEq)]
pub enum TimeValues {
    /// Signed integers.
    Int(Vec<i64>),
    /// Unsigned integers.
    UInt(Vec<u64>),
    /// Floats; narrower ones widened.
    Float(Vec<f64>),
}

/// One raw number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// A signed integer.
    Int(i64),
    /// An unsigned integer.
    UInt(u64),
    /// A float.
    Float(f64),
}

/// A time variable, or its bounds, of one file.
#[derive(Debug, Clone, Copy)]
pub struct TimeVariable<'a> {
    /// The raw values.
    pub values: &'a TimeValues,
    /// Type of the values in the file.
    pub data_type: DataType,
    /// The attribute `units`. Bounds without one have that of their parent (CF, section 7.1).
    pub units: &'a str,
    /// The attribute `calendar`. Bounds without one have that of their parent.
    pub calendar: Option<&'a str>,
    /// What stands for a missing value: `_FillValue`, `missing_value`, and the fill of the format for this type.
    pub missing: &'a [Number],
}

/// How the times of all files are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimeDecision {
    /// As they are, with the attributes of the first file.
    Verbatim,
    /// As `int64`, in other units.
    Reencoded(Reencoding),
}

/// The common integer encoding. The attribute `calendar` of the first file stays; a fill value goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reencoding {
    /// The new `units` of the variable, and of its bounds if these carry any: the first file's reference, word for word.
    pub units: String,
    /// The coarsest unit that is exact.
    pub unit: TimeUnit,
    /// The calendar of all files.
    pub calendar: Calendar,
    /// The counts, one list a file, in the order of its values.
    pub values: Vec<Vec<i64>>,
    /// The counts of the bounds, likewise; `None` where there are no bounds.
    pub bounds: Option<Vec<Vec<i64>>>,
}

/// Decides how the time variable of these files is stored, its bounds with it.
///
/// It is stored verbatim where all files agree in units, calendar and data type (and their bounds do): in the same words, or
/// in other words of the same meaning (`gregorian` and `standard`, `2000-1-1` and `2000-01-01 00:00:00`). The attributes need
/// not be readable if they are the same everywhere. Otherwise every value is re-encoded as `int64`, counted from the first
/// file's reference in the coarsest unit that holds all values and all bounds exactly, so that each decodes to the date that
/// it has in its own file.
///
/// `bounds` is empty, or has one entry a file: that file's bounds, if it has any.
///
/// # Errors
/// Where units or calendar cannot be read, calendars differ, calendar months or years would have to be converted, or a value
/// is missing, not finite, out of range or not a whole number of microseconds. Only looked for where values must be re-encoded.
pub fn decide(files: &[TimeVariable<'_>], bounds: &[Option<TimeVariable<'_>>]) -> Result<TimeDecision, CfError> {
    let bounds = all_or_none(bounds)?;
    if agree(files) && agree(&bounds) {
        return Ok(TimeDecision::Verbatim);
    }
    let codings = codings(files)?;
    let Some(first) = codings.first() else { return Ok(TimeDecision::Verbatim) };
    let bound_codings = self::codings(&bounds)?;
    for (index, coding) in codings.iter().enumerate().chain(bound_codings.iter().enumerate()) {
        if coding.calendar != first.calendar {
            return Err(CfError::CalendarsDiffer { file: index, expected: first.calendar, found: coding.calendar });
        }
    }
    let offsets = offsets(files, &codings, first.epoch, false)?;
    let bound_offsets = self::offsets(&bounds, &bound_codings, first.epoch, true)?;
    let unit = coarsest_exact(offsets.iter().chain(&bound_offsets).flatten());
    let counts = |offsets: Vec<Vec<i64>>| -> Vec<Vec<i64>> {
        offsets.into_iter().map(|file| file.into_iter().map(|offset| offset / unit.micros()).collect()).collect()
    };
    Ok(TimeDecision::Reencoded(Reencoding {
        units: format!("{} since {}", unit.name(), first.units.reference),
        unit,
        calendar: first.calendar,
        values: counts(offsets),
        bounds: (!bounds.is_empty()).then(|| counts(bound_offsets)),
    }))
}

impl TimeValues {
    /// From decoded elements; `None` for text and booleans, which are no time.
    pub fn new(values: &Values) -> Option<Self> {
        match values.data_type {
            DataType::Bool | DataType::String => None,
            DataType::Float16 | DataType::Float32 | DataType::Float64 => values.to_f64().map(Self::Float),
            DataType::UInt64 => {
                let Elements::Fixed(bytes) = &values.elements else { return None };
                let (numbers, _) = bytes.as_chunks::<8>();
                Some(Self::UInt(numbers.iter().map(|b| u64::from_le_bytes(*b)).collect()))
            }
            _ => values.to_i64().map(Self::Int),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Int(values) => values.len(),
            Self::UInt(values) => values.len(),
            Self::Float(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers, one by one.
    pub fn iter(&self) -> impl Iterator<Item = Number> + '_ {
        let (ints, uints, floats): (&[i64], &[u64], &[f64]) = match self {
            Self::Int(values) => (values, &[], &[]),
            Self::UInt(values) => (&[], values, &[]),
            Self::Float(values) => (&[], &[], values),
        };
        let ints = ints.iter().map(|v| Number::Int(*v));
        ints.chain(uints.iter().map(|v| Number::UInt(*v))).chain(floats.iter().map(|v| Number::Float(*v)))
    }
}

impl Number {
    /// Whether both are the same number, whatever their types. NaN equals NaN.
    pub fn same(self, other: Self) -> bool {
        match (self.integer(), other.integer()) {
            (Some(a), Some(b)) => a == b,
            (None, None) => match (self, other) {
                (Self::Float(a), Self::Float(b)) => a == b || (a.is_nan() && b.is_nan()),
                _ => false,
            },
            _ => false,
        }
    }

    /// As an integer, if it is one that 64 bits hold, signed or not.
    fn integer(self) -> Option<i128> {
        match self {
            Self::Int(value) => Some(i128::from(value)),
            Self::UInt(value) => Some(i128::from(value)),
            Self::Float(value) if value.fract() == 0.0 && value.abs() < 1e20 => Some(value as i128),
            Self::Float(_) => None,
        }
    }

    fn instant(self, coding: &TimeCoding) -> Result<Instant, ValueProblem> {
        match self {
            Self::Int(value) => coding.instant_of_int(value),
            Self::UInt(value) => coding.instant_of_int(i64::try_from(value).map_err(|_| ValueProblem::OutOfRange)?),
            Self::Float(value) => coding.instant_of_float(value),
        }
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Int(value) => value.fmt(f),
            Self::UInt(value) => value.fmt(f),
            // Debug is the shortest text that reads back as the same float, with an exponent where that is shorter.
            Self::Float(value) => write!(f, "{value:?}"),
        }
    }
}

/// The bounds of all files, or none.
fn all_or_none<'a>(bounds: &[Option<TimeVariable<'a>>]) -> Result<Vec<TimeVariable<'a>>, CfError> {
    let first_has = bounds.first().is_some_and(Option::is_some);
    if let Some(file) = bounds.iter().position(|b| b.is_some() != first_has) {
        return Err(CfError::BoundsDiffer { file, present: !first_has });
    }
    Ok(bounds.iter().flatten().copied().collect())
}

/// Whether the raw numbers of all files mean the same thing and have the same type.
fn agree(files: &[TimeVariable<'_>]) -> bool {
    let Some((first, others)) = files.split_first() else { return true };
    others.iter().all(|file| file.data_type == first.data_type && same_meaning(first, file))
}

fn same_meaning(a: &TimeVariable<'_>, b: &TimeVariable<'_>) -> bool {
    if a.units == b.units && a.calendar == b.calendar {
        return true;
    }
    let meaning = |file: &TimeVariable<'_>| -> Option<(TimeStep, Calendar, i64)> {
        let calendar = Calendar::from_attribute(file.calendar).ok()?;
        let units = TimeUnits::parse(file.units).ok()?;
        Some((units.step, calendar, units.epoch(calendar).ok()?))
    };
    meaning(a).is_some_and(|meaning_of_a| meaning(b) == Some(meaning_of_a))
}

fn codings(files: &[TimeVariable<'_>]) -> Result<Vec<TimeCoding>, CfError> {
    let coding = |(index, file): (usize, &TimeVariable<'_>)| {
        let has_months = TimeUnits::parse(file.units).is_ok_and(|units| !matches!(units.step, TimeStep::Unit(_)));
        if has_months {
            return Err(CfError::MonthsMixed { file: index, units: shown(file.units) });
        }
        TimeCoding::new(file.units, file.calendar).map_err(|error| error.in_file(index))
    };
    files.iter().enumerate().map(coding).collect()
}

/// Microseconds of every value since the common epoch.
fn offsets(
    files: &[TimeVariable<'_>],
    codings: &[TimeCoding],
    epoch: i64,
    bounds: bool,
) -> Result<Vec<Vec<i64>>, CfError> {
    let mut all = Vec::with_capacity(files.len());
    for (file, (variable, coding)) in files.iter().zip(codings).enumerate() {
        let mut offsets = Vec::with_capacity(variable.values.len());
        for (index, value) in variable.values.iter().enumerate() {
            let offset = offset(value, variable.missing, coding, epoch).map_err(|problem| CfError::Value {
                file,
                index,
                bounds,
                value: value.to_string(),
                units: shown(variable.units),
                problem,
            })?;
            offsets.push(offset);
        }
        all.push(offsets);
    }
    Ok(all)
}

fn offset(value: Number, missing: &[Number], coding: &TimeCoding, epoch: i64) -> Result<i64, ValueProblem> {
    if missing.iter().any(|m| m.same(value)) {
        return Err(ValueProblem::Missing);
    }
    let instant = value.instant(coding)?;
    if !instant.exact {
        return Err(ValueProblem::NotWholeMicroseconds);
    }
    instant.micros.checked_sub(epoch).ok_or(ValueProblem::OutOfRange)
}

/// What the values of one time variable mean, and the instant of each, in microseconds since 1970-01-01 of its calendar.
///
/// # Errors
/// As [`decide`] where values must be re-encoded.
pub fn instants(variable: &TimeVariable<'_>) -> Result<(TimeCoding, Vec<i64>), CfError> {
    let variables = std::slice::from_ref(variable);
    let codings = codings(variables)?;
    let instants = offsets(variables, &codings, 0, false)?;
    codings.into_iter().zip(instants).next().ok_or_else(|| CfError::InvalidUnits {
        file: None,
        units: shown(variable.units),
        what: "there is no variable".to_owned(),
    })
}

fn coarsest_exact<'a>(offsets: impl Iterator<Item = &'a i64> + Clone) -> TimeUnit {
    let is_exact = |unit: &TimeUnit| offsets.clone().all(|offset| offset % unit.micros() == 0);
    TimeUnit::ALL.into_iter().find(is_exact).unwrap_or(TimeUnit::Microseconds)
}

#[cfg(test)]
#[path = "time_axis/tests.rs"]
mod tests;
