//! Plain Zarr and kerchunk references.

use super::python::{Dict, Value, literal};
use super::{NoSnippet, Opening, Snippet, XARRAY, python};
use crate::place::Place;
use firn_model::feedstock::store_entry::KerchunkFormat;

pub(super) fn zarr(opening: &Opening<'_>) -> Result<Snippet, NoSnippet> {
    let (options, packages) = opening.fsspec()?;
    let call = format!("xr.open_zarr({}{})", literal(&opening.place.text()), options.as_argument("storage_options"));
    let mut requires = vec!["xarray", "zarr>=3"];
    requires.extend(packages);
    Ok(python("xarray and zarr", &[XARRAY], &format!("ds = {call}"), Some(call), requires))
}

/// References are a file system of their own, of which `reference://` is the root. The documents are not consolidated.
pub(super) fn kerchunk(opening: &Opening<'_>) -> Result<Snippet, NoSnippet> {
    let (target, packages) = opening.fsspec()?;
    let same = matches!(opening.place, Place::S3 { .. }).then(|| target.clone());
    let mut options = Dict::default().text("fo", &opening.place.text());
    if !target.is_empty() {
        options = options.with("target_options", Value::Dict(target));
    }
    let mut requires = vec!["xarray", "zarr>=3", "fsspec"];
    requires.extend(packages);
    let details = opening.kerchunk;
    if let Some(protocol) = details.and_then(|details| details.remote_protocol.as_deref()) {
        options = options.text("remote_protocol", protocol);
        let (remote, package) = match protocol {
            // Files in the same service are read as the references are: by its endpoint.
            "s3" if same.is_some() => (same.unwrap_or_default(), Some("s3fs")),
            "s3" => (Dict::default().with("anon", Value::Bool(opening.anonymous())), Some("s3fs")),
            "gs" | "gcs" if opening.anonymous() => (Dict::default().text("token", "anon"), Some("gcsfs")),
            "gs" | "gcs" => (Dict::default(), Some("gcsfs")),
            "http" | "https" => (Dict::default(), Some("aiohttp")),
            _ => (Dict::default(), None),
        };
        // zarr opens references asynchronously, and their files have to be read in the same way.
        let remote = if package.is_some() { remote.with("asynchronous", Value::Bool(true)) } else { remote };
        if !remote.is_empty() {
            options = options.with("remote_options", Value::Dict(remote));
        }
        requires.extend(package);
    } else if matches!(opening.place, Place::S3 { .. } | Place::Gcs { .. }) && opening.anonymous() {
        // Without a protocol the references are read as their own document is; the options have to be said again.
        let same = if matches!(opening.place, Place::S3 { .. }) {
            Dict::default().with("anon", Value::Bool(true))
        } else {
            Dict::default().text("token", "anon")
        };
        options = options.with("remote_options", Value::Dict(same.with("asynchronous", Value::Bool(true))));
    }
    if details.and_then(|details| details.format) == Some(KerchunkFormat::Parquet) {
        requires.extend(["pandas", "fastparquet"]);
    }
    let mut seen = Vec::new();
    requires.retain(|package| {
        !seen.contains(package) && {
            seen.push(*package);
            true
        }
    });
    let call = format!("xr.open_zarr(\"reference://\", consolidated=False{})", options.as_argument("storage_options"));
    Ok(python("xarray, zarr and fsspec", &[XARRAY], &format!("ds = {call}"), Some(call), requires))
}
