//! Plain pages for any file server, bucket or folder: no script, nothing from elsewhere but the picture that a dataset names,
//! every text escaped, every link relative.

mod dataset;
mod html;

pub use dataset::{PageLinks, page};

use crate::entry::CatalogEntry;
use crate::stac::RootDescription;
use html::{document, escape};
use std::fmt::Write;

/// Name of the page of a catalog, and of that of each dataset in its own directory.
pub const PAGE: &str = "index.html";

/// Path of the page of a dataset, below the directory of the catalog.
pub fn page_path(id: &str) -> String {
    format!("{}/{PAGE}", crate::stac::dataset_directory(id))
}

/// The first page: a list of the datasets by feedstock.
pub fn index(description: &RootDescription, entries: &[CatalogEntry]) -> String {
    let mut body = format!(
        "<h1>{}</h1>\n<p>{}</p>\n<p class=\"dim\">{}</p>\n",
        escape(&description.title),
        escape(&description.description),
        match entries.len() {
            1 => "1 dataset".to_owned(),
            count => format!("{count} datasets"),
        }
    );
    let mut group: Option<&str> = None;
    for entry in entries {
        if group != Some(entry.collection.as_str()) {
            if group.is_some() {
                body.push_str("</ul>\n");
            }
            let _ = writeln!(body, "<h2>{}</h2>\n<ul>", escape(&entry.collection));
            group = Some(&entry.collection);
        }
        body.push_str(&item(entry));
    }
    if group.is_some() {
        body.push_str("</ul>\n");
    }
    body.push_str("<p class=\"dim\"><a href=\"catalog.json\">STAC</a> · <a href=\"firn-catalog.json\">JSON</a></p>\n");
    document(&description.title, &body)
}

/// A dataset in the list: what it is, from when to when, how large.
fn item(entry: &CatalogEntry) -> String {
    const SHOWN: usize = 200;
    let mut facts = vec![escape(&entry.id), escape(entry.kind.title())];
    if let Some(found) = &entry.facts {
        let intervals = found.dimensions.values().filter_map(|dimension| dimension.interval.as_ref());
        facts.extend(intervals.map(|[first, last]| format!("{} … {}", escape(first), escape(last))));
        facts.push(crate::text::bytes_text(found.decoded_bytes));
    }
    facts.extend(entry.license.as_deref().map(escape));
    let description = entry.description.split_whitespace().collect::<Vec<_>>().join(" ");
    let short: String = description.chars().take(SHOWN).collect();
    let more = if short.len() < description.len() { "…" } else { "" };
    format!(
        "<li><a href=\"{}\">{}</a><br>{}{more}<br><span class=\"dim\">{}</span></li>\n",
        escape(&page_path(&entry.id)),
        escape(&entry.title),
        escape(&short),
        facts.join(" · "),
    )
}

/// A page that says why there is no other: lines of plain text below a title.
pub fn message(title: &str, lines: &[&str]) -> String {
    let lines = lines.iter().filter(|line| !line.is_empty()).map(|line| format!("<p>{}</p>\n", escape(line)));
    document(title, &format!("<h1>{}</h1>\n{}", escape(title), lines.collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn hostile() -> CatalogEntry {
        serde_json::from_value(json!({
            "id": "sst.daily", "title": "<script>alert(1)</script>", "collection": "A & B", "description": "x <img src=//e>",
            "feedstock": "sst", "store": "daily", "url": "https://h/\"><b>.zarr", "kind": "zarr", "license": "\" onload=\"x",
            "links": [{"label": "<i>", "url": "javascript:alert(1)"}, {"label": "Docs", "url": "https://h/docs?a=1&b=2"}],
            "tags": ["<b>"], "thumbnail": "data:text/html,x",
            "snippets": [{"title": "t", "language": "python", "code": "print(\"</pre>\")", "requires": ["<x>"]}],
            "facts": {"decoded_bytes": 0, "dimensions": {}, "variables": {
                "</td>": {"dimensions": ["<d>"], "shape": [1], "data_type": "int16", "role": "data", "units": "<u>"}}},
        }))
        .unwrap()
    }

    #[test]
    fn texts_of_documents_cannot_become_markup() {
        for page in [index(&RootDescription::default(), &[hostile()]), page(&hostile(), PageLinks::default())] {
            for markup in ["<script", "<img", "<b>", "<i>", "<u>", "<d>", "javascript:", "data:text", "onload=\"x\""] {
                assert!(!page.contains(markup), "{markup} in {page}");
            }
            assert!(page.contains("&lt;script&gt;"), "{page}");
        }
        assert!(page(&hostile(), PageLinks::default()).contains("href=\"https://h/docs?a=1&amp;b=2\""));
    }

    #[test]
    fn pages_need_nothing_from_elsewhere() {
        let page = page(&hostile(), PageLinks::default());
        for loading in ["<script", "<link", "<img", "@import", "url("] {
            assert!(!page.contains(loading), "{loading}");
        }
    }

    #[test]
    fn the_only_picture_is_that_of_the_dataset_over_tls() {
        let with = |thumbnail: &str| {
            let entry = CatalogEntry { thumbnail: Some(thumbnail.to_owned()), ..hostile() };
            page(&entry, PageLinks::default())
        };
        assert!(with("https://h/a.png?x=\"1\"").contains("src=\"https://h/a.png?x=%221%22\""));
        for other in ["http://h/a.png", "data:image/png;base64,x", "javascript:alert(1)", "/etc/a.png", "a.png"] {
            assert!(!with(other).contains("<img"), "{other}");
        }
    }
}
