//! Who pays when data leave where they are: known of services, never guessed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;
use url::{Host, Url};

/// What is known of services; a file, so that knowledge is added without code.
const HOSTS: &str = include_str!("hosts.json");

/// Who pays for traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Egress {
    /// Nobody, by the byte.
    None,
    /// The owner of the data.
    Provider,
    /// Who reads.
    Reader,
    /// Nothing is known of the service.
    Unknown,
}

impl Egress {
    /// The word in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Provider => "provider",
            Self::Reader => "reader",
            Self::Unknown => "unknown",
        }
    }
}

/// An answer with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgressAnswer {
    /// Who pays.
    pub egress: Egress,
    /// The service, where it is known.
    pub service: Option<String>,
    /// Why, in one sentence.
    pub because: String,
    /// Whether only this machine reaches it.
    pub this_machine: bool,
}

#[derive(Deserialize)]
struct Hosts {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    service: String,
    hosts: Vec<String>,
    buckets: Option<Vec<String>>,
    egress: Egress,
    because: String,
}

static RULES: LazyLock<Vec<Rule>> =
    LazyLock::new(|| serde_json::from_str::<Hosts>(HOSTS).map(|hosts| hosts.rules).unwrap_or_default());

/// A folder of this machine.
pub fn local() -> EgressAnswer {
    EgressAnswer {
        egress: Egress::None,
        service: None,
        because: "it is a folder of this machine".to_owned(),
        this_machine: true,
    }
}

/// Who pays for what is read at this web address. Buckets are recognised in it, whichever way they are named.
pub fn egress(url: &Url) -> EgressAnswer {
    if is_this_machine(url) {
        let because = "it is a server on this machine".to_owned();
        return EgressAnswer { egress: Egress::None, service: None, because, this_machine: true };
    }
    let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
    let (service, bucket) = split(&host, url.path());
    let fits = |rule: &&Rule| {
        rule.hosts.iter().any(|pattern| matches(pattern, &service))
            && rule.buckets.as_ref().is_none_or(|buckets| {
                bucket.as_ref().is_some_and(|bucket| buckets.iter().any(|pattern| matches(pattern, bucket)))
            })
    };
    match RULES.iter().find(fits) {
        Some(rule) => EgressAnswer {
            egress: rule.egress,
            service: Some(rule.service.clone()),
            because: rule.because.clone(),
            this_machine: false,
        },
        None => EgressAnswer {
            egress: Egress::Unknown,
            service: None,
            because: format!("nothing is known of {host}: ask who runs it"),
            this_machine: false,
        },
    }
}

/// Whether an address leads to the machine that asks.
fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
        Some(Host::Ipv6(address)) => address.is_loopback() || address.is_unspecified(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

/// The service, and the bucket where the address names one: in the host or in the path.
fn split(host: &str, path: &str) -> (String, Option<String>) {
    let first = || path.split('/').find(|part| !part.is_empty()).map(str::to_owned);
    if let Some(rest) = host.strip_suffix(".amazonaws.com") {
        // s3, s3.REGION, s3-REGION, s3.dualstack.REGION, each with a bucket and a dot before, or none.
        let labels: Vec<&str> = rest.split('.').collect();
        let service = labels.iter().rposition(|label| *label == "s3" || label.starts_with("s3-"));
        if let Some(at) = service {
            let bucket = if at == 0 { first() } else { Some(labels[..at].join(".")) };
            return ("s3.amazonaws.com".to_owned(), bucket);
        }
    }
    if let Some(bucket) = host.strip_suffix(".storage.googleapis.com") {
        return ("storage.googleapis.com".to_owned(), Some(bucket.to_owned()));
    }
    (host.to_owned(), first())
}

/// Whether a text fits a pattern with at most one `*`.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        Some((start, end)) => text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end),
        None => pattern == text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> (Egress, Option<String>) {
        let answer = egress(&Url::parse(url).unwrap());
        (answer.egress, answer.service)
    }

    #[test]
    fn every_rule_of_the_file_is_read_and_can_apply() {
        let text: serde_json::Value = serde_json::from_str(HOSTS).unwrap();
        assert_eq!(text["rules"].as_array().unwrap().len(), RULES.len());
        for (number, rule) in RULES.iter().enumerate() {
            let bucket = rule.buckets.as_ref().map_or("some", |buckets| buckets[0].as_str()).replace('*', "x");
            let url = Url::parse(&format!("https://{}/{bucket}/a", rule.hosts[0].replace('*', "x"))).unwrap();
            assert_eq!(egress(&url).service.as_ref(), Some(&rule.service), "rule {number} is hidden by one before");
        }
    }

    #[test]
    fn a_bucket_is_the_same_however_it_is_named() {
        for url in [
            "https://noaa-oisst-pds.s3.amazonaws.com/a.zarr",
            "https://noaa-oisst-pds.s3.us-west-2.amazonaws.com/a.zarr",
            "https://noaa-oisst-pds.s3-us-west-2.amazonaws.com/a.zarr",
            "https://noaa-oisst-pds.s3.dualstack.us-west-2.amazonaws.com/a.zarr",
            "https://s3.us-west-2.amazonaws.com/noaa-oisst-pds/a.zarr",
            "https://s3.amazonaws.com/noaa-oisst-pds/a.zarr",
        ] {
            assert_eq!(of(url), (Egress::None, Some("AWS Open Data".to_owned())), "{url}");
        }
        assert_eq!(of("https://usgs-landsat.s3.amazonaws.com/a").0, Egress::Reader);
        assert_eq!(of("https://my.own.bucket.s3.amazonaws.com/a").0, Egress::Provider);
        assert_eq!(of("https://storage.googleapis.com/gcp-public-data-arco-era5/ar").0, Egress::None);
        assert_eq!(of("https://leap.storage.googleapis.com/a").0, Egress::Provider);
    }

    #[test]
    fn what_is_not_known_is_unknown() {
        assert_eq!(of("https://nyu1.osn.mghpcc.org/b/a").0, Egress::None);
        for url in ["https://osn.mghpcc.org.evil.example/b", "https://notamazonaws.com/b", "https://data.example.org/a"]
        {
            assert_eq!(of(url).0, Egress::Unknown, "{url}");
        }
        let answer = egress(&Url::parse("http://127.0.0.1:8080/a").unwrap());
        assert!(answer.this_machine && answer.egress == Egress::None);
    }
}
