//! `firn du`: how much lies there, by store and array.

use crate::error::EngineError;
use crate::objects::named::{Named, look};
use crate::settings::Engine;
use firn_model::source::ListedObject;
use firn_model::upload::{StoreFormat, find_stores, is_record, store_of};
use std::collections::BTreeMap;

/// How much lies at some addresses.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Usage {
    /// One for each address.
    pub places: Vec<PlaceUsage>,
    /// All objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What lies at one address.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct PlaceUsage {
    /// The address.
    pub url: String,
    /// Its objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The Zarr stores there.
    pub stores: Vec<StoreUsage>,
    /// Objects of no store.
    pub other_objects: u64,
    /// Their bytes.
    pub other_bytes: u64,
    /// Objects with keys that no command touches.
    pub unusable: u64,
}

/// A Zarr store.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct StoreUsage {
    /// Its key below the address; empty where it is the store.
    pub key: String,
    /// Its format.
    pub format: StoreFormat,
    /// Its objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// By array or group, those with objects of their own beside their documents.
    pub nodes: Vec<NodeUsage>,
}

/// An array, or the part of a group that is in none.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct NodeUsage {
    /// Its path in the store; empty for the root.
    pub path: String,
    /// Its objects, documents included.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Sums up.
///
/// # Errors
/// As `ls`.
pub fn du(engine: &Engine, urls: &[String]) -> Result<Usage, EngineError> {
    let mut usage = Usage { places: Vec::new(), objects: 0, bytes: 0 };
    for url in urls {
        engine.cancel.check()?;
        let runtime = engine.storage.runtime();
        let place = match runtime.block_on(look(engine, url))? {
            Named::Object { version, .. } => PlaceUsage {
                url: url.clone(),
                objects: 1,
                bytes: version.size,
                stores: Vec::new(),
                other_objects: 1,
                other_bytes: version.size,
                unusable: 0,
            },
            Named::Folder { listing, .. } => {
                PlaceUsage { unusable: listing.unusable.len() as u64, ..sum(url, &listing.objects) }
            }
        };
        usage.objects += place.objects;
        usage.bytes += place.bytes;
        usage.places.push(place);
    }
    Ok(usage)
}

/// Adds up by store and node, from keys alone: an object belongs to the innermost node above it.
fn sum(url: &str, objects: &[ListedObject]) -> PlaceUsage {
    let stores = find_stores(objects.iter().map(|object| object.key.as_str()));
    let is_document = |name: &str| matches!(name, "zarr.json" | ".zarray" | ".zgroup");
    let nodes: std::collections::BTreeSet<&str> = objects
        .iter()
        .filter(|object| !is_record(&object.key))
        .filter_map(|object| {
            let (folder, name) = object.key.rsplit_once('/').unwrap_or(("", &object.key));
            is_document(name).then_some(folder)
        })
        .collect();
    let mut by_node: BTreeMap<(&str, &str), (u64, u64)> = BTreeMap::new();
    let (mut other_objects, mut other_bytes) = (0, 0);
    for object in objects {
        let Some(store) = store_of(&stores, &object.key) else {
            other_objects += 1;
            other_bytes += object.version.size;
            continue;
        };
        let mut folder = object.key.rsplit_once('/').map_or("", |(folder, _)| folder);
        while !nodes.contains(folder) && folder.len() > store.key.len() {
            folder = folder.rsplit_once('/').map_or("", |(above, _)| above);
        }
        let path = folder[store.key.len().min(folder.len())..].trim_start_matches('/');
        let node = by_node.entry((store.key.as_str(), path)).or_default();
        node.0 += 1;
        node.1 += object.version.size;
    }
    let of_store = |key: &str| -> Vec<NodeUsage> {
        let own = by_node.iter().filter(|((store, _), _)| *store == key);
        own.map(|((_, path), (objects, bytes))| NodeUsage {
            path: (*path).to_owned(),
            objects: *objects,
            bytes: *bytes,
        })
        .collect()
    };
    let stores: Vec<StoreUsage> = stores
        .iter()
        .map(|store| {
            let nodes = of_store(&store.key);
            let objects = nodes.iter().map(|node| node.objects).sum();
            let bytes = nodes.iter().map(|node| node.bytes).sum();
            StoreUsage { key: store.key.clone(), format: store.format, objects, bytes, nodes }
        })
        .collect();
    PlaceUsage {
        url: url.to_owned(),
        objects: objects.len() as u64,
        bytes: objects.iter().map(|object| object.version.size).sum(),
        stores,
        other_objects,
        other_bytes,
        unusable: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firn_model::source::SourceVersion;

    #[test]
    fn every_object_is_in_the_innermost_node_above_it() {
        let objects: Vec<ListedObject> = [
            "a.zarr/zarr.json",
            "a.zarr/x/zarr.json",
            "a.zarr/x/c/0/0",
            "a.zarr/g/zarr.json",
            "a.zarr/g/y/zarr.json",
            "a.zarr/g/y/c/1",
            "a.zarr/.firn/run.json",
            "b/.zgroup",
            "b/z/.zarray",
            "b/z/0.0",
            "note.txt",
        ]
        .iter()
        .map(|key| ListedObject {
            key: (*key).to_owned(),
            version: SourceVersion { size: 10, ..SourceVersion::default() },
        })
        .collect();
        let place = sum("here", &objects);
        let nodes = |s: &StoreUsage| s.nodes.iter().map(|n| (n.path.clone(), n.objects, n.bytes)).collect::<Vec<_>>();
        let found: Vec<_> = place.stores.iter().map(|s| (s.key.as_str(), nodes(s))).collect();
        let expected = |nodes: &[(&str, u64, u64)]| {
            nodes.iter().map(|(path, objects, bytes)| ((*path).to_owned(), *objects, *bytes)).collect::<Vec<_>>()
        };
        assert_eq!(
            found,
            [
                ("a.zarr", expected(&[("", 2, 20), ("g", 1, 10), ("g/y", 2, 20), ("x", 2, 20)])),
                ("b", expected(&[("", 1, 10), ("z", 2, 20)]))
            ]
        );
        assert_eq!((place.objects, place.bytes, place.other_objects, place.other_bytes), (11, 110, 1, 10));
        let whole = sum(
            "here",
            &objects[..3].iter().map(|o| ListedObject { key: o.key[7..].to_owned(), ..o.clone() }).collect::<Vec<_>>(),
        );
        assert_eq!(whole.stores[0].nodes.len(), 2);
    }
}
