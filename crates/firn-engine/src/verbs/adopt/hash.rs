//! Reading everything once: digests, kept in the directory of states as soon as they are known, so that the same command goes
//! on where it was stopped.

use crate::error::EngineError;
use crate::inbox::hash::digest_of;
use crate::objects::records::{Arrival, Records};
use crate::progress::TaskProgress;
use crate::settings::Engine;
use firn_model::source::ListedObject;
use firn_storage::Prefix;
use futures::{StreamExt, TryStreamExt};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Objects that are read at once: each takes at most one piece of 16 MiB.
const AT_ONCE: usize = 16;
/// Objects whose digests are kept together.
const KEPT: usize = 256;

/// Digests that are known.
pub(super) struct Digests {
    place: Arc<Prefix>,
    records: Records,
    known: BTreeMap<String, Arrival>,
}

impl Digests {
    /// Of a place: those that an earlier command made.
    ///
    /// # Errors
    /// What the file system says.
    pub fn of(engine: &Engine, place: &Arc<Prefix>) -> Result<Self, EngineError> {
        // What lies there was "copied" from itself: one record of a version and its digest.
        let mut records = Records::between(engine, place, place);
        let known = records.tidy()?;
        Ok(Self { place: Arc::clone(place), records, known })
    }

    /// The digests of these objects, BLAKE3 in hex, in their order.
    ///
    /// # Errors
    /// [`firn_model::source::SourceError::Changed`] where one is written meanwhile; what the storage says; the user's stop.
    pub fn make(
        &mut self,
        engine: &Engine,
        objects: &[ListedObject],
        progress: &TaskProgress,
    ) -> Result<Vec<String>, EngineError> {
        let mut digests = Vec::with_capacity(objects.len());
        for part in objects.chunks(KEPT) {
            engine.cancel.check()?;
            let made = engine.storage.runtime().block_on(self.part(engine, part, progress))?;
            let new: Vec<Arrival> = part
                .iter()
                .zip(&made)
                .filter(|(_, (_, is_new))| *is_new)
                .map(|(object, (digest, _))| Arrival {
                    key: object.key.clone(),
                    from: object.version.clone(),
                    to: object.version.clone(),
                    blake3: Some(digest.clone()),
                })
                .collect();
            self.records.add(&new)?;
            digests.extend(made.into_iter().map(|(digest, _)| digest));
        }
        Ok(digests)
    }

    async fn part(
        &self,
        engine: &Engine,
        objects: &[ListedObject],
        progress: &TaskProgress,
    ) -> Result<Vec<(String, bool)>, EngineError> {
        futures::stream::iter(objects.iter().cloned())
            .map(|object| {
                let known = self.known.get(&object.key).filter(|known| known.is_of(&object.version, &object.version));
                let known = known.and_then(|known| known.blake3.clone());
                let (place, cancel, progress) = (Arc::clone(&self.place), engine.cancel.clone(), &progress);
                async move {
                    cancel.check()?;
                    let size = object.version.size;
                    let made = if let Some(digest) = known {
                        (digest, false)
                    } else {
                        let read = async move { digest_of(&place, &object.key, &object.version).await };
                        let read = tokio::spawn(read).await;
                        (read.map_err(|error| EngineError::bug(error.to_string()))??, true)
                    };
                    progress.advance(size);
                    Ok::<_, EngineError>(made)
                }
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await
    }
}
