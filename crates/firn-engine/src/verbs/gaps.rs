//! What to write into a recipe where files of its pattern do not exist.

use crate::error::EngineError;
use crate::feedstock::resolve;
use crate::open::SourceFile;
use crate::settings::Engine;
use crate::verbs::catalog_source::pool;
use firn_model::diagnose::{Category, Diagnose};
use firn_model::feedstock::recipe::Recipe;
use firn_model::feedstock::{FilePattern, Key, PatternSlot, SourceKey};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::path::Path;

/// Gaps that are written out; more of them are counted.
const WRITTEN: usize = 8;

/// The error, with the lines that declare the missing files of a pattern as gaps. Any other error as it is.
pub(super) fn advise(dir: &Path, recipe: &Recipe, files: &[SourceFile], error: EngineError) -> EngineError {
    match lines(dir, recipe, files, &error) {
        Some(next) => EngineError::Advised { error: Box::new(error), next },
        None => error,
    }
}

/// Files that exist although their gap is declared: their values are left out, which somebody has to know.
pub(super) fn present(engine: &Engine, dir: &Path, recipe: &Recipe) -> Result<Vec<String>, EngineError> {
    if recipe.source.pattern.is_none() {
        return Ok(Vec::new());
    }
    let Ok(pattern) = FilePattern::new(&recipe.source) else { return Ok(Vec::new()) };
    let gaps: Vec<String> = pattern
        .slots()
        .filter_map(|slot| match slot {
            PatternSlot::Gap { file, .. } => Some(file.url),
            PatternSlot::File(_) => None,
        })
        .collect();
    let is_there = |text: &String| -> Result<Option<String>, EngineError> {
        engine.cancel.check()?;
        let url = resolve(dir, text)?;
        // What cannot be asked is not known to be there.
        let found = matches!(engine.storage.open(&url), Ok(Some(_)));
        Ok(found.then(|| format!("{url} exists, and its gap is declared: it is left out of the dataset")))
    };
    let found: Vec<Option<String>> = pool()?.install(|| gaps.par_iter().map(is_there).collect::<Result<_, _>>())?;
    let mut found: Vec<String> = found.into_iter().flatten().collect();
    let more = found.len().saturating_sub(WRITTEN);
    found.truncate(WRITTEN);
    if more > 0 {
        found.push(format!("{more} more files exist although their gaps are declared"));
    }
    Ok(found)
}

/// The advice; `None` where no file of a pattern is missing.
fn lines(dir: &Path, recipe: &Recipe, files: &[SourceFile], error: &EngineError) -> Option<String> {
    recipe.source.pattern.as_ref()?;
    if error.category() != Category::NotFound {
        return None;
    }
    let known: BTreeSet<String> = files.iter().map(|file| file.url.to_string()).collect();
    let missing: BTreeSet<String> = error
        .single()
        .into_iter()
        .filter(|error| error.category() == Category::NotFound)
        .filter_map(|error| error.at().url)
        .filter(|url| known.contains(url))
        .collect();
    let pattern = FilePattern::new(&recipe.source).ok()?;
    let is_missing = |url: &str| resolve(dir, url).is_ok_and(|url| missing.contains(&url.to_string()));
    let gaps: Vec<String> = pattern
        .files()
        .filter(|file| is_missing(&file.url))
        .take(WRITTEN)
        .map(|file| {
            let keys: Vec<String> =
                file.keys.iter().map(|(dim, key)| format!("{}: {}", quoted(dim), key_text(key))).collect();
            format!("{{{}, reason: \"why there is no file\"}}", keys.join(", "))
        })
        .collect();
    if gaps.is_empty() {
        return None;
    }
    let more = match missing.len().saturating_sub(gaps.len()) {
        0 => String::new(),
        more => format!(" and {more} more like these"),
    };
    Some(format!(
        "add the missing files, or say in recipe.yaml under `source:` that they do not exist: `gaps: [{}]`{more}",
        gaps.join(", ")
    ))
}

/// A key as `gaps` reads it: a date where the step is a day or longer, else with its time.
fn key_text(key: &SourceKey) -> String {
    let text = key.key.to_string();
    let Key::Time(start) = key.key else { return quoted(&text) };
    let (from, to) = (start.date_time(), key.end.map(|end| end.date_time()));
    let within_a_day = to.is_some_and(|to| {
        (to.year, to.month, to.day) == (from.year, from.month, from.day)
            && (to.hour, to.minute, to.second) != (23, 59, 59)
    });
    match text.split_once(' ') {
        Some((date, "00:00")) if !within_a_day => date.to_owned(),
        Some((date, time)) => format!("{date}T{time}"),
        None => text,
    }
}

/// A word of YAML, in quotes where it could be read as anything else.
fn quoted(word: &str) -> String {
    let plain = word.starts_with(|c: char| c.is_ascii_alphabetic())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&word.to_ascii_lowercase().as_str());
    if plain || word.parse::<i64>().is_ok() { word.to_owned() } else { format!("{word:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firn_model::feedstock::read_recipe;

    fn first_key(dims: &str) -> String {
        let text = format!(
            "version: 1\nrecipes:\n  - id: a\n    source: {{pattern: \"a{{t:%Y%m%d%H}}.nc\", dims: {{t: {{concat: true, {dims}}}}}}}\n"
        );
        let recipe = read_recipe("recipe.yaml", &text).value.unwrap().recipes.remove(0);
        let pattern = FilePattern::new(&recipe.source).unwrap();
        let file = pattern.files().next().unwrap();
        key_text(&file.keys["t"])
    }

    #[test]
    fn a_key_names_its_own_step_and_no_other() {
        assert_eq!(first_key("start: 2000-01-01, end: 2000-03-01, freq: 1MS"), "2000-01-01");
        assert_eq!(first_key("start: 2000-01-01, end: 2000-01-02, freq: 6h"), "2000-01-01T00:00");
        assert_eq!(first_key("start: 2000-01-01T06:00, end: 2000-01-03, freq: 1D"), "2000-01-01T06:00");
    }

    #[test]
    fn words_that_yaml_reads_otherwise_are_quoted() {
        assert_eq!([quoted("r1"), quoted("no"), quoted("a: b"), quoted("7")], ["r1", "\"no\"", "\"a: b\"", "7"]);
    }
}
