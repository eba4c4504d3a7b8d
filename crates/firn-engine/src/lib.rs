//! The verbs of firn: one file a verb; targets, executors, verification.

pub mod build;
pub mod cancel;
pub mod clock;
pub mod error;
pub mod execute;
pub mod feedstock;
pub mod folder;
pub mod gateway;
pub mod icechunk;
pub mod inbox;
pub mod journal;
pub mod lease;
mod ledgered;
pub mod managed;
pub mod objects;
pub mod open;
mod own_references;
pub mod phases;
pub mod pipeline;
pub mod progress;
pub mod provenance;
pub mod reading;
pub mod settings;
pub mod store;
pub mod target;
pub mod verbs;
pub mod verify;
