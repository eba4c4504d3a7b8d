//! Errors as what a report tells.

use super::report::{NAMED, Problem};
use crate::error::EngineError;
use firn_model::diagnose::Diagnose;

/// What would stop the run: each kind of failure, at most so many of them.
pub(super) fn of_error(error: &EngineError) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    for error in error.single() {
        match error {
            EngineError::Combine(combine) => problems.extend(combine.disagreements.iter().map(|found| Problem {
                code: found.rule.code().to_owned(),
                category: combine.category().name().to_owned(),
                what: found.to_string(),
                at: found.at.to_string(),
                why: found.rule.why().to_owned(),
                fix: found.rule.help().to_owned(),
            })),
            other => problems.push(problem_of(other)),
        }
    }
    problems.truncate(NAMED);
    problems
}

pub(super) fn problem_of(error: &dyn Diagnose) -> Problem {
    let at = error.at();
    Problem {
        code: error.code().to_owned(),
        category: error.category().name().to_owned(),
        what: error.to_string(),
        at: if at == firn_model::diagnose::At::nowhere() { String::new() } else { at.to_string() },
        why: error.why(),
        fix: error.next(),
    }
}
