//! Files over FTP, through `suppaftp`: read only, by passive connections to the same address, each request on a connection of a
//! small pool.

use crate::budget::{Host, Use};
use crate::file_failure::{Failure, plain};
use crate::file_server::{Entry, FileAddress, MOST_ENTRIES, NodeKind, version};
use crate::ftp_list;
use crate::remote::{Opened, check_version};
use crate::transport::Transport;
use crate::web_keys::WebKeys;
use bytes::{Bytes, BytesMut};
use firn_model::diagnose::At;
use firn_model::source::{ByteRange, SourceError, SourceVersion};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use suppaftp::tokio::AsyncFtpStream;
use suppaftp::types::{FileType, Response};
use suppaftp::{FtpError, Mode, Status};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpStream;

/// Longest line of a listing.
const LONGEST_LINE: u64 = 8 << 10;
/// Bytes that are read at a time.
const BUFFER: usize = 256 << 10;

/// The stream of a data connection.
type FtpStream = suppaftp::tokio::TransferStream<suppaftp::tokio::AsyncNoTlsStream>;

/// One server, and connections to it that wait for work.
pub(crate) struct FtpServer {
    address: FileAddress,
    keys: Arc<WebKeys>,
    transport: Arc<Transport>,
    host: Arc<Host>,
    idle: Mutex<Vec<Control>>,
    /// The server does not know `EPSV`.
    is_old: AtomicBool,
}

/// A connection that is signed in.
struct Control {
    stream: AsyncFtpStream,
    /// It tells facts (`MLST`, `MLSD`).
    has_facts: bool,
}

impl FtpServer {
    pub(crate) fn new(address: FileAddress, keys: Arc<WebKeys>, transport: Arc<Transport>) -> Self {
        let host = transport.host(&address.place(), transport.limits.requests_per_ftp_host);
        Self { address, keys, transport, host, idle: Mutex::default(), is_old: AtomicBool::new(false) }
    }

    pub(crate) fn identity(&self) -> String {
        self.address.to_string()
    }

    /// Runs one request on a connection, within the budget of the host; again with another one where it was lost.
    async fn run<T, F>(&self, at: &At, work: impl Fn(Control) -> F) -> Result<T, SourceError>
    where
        F: Future<Output = (Control, Result<T, Failure>)>,
    {
        let mut failures = 0;
        loop {
            let once = async {
                self.transport.count();
                let waiting = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let control = match waiting {
                    Some(control) => control,
                    None => self.connect(at).await?,
                };
                let (control, outcome) = work(control).await;
                let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                // What failed may be in the midst of an answer.
                if matches!(outcome, Ok(_) | Err(Failure::Absent | Failure::Denied(_))) {
                    idle.push(control);
                } else {
                    idle.clear();
                }
                outcome
            };
            let failure = match self.host.turn(Use::Read, once).await {
                Ok(done) => return Ok(done),
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

    async fn connect(&self, at: &At) -> Result<Control, Failure> {
        let connect = self.transport.timeouts().connect;
        let place = (self.address.host.as_str(), self.address.port.unwrap_or(21));
        let socket =
            within(connect, async { TcpStream::connect(place).await.map_err(FtpError::ConnectionError) }).await?;
        let peer = socket.peer_addr().map_err(|error| Failure::Lost(error.to_string()))?;
        let stream = self.ask(AsyncFtpStream::connect_with_stream(socket)).await?;
        // Whatever address the server names, its data come from where it is.
        let mut stream = stream.passive_stream_builder(move |address: SocketAddr| {
            let address = SocketAddr::new(peer.ip(), address.port());
            Box::pin(async move {
                let opened = tokio::time::timeout(connect, TcpStream::connect(address)).await;
                let late = || std::io::Error::from(std::io::ErrorKind::TimedOut);
                opened.map_err(|_| FtpError::ConnectionError(late()))?.map_err(FtpError::ConnectionError)
            })
        });
        stream.set_passive_nat_workaround(true);
        let (user, password) = self.keys.of_ftp(&self.address.host).unwrap_or(("anonymous", "firn@"));
        match self.ask(stream.login(user, password)).await {
            Ok(()) => {}
            Err(Failure::Refused(what) | Failure::Denied(what)) => {
                let withheld = if self.keys.is_withheld_from_ftp(&self.address.host) {
                    "; what .netrc has for this host is not sent, as everybody on the way could read it"
                } else {
                    ""
                };
                let what = format!("the server does not let {user} in: {what}{withheld}");
                return Err(Failure::Source(SourceError::Denied { at: at.clone(), what }));
            }
            Err(failure) => return Err(failure),
        }
        self.ask(stream.transfer_type(FileType::Binary)).await?;
        let features = match self.ask(stream.feat()).await {
            Ok(features) => features.into_keys().map(|name| name.to_ascii_uppercase()).collect(),
            Err(Failure::Lost(what)) => return Err(Failure::Lost(what)),
            Err(_) => Vec::new(),
        };
        let has = |name: &str| features.iter().any(|feature| feature.split_whitespace().next() == Some(name));
        if has("UTF8") {
            // Servers that send UTF-8 in any case refuse to be told.
            let _ = self.ask(stream.opts("UTF8", Some("ON"))).await;
        }
        tracing::debug!(server = %self.address, ?features, "connected by FTP");
        Ok(Control { has_facts: has("MLST"), stream })
    }

    async fn ask<T>(&self, request: impl Future<Output = Result<T, FtpError>>) -> Result<T, Failure> {
        within(self.transport.timeouts().idle, request).await
    }

    /// The entry of a path; `None` where there is none.
    async fn entry(&self, control: &mut Control, path: &str) -> Result<Option<Entry>, Failure> {
        if control.has_facts {
            match self.ask(control.stream.mlst(Some(path))).await {
                Ok(line) => {
                    let entry = ftp_list::facts(line.trim());
                    let entry = entry.ok_or_else(|| Failure::Lost("its facts of a file are none".to_owned()))?;
                    let is_told = entry.version.last_modified.is_some() && entry.kind == NodeKind::File;
                    if is_told || matches!(entry.kind, NodeKind::Folder) {
                        return Ok(Some(entry));
                    }
                }
                Err(Failure::Absent) => return Ok(None),
                // Some tell facts of folders' entries only.
                Err(Failure::Refused(_)) => {}
                Err(failure) => return Err(failure),
            }
        }
        let size = match self.ask(control.stream.size(path)).await {
            Ok(size) => size as u64,
            Err(Failure::Absent) => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let modified = match self.ask(control.stream.mdtm(path)).await {
            Ok(time) => Some(time.and_utc().timestamp()),
            Err(Failure::Lost(what)) => return Err(Failure::Lost(what)),
            Err(_) => None,
        };
        Ok(Some(Entry { name: String::new(), kind: NodeKind::File, version: version(size, modified) }))
    }

    async fn version(&self, control: &mut Control, path: &str) -> Result<Option<SourceVersion>, Failure> {
        let entry = self.entry(control, path).await?;
        Ok(entry.filter(|entry| entry.kind == NodeKind::File).map(|entry| entry.version))
    }

    /// Opens a data connection for this command.
    async fn data(&self, control: &mut Control, command: &str, from: u64) -> Result<FtpStream, Failure> {
        loop {
            let is_old = self.is_old.load(Ordering::Relaxed);
            control.stream.set_mode(if is_old { Mode::Passive } else { Mode::ExtendedPassive });
            let from = usize::try_from(from).map_err(|_| Failure::Refused("a place beyond any file".to_owned()))?;
            self.ask(control.stream.resume_transfer(from)).await?;
            let opened = control.stream.custom_data_command(command, &[Status::AboutToSend, Status::AlreadyOpen]);
            match within(self.transport.timeouts().idle, tell_old(opened)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(())) if !is_old => self.is_old.store(true, Ordering::Relaxed),
                Ok(Err(())) => return Err(Failure::Refused("it opens no passive connection".to_owned())),
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Reads exactly this range, whose end may be that of the file.
    async fn range(
        &self,
        control: &mut Control,
        path: &str,
        range: ByteRange,
        size: u64,
        at: &At,
    ) -> Result<Bytes, Failure> {
        let length = (range.end - range.start) as usize;
        if length == 0 {
            return Ok(Bytes::new());
        }
        let mut stream = self.data(control, &format!("RETR {path}"), range.start).await?;
        let mut all = BytesMut::with_capacity(length.min(8 << 20));
        let mut buffer = vec![0; BUFFER.min(length)];
        while all.len() < length {
            let wanted = buffer.len().min(length - all.len());
            let read = stream.read(&mut buffer[..wanted]);
            let read = tokio::time::timeout(self.transport.timeouts().idle, read).await;
            let read = read.map_err(|_| Failure::Lost("the data stop coming".to_owned()))?;
            match read.map_err(|error| Failure::Lost(error.to_string()))? {
                0 => {
                    let what = format!("the server says that it has {size} bytes, and sent {} of {length}", all.len());
                    // It was cut off, or the server lies: the next attempt tells, which begins anew.
                    return Err(Failure::Source(SourceError::Unavailable { at: at.clone(), what }));
                }
                read => all.extend_from_slice(&buffer[..read]),
            }
        }
        self.transport.count_received(length as u64);
        if range.end == size {
            self.ask(stream.finish()).await?;
        }
        Ok(all.freeze())
    }

    /// Size, version and the first bytes of a file; `None` where there is none.
    pub(crate) async fn open(&self, path: &str, head: u64, at: &At) -> Result<Option<Opened>, SourceError> {
        let once = |mut control: Control| async move {
            let outcome = self.opened(&mut control, path, head, at).await;
            (control, outcome)
        };
        self.run(at, once).await
    }

    async fn opened(&self, control: &mut Control, path: &str, head: u64, at: &At) -> Result<Option<Opened>, Failure> {
        let Some(version) = self.version(control, path).await? else { return Ok(None) };
        let head = self.range(control, path, 0..head.min(version.size), version.size, at).await?;
        Ok(Some(Opened { version, head }))
    }

    /// A range of a file, of the version that is expected.
    pub(crate) async fn read(
        &self,
        path: &str,
        range: ByteRange,
        expected: Option<&SourceVersion>,
        at: &At,
    ) -> Result<Bytes, SourceError> {
        let place = &at.clone().bytes(range.start, range.end.saturating_sub(range.start));
        let range = &range;
        let once = |mut control: Control| async move {
            let outcome = self.checked(&mut control, path, range, expected, place).await;
            (control, outcome)
        };
        self.run(place, once).await
    }

    async fn checked(
        &self,
        control: &mut Control,
        path: &str,
        range: &ByteRange,
        expected: Option<&SourceVersion>,
        at: &At,
    ) -> Result<Bytes, Failure> {
        let version = self.version(control, path).await?.ok_or(Failure::Absent)?;
        if let Some(expected) = expected {
            check_version(at, expected, &version).map_err(Failure::Source)?;
        }
        if range.end > version.size || range.start > range.end {
            return Err(Failure::Source(SourceError::OutOfBounds { at: at.clone(), size: version.size }));
        }
        self.range(control, path, range.clone(), version.size, at).await
    }

    /// The version of a file; `None` where there is none.
    pub(crate) async fn head(&self, path: &str, at: &At) -> Result<Option<SourceVersion>, SourceError> {
        let once = |mut control: Control| async move {
            let outcome = self.version(&mut control, path).await;
            (control, outcome)
        };
        self.run(at, once).await
    }

    /// The entries of a folder; `None` where there is none.
    pub(crate) async fn entries(&self, path: &str, at: &At) -> Result<Option<Vec<Entry>>, SourceError> {
        let once = |mut control: Control| async move {
            let outcome = self.listed(&mut control, path, at).await;
            (control, outcome)
        };
        self.run(at, once).await
    }

    async fn listed(&self, control: &mut Control, path: &str, at: &At) -> Result<Option<Vec<Entry>>, Failure> {
        let has_facts = control.has_facts;
        if !has_facts && self.ask(control.stream.size(path)).await.is_ok() {
            // `LIST` of a file lists the file.
            return Ok(None);
        }
        let command = format!("{} {path}", if has_facts { "MLSD" } else { "LIST" });
        let stream = match self.data(control, &command, 0).await {
            Err(Failure::Absent) => return Ok(None),
            // Some servers say so of what is no folder, or not there.
            Err(Failure::Refused(what)) => match self.entry(control, path).await {
                Ok(None) => return Ok(None),
                Ok(Some(entry)) if entry.kind == NodeKind::File => return Ok(None),
                _ => return Err(Failure::Refused(what)),
            },
            stream => stream?,
        };
        let mut reader = BufReader::new(stream);
        let mut entries = Vec::new();
        let mut seen = 0;
        loop {
            let mut text = Vec::new();
            let mut limited = (&mut reader).take(LONGEST_LINE);
            let read = limited.read_until(b'\n', &mut text);
            let read = tokio::time::timeout(self.transport.timeouts().idle, read).await;
            let read = read.map_err(|_| Failure::Lost("the listing stops coming".to_owned()))?;
            let read = read.map_err(|error| Failure::Lost(error.to_string()))?;
            if read == 0 {
                break;
            }
            seen += 1;
            if read as u64 == LONGEST_LINE || seen > MOST_ENTRIES {
                let what = format!("a folder has more than {MOST_ENTRIES} entries, or a name without an end");
                return Err(Failure::Source(SourceError::NotListable { at: at.clone(), what }));
            }
            let text = String::from_utf8_lossy(&text);
            let text = text.trim_end_matches(['\r', '\n']);
            entries.extend(if has_facts { ftp_list::facts(text) } else { ftp_list::line(text) });
        }
        self.ask(reader.into_inner().finish()).await?;
        Ok(Some(entries))
    }
}

/// Tells a server that does not know `EPSV` from one that refuses the command itself.
async fn tell_old<T>(opened: impl Future<Output = Result<(Response, T), FtpError>>) -> Result<Result<T, ()>, FtpError> {
    match opened.await {
        Ok((_, stream)) => Ok(Ok(stream)),
        Err(FtpError::UnexpectedResponse(said)) if matches!(said.status.code(), 500 | 502 | 522) => Ok(Err(())),
        Err(error) => Err(error),
    }
}

async fn within<T>(limit: Duration, request: impl Future<Output = Result<T, FtpError>>) -> Result<T, Failure> {
    match tokio::time::timeout(limit, request).await {
        Ok(answer) => answer.map_err(failure_of),
        Err(_) => Err(Failure::Lost("the server does not answer".to_owned())),
    }
}

/// What an answer of the server means.
fn failure_of(error: FtpError) -> Failure {
    let FtpError::UnexpectedResponse(said) = error else { return Failure::Lost(plain(&error.to_string())) };
    let text = plain(&String::from_utf8_lossy(&said.body));
    let lower = text.to_ascii_lowercase();
    let is_denied =
        ["denied", "permission", "permitted", "forbidden", "privilege"].iter().any(|word| lower.contains(word));
    match said.status.code() {
        421 | 425 | 426 => Failure::Lost(text),
        530 | 532 => Failure::Denied(text),
        550 if is_denied => Failure::Denied(text),
        450 | 550 => Failure::Absent,
        _ => Failure::Refused(text),
    }
}
