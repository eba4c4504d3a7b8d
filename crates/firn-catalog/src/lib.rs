//! Feedstocks to catalogs: LEAP JSON, STAC, snippets. No I/O: the engine reads and writes.

pub mod build;
pub mod classify;
pub mod collect;
pub mod entry;
mod error;
pub mod facts;
pub mod finding;
pub mod id;
pub mod index;
pub mod leap;
pub mod lookup;
pub mod place;
pub mod read;
pub mod site;
pub mod snippet;
pub mod stac;
mod text;

pub use entry::CatalogEntry;
pub use error::CatalogError;
pub use finding::CatalogFinding;
