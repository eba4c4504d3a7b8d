//! Entries of the catalog that may be the same dataset.

use super::report::{Duplicate, RecipePlan};
use crate::error::EngineError;
use crate::settings::Engine;
use crate::verbs::catalog_show::datasets;
use firn_catalog::CatalogEntry;
use firn_model::diagnose::{Category, Diagnose, without_secrets};
use firn_storage::ObjectUrl;

/// What is planned, as far as a catalog can know it.
#[derive(Debug, Default)]
struct Wanted<'a> {
    /// Public ids.
    ids: Vec<&'a str>,
    /// Where it would go, or is.
    urls: Vec<String>,
    /// Its title.
    title: Option<&'a str>,
}

/// Entries with the id, the address or the title of what is planned; nothing where no catalog is configured.
///
/// # Errors
/// [`EngineError::Interrupted`]. A catalog that cannot be read is a note: the plan does not depend on it.
pub(super) fn find(
    engine: &Engine,
    plans: &[RecipePlan],
    store: Option<&str>,
    title: Option<&str>,
    notes: &mut Vec<String>,
) -> Result<Vec<Duplicate>, EngineError> {
    let Some(catalog) = &engine.settings.catalog else { return Ok(Vec::new()) };
    let shown = without_secrets(catalog);
    let entries = match datasets(engine, catalog) {
        Ok((entries, None)) => entries,
        Ok((entries, Some(unread))) => {
            notes.push(format!("only a part of the catalog {shown} could be read for duplicates: {unread}"));
            entries
        }
        Err(error) if matches!(error.category(), Category::Interrupted | Category::Bug) => return Err(error),
        Err(error) => {
            notes.push(format!("the catalog {shown} could not be read for duplicates: {error}"));
            return Ok(Vec::new());
        }
    };
    let physical = |url: &str| physical(engine, url);
    let targets = plans.iter().filter_map(|plan| plan.destination.url.as_deref());
    let wanted = Wanted {
        ids: plans.iter().filter_map(|plan| plan.id.as_deref()).collect(),
        urls: targets.chain(store).map(physical).collect(),
        title,
    };
    Ok(among(&entries, &wanted, &physical))
}

/// The address that two ways of writing it share.
fn physical(engine: &Engine, url: &str) -> String {
    let parsed = ObjectUrl::parse(url).and_then(|url| engine.storage.physical(&url));
    parsed.map_or_else(|_| url.to_owned(), |url| url.to_string()).trim_end_matches('/').to_owned()
}

fn among(entries: &[CatalogEntry], wanted: &Wanted<'_>, physical: &dyn Fn(&str) -> String) -> Vec<Duplicate> {
    let words = |text: &str| text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    let title = wanted.title.map(words).filter(|title| !title.is_empty());
    let has_title = |entry: &CatalogEntry| {
        title.as_ref().is_some_and(|title| [&entry.title, &entry.collection].map(|t| words(t)).contains(title))
    };
    let duplicate = |entry: &CatalogEntry| {
        let url = physical(&entry.url);
        let same = if wanted.ids.contains(&entry.id.as_str()) {
            "id"
        } else if wanted.urls.iter().any(|of| is_version_of(&url, of)) {
            "url"
        } else if has_title(entry) {
            "title"
        } else {
            return None;
        };
        let (id, title, url) = (entry.id.clone(), entry.title.clone(), without_secrets(&entry.url));
        Some(Duplicate { id, title, url, same: same.to_owned() })
    };
    entries.iter().filter_map(duplicate).collect()
}

/// Whether an address is that of a dataset, or of one of its versions.
fn is_version_of(url: &str, dataset: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    url.strip_prefix(dataset).is_some_and(|rest| rest.is_empty() || rest.strip_prefix("/v").is_some_and(digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, title: &str, url: &str) -> CatalogEntry {
        let json = serde_json::json!({
            "id": id, "title": title, "collection": "C", "description": "D", "feedstock": "f", "store": "s", "url": url,
            "kind": "zarr-v3",
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn entries_with_the_same_id_address_or_title_are_named() {
        let entries = [
            entry("sst", "Other", "s3://b/other"),
            entry("a", "Other", "s3://b/sst/v2/"),
            entry("b", "Sea  Surface temperature", "s3://b/x"),
            entry("c", "Other", "s3://b/sst-monthly"),
            entry("d", "Other", "s3://b/sst/vx"),
        ];
        let wanted =
            Wanted { ids: vec!["sst"], urls: vec!["s3://b/sst".to_owned()], title: Some("sea surface Temperature") };
        let found = among(&entries, &wanted, &|url| url.trim_end_matches('/').to_owned());
        let same: Vec<(&str, &str)> = found.iter().map(|found| (found.id.as_str(), found.same.as_str())).collect();
        assert_eq!(same, [("sst", "id"), ("a", "url"), ("b", "title")]);
    }
}
