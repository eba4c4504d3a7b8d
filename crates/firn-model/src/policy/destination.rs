//! Where data go, as those who look after the places decided: rules in the order in which they are tried. Pure.
//!
//! The file is TOML:
//!
//! ```toml
//! version = 1
//!
//! [[destination]]
//! to = "osn"                  # a location
//! public = true               # conditions: all that are given must hold
//! because = "everybody reads it, and nobody pays for traffic"
//! ```

use crate::feedstock::DataType;
use serde::{Deserialize, Serialize};

/// Where the data are now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// On this machine: a home directory, a scratch disk of a cluster.
    Local,
    /// Behind a web server.
    Web,
    /// In a bucket.
    Bucket,
}

/// What the data are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// A store: Zarr or Icechunk.
    Zarr,
    /// Anything else.
    Files,
}

/// A rule: where data go that fulfil its conditions. A condition that is not given always holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DestinationRule {
    /// The location.
    pub to: String,
    /// Why; quoted wherever the rule decides.
    pub because: String,
    /// Whether everybody is to read them.
    #[serde(default)]
    pub public: Option<bool>,
    /// Whether they are work in progress, which may be made again or removed.
    #[serde(default)]
    pub draft: Option<bool>,
    /// What they are.
    #[serde(default)]
    pub shape: Option<Shape>,
    /// How they came to be.
    #[serde(default, rename = "type")]
    pub data_type: Option<Vec<DataType>>,
    /// Where they are now.
    #[serde(default)]
    pub from: Option<Vec<Origin>>,
}

/// What is known of the data; `None` where nobody said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whether everybody is to read them.
    pub public: Option<bool>,
    /// Whether they are work in progress.
    pub draft: Option<bool>,
    /// What they are.
    pub shape: Option<Shape>,
    /// How they came to be.
    pub data_type: Option<DataType>,
    /// Where they are now.
    pub from: Option<Origin>,
}

/// Whether a rule is for some data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fit {
    /// All its conditions hold.
    Holds,
    /// It would, if these things that nobody said were so: `public = true`.
    If(Vec<String>),
    /// A condition does not hold.
    No,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u64,
    #[serde(default)]
    destination: Vec<DestinationRule>,
}

/// What is wrong with a policy file: the text, and the byte where it is, where that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadPolicy {
    /// What.
    pub what: String,
    /// Where in the text.
    pub byte: Option<usize>,
}

impl DestinationRule {
    /// Whether the rule is for these data.
    pub fn fit(&self, facts: &Facts) -> Fit {
        let mut open = Vec::new();
        let mut is_no = false;
        let mut ask = |wanted: Option<String>, holds: Option<bool>| match (wanted, holds) {
            (Some(text), None) => open.push(text),
            (Some(_), Some(false)) => is_no = true,
            _ => {}
        };
        ask(
            self.public.map(|wanted| format!("public = {wanted}")),
            self.public.zip(facts.public).map(|(wanted, is)| wanted == is),
        );
        ask(
            self.draft.map(|wanted| format!("draft = {wanted}")),
            self.draft.zip(facts.draft).map(|(wanted, is)| wanted == is),
        );
        ask(
            self.shape.map(|wanted| format!("shape = {}", word(wanted))),
            self.shape.zip(facts.shape).map(|(wanted, is)| wanted == is),
        );
        ask(
            self.data_type.as_ref().map(|wanted| format!("type = {}", words(wanted))),
            self.data_type.as_ref().zip(facts.data_type).map(|(wanted, is)| wanted.contains(&is)),
        );
        ask(
            self.from.as_ref().map(|wanted| format!("from = {}", words(wanted))),
            self.from.as_ref().zip(facts.from).map(|(wanted, is)| wanted.contains(&is)),
        );
        match (is_no, open.is_empty()) {
            (true, _) => Fit::No,
            (false, true) => Fit::Holds,
            (false, false) => Fit::If(open),
        }
    }
}

/// The first rule all of whose conditions hold.
pub fn choose<'r>(rules: &'r [DestinationRule], facts: &Facts) -> Option<&'r DestinationRule> {
    rules.iter().find(|rule| rule.fit(facts) == Fit::Holds)
}

/// Reads the rules of a file, through the reader of its format.
///
/// # Errors
/// [`BadPolicy`].
pub fn check(rules: Vec<DestinationRule>, version: u64) -> Result<Vec<DestinationRule>, BadPolicy> {
    let bad = |what: String| Err(BadPolicy { what, byte: None });
    if version != 1 {
        return bad(format!("version = {version}: this firn reads version 1"));
    }
    if let Some(rule) = rules.iter().find(|rule| rule.because.trim().is_empty()) {
        return bad(format!("the rule that leads to {:?} says no reason: because = \"…\"", rule.to));
    }
    if let Some(rule) = rules.iter().find(|rule| rule.because.chars().any(char::is_control)) {
        return bad(format!("the reason of the rule that leads to {:?} is not one line", rule.to));
    }
    Ok(rules)
}

/// The document, for the reader of its format: `version`, and the rules.
///
/// # Errors
/// What the reader says.
pub fn read<'de, D: serde::Deserializer<'de>>(reader: D) -> Result<(u64, Vec<DestinationRule>), D::Error> {
    let file = File::deserialize(reader)?;
    Ok((file.version, file.destination))
}

fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

fn words(values: &[impl Serialize]) -> String {
    values.iter().map(word).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Vec<DestinationRule> {
        let text = r#"[
            {"to": "scratch", "draft": true, "because": "may be made again"},
            {"to": "pod", "public": true, "because": "everybody reads it"},
            {"to": "pod", "shape": "files", "because": "no Zarr"},
            {"to": "bucket", "public": false, "from": ["local", "bucket"], "type": ["produced"], "because": "ours"}
        ]"#;
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_first_rule_whose_conditions_all_hold_decides() {
        let rules = rules();
        let to = |facts: Facts| choose(&rules, &facts).map(|rule| (rule.to.as_str(), rule.because.as_str()));
        assert_eq!(to(Facts { public: Some(true), ..Facts::default() }), Some(("pod", "everybody reads it")));
        assert_eq!(
            to(Facts { public: Some(true), draft: Some(true), ..Facts::default() }),
            Some(("scratch", "may be made again"))
        );
        assert_eq!(to(Facts { shape: Some(Shape::Files), ..Facts::default() }), Some(("pod", "no Zarr")));
        // What nobody said holds no condition.
        assert_eq!(to(Facts::default()), None);
        let ours = Facts { public: Some(false), data_type: Some(DataType::Produced), ..Facts::default() };
        assert_eq!(to(ours), None);
        assert_eq!(to(Facts { from: Some(Origin::Local), ..ours }), Some(("bucket", "ours")));
        assert_eq!(to(Facts { from: Some(Origin::Web), ..ours }), None);
    }

    #[test]
    fn what_would_have_to_be_known_is_told() {
        let rules = rules();
        let facts = Facts { from: Some(Origin::Local), shape: Some(Shape::Zarr), ..Facts::default() };
        let fits: Vec<Fit> = rules.iter().map(|rule| rule.fit(&facts)).collect();
        let texts = |texts: &[&str]| Fit::If(texts.iter().map(|text| (*text).to_owned()).collect());
        assert_eq!(
            fits,
            [
                texts(&["draft = true"]),
                texts(&["public = true"]),
                Fit::No,
                texts(&["public = false", "type = produced"])
            ]
        );
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        assert!(check(rules(), 2).is_err());
        let mut silent = rules();
        silent[0].because = " ".to_owned();
        assert!(check(silent, 1).is_err());
        assert!(serde_json::from_str::<DestinationRule>(r#"{"to": "x", "because": "y", "publik": true}"#).is_err());
        assert!(check(rules(), 1).is_ok());
    }
}
