//! A dataset as it is served: its documents, and which of its keys are what.

use super::kept::KeptSiblings;
use super::layout::{ServedArray, served};
use crate::error::EngineError;
use crate::store::as_source;
use crate::verify::StoreView;
use bytes::Bytes;
use firn_formats::zarr::{ROOT_DOCUMENT, array_document, consolidated_document, group_document};
use firn_model::array::{Array, ChunkIndices, ChunkManifest};
use firn_model::dataset::{Group, Node, NodePath, Refusal};
use firn_model::diagnose::At;
use firn_model::source::Source;
use indexmap::IndexMap;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The attribute of a group that names the variables in it that are not served, and why.
pub const NOT_SERVED: &str = "firn:not_served";

/// In a hierarchy of more nodes only the root is consolidated: each document stands once in every group above it.
const CONSOLIDATED_GROUPS: usize = 4096;

/// The longest key that is looked up, bytes.
const LONGEST_KEY: usize = 4096;

/// A dataset, opened, with all of its documents made.
pub struct ServedDataset {
    /// Tells this opening from every other one.
    pub serial: u64,
    /// What it is called when it is pinned; `None` where its store has no versions.
    pub version: Option<String>,
    /// Where its store is.
    pub url: String,
    pub(super) source: Arc<dyn Source>,
    pub(super) nodes: Nodes,
    documents: HashMap<String, Bytes>,
    children: HashMap<String, Vec<String>>,
    arrays: HashMap<String, u32>,
    refused: HashMap<String, Refusal>,
}

/// The arrays of a dataset by their numbers.
pub(super) type Nodes = Vec<ServedNode>;

/// An array, as it is stored and as it is served.
pub(super) struct ServedNode {
    pub path: NodePath,
    pub array: Array,
    pub served: ServedArray,
    pub grid_shape: Vec<u64>,
}

/// What a key below a dataset is.
pub enum Key<'a> {
    /// A metadata document.
    Document(&'a Bytes),
    /// A group: these are below it.
    Group(&'a [String]),
    /// A chunk: number of its array, and its position.
    Chunk(u32, ChunkIndices),
    /// A variable that is not served.
    Refused(&'a Refusal),
    /// There is no such key, and never will be in this version.
    Nothing,
}

static OPENINGS: AtomicU64 = AtomicU64::new(0);

impl ServedDataset {
    /// Of an opened store.
    ///
    /// # Errors
    /// A hierarchy that Zarr v3 documents cannot say.
    pub fn new(view: StoreView, version: Option<String>) -> Result<Self, EngineError> {
        let StoreView { url, dataset, source, ledger } = view;
        let source: Arc<dyn Source> = Arc::new(KeptSiblings::new(as_source(source, ledger.as_ref())));
        let at = At::url(&url);
        let mut parts = Parts::default();
        for (path, node) in dataset.nodes {
            match node {
                Node::Group(group) => parts.group(path, &group, &at)?,
                Node::Array(array) => parts.array(path, *array, &at)?,
                Node::Refused(refusal) => parts.refuse(&path, refusal),
            }
        }
        Ok(Self {
            serial: OPENINGS.fetch_add(1, Ordering::Relaxed),
            version,
            url,
            source,
            documents: parts.texts(),
            nodes: parts.nodes,
            children: parts.children,
            arrays: parts.arrays,
            refused: parts.refused,
        })
    }

    /// What this key is: looked up in what is known of the dataset, never in its storage. Without a `/` at either end.
    pub fn key(&self, key: &str) -> Key<'_> {
        if key.len() > LONGEST_KEY {
            return Key::Nothing;
        }
        if let Some(children) = self.children.get(key) {
            return Key::Group(children);
        }
        let (node, name) = key.rsplit_once('/').unwrap_or(("", key));
        if name == ROOT_DOCUMENT
            && let Some(document) = self.documents.get(node)
        {
            return Key::Document(document);
        }
        let ends = key.match_indices('/').map(|(at, _)| at).chain([key.len()]);
        for end in ends {
            let (path, rest) = (&key[..end], key.get(end + 1..));
            if let Some(refusal) = self.refused.get(path) {
                return Key::Refused(refusal);
            }
            if let Some(number) = self.arrays.get(path) {
                let node = &self.nodes[*number as usize];
                let indices = rest.and_then(|rest| position(rest, &node.grid_shape));
                return indices.map_or(Key::Nothing, |indices| Key::Chunk(*number, indices));
            }
        }
        Key::Nothing
    }

    /// The names of the variables that are not served.
    pub fn refusals(&self) -> impl Iterator<Item = (&str, &Refusal)> {
        self.refused.iter().map(|(path, refusal)| (path.as_str(), refusal))
    }

    /// About how many bytes of memory it takes.
    pub fn weight(&self) -> u64 {
        let documents: usize = self.documents.values().map(Bytes::len).sum();
        let chunks = |node: &ServedNode| match &node.array.manifest {
            ChunkManifest::Table(table) => table.len() as u64 * 20 + table.objects().len() as u64 * 128,
            _ => 256,
        };
        documents as u64 * 3 + self.nodes.iter().map(chunks).sum::<u64>()
    }
}

/// What is gathered of the nodes of a hierarchy, in its order: readers show variables as they find them.
#[derive(Default)]
struct Parts {
    nodes: Nodes,
    documents: IndexMap<String, Value>,
    children: HashMap<String, Vec<String>>,
    arrays: HashMap<String, u32>,
    refused: HashMap<String, Refusal>,
}

impl Parts {
    fn group(&mut self, path: NodePath, group: &Group, at: &At) -> Result<(), EngineError> {
        if let Some(refusal) = unaddressable(&path) {
            self.refuse(&path, refusal);
            return Ok(());
        }
        let document = group_document(&group.attributes, &at.node(path.as_str()))?;
        self.child(&path);
        self.children.insert(path.as_key().to_owned(), vec![ROOT_DOCUMENT.to_owned()]);
        self.documents.insert(path.as_key().to_owned(), document);
        Ok(())
    }

    fn array(&mut self, path: NodePath, array: Array, at: &At) -> Result<(), EngineError> {
        let at = at.node(path.as_str());
        let served = match unaddressable(&path).map_or_else(|| served(&array, &at), Err) {
            Ok(served) => served,
            Err(refusal) => {
                self.refuse(&path, refusal);
                return Ok(());
            }
        };
        self.documents.insert(path.as_key().to_owned(), array_document(&served.metadata, &at)?);
        self.child(&path);
        self.arrays.insert(path.as_key().to_owned(), self.nodes.len() as u32);
        let grid_shape = served.metadata.chunk_grid.grid_shape(&served.metadata.shape);
        self.nodes.push(ServedNode { path, array, served, grid_shape });
        Ok(())
    }

    /// A variable that is left out is named in its group: nobody should have to wonder.
    fn refuse(&mut self, path: &NodePath, refusal: Refusal) {
        let group = self.documents.get_mut(path.parent().as_key());
        if let Some(attributes) = group.and_then(|group| group.get_mut("attributes")?.as_object_mut()) {
            let reasons = attributes.entry(NOT_SERVED).or_insert_with(|| Value::Object(Map::new()));
            if let Some(reasons) = reasons.as_object_mut() {
                reasons.insert(path.name().to_owned(), Value::from(refusal.what.clone()));
            }
        }
        self.refused.insert(path.as_key().to_owned(), refusal);
    }

    /// Names a node in its group, which stands before it.
    fn child(&mut self, path: &NodePath) {
        if let Some(siblings) = self.children.get_mut(path.parent().as_key()).filter(|_| !path.is_root()) {
            siblings.push(path.name().to_owned());
        }
    }

    /// The documents as texts, those of groups with all that is below them: the root for clients that read it alone, each
    /// other one for those that open a group without listing it.
    fn texts(&self) -> HashMap<String, Bytes> {
        let only_root = self.documents.len() > CONSOLIDATED_GROUPS;
        let mut below: HashMap<&str, Vec<(NodePath, Value)>> = HashMap::new();
        for (key, document) in self.documents.iter().filter(|(key, _)| !key.is_empty()) {
            let ends = key.match_indices('/').map(|(end, _)| end).filter(|_| !only_root);
            let groups = ends.map(|end| (&key[..end], &key[end + 1..])).chain([("", key.as_str())]);
            for (group, relative) in groups {
                if let Ok(path) = NodePath::parse(relative) {
                    below.entry(group).or_default().push((path, document.clone()));
                }
            }
        }
        let text = |(key, document): (&String, &Value)| {
            let whole = if self.children.contains_key(key) && (key.is_empty() || !only_root) {
                consolidated_document(document, below.get(key.as_str()).map_or(&[], Vec::as_slice))
            } else {
                document.clone()
            };
            (key.clone(), Bytes::from(whole.to_string()))
        };
        self.documents.iter().map(text).collect()
    }
}

/// Why a node cannot be reached by URL, where it cannot: clients put its name into an address without escaping it, so that
/// `?` and `#` end the path there, and `%2f` becomes another name. What they then ask for does not exist, and they would take
/// that for fill values.
fn unaddressable(path: &NodePath) -> Option<Refusal> {
    let is_escape = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    let text = path.as_str();
    let mut escapes = text.match_indices('%').map(|(at, _)| text.get(at + 1..).unwrap_or_default());
    let is_cut = text.contains(['?', '#']) || escapes.any(is_escape);
    is_cut.then(|| Refusal {
        code: "unsupported-name-in-address",
        what: format!(
            "{text} has a ?, a # or an escape (as %2f), which is not part of a name in the URLs that readers ask for"
        ),
    })
}

/// The position that a chunk key names below its array: `c/0/1`, `c` alone for the chunk of a scalar.
fn position(rest: &str, grid_shape: &[u64]) -> Option<ChunkIndices> {
    let mut parts = rest.split('/');
    if parts.next() != Some("c") {
        return None;
    }
    let mut indices = Vec::with_capacity(grid_shape.len());
    for part in parts {
        let extent = grid_shape.get(indices.len())?;
        // One position has one key.
        let is_canonical = !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'));
        let index: u64 = part.parse().ok().filter(|index| is_canonical && index < extent)?;
        indices.push(index);
    }
    (indices.len() == grid_shape.len()).then_some(ChunkIndices(indices))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_urls_cannot_hold_are_refused_at_any_depth() {
        for (path, is_refused) in [
            ("/a?b", true),
            ("/a#b", true),
            ("/a%2fb", true),
            ("/a%41", true),
            ("/group?/v", true),
            ("/50%", false),
            ("/RH (%)", false),
            ("/100%ä", false),
            ("/%zz", false),
            ("/a b+c;d=1,e:f&g", false),
        ] {
            assert_eq!(unaddressable(&NodePath::parse(path).unwrap()).is_some(), is_refused, "{path}");
        }
    }

    #[test]
    fn a_chunk_has_one_key() {
        let grid = [3, 2];
        assert_eq!(position("c/2/1", &grid), Some(ChunkIndices(vec![2, 1])));
        assert_eq!(position("c", &[]), Some(ChunkIndices(vec![])));
        for wrong in [
            "c",
            "c/0",
            "c/0/0/0",
            "c/3/0",
            "c/00/0",
            "c/+1/0",
            "c/-1/0",
            "c/0/",
            "c//0",
            "0/0",
            "c.0.0",
            "",
            "c/99999999999999999999/0",
        ] {
            assert_eq!(position(wrong, &grid), None, "{wrong}");
        }
    }
}
