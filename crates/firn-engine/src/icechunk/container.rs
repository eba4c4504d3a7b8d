//! Virtual chunk containers: the origins that references may point into, without credentials.

use super::IcechunkError;
use firn_model::diagnose::At;
use icechunk::ObjectStoreConfig;
use icechunk::config::{HttpConfig, S3Options};
use icechunk::virtual_chunks::VirtualChunkContainer;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use url::Url;

/// How readers reach a bucket. Holds no credentials: those are the reader's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct S3Access {
    /// Region.
    pub region: Option<String>,
    /// Endpoint, for anything that is not Amazon's own.
    pub endpoint_url: Option<String>,
    /// Whether the bucket is read without credentials.
    pub anonymous: bool,
    /// Whether the bucket is part of the path instead of the host name.
    pub force_path_style: bool,
}

impl S3Access {
    /// Whether the endpoint speaks plain HTTP.
    pub fn allow_http(&self) -> bool {
        self.endpoint_url.as_deref().is_some_and(|url| url.starts_with("http://"))
    }

    fn options(&self) -> S3Options {
        let mut options = S3Options::default()
            .with_anonymous(self.anonymous)
            .with_allow_http(self.allow_http())
            .with_force_path_style(self.force_path_style);
        if let Some(region) = &self.region {
            options = options.with_region(region.clone());
        }
        if let Some(endpoint) = &self.endpoint_url {
            options = options.with_endpoint_url(endpoint.clone());
        }
        options
    }
}

/// An origin that virtual references point into. Readers must authorise each one by its URL prefix.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
#[non_exhaustive]
pub enum VirtualContainer {
    /// A bucket: `s3://bucket/`.
    S3 {
        /// Its name.
        bucket: String,
        /// How readers reach it.
        access: S3Access,
    },
    /// A web server: `https://host/`.
    Http {
        /// `http://host/` or `https://host/`, with its port where it has one.
        origin: String,
    },
    /// A folder of this machine: `file:///folder/`. Makes the repository not relocatable.
    Local {
        /// The declared root, absolute.
        root: PathBuf,
    },
}

impl VirtualContainer {
    /// What every reference into this container starts with, and what readers authorise.
    ///
    /// # Errors
    /// [`IcechunkError::BadReference`] for a bucket, origin or root that is no URL.
    pub fn url_prefix(&self) -> Result<String, IcechunkError> {
        let bad = |name: &str, what: &str| IcechunkError::BadReference { at: At::url(name), what: what.to_owned() };
        match self {
            Self::S3 { bucket, .. } if bucket.is_empty() || bucket.contains(['/', '%', '?', '#', '@']) => {
                Err(bad(bucket, "is not the name of a bucket"))
            }
            Self::S3 { bucket, .. } => Ok(format!("s3://{bucket}/")),
            Self::Http { origin } => {
                let url = Url::parse(origin).map_err(|_| bad(origin, "is not a URL"))?;
                origin_of(&url).ok_or_else(|| bad(origin, "is not an http or https origin"))
            }
            // Without escapes: readers compare it with a decoded URL.
            Self::Local { root } => match root.to_str() {
                Some(path) if root.is_absolute() => Ok(format!("file://{}/", path.trim_end_matches('/'))),
                _ => Err(bad(&root.display().to_string(), "is not an absolute path in UTF-8")),
            },
        }
    }

    /// Whether a copy of the repository on another machine would not find the bytes.
    pub fn pins_to_machine(&self) -> bool {
        matches!(self, Self::Local { .. })
    }

    pub(super) fn to_icechunk(&self) -> Result<VirtualChunkContainer, IcechunkError> {
        let prefix = self.url_prefix()?;
        let store = match self {
            Self::S3 { access, .. } if access.endpoint_url.is_some() => {
                ObjectStoreConfig::S3Compatible(access.options())
            }
            Self::S3 { access, .. } => ObjectStoreConfig::S3(access.options()),
            Self::Http { .. } => ObjectStoreConfig::Http(http_config(&prefix)),
            Self::Local { root } => ObjectStoreConfig::LocalFileSystem(root.clone()),
        };
        VirtualChunkContainer::new(prefix.clone(), store)
            .map_err(|what| IcechunkError::BadReference { at: At::url(prefix), what })
    }
}

/// The containers that hold these objects, one an origin: buckets, web servers, and for local files `local_root`, or the
/// deepest folder that holds all of them where none is declared.
///
/// # Errors
/// [`IcechunkError::BadReference`] for an address that no reference can name; [`IcechunkError::NoContainer`] for a file
/// outside of `local_root`, or where the files have only `/` in common.
pub fn containers_for<'a>(
    urls: impl IntoIterator<Item = &'a str>,
    local_root: Option<&Path>,
    access: impl Fn(&str) -> S3Access,
) -> Result<Vec<VirtualContainer>, IcechunkError> {
    let mut buckets = BTreeSet::new();
    let mut origins = BTreeSet::new();
    let mut folder: Option<PathBuf> = None;
    for text in urls {
        let bad = |what: &str| IcechunkError::BadReference { at: At::url(text), what: what.to_owned() };
        if let Some(key) = text.strip_prefix("s3://") {
            buckets.insert(key.split('/').next().unwrap_or(key).to_owned());
            continue;
        }
        let url = if text.starts_with('/') { Url::from_file_path(text).ok() } else { Url::parse(text).ok() };
        let url = url.ok_or_else(|| bad("is not an absolute path or a URL"))?;
        if let Some(origin) = origin_of(&url) {
            origins.insert(origin);
            continue;
        }
        let path = url.to_file_path().map_err(|()| bad("has a scheme that Icechunk readers do not know"))?;
        let parent = path.parent().ok_or_else(|| bad("is not a file"))?;
        let common = match (local_root, folder) {
            (Some(root), _) => Some(root).filter(|root| path.starts_with(root)).map(Path::to_owned),
            (None, None) => Some(parent.to_owned()),
            (None, Some(folder)) => folder.ancestors().find(|shared| parent.starts_with(shared)).map(Path::to_owned),
        };
        let common = common.filter(|shared| shared.parent().is_some());
        folder = Some(common.ok_or_else(|| IcechunkError::NoContainer { at: At::url(text) })?);
    }
    let buckets = buckets.into_iter().map(|bucket| VirtualContainer::S3 { access: access(&bucket), bucket });
    let origins = origins.into_iter().map(|origin| VirtualContainer::Http { origin });
    let folders = folder.into_iter().map(|root| VirtualContainer::Local { root });
    Ok(buckets.chain(origins).chain(folders).collect())
}

/// Readers of icechunk 1 refuse plain HTTP unless the container allows it.
fn http_config(prefix: &str) -> HttpConfig {
    let mut config = HttpConfig::default();
    if prefix.starts_with("http://") {
        config.opts.insert("allow_http".to_owned(), "true".to_owned());
    }
    config
}

/// `scheme://host[:port]/` of an HTTP URL; `None` for other schemes.
pub fn origin_of(url: &Url) -> Option<String> {
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    let host = url.host_str()?;
    Some(match url.port() {
        Some(port) => format!("{}://{host}:{port}/", url.scheme()),
        None => format!("{}://{host}/", url.scheme()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use firn_model::diagnose::Diagnose;

    fn prefixes(urls: &[&str], root: Option<&str>) -> Result<Vec<String>, &'static str> {
        containers_for(urls.iter().copied(), root.map(Path::new), |_| S3Access::default())
            .and_then(|found| found.iter().map(VirtualContainer::url_prefix).collect())
            .map_err(|error| error.code())
    }

    #[test]
    fn one_container_an_origin() {
        let urls =
            ["s3://b/x.nc", "s3://b/y.nc", "https://h/a", "https://h:8443/a", "http://h/a", "/d/m/1/x", "/d/m/2"];
        let expected = ["s3://b/", "http://h/", "https://h/", "https://h:8443/", "file:///d/m/"];
        assert_eq!(prefixes(&urls, None).unwrap(), expected);
        assert_eq!(prefixes(&["/d/a b/x.nc"], Some("/d")).unwrap(), ["file:///d/"]);
        assert_eq!(prefixes(&["file:///d/a%20b/x.nc"], None).unwrap(), ["file:///d/a b/"]);
    }

    #[test]
    fn a_folder_of_everything_is_never_authorised() {
        assert_eq!(prefixes(&["/a/x.nc", "/b/y.nc"], None), Err("icechunk-no-container"));
        assert_eq!(prefixes(&["/x.nc"], None), Err("icechunk-no-container"));
        assert_eq!(prefixes(&["/a/x.nc"], Some("/")), Err("icechunk-no-container"));
        assert_eq!(prefixes(&["/a/x.nc"], Some("/b")), Err("icechunk-no-container"));
        assert_eq!(prefixes(&["ftp://h/x"], None), Err("icechunk-bad-reference"));
    }
}
