//! `firn run`: a recipe from its sources to a published version.

use crate::build::{
    BuildOptions, BuildReport, Destination, build_icechunk, build_kerchunk, build_zarr3, containers, virtual_verdicts,
};
use crate::error::EngineError;
use crate::feedstock::{FeedstockDir, Sources, document_error, git_commit, git_origin, load, source_files};
use crate::folder::local_folder;
use crate::icechunk::SpecVersion;
use crate::journal::Journal;
use crate::managed;
use crate::pipeline::{BuildSpec, Prepared, prepare};
use crate::placing::destination;
use crate::provenance::{Provenance, RECIPE_HASH};
use crate::settings::Engine;
use crate::store::{StoreKind, kind_of, open_store, refuse_inside};
use crate::verbs::abandon::abandon;
use crate::verbs::advice::in_recipe;
use crate::verbs::catalog_entry::{PublishedStore, StoreEntryChange, store_entry, update_feedstock_entry};
use crate::verbs::gaps;
use crate::verbs::requests::{RunEngine, RunPart, RunRequest, VerifyDepth};
use crate::verbs::transform::{encoding, ordered};
use crate::verify::{MissingRule, Severity};
use firn_model::array::{AttributeValue, Attributes, Numbers};
use firn_model::combine::CombineRules;
use firn_model::dataset::NodePath;
use firn_model::diagnose::{At, Category, Diagnose, shell_word};
use firn_model::document::DocumentError;
use firn_model::feedstock::recipe::{CodecChoice, Extents, Recipe, Strategy, TargetFormat};
use firn_model::feedstock::{StoreEntry, public_id};
use firn_model::plan::TargetOptions;
use firn_storage::{LocationRole, ObjectUrl};
use indexmap::IndexMap;
use std::num::NonZeroU64;
use std::path::Path;

/// What a run did, one entry a recipe.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct RunReport {
    /// The feedstock directory.
    pub feedstock: String,
    /// The recipes that were run.
    pub recipes: Vec<RecipeReport>,
    /// Warnings about the documents.
    pub warnings: Vec<String>,
}

/// What the run of one recipe did.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct RecipeReport {
    /// Id of the recipe.
    pub recipe: String,
    /// Public id of its dataset.
    pub id: Option<String>,
    /// Where the dataset is.
    pub target: String,
    /// `virtualize` or `transform`.
    pub strategy: &'static str,
    /// Why not references, where they were possible to ask for.
    pub strategy_reason: Option<String>,
    /// What was built; `None` where a run was abandoned.
    pub build: Option<BuildReport>,
    /// What an abandoned run left and was removed.
    pub removed: Vec<String>,
    /// The change of `catalog.yaml`.
    pub catalog_entry: Option<StoreEntryChange>,
}

/// A run: what it did, also where something failed after a version was published.
#[derive(Debug)]
pub struct Ran {
    /// What was done.
    pub report: RunReport,
    /// What failed then.
    pub failure: Option<EngineError>,
}

/// Runs one recipe of a feedstock, or all.
///
/// # Errors
/// Anything on the way to the first version; then nothing is published, and the same call continues. What fails later is in
/// the result: its reader has to know what is published.
pub fn run(engine: &Engine, request: &RunRequest) -> Result<Ran, EngineError> {
    if request.engine == RunEngine::Dask {
        return Err(EngineError::Unsupported {
            code: "unsupported-engine",
            at: At::nowhere(),
            what: "running on Dask is not part of this version".to_owned(),
            next: "share the tasks out by hand: --task-range 1/4, …, then --finish".to_owned(),
        });
    }
    let dir = local_folder(engine, &request.feedstock)?;
    let feedstock = load(&dir)?;
    let mut report = RunReport {
        feedstock: dir.display().to_string(),
        recipes: Vec::new(),
        warnings: feedstock.loaded.findings.iter().map(ToString::to_string).collect(),
    };
    for recipe in recipes(&feedstock, request.recipe.as_deref())? {
        report.warnings.extend(gaps::present(engine, &feedstock.dir, recipe)?);
        let ran = engine.cancel.check().map_err(EngineError::from);
        match ran.and_then(|()| run_recipe(engine, &feedstock, recipe, request)) {
            Ok((recipe, None)) => report.recipes.push(recipe),
            Ok((recipe, failure)) => {
                report.recipes.push(recipe);
                return Ok(Ran { report, failure });
            }
            Err(error) if report.recipes.is_empty() => return Err(error),
            Err(error) => return Ok(Ran { report, failure: Some(error) }),
        }
    }
    Ok(Ran { report, failure: None })
}

/// The recipe with this id, or all of them.
pub(super) fn recipes<'f>(feedstock: &'f FeedstockDir, id: Option<&str>) -> Result<Vec<&'f Recipe>, EngineError> {
    let loaded = &feedstock.loaded;
    let documents = loaded.feedstock().map_err(|error| document_error(&error))?;
    let ids: Vec<Option<&str>> = match (id, &documents.recipe) {
        (None, Some(recipe)) if recipe.recipes.len() > 1 => {
            recipe.recipes.iter().map(|r| Some(r.id.as_str())).collect()
        }
        _ => vec![id],
    };
    let of_folder = |error| match error {
        // What is not there has no name yet.
        DocumentError::Missing { .. } => {
            DocumentError::Missing { document: feedstock.dir.join("recipe.yaml").display().to_string() }
        }
        other => other,
    };
    ids.into_iter().map(|id| loaded.recipe(id).map_err(|error| document_error(&of_folder(error)))).collect()
}

fn run_recipe(
    engine: &Engine,
    feedstock: &FeedstockDir,
    recipe: &Recipe,
    request: &RunRequest,
) -> Result<(RecipeReport, Option<EngineError>), EngineError> {
    let id = public_id(&feedstock.name, &recipe.id);
    let target = destination(engine, feedstock, recipe, request)?;
    let mut report = RecipeReport {
        recipe: recipe.id.clone(),
        id: id.clone(),
        target: target.to_string(),
        strategy: "transform",
        strategy_reason: None,
        build: None,
        removed: Vec::new(),
        catalog_entry: None,
    };
    if request.part == RunPart::Abandon {
        report.removed = abandon(engine, &target, id.as_deref(), request.limit.map(NonZeroU64::get))?;
        return Ok((report, None));
    }
    if request.limit.is_some() {
        engine.storage.runtime().block_on(managed::refuse_part(&engine.storage.prefix(&target)?))?;
    }
    let spec = build_spec(engine, feedstock, recipe, request)?;
    let told = |error| in_recipe(feedstock, recipe, &spec.files, error);
    let mut prepared =
        prepare(engine, &spec).map_err(|error| told(gaps::advise(&feedstock.dir, recipe, &spec.files, error)))?;
    let chosen = choose(engine, recipe, &prepared).map_err(told)?;
    report.strategy = if chosen.is_virtual { "virtualize" } else { "transform" };
    report.strategy_reason = chosen.reason;
    let options =
        build_options(feedstock, recipe, request, &spec, &prepared, chosen.is_virtual, id.clone()).map_err(told)?;
    refuse_inside(engine, &target)?;
    refuse_foreign(engine, &target)?;
    let destination = Destination::Managed { url: target.clone(), id, limit: request.limit.map(NonZeroU64::get) };
    let build = match chosen.format {
        TargetFormat::Icechunk => build_icechunk(engine, &mut prepared, &destination, &options),
        TargetFormat::KerchunkJson => build_kerchunk(engine, &mut prepared, &destination, &options),
        _ => {
            refuse_unconsolidated(engine, recipe, &target).map_err(told)?;
            build_zarr3(engine, &mut prepared, &destination, &options)
        }
    }
    .map_err(told)?;
    let build = build.with_snippet(engine, &options)?;
    let mut failure = None;
    // A part of a dataset is not what the catalog tells of.
    if build.published && request.limit.is_none() {
        let store = build.published_store(&recipe.id, report.id.as_deref(), &options)?;
        let (entry, failed) = match catalog_entry(engine, feedstock, recipe, request, &store, build.up_to_date) {
            Ok(entry) => (entry, None),
            Err(error) => {
                // The version is there: the entry that it should have is shown, where that can be.
                let shown = RunRequest { no_write: true, ..request.clone() };
                let entry = catalog_entry(engine, feedstock, recipe, &shown, &store, build.up_to_date);
                (entry.ok().flatten(), Some(not_entered(feedstock, &build, error)))
            }
        };
        (report.catalog_entry, failure) = (entry, failed);
    }
    report.build = Some(build);
    Ok((report, failure))
}

/// What is published stays so: only its entry in the catalog is missing.
fn not_entered(feedstock: &FeedstockDir, build: &BuildReport, error: EngineError) -> EngineError {
    let dir = shell_word(&feedstock.dir.display().to_string());
    EngineError::NotEntered {
        store: build.store.clone(),
        next: format!(
            "{}; then run the same command again, which enters it (it publishes nothing twice), or print the entry: firn run {dir} --no-write",
            error.next()
        ),
        error: Box::new(error),
    }
}

/// Brings the entry of `catalog.yaml` up to date. That of an unchanged dataset is right already, unless an earlier process
/// published and was stopped before it could write it: then it is older than the version, or of another address.
fn catalog_entry(
    engine: &Engine,
    feedstock: &FeedstockDir,
    recipe: &Recipe,
    request: &RunRequest,
    store: &PublishedStore,
    up_to_date: bool,
) -> Result<Option<StoreEntryChange>, EngineError> {
    let catalog = feedstock.loaded.documents.catalog.as_ref();
    let known = catalog.and_then(|catalog| catalog.store(&recipe.id));
    let is_newest = |entry: &StoreEntry| entry.last_updated.as_ref() >= Some(&store.last_updated);
    let wanted = store_entry(engine, store)?;
    if up_to_date && known.is_some_and(|entry| entry.url == wanted.url && is_newest(entry)) {
        return Ok(None);
    }
    Ok(Some(update_feedstock_entry(engine, &feedstock.dir, store, !request.no_write)?))
}

/// The sources and rules of a feedstock's recipe, as `verify --against` needs them: the recipe whose dataset the store is,
/// or the only one.
///
/// # Errors
/// What is wrong with the documents.
pub fn feedstock_spec(engine: &Engine, dir: &Path, store: &str) -> Result<BuildSpec, EngineError> {
    let feedstock = load(dir)?;
    let all = recipes(&feedstock, None)?;
    let recipe = all
        .iter()
        .find(|recipe| store.contains(recipe.id.as_str()))
        .or(if all.len() == 1 { all.first() } else { None })
        .ok_or_else(|| {
            EngineError::usage(
                format!("{store} names none of the recipes of {}", dir.display()),
                "name source files after --against instead of the feedstock",
            )
        })?;
    let request = RunRequest::reading(dir);
    build_spec(engine, &feedstock, recipe, &request)
}

/// Files, rules, selection and layout of a recipe.
///
/// # Errors
/// What is wrong with the pattern, or with the files it names.
pub(super) fn build_spec(
    engine: &Engine,
    feedstock: &FeedstockDir,
    recipe: &Recipe,
    request: &RunRequest,
) -> Result<BuildSpec, EngineError> {
    let Sources { files, filled } = source_files(engine, &feedstock.dir, recipe, request.limit)?;
    if files.len() > 1 && recipe.source.dims.is_empty() {
        return Err(EngineError::Document {
            code: "source-dims-missing",
            at: At::url(feedstock.dir.join("recipe.yaml").display().to_string()).node("source"),
            what: format!("{} files, and nothing says along which dimension they follow each other", files.len()),
            category: Category::InvalidDocument,
            next: "add to `source:` in recipe.yaml the dimension: `dims: {time: {concat: true}}` (firn inspect FILE shows them)"
                .to_owned(),
        });
    }
    Ok(BuildSpec {
        files,
        rules: CombineRules { filled, ..recipe.combine_rules() },
        selection: recipe.selection(),
        options: target_options(recipe),
        encoding: encoding(request.encoding),
        format: recipe.source.format,
    })
}

fn target_options(recipe: &Recipe) -> TargetOptions {
    let lengths = |extents: &Extents| {
        extents
            .iter()
            .filter_map(|(dim, extent)| Some((dim.clone(), extent.chunk_length()?)))
            .collect::<IndexMap<_, _>>()
    };
    let mut options = TargetOptions {
        chunks: recipe.target.chunks.as_ref().map(lengths),
        shards: recipe.target.shards.as_ref().map(lengths),
        ..TargetOptions::default()
    };
    match &recipe.target.codec {
        Some(CodecChoice::All(codec)) => options.codec = (*codec).into(),
        Some(CodecChoice::ByVariable(map)) => {
            options.codec_of = map.iter().map(|(name, codec)| (name.clone(), (*codec).into())).collect();
        }
        None => {}
    }
    options
}

/// How a recipe's dataset is stored.
pub(super) struct Chosen {
    pub is_virtual: bool,
    pub format: TargetFormat,
    pub reason: Option<String>,
}

/// Why, where the recipe itself or nothing at all decides.
pub(super) fn because(recipe: &Recipe, is_virtual: bool) -> String {
    match (recipe.strategy, is_virtual) {
        (Strategy::Auto, true) => "every variable can be references, or is small".to_owned(),
        (strategy, _) => format!("the recipe says `strategy: {}`", strategy.name()),
    }
}

/// References where all variables can be and nothing in the recipe asks for other chunks; else a copy.
///
/// # Errors
/// Where the recipe insists on references and they are not possible.
pub(super) fn choose(engine: &Engine, recipe: &Recipe, prepared: &Prepared) -> Result<Chosen, EngineError> {
    let chosen = decide(engine, recipe, prepared)?;
    let strategy = if chosen.is_virtual { "virtualize" } else { "transform" };
    let because = chosen.reason.clone().unwrap_or_else(|| because(recipe, chosen.is_virtual));
    tracing::info!(recipe = %recipe.id, strategy, format = chosen.format.name(), %because, "strategy chosen");
    Ok(chosen)
}

fn decide(engine: &Engine, recipe: &Recipe, prepared: &Prepared) -> Result<Chosen, EngineError> {
    let format = recipe.target.format;
    let copy = |reason: Option<String>| {
        Ok(Chosen { is_virtual: false, format: format.unwrap_or(TargetFormat::Zarr3), reason })
    };
    let relaid = recipe.target.chunks.is_some() || recipe.target.shards.is_some() || recipe.target.codec.is_some();
    match recipe.strategy {
        Strategy::Transform if format == Some(TargetFormat::KerchunkJson) => Err(EngineError::Document {
            code: "recipe-copy-kerchunk",
            at: At::nowhere().node("target.format"),
            what: "a file of references holds no copies".to_owned(),
            category: Category::InvalidDocument,
            next: "say `target: {format: zarr3}` or `icechunk`, or leave out `strategy: transform`".to_owned(),
        }),
        Strategy::Transform => copy(None),
        Strategy::Auto if format == Some(TargetFormat::Zarr3) => {
            copy(Some("plain Zarr holds no references".to_owned()))
        }
        Strategy::Auto if relaid && format != Some(TargetFormat::KerchunkJson) => {
            copy(Some("the recipe asks for chunks or codecs of its own".to_owned()))
        }
        Strategy::Auto if format != Some(TargetFormat::KerchunkJson) => match virtual_verdicts(engine, prepared) {
            Ok(found) => match containers(engine, &found, SpecVersion::V1) {
                Ok(_) => Ok(Chosen { is_virtual: true, format: TargetFormat::Icechunk, reason: None }),
                Err(obstacle) => copy(Some(obstacle.to_string())),
            },
            Err(obstacle) => copy(Some(obstacle.to_string())),
        },
        _ if format == Some(TargetFormat::Zarr3) => Err(EngineError::Document {
            code: "recipe-virtual-zarr3",
            at: At::nowhere().node("target.format"),
            what: "plain Zarr holds no references".to_owned(),
            category: Category::InvalidDocument,
            next: "say `target: {format: icechunk}`, or `strategy: transform`".to_owned(),
        }),
        _ if relaid => Err(EngineError::Document {
            code: "recipe-virtual-chunks",
            at: At::nowhere().node("target"),
            what: "references keep the chunks and codecs of the source".to_owned(),
            category: Category::InvalidDocument,
            next: "leave out chunks, shards and codec, or say `strategy: transform`".to_owned(),
        }),
        _ if format == Some(TargetFormat::KerchunkJson) => {
            virtual_verdicts(engine, prepared)?;
            Ok(Chosen { is_virtual: true, format: TargetFormat::KerchunkJson, reason: None })
        }
        _ => {
            containers(engine, &virtual_verdicts(engine, prepared)?, SpecVersion::V1)?;
            Ok(Chosen { is_virtual: true, format: TargetFormat::Icechunk, reason: None })
        }
    }
}

pub(super) fn build_options(
    feedstock: &FeedstockDir,
    recipe: &Recipe,
    request: &RunRequest,
    spec: &BuildSpec,
    prepared: &Prepared,
    is_virtual: bool,
    id: Option<String>,
) -> Result<BuildOptions, EngineError> {
    let (depth, strict, missing) = verify_depth(recipe);
    let mut dims = ordered(&spec.rules.concat_dims, spec.rules.keys.iter());
    if strict {
        dims.extend(prepared.combined.arrays.keys().map(|path| path.name().to_owned()));
    }
    // Verification sees the names after renaming.
    let renamed = dims.iter().map(|dim| spec.selection.rename.get(dim).unwrap_or(dim).clone()).collect();
    let hash = feedstock.recipe_text.as_ref().map(|text| blake3::hash(text.as_bytes()).to_hex().to_string());
    Ok(BuildOptions {
        target: spec.options.clone(),
        is_virtual,
        spec: SpecVersion::V1,
        provenance: Provenance {
            id,
            feedstock: git_origin(&feedstock.dir),
            commit: git_commit(&feedstock.dir),
            recipe_hash: hash,
            started: crate::clock::now(),
            added: added_attributes(recipe, prepared)?,
        },
        ordered: renamed,
        missing,
        consolidated: recipe.target.consolidated.unwrap_or(true),
        verify: depth,
        part: if let RunPart::Tasks(range) = request.part { Some(range) } else { None },
        finish: request.part == RunPart::Finish,
    })
}

/// How much is verified, whether every coordinate must be monotonic, and how much may be missing. Checking has refused
/// all other rules.
fn verify_depth(recipe: &Recipe) -> (VerifyDepth, bool, Option<MissingRule>) {
    use firn_model::feedstock::recipe::{Level, VerifyRule};
    let rules = &recipe.verify.rules;
    let missing = match rules.get("missing-fraction") {
        Some(VerifyRule::Options(options)) => options.max.map(|max| MissingRule {
            max,
            severity: if options.level == Some(Level::Warn) { Severity::Warning } else { Severity::Error },
        }),
        _ => None,
    };
    let depth = match (recipe.verify.full, recipe.verify.sample) {
        (Some(true), _) => VerifyDepth::Full,
        (_, Some(n)) => VerifyDepth::Sample(u64::from(n)),
        _ => VerifyDepth::default(),
    };
    (depth, rules.contains_key("coordinates"), missing)
}

/// Attributes of the recipe; one that replaces an attribute of the source must say so.
fn added_attributes(recipe: &Recipe, prepared: &Prepared) -> Result<Attributes, EngineError> {
    let root = prepared.combined.groups.get(&NodePath::root());
    let mut added = Attributes::new();
    for attribute in recipe.attributes.iter() {
        if !attribute.replace && root.is_some_and(|group| group.attributes.contains_key(attribute.name)) {
            return Err(EngineError::Document {
                code: "recipe-attribute-exists",
                at: At::nowhere().node(format!("attributes.{}", attribute.name)),
                what: format!("the source has the attribute {:?} already", attribute.name),
                category: Category::InvalidDocument,
                next: format!(
                    "say `attributes: {{{}: {{value: …, override: true}}}}`, or leave it out",
                    attribute.name
                ),
            });
        }
        added.insert(attribute.name.to_owned(), attribute_value(attribute.value));
    }
    Ok(added)
}

fn attribute_value(value: &serde_json::Value) -> AttributeValue {
    use serde_json::Value;
    match value {
        Value::String(text) => AttributeValue::Text(text.clone()),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => AttributeValue::Numbers(Numbers::Int64(vec![integer])),
            (None, Some(float)) => AttributeValue::Numbers(Numbers::Float64(vec![float])),
            (None, None) => AttributeValue::Json(value.clone()),
        },
        other => AttributeValue::Json(other.clone()),
    }
}

/// A store that somebody made at the dataset's own address is not a dataset that runs keep: its `main` would move, or
/// versions would be put into it.
fn refuse_foreign(engine: &Engine, target: &ObjectUrl) -> Result<(), EngineError> {
    let runtime = engine.storage.runtime();
    let prefix = engine.storage.prefix(target)?;
    if runtime.block_on(managed::read(&prefix))?.is_some() {
        return Ok(());
    }
    let is_zarr = runtime.block_on(prefix.head("zarr.json"))?.is_some();
    // A run that was stopped may have left a repository without firn.json: it is continued.
    let is_foreign = kind_of(engine, target)? == StoreKind::Icechunk
        && match runtime.block_on(Journal::holder(&prefix))? {
            None => true,
            Some(holder) => holder.finished && !has_recipe(engine, target)?,
        };
    if !is_zarr && !is_foreign {
        return Ok(());
    }
    Err(EngineError::TargetNotEmpty {
        at: target.at(),
        what: "it is a store of its own, not a dataset with versions that `firn run` keeps".to_owned(),
        next: "the same command with another --target, or another `target: {path: …}` in the recipe".to_owned(),
    })
}

/// Whether what is published at an address was made from a recipe.
fn has_recipe(engine: &Engine, target: &ObjectUrl) -> Result<bool, EngineError> {
    let store = open_store(engine, target)?;
    let root = store.dataset.group(&NodePath::root());
    Ok(root.is_some_and(|group| group.attributes.contains_key(RECIPE_HASH)))
}

/// Without consolidated metadata a store opens over plain HTTP as an empty dataset, without an error (measured).
pub(super) fn refuse_unconsolidated(engine: &Engine, recipe: &Recipe, target: &ObjectUrl) -> Result<(), EngineError> {
    let is_public = engine.storage.public(target)?.is_some()
        || engine.storage.location_of(target)?.is_some_and(|(location, _)| location.role == LocationRole::Published);
    if recipe.target.consolidated != Some(false) || !is_public {
        return Ok(());
    }
    Err(EngineError::Document {
        code: "recipe-unconsolidated-public",
        at: At::nowhere().node("target.consolidated"),
        what: "a public store without consolidated metadata opens over HTTP as an empty dataset".to_owned(),
        category: Category::InvalidDocument,
        next: "leave out `consolidated: false`".to_owned(),
    })
}
