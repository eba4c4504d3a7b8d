//! CF sanity: what readers need in order to decode the values.

use super::{Finding, Severity, StoreView};
use firn_model::array::{AttributeValue, Numbers};
use firn_model::cf::{Calendar, TimeUnits};
use firn_model::dataset::NodePath;
use firn_model::diagnose::At;

pub(super) fn check(store: &StoreView, findings: &mut Vec<Finding>) {
    for (path, array) in store.dataset.arrays() {
        let attributes = &array.metadata.attributes;
        let at = At::url(&store.url).node(path.as_str());
        let mut warn = |attribute: &str, expected: &str, found: String| {
            findings.push(Finding {
                rule: "cf",
                severity: Severity::Warning,
                at: at.node(format!("{path}@{attribute}")),
                expected: expected.to_owned(),
                found,
            });
        };
        let text = |name: &str| attributes.get(name).and_then(AttributeValue::as_text);
        if let Some(units) = text("units").filter(|units| units.contains(" since ")) {
            if let Err(error) = TimeUnits::parse(units) {
                warn("units", "time units that readers can decode", error.to_string());
            }
            if let Err(error) = Calendar::from_attribute(text("calendar")) {
                warn("calendar", "one of the CF calendars", error.to_string());
            }
        }
        for name in ["scale_factor", "add_offset"] {
            if attributes.get(name).is_some_and(|value| value.as_number().is_none_or(|v| !v.is_finite())) {
                let found = attributes.get(name).map_or_else(String::new, AttributeValue::to_string);
                warn(name, "one finite number", found);
            }
        }
        let meanings = text("flag_meanings").map(|m| m.split_whitespace().count());
        let values = match attributes.get("flag_values").or_else(|| attributes.get("flag_masks")) {
            Some(AttributeValue::Numbers(numbers)) => Some(Numbers::len(numbers)),
            _ => None,
        };
        if let (Some(meanings), Some(values)) = (meanings, values)
            && meanings != values
        {
            warn("flag_meanings", "as many meanings as values", format!("{meanings} meanings, {values} values"));
        }
        for name in ["bounds", "climatology", "grid_mapping"] {
            if let Some(target) = text(name).map(str::trim).filter(|t| !t.is_empty() && !t.contains([' ', ':'])) {
                let known = reachable(path, target).any(|candidate| store.dataset.array(&candidate).is_some());
                if !known {
                    warn(name, "the name of a variable of the store", format!("{target:?}"));
                }
            }
        }
    }
}

/// The paths that a name in a variable's attribute may mean: in its group, or above.
fn reachable(path: &NodePath, name: &str) -> impl Iterator<Item = NodePath> {
    let mut group = Some(path.parent());
    let name = name.to_owned();
    std::iter::from_fn(move || {
        let here = group.take()?;
        if !here.is_root() {
            group = Some(here.parent());
        }
        Some(NodePath::parse(&format!("{here}/{name}")).unwrap_or_else(|_| NodePath::root()))
    })
}
