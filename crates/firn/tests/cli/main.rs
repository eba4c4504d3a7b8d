//! The binary, as it is called.

mod config;
mod errors;
mod explain;
mod golden;
mod help;
mod init;
mod inspect;
mod run;
mod schemas;
mod signals;
