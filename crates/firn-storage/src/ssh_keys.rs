//! By whose keys SSH servers are asked, and by which keys they are known: what `ssh` of this machine knows already. Found when
//! a server is first asked, never stored.

use crate::error::StorageError;
use crate::file_server::FileAddress;
use crate::ssh_config::HostConfig;
use firn_model::diagnose::At;
use firn_model::source::SourceError;
use std::path::{Path, PathBuf};

/// Keys that are looked for where none is named.
const USUAL: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];
/// Largest file of a key or of known hosts that is read.
const LARGEST: u64 = 8 << 20;

/// Where keys are looked for. Holds none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SshKeys {
    /// The home folder, whose `.ssh` is read.
    pub(crate) home: Option<PathBuf>,
    /// Whose name is used where none is named.
    pub(crate) user: Option<String>,
    /// The socket of the agent.
    pub(crate) agent: Option<PathBuf>,
    /// What remotes of `rclone.conf` say of servers.
    pub(crate) remotes: Vec<RemoteKey>,
    /// Nobody is signed in: what is read is to be what everybody reads.
    pub(crate) is_nobody: bool,
}

/// The key that a remote of `rclone.conf` names for its server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RemoteKey {
    pub server: FileAddress,
    pub key_file: Option<PathBuf>,
    pub known_hosts: Option<PathBuf>,
}

/// How one server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Login {
    pub host: String,
    pub port: u16,
    pub user: String,
    /// The name by which its key is known.
    pub known_as: String,
    /// Key files, most wanted first; those that are named come before the agent's keys.
    pub named: Vec<PathBuf>,
    pub usual: Vec<PathBuf>,
    pub agent: Option<PathBuf>,
    /// Of the agent's keys only those of the named files.
    pub named_only: bool,
    pub known_hosts: Vec<PathBuf>,
}

impl SshKeys {
    /// How this server is reached.
    ///
    /// # Errors
    /// Where nobody is to be signed in, no user is named, or the way leads over another host.
    pub(crate) fn login(&self, server: &FileAddress, at: &At) -> Result<Login, StorageError> {
        if self.is_nobody {
            let what = "nobody reads over SFTP without a key".to_owned();
            let next = "give the place a public_url in firn.toml, at which everybody reads it";
            return Err(SourceError::Login { at: at.clone(), what, next: next.into() }.into());
        }
        let ssh = self.home.as_ref().map(|home| home.join(".ssh"));
        let config = ssh.as_ref().map(|ssh| HostConfig::read(&ssh.join("config"), &server.host)).unwrap_or_default();
        if let Some(detour) = config.detour.as_deref().filter(|detour| !detour.is_empty()) {
            let host = config.host_name.as_deref().unwrap_or(&server.host);
            let next = format!(
                "ssh -N -L 2222:{host}:22 JUMPHOST, then: ssh-keyscan -p 2222 localhost >> ~/.ssh/known_hosts, and write sftp://localhost:2222/…"
            );
            let what = format!("~/.ssh/config leads to {} by {detour}, which firn does not do", server.host);
            return Err(SourceError::Login { at: at.clone(), what, next: next.into() }.into());
        }
        let named_user = server.user.clone().or(config.user).or_else(|| self.user.clone());
        let Some(user) = named_user else {
            let what = "it names no user, and neither do ~/.ssh/config and USER".to_owned();
            return Err(StorageError::BadUrl { at: at.clone(), what });
        };
        let of_remotes: Vec<&RemoteKey> = self.remotes.iter().filter(|remote| remote.is_of(server, &user)).collect();
        let host = config.host_name.map_or_else(|| server.host.clone(), |name| name.replace("%h", &server.host));
        let port = server.port.or(config.port).unwrap_or(22);
        let expand = |name: &String| self.expand(name, &host, &user);
        let mut named: Vec<PathBuf> = of_remotes.iter().filter_map(|remote| remote.key_file.clone()).collect();
        named.extend(config.identity_files.iter().map(expand));
        let known = match config.known_hosts.as_slice() {
            [] => ssh.iter().flat_map(|ssh| [ssh.join("known_hosts"), ssh.join("known_hosts2")]).collect(),
            files => files.iter().map(expand).collect::<Vec<_>>(),
        };
        let system = PathBuf::from("/etc/ssh/ssh_known_hosts");
        let known = of_remotes.iter().filter_map(|remote| remote.known_hosts.clone()).chain(known).chain([system]);
        Ok(Login {
            known_as: config.host_key_alias.unwrap_or_else(|| host.clone()),
            host,
            port,
            user,
            usual: ssh.iter().flat_map(|ssh| USUAL.map(|name| ssh.join(name))).collect(),
            named,
            agent: self.agent.clone(),
            named_only: config.identities_only.unwrap_or(false),
            known_hosts: known.collect(),
        })
    }

    fn expand(&self, name: &str, host: &str, user: &str) -> PathBuf {
        let home = self.home.clone().unwrap_or_default();
        let text = name.replace("%h", host).replace("%r", user).replace("%d", &home.to_string_lossy());
        match text.strip_prefix("~/") {
            Some(rest) => home.join(rest),
            None => home.join(".ssh").join(text),
        }
    }

    /// What could sign in where no key is named for a host, for people; it is not opened.
    pub fn describe(&self) -> String {
        let ssh = self.home.as_ref().map(|home| home.join(".ssh"));
        let files = ssh.iter().flat_map(|ssh| USUAL.map(|name| ssh.join(name))).filter(|file| file.is_file());
        let agent = self.agent.iter().map(|_| "the agent of SSH_AUTH_SOCK".to_owned());
        let found: Vec<String> = agent.chain(files.map(|file| file.display().to_string())).collect();
        if found.is_empty() { "no key of ~/.ssh and no agent".to_owned() } else { found.join(", ") }
    }
}

impl RemoteKey {
    fn is_of(&self, server: &FileAddress, user: &str) -> bool {
        let own = self.server.user.as_deref();
        self.server.host == server.host
            && self.server.port.unwrap_or(22) == server.port.unwrap_or(22)
            && own.is_none_or(|own| own == user)
    }
}

/// The text of a small file, or `None` where there is none that can be read.
pub(crate) fn text_of(path: &Path) -> Option<String> {
    let seen = std::fs::metadata(path).ok()?;
    if !seen.is_file() || seen.len() > LARGEST {
        return None;
    }
    std::fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file_server::FileProtocol;

    fn server(text: &str) -> FileAddress {
        FileAddress::parse(text, FileProtocol::Sftp, text).unwrap().0
    }

    fn at() -> At {
        At::url("sftp://host/x")
    }

    #[test]
    fn what_is_named_comes_before_what_is_usual() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".ssh")).unwrap();
        let config =
            "Host lab\n HostName real.lab\n Port 2200\n User me\n IdentityFile ~/keys/%r\nHost far\n ProxyJump x\n";
        std::fs::write(home.path().join(".ssh/config"), config).unwrap();
        let remote = RemoteKey { server: server("you@lab:7"), key_file: Some("/k".into()), known_hosts: None };
        let keys = SshKeys {
            home: Some(home.path().to_owned()),
            user: Some("env".to_owned()),
            remotes: vec![remote],
            ..SshKeys::default()
        };
        let lab = keys.login(&server("lab"), &at()).unwrap();
        assert_eq!((lab.host.as_str(), lab.port, lab.user.as_str()), ("real.lab", 2200, "me"));
        assert_eq!(lab.named, [home.path().join("keys/me")]);
        assert_eq!(lab.usual.len(), 3);
        let own = keys.login(&server("you@lab:7"), &at()).unwrap();
        assert_eq!((own.port, own.named[0].as_path()), (7, Path::new("/k")));
        let other = keys.login(&server("them@lab:7"), &at()).unwrap();
        assert_eq!(other.named, [home.path().join("keys/them")]);
        assert_eq!(keys.login(&server("elsewhere"), &at()).unwrap().user, "env");
        assert!(matches!(keys.login(&server("far"), &at()), Err(StorageError::Source(SourceError::Login { .. }))));
        let nobody = SshKeys { is_nobody: true, ..keys };
        assert!(matches!(nobody.login(&server("lab"), &at()), Err(StorageError::Source(SourceError::Login { .. }))));
    }
}
