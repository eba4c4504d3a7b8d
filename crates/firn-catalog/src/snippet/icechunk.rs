//! Icechunk repositories: what readers must say of the storage, and which containers they must authorise.

use super::python::literal;
use super::{NoSnippet, Opening, Snippet, XARRAY, python};
use crate::place::Place;
use firn_model::feedstock::store_entry::IcechunkDetails;
use std::fmt::Write;

/// The same lines for icechunk 1 and 2, except for web servers, which icechunk 1 cannot read a repository from.
///
/// Every container has to be authorised by its URL prefix, also those that need no credentials: a repository must not be
/// able to make its reader fetch from anywhere.
pub(super) fn icechunk(opening: &Opening<'_>) -> Result<Snippet, NoSnippet> {
    let default = IcechunkDetails::default();
    let details = opening.icechunk.unwrap_or(&default);
    let mut lines = format!("storage = {}\n", storage(opening)?);
    let containers = details.virtual_chunk_containers.as_deref().unwrap_or_default();
    if containers.is_empty() {
        lines.push_str("repo = icechunk.Repository.open(storage)\n");
    } else {
        lines.push_str("credentials = icechunk.containers_credentials({\n");
        for prefix in containers {
            let _ = writeln!(lines, "    {}: {},", literal(prefix), credentials(opening, prefix));
        }
        lines.push_str("})\nrepo = icechunk.Repository.open(storage, authorize_virtual_chunk_access=credentials)\n");
    }
    let _ = writeln!(lines, "session = repo.readonly_session({})", version(details));
    lines.push_str("ds = xr.open_zarr(session.store, consolidated=False)");
    let icechunk = if matches!(opening.place, Place::Http(_)) { "icechunk>=2" } else { "icechunk" };
    Ok(python("xarray and icechunk", &["import icechunk", XARRAY], &lines, None, vec!["xarray", "zarr>=3", icechunk]))
}

fn storage(opening: &Opening<'_>) -> Result<String, NoSnippet> {
    let access = &opening.access;
    Ok(match &opening.place {
        Place::Local(path) => {
            let path = path.to_str().ok_or_else(|| NoSnippet::new("the path is not UTF-8, which icechunk asks for"))?;
            format!("icechunk.local_filesystem_storage({})", literal(path))
        }
        Place::Http(url) => format!("icechunk.http_storage({})", literal(url)),
        Place::S3 { bucket, key } => {
            let mut arguments = vec![format!("bucket={}", literal(bucket)), format!("prefix={}", literal(key))];
            if let Some(region) = &access.region {
                arguments.push(format!("region={}", literal(region)));
            } else if access.endpoint.is_some() {
                // The S3 client asks for one, and a service of one's own takes any.
                arguments.push("region=\"us-east-1\"".to_owned());
            }
            if let Some(endpoint) = &access.endpoint {
                arguments.push(format!("endpoint_url={}", literal(endpoint)));
                if endpoint.starts_with("http://") {
                    arguments.push("allow_http=True".to_owned());
                }
            }
            if opening.path_style() {
                arguments.push("force_path_style=True".to_owned());
            }
            if access.requester_pays == Some(true) {
                arguments.push("requester_pays=True".to_owned());
            }
            arguments.push(if opening.anonymous() { "anonymous=True" } else { "from_env=True" }.to_owned());
            format!("icechunk.s3_storage({})", arguments.join(", "))
        }
        Place::Gcs { bucket, key } => {
            let how = if opening.anonymous() { "anonymous=True" } else { "from_env=True" };
            format!("icechunk.gcs_storage(bucket={}, prefix={}, {how})", literal(bucket), literal(key))
        }
        Place::Other(url) => {
            let scheme = url.split(':').next().unwrap_or_default();
            return Err(NoSnippet::new(format!("firn knows no storage of icechunk for {scheme}")));
        }
    })
}

fn credentials(opening: &Opening<'_>, prefix: &str) -> &'static str {
    match Place::parse(prefix) {
        Place::S3 { .. } if opening.anonymous() => "icechunk.s3_anonymous_credentials()",
        Place::S3 { .. } => "icechunk.s3_from_env_credentials()",
        Place::Gcs { .. } if !opening.anonymous() => "icechunk.gcs_from_env_credentials()",
        _ => "None",
    }
}

fn version(details: &IcechunkDetails) -> String {
    match (&details.snapshot, &details.tag, &details.branch) {
        (Some(id), _, _) => format!("snapshot_id={}", literal(id)),
        (None, Some(tag), _) => format!("tag={}", literal(tag)),
        (None, None, branch) => literal(branch.as_deref().unwrap_or("main")),
    }
}
