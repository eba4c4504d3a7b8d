//! Coordinates are finite and, along the dimensions that files were joined, strictly monotonic.

use super::{Finding, Severity, StoreView};
use firn_formats::TextEncoding;
use firn_model::array::ArraySubset;
use firn_model::diagnose::At;

/// Coordinates with more elements than this are not read whole.
const MOST_ELEMENTS: u64 = 16 << 20;

pub(super) fn check(store: &StoreView, ordered: &[String], findings: &mut Vec<Finding>) {
    for (path, array) in store.dataset.arrays() {
        let dims = &array.metadata.dimension_names;
        if dims.len() != 1 || dims[0] != path.name() || array.metadata.shape[0] > MOST_ELEMENTS {
            continue;
        }
        let at = At::url(&store.url).node(path.as_str());
        let mut finding = |severity, at: At, expected: &str, found: String| {
            findings.push(Finding { rule: "coordinates", severity, at, expected: expected.to_owned(), found });
        };
        let whole = ArraySubset::whole(&array.metadata.shape);
        let values = match firn_formats::read_subset(store.source.as_ref(), array, &whole, TextEncoding::Utf8, &at) {
            Ok(values) => values,
            Err(error) => {
                finding(Severity::Error, at, "a coordinate that can be read", error.to_string());
                continue;
            }
        };
        let Some(numbers) = values.to_f64() else { continue };
        if let Some(index) = numbers.iter().position(|v| !v.is_finite()) {
            finding(Severity::Warning, at.index(vec![index as u64]), "a finite value", numbers[index].to_string());
            continue;
        }
        // Compared as numbers of their own type where these are integers: f64 cannot tell large neighbours apart.
        let steps = values.to_i64().map_or_else(
            || numbers.windows(2).map(|w| w[1].total_cmp(&w[0])).collect::<Vec<_>>(),
            |ints| ints.windows(2).map(|w| w[1].cmp(&w[0])).collect(),
        );
        let Some(first) = steps.first() else { continue };
        if let Some(bad) = steps.iter().position(|step| step != first || step.is_eq()) {
            let severity = if ordered.contains(&dims[0]) { Severity::Error } else { Severity::Warning };
            finding(
                severity,
                at.index(vec![bad as u64 + 1]),
                "strictly monotonic values",
                numbers[bad + 1].to_string(),
            );
        }
    }
}
