//! Rules of `catalog.yaml`.

use std::collections::HashMap;

use super::license;
use crate::document::{DocumentPath, Findings, Node, Severity};
use crate::feedstock::slug::{is_slug, slug};
use crate::feedstock::store_entry::{StoreEntry, StoreMode};

pub(in crate::feedstock) fn catalog(node: &Node, findings: &mut Findings<'_>) {
    let root = DocumentPath::root();
    let url = |key: &str| node.get(key).and_then(Node::as_text);
    if let (Some(new), Some(old)) = (url("meta_yaml_url"), url("ncviewjs:meta_yaml_url"))
        && new != old
    {
        let path = root.key("ncviewjs:meta_yaml_url");
        findings.warning("meta-url-twice", &path, "meta_yaml_url says otherwise, and wins", "keep one of the two");
    }
    if let Some(text) = url("license") {
        license::check(text, &root.key("license"), findings);
    }
    check_doi(url("doi"), &root.key("doi"), findings);
    if node.entry("stores_table").is_some() {
        let message = "this version of firn does not read stores_table".to_owned();
        let help = "list the stores under `stores:`".to_owned();
        findings.about_key("catalog-unsupported", Severity::Unsupported, &root.key("stores_table"), message, help);
    }
    let mut ids: HashMap<String, usize> = HashMap::new();
    for (index, store) in super::items::<StoreEntry>(node, "stores") {
        let path = root.key("stores").index(index);
        check_id(&store, index, &mut ids, &path, findings);
        check_store(&store, &path, findings);
    }
}

/// Ids are unique, also as they appear in URLs.
fn check_id(
    store: &StoreEntry,
    index: usize,
    ids: &mut HashMap<String, usize>,
    path: &DocumentPath,
    findings: &mut Findings<'_>,
) {
    let path = path.key("id");
    let Some(slug) = slug(&store.id) else {
        let message = format!("the id {:?} has no letter or digit of ASCII to make a URL of", store.id);
        findings.error("store-id", &path, message, "choose an id such as sst-monthly, and put this text under `name:`");
        return;
    };
    if let Some(first) = ids.insert(slug.clone(), index) {
        let message =
            format!("the id {:?} is that of stores[{first}], or becomes the same in a URL ({slug})", store.id);
        findings.error("duplicate-id", &path, message, "rename one of the two");
    } else if !is_slug(&store.id) {
        let message = format!("the id {:?} becomes {slug:?} in URLs", store.id);
        findings.warning("store-id-not-slug", &path, message, "nothing to do: it stays the title");
    }
}

fn check_store(store: &StoreEntry, path: &DocumentPath, findings: &mut Findings<'_>) {
    let details = [
        (StoreMode::Zarr, store.zarr.is_some()),
        (StoreMode::Icechunk, store.icechunk.is_some()),
        (StoreMode::Kerchunk, store.kerchunk.is_some()),
        (StoreMode::Files, store.files.is_some()),
    ];
    for (mode, _) in details.iter().filter(|(mode, given)| *given && store.mode != Some(*mode)) {
        let message = format!("the details of {} belong to `mode: {}`", mode.name(), mode.name());
        findings.about_key(
            "store-mode",
            Severity::Error,
            &path.key(mode.name()),
            message,
            format!("write `mode: {}`, or remove them", mode.name()),
        );
    }
    if let Some(details) = &store.icechunk {
        let given = [details.branch.is_some(), details.tag.is_some(), details.snapshot.is_some()];
        if given.iter().filter(|given| **given).count() > 1 {
            let message = "branch, tag and snapshot exclude each other";
            findings.error("store-version", &path.key("icechunk"), message, "keep one of them");
        }
    }
    if let Some(text) = &store.license {
        license::check(text, &path.key("license"), findings);
    }
    check_doi(store.doi.as_deref(), &path.key("doi"), findings);
    check_engine(store, path, findings);
}

/// Half of a real catalog says `engine: zarr` of NetCDF files, which then do not open.
fn check_engine(store: &StoreEntry, path: &DocumentPath, findings: &mut Findings<'_>) {
    let zarr = store.xarray_open_kwargs.as_ref().and_then(|kwargs| kwargs.engine.as_deref()) == Some("zarr");
    let file = store.url.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    let extension = [".nc", ".nc4", ".h5", ".hdf5", ".grib", ".grib2", ".tif", ".tiff", ".csv", ".parquet"]
        .into_iter()
        .find(|extension| file.ends_with(extension));
    if let (true, Some(extension)) = (zarr && matches!(store.mode, None | Some(StoreMode::Zarr)), extension) {
        let message = format!("the engine is zarr, but the URL ends with {extension}");
        let help = "see what it is with `firn link URL`, or say `mode: files`";
        findings.warning("store-engine", &path.keys(["xarray_open_kwargs", "engine"]), message, help);
    }
}

fn check_doi(doi: Option<&str>, path: &DocumentPath, findings: &mut Findings<'_>) {
    let Some(doi) = doi else { return };
    let bare = ["https://doi.org/", "http://doi.org/", "https://dx.doi.org/", "doi:"]
        .into_iter()
        .find_map(|prefix| doi.strip_prefix(prefix))
        .unwrap_or(doi);
    let valid = bare.strip_prefix("10.").and_then(|rest| rest.split_once('/')).is_some_and(|(registrant, suffix)| {
        registrant.len() >= 4 && registrant.chars().all(|c| c.is_ascii_digit() || c == '.') && !suffix.is_empty()
    });
    if !valid {
        findings.warning("doi", path, format!("{doi:?} is no DOI"), "for example 10.25921/RE9P-PT57");
    }
}
