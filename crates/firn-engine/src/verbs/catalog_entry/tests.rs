use super::*;
use crate::settings::EngineSettings;
use firn_storage::{LocationConfig, Storage, StorageSettings};

fn engine(locations: &[(&str, LocationConfig)]) -> (Engine, tokio::runtime::Runtime) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let locations = locations.iter().map(|(name, config)| ((*name).to_owned(), config.clone())).collect::<Vec<_>>();
    let settings = StorageSettings::default().with_locations(locations.iter().map(|(n, c)| (n, c))).unwrap();
    let storage = Storage::new(settings, runtime.handle().clone()).unwrap();
    let settings = EngineSettings {
        memory: 1 << 30,
        jobs: 2,
        state_dir: std::env::temp_dir().join("firn-none"),
        catalog: None,
        destinations: Vec::new(),
        user: None,
    };
    (Engine::new(storage, settings), runtime)
}

fn published(url: &str, details: StoreDetails) -> PublishedStore {
    PublishedStore {
        id: "sst-daily".to_owned(),
        name: Some("Daily".to_owned()),
        url: ObjectUrl::parse(url).unwrap(),
        public_id: Some("sst.sst-daily".to_owned()),
        details,
        last_updated: "2026-11-22T10:00:00Z".to_owned(),
    }
}

const ZARR: StoreDetails = StoreDetails::Zarr { format: 3, consolidated: true };

#[test]
fn an_entry_is_added_and_comments_stay() {
    let (engine, _runtime) = engine(&[]);
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("catalog.yaml");
    std::fs::write(&path, "# kept\ntags: [ocean]  # this too\nstores: []\n").unwrap();
    let told = update_feedstock_entry(&engine, temp.path(), &published("/data/sst/v1", ZARR), false).unwrap();
    assert!(told.added && !told.written && told.diff.contains("+  - id: sst-daily"), "{}", told.diff);
    assert!(std::fs::read_to_string(&path).unwrap().contains("stores: []"), "nothing is written");
    let done = update_feedstock_entry(&engine, temp.path(), &published("/data/sst/v1", ZARR), true).unwrap();
    assert!(done.written);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("# kept\ntags: [ocean]  # this too\n"), "{text}");
    let read = read_catalog("catalog.yaml", &text).value.unwrap();
    let store = &read.stores()[0];
    assert_eq!((store.url.as_str(), store.mode), ("/data/sst/v1", Some(StoreMode::Zarr)));
    assert_eq!(store.firn_id.as_deref(), Some("sst.sst-daily"));
    let again = update_feedstock_entry(&engine, temp.path(), &published("/data/sst/v1", ZARR), true).unwrap();
    assert!(!again.written && again.diff.is_empty(), "{}", again.diff);
}

#[test]
fn what_the_author_said_stays() {
    let (engine, _runtime) = engine(&[]);
    let temp = tempfile::tempdir().unwrap();
    let text =
        "stores:\n  - id: SST daily  # words\n    name: Mine\n    url: /old\n    public: false\n    firn:id: old.id\n";
    std::fs::write(temp.path().join("catalog.yaml"), text).unwrap();
    let done = update_feedstock_entry(&engine, temp.path(), &published("/data/sst/v2", ZARR), true).unwrap();
    assert!(!done.added);
    let text = std::fs::read_to_string(temp.path().join("catalog.yaml")).unwrap();
    for kept in ["- id: SST daily  # words", "name: Mine", "public: false", "firn:id: old.id"] {
        assert!(text.contains(kept), "{kept} in {text}");
    }
    assert!(text.contains("url: /data/sst/v2") && !text.contains("/old"), "{text}");
}

#[test]
fn a_feedstock_without_catalog_gets_one() {
    let (engine, _runtime) = engine(&[]);
    let temp = tempfile::tempdir().unwrap();
    let done = update_feedstock_entry(&engine, temp.path(), &published("/data/x/v1", ZARR), true).unwrap();
    assert!(done.added && done.written);
    let text = std::fs::read_to_string(temp.path().join("catalog.yaml")).unwrap();
    assert_eq!(read_catalog("catalog.yaml", &text).value.unwrap().stores().len(), 1);
}

#[test]
fn readers_get_the_public_address_and_never_a_credential() {
    let config = LocationConfig {
        url: "s3://bucket/data".to_owned(),
        endpoint: Some("https://osn.example".to_owned()),
        public_url: Some("https://web.example/bucket/data".to_owned()),
        ..LocationConfig::default()
    };
    let (engine, _runtime) = engine(&[("published", config)]);
    let zarr = store_entry(&engine, &published("published:sst/v1", ZARR)).unwrap();
    assert_eq!((zarr.url.as_str(), zarr.public), ("https://web.example/bucket/data/sst/v1", Some(true)));
    assert_eq!(zarr.access, None);
    let details = StoreDetails::Icechunk { spec: 1, containers: vec!["https://host/".to_owned()] };
    let icechunk = store_entry(&engine, &published("published:ice", details)).unwrap();
    assert_eq!(icechunk.url, "s3://bucket/data/ice");
    let access = icechunk.access.clone().unwrap();
    assert_eq!((access.endpoint.as_deref(), access.anonymous), (Some("https://osn.example"), Some(true)));
    let lines = native_snippet(&icechunk).unwrap().code;
    assert!(lines.contains("endpoint_url=\"https://osn.example\"") && lines.contains("anonymous=True"), "{lines}");
    assert!(lines.contains("\"https://host/\": None"), "{lines}");
}
