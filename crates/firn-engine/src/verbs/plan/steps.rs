//! From the dates of file names to a range: first, last, step.

use firn_model::cf::{Calendar, Frequency, FrequencyUnit, PatternTime};
use std::collections::BTreeSet;
use std::num::NonZeroU32;

/// A range of dates, and what is missing in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DateRange {
    /// First date.
    pub start: String,
    /// Last date.
    pub end: String,
    /// From file to file.
    pub freq: String,
    /// Dates of the range that no file has.
    pub absent: Vec<String>,
}

/// The calendar of patterns.
const CALENDAR: Calendar = Calendar::ProlepticGregorian;

/// The range of at least two dates with the largest step that meets all of them; `None` where more dates would be missing
/// than are there: then they are not regular. `step` is the step that the names themselves say, where they say one.
pub(super) fn date_range(dates: &BTreeSet<PatternTime>, step: Option<Frequency>) -> Option<DateRange> {
    let (first, last) = (*dates.first()?, *dates.last()?);
    if first == last {
        return None;
    }
    let frequency = match step {
        Some(step) => step,
        None => common_step(dates)?,
    };
    let steps = frequency.steps(first, last).ok()?;
    if steps.len() > dates.len().saturating_mul(2) {
        return None;
    }
    let steps: BTreeSet<PatternTime> = steps.collect();
    if !dates.is_subset(&steps) {
        return None;
    }
    let absent = steps.difference(dates).map(|date| text(*date)).collect();
    Some(DateRange { start: text(first), end: text(last), freq: frequency.to_string(), absent })
}

/// The largest step that meets all dates: years or months where all are first days of months, else a length of time.
fn common_step(dates: &BTreeSet<PatternTime>) -> Option<Frequency> {
    let first = dates.first()?.date_time();
    let firsts_of_months = dates.iter().all(|date| {
        let date = date.date_time();
        date.day == 1 && (date.hour, date.minute, date.second) == (0, 0, 0)
    });
    let frequency = |count: u64, unit| Some(Frequency { count: NonZeroU32::new(u32::try_from(count).ok()?)?, unit });
    if firsts_of_months {
        let month = |date: &PatternTime| {
            let date = date.date_time();
            i64::from(date.year) * 12 + i64::from(date.month)
        };
        let start = dates.first().map(month)?;
        let months = dates.iter().fold(0, |divisor, date| gcd(divisor, month(date).abs_diff(start)));
        return if months % 12 == 0 && first.month == 1 {
            frequency(months / 12, FrequencyUnit::Years)
        } else {
            frequency(months, FrequencyUnit::Months)
        };
    }
    let second = |date: &PatternTime| CALENDAR.instant(&date.date_time()).map(|micros| micros / 1_000_000).ok();
    let start = dates.first().and_then(second)?;
    let seconds = dates.iter().try_fold(0, |divisor, date| Some(gcd(divisor, second(date)?.abs_diff(start))))?;
    let units = [
        (86_400, FrequencyUnit::Days),
        (3600, FrequencyUnit::Hours),
        (60, FrequencyUnit::Minutes),
        (1, FrequencyUnit::Seconds),
    ];
    let (length, unit) = units.into_iter().find(|(length, _)| seconds % length == 0)?;
    frequency(seconds / length, unit)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// As recipes write it: without a time of day where that is midnight.
pub(super) fn text(date: PatternTime) -> String {
    let date = date.date_time();
    let day = format!("{:04}-{:02}-{:02}", date.year, date.month, date.day);
    match (date.hour, date.minute, date.second) {
        (0, 0, 0) => day,
        (hour, minute, second) => format!("{day}T{hour:02}:{minute:02}:{second:02}"),
    }
}

/// The step that strptime codes can tell; `None` where they go to the hour or beyond.
pub(super) fn step_of_codes(codes: &str) -> Option<&'static str> {
    let has = |letters: &[char]| {
        codes.split('%').skip(1).any(|code| code.chars().next().is_some_and(|letter| letters.contains(&letter)))
    };
    if has(&['H', 'I', 'M', 'S', 'f', 's', 'X', 'c', 'T', 'R']) {
        None
    } else if has(&['d', 'j', 'e', 'D', 'F', 'x']) {
        Some("1D")
    } else if has(&['m', 'b', 'B', 'h']) {
        Some("1MS")
    } else {
        Some("1YS")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(dates: &[&str]) -> Option<(String, String, String, Vec<String>)> {
        let dates = dates.iter().map(|date| PatternTime::start_of(date).unwrap()).collect();
        date_range(&dates, None).map(|range| (range.start, range.end, range.freq, range.absent))
    }

    fn told(start: &str, end: &str, freq: &str, absent: &[&str]) -> (String, String, String, Vec<String>) {
        (start.to_owned(), end.to_owned(), freq.to_owned(), absent.iter().map(|&date| date.to_owned()).collect())
    }

    #[test]
    fn the_step_is_the_largest_that_meets_all_dates() {
        assert_eq!(
            range(&["1981-09-01", "1981-09-02", "1981-09-03"]),
            Some(told("1981-09-01", "1981-09-03", "1D", &[]))
        );
        assert_eq!(range(&["1981-11", "1981-12", "1982-01"]), Some(told("1981-11-01", "1982-01-01", "1MS", &[])));
        assert_eq!(range(&["1850", "1860", "1870"]), Some(told("1850-01-01", "1870-01-01", "10YS", &[])));
        assert_eq!(range(&["2000-01-03", "2000-01-08"]), Some(told("2000-01-03", "2000-01-08", "5D", &[])));
        let hours = ["2000-01-01T00:00", "2000-01-01T06:00", "2000-01-01T12:00"];
        assert_eq!(range(&hours), Some(told("2000-01-01", "2000-01-01T12:00:00", "6h", &[])));
    }

    #[test]
    fn a_missing_date_is_named_and_too_many_are_no_range() {
        let dates = ["1981-09-02", "1981-09-03", "1981-09-05"];
        assert_eq!(range(&dates), Some(told("1981-09-02", "1981-09-05", "1D", &["1981-09-04"])));
        assert_eq!(range(&["1981-09-02", "1981-09-03", "1981-09-20"]), None);
        assert_eq!(range(&["1981-09-02"]), None);
        assert_eq!(range(&[]), None);
    }

    #[test]
    fn a_step_that_the_names_say_must_meet_all_dates() {
        let dates = |texts: &[&str]| texts.iter().map(|text| PatternTime::start_of(text).unwrap()).collect();
        let decade: Frequency = "10YS".parse().unwrap();
        assert_eq!(date_range(&dates(&["1850", "1870"]), Some(decade)).unwrap().absent, ["1860-01-01"]);
        assert_eq!(date_range(&dates(&["1850", "1875"]), Some(decade)), None);
    }

    #[test]
    fn codes_tell_the_step_down_to_days() {
        assert_eq!(step_of_codes("%Y%m%d"), Some("1D"));
        assert_eq!(step_of_codes("%Y_%j"), Some("1D"));
        assert_eq!(step_of_codes("%Y%m"), Some("1MS"));
        assert_eq!(step_of_codes("%Y"), Some("1YS"));
        assert_eq!(step_of_codes("%Y%m%d%H"), None);
    }
}
