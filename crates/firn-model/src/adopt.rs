//! What lies in a place that was filled by other tools, as its keys tell: stores, repositories, what is left of stores, files.
//!
//! Nothing is read here. What the documents of a store say, and whether a file is what its name says, is for who opens them.

use crate::upload::{StoreFormat, find_stores, store_of};
use std::collections::{BTreeMap, BTreeSet};

/// What something is, by its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FindKind {
    /// A Zarr v3 store: its outermost `zarr.json`.
    Zarr3,
    /// A Zarr v2 store: its outermost `.zgroup`, `.zarray`, `.zmetadata`.
    Zarr2,
    /// An Icechunk repository: `refs/` or `repo`, and `snapshots/`.
    Icechunk,
    /// References of kerchunk in Parquet: `.zmetadata` and `refs.<n>.parq`.
    KerchunkParquet,
    /// Arrays or chunks of a store whose root document is not there.
    ZarrWithoutRoot,
    /// A file of kerchunk references; by its content, never by keys.
    KerchunkJson,
    /// Files of no store.
    Files,
}

/// Something that lies below the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Find {
    /// Its folder; empty where it is the place itself.
    pub key: String,
    /// What it is.
    pub kind: FindKind,
    /// Its objects: positions in the keys that were given.
    pub objects: Vec<usize>,
}

impl Find {
    /// The name by which it is grouped with what belongs to the same project: its first folder, empty for what lies in the
    /// place itself.
    pub fn group(&self) -> &str {
        self.key.split('/').next().unwrap_or_default()
    }
}

/// Names that file managers leave, and markers of tools: no data.
const NO_DATA: [&str; 5] = [".DS_Store", "Thumbs.db", "desktop.ini", ".directory", ".nfs"];

/// Whether a key is that of something that nobody stored: leavings of file managers, and firn's own records.
pub fn is_no_data(key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or_default();
    let is_record = key.split('/').any(|segment| segment.rsplit_once('.').is_some_and(|(_, ending)| ending == "firn"));
    is_record || key == "firn.json" || key.ends_with("/firn.json") || name.starts_with("._") || NO_DATA.contains(&name)
}

/// What lies below a place. Keys of [`is_no_data`] belong to nothing; every other one belongs to exactly one find.
///
/// Files are one find for each first folder, at their deepest common folder; those that lie in the place itself are one more.
pub fn finds(keys: &[&str]) -> Vec<Find> {
    let mut found: BTreeMap<String, Find> = BTreeMap::new();
    let repositories = repositories(keys);
    let mut rest = Vec::new();
    for (index, key) in keys.iter().enumerate().filter(|(_, key)| !is_no_data(key)) {
        match above(key).find(|folder| repositories.contains(folder)) {
            Some(folder) => put(&mut found, folder, FindKind::Icechunk, index),
            None => rest.push(index),
        }
    }
    let stores = find_stores(rest.iter().map(|index| keys[*index]));
    let with_references: BTreeSet<&str> =
        rest.iter().filter(|index| is_reference_file(keys[**index])).flat_map(|index| above(keys[*index])).collect();
    let mut files = Vec::new();
    for index in rest {
        let key = keys[index];
        if let Some(store) = store_of(&stores, key) {
            let kind = match store.format {
                _ if store.has_zmetadata && with_references.contains(store.key.as_str()) => FindKind::KerchunkParquet,
                StoreFormat::Zarr3 => FindKind::Zarr3,
                StoreFormat::Zarr2 => FindKind::Zarr2,
            };
            put(&mut found, &store.key, kind, index);
        } else if let Some(folder) = folder_named_zarr(key) {
            put(&mut found, folder, FindKind::ZarrWithoutRoot, index);
        } else {
            files.push(index);
        }
    }
    let mut found: Vec<Find> = headless(found).into_values().collect();
    found.extend(collections(keys, &files));
    found.sort_by(|a, b| (&a.key, a.kind).cmp(&(&b.key, b.kind)));
    found
}

fn put(found: &mut BTreeMap<String, Find>, folder: &str, kind: FindKind, index: usize) {
    let find = || Find { key: folder.to_owned(), kind, objects: Vec::new() };
    found.entry(folder.to_owned()).or_insert_with(find).objects.push(index);
}

/// Folders that hold a repository: a reference to its main branch, or `repo` of specification 2, and snapshots.
fn repositories<'k>(keys: &[&'k str]) -> BTreeSet<&'k str> {
    let folder_of = |key: &'k str, ending: &str| -> Option<&'k str> {
        let folder = key.strip_suffix(ending)?;
        if folder.is_empty() { Some("") } else { folder.strip_suffix('/') }
    };
    let heads: BTreeSet<&str> = keys
        .iter()
        .filter_map(|key| folder_of(key, "refs/branch.main/ref.json").or_else(|| folder_of(key, "repo")))
        .collect();
    let mut with_snapshots: BTreeSet<&str> = BTreeSet::new();
    for key in keys {
        let folder = key.strip_prefix("snapshots/").map(|_| "");
        with_snapshots.extend(folder.or_else(|| key.rsplit_once("/snapshots/").map(|(folder, _)| folder)));
    }
    heads.intersection(&with_snapshots).copied().collect()
}

fn is_reference_file(key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or_default();
    name.starts_with("refs.") && name.rsplit_once('.').is_some_and(|(_, ending)| matches!(ending, "parq" | "parquet"))
}

/// The outermost folder above a key whose name says that it is a Zarr store.
fn folder_named_zarr(key: &str) -> Option<&str> {
    above(key).filter(|folder| is_named_zarr(folder)).last()
}

fn is_named_zarr(folder: &str) -> bool {
    let name = folder.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    [".zarr", ".zarr2", ".zarr3"].iter().any(|ending| name.len() > ending.len() && name.ends_with(ending))
}

/// Several stores in a folder that is named like a store are its nodes: its root document is not there.
fn headless(found: BTreeMap<String, Find>) -> BTreeMap<String, Find> {
    let mut joined: BTreeMap<String, Find> = BTreeMap::new();
    for (folder, find) in found {
        let root = above(&folder).filter(|above| is_named_zarr(above)).last().map(str::to_owned);
        match root {
            Some(root) if find.kind != FindKind::Icechunk => {
                for index in find.objects {
                    put(&mut joined, &root, FindKind::ZarrWithoutRoot, index);
                }
            }
            _ => {
                joined.entry(folder).and_modify(|known| known.objects.extend(&find.objects)).or_insert(find);
            }
        }
    }
    joined
}

/// Files by their first folder, each at the deepest folder that they share.
fn collections(keys: &[&str], files: &[usize]) -> Vec<Find> {
    let mut groups: BTreeMap<&str, Find> = BTreeMap::new();
    for index in files {
        let folder = keys[*index].rsplit_once('/').map_or("", |(folder, _)| folder);
        let group = folder.split('/').next().unwrap_or_default();
        let find = || Find { key: folder.to_owned(), kind: FindKind::Files, objects: Vec::new() };
        let known = groups.entry(group).or_insert_with(find);
        known.key = common(&known.key, folder).to_owned();
        known.objects.push(*index);
    }
    groups.into_values().collect()
}

/// The deepest folder that is above both, or one of them.
fn common<'a>(a: &'a str, b: &str) -> &'a str {
    let mut end = 0;
    let mut length = 0;
    for (x, y) in a.split('/').zip(b.split('/')) {
        if x != y {
            break;
        }
        end = length + x.len();
        length = end + 1;
    }
    &a[..end]
}

/// The folders above a key, the place itself last.
fn above(key: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(key).filter(|key| !key.is_empty());
    std::iter::from_fn(move || {
        let folder = rest?.rsplit_once('/').map_or("", |(folder, _)| folder);
        rest = Some(folder).filter(|folder| !folder.is_empty());
        Some(folder)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(keys: &[&str]) -> Vec<(String, FindKind, Vec<String>)> {
        let name = |index: &usize| keys[*index].to_owned();
        finds(keys).into_iter().map(|find| (find.key, find.kind, find.objects.iter().map(name).collect())).collect()
    }

    fn kinds(keys: &[&str]) -> Vec<(String, FindKind)> {
        told(keys).into_iter().map(|(key, kind, _)| (key, kind)).collect()
    }

    #[test]
    fn every_key_belongs_to_one_find() {
        let keys = [
            "a.zarr/.zgroup",
            "a.zarr/x/.zarray",
            "a.zarr/x/0.0",
            "b/c/zarr.json",
            "b/c/y/c/0",
            "b/notes/readme.txt",
            "b/notes/deep/table.csv",
            "era/2001/01.nc",
            "era/2002/01.nc",
            "ice/refs/branch.main/ref.json",
            "ice/snapshots/ABC",
            "ice/chunks/D",
            "ice2/repo",
            "ice2/snapshots/ABC",
            "loose.nc",
            "a.zarr/.firn/ledger",
            "era/.DS_Store",
            "era/._01.nc",
            "up.firn/seal.json",
            "era/firn.json",
        ];
        let found = told(&keys);
        let named: Vec<(&str, FindKind, usize)> =
            found.iter().map(|(k, kind, o)| (k.as_str(), *kind, o.len())).collect();
        assert_eq!(
            named,
            [
                ("", FindKind::Files, 1),
                ("a.zarr", FindKind::Zarr2, 3),
                ("b/c", FindKind::Zarr3, 2),
                ("b/notes", FindKind::Files, 2),
                ("era", FindKind::Files, 2),
                ("ice", FindKind::Icechunk, 3),
                ("ice2", FindKind::Icechunk, 2),
            ]
        );
        let mut all: Vec<String> = found.into_iter().flat_map(|(_, _, objects)| objects).collect();
        all.sort();
        let mut expected: Vec<&str> = keys.into_iter().filter(|key| !is_no_data(key)).collect();
        expected.sort_unstable();
        assert_eq!(all, expected);
    }

    #[test]
    fn a_store_without_its_root_is_one_and_not_several() {
        use FindKind::{Zarr3, ZarrWithoutRoot};
        assert_eq!(
            kinds(&["p/a.zarr/x/zarr.json", "p/a.zarr/x/c/0", "p/a.zarr/y/zarr.json"]),
            [("p/a.zarr".to_owned(), ZarrWithoutRoot)]
        );
        assert_eq!(kinds(&["a.zarr/x/0.0"]), [("a.zarr".to_owned(), ZarrWithoutRoot)]);
        // Two arrays in a folder of any name are two.
        assert_eq!(kinds(&["p/x/zarr.json", "p/y/zarr.json"]), [("p/x".to_owned(), Zarr3), ("p/y".to_owned(), Zarr3)]);
    }

    #[test]
    fn references_in_parquet_are_no_zarr_store() {
        let keys = ["r.parq/.zmetadata", "r.parq/air/refs.0.parq", "r.parq/.zgroup"];
        assert_eq!(kinds(&keys), [("r.parq".to_owned(), FindKind::KerchunkParquet)]);
    }

    #[test]
    fn what_has_references_and_no_snapshots_is_no_repository() {
        assert_eq!(kinds(&["x/refs/branch.main/ref.json"]), [("x/refs/branch.main".to_owned(), FindKind::Files)]);
        assert_eq!(kinds(&["refs/branch.main/ref.json", "snapshots/A"]), [(String::new(), FindKind::Icechunk)]);
    }

    #[test]
    fn the_common_folder_is_made_of_whole_names() {
        assert_eq!(common("a/bc/d", "a/b"), "a");
        assert_eq!(common("a/b", "a/b/c"), "a/b");
        assert_eq!(common("x", "y"), "");
        assert_eq!(common("", ""), "");
    }
}
