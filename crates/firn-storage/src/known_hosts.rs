//! The keys by which hosts are known: `known_hosts`, as sshd(8) describes it ("SSH_KNOWN_HOSTS FILE FORMAT").

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use globset::GlobBuilder;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// A key as a line names it: its algorithm, and the key as SSH encodes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostKey {
    pub algorithm: String,
    pub blob: Vec<u8>,
}

/// What is known of one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KnownHost {
    /// Its keys.
    pub keys: Vec<HostKey>,
    /// Keys that nobody is to trust any more.
    pub revoked: Vec<HostKey>,
}

/// What is made of a key that a host shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the key that is known.
    Known,
    /// Nothing is known of this host.
    Unknown,
    /// Other keys are known.
    Changed,
    /// It is marked as revoked.
    Revoked,
}

impl KnownHost {
    /// What these texts of files say of a host at a port.
    pub(crate) fn find<'a>(texts: impl IntoIterator<Item = &'a str>, host: &str, port: u16) -> Self {
        let host = host.to_ascii_lowercase();
        let names = if port == 22 { vec![host] } else { vec![format!("[{host}]:{port}")] };
        let mut found = Self::default();
        for line in texts.into_iter().flat_map(str::lines) {
            let mut words = line.split_whitespace().peekable();
            let marker = words.next_if(|word| word.starts_with('@'));
            let (Some(hosts), Some(algorithm), Some(key)) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            if hosts.starts_with('#') || !names.iter().any(|name| is_named(hosts, name)) {
                continue;
            }
            let Ok(blob) = BASE64_STANDARD.decode(key) else { continue };
            let key = HostKey { algorithm: algorithm.to_owned(), blob };
            match marker {
                None => found.keys.push(key),
                Some("@revoked") => found.revoked.push(key),
                // Certificates of hosts are not asked for.
                Some(_) => {}
            }
        }
        found
    }

    /// What is made of this key.
    pub(crate) fn judge(&self, blob: &[u8]) -> Verdict {
        let has = |keys: &[HostKey]| keys.iter().any(|key| key.blob == blob);
        if has(&self.revoked) {
            Verdict::Revoked
        } else if has(&self.keys) {
            Verdict::Known
        } else if self.keys.is_empty() {
            Verdict::Unknown
        } else {
            Verdict::Changed
        }
    }
}

/// Does a line with these hosts mean this name? A pattern with `!` before it takes the name out.
fn is_named(hosts: &str, name: &str) -> bool {
    if let Some(hashed) = hosts.strip_prefix("|1|") {
        return is_hash_of(hashed, name).unwrap_or(false);
    }
    let mut is = false;
    for pattern in hosts.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches(pattern, name) => return false,
            Some(_) => {}
            None => is = is || matches(pattern, name),
        }
    }
    is
}

/// `SALT|HASH`: HMAC-SHA1 of the name with the salt as its key.
fn is_hash_of(hashed: &str, name: &str) -> Option<bool> {
    let (salt, hash) = hashed.split_once('|')?;
    let (salt, hash) = (BASE64_STANDARD.decode(salt).ok()?, BASE64_STANDARD.decode(hash).ok()?);
    let mac = Hmac::<Sha1>::new_from_slice(&salt).ok()?;
    Some(mac.chain_update(name).verify_slice(&hash).is_ok())
}

/// A pattern of SSH: `*` and `?`, everything else as it is.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    if !pattern.contains(['*', '?']) {
        return pattern == name;
    }
    // What globs mean otherwise is itself here.
    let literal: String = pattern
        .chars()
        .flat_map(|c| {
            let escape = matches!(c, '[' | ']' | '{' | '}' | '\\' | '!' | ',').then_some('\\');
            escape.into_iter().chain([c])
        })
        .collect();
    let glob = GlobBuilder::new(&literal).backslash_escape(true).literal_separator(false).build();
    glob.is_ok_and(|glob| glob.compile_matcher().is_match(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Of `ssh-keygen -H`: the name is `server.example`.
    const HASHED: &str = "|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= ssh-ed25519 AAAA";

    fn judged(text: &str, host: &str, port: u16, key: &str) -> Verdict {
        KnownHost::find([text], host, port).judge(&BASE64_STANDARD.decode(key).unwrap())
    }

    #[test]
    fn keys_are_known_by_name_port_pattern_and_hash() {
        let text = "# a comment\nserver.example,10.0.0.1 ssh-ed25519 AAAA me@here\n[server.example]:2222 ssh-rsa BBBB\n\
            *.lab,!bad.lab\tssh-ed25519\tCCCC\nbroken\n@cert-authority * ssh-rsa DDDD\n@revoked * ssh-rsa EEEE\nother ssh-rsa !\n";
        assert_eq!(judged(text, "server.example", 22, "AAAA"), Verdict::Known);
        assert_eq!(judged(text, "SERVER.example", 22, "AAAA"), Verdict::Known);
        assert_eq!(judged(text, "10.0.0.1", 22, "AAAA"), Verdict::Known);
        assert_eq!(judged(text, "server.example", 22, "BBBB"), Verdict::Changed);
        assert_eq!(judged(text, "server.example", 2222, "BBBB"), Verdict::Known);
        assert_eq!(judged(text, "server.example", 2222, "AAAA"), Verdict::Changed);
        assert_eq!(judged(text, "server.example", 23, "AAAA"), Verdict::Unknown);
        assert_eq!(judged(text, "a.lab", 22, "CCCC"), Verdict::Known);
        assert_eq!(judged(text, "bad.lab", 22, "CCCC"), Verdict::Unknown);
        assert_eq!(judged(text, "other", 22, "AAAA"), Verdict::Unknown);
        assert_eq!(judged(text, "server.example", 22, "EEEE"), Verdict::Revoked);
        assert_eq!(judged(text, "anything", 22, "DDDD"), Verdict::Unknown);
        assert!(matches("a[1]?", "a[1]x") && !matches("a[1]", "a1"));
    }

    #[test]
    fn a_hashed_name_is_found() {
        // The example of the OpenSSH documentation of the format, made anew: salt and hash of `[127.0.0.1]:2222`.
        let salt = b"0123456789abcdefghij";
        let mut mac = Hmac::<Sha1>::new_from_slice(salt).unwrap();
        mac.update(b"[127.0.0.1]:2222");
        let hash = BASE64_STANDARD.encode(mac.finalize().into_bytes());
        let text =
            format!("|1|{}|{hash} ssh-ed25519 AAAA\n{HASHED}\n|1|x|y ssh-rsa AAAA", BASE64_STANDARD.encode(salt));
        assert_eq!(judged(&text, "127.0.0.1", 2222, "AAAA"), Verdict::Known);
        assert_eq!(judged(&text, "127.0.0.1", 22, "AAAA"), Verdict::Unknown);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in ".{0,80}", host in ".{0,20}") {
            KnownHost::find([text.as_str()], &host, 22).judge(&[]);
        }
    }
}
