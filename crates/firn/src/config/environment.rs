//! What the process was started with.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Environment variables and the current directory, as a value.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    directory: PathBuf,
}

impl Environment {
    /// Of this process. Variables that are not UTF-8 count as unset.
    pub fn of_process() -> Self {
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self { variables: variables.collect(), directory: PathBuf::from(".") }
    }

    /// These variables, in this directory.
    pub fn of(directory: impl Into<PathBuf>, variables: &[(&str, &str)]) -> Self {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self { variables: variables.collect(), directory: directory.into() }
    }

    /// A variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Who gives the command: the user of the hub, else of the system.
    pub fn user(&self) -> Option<&str> {
        ["JUPYTERHUB_USER", "USER", "LOGNAME"].into_iter().find_map(|name| self.get(name))
    }

    /// All variables.
    pub fn variables(&self) -> impl Iterator<Item = (String, String)> {
        self.variables.iter().map(|(name, value)| (name.clone(), value.clone()))
    }

    /// The project's file.
    pub fn project_file(&self) -> PathBuf {
        self.directory.join("firn.toml")
    }

    /// The user's file; `None` where the user has no home.
    pub fn user_file(&self) -> Option<PathBuf> {
        Some(self.below_home("XDG_CONFIG_HOME", ".config")?.join("firn/config.toml"))
    }

    /// Where firn remembers things by default.
    pub fn default_state_dir(&self) -> PathBuf {
        self.below_home("XDG_STATE_HOME", ".local/state")
            .map_or_else(|| self.directory.join(".firn-state"), |state| state.join("firn"))
    }

    /// `$VARIABLE`, which counts only where it is absolute (XDG Base Directory Specification), else `$HOME/FOLDER`.
    fn below_home(&self, variable: &str, folder: &str) -> Option<PathBuf> {
        let absolute = self.get(variable).map(PathBuf::from).filter(|path| path.is_absolute());
        absolute.or_else(|| Some(PathBuf::from(self.get("HOME")?).join(folder)))
    }
}
