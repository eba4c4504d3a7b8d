//! Public ids: `<feedstock-slug>.<store-slug>`, just the feedstock where the two are equal.
//!
//! An id is derived once. From then on the store entry keeps it (`firn:id`), so that renaming a feedstock or a store breaks
//! no link; what was valid before is an alias.

use firn_model::feedstock::{CatalogDocument, StoreEntry, is_slug, public_id, slug};
use url::Url;

/// The directory that holds the documents in most repositories; the name of the feedstock is that of the repository.
const INNER_DIRECTORY: &str = "feedstock";

/// The name of a feedstock, from the path or URL of its directory or of its `catalog.yaml`.
///
/// For GitHub that is the repository, elsewhere the last directory that is not called `feedstock`; without `-feedstock` at
/// its end, which nearly every repository has. `None` where the address has no such part.
pub fn feedstock_name(place: &str) -> Option<String> {
    let url = Url::parse(place).ok().filter(Url::has_host);
    let path = url.as_ref().map_or(place, |url| url.path());
    let mut parts: Vec<&str> = path.split(['/', '\\']).filter(|part| !part.is_empty() && *part != ".").collect();
    let github = url
        .as_ref()
        .and_then(Url::host_str)
        .is_some_and(|host| matches!(host, "github.com" | "www.github.com" | "raw.githubusercontent.com"));
    let name = if github {
        parts.get(1).copied()
    } else {
        let is_document = |part: &&str| [".yaml", ".yml", ".json"].iter().any(|ending| part.ends_with(ending));
        if parts.last().is_some_and(is_document) {
            parts.pop();
        }
        if parts.len() > 1 && parts.last() == Some(&INNER_DIRECTORY) {
            parts.pop();
        }
        parts.last().copied()
    };
    let name = name.map(|name| name.strip_suffix(".git").unwrap_or(name))?;
    // A name that says twice that it is a feedstock.
    let short = ["_feedstock", "-feedstock"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
    Some(short.to_owned()).filter(|name| !name.is_empty() && name != "..")
}

/// Whether a text is a public id: one slug, or two with a dot between.
pub fn is_public_id(text: &str) -> bool {
    match text.split_once('.') {
        Some((feedstock, store)) => is_slug(feedstock) && is_slug(store),
        None => is_slug(text),
    }
}

/// The public id of a store: the one that its entry keeps, else derived from the names.
///
/// # Errors
/// A sentence where the kept id is none, or the names have no letter or digit of ASCII.
pub fn id_of(feedstock: &str, store: &StoreEntry) -> Result<String, String> {
    if let Some(kept) = &store.firn_id {
        return if is_public_id(kept) {
            Ok(kept.clone())
        } else {
            Err(format!(
                "firn:id {kept:?} is no public id: write <feedstock>.<store> of lower-case letters, digits and `-`"
            ))
        };
    }
    public_id(feedstock, &store.id).ok_or_else(|| {
        let without = if slug(feedstock).is_none() { feedstock } else { &store.id };
        format!("{without:?} has no letter or digit of ASCII to make an id of")
    })
}

/// The former ids of a store: its own aliases, and those of the feedstock, which stand for its former names.
pub fn aliases_of(document: &CatalogDocument, store: &StoreEntry) -> Vec<String> {
    let own = store.aliases.iter().flatten().cloned();
    let alone = document.stores().len() == 1;
    let inherited = document.aliases.iter().flatten().filter_map(|alias| {
        // A former name of a feedstock with one store may have been the whole id.
        if alias.contains('.') { alone.then(|| alias.clone()) } else { public_id(alias, &store.id) }
    });
    let mut aliases: Vec<String> = Vec::new();
    for alias in own.chain(inherited) {
        if !aliases.contains(&alias) {
            aliases.push(alias);
        }
    }
    aliases
}

/// An id and the version behind its `@` (or `%40`).
pub fn split_version(text: &str) -> (&str, Option<&str>) {
    match text.split_once('@').or_else(|| text.split_once("%40")) {
        Some((id, version)) => (id, Some(version)),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str) -> StoreEntry {
        StoreEntry { id: id.to_owned(), url: "https://host/x.zarr".to_owned(), ..StoreEntry::default() }
    }

    #[test]
    fn a_feedstock_is_called_as_its_repository_or_directory() {
        let named = [
            ("https://github.com/leap-stc/OSTIA_REP/blob/main/feedstock/catalog.yaml", "OSTIA_REP"),
            ("https://raw.githubusercontent.com/leap-stc/chirps_feedstock/main/feedstock/meta.yaml", "chirps"),
            ("https://github.com/o/stock.git", "stock"),
            ("https://host/a/sst/feedstock/catalog.yaml", "sst"),
            ("/data/sst-feedstock/feedstock", "sst"),
            ("/data/sst/catalog.yaml", "sst"),
            ("feedstock", "feedstock"),
        ];
        for (place, name) in named {
            assert_eq!(feedstock_name(place).as_deref(), Some(name), "{place}");
        }
        assert_eq!(feedstock_name("/"), None);
        assert_eq!(feedstock_name("https://github.com/owner"), None);
    }

    #[test]
    fn an_id_that_the_entry_keeps_wins_over_a_derived_one() {
        let kept = StoreEntry { firn_id: Some("old.name".to_owned()), ..entry("New Name") };
        assert_eq!(id_of("renamed", &kept).unwrap(), "old.name");
        assert_eq!(
            id_of("Sea Level", &entry("AVISO (Pangeo Legacy copy)")).unwrap(),
            "sea-level.aviso-pangeo-legacy-copy"
        );
        assert_eq!(id_of("SRTMGL1_DEM", &entry("SRTMGL1-DEM")).unwrap(), "srtmgl1-dem");
        assert!(id_of("x", &StoreEntry { firn_id: Some("A b".to_owned()), ..entry("c") }).is_err());
        assert!(id_of("x", &entry("日本")).is_err());
    }

    #[test]
    fn a_former_name_of_the_feedstock_is_a_former_id_of_each_store() {
        let stores = vec![entry("a"), StoreEntry { aliases: Some(vec!["very.old".to_owned()]), ..entry("b") }];
        let document = CatalogDocument {
            aliases: Some(vec!["former".to_owned(), "too.much".to_owned()]),
            stores: Some(stores),
            ..CatalogDocument::default()
        };
        assert_eq!(aliases_of(&document, &document.stores()[0]), ["former.a"]);
        assert_eq!(aliases_of(&document, &document.stores()[1]), ["very.old", "former.b"]);
    }

    #[test]
    fn a_version_stands_behind_an_at_sign() {
        assert_eq!(split_version("sst.monthly@v2"), ("sst.monthly", Some("v2")));
        assert_eq!(split_version("sst%40v2"), ("sst", Some("v2")));
        assert_eq!(split_version("sst"), ("sst", None));
    }
}
