//! The JSON of LEAP's catalog: the same fields in the same order as the existing tool writes them, so that a site built on it
//! keeps working. What only firn knows follows under `firn:` keys, and only where the documents say it.

use crate::classify::classify;
use crate::collect::FeedstockDocuments;
use crate::finding::CatalogFinding;
use firn_model::feedstock::store_entry::Rechunking;
use firn_model::feedstock::{CatalogDocument, StoreEntry};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A feedstock, as sites read it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeapFeedstock {
    /// Title.
    pub title: String,
    /// Description.
    pub description: String,
    /// Maintainers, by name and GitHub name.
    #[serde(default)]
    pub maintainers: Option<Vec<LeapMaintainer>>,
    /// Providers and licence.
    pub provenance: LeapProvenance,
    /// URL of a picture.
    #[serde(default)]
    pub thumbnail: Option<String>,
    /// Words to find it by.
    #[serde(default)]
    pub tags: Option<Vec<String>>,
    /// Further reading.
    #[serde(default)]
    pub links: Option<Vec<LeapLink>>,
    /// The stores.
    #[serde(default)]
    pub stores: Option<Vec<LeapStore>>,
    /// Where `meta.yaml` is.
    #[serde(rename = "ncviewjs:meta_yaml_url", default)]
    pub meta_yaml_url: Option<String>,
    /// Facts of firn, and keys that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Somebody who looks after a feedstock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeapMaintainer {
    /// Name.
    pub name: String,
    /// Name at GitHub.
    #[serde(default)]
    pub github: Option<String>,
}

/// Providers and licence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeapProvenance {
    /// Organisations and people.
    pub providers: Vec<LeapProvider>,
    /// Licence.
    pub license: String,
    /// Where the licence is written down.
    #[serde(default)]
    pub license_link: Option<LeapLicenseLink>,
}

/// An organisation or person behind the data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeapProvider {
    /// Name.
    pub name: String,
    /// What they do.
    #[serde(default)]
    pub description: Option<String>,
    /// Their roles.
    #[serde(default)]
    pub roles: Option<Vec<String>>,
    /// Their page.
    #[serde(default)]
    pub url: Option<String>,
}

/// Where a licence is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeapLicenseLink {
    /// Name.
    pub title: String,
    /// Text.
    #[serde(default)]
    pub url: Option<String>,
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeapLink {
    /// What is shown.
    pub label: String,
    /// Where it leads.
    pub url: String,
}

/// A store, as sites read it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeapStore {
    /// Id.
    pub id: String,
    /// Title.
    #[serde(default)]
    pub name: Option<String>,
    /// Where it is.
    pub url: String,
    /// The same data in other chunks.
    #[serde(default)]
    pub rechunking: Option<Vec<LeapRechunking>>,
    /// Whether everybody may read it.
    #[serde(default)]
    pub public: Option<bool>,
    /// Whether the map viewer can show it.
    #[serde(default)]
    pub geospatial: Option<bool>,
    /// What xarray needs to open it.
    #[serde(default)]
    pub xarray_open_kwargs: Option<Map<String, Value>>,
    /// When it was last written.
    #[serde(default)]
    pub last_updated: Option<String>,
    /// Facts of firn, and keys that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The same data in other chunks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeapRechunking {
    /// Where.
    pub path: String,
    /// For which use.
    pub use_case: String,
}

/// The element of the consolidated JSON for a feedstock.
///
/// Sites know the engines `zarr` and `kerchunk` only. What else there is gets the URL of the gateway, where there is one; an
/// entry that such a site cannot open is a warning.
pub fn leap(
    feedstock: &FeedstockDocuments,
    gateway: Option<&str>,
    findings: &mut Vec<CatalogFinding>,
) -> LeapFeedstock {
    let (meta, catalog) = (&feedstock.meta, &feedstock.catalog);
    let maintainers = meta.maintainers.as_ref().map(|list| {
        let one = |person: &firn_model::feedstock::meta::Maintainer| LeapMaintainer {
            name: person.name.clone(),
            github: person.github.clone(),
        };
        list.iter().map(one).collect()
    });
    let providers = meta.provenance.providers.iter().map(|provider| LeapProvider {
        name: provider.name.clone(),
        description: provider.description.clone(),
        roles: provider.roles.clone(),
        url: provider.url.clone(),
    });
    let license_link = meta
        .provenance
        .license_link
        .as_ref()
        .map(|link| LeapLicenseLink { title: link.title.clone(), url: link.url.clone() });
    let links = catalog
        .links
        .as_ref()
        .map(|links| links.iter().map(|link| LeapLink { label: link.label.clone(), url: link.url.clone() }).collect());
    let stores = catalog
        .stores
        .as_ref()
        .map(|stores| stores.iter().map(|store| leap_store(feedstock, store, gateway, findings)).collect());
    LeapFeedstock {
        title: meta.title.clone(),
        description: meta.description.clone(),
        maintainers,
        provenance: LeapProvenance {
            providers: providers.collect(),
            license: meta.provenance.license.clone(),
            license_link,
        },
        thumbnail: catalog.thumbnail.clone(),
        tags: catalog.tags.clone(),
        links,
        stores,
        meta_yaml_url: catalog.ncviewjs_meta_yaml_url.clone().or_else(|| catalog.meta_yaml_url.clone()),
        extra: own_facts(catalog),
    }
}

fn leap_store(
    feedstock: &FeedstockDocuments,
    store: &StoreEntry,
    gateway: Option<&str>,
    findings: &mut Vec<CatalogFinding>,
) -> LeapStore {
    let kind = classify(store).kind;
    let id = crate::id::id_of(&feedstock.name, store).ok();
    let mut url = store.url.clone();
    let mut kwargs = kwargs_of(store);
    if kind.is_kerchunk() {
        kwargs.insert("engine".to_owned(), json!("kerchunk"));
    } else if !kind.is_plain_zarr() {
        kwargs.insert("engine".to_owned(), json!("zarr"));
        if let (Some(gateway), Some(id)) = (gateway, id) {
            url = format!("{}/d/{id}", gateway.trim_end_matches('/'));
        } else {
            let message = format!(
                "a site that knows zarr and kerchunk only cannot open {}, which is stored as {}",
                crate::text::shown(&store.url),
                kind.title()
            );
            let help = "set gateway_url, so that the entry leads there; readers have the snippet meanwhile";
            let finding = CatalogFinding::warning("leap-cannot-open", &feedstock.place, message, help);
            findings.push(finding.of_store(&store.id));
        }
    }
    let rechunking = store.rechunking.as_ref().map(|list| {
        let one = |other: &Rechunking| LeapRechunking { path: other.path.clone(), use_case: other.use_case.clone() };
        list.iter().map(one).collect()
    });
    LeapStore {
        id: store.id.clone(),
        name: store.name.clone(),
        url,
        rechunking,
        public: Some(store.public.unwrap_or(false)),
        geospatial: store.geospatial,
        xarray_open_kwargs: Some(kwargs),
        last_updated: store.last_updated.clone(),
        extra: own_store_facts(store),
    }
}

/// What the document says, with `engine` first; `zarr` where it says nothing.
fn kwargs_of(store: &StoreEntry) -> Map<String, Value> {
    let mut kwargs = Map::new();
    let said = store.xarray_open_kwargs.as_ref();
    let engine = said.and_then(|said| said.engine.as_deref()).unwrap_or("zarr");
    kwargs.insert("engine".to_owned(), json!(engine));
    kwargs.extend(said.iter().flat_map(|said| said.extra.clone()));
    kwargs
}

fn own_facts(catalog: &CatalogDocument) -> Map<String, Value> {
    present([
        ("firn:type", json!(catalog.data_type)),
        ("firn:license", json!(catalog.license)),
        ("firn:doi", json!(catalog.doi)),
        ("firn:lineage", json!(catalog.lineage)),
        ("firn:aliases", json!(catalog.aliases)),
    ])
}

fn own_store_facts(store: &StoreEntry) -> Map<String, Value> {
    present([
        ("firn:id", json!(store.firn_id)),
        ("firn:type", json!(store.data_type)),
        ("firn:license", json!(store.license)),
        ("firn:doi", json!(store.doi)),
        ("firn:lineage", json!(store.lineage)),
        ("firn:aliases", json!(store.aliases)),
        ("firn:mode", json!(store.mode)),
        ("firn:url", json!(store.mode.map(|_| &store.url))),
        ("firn:zarr", json!(store.zarr)),
        ("firn:icechunk", json!(store.icechunk)),
        ("firn:kerchunk", json!(store.kerchunk)),
        ("firn:files", json!(store.files)),
        ("firn:access", json!(store.access)),
    ])
}

fn present<const N: usize>(facts: [(&str, Value); N]) -> Map<String, Value> {
    facts.into_iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests;
