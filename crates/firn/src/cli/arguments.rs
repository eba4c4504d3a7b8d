//! What every command line shares.

use super::command::Verb;
use super::values::{parse_rate, parse_size};
use crate::config::size::Size;
use clap::{ArgAction, Args, CommandFactory, Parser, ValueEnum};
use std::num::NonZeroUsize;

/// Every verb, and the second words of those that have some.
pub const VERBS: [(&str, &[&str]); 34] = [
    ("demo", &[]),
    ("init", &[]),
    ("inspect", &[]),
    ("plan", &[]),
    ("run", &[]),
    ("virtualize", &[]),
    ("transform", &[]),
    ("verify", &[]),
    ("link", &[]),
    ("push", &[]),
    ("seal", &[]),
    ("inbox", &["list", "review", "promote", "invite", "reject"]),
    ("catalog", &["validate", "build", "show", "snippet", "search", "test", "fix", "export"]),
    ("serve", &[]),
    ("ls", &[]),
    ("du", &[]),
    ("cat", &[]),
    ("cp", &[]),
    ("sync", &[]),
    ("check", &[]),
    ("rm", &[]),
    ("adopt", &[]),
    ("config", &["show", "check"]),
    ("explain", &[]),
    ("update", &[]),
    ("log", &[]),
    ("diff", &[]),
    ("tag", &[]),
    ("rollback", &[]),
    ("sizes", &[]),
    ("expire", &[]),
    ("delete", &[]),
    ("restore", &[]),
    ("plot", &[]),
];

/// Takes scientific array data from where and how it lies to where people work: analysis-ready, cloud-optimized,
/// verified, catalogued, opened with one line.
#[derive(Debug, Parser)]
#[command(
    name = "firn",
    version,
    max_term_width = 100,
    disable_help_subcommand = true,
    after_help = "Examples:\n  firn demo                                      the whole lifecycle, no network needed\n  \
                  firn inspect https://host/sst.198109.nc        what is in there, and whether it can be virtual\n  \
                  firn plan https://host/sst.198109.nc           from one file to a recipe\n\n\
                  Every error has a code: firn explain CODE"
)]
pub struct Cli {
    /// What every verb understands.
    #[command(flatten)]
    pub common: Common,
    /// The verb.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What every verb understands.
#[derive(Debug, Clone, Default, Args)]
pub struct Common {
    /// Form of the answer on standard output
    #[arg(short, long, global = true, value_enum, default_value_t, value_name = "FORMAT", help_heading = "Output")]
    pub output: OutputFormat,
    /// Say more on standard error (-vv: even more)
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Output")]
    pub verbose: u8,
    /// No progress on standard error; errors are still reported
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Output")]
    pub quiet: bool,
}

/// Form of the answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object
    Json,
    /// One JSON object a line, for long listings
    Jsonl,
}

/// How much of the machine a verb may take.
#[derive(Debug, Clone, Default, Args)]
pub struct Resources {
    /// Most memory to take: 4GiB, 500MB or 25% [default: a quarter of the machine's]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = "Resources")]
    pub memory: Option<Size>,
    /// Pieces of work side by side [default: the machine's cores]
    #[arg(long, value_name = "N", help_heading = "Resources")]
    pub jobs: Option<NonZeroUsize>,
}

/// How much of the machine and of the network a transfer may take.
#[derive(Debug, Clone, Default, Args)]
pub struct Transfer {
    #[command(flatten)]
    pub resources: Resources,
    /// Most bytes a second over the network, in both directions together: 10MB, 500KiB
    #[arg(long, value_name = "RATE", value_parser = parse_rate, help_heading = "Resources")]
    pub bwlimit: Option<u64>,
}

impl Transfer {
    /// Objects under way at once, where that was said.
    pub fn jobs(&self) -> Option<usize> {
        self.resources.jobs.map(NonZeroUsize::get)
    }
}

/// The command line as clap sees it: for tests and generated documentation.
pub fn command() -> clap::Command {
    Cli::command()
}
