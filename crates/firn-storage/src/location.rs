//! Locations: named places to keep data, from `[locations.NAME]` of `firn.toml`.

use crate::credentials::Account;
use crate::error::StorageError;
use crate::file_server::FileProtocol;
use crate::measures::{Price, Quota};
use crate::rclone::Remote;
use crate::sources::Sources;
use crate::url::{Kind, ObjectUrl, is_location_name};
use firn_model::hosting::Egress;
use firn_model::policy::PlaceRules;
use serde::{Deserialize, Serialize};
use url::Url;

/// What a location is for; decides what may be overwritten or deleted in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LocationRole {
    /// For trying things out; may be deleted at any time.
    #[default]
    Scratch,
    /// Kept, but not published.
    Persistent,
    /// Where producers push to.
    Inbox,
    /// What readers see; never overwritten in place.
    Published,
    /// Written by pipelines only.
    Pipeline,
}

impl std::fmt::Display for LocationRole {
    /// The word of `firn.toml`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Scratch => "scratch",
            Self::Persistent => "persistent",
            Self::Inbox => "inbox",
            Self::Published => "published",
            Self::Pipeline => "pipeline",
        })
    }
}

/// How a bucket is named in the requests to an S3 service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Addressing {
    /// `https://endpoint/bucket/key`: every service understands it.
    #[default]
    Path,
    /// `https://bucket.endpoint/key`.
    Virtual,
}

/// The table `[locations.NAME]` as it is written in `firn.toml`. Never holds credentials.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocationConfig {
    /// `s3://bucket/prefix` (`gs://`, `az://`), `sftp://[user@]host/path`, an absolute path, `file:///path`, or `remote:path` of a remote of `rclone.conf`.
    pub url: String,
    /// Endpoint of the S3 service, `https://host[:port]`; without it `AWS_ENDPOINT_URL`, else AWS itself. Of Azure
    /// `https://ACCOUNT.blob.core.windows.net`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub endpoint: Option<String>,
    /// Region; without it `AWS_REGION`, else `us-east-1`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub region: Option<String>,
    /// `path` (default where an endpoint is given) or `virtual` (default for AWS itself).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub addressing: Option<Addressing>,
    /// The https URL at which everybody reads the same objects.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub public_url: Option<String>,
    /// What it is for.
    #[serde(default)]
    pub role: LocationRole,
    /// Read without credentials even where there are some.
    #[serde(default)]
    pub anonymous: bool,
    /// Whether everybody may read what lies there; where it has a `public_url`, everybody does.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub public: Option<bool>,
    /// What lies there is not for others: it is not copied to a place that is public.
    #[serde(default)]
    pub private: bool,
    /// Who pays when data leave it; without it what is known of the service.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub egress: Option<Egress>,
    /// What a gigabyte (10^9 bytes) costs that leaves it, with the currency: `0.12 USD`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub egress_price: Option<Price>,
    /// How much may lie there: `50TB`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub quota: Option<Quota>,
    /// After which time its owner removes what lies there: a number with `d`, `w`, `m` or `y`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub retention: Option<String>,
    /// The folder that each user writes to, with `{user}` in it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner: Option<String>,
    /// The AWS profile whose keys, and where the table names none, endpoint and region are used here.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub profile: Option<String>,
}

/// A checked location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Its name.
    pub name: String,
    /// Where its objects lie: a local directory or a prefix of a bucket.
    pub url: ObjectUrl,
    /// Endpoint of the S3 service.
    pub endpoint: Option<Url>,
    /// Region of the S3 service.
    pub region: Option<String>,
    /// How the bucket is named in requests; `None` decides by the endpoint.
    pub addressing: Option<Addressing>,
    /// The URL at which everybody reads the same objects.
    pub public_url: Option<ObjectUrl>,
    /// What it is for.
    pub role: LocationRole,
    /// Read without credentials.
    pub anonymous: bool,
    /// Whose requests; `None` is the account of the environment.
    pub account: Option<Account>,
    /// Who may read and write there.
    pub rules: PlaceRules,
    /// Who pays when data leave it, where its owner said.
    pub egress: Option<Egress>,
    /// What traffic costs.
    pub egress_price: Option<Price>,
    /// How much may lie there.
    pub quota: Option<Quota>,
    /// After which time its owner removes what lies there.
    pub retention: Option<String>,
}

impl LocationConfig {
    /// What is wrong with the table of this name, as far as it can be told without looking for its credentials.
    ///
    /// # Errors
    /// [`StorageError::BadLocation`] with the key that is wrong.
    pub fn check(&self, name: &str) -> Result<(), StorageError> {
        let bad = |what: String| StorageError::BadLocation { name: name.to_owned(), what };
        let url = ObjectUrl::parse(&self.url).map_err(|error| bad(format!("url: {error}")))?;
        match url.kind() {
            Kind::Named { .. } if is_location_name(name) => self.check_keys(true).map_err(bad),
            _ => Location::new(name, &Self { profile: None, ..self.clone() }, &Sources::default()).map(|_| ()),
        }
    }

    fn check_keys(&self, is_remote: bool) -> Result<(), String> {
        let of_s3 = self.endpoint.is_some() || self.region.is_some() || self.addressing.is_some();
        if is_remote && (of_s3 || self.profile.is_some()) {
            return Err("endpoint, region, addressing and profile are those of the remote that url names".to_owned());
        }
        if self.private && (self.public == Some(true) || self.public_url.is_some()) {
            return Err("private and public exclude each other".to_owned());
        }
        if self
            .owner
            .as_ref()
            .is_some_and(|owner| !owner.contains("{user}") || owner.split('/').any(|part| part == ".."))
        {
            return Err("owner: it names the folder of each user, and so has {user} in it, as \"{user}/\"".to_owned());
        }
        if self.retention.as_ref().is_some_and(|text| !is_retention(text)) {
            return Err("retention: write a number with d, w, m or y, as \"7d\"".to_owned());
        }
        if self.anonymous && self.profile.is_some() {
            return Err("anonymous and profile exclude each other".to_owned());
        }
        Ok(())
    }
}

impl Location {
    /// The location that this table describes.
    ///
    /// # Errors
    /// [`StorageError::BadLocation`] with the key that is wrong.
    pub(crate) fn new(name: &str, config: &LocationConfig, sources: &Sources) -> Result<Self, StorageError> {
        let bad = |what: String| StorageError::BadLocation { name: name.to_owned(), what };
        if !is_location_name(name) {
            let rule = "lower-case letters, digits, `-` and `_`, and not the name of a URL scheme";
            return Err(bad(format!("the name must be {rule}")));
        }
        let url = ObjectUrl::parse(&config.url).map_err(|error| bad(format!("url: {error}")))?;
        config.check_keys(matches!(url.kind(), Kind::Named { .. })).map_err(bad)?;
        let endpoint = config.endpoint.as_deref().map(parse_endpoint).transpose();
        let endpoint = endpoint.map_err(|what| bad(format!("endpoint: {what}")))?;
        let plain = Self {
            name: name.to_owned(),
            url,
            endpoint,
            region: config.region.clone(),
            addressing: config.addressing,
            public_url: config.public_url.as_deref().map(parse_public).transpose().map_err(bad)?,
            role: config.role,
            anonymous: config.anonymous,
            account: None,
            rules: PlaceRules {
                name: name.to_owned(),
                public: config.public.or(config.public_url.is_some().then_some(true)),
                private: config.private,
                owner: config.owner.clone(),
            },
            egress: config.egress,
            egress_price: config.egress_price.clone(),
            quota: config.quota,
            retention: config.retention.clone(),
        };
        let location = match plain.url.kind() {
            Kind::Named { location: remote, key } => plain.of_remote(remote, key, sources).map_err(bad)?,
            _ => plain,
        };
        let location = match &config.profile {
            Some(profile) => location.of_profile(profile, sources).map_err(bad)?,
            None => location,
        };
        match location.url.kind() {
            Kind::Local(path) if !path.is_absolute() => {
                return Err(bad("url: a relative path would mean another place in each directory".to_owned()));
            }
            Kind::Http(_) => {
                return Err(bad("url: a web server cannot be written to; use public_url for its address".to_owned()));
            }
            Kind::Server { server, .. } if server.protocol == FileProtocol::Ftp => {
                return Err(bad("url: an FTP server is only read from; name its address where you read".to_owned()));
            }
            _ => {}
        }
        let is_s3 = matches!(location.url.kind(), Kind::S3 { .. });
        let is_cloud = matches!(location.url.kind(), Kind::Cloud { .. });
        if !is_s3 && (config.region.is_some() || config.addressing.is_some() || config.profile.is_some()) {
            return Err(bad("region, addressing and profile belong to s3:// locations only".to_owned()));
        }
        if !is_s3 && !is_cloud && config.endpoint.is_some() {
            return Err(bad("an endpoint belongs to the bucket of a service (s3://, gs://, az://)".to_owned()));
        }
        Ok(location)
    }

    /// What lies at this path of a remote of `rclone.conf`.
    fn of_remote(&self, remote: &str, path: &str, sources: &Sources) -> Result<Self, String> {
        let child = |url: &ObjectUrl| match path {
            "" => Ok(url.clone()),
            path => url.child(path).map_err(|error| error.to_string()),
        };
        match sources.remote(remote) {
            None => Err(format!("url: neither a scheme nor a remote of rclone.conf is called {remote:?}")),
            Some(Remote::Refused { what, .. }) => Err(format!("url: {what}")),
            Some(Remote::Below(url)) => Ok(Self { url: child(&url)?, ..self.clone() }),
            Some(Remote::Service { service, folder }) => {
                let whole = crate::url::join(&folder, path);
                let (bucket, key) = whole.split_once('/').unwrap_or((&whole, ""));
                if bucket.is_empty() {
                    return Err(format!("url: it names no bucket; write {remote}:BUCKET/PREFIX"));
                }
                Ok(Self {
                    url: service.url.in_bucket(bucket, key),
                    name: self.name.clone(),
                    public_url: self.public_url.clone(),
                    role: self.role,
                    anonymous: self.anonymous || service.anonymous,
                    rules: self.rules.clone(),
                    egress: self.egress,
                    egress_price: self.egress_price.clone(),
                    quota: self.quota,
                    retention: self.retention.clone(),
                    ..*service
                })
            }
        }
    }

    /// The same place with the keys of this profile.
    fn of_profile(&self, profile: &str, sources: &Sources) -> Result<Self, String> {
        let Some(found) = sources.profile(profile) else {
            return Err(format!("profile: the AWS files have no profile {profile:?}"));
        };
        let endpoint = found.get("s3.endpoint_url").or(found.get("endpoint_url")).map(parse_endpoint);
        let endpoint =
            endpoint.transpose().map_err(|what| format!("the endpoint of the AWS profile {profile:?}: {what}"))?;
        Ok(Self {
            endpoint: self.endpoint.clone().or(endpoint),
            region: self.region.clone().or_else(|| found.get("region").map(str::to_owned)),
            account: Some(sources.account_of_profile(profile)),
            ..self.clone()
        })
    }
}

fn is_retention(text: &str) -> bool {
    let (number, unit) = text.split_at(text.len() - text.chars().next_back().map_or(0, char::len_utf8));
    matches!(unit, "d" | "w" | "m" | "y") && number.parse::<u32>().is_ok_and(|number| number > 0)
}

/// An endpoint: scheme, host and port, without path, query or user information.
pub(crate) fn parse_endpoint(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("not a URL ({error}); write https://host[:port]"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("write https://host[:port] or http://host[:port]".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it carries credentials; give them as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("it has a query or a fragment".to_owned());
    }
    Ok(url)
}

fn parse_public(text: &str) -> Result<ObjectUrl, String> {
    let url = ObjectUrl::parse(text).map_err(|error| format!("public_url: {error}"))?;
    match url.kind() {
        Kind::Http(inner) if inner.query().is_none() => Ok(url),
        Kind::Http(_) => Err("public_url: it has a query, so nothing can lie below it".to_owned()),
        _ => Err("public_url: it must be an http(s) URL".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> LocationConfig {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn unknown_keys_and_values_are_refused() {
        let parse = |text: &str| serde_json::from_str::<LocationConfig>(text);
        assert!(parse(r#"{"url": "/data", "secret": "x"}"#).is_err());
        assert!(parse(r#"{"url": "/data", "role": "public"}"#).is_err());
        assert!(parse(r#"{"url": "/data", "role": "inbox", "anonymous": true}"#).is_ok());
    }

    #[test]
    fn a_location_is_refused_where_it_would_mean_two_places() {
        let bad = |name: &str, text: &str| {
            let error = Location::new(name, &config(text), &Sources::default()).unwrap_err();
            assert!(matches!(error, StorageError::BadLocation { .. }), "{error}");
            error.to_string()
        };
        assert!(bad("s3", r#"{"url": "/data"}"#).contains("scheme"));
        assert!(bad("a b", r#"{"url": "/data"}"#).contains("name"));
        assert!(bad("lab", r#"{"url": "data"}"#).contains("relative"));
        assert!(bad("lab", r#"{"url": "https://host/a"}"#).contains("public_url"));
        assert!(bad("lab", r#"{"url": "ftp://host/a"}"#).contains("only read"));
        assert!(bad("lab", r#"{"url": "sftp://host/a", "endpoint": "https://x"}"#).contains("endpoint"));
        assert!(bad("lab", r#"{"url": "other:a"}"#).contains("rclone.conf"));
        assert!(bad("lab", r#"{"url": "/data", "region": "x"}"#).contains("s3"));
        assert!(bad("lab", r#"{"url": "s3://b", "endpoint": "pod.example"}"#).contains("endpoint"));
        let secret = bad("lab", r#"{"url": "s3://b", "endpoint": "https://key:secret@pod"}"#);
        assert!(!secret.contains("key:secret"));
        assert!(bad("lab", r#"{"url": "/data", "public_url": "/elsewhere"}"#).contains("public_url"));
    }
}
