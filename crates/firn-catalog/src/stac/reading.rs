//! Foreign and own STAC documents as entries.

use super::collection::kind_of;
use crate::classify::{StoreKind, by_url};
use crate::entry::CatalogEntry;
use crate::error::CatalogError;
use crate::facts::{AxisKind, DatasetFacts, DimensionFacts, VariableFacts, VariableRole};
use firn_model::feedstock::catalog::Link;
use firn_model::feedstock::meta::{LicenseLink, Provider};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A STAC document, read.
#[derive(Debug, Clone, PartialEq)]
pub struct StacDocument {
    /// The dataset, where it is a collection with an asset that can be data.
    pub entry: Option<CatalogEntry>,
    /// Links to the documents below, as they are written.
    pub children: Vec<String>,
}

/// Reads a catalog or collection.
///
/// # Errors
/// [`CatalogError::NotACatalog`] for any other kind of document.
pub fn read(url: &str, document: &Map<String, Value>) -> Result<StacDocument, CatalogError> {
    let kind = document.get("type").and_then(Value::as_str).unwrap_or_default();
    if !matches!(kind, "Catalog" | "Collection") {
        let what = if kind == "Feature" {
            "it is a STAC item; name the catalog or collection that it is in".to_owned()
        } else {
            "it has neither the type of a STAC catalog nor that of a collection".to_owned()
        };
        return Err(CatalogError::NotACatalog { url: url.to_owned(), what });
    }
    let children = links(document, "child").map(|(href, _)| href.to_owned()).collect();
    let entry = if kind == "Collection" { entry(document) } else { None };
    Ok(StacDocument { entry, children })
}

fn links<'d>(document: &'d Map<String, Value>, wanted: &'d str) -> impl Iterator<Item = (&'d str, &'d str)> {
    let list = document.get("links").and_then(Value::as_array).into_iter().flatten();
    list.filter(move |link| link.get("rel").and_then(Value::as_str) == Some(wanted)).filter_map(|link| {
        let title = link.get("title").and_then(Value::as_str).unwrap_or_default();
        Some((link.get("href")?.as_str()?, title))
    })
}

fn entry(document: &Map<String, Value>) -> Option<CatalogEntry> {
    let text = |key: &str| document.get(key).and_then(Value::as_str).map(str::to_owned);
    let id = text("id")?;
    let (url, kind) = data_asset(document)?;
    let title = text("title").unwrap_or_else(|| id.clone());
    let mut entry = CatalogEntry {
        title: title.clone(),
        collection: text("firn:collection").unwrap_or(title),
        description: text("description").unwrap_or_default(),
        data_type: own(document, "firn:type"),
        feedstock: text("firn:feedstock").unwrap_or_else(|| id.clone()),
        feedstock_url: links(document, "via").next().map(|(href, _)| href.to_owned()),
        store: text("firn:store").unwrap_or_else(|| id.clone()),
        aliases: own(document, "firn:aliases").unwrap_or_default(),
        url,
        kind,
        access: own(document, "firn:access"),
        public: own(document, "firn:public"),
        icechunk: own(document, "firn:icechunk"),
        kerchunk: own(document, "firn:kerchunk"),
        last_updated: text("firn:last_updated").or_else(|| text("updated")),
        license: text("firn:license").or_else(|| text("license")),
        license_link: links(document, "license").next().map(|(href, title)| LicenseLink {
            title: title.to_owned(),
            url: Some(href.to_owned()),
            ..LicenseLink::default()
        }),
        doi: text("sci:doi"),
        lineage: own(document, "firn:lineage").unwrap_or_default(),
        providers: own::<Vec<Provider>>(document, "providers").unwrap_or_default(),
        maintainers: Vec::new(),
        tags: own(document, "keywords").unwrap_or_default(),
        thumbnail: asset_with_role(document, "thumbnail")
            .and_then(|asset| Some(asset.get("href")?.as_str()?.to_owned())),
        links: links(document, "related")
            .map(|(href, label)| Link { label: label.to_owned(), url: href.to_owned(), ..Link::default() })
            .collect(),
        snippets: Vec::new(),
        facts: facts(document),
        id,
    };
    // Lines from a foreign document are not repeated: they are made here, of what the document says.
    let _none = entry.renew_snippets();
    Some(entry)
}

fn own<T: DeserializeOwned>(document: &Map<String, Value>, key: &str) -> Option<T> {
    document.get(key).and_then(|value| serde_json::from_value(value.clone()).ok())
}

fn asset_with_role<'d>(document: &'d Map<String, Value>, role: &str) -> Option<&'d Value> {
    let assets = document.get("assets")?.as_object()?;
    assets.values().find(|asset| {
        asset.get("roles").and_then(Value::as_array).is_some_and(|roles| roles.iter().any(|found| found == role))
    })
}

/// Address and kind of the data: an asset of a known kind, those with the role `data` first.
fn data_asset(document: &Map<String, Value>) -> Option<(String, StoreKind)> {
    if let (Some(url), Some(kind)) = (own::<String>(document, "firn:url"), own(document, "firn:kind")) {
        return Some((url, kind));
    }
    let assets = document.get("assets")?.as_object()?;
    let known = |asset: &Value| {
        let href = asset.get("href")?.as_str()?;
        let kind = asset.get("type").and_then(Value::as_str).and_then(kind_of).or_else(|| by_url(href))?;
        let references = asset_has_role(asset, "references");
        let kind = match kind {
            StoreKind::Parquet if references => StoreKind::KerchunkParquet,
            // A JSON asset that does not say so is metadata more often than references.
            StoreKind::KerchunkJson if !references => return None,
            kind => kind,
        };
        (asset_has_role(asset, "data") || kind.is_plain_zarr() || kind == StoreKind::Icechunk || kind.is_kerchunk())
            .then(|| (href.to_owned(), kind))
    };
    let mut found: Vec<(String, StoreKind)> = assets.values().filter_map(known).collect();
    found.sort_by_key(|(_, kind)| match kind {
        StoreKind::Icechunk | StoreKind::ZarrV3 => 0,
        StoreKind::Zarr | StoreKind::ZarrV2 => 1,
        _ => 2,
    });
    found.into_iter().next()
}

fn asset_has_role(asset: &Value, role: &str) -> bool {
    asset.get("roles").and_then(Value::as_array).is_some_and(|roles| roles.iter().any(|found| found == role))
}

/// Dimensions and variables, as far as the datacube extension told them.
fn facts(document: &Map<String, Value>) -> Option<DatasetFacts> {
    let dimensions = document.get("cube:dimensions")?.as_object()?;
    let mut facts = DatasetFacts::default();
    for (name, value) in dimensions {
        facts.dimensions.insert(name.clone(), dimension(value));
    }
    for (name, value) in document.get("cube:variables").and_then(Value::as_object).into_iter().flatten() {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let role =
            if text("type").as_deref() == Some("auxiliary") { VariableRole::Auxiliary } else { VariableRole::Data };
        let list = |key: &str| value.get(key).and_then(|list| serde_json::from_value(list.clone()).ok());
        let variable = VariableFacts {
            dimensions: value
                .get("dimensions")
                .and_then(|d| serde_json::from_value(d.clone()).ok())
                .unwrap_or_default(),
            shape: list("firn:shape").unwrap_or_default(),
            data_type: text("data_type").unwrap_or_default(),
            chunk_shape: list("firn:chunk_shape"),
            role,
            description: text("description"),
            standard_name: text("firn:standard_name"),
            units: text("unit"),
        };
        facts.variables.insert(name.clone(), variable);
    }
    Some(facts)
}

fn dimension(value: &Value) -> DimensionFacts {
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let axis = match (text("type").as_deref(), text("axis").as_deref()) {
        (Some("temporal"), _) => AxisKind::Time,
        (_, Some("x")) => AxisKind::X,
        (_, Some("y")) => AxisKind::Y,
        (_, Some("z")) => AxisKind::Z,
        _ => AxisKind::Other,
    };
    let extent = value.get("extent");
    DimensionFacts {
        size: value.get("firn:size").and_then(Value::as_u64).unwrap_or(0),
        axis,
        units: text("unit"),
        description: text("description"),
        extent: extent.and_then(|extent| serde_json::from_value(extent.clone()).ok()),
        step: value.get("step").and_then(Value::as_f64),
        interval: extent.and_then(|extent| serde_json::from_value(extent.clone()).ok()),
        calendar: text("firn:calendar"),
        labels: value.get("values").and_then(|values| serde_json::from_value(values.clone()).ok()),
    }
}
