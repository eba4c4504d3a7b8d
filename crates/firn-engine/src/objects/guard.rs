//! What may be replaced or removed object by object: the rules, and looking for what they protect.

use super::error::ObjectsError;
use crate::error::EngineError;
use crate::settings::Engine;
use firn_model::diagnose::shell_word;
use firn_storage::{LocationRole, ObjectUrl, Prefix};
use futures::{StreamExt, TryStreamExt};
use std::collections::BTreeSet;

/// Documents that say: what lies in this folder is a dataset, version or store that firn published.
const MARKS: [&str; 2] = [crate::managed::DATASET_KEY, crate::journal::RUN_KEY];
/// Questions that are under way at once.
const REQUESTS: usize = 16;
/// Folders above a place that are looked at.
const ABOVE: usize = 16;

/// Refuses places whose role is that others rely on what lies there.
///
/// # Errors
/// [`ObjectsError::Protected`].
pub fn role(engine: &Engine, url: &ObjectUrl, doing: &str) -> Result<(), EngineError> {
    let Some((location, _)) = engine.storage.location_of(url)? else { return Ok(()) };
    let next = match location.role {
        LocationRole::Scratch | LocationRole::Persistent => return Ok(()),
        LocationRole::Inbox => "publish or purge the upload: firn inbox review INBOX/NAME".to_owned(),
        LocationRole::Published | LocationRole::Pipeline => {
            "publish a new version beside it: firn run FEEDSTOCK; to remove a dataset, use `firn delete`".to_owned()
        }
    };
    let what = format!("{doing} is not done in the location {}, whose role is {}", location.name, location.role);
    Err(ObjectsError::Protected { at: url.at(), what, next }.into())
}

/// Refuses changes to objects of what firn published: the folders of these keys and those above them are looked at.
///
/// # Errors
/// [`ObjectsError::Protected`]; what the storage says.
pub async fn published<'a>(
    engine: &Engine,
    place: &Prefix,
    changed: impl Iterator<Item = &'a str>,
) -> Result<(), EngineError> {
    let mut folders: BTreeSet<&str> = BTreeSet::new();
    for key in changed {
        let mut folder = key;
        while let Some((above, _)) = folder.rsplit_once('/') {
            // What is above it is known already.
            if !folders.insert(above) {
                break;
            }
            folder = above;
        }
    }
    let mut places = vec![place.clone()];
    for folder in folders.into_iter().filter(|folder| !folder.is_empty()) {
        places.push(place.child(folder)?);
    }
    let mut above = engine.storage.parent(place.url());
    for _ in 0..ABOVE {
        let Some(folder) = above else { break };
        places.push(engine.storage.tree(&folder)?);
        above = engine.storage.parent(&folder);
    }
    let outside = place.url();
    let mut asked = futures::stream::iter(places)
        .map(|folder| async move {
            for mark in MARKS {
                match folder.head(mark).await {
                    Ok(None) => {}
                    Ok(Some(_)) => return Ok(Some(folder)),
                    // Who may not look above a place cannot have published there either.
                    Err(_) if folder.url().key_below(outside).is_none() => {}
                    Err(error) => return Err(EngineError::from(error)),
                }
            }
            Ok(None)
        })
        .buffer_unordered(REQUESTS);
    while let Some(found) = asked.try_next().await? {
        if let Some(folder) = found {
            let what = "firn published or adopted it, and what is published is not changed object by object".to_owned();
            let next = format!(
                "publish a new version, or copy it to another place; all of it is removed by: firn rm -r {}",
                shell_word(&folder.url().to_string())
            );
            return Err(ObjectsError::Protected { at: folder.url().at(), what, next }.into());
        }
    }
    Ok(())
}

/// Refuses to remove what links may lead to: a listing follows them.
///
/// # Errors
/// [`ObjectsError::Protected`]; what the file system says.
pub async fn no_link(folder: &Prefix) -> Result<(), EngineError> {
    let Some(key) = folder.first_link().await? else { return Ok(()) };
    let at = if key.is_empty() { folder.url().at() } else { folder.url().at().node(key) };
    let what = "it is a symbolic link, and what it leads to may lie elsewhere".to_owned();
    let next = "remove the link itself first, with rm".to_owned();
    Err(ObjectsError::Protected { at, what, next }.into())
}

/// Refuses keys of which one is the folder of another: only an object store can hold both.
///
/// # Errors
/// [`ObjectsError::Occupied`].
pub fn no_file_is_a_folder<'a>(place: &Prefix, keys: impl Iterator<Item = &'a str>) -> Result<(), EngineError> {
    let mut sorted: Vec<&str> = keys.collect();
    // As with the slash before all others, so that what lies in a folder follows it at once.
    sorted.sort_unstable_by(|a, b| a.split('/').cmp(b.split('/')));
    for pair in sorted.windows(2) {
        if pair[1].strip_prefix(pair[0]).is_some_and(|rest| rest.starts_with('/')) {
            let what = format!("{} would be a file, and the folder of {}", pair[0], pair[1]);
            return Err(ObjectsError::Occupied { at: place.url().at().node(pair[0]), what }.into());
        }
    }
    Ok(())
}
