//! Texts with a grammar: the `format`s of the JSON Schemas.

use crate::cf::{Frequency, PatternTime};
use crate::diagnose::Diagnose;
use crate::document::{FormatProblem, did_you_mean};

use super::recipe::Codec;

/// Checks a text against a format.
pub(super) fn check(format: &str, text: &str) -> Result<(), FormatProblem> {
    let problem = |message: String, help: String| FormatProblem { message, help };
    match format {
        "firn-codec" => text.parse::<Codec>().map(|_| ()).map_err(|error| problem(error.what, error.help)),
        "firn-frequency" => {
            text.parse::<Frequency>().map(|_| ()).map_err(|error| problem(error.to_string(), error.next()))
        }
        "firn-date" => {
            PatternTime::start_of(text).map(|_| ()).map_err(|error| problem(error.to_string(), error.next()))
        }
        "firn-path" => path(text).map_err(|message| problem(message, "write a path such as sst/monthly".to_owned())),
        "firn-longitude-range" if ["0..360", "-180..180"].contains(&text) => Ok(()),
        "firn-longitude-range" => {
            Err(problem(format!("{text:?} is no range of longitudes"), did_you_mean(text, ["0..360", "-180..180"])))
        }
        _ => Ok(()),
    }
}

/// A path below a location: what it becomes is an object's key on every kind of storage.
fn path(text: &str) -> Result<(), String> {
    if text.is_empty() || text.starts_with('/') || text.ends_with('/') {
        return Err("a path neither is empty nor begins or ends with /".to_owned());
    }
    if text.contains("://") || text.contains('\\') {
        return Err("this is no path below a location".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("the path has control characters".to_owned());
    }
    match text.split('/').find(|part| part.is_empty() || *part == "." || *part == ".." || part.starts_with(".firn")) {
        Some(part) => Err(format!("a path has no part {part:?}")),
        None => Ok(()),
    }
}
