//! Where credentials are looked for: environment variables, the AWS profile files, `rclone.conf`. Read once.

use crate::cloud::CloudService;
use crate::credentials::{Account, Finder};
use crate::error::StorageError;
use crate::profile::{Profile, ProfileFiles};
use crate::rclone::{Accounts, Remote, Remotes};
use crate::ssh_keys::SshKeys;
use crate::web_keys::WebKeys;
use firn_model::diagnose::At;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// What was read. Never shown: all of it may hold keys.
#[derive(Clone, Default)]
pub struct Sources {
    variables: BTreeMap<String, String>,
    profiles: ProfileFiles,
    pub(crate) remotes: Remotes,
    pub(crate) remotes_file: Option<PathBuf>,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sources(hidden)")
    }
}

impl Sources {
    pub(crate) fn read(variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, StorageError> {
        let seen = |name: &str| {
            let whole = [
                "CURL_CA_BUNDLE",
                "EARTHDATA_TOKEN",
                "HOME",
                "LOGNAME",
                "NETRC",
                "REQUESTS_CA_BUNDLE",
                "SSH_AUTH_SOCK",
                "STORAGE_EMULATOR_HOST",
                "USER",
                "XDG_CONFIG_HOME",
            ];
            whole.contains(&name)
                || ["AWS_", "AZURE_", "CLOUDSDK_", "GCE_", "GOOGLE_", "RCLONE_CONFIG"]
                    .iter()
                    .any(|prefix| name.starts_with(prefix))
        };
        let variables: BTreeMap<String, String> =
            variables.into_iter().filter(|(name, value)| seen(name) && !value.is_empty()).collect();
        let mut sources = Self { variables, ..Self::default() };
        sources.profiles = ProfileFiles {
            config: sources.aws_file("AWS_CONFIG_FILE", "config")?,
            credentials: sources.aws_file("AWS_SHARED_CREDENTIALS_FILE", "credentials")?,
        };
        sources.remotes_file = sources.rclone_files().into_iter().find(|path| path.is_file());
        // Only who names a remote has to hear that the file cannot be read.
        let read = sources.remotes_file.as_deref().map(std::fs::read_to_string);
        let (text, unread) = match read {
            Some(Err(error)) => (String::new(), Some(format!("cannot be read: {error}"))),
            read => (read.and_then(Result::ok).unwrap_or_default(), None),
        };
        sources.remotes = Remotes::parse(&text, sources.variables.clone().into_iter());
        sources.remotes.unread = unread.or(sources.remotes.unread);
        Ok(sources)
    }

    /// An environment variable that is set and not empty.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn aws_file(&self, variable: &str, name: &str) -> Result<String, StorageError> {
        let path = match (self.variable(variable), self.variable("HOME")) {
            (Some(path), _) => PathBuf::from(path),
            (None, Some(home)) => Path::new(&home).join(".aws").join(name),
            (None, None) => return Ok(String::new()),
        };
        Ok(text(&path)?.unwrap_or_default())
    }

    /// Where rclone looks for its file, in its order.
    fn rclone_files(&self) -> Vec<PathBuf> {
        if let Some(file) = self.variable("RCLONE_CONFIG") {
            return vec![PathBuf::from(file)];
        }
        let home = self.variable("HOME").map(PathBuf::from);
        let of_xdg = self.variable("XDG_CONFIG_HOME").map(|folder| Path::new(&folder).join("rclone/rclone.conf"));
        let of_home = home.iter().flat_map(|home| [home.join(".config/rclone/rclone.conf"), home.join(".rclone.conf")]);
        of_xdg.into_iter().chain(of_home).collect()
    }

    fn with_finder<T>(&self, work: impl FnOnce(&Finder<'_>) -> T) -> T {
        let (variable, profile) = (|name: &str| self.variable(name), |name: &str| self.profile(name));
        work(&Finder { variable: &variable, profile: &profile, is_amazon: crate::credentials::is_amazon() })
    }

    fn name_of_profile(&self) -> String {
        self.variable("AWS_PROFILE").unwrap_or_else(|| "default".to_owned())
    }

    /// The profile that `AWS_PROFILE` names, else the default one where there is one.
    pub(crate) fn profile_of_environment(&self) -> Result<Option<Profile>, StorageError> {
        let name = self.name_of_profile();
        let found = self.profile(&name);
        // Keys of the environment win over the profile, as in the AWS tools: then a missing profile does not matter.
        if found.is_none() && self.variable("AWS_PROFILE").is_some() && self.variable("AWS_ACCESS_KEY_ID").is_none() {
            let what = format!("the profile {name:?} that AWS_PROFILE names is in neither file");
            return Err(StorageError::BadSetting { name: "AWS_PROFILE".to_owned(), what });
        }
        Ok(found)
    }

    pub(crate) fn account_of_environment(&self) -> Account {
        self.with_finder(|finder| finder.account(&self.name_of_profile()))
    }

    pub(crate) fn profile(&self, name: &str) -> Option<Profile> {
        self.profiles.find(name)
    }

    pub(crate) fn account_of_profile(&self, name: &str) -> Account {
        self.with_finder(|finder| finder.of_profile(name))
    }

    /// Whom web servers know.
    pub(crate) fn web_keys(&self) -> WebKeys {
        let file = self.variable("NETRC").or_else(|| Some(format!("{}/.netrc", self.variable("HOME")?)));
        // One that cannot be read counts as none: a server that needs it says so.
        let netrc = file.and_then(|file| std::fs::read(file).ok()).unwrap_or_default();
        WebKeys::parse(&String::from_utf8_lossy(&netrc), self.variable("EARTHDATA_TOKEN"))
    }

    /// By whose keys SSH servers are asked: where they lie, not what they are.
    pub(crate) fn ssh_keys(&self) -> SshKeys {
        let user = self.variable("USER").or_else(|| self.variable("LOGNAME"));
        SshKeys {
            home: self.variable("HOME").map(PathBuf::from),
            agent: self.variable("SSH_AUTH_SOCK").map(PathBuf::from),
            remotes: self.remotes.ssh_keys(user.as_deref(), self.variable("HOME").as_deref()),
            user,
            is_nobody: false,
        }
    }

    /// The account for Google Cloud, or for what stands in for it (`STORAGE_EMULATOR_HOST`).
    pub(crate) fn account_of_google(&self, is_emulator: bool) -> Account {
        crate::cloud_keys::of_google(&|name| self.variable(name), is_emulator)
    }

    /// The account for Azure, and the endpoint that comes with it.
    pub(crate) fn account_of_azure(&self) -> (Account, Option<String>) {
        crate::cloud_keys::of_azure(&self.variables)
    }

    /// The remote of this name.
    pub(crate) fn remote(&self, name: &str) -> Option<Remote> {
        self.remotes.get(name, self)
    }
}

impl Accounts for Sources {
    fn of_environment(&self) -> Account {
        self.account_of_environment()
    }

    fn of_profile(&self, name: &str) -> Account {
        self.account_of_profile(name)
    }

    fn user(&self) -> Option<String> {
        self.variable("USER").or_else(|| self.variable("LOGNAME"))
    }

    fn of_cloud(&self, service: CloudService) -> (Account, Option<String>) {
        match service {
            CloudService::Google => (self.account_of_google(false), None),
            CloudService::Azure => self.account_of_azure(),
        }
    }
}

/// The text of a file, or `None` where there is none.
fn text(path: &Path) -> Result<Option<String>, StorageError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StorageError::Credentials { at: At::url(path.to_string_lossy()), what: error.to_string() }),
    }
}
