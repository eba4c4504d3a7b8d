//! `firn catalog` for people.

use super::answer::Validation;
use crate::cli::outcome::Style;
use crate::cli::table::write_table;
use crate::config::size::bytes_text;
use firn_catalog::facts::{DatasetFacts, DimensionFacts, VariableRole};
use firn_catalog::{CatalogEntry, CatalogFinding};
use firn_engine::verbs::catalog_build::CatalogBuildReport;
use firn_engine::verbs::catalog_show::{ShownDataset, ShownSnippet};
use firn_engine::verbs::catalog_validate::DocumentProblem;
use firn_model::diagnose::shell_word;
use std::io::{self, Write};

fn severity(word: &str, style: Style) -> String {
    match word {
        "error" => style.red(word),
        _ => style.yellow(word),
    }
}

fn problem(problem: &DocumentProblem, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let path = if problem.path.is_empty() { String::new() } else { format!("{}: ", problem.path) };
    writeln!(
        out,
        "  {}:{}:{}: {}: {path}{} {}",
        problem.document,
        problem.line,
        problem.column,
        severity(&problem.severity, style),
        problem.message,
        style.dim(format!("[{}]", problem.code))
    )?;
    help(&problem.help, out, style)
}

fn finding(finding: &CatalogFinding, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let store = finding.store.as_ref().map(|store| format!(", {store}")).unwrap_or_default();
    writeln!(
        out,
        "  {}{store}: {}: {} {}",
        finding.feedstock,
        severity(finding.severity.name(), style),
        finding.message,
        style.dim(format!("[{}]", finding.code))
    )?;
    help(&finding.help, out, style)
}

fn help(help: &str, out: &mut dyn Write, style: Style) -> io::Result<()> {
    if help.is_empty() { Ok(()) } else { writeln!(out, "      {} {help}", style.dim("help:")) }
}

/// What was found in a feedstock. Why one could not be read is printed as the error of the command.
pub fn validated(feedstock: &Validation, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let Some(found) = &feedstock.validated else {
        return writeln!(out, "{} {}", style.bold(&feedstock.feedstock), style.red("could not be read"));
    };
    let state = if found.valid { style.green("valid") } else { style.red("invalid") };
    writeln!(out, "{} {state}", style.bold(&feedstock.feedstock))?;
    for document in &found.documents {
        writeln!(out, "  {}", style.dim(document))?;
    }
    for found in &found.findings {
        problem(found, out, style)?;
    }
    for found in &found.catalog_findings {
        finding(found, out, style)?;
    }
    if let Some(unchecked) = &found.unchecked {
        writeln!(out, "  {} meta.yaml was not checked: {unchecked}", style.yellow("note:"))?;
    }
    for note in &found.notes {
        writeln!(out, "  {} {note}", style.yellow("note:"))?;
    }
    if !found.ids.is_empty() {
        writeln!(out, "  {} {}", style.dim("datasets:"), found.ids.join(", "))?;
    }
    Ok(())
}

/// A catalog that was built.
pub fn built(report: &CatalogBuildReport, out: &mut dyn Write, style: Style) -> io::Result<()> {
    writeln!(out, "{} {}", style.bold(&report.out), style.green("written"))?;
    writeln!(
        out,
        "  {} of {}, {} opened, {}",
        count(report.datasets.len(), "dataset"),
        count(report.feedstocks, "feedstock"),
        report.opened,
        count(report.files.len(), "file")
    )?;
    for note in &report.notes {
        writeln!(out, "  {} {note}", style.yellow("note:"))?;
    }
    for warning in &report.warnings {
        writeln!(out, "  {}", warning.replace('\n', "\n  "))?;
    }
    for found in &report.findings {
        finding(found, out, style)?;
    }
    for gone in &report.removed {
        writeln!(out, "  {} {gone}", style.dim("removed:"))?;
    }
    if let Some(first) = report.datasets.first() {
        writeln!(out, "{} firn catalog snippet {first} --catalog {}", style.dim("next:"), shell_word(&report.out))?;
    }
    Ok(())
}

fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// A dataset.
pub fn shown(shown: &ShownDataset, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let entry = &shown.dataset;
    writeln!(out, "{}  {}", style.bold(&entry.id), entry.title)?;
    if entry.collection != entry.title {
        writeln!(out, "{}", entry.collection)?;
    }
    if !entry.description.is_empty() {
        writeln!(out, "{}", entry.description)?;
    }
    writeln!(out)?;
    write_table(out, 0, &about(entry))?;
    if let Some(facts) = &entry.facts {
        contents(facts, out, style)?;
    }
    for snippet in &entry.snippets {
        writeln!(out, "\n{}", style.dim(format!("Python (needs {}):", snippet.requires.join(", "))))?;
        for line in snippet.code.lines() {
            writeln!(out, "    {line}")?;
        }
    }
    Ok(())
}

fn about(entry: &CatalogEntry) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row = |name: &str, text: String| {
        if !text.is_empty() {
            rows.push(vec![name.to_owned(), text]);
        }
    };
    row("kind", entry.kind.title().to_owned());
    row("address", firn_model::diagnose::without_secrets(&entry.url));
    let data_type = entry.data_type.and_then(|kind| serde_json::to_value(kind).ok());
    row("type", data_type.and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default());
    row("license", entry.license.clone().unwrap_or_default());
    row("doi", entry.bare_doi().unwrap_or_default().to_owned());
    let providers = entry.providers.iter().map(|provider| {
        let roles = provider.roles.as_ref().filter(|roles| !roles.is_empty());
        roles.map_or_else(|| provider.name.clone(), |roles| format!("{} ({})", provider.name, roles.join(", ")))
    });
    row("providers", providers.collect::<Vec<_>>().join("; "));
    let maintainers = entry.maintainers.iter().map(|person| person.name.clone());
    row("maintainers", maintainers.collect::<Vec<_>>().join("; "));
    row("tags", entry.tags.join(", "));
    row("updated", entry.last_updated.clone().unwrap_or_default());
    row("aliases", entry.aliases.join(", "));
    if let Some([west, south, east, north]) = entry.facts.as_ref().and_then(|facts| facts.bbox) {
        row("where", format!("{west} to {east} east, {south} to {north} north"));
    }
    if let Some([first, last]) = entry.facts.as_ref().and_then(|facts| facts.interval.as_ref()) {
        row("when", format!("{first} to {last}"));
    }
    rows
}

fn contents(facts: &DatasetFacts, out: &mut dyn Write, style: Style) -> io::Result<()> {
    writeln!(out, "\n{}", style.dim("dimensions:"))?;
    let dimension = |(name, dimension): (&String, &DimensionFacts)| {
        let extent = match (&dimension.interval, dimension.extent, &dimension.labels) {
            (Some([first, last]), ..) => format!("{first} … {last}"),
            (None, Some([least, most]), _) => format!("{least} … {most}"),
            (None, None, Some(labels)) => labels.join(", "),
            _ => String::new(),
        };
        vec![name.clone(), dimension.size.to_string(), extent, dimension.units.clone().unwrap_or_default()]
    };
    write_table(out, 2, &facts.dimensions.iter().map(dimension).collect::<Vec<_>>())?;
    writeln!(out, "{}", style.dim("variables:"))?;
    let data = facts.variables.iter().filter(|(_, variable)| variable.role != VariableRole::Coordinate);
    let rows: Vec<Vec<String>> = data
        .map(|(name, variable)| {
            vec![
                name.clone(),
                variable.data_type.clone(),
                format!("({})", variable.dimensions.join(", ")),
                variable.units.clone().unwrap_or_default(),
                variable.description.clone().unwrap_or_default(),
            ]
        })
        .collect();
    write_table(out, 2, &rows)?;
    if facts.decoded_bytes > 0 {
        writeln!(out, "  {} when decoded", bytes_text(facts.decoded_bytes))?;
    }
    Ok(())
}

/// The lines alone, so that they can be piped into Python.
pub fn snippet(shown: &ShownSnippet, out: &mut dyn Write, style: Style) -> io::Result<()> {
    writeln!(out, "{}", style.dim(format!("# {}: needs {}", shown.id, shown.snippet.requires.join(", "))))?;
    write!(out, "{}", shown.snippet.code)
}
