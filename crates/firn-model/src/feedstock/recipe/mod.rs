//! `recipe.yaml`: from which files a store is made, and how.

mod codec;
mod combine;
mod rules;
mod select;
mod source;
mod target;
mod transform;
mod verify;

pub use codec::{Codec, CodecError};
pub use combine::{AttributeRule, Combine, CoordinateRule, GapRule, Overlap, SchemaRule};
pub use select::{Bound, IndexSelector, Select, Selector};
pub use source::{Auth, DateText, Dimension, Gap, KeyEntry, KeyText, Keys, Label, Source, SourceFormat, SourceKind};
pub use target::{CodecChoice, Extent, ExtentWord, Extents, Layout, Target, TargetFormat};
pub use transform::{NameList, Overviews, Reduce, Resample, SortOrder, Step, Unpack};
pub use verify::{Level, Verify, VerifyRule, VerifyRuleOptions};

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The document `recipe.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "recipe.yaml")]
pub struct RecipeDocument {
    /// Version of this document's format: 1.
    #[schemars(range(min = 1))]
    pub version: u32,
    /// The recipes.
    #[schemars(length(min = 1))]
    pub recipes: Vec<Recipe>,
}

/// How one store is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Id, which is that of a store in `catalog.yaml` (made if absent).
    pub id: String,
    /// Whether chunks are referred to or copied.
    #[serde(default)]
    pub strategy: Strategy,
    /// The source files.
    pub source: Source,
    /// How the files are joined.
    #[serde(default)]
    pub combine: Combine,
    /// Which part of the source is kept, in the source's names.
    #[serde(default)]
    pub select: Select,
    /// Steps in order; each sees the names of the step before.
    #[serde(default)]
    pub transform: Vec<Step>,
    /// Where and how the store is written, in the final names.
    #[serde(default)]
    pub target: Target,
    /// Attributes added to the root group.
    #[serde(default)]
    pub attributes: AddedAttributes,
    /// What is verified before publishing.
    #[serde(default)]
    pub verify: Verify,
}

/// Whether chunks are referred to or copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// Virtual where all variables can be and the target format allows it, else a copy.
    #[default]
    Auto,
    /// Nothing is copied; the source is a store already.
    Link,
    /// References to the bytes where they are.
    Virtualize,
    /// A copy in other chunks.
    Transform,
    /// Virtual where the bytes agree, copied where they do not.
    Hybrid,
}

impl Strategy {
    /// The word in the document.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Link => "link",
            Self::Virtualize => "virtualize",
            Self::Transform => "transform",
            Self::Hybrid => "hybrid",
        }
    }
}

/// Attributes added to the root group: plain values, or `{value, override}` to replace a source attribute of that name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-firn-other-keys" = true))]
pub struct AddedAttributes {
    /// Whether all of them replace source attributes of the same name.
    #[serde(rename = "override", default, skip_serializing_if = "is_false")]
    pub replace: bool,
    /// Name → text, number, truth value, list of these, or `{value, override}`.
    #[serde(flatten)]
    pub values: IndexMap<String, Value>,
}

/// One attribute to add.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AddedAttribute<'a> {
    /// Name.
    pub name: &'a str,
    /// Value.
    pub value: &'a Value,
    /// Whether it replaces a source attribute of this name; otherwise that is an error.
    pub replace: bool,
}

impl AddedAttributes {
    /// The attributes, in the order of the document.
    pub fn iter(&self) -> impl Iterator<Item = AddedAttribute<'_>> {
        self.values.iter().map(|(name, value)| match value.as_object() {
            Some(object) => AddedAttribute {
                name,
                value: object.get("value").unwrap_or(&Value::Null),
                replace: object.get("override").and_then(Value::as_bool).unwrap_or(self.replace),
            },
            None => AddedAttribute { name, value, replace: self.replace },
        })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}
