//! What lies at a prefix, with entity tags, and digests of objects that nobody hashed before.

use crate::error::EngineError;
use firn_model::source::{ListedObject, SourceError, SourceVersion};
use firn_storage::Prefix;
use futures::{StreamExt, TryStreamExt};

/// Questions that are under way at once.
const REQUESTS: usize = 32;
/// Objects up to this many bytes are read by one request, larger ones in pieces of it.
const PIECE: u64 = 16 << 20;

/// Everything below a prefix, in key order, each with its entity tag.
///
/// Markers that consoles leave for empty folders are no objects.
///
/// # Errors
/// What the storage says.
pub async fn tagged(prefix: &Prefix) -> Result<Vec<ListedObject>, EngineError> {
    let listed = prefix.list("").await?;
    let mut tagged: Vec<ListedObject> = futures::stream::iter(listed)
        .map(|object| async move {
            if object.version.etag.is_some() && object.version.size > 0 {
                return Ok::<_, EngineError>(Some(object));
            }
            // A listing of files has no tags; one of a bucket names markers of folders without their last slash.
            let version = prefix.head(&object.key).await?;
            Ok(version.map(|version| ListedObject { version, ..object }))
        })
        .buffered(REQUESTS)
        .try_filter_map(|object| async move { Ok(object) })
        .try_collect()
        .await?;
    tagged.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(tagged)
}

/// BLAKE3 of an object, hex, if it is of this version before and after.
///
/// # Errors
/// [`SourceError::Changed`] where it is not; what the storage says.
pub async fn digest_of(prefix: &Prefix, key: &str, expected: &SourceVersion) -> Result<String, EngineError> {
    let at = prefix.url().child(key)?.at();
    let missing = || SourceError::NotFound { at: at.clone() };
    if expected.size <= PIECE {
        let object = prefix.get(key).await?.ok_or_else(missing)?;
        unchanged(&at, expected, &object.version)?;
        return Ok(blake3::hash(&object.bytes).to_hex().to_string());
    }
    let mut hasher = blake3::Hasher::new();
    let mut start = 0;
    while start < expected.size {
        let end = (start + PIECE).min(expected.size);
        hasher.update(&prefix.get_range(key, start..end).await?);
        start = end;
    }
    let seen = prefix.head(key).await?.ok_or_else(missing)?;
    unchanged(&at, expected, &seen)?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// Refuses bytes of another state than the one that was listed.
///
/// # Errors
/// [`SourceError::Changed`].
pub fn unchanged(
    at: &firn_model::diagnose::At,
    expected: &SourceVersion,
    seen: &SourceVersion,
) -> Result<(), SourceError> {
    if expected.size != seen.size {
        let what = format!("it had {} bytes and has {}", expected.size, seen.size);
        return Err(SourceError::Changed { at: at.clone(), what });
    }
    match expected.difference(seen) {
        Some(what) => Err(SourceError::Changed { at: at.clone(), what }),
        None => Ok(()),
    }
}
