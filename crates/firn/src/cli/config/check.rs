//! `firn config check`.

use crate::cli::arguments::Resources;
use crate::cli::context::Context;
use crate::cli::outcome::{Outcome, Style};
use crate::cli::table::write_table;
use crate::error::FirnError;
use crate::report::ErrorReport;
use firn_engine::verbs::config::{LocationCheck, check};
use firn_storage::{Answer, Capabilities, Capability, Location};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Serialize;
use std::io::{self, Write};

mod copy;

/// Which locations.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A location; all of them where none is named. Two: can the server copy from the first to the second?
    #[arg(value_name = "NAME", num_args = 0..=2)]
    pub names: Vec<String>,
}

/// The `result`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Checked {
    /// The locations, in order; empty where two were named.
    pub locations: Vec<CheckedLocation>,
    /// Whether the server copies from the first to the second, where two were named.
    pub copy: Option<copy::CheckedCopy>,
}

/// A location, tried.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CheckedLocation {
    /// Its name.
    pub name: String,
    /// Its address.
    pub url: String,
    /// What it is for.
    pub role: String,
    /// What it was seen to do, by capability; null where it could not be tried.
    pub capabilities: Option<IndexMap<String, CheckedCapability>>,
    /// When, seconds since 1970-01-01 UTC.
    pub probed: Option<u64>,
    /// What keeps it from doing what it is for; empty where nothing does.
    pub problems: Vec<String>,
    /// Why it could not be tried.
    pub error: Option<ErrorReport>,
}

/// What was seen.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CheckedCapability {
    /// `yes`, `no`, or `unknown` where it could not be tried.
    pub answer: String,
    /// The evidence.
    pub detail: String,
}

impl Arguments {
    pub(super) async fn perform(&self, context: &Context) -> Result<Outcome, FirnError> {
        if let [from, to] = self.names.as_slice() {
            return copy::perform(context, from, to).await;
        }
        let engine = context.engine(&Resources::default())?;
        if engine.storage.settings().locations.is_empty() {
            let what = "no location is configured".to_owned();
            let next = "add a table [locations.NAME] with url = \"…\" to firn.toml; firn explain usage".to_owned();
            return Err(FirnError::Usage { what, next });
        }
        let mut locations = Vec::new();
        for LocationCheck { name, outcome } in check(&engine, &self.names).await? {
            let location = engine.storage.location(&name)?;
            let mut checked = CheckedLocation {
                name,
                url: location.url.to_string(),
                role: location.role.to_string(),
                capabilities: None,
                probed: None,
                problems: Vec::new(),
                error: None,
            };
            match outcome {
                Ok(table) => {
                    checked.problems = problems(location, &table);
                    checked.probed = Some(table.probed);
                    checked.capabilities = Some(shown(&table));
                }
                Err(error) => {
                    checked.problems.push("it could not be tried".to_owned());
                    checked.error = Some(ErrorReport::new(&error));
                }
            }
            locations.push(checked);
        }
        let failure = failure(&locations);
        Ok(Outcome::of(Checked { locations, copy: None }, draw).with_failure(failure))
    }
}

/// What keeps a location from doing what it is for.
fn problems(location: &Location, table: &Capabilities) -> Vec<String> {
    let mut problems = Vec::new();
    if !location.anonymous && !table.write.is_yes() {
        problems.push(format!("it cannot be written: {}", table.write.detail));
    }
    if location.public_url.is_some() && table.write.is_yes() && !table.public_read.is_yes() {
        problems.push(format!("not everybody can read at its public_url: {}", table.public_read.detail));
    }
    problems
}

fn shown(table: &Capabilities) -> IndexMap<String, CheckedCapability> {
    table.rows().into_iter().map(|(name, capability)| (name.to_owned(), capability.into())).collect()
}

impl From<&Capability> for CheckedCapability {
    fn from(seen: &Capability) -> Self {
        let answer = match seen.answer {
            Answer::Yes => "yes",
            Answer::No => "no",
            Answer::Unknown => "unknown",
        };
        Self { answer: answer.to_owned(), detail: seen.detail.clone() }
    }
}

/// The failure of the first that could not be tried; else that some cannot do what they are for.
fn failure(locations: &[CheckedLocation]) -> Option<ErrorReport> {
    if let Some(error) = locations.iter().find_map(|location| location.error.clone()) {
        return Some(error);
    }
    let wrong: Vec<&CheckedLocation> = locations.iter().filter(|location| !location.problems.is_empty()).collect();
    let first = wrong.first()?;
    let names: Vec<&str> = wrong.iter().map(|location| location.name.as_str()).collect();
    let error = FirnError::LocationCheck { names: names.join(", "), first: first.problems.join("; ") };
    Some(ErrorReport::new(&error))
}

fn draw(checked: &Checked, out: &mut dyn Write, style: Style) -> io::Result<()> {
    for (at, location) in checked.locations.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        writeln!(out, "{}  {}  {}", style.bold(&location.name), location.url, location.role)?;
        let rows = location.capabilities.iter().flatten();
        let rows: Vec<Vec<String>> =
            rows.map(|(name, seen)| vec![name.clone(), seen.answer.clone(), seen.detail.clone()]).collect();
        write_table(out, 2, &rows)?;
        for problem in &location.problems {
            writeln!(out, "  {} {problem}", style.yellow("problem:"))?;
        }
    }
    if let Some(seen) = &checked.copy {
        copy::draw(seen, out, style)?;
    }
    Ok(())
}
