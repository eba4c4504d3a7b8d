//! Integration tests of the model: one binary.
#![allow(clippy::unwrap_used, reason = "clippy lets tests unwrap, but not their helpers")]

mod cftime;
mod documents;
