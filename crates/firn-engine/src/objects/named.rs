//! What an address on the command line names: an object, or all that lies below a prefix.

use super::Item;
use super::error::ObjectsError;
use crate::error::EngineError;
use crate::settings::Engine;
use firn_model::source::{ListedObject, SourceError, SourceVersion};
use firn_storage::{Listing, Matched, ObjectUrl, Prefix, Unusable, is_pattern};
use futures::{StreamExt, TryStreamExt};
use std::sync::Arc;

/// Questions that are under way at once.
const REQUESTS: usize = 32;

/// What an address names.
pub enum Named {
    /// One object.
    Object {
        /// The place that it lies in.
        folder: Prefix,
        /// Its key there.
        key: String,
        /// Its version.
        version: SourceVersion,
    },
    /// A prefix below which something lies, or an empty local folder.
    Folder {
        /// The prefix.
        prefix: Prefix,
        /// What lies there.
        listing: Listing,
    },
}

/// Looks what is there.
///
/// # Errors
/// [`SourceError::NotFound`]; what the storage says.
pub async fn look(engine: &Engine, text: &str) -> Result<Named, EngineError> {
    let url = ObjectUrl::parse(text)?.absolute()?;
    if !text.ends_with('/') {
        match object(engine, &url).await {
            Ok(Some(found)) => return Ok(found),
            // Who may list a prefix may not always ask for an object of its name, and the other way round.
            Ok(None) | Err(EngineError::Source(SourceError::Denied { .. })) => {}
            Err(error) => return Err(error),
        }
    }
    let prefix = engine.storage.tree(&url)?;
    let listing = prefix.list_all().await?;
    if listing.objects.is_empty() && listing.unusable.is_empty() && !is_local_folder(engine, &url)? {
        return Err(SourceError::NotFound { at: url.at() }.into());
    }
    let objects = with_versions(&prefix, listing.objects).await?;
    Ok(Named::Folder { prefix, listing: Listing { objects, ..listing } })
}

/// The object of exactly this address.
///
/// # Errors
/// What the storage says.
pub async fn object(engine: &Engine, url: &ObjectUrl) -> Result<Option<Named>, EngineError> {
    let Some((folder, key)) = engine.storage.holder_of(url)? else { return Ok(None) };
    Ok(folder.head(&key).await?.map(|version| Named::Object { folder, key, version }))
}

/// Whether an address is a folder of this machine.
///
/// # Errors
/// As [`firn_storage::Storage::physical`].
pub fn is_local_folder(engine: &Engine, url: &ObjectUrl) -> Result<bool, EngineError> {
    Ok(engine.storage.physical(url)?.local_path().is_some_and(std::path::Path::is_dir))
}

/// Objects of several addresses, with the keys that they get below one destination.
#[derive(Default)]
pub struct Chosen {
    /// The objects, in the order of their keys at the destination.
    pub items: Vec<Item>,
    /// What is left alone because of its key.
    pub unusable: Vec<Unusable>,
    /// The folders that are taken with all that lies below them.
    pub folders: Vec<Arc<Prefix>>,
    /// Whether the only address is one object: its destination may be given a name of its own.
    pub is_one_object: bool,
}

/// What all addresses name.
///
/// One folder gives what lies below it. Of several, and of patterns, each object or folder keeps its own name.
///
/// # Errors
/// [`ObjectsError::Folder`] for a folder where that is not meant; two objects for one key; what the storage says.
pub fn choose(engine: &Engine, sources: &[String], recursive: bool, again: &str) -> Result<Chosen, EngineError> {
    let runtime = engine.storage.runtime();
    let several = sources.len() > 1 || sources.iter().any(|text| is_pattern(text));
    let mut chosen = Chosen::default();
    for text in sources {
        engine.cancel.check()?;
        if is_pattern(text) {
            matched(engine, text, recursive.then_some(()).ok_or(again), &mut chosen)?;
            continue;
        }
        let url = ObjectUrl::parse(text)?;
        match runtime.block_on(look(engine, text))? {
            Named::Object { folder, key, version } => {
                chosen.is_one_object = !several;
                let to_key = key.clone();
                chosen.items.push(Item { from: Arc::new(folder), key, to_key, version });
            }
            Named::Folder { listing, .. } if !recursive => {
                let objects = (listing.objects.len() + listing.unusable.len()) as u64;
                return Err(ObjectsError::Folder { at: url.at(), objects, next: again.to_owned() }.into());
            }
            Named::Folder { prefix, listing } => {
                let name = if several { url.absolute()?.file_name() } else { String::new() };
                below(Arc::new(prefix), &name, listing, &mut chosen);
            }
        }
    }
    chosen.items.sort_by(|a, b| a.to_key.cmp(&b.to_key));
    if let Some(pair) = chosen.items.windows(2).find(|pair| pair[0].to_key == pair[1].to_key) {
        return Err(EngineError::usage(
            format!("two of the addresses have an object for {}", pair[0].to_key),
            "copy them to two places",
        ));
    }
    Ok(chosen)
}

fn below(prefix: Arc<Prefix>, name: &str, listing: Listing, chosen: &mut Chosen) {
    chosen.folders.push(Arc::clone(&prefix));
    let join = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}/{key}") };
    chosen.items.extend(listing.objects.into_iter().map(|object| Item {
        from: Arc::clone(&prefix),
        to_key: join(&object.key),
        key: object.key,
        version: object.version,
    }));
    chosen.unusable.extend(listing.unusable.into_iter().map(|odd| Unusable { key: join(&odd.key), ..odd }));
}

/// The objects that a pattern matches keep their last names, and so do folders, where these are meant: else the command with
/// which they are is what the error names.
fn matched(
    engine: &Engine,
    pattern: &str,
    recursive: Result<(), &str>,
    chosen: &mut Chosen,
) -> Result<(), EngineError> {
    let Matched { objects: found, folders } = engine.storage.glob_all(pattern)?;
    let runtime = engine.storage.runtime();
    let mut is_empty = found.is_empty();
    for url in &folders {
        engine.cancel.check()?;
        let prefix = engine.storage.tree(url)?;
        let listing = runtime.block_on(prefix.list_all())?;
        let objects = runtime.block_on(with_versions(&prefix, listing.objects))?;
        let listing = Listing { objects, ..listing };
        match recursive {
            Ok(()) => {
                below(Arc::new(prefix), &url.file_name(), listing, chosen);
                is_empty = false;
            }
            // Files alone are what a pattern such as `*.nc` means.
            Err(again) if is_empty => {
                let objects = (listing.objects.len() + listing.unusable.len()) as u64;
                return Err(ObjectsError::Folder { at: url.at(), objects, next: again.to_owned() }.into());
            }
            Err(_) => break,
        }
    }
    if is_empty {
        let at = firn_model::diagnose::At::url(pattern);
        return Err(SourceError::NotFound { at }.into());
    }
    for (url, object) in found {
        let missing = || SourceError::NotFound { at: url.at() };
        let (folder, key) = engine.storage.holder_of(&url)?.ok_or_else(missing)?;
        let object = ListedObject { key, version: object.version };
        for ListedObject { key, version } in runtime.block_on(with_versions(&folder, vec![object]))? {
            chosen.items.push(Item { from: Arc::new(folder.clone()), to_key: key.clone(), key, version });
        }
    }
    Ok(())
}

/// Asks for the versions that a listing did not tell, as index pages of web servers do not.
///
/// # Errors
/// What the storage says; [`SourceError::NotFound`] where a server names what it does not have.
pub async fn with_versions(prefix: &Prefix, objects: Vec<ListedObject>) -> Result<Vec<ListedObject>, EngineError> {
    futures::stream::iter(objects)
        .map(|object| async move {
            if object.version.etag.is_some() || object.version.last_modified.is_some() {
                return Ok::<_, EngineError>(object);
            }
            let missing = || SourceError::NotFound { at: prefix.url().at().node(&object.key) };
            let version = prefix.head(&object.key).await?.ok_or_else(missing)?;
            Ok(ListedObject { version, ..object })
        })
        .buffered(REQUESTS)
        .try_collect()
        .await
}
