//! Which keys an upload may have: what is published can be copied to any storage and any file system, and back.

use super::UploadError;
use crate::diagnose::At;
use std::collections::HashMap;
use unicode_normalization::UnicodeNormalization;

/// The bound of S3, bytes.
const LONGEST: usize = 1024;
/// How folders of firn's records end.
const RECORDS: &str = ".firn";

/// Checks the keys of an upload, each by itself and all together.
///
/// Segments are separated by single slashes; no `.` or `..`, no control character, none that is called as firn's records are; no
/// two that differ only in case or in how letters with accents are composed, as objects or as folders; none that is also the
/// folder of another.
///
/// # Errors
/// [`UploadError::BadKey`], [`UploadError::CaseCollision`], [`UploadError::ObjectAndFolder`]: the first of each key.
pub fn check_keys<'a>(at: &At, keys: impl Iterator<Item = &'a str> + Clone) -> Result<(), UploadError> {
    for key in keys.clone() {
        if let Some(what) = problem(key) {
            return Err(UploadError::BadKey { at: at.clone(), key: key.to_owned(), what: what.to_owned() });
        }
    }
    // Every object and folder, by what a file system that ignores case and composition makes of its path.
    let mut seen: HashMap<String, Entry<'a>> = HashMap::new();
    for key in keys {
        let ends = key.match_indices('/').map(|(end, _)| end).chain([key.len()]);
        for end in ends {
            let entry = Entry { path: &key[..end], key, is_object: end == key.len() };
            let known = seen.entry(folded(entry.path)).or_insert_with(|| entry.clone());
            known.check(&entry, at)?;
        }
    }
    Ok(())
}

/// What file systems that ignore case and composition compare: `ß`, `ẞ` and `SS` are one, which no single change of case says.
fn folded(path: &str) -> String {
    if path.is_ascii() {
        return path.to_ascii_lowercase();
    }
    path.nfkd().collect::<String>().to_lowercase().to_uppercase().to_lowercase().nfkc().collect()
}

/// An object, or the folder of one.
#[derive(Clone)]
struct Entry<'a> {
    path: &'a str,
    key: &'a str,
    is_object: bool,
}

impl Entry<'_> {
    fn check(&self, other: &Self, at: &At) -> Result<(), UploadError> {
        let at = at.clone();
        if self.path != other.path {
            let (first, second) = (self.key.to_owned(), other.key.to_owned());
            return Err(UploadError::CaseCollision { at, first, second });
        }
        if self.is_object != other.is_object {
            let (object, below) = if self.is_object { (self, other) } else { (other, self) };
            return Err(UploadError::ObjectAndFolder { at, key: object.key.to_owned(), below: below.key.to_owned() });
        }
        Ok(())
    }
}

/// Which rule a key breaks by itself.
fn problem(key: &str) -> Option<&'static str> {
    if key.is_empty() {
        return Some("it is empty");
    }
    if key.len() > LONGEST {
        return Some("it is longer than 1,024 bytes");
    }
    if key.contains(|c: char| c.is_control()) {
        return Some("it has control characters");
    }
    if key.contains('\\') {
        return Some("it has a backslash, which separates folders elsewhere");
    }
    let (folders, name) = key.rsplit_once('/').unwrap_or(("", key));
    let reserved = |segment: &str| segment.to_lowercase().ends_with(RECORDS);
    // `.firn/` is firn's own and not published; all others would be taken for it, or are those of another upload.
    if name.to_lowercase() == RECORDS || folders.split('/').any(|folder| folder != RECORDS && reserved(folder)) {
        return Some("it has a segment that ends with `.firn`, as firn's records of another place do");
    }
    key.split('/').find_map(|segment| match segment {
        "" => Some("it has an empty segment (a leading, trailing or double slash)"),
        "." | ".." => Some("it has a `.` or `..` segment"),
        name if name.len() > 255 => Some("a segment is longer than 255 bytes, which no file system takes"),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::Diagnose;

    fn code(keys: &[&str]) -> &'static str {
        check_keys(&At::nowhere(), keys.iter().copied()).map_or_else(|error| error.code(), |()| "ok")
    }

    #[test]
    fn keys_that_leave_the_prefix_or_name_nothing_are_refused() {
        for key in ["../x", "a/../x", "a//b", "/a", "a/", ".", "a\nb", "a\\b", ""] {
            assert_eq!(code(&["ok", key]), "upload-key", "{key:?}");
        }
        assert_eq!(code(&[&"x".repeat(1025)]), "upload-key");
        assert_eq!(code(&[&"x".repeat(256)]), "upload-key");
        assert_eq!(code(&["a/b", "a/c", "..a", "a.b/c", "é"]), "ok");
    }

    #[test]
    fn keys_that_could_be_taken_for_records_of_firn_are_refused() {
        for key in [".FIRN/run.json", "a/.Firn/x", "other.firn/seal.json", "a/b.firn/manifest", ".firn", "a/.firn"] {
            assert_eq!(code(&[key]), "upload-key", "{key:?}");
        }
        assert_eq!(code(&[".firn/ledger", "a/.firn/ledger", "x.firn", "a.firns/b", "firn/a"]), "ok");
    }

    #[test]
    fn keys_that_differ_only_in_the_composition_of_letters_are_refused() {
        assert_eq!(code(&["\u{e9}.txt", "e\u{301}.txt"]), "upload-case-collision");
        assert_eq!(code(&["\u{c9}/a", "e\u{301}/b"]), "upload-case-collision");
        assert_eq!(code(&["stra\u{df}e", "STRASSE"]), "upload-case-collision");
        assert_eq!(code(&["\u{df}", "\u{1e9e}"]), "upload-case-collision");
        assert_eq!(code(&["\u{212b}", "\u{e5}"]), "upload-case-collision");
        assert_eq!(code(&["e\u{301}/a", "e\u{301}/b", "e"]), "ok");
    }

    #[test]
    fn keys_that_differ_only_in_case_are_refused_as_objects_and_as_folders() {
        assert_eq!(code(&["air/zarr.json", "Air/zarr.json"]), "upload-case-collision");
        assert_eq!(code(&["air/a", "AIR/b"]), "upload-case-collision");
        assert_eq!(code(&["É", "é"]), "upload-case-collision");
        assert_eq!(code(&["air/a", "airs/A"]), "ok");
    }

    #[test]
    fn an_object_that_is_also_a_folder_is_refused_in_any_order() {
        assert_eq!(code(&["a", "a/b"]), "upload-object-and-folder");
        assert_eq!(code(&["a/b", "a"]), "upload-object-and-folder");
        assert_eq!(code(&["A", "a/b"]), "upload-case-collision");
    }
}
