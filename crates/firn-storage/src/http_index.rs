//! The index page that a web server makes of a folder (Apache, nginx, Python's and others), read as a listing: what its links
//! name directly below the folder. Sizes and dates stand there in a form of each server's own and are not taken.

use crate::listing::Level;
use crate::url::check_key;
use firn_model::diagnose::At;
use firn_model::source::{ListedObject, SourceVersion};
use html5gum::{Token, Tokenizer};
use std::collections::BTreeSet;
use url::Url;

/// What the links of a page name directly below `folder`, whose path ends in a slash. Sorting links, parents, other places and
/// names that no key can hold are left out.
pub(crate) fn links(folder: &Url, page: &[u8]) -> Level {
    let (mut files, mut folders) = (BTreeSet::new(), BTreeSet::new());
    for token in Tokenizer::new(page).flatten() {
        let Token::StartTag(tag) = token else { continue };
        if tag.name.as_slice() != b"a" {
            continue;
        }
        let Some(href) = tag.attributes.get(b"href".as_slice()) else { continue };
        let Some(name) = std::str::from_utf8(href).ok().and_then(|href| below(folder, href)) else { continue };
        match name.strip_suffix('/') {
            Some(folder) => folders.insert(folder.to_owned()),
            None => files.insert(name),
        };
    }
    let object = |key| ListedObject { key, version: SourceVersion::default() };
    Level { objects: files.into_iter().map(object).collect(), prefixes: folders.into_iter().collect() }
}

/// The decoded name that a link has below the folder; a folder's keeps its slash.
fn below(folder: &Url, href: &str) -> Option<String> {
    let target = folder.join(href).ok()?;
    if target.query().is_some() || target.fragment().is_some() || target.origin() != folder.origin() {
        return None;
    }
    let rest = target.path().strip_prefix(folder.path())?;
    let (name, slash) = rest.strip_suffix('/').map_or((rest, ""), |name| (name, "/"));
    if name.is_empty() || name.contains('/') {
        return None;
    }
    let name = percent_encoding::percent_decode_str(name).decode_utf8().ok()?;
    let is_name = !name.contains('/') && check_key(&At::nowhere(), &name).is_ok();
    is_name.then(|| format!("{name}{slash}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(page: &str) -> (Vec<String>, Vec<String>) {
        let level = links(&Url::parse("http://host/data/a%20b/").unwrap(), page.as_bytes());
        (level.objects.into_iter().map(|object| object.key).collect(), level.prefixes)
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    /// The forms of Apache's, nginx's and Python's own pages.
    #[test]
    fn links_to_files_and_folders_below_are_the_listing() {
        let page = "<title>Index of /data</title><a href=\"?C=N;O=D\">Name</a><a href=\"/data/\">Parent</a><a href=\"../\">../</a>\
                    <A HREF='x.1981.nc'>x.1981.nc</A><a href=\"/data/a%20b/y%23.nc\">y#.nc</a><a href=1981/>1981/</a>\
                    <a class=f href=\"http://host/data/a%20b/z&amp;1.nc\">z</a><a href=\"x.1981.nc\">again</a>";
        assert_eq!(listed(page), (names(&["x.1981.nc", "y#.nc", "z&1.nc"]), names(&["1981"])));
    }

    #[test]
    fn links_to_other_places_and_hostile_names_are_not() {
        let page = "<a href='http://other/data/a%20b/x'>x</a><a href='sub/x.nc'>deep</a><a href='%2e%2e%2fetc'>up</a>\
                    <a href='a%2Fb'>slash</a><a href='a%00b'>nul</a><a href='%ff'>bytes</a><a href='javascript:x()'>s</a>\
                    <a href='#top'>top</a><a href=''>self</a><a>none</a><a href='https://host/data/a%20b/x'>scheme</a><a href='%2e%2e'>";
        assert_eq!(listed(page), (vec![], vec![]));
    }

    #[test]
    fn a_page_that_ends_in_the_middle_of_a_tag_is_read_to_there() {
        assert_eq!(listed("<a href='x.nc'>x</a><a href='y.n"), (names(&["x.nc"]), vec![]));
    }
}
