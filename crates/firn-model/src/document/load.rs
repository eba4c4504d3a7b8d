//! Text → checked tree → types.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::finding::{DocumentFinding, Findings, Severity};
use super::node::Node;
use super::parse::parse;
use super::path::DocumentPath;
use super::schema::{FormatCheck, OLD_BOOLEAN, check_schema};

/// How a document is read.
#[derive(Debug, Clone, Copy)]
pub struct LoadOptions {
    /// How bad a key is that the types do not have.
    pub unknown_keys: Severity,
    /// Checks texts with a `format`.
    pub formats: FormatCheck,
}

/// A document that was checked.
#[derive(Debug)]
pub struct Checked<T> {
    /// The types; `None` where the structure has errors.
    pub value: Option<T>,
    /// The tree, unless the text is no YAML.
    pub root: Option<Node>,
    /// What was found, in the order of the text.
    pub findings: Vec<DocumentFinding>,
}

/// Reads a document. `before` looks at the tree first (for secrets, after which nothing more is said about their place).
/// `after` looks at the tree without the parts whose structure is wrong, so that what else is wrong is said in the same breath.
pub fn load<T: DeserializeOwned + JsonSchema>(
    name: &str,
    text: &str,
    options: LoadOptions,
    before: impl FnOnce(&mut Findings<'_>),
    after: impl FnOnce(&Node, &mut Findings<'_>),
) -> Checked<T> {
    let (root, mut list) = parse(name, text);
    let Some(root) = root else { return Checked { value: None, root: None, findings: list } };
    let mut findings = Findings::new(name, &root);
    before(&mut findings);
    let schema = schemars::schema_for!(T).to_value();
    check_schema(&schema, options.unknown_keys, options.formats, &mut findings);
    let mut readable = root.clone();
    let mut wrong = false;
    for finding in findings.list() {
        match finding.severity {
            Severity::Error => wrong = true,
            Severity::Warning if finding.code == OLD_BOOLEAN => readable.set_old_boolean(finding.path.segments()),
            _ => {}
        }
        if finding.severity == Severity::Error && finding.code != "missing-key" {
            readable.remove(finding.path.segments());
        }
    }
    let mut value = None;
    if !wrong {
        match serde_json::from_value(readable.to_json()) {
            Ok(read) => value = Some(read),
            Err(error) => {
                let help = "compare it with the JSON Schema of this document";
                findings.error("document-structure", &DocumentPath::root(), error.to_string(), help);
            }
        }
    }
    after(&readable, &mut findings);
    list.extend(findings.into_list());
    list.sort_by_key(|finding| (finding.line, finding.column, finding.severity));
    Checked { value, root: Some(root), findings: list }
}
