//! Everything that decides how storage is reached, read once and passed down.

use crate::certificates::Certificates;
use crate::credentials::{Account, CredentialState};
use crate::error::StorageError;
use crate::location::{Addressing, Location, LocationConfig, parse_endpoint};
use crate::rclone::Remote;
use crate::sources::Sources;
use crate::ssh_keys::SshKeys;
use crate::web_keys::WebKeys;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Component, Path};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Where references inside a source (kerchunk, external links, `.idx`) may lead.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum HostPolicy {
    /// The host or bucket of the source itself, or for a local source the directory it lies in.
    #[default]
    SameHost,
    /// The same, and these: `host[:port]`, `s3://bucket`, `sftp://host[:port]`, or the absolute path of a directory.
    Hosts(BTreeSet<String>),
    /// Everywhere but from a remote source to local files.
    Any,
}

impl FromStr for HostPolicy {
    type Err = String;

    /// `same-host`, `any`, or a list of places with commas between them.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "same-host" => return Ok(Self::SameHost),
            "any" => return Ok(Self::Any),
            _ => {}
        }
        let place = |place: &str| {
            let host = ["s3://", "gs://", "az://", "sftp://", "ftp://"]
                .iter()
                .find_map(|scheme| place.strip_prefix(scheme))
                .unwrap_or(place);
            let is_folder = place.starts_with('/') && Path::new(place).components().all(|c| c != Component::ParentDir);
            let is_name = !host.is_empty() && !host.contains(['/', '@', '?', '#', ' ']);
            if is_folder || is_name {
                return Ok(place.trim_end_matches('/').to_owned());
            }
            Err(format!(
                "{place:?} is no place: write same-host, any, or a list of host[:port], s3://bucket (gs://, az://), sftp://host[:port] (ftp://) and /folder"
            ))
        };
        text.split(',').map(|part| place(part.trim())).collect::<Result<_, _>>().map(Self::Hosts)
    }
}

impl fmt::Display for HostPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SameHost => f.write_str("same-host"),
            Self::Any => f.write_str("any"),
            Self::Hosts(hosts) => f.write_str(&hosts.iter().map(String::as_str).collect::<Vec<_>>().join(",")),
        }
    }
}

/// How often and how patiently a failed request is repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetrySettings {
    /// Attempts in all.
    pub attempts: u32,
    /// Wait after the first failure; doubled after each, with jitter.
    pub first_wait: Duration,
    /// Longest wait between two attempts that firn chooses itself.
    pub longest_wait: Duration,
    /// Longest `Retry-After` that is obeyed; a server that asks for more is given up.
    pub longest_retry_after: Duration,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            attempts: 6,
            first_wait: Duration::from_millis(250),
            longest_wait: Duration::from_secs(15),
            longest_retry_after: Duration::from_mins(2),
        }
    }
}

/// How long an answer may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeoutSettings {
    /// Until the connection stands.
    pub connect: Duration,
    /// Between two parts of an answer, and until its first.
    pub idle: Duration,
    /// Slowest acceptable transfer, in bytes a second: one attempt takes at most `idle` plus bytes divided by this.
    /// It ends servers that send a byte now and then.
    pub slowest: u64,
}

impl Default for TimeoutSettings {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), idle: Duration::from_secs(30), slowest: 32 * 1024 }
    }
}

/// How metadata is read ahead over a network; see [`crate::cache`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheSettings {
    /// Bytes of the first request of an object.
    pub head: u64,
    /// Two wanted ranges with a gap of at most this between them become one request.
    pub gap: u64,
    /// A request for metadata is widened by so many bytes on both sides, so that its neighbours are there when they are
    /// wanted.
    pub margin: u64,
    /// The first small read beyond the head is widened to so many bytes.
    pub ahead: u64,
    /// Memory that one reader keeps, in bytes.
    pub capacity: u64,
    /// A range of at least this many bytes is data, not metadata: read exactly, not kept.
    pub bypass: u64,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self { head: 64 << 10, gap: 192 << 10, margin: 16 << 10, ahead: 208 << 10, capacity: 16 << 20, bypass: 1 << 20 }
    }
}

/// Everything that decides how storage is reached. Made once, by the binary or the Python module.
#[derive(Debug, Clone, Default)]
pub struct StorageSettings {
    /// The configured locations.
    pub locations: BTreeMap<String, Location>,
    /// Whose requests those to `s3://` outside of locations are.
    pub account: Account,
    /// Whose requests those to `gs://` outside of locations are.
    pub google: Account,
    /// Whose requests those to `az://` outside of locations are.
    pub azure: Account,
    /// Where Google's service is (`STORAGE_EMULATOR_HOST`), for `gs://` outside of locations.
    pub google_endpoint: Option<Url>,
    /// Where the blob service of Azure is, for `az://` outside of locations.
    pub azure_endpoint: Option<Url>,
    /// Where the credentials of locations are looked for.
    pub sources: Sources,
    /// Endpoint for `s3://` outside of locations.
    pub endpoint: Option<Url>,
    /// Region for `s3://` outside of locations.
    pub region: Option<String>,
    /// Addressing for `s3://` outside of locations.
    pub addressing: Option<Addressing>,
    /// Never sign requests, and ask web servers as everybody.
    pub anonymous: bool,
    /// Whom web servers know.
    pub web: Arc<WebKeys>,
    /// Certificates that are trusted besides those of the system.
    pub certificates: Certificates,
    /// By whose keys SSH servers are asked.
    pub ssh: Arc<SshKeys>,
    /// Where references inside a source may lead.
    pub hosts: HostPolicy,
    /// Local references lead to no file outside of their own directory but those that `hosts` allows: for who shows to others
    /// what somebody refers to. Else to files of array data as well.
    pub is_serving: bool,
    /// Repetition of failed requests.
    pub retry: RetrySettings,
    /// Limits of time.
    pub timeouts: TimeoutSettings,
    /// Reading ahead.
    pub cache: CacheSettings,
    /// Bounds on what is done at once.
    pub limits: LimitSettings,
}

/// Bounds on what is done and held at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitSettings {
    /// Requests at a time to one web server, by all jobs together.
    pub requests_per_web_host: usize,
    /// Requests at a time to one S3 endpoint, by all jobs together, at first.
    pub requests_per_s3_host: usize,
    /// And at most, where more at once are answered faster.
    pub most_requests_per_s3_host: usize,
    /// Requests at a time to one SFTP server, by all jobs together; each may have many reads or writes in flight.
    pub requests_per_sftp_host: usize,
    /// Connections at a time to one FTP server, by all jobs together.
    pub requests_per_ftp_host: usize,
    /// A web server that ignores ranges is read whole up to this many bytes.
    pub whole_object: u64,
    /// Largest object that [`crate::Prefix::get`] takes into memory, in bytes.
    pub object_in_memory: u64,
    /// Objects of at least this many bytes are written in parts.
    pub multipart_from: u64,
    /// Bytes of one part.
    pub part: u64,
    /// Parts of one object that are sent at once.
    pub parts_at_once: usize,
    /// Largest object that a server is asked to copy by one request; S3 takes 5 GiB. Larger ones are copied in parts.
    pub copy_at_once: u64,
    /// Bytes of one part of a copy on the server, where the parts of the original are not known.
    pub copy_part: u64,
    /// Memory for all parts of large objects that pass here, in bytes.
    pub part_memory: u64,
    /// Most bytes a second over the network, in both directions together.
    pub bandwidth: Option<u64>,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            requests_per_web_host: 8,
            requests_per_s3_host: 32,
            most_requests_per_s3_host: 128,
            requests_per_sftp_host: 16,
            requests_per_ftp_host: 4,
            whole_object: 64 << 20,
            object_in_memory: 2 << 30,
            multipart_from: 64 << 20,
            part: 8 << 20,
            parts_at_once: 4,
            copy_at_once: 5 << 30,
            copy_part: 512 << 20,
            part_memory: 384 << 20,
            bandwidth: None,
        }
    }
}

impl StorageSettings {
    /// The settings of these environment variables, of the AWS profile files and `rclone.conf`. The only place where they
    /// are read. Variables that are empty count as unset. Seen are `HOME`, `USER`, `SSH_AUTH_SOCK`, `AWS_*` as the AWS tools understand them,
    /// `RCLONE_CONFIG*`, `NETRC`, `EARTHDATA_TOKEN`, those of Google's and Azure's tools, and `XDG_CONFIG_HOME`.
    ///
    /// # Errors
    /// [`StorageError::Credentials`] for a named profile that does not exist, a file that cannot be read, or a
    /// malformed endpoint.
    pub fn from_env(variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, StorageError> {
        let sources = Sources::read(variables)?;
        let variable = |name: &str| sources.variable(name);
        let profile = sources.profile_of_environment()?;
        let from_profile = |key: &str| profile.as_ref().and_then(|profile| profile.get(key)).map(str::to_owned);
        let endpoint = variable("AWS_ENDPOINT_URL_S3")
            .or_else(|| variable("AWS_ENDPOINT_URL"))
            .or_else(|| from_profile("s3.endpoint_url"))
            .or_else(|| from_profile("endpoint_url"));
        let endpoint = endpoint
            .as_deref()
            .map(parse_endpoint)
            .transpose()
            .map_err(|what| StorageError::BadSetting { name: "AWS_ENDPOINT_URL".to_owned(), what })?;
        let (azure, azure_endpoint) = sources.account_of_azure();
        let azure_endpoint = azure_endpoint
            .as_deref()
            .map(parse_endpoint)
            .transpose()
            .map_err(|what| StorageError::BadSetting { name: "AZURE_STORAGE_CONNECTION_STRING".to_owned(), what })?;
        let emulator = variable("STORAGE_EMULATOR_HOST")
            .map(|host| parse_endpoint(&if host.contains("://") { host } else { format!("http://{host}") }));
        let google_endpoint = emulator
            .transpose()
            .map_err(|what| StorageError::BadSetting { name: "STORAGE_EMULATOR_HOST".to_owned(), what })?;
        let is_true = |name: &str| variable(name).is_some_and(|value| matches!(value.as_str(), "true" | "1" | "TRUE"));
        Ok(Self {
            account: sources.account_of_environment(),
            google: sources.account_of_google(google_endpoint.is_some()),
            azure,
            azure_endpoint,
            google_endpoint,
            endpoint,
            region: variable("AWS_REGION")
                .or_else(|| variable("AWS_DEFAULT_REGION"))
                .or_else(|| from_profile("region")),
            addressing: is_true("AWS_VIRTUAL_HOSTED_STYLE_REQUEST").then_some(Addressing::Virtual),
            anonymous: is_true("AWS_SKIP_SIGNATURE"),
            web: Arc::new(sources.web_keys()),
            certificates: Certificates::read(|name| sources.variable(name))?,
            ssh: Arc::new(sources.ssh_keys()),
            sources,
            ..Self::default()
        })
    }

    /// The same settings with these locations.
    ///
    /// # Errors
    /// [`StorageError::BadLocation`] for the first that is not valid.
    pub fn with_locations<'a>(
        mut self,
        tables: impl IntoIterator<Item = (&'a String, &'a LocationConfig)>,
    ) -> Result<Self, StorageError> {
        for (name, table) in tables {
            self.locations.insert(name.clone(), Location::new(name, table, &self.sources)?);
        }
        Ok(self)
    }

    /// Names and kinds of the remotes of `rclone.conf`, in order.
    pub fn remotes(&self) -> Vec<(String, String)> {
        let remotes = &self.sources.remotes;
        remotes.names().map(|name| (name.to_owned(), remotes.kind(name).unwrap_or_default().to_owned())).collect()
    }

    /// Where a remote leads and whose requests those to it are, for people; the error is why it cannot be used.
    ///
    /// # Errors
    /// The reason, as a text.
    pub fn remote_leads_to(&self, name: &str) -> Result<String, String> {
        match self.sources.remote(name) {
            None => Err("there is no such remote".to_owned()),
            Some(Remote::Refused { what, .. }) => Err(what),
            Some(Remote::Below(url)) => Ok(url.to_string()),
            Some(Remote::Service { service, folder }) => {
                let place = service.endpoint.as_ref().map_or("Amazon S3".to_owned(), Url::to_string);
                let whose = match &service.account {
                    Some(Account { state: CredentialState::Unusable { what }, .. }) => return Err(what.clone()),
                    Some(account) if !service.anonymous => account.source.clone(),
                    _ => "no credentials".to_owned(),
                };
                Ok(format!("{}/{folder} by {whose}", place.trim_end_matches('/')).replace("/ by ", " by "))
            }
        }
    }

    /// The file of rclone's remotes, where there is one.
    pub fn remotes_file(&self) -> Option<&Path> {
        self.sources.remotes_file.as_deref()
    }
}

#[cfg(test)]
mod tests;
