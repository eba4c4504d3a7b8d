//! `firn ls`.

use super::arguments::Resources;
use super::build::{blocking, bytes};
use super::context::Context;
use super::outcome::{Answer, Outcome, Style, line_end};
use crate::error::FirnError;
use clap::Args;
use firn_engine::verbs::ls::{Listed, ls};
use std::io::{self, Write};

/// List objects: of a folder, a bucket, a web server, a location
///
/// One level, folders with a slash at their end; with -r all objects below. Objects whose keys firn does not touch (`..`, control
/// characters, double slashes) are listed apart.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  firn ls osn:leap/\n  firn ls -r s3://bucket/air.zarr -o jsonl\n  \
                  firn ls 'https://host/data/*.nc'")]
pub struct Arguments {
    /// Folders, objects, patterns [default: the current directory]
    #[arg(value_name = "URL")]
    pub urls: Vec<String>,
    /// All levels
    #[arg(short, long)]
    pub recursive: bool,
}

impl Arguments {
    pub(super) async fn perform(&self, context: &Context) -> Result<Outcome, FirnError> {
        let engine = context.engine(&Resources::default())?;
        let (mut urls, recursive) = (self.urls.clone(), self.recursive);
        if urls.is_empty() {
            urls.push(".".to_owned());
        }
        let listed = blocking(move || ls(&engine, &urls, recursive)).await?;
        Ok(Outcome::answer(Listing(listed)))
    }
}

struct Listing(Listed);

impl Answer for Listing {
    fn text(&self, out: &mut dyn Write, style: Style) -> io::Result<()> {
        for entry in &self.0.entries {
            let size = entry.size.map_or_else(|| "-".to_owned(), bytes);
            let modified = entry.modified.as_deref().unwrap_or("-");
            let name = if entry.kind == "folder" { style.bold(&entry.key) } else { entry.key.clone() };
            writeln!(out, "{size:>10}  {modified:<20}  {name}")?;
        }
        for odd in &self.0.unusable {
            writeln!(out, "{} {}: {}", style.yellow("left alone"), odd.key, odd.what)?;
        }
        Ok(())
    }

    fn json(&self, out: &mut dyn Write) -> serde_json::Result<()> {
        serde_json::to_writer(out, &self.0)
    }

    fn lines(&self, out: &mut dyn Write) -> serde_json::Result<()> {
        for entry in &self.0.entries {
            serde_json::to_writer(&mut *out, entry)?;
            line_end(out)?;
        }
        Ok(())
    }
}
