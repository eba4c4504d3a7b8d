use super::*;

fn time<'a>(
    values: &'a TimeValues,
    data_type: DataType,
    units: &'a str,
    calendar: Option<&'a str>,
) -> TimeVariable<'a> {
    TimeVariable { values, data_type, units, calendar, missing: &[] }
}

fn reencoded(files: &[TimeVariable<'_>]) -> Reencoding {
    match decide(files, &[]).unwrap() {
        TimeDecision::Reencoded(reencoding) => reencoding,
        TimeDecision::Verbatim => panic!("verbatim"),
    }
}

const DAYS_1900: &str = "days since 1900-01-01";

#[test]
fn files_that_agree_are_stored_verbatim_even_where_the_units_cannot_be_decoded() {
    let (a, b) = (TimeValues::Float(vec![0.123_456_789]), TimeValues::Float(vec![f64::NAN]));
    for units in [DAYS_1900, "months since 1980-01-01", "hour since 0000-01-01 00:00:00", "whatever"] {
        let files = [
            time(&a, DataType::Float64, units, Some("gregorian")),
            time(&b, DataType::Float64, units, Some("gregorian")),
        ];
        assert_eq!(decide(&files, &[]), Ok(TimeDecision::Verbatim), "{units}");
        assert_eq!(decide(&files[..1], &[]), Ok(TimeDecision::Verbatim), "{units}");
    }
    assert_eq!(decide(&[], &[]), Ok(TimeDecision::Verbatim));
}

#[test]
fn other_words_of_the_same_meaning_agree() {
    let values = TimeValues::Int(vec![1]);
    let files = [
        time(&values, DataType::Int32, "days since 2000-1-1", None),
        time(&values, DataType::Int32, "day since 2000-01-01 00:00:00", Some("Gregorian")),
        time(&values, DataType::Int32, "d since 2000-01-01T01:00+01:00", Some("standard")),
    ];
    assert_eq!(decide(&files, &[]), Ok(TimeDecision::Verbatim));
}

#[test]
fn another_epoch_is_counted_from_the_first_files_in_the_coarsest_exact_unit() {
    let (a, b) = (TimeValues::Int(vec![0, 24]), TimeValues::Int(vec![0, 24]));
    let files = [
        time(&a, DataType::Int32, "hours since 2000-01-01 00:00:00.0", None),
        time(&b, DataType::Int32, "hours since 2000-01-03", None),
    ];
    let days = reencoded(&files);
    assert_eq!(days.units, "days since 2000-01-01 00:00:00.0");
    assert_eq!(days.values, [[0, 1], [2, 3]]);
    let c = TimeValues::Float(vec![0.5]);
    let files = [files[0], time(&c, DataType::Float64, "hours since 2000-01-03", None)];
    assert_eq!(reencoded(&files).values, [vec![0, 1440], vec![2910]]);
}

#[test]
fn a_lossless_flip_of_the_type_succeeds() {
    let (a, b) = (TimeValues::Float(vec![0.5, 1.5]), TimeValues::Float(vec![f64::from(2.5_f32)]));
    let files = [time(&a, DataType::Float64, DAYS_1900, None), time(&b, DataType::Float32, DAYS_1900, None)];
    let hours = reencoded(&files);
    assert_eq!((hours.unit, hours.values), (TimeUnit::Hours, vec![vec![12, 36], vec![60]]));
    let (a, b) = (TimeValues::Int(vec![i64::from(i32::MAX)]), TimeValues::UInt(vec![3]));
    let files = [
        time(&a, DataType::Int32, "seconds since 1970-01-01", None),
        time(&b, DataType::UInt64, "seconds since 1970-01-01", None),
    ];
    assert_eq!(reencoded(&files).values, [[2_147_483_647], [3]]);
}

#[test]
fn a_flip_that_no_integer_unit_holds_names_file_value_and_why() {
    let (a, b) = (TimeValues::Float(vec![0.1]), TimeValues::Float(vec![0.5, f64::from(0.1_f32)]));
    let files = [time(&a, DataType::Float64, DAYS_1900, None), time(&b, DataType::Float32, DAYS_1900, None)];
    let error = decide(&files, &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "value 1 of file 1, 0.10000000149011612 'days since 1900-01-01', is not a whole number of microseconds"
    );
    assert_eq!(error.file(), Some(1));
}

#[test]
fn missing_infinite_and_huge_values_are_errors_where_times_are_re_encoded() {
    let a = TimeValues::Int(vec![0]);
    let first = time(&a, DataType::Int64, DAYS_1900, None);
    let problem = |values: TimeValues, data_type: DataType, missing: &[Number]| {
        let other = TimeVariable { values: &values, data_type, units: DAYS_1900, calendar: None, missing };
        match decide(&[first, other], &[]).unwrap_err() {
            CfError::Value { file: 1, index: 0, problem, .. } => problem,
            error => panic!("{error}"),
        }
    };
    let float = DataType::Float64;
    assert_eq!(problem(TimeValues::Float(vec![f64::NAN]), float, &[]), ValueProblem::NotFinite);
    assert_eq!(problem(TimeValues::Float(vec![f64::NAN]), float, &[Number::Float(f64::NAN)]), ValueProblem::Missing);
    assert_eq!(problem(TimeValues::Float(vec![f64::INFINITY]), float, &[]), ValueProblem::NotFinite);
    assert_eq!(problem(TimeValues::Float(vec![9.97e36]), float, &[]), ValueProblem::OutOfRange);
    assert_eq!(problem(TimeValues::Float(vec![-999.0]), float, &[Number::Int(-999)]), ValueProblem::Missing);
    assert_eq!(problem(TimeValues::UInt(vec![u64::MAX]), DataType::UInt64, &[]), ValueProblem::OutOfRange);
    assert_eq!(problem(TimeValues::Int(vec![-32767]), DataType::Int16, &[Number::Int(-32767)]), ValueProblem::Missing);
}

#[test]
fn calendars_are_never_mixed() {
    let values = TimeValues::Int(vec![50_000]);
    for other in ["proleptic_gregorian", "julian", "noleap", "all_leap", "360_day"] {
        let files = [
            time(&values, DataType::Int32, DAYS_1900, Some("gregorian")),
            time(&values, DataType::Int32, DAYS_1900, Some(other)),
        ];
        let error = decide(&files, &[]).unwrap_err();
        assert_eq!(error.file(), Some(1));
        assert!(matches!(error, CfError::CalendarsDiffer { .. }), "{error}");
    }
}

#[test]
fn months_since_is_refused_where_files_differ() {
    let values = TimeValues::Int(vec![1]);
    let months = "months since 1980-01-01";
    for units in ["months since 1981-01-01", DAYS_1900] {
        let files = [
            time(&values, DataType::Int32, units, Some("360_day")),
            time(&values, DataType::Int32, months, Some("360_day")),
        ];
        assert!(matches!(decide(&files, &[]), Err(CfError::MonthsMixed { .. })), "{units}");
    }
}

#[test]
fn bounds_follow_and_have_a_say_in_the_unit() {
    let (a, b) = (TimeValues::Int(vec![15]), TimeValues::Int(vec![0]));
    let (a_bounds, b_bounds) = (TimeValues::Float(vec![0.0, 30.5]), TimeValues::Float(vec![-0.5, 15.0]));
    let february = "days since 2000-02-15";
    let files = [time(&a, DataType::Int32, "days since 2000-01-01", None), time(&b, DataType::Int32, february, None)];
    let bounds = [
        Some(time(&a_bounds, DataType::Float64, "days since 2000-01-01", None)),
        Some(time(&b_bounds, DataType::Float64, february, None)),
    ];
    let Ok(TimeDecision::Reencoded(reencoding)) = decide(&files, &bounds) else { panic!("not re-encoded") };
    assert_eq!(reencoding.unit, TimeUnit::Hours);
    assert_eq!(reencoding.values, [[360], [1080]]);
    assert_eq!(reencoding.bounds, Some(vec![vec![0, 732], vec![1068, 1440]]));
    assert!(matches!(decide(&files, &[bounds[0], None]), Err(CfError::BoundsDiffer { file: 1, present: false })));
}

#[test]
fn unreadable_units_name_their_file() {
    let values = TimeValues::Int(vec![1]);
    let files = [
        time(&values, DataType::Int32, DAYS_1900, None),
        time(&values, DataType::Int32, "days after 1900-01-01", None),
    ];
    let error = decide(&files, &[]).unwrap_err();
    assert!(matches!(error, CfError::InvalidUnits { file: Some(1), .. }), "{error}");
    let files = [files[0], time(&values, DataType::Int32, "days since 0000-01-01", None)];
    assert!(matches!(decide(&files, &[]), Err(CfError::InvalidDate { file: Some(1), .. })));
}
