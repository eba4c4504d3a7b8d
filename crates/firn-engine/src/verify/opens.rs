//! The store opens with at least the variables that it should have, in the shape and type they should have.

use super::{Finding, Severity, StoreView};
use crate::pipeline::Prepared;
use firn_model::array::ArrayMetadata;
use firn_model::diagnose::At;

pub(super) fn check(store: &StoreView, against: Option<&Prepared>, findings: &mut Vec<Finding>) {
    let at = At::url(&store.url);
    let mut finding = |node: &str, expected: String, found: String| {
        findings.push(Finding { rule: "opens", severity: Severity::Error, at: at.node(node), expected, found });
    };
    if store.dataset.arrays().next().is_none() {
        finding("/", "at least one variable".to_owned(), "no variable".to_owned());
    }
    for (path, refusal) in store.dataset.refusals() {
        finding(path.as_str(), "a variable that can be read".to_owned(), refusal.what.clone());
    }
    let Some(against) = against else { return };
    for (path, expected) in &against.combined.arrays {
        let Some(found) = store.dataset.array(path) else {
            finding(path.as_str(), "this variable".to_owned(), "no such variable".to_owned());
            continue;
        };
        let (a, b) = (&expected.metadata, &found.metadata);
        if a.shape != b.shape || a.dimension_names != b.dimension_names || a.data_type != b.data_type {
            finding(path.as_str(), shown(a), shown(b));
        }
    }
}

/// `float32 (time: 3, lat: 180)`
fn shown(metadata: &ArrayMetadata) -> String {
    let named = metadata.dimension_names.iter().zip(&metadata.shape);
    let dimensions: Vec<String> = named.map(|(name, extent)| format!("{name}: {extent}")).collect();
    format!("{} ({})", metadata.data_type, dimensions.join(", "))
}
