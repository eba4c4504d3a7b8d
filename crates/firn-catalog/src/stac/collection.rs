//! The collection of a dataset.

use super::VERSION;
use super::datacube::{dimensions, variables};
use crate::classify::StoreKind;
use crate::entry::CatalogEntry;
use crate::place::Place;
use firn_model::feedstock::meta::Provider;
use serde_json::{Map, Value, json};
use url::Url;

const DATACUBE: &str = "https://stac-extensions.github.io/datacube/v2.2.0/schema.json";
const SCIENTIFIC: &str = "https://stac-extensions.github.io/scientific/v1.0.0/schema.json";
const ROLES: [&str; 4] = ["licensor", "producer", "processor", "host"];

/// The document of a dataset. `page` is the name of an HTML page beside it, where there is one.
pub fn collection(entry: &CatalogEntry, page: Option<&str>) -> Value {
    let mut document = Map::new();
    let mut extensions = Vec::new();
    let mut put = |key: &str, value: Value| {
        if !value.is_null() {
            document.insert(key.to_owned(), value);
        }
    };
    put("type", json!("Collection"));
    put("stac_version", json!(VERSION));
    // Its place in the order of keys; filled in below.
    put("stac_extensions", json!([]));
    put("id", json!(entry.id));
    put("title", json!(entry.title));
    // An empty description is no valid one.
    put("description", json!(if entry.description.is_empty() { &entry.title } else { &entry.description }));
    put("keywords", keywords(&entry.tags));
    put("license", json!(entry.spdx().unwrap_or("other")));
    put("providers", providers(&entry.providers));
    put("extent", extent(entry));
    if let Some(facts) = entry.facts.as_ref().filter(|facts| !facts.dimensions.is_empty()) {
        extensions.push(DATACUBE);
        put("cube:dimensions", dimensions(facts));
        put("cube:variables", variables(facts));
    }
    if let Some(doi) = entry.bare_doi() {
        extensions.push(SCIENTIFIC);
        put("sci:doi", json!(doi));
    }
    put("links", links(entry, page));
    put("assets", assets(entry));
    for (key, value) in own_facts(entry) {
        put(key, value);
    }
    document.insert("stac_extensions".to_owned(), json!(extensions));
    Value::Object(document)
}

fn keywords(tags: &[String]) -> Value {
    let mut words: Vec<&String> = Vec::new();
    for tag in tags.iter().filter(|tag| !tag.is_empty()) {
        if !words.contains(&tag) {
            words.push(tag);
        }
    }
    if words.is_empty() { Value::Null } else { json!(words) }
}

/// Roles and URLs that STAC does not know are left out here, and stay in the other documents.
fn providers(providers: &[Provider]) -> Value {
    let one = |provider: &Provider| {
        let mut value = Map::new();
        value.insert("name".to_owned(), json!(provider.name));
        if let Some(description) = provider.description.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
            value.insert("description".to_owned(), json!(description));
        }
        let roles: Vec<&String> =
            provider.roles.iter().flatten().filter(|role| ROLES.contains(&role.as_str())).collect();
        if !roles.is_empty() {
            value.insert("roles".to_owned(), json!(roles));
        }
        if let Some(url) = provider.url.as_deref().and_then(web) {
            value.insert("url".to_owned(), json!(url));
        }
        Value::Object(value)
    };
    let list: Vec<Value> = providers.iter().filter(|provider| !provider.name.is_empty()).map(one).collect();
    if list.is_empty() { Value::Null } else { Value::Array(list) }
}

/// Where and when. STAC asks for both: what is not known is the whole Earth and an open interval, and `firn:extent` says which
/// of the two were measured.
fn extent(entry: &CatalogEntry) -> Value {
    let facts = entry.facts.as_ref();
    let bbox = facts.and_then(|facts| facts.bbox).unwrap_or([-180.0, -90.0, 180.0, 90.0]);
    let interval = match facts.and_then(|facts| facts.interval.as_ref()) {
        Some([first, last]) => json!([first, last]),
        None => json!([null, null]),
    };
    json!({"spatial": {"bbox": [bbox]}, "temporal": {"interval": [interval]}})
}

fn links(entry: &CatalogEntry, page: Option<&str>) -> Value {
    let mut links = vec![
        json!({"rel": "root", "href": "../../catalog.json", "type": "application/json"}),
        json!({"rel": "parent", "href": "../../catalog.json", "type": "application/json"}),
    ];
    if let Some(page) = page {
        links.push(json!({"rel": "alternate", "href": format!("./{page}"), "type": "text/html", "title": entry.title}));
    }
    if let Some((link, url)) = entry.license_link.as_ref().and_then(|link| Some((link, web(link.url.as_deref()?)?))) {
        links.push(json!({"rel": "license", "href": url, "title": link.title}));
    } else if let Some(url) = entry.license.as_deref().and_then(web) {
        links.push(json!({"rel": "license", "href": url}));
    }
    if let Some(url) = entry.bare_doi().and_then(|doi| web(&format!("https://doi.org/{doi}"))) {
        links.push(json!({"rel": "cite-as", "href": url}));
    }
    if let Some(url) = entry.feedstock_url.as_deref().and_then(web) {
        links.push(json!({"rel": "via", "href": url, "title": "feedstock"}));
    }
    for (label, url) in entry.links.iter().filter_map(|link| Some((&link.label, web(&link.url)?))) {
        links.push(json!({"rel": "related", "href": url, "title": label}));
    }
    Value::Array(links)
}

fn assets(entry: &CatalogEntry) -> Value {
    let mut assets = Map::new();
    let mut data = Map::new();
    data.insert("href".to_owned(), json!(href(&entry.url)));
    data.insert("title".to_owned(), json!(entry.kind.title()));
    if let Some(media_type) = entry.kind.media_type() {
        data.insert("type".to_owned(), json!(media_type));
    }
    let mut roles = vec!["data"];
    if entry.kind.is_kerchunk() {
        roles.push("references");
    }
    let containers = entry.icechunk.as_ref().and_then(|details| details.virtual_chunk_containers.as_ref());
    if containers.is_some_and(|containers| !containers.is_empty()) {
        roles.extend(["references", "virtual"]);
    }
    data.insert("roles".to_owned(), json!(roles));
    assets.insert("data".to_owned(), Value::Object(data));
    if let Some(url) = entry.thumbnail.as_deref().and_then(web) {
        let mut thumbnail = Map::new();
        thumbnail.insert("href".to_owned(), json!(url));
        thumbnail.insert("roles".to_owned(), json!(["thumbnail"]));
        assets.insert("thumbnail".to_owned(), Value::Object(thumbnail));
    }
    Value::Object(assets)
}

/// What STAC has no word for.
fn own_facts(entry: &CatalogEntry) -> [(&'static str, Value); 16] {
    let list = |value: Value| if value.as_array().is_some_and(Vec::is_empty) { Value::Null } else { value };
    let facts = entry.facts.as_ref();
    let measured = json!({
        "spatial": facts.is_some_and(|facts| facts.bbox.is_some()),
        "temporal": facts.is_some_and(|facts| facts.interval.is_some()),
    });
    [
        ("firn:extent", measured),
        ("firn:type", json!(entry.data_type)),
        ("firn:kind", json!(entry.kind)),
        ("firn:url", json!(entry.url)),
        ("firn:collection", json!(entry.collection)),
        ("firn:feedstock", json!(entry.feedstock)),
        ("firn:store", json!(entry.store)),
        ("firn:aliases", list(json!(entry.aliases))),
        ("firn:public", json!(entry.public)),
        ("firn:access", json!(entry.access)),
        ("firn:icechunk", json!(entry.icechunk)),
        ("firn:kerchunk", json!(entry.kerchunk)),
        ("firn:license", json!(entry.license)),
        ("firn:last_updated", json!(entry.last_updated)),
        ("firn:lineage", list(json!(entry.lineage))),
        ("firn:snippets", list(json!(entry.snippets))),
    ]
}

/// A store's address as a URI: paths become `file:` URLs.
fn href(url: &str) -> String {
    match Place::parse(url) {
        Place::Local(path) => Url::from_file_path(&path).map_or_else(|()| url.to_owned(), |url| url.to_string()),
        place => Url::parse(&place.text()).map_or_else(|_| url.to_owned(), |url| url.to_string()),
    }
}

/// The URL, where it is one of the web.
pub(crate) fn web(text: &str) -> Option<String> {
    let url = Url::parse(text.trim()).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then(|| url.to_string())
}

/// The kind that a media type stands for.
pub(super) fn kind_of(media_type: &str) -> Option<StoreKind> {
    let bare = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    Some(match bare.as_str() {
        "application/vnd.zarr" | "application/vnd+zarr" | "application/x-zarr" | "application/zarr" => {
            match media_type.split(';').find_map(|part| part.trim().strip_prefix("version=")) {
                Some("2") => StoreKind::ZarrV2,
                Some("3") => StoreKind::ZarrV3,
                _ => StoreKind::Zarr,
            }
        }
        "application/vnd.zarr+icechunk" | "application/icechunk" | "application/x-icechunk" => StoreKind::Icechunk,
        "application/netcdf" | "application/x-netcdf" | "application/x-hdf5" | "application/x-hdf" => StoreKind::Netcdf,
        "application/wmo-grib2" | "application/wmo-grib" => StoreKind::Grib,
        "application/vnd.apache.parquet" | "application/x-parquet" => StoreKind::Parquet,
        "image/tiff" => StoreKind::Geotiff,
        "text/csv" => StoreKind::Csv,
        _ => return None,
    })
}
