//! A catalog of any of three kinds: firn's own index, the JSON of LEAP, STAC.

use crate::collect::{FeedstockDocuments, collect};
use crate::entry::CatalogEntry;
use crate::error::CatalogError;
use crate::finding::CatalogFinding;
use crate::id::feedstock_name;
use crate::index::{CatalogIndex, SCHEMA};
use crate::leap::{LeapFeedstock, LeapStore};
use crate::stac::{self, StacDocument};
use firn_model::feedstock::catalog::Link;
use firn_model::feedstock::meta::{LicenseLink, Maintainer, Meta, Provenance, Provider};
use firn_model::feedstock::store_entry::{Rechunking, XarrayOpenKwargs};
use firn_model::feedstock::{CatalogDocument, StoreEntry, is_slug};
use serde_json::{Map, Value};

/// The largest document that is read as a catalog, bytes.
pub const MAX_BYTES: u64 = 256 << 20;

/// Names that are looked for in a directory, in this order.
pub const FILE_NAMES: [&str; 4] =
    [crate::index::FILE_NAME, stac::ROOT, "consolidated-web-catalog.json", "collection.json"];

/// What a document holds.
#[derive(Debug, Clone, PartialEq)]
pub enum CatalogContent {
    /// All datasets, and what is wrong with some.
    Entries(Vec<CatalogEntry>, Vec<CatalogFinding>),
    /// A STAC document, with others below it.
    Stac(Box<StacDocument>),
}

/// Reads a document.
///
/// # Errors
/// [`CatalogError::NotACatalog`] for anything else.
pub fn read(url: &str, bytes: &[u8]) -> Result<CatalogContent, CatalogError> {
    let not = |what: String| CatalogError::NotACatalog { url: url.to_owned(), what };
    let value: Value = serde_json::from_slice(bytes).map_err(|error| not(format!("it is not JSON ({error})")))?;
    match value {
        Value::Object(document) if document.get("schema").is_some() => own(url, document),
        Value::Object(document) if document.contains_key("stac_version") => {
            stac::read(url, &document).map(|document| CatalogContent::Stac(Box::new(document)))
        }
        Value::Object(document) if document.contains_key("provenance") => leap(url, vec![Value::Object(document)]),
        Value::Array(feedstocks) => leap(url, feedstocks),
        _ => Err(not("it is JSON, but neither an index of firn, nor a LEAP JSON, nor STAC".to_owned())),
    }
}

fn own(url: &str, document: Map<String, Value>) -> Result<CatalogContent, CatalogError> {
    let not = |what: String| CatalogError::NotACatalog { url: url.to_owned(), what };
    let schema = document.get("schema").and_then(Value::as_str).unwrap_or_default().to_owned();
    if schema != SCHEMA {
        return Err(not(format!("its schema is {schema:?}, and this version of firn reads {SCHEMA:?}")));
    }
    let index: CatalogIndex =
        serde_json::from_value(Value::Object(document)).map_err(|error| not(format!("it is damaged ({error})")))?;
    Ok(CatalogContent::Entries(index.datasets, Vec::new()))
}

fn leap(url: &str, feedstocks: Vec<Value>) -> Result<CatalogContent, CatalogError> {
    let mut documents = Vec::with_capacity(feedstocks.len());
    for (index, value) in feedstocks.into_iter().enumerate() {
        let read: LeapFeedstock = serde_json::from_value(value).map_err(|error| CatalogError::NotACatalog {
            url: url.to_owned(),
            what: format!("element {index} is no feedstock of a LEAP JSON ({error})"),
        })?;
        documents.push(documents_of(read));
    }
    let (entries, findings) = collect(&documents);
    Ok(CatalogContent::Entries(entries, findings))
}

/// The feedstock that such an element was made of, as far as it tells.
fn documents_of(read: LeapFeedstock) -> FeedstockDocuments {
    let meta_url = read.meta_yaml_url.clone();
    let name = meta_url.as_deref().and_then(feedstock_name).unwrap_or_else(|| read.title.clone());
    let own = |key: &str| read.extra.get(key).cloned().unwrap_or(Value::Null);
    let catalog = CatalogDocument {
        ncviewjs_meta_yaml_url: meta_url.clone(),
        tags: read.tags,
        thumbnail: read.thumbnail,
        links: read.links.map(|links| {
            links.into_iter().map(|link| Link { label: link.label, url: link.url, ..Link::default() }).collect()
        }),
        stores: read.stores.map(|stores| stores.into_iter().map(store_of).collect()),
        data_type: serde_json::from_value(own("firn:type")).ok(),
        license: serde_json::from_value(own("firn:license")).ok(),
        doi: serde_json::from_value(own("firn:doi")).ok(),
        lineage: serde_json::from_value(own("firn:lineage")).ok(),
        aliases: serde_json::from_value(own("firn:aliases")).ok(),
        ..CatalogDocument::default()
    };
    let provider = |provider: crate::leap::LeapProvider| Provider {
        name: provider.name,
        description: provider.description,
        roles: provider.roles,
        url: provider.url,
        ..Provider::default()
    };
    let meta = Meta {
        title: read.title,
        description: read.description,
        provenance: Provenance {
            providers: read.provenance.providers.into_iter().map(provider).collect(),
            license: read.provenance.license,
            license_link: read.provenance.license_link.map(|link| LicenseLink {
                title: link.title,
                url: link.url,
                ..LicenseLink::default()
            }),
            ..Provenance::default()
        },
        maintainers: read.maintainers.map(|list| {
            let one = |person: crate::leap::LeapMaintainer| Maintainer {
                name: person.name,
                github: person.github,
                ..Maintainer::default()
            };
            list.into_iter().map(one).collect()
        }),
        ..Meta::default()
    };
    FeedstockDocuments { place: name.clone(), name, url: meta_url, meta, catalog }
}

fn store_of(read: LeapStore) -> StoreEntry {
    let own = |key: &str| read.extra.get(key).cloned().unwrap_or(Value::Null);
    let kept_id: Option<String> = serde_json::from_value(own("firn:id")).ok();
    let url = own("firn:url").as_str().map(str::to_owned);
    StoreEntry {
        firn_id: kept_id.filter(|id| id.split('.').all(is_slug)),
        id: read.id,
        name: read.name,
        url: url.unwrap_or(read.url),
        rechunking: read.rechunking.map(|list| {
            let one = |other: crate::leap::LeapRechunking| Rechunking {
                path: other.path,
                use_case: other.use_case,
                ..Rechunking::default()
            };
            list.into_iter().map(one).collect()
        }),
        public: read.public,
        geospatial: read.geospatial,
        xarray_open_kwargs: read.xarray_open_kwargs.map(|mut kwargs| XarrayOpenKwargs {
            engine: kwargs.shift_remove("engine").and_then(|engine| engine.as_str().map(str::to_owned)),
            extra: kwargs,
        }),
        last_updated: read.last_updated,
        data_type: serde_json::from_value(own("firn:type")).ok(),
        license: serde_json::from_value(own("firn:license")).ok(),
        doi: serde_json::from_value(own("firn:doi")).ok(),
        lineage: serde_json::from_value(own("firn:lineage")).ok(),
        aliases: serde_json::from_value(own("firn:aliases")).ok(),
        mode: serde_json::from_value(own("firn:mode")).ok(),
        zarr: serde_json::from_value(own("firn:zarr")).ok(),
        icechunk: serde_json::from_value(own("firn:icechunk")).ok(),
        kerchunk: serde_json::from_value(own("firn:kerchunk")).ok(),
        files: serde_json::from_value(own("firn:files")).ok(),
        access: serde_json::from_value(own("firn:access")).ok(),
        ..StoreEntry::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::StoreKind;

    const GOLDEN: &str = include_str!("../../../testdata/leap/single-feedstock-web-catalog.json");

    #[test]
    fn a_leap_json_is_a_catalog() {
        let CatalogContent::Entries(entries, findings) = read("c.json", GOLDEN.as_bytes()).unwrap() else {
            panic!("no entries")
        };
        assert_eq!(findings, []);
        assert_eq!(entries[0].id, "proto.my-dataset");
        assert_eq!(entries[0].title, "The cool small Proto Dataset");
        assert_eq!(entries[0].kind, StoreKind::Zarr);
        assert!(entries[0].snippets[0].code.contains("gs://leap-scratch/"), "{}", entries[0].snippets[0].code);
    }

    #[test]
    fn an_index_reads_back_as_it_was_written() {
        let CatalogContent::Entries(entries, _) = read("c.json", GOLDEN.as_bytes()).unwrap() else { panic!() };
        let text = serde_json::to_vec(&CatalogIndex::new(entries.clone(), Vec::new())).unwrap();
        assert_eq!(read("c.json", &text).unwrap(), CatalogContent::Entries(entries, Vec::new()));
    }

    #[test]
    fn anything_else_is_refused_with_what_it_is() {
        let refused = |text: &str| read("c.json", text.as_bytes()).unwrap_err().to_string();
        assert!(refused("<html>").contains("not JSON"));
        assert!(refused("{}").contains("neither"));
        assert!(refused(r#"{"schema": "firn/catalog-index/9"}"#).contains("firn/catalog-index/9"));
        assert!(refused(r#"{"stac_version": "1.0.0", "type": "Feature"}"#).contains("item"));
        assert!(refused(r#"[{"title": 1}]"#).contains("element 0"));
    }
}
