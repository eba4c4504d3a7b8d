use super::*;
use firn_model::feedstock::StoreMode;

fn entry(url: &str) -> StoreEntry {
    StoreEntry { id: "x".to_owned(), url: url.to_owned(), ..StoreEntry::default() }
}

fn code(entry: &StoreEntry, kind: StoreKind) -> String {
    snippet(&Opening::of(entry, kind)).unwrap().code
}

#[test]
fn a_zarr_store_is_one_line_wherever_it_is() {
    assert_eq!(
        code(&entry("/data/sst/v1"), StoreKind::ZarrV3),
        "import xarray as xr\n\nds = xr.open_zarr(\"/data/sst/v1\")\n"
    );
    let public = StoreEntry { public: Some(true), ..entry("s3://b/k.zarr/") };
    let opened = snippet(&Opening::of(&public, StoreKind::Zarr)).unwrap();
    assert_eq!(opened.one_line.unwrap(), "xr.open_zarr(\"s3://b/k.zarr\", storage_options={\"anon\": True})");
    assert_eq!(opened.requires, ["xarray", "zarr>=3", "s3fs"]);
}

#[test]
fn a_service_of_its_own_is_named_with_endpoint_and_region() {
    let access = Access {
        endpoint: Some("https://osn.example".to_owned()),
        region: Some("eu-1".to_owned()),
        ..Access::default()
    };
    let store = StoreEntry { access: Some(access), ..entry("s3://b/k") };
    assert!(code(&store, StoreKind::ZarrV3).contains(
        "storage_options={\"endpoint_url\": \"https://osn.example\", \"client_kwargs\": {\"region_name\": \"eu-1\"}}"
    ));
    let icechunk = code(&store, StoreKind::Icechunk);
    assert!(icechunk.contains(
        "s3_storage(bucket=\"b\", prefix=\"k\", region=\"eu-1\", endpoint_url=\"https://osn.example\", \
         force_path_style=True, from_env=True)"
    ));
}

#[test]
fn every_container_of_a_repository_is_authorised() {
    let details = IcechunkDetails {
        tag: Some("v\\1".to_owned()),
        virtual_chunk_containers: Some(vec![
            "s3://src/".to_owned(),
            "https://host/".to_owned(),
            "file:///data/a b/".to_owned(),
        ]),
        ..IcechunkDetails::default()
    };
    let access =
        Access { endpoint: Some("http://localhost:9000".to_owned()), anonymous: Some(false), ..Access::default() };
    let store = StoreEntry {
        mode: Some(StoreMode::Icechunk),
        access: Some(access),
        icechunk: Some(details),
        public: Some(true),
        ..entry("s3://b/p/q")
    };
    let expected = r#"import icechunk
import xarray as xr

storage = icechunk.s3_storage(bucket="b", prefix="p/q", region="us-east-1", endpoint_url="http://localhost:9000", allow_http=True, force_path_style=True, from_env=True)
credentials = icechunk.containers_credentials({
    "s3://src/": icechunk.s3_from_env_credentials(),
    "https://host/": None,
    "file:///data/a b/": None,
})
repo = icechunk.Repository.open(storage, authorize_virtual_chunk_access=credentials)
session = repo.readonly_session(tag="v\\1")
ds = xr.open_zarr(session.store, consolidated=False)
"#;
    assert_eq!(code(&store, StoreKind::Icechunk), expected);
}

#[test]
fn names_cannot_break_out_of_their_quotes() {
    let hostile = "/data/a\"); import os #\n";
    for kind in [StoreKind::Zarr, StoreKind::Icechunk, StoreKind::KerchunkJson, StoreKind::Netcdf, StoreKind::Csv] {
        let text = code(&entry(hostile), kind);
        assert!(text.contains(r#""/data/a\"); import os #\n""#), "{text}");
        assert!(!text.contains("#\n\""), "{text}");
    }
}

#[test]
fn a_scheme_without_known_readers_has_no_snippet() {
    let error = snippet(&Opening::of(&entry("az://container/x"), StoreKind::Zarr)).unwrap_err();
    assert!(error.what.contains("az"), "{error}");
}

#[test]
fn a_remote_netcdf_file_is_opened_through_fsspec() {
    let text = code(&entry("https://host/a.nc"), StoreKind::Netcdf);
    assert_eq!(
        text,
        "import fsspec\nimport xarray as xr\n\nds = xr.open_dataset(fsspec.open(\"https://host/a.nc\").open())\n"
    );
}
