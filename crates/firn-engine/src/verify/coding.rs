//! What decides the meaning of the numbers is what the sources say: packing, fill, units, calendar, flags, grid mapping.

use super::{Finding, Severity, StoreView};
use crate::pipeline::Prepared;
use firn_formats::zarr::attributes_as_read;
use firn_model::array::AttributeValue;
use firn_model::combine::coding_rule;
use firn_model::diagnose::At;
use std::collections::BTreeSet;

pub(super) fn check(store: &StoreView, against: &Prepared, findings: &mut Vec<Finding>) {
    for (path, source) in &against.combined.arrays {
        let Some(found) = store.dataset.array(path) else { continue };
        let at = At::url(&store.url).node(path.as_str());
        let (said, seen) = (&source.metadata.attributes, &found.metadata.attributes);
        // References hold attributes in a form of their own: as they are said will do, too.
        let expected = attributes_as_read(said, source.metadata.data_type, &at).unwrap_or_else(|_| said.clone());
        let names: BTreeSet<&String> = expected.keys().chain(seen.keys()).collect();
        for name in names.into_iter().filter(|name| coding_rule(name).is_some()) {
            let (wanted, is) = (expected.get(name), seen.get(name));
            if !means_the_same(wanted, is) && !means_the_same(said.get(name), is) {
                findings.push(Finding {
                    rule: "coding",
                    severity: Severity::Error,
                    at: At::url(&store.url).node(format!("{path}@{name}")),
                    expected: shown(wanted),
                    found: shown(is),
                });
            }
        }
    }
}

/// Equal in what readers make of it: a number counts for its value, whatever its width.
fn means_the_same(a: Option<&AttributeValue>, b: Option<&AttributeValue>) -> bool {
    match (a, b) {
        (Some(AttributeValue::Numbers(a)), Some(AttributeValue::Numbers(b))) => {
            let (a, b) = (a.to_f64(), b.to_f64());
            a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a == b || (a.is_nan() && b.is_nan()))
        }
        _ => a == b,
    }
}

fn shown(value: Option<&AttributeValue>) -> String {
    value.map_or_else(|| "no such attribute".to_owned(), AttributeValue::to_string)
}
