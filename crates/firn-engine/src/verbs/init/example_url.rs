//! From the name of one file to the pattern of all: which digits are a date.

/// The pattern that an example URL suggests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuggestedPattern {
    /// The URL with `{DIM:%Y%m%d}` and the like in place of its date.
    pub pattern: String,
    /// The date of the example, as far as it goes: `1981-09-01`, `1981-09`, `1981`.
    pub date: String,
    /// How far apart files probably are: `1D`, `1MS`, `1YS`.
    pub freq: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Date {
    year: u32,
    month: Option<u32>,
    day: Option<u32>,
    /// Hour, minute, second.
    time: Option<(u32, u32, u32)>,
}

/// Digits that are a date, and how they are written.
struct Written {
    start: usize,
    end: usize,
    date: Date,
    format: String,
}

/// The pattern that this URL suggests for the dimension `dim`; `None` where its file name has no date, or dates that do
/// not agree. The most exact date of the file name decides; folders follow where they agree with it. Two dates are the
/// first and the last day, month or year of what the file holds.
pub fn suggest_pattern(url: &str, dim: &str) -> Option<SuggestedPattern> {
    let (path_start, path_end) = path_of(url);
    let name_start = url[..path_end].rfind('/').map_or(0, |slash| slash + 1).max(path_start);
    let written = dates(url, path_start.min(path_end), path_end);
    let of_name: Vec<&Written> = written.iter().filter(|date| date.start >= name_start).collect();
    let exact = of_name.iter().map(|date| date.date.exactness()).max()?;
    let first = of_name.iter().find(|date| date.date.exactness() == exact)?.date;
    let others: Vec<Date> = of_name.iter().map(|date| date.date).filter(|date| !date.agrees(first)).collect();
    let (last, freq) = match others.as_slice() {
        [] => (None, first.freq().to_owned()),
        [last] => (Some(*last), step_between(first, *last)?),
        _ => return None,
    };
    let mut pattern = String::with_capacity(url.len() + 32);
    let mut at = 0;
    for date in &written {
        let part = match last {
            _ if !date.date.agrees(first) && Some(date.date) != last => continue,
            None => "",
            Some(last) if date.date == last && date.start >= name_start => ".end",
            Some(_) if date.date.agrees(first) => ".start",
            Some(_) => continue,
        };
        pattern.push_str(&escape(&url[at..date.start]));
        pattern.extend(["{", dim, part, ":", &date.format, "}"]);
        at = date.end;
    }
    pattern.push_str(&escape(&url[at..]));
    Some(SuggestedPattern { pattern, date: first.text(), freq })
}

/// The URL with `*` in place of the dates of its file name, and of folders that agree with the first of them; `None`
/// where there is no date. For dates that no pattern says.
pub fn suggest_glob(url: &str) -> Option<String> {
    let (path_start, path_end) = path_of(url);
    let name_start = url[..path_end].rfind('/').map_or(0, |slash| slash + 1).max(path_start);
    let written = dates(url, path_start.min(path_end), path_end);
    let first = written.iter().find(|date| date.start >= name_start)?.date;
    let mut glob = String::with_capacity(url.len());
    let mut at = 0;
    for date in written.iter().filter(|date| date.start >= name_start || date.date.agrees(first)) {
        glob.push_str(&escape_glob(&url[at..date.start]));
        glob.push('*');
        at = date.end;
    }
    glob.push_str(&escape_glob(&url[at..]));
    Some(glob)
}

/// Where the path of an address begins and ends. Only web servers have queries: elsewhere a name may hold any character.
fn path_of(url: &str) -> (usize, usize) {
    let end = if url.starts_with("http") { url.find(['?', '#']).unwrap_or(url.len()) } else { url.len() };
    let start = url.find("://").map_or(0, |at| url[at + 3..].find('/').map_or(url.len(), |slash| at + 3 + slash));
    (start, end)
}

/// The first date of a file name, as far as it goes.
pub(crate) fn first_date(url: &str) -> Option<String> {
    let name_start = url.rfind('/').map_or(0, |slash| slash + 1);
    dates(url, name_start, url.len()).first().map(|date| date.date.text())
}

/// Wildcards of the text itself are none.
pub(crate) fn escape_glob(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut escaped, c| {
        if matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
        escaped
    })
}

/// The step that begins with one date and ends with the other, both included: a month from its first to its last day,
/// years from their first to their last month or day.
fn step_between(first: Date, last: Date) -> Option<String> {
    if first.time.is_some() || last.time.is_some() {
        return None;
    }
    let years = (last.year + 1).checked_sub(first.year).filter(|years| *years > 0)?;
    match (first.month, first.day, last.month, last.day) {
        (None, None, None, None) | (Some(1), None, Some(12), None) | (Some(1), Some(1), Some(12), Some(31)) => {
            Some(format!("{years}YS"))
        }
        (Some(month), Some(1), Some(same), Some(day)) if years == 1 && month == same => {
            let leap =
                first.year.is_multiple_of(4) && !first.year.is_multiple_of(100) || first.year.is_multiple_of(400);
            let length = match month {
                4 | 6 | 9 | 11 => 30,
                2 if leap => 29,
                2 => 28,
                _ => 31,
            };
            (day == length).then(|| "1MS".to_owned())
        }
        _ => None,
    }
}

/// Braces mean something in patterns.
fn escape(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

impl Date {
    fn exactness(self) -> u8 {
        u8::from(self.month.is_some()) + u8::from(self.day.is_some()) + u8::from(self.time.is_some())
    }

    /// Whether a less exact date is a part of this one (the folder `1981` of the file `19810901`).
    fn agrees(self, of: Self) -> bool {
        self.year == of.year
            && (self.month.is_none() || self.month == of.month)
            && (self.day.is_none() || self.day == of.day)
            && (self.time.is_none() || self.time == of.time)
    }

    fn text(self) -> String {
        match (self.month, self.day) {
            (Some(month), Some(day)) if let Some((hour, minute, second)) = self.time => {
                format!("{:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}", self.year)
            }
            (Some(month), Some(day)) => format!("{:04}-{month:02}-{day:02}", self.year),
            (Some(month), None) => format!("{:04}-{month:02}", self.year),
            _ => format!("{:04}", self.year),
        }
    }

    fn freq(self) -> &'static str {
        match (self.month, self.day) {
            (Some(_), Some(_)) if self.time.is_some() => "1h",
            (Some(_), Some(_)) => "1D",
            (Some(_), None) => "1MS",
            _ => "1YS",
        }
    }
}

/// The dates between two bytes of the text, in order, not overlapping.
fn dates(text: &str, from: usize, to: usize) -> Vec<Written> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = from;
    while at < to {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let run = digits(bytes, at, to);
        match date_at(bytes, at, run, to) {
            Some(date) => {
                at = date.end;
                found.push(date);
            }
            None => at = run,
        }
    }
    found
}

/// One past the last digit.
fn digits(bytes: &[u8], from: usize, to: usize) -> usize {
    (from..to).find(|at| !bytes[*at].is_ascii_digit()).unwrap_or(to)
}

/// The date that begins here: `YYYYMMDD`, `YYYYMM`, `YYYY` as a whole run of digits, or `YYYY-MM-DD`, `YYYY_MM` and the
/// like; with a time of day as `YYYYMMDDHH`, `YYYYMMDDHHMM`, `YYYYMMDDTHH` and so on to the second.
fn date_at(bytes: &[u8], start: usize, run: usize, to: usize) -> Option<Written> {
    let part = |at: usize, length: usize| -> Option<u32> {
        std::str::from_utf8(bytes.get(at..at + length)?).ok()?.parse().ok()
    };
    let year = part(start, 4).filter(|year| (1800..=2199).contains(year))?;
    let written = |end, month, day, format: String| {
        Some(Written { start, end, date: Date { year, month, day, time: None }, format })
    };
    // Where the digits of a time of day begin and end.
    let behind_t = bytes.get(run) == Some(&b'T') && run < to;
    let time_of_day = match run - start {
        10 | 12 | 14 => Some((start + 8, run, "")),
        8 if behind_t => Some((run + 1, digits(bytes, run + 1, to), "T")),
        _ => None,
    };
    if let Some((from, end, between)) = time_of_day
        && let Some((time, codes)) = time(end.saturating_sub(from), |at| part(from + at, 2))
    {
        let (month, day) = (Some(month(part(start + 4, 2)?)?), Some(day(part(start + 6, 2)?)?));
        let format = format!("%Y%m%d{between}{codes}");
        return Some(Written { start, end, date: Date { year, month, day, time: Some(time) }, format });
    }
    match run - start {
        8 => written(run, Some(month(part(start + 4, 2)?)?), Some(day(part(start + 6, 2)?)?), "%Y%m%d".to_owned()),
        6 => written(run, Some(month(part(start + 4, 2)?)?), None, "%Y%m".to_owned()),
        4 => {
            let separated = |at: usize| {
                let separator = *bytes.get(at).filter(|byte| at < to && matches!(byte, b'-' | b'_' | b'.'))?;
                (digits(bytes, at + 1, to) == at + 3).then(|| Some((separator as char, part(at + 1, 2)?)))?
            };
            let Some((first, month)) = separated(run).and_then(|(c, value)| Some((c, month(value)?))) else {
                return written(run, None, None, "%Y".to_owned());
            };
            match separated(run + 3).and_then(|(c, value)| Some((c, day(value)?))) {
                Some((second, day)) if second == first => {
                    written(run + 6, Some(month), Some(day), format!("%Y{first}%m{second}%d"))
                }
                _ => written(run + 3, Some(month), None, format!("%Y{first}%m")),
            }
        }
        _ => None,
    }
}

fn month(value: u32) -> Option<u32> {
    (1..=12).contains(&value).then_some(value)
}

/// A time of day of so many digits, and its codes.
fn time(length: usize, part: impl Fn(usize) -> Option<u32>) -> Option<((u32, u32, u32), &'static str)> {
    let below = |at: usize, end: u32| part(at).filter(|value| *value < end);
    match length {
        2 => Some(((below(0, 24)?, 0, 0), "%H")),
        4 => Some(((below(0, 24)?, below(2, 60)?, 0), "%H%M")),
        6 => Some(((below(0, 24)?, below(2, 60)?, below(4, 60)?), "%H%M%S")),
        _ => None,
    }
}

fn day(value: u32) -> Option<u32> {
    (1..=31).contains(&value).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(url: &str) -> Option<(String, String)> {
        suggest_pattern(url, "time").map(|suggested| (suggested.pattern, suggested.date))
    }

    #[expect(clippy::unnecessary_wraps, reason = "it stands for what `pattern` returns")]
    fn some(pattern: &str, date: &str) -> Option<(String, String)> {
        Some((pattern.to_owned(), date.to_owned()))
    }

    #[test]
    fn the_date_of_a_file_name_becomes_a_placeholder_and_its_folders_follow() {
        assert_eq!(
            pattern("https://host/avhrr/198109/oisst-avhrr-v02r01.19810901.nc"),
            some("https://host/avhrr/{time:%Y%m}/oisst-avhrr-v02r01.{time:%Y%m%d}.nc", "1981-09-01")
        );
        assert_eq!(pattern("/data/1981/sst_1981-09.nc"), some("/data/{time:%Y}/sst_{time:%Y-%m}.nc", "1981-09"));
        assert_eq!(pattern("sst.2001.nc"), some("sst.{time:%Y}.nc", "2001"));
        assert_eq!(pattern("s3://b/2020_02_03.nc"), some("s3://b/{time:%Y_%m_%d}.nc", "2020-02-03"));
    }

    #[test]
    fn a_time_of_day_is_a_part_of_the_date() {
        let some = |pattern: &str, date: &str| Some((pattern.to_owned(), date.to_owned()));
        assert_eq!(pattern("/2020/a_2020013106.nc"), some("/{time:%Y}/a_{time:%Y%m%d%H}.nc", "2020-01-31T06:00:00"));
        assert_eq!(pattern("a_202001310630.nc"), some("a_{time:%Y%m%d%H%M}.nc", "2020-01-31T06:30:00"));
        assert_eq!(pattern("a_20200131T063015.nc"), some("a_{time:%Y%m%dT%H%M%S}.nc", "2020-01-31T06:30:15"));
        assert_eq!(pattern("a_20200131T99.nc"), some("a_{time:%Y%m%d}T99.nc", "2020-01-31"));
        assert_eq!(pattern("a_2020013125.nc"), None);
        assert_eq!(suggest_pattern("a_2020013106.nc", "t").unwrap().freq, "1h");
    }

    #[test]
    fn a_folder_of_another_year_stays_as_it_is() {
        assert_eq!(
            pattern("/release2019/1999/a.199912.nc"),
            some("/release2019/{time:%Y}/a.{time:%Y%m}.nc", "1999-12")
        );
    }

    #[test]
    fn digits_that_are_no_date_stay_as_they_are() {
        for url in ["a.nc", "run123456789.nc", "v20.13.nc", "a.99999999.nc", "/1981/a.nc", "x.19811301.nc", ""] {
            assert_eq!(pattern(url), None, "{url}");
        }
        assert_eq!(pattern("a_0360x0180_1981.nc"), some("a_0360x0180_{time:%Y}.nc", "1981"));
        // A query signs or selects: it is not a part of the name.
        assert_eq!(pattern("https://h/a.nc?date=19810901"), None);
        assert_eq!(pattern("https://data2001.host/a.nc"), None);
    }

    #[test]
    fn two_dates_are_first_and_last_or_nothing_is_suggested() {
        assert_eq!(
            pattern("/d/pr_Amon_185001-194912.nc"),
            some("/d/pr_Amon_{time.start:%Y%m}-{time.end:%Y%m}.nc", "1850-01")
        );
        assert_eq!(suggest_pattern("/d/pr_Amon_185001-194912.nc", "t").unwrap().freq, "100YS");
        let leap = suggest_pattern("/2016/a_20160201-20160229.nc", "t").unwrap();
        assert_eq!(leap.pattern, "/{t.start:%Y}/a_{t.start:%Y%m%d}-{t.end:%Y%m%d}.nc");
        assert_eq!(leap.freq, "1MS");
        // The last day is not included here: no placeholder says that.
        assert_eq!(pattern("nemo_1m_20150101-20150201_grid-T.nc"), None);
        assert_eq!(pattern("a_20160201_run20200101.nc"), None);
    }

    #[test]
    fn dates_that_no_pattern_says_become_wildcards() {
        let glob = |url: &str| suggest_glob(url);
        assert_eq!(glob("/d/nemo_1m_20150101-20150201_grid-T.nc").as_deref(), Some("/d/nemo_1m_*-*_grid-T.nc"));
        assert_eq!(glob("s3://b/2016/a[1]_20160201_run20200101.nc").as_deref(), Some("s3://b/*/a\\[1\\]_*_run*.nc"));
        assert_eq!(glob("/2016/a.nc"), None);
    }

    #[test]
    fn braces_of_the_url_are_escaped() {
        assert_eq!(pattern("/a{b}/1981.nc"), some("/a{{b}}/{time:%Y}.nc", "1981"));
    }
}
