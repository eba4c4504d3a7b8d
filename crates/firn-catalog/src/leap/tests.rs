use super::*;
use firn_model::feedstock::{StoreMode, read_catalog, read_meta};

const META: &str = include_str!("../../../../testdata/leap/meta.yaml");
const CATALOG: &str = include_str!("../../../../testdata/leap/catalog.yaml");
const GOLDEN: &str = include_str!("../../../../testdata/leap/single-feedstock-web-catalog.json");

fn template() -> FeedstockDocuments {
    FeedstockDocuments {
        place: "template_feedstock".to_owned(),
        name: "template_feedstock".to_owned(),
        url: None,
        meta: read_meta("meta.yaml", META).value.unwrap(),
        catalog: read_catalog("catalog.yaml", CATALOG).value.unwrap(),
    }
}

#[test]
fn the_template_gives_the_json_of_the_existing_tool_with_nulls_and_order() {
    let mut findings = Vec::new();
    let written = serde_json::to_string_pretty(&[leap(&template(), None, &mut findings)]).unwrap();
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    // Maps keep the order of their keys, so equal texts mean equal order.
    assert_eq!(written, serde_json::to_string_pretty(&golden).unwrap());
    assert_eq!(findings, []);
}

#[test]
fn own_facts_follow_under_own_keys() {
    let mut feedstock = template();
    feedstock.catalog.doi = Some("10.5/x".to_owned());
    let store = &mut feedstock.catalog.stores.as_mut().unwrap()[0];
    store.mode = Some(StoreMode::Zarr);
    let value = serde_json::to_value(leap(&feedstock, None, &mut Vec::new())).unwrap();
    assert_eq!(value["firn:doi"], "10.5/x");
    assert_eq!(value["stores"][0]["firn:mode"], "zarr");
    assert_eq!(value["stores"][0].as_object().unwrap().keys().nth(7).unwrap(), "last_updated");
}

#[test]
fn what_an_old_site_cannot_open_gets_the_gateway_or_is_named() {
    let mut feedstock = template();
    let store = &mut feedstock.catalog.stores.as_mut().unwrap()[0];
    store.mode = Some(StoreMode::Icechunk);
    let mut findings = Vec::new();
    let without = leap(&feedstock, None, &mut findings);
    assert_eq!(findings.iter().map(|finding| finding.code).collect::<Vec<_>>(), ["leap-cannot-open"]);
    let mut none = Vec::new();
    let with = leap(&feedstock, Some("https://data.example/"), &mut none);
    let url = |written: &LeapFeedstock| written.stores.as_ref().unwrap()[0].url.clone();
    assert!(url(&without).starts_with("gs://"));
    assert_eq!(url(&with), "https://data.example/d/template-feedstock.my-dataset");
    assert_eq!(with.stores.unwrap()[0].xarray_open_kwargs.as_ref().unwrap()["engine"], "zarr");
    assert_eq!(none, []);
}

#[test]
fn kerchunk_keeps_its_own_engine() {
    let mut feedstock = template();
    let store = &mut feedstock.catalog.stores.as_mut().unwrap()[0];
    (store.mode, store.url) = (Some(StoreMode::Kerchunk), "https://host/refs.json".to_owned());
    let mut findings = Vec::new();
    let written = leap(&feedstock, None, &mut findings);
    assert_eq!(written.stores.unwrap()[0].xarray_open_kwargs.as_ref().unwrap()["engine"], "kerchunk");
    assert_eq!(findings, []);
}
