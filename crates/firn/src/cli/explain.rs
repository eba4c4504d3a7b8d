//! `firn explain`.

use super::outcome::{Outcome, Style};
use super::table::write_table;
use crate::error::FirnError;
use crate::explain::{CODES, Explanation, find};
use clap::Args;
use firn_model::document::nearest;
use schemars::JsonSchema;
use serde::Serialize;
use std::io::{self, Write};

/// Say what an error code means and what to do about it
///
/// Without a code, lists all of them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  firn explain drift-packing\n  firn explain -o json")]
pub struct Arguments {
    /// Code of an error, as printed with it
    #[arg(value_name = "CODE")]
    pub code: Option<String>,
}

/// The `result`: one code, or all of them.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Explained {
    /// The codes asked for.
    pub codes: Vec<Explanation>,
}

impl Arguments {
    pub(super) fn perform(&self) -> Result<Outcome, FirnError> {
        let Some(code) = &self.code else {
            return Ok(Outcome::of(Explained { codes: CODES.iter().map(Explanation::of).collect() }, draw_all));
        };
        let Some(found) = find(code) else {
            let nearest = nearest(code, CODES.iter().map(|entry| entry.code)).map(str::to_owned);
            return Err(FirnError::UnknownCode { code: code.clone(), nearest });
        };
        Ok(Outcome::of(Explained { codes: vec![Explanation::of(found)] }, draw_one))
    }
}

fn draw_one(explained: &Explained, out: &mut dyn Write, style: Style) -> io::Result<()> {
    for entry in &explained.codes {
        writeln!(out, "{}: {}\n", style.bold(&entry.code), entry.title)?;
        writeln!(out, "{}", entry.text)?;
    }
    Ok(())
}

fn draw_all(explained: &Explained, out: &mut dyn Write, _style: Style) -> io::Result<()> {
    let rows: Vec<Vec<String>> =
        explained.codes.iter().map(|entry| vec![entry.code.clone(), entry.title.clone()]).collect();
    write_table(out, 0, &rows)
}
