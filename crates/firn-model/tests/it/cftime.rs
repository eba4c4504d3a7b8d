//! CF time against Python's cftime (and pandas): see `make_cftime_cases.py`. Properties that hold for any input are below.

use firn_model::array::DataType;
use firn_model::cf::{
    Calendar, CfError, DateTime, Frequency, Instant, PatternTime, TimeCoding, TimeDecision, TimeFormat, TimeUnits,
    TimeValues, TimeVariable, ValueProblem, decide,
};
use proptest::prelude::*;
use serde::Deserialize;

type Fields = (i32, u8, u8, u8, u8, u8, u32);

#[derive(Deserialize)]
struct Cases {
    decodings: Vec<Decoding>,
    axes: Vec<Axis>,
    ranges: Vec<Range>,
    formats: Vec<Format>,
}

/// An integer, or the bits of a float.
#[derive(Deserialize)]
#[serde(untagged)]
enum Raw {
    Int(i64),
    Bits(String),
}

#[derive(Deserialize)]
struct Decoding {
    calendar: String,
    units: String,
    dtype: String,
    values: Vec<Raw>,
    dates: Vec<Option<Fields>>,
}

#[derive(Deserialize)]
struct AxisFile {
    units: String,
    dtype: String,
    values: Vec<Raw>,
}

#[derive(Deserialize)]
struct Axis {
    calendar: String,
    files: Vec<AxisFile>,
    units: String,
    counts: Vec<Vec<i64>>,
    dates: Vec<Vec<Fields>>,
}

#[derive(Deserialize)]
struct Range {
    start: String,
    end: String,
    freq: String,
    starts: Vec<String>,
    ends: Vec<String>,
}

#[derive(Deserialize)]
struct Format {
    #[serde(rename = "format")]
    codes: String,
    date: String,
    text: String,
}

fn cases() -> Cases {
    serde_json::from_str(include_str!("../cftime_cases.json")).unwrap()
}

fn float(bits: &str) -> f64 {
    f64::from_bits(u64::from_str_radix(bits, 16).unwrap())
}

fn fields(date: DateTime) -> Fields {
    (date.year, date.month, date.day, date.hour, date.minute, date.second, date.microsecond)
}

fn instant(coding: &TimeCoding, raw: &Raw) -> Result<Instant, ValueProblem> {
    match raw {
        Raw::Int(count) => coding.instant_of_int(*count),
        Raw::Bits(bits) => coding.instant_of_float(float(bits)),
    }
}

fn values(raw: &[Raw]) -> TimeValues {
    let int = |raw: &Raw| if let Raw::Int(count) = raw { Some(*count) } else { None };
    let bits = |raw: &Raw| if let Raw::Bits(bits) = raw { Some(float(bits)) } else { None };
    match raw.iter().map(int).collect() {
        Some(ints) => TimeValues::Int(ints),
        None => TimeValues::Float(raw.iter().filter_map(bits).collect()),
    }
}

fn data_type(name: &str) -> DataType {
    *DataType::ALL.iter().find(|t| serde_json::to_value(t).unwrap() == name).unwrap()
}

#[test]
fn every_value_decodes_to_the_date_of_cftime() {
    let mut decoded = 0;
    let mut wrong = Vec::new();
    for case in cases().decodings {
        let coding = TimeCoding::new(&case.units, Some(&case.calendar));
        for (raw, expected) in case.values.iter().zip(&case.dates) {
            let instant = coding.as_ref().ok().and_then(|coding| instant(coding, raw).ok());
            let date =
                instant.zip(coding.as_ref().ok()).map(|(instant, coding)| fields(coding.date_time(instant.micros)));
            if date != *expected {
                let value = match raw {
                    Raw::Int(count) => count.to_string(),
                    Raw::Bits(bits) => format!("{:?}", float(bits)),
                };
                wrong.push(format!(
                    "{value} {} ({}, {}): {date:?}, cftime {expected:?}",
                    case.units, case.calendar, case.dtype
                ));
            }
            decoded += usize::from(date.is_some());
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(decoded > 5000, "only {decoded} values were compared");
}

#[test]
fn joined_axes_decode_to_the_dates_of_their_files() {
    let axes = cases().axes;
    assert!(axes.len() > 100);
    for axis in axes {
        let held: Vec<TimeValues> = axis.files.iter().map(|file| values(&file.values)).collect();
        let files: Vec<TimeVariable<'_>> = axis
            .files
            .iter()
            .zip(&held)
            .map(|(file, values)| TimeVariable {
                values,
                data_type: data_type(&file.dtype),
                units: &file.units,
                calendar: Some(&axis.calendar),
                missing: &[],
            })
            .collect();
        let TimeDecision::Reencoded(joined) = decide(&files, &[]).unwrap() else { panic!("{}: verbatim", axis.units) };
        assert_eq!((&joined.units, &joined.values), (&axis.units, &axis.counts));
        let coding = TimeCoding::new(&joined.units, Some(joined.calendar.name())).unwrap();
        for (counts, dates) in joined.values.iter().zip(&axis.dates) {
            let decoded: Vec<Fields> =
                counts.iter().map(|c| fields(coding.date_time(coding.instant_of_int(*c).unwrap().micros))).collect();
            assert_eq!(decoded, *dates, "{}", axis.units);
        }
    }
}

#[test]
fn steps_of_patterns_are_those_of_pandas() {
    for range in cases().ranges {
        let frequency: Frequency = range.freq.parse().unwrap();
        let start = PatternTime::start_of(&range.start).unwrap();
        // A day alone means its midnight to pandas, as the start of it does here.
        let end = PatternTime::start_of(&range.end).unwrap();
        let text = TimeFormat::new("%Y-%m-%d %H:%M:%S").unwrap();
        let steps = frequency.steps(start, end).unwrap();
        assert_eq!(steps.len(), range.starts.len());
        let (starts, ends): (Vec<String>, Vec<String>) =
            steps.map(|step| (text.format(step), text.format(frequency.last_of_step(step).unwrap()))).unzip();
        assert_eq!(starts, range.starts, "{}", range.freq);
        assert_eq!(ends, range.ends, "{}", range.freq);
    }
}

#[test]
fn formats_write_and_read_what_python_does() {
    for case in cases().formats {
        let format = TimeFormat::new(&case.codes).unwrap();
        let date = PatternTime::start_of(&case.date).unwrap();
        assert_eq!(format.format(date), case.text);
        assert_eq!(format.parse(&case.text).unwrap(), date);
    }
}

fn calendars() -> impl Strategy<Value = Calendar> {
    prop::sample::select(Calendar::ALL.to_vec())
}

/// Texts that are nearly time units.
fn nearly_units() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec!["days", "h", "months", "msec", "since", "é", ""]);
    let text = "[ 0-9TZ_+:.eUTC-]{0,30}";
    (word, prop::sample::select(vec![" since ", " SINCE\t", " since", " "]), text)
        .prop_map(|(word, since, text)| format!("{word}{since}{text}"))
}

proptest! {
    #[test]
    fn every_instant_is_a_date_and_every_date_its_instant(calendar in calendars(), instant: i64) {
        prop_assert_eq!(calendar.instant(&calendar.date_time(instant)), Ok(instant));
    }

    #[test]
    fn later_instants_are_later_dates(calendar in calendars(), a: i64, b: i64) {
        prop_assert_eq!(a.cmp(&b), calendar.date_time(a).cmp(&calendar.date_time(b)));
    }

    #[test]
    fn any_date_is_an_instant_or_an_error(
        calendar in calendars(), year: i32, month: u8, day: u8, hour in 0u8..30, minute: u8, second: u8, microsecond: u32,
    ) {
        let date = DateTime { year, month, day, hour, minute, second, microsecond };
        if let Ok(instant) = calendar.instant(&date) {
            prop_assert_eq!(calendar.date_time(instant), date);
        }
    }

    #[test]
    fn any_units_are_read_or_refused(units in nearly_units(), any: String, calendar in calendars(), count: f64, int: i64) {
        for text in [units, any] {
            let _ = TimeUnits::parse(&text).map(|units| units.epoch(calendar));
            if let Ok(coding) = TimeCoding::new(&text, Some(calendar.name())) {
                let _ = coding.instant_of_float(count).map(|instant| coding.date_time(instant.micros));
                let _ = coding.instant_of_int(int).map(|instant| coding.date_time(instant.micros));
            }
        }
    }

    #[test]
    fn any_float_bits_have_an_instant_or_a_problem(bits: u64, unit in 0usize..6) {
        let unit = ["days", "hours", "minutes", "seconds", "milliseconds", "microseconds"][unit];
        let coding = TimeCoding::new(&format!("{unit} since 1970-01-01"), None).unwrap();
        let count = f64::from_bits(bits);
        if let Ok(instant) = coding.instant_of_float(count) {
            // Within a microsecond of the product, up to what the product in f64 cannot tell.
            let product = count * coding.unit.micros() as f64;
            prop_assert!((instant.micros as f64 - product).abs() <= 1.0 + product.abs() * 1e-15);
        }
    }

    #[test]
    fn re_encoded_axes_keep_every_instant(
        a in prop::collection::vec(-1_000_000i64..1_000_000, 0..20),
        b in prop::collection::vec(-1_000_000i64..1_000_000, 0..20),
        calendar in calendars(),
    ) {
        let floats = TimeValues::Float(b.iter().map(|count| *count as f64 / 24.0).collect());
        let ints = TimeValues::Int(a.clone());
        let variable = |values, data_type, units| {
            TimeVariable { values, data_type, units, calendar: Some(calendar.name()), missing: &[] }
        };
        let units = ["minutes since 1990-02-03 04:05:06", "days since 2001-07-01"];
        let files = [variable(&ints, DataType::Int32, units[0]), variable(&floats, DataType::Float64, units[1])];
        let TimeDecision::Reencoded(joined) = decide(&files, &[]).unwrap() else { panic!("verbatim") };
        let decode = |units: &str, counts: &[i64]| -> Vec<i64> {
            let coding = TimeCoding::new(units, Some(calendar.name())).unwrap();
            counts.iter().map(|count| coding.instant_of_int(*count).unwrap().micros).collect()
        };
        prop_assert_eq!(decode(&joined.units, &joined.values[0]), decode(units[0], &a));
        prop_assert_eq!(decode(&joined.units, &joined.values[1]), decode("hours since 2001-07-01", &b));
    }

    #[test]
    fn any_format_and_text_end_in_a_date_or_an_error(format in "[%YmdHMSjybB_é-]{0,12}", text: String) {
        if let Ok(format) = TimeFormat::new(&format) {
            let _ = format.parse(&text);
            let day = PatternTime::start_of("2004-02-29").unwrap();
            let written = format.format(day);
            if let Ok(read) = format.parse(&written) {
                prop_assert_eq!(format.format(read), written);
            }
        }
    }

    #[test]
    fn any_pattern_of_dates_ends(start in "[0-9]{4}(-[0-9]{2}){0,2}", end: String, freq in "[0-9]{0,10}(D|h|MS|YS|W|min|s)?") {
        let _ = PatternTime::end_of(&end);
        let (Ok(start), Ok(last)) = (PatternTime::start_of(&start), PatternTime::end_of("9999")) else { return Ok(()) };
        let Ok(frequency) = freq.parse::<Frequency>() else { return Ok(()) };
        match frequency.steps(start, last) {
            Ok(steps) => {
                let length = steps.len();
                let mut before = None;
                for step in steps.clone().take(1000) {
                    prop_assert!(before.is_none_or(|b| b < step) && step <= last);
                    before = Some(step);
                }
                prop_assert!(length > 1000 || steps.count() == length);
            }
            Err(error) => {
                let is_of_the_range = matches!(error, CfError::InvalidRange { .. });
                prop_assert!(is_of_the_range);
            }
        }
    }
}
