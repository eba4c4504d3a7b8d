//! All documents of a catalog as texts.

use crate::collect::FeedstockDocuments;
use crate::entry::CatalogEntry;
use crate::finding::CatalogFinding;
use crate::index::{CatalogIndex, FILE_NAME};
use crate::leap::{LeapFeedstock, leap};
use crate::site;
use crate::stac::{self, RootDescription};
use firn_model::feedstock::slug;
use serde::Serialize;
use std::collections::BTreeSet;

/// Name of the JSON that sites of LEAP read.
pub const CONSOLIDATED: &str = "consolidated-web-catalog.json";

/// What is built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildOptions {
    /// Whether pages are made too.
    pub pages: bool,
    /// URL of the gateway, where there is one.
    pub gateway: Option<String>,
    /// What the root says of itself.
    pub root: RootDescription,
}

/// A file of a catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogFile {
    /// Path below the directory of the catalog, with `/`.
    pub path: String,
    /// Its content.
    pub text: String,
}

/// The files of a catalog, and what old sites cannot do with it. firn's index is the last: it names all the others.
///
/// # Errors
/// A value that JSON cannot say, which no document has.
pub fn build(
    feedstocks: &[FeedstockDocuments],
    entries: &[CatalogEntry],
    options: &BuildOptions,
) -> Result<(Vec<CatalogFile>, Vec<CatalogFinding>), serde_json::Error> {
    let mut files = Vec::new();
    let mut findings = Vec::new();
    let leap: Vec<LeapFeedstock> =
        feedstocks.iter().map(|feedstock| leap(feedstock, options.gateway.as_deref(), &mut findings)).collect();
    for entry in entries {
        let page = options.pages.then_some(site::PAGE);
        files.push(json(stac::collection_path(&entry.id), &stac::collection(entry, page))?);
        if options.pages {
            files.push(CatalogFile {
                path: site::page_path(&entry.id),
                text: site::page(entry, site::PageLinks::default()),
            });
        }
    }
    let mut taken = BTreeSet::new();
    for (feedstock, document) in feedstocks.iter().zip(&leap) {
        files.push(json(format!("feedstocks/{}.json", free_name(&feedstock.name, &mut taken)), document)?);
    }
    files.push(json(CONSOLIDATED.to_owned(), &leap)?);
    files.push(json(stac::ROOT.to_owned(), &stac::root(&options.root, entries))?);
    if options.pages {
        files.push(CatalogFile { path: site::PAGE.to_owned(), text: site::index(&options.root, entries) });
    }
    let names = files.iter().map(|file| file.path.clone()).chain([FILE_NAME.to_owned()]).collect();
    files.push(json(FILE_NAME.to_owned(), &CatalogIndex::new(entries.to_vec(), names))?);
    Ok((files, findings))
}

/// The slug of a feedstock, with a number behind it where two have the same.
fn free_name(feedstock: &str, taken: &mut BTreeSet<String>) -> String {
    let base = slug(feedstock).unwrap_or_else(|| "feedstock".to_owned());
    let mut name = base.clone();
    let mut number = 2u64;
    while !taken.insert(name.clone()) {
        name = format!("{base}-{number}");
        number += 1;
    }
    name
}

fn json(path: String, value: &impl Serialize) -> Result<CatalogFile, serde_json::Error> {
    Ok(CatalogFile { path, text: serde_json::to_string_pretty(value)? + "\n" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::collect;
    use firn_model::feedstock::meta::{Meta, Provenance};
    use firn_model::feedstock::{CatalogDocument, StoreEntry};

    fn feedstock(name: &str, store: &str) -> FeedstockDocuments {
        let entry = StoreEntry { id: store.to_owned(), url: "https://h/x.zarr".to_owned(), ..StoreEntry::default() };
        FeedstockDocuments {
            place: name.to_owned(),
            name: name.to_owned(),
            url: None,
            meta: Meta { title: name.to_owned(), provenance: Provenance::default(), ..Meta::default() },
            catalog: CatalogDocument { stores: Some(vec![entry]), ..CatalogDocument::default() },
        }
    }

    #[test]
    fn no_two_files_have_one_path_whatever_the_ids_are() {
        let feedstocks =
            [("catalog", "json"), ("index", "html"), ("SST", "a"), ("sst", "b"), ("feedstocks", "feedstocks")];
        let feedstocks: Vec<_> = feedstocks.iter().map(|(name, store)| feedstock(name, store)).collect();
        let (entries, findings) = collect(&feedstocks);
        assert_eq!((entries.len(), findings.len()), (5, 0));
        let (files, _) =
            build(&feedstocks, &entries, &BuildOptions { pages: true, ..BuildOptions::default() }).unwrap();
        let paths: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths.len(), files.len());
        let below = |file: &str| paths.iter().any(|other| other.starts_with(&format!("{file}/")));
        assert!(!paths.iter().any(|path| below(path)), "a file is the directory of another: {paths:?}");
        assert_eq!(files.last().unwrap().path, FILE_NAME);
        let index: CatalogIndex = serde_json::from_str(&files.last().unwrap().text).unwrap();
        assert_eq!(index.files.iter().map(String::as_str).collect::<BTreeSet<_>>(), paths);
    }
}
