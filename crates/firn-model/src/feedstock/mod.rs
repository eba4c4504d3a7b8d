//! Feedstocks: the three documents that say what a dataset is, as types, with everything that is wrong with them.

pub mod catalog;
mod check;
pub mod edit;
mod formats;
mod github;
mod glob;
pub mod meta;
pub mod pattern;
pub mod recipe;
mod slug;
pub mod store_entry;

pub use catalog::{CatalogDocument, DataType, FeedstockList};
pub use check::{license_id, url_secret};
pub use edit::{Edited, StoreChange, edit_store};
pub use github::raw_url;
pub use glob::{SourceGlob, parse_list};
pub use meta::Meta;
pub use pattern::{FilePattern, Key, PatternSlot, SourceFile, SourceKey};
pub use recipe::{Recipe, RecipeDocument};
pub use slug::{is_slug, public_id, slug};
pub use store_entry::{StoreEntry, StoreMode};

use crate::document::DocumentPath;
use crate::document::{Checked, DocumentError, DocumentFinding, LoadOptions, Segment, Severity, load};

/// A document as text, with the name that findings call it by.
#[derive(Debug, Clone, Copy)]
pub struct DocumentText<'t> {
    /// Path or URL.
    pub name: &'t str,
    /// The text.
    pub text: &'t str,
}

/// The documents of a feedstock as texts.
#[derive(Debug, Clone, Copy, Default)]
pub struct FeedstockTexts<'t> {
    /// `meta.yaml`.
    pub meta: Option<DocumentText<'t>>,
    /// `catalog.yaml`.
    pub catalog: Option<DocumentText<'t>>,
    /// `recipe.yaml`.
    pub recipe: Option<DocumentText<'t>>,
}

/// The documents of a feedstock. Each may be absent: a linked store has no recipe, and `meta.yaml` may lie elsewhere.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Feedstock {
    /// `meta.yaml`.
    pub meta: Option<Meta>,
    /// `catalog.yaml`.
    pub catalog: Option<CatalogDocument>,
    /// `recipe.yaml`.
    pub recipe: Option<RecipeDocument>,
}

/// A feedstock with everything that was found, be it usable or not.
#[derive(Debug)]
pub struct LoadedFeedstock {
    /// Those documents whose structure is right.
    pub documents: Feedstock,
    /// What was found in all of them.
    pub findings: Vec<DocumentFinding>,
    names: [Option<String>; 3],
}

impl Feedstock {
    /// Reads the documents and checks them, each alone and against each other.
    pub fn from_texts(texts: FeedstockTexts<'_>) -> LoadedFeedstock {
        let meta = texts.meta.map(|document| read_meta(document.name, document.text));
        let catalog = texts.catalog.map(|document| read_catalog(document.name, document.text));
        let recipe = texts.recipe.map(|document| read_recipe(document.name, document.text));
        let names = [texts.meta, texts.catalog, texts.recipe].map(|document| document.map(|d| d.name.to_owned()));
        let mut findings: Vec<DocumentFinding> = Vec::new();
        findings.extend(check::across(&names, meta.as_ref(), catalog.as_ref(), recipe.as_ref()));
        let mut keep = |list: Vec<DocumentFinding>| findings.extend(list);
        let mut documents = Self::default();
        if let Some(checked) = meta {
            documents.meta = checked.value;
            keep(checked.findings);
        }
        if let Some(checked) = catalog {
            documents.catalog = checked.value;
            keep(checked.findings);
        }
        if let Some(checked) = recipe {
            documents.recipe = checked.value;
            keep(checked.findings);
        }
        let rank = |finding: &DocumentFinding| names.iter().position(|name| name.as_ref() == Some(&finding.document));
        findings.sort_by_key(|finding| (rank(finding), finding.line, finding.column));
        LoadedFeedstock { documents, findings, names }
    }
}

impl LoadedFeedstock {
    /// The documents, where none of them has an error. What is unsupported is told when a recipe is chosen.
    ///
    /// # Errors
    /// [`DocumentError::Invalid`] with all findings.
    pub fn feedstock(&self) -> Result<&Feedstock, DocumentError> {
        if self.findings.iter().any(|finding| finding.severity == Severity::Error) {
            return Err(DocumentError::Invalid { findings: self.findings.clone() });
        }
        Ok(&self.documents)
    }

    /// One recipe of the feedstock: the one with this id, or the only one.
    ///
    /// # Errors
    /// [`DocumentError::Invalid`], [`DocumentError::Missing`] without `recipe.yaml`, [`DocumentError::WhichRecipe`], and
    /// [`DocumentError::Unsupported`] where this recipe asks for what this version does not do.
    pub fn recipe(&self, id: Option<&str>) -> Result<&Recipe, DocumentError> {
        let feedstock = self.feedstock()?;
        let name = self.names[2].clone().unwrap_or_else(|| "recipe.yaml".to_owned());
        let Some(document) = &feedstock.recipe else { return Err(DocumentError::Missing { document: name }) };
        let which = || DocumentError::WhichRecipe {
            document: name.clone(),
            id: id.map(str::to_owned),
            ids: document.recipes.iter().map(|recipe| recipe.id.clone()).collect(),
        };
        let index = match id {
            Some(id) => document.recipes.iter().position(|recipe| recipe.id == id).ok_or_else(which)?,
            None if document.recipes.len() == 1 => 0,
            None => return Err(which()),
        };
        let recipe = document.recipes.get(index).ok_or_else(which)?;
        let concerns = |finding: &&DocumentFinding| {
            finding.severity == Severity::Unsupported
                && finding.document == name
                && match finding.path.segments() {
                    [Segment::Key(key), Segment::Index(at), ..] if key == "recipes" => *at == index,
                    _ => true,
                }
        };
        let unsupported: Vec<DocumentFinding> = self.findings.iter().filter(concerns).cloned().collect();
        if unsupported.is_empty() { Ok(recipe) } else { Err(DocumentError::Unsupported { findings: unsupported }) }
    }
}

/// Reads `meta.yaml`.
pub fn read_meta(name: &str, text: &str) -> Checked<Meta> {
    load(name, text, options(Severity::Warning), check::secrets, check::meta)
}

/// Reads `catalog.yaml`.
pub fn read_catalog(name: &str, text: &str) -> Checked<CatalogDocument> {
    load(name, text, options(Severity::Warning), check::secrets, check::catalog)
}

/// Reads `recipe.yaml`.
pub fn read_recipe(name: &str, text: &str) -> Checked<RecipeDocument> {
    load(name, text, options(Severity::Error), check::secrets, check::recipes)
}

/// Reads the list of feedstocks that a catalog is built from.
pub fn read_feedstock_list(name: &str, text: &str) -> Checked<FeedstockList> {
    load(name, text, options(Severity::Warning), check::secrets, |_, _| {})
}

fn options(unknown_keys: Severity) -> LoadOptions {
    LoadOptions { unknown_keys, formats: formats::check }
}

/// A document of a feedstock, by the name of its JSON Schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DocumentKind {
    /// `meta.yaml`
    Meta,
    /// `catalog.yaml`
    Catalog,
    /// `recipe.yaml`
    Recipe,
}

impl DocumentKind {
    /// All.
    pub const ALL: [Self; 3] = [Self::Meta, Self::Catalog, Self::Recipe];

    /// The word in file names: `meta.yaml`, `meta.schema.json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Catalog => "catalog",
            Self::Recipe => "recipe",
        }
    }

    /// Its JSON Schema.
    pub fn schema(self) -> serde_json::Value {
        match self {
            Self::Meta => schemars::schema_for!(Meta),
            Self::Catalog => schemars::schema_for!(CatalogDocument),
            Self::Recipe => schemars::schema_for!(RecipeDocument),
        }
        .to_value()
    }
}

/// The path of a recipe in its document.
fn recipe_path(index: usize) -> DocumentPath {
    DocumentPath::root().key("recipes").index(index)
}

#[cfg(test)]
mod tests;
