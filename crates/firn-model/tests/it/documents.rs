//! The documents of feedstocks: real ones load unchanged, bad ones are answered in full.

use std::fs;
use std::path::{Path, PathBuf};

use firn_model::diagnose::{Category, Diagnose};
use firn_model::document::{DocumentError, DocumentFinding, Severity};
use firn_model::feedstock::{
    CatalogDocument, DocumentKind, DocumentText, Feedstock, FeedstockTexts, FilePattern, Meta, StoreEntry,
    read_catalog, read_feedstock_list, read_meta, read_recipe,
};
use serde_json::{Map, Value};

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/documents")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

fn told(findings: &[DocumentFinding]) -> String {
    findings.iter().flat_map(|finding| [finding.to_string(), "\n".to_owned()]).collect()
}

/// Compares with a file; `UPDATE_EXPECTED=1` writes it.
fn golden(path: &Path, found: &str) {
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(path, found).unwrap();
    }
    assert_eq!(read(path), found, "{}", path.display());
}

#[test]
fn the_annotated_reference_is_valid_and_names_what_is_unsupported() {
    let checked = read_recipe("recipe.yaml", &read(here().join("reference.yaml")));
    assert!(checked.value.is_some());
    assert!(
        checked.findings.iter().all(|finding| finding.severity == Severity::Unsupported),
        "{}",
        told(&checked.findings)
    );
    let paths: Vec<String> = checked.findings.iter().map(|finding| finding.path.to_string()).collect();
    let steps = ["sort", "wrap_longitude", "unpack", "units", "bitround", "resample", "overviews"];
    let expected: Vec<String> =
        steps.iter().enumerate().map(|(at, step)| format!("recipes[0].transform[{}].{step}", at + 1)).collect();
    assert_eq!(paths, expected);
}

#[test]
fn supported_keys_have_no_finding() {
    for name in ["shortest.yaml", "everything.yaml"] {
        let checked = read_recipe(name, &read(here().join(name)));
        assert_eq!(told(&checked.findings), "");
        assert!(checked.value.is_some());
    }
}

#[test]
fn the_files_of_the_shortest_recipe() {
    let document = read_recipe("r", &read(here().join("shortest.yaml"))).value.unwrap();
    let pattern = FilePattern::new(&document.recipes[0].source).unwrap();
    let files: Vec<String> = pattern.files().map(|file| file.url).collect();
    assert_eq!(files.len(), 30);
    assert_eq!(files[0], "https://host/avhrr/198109/oisst-avhrr-v02r01.19810901.nc");
    assert_eq!(files[29], "https://host/avhrr/198109/oisst-avhrr-v02r01.19810930.nc");
}

#[test]
fn the_template_feedstock_loads_with_its_known_blemish() {
    let leap = root().join("testdata/leap");
    let (meta, catalog) = (read(leap.join("meta.yaml")), read(leap.join("catalog.yaml")));
    let loaded = Feedstock::from_texts(FeedstockTexts {
        meta: Some(DocumentText { name: "meta.yaml", text: &meta }),
        catalog: Some(DocumentText { name: "catalog.yaml", text: &catalog }),
        recipe: None,
    });
    let codes: Vec<&str> = loaded.findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["license-not-spdx"], "{}", told(&loaded.findings));
    let feedstock = loaded.feedstock().unwrap();
    let golden: Value = serde_json::from_str(&read(leap.join("single-feedstock-web-catalog.json"))).unwrap();
    let (meta, catalog) = (feedstock.meta.as_ref().unwrap(), feedstock.catalog.as_ref().unwrap());
    assert_eq!(golden[0]["description"], meta.description.as_str());
    assert_eq!(golden[0]["stores"][0]["url"], catalog.stores()[0].url.as_str());
    assert_eq!(golden[0]["ncviewjs:meta_yaml_url"], catalog.meta_url().unwrap());
    assert!(matches!(loaded.recipe(None), Err(DocumentError::Missing { .. })));
}

/// JSON is YAML, so a real entry of the web catalog split into its two documents reads as they would.
fn documents_of(entry: &Value) -> (Value, Value) {
    let pick = |keys: &[&str]| -> Value {
        let map: Map<String, Value> = keys.iter().map(|key| ((*key).to_owned(), entry[*key].clone())).collect();
        Value::Object(map)
    };
    (
        pick(&["title", "description", "maintainers", "provenance"]),
        pick(&["thumbnail", "tags", "links", "stores", "ncviewjs:meta_yaml_url"]),
    )
}

/// What is `null` or absent is the same.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), without_nulls(v))).collect(),
        ),
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

/// `catalog-facts.json` has the structure, ids, URLs, tags and licence names of a real catalog of 32 feedstocks (LEAP's, as
/// published in 2026); all prose and names of people are replaced.
#[test]
fn every_feedstock_of_a_real_catalog_loads_unchanged() {
    let text = read(here().join("catalog-facts.json"));
    let catalog: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(catalog.len(), 32);
    let (mut stores, mut not_spdx, mut engines) = (0, 0, 0);
    for entry in &catalog {
        let (meta_json, catalog_json) = documents_of(entry);
        let meta = read_meta("meta.yaml", &serde_json::to_string_pretty(&meta_json).unwrap());
        let catalog = read_catalog("catalog.yaml", &serde_json::to_string_pretty(&catalog_json).unwrap());
        let findings = || meta.findings.iter().chain(&catalog.findings);
        assert!(
            findings().all(|finding| finding.severity == Severity::Warning),
            "{}{}",
            told(&meta.findings),
            told(&catalog.findings)
        );
        assert!(findings().all(|finding| finding.code != "unknown-key"));
        not_spdx += findings().filter(|finding| finding.code == "license-not-spdx").count();
        engines += findings().filter(|finding| finding.code == "store-engine").count();
        let (meta, catalog): (Meta, CatalogDocument) = (meta.value.unwrap(), catalog.value.unwrap());
        stores += catalog.stores().len();
        assert_eq!(without_nulls(&serde_json::to_value(&meta).unwrap()), without_nulls(&meta_json));
        assert_eq!(without_nulls(&serde_json::to_value(&catalog).unwrap()), without_nulls(&catalog_json));
    }
    assert_eq!((stores, not_spdx, engines), (83, 22, 42));
}

#[test]
fn a_list_of_feedstocks_loads() {
    let text =
        "feedstocks:\n  - https://github.com/leap-stc/chirps_feedstock/blob/main/feedstock/catalog.yaml\n  - ../here\n";
    let checked = read_feedstock_list("input.yaml", text);
    assert_eq!(told(&checked.findings), "");
    assert_eq!(checked.value.unwrap().feedstocks.len(), 2);
}

#[test]
fn unknown_keys_are_kept_where_other_tools_may_own_them() {
    let text = "meta_yaml_url: x\nstors: []\nstores:\n  - {id: a, url: b, colour: blue, xarray_open_kwargs: {engine: zarr, chunks: {}}}\n";
    let checked = read_catalog("catalog.yaml", text);
    assert_eq!(
        told(&checked.findings),
        "catalog.yaml:2:1: warning: stors: unknown key \"stors\" [unknown-key]\n    help: did you mean \"stores\"?\n\
         catalog.yaml:4:21: warning: stores[0].colour: unknown key \"colour\" [unknown-key]\n    \
         help: possible: id, name, url, rechunking, public, geospatial, xarray_open_kwargs, last_updated, type, license, doi, \
         lineage, aliases, mode, zarr, icechunk, kerchunk, files, access, firn:id, firn:link\n"
    );
    let store: &StoreEntry = &checked.value.as_ref().unwrap().stores()[0];
    assert_eq!(store.extra["colour"], "blue");
    assert_eq!(checked.value.unwrap().extra["stors"], Value::Array(Vec::new()));
}

#[test]
fn truth_values_of_older_yaml_load_in_existing_documents_only() {
    let catalog =
        read_catalog("catalog.yaml", "meta_yaml_url: x\nstores: [{id: a, url: b, public: yes, geospatial: Off}]\n");
    let codes: Vec<&str> = catalog.findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["yaml-old-boolean", "yaml-old-boolean"]);
    let store = catalog.value.unwrap().stores()[0].clone();
    assert_eq!((store.public, store.geospatial), (Some(true), Some(false)));
    let quoted = read_catalog("catalog.yaml", "stores: [{id: a, url: b, public: \"yes\"}]\n");
    assert!(quoted.value.is_none());
    let recipe =
        read_recipe("recipe.yaml", "version: 1\nrecipes: [{id: a, source: {files: [x], dims: {t: {concat: yes}}}}]\n");
    assert!(recipe.value.is_none());
}

/// Each `bad/NAME.KIND.yaml` has its findings in `bad/NAME.KIND.txt`.
#[test]
fn bad_documents_are_answered_with_all_findings() {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(here().join("bad")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    assert!(paths.len() >= 15);
    for path in paths {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = read(&path);
        let findings = match name.split('.').nth(1).unwrap() {
            "meta" => read_meta(&name, &text).findings,
            "catalog" => read_catalog(&name, &text).findings,
            _ => read_recipe(&name, &text).findings,
        };
        assert!(!findings.is_empty(), "{name}");
        golden(&path.with_extension("txt"), &told(&findings));
    }
}

#[test]
fn the_category_follows_from_the_worst_finding() {
    let load = |text: &str| {
        let recipe = Some(DocumentText { name: "recipe.yaml", text });
        let loaded = Feedstock::from_texts(FeedstockTexts { recipe, ..FeedstockTexts::default() });
        loaded.recipe(Some("b")).cloned()
    };
    let other = "version: 1\nrecipes:\n  - {id: a, strategy: hybrid, source: {files: [x]}}\n";
    assert!(load(&format!("{other}  - {{id: b, source: {{files: [y]}}}}\n")).is_ok());
    let unsupported = load(&format!("{other}  - {{id: b, source: {{files: [y]}}, strategy: link}}\n")).unwrap_err();
    assert_eq!((unsupported.category(), unsupported.category().exit_code()), (Category::Unsupported, 7));
    assert_eq!(unsupported.at().to_string(), "recipe.yaml, recipes[1].strategy, line 4, column 35");
    let invalid = load(&format!("{other}  - {{id: b, source: {{}}, strategy: link}}\n")).unwrap_err();
    assert_eq!(invalid.category(), Category::InvalidDocument);
    let unknown = load(other).unwrap_err();
    assert_eq!((unknown.category(), unknown.next()), (Category::NotFound, "name one with --recipe: a".to_owned()));
}

#[test]
fn documents_are_checked_against_each_other() {
    let loaded = Feedstock::from_texts(FeedstockTexts {
        meta: Some(DocumentText {
            name: "meta.yaml",
            text: "title: t\ndescription: d\nrecipes: [{id: sst-daily}]\nprovenance: {providers: [], license: MIT}\n",
        }),
        catalog: Some(DocumentText {
            name: "catalog.yaml",
            text: "stores: [{id: sst_monthly, url: u}, {id: sst-dayly, url: v}]\n",
        }),
        recipe: Some(DocumentText {
            name: "recipe.yaml",
            text: "version: 1\nrecipes:\n  - {id: sst-daily, source: {files: [a]}}\n  - {id: sst-monthly, source: {files: [b]}}\n",
        }),
    });
    let found: Vec<(&str, usize, &str)> =
        loaded.findings.iter().map(|finding| (finding.document.as_str(), finding.line, finding.code)).collect();
    let expected = [
        ("catalog.yaml", 1, "store-id-not-slug"),
        ("recipe.yaml", 3, "recipe-without-store"),
        ("recipe.yaml", 4, "recipe-not-in-meta"),
    ];
    assert_eq!(found, expected, "{}", told(&loaded.findings));
}

/// `schemas/` is what editors complete from. `UPDATE_EXPECTED=1 cargo test -p firn-model` writes it.
#[test]
fn the_schemas_that_are_checked_in_are_those_of_the_types() {
    for kind in DocumentKind::ALL {
        let path = root().join("schemas").join(format!("{}.schema.json", kind.name()));
        golden(&path, &format!("{}\n", serde_json::to_string_pretty(&kind.schema()).unwrap()));
    }
}

/// The checker walks only these; a keyword that it does not know would be a rule that nobody checks.
#[test]
fn schemas_use_no_keyword_that_is_not_checked() {
    const SCHEMAS: [&str; 2] = ["properties", "$defs"];
    const CHECKED: [&str; 20] = [
        "$ref",
        "type",
        "enum",
        "const",
        "anyOf",
        "oneOf",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "prefixItems",
        "minItems",
        "maxItems",
        "minLength",
        "minProperties",
        "minimum",
        "exclusiveMinimum",
        "maximum",
        "format",
        "x-firn-other-keys",
    ];
    const NOTES: [&str; 5] = ["$schema", "title", "description", "default", "$defs"];
    fn walk(schema: &Value) {
        let Some(object) = schema.as_object() else { return };
        for (keyword, value) in object {
            assert!(CHECKED.contains(&keyword.as_str()) || NOTES.contains(&keyword.as_str()), "{keyword} in {schema}");
            if SCHEMAS.contains(&keyword.as_str()) {
                value.as_object().unwrap().values().for_each(walk);
            }
            match keyword.as_str() {
                "anyOf" | "oneOf" | "prefixItems" => value.as_array().unwrap().iter().for_each(walk),
                "items" | "additionalProperties" => walk(value),
                _ => {}
            }
        }
    }
    for kind in DocumentKind::ALL {
        walk(&kind.schema());
    }
}
