//! YAML documents with a place for every node: read, checked against a JSON Schema, and told about all at once.
//!
//! The Rust types are the one home of a document's structure. Their schema (`schemars`) is what [`check_schema`] walks and what
//! editors complete from; what passes the schema is then deserialised into the types by serde.

mod error;
mod finding;
mod load;
mod node;
mod parse;
mod path;
mod scalar;
mod schema;
mod suggest;

pub use error::DocumentError;
pub use finding::{DocumentFinding, Findings, Severity};
pub use load::{Checked, LoadOptions, load};
pub use node::{Entry, Node, NodeValue, Position, Style};
pub use parse::{MAX_BYTES, MAX_DEPTH, MAX_NODES, parse};
pub use path::{DocumentPath, Segment};
pub use scalar::{YamlScalar, resolve_plain, yaml_text, yaml_text_styled};
pub use schema::{FormatCheck, FormatProblem, OTHER_KEYS, check_schema};
pub use suggest::{did_you_mean, nearest};

#[cfg(test)]
mod tests;
