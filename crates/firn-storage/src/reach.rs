//! How an address is reached: the location or remote that it belongs to, its service, its account, a client.

use crate::cloud::{CloudAddress, CloudObject, CloudService};
use crate::credentials::CredentialState;
use crate::error::StorageError;
use crate::file_server::{FileAddress, FileObject, FileProtocol, FileServer};
use crate::ftp::FtpServer;
use crate::location::{Addressing, Location};
use crate::rclone;
use crate::s3::{BucketAddress, StoreObject};
use crate::sftp::SftpServer;
use crate::storage::Storage;
use crate::url::{Kind, ObjectUrl, join};
use firn_model::diagnose::At;
use object_store::ObjectStore;
use object_store::aws::AmazonS3;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use url::Url;

/// What lies at a key of a name.
pub(crate) enum Held {
    /// This address.
    At(ObjectUrl),
    /// This address of that S3 service, which is not the one of the environment.
    In { service: Box<Location>, url: ObjectUrl },
}

/// An S3 address, and how its bucket is reached.
pub(crate) struct InBucket {
    pub bucket: String,
    pub key: String,
    pub service: Option<Location>,
}

impl Storage {
    pub(crate) fn known_names(&self) -> Vec<String> {
        let settings = &self.0.settings;
        let remotes = settings.sources.remotes.names().map(str::to_owned);
        settings.locations.keys().cloned().chain(remotes).collect()
    }

    /// What lies at this key of a location, or of a remote of `rclone.conf` where no location has the name.
    pub(crate) fn named(&self, name: &str, key: &str) -> Result<Held, StorageError> {
        let below = |url: &ObjectUrl| if key.is_empty() { Ok(url.clone()) } else { url.child(key) };
        let sources = &self.0.settings.sources;
        if let Some(location) = self.0.settings.locations.get(name) {
            return below(&location.url).map(Held::At);
        }
        match self.remote(name) {
            Some(rclone::Remote::Below(url)) => below(&url).map(Held::At),
            Some(rclone::Remote::Service { service, folder }) => {
                let whole = join(&folder, key);
                let (bucket, key) = whole.split_once('/').unwrap_or((&whole, ""));
                let at = At::url(format!("{name}:{whole}"));
                if bucket.is_empty() {
                    let what = format!("it names no bucket; write {name}:BUCKET/KEY");
                    return Err(StorageError::BadUrl { at, what });
                }
                let url = service.url.in_bucket(bucket, key);
                Ok(Held::In { service, url })
            }
            Some(rclone::Remote::Refused { what, next }) => {
                let at = At::url(format!("{name}:{key}"));
                Err(StorageError::Unsupported { at, what, next: next.into() })
            }
            None if sources.remotes.unread.is_some() => {
                let why = sources.remotes.unread.as_deref().unwrap_or_default();
                let file = sources.remotes_file.as_deref().unwrap_or(Path::new("rclone.conf")).display().to_string();
                Err(StorageError::Unsupported {
                    at: At::url(format!("{name}:{key}")),
                    what: format!("no location is called {name:?}, and {file} {why}"),
                    next: format!(
                        "add [locations.{name}] to firn.toml, or mend that file (rclone config encryption remove)"
                    )
                    .into(),
                })
            }
            None => Err(StorageError::UnknownLocation { name: name.to_owned(), known: self.known_names() }),
        }
    }

    fn remote(&self, name: &str) -> Option<rclone::Remote> {
        let mut remotes = self.0.remotes.lock().unwrap_or_else(PoisonError::into_inner);
        let remote = remotes.entry(name.to_owned()).or_insert_with(|| self.0.settings.sources.remote(name));
        remote.clone()
    }

    /// A client of the bucket of an address of Google Cloud or Azure, with the key; `None` for other addresses.
    pub(crate) fn in_cloud(&self, url: &ObjectUrl) -> Result<Option<CloudObject>, StorageError> {
        let (physical, held) = match url.kind() {
            Kind::Named { location, key } => match self.named(location, key)? {
                Held::In { service, url } => (url, Some(service)),
                Held::At(url) => (url, None),
            },
            _ => (self.physical(url)?, None),
        };
        let Kind::Cloud { service, bucket, key } = physical.kind() else { return Ok(None) };
        let location = match held {
            Some(location) => Some(*location),
            None => self.location_of(url)?.map(|(location, _)| location.clone()),
        };
        let (store, address) = self.cloud(*service, bucket, location.as_ref(), &url.at())?;
        let path = crate::s3::path(&physical.at(), key)?;
        Ok(Some(CloudObject { object: StoreObject { store, path, at: url.at() }, address: Arc::new(address) }))
    }

    fn cloud(
        &self,
        service: CloudService,
        bucket: &str,
        location: Option<&Location>,
        at: &At,
    ) -> Result<(Arc<dyn ObjectStore>, CloudAddress), StorageError> {
        let settings = &self.0.settings;
        let own = location.and_then(|location| location.account.as_ref());
        let (account, usual) = match service {
            CloudService::Google => (&settings.google, settings.google_endpoint.clone()),
            CloudService::Azure => (&settings.azure, settings.azure_endpoint.clone()),
        };
        let endpoint = match location {
            Some(location) if location.endpoint.is_some() || own.is_some() => location.endpoint.clone(),
            _ => usual,
        };
        let account = own.unwrap_or(account);
        let anonymous = settings.anonymous || location.is_some_and(|location| location.anonymous);
        // The account of a location is meant for its endpoint, whatever that is called.
        let is_another =
            service == CloudService::Azure && own.is_none() && crate::cloud::are_of_another(account, endpoint.as_ref());
        let is_signing = !anonymous && !is_another && account.state.is_signing(at)?;
        let storage_account = match service {
            CloudService::Google => None,
            CloudService::Azure => crate::cloud::storage_account((!is_another).then_some(account), endpoint.as_ref()),
        };
        let address = CloudAddress {
            service,
            bucket: bucket.to_owned(),
            endpoint,
            account: (if is_signing { account.source.clone() } else { String::new() }, storage_account),
            anonymous: !is_signing,
        };
        let mut clouds = self.0.clouds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = clouds.get(&address) {
            return Ok((Arc::clone(store), address));
        }
        let state = if is_signing { &account.state } else { &CredentialState::None };
        let store = crate::cloud::client(&self.0.transport, &address, state)?;
        clouds.insert(address.clone(), Arc::clone(&store));
        Ok((store, address))
    }

    /// A key of a server of files, which is connected to once.
    pub(crate) fn file_object(&self, address: &FileAddress, key: &str, at: At) -> FileObject {
        let settings = &self.0.settings;
        let mut servers = self.0.servers.lock().unwrap_or_else(PoisonError::into_inner);
        let server = servers.entry(address.clone()).or_insert_with(|| {
            let (address, transport) = (address.clone(), Arc::clone(&self.0.transport));
            match address.protocol {
                FileProtocol::Sftp => {
                    FileServer::Sftp(Arc::new(SftpServer::new(address, Arc::clone(&settings.ssh), transport)))
                }
                FileProtocol::Ftp => {
                    let keys = if settings.anonymous { Arc::default() } else { Arc::clone(&settings.web) };
                    FileServer::Ftp(Arc::new(FtpServer::new(address, keys, transport)))
                }
            }
        });
        FileObject { server: server.clone(), key: key.to_owned(), at }
    }

    /// The bucket and key of an S3 address, and the service where it is not that of the environment.
    pub(crate) fn in_bucket(&self, url: &ObjectUrl) -> Result<Option<InBucket>, StorageError> {
        if let Kind::Named { location, key } = url.kind()
            && let Held::In { service, url } = self.named(location, key)?
            && let Kind::S3 { bucket, key } = url.kind()
        {
            return Ok(Some(InBucket { bucket: bucket.clone(), key: key.clone(), service: Some(*service) }));
        }
        let physical = self.physical(url)?;
        let Kind::S3 { bucket, key } = physical.kind() else { return Ok(None) };
        let service = self.location_of(url)?.map(|(location, _)| location.clone());
        Ok(Some(InBucket { bucket: bucket.clone(), key: key.clone(), service }))
    }

    /// Where the bucket of a location is.
    pub(crate) fn endpoint(&self, location: Option<&Location>) -> Option<Url> {
        let settings = &self.0.settings;
        match location {
            // The environment names the endpoint of its own account only.
            Some(location) if location.endpoint.is_some() || location.account.is_some() => location.endpoint.clone(),
            _ => settings.endpoint.clone(),
        }
    }

    pub(crate) fn bucket(
        &self,
        bucket: &str,
        location: Option<&Location>,
        at: &At,
    ) -> Result<(Arc<AmazonS3>, BucketAddress), StorageError> {
        let settings = &self.0.settings;
        let endpoint = self.endpoint(location);
        let region = match location {
            Some(location) if location.region.is_some() || location.account.is_some() => location.region.clone(),
            _ => settings.region.clone(),
        };
        let addressing = location.and_then(|location| location.addressing).or(settings.addressing);
        // AWS itself wants the bucket in the host name; other services rarely have the wildcard certificate for it. A
        // dot in the bucket name breaks that certificate in any case.
        let default = if endpoint.is_none() && !bucket.contains('.') { Addressing::Virtual } else { Addressing::Path };
        let anonymous = settings.anonymous || location.is_some_and(|location| location.anonymous);
        let account = location.and_then(|location| location.account.as_ref()).unwrap_or(&settings.account);
        let is_signing = !anonymous && account.state.is_signing(at)?;
        let address = BucketAddress {
            bucket: bucket.to_owned(),
            endpoint,
            region: region.unwrap_or_else(|| "us-east-1".to_owned()),
            virtual_hosted: addressing.unwrap_or(default) == Addressing::Virtual,
            anonymous: !is_signing,
            account: if is_signing { account.source.clone() } else { String::new() },
        };
        let mut buckets = self.0.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = buckets.get(&address) {
            return Ok((Arc::clone(store), address));
        }
        let store = {
            let state = if is_signing { &account.state } else { &CredentialState::None };
            crate::s3::client(&self.0.transport, &address, state)?
        };
        buckets.insert(address.clone(), Arc::clone(&store));
        Ok((store, address))
    }
}
