//! What is printed: the one place that knows the forms of answers and errors.

use super::arguments::{Common, OutputFormat};
use super::outcome::{Answer, Outcome, Style, line_end};
use super::{exit_of, exit_of_kind};
use crate::error::FirnError;
use crate::report::ErrorReport;
use firn_model::diagnose::Category;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

/// Prints one outcome: the answer on standard output, a failure on standard error (text) or inside of the JSON object.
pub struct Printer {
    format: OutputFormat,
    schema: String,
}

impl Printer {
    /// For this command.
    pub fn new(common: &Common, schema: String) -> Self {
        Self { format: common.output, schema }
    }

    /// Prints it and says how the process ends.
    pub fn print(&self, outcome: Result<Outcome, FirnError>) -> ExitCode {
        let (answer, failure) = match outcome {
            Ok(Outcome { answer, failure, .. }) => (Some(answer), failure),
            Err(error) => (None, Some(ErrorReport::new(&error))),
        };
        let exit = failure.as_ref().map_or(ExitCode::SUCCESS, exit_of);
        let mut out = BufWriter::new(io::stdout().lock());
        let written = self.write(&mut out, answer.as_deref(), failure.as_ref());
        match written.and_then(|()| out.flush()) {
            Ok(()) => exit,
            // Who reads has seen enough (`firn inspect URL | head`): no failure of ours.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => exit,
            Err(cause) => {
                let report = ErrorReport::new(&FirnError::Output { cause });
                write_error_text(&mut io::stderr().lock(), &report, style_of(&io::stderr())).unwrap_or_default();
                exit_of_kind(Category::Unavailable)
            }
        }
    }

    fn write(&self, out: &mut dyn Write, answer: Option<&dyn Answer>, failure: Option<&ErrorReport>) -> io::Result<()> {
        match self.format {
            OutputFormat::Text => {
                if let Some(answer) = answer {
                    answer.text(out, style_of(&io::stdout()))?;
                    out.flush()?;
                }
                match failure {
                    Some(failure) => write_error_text(&mut io::stderr().lock(), failure, style_of(&io::stderr())),
                    None => Ok(()),
                }
            }
            OutputFormat::Json => write_envelope(out, &self.schema, answer, failure).map_err(io::Error::from),
            OutputFormat::Jsonl => {
                if let Some(answer) = answer {
                    answer.lines(out)?;
                }
                match failure {
                    Some(_) => write_envelope(out, &self.schema, None, failure).map_err(io::Error::from),
                    None => Ok(()),
                }
            }
        }
    }
}

/// The JSON object of every verb, on one line.
///
/// # Errors
/// What writing or serialising says.
pub fn write_envelope(
    out: &mut dyn Write,
    schema: &str,
    answer: Option<&dyn Answer>,
    failure: Option<&ErrorReport>,
) -> serde_json::Result<()> {
    let raw = |out: &mut dyn Write, text: &str| out.write_all(text.as_bytes()).map_err(serde_json::Error::io);
    raw(out, "{\"schema\":")?;
    serde_json::to_writer(&mut *out, schema)?;
    raw(out, if failure.is_none() { ",\"ok\":true,\"result\":" } else { ",\"ok\":false,\"result\":" })?;
    match answer {
        Some(answer) => answer.json(out)?,
        None => raw(out, "null")?,
    }
    raw(out, ",\"error\":")?;
    serde_json::to_writer(&mut *out, &failure)?;
    raw(out, "}")?;
    line_end(out)
}

/// An error for people: what, where, why, what next, its code.
///
/// # Errors
/// What writing says.
pub fn write_error_text(out: &mut dyn Write, report: &ErrorReport, style: Style) -> io::Result<()> {
    let place = report.place.as_text();
    // Most sentences begin with the place, which has a line of its own here.
    let what = match report.what.strip_prefix(place).and_then(|rest| rest.strip_prefix(": ")) {
        Some(rest) if !place.is_empty() => rest,
        _ => &report.what,
    };
    writeln!(out, "{} {}", style.red("error:"), what)?;
    let mut line = |name: &str, text: &str| {
        if text.is_empty() {
            return Ok(());
        }
        let text = text.replace('\n', "\n         ");
        writeln!(out, "  {} {text}", style.dim(format!("{name:<6}")))
    };
    line("where", place)?;
    line("why", &report.why)?;
    for cause in &report.causes {
        line("cause", cause)?;
    }
    line("next", &report.next)?;
    line("code", &format!("{} ({}); firn explain {}", report.code, report.category, report.code))
}

/// Colours only on a terminal, and not where `NO_COLOR` is set or the terminal cannot.
pub fn style_of(stream: &impl IsTerminal) -> Style {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    Style { colour: stream.is_terminal() && !set("NO_COLOR") && !dumb }
}

#[cfg(test)]
mod tests;
