//! What the verbs that write a store answer.

use super::outcome::{Outcome, Style};
use crate::error::FirnError;
use firn_engine::build::BuildReport;
use firn_engine::error::EngineError;
use std::io::{self, Write};

/// Runs a verb that blocks on a thread of its own.
pub async fn blocking<T: Send + 'static>(
    verb: impl FnOnce() -> Result<T, EngineError> + Send + 'static,
) -> Result<T, FirnError> {
    match tokio::task::spawn_blocking(verb).await {
        Ok(result) => Ok(result?),
        // A panic in the verb is reported as one in firn itself.
        Err(failure) => match failure.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(firn_engine::cancel::Interrupted.into()),
        },
    }
}

/// The report of a built store.
pub fn outcome(report: BuildReport) -> Outcome {
    Outcome::of(report, draw)
}

/// A report as text.
pub fn draw(report: &BuildReport, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let state = if report.published { style.green("published") } else { style.yellow("not published") };
    writeln!(out, "{} {state}", style.bold(&report.store))?;
    let resumed =
        if report.tasks_resumed > 0 { format!(" ({} done before)", report.tasks_resumed) } else { String::new() };
    writeln!(
        out,
        "  {} files, {} arrays, {} tasks{resumed}, {} written, {} references",
        report.files,
        report.arrays.len(),
        report.tasks,
        bytes(report.bytes_written),
        report.references,
    )?;
    for array in &report.arrays {
        let dims: Vec<String> = array.dimensions.iter().zip(&array.shape).map(|(d, s)| format!("{d}: {s}")).collect();
        let shards = array.shard_shape.as_ref().map(|s| format!(", shards {s:?}")).unwrap_or_default();
        let why = array.copied_because.as_ref().map(|w| format!(" ({w})")).unwrap_or_default();
        writeln!(
            out,
            "  {:<24} {:<8} ({}) chunks {:?}{shards} {}{}",
            array.path,
            array.data_type,
            dims.join(", "),
            array.chunk_shape,
            array.storage,
            style.dim(why)
        )?;
    }
    for noted in &report.noted {
        writeln!(out, "  {} {}: {}", style.yellow("note"), noted.at, noted.what)?;
    }
    if let Some(verification) = &report.verification {
        super::verify::summary(verification, out, style)?;
    }
    if let Some(snippet) = &report.snippet {
        writeln!(out, "  open it in Python (needs {}):", snippet.requires.join(", "))?;
        for line in snippet.code.lines() {
            writeln!(out, "    {line}")?;
        }
    }
    if let Some(snapshot) = &report.snapshot {
        writeln!(out, "  snapshot {snapshot}")?;
    }
    Ok(())
}

/// A number of bytes for people.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if n < 1024 {
        return format!("{n} B");
    }
    let mut value = n as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}
