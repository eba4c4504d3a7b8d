//! `firn catalog`.

pub(super) mod answer;
mod draw;

use super::arguments::Resources;
use super::build::blocking;
use super::context::Context;
use super::outcome::Outcome;
use crate::config::Flags;
use crate::error::FirnError;
use clap::{Args, Subcommand, ValueEnum};
use firn_engine::settings::Engine;
use firn_engine::verbs::catalog_build::catalog_build;
use firn_engine::verbs::catalog_show::{catalog_show, catalog_snippet};
use firn_engine::verbs::catalog_validate::catalog_validate;
use firn_engine::verbs::requests::{CatalogBuildRequest, CatalogEntryRequest, CatalogValidateRequest};
use std::path::PathBuf;

/// Validate feedstocks, build a catalog from them, look into one
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  firn catalog validate feedstock/\n  firn catalog build feedstocks/* --out catalog/\n  \
                  firn catalog snippet sst.monthly --catalog catalog/"
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub verb: CatalogVerb,
}

/// What to do with a catalog.
#[derive(Debug, Subcommand)]
pub enum CatalogVerb {
    /// Check the documents of feedstocks; all findings at once
    #[command(after_help = "Example:\n  firn catalog validate feedstock/ other-feedstock/")]
    Validate(Validate),
    /// Make a catalog of feedstocks: LEAP JSON and static STAC
    #[command(
        after_help = "Examples:\n  firn catalog build feedstock/ --out catalog/\n  firn catalog build input.yaml --out site/ --static"
    )]
    Build(Build),
    /// Show what a catalog says of a dataset
    #[command(after_help = "Example:\n  firn catalog show sst.monthly --catalog catalog/")]
    Show(Entry),
    /// Print the lines that open a dataset in Python
    #[command(after_help = "Example:\n  firn catalog snippet sst.monthly --catalog catalog/")]
    Snippet(Entry),
    /// Search a catalog
    #[command(hide = true)]
    Search(Search),
    /// Open every store and run every snippet
    #[command(hide = true)]
    Test(Search),
    /// Write patches for what is wrong in feedstocks
    #[command(hide = true)]
    Fix(Fix),
    /// Write a catalog in another form
    #[command(hide = true)]
    Export(Export),
}

impl CatalogVerb {
    /// The second word of the verb.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Validate(_) => "validate",
            Self::Build(_) => "build",
            Self::Show(_) => "show",
            Self::Snippet(_) => "snippet",
            Self::Search(_) => "search",
            Self::Test(_) => "test",
            Self::Fix(_) => "fix",
            Self::Export(_) => "export",
        }
    }
}

/// `firn catalog validate FEEDSTOCK…`.
#[derive(Debug, Args)]
pub struct Validate {
    /// Feedstock directories, paths or URLs, or YAML lists of them
    #[arg(value_name = "FEEDSTOCK", required = true)]
    pub feedstocks: Vec<String>,
}

/// `firn catalog build FEEDSTOCK…|LIST.yaml --out DIR`.
#[derive(Debug, Args)]
pub struct Build {
    /// Feedstock directories, paths or URLs, or YAML lists of them
    #[arg(value_name = "FEEDSTOCK|LIST.yaml", required = true)]
    pub feedstocks: Vec<String>,
    /// Directory of the catalog
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Write pages for any web server or bucket too
    #[arg(long = "static")]
    pub static_site: bool,
}

/// Which catalog.
#[derive(Debug, Args)]
pub struct Which {
    /// A firn catalog, a STAC root, or a LEAP JSON [default: FIRN_CATALOG, or catalog in the configuration]
    #[arg(long, value_name = "URL")]
    pub catalog: Option<String>,
}

/// `firn catalog show|snippet ID`.
#[derive(Debug, Args)]
pub struct Entry {
    /// Public id of a dataset, with @VERSION for one of its versions
    #[arg(value_name = "ID")]
    pub id: String,
    #[command(flatten)]
    pub which: Which,
}

/// `firn catalog search|test`.
#[derive(Debug, Args)]
pub struct Search {
    pub words: Vec<String>,
    #[command(flatten)]
    pub which: Which,
}

/// `firn catalog fix`.
#[derive(Debug, Args)]
pub struct Fix {
    pub words: Vec<String>,
    #[arg(long)]
    pub write: bool,
    #[command(flatten)]
    pub which: Which,
}

/// `firn catalog export --format leap|stac|intake`.
#[derive(Debug, Args)]
pub struct Export {
    pub words: Vec<String>,
    #[arg(long, value_enum)]
    pub format: Option<ExportFormat>,
    #[command(flatten)]
    pub which: Which,
}

/// Forms of catalogs.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ExportFormat {
    Leap,
    Stac,
    Intake,
}

impl Arguments {
    pub(super) async fn perform(&self, context: &Context) -> Result<Outcome, FirnError> {
        match &self.verb {
            CatalogVerb::Validate(validate) => {
                let engine = context.engine(&Resources::default())?;
                execute_validate(engine, CatalogValidateRequest { feedstocks: validate.feedstocks.clone() }).await
            }
            CatalogVerb::Build(build) => {
                let engine = context.engine(&Resources::default())?;
                let request = CatalogBuildRequest {
                    feedstocks: build.feedstocks.clone(),
                    out: build.out.clone(),
                    static_site: build.static_site,
                };
                execute_build(engine, request).await
            }
            CatalogVerb::Show(entry) => {
                let (engine, request) = entry.request("show", context)?;
                execute_show(engine, request).await
            }
            CatalogVerb::Snippet(entry) => {
                let (engine, request) = entry.request("snippet", context)?;
                execute_snippet(engine, request).await
            }
            later => Err(FirnError::VerbUnsupported { verb: format!("catalog {}", later.word()) }),
        }
    }
}

impl Entry {
    fn request(&self, word: &str, context: &Context) -> Result<(Engine, CatalogEntryRequest), FirnError> {
        let settings = context.settings(&Flags { catalog: self.which.catalog.clone(), ..Flags::default() })?;
        let Some(catalog) = settings.catalog.value.clone() else {
            let what = "no catalog is named".to_owned();
            let next = format!("firn catalog {word} {} --catalog URL, or set FIRN_CATALOG", self.id);
            return Err(FirnError::Usage { what, next });
        };
        Ok((context.engine_of(&settings)?, CatalogEntryRequest { id: self.id.clone(), catalog }))
    }
}

async fn execute_validate(engine: Engine, request: CatalogValidateRequest) -> Result<Outcome, FirnError> {
    Ok(answer::validated(blocking(move || catalog_validate(&engine, &request)).await?))
}

async fn execute_build(engine: Engine, request: CatalogBuildRequest) -> Result<Outcome, FirnError> {
    Ok(Outcome::of(blocking(move || catalog_build(&engine, &request)).await?, draw::built))
}

async fn execute_show(engine: Engine, request: CatalogEntryRequest) -> Result<Outcome, FirnError> {
    Ok(Outcome::of(blocking(move || catalog_show(&engine, &request)).await?, draw::shown))
}

async fn execute_snippet(engine: Engine, request: CatalogEntryRequest) -> Result<Outcome, FirnError> {
    Ok(Outcome::of(blocking(move || catalog_snippet(&engine, &request)).await?, draw::snippet))
}
