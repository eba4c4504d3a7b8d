//! Dimensions and variables by the datacube extension 2.2.

use crate::facts::{AxisKind, DatasetFacts, DimensionFacts, VariableRole};
use serde_json::{Map, Value, json};

/// `cube:dimensions`.
pub(super) fn dimensions(facts: &DatasetFacts) -> Value {
    facts
        .dimensions
        .iter()
        .map(|(name, dimension)| (name.clone(), self::dimension(dimension)))
        .collect::<Map<_, _>>()
        .into()
}

fn dimension(facts: &DimensionFacts) -> Value {
    let mut value = Map::new();
    let mut put = |key: &str, fact: Value| {
        if !fact.is_null() {
            value.insert(key.to_owned(), fact);
        }
    };
    match (facts.axis, facts.extent, &facts.interval) {
        (AxisKind::Time, _, interval) => {
            put("type", json!("temporal"));
            // An open interval says that it is a time of which nothing else is known.
            put("extent", interval.as_ref().map_or_else(|| json!([null, null]), |ends| json!(ends)));
            put("firn:calendar", json!(facts.calendar));
        }
        (axis @ (AxisKind::X | AxisKind::Y | AxisKind::Z), Some(extent), _) => {
            put("type", json!("spatial"));
            put(
                "axis",
                json!(match axis {
                    AxisKind::X => "x",
                    AxisKind::Y => "y",
                    _ => "z",
                }),
            );
            put("extent", json!(extent));
            put("step", json!(facts.step));
            if axis != AxisKind::Z && !is_degrees(facts) {
                // Without it readers take the numbers for degrees.
                put("reference_system", json!("unknown"));
            }
            if axis == AxisKind::Z {
                put("unit", json!(facts.units));
            }
        }
        (_, extent, _) => {
            put("type", json!(if extent.is_some() || facts.labels.is_some() { "other" } else { "index" }));
            match (&facts.labels, extent) {
                (Some(labels), _) if !labels.is_empty() => put("values", json!(labels)),
                (_, Some(extent)) => {
                    put("extent", json!(extent));
                    put("step", json!(facts.step));
                    put("unit", json!(facts.units));
                }
                // Positions are all there is.
                _ => put("extent", json!([0, facts.size.saturating_sub(1)])),
            }
        }
    }
    put("description", json!(facts.description));
    put("firn:size", json!(facts.size));
    Value::Object(value)
}

fn is_degrees(facts: &DimensionFacts) -> bool {
    facts.units.as_deref().is_none_or(|units| units.to_ascii_lowercase().starts_with("degree"))
}

/// `cube:variables`: everything but the coordinates of dimensions, which are those.
pub(super) fn variables(facts: &DatasetFacts) -> Value {
    let others = facts.variables.iter().filter(|(_, variable)| variable.role != VariableRole::Coordinate);
    let one = |variable: &crate::facts::VariableFacts| {
        let mut value = Map::new();
        let mut put = |key: &str, fact: Value| {
            if !fact.is_null() {
                value.insert(key.to_owned(), fact);
            }
        };
        put("dimensions", json!(variable.dimensions));
        put("type", json!(if variable.role == VariableRole::Data { "data" } else { "auxiliary" }));
        put("description", json!(variable.description));
        put("unit", json!(variable.units));
        put("data_type", json!(variable.data_type));
        put("firn:shape", json!(variable.shape));
        put("firn:chunk_shape", json!(variable.chunk_shape));
        put("firn:standard_name", json!(variable.standard_name));
        Value::Object(value)
    };
    others.map(|(name, variable)| (name.clone(), one(variable))).collect::<Map<_, _>>().into()
}
