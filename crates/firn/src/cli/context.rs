//! What every verb gets: settings, an engine, where to report.

use super::arguments::{Cli, Common, OutputFormat, Resources, Transfer};
use super::bars::Bars;
use super::lines::Lines;
use crate::config::{Environment, Flags, Settings};
use crate::error::FirnError;
use firn_engine::cancel::Cancel;
use firn_engine::progress::{NoProgress, Progress};
use firn_engine::settings::{Engine, EngineSettings};
use firn_storage::{Storage, StorageSettings};
use std::io::IsTerminal;
use std::sync::Arc;
use tracing_subscriber::EnvFilter;

/// One command.
pub struct Context {
    common: Common,
    environment: Environment,
    cancel: Cancel,
}

impl Context {
    /// Of this command line.
    pub fn new(cli: &Cli, cancel: Cancel) -> Self {
        Self { common: cli.common.clone(), environment: Environment::of_process(), cancel }
    }

    /// The environment of the process.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Whether a person reads the answer as it comes.
    pub fn is_interactive(&self) -> bool {
        self.common.output == OutputFormat::Text && std::io::stdout().is_terminal()
    }

    /// Whether the answer is for people.
    pub fn is_text(&self) -> bool {
        self.common.output == OutputFormat::Text
    }

    /// A variable of the environment that is set and not empty.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.environment.get(name).map(str::to_owned)
    }

    /// An engine that may take this much of the machine and of the network.
    ///
    /// # Errors
    /// As [`Context::engine`].
    pub fn engine_for(&self, transfer: &Transfer) -> Result<Engine, FirnError> {
        let resources = &transfer.resources;
        let flags = Flags { memory: resources.memory, jobs: resources.jobs, catalog: None };
        let settings = self.settings(&flags)?;
        let mut storage = self.storage_settings(&settings)?;
        storage.limits.bandwidth = transfer.bwlimit;
        self.engine_over(&settings, storage)
    }

    /// The effective settings.
    ///
    /// # Errors
    /// As [`Settings::read`].
    pub fn settings(&self, flags: &Flags) -> Result<Settings, FirnError> {
        Settings::read(flags, &self.environment)
    }

    /// An engine that may take this much of the machine.
    ///
    /// # Errors
    /// As [`Settings::read`], and what is wrong with a location.
    pub fn engine(&self, resources: &Resources) -> Result<Engine, FirnError> {
        let flags = Flags { memory: resources.memory, jobs: resources.jobs, catalog: None };
        self.engine_of(&self.settings(&flags)?)
    }

    /// An engine with these settings.
    ///
    /// # Errors
    /// What is wrong with a location or with credentials.
    pub fn engine_of(&self, settings: &Settings) -> Result<Engine, FirnError> {
        self.engine_over(settings, self.storage_settings(settings)?)
    }

    fn engine_over(&self, settings: &Settings, mut storage: StorageSettings) -> Result<Engine, FirnError> {
        // The other half is for what is read to be built.
        storage.limits.part_memory = storage.limits.part_memory.min(settings.memory.value / 2);
        let engine = EngineSettings {
            memory: settings.memory.value,
            jobs: settings.jobs.value,
            state_dir: settings.state_dir.value.clone(),
            catalog: settings.catalog.value.clone(),
            destinations: settings.destinations.clone(),
            user: self.environment.user().map(str::to_owned),
        };
        let storage = Storage::new(storage, tokio::runtime::Handle::current())?;
        Ok(Engine::new(storage, engine).with_progress(self.progress()).with_cancel(self.cancel.clone()))
    }

    /// How storage is reached: locations of the settings, credentials of the environment.
    ///
    /// # Errors
    /// What is wrong with a location or with credentials.
    pub fn storage_settings(&self, settings: &Settings) -> Result<StorageSettings, FirnError> {
        let locations = settings.locations.iter().map(|(name, location)| (name, &location.value));
        let environment = StorageSettings::from_env(self.environment.variables())?;
        let mut storage = environment.with_locations(locations)?;
        storage.hosts = settings.references.value.clone();
        Ok(storage)
    }

    /// Bars on a terminal, lines elsewhere and among log lines, nothing where quiet is asked for.
    pub fn progress(&self) -> Arc<dyn Progress> {
        let dumb = self.environment.get("TERM").is_some_and(|term| term == "dumb");
        if self.common.quiet {
            Arc::new(NoProgress)
        } else if std::io::stderr().is_terminal() && !dumb && self.common.verbose == 0 {
            // Log lines would be drawn into the bars.
            Arc::new(Bars::new())
        } else {
            Arc::new(Lines::new())
        }
    }

    /// Sends firn's own log lines to standard error. Those of the libraries stay off: they print headers and requests.
    pub fn start_logging(&self) {
        let level = match (self.common.quiet, self.common.verbose) {
            (true, _) => "off",
            (_, 0) => "error",
            (_, 1) => "info",
            (_, 2) => "debug",
            _ => "trace",
        };
        let own = ["firn", "firn_engine", "firn_storage", "firn_formats", "firn_catalog", "firn_model"];
        let filter: Vec<String> = own.iter().map(|name| format!("{name}={level}")).collect();
        let built = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(filter.join(",")))
            .with_writer(std::io::stderr)
            .with_target(false)
            .with_ansi(super::render::style_of(&std::io::stderr()).colour)
            .try_init();
        // A second command in one process (tests) keeps the first one's subscriber.
        drop(built);
    }
}
