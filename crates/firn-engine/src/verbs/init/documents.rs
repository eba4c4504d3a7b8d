//! The files of a new feedstock.

use super::facts::{Example, Facts};

/// Their names, below the directory of the feedstock.
pub(super) const NAMES: [&str; 5] =
    ["meta.yaml", "catalog.yaml", "recipe.yaml", "README.md", ".github/workflows/firn.yaml"];

const WORKFLOW: &str = include_str!("workflow.yaml");

/// Names and texts.
pub(crate) fn all(facts: &Facts) -> [(&'static str, String); 5] {
    let recipe = facts.recipe.clone().unwrap_or_else(|| recipe(facts));
    let texts = [meta(facts), catalog(facts), recipe, readme(facts), WORKFLOW.to_owned()];
    let mut texts = texts.into_iter();
    NAMES.map(|name| (name, texts.next().unwrap_or_default()))
}

/// Any text as a YAML scalar: the double-quoted style of YAML reads all of JSON's strings.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A name as a YAML scalar, quoted only where it could be read as something else than text.
pub(crate) fn word(name: &str) -> String {
    const OTHER: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
        && !OTHER.contains(&name.to_ascii_lowercase().as_str());
    if plain { name.to_owned() } else { quoted(name) }
}

fn meta(facts: &Facts) -> String {
    let title = facts.title.clone().unwrap_or_else(|| facts.id.clone());
    let description = facts.description.clone().unwrap_or_else(|| title.clone());
    let provider = facts.provider.clone().unwrap_or_else(|| "Provider of the data".to_owned());
    let fill = |known: &Option<String>| if known.is_some() { "" } else { "  # fill in" };
    format!(
        "title: {}{}\ndescription: {}{}\nrecipes:\n  - id: {}\nprovenance:\n  providers:\n    - name: {}{}\n      roles: \
         [producer, licensor]\n  license: LicenseRef-unknown  # fill in: an SPDX id such as CC-BY-4.0\nmaintainers:\n  - name: Your \
         name  # fill in\n",
        quoted(&title),
        fill(&facts.title),
        quoted(&description),
        fill(&facts.description),
        word(&facts.id),
        quoted(&provider),
        fill(&facts.provider),
    )
}

fn catalog(_facts: &Facts) -> String {
    "# What the catalog shows beside meta.yaml. `firn run` keeps `stores` up to date.\n\
     type: ingested\n\
     tags: []\n\
     stores: []\n"
        .to_owned()
}

fn recipe(facts: &Facts) -> String {
    let source = match &facts.example {
        Some(example) => source_of(example),
        None => "      # fill in: where the files are, and which there are\n      \
                 pattern: https://host/{time:%Y}/file.{time:%Y%m%d}.nc\n      \
                 dims: {time: {concat: true, start: 1981-09-01, end: 1981-09-30, freq: 1D}}\n"
            .to_owned(),
    };
    let select = match &facts.example {
        Some(example) if example.select => format!("    select: {{variables: {}}}\n", list(&example.variables)),
        Some(example) => format!("    # select: {{variables: {}}}\n", list(&example.variables)),
        None => String::new(),
    };
    format!(
        "version: 1\nrecipes:\n  - id: {}\n    source:\n{source}{select}    target: {{format: icechunk}}  # or zarr3 for a \
         copy; strategy: auto decides\n",
        word(&facts.id)
    )
}

fn source_of(example: &Example) -> String {
    match (&example.pattern, &example.concat_dim) {
        (Some(pattern), Some(dim)) => format!(
            "      pattern: {}\n      dims: {{{}: {{concat: true, start: {}, end: {}, freq: {}}}}}\n",
            quoted(&pattern.pattern),
            quoted(dim),
            first_day(&pattern.date),
            first_day(&pattern.date),
            pattern.freq,
        ),
        _ => format!("      files:\n        - {}\n", quoted(&example.url)),
    }
}

/// `1981-09` is its first day.
fn first_day(date: &str) -> String {
    match date.len() {
        4 => format!("{date}-01-01"),
        7 => format!("{date}-01"),
        _ => date.to_owned(),
    }
}

pub(crate) fn list(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
    format!("[{}]", names.join(", "))
}

/// The part of the README that is the same for all.
const README: &str = include_str!("readme.md");

fn readme(facts: &Facts) -> String {
    let title = facts.title.clone().unwrap_or_else(|| facts.id.clone());
    let description = facts.description.clone().unwrap_or_else(|| "What this dataset is about.".to_owned());
    format!("# {title}\n\n{description}\n\n{}", README.replace("@ID@", &facts.id))
}
