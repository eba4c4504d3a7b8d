//! `firn config show`.

use crate::cli::context::Context;
use crate::cli::outcome::{Outcome, Style};
use crate::cli::table::write_table;
use crate::config::size::bytes_text;
use crate::config::{Environment, Flags, Setting, Settings};
use crate::error::FirnError;
use firn_model::diagnose::without_secrets;
use firn_storage::{LocationConfig, StorageSettings};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use std::io::{self, Write};

/// Nothing but what every verb understands.
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// The `result`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Shown {
    /// The settings.
    pub settings: IndexMap<String, ShownSetting>,
    /// The locations.
    pub locations: IndexMap<String, ShownLocation>,
    /// Where credentials for S3 would come from; never the credentials.
    pub s3_credentials: String,
    /// The files that were looked for, in order of precedence.
    pub files: Vec<ShownFile>,
}

/// A setting.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ShownSetting {
    /// Its value: a number (bytes for `memory`), a text, or null.
    pub value: Value,
    /// Where it came from: a flag, a variable, `FILE:LINE`, or `default`.
    pub origin: String,
}

/// A location.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ShownLocation {
    /// What its table says.
    pub table: Value,
    /// Where that stands: `FILE:LINE`.
    pub origin: String,
    /// Where its credentials would come from; never the credentials.
    pub credentials: String,
}

/// A configuration file.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ShownFile {
    /// Its path.
    pub path: String,
    /// Whether it is there.
    pub exists: bool,
}

impl Arguments {
    #[expect(clippy::unused_self, reason = "as every verb")]
    pub(super) fn perform(&self, context: &Context) -> Result<Outcome, FirnError> {
        let settings = context.settings(&Flags::default())?;
        let storage = context.storage_settings(&settings)?;
        Ok(Outcome::of(shown(&settings, &storage, context.environment()), draw))
    }
}

fn shown(settings: &Settings, storage: &StorageSettings, environment: &Environment) -> Shown {
    let mut all = IndexMap::new();
    all.insert("memory".to_owned(), setting(&settings.memory, |bytes| json!(bytes)));
    all.insert("jobs".to_owned(), setting(&settings.jobs, |jobs| json!(jobs)));
    all.insert("state_dir".to_owned(), setting(&settings.state_dir, |path| json!(path.to_string_lossy())));
    all.insert(
        "catalog".to_owned(),
        setting(&settings.catalog, |catalog| json!(catalog.as_deref().map(without_secrets))),
    );
    all.insert("references".to_owned(), setting(&settings.references, |places| json!(places.to_string())));
    let source = credential_source(storage, environment);
    let locations = settings.locations.iter().map(|(name, location)| {
        let shown = ShownLocation {
            table: serde_json::to_value(&location.value).unwrap_or(Value::Null),
            origin: location.origin.to_string(),
            credentials: credentials_of(&location.value, &source),
        };
        (name.clone(), shown)
    });
    let files = settings
        .files
        .iter()
        .map(|(path, exists)| ShownFile { path: path.to_string_lossy().into_owned(), exists: *exists });
    Shown { settings: all, locations: locations.collect(), s3_credentials: source.clone(), files: files.collect() }
}

fn setting<T>(setting: &Setting<T>, value: impl Fn(&T) -> Value) -> ShownSetting {
    ShownSetting { value: value(&setting.value), origin: setting.origin.to_string() }
}

fn credentials_of(location: &LocationConfig, source: &str) -> String {
    if !location.url.starts_with("s3://") {
        "none needed (local)".to_owned()
    } else if location.anonymous {
        "none (anonymous)".to_owned()
    } else {
        source.to_owned()
    }
}

/// Where S3 credentials come from, without saying what they are.
fn credential_source(storage: &StorageSettings, environment: &Environment) -> String {
    use firn_storage::CredentialState;
    match &storage.credentials {
        _ if storage.anonymous => "none: AWS_SKIP_SIGNATURE is set".to_owned(),
        CredentialState::None => "none: S3 is read without signing".to_owned(),
        CredentialState::Unusable { what } => format!("unusable: {what}"),
        CredentialState::Keys(_) if environment.get("AWS_ACCESS_KEY_ID").is_some() => {
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".to_owned()
        }
        CredentialState::Keys(_) => {
            format!("the AWS profile {:?}", environment.get("AWS_PROFILE").unwrap_or("default"))
        }
    }
}

fn draw(shown: &Shown, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let rows: Vec<Vec<String>> = shown
        .settings
        .iter()
        .map(|(name, setting)| {
            let value = match (&setting.value, name.as_str()) {
                (Value::Null, _) => "none".to_owned(),
                (Value::Number(bytes), "memory") => bytes_text(bytes.as_u64().unwrap_or(0)),
                (Value::String(text), _) => text.clone(),
                (other, _) => other.to_string(),
            };
            vec![name.clone(), value, setting.origin.clone()]
        })
        .collect();
    write_table(out, 0, &rows)?;
    for (name, location) in &shown.locations {
        writeln!(out, "\n{}  {}", style.bold(format!("[locations.{name}]")), location.origin)?;
        let keys = location.table.as_object().into_iter().flatten();
        let mut rows: Vec<Vec<String>> = keys
            .filter(|(_, value)| **value != Value::Bool(false))
            .map(|(key, value)| vec![key.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)])
            .collect();
        rows.push(vec!["credentials".to_owned(), location.credentials.clone()]);
        write_table(out, 2, &rows)?;
    }
    writeln!(out, "\nS3 credentials outside of locations: {}", shown.s3_credentials)?;
    for file in &shown.files {
        writeln!(out, "{} {}", if file.exists { "read" } else { "not there:" }, file.path)?;
    }
    Ok(())
}
