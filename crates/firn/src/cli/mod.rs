//! The command line: parse, do, print. One file a verb.

mod adopt;
mod arguments;
mod bars;
mod build;
mod cat;
mod catalog;
mod check;
mod command;
mod config;
mod context;
mod cp;
mod demo;
mod du;
mod explain;
mod inbox;
mod init;
mod inspect;
mod later;
mod lines;
mod link;
mod ls;
mod outcome;
mod panics;
mod plan;
mod push;
mod render;
mod rm;
mod run;
mod schemas;
mod seal;
mod serve;
mod signals;
mod sync;
mod table;
mod transform;
mod usage;
mod values;
mod verify;
mod virtualize;

pub use arguments::{OutputFormat, VERBS, command};
pub use schemas::output_schemas;

use crate::error::FirnError;
use crate::report::ErrorReport;
use arguments::{Cli, Common};
use clap::Parser;
use context::Context;
use firn_engine::cancel::Cancel;
use firn_model::diagnose::Category;
use outcome::Outcome;
use render::Printer;
use std::ffi::OsString;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::Duration;
use tokio::runtime::Runtime;

/// What is left running after the answer gets this long to notice that it is over.
const SHUTDOWN: Duration = Duration::from_millis(200);

/// Runs one command line to its exit status.
pub fn main(runtime: Runtime, words: Vec<OsString>) -> ExitCode {
    panics::keep_quiet();
    let cli = match Cli::try_parse_from(&words) {
        Ok(cli) => cli,
        Err(error) => return usage::answer(&error, &words),
    };
    let printer = Printer::new(&cli.common, cli.verb.schema());
    let cancel = Cancel::new();
    signals::listen(&runtime, &cancel, cli.common.quiet);
    let done = std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(perform(&cli, &cancel))));
    let mut outcome = done.unwrap_or_else(|_| Err(panics::last()));
    let afterwards = outcome.as_mut().ok().and_then(|outcome| outcome.afterwards.take());
    let exit = printer.print(outcome);
    if let Some(afterwards) = afterwards {
        runtime.block_on(afterwards);
    }
    runtime.shutdown_timeout(SHUTDOWN);
    exit
}

/// The answer where not even a runtime could be made.
pub fn no_runtime(error: &std::io::Error) -> ExitCode {
    let cause = std::io::Error::new(error.kind(), error.to_string());
    let printer = Printer::new(&Common::default(), "firn/command/1".to_owned());
    printer.print(Err(FirnError::Runtime { cause }))
}

async fn perform(cli: &Cli, cancel: &Cancel) -> Result<Outcome, FirnError> {
    let context = Context::new(cli, cancel.clone());
    context.start_logging();
    cli.verb.perform(&context).await
}

/// The exit status of a failure.
fn exit_of(report: &ErrorReport) -> ExitCode {
    ExitCode::from(report.kind().exit_code())
}

/// The exit status of a kind of failure.
fn exit_of_kind(kind: Category) -> ExitCode {
    ExitCode::from(kind.exit_code())
}
