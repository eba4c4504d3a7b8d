//! What lies beside an upload in a bucket that others write to: its manifest; and the keys of its objects, a line each.
#![no_main]

use firn_fuzz::{at, expect_no_bug, lines, text};
use firn_model::source::{ListedObject, SourceVersion};
use firn_model::upload::{Rank, UploadManifest, check_keys, compare, find_stores, rank, store_of};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some(text) = text(data) else { return };
    match UploadManifest::parse(text, &at()) {
        Ok(manifest) => {
            // One upload has one text: the digest of the manifest is that of the file.
            assert_eq!(manifest.to_text(), text, "a manifest has a second text");
            let _ = manifest.bytes();
            published(manifest.objects.keys().map(String::as_str).collect());
            same(&manifest);
        }
        Err(error) => expect_no_bug(&error),
    }
    // Keys of a listing, which no manifest vouches for.
    published(lines(data).unwrap_or_default());
});

/// Keys that are accepted stay below the prefix that they are joined to, and each has its place in a store or is a file.
fn published(keys: Vec<&str>) {
    let stores = find_stores(keys.iter().copied());
    for key in &keys {
        match store_of(&stores, key) {
            Some(store) => assert!(key.starts_with(&store.key)),
            None => assert_eq!(rank(&stores, key), Rank::Data),
        }
    }
    match check_keys(&at(), keys.iter().copied()) {
        Ok(()) => {
            for key in &keys {
                let segments: Vec<&str> = key.split('/').collect();
                assert!(
                    !segments.iter().any(|segment| matches!(*segment, "" | "." | "..")),
                    "{key:?} leaves the prefix"
                );
                assert!(!key.contains(|c: char| c.is_control() || c == '\\'), "{key:?} is another key elsewhere");
            }
            let mut folded: Vec<String> = keys.iter().map(|key| key.to_lowercase()).collect();
            folded.sort_unstable();
            // The same key twice is one object.
            let mut once = keys;
            once.sort_unstable();
            once.dedup();
            folded.dedup();
            assert_eq!(folded.len(), once.len(), "two keys are one where case is ignored");
        }
        Err(error) => expect_no_bug(&error),
    }
}

/// A listing that is what the manifest says has no difference, and without its last object exactly that one.
fn same(manifest: &UploadManifest) {
    let object = |(key, object): (&String, &firn_model::upload::UploadObject)| ListedObject {
        key: key.clone(),
        // Where the tag is not known, only the bytes tell.
        version: SourceVersion { etag: object.etag.clone(), last_modified: None, nanoseconds: None, size: object.size },
    };
    let mut listed: Vec<ListedObject> = manifest.objects.iter().map(object).collect();
    let untagged = manifest.objects.values().filter(|object| object.etag.is_none()).count();
    assert_eq!(compare(&at(), manifest, &listed).len(), untagged, "an upload differs from itself");
    if let Some(last) = listed.pop() {
        let untagged = untagged - usize::from(last.version.etag.is_none());
        assert_eq!(compare(&at(), manifest, &listed).len(), untagged + 1, "a missing object is not noticed");
    }
}
