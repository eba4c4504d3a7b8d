//! Which Zarr stores an upload consists of, found by their root documents, and in which order its objects are written.

use std::collections::BTreeMap;

/// The format of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StoreFormat {
    /// Zarr v3: `zarr.json`.
    Zarr3,
    /// Zarr v2: `.zgroup`, `.zarray`, `.zmetadata`.
    Zarr2,
}

impl StoreFormat {
    /// Version of the Zarr format.
    pub const fn number(self) -> u8 {
        match self {
            Self::Zarr3 => 3,
            Self::Zarr2 => 2,
        }
    }
}

/// The root of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreRoot {
    /// Its key in the upload; empty where the upload is the store.
    pub key: String,
    /// Its format.
    pub format: StoreFormat,
    /// Whether it has a `.zmetadata`; what a `zarr.json` holds is not told by keys.
    pub has_zmetadata: bool,
}

const V3: &str = "zarr.json";
const V2: [&str; 4] = [".zmetadata", ".zgroup", ".zarray", ".zattrs"];

/// When an object is written: readers take what has no root for no store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Chunks, and files of no store.
    Data,
    /// Documents of arrays and groups below a root.
    Metadata,
    /// Documents of a root.
    Root,
}

/// The outermost roots, in the order of their keys: documents below them are those of their nodes.
pub fn find_stores<'a>(keys: impl Iterator<Item = &'a str>) -> Vec<StoreRoot> {
    let mut roots: BTreeMap<&str, StoreRoot> = BTreeMap::new();
    for key in keys {
        let (folder, name) = split(key);
        if is_record(key) {
            continue;
        }
        let format = match name {
            V3 => StoreFormat::Zarr3,
            ".zmetadata" | ".zgroup" | ".zarray" => StoreFormat::Zarr2,
            _ => continue,
        };
        let root = || StoreRoot { key: folder.to_owned(), format, has_zmetadata: false };
        let known = roots.entry(folder).or_insert_with(root);
        known.has_zmetadata |= name == ".zmetadata";
        // Readers look for version 3 first.
        if format == StoreFormat::Zarr3 {
            known.format = format;
        }
    }
    let outermost = |key: &str| !ancestors(key).any(|above| roots.contains_key(above));
    roots.values().filter(|root| outermost(&root.key)).cloned().collect()
}

/// The store that an object belongs to, of those that [`find_stores`] gave.
pub fn store_of<'s>(stores: &'s [StoreRoot], key: &str) -> Option<&'s StoreRoot> {
    ancestors(key)
        .find_map(|folder| stores.binary_search_by(|store| store.key.as_str().cmp(folder)).ok().map(|n| &stores[n]))
}

/// Whether an object is one of firn's own records of the place where a store or version was written: not part of the data.
pub fn is_record(key: &str) -> bool {
    key.starts_with(".firn/") || key.contains("/.firn/")
}

/// When an object is written.
pub fn rank(stores: &[StoreRoot], key: &str) -> Rank {
    let Some(store) = store_of(stores, key) else { return Rank::Data };
    let (folder, name) = split(key);
    if name != V3 && !V2.contains(&name) {
        return Rank::Data;
    }
    if folder == store.key { Rank::Root } else { Rank::Metadata }
}

fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('/').unwrap_or(("", key))
}

/// The folders above a folder, the root of the upload last.
fn ancestors(folder: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(folder).filter(|folder| !folder.is_empty());
    std::iter::from_fn(move || {
        let above = split(rest?).0;
        rest = Some(above).filter(|above| !above.is_empty());
        Some(above)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(keys: &[&'static str]) -> Vec<(String, StoreFormat, bool)> {
        find_stores(keys.iter().copied()).into_iter().map(|root| (root.key, root.format, root.has_zmetadata)).collect()
    }

    #[test]
    fn stores_are_the_outermost_roots() {
        use StoreFormat::{Zarr2, Zarr3};
        let found = keys(&[
            "a.zarr/zarr.json",
            "a.zarr/x/zarr.json",
            "a.zarr/x/c/0",
            "deep/b/.zgroup",
            "deep/b/.zmetadata",
            "deep/b/y/.zarray",
            "note.txt",
        ]);
        assert_eq!(found, [("a.zarr".into(), Zarr3, false), ("deep/b".into(), Zarr2, true)]);
        assert_eq!(keys(&["zarr.json", "x/zarr.json", "x/.zgroup"]), [(String::new(), Zarr3, false)]);
        assert_eq!(keys(&["x/.zattrs", "c/0"]), []);
    }

    #[test]
    fn data_come_before_documents_and_roots_last() {
        let all = [
            "s/zarr.json",
            "s/x/zarr.json",
            "s/x/c/0",
            "t/.zattrs",
            "t/.zgroup",
            "t/x/.zarray",
            "t/x/0",
            "zarr.txt",
            "s/.firn/ledger",
        ];
        let stores = find_stores(all.into_iter());
        let ranks: Vec<Rank> = all.iter().map(|key| rank(&stores, key)).collect();
        use Rank::{Data, Metadata, Root};
        assert_eq!(ranks, [Root, Metadata, Data, Root, Root, Metadata, Data, Data, Data]);
        assert!(
            is_record("s/.firn/ledger") && is_record(".firn/x") && !is_record("s/x/c/0") && !is_record("s/.firns/x")
        );
        assert_eq!(store_of(&stores, "s2/x"), None);
        assert_eq!(store_of(&stores, "s/x/c/0").map(|store| store.key.as_str()), Some("s"));
        let whole = find_stores(["zarr.json", "x/c/0"].into_iter());
        assert_eq!(store_of(&whole, "x/c/0").map(|store| store.key.as_str()), Some(""));
        assert_eq!(find_stores(["a/.firn/zarr.json", ".firn/.zgroup"].into_iter()), []);
    }
}
