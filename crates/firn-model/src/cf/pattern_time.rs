//! Dates in recipes and file names: ISO 8601, to the second, years 1 to 9999, without a time zone.

use std::cmp::Ordering;
use std::fmt;

use super::calendar::{Calendar, DateTime};
use super::error::{CfError, shown};

/// The calendar of ISO 8601, of Python's `datetime`, and so of the dates in recipes.
const CALENDAR: Calendar = Calendar::ProlepticGregorian;

/// A date and time of a file pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PatternTime {
    /// Since 1970-01-01 00:00.
    seconds: i64,
}

/// How much of a date a text gives.
#[derive(PartialEq)]
enum Precision {
    Year,
    Month,
    Day,
    Time,
}

impl PatternTime {
    /// From a date in the proleptic Gregorian calendar; microseconds are dropped.
    ///
    /// # Errors
    /// [`CfError::InvalidDate`] where there is no such date in the years 1 to 9999.
    pub fn new(date: &DateTime) -> Result<Self, CfError> {
        let instant = CALENDAR.instant(date)?;
        if !(1..=9999).contains(&date.year) {
            return Err(CfError::InvalidDate {
                file: None,
                date: date.to_string(),
                calendar: CALENDAR,
                what: "patterns go from year 1 to 9999".to_owned(),
            });
        }
        Ok(Self { seconds: instant.div_euclid(1_000_000) })
    }

    /// The first second of what a text names: `1981`, `1981-09`, `1981-09-01`, `1981-09-01T06:00`, `1981-09-01 06:00:00`.
    ///
    /// # Errors
    /// [`CfError::InvalidText`] for other forms, [`CfError::InvalidDate`] for dates that do not exist.
    pub fn start_of(text: &str) -> Result<Self, CfError> {
        parse(text).map(|(start, _)| start)
    }

    /// The last second of what a text names: of the year, month or day where it gives no time of day, else that time itself.
    ///
    /// # Errors
    /// As [`PatternTime::start_of`].
    pub fn end_of(text: &str) -> Result<Self, CfError> {
        let (start, precision) = parse(text)?;
        let date = start.date_time();
        let months = match precision {
            Precision::Time => return Ok(start),
            Precision::Day => return Ok(Self { seconds: start.seconds + 86_399 }),
            Precision::Month => date.month,
            Precision::Year => 12,
        };
        let last_day = CALENDAR.days_in_month(date.year, months);
        let last = DateTime { hour: 23, minute: 59, second: 59, ..DateTime::midnight(date.year, months, last_day) };
        Self::new(&last)
    }

    /// Where a date of any calendar lies beside what a text names: before it, within it (within the year where the text
    /// gives a year), or after it.
    ///
    /// # Errors
    /// As [`PatternTime::start_of`].
    pub fn place_of(date: &DateTime, text: &str) -> Result<Ordering, CfError> {
        let (named, precision) = parse(text)?;
        let named = named.date_time();
        Ok(match precision {
            Precision::Year => date.year.cmp(&named.year),
            Precision::Month => (date.year, date.month).cmp(&(named.year, named.month)),
            Precision::Day => (date.year, date.month, date.day).cmp(&(named.year, named.month, named.day)),
            Precision::Time => date.cmp(&named),
        })
    }

    /// The date.
    pub fn date_time(self) -> DateTime {
        // Within the years 1 to 9999, so that microseconds fit by far.
        CALENDAR.date_time(self.seconds * 1_000_000)
    }

    /// Day of the year, from 1.
    pub fn day_of_year(self) -> u16 {
        CALENDAR.day_of_year(&self.date_time())
    }

    /// So many seconds later; `None` outside the years 1 to 9999.
    pub(super) fn plus_seconds(self, seconds: i64) -> Option<Self> {
        let seconds = self.seconds.checked_add(seconds)?;
        let date = CALENDAR.date_time(seconds.checked_mul(1_000_000)?);
        (1..=9999).contains(&date.year).then_some(Self { seconds })
    }

    /// The same day of the month and time, so many months later; `None` where that is no date of the years 1 to 9999.
    pub(super) fn plus_months(self, months: i64) -> Option<Self> {
        let date = self.date_time();
        let month = (i64::from(date.year) * 12 + i64::from(date.month) - 1).checked_add(months)?;
        let year = i32::try_from(month.div_euclid(12)).ok()?;
        Self::new(&DateTime { year, month: month.rem_euclid(12) as u8 + 1, ..date }).ok()
    }

    pub(super) fn seconds_since(self, other: Self) -> i64 {
        self.seconds - other.seconds
    }

    /// Months from the month of the other to that of this one.
    pub(super) fn months_since(self, other: Self) -> i64 {
        let (to, from) = (self.date_time(), other.date_time());
        i64::from(to.year - from.year) * 12 + i64::from(to.month) - i64::from(from.month)
    }

    pub(super) fn is_first_of_month(self) -> bool {
        let date = self.date_time();
        date == DateTime::midnight(date.year, date.month, 1)
    }

    pub(super) fn is_first_of_year(self) -> bool {
        let date = self.date_time();
        date == DateTime::midnight(date.year, 1, 1)
    }
}

/// `1981-09-01 12:00`, with seconds only where they are not zero.
impl fmt::Display for PatternTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.date_time().fmt(f)
    }
}

fn parse(text: &str) -> Result<(PatternTime, Precision), CfError> {
    let invalid =
        || CfError::InvalidText { text: shown(text), what: "expected 1981-09-01 or 1981-09-01T06:00".to_owned() };
    let trimmed = text.trim();
    let trimmed = trimmed.strip_suffix('Z').unwrap_or(trimmed);
    let (date, time) = match trimmed.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (trimmed, None),
    };
    let mut parts = date.split('-');
    let year = parts.next().and_then(|part| number(part, 4)).ok_or_else(invalid)?;
    let month = parts.next().map(|part| number(part, 2).ok_or_else(invalid)).transpose()?;
    let day = parts.next().map(|part| number(part, 2).ok_or_else(invalid)).transpose()?;
    let precision = match (month, day, time) {
        (Some(_), Some(_), Some(_)) => Precision::Time,
        (Some(_), Some(_), None) => Precision::Day,
        (Some(_), None, None) => Precision::Month,
        (None, None, None) => Precision::Year,
        _ => return Err(invalid()),
    };
    let mut date = DateTime::midnight(i32::from(year), month.unwrap_or(1) as u8, day.unwrap_or(1) as u8);
    if parts.next().is_some() {
        return Err(invalid());
    }
    if let Some(time) = time {
        let mut parts = time.trim().split(':');
        let mut part = || parts.next().map(|part| number(part, 2).ok_or_else(invalid)).transpose();
        let (hour, minute, second) = (part()?, part()?, part()?);
        if hour.is_none() || minute.is_none() || parts.next().is_some() {
            return Err(invalid());
        }
        date.hour = hour.unwrap_or(0) as u8;
        date.minute = minute.unwrap_or(0) as u8;
        date.second = second.unwrap_or(0) as u8;
    }
    Ok((PatternTime::new(&date)?, precision))
}

/// A number of exactly so many ASCII digits, at most four.
fn number(text: &str, digits: usize) -> Option<u16> {
    let plain = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_names_a_span_of_time() {
        let span = |text: &str| {
            let (start, end) = (PatternTime::start_of(text).unwrap(), PatternTime::end_of(text).unwrap());
            (start.to_string(), end.to_string())
        };
        assert_eq!(span("1981"), ("1981-01-01 00:00".into(), "1981-12-31 23:59:59".into()));
        assert_eq!(span("2000-02"), ("2000-02-01 00:00".into(), "2000-02-29 23:59:59".into()));
        assert_eq!(span("1981-09-01"), ("1981-09-01 00:00".into(), "1981-09-01 23:59:59".into()));
        assert_eq!(span("1981-09-01T06:00"), ("1981-09-01 06:00".into(), "1981-09-01 06:00".into()));
        assert_eq!(span("1981-09-01 06:00:30Z"), ("1981-09-01 06:00:30".into(), "1981-09-01 06:00:30".into()));
    }

    #[test]
    fn what_is_no_iso_date_is_refused() {
        for text in
            ["", "81-09-01", "1981-9-1", "1981-09-31", "0000-01-01", "1981-09-01T", "1981-09-01T06", "1981T06:00"]
        {
            assert!(PatternTime::start_of(text).is_err(), "{text}");
        }
        for text in
            ["1981-09-01-01", "1981-09-01T06:00:00:00", "1981-09-01T25:00", "+981-09-01", "1981-09-01T06:00+01:00"]
        {
            assert!(PatternTime::start_of(text).is_err(), "{text}");
        }
    }
}
