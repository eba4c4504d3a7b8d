//! The effective settings, and where each came from.

use super::environment::Environment;
use super::file::{ConfigFile, Found};
use super::machine;
use super::policy;
use super::size::Size;
use crate::error::FirnError;
use firn_model::policy::destination::DestinationRule;
use firn_storage::{HostPolicy, LocationConfig};
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a setting came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A flag.
    Flag(&'static str),
    /// An environment variable.
    Variable(&'static str),
    /// A configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// Nothing said otherwise.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(flag),
            Self::Variable(variable) => f.write_str(variable),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub origin: Origin,
}

/// The flags that are settings.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--memory`.
    pub memory: Option<Size>,
    /// `--jobs`.
    pub jobs: Option<NonZeroUsize>,
    /// `--catalog`.
    pub catalog: Option<String>,
}

/// All settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Bytes for chunks.
    pub memory: Setting<u64>,
    /// Pieces of work side by side.
    pub jobs: Setting<usize>,
    /// Where firn remembers things between commands.
    pub state_dir: Setting<PathBuf>,
    /// The catalog that `firn catalog` looks into.
    pub catalog: Setting<Option<String>>,
    /// Where references inside a source may lead.
    pub references: Setting<HostPolicy>,
    /// The file that says where data go.
    pub policy: Setting<Option<PathBuf>>,
    /// Its rules.
    pub destinations: Vec<DestinationRule>,
    /// The configured locations.
    pub locations: BTreeMap<String, Setting<LocationConfig>>,
    /// The files that were looked for, in order of precedence, and whether they are there.
    pub files: Vec<(PathBuf, bool)>,
}

impl Settings {
    /// Of these flags, in this environment.
    ///
    /// # Errors
    /// [`FirnError::ConfigUnreadable`], [`FirnError::ConfigInvalid`] (the findings of all files),
    /// [`FirnError::EnvironmentInvalid`].
    pub fn read(flags: &Flags, environment: &Environment) -> Result<Self, FirnError> {
        let paths: Vec<PathBuf> = std::iter::once(environment.project_file()).chain(environment.user_file()).collect();
        let mut files = Vec::new();
        let mut looked = Vec::new();
        let mut findings = Vec::new();
        for path in paths {
            match ConfigFile::load(&path) {
                Ok(file) => {
                    looked.push((path, file.is_some()));
                    files.extend(file);
                }
                Err(FirnError::ConfigInvalid { findings: more }) => findings.extend(more),
                Err(error) => return Err(error),
            }
        }
        if !findings.is_empty() {
            return Err(FirnError::ConfigInvalid { findings });
        }
        Self::merge(flags, environment, &files, looked)
    }

    fn merge(
        flags: &Flags,
        environment: &Environment,
        files: &[ConfigFile],
        looked: Vec<(PathBuf, bool)>,
    ) -> Result<Self, FirnError> {
        let memory = first(
            flags.memory.map(|size| (size, "--memory")),
            variable(environment, "FIRN_MEMORY", Size::from_str)?,
            files,
            |file| file.memory.as_ref(),
            || Size::Percent(25.0),
        );
        let jobs = first(
            flags.jobs.map(|jobs| (jobs, "--jobs")),
            variable(environment, "FIRN_JOBS", |text| {
                text.parse().map_err(|_| "write a whole number from 1".to_owned())
            })?,
            files,
            |file| file.jobs.as_ref(),
            || NonZeroUsize::new(machine::cores()).unwrap_or(NonZeroUsize::MIN),
        );
        let state_dir = first(
            None,
            variable(environment, "FIRN_STATE_DIR", |text| Ok(PathBuf::from(text)))?,
            files,
            |file| file.state_dir.as_ref(),
            || environment.default_state_dir(),
        );
        let catalog = first(
            flags.catalog.clone().map(|catalog| (Some(catalog), "--catalog")),
            variable(environment, "FIRN_CATALOG", |text| Ok(Some(text.to_owned())))?,
            files,
            |file| file.catalog.as_ref(),
            || None,
        );
        let references = first(
            None,
            variable(environment, "FIRN_REFERENCES", HostPolicy::from_str)?,
            files,
            |file| file.references.as_ref(),
            HostPolicy::default,
        );
        let policy = first(
            None,
            variable(environment, "FIRN_POLICY", |text| Ok(PathBuf::from(text)))?,
            files,
            |file| file.policy.as_ref(),
            PathBuf::new,
        );
        let policy =
            Setting { value: Some(policy.value).filter(|path| !path.as_os_str().is_empty()), origin: policy.origin };
        let destinations = policy.value.as_deref().map(policy::load).transpose()?.unwrap_or_default();
        Ok(Self {
            policy,
            destinations,
            memory: Setting { value: memory.value.of(machine::memory()), origin: memory.origin },
            jobs: Setting { value: jobs.value.get(), origin: jobs.origin },
            state_dir,
            catalog,
            references,
            locations: locations(files),
            files: looked,
        })
    }
}

/// The value of the highest precedence.
fn first<'a, T: Clone + 'a>(
    flag: Option<(T, &'static str)>,
    variable: Option<(T, &'static str)>,
    files: &'a [ConfigFile],
    of_file: impl Fn(&'a ConfigFile) -> Option<&'a Found<T>>,
    default: impl FnOnce() -> T,
) -> Setting<T> {
    if let Some((value, flag)) = flag {
        return Setting { value, origin: Origin::Flag(flag) };
    }
    if let Some((value, variable)) = variable {
        return Setting { value, origin: Origin::Variable(variable) };
    }
    for file in files {
        if let Some(found) = of_file(file) {
            return Setting { value: found.value.clone(), origin: origin(file, found.line) };
        }
    }
    Setting { value: default(), origin: Origin::Default }
}

fn variable<T>(
    environment: &Environment,
    name: &'static str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<(T, &'static str)>, FirnError> {
    let Some(text) = environment.get(name) else { return Ok(None) };
    match parse(text) {
        Ok(value) => Ok(Some((value, name))),
        Err(what) => Err(FirnError::EnvironmentInvalid { variable: name.to_owned(), value: text.to_owned(), what }),
    }
}

fn origin(file: &ConfigFile, line: usize) -> Origin {
    Origin::File { path: file.path.clone(), line }
}

/// The locations of all files; of two with one name, that of the first file, whole.
fn locations(files: &[ConfigFile]) -> BTreeMap<String, Setting<LocationConfig>> {
    let mut locations = BTreeMap::new();
    for file in files {
        for (name, found) in &file.locations {
            let setting = Setting { value: found.value.clone(), origin: origin(file, found.line) };
            locations.entry(name.clone()).or_insert(setting);
        }
    }
    locations
}

#[cfg(test)]
mod tests;
