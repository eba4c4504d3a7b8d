//! What lies in an inbox: the manifest of an upload, and what must hold before anything of it is published.
//!
//! Rules alone: which keys are safe, which stores an upload consists of and in which order it is copied, whether what lies there is
//! what was sealed.

mod check;
mod error;
mod keys;
mod manifest;
mod stores;

pub use check::{Difference, compare};
pub use error::UploadError;
pub use keys::check_keys;
pub use manifest::{UNREAD, UploadManifest, UploadObject};
pub use stores::{Rank, StoreFormat, StoreRoot, find_stores, is_record, rank, store_of};
