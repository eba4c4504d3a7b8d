//! Steps of file patterns: `1D`, `6h`, `30min`, `1W`, `1MS`, `1YS` (pandas' and xarray's words).

use std::fmt;
use std::num::NonZeroU32;

use super::error::{CfError, shown};
use super::pattern_time::PatternTime;

/// More steps than this are a mistake: no pattern names ten million files.
pub const MAX_STEPS: u64 = 10_000_000;

/// The unit of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FrequencyUnit {
    /// Years that begin on the first of January (`YS`).
    Years,
    /// Months that begin on their first day (`MS`).
    Months,
    /// Seven days, counted from the start, whatever day of the week that is (`W`).
    Weeks,
    /// Days (`D`).
    Days,
    /// Hours (`h`).
    Hours,
    /// Minutes (`min`).
    Minutes,
    /// Seconds (`s`).
    Seconds,
}

impl FrequencyUnit {
    const ALL: [Self; 7] =
        [Self::Years, Self::Months, Self::Weeks, Self::Days, Self::Hours, Self::Minutes, Self::Seconds];

    const fn name(self) -> &'static str {
        match self {
            Self::Years => "YS",
            Self::Months => "MS",
            Self::Weeks => "W",
            Self::Days => "D",
            Self::Hours => "h",
            Self::Minutes => "min",
            Self::Seconds => "s",
        }
    }

    /// Seconds; `None` for months and years.
    const fn seconds(self) -> Option<i64> {
        match self {
            Self::Years | Self::Months => None,
            Self::Weeks => Some(604_800),
            Self::Days => Some(86_400),
            Self::Hours => Some(3600),
            Self::Minutes => Some(60),
            Self::Seconds => Some(1),
        }
    }
}

/// A step: so many units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Frequency {
    /// How many.
    pub count: NonZeroU32,
    /// Of what.
    pub unit: FrequencyUnit,
}

impl fmt::Display for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.count, self.unit.name())
    }
}

impl std::str::FromStr for Frequency {
    type Err = CfError;

    /// # Errors
    /// [`CfError::InvalidFrequency`], which names the present word for an outdated one.
    fn from_str(text: &str) -> Result<Self, CfError> {
        let invalid = |what: String| CfError::InvalidFrequency { text: shown(text), what };
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (count, word) = text.split_at(digits);
        let count = match count {
            "" => NonZeroU32::MIN,
            _ => count.parse().map_err(|_| invalid("the count must be from 1 to 4294967295".to_owned()))?,
        };
        if let Some(unit) = FrequencyUnit::ALL.into_iter().find(|unit| unit.name() == word) {
            return Ok(Self { count, unit });
        }
        let instead = match word {
            "M" | "ME" | "m" | "mo" | "month" | "months" => "MS",
            "Y" | "YE" | "A" | "AS" | "y" | "year" | "years" => "YS",
            "w" | "week" | "weeks" => "W",
            "d" | "day" | "days" => "D",
            "H" | "hr" | "hour" | "hours" => "h",
            "T" | "minute" | "minutes" => "min",
            "S" | "sec" | "second" | "seconds" => "s",
            _ => return Err(invalid(format!("'{}' is not one of YS, MS, W, D, h, min, s", shown(word)))),
        };
        Err(invalid(format!("did you mean {count}{instead}?")))
    }
}

impl Frequency {
    /// The start of the step `steps` after the one that begins at `start`; `None` beyond the year 9999.
    fn nth(self, start: PatternTime, steps: u64) -> Option<PatternTime> {
        let units = i64::try_from(steps).ok()?.checked_mul(i64::from(self.count.get()))?;
        match (self.unit, self.unit.seconds()) {
            (_, Some(seconds)) => start.plus_seconds(units.checked_mul(seconds)?),
            (FrequencyUnit::Years, None) => start.plus_months(units.checked_mul(12)?),
            (_, None) => start.plus_months(units),
        }
    }

    /// The last second of the step that begins at `start`: what `{time.end}` stands for. Its day is the last day of the step.
    /// `None` where the next step would begin after the year 9999.
    pub fn last_of_step(self, start: PatternTime) -> Option<PatternTime> {
        self.nth(start, 1)?.plus_seconds(-1)
    }

    /// The starts of all steps from `start` to `end`, both included.
    ///
    /// # Errors
    /// [`CfError::InvalidRange`] where `end` is before `start`, months or years do not begin on their first day, or there are
    /// more than [`MAX_STEPS`].
    pub fn steps(self, start: PatternTime, end: PatternTime) -> Result<Steps, CfError> {
        let invalid = |what: String| CfError::InvalidRange {
            start: start.to_string(),
            end: end.to_string(),
            frequency: self.to_string(),
            what,
        };
        if end < start {
            return Err(invalid("the end is before the start".to_owned()));
        }
        let aligned = match self.unit {
            FrequencyUnit::Years => start.is_first_of_year(),
            FrequencyUnit::Months => start.is_first_of_month(),
            _ => true,
        };
        if !aligned {
            let unit = if self.unit == FrequencyUnit::Years { "year" } else { "month" };
            return Err(invalid(format!("steps of {self} begin with a {unit}, the start does not")));
        }
        let count = self.count_steps(start, end);
        if count > MAX_STEPS {
            return Err(invalid(format!("these are {count} steps, more than {MAX_STEPS}")));
        }
        Ok(Steps { frequency: self, start, next: 0, count })
    }

    /// How many steps begin from `start` to `end`.
    fn count_steps(self, start: PatternTime, end: PatternTime) -> u64 {
        let count = u64::from(self.count.get());
        let months = || end.months_since(start).unsigned_abs();
        let whole = match (self.unit, self.unit.seconds()) {
            (_, Some(seconds)) => end.seconds_since(start).unsigned_abs() / seconds.unsigned_abs(),
            (FrequencyUnit::Years, None) => months() / 12,
            (_, None) => months(),
        };
        whole / count + 1
    }
}

/// The starts of the steps of a range.
#[derive(Debug, Clone)]
pub struct Steps {
    frequency: Frequency,
    start: PatternTime,
    next: u64,
    count: u64,
}

impl Iterator for Steps {
    type Item = PatternTime;

    fn next(&mut self) -> Option<PatternTime> {
        if self.next >= self.count {
            return None;
        }
        let step = self.frequency.nth(self.start, self.next)?;
        self.next += 1;
        Some(step)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let rest = usize::try_from(self.count - self.next).unwrap_or(usize::MAX);
        (rest, Some(rest))
    }
}

impl ExactSizeIterator for Steps {}

#[cfg(test)]
mod tests {
    use super::*;

    fn frequency(text: &str) -> Frequency {
        text.parse().unwrap()
    }

    fn steps(text: &str, start: &str, end: &str) -> Result<Vec<String>, CfError> {
        let (start, end) = (PatternTime::start_of(start).unwrap(), PatternTime::end_of(end).unwrap());
        Ok(frequency(text).steps(start, end)?.map(|step| step.to_string()).collect())
    }

    #[test]
    fn the_end_of_a_range_is_included() {
        assert_eq!(steps("1D", "1981-09-01", "1981-09-30").unwrap().len(), 30);
        let months = steps("1MS", "1981-09-01", "1990-12-31").unwrap();
        assert_eq!((months.len(), months[111].as_str()), (112, "1990-12-01 00:00"));
        assert_eq!(steps("5D", "2000-02-25", "2000-03-01").unwrap(), ["2000-02-25 00:00", "2000-03-01 00:00"]);
        assert_eq!(steps("1YS", "1999", "2001").unwrap().len(), 3);
    }

    #[test]
    fn a_last_day_without_a_time_includes_its_hours() {
        assert_eq!(steps("6h", "1981-09-01", "1981-09-01").unwrap().len(), 4);
        assert_eq!(steps("6h", "1981-09-01", "1981-09-01T06:00").unwrap().len(), 2);
    }

    #[test]
    fn the_end_of_a_step_is_its_last_second() {
        let last = |text: &str, start: &str| {
            frequency(text).last_of_step(PatternTime::start_of(start).unwrap()).unwrap().to_string()
        };
        assert_eq!(last("1MS", "2000-02-01"), "2000-02-29 23:59:59");
        assert_eq!(last("5D", "1999-02-26"), "1999-03-02 23:59:59");
        assert_eq!(last("1YS", "1999-01-01"), "1999-12-31 23:59:59");
        assert_eq!(last("3MS", "1999-11-01"), "2000-01-31 23:59:59");
        assert_eq!(last("6h", "1999-12-31T18:00"), "1999-12-31 23:59:59");
    }

    #[test]
    fn months_begin_on_their_first_day() {
        assert!(steps("1MS", "1981-09-15", "1981-12-31").unwrap_err().to_string().contains("begin with a month"));
        assert!(steps("1YS", "1981-03-01", "1985-12-31").unwrap_err().to_string().contains("begin with a year"));
        assert!(steps("1D", "1981-03-02", "1981-03-01").is_err());
        assert!(steps("1s", "0001-01-01", "9999-12-31").unwrap_err().to_string().contains("more than"));
    }

    #[test]
    fn outdated_words_are_answered_with_the_present_ones() {
        let what = |text: &str| text.parse::<Frequency>().unwrap_err().to_string();
        assert!(what("6H").contains("did you mean 6h?"));
        assert!(what("1M").contains("did you mean 1MS?"));
        assert!(what("0D").contains("count"));
        assert!(what("").contains("''"));
        assert!(what("-1D").contains("'-1D'"));
        assert_eq!(frequency("D").to_string(), "1D");
        assert_eq!(frequency("30min").to_string(), "30min");
    }
}
