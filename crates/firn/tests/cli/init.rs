//! `firn init`.

use crate::fixture::january;
use crate::run::{Place, testdata};
use firn_model::feedstock::{DocumentText, Feedstock, FeedstockTexts};

/// What is wrong with the documents of a new feedstock.
fn findings(place: &Place, dir: &str) -> Vec<String> {
    let read = |name: &str| std::fs::read_to_string(place.path().join(dir).join(name)).unwrap();
    let (meta, catalog, recipe) = (read("meta.yaml"), read("catalog.yaml"), read("recipe.yaml"));
    let loaded = Feedstock::from_texts(FeedstockTexts {
        meta: Some(DocumentText { name: "meta.yaml", text: &meta }),
        catalog: Some(DocumentText { name: "catalog.yaml", text: &catalog }),
        recipe: Some(DocumentText { name: "recipe.yaml", text: &recipe }),
    });
    loaded.findings.iter().map(|finding| format!("{finding:?}")).collect()
}

fn errors(findings: &[String]) -> Vec<&String> {
    findings.iter().filter(|finding| finding.contains("severity: Error")).collect()
}

#[test]
fn a_new_feedstock_is_valid() {
    let place = Place::new();
    let answer = place.run(&["init", "my-data", "-o", "json"]);
    assert_eq!(answer.status, 0, "{answer:#?}");
    assert_eq!(answer.json()["result"]["files"].as_array().unwrap().len(), 5);
    let found = findings(&place, "my-data");
    assert!(errors(&found).is_empty(), "{found:#?}");
}

#[test]
fn what_the_example_tells_is_filled_in() {
    let place = Place::new();
    let example = place.path().join("1981/sst.198109.nc");
    std::fs::create_dir(example.parent().unwrap()).unwrap();
    std::fs::copy(testdata("nemo/nemo_1m_20150101-20150201_grid-T.nc"), &example).unwrap();
    let answer = place.run(&["init", "feed", "--from", example.to_str().unwrap()]);
    assert_eq!(answer.status, 0, "{answer:#?}");
    let recipe = std::fs::read_to_string(place.path().join("feed/recipe.yaml")).unwrap();
    assert!(recipe.contains("/{time_counter:%Y}/sst.{time_counter:%Y%m}.nc"), "{recipe}");
    assert!(recipe.contains("start: 1981-09-01"), "{recipe}");
    let found = findings(&place, "feed");
    assert!(errors(&found).is_empty(), "{found:#?}\n{recipe}");
}

#[test]
fn files_that_exist_are_never_overwritten() {
    let place = Place::new();
    place.write("feed/README.md", "mine");
    let answer = place.run(&["init", "feed", "-o", "json"]);
    assert_eq!(answer.status, 6, "{answer:#?}");
    assert_eq!(std::fs::read_to_string(place.path().join("feed/README.md")).unwrap(), "mine");
    assert_eq!(std::fs::read_dir(place.path().join("feed")).unwrap().count(), 1, "nothing was written beside it");
}

#[test]
fn an_example_that_does_not_open_makes_no_directory() {
    let place = Place::new();
    assert_eq!(place.run(&["init", "feed", "--from", "nothing.nc"]).status, 4);
    assert!(!place.path().join("feed").exists());
}

#[test]
fn what_init_makes_of_relative_paths_runs() {
    for subject in ["d/sst_20200101.nc", "./d/../d/sst_20200101.nc", "d", "d/sst_*.nc", "d/sst_{time:%Y%m%d}.nc"] {
        let place = january(&[1, 2, 3]);
        let made = place.run(&["init", "sub/feed", "--from", subject]);
        assert_eq!(made.status, 0, "{subject}: {made:#?}");
        assert_eq!(place.run(&["catalog", "validate", "sub/feed"]).status, 0, "{subject}");
        let run = place.run(&["run", "sub/feed", "--target", "out", "-o", "json"]);
        assert_eq!(run.status, 0, "{subject}: {run:#?}");
        assert_eq!(run.json()["result"]["recipes"][0]["build"]["files"], 3, "{subject}");
    }
}

#[test]
fn a_store_begins_a_feedstock_too() {
    let place = january(&[1, 2]);
    place.run(&["virtualize", "d/sst_20200101.nc", "d/sst_20200102.nc", "--target", "v", "--concat-dim", "time"]);
    place.run(&["transform", "d/sst_20200101.nc", "--target", "z.zarr"]);
    for (number, store) in ["v", "z.zarr"].iter().enumerate() {
        let feed = format!("feed{number}");
        let made = place.run(&["init", &feed, "--from", store]);
        assert_eq!(made.status, 0, "{store}: {made:#?}");
        let run = place.run(&["run", &feed, "--target", &format!("out{number}")]);
        assert_eq!(run.status, 0, "{store}: {run:#?}");
    }
}
