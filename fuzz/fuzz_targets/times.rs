//! Time units, calendars, counts, strptime formats, steps and dates of patterns. Each line of the input is one of them.
#![no_main]

use firn_fuzz::{expect_no_bug, lines};
use firn_model::cf::{Calendar, Frequency, PatternTime, TimeCoding, TimeFormat, TimeUnits};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some(lines) = lines(data) else { return };
    let line = |number: usize| lines.get(number).copied().unwrap_or_default();
    let (units, calendar, count, format, date, step) = (line(0), line(1), line(2), line(3), line(4), line(5));
    if let Err(error) = TimeUnits::parse(units) {
        expect_no_bug(&error);
    }
    if let Err(error) = Calendar::from_attribute(Some(calendar)) {
        expect_no_bug(&error);
    }
    for calendar in [None, Some(calendar), Some("noleap"), Some("julian"), Some("360_day"), Some("proleptic_gregorian")]
    {
        let Ok(coding) = TimeCoding::new(units, calendar) else { continue };
        let instants = [
            count.parse::<i64>().ok().and_then(|count| coding.instant_of_int(count).ok()),
            count.parse::<f64>().ok().and_then(|count| coding.instant_of_float(count).ok()),
        ];
        for instant in instants.into_iter().flatten() {
            let date = coding.date_time(instant.micros);
            let _ = coding.calendar.day_of_year(&date);
            // A date that the calendar has is the same instant again.
            if let Ok(back) = coding.calendar.instant(&date) {
                assert_eq!(back, instant.micros, "{calendar:?} {date:?}");
            }
        }
    }
    match TimeFormat::new(format) {
        Ok(format) => match format.parse(date) {
            Ok(time) => {
                let written = format.format(time);
                let again = format.parse(&written).expect("what a format wrote it can read");
                assert_eq!(format.format(again), written);
            }
            Err(error) => expect_no_bug(&error),
        },
        Err(error) => expect_no_bug(&error),
    }
    let (start, end) = (PatternTime::start_of(date), PatternTime::end_of(count));
    match step.parse::<Frequency>() {
        Ok(frequency) => {
            assert_eq!(frequency.to_string().parse::<Frequency>().expect("a step as it is shown"), frequency);
            let Ok(start) = start else { return };
            let _ = frequency.last_of_step(start);
            if let Ok(end) = end {
                match frequency.steps(start, end) {
                    Ok(steps) => {
                        steps.into_iter().take(1000).for_each(drop);
                    }
                    Err(error) => expect_no_bug(&error),
                }
            }
        }
        Err(error) => expect_no_bug(&error),
    }
});
