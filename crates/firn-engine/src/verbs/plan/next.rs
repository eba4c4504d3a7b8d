//! The last line of a plan: the next command.

use super::report::RecipePlan;
use crate::verbs::requests::{DimKeys, PlanRequest};
use firn_model::diagnose::{shell_word, without_secrets};

/// After the plan of a feedstock: run it, or plan it again once it is mended.
pub(super) fn of_feedstock(dir: &str, recipes: &[RecipePlan], failed: bool) -> String {
    let dir = shell_word(dir);
    if failed {
        return format!("firn plan {dir}");
    }
    let target = if recipes.iter().all(|recipe| recipe.destination.url.is_some()) { "" } else { " --target URL" };
    let one = match recipes {
        [_, _, ..] if !target.is_empty() => " --recipe ID",
        _ => "",
    };
    format!("firn run {dir}{one}{target}")
}

/// After the plan of a pattern or an example that was not written: the same, written.
pub(super) fn of_subject(request: &PlanRequest, ask: Option<&str>) -> String {
    let subject = shell_word(&without_secrets(&request.subject));
    let mut words = vec!["firn plan".to_owned(), subject];
    if let Some(ask) = ask {
        words.push(ask.to_owned());
    } else {
        words.extend(request.dims.iter().map(|(dim, keys)| format!("--dim {}", shell_word(&flag(dim, keys)))));
        words.push("--write DIR".to_owned());
    }
    words.join(" ")
}

fn flag(dim: &str, keys: &DimKeys) -> String {
    match keys {
        DimKeys::Labels(labels) => format!("{dim}={}", labels.join(",")),
        DimKeys::Range { first, last, step: None } => format!("{dim}={first}..{last}"),
        DimKeys::Range { first, last, step: Some(step) } => format!("{dim}={first}..{last}/{step}"),
    }
}

/// What has to be done before: the fix of the first problem.
pub(super) fn before(recipes: &[RecipePlan]) -> Option<String> {
    recipes.iter().flat_map(|recipe| &recipe.problems).map(|problem| problem.fix.clone()).next()
}
