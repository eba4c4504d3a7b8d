//! What a face hands to every verb.

use crate::cancel::Cancel;
use crate::progress::{NoProgress, Progress};
use firn_model::policy::destination::DestinationRule;
use firn_model::policy::may_copy;
use firn_storage::{CapabilityStore, ObjectUrl, Prefix, Storage, StorageError, probe};
use std::path::PathBuf;
use std::sync::Arc;

/// Effective settings, read once by the face that starts a verb.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// Bytes of memory that the process may take while it builds and verifies.
    pub memory: u64,
    /// How many pieces of work run side by side; at least 1.
    pub jobs: usize,
    /// Folder for what firn remembers between commands (capability tables, scan cache).
    pub state_dir: PathBuf,
    /// Where data go, by the rules of those who look after the places.
    pub destinations: Vec<DestinationRule>,
    /// Who gives the command, where the environment says.
    pub user: Option<String>,
    /// Catalog that `catalog` verbs look into where none is named.
    pub catalog: Option<String>,
}

impl EngineSettings {
    /// The tables of what locations were seen to do.
    pub fn capabilities(&self) -> CapabilityStore {
        CapabilityStore::new(self.state_dir.join("capabilities"))
    }
}

/// What a verb works with: bytes, settings, where to report, when to stop. Clones share all of it.
#[derive(Clone)]
pub struct Engine {
    /// Where bytes are.
    pub storage: Storage,
    /// Settings.
    pub settings: EngineSettings,
    /// Where events go.
    pub progress: Arc<dyn Progress>,
    /// Asked between two pieces of work.
    pub cancel: Cancel,
}

impl Engine {
    /// An engine that shows nothing and is never stopped.
    pub fn new(storage: Storage, settings: EngineSettings) -> Self {
        Self { storage, settings, progress: Arc::new(NoProgress), cancel: Cancel::new() }
    }

    /// The same engine, reporting there.
    #[must_use]
    pub fn with_progress(self, progress: Arc<dyn Progress>) -> Self {
        Self { progress, ..self }
    }

    /// The same engine, stopping when this asks for it.
    #[must_use]
    pub fn with_cancel(self, cancel: Cancel) -> Self {
        Self { cancel, ..self }
    }

    /// Whether the rules of the location let this user write there.
    ///
    /// # Errors
    /// [`StorageError::Forbidden`] with the rule.
    pub fn may_write(&self, url: &ObjectUrl) -> Result<(), StorageError> {
        let Some((location, key)) = self.storage.location_of(url)? else { return Ok(()) };
        let allowed = firn_model::policy::may_write(&location.rules, &key, self.settings.user.as_deref());
        allowed.map_err(|forbidden| StorageError::Forbidden {
            at: url.at(),
            rule: forbidden.rule,
            what: forbidden.what,
        })
    }

    /// Whether the rules of the locations let what lies at these addresses come to lie there.
    ///
    /// # Errors
    /// [`StorageError::Forbidden`] with the rule.
    pub fn may_bring<'a>(
        &self,
        sources: impl IntoIterator<Item = &'a str>,
        target: &ObjectUrl,
    ) -> Result<(), StorageError> {
        let Some((to, _)) = self.storage.location_of(target)? else { return Ok(()) };
        for source in sources {
            // What is no address leads into no location.
            let Ok(source) = ObjectUrl::parse(source) else { continue };
            let from = self.storage.location_of(&source)?.map(|(location, _)| &location.rules);
            may_copy(from, Some(&to.rules)).map_err(|forbidden| StorageError::Forbidden {
                at: target.at(),
                rule: forbidden.rule,
                what: forbidden.what,
            })?;
        }
        Ok(())
    }

    /// A prefix to write to. A configured location is probed at its first use; what it was seen to do is kept and obeyed.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] where a file is there; what the storage says; a state directory that cannot be written.
    pub fn target_prefix(&self, url: &ObjectUrl) -> Result<Prefix, StorageError> {
        let place = self.storage.physical(url)?;
        if place.local_path().is_some_and(|path| path.exists() && !path.is_dir()) {
            let what = "a file is there already, and a store is a folder".to_owned();
            return Err(StorageError::Conflict { at: url.at(), what });
        }
        let prefix = self.storage.prefix(url)?;
        let Some((location, _)) = self.storage.location_of(url)? else { return Ok(prefix) };
        self.may_write(url)?;
        let root = self.storage.prefix(&ObjectUrl::named(&location.name, "")?)?;
        let tables = self.settings.capabilities();
        let table = if let Some(table) = tables.load(&root.identity())? {
            table
        } else {
            let now = u64::try_from(crate::clock::now_micros() / 1_000_000).unwrap_or(0);
            let table = self.storage.runtime().block_on(probe(&root, location.public_url.as_ref(), now));
            tables.save(&table)?;
            table
        };
        Ok(prefix.with_capabilities(&table))
    }
}
