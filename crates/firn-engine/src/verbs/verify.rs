//! `firn verify`: what a store is, held against what it should be.

use crate::error::EngineError;
use crate::folder::local_folder;
use crate::open::ContainerSource;
use crate::pipeline::{BuildSpec, Prepared, prepare};
use crate::settings::Engine;
use crate::store::open_store;
use crate::verbs::requests::VerifyRequest;
use crate::verbs::run::feedstock_spec;
use crate::verbs::transform::source_files;
use crate::verify::{StoreView, VerifyOptions, VerifyReport, documents, references, verify as run_rules};
use firn_model::array::ArrayMetadata;
use firn_model::combine::{CombineRules, FileFacts, Rule};
use firn_model::dataset::DatasetFormat;
use firn_storage::ObjectUrl;
use std::path::Path;
use std::sync::Arc;

/// Runs every rule on a store.
///
/// # Errors
/// Where the store or its sources cannot be opened. Findings are no error: they are the report.
pub fn verify(engine: &Engine, request: &VerifyRequest) -> Result<VerifyReport, EngineError> {
    let url = ObjectUrl::parse(&request.store)?;
    let mut store = open_store(engine, &url)?;
    let feedstock = match request.against.as_slice() {
        [one] => local_folder(engine, Path::new(one)).ok().filter(|folder| folder.join("recipe.yaml").is_file()),
        _ => None,
    };
    let prepared = match (feedstock, request.against.as_slice()) {
        (_, []) => None,
        (Some(feedstock), _) => Some(prepare(engine, &feedstock_spec(engine, &feedstock, &store.url)?)?),
        (None, sources) => Some(prepare_sources(engine, sources, &store)?),
    };
    if let (Some(prepared), DatasetFormat::Kerchunk) = (&prepared, store.dataset.format) {
        store.source = Arc::new(among_sources(engine, &url, prepared)?);
    }
    let ordered = Vec::new();
    let options = VerifyOptions { against: prepared.as_ref(), depth: request.depth, ordered: &ordered, missing: None };
    let mut report = run_rules(engine, &store, options)?;
    report.add(documents::check(engine, &store)?);
    report.add(references::check(engine, &store)?);
    Ok(report)
}

/// A file of references whose sources the user named: into these it may refer, wherever they lie.
fn among_sources(engine: &Engine, url: &ObjectUrl, prepared: &Prepared) -> Result<ContainerSource, EngineError> {
    let address = |file: &FileFacts| {
        let physical = engine.storage.physical(&ObjectUrl::parse(&file.url)?)?;
        let path = physical.local_path().map(|path| format!("file://{}", path.display()));
        Ok::<_, EngineError>(path.unwrap_or_else(|| physical.to_string()))
    };
    let prefixes = prepared.combined.files.iter().map(address).collect::<Result<_, _>>()?;
    ContainerSource::new(engine.storage.clone(), url, prefixes)
}

/// Sources without a recipe: they follow each other along the dimensions that are longer in the store.
fn prepare_sources(engine: &Engine, sources: &[String], store: &StoreView) -> Result<Prepared, EngineError> {
    let files = source_files(engine, sources)?;
    let mut spec = BuildSpec { files, ..BuildSpec::default() };
    if sources.len() == 1 {
        return prepare(engine, &spec);
    }
    let first = prepare(engine, &BuildSpec { files: spec.files[..1].to_vec(), ..BuildSpec::default() })?;
    let in_store = |dim: &str| store.dataset.arrays().find_map(|(_, array)| length_of(&array.metadata, dim));
    let in_file = |dim: &str| first.combined.arrays.values().find_map(|array| length_of(&array.metadata, dim));
    let longer = |dim: &&String| in_store(dim) != in_file(dim);
    let mut dims: Vec<&String> = first.combined.arrays.values().flat_map(|a| &a.metadata.dimension_names).collect();
    dims.sort_unstable();
    dims.dedup();
    let dims: Vec<String> = dims.into_iter().filter(longer).cloned().collect();
    // The store is there already: its steps are compared, not its sources' record.
    spec.rules = CombineRules { concat_dims: dims.clone(), gaps_declared: true, ..CombineRules::default() };
    match prepare(engine, &spec) {
        Err(EngineError::Combine(error)) if error.rule() == Rule::NoKey => {
            // The dimension's own variable does not order the files; another one of the store may.
            for dim in &dims {
                for (path, array) in store.dataset.arrays() {
                    if array.metadata.dimension_names == [dim.clone()] && path.name() != dim {
                        spec.rules.keys.insert(dim.clone(), path.name().to_owned());
                        if let Ok(prepared) = prepare(engine, &spec) {
                            return Ok(prepared);
                        }
                    }
                }
                spec.rules.keys.remove(dim);
            }
            Err(EngineError::Combine(error))
        }
        other => other,
    }
}

fn length_of(metadata: &ArrayMetadata, dim: &str) -> Option<u64> {
    metadata.axis(dim).map(|axis| metadata.shape[axis])
}
