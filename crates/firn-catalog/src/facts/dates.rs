//! Times of a dataset as RFC 3339.

use firn_model::array::{AttributeValue, Attributes, Values};
use firn_model::cf::{Calendar, DateTime, TimeCoding};

/// How the numbers of a variable are times; `None` where they are not.
pub(super) fn coding(attributes: &Attributes) -> Option<TimeCoding> {
    let text = |name: &str| attributes.get(name).and_then(AttributeValue::as_text);
    let units = text("units").filter(|units| units.contains(" since "))?;
    TimeCoding::new(units, text("calendar")).ok()
}

/// First and last of the times, RFC 3339; fill values and NaN are left out.
pub(super) fn interval(values: &Values, coding: &TimeCoding, fill: Option<f64>) -> Option<[String; 2]> {
    let instants: Vec<i64> = if let Some(counts) = values.to_i64() {
        let kept = counts.iter().filter(|count| fill.is_none_or(|fill| **count as f64 != fill));
        kept.filter_map(|count| coding.instant_of_int(*count).ok()).map(|instant| instant.micros).collect()
    } else {
        let counts = values.to_f64()?;
        let kept = counts.iter().filter(|count| fill.is_none_or(|fill| **count != fill));
        kept.filter_map(|count| coding.instant_of_float(*count).ok()).map(|instant| instant.micros).collect()
    };
    let (first, last) = (instants.iter().min()?, instants.iter().max()?);
    Some([rfc3339(coding.date_time(*first), coding.calendar)?, rfc3339(coding.date_time(*last), coding.calendar)?])
}

/// The date in the Gregorian words of RFC 3339. A day that only the data's calendar has (30 February) becomes the last one of
/// its month; `None` outside of the years 1 to 9999.
fn rfc3339(date: DateTime, calendar: Calendar) -> Option<String> {
    if !(1..=9999).contains(&date.year) {
        return None;
    }
    let day = match calendar {
        Calendar::Standard | Calendar::ProlepticGregorian | Calendar::NoLeap => date.day,
        _ => date.day.min(Calendar::ProlepticGregorian.days_in_month(date.year, date.month)),
    };
    let fraction = match date.microsecond {
        0 => String::new(),
        micros => format!(".{}", format!("{micros:06}").trim_end_matches('0')),
    };
    let (year, month, hour, minute, second) = (date.year, date.month, date.hour, date.minute, date.second);
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z"))
}
