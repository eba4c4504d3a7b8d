//! The six CF calendars (CF conventions, section 4.4.1) and their exact day counts.

use std::fmt;

use super::error::{CfError, shown};

/// Microseconds of a day; CF time has no leap seconds.
pub(super) const MICROS_PER_DAY: i64 = 86_400_000_000;

/// The last day of the Julian and the first of the Gregorian part of [`Calendar::Standard`].
const LAST_JULIAN: (i32, u8, u8) = (1582, 10, 4);
const FIRST_GREGORIAN: (i32, u8, u8) = (1582, 10, 15);

/// How many days the Julian count of days since its 0001-01-01 is ahead of the Gregorian one, for the same day.
const JULIAN_AHEAD: i64 = 2;

const MONTH_LENGTHS: [u8; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// A CF calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Calendar {
    /// Julian to 1582-10-04, Gregorian from 1582-10-15, nothing in between; no year 0. Also `gregorian`, and the default.
    Standard,
    /// Gregorian for all years, with a year 0 (ISO 8601).
    ProlepticGregorian,
    /// A leap year every four years; no year 0.
    Julian,
    /// 365 days a year, with a year 0. Also `365_day`.
    NoLeap,
    /// 366 days a year, with a year 0. Also `366_day`.
    AllLeap,
    /// Twelve months of 30 days, with a year 0.
    Day360,
}

/// A date and time of day, in some calendar. Years before 1 are -1, -2, … where the calendar has no year 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DateTime {
    /// Year.
    pub year: i32,
    /// Month, from 1.
    pub month: u8,
    /// Day of the month, from 1.
    pub day: u8,
    /// Hour, 0 to 23.
    pub hour: u8,
    /// Minute, 0 to 59.
    pub minute: u8,
    /// Second, 0 to 59.
    pub second: u8,
    /// Microsecond, 0 to 999 999.
    pub microsecond: u32,
}

impl DateTime {
    /// Midnight of a day.
    pub const fn midnight(year: i32, month: u8, day: u8) -> Self {
        Self { year, month, day, hour: 0, minute: 0, second: 0, microsecond: 0 }
    }

    /// Microseconds since midnight.
    pub(super) fn micros_of_day(&self) -> i64 {
        let seconds = (i64::from(self.hour) * 60 + i64::from(self.minute)) * 60 + i64::from(self.second);
        seconds * 1_000_000 + i64::from(self.microsecond)
    }
}

/// `1981-09-01 12:00`; seconds and their fraction only where they are not zero.
impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.year < 0 { "-" } else { "" };
        write!(f, "{sign}{:04}-{:02}-{:02}", self.year.unsigned_abs(), self.month, self.day)?;
        write!(f, " {:02}:{:02}", self.hour, self.minute)?;
        if self.second != 0 || self.microsecond != 0 {
            write!(f, ":{:02}", self.second)?;
        }
        if self.microsecond != 0 {
            let fraction = format!("{:06}", self.microsecond);
            write!(f, ".{}", fraction.trim_end_matches('0'))?;
        }
        Ok(())
    }
}

impl fmt::Display for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Calendar {
    /// Every calendar.
    pub const ALL: [Self; 6] =
        [Self::Standard, Self::ProlepticGregorian, Self::Julian, Self::NoLeap, Self::AllLeap, Self::Day360];

    /// The name in CF.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::ProlepticGregorian => "proleptic_gregorian",
            Self::Julian => "julian",
            Self::NoLeap => "noleap",
            Self::AllLeap => "all_leap",
            Self::Day360 => "360_day",
        }
    }

    /// The calendar of this `calendar` attribute, in any case; without the attribute it is [`Calendar::Standard`].
    ///
    /// # Errors
    /// [`CfError::UnknownCalendar`], also for CF's `none`, `utc` and `tai`, which no common reader decodes.
    pub fn from_attribute(attribute: Option<&str>) -> Result<Self, CfError> {
        let Some(name) = attribute else { return Ok(Self::Standard) };
        match name.to_ascii_lowercase().as_str() {
            "standard" | "gregorian" => Ok(Self::Standard),
            "proleptic_gregorian" => Ok(Self::ProlepticGregorian),
            "julian" => Ok(Self::Julian),
            "noleap" | "365_day" => Ok(Self::NoLeap),
            "all_leap" | "366_day" => Ok(Self::AllLeap),
            "360_day" => Ok(Self::Day360),
            _ => Err(CfError::UnknownCalendar { file: None, name: shown(name) }),
        }
    }

    /// Whether there is a year 0 between -1 and 1 (cftime's `has_year_zero` default).
    pub const fn has_year_zero(self) -> bool {
        !matches!(self, Self::Standard | Self::Julian)
    }

    /// Whether a year has a 29 February. A year 0 that the calendar does not have counts as -1.
    pub fn is_leap(self, year: i32) -> bool {
        self.is_leap_astronomical(self.astronomical(year))
    }

    /// Days of a month, counted from 1; 0 for a month that does not exist. October 1582 of [`Calendar::Standard`] ends on its
    /// 31st all the same.
    pub fn days_in_month(self, year: i32, month: u8) -> u8 {
        self.month_length(self.astronomical(year), month)
    }

    /// The instant of a date: microseconds since 1970-01-01 00:00 of this calendar.
    ///
    /// # Errors
    /// [`CfError::InvalidDate`] for a date that the calendar does not have, or one beyond the years 64 bits hold.
    pub fn instant(self, date: &DateTime) -> Result<i64, CfError> {
        if let Some(what) = self.objection(date) {
            return Err(self.invalid(date, what));
        }
        let days = self.day_number(date) - self.day_number(&DateTime::midnight(1970, 1, 1));
        days.checked_mul(MICROS_PER_DAY)
            .and_then(|midnight| midnight.checked_add(date.micros_of_day()))
            .ok_or_else(|| self.invalid(date, "it lies beyond what 64 bits of microseconds can hold"))
    }

    /// The date of an instant of this calendar. Every `i64` has one.
    pub fn date_time(self, instant: i64) -> DateTime {
        let days = instant.div_euclid(MICROS_PER_DAY) + self.day_number(&DateTime::midnight(1970, 1, 1));
        let micros = instant.rem_euclid(MICROS_PER_DAY);
        let (astronomical, day_of_year) = self.year_of(days);
        let (month, day) = self.month_of(astronomical, day_of_year);
        let year = if astronomical <= 0 && !self.has_year_zero() { astronomical - 1 } else { astronomical };
        let seconds = micros / 1_000_000;
        DateTime {
            year: year as i32,
            month,
            day,
            hour: (seconds / 3600) as u8,
            minute: (seconds / 60 % 60) as u8,
            second: (seconds % 60) as u8,
            microsecond: (micros % 1_000_000) as u32,
        }
    }

    /// Day of the year, from 1. The gap of 1582 counts as days, as in [`Calendar::days_in_month`].
    pub fn day_of_year(self, date: &DateTime) -> u16 {
        let before = (1..date.month).map(|month| u16::from(self.days_in_month(date.year, month))).sum::<u16>();
        before + u16::from(date.day)
    }

    /// Why this is no date of the calendar; `None` where it is one.
    fn objection(self, date: &DateTime) -> Option<&'static str> {
        let day = (date.year, date.month, date.day);
        if date.year == 0 && !self.has_year_zero() {
            return Some("it has no year 0");
        }
        if !(1..=12).contains(&date.month) {
            return Some("months go from 1 to 12");
        }
        if date.day == 0 || date.day > self.days_in_month(date.year, date.month) {
            return Some("the month has no such day");
        }
        if self == Self::Standard && day > LAST_JULIAN && day < FIRST_GREGORIAN {
            return Some("it goes from 1582-10-04 to 1582-10-15");
        }
        if date.hour > 23 || date.minute > 59 || date.second > 59 || date.microsecond > 999_999 {
            return Some("there is no such time of day");
        }
        None
    }

    fn invalid(self, date: &DateTime, what: &str) -> CfError {
        CfError::InvalidDate { file: None, date: date.to_string(), calendar: self, what: what.to_owned() }
    }

    /// The year on a scale without a gap at 0.
    fn astronomical(self, year: i32) -> i64 {
        i64::from(year) + i64::from(year < 0 && !self.has_year_zero())
    }

    fn is_leap_astronomical(self, year: i64) -> bool {
        match self {
            Self::ProlepticGregorian => is_gregorian_leap(year),
            Self::Standard if year >= 1582 => is_gregorian_leap(year),
            Self::Standard | Self::Julian => year.rem_euclid(4) == 0,
            Self::AllLeap => true,
            Self::NoLeap | Self::Day360 => false,
        }
    }

    fn month_length(self, astronomical: i64, month: u8) -> u8 {
        let Some(length) = month.checked_sub(1).and_then(|i| MONTH_LENGTHS.get(usize::from(i))) else { return 0 };
        match self {
            Self::Day360 => 30,
            _ => length + u8::from(month == 2 && self.is_leap_astronomical(astronomical)),
        }
    }

    /// Days since 0001-01-01 of a valid date; for [`Calendar::Standard`] since the Gregorian 0001-01-01.
    fn day_number(self, date: &DateTime) -> i64 {
        let year = self.astronomical(date.year);
        let whole_years = year - 1;
        let day_of_year = i64::from(self.day_of_year(date)) - 1;
        match self {
            Self::ProlepticGregorian => gregorian_days_before(year) + day_of_year,
            Self::Julian => julian_days_before(year) + day_of_year,
            Self::Standard if (date.year, date.month, date.day) >= FIRST_GREGORIAN => {
                gregorian_days_before(year) + day_of_year
            }
            Self::Standard => julian_days_before(year) + day_of_year - JULIAN_AHEAD,
            Self::NoLeap => whole_years * 365 + day_of_year,
            Self::AllLeap => whole_years * 366 + day_of_year,
            Self::Day360 => whole_years * 360 + i64::from(date.month - 1) * 30 + i64::from(date.day) - 1,
        }
    }

    /// Astronomical year and day of the year (from 0) of a day number.
    fn year_of(self, days: i64) -> (i64, i64) {
        match self {
            Self::ProlepticGregorian => gregorian_year_of(days),
            Self::Julian => julian_year_of(days),
            Self::Standard => {
                let (year, month, day) = FIRST_GREGORIAN;
                if days >= self.day_number(&DateTime::midnight(year, month, day)) {
                    gregorian_year_of(days)
                } else {
                    julian_year_of(days + JULIAN_AHEAD)
                }
            }
            Self::NoLeap => (days.div_euclid(365) + 1, days.rem_euclid(365)),
            Self::AllLeap => (days.div_euclid(366) + 1, days.rem_euclid(366)),
            Self::Day360 => (days.div_euclid(360) + 1, days.rem_euclid(360)),
        }
    }

    /// Month and day of a day of the year, counted from 0.
    fn month_of(self, astronomical: i64, day_of_year: i64) -> (u8, u8) {
        let mut rest = day_of_year;
        for month in 1..12 {
            let length = i64::from(self.month_length(astronomical, month));
            if rest < length {
                return (month, rest as u8 + 1);
            }
            rest -= length;
        }
        (12, rest as u8 + 1)
    }
}

fn is_gregorian_leap(year: i64) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

/// Days from 0001-01-01 to the first of January of a year.
fn gregorian_days_before(year: i64) -> i64 {
    let before = year - 1;
    before * 365 + before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400)
}

fn julian_days_before(year: i64) -> i64 {
    let before = year - 1;
    before * 365 + before.div_euclid(4)
}

/// Year and day of the year (from 0) of a day since 0001-01-01: by cycles of 400, 100, 4 and 1 years, where the last century of
/// four and the last year of four are a day longer than the others.
fn gregorian_year_of(days: i64) -> (i64, i64) {
    let (cycles, rest) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let centuries = (rest / 36_524).min(3);
    let rest = rest - centuries * 36_524;
    let (fours, rest) = (rest / 1461, rest % 1461);
    let years = (rest / 365).min(3);
    (cycles * 400 + centuries * 100 + fours * 4 + years + 1, rest - years * 365)
}

fn julian_year_of(days: i64) -> (i64, i64) {
    let (fours, rest) = (days.div_euclid(1461), days.rem_euclid(1461));
    let years = (rest / 365).min(3);
    (fours * 4 + years + 1, rest - years * 365)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_goes_from_4_to_15_october_1582() {
        let last = Calendar::Standard.instant(&DateTime::midnight(1582, 10, 4)).unwrap();
        let first = Calendar::Standard.instant(&DateTime::midnight(1582, 10, 15)).unwrap();
        assert_eq!(first - last, MICROS_PER_DAY);
        for day in 5..15 {
            let error = Calendar::Standard.instant(&DateTime::midnight(1582, 10, day)).unwrap_err();
            assert!(error.to_string().contains("1582-10-04"), "{error}");
        }
    }

    #[test]
    fn only_standard_and_julian_lack_a_year_zero() {
        for calendar in Calendar::ALL {
            let year_zero = calendar.instant(&DateTime::midnight(0, 1, 1));
            assert_eq!(year_zero.is_ok(), calendar.has_year_zero(), "{calendar}");
            let day_before_year_1 = calendar.instant(&DateTime::midnight(1, 1, 1)).unwrap() - MICROS_PER_DAY;
            let year = if calendar.has_year_zero() { 0 } else { -1 };
            assert_eq!(calendar.date_time(day_before_year_1).year, year, "{calendar}");
        }
    }

    #[test]
    fn calendar_names_are_read_in_any_case_and_unknown_ones_refused() {
        assert_eq!(Calendar::from_attribute(None), Ok(Calendar::Standard));
        assert_eq!(Calendar::from_attribute(Some("Gregorian")), Ok(Calendar::Standard));
        assert_eq!(Calendar::from_attribute(Some("365_DAY")), Ok(Calendar::NoLeap));
        for name in ["none", "", "tai", "utc", "360"] {
            assert!(Calendar::from_attribute(Some(name)).is_err(), "{name}");
        }
    }

    #[test]
    fn the_text_of_a_date_leaves_out_zero_seconds() {
        let mut date = DateTime { hour: 12, ..DateTime::midnight(1981, 9, 1) };
        assert_eq!(date.to_string(), "1981-09-01 12:00");
        date.microsecond = 250_000;
        assert_eq!(date.to_string(), "1981-09-01 12:00:00.25");
        assert_eq!(DateTime::midnight(-1, 12, 31).to_string(), "-0001-12-31 00:00");
    }
}
