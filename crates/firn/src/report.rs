//! An error as data: what `-o json` prints and what the text form is drawn from.

use firn_model::diagnose::{At, Category, Diagnose, Place};
use schemars::JsonSchema;
use serde::Serialize;

/// An error, ready to be shown by any face.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ErrorReport {
    /// Stable code, the argument of `firn explain`.
    pub code: String,
    /// Of which kind: `usage`, `invalid document`, `not found`, `denied`, `conflict`, `unsupported`, `corrupt`,
    /// `unavailable`, `differences`, `inconsistent sources`, `bug` or `interrupted`.
    pub category: String,
    /// What happened, in one sentence.
    pub what: String,
    /// Where; empty where the place does not matter.
    #[serde(rename = "where")]
    pub place: ErrorPlace,
    /// Why it matters.
    pub why: String,
    /// The next step, a command where there is one.
    pub next: String,
    /// What lies behind it, outermost first.
    pub causes: Vec<String>,
    #[serde(skip)]
    kind: Kind,
}

/// Where something happened.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct ErrorPlace {
    /// URL or path, without credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Path of the group or array, or a key in a document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// First byte of the range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Length of the range; absent where only its start is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// Line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Column in characters, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// Position of an element in the array.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<Vec<u64>>,
    #[serde(skip)]
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Kind(Category);

impl ErrorReport {
    /// Of this error and what lies behind it.
    pub fn new(error: &dyn Diagnose) -> Self {
        let mut causes: Vec<String> = Vec::new();
        let what = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            let text = inner.to_string();
            // A transparent error repeats its own cause.
            if text != what && causes.last() != Some(&text) {
                causes.push(text);
            }
            cause = inner.source();
        }
        Self {
            code: error.code().to_owned(),
            category: error.category().name().to_owned(),
            what,
            place: ErrorPlace::of(&error.at()),
            why: error.why(),
            next: error.next(),
            causes,
            kind: Kind(error.category()),
        }
    }

    /// The kind, which decides the exit status.
    pub fn kind(&self) -> Category {
        self.kind.0
    }
}

impl ErrorPlace {
    fn of(at: &At) -> Self {
        let mut place = Self { url: at.url.clone(), node: at.node.clone(), ..Self::default() };
        match &at.place {
            Some(Place::Bytes { offset, length }) => {
                place.offset = Some(*offset);
                place.length = (*length > 0).then_some(*length);
            }
            Some(Place::Line { line, column }) => {
                place.line = Some(*line);
                place.column = Some(*column);
            }
            Some(Place::Index(index)) => place.index = Some(index.clone()),
            None => {}
        }
        if *at != At::nowhere() {
            place.text = at.to_string();
        }
        place
    }

    /// As a person reads it; empty where the place is unknown.
    pub fn as_text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firn_model::source::SourceError;

    #[test]
    fn a_place_is_data_and_text() {
        let at = At::url("https://user:secret@host/a.nc").node("/sst").bytes(8, 16);
        let report = ErrorReport::new(&SourceError::OutOfBounds { at, size: 10 });
        assert_eq!(report.place.as_text(), "https://host/a.nc, /sst, bytes 8..24");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["where"]["offset"], 8);
        assert_eq!(json["where"]["url"], "https://host/a.nc");
        assert_eq!(json["category"], "corrupt");
        assert!(!json.to_string().contains("secret"));
    }
}
