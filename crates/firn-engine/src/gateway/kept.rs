//! Objects that references point into, kept open: over a network each opening is a request, and chunks come from the same few
//! files again and again.

use crate::execute::lock;
use firn_model::source::{ListedObject, RangeReader, Source, SourceError};
use firn_storage::ObjectUrl;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long an object is kept open. Readers read one version of it and fail for another one, so this delays no error but that
/// of an object which is gone.
const KEPT: Duration = Duration::from_secs(30);

/// Objects kept open of one dataset.
const MOST: usize = 16;

/// What is open, and since when.
type Siblings = HashMap<String, (Instant, Arc<dyn Source>)>;

/// A source whose siblings on other machines are kept.
pub struct KeptSiblings {
    inner: Arc<dyn Source>,
    siblings: Mutex<Siblings>,
}

impl KeptSiblings {
    /// Over this source.
    pub fn new(inner: Arc<dyn Source>) -> Self {
        Self { inner, siblings: Mutex::default() }
    }
}

impl Source for KeptSiblings {
    fn url(&self) -> &str {
        self.inner.url()
    }

    fn object(&self, key: &str) -> Result<Option<Arc<dyn RangeReader>>, SourceError> {
        self.inner.object(key)
    }

    fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, SourceError> {
        self.inner.list(prefix)
    }

    fn sibling(&self, url: &str) -> Result<Arc<dyn Source>, SourceError> {
        // Opening a local file costs nothing, and one that is replaced should be seen at once.
        if ObjectUrl::parse(url).is_ok_and(|url| url.local_path().is_some()) {
            return self.inner.sibling(url);
        }
        let now = Instant::now();
        // Held while a sibling is made, which asks nobody: all who want the object at once get the same one, which opens it once.
        let mut siblings = lock(&self.siblings);
        if let Some((_, source)) = siblings.get(url).filter(|(since, _)| now - *since < KEPT) {
            return Ok(Arc::clone(source));
        }
        let source = self.inner.sibling(url)?;
        siblings.retain(|_, (since, _)| now - *since < KEPT);
        if siblings.len() >= MOST
            && let Some(oldest) = siblings.iter().min_by_key(|(_, (since, _))| *since).map(|(url, _)| url.clone())
        {
            siblings.remove(&oldest);
        }
        siblings.insert(url.to_owned(), (now, Arc::clone(&source)));
        Ok(source)
    }
}
