//! Which files there are: present, declared as gaps, missing.

use super::report::{DeclaredGap, Files, NAMED, RecipePlan, Sample};
use crate::error::EngineError;
use crate::open::SourceFile;
use firn_model::diagnose::{Category, Diagnose};
use firn_model::feedstock::recipe::Recipe;
use firn_model::feedstock::{FilePattern, PatternSlot};
use std::collections::BTreeMap;

/// What the recipe itself says of its files.
pub(super) fn declared(recipe: &Recipe) -> Files {
    let mut files = Files::default();
    if recipe.source.pattern.is_none() || recipe.source.gaps.is_empty() {
        return files;
    }
    // A pattern that is wrong is told when its files are made.
    let Ok(pattern) = FilePattern::new(&recipe.source) else { return files };
    for slot in pattern.slots() {
        let PatternSlot::Gap { file, reason, fill } = slot else { continue };
        files.gaps += 1;
        if files.declared.len() < NAMED {
            files.declared.push(DeclaredGap { url: file.url, reason: reason.to_owned(), fill });
        }
    }
    files
}

/// The files that this error is about, by their number.
pub(super) fn failed<'e>(files: &[SourceFile], error: &'e EngineError) -> Vec<(usize, &'e EngineError)> {
    let by_url: BTreeMap<String, usize> =
        files.iter().enumerate().map(|(number, file)| (file.url.to_string(), number)).collect();
    let of_file = |error: &'e EngineError| {
        // Disagreements name files too, but these were opened.
        let opening = matches!(error, EngineError::Source(_) | EngineError::Format(_) | EngineError::Storage(_));
        let number = by_url.get(&error.at().url?).copied()?;
        opening.then_some((number, error))
    };
    let mut failed: Vec<(usize, &EngineError)> = error.single().into_iter().filter_map(of_file).collect();
    failed.sort_by_key(|(number, _)| *number);
    failed.dedup_by_key(|(number, _)| *number);
    failed
}

/// Tells missing files from those that are there and cannot be read.
pub(super) fn record(files: &mut Files, failed: &[(usize, &EngineError)]) {
    let named = |missing: bool| {
        let of_kind = failed.iter().filter(move |(_, error)| (error.category() == Category::NotFound) == missing);
        let url = |error: &EngineError| error.at().url.unwrap_or_default();
        Sample::of(
            of_kind.map(|(_, error)| if missing { url(error) } else { format!("{} [{}]", url(error), error.code()) }),
            NAMED,
        )
    };
    files.missing = named(true);
    files.unreadable = named(false);
}

/// One error for all files that could not be opened; missing ones decide its code where there are any.
pub(super) fn failure(recipe: &str, wanted: usize, error: EngineError) -> EngineError {
    let mut errors = flat(error);
    errors.sort_by_key(|error| error.category() != Category::NotFound);
    let what = format!("{} of the {wanted} files of {recipe} could not be opened", errors.len());
    EngineError::several(what, errors).unwrap_or_else(|| EngineError::bug("a failure of no file"))
}

/// One problem for all files that are missing: they are named elsewhere.
pub(super) fn summarise(plan: &mut RecipePlan, fix: &str) {
    let code = "source-not-found";
    let Some(first) = plan.problems.iter().position(|problem| problem.code == code) else { return };
    let mut number = 0;
    plan.problems.retain(|problem| {
        number += 1;
        problem.code != code || number - 1 == first
    });
    let problem = &mut plan.problems[first];
    let count = plan.files.missing.count;
    if count > 1 {
        problem.what = format!("{count} files do not exist, the first is {}", problem.at);
    }
    fix.clone_into(&mut problem.fix);
}

fn flat(error: EngineError) -> Vec<EngineError> {
    match error {
        EngineError::Several { errors, .. } => errors.into_iter().flat_map(flat).collect(),
        EngineError::Advised { error, .. } => flat(*error),
        other => vec![other],
    }
}
