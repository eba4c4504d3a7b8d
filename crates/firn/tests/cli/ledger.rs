//! Stores with a ledger as sources, and what becomes a version of a managed dataset.

use crate::fixture::january;
use crate::run::{Answer, Place, testdata};
use std::path::{Path, PathBuf};

fn code(answer: &Answer) -> String {
    answer.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
}

/// Chunks of `air` below a plain store.
fn chunks(store: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    let mut open = vec![store.join("air/c")];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// What reading a store says whose first chunk of `air` was changed.
fn read_after(layout: &[&str], damage: &dyn Fn(&Path)) -> (Answer, Answer) {
    let place = Place::new();
    let air = testdata("netcdf4/air.nc");
    let words = [&["transform", air.as_str(), "--target", "s.zarr"], layout].concat();
    let made = place.run(&words);
    assert_eq!(made.status, 0, "{made:#?}");
    let whole = place.run(&["transform", "s.zarr", "--target", "whole.zarr"]);
    assert_eq!(whole.status, 0, "{whole:#?}");
    damage(&chunks(&place.path().join("s.zarr"))[0]);
    let copied = place.run(&["transform", "s.zarr", "--target", "t.zarr", "-o", "json"]);
    let compared = place.run(&["verify", "whole.zarr", "--against", "s.zarr", "--full", "-o", "json"]);
    (copied, compared)
}

const LAYOUTS: [&[&str]; 3] = [&[], &["--chunks", "time=1,lat=5", "--shards", "time=2,lat=25"], &["--codec", "none"]];

fn lost(chunk: &Path) {
    std::fs::remove_file(chunk).unwrap();
}

fn shortened(chunk: &Path) {
    let bytes = std::fs::read(chunk).unwrap();
    std::fs::write(chunk, &bytes[..bytes.len() - 1]).unwrap();
}

fn flipped(chunk: &Path) {
    let mut bytes = std::fs::read(chunk).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(chunk, bytes).unwrap();
}

#[test]
fn a_chunk_that_is_not_as_the_ledger_says_is_never_read() {
    for layout in LAYOUTS {
        for damage in [lost, shortened, flipped] {
            let (copied, compared) = read_after(layout, &damage);
            for answer in [copied, compared] {
                assert_eq!(
                    (answer.status, code(&answer).as_str()),
                    (8, "source-not-as-written"),
                    "{layout:?} {answer:#?}"
                );
            }
        }
    }
}

#[test]
fn a_store_without_ledger_reads_as_the_zarr_specification_says() {
    let place = Place::new();
    assert_eq!(place.run(&["transform", &testdata("netcdf4/air.nc"), "--target", "s.zarr"]).status, 0);
    std::fs::remove_dir_all(place.path().join("s.zarr/.firn")).unwrap();
    lost(&chunks(&place.path().join("s.zarr"))[0]);
    let copied = place.run(&["transform", "s.zarr", "--target", "t.zarr"]);
    assert_eq!(copied.status, 0, "{copied:#?}");
}

/// Three days, and a feedstock of them whose dataset has this format.
fn january_feedstock(format: &str) -> Place {
    let place = january(&[1, 2, 3]);
    recipe(&place, format);
    place
}

fn recipe(place: &Place, format: &str) {
    let text = format!(
        "version: 1\nrecipes:\n  - id: feed\n    source: {{glob: '../d/*.nc', dims: {{time: {{concat: true}}}}}}\n    target: \
         {{format: {format}}}\n"
    );
    place.write("feed/recipe.yaml", &text);
}

fn text(place: &Place, name: &str) -> String {
    std::fs::read_to_string(place.path().join(name)).unwrap()
}

#[test]
fn a_part_never_becomes_a_version_of_a_whole_dataset() {
    for format in ["zarr3", "icechunk"] {
        let place = january_feedstock(format);
        let part = ["run", "feed", "--target", "out", "--limit", "2", "--no-write", "-o", "json"];
        let tried = place.run(&part);
        assert_eq!(tried.status, 0, "a place of its own: {tried:#?}");
        let whole = place.run(&["run", "feed", "--target", "out", "--no-write"]);
        assert_eq!(whole.status, 0, "{whole:#?}");
        let before = text(&place, "out/firn.json");
        assert!(before.contains("\"current\": \"v2\""), "{before}");
        for words in [&part[..], &part[..6], &["run", "feed", "--target", "out", "--limit", "9"]] {
            let words = if words.contains(&"json") { words.to_vec() } else { [words, &["-o", "json"]].concat() };
            let refused = place.run(&words);
            assert_eq!((refused.status, code(&refused).as_str()), (6, "target-is-whole"), "{refused:#?}");
        }
        assert_eq!(text(&place, "out/firn.json"), before);
        let again = place.run(&["run", "feed", "--target", "out", "--no-write"]);
        assert!(again.status == 0 && again.stdout.contains("up to date"), "{again:#?}");
        assert_eq!(text(&place, "out/firn.json"), before);
    }
}

#[test]
fn a_limit_that_takes_all_becomes_the_whole_dataset_by_a_run_without_it() {
    let place = january_feedstock("zarr3");
    assert_eq!(place.run(&["run", "feed", "--target", "out", "--limit", "9"]).status, 0);
    assert_eq!(place.run(&["run", "feed", "--target", "out", "--no-write"]).status, 0);
    let refused = place.run(&["run", "feed", "--target", "out", "--limit", "2", "-o", "json"]);
    assert_eq!((refused.status, code(&refused).as_str()), (6, "target-is-whole"), "{refused:#?}");
}

#[test]
fn a_dataset_that_changes_its_format_keeps_no_details_of_the_other() {
    for (before, after) in [("icechunk", "zarr3"), ("zarr3", "icechunk")] {
        let place = january_feedstock(before);
        assert_eq!(place.run(&["run", "feed", "--target", "one"]).status, 0);
        recipe(&place, after);
        let changed = place.run(&["run", "feed", "--target", "two"]);
        assert_eq!(changed.status, 0, "{changed:#?}");
        let catalog = text(&place, "feed/catalog.yaml");
        let (stays, goes) = if after == "zarr3" { ("zarr:", "icechunk:") } else { ("icechunk:", "zarr:") };
        assert!(catalog.contains(stays) && !catalog.contains(goes), "{catalog}");
        let again = place.run(&["run", "feed", "--target", "two"]);
        assert!(again.status == 0 && again.stdout.contains("up to date"), "{again:#?}");
    }
}

#[test]
fn an_entry_that_is_older_than_its_version_is_brought_up_to_date() {
    let place = january_feedstock("icechunk");
    assert_eq!(place.run(&["run", "feed", "--target", "out"]).status, 0);
    let right = text(&place, "feed/catalog.yaml");
    let line = right.lines().find(|line| line.trim_start().starts_with("last_updated:")).unwrap();
    let old = format!("{}last_updated: \"2001-01-01T00:00:00Z\"", &line[..line.len() - line.trim_start().len()]);
    place.write("feed/catalog.yaml", &right.replace(line, &old));
    place.write("feed/.catalog.yaml.firn-1", "left by a process that was killed");
    let left = std::fs::File::options().write(true).open(place.path().join("feed/.catalog.yaml.firn-1")).unwrap();
    left.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(place.run(&["run", "feed", "--target", "out"]).status, 0);
    assert!(!text(&place, "feed/catalog.yaml").contains("2001"), "{}", text(&place, "feed/catalog.yaml"));
    assert!(!place.path().join("feed/.catalog.yaml.firn-1").exists());
}

#[test]
fn what_does_not_fit_into_memory_leaves_nothing_at_the_target() {
    for format in ["zarr3", "icechunk"] {
        let place = january_feedstock(format);
        let refused = place.run(&["run", "feed", "--target", "out", "--memory", "1MiB", "-o", "json"]);
        assert_eq!(code(&refused), "plan-memory", "{refused:#?}");
        assert!(!place.path().join("out").exists(), "{format}");
        let air = testdata("netcdf4/air.nc");
        let refused =
            place.run(&["transform", &air, "--target", "t", "--format", format, "--memory", "1MiB", "-o", "json"]);
        assert_eq!(code(&refused), "plan-memory", "{refused:#?}");
        assert!(!place.path().join("t").exists(), "{format}");
    }
}

#[test]
fn finishing_before_all_tasks_are_done_is_a_conflict() {
    let place = january_feedstock("zarr3");
    let early = place.run(&["run", "feed", "--target", "out", "--finish", "-o", "json"]);
    assert_eq!((early.status, code(&early).as_str()), (6, "tasks-open"), "{early:#?}");
    assert_eq!(place.run(&["run", "feed", "--target", "out"]).status, 0);
}

#[test]
fn a_version_that_is_not_there_has_no_snippet() {
    for (format, known, unknown) in [("zarr3", "v1", "v9"), ("icechunk", "", "v9")] {
        let place = january_feedstock(format);
        let meta = "title: T\ndescription: D\nrecipes: [{id: feed}]\nprovenance: {providers: [{name: P, roles: [producer]}], \
                    license: CC0-1.0}\nmaintainers: [{name: M}]\n";
        place.write("feed/meta.yaml", meta);
        place.write("feed/catalog.yaml", "type: ingested\nstores: []\n");
        let empty = place.run(&["catalog", "build", "feed", "--out", "site", "-o", "json"]);
        let finding = &empty.json()["result"]["findings"][0]["code"];
        assert_eq!((empty.status, finding.as_str()), (0, Some("feedstock-without-stores")), "{empty:#?}");
        assert_eq!(place.run(&["run", "feed", "--target", "out"]).status, 0);
        let built = place.run(&["catalog", "build", "feed", "--out", "site", "-o", "json"]);
        assert_eq!(built.status, 0, "{built:#?}");
        let id = built.json()["result"]["datasets"][0].as_str().unwrap().to_owned();
        let snippet = |version: &str| {
            place.run(&["catalog", "snippet", &format!("{id}@{version}"), "--catalog", "site", "-o", "json"])
        };
        let refused = snippet(unknown);
        assert_eq!((refused.status, code(&refused).as_str()), (4, "version-unknown"), "{refused:#?}");
        if !known.is_empty() {
            assert_eq!(snippet(known).status, 0);
        }
    }
}
