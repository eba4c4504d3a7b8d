//! What is written beside adopted objects: manifest, ledger, and last `firn.json`, which makes them a managed dataset.

use super::place::{MANIFEST_KEY, Managed};
use super::report::Problem;
use super::store::{Judged, ledger};
use crate::error::EngineError;
use crate::inbox::hash::digest_of;
use crate::managed::{self, Version};
use crate::settings::Engine;
use crate::target::ledger::{LEDGER_KEY, LedgerEntry};
use crate::verbs::catalog_entry::StoreDetails;
use bytes::Bytes;
use firn_model::diagnose::At;
use firn_model::source::ListedObject;
use firn_model::upload::{UNREAD, UploadManifest, UploadObject};
use firn_storage::{ObjectUrl, Precondition, Prefix};
use std::collections::BTreeMap;

/// Differences that are told one by one.
const SHOWN: usize = 5;

/// What is adopted.
pub(super) struct Adoption<'a> {
    /// Its folder.
    pub url: &'a ObjectUrl,
    /// Its public id.
    pub id: Option<&'a str>,
    /// Who answers for it.
    pub owner: Option<&'a str>,
    /// Its objects, keys relative to the folder.
    pub objects: &'a [ListedObject],
    /// Their digests, where they were read.
    pub digests: Option<&'a [String]>,
    /// What was seen of it, where it is a store.
    pub judged: Option<&'a Judged>,
}

/// Writes the records of what is adopted; when it was adopted, RFC 3339.
///
/// # Errors
/// [`EngineError::Document`] where its own ledger says otherwise; what the storage says.
pub(super) fn write(engine: &Engine, adoption: &Adoption<'_>) -> Result<String, EngineError> {
    let runtime = engine.storage.runtime();
    let digest = |index: usize| adoption.digests.map(|digests| digests[index].clone());
    let objects: BTreeMap<String, UploadObject> = adoption
        .objects
        .iter()
        .enumerate()
        .map(|(index, object)| {
            let blake3 = digest(index).unwrap_or_else(|| UNREAD.to_owned());
            let ListedObject { key, version } = object;
            (key.clone(), UploadObject { size: version.size, blake3, etag: version.etag.clone(), part_size: None })
        })
        .collect();
    let manifest = UploadManifest { objects };
    let prefix = engine.target_prefix(adoption.url)?;
    let mut format = "files";
    let mut snapshot = None;
    if let Some(judged) = adoption.judged {
        as_written(adoption.url, &manifest, judged)?;
        format = match &judged.details {
            StoreDetails::Zarr { format: 2, .. } => "zarr2",
            StoreDetails::Zarr { .. } => "zarr3",
            StoreDetails::Icechunk { .. } => "icechunk",
            _ => "files",
        };
        snapshot.clone_from(&judged.snapshot);
        if let (Some(empty), "zarr2" | "zarr3") = (&judged.empty, format) {
            let digests = adoption.objects.iter().enumerate();
            let stored: Vec<_> = digests.map(|(index, o)| (o.key.clone(), o.version.size, digest(index))).collect();
            let text = ledger(&stored, empty).to_text();
            runtime.block_on(prefix.put(LEDGER_KEY, Bytes::from(text), Precondition::None))?;
        }
    }
    let run = blake3::hash(format!("adopt\n{}\n{}\n", prefix.identity(), manifest.digest()).as_bytes());
    runtime.block_on(prefix.put(MANIFEST_KEY, Bytes::from(manifest.to_text()), Precondition::None))?;
    let version = Version {
        version: runtime.block_on(next_version(&prefix))?,
        run: run.to_hex().to_string(),
        published: crate::clock::now(),
        snapshot,
        source_files: manifest.objects.len() as u64,
        limit: None,
        in_place: true,
    };
    let version = runtime.block_on(managed::publish(&prefix, adoption.id, adoption.owner, format, version))?;
    Ok(version.published)
}

/// What firn wrote as a store of its own has digests already.
fn as_written(url: &ObjectUrl, manifest: &UploadManifest, judged: &Judged) -> Result<(), EngineError> {
    let differs = |(key, entry): (&String, &LedgerEntry)| {
        let LedgerEntry::Stored { blake3: Some(blake3), .. } = entry else { return false };
        manifest.objects.get(key).is_some_and(|object| object.blake3 != UNREAD && object.blake3 != *blake3)
    };
    let Some((key, _)) = judged.written.iter().find(|pair| differs(*pair)) else {
        return Ok(());
    };
    let what = format!("{key} does not have the bytes that were written (their BLAKE3 differs)");
    Err(super::store::broken(
        super::store::Broken::NotAsWritten,
        url,
        what,
        "write the store again, or copy it again from where it was made",
    ))
}

async fn next_version(prefix: &Prefix) -> Result<String, EngineError> {
    let known = managed::read(prefix).await?.map(|(dataset, _)| dataset.versions).unwrap_or_default();
    let number = |version: &Version| version.version.strip_prefix('v')?.parse::<u64>().ok();
    Ok(format!("v{}", known.iter().filter_map(number).max().unwrap_or(0) + 1))
}

/// In what objects differ from what was adopted: a few lines, empty where nothing does. Objects that were written again are
/// read, where their digests are known.
///
/// # Errors
/// What the storage says.
pub(super) async fn differences(
    prefix: &Prefix,
    manifest: &UploadManifest,
    objects: &[ListedObject],
    may_be_more: bool,
) -> Result<Vec<String>, EngineError> {
    let there: BTreeMap<&str, &ListedObject> = objects.iter().map(|object| (object.key.as_str(), object)).collect();
    let mut lines = Vec::new();
    for (key, object) in &manifest.objects {
        match there.get(key.as_str()) {
            None => lines.push(format!("{key} is not there any more")),
            Some(seen) if seen.version.size != object.size => {
                lines.push(format!("{key} had {} bytes and has {}", object.size, seen.version.size));
            }
            Some(seen) if object.etag.is_some() && seen.version.etag == object.etag => {}
            Some(_) if object.blake3 == UNREAD => lines.push(format!("{key} was written again")),
            Some(seen) => {
                if digest_of(prefix, key, &seen.version).await? != object.blake3 {
                    lines.push(format!("{key} has other bytes"));
                }
            }
        }
    }
    if !may_be_more {
        let new = objects.iter().filter(|object| !manifest.objects.contains_key(&object.key));
        lines.extend(new.map(|object| format!("{} is new", object.key)));
    }
    Ok(lines)
}

/// What is said of a dataset that is not any more what was adopted.
pub(super) fn changed(known: &Managed, lines: &[String], again: &str) -> Problem {
    let shown: Vec<&str> = lines.iter().take(SHOWN).map(String::as_str).collect();
    let more = if lines.len() > SHOWN { format!(", and {} more", lines.len() - SHOWN) } else { String::new() };
    let when =
        known.dataset.as_ref().ok().and_then(|dataset| dataset.adopted()).map(|version| version.published.clone());
    Problem {
        code: "adopt-changed".to_owned(),
        what: format!(
            "it is not what was adopted on {}: {}{more}",
            when.unwrap_or_else(|| At::nowhere().to_string()),
            shown.join(", ")
        ),
        next: format!("restore what is missing; or, where the change is meant: {again} --again"),
    }
}
