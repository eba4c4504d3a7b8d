//! Where a store is, read from its URL: readers need the parts, not the text.

use std::path::{Path, PathBuf};
use url::Url;

/// Where a store or file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A path of this machine.
    Local(PathBuf),
    /// A web server; the text is a whole URL.
    Http(String),
    /// A bucket of S3 or a service that speaks it.
    S3 {
        /// The bucket.
        bucket: String,
        /// The key, without slashes at its ends; may be empty.
        key: String,
    },
    /// A bucket of Google Cloud Storage.
    Gcs {
        /// The bucket.
        bucket: String,
        /// The key, without slashes at its ends; may be empty.
        key: String,
    },
    /// A scheme whose readers firn does not know.
    Other(String),
}

impl Place {
    /// The place that a URL or path means.
    pub fn parse(text: &str) -> Self {
        let Some((scheme, rest)) = text.split_once("://") else { return Self::Local(PathBuf::from(text)) };
        let bucket_and_key = || {
            let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
            (bucket.to_owned(), key.trim_matches('/').to_owned())
        };
        match scheme.to_ascii_lowercase().as_str() {
            "file" => match Url::parse(text).ok().and_then(|url| url.to_file_path().ok()) {
                Some(path) => Self::Local(path),
                None => Self::Other(text.to_owned()),
            },
            "http" | "https" => Self::Http(text.to_owned()),
            "s3" => {
                let (bucket, key) = bucket_and_key();
                Self::S3 { bucket, key }
            }
            "gs" | "gcs" => {
                let (bucket, key) = bucket_and_key();
                Self::Gcs { bucket, key }
            }
            _ => Self::Other(text.to_owned()),
        }
    }

    /// The URL or path.
    pub fn text(&self) -> String {
        match self {
            Self::Local(path) => path.display().to_string(),
            Self::Http(text) | Self::Other(text) => text.clone(),
            Self::S3 { bucket, key } => format!("s3://{bucket}/{key}"),
            Self::Gcs { bucket, key } => format!("gs://{bucket}/{key}"),
        }
    }

    /// The path of a local place.
    pub fn local(&self) -> Option<&Path> {
        match self {
            Self::Local(path) => Some(path),
            _ => None,
        }
    }

    /// The last part of path or key, lower case, without query.
    pub fn file_name(&self) -> String {
        let text = self.text();
        let text = text.split(['?', '#']).next().unwrap_or_default();
        text.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_ascii_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_becomes_the_parts_that_readers_ask_for() {
        assert_eq!(Place::parse("s3://b/a/c.zarr/"), Place::S3 { bucket: "b".into(), key: "a/c.zarr".into() });
        assert_eq!(Place::parse("gs://b/x"), Place::Gcs { bucket: "b".into(), key: "x".into() });
        assert_eq!(Place::parse("file:///data/a%20b.zarr"), Place::Local("/data/a b.zarr".into()));
        assert_eq!(Place::parse("rel/x.zarr"), Place::Local("rel/x.zarr".into()));
        assert_eq!(Place::parse("az://c/x"), Place::Other("az://c/x".into()));
        assert_eq!(Place::parse("https://h/A.NC?sig=1").file_name(), "a.nc");
        assert_eq!(Place::parse("https://h/a.zarr/").file_name(), "a.zarr");
    }
}
