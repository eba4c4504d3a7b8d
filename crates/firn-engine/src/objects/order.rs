//! In which order objects of stores are written, so that no reader takes half a store for a whole one: pure.

use firn_model::upload::{Rank, StoreRoot, find_stores, rank};
use std::collections::BTreeSet;

/// The stores among some keys.
pub struct Order {
    stores: Vec<StoreRoot>,
    /// Folders of Icechunk repositories: those with `snapshots/` and `refs/`, or a `repo`.
    repositories: BTreeSet<String>,
}

impl Order {
    /// Of all keys that are written together.
    pub fn of<'a>(keys: impl Iterator<Item = &'a str> + Clone) -> Self {
        let stores = find_stores(keys.clone());
        let roots = keys.filter_map(|key| {
            let at = if key.starts_with("snapshots/") { 0 } else { key.find("/snapshots/")? };
            Some(key[..at].to_owned())
        });
        Self { stores, repositories: roots.collect() }
    }

    /// When an object is written: data first, what makes a store appear last.
    pub fn rank(&self, key: &str) -> Rank {
        let in_repository = self.repositories.iter().find_map(|root| {
            if root.is_empty() { Some(key) } else { key.strip_prefix(root.as_str())?.strip_prefix('/') }
        });
        match in_repository {
            // The branch names the snapshot that readers see.
            Some(below) if below.starts_with("refs/") || below == "repo" => Rank::Root,
            Some(below) if below.starts_with("snapshots/") || below.starts_with("transactions/") => Rank::Metadata,
            Some(_) => Rank::Data,
            None => rank(&self.stores, key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_a_store_appear_comes_last() {
        let keys = [
            "a.zarr/c/0",
            "a.zarr/x/zarr.json",
            "a.zarr/zarr.json",
            "i/chunks/A",
            "i/manifests/A",
            "i/refs/branch.main/ref.json",
            "i/snapshots/A",
            "j/repo",
            "j/snapshots/B",
            "note.txt",
        ];
        let order = Order::of(keys.iter().copied());
        let ranks: Vec<Rank> = keys.iter().map(|key| order.rank(key)).collect();
        use Rank::{Data, Metadata, Root};
        assert_eq!(ranks, [Data, Metadata, Root, Data, Data, Root, Metadata, Root, Metadata, Data]);
        let whole = Order::of(["snapshots/A", "refs/x"].into_iter());
        assert_eq!((whole.rank("refs/x"), whole.rank("chunks/1")), (Root, Data));
    }
}
