//! Errors: their text, their JSON, their exit status.

use crate::golden::assert_golden;
use crate::run::{Place, firn, testdata};
use std::process::Stdio;

/// Folders of this machine are not a part of a kept text.
fn kept(text: &str, place: &Place) -> String {
    text.replace(&*place.path().to_string_lossy(), "DIR").replace(&testdata(""), "TESTDATA")
}

#[test]
fn the_text_of_errors_is_as_kept() {
    let place = Place::new();
    place.write("page.nc", "<!DOCTYPE html>\n<html><head><title>404</title></head></html>\n");
    place.write("empty.nc", "");
    let cases: [(&str, &[&str], i32); 10] = [
        ("no-verb", &[], 2),
        ("unknown-verb", &["inspct"], 2),
        ("unknown-flag", &["inspect", "--chunk", "sst", "a.nc"], 2),
        ("missing-argument", &["transform", "a.nc"], 2),
        ("bad-chunks", &["transform", "a.nc", "--target", "b", "--chunks", "time=0"], 2),
        ("later-verb", &["rollback"], 7),
        ("no-such-file", &["inspect", "nothing.nc"], 4),
        ("html-page", &["inspect", "page.nc"], 8),
        ("empty-file", &["inspect", "empty.nc"], 8),
        ("unknown-code", &["explain", "drift-pakcing"], 4),
    ];
    for (name, words, status) in cases {
        let answer = place.run(words);
        assert_eq!(answer.status, status, "{name}: {answer:#?}");
        assert_eq!(answer.stdout, "", "{name}");
        assert_golden(&format!("errors/{name}.txt"), &kept(&answer.stderr, &place));
    }
}

#[test]
fn the_same_errors_are_one_json_object_on_standard_output() {
    let place = Place::new();
    place.write("page.nc", "<html></html>");
    let cases: [(&str, &[&str], i32, &str, &str); 9] = [
        ("firn/command/1", &["-o", "json"], 2, "usage", "usage"),
        ("firn/command/1", &["-o", "json", "inspct"], 2, "usage", "usage"),
        ("firn/inspect/1", &["inspect", "-o", "json"], 2, "usage", "usage"),
        ("firn/catalog-build/1", &["catalog", "build", "-ojson"], 2, "usage", "usage"),
        ("firn/adopt/1", &["adopt", "a", "--output=json"], 4, "source-not-found", "not found"),
        ("firn/update/1", &["update", "a", "--output=json"], 7, "verb-unsupported", "unsupported"),
        ("firn/cp/1", &["cp", "a", "b", "--output=json"], 4, "source-not-found", "not found"),
        ("firn/inspect/1", &["inspect", "nothing.nc", "-o", "json"], 4, "source-not-found", "not found"),
        ("firn/inspect/1", &["-o", "json", "inspect", "page.nc"], 8, "not-an-array-file", "corrupt"),
    ];
    for (schema, words, status, code, category) in cases {
        let answer = place.run(words);
        assert_eq!((answer.status, answer.stderr.as_str()), (status, ""), "{words:?}: {answer:#?}");
        let object = answer.json();
        assert_eq!(object["schema"], schema, "{words:?}");
        assert_eq!(object["ok"], false, "{words:?}");
        assert_eq!(object["error"]["code"], code, "{words:?}");
        assert_eq!(object["error"]["category"], category, "{words:?}");
        for member in ["what", "why", "next"] {
            assert!(object["error"][member].as_str().is_some_and(|text| !text.is_empty()), "{words:?}: {member}");
        }
        assert!(object["error"]["causes"].is_array() && object["error"]["where"].is_object(), "{words:?}");
    }
}

#[test]
fn one_bad_file_of_several_does_not_hide_the_others() {
    let good = testdata("netcdf3/ocean.nc");
    let answer = firn(&["inspect", &good, "nothing.nc", &good, "-o", "json"]);
    assert_eq!(answer.status, 4, "{answer:#?}");
    let object = answer.json();
    assert_eq!(object["ok"], false);
    let oks: Vec<bool> = object["result"]["files"].as_array().unwrap().iter().map(|file| file["ok"] == true).collect();
    assert_eq!(oks, [true, false, true]);
    assert_eq!(object["result"]["files"][1]["error"]["code"], "source-not-found");
}

#[test]
fn credentials_in_a_url_are_not_printed() {
    let answer = firn(&["inspect", "http://user:hunter2@127.0.0.1:9/a.nc?sig=hunter3", "-o", "json"]);
    assert_ne!(answer.status, 0);
    let all = format!("{}{}", answer.stdout, answer.stderr);
    assert!(!all.contains("hunter"), "{all}");
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let place = Place::new();
    let mut child = place.command(&["explain"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_standard_output_is_an_error() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = Place::new().command(&["explain", "-o", "json"]).stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(9));
    assert!(String::from_utf8_lossy(&output.stderr).contains("output-failed"));
}
