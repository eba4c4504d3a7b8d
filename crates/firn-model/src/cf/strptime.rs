//! Dates in file names, by strptime codes with fixed widths: `%Y%m%d`.

use super::calendar::{Calendar, DateTime};
use super::error::{CfError, shown};
use super::pattern_time::PatternTime;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Longer formats are refused: no file name is that long.
const LONGEST: usize = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Code {
    Year,
    YearOfCentury,
    Month,
    Day,
    DayOfYear,
    Hour,
    Minute,
    Second,
    MonthName,
    MonthAbbreviation,
}

impl Code {
    fn of(letter: char) -> Option<Self> {
        Some(match letter {
            'Y' => Self::Year,
            'y' => Self::YearOfCentury,
            'm' => Self::Month,
            'd' => Self::Day,
            'j' => Self::DayOfYear,
            'H' => Self::Hour,
            'M' => Self::Minute,
            'S' => Self::Second,
            'B' => Self::MonthName,
            'b' => Self::MonthAbbreviation,
            _ => return None,
        })
    }

    /// Digits, always with leading zeros; 0 for names.
    const fn width(self) -> usize {
        match self {
            Self::Year => 4,
            Self::DayOfYear => 3,
            Self::MonthName | Self::MonthAbbreviation => 0,
            _ => 2,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Piece {
    Text(String),
    Code(Code),
}

/// A text with the codes `%Y %y %m %d %j %H %M %S %b %B %%`, as `strftime` writes them in English.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TimeFormat {
    text: String,
    pieces: Vec<Piece>,
}

/// What a text said, code by code.
#[derive(Default)]
struct Fields {
    year: Option<u16>,
    year_of_century: Option<u16>,
    month: Option<u16>,
    day: Option<u16>,
    day_of_year: Option<u16>,
    hour: Option<u16>,
    minute: Option<u16>,
    second: Option<u16>,
}

impl TimeFormat {
    /// Reads a format.
    ///
    /// # Errors
    /// [`CfError::InvalidFormat`] for any other code, named.
    pub fn new(format: &str) -> Result<Self, CfError> {
        let invalid = |what: String| CfError::InvalidFormat { format: shown(format), what };
        if format.len() > LONGEST {
            return Err(invalid(format!("it is longer than {LONGEST} bytes")));
        }
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut letters = format.chars();
        while let Some(letter) = letters.next() {
            if letter != '%' {
                text.push(letter);
                continue;
            }
            match letters.next() {
                Some('%') => text.push('%'),
                Some(letter) => {
                    let code = Code::of(letter)
                        .ok_or_else(|| invalid(format!("the code %{} is not supported", letter.escape_debug())))?;
                    if !text.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut text)));
                    }
                    pieces.push(Piece::Code(code));
                }
                None => return Err(invalid("it ends with a single %".to_owned())),
            }
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        Ok(Self { text: format.to_owned(), pieces })
    }

    /// The format as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The text of a date.
    pub fn format(&self, time: PatternTime) -> String {
        let date = time.date_time();
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::Code(code) => text.push_str(&written(*code, time, &date)),
            }
        }
        text
    }

    /// The date of a text: the opposite of [`TimeFormat::format`]. Month and day are 1 and the time is midnight where the
    /// format does not say them; names of months are read in any case; `%y` is 1969 to 2068.
    ///
    /// # Errors
    /// [`CfError::InvalidText`] where the text does not match, contradicts itself or names no year;
    /// [`CfError::InvalidDate`] where there is no such date.
    pub fn parse(&self, text: &str) -> Result<PatternTime, CfError> {
        let invalid = |what: String| CfError::InvalidText { text: shown(text), what };
        let mut fields = Fields::default();
        let mut rest = text;
        for piece in &self.pieces {
            rest = match piece {
                Piece::Text(literal) => rest.strip_prefix(literal.as_str()),
                Piece::Code(code) => match read(*code, rest) {
                    Some((value, after)) if fields.set(*code, value) => Some(after),
                    Some(_) => return Err(invalid("it says the same thing twice, and differently".to_owned())),
                    None => None,
                },
            }
            .ok_or_else(|| invalid(format!("it does not match '{}'", shown(&self.text))))?;
        }
        if !rest.is_empty() {
            return Err(invalid(format!("'{}' follows what matches '{}'", shown(rest), shown(&self.text))));
        }
        fields.date().map_err(invalid).and_then(|date| PatternTime::new(&date))
    }
}

fn written(code: Code, time: PatternTime, date: &DateTime) -> String {
    let name = || MONTHS.get(usize::from(date.month) - 1).copied().unwrap_or_default();
    match code {
        Code::Year => format!("{:04}", date.year),
        Code::YearOfCentury => format!("{:02}", date.year % 100),
        Code::Month => format!("{:02}", date.month),
        Code::Day => format!("{:02}", date.day),
        Code::DayOfYear => format!("{:03}", time.day_of_year()),
        Code::Hour => format!("{:02}", date.hour),
        Code::Minute => format!("{:02}", date.minute),
        Code::Second => format!("{:02}", date.second),
        Code::MonthName => name().to_owned(),
        Code::MonthAbbreviation => name().chars().take(3).collect(),
    }
}

/// The value at the beginning of a text, and what follows.
fn read(code: Code, text: &str) -> Option<(u16, &str)> {
    if matches!(code, Code::MonthName | Code::MonthAbbreviation) {
        let length = |name: &str| if code == Code::MonthName { name.len() } else { 3 };
        return MONTHS.iter().zip(1u16..).find_map(|(name, number)| {
            let (head, rest) = text.split_at_checked(length(name))?;
            head.eq_ignore_ascii_case(&name[..length(name)]).then_some((number, rest))
        });
    }
    let (digits, rest) = text.split_at_checked(code.width())?;
    let value = if digits.bytes().all(|b| b.is_ascii_digit()) { digits.parse().ok()? } else { return None };
    Some((value, rest))
}

impl Fields {
    /// Notes a value; false where the same field already has another.
    fn set(&mut self, code: Code, value: u16) -> bool {
        let field = match code {
            Code::Year => &mut self.year,
            Code::YearOfCentury => &mut self.year_of_century,
            Code::Month | Code::MonthName | Code::MonthAbbreviation => &mut self.month,
            Code::Day => &mut self.day,
            Code::DayOfYear => &mut self.day_of_year,
            Code::Hour => &mut self.hour,
            Code::Minute => &mut self.minute,
            Code::Second => &mut self.second,
        };
        *field.get_or_insert(value) == value
    }

    fn date(&self) -> Result<DateTime, String> {
        let year = match (self.year, self.year_of_century) {
            (Some(year), Some(of_century)) if year % 100 != of_century => {
                return Err("its two years differ".to_owned());
            }
            (Some(year), _) => year,
            (None, Some(of_century)) => of_century + if of_century < 69 { 2000 } else { 1900 },
            (None, None) => return Err("it names no year".to_owned()),
        };
        let year = i32::from(year);
        let (month, day) = match self.day_of_year {
            Some(day_of_year) => self.month_and_day(year, day_of_year)?,
            None => (self.month.unwrap_or(1) as u8, self.day.unwrap_or(1) as u8),
        };
        let part = |field: Option<u16>| field.unwrap_or(0) as u8;
        Ok(DateTime {
            hour: part(self.hour),
            minute: part(self.minute),
            second: part(self.second),
            ..DateTime::midnight(year, month, day)
        })
    }

    fn month_and_day(&self, year: i32, day_of_year: u16) -> Result<(u8, u8), String> {
        let mut rest = day_of_year;
        for month in 1..=12u8 {
            let length = u16::from(Calendar::ProlepticGregorian.days_in_month(year, month));
            if (1..=length).contains(&rest) {
                let agrees = self.month.is_none_or(|m| m == u16::from(month)) && self.day.is_none_or(|d| d == rest);
                return if agrees {
                    Ok((month, rest as u8))
                } else {
                    Err("its day of the year is not its month and day".to_owned())
                };
            }
            rest = rest.saturating_sub(length);
        }
        Err(format!("the year {year} has no day {day_of_year}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(text: &str) -> TimeFormat {
        TimeFormat::new(text).unwrap()
    }

    fn parse(pattern: &str, text: &str) -> String {
        match format(pattern).parse(text) {
            Ok(time) => time.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_name_gives_its_date_back() {
        assert_eq!(parse("oisst.%Y%m%d.nc", "oisst.19810901.nc"), "1981-09-01 00:00");
        assert_eq!(parse("%Y%j_%H%M%S", "2000366_061530"), "2000-12-31 06:15:30");
        assert_eq!(parse("%b%y", "sep81"), "1981-09-01 00:00");
        assert_eq!(parse("%B-%Y", "May-2068"), "2068-05-01 00:00");
        assert_eq!(parse("%y", "68"), "2068-01-01 00:00");
        assert_eq!(parse("%y", "69"), "1969-01-01 00:00");
        assert_eq!(parse("100%%/%Y", "100%/1999"), "1999-01-01 00:00");
        assert_eq!(parse("%Y/%Y%m", "1999/199902"), "1999-02-01 00:00");
    }

    #[test]
    fn a_text_that_contradicts_itself_or_the_format_is_refused() {
        assert!(parse("%Y/%Y%m", "1999/199802").contains("differently"));
        assert!(parse("%Y%y", "199998").contains("differ"));
        assert!(parse("%Y%m%d%j", "19990201033").contains("day of the year"));
        assert!(parse("%Y%j", "1999366").contains("no day 366"));
        assert!(parse("%Y%j", "1999000").contains("no day 0"));
        assert!(parse("%Y%m", "19991").contains("does not match"));
        assert!(parse("%Y%m", "1999013").contains("'3' follows"));
        assert!(parse("%m", "01").contains("no year"));
        assert!(parse("%Y%m", "199913").contains("months go from 1 to 12"));
        assert!(parse("%Y", "+999").contains("does not match"));
        assert!(parse("%b%Y", "é1999").contains("does not match"));
    }

    #[test]
    fn codes_that_firn_does_not_know_are_named() {
        for (text, what) in [("%Y%f", "%f"), ("%U", "%U"), ("%-d", "%-"), ("%é", "%é"), ("%Y%", "single %")] {
            assert!(TimeFormat::new(text).unwrap_err().to_string().contains(what), "{text}");
        }
    }
}
