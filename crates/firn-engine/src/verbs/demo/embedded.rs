//! The folder of the demo: sources, feedstocks, and two locations in it.

use super::bundled::Dataset;
use crate::error::EngineError;
use crate::settings::{Engine, EngineSettings};
use firn_model::diagnose::{At, Category};
use firn_storage::{LocationConfig, LocationRole, Storage, StorageError};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The folder, and an engine that knows its locations and no others.
pub(super) struct Embedded {
    pub dir: PathBuf,
    pub engine: Engine,
}

/// What a dataset is made from.
pub(super) struct Inputs {
    /// Directory of its feedstock.
    pub feedstock: PathBuf,
    /// Its files.
    pub files: Vec<PathBuf>,
}

const LOCATIONS: [(&str, LocationRole); 2] = [("inbox", LocationRole::Inbox), ("published", LocationRole::Published)];

/// How the settings of a demo begin.
const MARK: &str = "# The locations of this demo.";

impl Embedded {
    /// Makes the folder, its locations and the `firn.toml` that names them.
    ///
    /// # Errors
    /// A folder that cannot be written, or that has settings of somebody.
    pub fn open(engine: &Engine, dir: &Path) -> Result<Self, EngineError> {
        std::fs::create_dir_all(dir).map_err(|error| unwritable(dir, &error))?;
        let dir = std::fs::canonicalize(dir).map_err(|error| unwritable(dir, &error))?;
        let settings_file = dir.join("firn.toml");
        refuse_in_use(&settings_file)?;
        let mut tables = BTreeMap::new();
        let mut text = format!("{MARK}\n");
        for (name, role) in LOCATIONS {
            let folder = dir.join(name);
            std::fs::create_dir_all(&folder).map_err(|error| unwritable(&folder, &error))?;
            let url = folder.display().to_string();
            // A string of JSON is one of TOML, too.
            let quoted = serde_json::Value::String(url.clone());
            let _ = write!(text, "\n[locations.{name}]\nurl = {quoted}\nrole = \"{role}\"\n");
            tables.insert(name.to_owned(), LocationConfig { url, role, ..LocationConfig::default() });
        }
        put(&settings_file, text.as_bytes(), false)?;
        // Of other locations the demo must know nothing: where one is far away, no catalog lists folders of this machine.
        let mut settings = engine.storage.settings().clone();
        settings.locations.clear();
        let storage = Storage::new(settings.with_locations(&tables)?, engine.storage.runtime().clone())?;
        let settings = EngineSettings { state_dir: dir.join(".state"), ..engine.settings.clone() };
        Ok(Self { dir, engine: Engine { storage, settings, ..engine.clone() } })
    }

    /// The directory of a dataset's feedstock.
    pub fn feedstock(&self, dataset: &Dataset) -> PathBuf {
        self.dir.join("feedstocks").join(dataset.name)
    }

    /// Writes the source files and the feedstock of a dataset. What is there already with the same bytes stays untouched,
    /// so that a second demo sees unchanged sources.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn write_inputs(&self, dataset: &Dataset) -> Result<Inputs, EngineError> {
        let mut files = Vec::new();
        for (name, bytes) in dataset.files {
            let path = self.dir.join(dataset.folder()).join(name);
            put(&path, bytes, false)?;
            files.push(path);
        }
        let feedstock = self.feedstock(dataset);
        put(&feedstock.join("meta.yaml"), dataset.meta.as_bytes(), false)?;
        if let Some(recipe) = dataset.recipe {
            put(&feedstock.join("recipe.yaml"), recipe.as_bytes(), false)?;
        }
        // The verbs keep this one up to date.
        put(&feedstock.join("catalog.yaml"), dataset.catalog.as_bytes(), true)?;
        Ok(Inputs { feedstock, files })
    }

    /// A path of the folder, as it is written in a command there.
    pub fn relative(&self, path: &Path) -> String {
        firn_model::diagnose::shell_word(&path.strip_prefix(&self.dir).unwrap_or(path).to_string_lossy())
    }
}

/// Settings of somebody are never replaced.
fn refuse_in_use(path: &Path) -> Result<(), EngineError> {
    if std::fs::read(path).is_ok_and(|present| !present.starts_with(MARK.as_bytes())) {
        return Err(EngineError::Document {
            code: "folder-in-use",
            at: At::url(path.display().to_string()),
            what: "is not of a demo, which would replace it".to_owned(),
            category: Category::Conflict,
            next: "firn demo DIR, with a folder of its own".to_owned(),
        });
    }
    Ok(())
}

fn put(path: &Path, bytes: &[u8], keep: bool) -> Result<(), EngineError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
    }
    let present = std::fs::read(path).ok();
    if present.as_deref() == Some(bytes) || (keep && present.is_some()) {
        return Ok(());
    }
    std::fs::write(path, bytes).map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> EngineError {
    if error.kind() == std::io::ErrorKind::StorageFull {
        return StorageError::io(At::url(path.display().to_string()), error).into();
    }
    EngineError::Document {
        code: "folder-not-writable",
        at: At::url(path.display().to_string()),
        what: format!("cannot be written: {error}"),
        category: Category::Denied,
        next: "firn demo DIR, with a folder that you may write".to_owned(),
    }
}
