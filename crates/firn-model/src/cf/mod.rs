//! CF time (CF conventions, section 4.4): calendars, units, exact instants, and the dates of file patterns.
//!
//! An *instant* is an `i64`: whole microseconds since 1970-01-01 00:00 of its own calendar, so instants of different calendars
//! never compare. Decoded dates are those of Python's cftime, which is what readers of published stores see.

mod cadence;
mod calendar;
mod coding;
mod error;
mod exact;
mod frequency;
mod pattern_time;
mod strptime;
mod time_axis;
mod units;

pub use cadence::{Cadence, cadence};
pub use calendar::{Calendar, DateTime};
pub use coding::{Instant, TimeCoding};
pub use error::{CfError, ValueProblem};
pub use frequency::{Frequency, FrequencyUnit, MAX_STEPS, Steps};
pub use pattern_time::PatternTime;
pub use strptime::TimeFormat;
pub use time_axis::{Number, Reencoding, TimeDecision, TimeValues, TimeVariable, decide, instants};
pub use units::{TimeStep, TimeUnit, TimeUnits};
