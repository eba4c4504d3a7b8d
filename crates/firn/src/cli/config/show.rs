//! `firn config show`.

use crate::cli::context::Context;
use crate::cli::outcome::{Outcome, Style};
use crate::cli::table::write_table;
use crate::config::size::bytes_text;
use crate::config::{Flags, Setting, Settings};
use crate::error::FirnError;
use firn_model::diagnose::without_secrets;
use firn_storage::{Account, CredentialState, Fetched, Location, StorageSettings};
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
    /// Where credentials for S3 outside of locations would come from; never the credentials.
    pub s3_credentials: String,
    /// The same for Google Cloud Storage.
    pub google_credentials: String,
    /// The same for Azure Blob Storage.
    pub azure_credentials: String,
    /// The remotes of `rclone.conf`, by name.
    pub remotes: IndexMap<String, ShownRemote>,
    /// The proxies that requests go by, by variable; never their passwords.
    pub proxies: IndexMap<String, String>,
    /// Which certificates are trusted.
    pub certificates: String,
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

/// A remote of `rclone.conf`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ShownRemote {
    /// Its `type`.
    pub kind: String,
    /// Where it leads, or why it cannot be used.
    pub leads_to: String,
    /// Whether firn can use it.
    pub is_usable: bool,
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
        let proxies = proxies(|name| context.variable(name));
        let certificates = certificates(|name| context.variable(name), &storage);
        Ok(Outcome::of(Shown { proxies, certificates, ..shown(&settings, &storage) }, draw))
    }
}

fn shown(settings: &Settings, storage: &StorageSettings) -> Shown {
    let mut all = IndexMap::new();
    all.insert("memory".to_owned(), setting(&settings.memory, |bytes| json!(bytes)));
    all.insert("jobs".to_owned(), setting(&settings.jobs, |jobs| json!(jobs)));
    all.insert("state_dir".to_owned(), setting(&settings.state_dir, |path| json!(path.to_string_lossy())));
    all.insert(
        "catalog".to_owned(),
        setting(&settings.catalog, |catalog| json!(catalog.as_deref().map(without_secrets))),
    );
    all.insert("references".to_owned(), setting(&settings.references, |places| json!(places.to_string())));
    all.insert(
        "policy".to_owned(),
        setting(&settings.policy, |path| json!(path.as_ref().map(|path| path.to_string_lossy()))),
    );
    let source = source_of(&storage.account, storage.anonymous);
    let locations = settings.locations.iter().map(|(name, location)| {
        let shown = ShownLocation {
            table: serde_json::to_value(&location.value).unwrap_or(Value::Null),
            origin: location.origin.to_string(),
            credentials: storage
                .locations
                .get(name)
                .map_or_else(String::new, |location| credentials_of(location, storage, &source)),
        };
        (name.clone(), shown)
    });
    let files = settings
        .files
        .iter()
        .map(|(path, exists)| ShownFile { path: path.to_string_lossy().into_owned(), exists: *exists });
    let of_rclone =
        storage.remotes_file().map(|path| ShownFile { path: path.to_string_lossy().into_owned(), exists: true });
    Shown {
        settings: all,
        locations: locations.collect(),
        google_credentials: source_of(&storage.google, false),
        azure_credentials: source_of(&storage.azure, false),
        s3_credentials: source.clone(),
        remotes: remotes_of(storage),
        proxies: IndexMap::new(),
        certificates: String::new(),
        files: files.chain(of_rclone).collect(),
    }
}

fn setting<T>(setting: &Setting<T>, value: impl Fn(&T) -> Value) -> ShownSetting {
    ShownSetting { value: value(&setting.value), origin: setting.origin.to_string() }
}

fn credentials_of(location: &Location, storage: &StorageSettings, source: &str) -> String {
    let source = match location.url.scheme() {
        "s3" => source.to_owned(),
        "gs" => source_of(&storage.google, storage.anonymous),
        "az" => source_of(&storage.azure, storage.anonymous),
        "sftp" => return storage.ssh.describe(),
        _ => return "none needed (local)".to_owned(),
    };
    if location.anonymous {
        return "none (anonymous)".to_owned();
    }
    location.account.as_ref().map_or(source, |account| source_of(account, storage.anonymous))
}

const NOT_SIGNED: &str = "none: requests are not signed";

/// Where credentials come from, without saying what they are.
fn source_of(account: &Account, anonymous: bool) -> String {
    match &account.state {
        _ if anonymous => "none: AWS_SKIP_SIGNATURE is set".to_owned(),
        CredentialState::None => NOT_SIGNED.to_owned(),
        CredentialState::Unusable { what } => format!("unusable: {what}"),
        CredentialState::Fetched(how) => format!("{}{}", account.source, how_of(how)),
        CredentialState::Cloud(_) if account.source.is_empty() => NOT_SIGNED.to_owned(),
        CredentialState::Cloud(_) | CredentialState::Keys(_) => account.source.clone(),
    }
}

fn how_of(how: &Fetched) -> &'static str {
    match how {
        Fetched::Process { .. } => ", printed by its credential_process",
        Fetched::SingleSignOn(_) => ", by the token of aws sso login",
        Fetched::Role { .. } => ", which takes on a role",
        Fetched::Ambient(_) => "",
    }
}

/// Variables that name proxies; of two spellings the first that is set counts.
const PROXIES: [[&str; 2]; 4] = [
    ["HTTPS_PROXY", "https_proxy"],
    ["HTTP_PROXY", "http_proxy"],
    ["ALL_PROXY", "all_proxy"],
    ["NO_PROXY", "no_proxy"],
];

fn proxies(variable: impl Fn(&str) -> Option<String>) -> IndexMap<String, String> {
    let found = PROXIES.iter().filter_map(|names| {
        names.iter().find_map(|name| Some(((*name).to_owned(), without_secrets(&variable(name)?))))
    });
    found.collect()
}

fn certificates(variable: impl Fn(&str) -> Option<String>, storage: &StorageSettings) -> String {
    let of_system = ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().find_map(|name| Some((name, variable(name)?)));
    let of_system =
        of_system.map_or_else(|| "those of the system".to_owned(), |(name, path)| format!("{name} ({path})"));
    let more = storage.certificates.origins.iter().map(|(name, path)| format!("{name} ({})", path.display()));
    std::iter::once(of_system).chain(more).collect::<Vec<_>>().join(", and ")
}

fn remotes_of(storage: &StorageSettings) -> IndexMap<String, ShownRemote> {
    let remotes = storage.remotes().into_iter().map(|(name, kind)| {
        let (leads_to, is_usable) = match storage.remote_leads_to(&name) {
            Ok(place) => (place, true),
            Err(why) => (why, false),
        };
        (name, ShownRemote { kind, leads_to, is_usable })
    });
    remotes.collect()
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
    if !shown.remotes.is_empty() {
        writeln!(out, "\n{}", style.bold("remotes of rclone.conf"))?;
        let rows: Vec<Vec<String>> = shown
            .remotes
            .iter()
            .map(|(name, remote)| {
                let mark = if remote.is_usable { String::new() } else { "cannot be used: ".to_owned() };
                vec![format!("{name}:"), remote.kind.clone(), format!("{mark}{}", remote.leads_to)]
            })
            .collect();
        write_table(out, 2, &rows)?;
    }
    writeln!(out, "\n{}", style.bold("credentials outside of locations"))?;
    let rows =
        [("s3://", &shown.s3_credentials), ("gs://", &shown.google_credentials), ("az://", &shown.azure_credentials)];
    let rows: Vec<Vec<String>> =
        rows.iter().map(|(scheme, source)| vec![(*scheme).to_owned(), (*source).clone()]).collect();
    write_table(out, 2, &rows)?;
    writeln!(out, "\n{}", style.bold("network"))?;
    let mut rows: Vec<Vec<String>> =
        shown.proxies.iter().map(|(name, proxy)| vec![name.clone(), proxy.clone()]).collect();
    rows.push(vec!["certificates".to_owned(), shown.certificates.clone()]);
    write_table(out, 2, &rows)?;
    writeln!(out)?;
    for file in &shown.files {
        writeln!(out, "{} {}", if file.exists { "read" } else { "not there:" }, file.path)?;
    }
    Ok(())
}
