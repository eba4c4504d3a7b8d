//! A dataset of a catalog by its id, at a version.

use crate::classify::StoreKind;
use crate::entry::CatalogEntry;
use crate::error::CatalogError;
use crate::id::split_version;
use firn_model::document::nearest;

/// Ids that an error names, at most.
const SHOWN: usize = 20;

/// The dataset with this public id or alias; with `@version` behind it, at that version.
///
/// # Errors
/// [`CatalogError::UnknownDataset`] with the nearest id, [`CatalogError::UnknownVersion`].
pub fn find(entries: &[CatalogEntry], url: &str, asked: &str) -> Result<CatalogEntry, CatalogError> {
    let (id, version) = split_version(asked);
    let by_id = entries.iter().find(|entry| entry.id == id);
    let found = by_id.or_else(|| entries.iter().find(|entry| entry.aliases.iter().any(|alias| alias == id)));
    let Some(entry) = found else {
        let ids = || entries.iter().map(|entry| entry.id.as_str());
        return Err(CatalogError::UnknownDataset {
            url: url.to_owned(),
            id: id.to_owned(),
            near: nearest(id, ids()).or_else(|| only_with(id, entries)).map(str::to_owned),
            known: ids().take(SHOWN).map(str::to_owned).collect(),
        });
    };
    match version {
        None => Ok(entry.clone()),
        Some(version) => at_version(entry, version),
    }
}

/// The only id of which this is the feedstock or the store.
fn only_with<'e>(part: &str, entries: &'e [CatalogEntry]) -> Option<&'e str> {
    let mut fitting = entries
        .iter()
        .map(|entry| entry.id.as_str())
        .filter(|id| id.split_once('.').is_some_and(|(feedstock, store)| feedstock == part || store == part));
    let first = fitting.next()?;
    fitting.next().is_none().then_some(first)
}

/// The same dataset at one of its versions: `v<N>` of plain Zarr, a tag or snapshot of Icechunk.
fn at_version(entry: &CatalogEntry, version: &str) -> Result<CatalogEntry, CatalogError> {
    let unknown = |what: &str| CatalogError::UnknownVersion {
        id: entry.id.clone(),
        version: version.to_owned(),
        what: what.to_owned(),
    };
    let mut entry = entry.clone();
    // What was found out is true of the version that was opened.
    entry.facts = None;
    if entry.kind == StoreKind::Icechunk {
        let mut details = entry.icechunk.take().unwrap_or_default();
        (details.branch, details.tag, details.snapshot) = (None, None, None);
        if is_snapshot(version) {
            details.snapshot = Some(version.to_owned());
        } else {
            details.tag = Some(version.to_owned());
        }
        entry.icechunk = Some(details);
    } else {
        if !is_number(version) {
            return Err(unknown("versions of plain Zarr are v1, v2, …"));
        }
        let url = entry.url.trim_end_matches('/');
        let base = url.rsplit_once('/').filter(|(_, last)| is_number(last)).map(|(base, _)| base);
        let base = base.ok_or_else(|| unknown("its store has no versions"))?;
        entry.url = format!("{base}/{version}");
    }
    entry.renew_snippets().map_err(|none| unknown(&none.what))?;
    Ok(entry)
}

fn is_number(text: &str) -> bool {
    text.strip_prefix('v')
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()))
}

/// Ids of snapshots are twelve bytes in Crockford's base 32.
fn is_snapshot(text: &str) -> bool {
    text.len() == 20 && text.bytes().all(|b| b.is_ascii_digit() || (b.is_ascii_uppercase() && !b"ILOU".contains(&b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<CatalogEntry> {
        let one = |id: &str, url: &str, kind: &str, alias: &str| {
            serde_json::from_value::<CatalogEntry>(serde_json::json!({
                "id": id, "title": "T", "collection": "C", "description": "D", "feedstock": "f", "store": "s", "url": url,
                "kind": kind, "aliases": [alias],
            }))
            .unwrap()
        };
        vec![one("sst.daily", "s3://b/sst/v2", "zarr-v3", "old.daily"), one("ice.daily", "/data/ice", "icechunk", "x")]
    }

    #[test]
    fn an_alias_leads_to_the_dataset() {
        assert_eq!(find(&entries(), "catalog/", "old.daily").unwrap().id, "sst.daily");
    }

    #[test]
    fn a_wrong_id_is_not_found_and_the_nearest_is_named() {
        let near = |id: &str| match find(&entries(), "catalog/", id).unwrap_err() {
            CatalogError::UnknownDataset { near, .. } => near,
            other => panic!("{other}"),
        };
        assert_eq!(near("sst.dayly").as_deref(), Some("sst.daily"));
        assert_eq!(near("ice").as_deref(), Some("ice.daily"));
        assert_eq!(near("daily"), None, "two have this store");
    }

    #[test]
    fn a_version_is_another_prefix_tag_or_snapshot() {
        let at = |id: &str| find(&entries(), "catalog/", id);
        assert_eq!(at("sst.daily@v1").unwrap().url, "s3://b/sst/v1");
        assert!(at("sst.daily@v1").unwrap().snippets[0].code.contains("s3://b/sst/v1"));
        assert!(at("ice.daily@v1.0").unwrap().snippets[0].code.contains("tag=\"v1.0\""));
        let snapshot = "ABCDEFGH1234567890JK";
        assert!(at(&format!("ice.daily@{snapshot}")).unwrap().snippets[0].code.contains("snapshot_id="));
        assert!(matches!(at("sst.daily@latest"), Err(CatalogError::UnknownVersion { .. })));
    }
}
