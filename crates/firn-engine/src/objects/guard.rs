//! What may be replaced or removed object by object: the rules, and looking for what they protect.

use super::error::ObjectsError;
use crate::error::EngineError;
use crate::settings::Engine;
use firn_model::diagnose::shell_word;
use firn_storage::{LocationRole, ObjectUrl, Prefix};

/// Documents that say: what lies in this folder is a dataset, version or store that firn published.
const MARKS: [&str; 2] = [crate::managed::DATASET_KEY, crate::journal::RUN_KEY];
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

/// Refuses changes to objects of what firn published: the folder itself, those above it, and those below that hold one of the
/// keys.
///
/// # Errors
/// [`ObjectsError::Protected`]; what the storage says.
pub async fn published<'a>(
    engine: &Engine,
    place: &Prefix,
    all: impl Iterator<Item = &'a str>,
    changed: impl Iterator<Item = &'a str> + Clone,
) -> Result<(), EngineError> {
    let refused = |url: &ObjectUrl| {
        let what = "firn published it, and what is published is not changed object by object".to_owned();
        let next = format!(
            "publish a new version, or copy it to another place; all of it is removed by: firn rm -r {}",
            shell_word(&url.to_string())
        );
        EngineError::from(ObjectsError::Protected { at: url.at(), what, next })
    };
    let mut above = place.url().parent();
    for _ in 0..ABOVE {
        let Some(folder) = above else { break };
        let prefix = engine.storage.tree(&folder)?;
        for mark in MARKS {
            // Who may not look above cannot have published there either.
            if let Ok(Some(_)) = prefix.head(mark).await {
                return Err(refused(&folder));
            }
        }
        above = folder.parent();
    }
    for key in all {
        let Some(mark) = MARKS.iter().find(|mark| key == **mark || key.ends_with(&format!("/{mark}"))) else {
            continue;
        };
        let root = &key[..key.len() - mark.len()];
        if changed.clone().any(|key| key.starts_with(root)) {
            let root = root.trim_end_matches('/');
            return Err(refused(&if root.is_empty() { place.url().clone() } else { place.url().child(root)? }));
        }
    }
    Ok(())
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
