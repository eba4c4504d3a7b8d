//! `firn demo`: the lifecycle on real files that are part of the program: no network, some seconds.

mod bundled;
mod embedded;
mod make;

use crate::error::EngineError;
use crate::folder::local_folder;
use crate::settings::Engine;
use crate::verbs::catalog_build::catalog_build;
use crate::verbs::requests::{CatalogBuildRequest, DemoRequest};
use bundled::{DATASETS, Way};
use embedded::Embedded;
use firn_catalog::snippet::Snippet;

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
    /// `linked`, `virtual`, `copied` or `promoted`.
    pub storage: &'static str,
    /// Where the store is.
    pub store: String,
    /// Its source files; of a store that was linked, the folder of it.
    pub sources: Vec<String>,
    /// The commands that do the same, in the folder of the demo.
    pub commands: Vec<String>,
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
    let demo = Embedded::open(engine, &local_folder(engine, &request.dir)?)?;
    let mut datasets = Vec::new();
    for dataset in &DATASETS {
        engine.cancel.check()?;
        let inputs = demo.write_inputs(dataset)?;
        datasets.push(match dataset.way {
            Way::Link => make::link_store(&demo, dataset, &inputs),
            Way::Run => make::run_recipe(&demo, dataset, &inputs),
            Way::References => make::refer(&demo, dataset, &inputs),
            Way::Push => make::push_store(&demo, dataset, &inputs),
        }?);
    }
    let feedstocks = DATASETS.iter().map(|dataset| demo.feedstock(dataset).display().to_string()).collect();
    let catalog = demo.dir.join("catalog");
    catalog_build(&demo.engine, &CatalogBuildRequest { feedstocks, out: catalog.clone(), static_site: true })?;
    Ok(DemoReport {
        dir: demo.dir.display().to_string(),
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
