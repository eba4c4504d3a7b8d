//! Who built a store from what: attributes of its root that catalogs read.

use crate::pipeline::Prepared;
use firn_model::array::{AttributeValue, Attributes, Numbers};

/// Attribute of stores that were made from a recipe.
pub const RECIPE_HASH: &str = "firn:recipe_hash";

/// Attribute of every plain store that firn wrote: the run that did.
pub const RUN: &str = "firn:run";

/// What a build knows of itself before it runs.
#[derive(Debug, Clone, Default)]
pub struct Provenance {
    /// Public id, where the store belongs to a feedstock.
    pub id: Option<String>,
    /// URL of the feedstock.
    pub feedstock: Option<String>,
    /// Commit of the feedstock.
    pub commit: Option<String>,
    /// BLAKE3 of the recipe as it was read.
    pub recipe_hash: Option<String>,
    /// When the build began, RFC 3339.
    pub started: String,
    /// Attributes that the recipe adds.
    pub added: Attributes,
}

impl Provenance {
    /// The attributes to add to the root of the store.
    pub fn attributes(&self, run: &str, prepared: &Prepared) -> Attributes {
        let mut attributes = self.added.clone();
        let mut text = |name: &str, value: &str| {
            attributes.insert(name.to_owned(), AttributeValue::Text(value.to_owned()));
        };
        let finished = crate::clock::now();
        text("firn:version", env!("CARGO_PKG_VERSION"));
        text(RUN, run);
        text("firn:started", &self.started);
        text("firn:finished", &finished);
        text("firn:source_digest", &source_digest(prepared));
        text("pangeo_forge_build_timestamp", &finished);
        let optional = [
            ("firn:id", &self.id),
            ("firn:feedstock", &self.feedstock),
            ("firn:feedstock_commit", &self.commit),
            ("pangeo_forge_build_git_hash", &self.commit),
            (RECIPE_HASH, &self.recipe_hash),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                text(name, value);
            }
        }
        let count = Numbers::Int64(vec![prepared.combined.files.len() as i64]);
        attributes.insert("firn:source_files".to_owned(), AttributeValue::Numbers(count));
        attributes
    }
}

/// BLAKE3 of the list of sources with their versions, hex.
pub fn source_digest(prepared: &Prepared) -> String {
    let mut hasher = blake3::Hasher::new();
    for file in &prepared.combined.files {
        let version = &file.version;
        let line = format!(
            "{}\t{}\t{}\t{}.{:09}\n",
            file.url,
            version.size,
            version.etag.as_deref().unwrap_or("-"),
            version.last_modified.map_or_else(|| "-".to_owned(), |t| t.to_string()),
            version.nanoseconds.unwrap_or(0),
        );
        hasher.update(line.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}
