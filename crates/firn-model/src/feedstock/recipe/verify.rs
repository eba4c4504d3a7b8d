//! `verify:` of a recipe: what is verified before publishing.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is verified before publishing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// How many chunks are read again from the source and compared, in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<u32>,
    /// Whether every chunk is read again and compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full: Option<bool>,
    /// Rule → how bad its findings are, or its options.
    #[serde(default)]
    pub rules: IndexMap<String, VerifyRule>,
}

/// How bad the findings of a rule are, or its options.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum VerifyRule {
    /// How bad.
    Level(Level),
    /// Options.
    Options(VerifyRuleOptions),
}

impl VerifyRule {
    /// Whether this version has the rule, in this form; else what it lacks.
    ///
    /// # Errors
    /// What is not supported, in a few words.
    pub fn supported(&self, name: &str) -> Result<(), String> {
        match (name, self) {
            ("time-monotonic" | "coordinates", Self::Level(Level::Error)) => Ok(()),
            ("missing-fraction", Self::Options(VerifyRuleOptions { min: None, max: Some(_), level })) => match level {
                Some(Level::Off) => Err("a rule that is off".to_owned()),
                _ => Ok(()),
            },
            ("missing-fraction", _) => Err("missing-fraction without max".to_owned()),
            ("time-monotonic" | "coordinates", _) => Err(format!("{name} as anything but error")),
            _ => Err(format!("the rule {name}")),
        }
    }
}

/// How bad the findings of a rule are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The rule is left out.
    Off,
    /// Reported.
    Warn,
    /// Nothing is published.
    Error,
}

/// Options of a rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyRuleOptions {
    /// How bad its findings are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// Smallest value that passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Largest value that passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}
