//! One configuration file: read, checked key by key, all findings at once.

use super::size::Size;
use crate::error::{ConfigFinding, FirnError, did_you_mean};
use firn_model::diagnose::At;
use firn_model::document::nearest;
use firn_storage::{HostPolicy, LocationConfig};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

const KEYS: [&str; 7] = ["memory", "jobs", "state_dir", "catalog", "references", "policy", "locations"];
const LOCATION_KEYS: [&str; 15] = [
    "url",
    "endpoint",
    "region",
    "addressing",
    "public_url",
    "role",
    "anonymous",
    "profile",
    "public",
    "private",
    "egress",
    "egress_price",
    "quota",
    "retention",
    "owner",
];
/// Parts of key names that say that the value is a secret.
const SECRETS: [&str; 6] = ["secret", "password", "token", "access_key", "credential", "api_key"];

/// A value and the line it stands on.
#[derive(Debug, Clone, PartialEq)]
pub struct Found<T> {
    /// The value.
    pub value: T,
    /// Its line, from 1.
    pub line: usize,
}

/// What a configuration file says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConfigFile {
    /// The file.
    pub path: PathBuf,
    /// `memory`.
    pub memory: Option<Found<Size>>,
    /// `jobs`.
    pub jobs: Option<Found<NonZeroUsize>>,
    /// `state_dir`, made absolute or relative to the current directory.
    pub state_dir: Option<Found<PathBuf>>,
    /// `catalog`; a value that is there is never `None`.
    pub catalog: Option<Found<Option<String>>>,
    /// `references`.
    pub references: Option<Found<HostPolicy>>,
    /// `policy`, made absolute or relative to the current directory.
    pub policy: Option<Found<PathBuf>>,
    /// `[locations.NAME]`.
    pub locations: BTreeMap<String, Found<LocationConfig>>,
}

impl ConfigFile {
    /// The file, or `None` where there is none.
    ///
    /// # Errors
    /// [`FirnError::ConfigUnreadable`], [`FirnError::ConfigInvalid`] with all that is wrong.
    pub fn load(path: &Path) -> Result<Option<Self>, FirnError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(path, &text).map(Some),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(FirnError::ConfigUnreadable { at: At::url(path.to_string_lossy()), cause }),
        }
    }

    /// The file with this text.
    ///
    /// # Errors
    /// [`FirnError::ConfigInvalid`] with all that is wrong.
    pub fn parse(path: &Path, text: &str) -> Result<Self, FirnError> {
        let mut reading = Reading { path, text, findings: Vec::new(), unusable: Vec::new() };
        let file = reading.document();
        if reading.findings.is_empty() {
            // A location that cannot be used has an error of its own, where it is made.
            Ok(file)
        } else {
            reading.findings.append(&mut reading.unusable);
            Err(FirnError::ConfigInvalid { findings: reading.findings })
        }
    }
}

struct Reading<'a> {
    path: &'a Path,
    text: &'a str,
    findings: Vec<ConfigFinding>,
    /// Locations that can be read and not used.
    unusable: Vec<ConfigFinding>,
}

impl Reading<'_> {
    fn document(&mut self) -> ConfigFile {
        let mut file = ConfigFile { path: self.path.to_owned(), ..ConfigFile::default() };
        let text = self.text;
        let table = match DeTable::parse(text) {
            Ok(table) => table.into_inner(),
            Err(error) => {
                self.finding(error.span().unwrap_or(0..0), None, error.message().to_owned());
                return file;
            }
        };
        for (key, value) in &table {
            let name = key.get_ref().as_ref();
            match name {
                "memory" => file.memory = self.scalar(name, value, |text| text.parse()),
                "jobs" => {
                    file.jobs = self.scalar(name, value, |text| {
                        text.parse().map_err(|_| format!("{text:?} is no number of jobs: write a whole number from 1"))
                    });
                }
                "state_dir" => file.state_dir = self.path_value(name, value),
                "catalog" => file.catalog = self.scalar(name, value, |text| Ok(Some(text.to_owned()))),
                "policy" => file.policy = self.path_value(name, value),
                "references" => file.references = self.scalar(name, value, |text| text.parse()),
                "locations" => file.locations = self.locations(value),
                other => self.unknown(key.span(), other, other, &KEYS),
            }
        }
        file
    }

    fn locations(&mut self, value: &Spanned<DeValue<'_>>) -> BTreeMap<String, Found<LocationConfig>> {
        let mut locations = BTreeMap::new();
        let Some(table) = value.get_ref().as_table() else {
            self.finding(value.span(), Some("locations"), "it must be a table: [locations.NAME]".to_owned());
            return locations;
        };
        for (name, value) in table {
            let node = format!("locations.{}", name.get_ref());
            let Some(keys) = value.get_ref().as_table() else {
                self.finding(value.span(), Some(&node), format!("it must be a table: [{node}]"));
                continue;
            };
            for key in keys.keys() {
                let word = key.get_ref().as_ref();
                if !LOCATION_KEYS.contains(&word) {
                    self.unknown(key.span(), &format!("{node}.{word}"), word, &LOCATION_KEYS);
                }
            }
            let Some(location) = self.location(name.span(), &node, keys) else { continue };
            if let Err(error) = location.check(name.get_ref()) {
                let found = self.found(name.span(), Some(&node), error.to_string());
                self.unusable.push(found);
            }
            let line = self.position(name.span().start).0;
            locations.insert(name.get_ref().to_string(), Found { value: location, line });
        }
        locations
    }

    /// What the known keys of a location say. Each wrong value is told, and the others read without it.
    fn location(&mut self, name: Range<usize>, node: &str, keys: &DeTable<'_>) -> Option<LocationConfig> {
        let known = |key: &str| LOCATION_KEYS.contains(&key);
        let mut keys: DeTable<'_> = keys.clone().into_iter().filter(|(key, _)| known(key.get_ref().as_ref())).collect();
        loop {
            let table = Spanned::new(name.clone(), DeValue::Table(keys.clone()));
            let error = match LocationConfig::deserialize(ValueDeserializer::from(table)) {
                Ok(location) => return Some(location),
                Err(error) => error,
            };
            let span = error.span().unwrap_or_else(|| name.clone());
            self.finding(span.clone(), Some(node), error.message().to_owned());
            let before = keys.len();
            keys = keys.into_iter().filter(|(_, value)| value.span() != span).collect();
            if keys.len() == before {
                return None;
            }
        }
    }

    /// A text or a number, parsed as the flag of the same name would be.
    fn scalar<T>(
        &mut self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Found<T>> {
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.to_string(),
            other => {
                self.finding(
                    value.span(),
                    Some(key),
                    format!("it is a {}, and must be a text or a number", other.type_str()),
                );
                return None;
            }
        };
        match parse(&text) {
            Ok(parsed) => Some(Found { value: parsed, line: self.position(value.span().start).0 }),
            Err(what) => {
                self.finding(value.span(), Some(key), what);
                None
            }
        }
    }

    /// A path; relative ones are below the directory of the file.
    fn path_value(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<Found<PathBuf>> {
        let folder = self.path.parent().unwrap_or(Path::new("")).to_owned();
        self.scalar(key, value, |text| Ok(folder.join(text)))
    }

    fn unknown(&mut self, span: Range<usize>, node: &str, word: &str, known: &[&str]) {
        let secret = SECRETS.iter().any(|secret| word.to_lowercase().contains(secret));
        let what = if secret {
            "secrets do not belong into configuration files: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name an AWS \
             profile (profile = \"NAME\") or a remote of rclone.conf (url = \"REMOTE:BUCKET\")"
                .to_owned()
        } else {
            let hint = did_you_mean(nearest(word, known.iter().copied()));
            let hint = if hint.is_empty() { format!("; known are {}", known.join(", ")) } else { hint };
            format!("no setting is called {word:?}{hint}")
        };
        self.finding(span, Some(node), what);
    }

    fn finding(&mut self, span: Range<usize>, node: Option<&str>, what: String) {
        let found = self.found(span, node, what);
        self.findings.push(found);
    }

    fn found(&self, span: Range<usize>, node: Option<&str>, what: String) -> ConfigFinding {
        let (line, column) = self.position(span.start);
        let mut at = At::url(self.path.to_string_lossy());
        at.node = node.map(str::to_owned);
        ConfigFinding { at: at.line(line, column), what }
    }

    /// Line and column of a byte, both from 1.
    fn position(&self, byte: usize) -> (usize, usize) {
        let before = self.text.get(..byte).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<String> {
        match ConfigFile::parse(Path::new("firn.toml"), text) {
            Err(FirnError::ConfigInvalid { findings }) => {
                findings.into_iter().map(|finding| format!("{}: {}", finding.at, finding.what)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_setting_is_read() {
        let text = "memory = '25%'\njobs = 3\nstate_dir = 'state'\ncatalog = 'https://host/catalog.json'\n\
                    references = 's3://bucket, data.host:8443, /archive/'\n\
                    [locations.published]\nurl = 's3://bucket/data'\nendpoint = 'https://s3.host'\nregion = 'eu'\n\
                    addressing = 'path'\npublic_url = 'https://data.host'\nrole = 'published'\nanonymous = true\n";
        let file = ConfigFile::parse(Path::new("/etc/example/firn.toml"), text).unwrap();
        assert_eq!(file.memory, Some(Found { value: Size::Percent(25.0), line: 1 }));
        assert_eq!(file.jobs.unwrap().value.get(), 3);
        assert_eq!(file.state_dir.unwrap().value, PathBuf::from("/etc/example/state"));
        assert_eq!(file.references.unwrap().value.to_string(), "/archive,data.host:8443,s3://bucket");
        assert_eq!(file.locations["published"].line, 6);
        assert_eq!(file.locations["published"].value.url, "s3://bucket/data");
        assert!(file.locations["published"].value.anonymous);
    }

    #[test]
    fn all_findings_come_at_once_with_line_and_suggestion() {
        let text =
            "memroy = '4GiB'\njobs = 0\n[locations.a]\nurl = '/data'\nendpiont = 'x'\n[locations.b]\nrole = 'inbox'\n";
        let found = findings(text);
        assert_eq!(found.len(), 4, "{found:#?}");
        assert!(
            found.contains(
                &"firn.toml, memroy, line 1, column 1: no setting is called \"memroy\"; did you mean \"memory\"?"
                    .to_owned()
            )
        );
        assert!(found.iter().any(|f| f.starts_with("firn.toml, jobs, line 2, column 8: \"0\" is no number")));
        assert!(
            found
                .iter()
                .any(|f| f.contains("locations.a.endpiont, line 5") && f.contains("did you mean \"endpoint\"?"))
        );
        assert!(found.iter().any(|f| f.contains("locations.b, line 6") && f.contains("url")), "{found:#?}");
    }

    #[test]
    fn one_wrong_value_of_a_location_hides_no_other() {
        let text = "[locations.a]\nurl = 'data'\nrole = 'publishd'\nanonymous = 'yes'\nendpiont = 'x'\n\
                    [locations.b]\nurl = 'also/relative'\n";
        let found = findings(text);
        for (line, word) in [
            ("line 3", "publishd"),
            ("line 4", "yes"),
            ("line 5", "endpiont"),
            ("line 1", "relative"),
            ("line 6", "relative"),
        ] {
            assert!(found.iter().any(|f| f.contains(line) && f.contains(word)), "{line} {word}: {found:#?}");
        }
        assert_eq!(found.len(), 5, "{found:#?}");
    }

    #[test]
    fn a_secret_is_refused_and_not_repeated() {
        let found = findings("[locations.a]\nurl = 's3://b'\nsecret_access_key = 'hunter2'\n");
        assert!(found[0].contains("AWS_SECRET_ACCESS_KEY") && !found[0].contains("hunter2"), "{found:?}");
    }

    #[test]
    fn what_is_no_toml_says_where() {
        assert!(findings("memory = \n")[0].starts_with("firn.toml, line 1, column"));
        assert!(
            findings("memory = [1]\n")[0].contains("is a array") || findings("memory = [1]\n")[0].contains("array")
        );
    }
}
