//! The objects of a folder, or one file, in memory.

use bytes::Bytes;
use firn_model::diagnose::At;
use firn_model::source::{ListedObject, MemoryReader, RangeReader, Source, SourceError, SourceVersion};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Objects by their key; the empty key is a file of its own. References to others lead to the objects of the same name.
#[derive(Clone, Default)]
pub struct Tree {
    root: String,
    /// The objects.
    pub objects: BTreeMap<String, Bytes>,
}

impl Tree {
    /// A file, or all files below a folder. In a folder with a `references.json` that file is what is opened.
    ///
    /// # Errors
    /// What the file system says.
    pub fn read(path: &Path) -> std::io::Result<Self> {
        let mut tree = Self::default();
        if path.is_file() {
            tree.objects.insert(String::new(), std::fs::read(path)?.into());
            return Ok(tree);
        }
        let mut folders = vec![path.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder)? {
                let entry = entry?.path();
                if entry.is_dir() {
                    folders.push(entry);
                } else if let Some(key) = entry.strip_prefix(path).ok().and_then(Path::to_str) {
                    tree.objects.insert(key.to_owned(), std::fs::read(&entry)?.into());
                }
            }
        }
        if tree.objects.contains_key("references.json") {
            "references.json".clone_into(&mut tree.root);
        }
        Ok(tree)
    }
}

impl Source for Tree {
    fn url(&self) -> &'static str {
        "file:///input"
    }

    fn object(&self, key: &str) -> Result<Option<Arc<dyn RangeReader>>, SourceError> {
        let key = if key.is_empty() { self.root.as_str() } else { key };
        let content = self.objects.get(key);
        Ok(content.map(|content| Arc::new(MemoryReader::new(self.url(), content.clone())) as Arc<dyn RangeReader>))
    }

    fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, SourceError> {
        let below = self.objects.iter().filter(|(key, _)| key.starts_with(prefix));
        let listed = |(key, content): (&String, &Bytes)| ListedObject {
            key: key.clone(),
            version: SourceVersion { size: content.len() as u64, ..SourceVersion::default() },
        };
        Ok(below.map(listed).collect())
    }

    fn sibling(&self, url: &str) -> Result<Arc<dyn Source>, SourceError> {
        let name = url.rsplit('/').next().unwrap_or_default();
        match self.objects.get(name) {
            Some(content) => {
                let objects = BTreeMap::from([(String::new(), content.clone())]);
                Ok(Arc::new(Self { root: String::new(), objects }))
            }
            None => Err(SourceError::NotFound { at: At::url(url) }),
        }
    }
}
