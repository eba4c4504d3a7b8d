//! What the fuzz targets share: a bounded heap, sources made of the input, and reading everything of a dataset.

pub mod heap;
mod read;
mod source;
mod tree;

pub use read::{expect_no_bug, read_everything};
pub use source::Objects;
pub use tree::Tree;

use firn_model::diagnose::At;

/// Where everything is, in errors.
pub fn at() -> At {
    At::url("file:///input")
}

/// The input as text, where it is some.
pub fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

/// The lines of the input: texts that are parsed independently of each other.
pub fn lines(data: &[u8]) -> Option<Vec<&str>> {
    text(data).map(|text| text.split('\n').collect())
}
