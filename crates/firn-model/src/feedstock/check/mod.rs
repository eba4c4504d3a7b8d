//! What the structure alone does not say: rules between keys, between documents, and what this version does not do.

mod catalog;
mod license;
mod meta;
mod recipe;
mod secrets;
mod source;
mod target;
mod unsupported;

pub(super) use catalog::catalog;
pub(super) use meta::meta;
pub(super) use recipe::recipes;
pub(super) use secrets::secrets;

pub use license::license_id;
pub use secrets::url_secret;

use serde::de::DeserializeOwned;

use super::catalog::CatalogDocument;
use super::meta::Meta;
use super::recipe::{Recipe, RecipeDocument};
use super::slug::slug;
use crate::document::{Checked, DocumentFinding, DocumentPath, Findings, Node, Segment, did_you_mean};

/// The recipes, each with its position, without what is told already to be wrong: one wrong step or gap hides nothing else.
fn recipes_of(node: &Node, broken: &[DocumentPath]) -> Vec<(usize, Recipe)> {
    let read = |(index, item): (usize, &Node)| {
        let whole = item.to_json();
        if let Ok(recipe) = serde_json::from_value(whole.clone()) {
            return Some((index, recipe));
        }
        let here = super::recipe_path(index);
        let mut rest = whole;
        for path in broken.iter().filter(|path| path.is_within(&here)) {
            match &path.segments()[2..] {
                // The source is never missing as a whole: the key in it goes.
                [Segment::Key(section), Segment::Key(key), ..] if section == "source" => {
                    rest.get_mut(section)?.as_object_mut()?.remove(key);
                }
                [Segment::Key(section), ..] => {
                    rest.as_object_mut()?.remove(section);
                }
                _ => return None,
            }
        }
        Some((index, serde_json::from_value(rest).ok()?))
    };
    node.get("recipes").map(Node::items).unwrap_or_default().iter().enumerate().filter_map(read).collect()
}

/// The items of a list that can be read, each with its position: broken ones have been told already.
fn items<T: DeserializeOwned>(node: &Node, key: &str) -> Vec<(usize, T)> {
    let items = node.get(key).map(Node::items).unwrap_or_default().iter().enumerate();
    items.filter_map(|(index, item)| serde_json::from_value(item.to_json()).ok().map(|item| (index, item))).collect()
}

/// The rules between documents.
pub(super) fn across(
    names: &[Option<String>; 3],
    meta: Option<&Checked<Meta>>,
    catalog: Option<&Checked<CatalogDocument>>,
    recipe: Option<&Checked<RecipeDocument>>,
) -> Vec<DocumentFinding> {
    let mut list = Vec::new();
    let meta_recipes = meta.and_then(|checked| checked.value.as_ref()).and_then(|meta| meta.recipes.as_ref());
    if let (Some(name), Some(Checked { value: Some(document), root: Some(root), .. })) = (&names[2], recipe) {
        let mut findings = Findings::new(name.clone(), root);
        if let Some(known) = meta_recipes {
            for (index, recipe) in document.recipes.iter().enumerate() {
                if !known.iter().any(|known| known.id == recipe.id) {
                    let help = did_you_mean(&recipe.id, known.iter().map(|known| known.id.as_str()));
                    let message = format!("meta.yaml names no recipe {:?}", recipe.id);
                    findings.warning("recipe-not-in-meta", &super::recipe_path(index).key("id"), message, help);
                }
            }
        }
        if let Some(Checked { value: Some(catalog), .. }) = catalog {
            recipes_against_stores(document, catalog, &mut findings);
        }
        list.extend(findings.into_list());
    }
    if let (Some(name), Some(Checked { value: Some(document), root: Some(root), .. })) = (&names[1], catalog) {
        let mut findings = Findings::new(name.clone(), root);
        if meta.is_none() && document.meta_url().is_none() {
            let help = "add `meta_yaml_url:`, or a meta.yaml beside this document";
            findings.warning("meta-missing", &DocumentPath::root(), "nothing says where meta.yaml is", help);
        }
        list.extend(findings.into_list());
    }
    list
}

/// A recipe that names a store by nearly its id would make a second entry beside it.
fn recipes_against_stores(document: &RecipeDocument, catalog: &CatalogDocument, findings: &mut Findings<'_>) {
    for (index, recipe) in document.recipes.iter().enumerate() {
        let same =
            catalog.stores().iter().any(|store| store.id == recipe.id || slug(&store.id).as_ref() == Some(&recipe.id));
        let near = crate::document::nearest(&recipe.id, catalog.stores().iter().map(|store| store.id.as_str()));
        // Stores that other recipes make are no misspelling.
        let near = near.filter(|near| !document.recipes.iter().any(|other| other.id == *near));
        if let (false, Some(near)) = (same, near) {
            let message = format!("catalog.yaml has no store {:?}, so a run adds one", recipe.id);
            findings.warning(
                "recipe-without-store",
                &super::recipe_path(index).key("id"),
                message,
                format!("did you mean {near:?}?"),
            );
        }
    }
}
