//! A recipe that nobody wrote yet: made in memory, planned like any other, written where that is asked for.

use super::draft::{Draft, DraftDimension, DraftFiles, DraftKeys};
use super::example;
use super::report::Proposal;
use super::{Planned, key, next, of_recipes, pattern};
use crate::error::EngineError;
use crate::feedstock::{FeedstockDir, document_error};
use crate::pipeline::prepare;
use crate::settings::Engine;
use crate::verbs::init::documents;
use crate::verbs::init::example_url::suggest_pattern;
use crate::verbs::init::facts::{Facts, concat_dim};
use crate::verbs::init::write_all;
use crate::verbs::inspect::{self, Opened};
use crate::verbs::requests::{DimKeys, PlanRequest, RunRequest};
use crate::verbs::run::build_spec;
use firn_model::combine::Rule;
use firn_model::diagnose::{Category, Diagnose, shell_word};
use firn_model::feedstock::recipe::Recipe;
use firn_model::feedstock::{DocumentText, Feedstock, FeedstockTexts, FilePattern, slug};
use firn_storage::ObjectUrl;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

/// Files of a pattern that are tried to learn from.
const TRIED: usize = 3;

/// Plans what one file suggests.
///
/// # Errors
/// As [`super::plan`].
pub(super) fn of_example(
    engine: &Engine,
    request: &PlanRequest,
    url: &ObjectUrl,
    opened: Opened,
) -> Result<Planned, EngineError> {
    let draft = if request.dims.is_empty() {
        example::propose(engine, url, &opened)?
    } else {
        let text = super::listing::durable(url)?;
        let pattern = pattern_for(&text, request, &opened)?;
        pattern::propose(engine, &pattern, &request.dims)?
    };
    finish(engine, request, "example", draft, Some(opened))
}

/// The pattern of an example whose keys are given: `--dim` names the dimension of its date.
fn pattern_for(url: &str, request: &PlanRequest, opened: &Opened) -> Result<String, EngineError> {
    let mut ranges = request.dims.iter().filter(|(_, keys)| matches!(keys, DimKeys::Range { .. }));
    let other = request.dims.iter().find(|(_, keys)| matches!(keys, DimKeys::Labels(_)));
    if let Some((dim, _)) = other {
        return Err(EngineError::usage(
            format!("nothing says where the keys of {dim:?} stand in {url}"),
            format!("write {{{dim}}} there: firn plan 'URL' --dim {dim}=A,B"),
        ));
    }
    let (Some((dim, _)), None) = (ranges.next(), ranges.next()) else {
        return Err(EngineError::usage(
            "one file has one date, and several dimensions are given",
            "write the placeholders into the URL: 'https://host/{time:%Y}/a.{run:%Y%m%d}.nc'",
        ));
    };
    suggest_pattern(url, dim).map(|suggested| suggested.pattern).ok_or_else(|| {
        let known = concat_dim(&opened.dataset).unwrap_or_else(|| "time".to_owned());
        EngineError::usage(
            format!("the name of {url} has no date that a pattern says"),
            format!("write the placeholder into the URL, such as {{{known}:%Y%m%d}}"),
        )
    })
}

/// Plans a draft after looking into one of its files.
///
/// # Errors
/// As [`super::plan`].
pub(super) fn plan(
    engine: &Engine,
    request: &PlanRequest,
    kind: &str,
    draft: Draft,
    first: Option<String>,
) -> Result<Planned, EngineError> {
    let opened = open_first(engine, request, &draft, first)?;
    finish(engine, request, kind, draft, opened)
}

/// As [`plan`], but what a feedstock is begun with is all.
///
/// # Errors
/// As [`super::plan`]; why none of the first files opens.
pub(super) fn begin(
    engine: &Engine,
    request: &PlanRequest,
    draft: Draft,
    first: Option<String>,
) -> Result<Facts, EngineError> {
    let candidates = first_candidates(request, &draft, first.clone())?;
    if let Some(opened) = open_first(engine, request, &draft, first)? {
        return begun(engine, request, draft, &opened);
    }
    let first = candidates.first().map_or(draft.text(), String::as_str);
    Err(EngineError::usage(
        format!("{first} cannot be opened, and nothing else tells what is in these files"),
        format!("firn inspect {}", shell_word(first)),
    ))
}

/// What a feedstock is begun with.
///
/// # Errors
/// The user's stop.
pub(super) fn begun(
    engine: &Engine,
    request: &PlanRequest,
    mut draft: Draft,
    opened: &Opened,
) -> Result<Facts, EngineError> {
    settle(&mut draft, opened);
    if !matches!(draft.files, DraftFiles::One(_)) {
        draft.key = key_of_first(engine, request, &draft, opened)?;
    }
    let mut facts = Facts::of(&dir(request, &draft), Some(opened));
    if !matches!(draft.files, DraftFiles::One(_)) {
        facts.recipe = Some(draft.recipe(&facts.id));
        facts.about_files(&draft.notes, draft.matches.count, draft.absent.count);
    }
    Ok(facts)
}

/// The variable that orders the first two files, where the dimension's own does not. Whatever else is the matter with them is
/// told by the plan.
fn key_of_first(
    engine: &Engine,
    request: &PlanRequest,
    draft: &Draft,
    opened: &Opened,
) -> Result<Option<(String, String)>, EngineError> {
    let feedstock = feedstock(request, draft, Some(opened));
    let Ok(recipe) = only_recipe(&feedstock) else { return Ok(None) };
    let two = RunRequest { limit: NonZeroU64::new(2), ..RunRequest::reading(&feedstock.dir) };
    let Ok(spec) = build_spec(engine, &feedstock, recipe, &two) else { return Ok(None) };
    match prepare(engine, &spec) {
        Err(EngineError::Interrupted(stop)) => Err(stop.into()),
        Err(error) if error.code() == Rule::NoKey.code() => key::propose(engine, &spec),
        _ => Ok(None),
    }
}

fn first_candidates(request: &PlanRequest, draft: &Draft, first: Option<String>) -> Result<Vec<String>, EngineError> {
    match first {
        Some(first) => Ok(vec![first]),
        None => first_files(request, draft),
    }
}

/// The first file that opens.
fn open_first(
    engine: &Engine,
    request: &PlanRequest,
    draft: &Draft,
    first: Option<String>,
) -> Result<Option<Opened>, EngineError> {
    let candidates = first_candidates(request, draft, first)?;
    let mut opened = None;
    for url in candidates {
        match engine.storage.runtime().block_on(inspect::open(engine, &url)) {
            Ok(found) => {
                opened = Some(found);
                break;
            }
            Err(error) if matches!(error.category(), Category::Interrupted | Category::Bug) => return Err(error),
            // The plan tells of every file that does not open.
            Err(_) => {}
        }
    }
    Ok(opened)
}

/// The first files that a pattern names.
fn first_files(request: &PlanRequest, draft: &Draft) -> Result<Vec<String>, EngineError> {
    let feedstock = feedstock(request, draft, None);
    let recipe = only_recipe(&feedstock)?;
    let pattern = FilePattern::new(&recipe.source).map_err(|error| document_error(&error))?;
    Ok(pattern.files().take(TRIED).map(|file| file.url).collect())
}

/// The recipe, whose mistakes are those of the call: nobody wrote it.
fn only_recipe(feedstock: &FeedstockDir) -> Result<&Recipe, EngineError> {
    feedstock.loaded.recipe(None).map_err(|error| {
        EngineError::usage(
            format!("these files and keys make no valid recipe: {error}"),
            "correct the pattern or --dim: --dim time=1981-09-01..1981-09-30/1D, --dim member=r1,r2",
        )
    })
}

fn finish(
    engine: &Engine,
    request: &PlanRequest,
    kind: &str,
    mut draft: Draft,
    opened: Option<Opened>,
) -> Result<Planned, EngineError> {
    if let Some(opened) = &opened {
        settle(&mut draft, opened);
    }
    let mut feedstock = feedstock(request, &draft, opened.as_ref());
    only_recipe(&feedstock)?;
    let (mut planned, key) = of_recipes(engine, request, &feedstock, Vec::new())?;
    if let Some((dim, variable)) = key {
        draft.notes.push(format!(
            "{dim:?} itself does not tell the order of the files; {variable:?} does, and is the concat key of this recipe"
        ));
        draft.key = Some((dim, variable));
        feedstock = self::feedstock(request, &draft, opened.as_ref());
        planned = of_recipes(engine, request, &feedstock, Vec::new())?.0;
    }
    let report = &mut planned.report;
    kind.clone_into(&mut report.kind);
    report.notes.splice(0..0, draft.notes.iter().cloned());
    report.proposal = Some(Proposal {
        files: draft.text().to_owned(),
        dimensions: draft.dimensions(),
        listed: draft.listed.clone(),
        matches: draft.matches.clone(),
        others: draft.others.clone(),
        absent: draft.absent.clone(),
        recipe: feedstock.recipe_text.clone().unwrap_or_default(),
    });
    let failed = planned.failure.is_some();
    report.next = match &request.write {
        Some(dir) => {
            report.written = write_all(engine, dir, &facts(request, &draft, opened.as_ref()))?;
            next::of_feedstock(&dir.to_string_lossy(), &report.recipes, failed)
        }
        None => next::of_subject(request, draft.ask.as_deref()),
    };
    Ok(planned)
}

/// What one of the files tells: its variables, the dimension of a glob, which keys choose variables.
fn settle(draft: &mut Draft, opened: &Opened) {
    let dataset = &opened.dataset;
    draft.variables =
        (dataset.arrays().map(|(path, _)| path.as_key().to_owned()).collect(), dataset.refusals().next().is_some());
    if draft.variables.1 {
        let refused: Vec<&str> = dataset.refusals().map(|(path, _)| path.as_key()).collect();
        draft.notes.push(format!("left out, because this version cannot read them: {}", refused.join(", ")));
    }
    match (&draft.files, concat_dim(dataset)) {
        (DraftFiles::Glob(_), Some(dim)) if draft.dims.is_empty() => {
            draft.dims.push(DraftDimension { name: dim, merge: false, keys: DraftKeys::OfFiles });
        }
        (DraftFiles::Pattern(_), _) => pattern::settle_roles(draft, dataset),
        _ => {}
    }
}

/// The directory that the feedstock would be, for its name.
fn dir(request: &PlanRequest, draft: &Draft) -> PathBuf {
    request.write.clone().unwrap_or_else(|| PathBuf::from(name_of(draft.text())))
}

/// A name from the part of the file name that does not vary: `oisst-avhrr-v02r01`.
fn name_of(files: &str) -> String {
    let name = files.rsplit('/').next().unwrap_or_default();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let mut fixed = String::new();
    let mut depth = 0usize;
    for c in stem.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            '*' | '\\' => fixed.push('-'),
            c if depth == 0 => fixed.push(c),
            _ => {}
        }
    }
    // Wildcards may have left nothing: then the folder tells what it is.
    let folders = files.rsplit('/').skip(1).filter(|folder| !folder.contains(['*', '{', ':']));
    std::iter::once(fixed.as_str()).chain(folders).find_map(slug).unwrap_or_else(|| "dataset".to_owned())
}

fn facts(request: &PlanRequest, draft: &Draft, opened: Option<&Opened>) -> Facts {
    let mut facts = Facts::of(&dir(request, draft), opened);
    facts.recipe = Some(draft.recipe(&facts.id));
    facts
}

/// The feedstock as it would be read after writing.
fn feedstock(request: &PlanRequest, draft: &Draft, opened: Option<&Opened>) -> FeedstockDir {
    let facts = facts(request, draft, opened);
    let texts = documents::all(&facts);
    let text =
        |wanted: &str| texts.iter().find(|(name, _)| *name == wanted).map(|(name, text)| DocumentText { name, text });
    let loaded = Feedstock::from_texts(FeedstockTexts {
        meta: text("meta.yaml"),
        catalog: text("catalog.yaml"),
        recipe: text("recipe.yaml"),
    });
    let dir = dir(request, draft);
    let name = dir.file_name().map_or_else(|| facts.id.clone(), |name| name.to_string_lossy().into_owned());
    let name = name.trim_end_matches("_feedstock").trim_end_matches("-feedstock").to_owned();
    let recipe_text = text("recipe.yaml").map(|document| document.text.to_owned());
    let catalog_text = text("catalog.yaml").map(|document| document.text.to_owned());
    FeedstockDir { dir: Path::new(".").to_owned(), name, loaded, recipe_text, catalog_text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feedstock_is_named_by_what_does_not_vary() {
        assert_eq!(name_of("s3://b/{time:%Y%m}/oisst-avhrr-v02r01.{time:%Y%m%d}.nc"), "oisst-avhrr-v02r01");
        assert_eq!(name_of("/d/nemo_1m_*-*_grid-T.nc"), "nemo-1m-grid-t");
        assert_eq!(name_of("s3://b/oisst/{time:%Y}/{time:%Y}.nc"), "oisst");
        assert_eq!(name_of("{time:%Y}.nc"), "dataset");
    }
}
