//! Words and rules of firn: arrays, chunk manifests, feedstocks, plans. No I/O, async, clock or environment.

pub mod adopt;
pub mod array;
pub mod cf;
pub mod combine;
pub mod dataset;
pub mod diagnose;
pub mod document;
pub mod feedstock;
pub mod hosting;
pub mod plan;
pub mod policy;
pub mod source;
pub mod upload;
