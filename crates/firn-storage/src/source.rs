//! [`Source`] over storage: an address as format readers see it.

use crate::settings::HostPolicy;
use crate::storage::Storage;
use crate::url::{Kind, ObjectUrl};
use firn_model::diagnose::At;
use firn_model::source::{ListedObject, RangeReader, Source, SourceError};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// An object or prefix on any storage.
pub(crate) struct StorageSource {
    storage: Storage,
    url: ObjectUrl,
    text: String,
    /// The object itself, once it was opened: sniffing its format and reading it are one look at one version.
    own: Mutex<Option<Arc<dyn RangeReader>>>,
}

impl StorageSource {
    pub(crate) fn new(storage: Storage, url: ObjectUrl) -> Self {
        let text = url.to_string();
        Self { storage, url, text, own: Mutex::default() }
    }

    fn child(&self, key: &str) -> Result<ObjectUrl, SourceError> {
        if key.is_empty() {
            return Ok(self.url.clone());
        }
        self.url.child(key).map_err(|error| error.into_source())
    }

    /// The address that a text inside this source means: absolute, or relative to where this source lies.
    fn resolve(&self, text: &str) -> Result<ObjectUrl, SourceError> {
        let bad = |what: &str| SourceError::BadUrl { at: At::url(text), what: what.to_owned() };
        if text.contains("://") || text.starts_with('/') {
            return ObjectUrl::parse(text).map_err(|error| error.into_source());
        }
        let mut base = self.url.parent().ok_or_else(|| bad("there is nothing that it could be relative to"))?;
        let mut segments = text.split('/').filter(|segment| *segment != ".").peekable();
        while segments.next_if(|segment| *segment == "..").is_some() {
            base = base.parent().ok_or_else(|| bad("it leads above the root"))?;
        }
        let key = segments.collect::<Vec<_>>().join("/");
        base.child(&key).map_err(|error| error.into_source())
    }
}

impl Source for StorageSource {
    fn url(&self) -> &str {
        &self.text
    }

    fn object(&self, key: &str) -> Result<Option<Arc<dyn RangeReader>>, SourceError> {
        if !key.is_empty() {
            return self.storage.open(&self.child(key)?);
        }
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if own.is_none() {
            *own = self.storage.open(&self.url)?;
        }
        Ok(own.clone())
    }

    fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, SourceError> {
        let listed = self.storage.list(&self.child(prefix)?).map_err(|error| error.into_source())?;
        let key = |object: ListedObject| ListedObject { key: crate::url::join(prefix, &object.key), ..object };
        Ok(listed.into_iter().map(key).collect())
    }

    fn sibling(&self, url: &str) -> Result<Arc<dyn Source>, SourceError> {
        let target = self.resolve(url)?;
        let physical = |url: &ObjectUrl| self.storage.physical(url).map_err(|error| error.into_source());
        let settings = self.storage.settings();
        check_policy(&settings.hosts, settings.is_serving, &physical(&self.url)?, &physical(&target)?)?;
        self.storage.source(&target)
    }
}

/// May a source refer to this address? Both are physical addresses.
///
/// # Errors
/// [`SourceError::Denied`] with what would have to be allowed.
pub(crate) fn check_policy(
    policy: &HostPolicy,
    is_serving: bool,
    from: &ObjectUrl,
    to: &ObjectUrl,
) -> Result<(), SourceError> {
    let denied = |what: String| Err(SourceError::Denied { at: to.at(), what });
    let allowed = |name: &str| match policy {
        HostPolicy::SameHost => false,
        HostPolicy::Hosts(hosts) => hosts.contains(name),
        HostPolicy::Any => true,
    };
    match (from.kind(), to.kind()) {
        (Kind::Http(from), Kind::Http(to)) if from.origin() == to.origin() => Ok(()),
        (Kind::S3 { bucket: from, .. }, Kind::S3 { bucket: to, .. }) if from == to => Ok(()),
        (Kind::Local(from), Kind::Local(to)) => check_local(policy, is_serving, from, to),
        (_, Kind::Local(_)) => denied("a remote source may not refer to local files".to_owned()),
        (_, Kind::Http(to)) => {
            let port = to.port().map(|port| format!(":{port}")).unwrap_or_default();
            let host = format!("{}{port}", to.host_str().unwrap_or_default());
            if allowed(&host) { Ok(()) } else { denied(other("host", &host)) }
        }
        (Kind::Cloud { service, bucket: from, .. }, Kind::Cloud { service: other, bucket: to, .. })
            if service == other && from == to =>
        {
            Ok(())
        }
        (Kind::Server { server: from, .. }, Kind::Server { server: to, .. }) if from == to => Ok(()),
        (_, Kind::Server { server, .. }) => {
            let name = server.place();
            if allowed(&name) { Ok(()) } else { denied(other("host", &name)) }
        }
        (_, Kind::Cloud { service, bucket, .. }) => {
            let name = format!("{}://{bucket}", service.scheme());
            if allowed(&name) { Ok(()) } else { denied(other("bucket", &name)) }
        }
        (_, Kind::S3 { bucket, .. }) => {
            let name = format!("s3://{bucket}");
            if allowed(&name) { Ok(()) } else { denied(other("bucket", &name)) }
        }
        (_, Kind::Named { .. }) => denied("the source refers to a location of this machine".to_owned()),
    }
}

fn other(kind: &str, name: &str) -> String {
    format!("the source refers to another {kind}, {name}; to allow it: FIRN_REFERENCES={name}")
}

/// A local source may refer to what lies in its own directory, links resolved, and to files of array data: a file from
/// elsewhere must not make firn read any file of this machine, as keys and passwords are.
fn check_local(policy: &HostPolicy, is_serving: bool, from: &Path, to: &Path) -> Result<(), SourceError> {
    if *policy == HostPolicy::Any {
        return Ok(());
    }
    // A target that does not exist has no resolved form; its text decides, and nothing can be read there. A text that
    // goes up is never right then.
    let goes_up = |path: &Path| path.components().any(|part| part == std::path::Component::ParentDir);
    if to.canonicalize().is_err() && goes_up(to) {
        let what = "the reference goes up from a place that does not exist".to_owned();
        return Err(SourceError::Denied { at: At::url(to.to_string_lossy()), what });
    }
    let resolve = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let (from, to) = (resolve(from), resolve(to));
    let own = if from.is_dir() { Some(from.as_path()) } else { from.parent() };
    let listed = |policy: &HostPolicy| match policy {
        HostPolicy::Hosts(hosts) => hosts.iter().any(|base| base.starts_with('/') && to.starts_with(base)),
        _ => false,
    };
    if own.is_some_and(|own| to.starts_with(own)) || listed(policy) || !is_serving && holds_arrays(&to) {
        return Ok(());
    }
    let folder = to.parent().unwrap_or(&to).to_string_lossy();
    let what = format!("the source refers to a file outside its own directory; to allow it: FIRN_REFERENCES={folder}");
    Err(SourceError::Denied { at: At::url(to.to_string_lossy()), what })
}

/// Whether a file is one of array data, by its first bytes: HDF5 (also behind a user block), NetCDF classic, GRIB, TIFF.
fn holds_arrays(path: &Path) -> bool {
    const HDF5: &[u8] = b"\x89HDF\r\n\x1a\n";
    const OTHERS: [&[u8]; 8] = [b"CDF\x01", b"CDF\x02", b"CDF\x05", b"GRIB", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"];
    // Devices and pipes are not opened.
    if !path.is_file() {
        return false;
    }
    let Ok(file) = std::fs::File::open(path) else { return false };
    let starts = |offset: u64, signature: &[u8]| {
        let mut head = [0; 8];
        let head = &mut head[..signature.len()];
        file.read_exact_at(head, offset).is_ok() && head == signature
    };
    // Where HDF5 looks for its superblock (file format specification, section II.A), the first places of it.
    OTHERS.iter().any(|signature| starts(0, signature)) || [0, 512, 1024, 2048].iter().any(|at| starts(*at, HDF5))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(policy: &HostPolicy, from: &str, to: &str) -> bool {
        check_policy(policy, false, &ObjectUrl::parse(from).unwrap(), &ObjectUrl::parse(to).unwrap()).is_ok()
    }

    #[test]
    fn by_default_references_stay_with_their_host() {
        let policy = HostPolicy::SameHost;
        assert!(allowed(&policy, "https://host/a.json", "https://host/b.nc"));
        assert!(!allowed(&policy, "https://host/a.json", "https://host:8443/b.nc"));
        assert!(!allowed(&policy, "https://host/a.json", "https://169.254.169.254/latest"));
        assert!(allowed(&policy, "s3://bucket/a", "s3://bucket/b"));
        assert!(!allowed(&policy, "s3://bucket/a", "s3://other/b"));
        assert!(!allowed(&policy, "/data/a.json", "s3://bucket/b"));
        assert!(allowed(&policy, "sftp://me@host/a", "sftp://me@host/b"));
        assert!(!allowed(&policy, "sftp://me@host/a", "sftp://you@host/b"));
        assert!(!allowed(&policy, "sftp://host/a", "sftp://host:2222/b"));
        assert!(!allowed(&policy, "https://host/a", "sftp://host/b"));
        assert!(!allowed(&policy, "https://host/a", "ftp://host/b"));
        assert!(!allowed(&policy, "sftp://host/a", "/etc/passwd"));
        assert!(!allowed(&policy, "/data/a.json", "/etc/passwd"));
        assert!(!allowed(&policy, "/data/a.json", "/data/../etc/passwd"));
        assert!(allowed(&policy, "/data/a.json", "/data/sub/b.nc"));
    }

    #[test]
    fn listed_hosts_are_allowed_and_remote_sources_never_reach_local_files() {
        let hosts = ["s3://bucket", "other:8443", "/archive", "sftp://lab:22"].map(str::to_owned).into();
        let policy = HostPolicy::Hosts(hosts);
        assert!(allowed(&policy, "/data/a.json", "s3://bucket/b"));
        assert!(allowed(&policy, "https://host/a.json", "https://other:8443/b.nc"));
        assert!(!allowed(&policy, "https://host/a.json", "https://other/b.nc"));
        assert!(allowed(&policy, "/data/a.json", "/archive/b.nc"));
        assert!(!allowed(&policy, "https://host/a.json", "/archive/b.nc"));
        assert!(allowed(&policy, "/data/a.json", "sftp://me@lab:22/b"));
        assert!(!allowed(&policy, "/data/a.json", "sftp://lab/b"));
        assert!(!allowed(&HostPolicy::Any, "https://host/a.json", "/etc/passwd"));
    }

    #[test]
    fn local_references_reach_files_of_arrays_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            std::fs::write(folder.path().join(name), bytes).unwrap();
            folder.path().join(name).display().to_string()
        };
        let hdf5 = b"\x89HDF\r\n\x1a\n";
        let behind_a_block = [vec![b'#'; 512], hdf5.to_vec()].concat();
        for (name, bytes) in [("a.h5", hdf5.as_slice()), ("b.nc", b"CDF\x01\0\0\0\0"), ("c.h5", &behind_a_block)] {
            let file = write(name, bytes);
            assert!(allowed(&HostPolicy::SameHost, "/data/a.json", &file), "{name}");
            let (from, to) = (ObjectUrl::parse("/data/a.json").unwrap(), ObjectUrl::parse(&file).unwrap());
            assert!(check_policy(&HostPolicy::SameHost, true, &from, &to).is_err(), "{name}");
        }
        for (name, bytes) in [
            ("id_ed25519", b"-----BEGIN".as_slice()),
            ("short", b"CDF"),
            ("empty", b""),
            ("late.h5", &behind_a_block[12..]),
        ] {
            assert!(!allowed(&HostPolicy::SameHost, "/data/a.json", &write(name, bytes)), "{name}");
        }
        assert!(!allowed(&HostPolicy::SameHost, "/data/a.json", &folder.path().display().to_string()));
        assert!(!allowed(&HostPolicy::SameHost, "https://host/a.json", &write("d.h5", hdf5)));
    }
}
