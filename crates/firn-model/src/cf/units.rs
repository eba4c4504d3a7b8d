//! `<unit> since <reference>` (CF conventions, section 4.4), read as cftime reads it.
//!
//! Where cftime ignores part of a reference that other readers would use (`… -6:00`, an hour without minutes), the units are
//! refused: two readers of the same file would see different dates.

use super::calendar::{Calendar, DateTime};
use super::error::{CfError, shown};

/// A unit of fixed length, coarsest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TimeUnit {
    /// 86 400 seconds.
    Days,
    /// 3600 seconds.
    Hours,
    /// 60 seconds.
    Minutes,
    /// Seconds.
    Seconds,
    /// Thousandths of a second.
    Milliseconds,
    /// Millionths of a second.
    Microseconds,
}

impl TimeUnit {
    /// Every unit, coarsest first.
    pub const ALL: [Self; 6] =
        [Self::Days, Self::Hours, Self::Minutes, Self::Seconds, Self::Milliseconds, Self::Microseconds];

    /// Microseconds of one unit.
    pub const fn micros(self) -> i64 {
        match self {
            Self::Days => 86_400_000_000,
            Self::Hours => 3_600_000_000,
            Self::Minutes => 60_000_000,
            Self::Seconds => 1_000_000,
            Self::Milliseconds => 1000,
            Self::Microseconds => 1,
        }
    }

    /// The name that firn writes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Days => "days",
            Self::Hours => "hours",
            Self::Minutes => "minutes",
            Self::Seconds => "seconds",
            Self::Milliseconds => "milliseconds",
            Self::Microseconds => "microseconds",
        }
    }
}

/// The word before `since`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeStep {
    /// A unit of fixed length.
    Unit(TimeUnit),
    /// Calendar months: no fixed length, only ever stored as they are.
    MonthsSince,
    /// Calendar years: likewise.
    YearsSince,
}

impl TimeStep {
    fn parse(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "days" | "day" | "d" => Self::Unit(TimeUnit::Days),
            "hours" | "hour" | "hrs" | "hr" | "h" => Self::Unit(TimeUnit::Hours),
            "minutes" | "minute" | "mins" | "min" => Self::Unit(TimeUnit::Minutes),
            "seconds" | "second" | "secs" | "sec" | "s" => Self::Unit(TimeUnit::Seconds),
            "milliseconds" | "millisecond" | "millisecs" | "millisec" | "msecs" | "msec" | "ms" => {
                Self::Unit(TimeUnit::Milliseconds)
            }
            "microseconds" | "microsecond" | "microsecs" | "microsec" => Self::Unit(TimeUnit::Microseconds),
            "months" | "month" => Self::MonthsSince,
            "years" | "year" | "common_years" | "common_year" => Self::YearsSince,
            _ => return None,
        })
    }
}

/// Parsed time units. Whether the reference is a date depends on the calendar: see [`TimeUnits::epoch`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TimeUnits {
    /// The word before `since`.
    pub step: TimeStep,
    /// The text after `since`, as it was.
    pub reference: String,
    date: DateTime,
    offset_minutes: i32,
}

impl TimeUnits {
    /// Parses a `units` attribute.
    ///
    /// # Errors
    /// [`CfError::InvalidUnits`] where it is not of the form, names an unknown unit, or readers disagree on its meaning.
    pub fn parse(units: &str) -> Result<Self, CfError> {
        let invalid = |what: String| CfError::InvalidUnits { file: None, units: shown(units), what };
        let (word, rest) = split_word(units);
        let (since, reference) = split_word(rest);
        if word.is_empty() {
            return Err(invalid("they are empty".to_owned()));
        }
        if !since.eq_ignore_ascii_case("since") {
            return Err(invalid("there is no 'since'".to_owned()));
        }
        let step = TimeStep::parse(word)
            .ok_or_else(|| invalid(format!("'{}' is not a unit of time that readers decode", shown(word))))?;
        let (date, offset_minutes) = parse_reference(reference).map_err(invalid)?;
        Ok(Self { step, reference: reference.to_owned(), date, offset_minutes })
    }

    /// The instant of the reference: microseconds since 1970-01-01 00:00 of the calendar, its offset from UTC taken off.
    ///
    /// # Errors
    /// [`CfError::InvalidDate`] where the calendar has no such date.
    pub fn epoch(&self, calendar: Calendar) -> Result<i64, CfError> {
        let offset = i64::from(self.offset_minutes) * TimeUnit::Minutes.micros();
        calendar.instant(&self.date)?.checked_sub(offset).ok_or_else(|| CfError::InvalidDate {
            file: None,
            date: self.date.to_string(),
            calendar,
            what: "it lies beyond what 64 bits of microseconds can hold".to_owned(),
        })
    }
}

/// The first word and the rest, both without white space around them.
fn split_word(text: &str) -> (&str, &str) {
    let text = text.trim();
    match text.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim()),
        None => (text, ""),
    }
}

/// Date, time and offset from UTC in minutes; or what is wrong, in one clause.
fn parse_reference(text: &str) -> Result<(DateTime, i32), String> {
    let mut cursor = Cursor { rest: text };
    let mut date = parse_date(&mut cursor)?;
    match parse_time(cursor.rest, &mut date) {
        Some(after) => cursor.rest = after,
        // `1950-01-01-05:00`: five in the morning to some, five hours west to others.
        None if cursor.rest.starts_with(['+', '-']) => {
            return Err(format!("readers disagree on '{}' directly after the day", shown(cursor.rest)));
        }
        None => {}
    }
    let offset = match parse_offset(cursor.rest) {
        Some((offset, after)) => {
            cursor.rest = after;
            offset
        }
        None => 0,
    };
    if offset.abs() >= 24 * 60 {
        return Err("the offset from UTC is a day or more".to_owned());
    }
    if means_nothing(cursor.rest) {
        return Ok((date, offset));
    }
    Err(format!("readers disagree on '{}' after the date, or ignore it", shown(cursor.rest.trim())))
}

fn parse_date(cursor: &mut Cursor<'_>) -> Result<DateTime, String> {
    let incomplete = || "the reference is not a date with year, month and day".to_owned();
    let negative = match cursor.rest.as_bytes().first() {
        Some(b'-') => cursor.eat('-'),
        Some(b'+') => !cursor.eat('+'),
        _ => false,
    };
    let digits = cursor.digits(usize::MAX).ok_or_else(incomplete)?;
    let year: i32 = digits.parse().map_err(|_| "the year of the reference is too large".to_owned())?;
    let mut part = || -> Option<u8> { if cursor.eat('-') { cursor.small() } else { None } };
    let month = part().ok_or_else(incomplete)?;
    let day = part().ok_or_else(incomplete)?;
    Ok(DateTime::midnight(if negative { -year } else { year }, month, day))
}

/// Reads `T12:30`, ` 12:30:15.5`; what follows. `None`, with the date untouched, where no time of day follows.
fn parse_time<'a>(text: &'a str, date: &mut DateTime) -> Option<&'a str> {
    let mut cursor = Cursor { rest: text };
    if ![' ', 'T', 't', '_'].into_iter().any(|separator| cursor.eat(separator)) {
        return None;
    }
    let hour = cursor.small()?;
    if !cursor.eat(':') {
        return None;
    }
    let minute = cursor.small()?;
    (date.hour, date.minute) = (hour, minute);
    let mut seconds = cursor;
    if seconds.eat(':')
        && let Some(second) = seconds.small()
    {
        date.second = second;
        cursor = seconds;
        let mut fraction = cursor;
        if fraction.eat('.')
            && let Some(digits) = fraction.digits(usize::MAX)
        {
            // Truncated after a multiplication in floating point, because that is what cftime does.
            let seconds: f64 = format!("0.{digits}").parse().ok()?;
            date.microsecond = (seconds * 1e6) as u32;
            cursor = fraction;
        }
    }
    Some(cursor.rest)
}

/// Reads `Z`, `+01`, `+0100`, ` +01:00`: the offset in minutes, and what follows.
fn parse_offset(text: &str) -> Option<(i32, &str)> {
    let mut cursor = Cursor { rest: text };
    cursor.eat(' ');
    if cursor.eat('Z') {
        return Some((0, cursor.rest));
    }
    let sign = if cursor.eat('+') {
        1
    } else if cursor.eat('-') {
        -1
    } else {
        return None;
    };
    let hours = cursor.two_digits()?;
    let mut with_minutes = cursor;
    with_minutes.eat(':');
    match with_minutes.two_digits() {
        Some(minutes) if minutes < 60 => Some((sign * (hours * 60 + minutes), with_minutes.rest)),
        Some(_) => None,
        None => Some((sign * hours * 60, cursor.rest)),
    }
}

/// Whether all readers take what is left of a reference for midnight and UTC, or for nothing. Digits that go on from the
/// number before them do not: the `00` of `01-01-2000`.
fn means_nothing(rest: &str) -> bool {
    if rest.starts_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    let rest = rest.trim();
    ["z", "utc", "gmt"].iter().any(|zone| rest.eq_ignore_ascii_case(zone))
        || rest.chars().all(|c| matches!(c, '0' | ':' | '.' | '+' | '-' | ' '))
}

#[derive(Clone, Copy)]
struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn eat(&mut self, c: char) -> bool {
        let Some(rest) = self.rest.strip_prefix(c) else { return false };
        self.rest = rest;
        true
    }

    /// One to `most` ASCII digits.
    fn digits(&mut self, most: usize) -> Option<&'a str> {
        let count = self.rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at(count);
        self.rest = rest;
        (count > 0).then_some(digits)
    }

    /// A number of one or two digits.
    fn small(&mut self) -> Option<u8> {
        self.digits(2)?.parse().ok()
    }

    fn two_digits(&mut self) -> Option<i32> {
        let digits = self.digits(2)?;
        if digits.len() == 2 { digits.parse().ok() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(units: &str) -> String {
        let instant = TimeUnits::parse(units).unwrap().epoch(Calendar::ProlepticGregorian).unwrap();
        Calendar::ProlepticGregorian.date_time(instant).to_string()
    }

    #[test]
    fn references_seen_in_the_wild_are_read() {
        assert_eq!(epoch("days since 1978-01-01 12:00:00"), "1978-01-01 12:00");
        assert_eq!(epoch("hours since 1900-01-01 00:00:00.0"), "1900-01-01 00:00");
        assert_eq!(epoch("days since 1850-1-1"), "1850-01-01 00:00");
        assert_eq!(epoch("hour since 0000-01-01 00:00:00"), "0000-01-01 00:00");
        assert_eq!(epoch("seconds since 1970-01-01T00:00:00Z"), "1970-01-01 00:00");
        assert_eq!(epoch("s since 2000-01-01 00:00:00 +01:00"), "1999-12-31 23:00");
        assert_eq!(epoch("D SINCE 1949-12-01 00:00"), "1949-12-01 00:00");
        assert_eq!(epoch("days since 1950-01-01 00:00:00 UTC"), "1950-01-01 00:00");
        assert_eq!(epoch("days since 1950-01-01  00:00:00"), "1950-01-01 00:00");
        assert_eq!(epoch("days since 1950-01-01T06:30:00-0530"), "1950-01-01 12:00");
        assert_eq!(epoch("days since 70-1-1 0:0:0"), "0070-01-01 00:00");
        assert_eq!(epoch("days since -0004-01-01"), "-0004-01-01 00:00");
        assert_eq!(epoch("days since 1950-01-01 00:00:00 0:00"), "1950-01-01 00:00");
        assert_eq!(epoch("days since 1950-01-01_12:00:00"), "1950-01-01 12:00");
    }

    #[test]
    fn a_reference_that_readers_read_differently_is_refused() {
        for units in [
            "seconds since 1992-10-8 15:15:42.5 -6:00",
            "days since 1950-01-01  12:00:00",
            "days since 1950-01-01 12",
            "days since 01-01-2000",
            "days since 1950-01-01-05:00",
            "days since 1950-01-01 00:00:100",
            "days since 1950-01-01 00:00:00 EST",
            "days since 1950-01-01 00:00:00 +01:99",
            "days since 1950-01-01 00:00:00 +99:00",
        ] {
            assert!(TimeUnits::parse(units).is_err(), "{units}");
        }
    }

    #[test]
    fn what_is_not_a_unit_since_a_date_says_why() {
        let what = |units: &str| TimeUnits::parse(units).unwrap_err().to_string();
        assert!(what("").contains("empty"));
        assert!(what("days").contains("no 'since'"));
        assert!(what("kelvin since 1950-01-01").contains("'kelvin'"));
        assert!(what("weeks since 1950-01-01").contains("'weeks'"));
        assert!(what("days since 1950-01").contains("year, month and day"));
        assert!(what("days since 99999999999-01-01").contains("too large"));
    }

    #[test]
    fn months_and_years_are_recognised() {
        assert_eq!(TimeUnits::parse("months since 1980-01-01").unwrap().step, TimeStep::MonthsSince);
        assert_eq!(TimeUnits::parse("years since 1980-01-01").unwrap().step, TimeStep::YearsSince);
    }
}
