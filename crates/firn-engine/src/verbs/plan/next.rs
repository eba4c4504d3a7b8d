//! The last line of a plan: the next command.

use super::report::RecipePlan;
use crate::verbs::requests::{DimKeys, PlanRequest};
use firn_model::diagnose::without_secrets;

/// A word of a command line, quoted where a shell would read it otherwise.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// After the plan of a feedstock: run it, or plan it again once it is mended.
pub(super) fn of_feedstock(dir: &str, recipes: &[RecipePlan], failed: bool) -> String {
    let dir = quoted(dir);
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
    let subject = quoted(&without_secrets(&request.subject));
    let mut words = vec!["firn plan".to_owned(), subject];
    if let Some(ask) = ask {
        words.push(ask.to_owned());
    } else {
        words.extend(request.dims.iter().map(|(dim, keys)| format!("--dim {}", quoted(&flag(dim, keys)))));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        assert_eq!(quoted("s3://b/a.nc"), "s3://b/a.nc");
        assert_eq!(quoted("a {time:%Y}.nc"), "'a {time:%Y}.nc'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
    }
}
