//! Objects on any location, as they are: found, compared, copied, removed.

pub mod advice;
pub mod error;
pub mod guard;
pub mod named;
pub mod order;
pub mod pairs;
pub mod proof;
pub mod records;
pub mod send;

pub use error::ObjectsError;

use firn_model::source::SourceVersion;
use firn_storage::Prefix;
use std::sync::Arc;

/// An object, and the key that it has, or gets, elsewhere.
#[derive(Clone)]
pub struct Item {
    /// Where it lies.
    pub from: Arc<Prefix>,
    /// Its key there.
    pub key: String,
    /// Its key at the other place.
    pub to_key: String,
    /// Its version.
    pub version: SourceVersion,
}
