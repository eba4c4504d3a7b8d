//! Feedstocks to entries.

use crate::classify::classify;
use crate::entry::CatalogEntry;
use crate::finding::CatalogFinding;
use crate::id::{aliases_of, id_of};
use firn_model::feedstock::{CatalogDocument, Meta, StoreEntry, is_slug};
use std::collections::HashMap;

/// The documents of one feedstock, read and valid.
#[derive(Debug, Clone)]
pub struct FeedstockDocuments {
    /// Where it is, as findings call it.
    pub place: String,
    /// Its name, which ids are made of.
    pub name: String,
    /// Its URL, where it is one that others can open.
    pub url: Option<String>,
    /// `meta.yaml`.
    pub meta: Meta,
    /// `catalog.yaml`.
    pub catalog: CatalogDocument,
}

/// The entries of all feedstocks, in their order, and what is wrong with them. A store whose id is taken or impossible has an
/// error and no entry.
pub fn collect(feedstocks: &[FeedstockDocuments]) -> (Vec<CatalogEntry>, Vec<CatalogFinding>) {
    let mut entries: Vec<CatalogEntry> = Vec::new();
    let mut findings = Vec::new();
    let mut taken: HashMap<String, String> = HashMap::new();
    for feedstock in feedstocks {
        for store in feedstock.catalog.stores() {
            let id = match id_of(&feedstock.name, store) {
                Ok(id) => id,
                Err(message) => {
                    let help = "give the store entry an id of lower-case letters, digits and `-`";
                    findings
                        .push(CatalogFinding::error("public-id", &feedstock.place, message, help).of_store(&store.id));
                    continue;
                }
            };
            let owner = format!("{}, {}", feedstock.place, store.id);
            if let Some(first) = taken.get(&id) {
                let message = format!("the public id {id} is that of {first} already");
                let help = format!("keep another one in one of the two entries: `firn:id: {id}-2`");
                findings.push(
                    CatalogFinding::error("duplicate-public-id", &feedstock.place, message, help).of_store(&store.id),
                );
                continue;
            }
            taken.insert(id.clone(), owner);
            entries.push(entry(feedstock, store, id, &mut findings));
        }
    }
    drop_taken_aliases(&mut entries, &mut taken, &mut findings);
    (entries, findings)
}

/// An alias that is somebody's id, or somebody else's alias, would lead to the wrong dataset.
fn drop_taken_aliases(
    entries: &mut [CatalogEntry],
    taken: &mut HashMap<String, String>,
    findings: &mut Vec<CatalogFinding>,
) {
    for entry in entries {
        let (feedstock, store, id) = (entry.feedstock.clone(), entry.store.clone(), entry.id.clone());
        entry.aliases.retain(|alias| {
            let free = !taken.contains_key(alias);
            if free {
                taken.insert(alias.clone(), format!("{feedstock}, {store}"));
            } else if *alias != id {
                let message = format!("the alias {alias} is taken by {}", taken[alias]);
                let finding = CatalogFinding::error("duplicate-public-id", &feedstock, message, "remove the alias");
                findings.push(finding.of_store(&store));
            }
            free
        });
    }
}

fn entry(
    feedstock: &FeedstockDocuments,
    store: &StoreEntry,
    id: String,
    findings: &mut Vec<CatalogFinding>,
) -> CatalogEntry {
    let (meta, catalog) = (&feedstock.meta, &feedstock.catalog);
    let classified = classify(store);
    if let Some(message) = classified.contradiction {
        let help = "see what it is with `firn inspect URL`, then say it as `mode:`";
        findings.push(CatalogFinding::warning("store-kind", &feedstock.place, message, help).of_store(&store.id));
    }
    let mut entry = CatalogEntry {
        id,
        title: title(meta, catalog, store),
        collection: meta.title.trim().to_owned(),
        description: meta.description.trim().to_owned(),
        data_type: store.data_type.or(catalog.data_type),
        feedstock: feedstock.name.clone(),
        feedstock_url: feedstock.url.clone(),
        store: store.id.clone(),
        aliases: aliases_of(catalog, store),
        url: store.url.clone(),
        kind: classified.kind,
        access: store.access.clone(),
        public: store.public,
        icechunk: store.icechunk.clone(),
        kerchunk: store.kerchunk.clone(),
        last_updated: store.last_updated.clone(),
        license: store
            .license
            .clone()
            .or_else(|| catalog.license.clone())
            .or_else(|| Some(meta.provenance.license.clone())),
        license_link: meta.provenance.license_link.clone(),
        doi: store.doi.clone().or_else(|| catalog.doi.clone()),
        lineage: store.lineage.clone().or_else(|| catalog.lineage.clone()).unwrap_or_default(),
        providers: meta.provenance.providers.clone(),
        maintainers: meta.maintainers.clone().unwrap_or_default(),
        tags: catalog.tags.clone().unwrap_or_default(),
        thumbnail: catalog.thumbnail.clone(),
        links: catalog.links.clone().unwrap_or_default(),
        snippets: Vec::new(),
        facts: None,
    };
    if let Err(none) = entry.renew_snippets() {
        let finding =
            CatalogFinding::warning("no-snippet", &feedstock.place, none.what, "readers have to find their own way");
        findings.push(finding.of_store(&store.id));
    }
    entry
}

/// The store's own name; an id that is words; the feedstock's title, with the id where there are several stores.
fn title(meta: &Meta, catalog: &CatalogDocument, store: &StoreEntry) -> String {
    let name = store.name.as_deref().map(str::trim).filter(|name| !name.is_empty());
    if let Some(name) = name {
        return name.to_owned();
    }
    if !is_slug(&store.id) && store.id.contains(' ') {
        return store.id.clone();
    }
    let title = meta.title.trim();
    if catalog.stores().len() > 1 { format!("{title}: {}", store.id) } else { title.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firn_model::feedstock::meta::Provenance;

    fn feedstock(name: &str, stores: &[&str]) -> FeedstockDocuments {
        let entry = |id: &&str| StoreEntry {
            id: (*id).to_owned(),
            url: format!("https://h/{id}.zarr"),
            ..StoreEntry::default()
        };
        FeedstockDocuments {
            place: format!("/stocks/{name}"),
            name: name.to_owned(),
            url: None,
            meta: Meta {
                title: format!("About {name}"),
                provenance: Provenance { license: "CC-BY-4.0".to_owned(), ..Provenance::default() },
                ..Meta::default()
            },
            catalog: CatalogDocument { stores: Some(stores.iter().map(entry).collect()), ..CatalogDocument::default() },
        }
    }

    #[test]
    fn two_stores_cannot_have_one_id() {
        let (entries, findings) = collect(&[feedstock("sst", &["daily"]), feedstock("SST", &["Daily", "monthly"])]);
        assert_eq!(entries.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(), ["sst.daily", "sst.monthly"]);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].code, "duplicate-public-id");
        assert!(findings[0].message.contains("/stocks/sst, daily"), "{}", findings[0]);
    }

    #[test]
    fn an_alias_cannot_take_the_id_of_another() {
        let mut renamed = feedstock("new", &["daily"]);
        renamed.catalog.aliases = Some(vec!["sst".to_owned(), "old".to_owned()]);
        let (entries, findings) = collect(&[feedstock("sst", &["daily"]), renamed]);
        assert_eq!(entries[1].aliases, ["old.daily"]);
        assert_eq!(findings.iter().map(|finding| finding.code).collect::<Vec<_>>(), ["duplicate-public-id"]);
    }

    #[test]
    fn an_id_of_words_is_the_title() {
        let (entries, findings) = collect(&[feedstock("altimetry", &["AVISO (Pangeo Legacy copy)"])]);
        assert_eq!(entries[0].id, "altimetry.aviso-pangeo-legacy-copy");
        assert_eq!(entries[0].title, "AVISO (Pangeo Legacy copy)");
        assert_eq!(entries[0].collection, "About altimetry");
        assert_eq!(entries[0].spdx(), Some("CC-BY-4.0"));
        assert_eq!(findings, []);
    }
}
