//! Virtual chunk containers: the origins that references may point into, without credentials.

use super::IcechunkError;
use firn_model::diagnose::At;
use icechunk::ObjectStoreConfig;
use icechunk::config::{HttpConfig, S3Options};
use icechunk::virtual_chunks::VirtualChunkContainer;
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

/// The containers that hold these objects, one an origin: buckets, web servers, and for local files the deepest folder that
/// holds all of them. `access` tells of an object in a bucket how readers reach it.
///
/// # Errors
/// [`IcechunkError::BadReference`] for an address that no reference can name; [`IcechunkError::NoContainer`] where the files
/// have only `/` in common; and what `access` says.
pub fn containers_for<'a, E: From<IcechunkError>>(
    urls: impl IntoIterator<Item = &'a str>,
    access: impl Fn(&str) -> Result<S3Access, E>,
) -> Result<Vec<VirtualContainer>, E> {
    let mut found: Vec<VirtualContainer> = Vec::new();
    let mut folder: Option<PathBuf> = None;
    for text in urls {
        let bad = |what: &str| IcechunkError::BadReference { at: At::url(text), what: what.to_owned() };
        let container = if let Some(key) = text.strip_prefix("s3://") {
            let bucket = key.split('/').next().unwrap_or(key).to_owned();
            VirtualContainer::S3 { bucket, access: access(text)? }
        } else {
            let url = if text.starts_with('/') { Url::from_file_path(text).ok() } else { Url::parse(text).ok() };
            let url = url.ok_or_else(|| bad("is not an absolute path or a URL"))?;
            let Some(origin) = origin_of(&url) else {
                let path = url.to_file_path().map_err(|()| bad("has a scheme that Icechunk readers do not know"))?;
                folder = Some(shared(folder, &path).ok_or_else(|| IcechunkError::NoContainer { at: At::url(text) })?);
                continue;
            };
            VirtualContainer::Http { origin }
        };
        if !found.contains(&container) {
            found.push(container);
        }
    }
    found.extend(folder.map(|root| VirtualContainer::Local { root }));
    for container in &found {
        container.to_icechunk()?;
    }
    Ok(found)
}

/// The deepest folder that holds this file and what `folder` holds; never the root, which holds everything.
fn shared(folder: Option<PathBuf>, file: &Path) -> Option<PathBuf> {
    let parent = file.parent()?;
    let shared = match folder {
        None => Some(parent),
        Some(ref folder) => folder.ancestors().find(|shared| parent.starts_with(shared)),
    };
    shared.filter(|shared| shared.parent().is_some()).map(Path::to_owned)
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
fn origin_of(url: &Url) -> Option<String> {
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

    fn prefixes(urls: &[&str]) -> Result<Vec<String>, &'static str> {
        containers_for::<IcechunkError>(urls.iter().copied(), |_| Ok(S3Access::default()))
            .and_then(|found| found.iter().map(VirtualContainer::url_prefix).collect())
            .map_err(|error| error.code())
    }

    #[test]
    fn one_container_an_origin() {
        let urls =
            ["s3://b/x.nc", "s3://b/y.nc", "https://h/a", "https://h:8443/a", "http://h/a", "/d/m/1/x", "/d/m/2"];
        let expected = ["s3://b/", "https://h/", "https://h:8443/", "http://h/", "file:///d/m/"];
        assert_eq!(prefixes(&urls).unwrap(), expected);
        assert_eq!(prefixes(&["s3://b/a b#c?d%20/x.nc", "https://h/a%20b%23/x"]).unwrap(), ["s3://b/", "https://h/"]);
    }

    #[test]
    fn the_prefix_of_a_folder_is_its_path_without_escapes() {
        for name in ["a b", "a#b", "a?b", "a%b", "a%20b", "a\"b", "a'b", "a{b}", "a[b]", "é", "日本"] {
            let file = format!("/d/{name}/x.nc");
            let url = Url::from_file_path(&file).unwrap();
            let expected = [format!("file:///d/{name}/")];
            assert_eq!(prefixes(&[url.as_str()]).unwrap(), expected, "{url}");
            assert_eq!(prefixes(&[&file]).unwrap(), expected, "{file}");
        }
    }

    #[test]
    fn a_folder_of_everything_is_never_authorised() {
        assert_eq!(prefixes(&["/a/x.nc", "/b/y.nc"]), Err("icechunk-no-container"));
        assert_eq!(prefixes(&["/x.nc"]), Err("icechunk-no-container"));
        assert_eq!(prefixes(&["ftp://h/x"]), Err("icechunk-bad-reference"));
    }
}
