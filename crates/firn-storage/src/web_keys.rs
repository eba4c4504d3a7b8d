//! Whom web servers know: `.netrc` and tokens of NASA's Earthdata.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::HeaderValue;
use std::collections::BTreeMap;
use std::fmt;
use url::{Host, Url};

/// Hosts whose data an Earthdata token opens. It is sent nowhere else.
const EARTHDATA: &str = "nasa.gov";
/// Where Earthdata asks for user and password, which a token does not replace.
const LOGIN: &str = "urs.earthdata.nasa.gov";

/// Users and passwords by host, and a token. Never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct WebKeys {
    machines: BTreeMap<String, (String, String)>,
    earthdata: Option<String>,
}

impl fmt::Debug for WebKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebKeys").field("machines", &self.hosts()).finish_non_exhaustive()
    }
}

impl WebKeys {
    /// What this text of a `.netrc` says, and this token.
    pub(crate) fn parse(netrc: &str, earthdata: Option<String>) -> Self {
        Self { machines: machines(netrc), earthdata }
    }

    /// The hosts that get a user and password.
    pub fn hosts(&self) -> Vec<&str> {
        self.machines.keys().map(String::as_str).collect()
    }

    /// Whether there is an Earthdata token.
    pub fn has_token(&self) -> bool {
        self.earthdata.is_some()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.machines.is_empty() && self.earthdata.is_none()
    }

    /// The `Authorization` of a request to this address. A password goes over TLS, or to this machine, and nowhere else.
    pub(crate) fn authorization(&self, url: &Url) -> Option<HeaderValue> {
        let host = url.host_str()?.to_ascii_lowercase();
        if url.scheme() != "https" && !is_this_machine(url) {
            return None;
        }
        let text = if let Some((user, password)) = self.machines.get(&host) {
            format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
        } else {
            let is_earthdata = host.ends_with(&format!(".{EARTHDATA}")) && host != LOGIN;
            format!("Bearer {}", self.earthdata.as_deref().filter(|_| is_earthdata)?)
        };
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// User and password for an FTP server, which gets them openly: only on this machine.
    pub(crate) fn of_ftp(&self, host: &str) -> Option<(&str, &str)> {
        let (user, password) = self.machines.get(host)?;
        is_this_machine(&Url::parse(&format!("http://{host}/")).ok()?).then_some((user, password))
    }

    /// Whether something is known for this FTP server, which is not sent because everybody could read it.
    pub(crate) fn is_withheld_from_ftp(&self, host: &str) -> bool {
        self.machines.contains_key(host) && self.of_ftp(host).is_none()
    }

    /// Whether something is known for this host, which is not sent because the connection is open to others.
    pub(crate) fn is_withheld(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
        url.scheme() == "http" && !is_this_machine(url) && self.machines.contains_key(&host)
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// `machine NAME login USER password WORD`, in any layout. `default` is left out: it would send a password to every host.
fn machines(text: &str) -> BTreeMap<String, (String, String)> {
    let mut found = BTreeMap::new();
    let mut machine: Option<(String, Option<String>, Option<String>)> = None;
    let mut keep = |machine: Option<(String, Option<String>, Option<String>)>| {
        if let Some((name, Some(login), Some(password))) = machine {
            found.entry(name).or_insert((login, password));
        }
    };
    let mut is_macro = false;
    for line in text.lines() {
        if is_macro {
            // A macro ends with an empty line.
            is_macro = !line.trim().is_empty();
            continue;
        }
        let mut words = words(line).into_iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "machine" => keep(machine.replace((words.next().unwrap_or_default().to_ascii_lowercase(), None, None))),
                "default" => keep(machine.take()),
                "login" => {
                    let word = words.next();
                    machine = machine.map(|(name, _, password)| (name, word, password));
                }
                "password" => {
                    let word = words.next();
                    machine = machine.map(|(name, login, _)| (name, login, word));
                }
                "account" => drop(words.next()),
                "macdef" => {
                    is_macro = true;
                    break;
                }
                _ => {}
            }
        }
    }
    keep(machine);
    found
}

/// The words of a line: quoted ones may hold spaces; a word that begins with `#` begins a comment.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() && !rest.starts_with('#') {
        let (word, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = after.trim_start();
        // A password may be or begin with a hash.
        if words.last().is_some_and(|word| word == "password") && rest.starts_with('#') {
            let (word, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            words.push(word.to_owned());
            rest = after.trim_start();
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETRC: &str = "# mine\nmachine urs.earthdata.nasa.gov login me password hidden1\n\
        machine Data.example\n  login you\n  password #hidden2 # no\nmacdef init\nmachine evil login x password y\n\n\
        machine local login \"a b\" password \"c d\"\nmachine 127.0.0.1 login l password p\ndefault login anonymous password hidden3\n";

    fn sent(keys: &WebKeys, url: &str) -> Option<String> {
        keys.authorization(&url.parse().unwrap()).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn passwords_go_to_their_own_hosts_by_tls_alone() {
        let keys = WebKeys::parse(NETRC, None);
        assert_eq!(keys.hosts(), ["127.0.0.1", "data.example", "local", "urs.earthdata.nasa.gov"]);
        let basic = |text: &str| Some(format!("Basic {}", BASE64_STANDARD.encode(text)));
        assert_eq!(sent(&keys, "https://data.example/x"), basic("you:#hidden2"));
        assert_eq!(sent(&keys, "https://DATA.example/x"), basic("you:#hidden2"));
        assert_eq!(sent(&keys, "https://local/"), basic("a b:c d"));
        assert_eq!(sent(&keys, "http://127.0.0.1:8000/"), basic("l:p"));
        for other in
            ["http://data.example/x", "https://sub.data.example/", "https://evil/", "https://data.example.org/"]
        {
            assert_eq!(sent(&keys, other), None, "{other}");
        }
        assert!(keys.is_withheld(&"http://data.example/x".parse().unwrap()));
        assert!(!format!("{keys:?}").contains("hidden"));
    }

    #[test]
    fn a_token_of_earthdata_goes_to_hosts_of_nasa_alone() {
        let keys = WebKeys::parse("", Some("tok".to_owned()));
        assert_eq!(sent(&keys, "https://data.lpdaac.earthdatacloud.nasa.gov/x").as_deref(), Some("Bearer tok"));
        for other in [
            "https://urs.earthdata.nasa.gov/oauth",
            "https://nasa.gov.example/",
            "https://xnasa.gov/",
            "http://a.nasa.gov/",
        ] {
            assert_eq!(sent(&keys, other), None, "{other}");
        }
    }

    #[test]
    fn a_broken_netrc_is_no_panic() {
        for text in
            ["machine", "machine x login", "machine x login y password", "\"", "machine \"a", "login x password y"]
        {
            assert!(WebKeys::parse(text, None).is_empty(), "{text}");
        }
    }
}
