//! `firn demo`: the lifecycle on real files that are part of the program: no network, some seconds.

mod bundled;

use crate::error::EngineError;
use crate::folder::local_folder;
use crate::settings::Engine;
use crate::verbs::catalog_build::catalog_build;
use crate::verbs::requests::{CatalogBuildRequest, DemoRequest, RunEngine, RunPart, RunRequest, TextEncoding};
use crate::verbs::run::{Ran, run};
use bundled::{DATASETS, Dataset};
use firn_catalog::snippet::Snippet;
use firn_model::diagnose::{At, Category};
use firn_storage::StorageError;
use std::path::{Path, PathBuf};

/// What the demo made.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct DemoReport {
    /// The folder that holds everything.
    pub dir: String,
    /// The datasets.
    pub datasets: Vec<DemoDataset>,
    /// The folder of the catalog.
    pub catalog: String,
    /// Where the catalog is served, where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// Commands for one's own data.
    pub next: Vec<String>,
}

/// One dataset of the demo.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct DemoDataset {
    /// Public id.
    pub id: String,
    /// What it shows.
    pub title: String,
    /// `virtual` or `copied`.
    pub storage: &'static str,
    /// Where the store is.
    pub store: String,
    /// Its source files.
    pub sources: Vec<String>,
    /// The dimension along which the files were joined.
    pub concat_dim: Option<String>,
    /// Python that opens the dataset through the server of the demo, where there is one: works while that runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Snippet>,
    /// Python that opens the store without firn: works always.
    pub native: Snippet,
    /// Variables of the store.
    pub variables: Vec<String>,
    /// Elements that were compared with the source before publishing, none where it was published before.
    pub verified: u64,
}

/// Makes the demo in a folder; a second call continues or finds everything done.
///
/// # Errors
/// A folder that cannot be written; else what `run` and `catalog build` say.
pub fn demo(engine: &Engine, request: &DemoRequest) -> Result<DemoReport, EngineError> {
    let dir = local_folder(engine, &request.dir)?;
    std::fs::create_dir_all(&dir).map_err(|error| unwritable(&dir, &error))?;
    let dir = std::fs::canonicalize(&dir).map_err(|error| unwritable(&dir, &error))?;
    let mut feedstocks = Vec::new();
    let mut made = Vec::new();
    for dataset in &DATASETS {
        engine.cancel.check()?;
        let (feedstock, sources) = write_inputs(&dir, dataset)?;
        let Ran { report, failure } = run(
            engine,
            &RunRequest {
                feedstock: feedstock.clone(),
                recipe: None,
                limit: None,
                target: Some(dir.join("published").join(dataset.name).display().to_string()),
                engine: RunEngine::Local,
                part: RunPart::All,
                no_write: false,
                encoding: TextEncoding::Utf8,
            },
        )?;
        if let Some(failure) = failure {
            return Err(failure);
        }
        feedstocks.push(feedstock.display().to_string());
        made.push((dataset, sources, report));
    }
    let catalog = dir.join("catalog");
    catalog_build(engine, &CatalogBuildRequest { feedstocks, out: catalog.clone(), static_site: true })?;
    let mut datasets = Vec::new();
    for (dataset, sources, report) in made {
        let Some(recipe) = report.recipes.first() else { continue };
        let Some(build) = &recipe.build else { continue };
        let id = recipe.id.clone().unwrap_or_default();
        let native = build.snippet.clone().ok_or_else(|| EngineError::bug(format!("there is no snippet of {id}")))?;
        datasets.push(DemoDataset {
            id,
            title: dataset.title.to_owned(),
            storage: if recipe.strategy == "virtualize" { "virtual" } else { "copied" },
            store: build.store.clone(),
            sources,
            concat_dim: dataset.concat_dim.map(str::to_owned),
            gateway: None,
            native,
            variables: build.arrays.iter().map(|array| array.path.trim_start_matches('/').to_owned()).collect(),
            verified: build.verification.as_ref().map_or(0, |v| v.checked.compared),
        });
    }
    Ok(DemoReport {
        dir: dir.display().to_string(),
        datasets,
        catalog: catalog.display().to_string(),
        page: None,
        next: vec![
            "firn inspect FILE                  what is in a file, and can it be virtual".to_owned(),
            "firn plan FILE                     from one example to a pattern, a strategy and a size".to_owned(),
            "firn init my-dataset --from FILE   a feedstock, filled in from the file".to_owned(),
        ],
    })
}

fn unwritable(path: &Path, error: &std::io::Error) -> EngineError {
    if error.kind() == std::io::ErrorKind::StorageFull {
        return StorageError::io(At::url(path.display().to_string()), error).into();
    }
    EngineError::Document {
        code: "folder-not-writable",
        at: At::url(path.display().to_string()),
        what: format!("cannot be written: {error}"),
        category: Category::Denied,
        next: "firn demo DIR, with a folder that you may write".to_owned(),
    }
}

/// Writes the source files and the feedstock of a dataset. What is there already with the same bytes stays untouched, so
/// that a second demo sees unchanged sources.
fn write_inputs(dir: &Path, dataset: &Dataset) -> Result<(PathBuf, Vec<String>), EngineError> {
    let put = |path: &Path, bytes: &[u8], keep: bool| -> Result<(), EngineError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
        }
        let present = std::fs::read(path).ok();
        if present.as_deref() == Some(bytes) || (keep && present.is_some()) {
            return Ok(());
        }
        std::fs::write(path, bytes).map_err(|error| unwritable(path, &error))
    };
    let mut sources = Vec::new();
    for (name, bytes) in dataset.files {
        let path = dir.join("sources").join(dataset.name).join(name);
        put(&path, bytes, false)?;
        sources.push(path.display().to_string());
    }
    let feedstock = dir.join("feedstocks").join(dataset.name);
    put(&feedstock.join("meta.yaml"), dataset.meta.as_bytes(), false)?;
    put(&feedstock.join("recipe.yaml"), dataset.recipe.as_bytes(), false)?;
    // `run` keeps this one up to date.
    put(&feedstock.join("catalog.yaml"), dataset.catalog.as_bytes(), true)?;
    Ok((feedstock, sources))
}
