//! Connections by SSH, through `russh`: whether the host is the one that is known, and who asks it.

use crate::known_hosts::{KnownHost, Verdict};
use crate::ssh_keys::{Login, text_of};
use firn_model::diagnose::At;
use firn_model::source::SourceError;
use russh::Preferred;
use russh::client::{self, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::ssh_key::HashAlg;
use russh::keys::{Algorithm, PrivateKey, PrivateKeyWithHashAlg, PublicKey, PublicKeyBase64, PublicKeyOrCertificate};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};

/// Keys that are shown to one server: most servers hang up after six.
const MOST_KEYS: usize = 5;
/// Bytes that a server may send ahead.
const WINDOW: u32 = 8 << 20;
/// Largest piece that one packet of the connection takes.
const PACKET: u32 = 32 << 10;

/// A connection that is signed in, and a stream to the program for files at its other end.
pub(crate) struct SshConnection {
    handle: Handle<HostCheck>,
}

impl SshConnection {
    /// Connects, makes sure that it is the host that is known, and signs in.
    ///
    /// # Errors
    /// [`SourceError::HostKey`], [`SourceError::Login`], [`SourceError::Unavailable`].
    pub(crate) async fn open(login: &Login, limits: (Duration, Duration), at: &At) -> Result<Self, SourceError> {
        let (connect, idle) = limits;
        let unavailable = |what: String| SourceError::Unavailable { at: at.clone(), what };
        let texts: Vec<String> = login.known_hosts.iter().filter_map(|file| text_of(file)).collect();
        let known = KnownHost::find(texts.iter().map(String::as_str), &login.known_as, login.port);
        let place = (login.host.as_str(), login.port);
        let socket = tokio::time::timeout(connect, TcpStream::connect(place)).await;
        let socket = socket.map_err(|_| unavailable("no connection within the time".to_owned()))?;
        let socket = socket.map_err(|error| unavailable(format!("no connection: {error}")))?;
        // Requests are small, and wait for their answers.
        let _ = socket.set_nodelay(true);
        let seen = Arc::new(Mutex::new(None));
        let config = client::Config {
            window_size: WINDOW,
            maximum_packet_size: PACKET,
            keepalive_interval: Some(idle / 2),
            keepalive_max: 3,
            preferred: preferred(&known),
            nodelay: true,
            ..client::Config::default()
        };
        let check = HostCheck { known, seen: Arc::clone(&seen) };
        let opened = client::connect_stream(Arc::new(config), socket, check);
        let opened = tokio::time::timeout(connect + idle, opened).await;
        let refused = seen.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((verdict, key)) = refused {
            return Err(host_key_error(login, verdict, &key, at));
        }
        let mut handle = match opened {
            Ok(Ok(handle)) => handle,
            Ok(Err(error)) => return Err(unavailable(shown(&error))),
            Err(_) => return Err(unavailable("the server does not greet".to_owned())),
        };
        let signing = sign_in(&mut handle, login, at);
        tokio::time::timeout(connect + idle * 2, signing)
            .await
            .map_err(|_| unavailable("signing in takes too long".to_owned()))??;
        Ok(Self { handle })
    }

    /// A stream to the server's program for files.
    pub(crate) async fn files(&self, at: &At) -> Result<russh::ChannelStream<client::Msg>, SourceError> {
        let failed = |error: russh::Error| SourceError::Unavailable { at: at.clone(), what: shown(&error) };
        let channel = self.handle.channel_open_session().await.map_err(failed)?;
        channel.request_subsystem(true, "sftp").await.map_err(failed)?;
        Ok(channel.into_stream())
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }
}

/// What the library says, short and on one line.
fn shown(error: &russh::Error) -> String {
    let text = match error {
        russh::Error::NoCommonAlgo { .. } => "the server and firn have no algorithm in common".to_owned(),
        other => other.to_string(),
    };
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Kinds of keys that the host is known by are asked for first; else it may show one that nobody noted.
fn preferred(known: &KnownHost) -> Preferred {
    let usual = Preferred::default();
    let is_known = |algorithm: &Algorithm| {
        let plain = if algorithm.clone().is_rsa() { "ssh-rsa" } else { algorithm.as_str() };
        known.keys.iter().any(|key| key.algorithm == plain)
    };
    let (first, then): (Vec<Algorithm>, Vec<Algorithm>) = usual.key.iter().cloned().partition(is_known);
    Preferred { key: Cow::Owned([first, then].concat()), ..usual }
}

/// Compares the key of the host with what is known of it.
struct HostCheck {
    known: KnownHost,
    /// The key that was refused, and why.
    seen: Arc<Mutex<Option<(Verdict, PublicKey)>>>,
}

impl client::Handler for HostCheck {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let key = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => key.clone(),
            PublicKeyOrCertificate::Certificate(certificate) => PublicKey::from(certificate.public_key().clone()),
        };
        let verdict = self.known.judge(&key.public_key_bytes());
        if verdict == Verdict::Known {
            return Ok(true);
        }
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some((verdict, key));
        Ok(false)
    }
}

fn host_key_error(login: &Login, verdict: Verdict, key: &PublicKey, at: &At) -> SourceError {
    let fingerprint = key.fingerprint(HashAlg::Sha256);
    let kind = key.algorithm();
    let Login { known_as, host, port, .. } = login;
    let scan = format!("ssh-keyscan -p {port} {host} >> ~/.ssh/known_hosts");
    let name = if *port == 22 { known_as.clone() } else { format!("[{known_as}]:{port}") };
    let (what, next) = match verdict {
        Verdict::Revoked => (
            format!("its key {kind} {fingerprint} is marked as revoked in known_hosts"),
            "ask who runs the server which key it has now".to_owned(),
        ),
        Verdict::Changed => (
            format!("the key of the host is {kind} {fingerprint}, and known_hosts has another one for {name}"),
            format!(
                "ask who runs the server whether it has a new key with this fingerprint; if so: ssh-keygen -R '{name}' && {scan}"
            ),
        ),
        Verdict::Unknown | Verdict::Known => (
            format!("the host is not in known_hosts; its key is {kind} {fingerprint}"),
            format!("compare the fingerprint with what who runs the server tells; then: {scan}"),
        ),
    };
    SourceError::HostKey { at: at.clone(), what, next: next.into() }
}

/// A key that may open the door.
enum Candidate {
    OfAgent(PublicKey),
    OfFile(PathBuf, Arc<PrivateKey>),
}

/// What was found to sign in with, and what was not usable.
#[derive(Default)]
struct Found {
    candidates: Vec<Candidate>,
    known: Vec<PublicKey>,
    locked: Vec<PathBuf>,
    broken: Vec<String>,
}

impl Found {
    fn agent_key(&mut self, key: &PublicKey) {
        if !self.known.iter().any(|known| known.key_data() == key.key_data()) {
            self.known.push(key.clone());
            self.candidates.push(Candidate::OfAgent(key.clone()));
        }
    }

    /// A key file; one with a passphrase is left to the agent where that has it.
    fn file(&mut self, path: &Path, of_agent: &[PublicKey]) {
        let Some(text) = text_of(path) else { return };
        let public = text_of(&path.with_added_extension("pub")).and_then(|text| PublicKey::from_openssh(&text).ok());
        match russh::keys::decode_secret_key(&text, None) {
            Ok(key) => {
                if !self.known.iter().any(|known| known.key_data() == key.public_key().key_data()) {
                    self.known.push(key.public_key().clone());
                    self.candidates.push(Candidate::OfFile(path.to_owned(), Arc::new(key)));
                }
            }
            Err(error) => {
                let own = PrivateKey::from_openssh(&text).ok().map(|key| key.public_key().clone()).or(public);
                let is_own = |key: &&PublicKey| own.as_ref().is_some_and(|own| own.key_data() == key.key_data());
                match of_agent.iter().find(is_own) {
                    Some(key) => self.agent_key(key),
                    None if matches!(error, russh::keys::Error::KeyIsEncrypted) || text.contains("ENCRYPTED") => {
                        self.locked.push(path.to_owned());
                    }
                    None => self.broken.push(format!("{} is no key that firn reads", path.display())),
                }
            }
        }
    }
}

/// Signs in by the first key that the server takes.
async fn sign_in(handle: &mut Handle<HostCheck>, login: &Login, at: &At) -> Result<(), SourceError> {
    let mut agent = match &login.agent {
        Some(socket) => AgentClient::connect_uds(socket).await.ok(),
        None => None,
    };
    let of_agent = match &mut agent {
        Some(agent) => keys_of(agent).await,
        None => Vec::new(),
    };
    let mut found = Found::default();
    login.named.iter().for_each(|path| found.file(path, &of_agent));
    if !login.named_only {
        for key in &of_agent {
            found.agent_key(key);
        }
    }
    if login.named.is_empty() {
        login.usual.iter().for_each(|path| found.file(path, &of_agent));
    }
    let unavailable = |error: &russh::Error| SourceError::Unavailable { at: at.clone(), what: shown(error) };
    let needs_hash = |key: &PublicKey| key.algorithm().is_rsa();
    let hash = if found.known.iter().any(needs_hash) {
        // A server that does not tell knows no signatures by SHA-2, or is silent about it: the first is rare by now.
        handle.best_supported_rsa_hash().await.map_err(|error| unavailable(&error))?.unwrap_or(Some(HashAlg::Sha256))
    } else {
        None
    };
    let mut tried = Vec::new();
    for candidate in found.candidates.iter().take(MOST_KEYS) {
        let outcome = match (candidate, &mut agent) {
            (Candidate::OfFile(path, key), _) => {
                tried.push(path.display().to_string());
                let key = PrivateKeyWithHashAlg::new(Arc::clone(key), hash);
                handle.authenticate_publickey(&login.user, key).await.map_err(|error| unavailable(&error))?
            }
            (Candidate::OfAgent(key), Some(agent)) => {
                tried.push(format!("{} of the agent", key.fingerprint(HashAlg::Sha256)));
                let hash = hash.filter(|_| needs_hash(key));
                match handle.authenticate_publickey_with(&login.user, key.clone(), hash, agent).await {
                    Ok(outcome) => outcome,
                    // The agent may ask its user, who said no.
                    Err(_) => continue,
                }
            }
            (Candidate::OfAgent(_), None) => continue,
        };
        if outcome.success() {
            return Ok(());
        }
        if handle.is_closed() {
            break;
        }
    }
    Err(not_signed_in(login, &found, &tried, at))
}

async fn keys_of(agent: &mut AgentClient<UnixStream>) -> Vec<PublicKey> {
    let keys = agent.request_identities().await.unwrap_or_default();
    let public = |identity| match identity {
        AgentIdentity::PublicKey { key, .. } => Some(key),
        AgentIdentity::Certificate { .. } => None,
    };
    keys.into_iter().filter_map(public).collect()
}

fn not_signed_in(login: &Login, found: &Found, tried: &[String], at: &At) -> SourceError {
    let Login { user, host, port, .. } = login;
    let mut said = Vec::new();
    if !tried.is_empty() {
        said.push(format!("{user} was refused with {}", tried.join(", ")));
    }
    let locked: Vec<String> = found.locked.iter().map(|path| path.display().to_string()).collect();
    if !locked.is_empty() {
        said.push(format!("{} has a passphrase, which firn does not ask for", locked.join(", ")));
    }
    said.extend(found.broken.iter().cloned());
    if said.is_empty() {
        said.push("there is no key file in ~/.ssh, and no agent that has one".to_owned());
    }
    let next = match (locked.first(), tried.is_empty()) {
        (Some(file), _) => format!("ssh-add {file}"),
        (None, true) => format!("ssh-keygen -t ed25519, then: ssh-copy-id -p {port} {user}@{host}"),
        (None, false) => format!(
            "see which key the server takes: ssh -v -p {port} {user}@{host}; name it by IdentityFile in ~/.ssh/config"
        ),
    };
    SourceError::Login { at: at.clone(), what: said.join("; "), next: next.into() }
}
