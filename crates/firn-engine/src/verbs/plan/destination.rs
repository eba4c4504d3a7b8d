//! Where the dataset of a recipe would go, and why there.

use super::report::DestinationPlan;
use crate::error::EngineError;
use crate::feedstock::FeedstockDir;
use crate::managed;
use crate::objects::advice::rules;
use crate::placing::{destination, ruled};
use crate::settings::Engine;
use crate::verbs::requests::RunRequest;
use firn_model::feedstock::recipe::Recipe;
use firn_storage::ObjectUrl;

/// Where, or why that is not known yet: a run then takes `--target`.
pub(super) fn plan(
    engine: &Engine,
    feedstock: &FeedstockDir,
    recipe: &Recipe,
    request: &RunRequest,
) -> DestinationPlan {
    let url = match destination(engine, feedstock, recipe, request) {
        Ok(url) => url,
        Err(error) => return DestinationPlan { because: error.to_string(), ..DestinationPlan::default() },
    };
    let location = match &recipe.target.location {
        _ if request.target.is_some() => "--target".to_owned(),
        Some(name) => format!("the recipe names the location {name}"),
        None => match ruled(engine, feedstock, recipe) {
            Some((number, rule)) => format!("rule {number} of the policy leads to {}: {}", rule.to, rule.because),
            None => "the only location with the role published".to_owned(),
        },
    };
    let path = if recipe.target.path.is_some() { "the recipe's path" } else { "the path <feedstock>/<recipe>" };
    let because = if request.target.is_some() { location } else { format!("{location}, {path}") };
    let is_known = engine.storage.location_of(&url).is_ok_and(|found| found.is_some());
    let rules = if is_known { rules(engine, &url).unwrap_or_default() } else { Vec::new() };
    let mut plan = DestinationPlan { url: Some(url.to_string()), because, rules, current: None };
    match current(engine, &url) {
        Ok(current) => plan.current = current,
        Err(error) => plan.because = format!("{}; what lies there cannot be told: {error}", plan.because),
    }
    plan
}

/// The current version of what is published there.
fn current(engine: &Engine, url: &ObjectUrl) -> Result<Option<String>, EngineError> {
    let prefix = engine.storage.prefix(url)?;
    let found = engine.storage.runtime().block_on(managed::read(&prefix))?;
    Ok(found.map(|(dataset, _)| dataset.current))
}
