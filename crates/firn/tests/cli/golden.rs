//! Texts kept beside the tests. `UPDATE_GOLDEN=1 cargo test -p firn` writes them anew; the difference is then reviewed.

use std::path::{Path, PathBuf};

/// Compares a text with the file `tests/golden/NAME`.
pub fn assert_golden(name: &str, text: &str) {
    assert_file(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name), text);
}

/// Compares a text with a file.
pub fn assert_file(path: &Path, text: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if let Some((line, (kept, now))) = first_difference(&kept, text) {
        panic!("{} differs in line {line}\n  kept: {kept}\n  now:  {now}\nthe whole text now:\n{text}", path.display());
    }
}

fn first_difference<'a>(kept: &'a str, now: &'a str) -> Option<(usize, (&'a str, &'a str))> {
    let (mut kept_lines, mut now_lines) = (kept.lines(), now.lines());
    for line in 1.. {
        match (kept_lines.next(), now_lines.next()) {
            (None, None) => return None,
            (kept, now) if kept == now => {}
            (kept, now) => return Some((line, (kept.unwrap_or("(ends)"), now.unwrap_or("(ends)")))),
        }
    }
    None
}

/// The files that are kept below `tests/golden/FOLDER`.
pub fn kept(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}
