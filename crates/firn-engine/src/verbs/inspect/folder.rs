//! A folder or glob stands for its files.

use crate::error::EngineError;
use firn_model::diagnose::{Category, shell_word, without_secrets};
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
    format!(
        "{asked} stands for {count} files; this is {shown}. All together: firn plan {}",
        shell_word(&shown.to_string())
    )
}

/// What is said of a folder that is there and holds nothing that opens.
pub(crate) fn nothing_opens(url: &ObjectUrl, count: usize) -> Option<EngineError> {
    url.local_path().filter(|path| path.is_dir())?;
    let what = match count {
        0 => "it is a folder without files, and no store".to_owned(),
        n => format!("it is a folder of {n} files, and no store; none of the first {} opens", n.min(TRIED)),
    };
    Some(EngineError::Document {
        code: "folder-without-arrays",
        at: url.at(),
        what,
        category: Category::NotFound,
        next: format!("name a file: firn inspect {}", shell_word(&format!("{url}/FILE"))),
    })
}
