//! The verbs of firn: one file a verb; targets, executors, verification.

pub mod cancel;
pub mod error;
pub mod icechunk;
pub mod progress;
pub mod settings;
pub mod verbs;
