//! Files over SFTP (version 3, draft-ietf-secsh-filexfer-02), through `russh-sftp`: one connection a server, many requests in
//! flight on it.

use crate::budget::{Host, Use};
use crate::file_failure::{Failure, plain};
use crate::file_server::{Entry, FileAddress, MOST_ENTRIES, NodeKind, version};
use crate::remote::{Opened, check_version};
use crate::sftp_file::OpenFile;
use crate::ssh::SshConnection;
use crate::ssh_keys::SshKeys;
use crate::transport::Transport;
use bytes::Bytes;
use firn_model::diagnose::At;
use firn_model::source::{ByteRange, SourceError, SourceVersion};
use russh_sftp::client::error::Error as SftpError;
use russh_sftp::client::{Config, RawSftpSession};
use russh_sftp::protocol::{FileAttributes, FileType, OpenFlags, StatusCode};
use std::collections::HashSet;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of one read or write, where the server does not say that it takes more.
const PIECE: u32 = 32 << 10;
/// Most bytes of one, whatever it says: with its head it is what OpenSSH takes as one packet.
const LARGEST_PIECE: u64 = 255 << 10;
/// Channels that are opened for one request, where the handles of each are used up.
const MOST_CHANNELS: u32 = 8;
/// So many times the longest silence, one request may take while others are answered.
const PATIENCE: u32 = 20;

/// What the answer of a server means.
pub(crate) fn failure_of(error: SftpError) -> Failure {
    let SftpError::Status(status) = error else { return Failure::Lost(plain(&error.to_string())) };
    match status.status_code {
        StatusCode::NoSuchFile => Failure::Absent,
        StatusCode::PermissionDenied => Failure::Denied(plain(&status.error_message)),
        StatusCode::Eof => Failure::End,
        StatusCode::NoConnection | StatusCode::ConnectionLost => Failure::Lost(plain(&status.error_message)),
        code => Failure::Refused(plain(&format!("{code}: {}", status.error_message))),
    }
}

/// One server, and the connection to it where there is one.
pub(crate) struct SftpServer {
    address: FileAddress,
    keys: Arc<SshKeys>,
    pub(crate) transport: Arc<Transport>,
    host: Arc<Host>,
    session: tokio::sync::Mutex<Connected>,
}

#[derive(Default)]
struct Connected {
    session: Option<Arc<Session>>,
    /// The last failure: who waited while it happened is not to wait for the same again.
    failed: Option<(Instant, SourceError)>,
}

impl SftpServer {
    pub(crate) fn new(address: FileAddress, keys: Arc<SshKeys>, transport: Arc<Transport>) -> Self {
        let host = transport.host(&address.place(), transport.limits.requests_per_sftp_host);
        Self { address, keys, transport, host, session: tokio::sync::Mutex::default() }
    }

    pub(crate) fn identity(&self) -> String {
        self.address.to_string()
    }

    /// The connection, made where there is none.
    pub(crate) async fn session(&self, at: &At) -> Result<Arc<Session>, SourceError> {
        let asked = Instant::now();
        let mut connected = self.session.lock().await;
        if let Some(session) = connected.session.as_ref().filter(|session| !session.is_over()) {
            return Ok(Arc::clone(session));
        }
        if let Some(worn) = connected.session.take().filter(|session| session.is_worn())
            && let Ok(session) = Session::begin(Arc::clone(&worn.ssh), Arc::clone(&self.transport), at).await
        {
            tracing::debug!(server = %self.address, "another channel");
            let session = Arc::new(session);
            connected.session = Some(Arc::clone(&session));
            return Ok(session);
        }
        if let Some((when, error)) = &connected.failed
            && *when > asked
        {
            return Err(error.clone());
        }
        let login = self.keys.login(&self.address, at).map_err(crate::error::StorageError::into_source)?;
        self.transport.count();
        let (connect, idle) = (self.transport.timeouts().connect, self.transport.timeouts().idle);
        let opened = async {
            let ssh = SshConnection::open(&login, (connect, idle), at).await?;
            Session::begin(Arc::new(ssh), Arc::clone(&self.transport), at).await
        };
        match opened.await {
            Ok(session) => {
                tracing::debug!(server = %self.address, extensions = ?session.extensions, "connected by SSH");
                let session = Arc::new(session);
                *connected = Connected { session: Some(Arc::clone(&session)), failed: None };
                Ok(session)
            }
            Err(error) => {
                *connected = Connected { session: None, failed: Some((Instant::now(), error.clone())) };
                Err(error)
            }
        }
    }

    /// The next request is made on another connection.
    pub(crate) async fn forget(&self) {
        self.session.lock().await.session = None;
    }

    /// Runs this within the budget of the host.
    pub(crate) async fn turn<T>(&self, work: impl Future<Output = T>) -> T {
        self.host.turn(Use::Write, work).await
    }

    /// Runs what may be done twice, within the budget of the host; again with another connection where one was lost.
    pub(crate) async fn run<T, F>(&self, at: &At, work: impl Fn(Arc<Session>) -> F) -> Result<T, SourceError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let (mut failures, mut worn) = (0, 0);
        loop {
            let once = async {
                let session = self.session(at).await.map_err(Failure::Source)?;
                let outcome = work(Arc::clone(&session)).await;
                if matches!(outcome, Err(Failure::Lost(_))) {
                    session.give_up();
                }
                outcome
            };
            let failure = match self.host.turn(Use::Read, once).await {
                Ok(done) => return Ok(done),
                Err(Failure::Worn) if worn < MOST_CHANNELS => {
                    worn += 1;
                    continue;
                }
                Err(failure) => failure,
            };
            failures += 1;
            if !failure.is_lost() || failures >= self.transport.attempts() {
                return Err(failure.source(at));
            }
            tracing::debug!(server = %self.address, failures, ?failure, "request failed, trying again");
            tokio::time::sleep(self.transport.wait(failures)).await;
        }
    }

    /// Size, version and the first bytes of a file; `None` where there is none.
    pub(crate) async fn open(&self, path: &str, head: u64, at: &At) -> Result<Option<Opened>, SourceError> {
        let work = |session: Arc<Session>| async move {
            let file = match session.open(path, OpenFlags::READ).await {
                Err(Failure::Absent) => return Ok(None),
                file => file?,
            };
            let (seen, bytes) = futures::join!(file.stat(), file.read(0..head));
            let Some(version) = file_version(&seen?).map_err(|what| broken(at, what))? else { return Ok(None) };
            let bytes = bytes?;
            if (bytes.len() as u64) < head.min(version.size) {
                return Err(changed(at, version.size));
            }
            let head = bytes.slice(..bytes.len().min(version.size as usize));
            Ok(Some(Opened { version, head }))
        };
        self.run(at, work).await
    }

    /// A range of a file, of the version that is expected.
    pub(crate) async fn read(
        &self,
        path: &str,
        range: ByteRange,
        expected: Option<&SourceVersion>,
        at: &At,
    ) -> Result<Bytes, SourceError> {
        let length = range.end.saturating_sub(range.start);
        let (place, range) = (&at.clone().bytes(range.start, length), &range);
        let work = |session: Arc<Session>| async move {
            let file = session.open(path, OpenFlags::READ).await?;
            let (seen, bytes) = futures::join!(file.stat(), file.read(range.clone()));
            let version = file_version(&seen?).map_err(|what| broken(at, what))?.ok_or(Failure::Absent)?;
            if let Some(expected) = expected {
                check_version(at, expected, &version).map_err(Failure::Source)?;
            }
            if range.end > version.size {
                return Err(Failure::Source(SourceError::OutOfBounds { at: place.clone(), size: version.size }));
            }
            let bytes = bytes?;
            if bytes.len() as u64 == length { Ok(bytes) } else { Err(changed(at, version.size)) }
        };
        self.run(place, work).await
    }

    /// The version of a file; `None` where there is none.
    pub(crate) async fn head(&self, path: &str, at: &At) -> Result<Option<SourceVersion>, SourceError> {
        let work = |session: Arc<Session>| async move {
            match session.stat(path).await {
                Ok(seen) => file_version(&seen).map_err(|what| broken(at, what)),
                Err(Failure::Absent) => Ok(None),
                Err(failure) => Err(failure),
            }
        };
        self.run(at, work).await
    }

    /// The entries of a folder; `None` where there is none.
    pub(crate) async fn entries(&self, path: &str, at: &At) -> Result<Option<Vec<Entry>>, SourceError> {
        self.run(at, |session: Arc<Session>| async move { session.entries(path, at).await }).await
    }
}

/// The version of a file; `None` for what is none.
fn file_version(seen: &FileAttributes) -> Result<Option<SourceVersion>, String> {
    match (kind(seen), seen.size) {
        (NodeKind::File, Some(size)) => Ok(Some(version(size, seen.mtime.map(i64::from)))),
        (NodeKind::File, None) => Err("the server does not tell the size of the file".to_owned()),
        _ => Ok(None),
    }
}

pub(crate) fn kind(seen: &FileAttributes) -> NodeKind {
    match (seen.permissions, seen.size) {
        // Some servers leave the kind out.
        (None, Some(_)) => NodeKind::File,
        (None, None) => NodeKind::Other,
        _ => match seen.file_type() {
            FileType::File => NodeKind::File,
            FileType::Dir => NodeKind::Folder,
            FileType::Symlink => NodeKind::Link,
            FileType::Other => NodeKind::Other,
        },
    }
}

fn broken(at: &At, what: String) -> Failure {
    Failure::Source(SourceError::Broken { at: at.clone(), what })
}

fn changed(at: &At, size: u64) -> Failure {
    let what = format!("the server says that it has {size} bytes, and it ends before");
    Failure::Source(SourceError::Changed { at: at.clone(), what })
}

/// A connection with SFTP spoken on it.
pub(crate) struct Session {
    ssh: Arc<SshConnection>,
    pub(crate) raw: RawSftpSession,
    extensions: HashSet<String>,
    read_piece: u32,
    write_piece: u32,
    idle: Duration,
    /// When the server was last heard.
    heard: Mutex<Instant>,
    is_given_up: AtomicBool,
    /// Of this channel alone, not of its connection.
    is_worn: AtomicBool,
    /// Folders that were seen to be there and to be no links.
    pub(crate) folders: Mutex<HashSet<String>>,
    transport: Arc<Transport>,
}

impl Session {
    async fn begin(ssh: Arc<SshConnection>, transport: Arc<Transport>, at: &At) -> Result<Self, SourceError> {
        let idle = transport.timeouts().idle;
        let late = |_| SourceError::Unavailable { at: at.clone(), what: "the server opens no channel".to_owned() };
        let stream = tokio::time::timeout(idle, ssh.files(at)).await.map_err(late)??;
        // The limit of time is kept in `ask`, by silence.
        let config = Config { request_timeout_secs: u64::from(u32::MAX), ..Config::default() };
        let raw = RawSftpSession::new_with_config(stream, config);
        let mut session = Self {
            ssh,
            raw,
            extensions: HashSet::new(),
            read_piece: PIECE,
            write_piece: PIECE,
            idle,
            heard: Mutex::new(Instant::now()),
            is_given_up: false.into(),
            is_worn: false.into(),
            folders: Mutex::default(),
            transport,
        };
        let greeting = session.ask(session.raw.init()).await.map_err(|failure| failure.source(at))?;
        if greeting.version != 3 {
            let what = format!("it speaks version {} of SFTP, and firn version 3", greeting.version);
            return Err(SourceError::Broken { at: at.clone(), what });
        }
        session.extensions = greeting.extensions.into_keys().collect();
        if session.has("limits@openssh.com")
            && let Ok(limits) = session.ask(session.raw.limits()).await
        {
            let piece = |most: u64| if most == 0 { PIECE } else { most.clamp(1024, LARGEST_PIECE) as u32 };
            session.read_piece = piece(limits.max_read_len);
            session.write_piece = piece(limits.max_write_len);
        }
        Ok(session)
    }

    /// Does the server offer this extension?
    pub(crate) fn has(&self, extension: &str) -> bool {
        self.extensions.contains(extension)
    }

    pub(crate) fn read_piece(&self) -> u32 {
        self.read_piece
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.transport
    }

    pub(crate) fn write_piece(&self) -> usize {
        self.write_piece as usize
    }

    fn is_over(&self) -> bool {
        self.ssh.is_closed() || self.is_given_up.load(Ordering::Relaxed) || self.is_worn.load(Ordering::Relaxed)
    }

    fn is_worn(&self) -> bool {
        !self.ssh.is_closed() && !self.is_given_up.load(Ordering::Relaxed) && self.is_worn.load(Ordering::Relaxed)
    }

    /// A handle as the library can send it back. To a server it is a name of any bytes, and some count them up; the library takes
    /// it for text.
    fn usable(&self, handle: String) -> Result<String, Failure> {
        if handle.contains(char::REPLACEMENT_CHARACTER) {
            self.is_worn.store(true, Ordering::Relaxed);
            return Err(Failure::Worn);
        }
        Ok(handle)
    }

    /// Nobody asks on this connection any more.
    fn give_up(&self) {
        self.is_given_up.store(true, Ordering::Relaxed);
    }

    /// Waits for an answer as long as the server answers anything.
    pub(crate) async fn ask<T>(&self, request: impl Future<Output = Result<T, SftpError>>) -> Result<T, Failure> {
        self.transport.count();
        let begun = Instant::now();
        let mut request = std::pin::pin!(request);
        loop {
            if let Ok(answer) = tokio::time::timeout(self.idle, &mut request).await {
                *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
                return answer.map_err(failure_of);
            }
            let silent = self.heard.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
            if silent >= self.idle || begun.elapsed() >= self.idle * PATIENCE {
                return Err(Failure::Lost("the server does not answer".to_owned()));
            }
        }
    }

    pub(crate) async fn stat(&self, path: &str) -> Result<FileAttributes, Failure> {
        Ok(self.ask(self.raw.stat(path)).await?.attrs)
    }

    pub(crate) async fn lstat(&self, path: &str) -> Result<FileAttributes, Failure> {
        Ok(self.ask(self.raw.lstat(path)).await?.attrs)
    }

    pub(crate) async fn open(self: &Arc<Self>, path: &str, flags: OpenFlags) -> Result<OpenFile, Failure> {
        let handle = self.ask(self.raw.open(path, flags, FileAttributes::empty())).await?.handle;
        let handle = self.usable(handle)?;
        Ok(OpenFile::new(Arc::clone(self), handle))
    }

    /// The entries of a folder; `None` where there is none.
    pub(crate) async fn entries(self: &Arc<Self>, path: &str, at: &At) -> Result<Option<Vec<Entry>>, Failure> {
        match self.listed(path, at).await {
            Ok(entries) => Ok(Some(entries)),
            Err(Failure::Absent) => Ok(None),
            // What is a file has nothing below it; not all servers tell that apart.
            Err(Failure::Refused(what)) => match self.stat(path).await {
                Ok(seen) if kind(&seen) != NodeKind::Folder => Ok(None),
                _ => Err(Failure::Refused(what)),
            },
            Err(failure) => Err(failure),
        }
    }

    async fn listed(self: &Arc<Self>, path: &str, at: &At) -> Result<Vec<Entry>, Failure> {
        let handle = self.usable(self.ask(self.raw.opendir(path)).await?.handle)?;
        let folder = OpenFile::new(Arc::clone(self), handle);
        let (mut entries, mut answers) = (Vec::new(), 0);
        loop {
            let names = match self.ask(self.raw.readdir(folder.handle())).await {
                Ok(names) => names.files,
                Err(Failure::End) => break,
                Err(failure) => return Err(failure),
            };
            answers += 1;
            if entries.len() + names.len() > MOST_ENTRIES || answers > MOST_ENTRIES {
                let what = format!("a folder has more than {MOST_ENTRIES} entries");
                return Err(Failure::Source(SourceError::NotListable { at: at.clone(), what }));
            }
            entries.extend(names.into_iter().map(|file| {
                let kind = kind(&file.attrs);
                let version = version(file.attrs.size.unwrap_or_default(), file.attrs.mtime.map(i64::from));
                Entry { name: file.filename, kind, version }
            }));
        }
        Ok(entries)
    }
}
