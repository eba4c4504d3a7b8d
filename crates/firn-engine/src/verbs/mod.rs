//! The verbs, one file each.

pub mod config;
pub mod init;
pub mod inspect;
pub mod requests;
pub mod transform;
pub mod virtualize;
pub mod run;
pub mod verify;
