//! What a run of one recipe would do: everything that `firn run` does before its first task.

use super::cost::{self, Layouts};
use super::destination;
use super::files;
use super::key;
use super::problem;
use super::report::{JoinedDimension, Note, RecipePlan, StrategyPlan};
use super::variables;
use crate::build::virtual_verdicts;
use crate::error::EngineError;
use crate::feedstock::FeedstockDir;
use crate::pipeline::{BuildSpec, Prepared, prepare};
use crate::placing::destination as destination_of;
use crate::settings::Engine;
use crate::verbs::advice::in_recipe;
use crate::verbs::gaps;
use crate::verbs::requests::RunRequest;
use crate::verbs::run::{because, build_options, build_spec, choose, refuse_unconsolidated};
use firn_model::combine::Rule;
use firn_model::diagnose::{Category, Diagnose};
use firn_model::feedstock::public_id;
use firn_model::feedstock::recipe::Recipe;
use std::collections::{BTreeMap, BTreeSet};

/// A recipe's plan, and what would stop its run.
pub(super) struct Planned {
    /// The plan.
    pub plan: RecipePlan,
    /// The first of its problems.
    pub failure: Option<EngineError>,
    /// A dimension without a usable key, and the variable that would order the files along it.
    pub key: Option<(String, String)>,
}

/// Plans one recipe. What is wrong with its sources is in the result.
///
/// # Errors
/// [`EngineError::Interrupted`], and mistakes of firn.
pub(super) fn plan_recipe(engine: &Engine, feedstock: &FeedstockDir, recipe: &Recipe) -> Result<Planned, EngineError> {
    engine.cancel.check()?;
    let call = Call { engine, feedstock, recipe, request: RunRequest::reading(&feedstock.dir) };
    let mut planned = Planned {
        plan: RecipePlan {
            recipe: recipe.id.clone(),
            id: public_id(&feedstock.name, &recipe.id),
            destination: destination::plan(engine, feedstock, recipe, &call.request),
            files: files::declared(recipe),
            ..RecipePlan::default()
        },
        failure: None,
        key: None,
    };
    let spec = match build_spec(engine, feedstock, recipe, &call.request) {
        Ok(spec) => spec,
        Err(error) => return planned.stopped(error),
    };
    planned.plan.files.wanted = spec.files.len() as u64;
    match prepare(engine, &spec) {
        Ok(prepared) => planned.joined(&call, prepared, &spec),
        Err(error) => planned.not_prepared(&call, spec, error),
    }
}

/// What is planned.
struct Call<'a> {
    engine: &'a Engine,
    feedstock: &'a FeedstockDir,
    recipe: &'a Recipe,
    request: RunRequest,
}

impl Planned {
    fn stopped(mut self, error: EngineError) -> Result<Self, EngineError> {
        if matches!(error.category(), Category::Interrupted | Category::Bug) {
            return Err(error);
        }
        self.plan.problems.extend(problem::of_error(&error));
        self.failure = self.failure.or(Some(error));
        Ok(self)
    }

    /// Files that do not open are told one by one, and the others planned: a report of what is known.
    fn not_prepared(mut self, call: &Call<'_>, mut spec: BuildSpec, error: EngineError) -> Result<Self, EngineError> {
        if matches!(error.category(), Category::Interrupted | Category::Bug) {
            return Err(error);
        }
        let failed = files::failed(&spec.files, &error);
        let gone: BTreeSet<usize> = failed.iter().map(|(number, _)| *number).collect();
        if gone.is_empty() {
            self.plan.files.found = spec.files.len() as u64;
            if error.code() == Rule::NoKey.code() {
                self.key = key::propose(call.engine, &spec)?;
            }
            let fix =
                self.key.as_ref().map(|(dim, key)| format!("say `combine: {{key: {{{dim}: {key}}}}}` in the recipe"));
            self = self.stopped(call.told(&spec, error))?;
            if let (Some(fix), Some(problem)) =
                (fix, self.plan.problems.iter_mut().find(|p| p.code == Rule::NoKey.code()))
            {
                problem.fix = fix;
            }
            return Ok(self);
        }
        files::record(&mut self.plan.files, &failed);
        self.plan.variables.extend(variables::refused(&error));
        let failure = files::failure(&call.recipe.id, spec.files.len(), error);
        let failure = gaps::advise(&call.feedstock.dir, call.recipe, &spec.files, failure);
        let fix = match &failure {
            EngineError::Advised { next, .. } => next.clone(),
            _ => "add the missing files, or remove them from recipe.yaml".to_owned(),
        };
        self = self.stopped(failure)?;
        files::summarise(&mut self.plan, &fix);
        let mut number = 0;
        spec.files.retain(|_| {
            number += 1;
            !gone.contains(&(number - 1))
        });
        if spec.files.is_empty() {
            return Ok(self);
        }
        // The steps that are missing have been told already.
        spec.rules.gaps_declared = true;
        match prepare(call.engine, &spec) {
            Ok(prepared) => self.joined(call, prepared, &spec),
            Err(error) => {
                self.plan.files.found = spec.files.len() as u64;
                self.stopped(call.told(&spec, error))
            }
        }
    }

    /// The files are one dataset: how it would be stored, and what that takes.
    fn joined(mut self, call: &Call<'_>, mut prepared: Prepared, spec: &BuildSpec) -> Result<Self, EngineError> {
        let (engine, recipe) = (call.engine, call.recipe);
        let plan = &mut self.plan;
        plan.files.found = prepared.combined.files.len() as u64;
        plan.files.bytes = prepared.combined.files.iter().map(|file| file.version.size).sum();
        plan.dimensions = Some(dimensions(&prepared, spec));
        plan.noted = prepared
            .combined
            .noted
            .iter()
            .map(|noted| Note { code: noted.code.to_owned(), at: noted.at.clone(), what: noted.what.clone() })
            .collect();
        let chosen = match choose(engine, recipe, &prepared) {
            Ok(chosen) => chosen,
            Err(error) => {
                plan.variables.extend(variables::verdicts_only(&prepared));
                return self.stopped(call.told(spec, error));
            }
        };
        plan.strategy = Some(StrategyPlan {
            name: if chosen.is_virtual { "virtualize" } else { "transform" }.to_owned(),
            format: chosen.format.name().to_owned(),
            because: chosen.reason.unwrap_or_else(|| because(recipe, chosen.is_virtual)),
        });
        let (references, copied) = if chosen.is_virtual {
            let virtuals = virtual_verdicts(engine, &prepared)?;
            (virtuals.references, virtuals.copied)
        } else {
            (BTreeMap::new(), BTreeMap::new())
        };
        let layouts: Layouts = match prepared.layouts(&spec.options) {
            Ok(layouts) => layouts,
            Err(error) => return self.stopped(call.told(spec, error)),
        };
        let native: Layouts = layouts.into_iter().filter(|(path, _)| !references.contains_key(path)).collect();
        plan.variables = variables::plan(&prepared, &native, &references, &copied);
        prepared.split_for_reading();
        let counted = references.values().map(|array| array.table.num_stored()).sum();
        let resources = prepared.resources(engine, None, counted);
        match firn_model::plan::plan(&prepared.combined, &native, resources) {
            Ok(tasks) => plan.cost = Some(cost::plan(engine, &prepared, &tasks, &mut plan.variables)),
            Err(error) => return self.stopped(error.into()),
        }
        let would_stop = [
            call.refused(spec, &prepared, chosen.is_virtual).err().map(|error| call.told(spec, error)),
            variables::undecodable(&self.plan.variables),
        ];
        would_stop.into_iter().flatten().try_fold(self, Self::stopped)
    }
}

impl Call<'_> {
    /// With the line of the recipe.
    fn told(&self, spec: &BuildSpec, error: EngineError) -> EngineError {
        in_recipe(self.feedstock, self.recipe, &spec.files, error)
    }

    /// What the recipe asks for and a run refuses before its first task.
    fn refused(&self, spec: &BuildSpec, prepared: &Prepared, is_virtual: bool) -> Result<(), EngineError> {
        build_options(self.feedstock, self.recipe, &self.request, spec, prepared, is_virtual, None)?;
        match destination_of(self.engine, self.feedstock, self.recipe, &self.request) {
            Ok(target) => {
                self.engine.may_write(&target)?;
                self.engine.may_bring(prepared.sources.iter().map(|source| source.url.as_str()), &target)?;
                refuse_unconsolidated(self.engine, self.recipe, &target)
            }
            // A run is told where by --target then.
            Err(_) => Ok(()),
        }
    }
}

/// Dimensions of all arrays, in their order.
fn dimensions(prepared: &Prepared, spec: &BuildSpec) -> Vec<JoinedDimension> {
    let mut dimensions: Vec<JoinedDimension> = Vec::new();
    let renamed = |name: &String| spec.selection.rename.get(name).unwrap_or(name).clone();
    let concat: Vec<String> = spec.rules.concat_dims.iter().map(renamed).collect();
    for array in prepared.combined.arrays.values() {
        for (name, size) in array.metadata.dimension_names.iter().zip(&array.metadata.shape) {
            if dimensions.iter().any(|known| known.name == *name) {
                continue;
            }
            let key = spec.rules.keys.iter().find(|(dim, _)| renamed(dim) == *name).map(|(_, key)| key.clone());
            dimensions.push(JoinedDimension {
                name: name.clone(),
                size: *size,
                concat: concat.contains(name),
                key: key.filter(|key| key != name),
            });
        }
    }
    dimensions
}
