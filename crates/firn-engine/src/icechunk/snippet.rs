//! The Python that opens a repository: what readers must say of its storage, and which containers they must authorise.

use super::{IcechunkError, S3Access, VirtualContainer};
use std::fmt::Write;

/// Where readers find a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReaderStorage {
    /// A folder of this machine.
    Local {
        /// Absolute path.
        path: std::path::PathBuf,
    },
    /// A prefix of a bucket.
    S3 {
        /// The bucket.
        bucket: String,
        /// Key prefix of the repository.
        prefix: String,
        /// How readers reach the bucket.
        access: S3Access,
    },
}

/// Which version readers open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReaderVersion {
    /// The tip of a branch.
    Branch(String),
    /// A tag.
    Tag(String),
    /// A snapshot, for ever the same.
    Snapshot(String),
}

/// What a snippet is made of.
#[derive(Debug, Clone)]
pub struct ReaderSnippet {
    /// The repository.
    pub storage: ReaderStorage,
    /// Its version.
    pub version: ReaderVersion,
    /// Containers that its references point into; empty where there are none.
    pub containers: Vec<VirtualContainer>,
    /// Group to open; `None` for the root.
    pub group: Option<String>,
}

/// Lines of Python that give `ds`, for icechunk 1 and 2 alike.
///
/// Every container has to be authorised by its URL prefix, also those that need no credentials: a repository must not
/// be able to make its reader fetch from anywhere.
///
/// # Errors
/// [`IcechunkError::BadReference`] for a container that is no URL.
pub fn python(snippet: &ReaderSnippet) -> Result<String, IcechunkError> {
    let mut text = String::from("import icechunk\nimport xarray as xr\n\n");
    let _ = writeln!(text, "storage = {}", storage(&snippet.storage));
    if snippet.containers.is_empty() {
        text.push_str("repo = icechunk.Repository.open(storage)\n");
    } else {
        text.push_str("credentials = icechunk.containers_credentials({\n");
        for container in &snippet.containers {
            let _ = writeln!(text, "    {}: {},", literal(&container.url_prefix()?), credentials(container));
        }
        text.push_str("})\nrepo = icechunk.Repository.open(storage, authorize_virtual_chunk_access=credentials)\n");
    }
    let _ = writeln!(text, "session = repo.readonly_session({})", version(&snippet.version));
    let group = snippet.group.as_ref().map(|group| format!(", group={}", literal(group))).unwrap_or_default();
    let _ = writeln!(text, "ds = xr.open_zarr(session.store, consolidated=False{group})");
    Ok(text)
}

fn storage(storage: &ReaderStorage) -> String {
    match storage {
        ReaderStorage::Local { path } => {
            format!("icechunk.local_filesystem_storage({})", literal(&path.display().to_string()))
        }
        ReaderStorage::S3 { bucket, prefix, access } => {
            let mut arguments = vec![format!("bucket={}", literal(bucket)), format!("prefix={}", literal(prefix))];
            if let Some(region) = &access.region {
                arguments.push(format!("region={}", literal(region)));
            } else if access.endpoint_url.is_some() {
                // The S3 client asks for one, and a service of one's own takes any.
                arguments.push("region=\"us-east-1\"".to_owned());
            }
            if let Some(endpoint) = &access.endpoint_url {
                arguments.push(format!("endpoint_url={}", literal(endpoint)));
            }
            if access.allow_http() {
                arguments.push("allow_http=True".to_owned());
            }
            if access.force_path_style {
                arguments.push("force_path_style=True".to_owned());
            }
            arguments.push(if access.anonymous { "anonymous=True" } else { "from_env=True" }.to_owned());
            format!("icechunk.s3_storage({})", arguments.join(", "))
        }
    }
}

fn credentials(container: &VirtualContainer) -> &'static str {
    match container {
        VirtualContainer::S3 { access, .. } if access.anonymous => "icechunk.s3_anonymous_credentials()",
        VirtualContainer::S3 { .. } => "icechunk.s3_from_env_credentials()",
        VirtualContainer::Http { .. } | VirtualContainer::Local { .. } => "None",
    }
}

fn version(version: &ReaderVersion) -> String {
    match version {
        ReaderVersion::Branch(name) => literal(name),
        ReaderVersion::Tag(name) => format!("tag={}", literal(name)),
        ReaderVersion::Snapshot(id) => format!("snapshot_id={}", literal(id)),
    }
}

/// A Python string: JSON's escapes are Python's too.
fn literal(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out_of_their_quotes() {
        let snippet = ReaderSnippet {
            storage: ReaderStorage::Local { path: "/data/a\"); import os #\n".into() },
            version: ReaderVersion::Tag("v\\1".to_owned()),
            containers: Vec::new(),
            group: Some("g'\"".to_owned()),
        };
        let text = python(&snippet).unwrap();
        assert_eq!(text.lines().count(), 7);
        assert!(text.contains(r#"local_filesystem_storage("/data/a\"); import os #\n")"#), "{text}");
        assert!(text.contains(r#"readonly_session(tag="v\\1")"#) && text.contains(r#"group="g'\"""#), "{text}");
    }

    #[test]
    fn every_container_is_authorised() {
        let public = S3Access { anonymous: true, ..S3Access::default() };
        let snippet = ReaderSnippet {
            storage: ReaderStorage::S3 {
                bucket: "b".to_owned(),
                prefix: "p/q".to_owned(),
                access: S3Access {
                    endpoint_url: Some("http://localhost:9000".to_owned()),
                    force_path_style: true,
                    ..S3Access::default()
                },
            },
            version: ReaderVersion::Branch("main".to_owned()),
            containers: vec![
                VirtualContainer::S3 { bucket: "src".to_owned(), access: public },
                VirtualContainer::Http { origin: "https://host/deep/path".to_owned() },
                VirtualContainer::Local { root: "/data/a b".into() },
            ],
            group: None,
        };
        let expected = r#"import icechunk
import xarray as xr

storage = icechunk.s3_storage(bucket="b", prefix="p/q", region="us-east-1", endpoint_url="http://localhost:9000", allow_http=True, force_path_style=True, from_env=True)
credentials = icechunk.containers_credentials({
    "s3://src/": icechunk.s3_anonymous_credentials(),
    "https://host/": None,
    "file:///data/a b/": None,
})
repo = icechunk.Repository.open(storage, authorize_virtual_chunk_access=credentials)
session = repo.readonly_session("main")
ds = xr.open_zarr(session.store, consolidated=False)
"#;
        assert_eq!(python(&snippet).unwrap(), expected);
    }
}
