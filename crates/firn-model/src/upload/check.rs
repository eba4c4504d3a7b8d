//! Is an upload what was sealed, as far as a listing tells?

use super::{UploadError, UploadManifest};
use crate::diagnose::At;
use crate::source::ListedObject;
use std::collections::BTreeMap;

/// In what an upload differs from its manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// It is not what was sealed.
    Wrong(UploadError),
    /// An object was written again since, or its tag is not known: its bytes tell whether it changed.
    Unproven {
        /// Its key.
        key: String,
    },
}

/// Compares a listing, whose entity tags are those of [`UploadManifest`], with the manifest.
pub fn compare(at: &At, manifest: &UploadManifest, listed: &[ListedObject]) -> Vec<Difference> {
    let there: BTreeMap<&str, &ListedObject> = listed.iter().map(|object| (object.key.as_str(), object)).collect();
    let mut found = Vec::new();
    for (key, object) in &manifest.objects {
        let at = at.node(key.clone());
        match there.get(key.as_str()) {
            None => found.push(Difference::Wrong(UploadError::ObjectMissing { at, size: object.size })),
            Some(seen) if seen.version.size != object.size => {
                let (size, found_size) = (object.size, seen.version.size);
                found.push(Difference::Wrong(UploadError::ObjectSize { at, size, found: found_size }));
            }
            Some(seen) if object.etag.is_none() || seen.version.etag != object.etag => {
                found.push(Difference::Unproven { key: key.clone() });
            }
            Some(_) => {}
        }
    }
    let added = listed.iter().filter(|object| !manifest.objects.contains_key(&object.key));
    found.extend(added.map(|object| Difference::Wrong(UploadError::ObjectAdded { at: at.node(object.key.clone()) })));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::Diagnose;
    use crate::source::SourceVersion;
    use crate::upload::UploadObject;

    #[test]
    fn what_differs_from_the_manifest_is_named_and_what_was_touched_is_to_be_read() {
        let object =
            |tag: &str| UploadObject { size: 5, blake3: "00".repeat(32), etag: Some(tag.to_owned()), part_size: None };
        let keys = ["same", "gone", "short", "touched"];
        let manifest = UploadManifest { objects: keys.iter().map(|key| ((*key).to_owned(), object("t"))).collect() };
        let listed = |key: &str, size, tag: &str| ListedObject {
            key: key.to_owned(),
            version: SourceVersion { etag: Some(tag.to_owned()), last_modified: None, nanoseconds: None, size },
        };
        let there = [listed("same", 5, "t"), listed("short", 4, "t"), listed("touched", 5, "u"), listed("new", 1, "t")];
        let found: Vec<String> = compare(&At::nowhere(), &manifest, &there)
            .into_iter()
            .map(|difference| match difference {
                Difference::Wrong(error) => format!("{} {}", error.code(), error.at()),
                Difference::Unproven { key } => format!("read {key}"),
            })
            .collect();
        assert_eq!(
            found,
            ["upload-object-missing gone", "upload-object-size short", "read touched", "upload-object-added new"]
        );
    }
}
