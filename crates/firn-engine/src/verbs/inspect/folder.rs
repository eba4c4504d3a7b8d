//! A folder or glob stands for its files.

use firn_model::diagnose::without_secrets;
use firn_storage::{ObjectUrl, Storage};

/// Files of a folder that are tried.
pub(crate) const TRIED: usize = 5;

/// The files of a folder or glob, in order; none where it cannot be listed, and none of hidden ones.
pub(crate) fn files(storage: &Storage, url: &ObjectUrl, pattern: Option<&str>) -> Vec<ObjectUrl> {
    let found = match pattern {
        Some(pattern) => storage.glob(pattern).map(|found| found.into_iter().map(|(url, _)| url).collect()),
        None => storage.list_level(url).map(|level| {
            let shown = level.objects.iter().filter(|object| !object.key.starts_with('.'));
            shown.filter_map(|object| url.child(&object.key).ok()).collect()
        }),
    };
    // The error of opening says more than that of listing.
    found.unwrap_or_default()
}

/// What is shown of how many.
pub(crate) fn note(asked: &str, shown: &ObjectUrl, count: usize) -> String {
    let asked = without_secrets(asked);
    format!("{asked} stands for {count} files; this is {shown}. All together: firn plan {shown}")
}
