//! Which files lie beside one, or match a glob.

use crate::error::EngineError;
use crate::settings::Engine;
use crate::verbs::init::example_url::escape_glob;
use firn_model::feedstock::pattern::{RawPiece, raw_pieces};
use firn_model::source::SourceError;
use firn_storage::{ObjectUrl, StorageError};

/// The address as recipes write it: local paths are absolute, because a recipe may be written anywhere.
///
/// # Errors
/// [`EngineError::Usage`] for a URL with a query: its values may be a signature, and are never written.
pub(super) fn durable(url: &ObjectUrl) -> Result<String, EngineError> {
    if !url.is_durable() {
        return Err(EngineError::usage(
            format!("{url} has a query, whose values may be a signature and are never written into a recipe"),
            "copy the file, or name it by a URL without a query",
        ));
    }
    match url.local_path() {
        Some(_) => Ok(url.absolute()?.to_string()),
        None => Ok(url.to_string()),
    }
}

/// A listing, or why there is none.
pub(super) type Listed = Result<Vec<String>, String>;

/// The addresses of the files in a folder, in order; or why it cannot be listed.
///
/// # Errors
/// What else the storage says.
pub(super) fn folder(engine: &Engine, folder: &ObjectUrl) -> Result<Listed, EngineError> {
    let level = match listable(engine.storage.list_level(folder))? {
        Ok(level) => level,
        Err(reason) => return Ok(Err(reason)),
    };
    let files = level.objects.iter().map(|object| durable(&folder.child(&object.key)?));
    Ok(Ok(files.collect::<Result<_, _>>()?))
}

/// The addresses that match a glob, in order; or why there is no listing.
///
/// # Errors
/// What else the storage says.
pub(super) fn glob(engine: &Engine, glob: &str) -> Result<Listed, EngineError> {
    let found = match listable(engine.storage.glob(glob))? {
        Ok(found) => found,
        Err(reason) => return Ok(Err(reason)),
    };
    Ok(Ok(found.iter().map(|(url, _)| durable(url)).collect::<Result<_, _>>()?))
}

/// Many public buckets let everybody read and nobody list.
fn listable<T>(listed: Result<T, StorageError>) -> Result<Result<T, String>, EngineError> {
    match listed {
        Ok(listed) => Ok(Ok(listed)),
        Err(StorageError::Source(SourceError::NotListable { what, .. })) => Ok(Err(what)),
        Err(StorageError::Source(error @ SourceError::Denied { .. })) => Ok(Err(error.to_string())),
        // A file may be planned for itself, whatever its neighbours are called.
        Err(error @ StorageError::BadKey { .. }) => Ok(Err(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

/// The glob of a pattern: each placeholder is a `*`. A pattern that is none matches itself.
pub(super) fn glob_of_pattern(pattern: &str) -> String {
    let Ok(pieces) = raw_pieces(pattern) else { return escape_glob(pattern) };
    let mut glob = String::with_capacity(pattern.len());
    for piece in pieces {
        match piece {
            RawPiece::Text(text) => glob.push_str(&escape_glob(&text)),
            // Two stars would mean any number of folders.
            RawPiece::Placeholder(_) if glob.ends_with('*') => {}
            RawPiece::Placeholder(_) => glob.push('*'),
        }
    }
    glob
}

/// The names and formats of the placeholders of a pattern, in order: `("time", "%Y%m%d")`.
pub(super) fn placeholders(pattern: &str) -> Vec<(String, String)> {
    let inside = raw_pieces(pattern).unwrap_or_default().into_iter().filter_map(|piece| match piece {
        RawPiece::Placeholder(inside) => Some(inside),
        RawPiece::Text(_) => None,
    });
    inside
        .map(|inside| {
            let (name, format) = inside.split_once(':').unwrap_or((inside, ""));
            let name = name.strip_suffix(".start").or_else(|| name.strip_suffix(".end")).unwrap_or(name);
            (name.to_owned(), format.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_become_stars() {
        assert_eq!(glob_of_pattern("/d/{time:%Y}/a_{time:%Y%m}.nc"), "/d/*/a_*.nc");
        assert_eq!(glob_of_pattern("/d/{{x}}/{a}{b}[1].nc"), "/d/\\{x\\}/*\\[1\\].nc");
    }

    #[test]
    fn placeholders_have_names_and_formats() {
        let found = placeholders("/{{x}}/{v}/{time.start:%Y}-{time.end:%Y}");
        let expected = [("v", ""), ("time", "%Y"), ("time", "%Y")];
        assert_eq!(found, expected.map(|(name, format)| (name.to_owned(), format.to_owned())));
    }
}
