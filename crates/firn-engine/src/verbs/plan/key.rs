//! A concat key for files whose dimension variable cannot order them.

use crate::error::EngineError;
use crate::open::open_all;
use crate::pipeline::BuildSpec;
use crate::settings::Engine;
use firn_model::combine::{CombineRules, FileFacts, NotCombined, Rule, combine};

/// The dimension whose own variable is of no use, and the first variable along it with which the files can be joined.
///
/// # Errors
/// What opening says.
pub(super) fn propose(engine: &Engine, spec: &BuildSpec) -> Result<Option<(String, String)>, EngineError> {
    let (mut files, _) = open_all(engine, &spec.files, &spec.open_options())?;
    for dim in &spec.rules.concat_dims {
        for variable in candidates(&files, dim, &spec.rules) {
            engine.cancel.check()?;
            let mut rules = spec.rules.clone();
            rules.keys.insert(dim.clone(), variable.clone());
            match combine(files, &rules) {
                Ok(_) => return Ok(Some((dim.clone(), variable))),
                Err(NotCombined { error, files: back }) => {
                    // The files can be in order and still disagree: then this is the key, and the next plan tells the rest.
                    if !matches!(
                        error.rule(),
                        Rule::NoKey
                            | Rule::NotMonotonic
                            | Rule::Overlap
                            | Rule::OverlapIdentical
                            | Rule::OverlapDifferent
                    ) {
                        return Ok(Some((dim.clone(), variable)));
                    }
                    files = back;
                }
            }
        }
    }
    Ok(None)
}

/// The one-dimensional variables along the dimension, in the order of the first file.
fn candidates(files: &[FileFacts], dim: &str, rules: &CombineRules) -> Vec<String> {
    let used = rules.keys.get(dim).map_or(dim, String::as_str);
    let Some(first) = files.first() else { return Vec::new() };
    let along = first.dataset.arrays().filter(|(_, array)| array.metadata.dimension_names == [dim]);
    along.map(|(path, _)| path.name().to_owned()).filter(|name| name != used).collect()
}
