//! Each kind of failure, by something that a user does: its exit status, its text, its JSON.

use crate::fixture::{january, netcdf};
use crate::run::Place;
use std::io::{Read, Write};
use std::net::TcpListener;

/// A server that answers everything with this status; its address.
fn server(status: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _read = stream.read(&mut [0; 4096]);
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let _written = stream.write_all(answer.as_bytes());
        }
    });
    format!("http://{address}")
}

/// An address where nothing listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/a.nc", listener.local_addr().unwrap())
}

fn place() -> Place {
    let place = january(&[1, 2]);
    std::fs::write(place.path().join("d/other.nc"), netcdf(3, "degC")).unwrap();
    place.write("page.nc", "<!DOCTYPE html><html></html>");
    place.write("bad/recipe.yaml", "version: 1\nrecipes: [{id: a, source: {glob: '*.nc'}, tagret: {}}]\n");
    assert_eq!(place.run(&["transform", "d/sst_20200101.nc", "--target", "one.zarr"]).status, 0);
    place
}

#[test]
fn each_category_has_its_status_its_text_and_its_json() {
    let place = place();
    let (denied, nobody) = (format!("{}/a.nc", server("403 Forbidden")), nobody());
    let cases: [(&[&str], i32, &str, &str); 11] = [
        (&["transform", "d/sst_20200101.nc", "d/sst_20200102.nc", "--target", "x"], 2, "usage", "usage"),
        (&["run", "bad", "--target", "x"], 3, "invalid document", "document-invalid"),
        (&["inspect", "nothing.nc"], 4, "not found", "source-not-found"),
        (&["run", "nothing"], 4, "not found", "feedstock-not-found"),
        (&["inspect", &denied], 5, "denied", "source-denied"),
        (&["transform", "d/sst_20200101.nc", "--target", "one.zarr"], 6, "conflict", "target-exists"),
        (&["rollback"], 7, "unsupported", "verb-unsupported"),
        (&["inspect", "page.nc"], 8, "corrupt", "not-an-array-file"),
        (&["inspect", &nobody], 9, "unavailable", "source-unavailable"),
        (&["verify", "one.zarr", "--against", "d/sst_20200102.nc"], 10, "differences", "verification-failed"),
        (
            &["transform", "d/sst_20200101.nc", "d/other.nc", "--target", "x", "--concat-dim", "time"],
            11,
            "inconsistent sources",
            "drift-units",
        ),
    ];
    for (words, status, category, code) in cases {
        let text = place.run(words);
        assert_eq!(text.status, status, "{words:?}: {text:#?}");
        for part in ["error: ", "\n  why    ", "\n  next   ", &format!("\n  code   {code} ({category});")] {
            assert!(text.stderr.contains(part), "{words:?} lacks {part:?}: {}", text.stderr);
        }
        let mut words = words.to_vec();
        words.extend(["-o", "json"]);
        let json = place.run(&words);
        assert_eq!(json.status, status, "{words:?}: {json:#?}");
        let object = json.json();
        assert_eq!((&object["ok"], &object["error"]["code"]), (&false.into(), &code.into()), "{words:?}");
        assert_eq!(object["error"]["category"], category, "{words:?}");
        assert!(!place.path().join("x").exists(), "{words:?} left something behind");
    }
}

#[test]
fn flags_stand_in_any_order() {
    let place = place();
    let orders: [&[&str]; 3] = [
        &["-o", "json", "verify", "one.zarr", "--sample", "1"],
        &["verify", "--sample", "1", "-o", "json", "one.zarr"],
        &["verify", "one.zarr", "--sample=1", "-ojson"],
    ];
    let answers = orders.map(|words| place.run(words));
    assert_eq!(answers[0].status, 0, "{:#?}", answers[0]);
    assert!(answers.iter().all(|answer| answer.stdout == answers[0].stdout), "{answers:#?}");
}

#[test]
fn quiet_says_nothing_but_the_answer_and_colour_is_for_terminals() {
    let place = place();
    let quiet = place.run(&["-q", "transform", "d/sst_20200101.nc", "--target", "quiet.zarr"]);
    assert_eq!((quiet.status, quiet.stderr.as_str()), (0, ""));
    let place_of_it = place.path().canonicalize().unwrap().join("quiet.zarr");
    assert!(quiet.stdout.starts_with(&format!("{} published", place_of_it.display())), "{quiet:#?}");
    let loud = place.run(&["-vv", "transform", "d/sst_20200101.nc", "--target", "loud.zarr", "-o", "json"]);
    assert_eq!(loud.json()["ok"], true);
    for answer in [&quiet, &loud] {
        assert!(!answer.stdout.contains('\x1b') && !answer.stderr.contains('\x1b'), "{answer:#?}");
    }
}
