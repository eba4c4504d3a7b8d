//! A source of several objects that are parts of one input.

use bytes::Bytes;
use firn_model::diagnose::At;
use firn_model::source::{ListedObject, MemoryReader, RangeReader, Source, SourceError, SourceVersion};
use std::sync::Arc;

/// Documents by their key; every other key is the same chunk.
pub struct Objects {
    documents: Vec<(String, Bytes)>,
    chunk: Option<Bytes>,
}

impl Objects {
    /// From an input: `key NUL content NUL NUL` for each document, the rest is the chunk. Without a double NUL there is no chunk,
    /// as of a store whose objects are gone.
    pub fn of(data: &[u8]) -> Self {
        let mut documents = Vec::new();
        let mut rest = Bytes::copy_from_slice(data);
        while let Some(end) = rest.windows(2).position(|pair| pair == [0, 0]) {
            let mut entry = rest.split_to(end);
            rest = rest.slice(2..);
            let Some(middle) = entry.iter().position(|byte| *byte == 0) else { break };
            let content = entry.split_off(middle).slice(1..);
            let Ok(key) = std::str::from_utf8(&entry) else { break };
            documents.push((key.to_owned(), content));
            if documents.len() == 16 {
                break;
            }
        }
        let chunk = (!rest.is_empty() && !documents.is_empty()).then_some(rest);
        Self { documents, chunk }
    }
}

impl Source for Objects {
    fn url(&self) -> &'static str {
        "file:///input"
    }

    fn object(&self, key: &str) -> Result<Option<Arc<dyn RangeReader>>, SourceError> {
        let document = self.documents.iter().find(|(name, _)| name == key).map(|(_, content)| content);
        let is_document =
            key.is_empty() || key.rsplit('/').next().is_some_and(|name| name.starts_with('.') || name == "zarr.json");
        let content = document.or(if is_document { None } else { self.chunk.as_ref() });
        Ok(content.map(|content| Arc::new(MemoryReader::new(self.url(), content.clone())) as Arc<dyn RangeReader>))
    }

    fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, SourceError> {
        let below = self.documents.iter().filter(|(key, _)| key.starts_with(prefix));
        let listed = |(key, content): &(String, Bytes)| ListedObject {
            key: key.clone(),
            version: SourceVersion { size: content.len() as u64, ..SourceVersion::default() },
        };
        Ok(below.map(listed).collect())
    }

    fn sibling(&self, url: &str) -> Result<Arc<dyn Source>, SourceError> {
        Err(SourceError::Denied { at: At::url(url), what: "the input refers to nothing else".to_owned() })
    }
}
