//! The faces of firn: the command line, and the server of its verb `serve`.

pub mod cli;
pub mod config;
pub mod error;
pub mod explain;
pub mod report;
pub mod server;
