//! Remotes of the user's own `rclone.conf`, used as they are: <https://rclone.org/docs/#config-file>.
//!
//! Only what firn does alike is taken. A remote whose objects would have other names or other bytes (crypt, compress,
//! chunker, …) is refused by its kind.

use crate::cloud::CloudService;
use crate::cloud_keys::CloudKeys;
use crate::credentials::{Account, CredentialState, Credentials};
use crate::location::{Addressing, Location, LocationRole, parse_endpoint};
use crate::rclone_files::{ftp, ssh_key};
use crate::ssh_keys::RemoteKey;
use crate::url::{Kind, ObjectUrl};
use firn_model::policy::PlaceRules;
use std::collections::BTreeMap;
use std::fmt;
use url::Url;

/// Aliases that may lead to one another.
const ALIASES: usize = 8;

/// A remote, or why it cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Remote {
    /// All that lies below this address.
    Below(ObjectUrl),
    /// The buckets of an S3 service; the first segment of a key names the bucket. The folder is that of an alias.
    Service { service: Box<Location>, folder: String },
    /// One that cannot be used.
    Refused { what: String, next: String },
}

impl Remote {
    pub(crate) fn refused(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::Refused { what: what.into(), next: next.into() }
    }
}

/// What `rclone.conf` and `RCLONE_CONFIG_*` say. Never shown: it holds keys.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Remotes {
    sections: BTreeMap<String, BTreeMap<String, String>>,
    /// Why nothing of the file could be read, if so.
    pub unread: Option<String>,
}

impl fmt::Debug for Remotes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// Where the keys of remotes with `env_auth` or a `profile` come from, and what of them names an endpoint or region.
pub(crate) trait Accounts {
    /// The account of the environment.
    fn of_environment(&self) -> Account;
    /// The account of an AWS profile.
    fn of_profile(&self, name: &str) -> Account;
    /// Who works on this machine.
    fn user(&self) -> Option<String> {
        None
    }
    /// The account of the environment for this service, and the endpoint that comes with it.
    fn of_cloud(&self, service: CloudService) -> (Account, Option<String>);
}

impl Remotes {
    /// What this text of a file says, and these variables.
    pub(crate) fn parse(text: &str, variables: impl Iterator<Item = (String, String)>) -> Self {
        let is_encrypted = text.contains("RCLONE_ENCRYPT_V");
        let unread = is_encrypted.then(|| "is encrypted by a password".to_owned());
        let mut remotes = Self { sections: BTreeMap::new(), unread };
        let mut section = None;
        for line in text.lines().filter(|_| !is_encrypted) {
            let line = line.trim();
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                remotes.sections.entry(name.to_owned()).or_default();
                section = Some(name.to_owned());
            } else if !line.starts_with(['#', ';'])
                && let (Some(section), Some((key, value))) = (&section, line.split_once('='))
            {
                let keys = remotes.sections.entry(section.clone()).or_default();
                keys.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
            }
        }
        // RCLONE_CONFIG_MYREMOTE_TYPE: the name has no underscore where the file has none of that name.
        for (variable, value) in variables {
            let Some(rest) = variable.strip_prefix("RCLONE_CONFIG_") else { continue };
            let of_file = remotes
                .sections
                .keys()
                .find(|name| rest.strip_prefix(name.to_uppercase().as_str()).is_some_and(|key| key.starts_with('_')));
            let (name, key) = match of_file {
                Some(name) => (name.clone(), &rest[name.to_uppercase().len() + 1..]),
                None => match rest.split_once('_') {
                    Some((name, key)) => (name.to_ascii_lowercase(), key),
                    None => continue,
                },
            };
            remotes.sections.entry(name).or_default().insert(key.to_ascii_lowercase(), value);
        }
        // A variable that names no kind is no remote (RCLONE_CONFIG_PASS, RCLONE_CONFIG_DIR).
        remotes.sections.retain(|_, keys| keys.get("type").is_some_and(|kind| !kind.is_empty()));
        remotes
    }

    /// The names, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.sections.keys().map(String::as_str)
    }

    /// The kind of a remote, as its `type` says.
    pub(crate) fn kind(&self, name: &str) -> Option<&str> {
        self.sections.get(name)?.get("type").map(String::as_str)
    }

    /// The remote of this name.
    pub(crate) fn get(&self, name: &str, accounts: &dyn Accounts) -> Option<Remote> {
        self.sections.contains_key(name).then(|| self.resolve(name, accounts, ALIASES))
    }

    fn resolve(&self, name: &str, accounts: &dyn Accounts, depth: usize) -> Remote {
        let Some(section) = self.sections.get(name) else {
            return Remote::refused(format!("there is no remote {name:?}"), "rclone listremotes");
        };
        let get = |key: &str| section.get(key).map(String::as_str).filter(|value| !value.is_empty());
        let kind = get("type").unwrap_or_default();
        match kind {
            "s3" => service(name, &get, accounts),
            "google cloud storage" | "gcs" => google(name, &get, accounts),
            "azureblob" => azure(name, &get, accounts),
            "sftp" => match ssh_key(name, &get, accounts.user().as_deref(), None) {
                // Paths of rclone begin where the user does.
                Ok(key) => Remote::Below(ObjectUrl::server(key.server, "~")),
                Err((what, next)) => Remote::refused(what, next),
            },
            "ftp" => ftp(name, &get),
            "local" => Remote::Below(ObjectUrl::local("/")),
            "http" => match get("url").map(ObjectUrl::parse) {
                Some(Ok(url)) if matches!(url.kind(), Kind::Http(_)) && get("headers").is_none() => Remote::Below(url),
                Some(Ok(_)) if get("headers").is_some() => Remote::refused(
                    format!("the remote {name:?} sends headers of its own"),
                    "name the https address itself; a user and password are taken from ~/.netrc",
                ),
                _ => Remote::refused(format!("the url of the remote {name:?} is not usable"), "rclone config"),
            },
            "alias" => match get("remote") {
                Some(_) if depth == 0 => {
                    Remote::refused(format!("the remote {name:?} leads to itself by aliases"), "rclone config")
                }
                Some(target) => self.alias(name, target, accounts, depth),
                None => Remote::refused(format!("the alias {name:?} names no remote"), "rclone config"),
            },
            "crypt" | "compress" | "chunker" | "hasher" | "cache" | "union" | "combine" => Remote::refused(
                format!(
                    "the remote {name:?} is of the kind {kind}: what lies in the storage has other names or bytes than what \
                     rclone shows"
                ),
                format!("copy it out by rclone first: rclone copy {name}:PATH FOLDER"),
            ),
            other => Remote::refused(
                format!("the remote {name:?} is of the kind {other}, which firn does not speak"),
                format!("copy it by rclone first: rclone copy {name}:PATH FOLDER"),
            ),
        }
    }

    /// What remotes say of SSH servers.
    pub(crate) fn ssh_keys(&self, user: Option<&str>, home: Option<&str>) -> Vec<RemoteKey> {
        let of = |(name, section): (&String, &BTreeMap<String, String>)| {
            let get = |key: &str| section.get(key).map(String::as_str).filter(|value| !value.is_empty());
            (get("type") == Some("sftp")).then(|| ssh_key(name, &get, user, home).ok()).flatten()
        };
        self.sections.iter().filter_map(of).collect()
    }

    fn alias(&self, name: &str, target: &str, accounts: &dyn Accounts, depth: usize) -> Remote {
        let Some((remote, path)) = target.split_once(':') else {
            return match ObjectUrl::local(target).absolute() {
                Ok(url) if target.starts_with('/') => Remote::Below(url),
                _ => Remote::refused(
                    format!("the alias {name:?} names {target:?}, which is neither REMOTE:PATH nor an absolute path"),
                    "rclone config",
                ),
            };
        };
        let path = path.trim_matches('/');
        match self.resolve(remote, accounts, depth - 1) {
            refused @ Remote::Refused { .. } => refused,
            below @ (Remote::Below(_) | Remote::Service { .. }) if path.is_empty() => below,
            Remote::Below(url) => match url.child(path) {
                Ok(url) => Remote::Below(url),
                Err(error) => Remote::refused(format!("the alias {name:?}: {error}"), "rclone config"),
            },
            Remote::Service { service, folder } => Remote::Service { service, folder: crate::url::join(&folder, path) },
        }
    }
}

/// A remote of the kind `s3`: <https://rclone.org/s3/>.
fn service<'a>(name: &str, get: &dyn Fn(&str) -> Option<&'a str>, accounts: &dyn Accounts) -> Remote {
    let is = |key: &str| get(key).is_some_and(|value| matches!(value, "true" | "1" | "yes" | "on"));
    let unlike = ["sse_customer_key", "sse_customer_key_base64", "v2_auth", "role_arn"];
    if let Some(key) = unlike.into_iter().find(|key| get(key).is_some_and(|value| value != "false")) {
        let next = "use rclone for it, or a remote without";
        return Remote::refused(format!("the remote {name:?} sets {key}, which firn does not do"), next);
    }
    let endpoint = get("endpoint").map(|text| {
        let text = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        parse_endpoint(&text)
    });
    let endpoint = match endpoint.transpose() {
        Ok(endpoint) => endpoint,
        Err(what) => return Remote::refused(format!("the endpoint of the remote {name:?}: {what}"), "rclone config"),
    };
    let is_amazon = get("provider").is_none_or(|provider| provider == "AWS");
    if endpoint.is_none() && !is_amazon {
        return Remote::refused(format!("the remote {name:?} names no endpoint"), "rclone config");
    }
    let source = format!("the rclone remote {name:?}");
    let account = match (get("access_key_id"), get("secret_access_key")) {
        (Some(id), Some(secret)) => {
            Account { source, state: CredentialState::Keys(Credentials::new(id, secret, get("session_token"))) }
        }
        (None, None) if is("env_auth") => {
            get("profile").map_or_else(|| accounts.of_environment(), |profile| accounts.of_profile(profile))
        }
        (None, None) => Account::default(),
        _ => Account {
            source,
            state: CredentialState::unusable(format!("the rclone remote {name:?} has one of its two keys only")),
        },
    };
    let addressing = match get("force_path_style") {
        Some("false") => Some(Addressing::Virtual),
        Some(_) => Some(Addressing::Path),
        None => None,
    };
    let service = root(name, ObjectUrl::s3("", ""), endpoint, account);
    let service = Location { region: get("region").map(str::to_owned), addressing, ..service };
    Remote::Service { service: Box::new(service), folder: String::new() }
}

/// All buckets of a service.
fn root(name: &str, url: ObjectUrl, endpoint: Option<Url>, account: Account) -> Location {
    Location {
        name: name.to_owned(),
        url,
        region: None,
        endpoint,
        addressing: None,
        public_url: None,
        role: LocationRole::default(),
        anonymous: account.state == CredentialState::None,
        account: Some(account),
        rules: PlaceRules { name: name.to_owned(), ..PlaceRules::default() },
        egress: None,
        egress_price: None,
        quota: None,
        retention: None,
    }
}

/// A remote of the kind `google cloud storage`: <https://rclone.org/googlecloudstorage/>.
fn google<'a>(name: &str, get: &dyn Fn(&str) -> Option<&'a str>, accounts: &dyn Accounts) -> Remote {
    let is = |key: &str| get(key).is_some_and(|value| matches!(value, "true" | "1" | "yes" | "on"));
    let source = format!("the rclone remote {name:?}");
    let with = |key: &str, value: &str| Account {
        source: source.clone(),
        state: CredentialState::Cloud(CloudKeys::of([(key, value.to_owned())])),
    };
    let account = if is("anonymous") {
        Account::default()
    } else if let Some(key) = get("service_account_credentials") {
        with("google_service_account_key", key)
    } else if let Some(file) = get("service_account_file") {
        with("google_service_account_path", file)
    } else if let Some(token) = get("access_token") {
        with("token", token)
    } else if is("env_auth") {
        accounts.of_cloud(CloudService::Google).0
    } else {
        return Remote::refused(
            format!("the remote {name:?} signs in through a browser (token), which firn does not do"),
            "gcloud auth application-default login, and write gs://BUCKET/KEY",
        );
    };
    let endpoint = match get("endpoint").map(parse_endpoint).transpose() {
        Ok(endpoint) => endpoint,
        Err(what) => return Remote::refused(format!("the endpoint of the remote {name:?}: {what}"), "rclone config"),
    };
    let service = root(name, ObjectUrl::cloud(CloudService::Google, "", ""), endpoint, account);
    Remote::Service { service: Box::new(service), folder: String::new() }
}

/// A remote of the kind `azureblob`: <https://rclone.org/azureblob/>.
fn azure<'a>(name: &str, get: &dyn Fn(&str) -> Option<&'a str>, accounts: &dyn Accounts) -> Remote {
    let is = |key: &str| get(key).is_some_and(|value| matches!(value, "true" | "1" | "yes" | "on"));
    let invalid = |what: String| Remote::refused(format!("the remote {name:?}: {what}"), "rclone config");
    let source = format!("the rclone remote {name:?}");
    let state = |pairs: Vec<(&str, String)>| CredentialState::Cloud(CloudKeys::of(pairs));
    let named = get("account").map(str::to_owned);
    let of_account = named.clone().map(|account| ("azure_storage_account_name", account));
    let with = |key, value: &str| state(of_account.clone().into_iter().chain([(key, value.to_owned())]).collect());
    let (state, endpoint) = if let Some(text) = get("connection_string") {
        match crate::cloud_keys::connection_string(text) {
            Ok((keys, endpoint)) => (CredentialState::Cloud(keys), endpoint),
            Err(what) => return invalid(what),
        }
    } else if let Some(url) = get("sas_url") {
        let Ok(url) = Url::parse(url) else { return invalid("its sas_url is no URL".to_owned()) };
        let mut endpoint = url.clone();
        endpoint.set_query(None);
        endpoint.set_path("");
        let account = url.domain().and_then(|host| host.split('.').next()).unwrap_or_default().to_owned();
        let signature = url.query().unwrap_or_default().to_owned();
        let keys = vec![("azure_storage_account_name", account), ("azure_storage_sas_key", signature)];
        (state(keys), Some(endpoint.to_string()))
    } else if let Some(key) = get("key") {
        (with("azure_storage_account_key", key), None)
    } else if is("env_auth") {
        let (account, endpoint) = accounts.of_cloud(CloudService::Azure);
        (account.state, endpoint)
    } else if is("use_emulator") {
        return invalid("it means an emulator; name its account, key and endpoint".to_owned());
    } else {
        let unsigned = of_account.into_iter().chain([("azure_skip_signature", "true".to_owned())]);
        (state(unsigned.collect()), None)
    };
    let endpoint = get("endpoint").map(str::to_owned).or(endpoint);
    let endpoint = match endpoint.as_deref().map(parse_endpoint).transpose() {
        Ok(endpoint) => endpoint,
        Err(what) => return invalid(what),
    };
    let service = root(name, ObjectUrl::cloud(CloudService::Azure, "", ""), endpoint, Account { source, state });
    Remote::Service { service: Box::new(service), folder: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nobody;

    impl Accounts for Nobody {
        fn of_environment(&self) -> Account {
            Account { source: "environment".to_owned(), state: CredentialState::None }
        }

        fn of_profile(&self, name: &str) -> Account {
            Account { source: format!("profile {name}"), state: CredentialState::None }
        }

        fn of_cloud(&self, _service: CloudService) -> (Account, Option<String>) {
            (Account::default(), None)
        }
    }

    fn of(text: &str, variables: &[(&str, &str)]) -> Remotes {
        Remotes::parse(text, variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    const FILE: &str = "# a comment\n[osn]\ntype = s3\nprovider = Ceph\naccess_key_id = KEY\n\
        secret_access_key = hidden=\nendpoint = pod.example\n\n[Lab disk]\ntype = local\n\
        [inbox]\ntype = alias\nremote = osn:leap-inbox/sub/\n[secret]\ntype = crypt\nremote = osn:x\n\
        [web]\ntype = http\nurl = https://host/data/\n[round]\ntype = alias\nremote = round:\n[drive]\ntype = drive\n";

    #[test]
    fn an_s3_remote_has_its_own_endpoint_and_keys() {
        let remotes = of(FILE, &[]);
        let Some(Remote::Service { service, folder }) = remotes.get("osn", &Nobody) else { panic!() };
        assert_eq!(service.endpoint.unwrap().as_str(), "https://pod.example/");
        assert_eq!(service.account.unwrap().state, CredentialState::Keys(Credentials::new("KEY", "hidden=", None)));
        assert!(folder.is_empty());
        let Some(Remote::Service { folder, .. }) = remotes.get("inbox", &Nobody) else { panic!() };
        assert_eq!(folder, "leap-inbox/sub");
        assert!(!format!("{remotes:?}").contains("hidden"));
    }

    #[test]
    fn remotes_that_change_names_or_bytes_are_refused_by_their_kind() {
        let remotes = of(FILE, &[]);
        for (name, word) in [("secret", "crypt"), ("drive", "drive"), ("round", "itself")] {
            let Some(Remote::Refused { what, next }) = remotes.get(name, &Nobody) else { panic!("{name}") };
            assert!(what.contains(word) && next.contains("rclone"), "{what} {next}");
        }
        assert!(remotes.get("nothing", &Nobody).is_none());
        assert!(matches!(remotes.get("web", &Nobody), Some(Remote::Below(url)) if url.scheme() == "https"));
        assert!(matches!(remotes.get("Lab disk", &Nobody), Some(Remote::Below(url)) if url.local_path().is_some()));
    }

    #[test]
    fn variables_make_and_change_remotes() {
        let remotes = of(
            FILE,
            &[
                ("RCLONE_CONFIG_OSN_ENDPOINT", "http://other:1"),
                ("RCLONE_CONFIG_NEW_TYPE", "local"),
                ("RCLONE_CONFIG_PASS", "x"),
            ],
        );
        let Some(Remote::Service { service, .. }) = remotes.get("osn", &Nobody) else { panic!() };
        assert_eq!(service.endpoint.unwrap().as_str(), "http://other:1/");
        assert!(remotes.get("new", &Nobody).is_some());
        assert_eq!(remotes.names().count(), 8);
    }

    #[test]
    fn keys_may_come_from_the_environment_or_a_profile() {
        let text = "[a]\ntype=s3\nenv_auth=true\n[b]\ntype=s3\nenv_auth=true\nprofile=lab\n[c]\ntype=s3\n[d]\ntype=s3\nprovider=Ceph\n";
        let source = |name: &str| match of(text, &[]).get(name, &Nobody) {
            Some(Remote::Service { service, .. }) => (service.account.unwrap().source, service.anonymous),
            Some(Remote::Refused { what, .. }) => (what, false),
            _ => panic!("{name}"),
        };
        assert_eq!(source("a").0, "environment");
        assert_eq!(source("b").0, "profile lab");
        assert!(source("c").1, "without keys rclone does not sign");
        assert!(source("d").0.contains("endpoint"));
    }

    #[test]
    fn an_encrypted_file_is_known_as_such() {
        let remotes = of("# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\nabc=\n", &[]);
        assert!(remotes.unread.is_some_and(|why| why.contains("encrypted")));
    }
}
