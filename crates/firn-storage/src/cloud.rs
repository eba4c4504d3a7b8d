//! Google Cloud Storage and Azure Blob Storage, through `object_store`: signing, tokens, listing and multipart are its work;
//! requests are sent by [`crate::transport`], as all others.

use crate::credentials::{Account, CredentialState};
use crate::error::StorageError;
use crate::s3::{Connector, StoreObject, scrub};
use crate::store_prefix::{StorePrefix, UpdateBy};
use crate::transport::Transport;
use firn_model::diagnose::At;
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{ObjectStore, RetryConfig, StaticCredentialProvider};
use std::ops::Deref;
use std::sync::Arc;
use url::Url;

/// A service that is neither a file system, nor a web server, nor S3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum CloudService {
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage; its buckets are called containers.
    Azure,
}

impl CloudService {
    /// The scheme of its addresses.
    pub(crate) fn scheme(self) -> &'static str {
        match self {
            Self::Google => "gs",
            Self::Azure => "az",
        }
    }
}

/// What is needed to reach one bucket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct CloudAddress {
    pub service: CloudService,
    pub bucket: String,
    /// Where the service is, if not at its usual place. Of Azure it names the account.
    pub endpoint: Option<Url>,
    /// Where the credentials come from, and the storage account of Azure.
    pub account: (String, Option<String>),
    pub anonymous: bool,
}

impl CloudAddress {
    /// What names the bucket among all services.
    pub(crate) fn identity(&self) -> String {
        let place = self.endpoint.as_ref().map(Url::as_str).or(self.account.1.as_deref()).unwrap_or("its usual place");
        format!("{}://{} at {}", self.service.scheme(), self.bucket, place.trim_end_matches('/'))
    }
}

/// An object of a bucket.
#[derive(Clone)]
pub(crate) struct CloudObject {
    pub object: StoreObject,
    pub address: Arc<CloudAddress>,
}

impl CloudObject {
    /// The web address of the object.
    pub(crate) fn web_address(&self) -> Result<Url, StorageError> {
        let CloudAddress { service, bucket, endpoint, account, .. } = &*self.address;
        let usual = || match (service, &account.1) {
            (CloudService::Google, _) => "https://storage.googleapis.com".to_owned(),
            (CloudService::Azure, Some(account)) => format!("https://{account}.blob.core.windows.net"),
            (CloudService::Azure, None) => String::new(),
        };
        let base = endpoint.as_ref().map_or_else(usual, |url| url.as_str().trim_end_matches('/').to_owned());
        let text = format!("{base}/{bucket}/{}", crate::s3_signed::encoded_key(self.object.path.as_ref()));
        let at = self.object.at.clone();
        Url::parse(&text).map_err(|error| StorageError::BadUrl { at, what: error.to_string() })
    }
}

/// A prefix of a bucket.
#[derive(Clone)]
pub(crate) struct CloudPrefix {
    objects: StorePrefix,
    address: Arc<CloudAddress>,
}

impl Deref for CloudPrefix {
    type Target = StorePrefix;

    fn deref(&self) -> &StorePrefix {
        &self.objects
    }
}

impl CloudPrefix {
    pub(crate) fn new(object: CloudObject) -> Self {
        let CloudObject { object, address } = object;
        let update_by = match address.service {
            CloudService::Google => UpdateBy::Generation,
            CloudService::Azure => UpdateBy::Tag,
        };
        Self { objects: StorePrefix::new(object.store, object.path, object.at, update_by), address }
    }

    pub(crate) fn identity_of_bucket(&self) -> String {
        self.address.identity()
    }

    pub(crate) fn identity(&self) -> String {
        format!("{} {}", self.address.identity(), self.base())
    }
}

/// The storage account of Azure: that of the credentials where they are used, else that of the endpoint.
pub(crate) fn storage_account(account: Option<&Account>, endpoint: Option<&Url>) -> Option<String> {
    account.and_then(account_of_keys).map(str::to_owned).or_else(|| account_of_endpoint(endpoint))
}

/// Whether these keys are known to be those of another storage account than the endpoint's, which is not to see a signature
/// of theirs.
pub(crate) fn are_of_another(account: &Account, endpoint: Option<&Url>) -> bool {
    match (account_of_keys(account), account_of_endpoint(endpoint)) {
        (Some(keys), Some(endpoint)) => keys != endpoint,
        _ => false,
    }
}

fn account_of_keys(account: &Account) -> Option<&str> {
    match &account.state {
        CredentialState::Cloud(keys) => keys.get("azure_storage_account_name"),
        _ => None,
    }
}

fn account_of_endpoint(endpoint: Option<&Url>) -> Option<String> {
    let endpoint = endpoint?;
    // An emulator names the account in the path.
    let path = endpoint.path().trim_matches('/');
    let host = endpoint.domain().and_then(|host| host.split_once('.')).map(|(account, _)| account);
    if path.is_empty() { host.map(str::to_owned) } else { Some(path.to_owned()) }
}

/// A client of one bucket.
pub(crate) fn client(
    transport: &Arc<Transport>,
    address: &CloudAddress,
    state: &CredentialState,
) -> Result<Arc<dyn ObjectStore>, StorageError> {
    let at = At::url(format!("{}://{}", address.service.scheme(), address.bucket));
    let failure =
        |error: object_store::Error| StorageError::Credentials { at: at.clone(), what: scrub(&error.to_string()) };
    let keys = match state {
        CredentialState::Cloud(keys) => Some(keys),
        _ => None,
    };
    // Repetition is the transport's: two loops inside each other would multiply.
    let no_retry = RetryConfig { max_retries: 0, ..RetryConfig::default() };
    let connector = Connector { transport: Arc::clone(transport) };
    match address.service {
        CloudService::Google => {
            let mut builder = GoogleCloudStorageBuilder::new()
                .with_bucket_name(&address.bucket)
                .with_retry(no_retry)
                .with_http_connector(connector);
            if let Some(endpoint) = &address.endpoint {
                builder = builder.with_base_url(endpoint.as_str().trim_end_matches('/'));
            }
            let fixed =
                |bearer: &str| Arc::new(StaticCredentialProvider::new(GcpCredential { bearer: bearer.to_owned() }));
            builder = match keys {
                None => builder.with_credentials(fixed("")).with_skip_signature(true),
                Some(keys) => match keys.get("token") {
                    Some(token) => builder.with_credentials(fixed(token)),
                    None => keys.all().try_fold(builder, |builder, (key, value)| {
                        let key: GoogleConfigKey = key.parse().map_err(failure)?;
                        Ok::<_, StorageError>(builder.with_config(key, value))
                    })?,
                },
            };
            Ok(Arc::new(builder.build().map_err(failure)?))
        }
        CloudService::Azure => {
            let Some(account) = &address.account.1 else {
                let what =
                    "no storage account is named (AZURE_STORAGE_ACCOUNT, or the endpoint of a location)".to_owned();
                let next = "set AZURE_STORAGE_ACCOUNT, or add a location with endpoint = \"https://ACCOUNT.blob.core.windows.net\"";
                return Err(StorageError::Unsupported { at, what, next: next.into() });
            };
            let mut builder = MicrosoftAzureBuilder::new()
                .with_container_name(&address.bucket)
                .with_account(account)
                .with_retry(no_retry)
                .with_http_connector(connector);
            if let Some(endpoint) = &address.endpoint {
                builder = builder
                    .with_endpoint(endpoint.as_str().trim_end_matches('/').to_owned())
                    .with_allow_http(endpoint.scheme() == "http");
            }
            builder = match keys {
                None => builder.with_skip_signature(true),
                Some(keys) => keys.all().filter(|(key, _)| *key != "azure_storage_account_name").try_fold(
                    builder,
                    |builder, (key, value)| {
                        let key: AzureConfigKey = key.parse().map_err(failure)?;
                        Ok::<_, StorageError>(builder.with_config(key, value))
                    },
                )?,
            };
            Ok(Arc::new(builder.build().map_err(failure)?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud_keys::CloudKeys;

    #[test]
    fn keys_of_one_storage_account_are_not_shown_to_another() {
        let keys = CloudKeys::of([
            ("azure_storage_account_name", "lab".to_owned()),
            ("azure_storage_account_key", "k".to_owned()),
        ]);
        let account = Account { source: "the test".to_owned(), state: CredentialState::Cloud(keys) };
        let is_another = |endpoint: &str| are_of_another(&account, Some(&endpoint.parse().unwrap()));
        assert!(!is_another("https://lab.blob.core.windows.net"));
        assert!(is_another("https://other.blob.core.windows.net"));
        assert!(!is_another("http://127.0.0.1:10000/lab"));
        assert!(is_another("http://127.0.0.1:10000/other"));
        assert!(!are_of_another(&account, None));
        assert_eq!(storage_account(Some(&account), None).as_deref(), Some("lab"));
        let other = "https://other.blob.core.windows.net".parse().unwrap();
        assert_eq!(storage_account(None, Some(&other)).as_deref(), Some("other"));
    }
}
