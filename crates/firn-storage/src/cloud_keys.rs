//! Credentials for Google Cloud and Azure, where their own tools look for them.

use crate::credentials::{Account, CredentialState};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// Settings of the library that reaches the service; some are keys. Never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CloudKeys(BTreeMap<String, String>);

impl fmt::Debug for CloudKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CloudKeys(hidden)")
    }
}

impl CloudKeys {
    pub(crate) fn of<K: Into<String>>(pairs: impl IntoIterator<Item = (K, String)>) -> Self {
        Self(pairs.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    fn account(self, source: &str) -> Account {
        Account { source: source.to_owned(), state: CredentialState::Cloud(self) }
    }
}

/// Google: a token, the application default credentials, what the machine has; in this order. What stands in for Google gets
/// the token alone, which somebody set for it: not what signs in to the real one.
pub(crate) fn of_google(variable: &dyn Fn(&str) -> Option<String>, is_emulator: bool) -> Account {
    for name in ["GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN"] {
        if let Some(token) = variable(name) {
            return CloudKeys::of([("token", token)]).account(name);
        }
    }
    if is_emulator {
        return Account::default();
    }
    let file = |path: String| CloudKeys::of([("google_application_credentials", path)]);
    if let Some(path) = variable("GOOGLE_APPLICATION_CREDENTIALS") {
        return file(path).account("GOOGLE_APPLICATION_CREDENTIALS");
    }
    let folder = variable("CLOUDSDK_CONFIG").or_else(|| Some(format!("{}/.config/gcloud", variable("HOME")?)));
    let default = folder.map(|folder| Path::new(&folder).join("application_default_credentials.json"));
    if let Some(path) = default.filter(|path| path.is_file()) {
        return file(path.to_string_lossy().into_owned()).account("gcloud auth application-default login");
    }
    // Asking a machine that is not Google's would only wait for an answer that nobody gives.
    if variable("GCE_METADATA_HOST").is_some() || is_google() {
        return CloudKeys::default().account("the service account of this machine");
    }
    Account::default()
}

/// Whether this machine is one of Google's, by what its firmware says.
fn is_google() -> bool {
    let says = std::fs::read_to_string("/sys/devices/virtual/dmi/id/product_name").unwrap_or_default();
    says.starts_with("Google")
}

/// Azure: a connection string, else the variables that name an account with a key, a signature or a principal.
pub(crate) fn of_azure(variables: &BTreeMap<String, String>) -> (Account, Option<String>) {
    if let Some(text) = variables.get("AZURE_STORAGE_CONNECTION_STRING") {
        return match connection_string(text) {
            Ok((keys, endpoint)) => (keys.account("AZURE_STORAGE_CONNECTION_STRING"), endpoint),
            Err(what) => {
                let source = "AZURE_STORAGE_CONNECTION_STRING".to_owned();
                (Account { source, state: CredentialState::unusable(what) }, None)
            }
        };
    }
    let mut keys = BTreeMap::new();
    let mut signs = None;
    for (name, key, is_secret) in [
        ("AZURE_STORAGE_ACCOUNT", "azure_storage_account_name", false),
        ("AZURE_STORAGE_ACCOUNT_NAME", "azure_storage_account_name", false),
        ("AZURE_STORAGE_SAS_TOKEN", "azure_storage_sas_key", true),
        ("AZURE_STORAGE_SAS_KEY", "azure_storage_sas_key", true),
        ("AZURE_STORAGE_KEY", "azure_storage_account_key", true),
        ("AZURE_STORAGE_ACCOUNT_KEY", "azure_storage_account_key", true),
        ("AZURE_STORAGE_TOKEN", "azure_storage_token", true),
        ("AZURE_CLIENT_ID", "azure_storage_client_id", false),
        ("AZURE_CLIENT_SECRET", "azure_storage_client_secret", true),
        ("AZURE_TENANT_ID", "azure_storage_tenant_id", false),
        ("AZURE_AUTHORITY_HOST", "azure_storage_authority_host", false),
        ("AZURE_FEDERATED_TOKEN_FILE", "azure_federated_token_file", true),
        ("AZURE_USE_AZURE_CLI", "azure_use_azure_cli", true),
    ] {
        if let Some(value) = variables.get(name) {
            keys.insert(key, value.clone());
            signs = signs.or(is_secret.then_some(name));
        }
    }
    let keys = CloudKeys::of(keys);
    match signs {
        Some(name) => (keys.account(name), None),
        // A name alone says where, not who.
        None => (keys.account("").unsigned(), None),
    }
}

impl Account {
    fn unsigned(self) -> Self {
        match self.state {
            CredentialState::Cloud(keys) => Self {
                source: String::new(),
                state: CredentialState::Cloud(CloudKeys::of(
                    keys.0.into_iter().chain([("azure_skip_signature".to_owned(), "true".to_owned())]),
                )),
            },
            _ => self,
        }
    }
}

/// `AccountName=…;AccountKey=…;BlobEndpoint=…;SharedAccessSignature=…`, and the endpoint.
pub(crate) fn connection_string(text: &str) -> Result<(CloudKeys, Option<String>), String> {
    let parts: BTreeMap<String, &str> = text
        .split(';')
        .filter_map(|part| part.split_once('='))
        .map(|(key, value)| (key.trim().to_ascii_lowercase(), value.trim()))
        .collect();
    let get = |key: &str| parts.get(key).copied().filter(|value| !value.is_empty()).map(str::to_owned);
    if get("usedevelopmentstorage").is_some() {
        return Err("the connection string means an emulator; name its account, key and BlobEndpoint".to_owned());
    }
    let suffix = get("endpointsuffix").unwrap_or_else(|| "core.windows.net".to_owned());
    let account = get("accountname");
    let endpoint = get("blobendpoint").or_else(|| Some(format!("https://{}.blob.{suffix}", account.as_ref()?)));
    let keys = [
        ("azure_storage_account_name", account),
        ("azure_storage_account_key", get("accountkey")),
        ("azure_storage_sas_key", get("sharedaccesssignature")),
    ];
    let keys = CloudKeys::of(keys.into_iter().filter_map(|(key, value)| Some((key, value?))));
    if keys.get("azure_storage_account_key").is_none() && keys.get("azure_storage_sas_key").is_none() {
        return Err("the connection string has neither AccountKey nor SharedAccessSignature".to_owned());
    }
    Ok((keys, endpoint))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn google(pairs: &[(&str, &str)]) -> Account {
        let pairs: BTreeMap<String, String> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        of_google(&|name| pairs.get(name).cloned(), false)
    }

    #[test]
    fn a_token_comes_before_a_file() {
        assert_eq!(google(&[("GOOGLE_APPLICATION_CREDENTIALS", "/x")]).source, "GOOGLE_APPLICATION_CREDENTIALS");
        let both = [("GOOGLE_APPLICATION_CREDENTIALS", "/x"), ("GOOGLE_OAUTH_ACCESS_TOKEN", "secret")];
        let account = google(&both);
        assert_eq!(account.source, "GOOGLE_OAUTH_ACCESS_TOKEN");
        assert!(!format!("{account:?}").contains("secret"));
        let pairs = BTreeMap::from([("GOOGLE_APPLICATION_CREDENTIALS", "/x")]);
        let of_emulator = of_google(&|name| pairs.get(name).map(|value| (*value).to_owned()), true);
        assert_eq!(of_emulator, Account::default());
    }

    #[test]
    fn a_connection_string_names_account_key_and_place() {
        let (keys, endpoint) =
            connection_string("DefaultEndpointsProtocol=https;AccountName=lab;AccountKey=a+/b==;EndpointSuffix=core.x")
                .unwrap();
        assert_eq!(keys.get("azure_storage_account_key"), Some("a+/b=="));
        assert_eq!(endpoint.as_deref(), Some("https://lab.blob.core.x"));
        assert!(connection_string("AccountName=lab").is_err());
        assert!(connection_string("UseDevelopmentStorage=true").is_err());
    }

    #[test]
    fn an_account_name_alone_does_not_sign() {
        let of = |pairs: &[(&str, &str)]| {
            of_azure(&pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()).0
        };
        let named = of(&[("AZURE_STORAGE_ACCOUNT", "lab")]);
        assert!(matches!(&named.state, CredentialState::Cloud(keys) if keys.get("azure_skip_signature").is_some()));
        assert_eq!(of(&[("AZURE_STORAGE_ACCOUNT", "lab"), ("AZURE_STORAGE_KEY", "k")]).source, "AZURE_STORAGE_KEY");
    }
}
