//! How much of each variable is missing values: a recipe says how much may be.

use super::values::samples;
use super::{Finding, Severity, StoreView, VerifyOptions};
use crate::error::EngineError;
use crate::settings::Engine;
use firn_formats::TextEncoding;
use firn_model::array::{Attributes, DataType, Values};
use firn_model::dataset::NodePath;
use firn_model::diagnose::At;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// How much may be missing, as `missing-fraction` of a recipe says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MissingRule {
    /// The largest fraction of each variable that may be missing, 0 to 1.
    pub max: f64,
    /// How bad more is.
    pub severity: Severity,
}

/// Counts missing values (`_FillValue`, `missing_value`, NaN) in the chunks that are decoded anyway. Coordinates are not
/// looked at; chunks that do not decode are told by another rule.
pub(super) fn check(
    engine: &Engine,
    store: &StoreView,
    options: VerifyOptions<'_>,
    rule: MissingRule,
    findings: &mut Vec<Finding>,
) -> Result<(), EngineError> {
    let chosen = samples(store, options.depth);
    let counted: Vec<Option<(&NodePath, u64, u64)>> = chosen
        .par_iter()
        .filter(|sample| !sample.array.metadata.dimension_names.iter().any(|dim| dim == sample.path.name()))
        .map(|sample| {
            engine.cancel.check()?;
            let at = At::url(&store.url).node(sample.path.as_str());
            let source = store.source.as_ref();
            let read = firn_formats::read_subset(source, sample.array, &sample.subset, TextEncoding::Utf8, &at);
            let counted = read.ok().and_then(|values| count(&values, &sample.array.metadata.attributes));
            Ok(counted.map(|(missing, all)| (sample.path, missing, all)))
        })
        .collect::<Result<_, EngineError>>()?;
    let mut sums: BTreeMap<&NodePath, (u64, u64)> = BTreeMap::new();
    for (path, missing, all) in counted.into_iter().flatten() {
        let sum = sums.entry(path).or_default();
        *sum = (sum.0 + missing, sum.1 + all);
    }
    for (path, (missing, all)) in sums {
        let fraction = missing as f64 / all.max(1) as f64;
        if fraction > rule.max {
            findings.push(Finding {
                rule: "missing-fraction",
                severity: rule.severity,
                at: At::url(&store.url).node(path.as_str()),
                expected: format!("at most {} of its values missing", rule.max),
                found: format!("{fraction:.4} ({missing} of the {all} that were read)"),
            });
        }
    }
    Ok(())
}

/// Missing elements, and all; `None` of what is no number.
fn count(values: &Values, attributes: &Attributes) -> Option<(u64, u64)> {
    if matches!(values.data_type, DataType::Bool | DataType::String) {
        return None;
    }
    let numbers = values.to_f64()?;
    let fills: Vec<f64> =
        ["_FillValue", "missing_value"].iter().filter_map(|name| attributes.get(*name)?.as_number()).collect();
    let missing = numbers.iter().filter(|value| value.is_nan() || fills.contains(value)).count();
    Some((missing as u64, numbers.len() as u64))
}
