//! The ways in which a dataset of the demo comes to be: the verbs, as the command line calls them.

use super::DemoDataset;
use super::bundled::Dataset;
use super::embedded::{Embedded, Inputs};
use crate::build::BuildReport;
use crate::error::EngineError;
use crate::verbs::inbox_review::inbox_review;
use crate::verbs::link::{LinkReport, Linked, link};
use crate::verbs::promote::promote;
use crate::verbs::push::push;
use crate::verbs::requests::{
    ChunkLength, ConcatRequest, IcechunkSpec, LinkRequest, PromoteRequest, PushRequest, RunEngine, RunPart, RunRequest,
    TextEncoding, TransformFormat, TransformRequest, VirtualizeFormat, VirtualizeRequest,
};
use crate::verbs::run::{Ran, run};
use crate::verbs::transform::transform;
use crate::verbs::virtualize::virtualize;
use firn_catalog::snippet::Snippet;
use firn_model::feedstock::{DataType, public_id};
use std::path::Path;

/// A recipe, run.
pub(super) fn run_recipe(demo: &Embedded, dataset: &Dataset, inputs: &Inputs) -> Result<DemoDataset, EngineError> {
    let target = demo.dir.join("published").join(dataset.name);
    let Ran { report, failure } = run(
        &demo.engine,
        &RunRequest {
            feedstock: inputs.feedstock.clone(),
            recipe: None,
            limit: None,
            target: Some(text(&target)),
            engine: RunEngine::Local,
            part: RunPart::All,
            no_write: false,
            encoding: TextEncoding::Utf8,
        },
    )?;
    if let Some(failure) = failure {
        return Err(failure);
    }
    let made = report.recipes.into_iter().next().and_then(|recipe| Some((recipe.id?, recipe.strategy, recipe.build?)));
    let (id, strategy, build) = made.ok_or_else(|| EngineError::bug(format!("{} has no recipe", dataset.name)))?;
    let native = snippet(dataset, build.snippet.clone())?;
    let commands = vec![format!("firn run {} --target {}", demo.relative(&inputs.feedstock), demo.relative(&target))];
    Ok(DemoDataset {
        storage: if strategy == "virtualize" { "virtual" } else { "copied" },
        variables: build.arrays.iter().map(|array| name_of(&array.path)).collect(),
        verified: verified(&build),
        store: build.store,
        commands,
        ..described(dataset, inputs, id, native)
    })
}

/// A store of others, linked where it lies.
pub(super) fn link_store(demo: &Embedded, dataset: &Dataset, inputs: &Inputs) -> Result<DemoDataset, EngineError> {
    let store = demo.dir.join(dataset.folder());
    let report = linked(demo, inputs, &store, DataType::Curated)?;
    let commands = vec![link_command(demo, inputs, &store, DataType::Curated)];
    Ok(DemoDataset { storage: "linked", sources: vec![text(&store)], commands, ..of_link(dataset, inputs, report)? })
}

/// References in a file beside its source, linked.
pub(super) fn refer(demo: &Embedded, dataset: &Dataset, inputs: &Inputs) -> Result<DemoDataset, EngineError> {
    let source = only(dataset, inputs)?;
    let target = source.with_extension("json");
    let built = once(virtualize(
        &demo.engine,
        &VirtualizeRequest {
            sources: vec![text(source)],
            target: text(&target),
            format: VirtualizeFormat::KerchunkJson,
            concat: ConcatRequest::default(),
            icechunk_spec: IcechunkSpec::default(),
        },
    ))?;
    let report = linked(demo, inputs, &target, DataType::Ingested)?;
    let (from, to) = (demo.relative(source), demo.relative(&target));
    let commands = vec![
        format!("firn virtualize {from} --format kerchunk-json --target {to}"),
        link_command(demo, inputs, &target, DataType::Ingested),
    ];
    Ok(DemoDataset {
        storage: "virtual",
        verified: built.as_ref().map_or(0, verified),
        commands,
        ..of_link(dataset, inputs, report)?
    })
}

/// A producer's store: pushed into the inbox, sealed, reviewed, promoted.
pub(super) fn push_store(demo: &Embedded, dataset: &Dataset, inputs: &Inputs) -> Result<DemoDataset, EngineError> {
    let source = only(dataset, inputs)?;
    let own = demo.dir.join("producer").join(format!("{}.zarr", dataset.name));
    let built = once(transform(
        &demo.engine,
        &TransformRequest {
            sources: vec![text(source)],
            target: text(&own),
            format: TransformFormat::Zarr3,
            concat: ConcatRequest::default(),
            // Those of the file hold a month each.
            chunks: Some(std::iter::once(("time".to_owned(), ChunkLength::Whole)).collect()),
            shards: None,
            codec: None,
            encoding: TextEncoding::Utf8,
        },
    ))?;
    let upload = format!("inbox/{}", dataset.name);
    let pushed = PushRequest { paths: vec![text(&own)], to: upload.clone(), as_is: false, seal: true, jobs: None };
    push(&demo.engine, &pushed)?;
    let card = inbox_review(&demo.engine, &upload)?;
    let report = promote(
        &demo.engine,
        &PromoteRequest {
            upload: upload.clone(),
            to: "published".to_owned(),
            feedstock: Some(inputs.feedstock.clone()),
            purge: false,
            trust_etag: false,
            no_write: false,
        },
    )?;
    let store = report.stores.into_iter().next();
    let store = store.ok_or_else(|| EngineError::bug(format!("{} was promoted without a store", dataset.name)))?;
    let native = snippet(dataset, store.snippet)?;
    let (from, own) = (demo.relative(source), demo.relative(&own));
    let commands = vec![
        format!("firn transform {from} --chunks time=all --target {own}"),
        format!("firn push {own} --to {upload} --seal"),
        format!("firn inbox review {upload}"),
        format!("firn inbox promote {upload} --to published --feedstock {}", demo.relative(&inputs.feedstock)),
    ];
    Ok(DemoDataset {
        storage: "promoted",
        variables: card.stores.into_iter().flat_map(|card| card.variables).map(|path| name_of(&path)).collect(),
        verified: built.as_ref().map_or(0, verified),
        store: store.url,
        commands,
        ..described(dataset, inputs, public(dataset, &store.id)?, native)
    })
}

fn linked(demo: &Embedded, inputs: &Inputs, store: &Path, data_type: DataType) -> Result<LinkReport, EngineError> {
    let request = LinkRequest {
        url: text(store),
        data_type,
        feedstock: Some(inputs.feedstock.clone()),
        accept: Vec::new(),
        reason: None,
    };
    let Linked { report, failure } = link(&demo.engine, &request)?;
    failure.map_or(Ok(report), Err)
}

fn link_command(demo: &Embedded, inputs: &Inputs, store: &Path, data_type: DataType) -> String {
    let kind = if data_type == DataType::Ingested { " --type ingested" } else { "" };
    format!("firn link {}{kind} --feedstock {}", demo.relative(store), demo.relative(&inputs.feedstock))
}

fn of_link(dataset: &Dataset, inputs: &Inputs, report: LinkReport) -> Result<DemoDataset, EngineError> {
    let entry =
        report.entry.ok_or_else(|| EngineError::bug(format!("{} was linked without an entry", dataset.name)))?;
    Ok(DemoDataset {
        variables: report.variables.iter().map(|variable| name_of(&variable.path)).collect(),
        store: report.url,
        ..described(dataset, inputs, public(dataset, &entry.id)?, snippet(dataset, report.snippet)?)
    })
}

/// What does not depend on the way.
fn described(dataset: &Dataset, inputs: &Inputs, id: String, native: Snippet) -> DemoDataset {
    DemoDataset {
        id,
        title: dataset.title.to_owned(),
        storage: "copied",
        store: String::new(),
        sources: inputs.files.iter().map(|file| text(file)).collect(),
        commands: Vec::new(),
        concat_dim: dataset.concat_dim.map(str::to_owned),
        gateway: None,
        native,
        variables: Vec::new(),
        verified: 0,
    }
}

/// What an earlier demo wrote stays: such a store is written once.
fn once(built: Result<BuildReport, EngineError>) -> Result<Option<BuildReport>, EngineError> {
    match built {
        Ok(built) => Ok(Some(built)),
        Err(EngineError::TargetExists { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn only<'a>(dataset: &Dataset, inputs: &'a Inputs) -> Result<&'a Path, EngineError> {
    let file = inputs.files.first().ok_or_else(|| EngineError::bug(format!("{} has no file", dataset.name)))?;
    Ok(file)
}

fn snippet(dataset: &Dataset, found: Option<Snippet>) -> Result<Snippet, EngineError> {
    found.ok_or_else(|| EngineError::bug(format!("there is no snippet of {}", dataset.name)))
}

fn public(dataset: &Dataset, store: &str) -> Result<String, EngineError> {
    public_id(dataset.name, store).ok_or_else(|| EngineError::bug(format!("{} has no id", dataset.name)))
}

fn verified(build: &BuildReport) -> u64 {
    build.verification.as_ref().map_or(0, |report| report.checked.compared)
}

fn name_of(path: &str) -> String {
    path.trim_start_matches('/').to_owned()
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
