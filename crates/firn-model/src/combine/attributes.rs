//! Which attributes decide what values mean, and how attributes of many files become one set.

use super::{AttributeRule, Disagreement, FileFacts, Noted, Rule};
use crate::array::{AttributeValue, Attributes};
use crate::dataset::NodePath;
use crate::diagnose::At;

/// The rule that a difference in this attribute of an array breaks; `None` where it only describes.
pub fn coding_rule(name: &str) -> Option<Rule> {
    match name {
        "scale_factor" | "add_offset" | "_Unsigned" => Some(Rule::Packing),
        "_FillValue" | "missing_value" => Some(Rule::Fill),
        "units" => Some(Rule::Units),
        "calendar" | "month_lengths" | "leap_year" | "leap_month" => Some(Rule::Calendar),
        "flag_values" | "flag_masks" | "flag_meanings" | "grid_mapping" | "coordinates" | "bounds" | "climatology"
        | "formula_terms" | "cell_measures" | "positive" | "axis" | "standard_name" | "cell_methods" | "compress"
        | "valid_min" | "valid_max" | "valid_range" | "_Encoding" | "node_coordinates" | "geometry"
        | "interpolation" | "units_metadata" | "cf_role" | "sample_dimension" | "instance_dimension"
        | "grid_mapping_name" | "crs_wkt" | "spatial_ref" | "GeoTransform" => Some(Rule::CodingAttribute),
        _ => None,
    }
}

/// Whether the attributes are those of a grid mapping variable (CF conventions 5.6; GDAL writes the last without a name): then
/// they are all that says where on Earth the cells lie.
fn is_grid_mapping(attributes: &Attributes) -> bool {
    ["grid_mapping_name", "crs_wkt", "spatial_ref"].iter().any(|name| attributes.contains_key(*name))
}

/// What only describes a grid mapping.
const DESCRIBING: [&str; 5] = ["long_name", "comment", "description", "history", "source"];

pub(super) fn merge(
    all: &[(&FileFacts, &Attributes)],
    node: &NodePath,
    is_group: bool,
    rule: AttributeRule,
    noted: &mut Vec<Noted>,
    wrong: &mut Vec<Disagreement>,
) -> Attributes {
    let Some((first_file, first)) = all.first() else { return Attributes::new() };
    let is_mapping = !is_group && all.iter().any(|(_, attributes)| is_grid_mapping(attributes));
    let mut merged = (*first).clone();
    let mut names: Vec<&String> = first.keys().collect();
    for (_, attributes) in &all[1..] {
        names.extend(attributes.keys().filter(|name| !first.contains_key(*name)));
    }
    names.sort();
    names.dedup();
    for name in names {
        let reference = first.get(name);
        let odd = all[1..].iter().find(|(_, attributes)| match (reference, attributes.get(name)) {
            (Some(a), Some(b)) => !a.same(b),
            (None, None) => false,
            _ => true,
        });
        let Some((odd_file, odd_attributes)) = odd else { continue };
        let of_mapping = is_mapping && !DESCRIBING.contains(&name.as_str());
        let coding = if is_group { None } else { coding_rule(name).or(of_mapping.then_some(Rule::CodingAttribute)) };
        let broken = coding.or((rule == AttributeRule::Identical).then_some(Rule::Attribute));
        if let Some(broken) = broken {
            wrong.push(Disagreement {
                rule: broken,
                at: At::url(&odd_file.url).node(format!("{node}@{name}")),
                against: Some(first_file.url.clone()),
                expected: show(reference),
                found: show(odd_attributes.get(name)),
            });
        } else if rule == AttributeRule::First {
            if reference.is_some() {
                noted.push(Noted {
                    code: "attribute-first",
                    at: format!("{node}@{name}"),
                    what: "differs between files; the first file's value is kept".to_owned(),
                });
            }
        } else {
            merged.shift_remove(name);
            noted.push(Noted {
                code: "attribute-dropped",
                at: format!("{node}@{name}"),
                what: "differs between files and is dropped".to_owned(),
            });
        }
    }
    merged
}

/// An attribute's value as a person would write it, shortened.
pub(super) fn show(value: Option<&AttributeValue>) -> String {
    let Some(value) = value else { return "no such attribute".to_owned() };
    let text = value.to_string();
    if text.chars().count() > 120 { format!("{}…", text.chars().take(119).collect::<String>()) } else { text }
}
