//! Servers of files, spoken to by SFTP or FTP: their addresses, and what both have in common for who reads.

use crate::error::StorageError;
use crate::ftp::FtpServer;
use crate::listing::{Level, Listing};
use crate::remote::Opened;
use crate::sftp::SftpServer;
use crate::url::{check_key, join};
use bytes::Bytes;
use firn_model::diagnose::At;
use firn_model::source::{ByteRange, ListedObject, SourceError, SourceVersion};
use futures::FutureExt;
use futures::stream::{StreamExt, TryStreamExt};
use std::fmt;
use std::sync::Arc;

/// Entries of one listing, over all its folders: a server may make them up as it is asked.
pub(crate) const MOST_ENTRIES: usize = 4_000_000;
/// Deepest folder that is looked into.
const DEEPEST: usize = 64;
/// Folders of a tree that are listed side by side.
const AT_ONCE: usize = 8;
/// Longest name that a file system has.
const LONGEST_NAME: usize = 1024;

/// By which protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum FileProtocol {
    /// File transfer over SSH.
    Sftp,
    /// The old File Transfer Protocol, read only.
    Ftp,
}

impl FileProtocol {
    /// The scheme of its addresses.
    pub(crate) fn scheme(self) -> &'static str {
        match self {
            Self::Sftp => "sftp",
            Self::Ftp => "ftp",
        }
    }
}

/// A server as an address names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FileAddress {
    pub protocol: FileProtocol,
    pub user: Option<String>,
    /// Lower case; an IPv6 address without its brackets.
    pub host: String,
    pub port: Option<u16>,
}

impl FileAddress {
    /// The server and the key that this text means, which begins behind the `//`. The key is the path without its leading
    /// slash; `~/` begins one below the home folder.
    pub(crate) fn parse(text: &str, protocol: FileProtocol, rest: &str) -> Result<(Self, String), StorageError> {
        let bad = |what: &str| StorageError::BadUrl { at: At::url(text), what: what.to_owned() };
        let (server, key) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, place) = match server.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, server),
        };
        if user.is_some_and(|user| user.contains(':')) {
            return Err(bad("it carries a password, which would be written into plans and logs"));
        }
        let is_user = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+');
        if user.is_some_and(|user| user.is_empty() || user.starts_with('-') || !user.chars().all(is_user)) {
            return Err(bad("the user name has characters that none has"));
        }
        if user.is_some() && protocol == FileProtocol::Ftp {
            return Err(bad("the user of an FTP server is taken from ~/.netrc"));
        }
        let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':').unwrap_or("?"))),
            None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
        };
        let port = match port.map(str::parse::<u16>) {
            None => None,
            Some(Ok(port)) if port != 0 => Some(port),
            Some(_) => return Err(bad("the port is not a number from 1 to 65535")),
        };
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let is_address = host.parse::<std::net::Ipv6Addr>().is_ok();
        if host.is_empty() || host.len() > 255 || host.starts_with('-') || !is_address && !host.chars().all(is_host) {
            return Err(bad("it names no host"));
        }
        let key = key.trim_matches('/');
        if key.split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err(bad("the path has a `.` or `..` segment"));
        }
        if key.split('/').skip(1).any(str::is_empty) {
            return Err(bad("the path has an empty segment (a double slash)"));
        }
        let user = user.map(str::to_owned);
        Ok((Self { protocol, user, host: host.to_ascii_lowercase(), port }, key.to_owned()))
    }

    /// Host and port as lists of allowed hosts and budgets name them.
    pub(crate) fn place(&self) -> String {
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("{}://{host}{port}", self.protocol.scheme())
    }
}

impl fmt::Display for FileAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place();
        match (&self.user, place.split_once("://")) {
            (Some(user), Some((scheme, host))) => write!(f, "{scheme}://{user}@{host}"),
            _ => f.write_str(&place),
        }
    }
}

/// The path that a server is asked for: from its root, or from the folder that a user begins in.
pub(crate) fn path_of(key: &str) -> String {
    match key.strip_prefix('~') {
        Some("") => ".".to_owned(),
        Some(rest) if rest.starts_with('/') => rest[1..].to_owned(),
        _ => format!("/{key}"),
    }
}

/// What lies at a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NodeKind {
    File,
    Folder,
    Link,
    Other,
}

/// An entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub name: String,
    pub kind: NodeKind,
    pub version: SourceVersion,
}

/// What a server tells of a file, with a tag made of it: neither protocol has entity tags. Writers of firn see to it that two
/// versions that follow each other differ in one of the two.
pub(crate) fn version(size: u64, modified: Option<i64>) -> SourceVersion {
    let etag = modified.map(|modified| format!("\"{modified:x}-{size:x}\""));
    SourceVersion { etag, last_modified: modified, nanoseconds: None, size }
}

/// A server that is spoken to. Its futures are boxed: the types of connections are deep.
#[derive(Clone)]
pub(crate) enum FileServer {
    Sftp(Arc<SftpServer>),
    Ftp(Arc<FtpServer>),
}

impl FileServer {
    /// The entries of a folder; `None` where there is no such folder.
    async fn entries(&self, key: &str, at: &At) -> Result<Option<Vec<Entry>>, SourceError> {
        match self {
            Self::Sftp(server) => server.entries(&path_of(key), at).boxed().await,
            Self::Ftp(server) => server.entries(&path_of(key), at).boxed().await,
        }
    }
}

/// An object of such a server, or a folder.
#[derive(Clone)]
pub(crate) struct FileObject {
    pub server: FileServer,
    pub key: String,
    pub at: At,
}

impl FileObject {
    /// Size, version and the first bytes; `None` where there is no such file.
    pub(crate) async fn open(&self, head: u64) -> Result<Option<Opened>, SourceError> {
        let path = path_of(&self.key);
        match &self.server {
            FileServer::Sftp(server) => server.open(&path, head, &self.at).boxed().await,
            FileServer::Ftp(server) => server.open(&path, head, &self.at).boxed().await,
        }
    }

    /// A range of the version that was opened.
    pub(crate) async fn read(&self, range: ByteRange, expected: &SourceVersion) -> Result<Bytes, SourceError> {
        let path = path_of(&self.key);
        match &self.server {
            FileServer::Sftp(server) => server.read(&path, range, Some(expected), &self.at).boxed().await,
            FileServer::Ftp(server) => server.read(&path, range, Some(expected), &self.at).boxed().await,
        }
    }

    /// A range of whatever is there.
    pub(crate) async fn read_any(&self, range: ByteRange) -> Result<Bytes, SourceError> {
        let path = path_of(&self.key);
        match &self.server {
            FileServer::Sftp(server) => server.read(&path, range, None, &self.at).boxed().await,
            FileServer::Ftp(server) => server.read(&path, range, None, &self.at).boxed().await,
        }
    }

    /// The version; `None` where there is no such file.
    pub(crate) async fn head(&self) -> Result<Option<SourceVersion>, SourceError> {
        let path = path_of(&self.key);
        match &self.server {
            FileServer::Sftp(server) => server.head(&path, &self.at).boxed().await,
            FileServer::Ftp(server) => server.head(&path, &self.at).boxed().await,
        }
    }

    /// The same server, below this key.
    pub(crate) fn child(&self, key: &str) -> Self {
        let base = self.at.url.as_deref().unwrap_or_default().trim_end_matches('/');
        let at = if key.is_empty() { self.at.clone() } else { At::url(format!("{base}/{key}")) };
        Self { server: self.server.clone(), key: join(&self.key, key), at }
    }

    /// What lies below, or on one level; what no key names is told apart. Links are not followed: they may lead anywhere.
    pub(crate) async fn list(&self, one_level: bool) -> Result<Listing, SourceError> {
        let (mut listing, mut open, mut seen) = (Listing::default(), vec![String::new()], 0_usize);
        for depth in 0_usize.. {
            if depth > DEEPEST {
                return Err(self.not_listable(format!("it is nested deeper than {DEEPEST} folders")));
            }
            let mut found = futures::stream::iter(std::mem::take(&mut open))
                .map(|folder| async move {
                    let here = self.child(&folder);
                    let entries = here.server.entries(&here.key, &here.at).await?;
                    Ok::<_, SourceError>((folder, entries.unwrap_or_default()))
                })
                .buffered(AT_ONCE);
            while let Some((folder, entries)) = found.try_next().await? {
                seen += entries.len();
                if seen > MOST_ENTRIES {
                    return Err(self.not_listable(format!("it has more than {MOST_ENTRIES} entries")));
                }
                for entry in entries {
                    if let Some(below) = self.sort_in(&mut listing, &folder, entry, one_level)? {
                        open.push(below);
                    }
                }
            }
            if open.is_empty() {
                break;
            }
        }
        listing.objects.sort_by(|a, b| a.key.cmp(&b.key));
        listing.folders.sort();
        Ok(listing)
    }

    /// Sorts an entry in; a folder to look into comes back.
    fn sort_in(
        &self,
        listing: &mut Listing,
        folder: &str,
        entry: Entry,
        one_level: bool,
    ) -> Result<Option<String>, SourceError> {
        let Entry { name, kind, version } = entry;
        if matches!(name.as_str(), "." | "..") || name.starts_with(crate::local::TEMPORARY) {
            return Ok(None);
        }
        if name.is_empty() || name.contains(['/', '\0']) || name.len() > LONGEST_NAME {
            let what = "it names an entry of a folder by what is no name of one".to_owned();
            return Err(SourceError::Broken { at: self.at.clone(), what });
        }
        let key = join(folder, &name);
        if name.contains('\u{fffd}') {
            listing.leave(key.as_bytes(), "it is not UTF-8");
            return Ok(None);
        }
        match kind {
            NodeKind::File => listing.add(&self.at, key.as_bytes(), version),
            NodeKind::Folder if one_level => listing.add_prefix(&self.at, key.as_bytes()),
            NodeKind::Folder => match check_key(&self.at, &key) {
                Ok(()) => return Ok(Some(key)),
                Err(StorageError::BadKey { what, .. }) => listing.leave(key.as_bytes(), &what),
                Err(error) => listing.leave(key.as_bytes(), &error.to_string()),
            },
            NodeKind::Link => {
                listing.leave(key.as_bytes(), "it is a symbolic link of the server, and they are not followed");
            }
            NodeKind::Other => listing.leave(key.as_bytes(), "it is a device, pipe or socket"),
        }
        Ok(None)
    }

    /// All files below, without what no key names.
    pub(crate) async fn list_keys(&self) -> Result<Vec<ListedObject>, SourceError> {
        Ok(self.list(false).await?.objects)
    }

    /// One level.
    pub(crate) async fn level(&self) -> Result<Level, SourceError> {
        let Listing { objects, folders, .. } = self.list(true).await?;
        Ok(Level { objects, prefixes: folders })
    }

    /// A link directly at this place or anywhere below.
    pub(crate) async fn first_link(&self) -> Result<Option<String>, SourceError> {
        let listing = self.list(false).await?;
        let link = listing.unusable.into_iter().find(|left| left.what.contains("symbolic link"));
        Ok(link.map(|left| left.key))
    }

    fn not_listable(&self, what: String) -> SourceError {
        SourceError::NotListable { at: self.at.clone(), what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<(String, String, String), StorageError> {
        let (scheme, rest) = text.split_once("://").unwrap();
        let protocol = if scheme == "ftp" { FileProtocol::Ftp } else { FileProtocol::Sftp };
        let (address, key) = FileAddress::parse(text, protocol, rest)?;
        Ok((address.to_string(), path_of(&key), address.host))
    }

    #[test]
    fn addresses_name_user_host_port_and_path() {
        let of = |server: &str, path: &str, host: &str| (server.to_owned(), path.to_owned(), host.to_owned());
        for (text, expected) in [
            ("sftp://host", of("sftp://host", "/", "host")),
            ("sftp://me@HOST:2222/data/a b.nc", of("sftp://me@host:2222", "/data/a b.nc", "host")),
            ("sftp://me@host/~/a", of("sftp://me@host", "a", "host")),
            ("sftp://host/~", of("sftp://host", ".", "host")),
            ("sftp://host/~a", of("sftp://host", "/~a", "host")),
            ("sftp://[::1]:22/a", of("sftp://[::1]:22", "/a", "::1")),
            ("ftp://host/pub/a%20b", of("ftp://host", "/pub/a%20b", "host")),
        ] {
            assert_eq!(parsed(text).unwrap(), expected, "{text}");
        }
        for text in [
            "sftp:///a",
            "sftp://me:secret@host/a",
            "sftp://-oProxyCommand=x/a",
            "sftp://-x@host/a",
            "sftp://host:0/a",
            "sftp://host:70000/a",
            "sftp://host:x/a",
            "sftp://host/a/../b",
            "sftp://host/a//b",
            "sftp://ho st/a",
            "sftp://[::1/a",
            "ftp://me@host/a",
        ] {
            let error = parsed(text).unwrap_err();
            assert!(matches!(error, StorageError::BadUrl { .. }), "{text}: {error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in ".{0,40}") {
            for protocol in [FileProtocol::Sftp, FileProtocol::Ftp] {
                if let Ok((address, key)) = FileAddress::parse(&text, protocol, &text) {
                    assert!(!path_of(&key).contains("/../") && !address.host.is_empty());
                }
            }
        }
    }
}
