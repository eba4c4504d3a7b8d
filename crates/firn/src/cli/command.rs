//! The verbs.

use super::context::Context;
use super::outcome::Outcome;
use super::{
    adopt, cat, catalog, check, config, cp, demo, du, explain, inbox, init, inspect, later, link, ls, plan, push, rm,
    run, seal, serve, sync, transform, verify, virtualize,
};
use crate::error::FirnError;
use clap::Subcommand;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    Demo(demo::Arguments),
    Init(init::Arguments),
    Inspect(inspect::Arguments),
    Plan(plan::Arguments),
    Run(run::Arguments),
    Virtualize(virtualize::Arguments),
    Transform(transform::Arguments),
    Verify(verify::Arguments),
    Link(link::Arguments),
    Push(push::Arguments),
    Seal(seal::Arguments),
    Inbox(inbox::Arguments),
    Catalog(catalog::Arguments),
    Serve(serve::Arguments),
    Ls(ls::Arguments),
    Du(du::Arguments),
    Cat(cat::Arguments),
    Cp(cp::Arguments),
    Sync(sync::Arguments),
    Check(check::Arguments),
    Rm(rm::Arguments),
    Adopt(adopt::Arguments),
    Config(config::Arguments),
    Explain(explain::Arguments),
    #[command(flatten)]
    Later(later::Later),
}

impl Verb {
    /// The words of the verb: `inspect`, `catalog build`.
    pub fn words(&self) -> String {
        match self {
            Self::Demo(_) => "demo".to_owned(),
            Self::Init(_) => "init".to_owned(),
            Self::Inspect(_) => "inspect".to_owned(),
            Self::Plan(_) => "plan".to_owned(),
            Self::Run(_) => "run".to_owned(),
            Self::Virtualize(_) => "virtualize".to_owned(),
            Self::Transform(_) => "transform".to_owned(),
            Self::Verify(_) => "verify".to_owned(),
            Self::Link(_) => "link".to_owned(),
            Self::Push(_) => "push".to_owned(),
            Self::Seal(_) => "seal".to_owned(),
            Self::Inbox(arguments) => format!("inbox {}", arguments.verb.word()),
            Self::Catalog(arguments) => format!("catalog {}", arguments.verb.word()),
            Self::Serve(_) => "serve".to_owned(),
            Self::Ls(_) => "ls".to_owned(),
            Self::Du(_) => "du".to_owned(),
            Self::Cat(_) => "cat".to_owned(),
            Self::Cp(_) => "cp".to_owned(),
            Self::Sync(_) => "sync".to_owned(),
            Self::Check(_) => "check".to_owned(),
            Self::Rm(_) => "rm".to_owned(),
            Self::Adopt(_) => "adopt".to_owned(),
            Self::Config(arguments) => format!("config {}", arguments.verb.word()),
            Self::Explain(_) => "explain".to_owned(),
            Self::Later(later) => later.words(),
        }
    }

    /// The schema that its JSON follows.
    pub fn schema(&self) -> String {
        format!("firn/{}/1", self.words().replace(' ', "-"))
    }

    /// Does it.
    ///
    /// # Errors
    /// What the verb says.
    pub async fn perform(&self, context: &Context) -> Result<Outcome, FirnError> {
        match self {
            Self::Demo(arguments) => arguments.perform(context).await,
            Self::Init(arguments) => arguments.perform(context).await,
            Self::Inspect(arguments) => arguments.perform(context).await,
            Self::Plan(arguments) => arguments.perform(context).await,
            Self::Run(arguments) => arguments.perform(context).await,
            Self::Virtualize(arguments) => arguments.perform(context).await,
            Self::Transform(arguments) => arguments.perform(context).await,
            Self::Verify(arguments) => arguments.perform(context).await,
            Self::Link(arguments) => arguments.perform(context).await,
            Self::Push(arguments) => arguments.perform(context).await,
            Self::Seal(arguments) => arguments.perform(context).await,
            Self::Inbox(arguments) => arguments.perform(context).await,
            Self::Catalog(arguments) => arguments.perform(context).await,
            Self::Serve(arguments) => arguments.perform(context).await,
            Self::Ls(arguments) => arguments.perform(context).await,
            Self::Du(arguments) => arguments.perform(context).await,
            Self::Cat(arguments) => arguments.perform(context).await,
            Self::Cp(arguments) => arguments.perform(context).await,
            Self::Sync(arguments) => arguments.perform(context).await,
            Self::Check(arguments) => arguments.perform(context).await,
            Self::Rm(arguments) => arguments.perform(context).await,
            Self::Adopt(arguments) => arguments.perform(context).await,
            Self::Config(arguments) => arguments.perform(context).await,
            Self::Explain(arguments) => arguments.perform(),
            Self::Later(_) => Err(FirnError::VerbUnsupported { verb: self.words() }),
        }
    }
}
