//! How regular a time axis is: for people to read in a plan.

use std::fmt;
use std::num::NonZeroU32;

use super::calendar::{Calendar, DateTime};
use super::frequency::{Frequency, FrequencyUnit};

/// The step of a time axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cadence {
    /// Fewer than two steps: there is none to tell.
    TooShort,
    /// The same step throughout; months and years begin on their first day.
    Every(Frequency),
    /// One step in every so many calendar months, not on the first day: the middle of months, for example.
    PerMonths(NonZeroU32),
    /// The same step throughout, of so many microseconds, where no frequency names it.
    EveryMicros(u64),
    /// Increasing, but not regular.
    Irregular,
    /// Somewhere a step is not later than the one before.
    NotIncreasing,
}

impl fmt::Display for Cadence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort => f.write_str("single step"),
            Self::Every(frequency) => frequency.fmt(f),
            Self::PerMonths(months) if months.get() == 1 => f.write_str("one per month"),
            Self::PerMonths(months) => write!(f, "one per {months} months"),
            Self::EveryMicros(micros) => write!(f, "{micros} µs"),
            Self::Irregular => f.write_str("irregular"),
            Self::NotIncreasing => f.write_str("not increasing"),
        }
    }
}

/// The step of these instants of a calendar. First days of months count as months also where these are equally long.
pub fn cadence(calendar: Calendar, instants: &[i64]) -> Cadence {
    let [first, second, ..] = instants else { return Cadence::TooShort };
    if !instants.is_sorted_by(|a, b| a < b) {
        return Cadence::NotIncreasing;
    }
    let months = months_between(calendar, instants);
    let on_first_days = instants.iter().all(|instant| is_first_of_month(&calendar.date_time(*instant)));
    if let Some(count) = months
        && on_first_days
    {
        return Cadence::Every(by_months(count, calendar.date_time(*first).month));
    }
    let step = second.abs_diff(*first);
    if instants.iter().zip(&instants[1..]).all(|(a, b)| b.abs_diff(*a) == step) {
        return by_micros(step);
    }
    months.map_or(Cadence::Irregular, Cadence::PerMonths)
}

/// The number of months from each instant to the next, if it is the same throughout and not 0.
fn months_between(calendar: Calendar, instants: &[i64]) -> Option<NonZeroU32> {
    let month_number = |instant: &i64| {
        let date = calendar.date_time(*instant);
        let without_gap = i64::from(date.year) + i64::from(date.year < 0 && !calendar.has_year_zero());
        without_gap * 12 + i64::from(date.month)
    };
    let mut steps = instants.iter().zip(&instants[1..]).map(|(a, b)| month_number(b) - month_number(a));
    let first = steps.next()?;
    if steps.all(|step| step == first) { NonZeroU32::new(u32::try_from(first).ok()?) } else { None }
}

fn is_first_of_month(date: &DateTime) -> bool {
    *date == DateTime::midnight(date.year, date.month, 1)
}

fn by_months(months: NonZeroU32, first_month: u8) -> Frequency {
    match NonZeroU32::new(months.get() / 12) {
        Some(years) if months.get().is_multiple_of(12) && first_month == 1 => {
            Frequency { count: years, unit: FrequencyUnit::Years }
        }
        _ => Frequency { count: months, unit: FrequencyUnit::Months },
    }
}

/// In the coarsest unit up to a day.
fn by_micros(step: u64) -> Cadence {
    let units = [
        (86_400_000_000, FrequencyUnit::Days),
        (3_600_000_000, FrequencyUnit::Hours),
        (60_000_000, FrequencyUnit::Minutes),
        (1_000_000, FrequencyUnit::Seconds),
    ];
    let frequency = units.into_iter().find(|(micros, _)| step.is_multiple_of(*micros)).and_then(|(micros, unit)| {
        let count = NonZeroU32::new(u32::try_from(step / micros).ok()?)?;
        Some(Frequency { count, unit })
    });
    frequency.map_or(Cadence::EveryMicros(step), Cadence::Every)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(calendar: Calendar, dates: &[(i32, u8, u8, u8)]) -> String {
        let instant = |(year, month, day, hour): &(i32, u8, u8, u8)| {
            calendar.instant(&DateTime { hour: *hour, ..DateTime::midnight(*year, *month, *day) }).unwrap()
        };
        cadence(calendar, &dates.iter().map(instant).collect::<Vec<_>>()).to_string()
    }

    #[test]
    fn steps_are_named_as_in_recipes() {
        let standard = Calendar::Standard;
        assert_eq!(of(standard, &[(1981, 9, 1, 12), (1981, 9, 2, 12), (1981, 9, 3, 12)]), "1D");
        assert_eq!(of(standard, &[(1981, 9, 30, 18), (1981, 10, 1, 0), (1981, 10, 1, 6)]), "6h");
        assert_eq!(of(standard, &[(1981, 12, 1, 0), (1982, 1, 1, 0), (1982, 2, 1, 0)]), "1MS");
        assert_eq!(of(standard, &[(1981, 1, 1, 0), (1984, 1, 1, 0), (1987, 1, 1, 0)]), "3YS");
        assert_eq!(of(Calendar::NoLeap, &[(1981, 1, 1, 0), (1982, 1, 1, 0)]), "1YS");
        assert_eq!(of(Calendar::Day360, &[(1981, 2, 1, 0), (1981, 3, 1, 0), (1981, 4, 1, 0)]), "1MS");
        assert_eq!(of(standard, &[(-1, 12, 1, 0), (1, 1, 1, 0), (1, 2, 1, 0)]), "1MS");
    }

    #[test]
    fn what_is_not_regular_is_said_so() {
        let standard = Calendar::Standard;
        let middles = [(1981, 1, 16, 12), (1981, 2, 15, 0), (1981, 3, 16, 12), (1981, 4, 16, 0)];
        assert_eq!(of(standard, &middles), "one per month");
        assert_eq!(of(standard, &[(1981, 1, 1, 0), (1981, 1, 2, 0), (1981, 1, 4, 0)]), "irregular");
        assert_eq!(of(standard, &[(1981, 1, 2, 0), (1981, 1, 2, 0)]), "not increasing");
        assert_eq!(of(standard, &[(1981, 1, 2, 0)]), "single step");
        assert_eq!(cadence(standard, &[0, 500_000, 1_000_000]).to_string(), "500000 µs");
        assert_eq!(cadence(standard, &[i64::MIN, i64::MAX]).to_string(), "18446744073709551615 µs");
    }
}
