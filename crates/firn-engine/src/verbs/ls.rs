//! `firn ls`: what lies there.

use crate::error::EngineError;
use crate::objects::named::{Named, is_local_folder, look, object, with_versions};
use crate::settings::Engine;
use firn_model::source::{SourceError, SourceVersion};
use firn_storage::{ObjectUrl, is_pattern};

/// What lies at some addresses.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Listed {
    /// In the order of the addresses, and of the keys of each.
    pub entries: Vec<Entry>,
    /// Objects that no command touches because of their keys.
    pub unusable: Vec<OddKey>,
}

/// An object or a folder.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Entry {
    /// Its address.
    pub url: String,
    /// Its key below the address that was asked for.
    pub key: String,
    /// `object` or `folder`.
    pub kind: String,
    /// Bytes of an object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// When it was modified, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified: Option<String>,
    /// Its entity tag, where its server has some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
}

/// An object whose key breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct OddKey {
    /// The key, with what is no text escaped.
    pub key: String,
    /// The rule.
    pub what: String,
}

/// Lists one level, or with `recursive` all.
///
/// # Errors
/// [`SourceError::NotFound`]; what the storage says.
pub fn ls(engine: &Engine, urls: &[String], recursive: bool) -> Result<Listed, EngineError> {
    let mut listed = Listed { entries: Vec::new(), unusable: Vec::new() };
    for text in urls {
        engine.cancel.check()?;
        if is_pattern(text) {
            let found = engine.storage.glob(text)?;
            if found.is_empty() {
                return Err(SourceError::NotFound { at: firn_model::diagnose::At::url(text) }.into());
            }
            for (url, object) in found {
                listed.entries.push(entry(&url, object.key, &object.version));
            }
        } else if recursive {
            all(engine, text, &mut listed)?;
        } else {
            level(engine, text, &mut listed)?;
        }
    }
    Ok(listed)
}

fn entry(url: &ObjectUrl, key: String, version: &SourceVersion) -> Entry {
    let modified = version.last_modified.map(|seconds| crate::clock::rfc3339(seconds.saturating_mul(1_000_000)));
    let is_told = version.etag.is_some() || modified.is_some() || version.size > 0;
    let size = is_told.then_some(version.size);
    let etag = version.etag.as_ref().filter(|_| url.local_path().is_none()).cloned();
    Entry { url: url.to_string(), key, kind: "object".to_owned(), size, modified, etag }
}

fn all(engine: &Engine, text: &str, listed: &mut Listed) -> Result<(), EngineError> {
    match engine.storage.runtime().block_on(look(engine, text))? {
        Named::Object { folder, key, version } => {
            let url = folder.url().child(&key)?;
            listed.entries.push(entry(&url, key, &version));
        }
        Named::Folder { prefix, listing } => {
            for object in listing.objects {
                let url = prefix.url().child(&object.key)?;
                listed.entries.push(entry(&url, object.key, &object.version));
            }
            let odd = listing.unusable.into_iter().map(|odd| OddKey { key: odd.key, what: odd.what });
            listed.unusable.extend(odd);
        }
    }
    Ok(())
}

fn level(engine: &Engine, text: &str, listed: &mut Listed) -> Result<(), EngineError> {
    let runtime = engine.storage.runtime();
    let url = ObjectUrl::parse(text)?;
    let prefix = engine.storage.tree(&url)?;
    let found = match runtime.block_on(prefix.list_level()) {
        Ok(found) => found,
        // A web server lists folders only.
        Err(error) => match runtime.block_on(object(engine, &url))? {
            Some(Named::Object { key, version, .. }) => {
                listed.entries.push(entry(&url, key, &version));
                return Ok(());
            }
            _ => return Err(error.into()),
        },
    };
    listed.unusable.extend(found.unusable.iter().map(|odd| OddKey { key: odd.key.clone(), what: odd.what.clone() }));
    if found.objects.is_empty() && found.folders.is_empty() && found.unusable.is_empty() {
        return match runtime.block_on(object(engine, &url.absolute()?))? {
            Some(Named::Object { key, version, .. }) => {
                listed.entries.push(entry(&url, key, &version));
                Ok(())
            }
            _ if engine.storage.parent(&url).is_none() || is_local_folder(engine, &url)? => Ok(()),
            _ => Err(SourceError::NotFound { at: url.at() }.into()),
        };
    }
    for name in found.folders {
        let below = url.child(&name)?;
        let (url, key) = (format!("{below}/"), format!("{name}/"));
        listed.entries.push(Entry { url, key, kind: "folder".to_owned(), size: None, modified: None, etag: None });
    }
    for object in runtime.block_on(with_versions(&prefix, found.objects))? {
        let below = url.child(&object.key)?;
        listed.entries.push(entry(&below, object.key, &object.version));
    }
    Ok(())
}
