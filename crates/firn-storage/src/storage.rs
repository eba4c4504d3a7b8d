//! [`Storage`]: settings, clients and budgets, shared by everybody.

use crate::bridge::Bridge;
use crate::cache::CachedReader;
use crate::capabilities::Conditions;
use crate::cloud::CloudAddress;
use crate::error::StorageError;
use crate::file_server::{FileAddress, FileServer};
use crate::http::{HttpObject, WebAnswer, WebPage};
use crate::local::LocalReader;
use crate::location::Location;
use crate::part_memory::PartMemory;
use crate::prefix::Prefix;
use crate::rclone;
use crate::reach::{Held, InBucket};
use crate::remote::{BridgedReader, Opened, Remote};
use crate::s3::{BucketAddress, S3Object, StoreObject};
use crate::settings::StorageSettings;
use crate::source::StorageSource;
use crate::ssh_keys::SshKeys;
use crate::transport::{Traffic, Transport};
use crate::url::{Kind, ObjectUrl};
use bytes::Bytes;
use firn_model::diagnose::At;
use firn_model::source::{ByteRange, RangeReader, Source, SourceError, SourceVersion};
use object_store::ObjectStore;
use object_store::aws::AmazonS3;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Handle;
use url::Url;

/// Everything needed to reach objects. Cheap to clone; all clones share clients, connections and budgets.
#[derive(Clone)]
pub struct Storage(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) settings: StorageSettings,
    pub(crate) transport: Arc<Transport>,
    bridge: Bridge,
    part_memory: PartMemory,
    pub(crate) buckets: Mutex<HashMap<BucketAddress, Arc<AmazonS3>>>,
    pub(crate) clouds: Mutex<HashMap<CloudAddress, Arc<dyn ObjectStore>>>,
    pub(crate) servers: Mutex<HashMap<FileAddress, FileServer>>,
    conditions: Mutex<HashMap<String, ConditionsCell>>,
    /// From which bucket to which the server refused to copy, and how.
    refused_copies: Mutex<HashMap<(String, String), String>>,
    /// The remotes of `rclone.conf` that were asked for, made once.
    pub(crate) remotes: Mutex<HashMap<String, Option<rclone::Remote>>>,
}

/// What was found out about the preconditions of a bucket; asked once.
type ConditionsCell = Arc<tokio::sync::OnceCell<Arc<Conditions>>>;

/// Where an address leads, with the client to go there.
pub(crate) enum Place {
    Local(PathBuf),
    Remote(Remote),
}

impl Storage {
    /// Storage by these settings; its requests run on this runtime, which must be a multi-thread one.
    ///
    /// # Errors
    /// [`StorageError::Misuse`] for a current-thread runtime, or where the HTTP client cannot be made.
    pub fn new(settings: StorageSettings, runtime: Handle) -> Result<Self, StorageError> {
        let (retry, timeouts, limits) = (settings.retry.clone(), settings.timeouts.clone(), settings.limits.clone());
        let transport = Transport::new(retry, timeouts, limits, &settings.certificates);
        let transport = transport.map_err(|error| StorageError::Misuse { what: error.without_url().to_string() })?;
        let (transport, bridge) = (Arc::new(transport), Bridge::new(runtime)?);
        let part_memory = PartMemory::new(settings.limits.part_memory);
        Ok(Self(Arc::new(Shared {
            settings,
            transport,
            bridge,
            part_memory,
            buckets: Mutex::default(),
            clouds: Mutex::default(),
            servers: Mutex::default(),
            conditions: Mutex::default(),
            refused_copies: Mutex::default(),
            remotes: Mutex::default(),
        })))
    }

    /// The same storage as everybody sees it: requests are not signed, and an address below a `public_url` is asked at
    /// that URL, not at the location behind it. What this opens is public.
    #[must_use]
    pub fn anonymous(&self) -> Self {
        let mut settings = self.0.settings.clone();
        settings.anonymous = true;
        settings.ssh = Arc::new(SshKeys { is_nobody: true, ..SshKeys::default() });
        for location in settings.locations.values_mut() {
            location.public_url = None;
        }
        let (transport, bridge) = (Arc::clone(&self.0.transport), self.0.bridge.clone());
        Self(Arc::new(Shared {
            settings,
            transport,
            bridge,
            part_memory: self.0.part_memory.clone(),
            buckets: Mutex::default(),
            clouds: Mutex::default(),
            servers: Mutex::default(),
            conditions: Mutex::default(),
            refused_copies: Mutex::default(),
            remotes: Mutex::default(),
        }))
    }

    /// The settings.
    pub fn settings(&self) -> &StorageSettings {
        &self.0.settings
    }

    /// The runtime on which requests run.
    pub fn runtime(&self) -> &Handle {
        self.0.bridge.handle()
    }

    /// Requests and bytes since this storage was made.
    pub fn traffic(&self) -> Traffic {
        self.0.transport.traffic()
    }

    pub(crate) fn bridge(&self) -> &Bridge {
        &self.0.bridge
    }

    /// The memory for parts of large objects.
    pub(crate) fn part_memory(&self) -> &PartMemory {
        &self.0.part_memory
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.0.transport
    }

    /// What was found out about a bucket so far.
    pub(crate) fn known_conditions(&self, bucket: &str) -> ConditionsCell {
        let mut known = self.0.conditions.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(bucket.to_owned()).or_default())
    }

    /// How the server refused to copy between these two buckets, where it did since this storage was made.
    pub(crate) fn refused_copy(&self, buckets: &(String, String)) -> Option<String> {
        self.0.refused_copies.lock().unwrap_or_else(PoisonError::into_inner).get(buckets).cloned()
    }

    /// Remembers that the server refused.
    pub(crate) fn refuse_copy(&self, buckets: (String, String), how: String) {
        self.0.refused_copies.lock().unwrap_or_else(PoisonError::into_inner).insert(buckets, how);
    }

    /// The configured location of this name.
    ///
    /// # Errors
    /// [`StorageError::UnknownLocation`] with the names that there are.
    pub fn location(&self, name: &str) -> Result<&Location, StorageError> {
        self.0
            .settings
            .locations
            .get(name)
            .ok_or_else(|| StorageError::UnknownLocation { name: name.to_owned(), known: self.known_names() })
    }

    /// Opens an object or prefix for reading. Nothing is asked of the storage yet.
    ///
    /// # Errors
    /// Where the address cannot be reached from here: an unknown location, credentials that cannot be used.
    pub fn source(&self, url: &ObjectUrl) -> Result<Arc<dyn Source>, SourceError> {
        self.place(url).map_err(StorageError::into_source)?;
        Ok(Arc::new(StorageSource::new(self.clone(), url.clone())))
    }

    /// A reader of one object; `None` where the storage says that it does not exist. Blocks the calling thread; not for
    /// async code.
    ///
    /// Over a network this is one request, which fetches the head of the object, its size and its version.
    ///
    /// # Errors
    /// Anything but "does not exist".
    pub fn open(&self, url: &ObjectUrl) -> Result<Option<Arc<dyn RangeReader>>, SourceError> {
        let remote = match self.place(url).map_err(StorageError::into_source)? {
            Place::Local(path) => {
                let reader = LocalReader::open(&path)?;
                return Ok(reader.map(|reader| Arc::new(reader) as Arc<dyn RangeReader>));
            }
            Place::Remote(remote) => remote,
        };
        let (asked, head) = (remote.clone(), self.0.settings.cache.head);
        let opened = self.0.bridge.wait(async move { asked.open(head).await }).map_err(StorageError::into_source)??;
        Ok(opened.map(|opened| self.reader(remote, opened)))
    }

    /// A reader of an object of which size and version are known already: no request until the first read, and every
    /// answer is compared with the version.
    ///
    /// # Errors
    /// As [`Storage::source`]; for local files where the file is gone or differs.
    pub fn open_known(&self, url: &ObjectUrl, version: &SourceVersion) -> Result<Arc<dyn RangeReader>, SourceError> {
        match self.place(url).map_err(StorageError::into_source)? {
            Place::Local(path) => {
                let reader = LocalReader::open(&path)?.ok_or_else(|| SourceError::NotFound { at: url.at() })?;
                crate::remote::check_version(&url.at(), version, &reader.version()?)?;
                Ok(Arc::new(reader))
            }
            Place::Remote(remote) => Ok(self.reader(remote, Opened { version: version.clone(), head: Bytes::new() })),
        }
    }

    fn reader(&self, remote: Remote, opened: Opened) -> Arc<dyn RangeReader> {
        let Opened { version, head } = opened;
        if head.len() as u64 == version.size {
            return Arc::new(WholeReader { at: remote.at().clone(), version, bytes: head });
        }
        let (at, size) = (remote.at().clone(), version.size);
        let inner = BridgedReader { bridge: self.0.bridge.clone(), remote, version };
        Arc::new(CachedReader::new(Arc::new(inner), at, size, head, self.0.settings.cache.clone()))
    }

    /// A small object as a web page of another host would get it: by its URL as it is, without credentials.
    pub(crate) async fn get_as_web_page(&self, url: &ObjectUrl) -> Result<WebPage, StorageError> {
        let Kind::Http(url) = url.kind() else {
            return Err(StorageError::BadUrl { at: url.at(), what: "it is not an http(s) URL".to_owned() });
        };
        Ok(HttpObject::new(Arc::clone(&self.0.transport), url.clone()).get_as_web_page().await?)
    }

    /// How a server answers a page of another host that asks for this object: by its URL as it is, without credentials.
    /// Blocks the calling thread.
    ///
    /// # Errors
    /// [`StorageError::BadUrl`] for what is no web address; where there is no answer.
    pub fn web_answer(&self, url: &ObjectUrl) -> Result<WebAnswer, StorageError> {
        let Kind::Http(url) = url.kind() else {
            return Err(StorageError::BadUrl { at: url.at(), what: "it is not an http(s) URL".to_owned() });
        };
        let object = HttpObject::new(Arc::clone(&self.0.transport), url.clone());
        Ok(self.0.bridge.wait(async move { object.answer_as_web_page().await })??)
    }

    /// The web address of an object as its service spells it: an object of a bucket below the endpoint of its service. `None` for local files and servers of files.
    ///
    /// # Errors
    /// As [`Storage::physical`].
    pub fn web_address(&self, url: &ObjectUrl) -> Result<Option<Url>, StorageError> {
        if let Kind::Http(url) = url.kind() {
            return Ok(Some(url.clone()));
        }
        if matches!(self.physical(url)?.kind(), Kind::Server { .. }) {
            return Ok(None);
        }
        if let Some(cloud) = self.in_cloud(url)? {
            return cloud.web_address().map(Some);
        }
        let Some(InBucket { bucket, key, service }) = self.in_bucket(url)? else { return Ok(None) };
        let (_, address) = self.bucket(&bucket, service.as_ref(), &url.at())?;
        let of_amazon = || Url::parse(&format!("https://s3.{}.amazonaws.com", address.region));
        let mut web = address.endpoint.clone().map_or_else(of_amazon, Ok).map_err(|error| StorageError::BadUrl {
            at: url.at(),
            what: format!("its service has no web address: {error}"),
        })?;
        if address.virtual_hosted {
            let host = format!("{bucket}.{}", web.host_str().unwrap_or_default());
            if web.set_host(Some(&host)).is_err() {
                let what = "the bucket cannot be part of a host name".to_owned();
                return Err(StorageError::BadUrl { at: url.at(), what });
            }
        }
        if let Ok(mut segments) = web.path_segments_mut() {
            segments.pop_if_empty();
            if !address.virtual_hosted {
                segments.push(&bucket);
            }
            segments.extend(key.split('/').filter(|part| !part.is_empty()));
        }
        Ok(Some(web))
    }

    /// A prefix to write below.
    ///
    /// # Errors
    /// [`StorageError::Unsupported`] for web servers; else as [`Storage::source`].
    pub fn prefix(&self, url: &ObjectUrl) -> Result<Prefix, StorageError> {
        Prefix::new(self.clone(), url.clone())
    }

    /// A place to read below: as [`Storage::prefix`], and folders of web servers too, where nothing can be written.
    ///
    /// # Errors
    /// As [`Storage::source`].
    pub fn tree(&self, url: &ObjectUrl) -> Result<Prefix, StorageError> {
        Prefix::readable(self.clone(), url.clone())
    }

    /// The place that an object lies in, and its key there. `None` for the root of a location, bucket, server or file system.
    ///
    /// # Errors
    /// As [`Storage::source`].
    pub fn holder_of(&self, url: &ObjectUrl) -> Result<Option<(Prefix, String)>, StorageError> {
        Prefix::holding(self, url)
    }

    /// The address where the object physically is: `name:key` and what lies below a location's `public_url` become the
    /// location's own URL with the key, a local path gets its one spelling ([`ObjectUrl::absolute`]). Two addresses mean the same object if their
    /// physical addresses are equal.
    ///
    /// # Errors
    /// [`StorageError::UnknownLocation`], [`StorageError::Unsupported`] for a remote of a kind that firn does not speak.
    pub fn physical(&self, url: &ObjectUrl) -> Result<ObjectUrl, StorageError> {
        let below = |location: &Location, key: &str| {
            if key.is_empty() { Ok(location.url.clone()) } else { location.url.child(key) }
        };
        match url.kind() {
            Kind::Named { location, key } => match self.named(location, key)? {
                Held::At(below) => below.absolute(),
                // `s3://` would mean the service of the environment.
                Held::In { .. } => Ok(url.clone()),
            },
            Kind::Http(_) => {
                let locations = self.0.settings.locations.values();
                let holders =
                    locations.filter_map(|location| Some((location, url.key_below(location.public_url.as_ref()?)?)));
                // The innermost, where one location's URL lies below another's.
                let found = holders.min_by_key(|(_, key)| key.len());
                found.map_or_else(|| Ok(url.clone()), |(location, key)| below(location, &key))
            }
            Kind::Local(_) | Kind::S3 { .. } | Kind::Cloud { .. } | Kind::Server { .. } => url.absolute(),
        }
    }

    /// The prefix that holds this object; `None` at a root. A bucket of a remote of `rclone.conf` is one, although the remote
    /// has other buckets.
    pub fn parent(&self, url: &ObjectUrl) -> Option<ObjectUrl> {
        let parent = url.parent()?;
        let is_service = matches!(parent.kind(), Kind::Named { location, key } if key.is_empty()
            && matches!(self.named(location, ""), Err(StorageError::BadUrl { .. })));
        (!is_service).then_some(parent)
    }

    /// The http(s) URL at which everybody reads this object, where its location has a `public_url`.
    ///
    /// # Errors
    /// As [`Storage::physical`].
    pub fn public(&self, url: &ObjectUrl) -> Result<Option<ObjectUrl>, StorageError> {
        if matches!(url.kind(), Kind::Http(_)) {
            return Ok(Some(url.clone()));
        }
        let Some((location, key)) = self.location_of(url)? else { return Ok(None) };
        let Some(public) = &location.public_url else { return Ok(None) };
        if key.is_empty() { Ok(Some(public.clone())) } else { public.child(&key).map(Some) }
    }

    /// The location that holds this address, and the key below it; the innermost where several do.
    ///
    /// # Errors
    /// [`StorageError::UnknownLocation`]; [`StorageError::AmbiguousLocation`] where an `s3://` address lies in several
    /// locations at different endpoints.
    pub fn location_of(&self, url: &ObjectUrl) -> Result<Option<(&Location, String)>, StorageError> {
        if let Kind::Named { location, key } = url.kind()
            && let Some(location) = self.0.settings.locations.get(location)
        {
            return Ok(Some((location, key.clone())));
        }
        let (physical, service) = match url.kind() {
            Kind::Named { location, key } => match self.named(location, key)? {
                Held::At(url) => (self.physical(&url)?, None),
                Held::In { service, url } => (url, Some(service)),
            },
            _ => (self.physical(url)?, None),
        };
        // A bucket of a remote lies in a location only where the location is at the same service.
        let is_there = |location: &&Location| {
            service.as_ref().is_none_or(|service| self.endpoint(Some(location)) == self.endpoint(Some(service)))
        };
        let mut holders: Vec<(&Location, String)> = self
            .0
            .settings
            .locations
            .values()
            .filter(is_there)
            .filter_map(|location| Some((location, physical.key_below(&location.url)?)))
            .collect();
        holders.sort_by_key(|(_, key)| key.len());
        if let Some((first, _)) = holders.first()
            && holders.iter().any(|(location, _)| location.endpoint != first.endpoint)
        {
            let names = holders.iter().map(|(location, _)| location.name.clone()).collect();
            return Err(StorageError::AmbiguousLocation { at: url.at(), names });
        }
        Ok(holders.into_iter().next())
    }

    /// Where the address leads.
    pub(crate) fn place(&self, url: &ObjectUrl) -> Result<Place, StorageError> {
        let physical = self.physical(url)?;
        match physical.kind() {
            Kind::Local(path) => Ok(Place::Local(path.clone())),
            Kind::Http(http) => {
                let object = HttpObject::new(Arc::clone(&self.0.transport), http.clone());
                let settings = &self.0.settings;
                let object = if settings.anonymous { object } else { object.known(&settings.web) };
                Ok(Place::Remote(Remote::Http(object)))
            }
            Kind::Server { server, key } => Ok(Place::Remote(Remote::File(self.file_object(server, key, url.at())))),
            Kind::S3 { .. } | Kind::Cloud { .. } | Kind::Named { .. } => {
                if let Some(object) = self.in_cloud(url)? {
                    return Ok(Place::Remote(Remote::Cloud(object)));
                }
                let Some(InBucket { bucket, key, service }) = self.in_bucket(url)? else {
                    return Err(StorageError::Misuse { what: format!("{url} leads nowhere") });
                };
                let (client, address) = self.bucket(&bucket, service.as_ref(), &url.at())?;
                let path = crate::s3::path(&url.at(), &key)?;
                let object = StoreObject { store: Arc::clone(&client) as Arc<dyn ObjectStore>, path, at: url.at() };
                Ok(Place::Remote(Remote::S3(S3Object { object, client, address: Arc::new(address) })))
            }
        }
    }
}

/// An object that came whole with the first answer.
struct WholeReader {
    at: At,
    version: SourceVersion,
    bytes: Bytes,
}

impl RangeReader for WholeReader {
    fn size(&self) -> Result<u64, SourceError> {
        Ok(self.version.size)
    }

    fn version(&self) -> Result<SourceVersion, SourceError> {
        Ok(self.version.clone())
    }

    fn read_ranges(&self, ranges: &[ByteRange]) -> Result<Vec<Bytes>, SourceError> {
        crate::remote::check_bounds(&self.at, ranges, self.version.size)?;
        Ok(ranges.iter().map(|range| self.bytes.slice(range.start as usize..range.end as usize)).collect())
    }
}
