//! Every code of every error has a long text, and every text has its code.

use crate::run::firn;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

/// The literals that are words joined by `-`.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_code = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && !word.ends_with('-')
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    text.split('"').skip(1).step_by(2).filter(move |word| is_code(word))
}

/// The body of each function called `code`.
fn bodies(text: &str) -> Vec<&str> {
    let mut bodies = Vec::new();
    for (at, _) in text.match_indices("fn code(") {
        let Some(open) = text[at..].find('{').map(|open| at + open) else { continue };
        let mut depth = 0;
        let close = text[open..].char_indices().find_map(|(at, c)| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            (depth == 0).then_some(open + at)
        });
        bodies.push(&text[open..close.unwrap_or(text.len())]);
    }
    bodies
}

/// Every code in the sources of all crates, with the file it is in.
fn codes() -> BTreeMap<String, PathBuf> {
    let mut files = Vec::new();
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for entry in std::fs::read_dir(crates).unwrap() {
        sources(&entry.unwrap().path().join("src"), &mut files);
    }
    let mut codes = BTreeMap::new();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let of_functions = bodies(text).into_iter().flat_map(words);
        // Features are refused by their code at the place where they are met.
        let of_features = words(text).filter(|word| word.starts_with("unsupported-") || word.starts_with("virtual-"));
        // What is wrong with a document has its help beside it, with line and column.
        let of_document = path.components().any(|part| part.as_os_str() == "document");
        let text = if of_document { "" } else { text };
        let of_fields =
            text.match_indices("code: \"").filter_map(|(at, label)| text[at + label.len()..].split('"').next());
        for code in of_functions.chain(of_features).chain(of_fields) {
            codes.entry(code.to_owned()).or_insert_with(|| path.clone());
        }
    }
    codes
}

#[test]
fn every_code_has_a_text_and_every_text_a_code() {
    let codes = codes();
    assert!(codes.len() > 100, "the sources were not found: {codes:?}");
    let texts: BTreeSet<&str> = firn::explain::CODES.iter().map(|entry| entry.code).collect();
    let without: Vec<String> = codes
        .iter()
        .filter(|(code, _)| !texts.contains(code.as_str()))
        .map(|(code, file)| format!("{code} ({})", file.display()))
        .collect();
    assert!(without.is_empty(), "codes without a section in crates/firn/src/explain/codes.md:\n{}", without.join("\n"));
    let stale: Vec<&&str> = texts.iter().filter(|code| !codes.contains_key(**code)).collect();
    assert!(stale.is_empty(), "sections of codes that no error has: {stale:?}");
}

#[test]
fn every_text_has_a_title_and_says_something_once() {
    let mut seen = BTreeSet::new();
    for entry in firn::explain::CODES.iter() {
        assert!(seen.insert(entry.code), "{} is there twice", entry.code);
        assert!(!entry.title.is_empty() && entry.title.len() < 90, "{}", entry.code);
        assert!(entry.text.len() > 80, "{} says next to nothing", entry.code);
    }
}

#[test]
fn a_code_is_explained_and_all_are_listed() {
    let one = firn(&["explain", "drift-packing"]);
    assert_eq!((one.status, one.stderr.as_str()), (0, ""));
    assert!(one.stdout.starts_with("drift-packing: "));
    let all = firn(&["explain"]);
    assert_eq!(all.stdout.lines().count(), firn::explain::CODES.len());
    let json = firn(&["explain", "drift-packing", "-o", "json"]).json();
    assert_eq!(json["result"]["codes"][0]["code"], "drift-packing");
}
