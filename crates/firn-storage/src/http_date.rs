//! Dates of HTTP headers, and of listings.

/// Seconds since 1970-01-01 UTC of an IMF-fixdate (`Sun, 06 Nov 1994 08:49:37 GMT`, RFC 9110 section 5.6.7). The two
/// obsolete forms, which no server of today sends, give `None`.
pub(crate) fn parse(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, rest) = text.trim().split_once(", ")?;
    let mut parts = rest.split(' ');
    let day: i64 = parts.next()?.parse().ok()?;
    let month = parts.next()?;
    let month = MONTHS.iter().position(|name| *name == month)? as i64 + 1;
    let year: i64 = parts.next()?.parse().ok()?;
    let mut time = parts.next()?.split(':').map(str::parse::<i64>);
    let (hour, minute, second) = (time.next()?.ok()?, time.next()?.ok()?, time.next()?.ok()?);
    if parts.next()? != "GMT" || !(1..=31).contains(&day) || !(1600..=9999).contains(&year) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 || hour < 0 || minute < 0 || second < 0 {
        return None;
    }
    Some(days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Seconds since 1970-01-01 UTC of a date as listings of S3 write it (`2026-11-06T08:49:37.000Z`, ISO 8601 in UTC).
pub(crate) fn parse_iso(text: &str) -> Option<i64> {
    let (date, time) = text.trim().strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(str::parse::<i64>);
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let time = time.split_once('.').map_or(time, |(whole, _)| whole);
    let mut time = time.splitn(3, ':').map(str::parse::<i64>);
    let (hour, minute, second) = (time.next()?.ok()?, time.next()?.ok()?, time.next()?.ok()?);
    let holds = |range: std::ops::RangeInclusive<i64>, n| range.contains(&n);
    let is_date = holds(1600..=9999, year) && holds(1..=12, month) && holds(1..=31, day);
    let is_time = holds(0..=23, hour) && holds(0..=59, minute) && holds(0..=60, second);
    (is_date && is_time).then(|| days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Days from 1970-01-01 of a date in the proleptic Gregorian calendar: years begin in March, so that the leap day is
/// the last of its year.
pub(crate) fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn seconds_agree_with_python() {
        // python: email.utils.parsedate_to_datetime(text).timestamp()
        assert_eq!(parse("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(parse("Thu, 29 Feb 2024 23:59:59 GMT"), Some(1_709_251_199));
        assert_eq!(parse("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
    }

    #[test]
    fn dates_of_listings_agree_with_those_of_headers() {
        assert_eq!(super::parse_iso("1994-11-06T08:49:37.000Z"), Some(784_111_777));
        assert_eq!(super::parse_iso("2024-02-29T23:59:59Z"), Some(1_709_251_199));
        for bad in ["2024-02-29", "2024-13-01T00:00:00Z", "2024-02-29T24:00:00Z", "x", "-1-1-1T0:0:0Z"] {
            assert_eq!(super::parse_iso(bad), None, "{bad}");
        }
    }

    #[test]
    fn nonsense_is_none() {
        assert_eq!(parse("Sunday, 06-Nov-94 08:49:37 GMT"), None);
        assert_eq!(parse(""), None);
        assert_eq!(parse("Sun, 99 Nov 1994 08:49:37 GMT"), None);
    }
}
