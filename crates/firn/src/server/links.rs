//! Under which addresses the server is reached: by readers in Python, and by browsers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use url::Url;

/// Addresses of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links {
    /// What the lines that open a dataset begin with, without `/` at its end.
    pub base: String,
    /// The path that requests may have before all others, without `/` at its end.
    pub prefix: String,
    /// The page, where a browser sees another address than Python does.
    pub page: String,
}

impl Links {
    /// Of a server at this address; `base` is the URL that it is reached at through others, `hub` the path of the JupyterHub
    /// server that it runs in.
    pub fn new(address: SocketAddr, base: Option<&Url>, hub: Option<&str>) -> Self {
        if let Some(base) = base {
            let text = base.as_str().trim_end_matches('/').to_owned();
            let prefix = base.path().trim_end_matches('/').to_owned();
            return Self { page: format!("{text}/"), base: text, prefix };
        }
        let here = format!("http://{}", SocketAddr::new(reachable(address.ip()), address.port()));
        match hub {
            // Python runs beside the server, the browser does not.
            Some(hub) => {
                let prefix = format!("/{}/proxy/{}", hub.trim_matches('/'), address.port());
                Self { base: here, page: format!("{prefix}/"), prefix }
            }
            None => Self { page: format!("{here}/"), base: here, prefix: String::new() },
        }
    }

    /// The address of a dataset, or of a version of it.
    pub fn dataset(&self, id: &str, version: Option<&str>) -> String {
        let version = version.map(|version| format!("@{version}")).unwrap_or_default();
        format!("{}/d/{id}{version}", self.base)
    }
}

/// A server that listens everywhere is reached here.
fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(address: &str, base: Option<&str>, hub: Option<&str>) -> Links {
        Links::new(address.parse().unwrap(), base.map(|base| Url::parse(base).unwrap()).as_ref(), hub)
    }

    #[test]
    fn lines_name_the_address_that_readers_can_reach() {
        let plain = links("0.0.0.0:8080", None, None);
        assert_eq!(plain.dataset("sst", Some("v1")), "http://127.0.0.1:8080/d/sst@v1");
        assert_eq!((plain.page.as_str(), plain.prefix.as_str()), ("http://127.0.0.1:8080/", ""));
        assert_eq!(links("[::]:80", None, None).base, "http://[::1]:80");
        let behind = links("127.0.0.1:8080", Some("https://data.example.org/firn/"), Some("/user/a/"));
        assert_eq!(behind.dataset("sst", None), "https://data.example.org/firn/d/sst");
        assert_eq!((behind.page.as_str(), behind.prefix.as_str()), ("https://data.example.org/firn/", "/firn"));
    }

    #[test]
    fn in_a_hub_python_asks_directly_and_browsers_through_the_proxy() {
        let hub = links("127.0.0.1:4321", None, Some("/user/ada/"));
        assert_eq!(hub.dataset("sst", None), "http://127.0.0.1:4321/d/sst");
        assert_eq!((hub.page.as_str(), hub.prefix.as_str()), ("/user/ada/proxy/4321/", "/user/ada/proxy/4321"));
    }
}
