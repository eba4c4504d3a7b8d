//! The answers of `firn inspect`.

use super::draw;
use crate::cli::outcome::{Answer, Outcome, Style, line_end};
use crate::report::ErrorReport;
use firn_engine::verbs::inspect::{ChunkListing, ChunkRow, Inspected, Inspection};
use schemars::JsonSchema;
use serde::Serialize;
use serde::ser::{SerializeSeq, Serializer};
use std::io::{self, Write};

/// The `result` of `firn inspect`: what was asked for, in that order.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Files {
    /// One entry a URL.
    pub files: Vec<File>,
}

/// One of the URLs.
#[derive(Debug, Serialize, JsonSchema)]
pub struct File {
    /// The URL, as it was given, without credentials.
    pub url: String,
    /// Whether it could be opened.
    pub ok: bool,
    /// What is in it; null where it could not be opened.
    pub inspected: Option<Inspected>,
    /// Why it could not be opened.
    pub error: Option<ErrorReport>,
}

/// All answers, and the failure of the first that could not be opened.
pub fn of_inspections(inspections: Vec<Inspection>) -> Outcome {
    let files: Vec<File> = inspections
        .into_iter()
        .map(|Inspection { url, outcome }| match outcome {
            Ok(inspected) => File { url, ok: true, inspected: Some(inspected), error: None },
            Err(error) => File { url, ok: false, inspected: None, error: Some(ErrorReport::new(&error)) },
        })
        .collect();
    let failed: Vec<&ErrorReport> = files.iter().filter_map(|file| file.error.as_ref()).collect();
    let failure = failed.first().map(|first| {
        let mut failure = (*first).clone();
        if files.len() > 1 {
            failure.what =
                format!("{} of {} could not be opened; the first: {}", failed.len(), files.len(), first.what);
            failure.causes.extend(failed.iter().skip(1).map(|other| format!("[{}] {}", other.code, other.what)));
        }
        failure
    });
    Outcome::answer(Files { files }).with_failure(failure)
}

impl Answer for Files {
    fn text(&self, out: &mut dyn Write, style: Style) -> io::Result<()> {
        for (at, inspected) in self.files.iter().filter_map(|file| file.inspected.as_ref()).enumerate() {
            if at > 0 {
                writeln!(out)?;
            }
            draw::inspected(inspected, out, style)?;
        }
        Ok(())
    }

    fn json(&self, out: &mut dyn Write) -> serde_json::Result<()> {
        serde_json::to_writer(out, self)
    }

    fn lines(&self, out: &mut dyn Write) -> serde_json::Result<()> {
        for file in &self.files {
            serde_json::to_writer(&mut *out, file)?;
            line_end(out)?;
        }
        Ok(())
    }
}

/// The chunk tables that `--chunks` asks for.
pub struct Chunks(pub Vec<ChunkListing>);

/// The `result` of `firn inspect --chunks`.
#[derive(Serialize, JsonSchema)]
pub struct ChunkTables<'a> {
    /// One entry a URL.
    pub chunk_tables: Vec<ChunkTable<'a>>,
}

/// The chunks of one variable of one URL.
#[derive(Serialize, JsonSchema)]
pub struct ChunkTable<'a> {
    /// The URL, without credentials.
    pub url: &'a str,
    /// Path of the variable.
    pub variable: &'a str,
    /// Number of chunks along each dimension.
    pub grid_shape: &'a [u64],
    /// The chunks, in C order.
    #[serde(serialize_with = "rows_of")]
    #[schemars(with = "Vec<ChunkRow>")]
    pub chunks: &'a ChunkListing,
}

fn table_of(listing: &ChunkListing) -> ChunkTable<'_> {
    let variable = listing.path.as_str();
    ChunkTable { url: &listing.url, variable, grid_shape: listing.grid_shape(), chunks: listing }
}

/// One line of `-o jsonl`.
#[derive(Serialize, JsonSchema)]
pub struct ChunkLine<'a> {
    /// The inspected URL, without credentials.
    pub source: &'a str,
    /// Path of the variable.
    pub variable: &'a str,
    /// The chunk.
    #[serde(flatten)]
    pub chunk: ChunkRow,
}

/// Rows are written one after the other: there may be millions.
fn rows_of<S: Serializer>(listing: &ChunkListing, serializer: S) -> Result<S::Ok, S::Error> {
    let mut rows = serializer.serialize_seq(usize::try_from(listing.count()).ok())?;
    for row in listing.rows() {
        rows.serialize_element(&row)?;
    }
    rows.end()
}

impl Answer for Chunks {
    fn text(&self, out: &mut dyn Write, style: Style) -> io::Result<()> {
        for (at, listing) in self.0.iter().enumerate() {
            if at > 0 {
                writeln!(out)?;
            }
            draw::chunks(listing, out, style)?;
        }
        Ok(())
    }

    fn json(&self, out: &mut dyn Write) -> serde_json::Result<()> {
        serde_json::to_writer(out, &ChunkTables { chunk_tables: self.0.iter().map(table_of).collect() })
    }

    fn lines(&self, out: &mut dyn Write) -> serde_json::Result<()> {
        for listing in &self.0 {
            for chunk in listing.rows() {
                let line = ChunkLine { source: &listing.url, variable: listing.path.as_str(), chunk };
                line.serialize(&mut serde_json::Serializer::new(&mut *out))?;
                line_end(out)?;
            }
        }
        Ok(())
    }
}
