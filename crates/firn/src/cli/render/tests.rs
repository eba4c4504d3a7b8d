use super::*;
use crate::cli::outcome::Drawn;
use firn_model::diagnose::At;
use firn_model::source::SourceError;
use serde_json::json;

fn text(report: &ErrorReport, style: Style) -> String {
    let mut out = Vec::new();
    write_error_text(&mut out, report, style).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn an_error_says_what_where_why_what_next_and_its_code() {
    let at = At::url("https://host/a.nc").node("/sst").bytes(8, 16);
    let report = ErrorReport::new(&SourceError::OutOfBounds { at, size: 10 });
    assert_eq!(
        text(&report, Style::default()),
        "error: https://host/a.nc, /sst, bytes 8..24 lies beyond the end of the object, which has 10 bytes\n\
         \x20 where  https://host/a.nc, /sst, bytes 8..24\n\
         \x20 why    the file ends before its own metadata says; it was probably cut in transfer\n\
         \x20 next   fetch the file again, then: firn inspect https://host/a.nc\n\
         \x20 code   source-truncated (corrupt); firn explain source-truncated\n"
    );
}

#[test]
fn several_lines_stay_below_their_name() {
    let finding =
        |line| crate::error::ConfigFinding { at: At::url("firn.toml").line(line, 1), what: "wrong".to_owned() };
    let report = ErrorReport::new(&FirnError::ConfigInvalid { findings: vec![finding(1), finding(2)] });
    let text = text(&report, Style::default());
    assert!(text.contains("\n  firn.toml, line 1, column 1: wrong\n  firn.toml, line 2, column 1: wrong\n"), "{text}");
}

#[test]
fn colours_come_only_where_they_are_wanted() {
    let report = ErrorReport::new(&FirnError::UnknownCode { code: "x".to_owned(), nearest: None });
    assert!(!text(&report, Style { colour: false }).contains('\u{1b}'));
    assert!(text(&report, Style { colour: true }).starts_with("\u{1b}[1;31merror:\u{1b}[0m "));
}

#[test]
fn the_object_always_has_the_same_four_members() {
    let answer = Drawn { data: json!({"a": 1}), draw: |_, _, _| Ok(()) };
    let error = ErrorReport::new(&FirnError::UnknownCode { code: "x".to_owned(), nearest: None });
    let cases: [(Option<&dyn Answer>, Option<&ErrorReport>); 3] =
        [(Some(&answer), None), (None, Some(&error)), (Some(&answer), Some(&error))];
    for (answer, failure) in cases {
        let mut out = Vec::new();
        write_envelope(&mut out, "firn/explain/1", answer, failure).unwrap();
        assert_eq!(out.split(|byte| *byte == b'\n').count(), 2);
        let object: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let members: Vec<&String> = object.as_object().unwrap().keys().collect();
        assert_eq!(members, ["schema", "ok", "result", "error"]);
        assert_eq!(object["ok"], failure.is_none());
        assert_eq!(object["result"].is_null(), answer.is_none());
        assert_eq!(object["error"].is_null(), failure.is_none());
    }
}
