use super::*;
use crate::facts::{AxisKind, DatasetFacts};
use serde_json::json;

fn entry(more: Value) -> CatalogEntry {
    let mut value = json!({
        "id": "sst.daily", "title": "Daily", "collection": "SST", "description": "", "feedstock": "sst", "store": "daily",
        "url": "/data/a b/v1", "kind": "zarr-v3", "license": "CC-BY-4.0",
    });
    for (key, fact) in more.as_object().unwrap() {
        value[key] = fact.clone();
    }
    serde_json::from_value(value).unwrap()
}

#[test]
fn a_licence_that_is_no_spdx_expression_is_other() {
    assert_eq!(collection(&entry(json!({})), None)["license"], "CC-BY-4.0");
    let other = collection(&entry(json!({"license": "https://host/terms"})), None);
    assert_eq!(other["license"], "other");
    assert_eq!(other["firn:license"], "https://host/terms");
    let link = other["links"].as_array().unwrap().iter().find(|link| link["rel"] == "license").unwrap();
    assert_eq!(link["href"], "https://host/terms");
}

#[test]
fn what_was_not_measured_is_open_and_says_so() {
    let document = collection(&entry(json!({})), None);
    assert_eq!(document["extent"]["temporal"]["interval"], json!([[null, null]]));
    assert_eq!(document["firn:extent"], json!({"spatial": false, "temporal": false}));
    assert_eq!(document.get("cube:dimensions"), None);
    assert_eq!(document["stac_extensions"], json!([]));
    assert_eq!(document["description"], "Daily", "STAC asks for a description");
}

#[test]
fn a_local_store_is_a_file_url() {
    let document = collection(&entry(json!({})), None);
    assert_eq!(document["assets"]["data"]["href"], "file:///data/a%20b/v1");
    assert_eq!(document["assets"]["data"]["type"], "application/vnd.zarr; version=3");
}

#[test]
fn roles_that_stac_does_not_know_are_left_out() {
    let providers = json!([{"name": "A", "roles": ["producer", "funder"], "url": "javascript:alert(1)"}, {"name": ""}]);
    let document = collection(&entry(json!({"providers": providers})), None);
    assert_eq!(document["providers"], json!([{"name": "A", "roles": ["producer"]}]));
}

#[test]
fn dimensions_say_what_the_extension_asks_for() {
    let facts: DatasetFacts = serde_json::from_value(json!({
        "decoded_bytes": 1,
        "dimensions": {
            "lon": {"size": 3, "axis": "x", "extent": [0.5, 2.5], "step": 1.0, "units": "degrees_east"},
            "xc": {"size": 3, "axis": "x", "extent": [0.0, 2000.0], "units": "m"},
            "depth": {"size": 2, "axis": "z", "extent": [0.0, 10.0], "units": "m"},
            "time": {"size": 2, "axis": "time", "interval": ["2000-01-01T00:00:00Z", "2000-01-02T00:00:00Z"]},
            "lat": {"size": 2, "axis": "y"},
            "nv": {"size": 2, "axis": "other"},
            "basin": {"size": 2, "axis": "other", "labels": ["a", "b"]},
        },
        "variables": {
            "lon": {"dimensions": ["lon"], "shape": [3], "data_type": "float32", "role": "coordinate"},
            "sst": {"dimensions": ["time", "lon"], "shape": [2, 3], "data_type": "int16", "role": "data", "units": "K"},
        },
    }))
    .unwrap();
    let document = collection(&entry(json!({"facts": facts})), None);
    let dimensions = &document["cube:dimensions"];
    assert_eq!(
        dimensions["lon"],
        json!({"type": "spatial", "axis": "x", "extent": [0.5, 2.5], "step": 1.0, "firn:size": 3})
    );
    assert_eq!(dimensions["xc"]["reference_system"], "unknown", "else readers take metres for degrees");
    assert_eq!(dimensions["depth"]["unit"], "m");
    assert_eq!(dimensions["time"]["extent"][1], "2000-01-02T00:00:00Z");
    assert_eq!(dimensions["lat"]["extent"], json!([0, 1]), "without values only positions are known");
    assert_eq!((&dimensions["lat"]["type"], dimensions["lat"].get("axis")), (&json!("index"), None));
    assert_eq!(dimensions["nv"]["extent"], json!([0, 1]));
    assert_eq!(dimensions["basin"]["values"], json!(["a", "b"]));
    assert_eq!(document["cube:variables"].as_object().unwrap().keys().collect::<Vec<_>>(), ["sst"]);
    let read = read("c.json", document.as_object().unwrap()).unwrap().entry.unwrap();
    assert_eq!(read.facts.unwrap().dimensions["time"].axis, AxisKind::Time);
    assert_eq!(
        (read.id.as_str(), read.url.as_str(), read.kind),
        ("sst.daily", "/data/a b/v1", crate::classify::StoreKind::ZarrV3)
    );
}

#[test]
fn a_foreign_collection_is_read_by_its_media_types() {
    let foreign = json!({
        "type": "Collection", "stac_version": "1.0.0", "id": "era5", "description": "d", "license": "proprietary",
        "links": [{"rel": "child", "href": "./more.json"}],
        "assets": {
            "meta": {"href": "https://h/meta.json", "type": "application/json", "roles": ["metadata"]},
            "files": {"href": "https://h/a.nc", "roles": ["data"]},
            "cube": {"href": "https://h/cube", "type": "application/vnd+zarr"},
        },
    });
    let document = read("c.json", foreign.as_object().unwrap()).unwrap();
    assert_eq!(document.children, ["./more.json"]);
    let entry = document.entry.unwrap();
    assert_eq!((entry.url.as_str(), entry.kind), ("https://h/cube", crate::classify::StoreKind::Zarr));
}

#[test]
fn the_root_links_to_every_dataset() {
    let root = root(&RootDescription::default(), &[entry(json!({}))]);
    assert_eq!(
        root["links"][1],
        json!({"rel": "child", "href": "./datasets/sst.daily/collection.json", "type": "application/json", "title": "Daily"})
    );
}
