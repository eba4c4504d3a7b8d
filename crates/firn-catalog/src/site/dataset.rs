//! The page of a dataset.

use super::html::{document, escape, link, picture, table};
use crate::entry::CatalogEntry;
use crate::facts::{AxisKind, DatasetFacts, DimensionFacts, VariableRole};
use crate::text::{bytes_text, number_text};
use firn_model::feedstock::DataType;
use firn_model::feedstock::catalog::LineageEntry;
use std::fmt::Write;

/// Where the page of a dataset leads to.
#[derive(Debug, Clone, Copy)]
pub struct PageLinks<'a> {
    /// To the page of the catalog.
    pub catalog: &'a str,
    /// To the STAC collection of the dataset.
    pub collection: &'a str,
}

impl Default for PageLinks<'_> {
    /// Of a page in the directory of its dataset.
    fn default() -> Self {
        Self { catalog: "../../index.html", collection: "collection.json" }
    }
}

/// What it is, how to open it, what is in it, whose it is.
pub fn page(entry: &CatalogEntry, links: PageLinks) -> String {
    let mut body = format!("<p class=\"dim\"><a href=\"{}\">All datasets</a></p>\n", escape(links.catalog));
    let _ = writeln!(body, "<h1>{}</h1>", escape(&entry.title));
    if entry.collection != entry.title {
        let _ = writeln!(body, "<p class=\"dim\">{}</p>", escape(&entry.collection));
    }
    if let Some(url) = entry.thumbnail.as_deref() {
        body.push_str(&picture(url, &entry.title));
    }
    let _ = writeln!(body, "<p class=\"description\">{}</p>", escape(&entry.description));
    if !entry.tags.is_empty() {
        let tags: Vec<String> =
            entry.tags.iter().map(|tag| format!("<span class=\"tag\">{}</span>", escape(tag))).collect();
        let _ = writeln!(body, "<p>{}</p>", tags.join(" "));
    }
    open(entry, &mut body);
    if let Some(facts) = &entry.facts {
        contents(facts, &mut body);
    }
    about(entry, links, &mut body);
    document(&format!("{} · {}", entry.title, entry.id), &body)
}

fn open(entry: &CatalogEntry, body: &mut String) {
    body.push_str("<h2>Open it</h2>\n");
    if entry.snippets.is_empty() {
        body.push_str("<p>No Python is known that opens it from there.</p>\n");
    }
    for snippet in &entry.snippets {
        if entry.snippets.len() > 1 {
            let _ = writeln!(body, "<p>{}</p>", escape(&snippet.title));
        }
        let _ = writeln!(body, "<pre><code>{}</code></pre>", escape(snippet.code.trim_end()));
        let needs = escape(&snippet.requires.join(", "));
        let _ = writeln!(body, "<p class=\"dim\">One click selects all lines. Needs {needs}</p>");
    }
}

fn contents(facts: &DatasetFacts, body: &mut String) {
    if !facts.dimensions.is_empty() {
        body.push_str("<h2>Dimensions</h2>\n");
        let row = |(name, dimension): (&String, &DimensionFacts)| {
            vec![
                escape(name),
                dimension.size.to_string(),
                escape(&extent(dimension)),
                escape(dimension.units.as_deref().unwrap_or("")),
            ]
        };
        body.push_str(&table(
            &["Name", "Size", "From … to", "Unit"],
            &facts.dimensions.iter().map(row).collect::<Vec<_>>(),
        ));
    }
    let of_interest = || facts.variables.iter().filter(|(_, variable)| variable.role != VariableRole::Coordinate);
    if of_interest().next().is_some() {
        body.push_str("<h2>Variables</h2>\n");
        let rows: Vec<Vec<String>> = of_interest()
            .map(|(name, variable)| {
                vec![
                    escape(name),
                    escape(variable.description.as_deref().unwrap_or("")),
                    escape(&variable.dimensions.join(", ")),
                    escape(&variable.data_type),
                    escape(variable.units.as_deref().unwrap_or("")),
                    variable.chunk_shape.as_ref().map(|shape| join(shape)).unwrap_or_default(),
                ]
            })
            .collect();
        body.push_str(&table(&["Name", "What it is", "Dimensions", "Type", "Unit", "Chunks"], &rows));
        let _ = writeln!(body, "<p class=\"dim\">{} when decoded</p>", bytes_text(facts.decoded_bytes));
    }
}

fn join(shape: &[u64]) -> String {
    shape.iter().map(u64::to_string).collect::<Vec<_>>().join(" × ")
}

fn extent(dimension: &DimensionFacts) -> String {
    match (&dimension.interval, dimension.extent, &dimension.labels) {
        (Some([first, last]), ..) => format!("{first} … {last}"),
        (None, Some([least, most]), _) => format!("{} … {}", number_text(least), number_text(most)),
        (None, None, Some(labels)) => labels.join(", "),
        _ if dimension.axis == AxisKind::Other => String::new(),
        _ => "not read".to_owned(),
    }
}

fn about(entry: &CatalogEntry, links: PageLinks, body: &mut String) {
    body.push_str("<h2>About</h2>\n");
    let mut rows = vec![vec!["Id".to_owned(), escape(&entry.id)]];
    let mut row = |name: &str, html: String| {
        if !html.is_empty() {
            rows.push(vec![name.to_owned(), html]);
        }
    };
    row("Kind", escape(entry.kind.title()));
    row("Address", escape(&crate::text::shown(&entry.url)));
    row("Type", entry.data_type.map_or("", type_text).to_owned());
    let license = entry.license.as_deref().unwrap_or("");
    match &entry.license_link {
        Some(terms) => row("Licence", link(terms.url.as_deref().unwrap_or(""), license)),
        None => row("Licence", link(license, license)),
    }
    if let Some(doi) = entry.bare_doi() {
        row("DOI", link(&format!("https://doi.org/{doi}"), doi));
    }
    let provider = |provider: &firn_model::feedstock::meta::Provider| {
        let roles =
            provider.roles.as_ref().map(|roles| format!(" ({})", escape(&roles.join(", ")))).unwrap_or_default();
        format!("{}{roles}", link(provider.url.as_deref().unwrap_or(""), &provider.name))
    };
    row("Providers", entry.providers.iter().map(provider).collect::<Vec<_>>().join("<br>"));
    let maintainer = |person: &firn_model::feedstock::meta::Maintainer| match &person.github {
        Some(name) => link(&format!("https://github.com/{name}"), &person.name),
        None => escape(&person.name),
    };
    row("Maintainers", entry.maintainers.iter().map(maintainer).collect::<Vec<_>>().join("<br>"));
    let source = |lineage: &LineageEntry| match lineage {
        LineageEntry::Source(source) => link(source, source),
        LineageEntry::Described(lineage) => {
            let words = lineage.description.as_deref().unwrap_or(&lineage.source);
            link(&lineage.source, words)
        }
    };
    row("Made from", entry.lineage.iter().map(source).collect::<Vec<_>>().join("<br>"));
    row("Last updated", escape(entry.last_updated.as_deref().unwrap_or("")));
    row("Feedstock", link(entry.feedstock_url.as_deref().unwrap_or(""), &entry.feedstock));
    row("Links", entry.links.iter().map(|further| link(&further.url, &further.label)).collect::<Vec<_>>().join("<br>"));
    body.push_str(&table(&["", ""], &rows));
    let _ = writeln!(body, "<p class=\"dim\"><a href=\"{}\">STAC collection</a></p>", escape(links.collection));
}

fn type_text(data_type: DataType) -> &'static str {
    match data_type {
        DataType::Curated => "curated: public elsewhere, linked",
        DataType::Ingested => "ingested: the values of the source, unchanged",
        DataType::Produced => "produced: made here",
    }
}
