//! `~/.ssh/config`: the few of its words that decide who asks which server. Those that would lead another way are refused.

use crate::known_hosts::matches;
use std::path::{Path, PathBuf};

/// Files that files include.
const DEEPEST: usize = 8;
/// Largest file that is read.
const LARGEST: u64 = 1 << 20;

/// What the file says of one host. Of each word the first that is said holds, of `IdentityFile` all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HostConfig {
    pub host_name: Option<String>,
    pub user: Option<String>,
    pub port: Option<u16>,
    pub identity_files: Vec<String>,
    pub identities_only: Option<bool>,
    pub known_hosts: Vec<String>,
    pub host_key_alias: Option<String>,
    /// A way to the host that firn does not go.
    pub detour: Option<String>,
}

impl HostConfig {
    /// What the file at `path` says of `host`; what cannot be read says nothing, as with `ssh`.
    pub(crate) fn read(path: &Path, host: &str) -> Self {
        let mut config = Self::default();
        config.read_in(path, host, DEEPEST);
        config
    }

    fn read_in(&mut self, path: &Path, host: &str, depth: usize) {
        let is_small = std::fs::metadata(path).is_ok_and(|seen| seen.is_file() && seen.len() <= LARGEST);
        let Some(text) = is_small.then(|| std::fs::read_to_string(path).ok()).flatten() else { return };
        let folder = path.parent().unwrap_or(Path::new("."));
        self.parse(&text, host, &mut |config, name| {
            if depth > 0 {
                for file in included(folder, name) {
                    config.read_in(&file, host, depth - 1);
                }
            }
        });
    }

    /// What this text says; `include` is given the names of files to read in its midst.
    pub(crate) fn parse(&mut self, text: &str, host: &str, include: &mut dyn FnMut(&mut Self, &str)) {
        let host = host.to_ascii_lowercase();
        let mut is_meant = true;
        for line in text.lines() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let end = line.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(line.len());
            let (word, rest) = line.split_at(end);
            let rest = rest.trim_start().strip_prefix('=').unwrap_or(rest).trim();
            let values = shlex::split(rest).unwrap_or_default();
            let first = values.first().cloned();
            let word = word.to_ascii_lowercase();
            match word.as_str() {
                "host" => is_meant = is_host(&values, &host),
                // Its conditions are commands and networks; what it says counts for nobody but `Match all`.
                "match" => is_meant = values.len() == 1 && values[0].eq_ignore_ascii_case("all"),
                _ if !is_meant => {}
                "include" => values.iter().for_each(|name| include(self, name)),
                "hostname" => self.host_name = self.host_name.take().or(first),
                "user" => self.user = self.user.take().or(first),
                "port" => self.port = self.port.or(first.and_then(|port| port.parse().ok())),
                "identityfile" => self.identity_files.extend(first.filter(|name| !name.eq_ignore_ascii_case("none"))),
                "identitiesonly" => {
                    self.identities_only =
                        self.identities_only.or(first.map(|value| value.eq_ignore_ascii_case("yes")));
                }
                "userknownhostsfile" if self.known_hosts.is_empty() => self.known_hosts = values,
                "hostkeyalias" => self.host_key_alias = self.host_key_alias.take().or(first),
                "proxyjump" | "proxycommand" if self.detour.is_none() => {
                    self.detour = Some(if rest.eq_ignore_ascii_case("none") { String::new() } else { word });
                }
                _ => {}
            }
        }
    }
}

fn is_host(patterns: &[String], host: &str) -> bool {
    let mut is = false;
    for pattern in patterns {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches(pattern, host) => return false,
            Some(_) => {}
            None => is = is || matches(pattern, host),
        }
    }
    is
}

/// The files that a name means, relative to the folder of the file that includes it; wildcards in its last part.
fn included(folder: &Path, name: &str) -> Vec<PathBuf> {
    let path = match name.strip_prefix("~/") {
        // The folder is `~/.ssh`.
        Some(rest) => folder.parent().unwrap_or(folder).join(rest),
        None => folder.join(name),
    };
    let (Some(folder), Some(last)) = (path.parent(), path.file_name().and_then(|last| last.to_str())) else {
        return Vec::new();
    };
    if !last.contains(['*', '?']) {
        return vec![path];
    }
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut found: Vec<PathBuf> =
        entries.filter(|entry| matches(last, &entry.file_name().to_string_lossy())).map(|entry| entry.path()).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, host: &str) -> HostConfig {
        let mut config = HostConfig::default();
        config.parse(text, host, &mut |_, _| {});
        config
    }

    const CONFIG: &str = "User everybody\n\n# mine\nHost hpc login.*\n  HostName=login.hpc.example\n  Port 2222\n\
        \tIdentityFile \"~/.ssh/a key\"\n  IdentityFile ~/.ssh/b\n\nMatch host hpc exec \"rm -rf /\"\n  User evil\n\
        Host * !plain\n  User late\n  IdentitiesOnly yes\n  Port 1\nHost jump\n  ProxyJump other\nHost plain\n  ProxyCommand none\n";

    #[test]
    fn the_first_word_for_a_host_holds() {
        let hpc = of(CONFIG, "HPC");
        assert_eq!(hpc.host_name.as_deref(), Some("login.hpc.example"));
        assert_eq!((hpc.user.as_deref(), hpc.port), (Some("everybody"), Some(2222)));
        assert_eq!(hpc.identity_files, ["~/.ssh/a key", "~/.ssh/b"]);
        assert_eq!((hpc.identities_only, hpc.detour), (Some(true), None));
        assert_eq!(of(CONFIG, "login.x").port, Some(2222));
        assert_eq!(of(CONFIG, "jump").detour.as_deref(), Some("proxyjump"));
        assert_eq!(of(CONFIG, "plain").detour.as_deref(), Some(""));
        assert_eq!(of(CONFIG, "plain").port, None);
    }

    #[test]
    fn files_are_included_where_they_are_named() {
        let home = tempfile::tempdir().unwrap();
        let ssh = home.path().join(".ssh");
        std::fs::create_dir_all(ssh.join("config.d")).unwrap();
        std::fs::write(ssh.join("config"), "Include config.d/* ~/.ssh/config\nHost a\n  Port 5\n").unwrap();
        std::fs::write(ssh.join("config.d/lab"), "Host a\n  User me\n").unwrap();
        let config = HostConfig::read(&ssh.join("config"), "a");
        assert_eq!((config.user.as_deref(), config.port), (Some("me"), Some(5)));
        assert_eq!(HostConfig::read(&ssh.join("nothing"), "a"), HostConfig::default());
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "(.|\n){0,120}") {
            of(&text, "host");
        }
    }
}
