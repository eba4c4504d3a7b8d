//! Rules of `source:`.

use std::collections::HashSet;

use crate::document::{DocumentPath, Findings, Severity};
use crate::feedstock::glob::SourceGlob;
use crate::feedstock::pattern::{DEFAULT_FILE_LIMIT, FilePattern, PatternFailure};
use crate::feedstock::recipe::{Recipe, Source, SourceKind};

/// What to write where nothing says how files are joined.
const DIMS_MISSING: &str =
    "add to `source:` the dimension along which they follow each other: `dims: {time: {concat: true}}`";

pub(super) fn check(recipe: &Recipe, recipe_path: &DocumentPath, findings: &mut Findings<'_>) {
    let source = &recipe.source;
    let path = recipe_path.key("source");
    let mut sound = check_dims(source, &path, findings);
    match source.kind() {
        None => {
            let given =
                [source.pattern.is_some(), source.files.is_some(), source.glob.is_some(), source.list.is_some()];
            let given = given.iter().filter(|given| **given).count();
            let message = match given {
                0 => "nothing names the source files".to_owned(),
                _ => format!("{given} ways name the source files"),
            };
            findings.error("source-one-of", &path, message, "write exactly one of pattern, files, glob, list");
            sound = false;
        }
        Some(SourceKind::Pattern(_)) => check_pattern(source, &path, findings),
        Some(SourceKind::Files(files)) => {
            check_files(files, &path.key("files"), findings);
            if files.len() > 1 && source.dims.is_empty() {
                let message = format!(
                    "{} files are named, and nothing says along which dimension they follow each other",
                    files.len()
                );
                findings.error("source-dims-missing", &path.key("files"), message, DIMS_MISSING);
            }
        }
        Some(SourceKind::Glob(glob)) => {
            if let Err(error) = SourceGlob::new(glob) {
                findings.error(
                    "glob-invalid",
                    &path.key("glob"),
                    error.to_string(),
                    crate::diagnose::Diagnose::next(&error),
                );
            }
        }
        Some(SourceKind::List(_)) => {}
    }
    if sound && source.pattern.is_none() {
        check_dims_without_pattern(source, &path, findings);
    }
}

/// Whether each dimension is either a concat or a merge dimension.
fn check_dims(source: &Source, path: &DocumentPath, findings: &mut Findings<'_>) -> bool {
    let mut sound = true;
    for (name, dimension) in &source.dims {
        let path = path.keys(["dims", name]);
        let message = match (dimension.concat, dimension.merge) {
            (true, false) | (false, true) => continue,
            (true, true) => format!("the dimension {name:?} is both a concat and a merge dimension"),
            (false, false) => format!("the dimension {name:?} is neither a concat nor a merge dimension"),
        };
        sound = false;
        let help = "write concat: true where files follow each other along it, merge: true where they hold different variables";
        findings.about_key("dimension-kind", Severity::Error, &path, message, help.to_owned());
    }
    sound
}

fn check_pattern(source: &Source, path: &DocumentPath, findings: &mut Findings<'_>) {
    match FilePattern::check(source, DEFAULT_FILE_LIMIT) {
        Ok(_) => {}
        Err(PatternFailure::TooMany(count)) => {
            let message = format!("the pattern stands for {count} files, more than {DEFAULT_FILE_LIMIT}");
            findings.error(
                "pattern-too-many-files",
                &path.key("pattern"),
                message,
                "narrow start, end or keys, or split the recipe",
            );
        }
        Err(PatternFailure::Problems(problems)) => {
            for problem in problems {
                let base = match problem.gap {
                    Some(number) => path.key("gaps").index(number),
                    None => path.clone(),
                };
                let place = problem.place.iter().fold(base, |path, key| path.key(key));
                let code = if problem.gap.is_some() { "gap-invalid" } else { "pattern-invalid" };
                findings.error(code, &place, problem.message, problem.help);
            }
        }
    }
}

fn check_files(files: &[String], path: &DocumentPath, findings: &mut Findings<'_>) {
    let mut seen = HashSet::new();
    for (index, file) in files.iter().enumerate() {
        let path = path.index(index);
        if file.trim().is_empty() {
            findings.error("source-file", &path, "this file has no name", "remove it");
        } else if !seen.insert(file) {
            findings.error("source-file", &path, format!("{file:?} is listed twice"), "remove one of the two");
        } else if file.contains(['*', '{']) {
            findings.warning(
                "source-file",
                &path,
                format!("{file:?} is taken as one file"),
                "wildcards go under `glob:`, placeholders under `pattern:`",
            );
        }
    }
}

/// Without placeholders nothing says which file has which key.
fn check_dims_without_pattern(source: &Source, path: &DocumentPath, findings: &mut Findings<'_>) {
    for (name, dimension) in &source.dims {
        let given = [
            ("keys", dimension.keys.is_some()),
            ("start", dimension.start.is_some()),
            ("end", dimension.end.is_some()),
            ("freq", dimension.freq.is_some()),
        ];
        for (key, _) in given.iter().filter(|(_, given)| *given) {
            let path = path.keys(["dims", name, key]);
            let message = format!("{key} says nothing about files without a pattern");
            findings.about_key(
                "dimension-keys",
                Severity::Error,
                &path,
                message,
                "remove it: the files' own coordinates order them".to_owned(),
            );
        }
        if dimension.merge {
            let path = path.keys(["dims", name, "merge"]);
            let message = "a merge dimension needs a pattern, whose keys it has".to_owned();
            findings.about_key("dimension-keys", Severity::Error, &path, message, "use `pattern:`".to_owned());
        }
    }
    if !source.gaps.is_empty() {
        let message = "gaps are keys of a pattern, and there is none".to_owned();
        findings.about_key(
            "gap-invalid",
            Severity::Error,
            &path.key("gaps"),
            message,
            "remove them, or use `pattern:`".to_owned(),
        );
    }
}
