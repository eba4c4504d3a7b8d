//! What a coordinate is, by CF's rules: `axis`, `standard_name`, `units`, and only then by its name.

use super::AxisKind;
use firn_model::array::{AttributeValue, Attributes};

/// Units of latitude and longitude that CF accepts.
const NORTH: [&str; 6] = ["degrees_north", "degree_north", "degree_n", "degrees_n", "degreen", "degreesn"];
const EAST: [&str; 6] = ["degrees_east", "degree_east", "degree_e", "degrees_e", "degreee", "degreese"];

/// Whether these are latitudes.
pub(super) fn is_latitude(name: &str, attributes: &Attributes) -> bool {
    is_angle(name, attributes, "latitude", &NORTH, &["lat", "latitude", "nav_lat"])
}

/// Whether these are longitudes.
pub(super) fn is_longitude(name: &str, attributes: &Attributes) -> bool {
    is_angle(name, attributes, "longitude", &EAST, &["lon", "longitude", "nav_lon"])
}

fn is_angle(name: &str, attributes: &Attributes, standard_name: &str, units: &[&str], names: &[&str]) -> bool {
    let text = |key: &str| attributes.get(key).and_then(AttributeValue::as_text).map(str::to_ascii_lowercase);
    match (text("standard_name"), text("units")) {
        (Some(found), _) => found == standard_name,
        (None, Some(found)) => {
            units.contains(&found.as_str())
                || (found.starts_with("degree") && !found.contains('_') && is_named(name, names))
        }
        (None, None) => is_named(name, names),
    }
}

fn is_named(name: &str, names: &[&str]) -> bool {
    names.contains(&name.to_ascii_lowercase().as_str())
}

/// What runs along a dimension with this coordinate.
pub(super) fn axis(name: &str, attributes: &Attributes) -> AxisKind {
    let text = |key: &str| attributes.get(key).and_then(AttributeValue::as_text).unwrap_or_default();
    if super::dates::coding(attributes).is_some()
        || (text("standard_name") == "time" && text("units").contains(" since "))
    {
        return AxisKind::Time;
    }
    if is_latitude(name, attributes) {
        return AxisKind::Y;
    }
    if is_longitude(name, attributes) {
        return AxisKind::X;
    }
    match text("standard_name") {
        "projection_x_coordinate" | "grid_longitude" => return AxisKind::X,
        "projection_y_coordinate" | "grid_latitude" => return AxisKind::Y,
        "height" | "depth" | "altitude" | "air_pressure" | "model_level_number" => return AxisKind::Z,
        _ => {}
    }
    match text("axis").to_ascii_uppercase().as_str() {
        "X" => AxisKind::X,
        "Y" => AxisKind::Y,
        "Z" => AxisKind::Z,
        _ if matches!(text("positive").to_ascii_lowercase().as_str(), "up" | "down") => AxisKind::Z,
        _ => AxisKind::Other,
    }
}
