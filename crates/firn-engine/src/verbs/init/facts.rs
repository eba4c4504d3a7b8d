//! What an example tells about the dataset.

use super::example_url::{SuggestedPattern, suggest_pattern};
use crate::verbs::inspect::Opened;
use firn_model::dataset::{Dataset, NodePath};
use std::path::{Component, Path};

/// Everything that the documents are written from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Id of recipe and store.
    pub id: String,
    /// Title of the dataset.
    pub title: Option<String>,
    /// What it is, in a sentence or more.
    pub description: Option<String>,
    /// Who made it.
    pub provider: Option<String>,
    /// The example.
    pub example: Option<Example>,
    /// The text of `recipe.yaml`, where more is known than the example tells.
    pub recipe: Option<String>,
    /// What could not be told.
    pub notes: Vec<String>,
}

/// How notes begin that are about one file.
const ABOUT_THE_EXAMPLE: &str = "the recipe ";

/// The example file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Example {
    /// Its URL.
    pub url: String,
    /// The dimension along which files probably follow each other.
    pub concat_dim: Option<String>,
    /// The pattern that its name suggests.
    pub pattern: Option<SuggestedPattern>,
    /// The variables that can be read.
    pub variables: Vec<String>,
    /// Whether others cannot be read, so that the recipe has to select.
    pub select: bool,
}

impl Facts {
    /// More is known of the files than the example tells.
    pub fn about_files(&mut self, notes: &[String], found: u64, absent: u64) {
        self.notes.retain(|note| !note.starts_with(ABOUT_THE_EXAMPLE));
        let absent = if absent > 0 { format!("; {absent} dates between them have no file") } else { String::new() };
        let found = format!("the recipe covers the {found} files that were found{absent}");
        self.notes.splice(0..0, std::iter::once(found).chain(notes.iter().cloned()));
    }

    /// Of a directory's name and what was opened.
    pub fn of(dir: &Path, opened: Option<&Opened>) -> Self {
        let id = id_of(dir);
        let Some(opened) = opened else {
            let notes = vec!["every line marked `fill in` waits for you".to_owned()];
            return Self { id, title: None, description: None, provider: None, example: None, recipe: None, notes };
        };
        let mut notes = Vec::new();
        let attribute = |names: &[&str]| {
            let root = opened.dataset.group(&NodePath::root())?;
            let found = names.iter().find_map(|name| {
                let wanted = |(key, _): &(&String, &_)| key.eq_ignore_ascii_case(name);
                root.attributes.iter().find(wanted)?.1.as_text()
            });
            found.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")).filter(|text| !text.is_empty())
        };
        let concat_dim = concat_dim(&opened.dataset);
        let pattern = concat_dim.as_deref().and_then(|dim| suggest_pattern(&opened.url, dim));
        match (&concat_dim, &pattern) {
            (None, _) => {
                notes.push("the recipe names this one file: it has no unlimited or time dimension".to_owned());
            }
            (Some(_), None) => {
                notes.push(
                    "the recipe names this one file: its name has no date; list the others, or write a pattern"
                        .to_owned(),
                );
            }
            (Some(_), Some(_)) => {
                notes.push("the recipe covers the date of the example only: set start, end and freq".to_owned());
            }
        }
        let refused: Vec<&str> = opened.dataset.refusals().map(|(path, _)| path.as_key()).collect();
        if !refused.is_empty() {
            notes.push(format!("left out, because this version cannot read them: {}", refused.join(", ")));
        }
        notes.push("license and maintainers cannot be told from a file: fill them in in meta.yaml".to_owned());
        let example = Example {
            url: opened.url.clone(),
            concat_dim,
            pattern,
            variables: opened.dataset.arrays().map(|(path, _)| path.as_key().to_owned()).collect(),
            select: !refused.is_empty(),
        };
        Self {
            id,
            title: attribute(&["title", "long_title"]),
            description: attribute(&["summary", "description", "comment"]),
            provider: attribute(&["institution", "creator_name", "publisher_name"]),
            example: Some(example),
            recipe: None,
            notes,
        }
    }
}

/// The unlimited dimension of the root group, else the one that is called after time.
pub(crate) fn concat_dim(dataset: &Dataset) -> Option<String> {
    let dimensions = &dataset.group(&NodePath::root())?.dimensions;
    let unlimited: Vec<&String> = dimensions.iter().filter(|(_, dim)| dim.unlimited).map(|(name, _)| name).collect();
    let is_time = |name: &&String| name.to_lowercase().starts_with("time");
    let of = |names: &[&String]| names.iter().find(|name| is_time(name)).or(names.first()).map(|name| (*name).clone());
    of(&unlimited).or_else(|| dimensions.keys().find(is_time).cloned())
}

/// The name of the directory as an id.
fn id_of(dir: &Path) -> String {
    let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    let name = absolute.components().rev().find_map(|component| match component {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    });
    name.as_deref().and_then(firn_model::feedstock::slug).unwrap_or_else(|| "dataset".to_owned())
}
