//! `firn plan`: what a run would do. Runs nothing.

mod cost;
mod destination;
mod draft;
mod duplicates;
mod example;
mod files;
mod key;
mod listing;
mod next;
mod pattern;
mod problem;
mod proposal;
mod recipe;
mod report;
mod steps;
mod store;
mod variables;

pub use report::{
    ArrayPlan, Cost, DeclaredGap, DestinationPlan, Duplicate, Files, JoinedDimension, Note, PlanReport, Problem,
    Proposal, ProposedDimension, RecipePlan, Sample, StrategyPlan, VariablePlan,
};

use crate::error::EngineError;
use crate::feedstock::{FeedstockDir, load};
use crate::folder::local_folder;
use crate::settings::Engine;
use crate::verbs::gaps;
use crate::verbs::init::facts::Facts;
use crate::verbs::init::refuse_existing;
use crate::verbs::inspect::{self, Opened};
use crate::verbs::requests::PlanRequest;
use crate::verbs::run::recipes;
use firn_model::diagnose::{Category, Diagnose, shell_word, without_secrets};
use firn_storage::ObjectUrl;
use indexmap::IndexMap;
use std::path::{Path, PathBuf};

/// A report, and what would stop the run that it describes.
#[derive(Debug)]
pub struct Planned {
    /// The report; of what is known, where something would stop the run.
    pub report: PlanReport,
    /// The first thing that would stop it.
    pub failure: Option<EngineError>,
}

/// Plans a feedstock, a pattern, a glob, or what one file suggests.
///
/// # Errors
/// Where not even a report of what is known can be made: a subject that does not exist or does not open, documents that
/// are invalid, keys of which nothing is known.
pub fn plan(engine: &Engine, request: &PlanRequest) -> Result<Planned, EngineError> {
    let write = request.write.as_deref().map(|named| local_folder(engine, named)).transpose()?;
    let request = &PlanRequest { write, ..request.clone() };
    let subject = request.subject.as_str();
    if let Some(dir) = &request.write {
        refuse_existing(dir)?;
    }
    // A pattern has colons and braces, and is neither an address nor a folder.
    if let Some(dir) = feedstock_at(engine, subject) {
        let subject = dir.to_string_lossy().into_owned();
        return of_feedstock(engine, &PlanRequest { subject, ..request.clone() });
    }
    if pattern::is_pattern(subject) {
        let draft = pattern::propose(engine, subject, &request.dims)?;
        return proposal::plan(engine, request, "pattern", draft, None);
    }
    if pattern::is_glob(subject) {
        let (draft, first) = pattern::propose_glob(engine, subject)?;
        return proposal::plan(engine, request, "glob", draft, Some(first));
    }
    let url = ObjectUrl::parse(subject)?;
    // A file first: asking for what only stores have is refused by buckets that do not list.
    match open(engine, &url) {
        Ok(opened) if opened.format.name == "zarr" => of_zarr(engine, request, &opened),
        Ok(opened) if opened.format.name == "icechunk" => of_icechunk(engine, request, &opened),
        Ok(opened) => proposal::of_example(engine, request, &url, opened),
        Err(error) if error.category() == Category::NotFound || error.code() == "not-an-array-file" => {
            refuse_folder(&url)?;
            Err(error)
        }
        Err(error) => Err(error),
    }
}

fn open(engine: &Engine, url: &ObjectUrl) -> Result<Opened, EngineError> {
    engine.storage.runtime().block_on(inspect::open_url(engine, url.clone()))
}

fn of_zarr(engine: &Engine, request: &PlanRequest, opened: &Opened) -> Result<Planned, EngineError> {
    of_store(engine, request, store::plan(&opened.dataset, "zarr3"), &store::rechunk(opened))
}

fn of_icechunk(engine: &Engine, request: &PlanRequest, opened: &Opened) -> Result<Planned, EngineError> {
    of_store(engine, request, store::plan(&opened.dataset, "icechunk"), &store::rechunk(opened))
}

/// What a feedstock is begun with: what a file, a folder, a glob or a pattern says, without planning it.
///
/// # Errors
/// As [`plan`].
pub(crate) fn begin(engine: &Engine, subject: &str, dir: &Path) -> Result<Facts, EngineError> {
    let request = PlanRequest { subject: subject.to_owned(), dims: IndexMap::new(), write: Some(dir.to_owned()) };
    if pattern::is_pattern(subject) {
        let draft = pattern::propose(engine, subject, &request.dims)?;
        return proposal::begin(engine, &request, draft, None);
    }
    if pattern::is_glob(subject) {
        let (draft, first) = pattern::propose_glob(engine, subject)?;
        return proposal::begin(engine, &request, draft, Some(first));
    }
    let mut opened = engine.storage.runtime().block_on(inspect::open_example(engine, subject))?;
    if matches!(opened.format.name, "zarr" | "icechunk") {
        opened.url = listing::durable(&ObjectUrl::parse(subject)?)?;
        let one = draft::DraftFiles::One(opened.url.clone());
        return proposal::begun(engine, &request, draft::Draft::new(one), &opened);
    }
    // Of a folder, its first file.
    let url = if opened.notes.is_empty() { ObjectUrl::parse(subject)? } else { ObjectUrl::parse(&opened.url)? };
    opened.url = listing::durable(&url)?;
    let draft = example::propose(engine, &url, &opened)?;
    proposal::begun(engine, &request, draft, &opened)
}

/// The folder that is meant, where a feedstock's documents lie in it.
fn feedstock_at(engine: &Engine, subject: &str) -> Option<PathBuf> {
    let dir = local_folder(engine, Path::new(subject)).ok()?;
    let holds = |name: &str| dir.join(name).is_file() || dir.join("feedstock").join(name).is_file();
    ["meta.yaml", "catalog.yaml", "recipe.yaml"].into_iter().any(holds).then_some(dir)
}

/// A folder of files is no example: which of them is meant?
fn refuse_folder(url: &ObjectUrl) -> Result<(), EngineError> {
    let Some(path) = url.local_path().filter(|path| path.is_dir()) else { return Ok(()) };
    Err(EngineError::usage(
        format!("{} is a folder, and neither a feedstock nor a store", path.display()),
        format!("name one file in it, or all: firn plan {}", shell_word(&format!("{}/*.nc", path.display()))),
    ))
}

fn of_feedstock(engine: &Engine, request: &PlanRequest) -> Result<Planned, EngineError> {
    if let Some(dim) = request.dims.keys().next() {
        return Err(EngineError::usage(
            format!("--dim {dim} is for patterns; the keys of a feedstock are in its recipe.yaml"),
            format!("firn plan {}", shell_word(&request.subject)),
        ));
    }
    if request.write.is_some() {
        return Err(EngineError::usage(
            format!("{} is a feedstock already", request.subject),
            format!("firn plan {}", shell_word(&request.subject)),
        ));
    }
    let feedstock = load(Path::new(&request.subject))?;
    let notes = feedstock.loaded.findings.iter().map(ToString::to_string).collect();
    let (mut planned, _) = of_recipes(engine, request, &feedstock, notes)?;
    planned.report.next = next::of_feedstock(&request.subject, &planned.report.recipes, planned.failure.is_some());
    Ok(planned)
}

/// Plans all recipes; also a dimension without a usable key, and the variable that would order the files along it.
fn of_recipes(
    engine: &Engine,
    request: &PlanRequest,
    feedstock: &FeedstockDir,
    mut notes: Vec<String>,
) -> Result<(Planned, Option<(String, String)>), EngineError> {
    let (mut plans, mut failure, mut key) = (Vec::new(), None, None);
    for recipe in recipes(feedstock, None)? {
        notes.extend(gaps::present(engine, &feedstock.dir, recipe)?);
        let planned = recipe::plan_recipe(engine, feedstock, recipe)?;
        plans.push(planned.plan);
        failure = failure.or(planned.failure);
        key = key.or(planned.key);
    }
    let title = feedstock.loaded.documents.meta.as_ref().map(|meta| meta.title.clone());
    let duplicates = duplicates::find(engine, &plans, None, title.as_deref(), &mut notes)?;
    let report = PlanReport {
        subject: without_secrets(&request.subject),
        kind: "feedstock".to_owned(),
        proposal: None,
        duplicates,
        written: Vec::new(),
        notes,
        before: next::before(&plans),
        recipes: plans,
        next: String::new(),
    };
    Ok((Planned { report, failure }, key))
}

fn of_store(engine: &Engine, request: &PlanRequest, plan: RecipePlan, rechunk: &str) -> Result<Planned, EngineError> {
    let subject = without_secrets(&request.subject);
    let next = format!("firn link {} --feedstock DIR", shell_word(&subject));
    let mut notes = vec![
        "this is a store already: nothing has to be run".to_owned(),
        format!("other chunks are a copy in another place: {rechunk}"),
    ];
    let duplicates = duplicates::find(engine, &[], Some(&request.subject), None, &mut notes)?;
    let report = PlanReport {
        subject,
        kind: "store".to_owned(),
        proposal: None,
        recipes: vec![plan],
        duplicates,
        written: Vec::new(),
        notes,
        before: None,
        next,
    };
    Ok(Planned { report, failure: None })
}
