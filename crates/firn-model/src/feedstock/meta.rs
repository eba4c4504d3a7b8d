//! `meta.yaml`: what a dataset is and who is behind it, in pangeo-forge's words.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The document `meta.yaml`. Keys that firn does not know are kept in `extra`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "meta.yaml")]
pub struct Meta {
    /// Title of the dataset.
    pub title: String,
    /// What it is, in some sentences.
    pub description: String,
    /// The recipes of the feedstock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipes: Option<Vec<MetaRecipe>>,
    /// Where the data come from, and under which licence.
    pub provenance: Provenance,
    /// Who looks after the feedstock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintainers: Option<Vec<Maintainer>>,
    /// Further keys, as they are.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A recipe that `meta.yaml` names.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetaRecipe {
    /// Its id.
    pub id: String,
    /// The Python object that builds it (pangeo-forge).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Further keys, as they are.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Where the data come from, and under which licence.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Provenance {
    /// Organisations and people, in STAC's words.
    pub providers: Vec<Provider>,
    /// Licence, best an SPDX identifier.
    pub license: String,
    /// Where the licence is written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license_link: Option<LicenseLink>,
    /// Further keys, as they are.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// An organisation or person behind the data.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Provider {
    /// Name.
    pub name: String,
    /// What they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Their roles: `producer`, `licensor`, `processor`, `host`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<String>>,
    /// Their page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Further keys, as they are.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Where a licence is written down.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LicenseLink {
    /// Name of the licence.
    pub title: String,
    /// Its text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Further keys, as they are.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Somebody who looks after the feedstock.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Maintainer {
    /// Name.
    pub name: String,
    /// ORCID iD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orcid: Option<String>,
    /// Name at GitHub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub github: Option<String>,
    /// Further keys, as they are.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
