//! What can be wrong with a time axis, or with the dates of a file pattern.

use super::calendar::Calendar;
use crate::diagnose::{At, Category, Diagnose};

/// Why one value of a time variable has no exact instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ValueProblem {
    /// It equals `_FillValue` or `missing_value`.
    Missing,
    /// NaN or infinite.
    NotFinite,
    /// It lies between two microseconds, by more than its own rounding explains.
    NotWholeMicroseconds,
    /// It lies beyond the years that 64 bits of microseconds hold (292 000 either side of the reference).
    OutOfRange,
}

impl ValueProblem {
    /// The problem as the end of a sentence that begins with the value.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Missing => "is a missing value",
            Self::NotFinite => "is not finite",
            Self::NotWholeMicroseconds => "is not a whole number of microseconds",
            Self::OutOfRange => "lies beyond what 64 bits of microseconds can hold",
        }
    }
}

/// What is wrong with a time, its units or calendar, or a date in a file pattern.
///
/// `file` counts the files in the order in which they were given; the caller knows their names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CfError {
    /// The `calendar` attribute names none of the six calendars.
    #[error("the calendar '{name}' is unknown{}", in_file(*file))]
    UnknownCalendar {
        /// Index of the file, where one of several is meant.
        file: Option<usize>,
        /// The attribute.
        name: String,
    },
    /// The `units` attribute is not `<unit> since <reference>`, or readers would not agree on what it means.
    #[error("the time units '{units}' cannot be read{}: {what}", in_file(*file))]
    InvalidUnits {
        /// Index of the file, where one of several is meant.
        file: Option<usize>,
        /// The attribute.
        units: String,
        /// What is wrong, in one clause.
        what: String,
    },
    /// A date that its calendar does not have.
    #[error("{date} is no date of the calendar '{calendar}'{}: {what}", in_file(*file))]
    InvalidDate {
        /// Index of the file, where one of several is meant.
        file: Option<usize>,
        /// The date as text.
        date: String,
        /// The calendar.
        calendar: Calendar,
        /// What is wrong, in one clause.
        what: String,
    },
    /// Files count time in different calendars.
    #[error("file {file} counts time in the calendar '{found}', the first file in '{expected}'")]
    CalendarsDiffer {
        /// Index of the file.
        file: usize,
        /// Calendar of the first file.
        expected: Calendar,
        /// Calendar of this one.
        found: Calendar,
    },
    /// Calendar months or years as unit, where files differ in units or type.
    #[error("file {file} counts time in '{units}', and the files do not agree in units and type")]
    MonthsMixed {
        /// Index of the file.
        file: usize,
        /// Its units.
        units: String,
    },
    /// A value that cannot be brought to a common integer unit exactly.
    #[error("{}value {index} of file {file}, {value} '{units}', {}", bounds_of(*bounds), problem.text())]
    Value {
        /// Index of the file.
        file: usize,
        /// Index of the value within the file, C order.
        index: usize,
        /// Whether it is a value of the bounds variable.
        bounds: bool,
        /// The value as text.
        value: String,
        /// Its units.
        units: String,
        /// What is wrong with it.
        problem: ValueProblem,
    },
    /// Some files have bounds for the time coordinate, others have none.
    #[error("file {file} {} bounds of the time coordinate, unlike the first file", if *present { "has" } else { "lacks" })]
    BoundsDiffer {
        /// Index of the file.
        file: usize,
        /// Whether it has them.
        present: bool,
    },
    /// A frequency that is not of the form `1D`.
    #[error("the frequency '{text}' cannot be read: {what}")]
    InvalidFrequency {
        /// The frequency.
        text: String,
        /// What is wrong, in one clause.
        what: String,
    },
    /// A text with strptime codes that firn does not know.
    #[error("the time format '{format}' cannot be used: {what}")]
    InvalidFormat {
        /// The format.
        format: String,
        /// What is wrong, in one clause.
        what: String,
    },
    /// A text that is no date, or not one of the stated format.
    #[error("'{text}' is not a date: {what}")]
    InvalidText {
        /// The text.
        text: String,
        /// What is wrong, in one clause.
        what: String,
    },
    /// A range of dates that is empty, not aligned with its frequency, or too long.
    #[error("the dates from {start} to {end} every {frequency} cannot be listed: {what}")]
    InvalidRange {
        /// First date.
        start: String,
        /// Last date.
        end: String,
        /// Step.
        frequency: String,
        /// What is wrong, in one clause.
        what: String,
    },
}

impl CfError {
    /// Index of the file that the error is about, in the order in which the files were given.
    pub fn file(&self) -> Option<usize> {
        match self {
            Self::UnknownCalendar { file, .. } | Self::InvalidUnits { file, .. } | Self::InvalidDate { file, .. } => {
                *file
            }
            Self::CalendarsDiffer { file, .. }
            | Self::MonthsMixed { file, .. }
            | Self::Value { file, .. }
            | Self::BoundsDiffer { file, .. } => Some(*file),
            Self::InvalidFrequency { .. }
            | Self::InvalidFormat { .. }
            | Self::InvalidText { .. }
            | Self::InvalidRange { .. } => None,
        }
    }

    /// The same error, about this file.
    #[must_use]
    pub(super) fn in_file(mut self, index: usize) -> Self {
        match &mut self {
            Self::UnknownCalendar { file, .. } | Self::InvalidUnits { file, .. } | Self::InvalidDate { file, .. } => {
                *file = Some(index);
            }
            _ => {}
        }
        self
    }
}

impl Diagnose for CfError {
    fn code(&self) -> &'static str {
        match self {
            Self::UnknownCalendar { .. } => "time-calendar-unknown",
            Self::InvalidUnits { .. } => "time-units-invalid",
            Self::InvalidDate { .. } => "time-date-invalid",
            Self::CalendarsDiffer { .. } => "time-calendars-differ",
            Self::MonthsMixed { .. } => "time-months-mixed",
            Self::Value { problem: ValueProblem::Missing, .. } => "time-value-missing",
            Self::Value { .. } => "time-not-exact",
            Self::BoundsDiffer { .. } => "time-bounds-differ",
            Self::InvalidFrequency { .. } => "frequency-invalid",
            Self::InvalidFormat { .. } => "time-format-invalid",
            Self::InvalidText { .. } => "time-text-invalid",
            Self::InvalidRange { .. } => "time-range-invalid",
        }
    }

    fn category(&self) -> Category {
        match self {
            Self::UnknownCalendar { .. } | Self::InvalidUnits { .. } | Self::InvalidDate { .. } => {
                Category::Unsupported
            }
            Self::CalendarsDiffer { .. }
            | Self::MonthsMixed { .. }
            | Self::Value { .. }
            | Self::BoundsDiffer { .. } => Category::Inconsistent,
            Self::InvalidFrequency { .. }
            | Self::InvalidFormat { .. }
            | Self::InvalidText { .. }
            | Self::InvalidRange { .. } => Category::InvalidDocument,
        }
    }

    fn at(&self) -> At {
        match self {
            Self::Value { index, .. } => At::nowhere().index(vec![*index as u64]),
            _ => At::nowhere(),
        }
    }

    fn why(&self) -> String {
        match self {
            Self::UnknownCalendar { .. } => "without its calendar, a count of days stands for no date",
            Self::InvalidUnits { .. } => "readers that guess at units put the values on different dates, without a word",
            Self::InvalidDate { .. } => "a count from a date that does not exist stands for no date",
            Self::CalendarsDiffer { .. } => "the same number is another date in another calendar",
            Self::MonthsMixed { .. } => "a month is no fixed length of time, so its counts cannot be converted exactly",
            Self::Value { problem: ValueProblem::Missing | ValueProblem::NotFinite, .. } => {
                "a step without a time could not be found again, and would be decoded as some other date"
            }
            Self::Value { .. } => {
                "the files differ in units, calendar text or type of time, so their times must be written in one integer \
                 unit; this one would be moved"
            }
            Self::BoundsDiffer { .. } => "the joined bounds would be missing for some steps",
            Self::InvalidFrequency { .. } | Self::InvalidRange { .. } => {
                "the list of source files would not be the one that was meant"
            }
            Self::InvalidFormat { .. } | Self::InvalidText { .. } => "the file names made from it would be wrong",
        }
        .to_owned()
    }

    fn next(&self) -> String {
        match self {
            Self::UnknownCalendar { .. } => format!(
                "correct the attribute at its origin; known calendars: {}",
                Calendar::ALL.map(Calendar::name).join(", ")
            ),
            Self::InvalidUnits { .. } => {
                "correct the attribute at its origin, for example 'days since 1970-01-01 00:00:00'".to_owned()
            }
            Self::InvalidDate { .. } => "correct the units or the calendar attribute at its origin".to_owned(),
            Self::CalendarsDiffer { .. } => {
                "make one recipe per calendar, or convert the files to one calendar before".to_owned()
            }
            Self::MonthsMixed { .. } | Self::Value { .. } => {
                "make one recipe for each group of files that agree in time units and type, or correct the files"
                    .to_owned()
            }
            Self::BoundsDiffer { .. } => {
                "leave the bounds variable out of select.variables, or correct the files".to_owned()
            }
            Self::InvalidFrequency { .. } => {
                "use a count and a unit, for example 1D, 6h, 30min, 1W, 1MS, 1YS".to_owned()
            }
            Self::InvalidFormat { .. } => "use the codes %Y %m %d %H %M %S %j %y %b %B %%".to_owned(),
            Self::InvalidText { .. } => "write dates as 1981-09-01 or 1981-09-01T06:00".to_owned(),
            Self::InvalidRange { .. } => "correct start, end or freq in recipe.yaml".to_owned(),
        }
    }
}

fn in_file(file: Option<usize>) -> String {
    file.map(|index| format!(" (file {index})")).unwrap_or_default()
}

const fn bounds_of(bounds: bool) -> &'static str {
    if bounds { "bounds " } else { "" }
}

/// Text from a file, cut and escaped so that an error stays readable.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 120;
    let mut shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}
