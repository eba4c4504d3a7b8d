//! The binary, as it is called.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "all of it is tests")]

mod categories;
mod config;
mod errors;
mod explain;
mod fixture;
mod golden;
mod help;
mod init;
mod inspect;
mod ledger;
mod plan;
mod run;
mod schemas;
mod signals;
mod stores;
