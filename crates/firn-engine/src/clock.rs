//! The only place of the engine that asks for the time.

use firn_model::cf::Calendar;
use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since 1970-01-01 UTC.
pub fn now_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Now, as RFC 3339 in UTC, to the second.
pub fn now() -> String {
    rfc3339(now_micros())
}

/// An instant as RFC 3339 in UTC, to the second.
pub fn rfc3339(micros: i64) -> String {
    let date = Calendar::ProlepticGregorian.date_time(micros);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        date.year, date.month, date.day, date.hour, date.minute, date.second
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_as_rfc_3339() {
        assert_eq!(rfc3339(951_827_696_000_000), "2000-02-29T12:34:56Z");
    }
}
