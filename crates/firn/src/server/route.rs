//! What a path asks for. Pure: texts in, texts out; no path reaches any file system.

use firn_catalog::id::{is_public_id, split_version};
use firn_catalog::{index, site, stac};
use percent_encoding::percent_decode_str;

/// The longest path, bytes.
const LONGEST: usize = 8192;

/// The longest name of a version.
const LONGEST_VERSION: usize = 128;

/// What a path asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// The page of the catalog.
    Index,
    /// firn's own document of the catalog.
    CatalogDocument,
    /// The root of the STAC catalog.
    Stac,
    /// The STAC collection of a dataset.
    Collection(String),
    /// The page of a dataset.
    Page(String),
    /// A key below a dataset.
    Data(DataPath),
    /// Nothing that is served.
    Nothing,
}

/// A key below a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataPath {
    /// Public id, or a former one.
    pub id: String,
    /// Behind the `@`.
    pub version: Option<String>,
    /// Below the dataset, without `/` at its ends.
    pub key: String,
    /// Whether the path ends with `/`.
    pub is_folder: bool,
}

/// What this path asks for.
pub fn route(path: &str, prefix: &str) -> Route {
    if path.len() > LONGEST {
        return Route::Nothing;
    }
    let Some(parts) = parts(below(path, prefix)) else { return Route::Nothing };
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        [""] => Route::Index,
        [name] if *name == site::PAGE => Route::Index,
        [name] if *name == index::FILE_NAME => Route::CatalogDocument,
        [name] if *name == stac::ROOT => Route::Stac,
        ["datasets", id, ""] if is_public_id(id) => Route::Page((*id).to_owned()),
        ["datasets", id, name] if is_public_id(id) && *name == site::PAGE => Route::Page((*id).to_owned()),
        ["datasets", id, "collection.json"] if is_public_id(id) => Route::Collection((*id).to_owned()),
        ["d", dataset, key @ ..] => data(dataset, key),
        _ => Route::Nothing,
    }
}

fn data(dataset: &str, key: &[&str]) -> Route {
    let (id, version) = split_version(dataset);
    let (is_folder, key) = match key.split_last() {
        Some((&"", rest)) => (true, rest),
        _ => (false, key),
    };
    let is_name = |version: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let begins = version.starts_with(|c: char| c.is_ascii_alphanumeric());
        begins && version.len() <= LONGEST_VERSION && version.bytes().all(known)
    };
    if !is_public_id(id) || !version.is_none_or(is_name) || key.contains(&"") {
        return Route::Nothing;
    }
    Route::Data(DataPath { id: id.to_owned(), version: version.map(str::to_owned), key: key.join("/"), is_folder })
}

/// The parts of a path, decoded; `None` for what is no path of names.
fn parts(path: &str) -> Option<Vec<String>> {
    let part = |part: &str| {
        let decoded = percent_decode_str(part).decode_utf8().ok()?;
        let is_name = !matches!(&*decoded, "." | "..")
            && !decoded.contains(['/', '\\'])
            && !decoded.chars().any(char::is_control);
        is_name.then(|| decoded.into_owned())
    };
    path.split('/').map(part).collect()
}

/// Whether a path ends as the key of a chunk does: `…/c`, `…/c/0/1`.
pub fn names_a_chunk(path: &str) -> bool {
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    path.trim_end_matches('/').rsplit('/').find(|part| !is_number(part)) == Some("c")
}

/// Where a former id leads, relative to the path that was asked for: so it is right below any prefix.
pub fn moved(data: &DataPath, id: &str, path: &str, prefix: &str) -> String {
    let mut parts = below(path, prefix).split('/');
    // `d` and the dataset.
    let (_d, _dataset) = (parts.next(), parts.next());
    let key: Vec<&str> = parts.collect();
    let version = data.version.as_ref().map(|version| format!("@{version}")).unwrap_or_default();
    let below = if key.is_empty() { String::new() } else { format!("/{}", key.join("/")) };
    format!("{}{id}{version}{below}", "../".repeat(key.len()))
}

/// The path without the prefix, which may be there already or was taken off by a proxy, and without its first `/`.
fn below<'p>(path: &'p str, prefix: &str) -> &'p str {
    let path = path.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with('/')).unwrap_or(path);
    path.strip_prefix('/').unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(path: &str) -> Option<(String, Option<String>, String, bool)> {
        match route(path, "/base") {
            Route::Data(data) => Some((data.id, data.version, data.key, data.is_folder)),
            _ => None,
        }
    }

    #[test]
    fn a_dataset_is_named_with_and_without_a_version_and_a_prefix() {
        let sst = |version: Option<&str>, key: &str, is_folder| {
            Some(("sst.daily".to_owned(), version.map(str::to_owned), key.to_owned(), is_folder))
        };
        assert_eq!(key("/d/sst.daily"), sst(None, "", false));
        assert_eq!(key("/base/d/sst.daily/"), sst(None, "", true));
        assert_eq!(key("/d/sst.daily@v2/a/c/0/1"), sst(Some("v2"), "a/c/0/1", false));
        assert_eq!(key("/d/sst.daily%40v2/a%20b/"), sst(Some("v2"), "a b", true));
        assert_eq!(key("/d/sst.daily%2540v2"), sst(Some("v2"), "", false));
    }

    #[test]
    fn hostile_paths_are_nothing() {
        for path in [
            "/d/sst/../../etc/passwd",
            "/d/sst/%2e%2e/x",
            "/d/sst/..%2fx",
            "/d/sst//x",
            "/d/%2fetc",
            "/d/sst/a%00b",
            "/d/sst/a%5cb",
            "/d/SST",
            "/d/sst@",
            "/d/sst@..",
            "/d/sst@v1@v2",
            "/d/sst@a%2fb",
            "/d/",
            "/d",
            "/etc/passwd",
            "/datasets/../d",
            "/d/sst/%ff",
            "/basement/d/sst",
        ] {
            assert_eq!(route(path, "/base"), Route::Nothing, "{path}");
        }
        assert_eq!(route(&format!("/d/sst/{}", "a/".repeat(5000)), ""), Route::Nothing);
    }

    #[test]
    fn keys_of_chunks_are_told_from_all_others() {
        for (path, expected) in [
            ("/d/sst/v/c/0/1", true),
            ("/d/sst/v/c", true),
            ("/d/sst/a%00b/c/12", true),
            ("/d/sst/v/c/99999999999999999999", true),
            ("/d/sst/c/zarr.json", false),
            ("/d/sst/v/0.0", false),
            ("/d/sst/v/0/1", false),
            ("/d/sst", false),
            ("/", false),
        ] {
            assert_eq!(names_a_chunk(path), expected, "{path}");
        }
    }

    #[test]
    fn pages_are_where_the_static_site_has_them() {
        assert_eq!(route("/", ""), Route::Index);
        assert_eq!(route("/base", "/base"), Route::Index);
        assert_eq!(route("/base/index.html", "/base"), Route::Index);
        assert_eq!(route(&format!("/{}", site::page_path("sst")), ""), Route::Page("sst".to_owned()));
        assert_eq!(route(&format!("/{}", stac::collection_path("sst")), ""), Route::Collection("sst".to_owned()));
    }

    #[test]
    fn a_former_id_leads_to_the_same_key_of_the_new_one() {
        let moved_to = |path: &str| match route(path, "/base") {
            Route::Data(data) => moved(&data, "new.id", path, "/base"),
            other => panic!("{other:?}"),
        };
        assert_eq!(moved_to("/d/old"), "new.id");
        assert_eq!(moved_to("/d/old/"), "../new.id/");
        assert_eq!(moved_to("/base/d/old@v1/a/zarr.json"), "../../new.id@v1/a/zarr.json");
        assert_eq!(moved_to("/d/old/d/x%20y"), "../../new.id/d/x%20y");
    }
}
