//! Decoding: from the numbers of a file to instants.

use super::calendar::{Calendar, DateTime};
use super::error::{CfError, ValueProblem, shown};
use super::exact::micros_of_float;
use super::units::{TimeStep, TimeUnit, TimeUnits};

/// A decoded value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instant {
    /// Microseconds since 1970-01-01 00:00 of the calendar: the ones that cftime decodes.
    pub micros: i64,
    /// Whether the value means this instant exactly; otherwise it lies between two microseconds.
    pub exact: bool,
}

/// Units of fixed length and a calendar: what the numbers of one time variable mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeCoding {
    /// The parsed units.
    pub units: TimeUnits,
    /// The unit of the counts.
    pub unit: TimeUnit,
    /// The calendar.
    pub calendar: Calendar,
    /// The instant of count 0.
    pub epoch: i64,
}

impl TimeCoding {
    /// From the attributes `units` and `calendar`.
    ///
    /// # Errors
    /// Where one of them is invalid, the calendar lacks the reference date, or the unit is calendar months or years, whose
    /// counts firn does not decode.
    pub fn new(units: &str, calendar: Option<&str>) -> Result<Self, CfError> {
        let calendar = Calendar::from_attribute(calendar)?;
        let parsed = TimeUnits::parse(units)?;
        let TimeStep::Unit(unit) = parsed.step else {
            return Err(CfError::InvalidUnits {
                file: None,
                units: shown(units),
                what: "calendar months and years have no fixed length".to_owned(),
            });
        };
        let epoch = parsed.epoch(calendar)?;
        Ok(Self { units: parsed, unit, calendar, epoch })
    }

    /// The instant of an integer count.
    ///
    /// # Errors
    /// [`ValueProblem::OutOfRange`].
    pub fn instant_of_int(&self, count: i64) -> Result<Instant, ValueProblem> {
        let micros = count.checked_mul(self.unit.micros()).and_then(|since| since.checked_add(self.epoch));
        Ok(Instant { micros: micros.ok_or(ValueProblem::OutOfRange)?, exact: true })
    }

    /// The instant of a count in floating point; an `f32` or `f16` is widened before, as cftime does.
    ///
    /// # Errors
    /// [`ValueProblem::NotFinite`] or [`ValueProblem::OutOfRange`].
    pub fn instant_of_float(&self, count: f64) -> Result<Instant, ValueProblem> {
        if !count.is_finite() {
            return Err(ValueProblem::NotFinite);
        }
        let since = micros_of_float(count, self.unit).ok_or(ValueProblem::OutOfRange)?;
        let micros = since.micros.checked_add(self.epoch).ok_or(ValueProblem::OutOfRange)?;
        Ok(Instant { micros, exact: since.whole })
    }

    /// The integer count that means an instant exactly.
    pub fn count_of(&self, instant: i64) -> Option<i64> {
        let since = instant.checked_sub(self.epoch)?;
        (since % self.unit.micros() == 0).then(|| since / self.unit.micros())
    }

    /// The float, of 32 bits where it is to be `narrow`, that decodes to exactly this instant.
    pub fn float_count_of(&self, instant: i64, narrow: bool) -> Option<f64> {
        let count = instant.checked_sub(self.epoch)? as f64 / self.unit.micros() as f64;
        let count = if narrow { f64::from(count as f32) } else { count };
        let decoded = self.instant_of_float(count).ok()?;
        (decoded.exact && decoded.micros == instant).then_some(count)
    }

    /// The date of an instant of this calendar.
    pub fn date_time(&self, instant: i64) -> DateTime {
        self.calendar.date_time(instant)
    }
}
