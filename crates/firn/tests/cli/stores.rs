//! Stores, folders and formats, as the verbs that read meet them.

use crate::fixture::january;
use crate::run::{Place, testdata};
use serde_json::Value;

fn inspected(place: &Place, subject: &str) -> Value {
    let answer = place.run(&["inspect", subject, "-o", "json"]);
    assert_eq!(answer.status, 0, "{subject}: {answer:#?}");
    answer.json()["result"]["files"][0]["inspected"].clone()
}

fn verdict(inspected: &Value, path: &str) -> Value {
    let all = inspected["groups"][0]["variables"].as_array().unwrap().clone();
    all.into_iter().find(|variable| variable["path"] == path).unwrap()["verdict"].clone()
}

fn feedstock(place: &Place, source: &str, rest: &str) {
    let recipe = format!("version: 1\nrecipes:\n  - id: feed\n    source: {{{source}}}\n{rest}");
    place.write("feed/recipe.yaml", &recipe);
}

const FILES: &str = "glob: '../d/*.nc', dims: {time: {concat: true}}";

#[test]
fn repositories_are_inspected_in_both_specifications() {
    let place = Place::new();
    let air = testdata("netcdf4/air.nc");
    for spec in ["1", "2"] {
        let target = format!("v{spec}");
        let made = place.run(&["virtualize", &air, "--target", &target, "--icechunk-spec", spec]);
        assert_eq!(made.status, 0, "{made:#?}");
        let found = inspected(&place, &target);
        assert_eq!(found["format"], "icechunk");
        assert!(found["format_version"].as_str().unwrap().starts_with(&format!("spec {spec}, snapshot ")));
        assert_eq!(verdict(&found, "/air")["kind"], "virtual");
        let chunks = place.run(&["inspect", &target, "--chunks", "air", "-o", "json"]).json();
        let first = &chunks["result"]["chunk_tables"][0]["chunks"][0];
        assert!(first["url"].as_str().unwrap().ends_with("/air.nc"), "{first}");
    }
}

#[test]
fn chunks_that_belong_to_a_repository_are_copied_and_never_referred_to() {
    let place = Place::new();
    let made = place.run(&["transform", &testdata("netcdf4/air.nc"), "--target", "own", "--format", "icechunk"]);
    assert_eq!(made.status, 0, "{made:#?}");
    let said = verdict(&inspected(&place, "own"), "/air");
    assert_eq!(said["kind"], "copied");
    assert!(said["reason"].as_str().unwrap().contains("belong to an Icechunk repository"), "{said}");
    // Small arrays are copied into virtual stores, so that nothing has to be refused here.
    let again = place.run(&["virtualize", "own", "--target", "again", "-o", "json"]);
    assert_eq!((again.status, &again.json()["result"]["references"]), (0, &0.into()), "{again:#?}");
    let copied = place.run(&["transform", "own", "--target", "copy.zarr"]);
    assert_eq!(copied.status, 0, "{copied:#?}");
    let equal = place.run(&["verify", "copy.zarr", "--against", &testdata("netcdf4/air.nc"), "--full"]);
    assert_eq!(equal.status, 0, "{equal:#?}");
}

#[test]
fn references_to_files_that_changed_or_are_gone_are_found() {
    let place = january(&[1, 2, 3]);
    place.write("d/README", "");
    let made = place.run(&[
        "virtualize",
        "d/sst_20200101.nc",
        "d/sst_20200102.nc",
        "d/sst_20200103.nc",
        "--target",
        "v",
        "--concat-dim",
        "time",
    ]);
    assert_eq!(made.status, 0, "{made:#?}");
    assert_eq!(place.run(&["verify", "v"]).status, 0);
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(10);
    std::fs::File::options()
        .write(true)
        .open(place.path().join("d/sst_20200102.nc"))
        .unwrap()
        .set_modified(later)
        .unwrap();
    std::fs::remove_file(place.path().join("d/sst_20200103.nc")).unwrap();
    let answer = place.run(&["verify", "v", "--sample", "1", "-o", "json"]);
    assert_eq!(answer.status, 10, "{answer:#?}");
    let found = answer.json()["result"]["findings"].as_array().unwrap().clone();
    let of_rule = found.iter().filter(|finding| finding["rule"] == "references").count();
    assert_eq!(of_rule, 2, "{found:#?}");
    let copy = place.run(&["transform", "v", "--target", "copy.zarr", "-o", "json"]);
    assert!(!place.path().join("copy.zarr/zarr.json").exists());
    let code = copy.json()["error"]["code"].clone();
    assert!(code == "source-stale" || code == "source-not-found", "{copy:#?}");
}

#[test]
fn what_was_not_compared_is_not_called_equal() {
    let place = january(&[1]);
    place.run(&["transform", "d/sst_20200101.nc", "--target", "a.zarr"]);
    let alone = place.run(&["verify", "a.zarr"]);
    assert!(alone.stdout.contains("no values compared: --against names the sources"), "{alone:#?}");
    assert!(!alone.stdout.contains("equal"), "{alone:#?}");
    let against = place.run(&["verify", "a.zarr", "--against", "d/sst_20200101.nc"]);
    assert!(against.stdout.contains("3 values equal to the source"), "{against:#?}");
}

#[test]
fn a_managed_dataset_is_inspected_at_its_current_version() {
    let place = january(&[1, 2]);
    feedstock(&place, FILES, "    target: {format: zarr3}\n");
    let run = place.run(&["run", "feed", "--target", "out", "--no-write"]);
    assert_eq!(run.status, 0, "{run:#?}");
    let found = inspected(&place, "out");
    assert_eq!((&found["format"], &found["url"]), (&"zarr".into(), &"out/v1".into()));
    assert_eq!(found["notes"][0], "a managed dataset: this is its current version, v1");
}

#[test]
fn a_folder_or_glob_stands_for_its_files() {
    let place = january(&[1, 2]);
    for subject in ["d", "d/sst_*.nc"] {
        let found = inspected(&place, subject);
        assert_eq!(found["url"], "d/sst_20200101.nc", "{subject}");
        assert!(found["notes"][0].as_str().unwrap().starts_with(&format!("{subject} stands for ")), "{found}");
    }
    std::fs::create_dir(place.path().join("empty")).unwrap();
    let empty = place.run(&["inspect", "empty", "-o", "json"]);
    assert_eq!((empty.status, &empty.json()["error"]["code"]), (4, &"folder-without-arrays".into()));
}

#[test]
fn a_run_never_writes_into_a_store_of_its_own() {
    let place = january(&[1, 2]);
    let (first, second) = ("d/sst_20200101.nc", "d/sst_20200102.nc");
    place.run(&["virtualize", first, second, "--target", "v", "--concat-dim", "time"]);
    place.run(&["transform", first, second, "--target", "z", "--concat-dim", "time"]);
    for (store, format) in [("v", "icechunk"), ("z", "zarr3")] {
        let before = inspected(&place, store);
        feedstock(&place, FILES, &format!("    target: {{format: {format}}}\n"));
        let run = place.run(&["run", "feed", "--target", store, "--no-write", "-o", "json"]);
        assert_eq!((run.status, &run.json()["error"]["code"]), (6, &"target-not-empty".into()), "{run:#?}");
        assert_eq!(inspected(&place, store), before);
    }
}

#[test]
fn a_glob_that_the_shell_left_stands_for_its_files() {
    let place = january(&[1, 2, 3]);
    let made = place.run(&["transform", "d/sst_*.nc", "--target", "z", "--concat-dim", "time", "-o", "json"]);
    assert_eq!((made.status, &made.json()["result"]["files"]), (0, &3.into()), "{made:#?}");
    assert_eq!(place.run(&["transform", "d/no_*.nc", "--target", "y", "--concat-dim", "time"]).status, 4);
    let folder = place.run(&["transform", "d", "--target", "y", "-o", "json"]);
    assert_eq!((folder.status, &folder.json()["error"]["code"]), (4, &"folder-without-arrays".into()), "{folder:#?}");
}

#[test]
fn the_format_that_a_recipe_says_is_checked() {
    let place = january(&[1, 2]);
    feedstock(&place, &format!("{FILES}, format: hdf5"), "");
    let wrong = place.run(&["run", "feed", "--target", "out", "--no-write", "-o", "json"]);
    assert_eq!(wrong.status, 8, "{wrong:#?}");
    assert_eq!(wrong.json()["error"]["code"], "source-format-differs");
    feedstock(&place, &format!("{FILES}, format: netcdf3"), "");
    let right = place.run(&["run", "feed", "--target", "out", "--no-write"]);
    assert_eq!(right.status, 0, "{right:#?}");
}

#[test]
fn a_repository_is_a_source_of_recipes() {
    let place = january(&[1, 2]);
    place.run(&["virtualize", "d/sst_20200101.nc", "d/sst_20200102.nc", "--target", "v", "--concat-dim", "time"]);
    feedstock(&place, "files: [../v], format: icechunk", "    target: {format: zarr3}\n");
    let run = place.run(&["run", "feed", "--target", "out", "--no-write"]);
    assert_eq!(run.status, 0, "{run:#?}");
    let equal = place.run(&["verify", "out", "--against", "d/sst_20200101.nc", "d/sst_20200102.nc", "--full"]);
    assert_eq!(equal.status, 0, "{equal:#?}");
}

#[test]
fn steps_are_selected_by_dates_both_included() {
    let place = january(&[1, 2, 3, 4]);
    let select = |sel: &str| {
        feedstock(&place, FILES, &format!("    select: {{sel: {{time: {sel}}}}}\n    target: {{format: zarr3}}\n"));
        place.run(&["run", "feed", "--target", "out", "--no-write", "-o", "json"])
    };
    for (sel, shape) in [("[2020-01-03, 2020-01-04]", 2), ("['2020-01', 2020-01-03]", 2), ("['2020', '2021']", 4)] {
        let run = select(sel);
        assert_eq!(run.status, 0, "{sel}: {run:#?}");
        let arrays = run.json()["result"]["recipes"][0]["build"]["arrays"].as_array().unwrap().clone();
        let time = arrays.iter().find(|array| array["path"] == "/time").unwrap();
        assert_eq!(time["shape"][0], shape, "{sel}");
    }
    for (sel, status, code) in [
        ("[2019-01-01, 2019-12-31]", 3, "select-empty"),
        ("2020-01", 3, "select-several"),
        ("first", 7, "recipe-unsupported"),
    ] {
        let run = select(sel);
        assert_eq!((run.status, &run.json()["error"]["code"]), (status, &code.into()), "{sel}: {run:#?}");
    }
}

#[test]
fn rules_of_verification_are_kept_or_refused_with_their_line() {
    let place = january(&[1, 2]);
    let rules = |rules: &str| {
        feedstock(&place, FILES, &format!("    target: {{format: zarr3}}\n    verify: {{rules: {{{rules}}}}}\n"));
        place.run(&["run", "feed", "--target", "out", "--no-write", "-o", "json"])
    };
    let refused = rules("cf: warn");
    assert_eq!((refused.status, &refused.json()["error"]["where"]["line"]), (7, &6.into()), "{refused:#?}");
    let kept = rules("time-monotonic: error, missing-fraction: {max: 0.5}");
    assert_eq!(kept.status, 0, "{kept:#?}");
}

#[test]
fn a_file_is_no_place_for_a_store_and_a_folder_without_one_is_told_from_nothing() {
    let place = Place::new();
    place.write("file", "kept");
    place.write("folder/notes.txt", "no store");
    for verb in ["transform", "virtualize"] {
        let answer = place.run(&[verb, &testdata("netcdf4/air.nc"), "--target", "file", "-o", "json"]);
        assert_eq!(answer.status, 6, "{answer:#?}");
        assert_eq!(answer.json()["error"]["code"], "storage-conflict");
    }
    assert_eq!(std::fs::read_to_string(place.path().join("file")).unwrap(), "kept");
    let codes = ["folder", "nothing"].map(|store| {
        let answer = place.run(&["verify", store, "-o", "json"]);
        assert_eq!(answer.status, 4, "{answer:#?}");
        answer.json()["error"]["code"].clone()
    });
    assert_eq!(codes, ["folder-without-arrays", "source-not-found"]);
}
