//! The faces of firn. Here: the command line.

pub mod cli;
pub mod config;
pub mod error;
pub mod explain;
pub mod report;
