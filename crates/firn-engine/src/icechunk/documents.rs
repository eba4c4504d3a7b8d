//! The metadata documents of a snapshot, as a Zarr store in memory that the Zarr reader opens.

use bytes::Bytes;
use firn_model::dataset::NodePath;
use firn_model::diagnose::At;
use firn_model::source::{ListedObject, MemoryReader, RangeReader, Source, SourceError, SourceVersion};
use std::collections::BTreeMap;
use std::sync::Arc;

/// `zarr.json` documents by key.
#[derive(Debug)]
pub(super) struct Documents {
    url: String,
    by_key: BTreeMap<String, Bytes>,
}

impl Documents {
    pub(super) fn new(url: &str) -> Self {
        Self { url: url.to_owned(), by_key: BTreeMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    pub(super) fn insert(&mut self, path: &NodePath, zarr_json: Bytes) {
        let key = if path.is_root() { "zarr.json".to_owned() } else { format!("{}/zarr.json", path.as_key()) };
        self.by_key.insert(key, zarr_json);
    }
}

impl Source for Documents {
    fn url(&self) -> &str {
        &self.url
    }

    fn object(&self, key: &str) -> Result<Option<Arc<dyn RangeReader>>, SourceError> {
        let found = self.by_key.get(key).map(|bytes| {
            let name = format!("{}/{key}", self.url.trim_end_matches('/'));
            Arc::new(MemoryReader::new(&name, bytes.clone())) as Arc<dyn RangeReader>
        });
        Ok(found)
    }

    fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, SourceError> {
        let prefix = prefix.trim_end_matches('/');
        let below = |key: &str| prefix.is_empty() || key.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'));
        Ok(self
            .by_key
            .iter()
            .filter(|(key, _)| below(key))
            .map(|(key, bytes)| ListedObject {
                key: key.clone(),
                version: SourceVersion { size: bytes.len() as u64, ..SourceVersion::default() },
            })
            .collect())
    }

    fn sibling(&self, url: &str) -> Result<Arc<dyn Source>, SourceError> {
        Err(SourceError::Denied {
            at: At::url(url),
            what: "metadata in a repository refers to nothing else".to_owned(),
        })
    }
}
