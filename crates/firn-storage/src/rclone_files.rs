//! Remotes of `rclone.conf` that are servers of files: `sftp` and `ftp`.

use crate::file_server::{FileAddress, FileProtocol};
use crate::rclone::Remote;
use crate::ssh_keys::RemoteKey;
use crate::url::ObjectUrl;
use std::path::PathBuf;

/// A remote of the kind `sftp`: <https://rclone.org/sftp/>. Else what is wrong with it, and the next step.
pub(crate) fn ssh_key<'a>(
    name: &str,
    get: &dyn Fn(&str) -> Option<&'a str>,
    user: Option<&str>,
    home: Option<&str>,
) -> Result<RemoteKey, (String, String)> {
    let refused = |what: String, next: &str| Err((what, next.to_owned()));
    let is_set = |key: &&str| get(key).is_some_and(|value| value != "false" && value != "none");
    let Some(host) = get("host") else { return refused(format!("the remote {name:?} names no host"), "rclone config") };
    if ["pass", "ask_password"].iter().any(is_set) {
        let what = format!("the remote {name:?} signs in by a password, and firn by keys only");
        return refused(
            what,
            "ssh-copy-id USER@HOST, then name the key: rclone config update NAME pass= key_file=~/.ssh/id_ed25519",
        );
    }
    if let Some(key) = ["key_file_pass", "key_pem", "pubkey_file", "pubkey"].into_iter().find(|key| is_set(key)) {
        let what = format!("the remote {name:?} sets {key}, which firn does not use");
        return refused(
            what,
            "give the key to the agent: ssh-add KEYFILE; and leave key_file out, or name it without a passphrase",
        );
    }
    let unlike =
        ["ssh", "server_command", "subsystem", "path_override", "http_proxy", "socks_proxy", "host_key_algorithms"];
    if let Some(key) = unlike.into_iter().find(|key| is_set(key) && get(key) != Some("sftp")) {
        let what = format!("the remote {name:?} sets {key}, which firn does not do");
        return refused(what, "write sftp://USER@HOST/PATH where that leads to the same files, or copy them by rclone");
    }
    let user = get("user").or(user).map(|user| format!("{user}@")).unwrap_or_default();
    let port = get("port").map(|port| format!(":{port}")).unwrap_or_default();
    let text = format!("{user}{host}{port}");
    let server = match FileAddress::parse(&format!("sftp://{text}"), FileProtocol::Sftp, &text) {
        Ok((server, _)) => server,
        Err(error) => return refused(format!("the remote {name:?}: {error}"), "rclone config"),
    };
    let path = |key: &str| {
        let file = get(key)?;
        let rest = file.strip_prefix("~/").or_else(|| file.strip_prefix("$HOME/"));
        Some(match (rest, home) {
            (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
            _ => PathBuf::from(file),
        })
    };
    Ok(RemoteKey { server, key_file: path("key_file"), known_hosts: path("known_hosts_file") })
}

/// A remote of the kind `ftp`: <https://rclone.org/ftp/>. Only one that everybody reads.
pub(crate) fn ftp<'a>(name: &str, get: &dyn Fn(&str) -> Option<&'a str>) -> Remote {
    let is = |key: &str| get(key).is_some_and(|value| matches!(value, "true" | "1" | "yes" | "on"));
    let Some(host) = get("host") else {
        return Remote::refused(format!("the remote {name:?} names no host"), "rclone config");
    };
    if get("user") != Some("anonymous") || is("tls") || is("explicit_tls") {
        return Remote::refused(
            format!("the remote {name:?} signs in by a password or over TLS, and firn reads FTP anonymously"),
            format!("copy it by rclone first: rclone copy {name}:PATH FOLDER"),
        );
    }
    let text = format!("{host}{}", get("port").map(|port| format!(":{port}")).unwrap_or_default());
    match FileAddress::parse(&format!("ftp://{text}"), FileProtocol::Ftp, &text) {
        Ok((server, _)) => Remote::Below(ObjectUrl::server(server, "~")),
        Err(error) => Remote::refused(format!("the remote {name:?}: {error}"), "rclone config"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(section: &[(&str, &str)]) -> Result<RemoteKey, (String, String)> {
        let get = |key: &str| section.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
        ssh_key("lab", &get, Some("env"), Some("/h/me"))
    }

    #[test]
    fn an_sftp_remote_names_server_and_key() {
        let remote =
            key(&[("host", "Host"), ("port", "2222"), ("user", "me"), ("key_file", "~/k"), ("shell_type", "unix")]);
        let remote = remote.unwrap();
        assert_eq!(remote.server.to_string(), "sftp://me@host:2222");
        assert_eq!(remote.key_file, Some(PathBuf::from("/h/me/k")));
        assert_eq!(key(&[("host", "h")]).unwrap().server.to_string(), "sftp://env@h");
    }

    #[test]
    fn what_firn_does_not_do_is_refused_without_its_value() {
        for (word, value) in [
            ("pass", "hidden"),
            ("key_file_pass", "hidden"),
            ("key_pem", "hidden"),
            ("ssh", "hidden"),
            ("ask_password", "true"),
        ] {
            let (what, next) = key(&[("host", "h"), (word, value)]).unwrap_err();
            assert!(!what.contains("hidden") && !next.contains("hidden") && what.contains("lab"), "{what}");
        }
        assert!(key(&[]).is_err());
        assert!(key(&[("host", "h/../x@y")]).is_err());
    }

    #[test]
    fn an_ftp_remote_is_everybodys() {
        let of = |section: &[(&str, &str)]| {
            ftp("a", &|key: &str| section.iter().find(|(name, _)| *name == key).map(|(_, value)| *value))
        };
        assert!(matches!(of(&[("host", "h"), ("user", "anonymous")]), Remote::Below(_)));
        assert!(matches!(of(&[("host", "h"), ("user", "me"), ("pass", "x")]), Remote::Refused { .. }));
        assert!(matches!(of(&[("host", "h")]), Remote::Refused { .. }));
    }
}
