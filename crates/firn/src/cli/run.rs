//! `firn run`.

use super::arguments::Resources;
use super::build::blocking;
use super::context::Context;
use super::outcome::{Outcome, Style};
use super::transform::Encoding;
use super::values::parse_task_range;
use crate::error::FirnError;
use crate::report::ErrorReport;
use clap::{Args, ValueEnum};
use firn_engine::verbs::requests::{RunEngine, RunPart, RunRequest, TaskRange};
use firn_engine::verbs::run::{RunReport, run};
use std::io::{self, Write};
use std::num::NonZeroU64;
use std::path::PathBuf;

/// Run the recipes of a feedstock: from its sources to a published, catalogued dataset
///
/// Lists, opens, combines, plans, executes, verifies, publishes, and updates the store entry in catalog.yaml. Nothing
/// is published after an error. An interrupted command continues when it is run again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  firn run feedstock/ --limit 3 --target /tmp/try\n  firn run feedstock/\n  \
                  firn run feedstock/ --task-range 1/8     one of eight jobs; then: firn run feedstock/ --finish")]
pub struct Arguments {
    /// Directory with meta.yaml, catalog.yaml, recipe.yaml
    #[arg(value_name = "FEEDSTOCK")]
    pub feedstock: PathBuf,
    /// Only the recipe with this id
    #[arg(long, value_name = "ID")]
    pub recipe: Option<String>,
    /// Only the first N steps along each concat dimension: to try it out. Goes to PATH.limitN or to --target, never becomes a
    /// version of a whole dataset, and is not entered in catalog.yaml
    #[arg(long, value_name = "N")]
    pub limit: Option<NonZeroU64>,
    /// Where the dataset goes, instead of the target of the recipe
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    /// Where tasks run
    #[arg(long, value_enum, default_value_t, value_name = "ENGINE")]
    pub engine: Engine,
    /// Do one of N parts of the tasks, and neither verify nor publish
    #[arg(long, value_name = "I/N", value_parser = parse_task_range, conflicts_with_all = ["finish", "abandon"])]
    pub task_range: Option<TaskRange>,
    /// Verify and publish what the jobs with --task-range did
    #[arg(long, conflicts_with = "abandon")]
    pub finish: bool,
    /// Remove what an unpublished run left
    #[arg(long)]
    pub abandon: bool,
    /// Print the change of catalog.yaml instead of writing it
    #[arg(long)]
    pub no_write: bool,
    /// Encoding of text in the sources
    #[arg(long, value_enum, default_value_t, value_name = "ENCODING")]
    pub encoding: Encoding,
    #[command(flatten)]
    pub resources: Resources,
}

/// Where tasks run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// In this process
    #[default]
    Local,
    /// On a Dask cluster
    Dask,
}

impl Arguments {
    /// As a request.
    pub fn request(&self) -> RunRequest {
        RunRequest {
            feedstock: self.feedstock.clone(),
            recipe: self.recipe.clone(),
            limit: self.limit,
            target: self.target.clone(),
            engine: match self.engine {
                Engine::Local => RunEngine::Local,
                Engine::Dask => RunEngine::Dask,
            },
            part: match (self.task_range, self.finish, self.abandon) {
                (Some(range), ..) => RunPart::Tasks(range),
                (None, true, _) => RunPart::Finish,
                (None, false, true) => RunPart::Abandon,
                (None, false, false) => RunPart::All,
            },
            no_write: self.no_write,
            encoding: self.encoding.into(),
        }
    }

    pub(super) async fn perform(&self, context: &Context) -> Result<Outcome, FirnError> {
        let engine = context.engine(&self.resources)?;
        let request = self.request();
        let ran = blocking(move || run(&engine, &request)).await?;
        let failure = ran.failure.as_ref().map(|failure| ErrorReport::new(failure));
        Ok(Outcome::of(ran.report, draw).with_failure(failure))
    }
}

fn draw(report: &RunReport, out: &mut dyn Write, style: Style) -> io::Result<()> {
    for warning in &report.warnings {
        writeln!(out, "{} {warning}", style.yellow("warning"))?;
    }
    for recipe in &report.recipes {
        writeln!(out, "{} {}", style.bold(&recipe.recipe), recipe.id.as_deref().unwrap_or(""))?;
        if let Some(reason) = &recipe.strategy_reason {
            writeln!(out, "  {} because {reason}", recipe.strategy)?;
        }
        for removed in &recipe.removed {
            writeln!(out, "  removed {removed}")?;
        }
        if let Some(build) = &recipe.build {
            if build.up_to_date {
                writeln!(out, "  up to date: the sources have not changed since {} was published", build.store)?;
            } else {
                super::build::draw(build, out, style)?;
            }
        }
        if let Some(change) = &recipe.catalog_entry {
            let done = if change.written { "updated" } else { "would change" };
            writeln!(out, "  {} {done}:", change.path)?;
            writeln!(out, "{}", change.diff)?;
        }
    }
    Ok(())
}
