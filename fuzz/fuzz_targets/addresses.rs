//! What becomes a path, a key or a name: node paths, patterns, globs, places and ids of catalogs. Lines of the input.
#![no_main]

use firn_catalog::classify::by_url;
use firn_catalog::id::{feedstock_name, is_public_id, split_version};
use firn_catalog::place::Place;
use firn_fuzz::{expect_no_bug, lines};
use firn_model::dataset::{NodeName, NodePath};
use firn_model::feedstock::pattern::keys_of_url;
use firn_model::feedstock::{SourceGlob, is_slug, parse_list, public_id, raw_url, slug};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some(lines) = lines(data) else { return };
    for line in lines.iter().take(8) {
        if let Ok(path) = NodePath::parse(line) {
            let key = path.as_key();
            assert!(!key.starts_with('/') && key.split('/').all(|part| part != ".." && part != "."), "{line:?}");
            assert_eq!(NodePath::parse(path.as_str()).as_ref(), Ok(&path));
        }
        if let Ok(name) = NodeName::new(line) {
            assert!(!name.as_str().contains('/'), "{line:?}");
        }
        if let Some(slug) = slug(line) {
            assert!(is_slug(&slug), "{line:?} became {slug:?}");
        }
        if let Some(name) = feedstock_name(line) {
            assert!(!name.contains(['/', '\\']) && name != "..", "{line:?} became {name:?}");
        }
        let _ = (raw_url(line), by_url(line), is_public_id(line), split_version(line), parse_list(line));
        let place = Place::parse(line);
        let _ = (place.text(), place.local(), place.file_name());
    }
    let (first, second) = (lines[0], lines.get(1).copied().unwrap_or_default());
    if let Some(id) = public_id(first, second) {
        assert!(is_public_id(&id), "{id:?}");
    }
    match SourceGlob::new(first) {
        Ok(glob) => {
            let _ = (glob.matches(second), glob.folder());
        }
        Err(error) => expect_no_bug(&error),
    }
    if let Err(error) = keys_of_url(first, second) {
        expect_no_bug(&error);
    }
});
