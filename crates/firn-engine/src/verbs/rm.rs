//! `firn rm`: removing objects.

use crate::error::EngineError;
use crate::objects::error::ObjectsError;
use crate::objects::guard;
use crate::objects::named::choose;
use crate::settings::Engine;
use crate::verbs::cp::{ObjectFailure, remove};
use firn_model::diagnose::shell_word;
use firn_storage::{LocationRole, ObjectUrl, Prefix};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Keys that a report names.
const NAMED: usize = 1000;

/// What is to be removed.
#[derive(Debug, Clone, Default)]
pub struct RemoveRequest {
    /// Objects, patterns, folders.
    pub urls: Vec<String>,
    /// Folders, with all that lies below them.
    pub recursive: bool,
    /// Nothing is done, only said.
    pub dry_run: bool,
}

/// What was found to remove.
pub struct Removal {
    request: RemoveRequest,
    /// By place: prefix and keys.
    places: BTreeMap<String, (Prefix, Vec<String>)>,
    /// Folders that are removed as a whole.
    folders: Vec<Arc<Prefix>>,
    /// Objects.
    pub objects: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// What was removed, or would be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct RemoveReport {
    /// Whether nothing was done.
    pub dry_run: bool,
    /// Objects found.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that were removed.
    pub removed: u64,
    /// The addresses of what was found, the first thousand.
    pub urls: Vec<String>,
    /// What could not be removed.
    pub failures: Vec<ObjectFailure>,
}

impl RemoveRequest {
    fn with(&self, flag: &str) -> String {
        let recursive = if self.recursive && flag != "-r" { "-r " } else { "" };
        let urls: Vec<String> = self.urls.iter().map(|url| shell_word(url)).collect();
        format!("firn rm {recursive}{flag} {}", urls.join(" "))
    }
}

/// Finds what is to be removed; nothing is removed yet.
///
/// # Errors
/// [`ObjectsError::Protected`] where others rely on what lies there; [`ObjectsError::Folder`]; what the storage says.
pub fn find(engine: &Engine, request: &RemoveRequest) -> Result<Removal, EngineError> {
    for text in request.urls.iter().filter(|text| !firn_storage::is_pattern(text)) {
        let url = ObjectUrl::parse(text)?.absolute()?;
        guard::role(engine, &url, "removing objects")?;
        holds_no_location(engine, &url)?;
    }
    let mut places: BTreeMap<String, (Prefix, Vec<String>)> = BTreeMap::new();
    let (mut folders, mut objects, mut bytes) = (Vec::new(), 0, 0);
    for text in &request.urls {
        let chosen = choose(engine, std::slice::from_ref(text), request.recursive, &request.with("-r"))?;
        for folder in &chosen.folders {
            guard::role(engine, folder.url(), "removing objects")?;
            holds_no_location(engine, folder.url())?;
            engine.storage.runtime().block_on(guard::no_link(folder))?;
        }
        folders.extend(chosen.folders);
        for item in chosen.items {
            let place = places.entry(item.from.identity()).or_insert_with(|| ((*item.from).clone(), Vec::new()));
            objects += 1;
            bytes += item.version.size;
            place.1.push(item.key);
        }
    }
    for (prefix, _) in places.values() {
        guard::role(engine, prefix.url(), "removing objects")?;
    }
    Ok(Removal { request: request.clone(), places, folders, objects, bytes })
}

/// Refuses a folder in which a protected location lies.
fn holds_no_location(engine: &Engine, url: &ObjectUrl) -> Result<(), EngineError> {
    let physical = engine.storage.physical(url)?;
    for location in engine.storage.settings().locations.values() {
        let is_protected = !matches!(location.role, LocationRole::Scratch | LocationRole::Persistent);
        if is_protected && location.url.key_below(&physical).is_some() {
            guard::role(engine, &ObjectUrl::named(&location.name, "")?, "removing objects")?;
        }
    }
    Ok(())
}

/// Removes the empty directories that a file system has besides its files.
fn without_directories(engine: &Engine, folder: &Prefix) -> Result<(), EngineError> {
    let physical = engine.storage.physical(folder.url())?;
    if let Some(path) = physical.local_path() {
        engine.storage.runtime().block_on(folder.sweep(usize::MAX))?;
        // One that is not empty holds what was left alone.
        if let Err(error) = std::fs::remove_dir(path) {
            tracing::debug!(folder = %folder.url(), %error, "the directory stays");
        }
    }
    Ok(())
}

impl Removal {
    /// That nobody said yes.
    pub fn unconfirmed(&self) -> EngineError {
        let at = firn_model::diagnose::At::url(self.request.urls.first().map_or("", String::as_str));
        ObjectsError::Unconfirmed { at, objects: self.objects, next: self.request.with("--yes") }.into()
    }

    /// Removes it.
    ///
    /// # Errors
    /// Where the user stops it.
    pub fn perform(self, engine: &Engine) -> Result<(RemoveReport, Option<EngineError>), EngineError> {
        let mut urls = Vec::new();
        for (prefix, keys) in self.places.values() {
            for key in keys.iter().take(NAMED - urls.len().min(NAMED)) {
                urls.push(prefix.url().child(key)?.to_string());
            }
        }
        let mut report = RemoveReport {
            dry_run: self.request.dry_run,
            objects: self.objects as u64,
            bytes: self.bytes,
            removed: 0,
            urls,
            failures: Vec::new(),
        };
        let mut errors = Vec::new();
        if !self.request.dry_run {
            for (prefix, keys) in self.places.into_values() {
                let all: BTreeSet<String> = keys.iter().cloned().collect();
                let (removed, failures) = remove(engine, &prefix, &keys, &all)?;
                report.removed += removed;
                report.failures.extend(failures.iter().map(|(key, error)| ObjectFailure::new(key, error)));
                errors.extend(failures.into_iter().map(|(_, error)| error));
            }
            if errors.is_empty() {
                self.folders.iter().try_for_each(|folder| without_directories(engine, folder))?;
            }
        }
        Ok((report, EngineError::several("rm", errors)))
    }
}
