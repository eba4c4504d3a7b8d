//! Plain pages for any file server or bucket: no script, nothing from elsewhere, every text escaped.

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
        let _ = writeln!(
            body,
            "<li><a href=\"{}\">{}</a><br><span class=\"dim\">{} · {}</span></li>",
            escape(&page_path(&entry.id)),
            escape(&entry.title),
            escape(&entry.id),
            escape(entry.kind.title()),
        );
    }
    if group.is_some() {
        body.push_str("</ul>\n");
    }
    body.push_str("<p class=\"dim\"><a href=\"catalog.json\">STAC</a> · <a href=\"firn-catalog.json\">JSON</a></p>\n");
    document(&description.title, &body)
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
}
