//! A hierarchy of groups and arrays with attributes.

mod node_path;

pub use node_path::{NodeName, NodePath};

use crate::array::{Array, Attributes};
use indexmap::IndexMap;

/// A dimension as its group declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dimension {
    /// Its length.
    pub size: u64,
    /// Whether the source lets it grow.
    pub unlimited: bool,
}

/// A group.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Group {
    /// Its attributes.
    pub attributes: Attributes,
    /// The dimensions declared in it, in their order.
    pub dimensions: IndexMap<String, Dimension>,
}

/// A variable that exists but cannot be read by this version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Stable code, as of the error it would be.
    pub code: &'static str,
    /// What about it is not supported, in one sentence.
    pub what: String,
}

/// A node of the hierarchy.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// A group.
    Group(Group),
    /// An array.
    Array(Box<Array>),
    /// A variable that cannot be read, and why.
    Refused(Refusal),
}

/// What a hierarchy was read from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DatasetFormat {
    /// Made in memory.
    #[default]
    Memory,
    /// A NetCDF classic file.
    NetCdf3,
    /// An HDF5 or NetCDF-4 file.
    Hdf5,
    /// A Zarr v2 hierarchy.
    ZarrV2,
    /// A Zarr v3 hierarchy.
    ZarrV3,
    /// References of kerchunk.
    Kerchunk,
    /// A snapshot of an Icechunk repository.
    Icechunk,
}

impl DatasetFormat {
    /// As people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::NetCdf3 => "NetCDF-3",
            Self::Hdf5 => "HDF5",
            Self::ZarrV2 => "Zarr v2",
            Self::ZarrV3 => "Zarr v3",
            Self::Kerchunk => "kerchunk references",
            Self::Icechunk => "Icechunk",
        }
    }
}

/// A hierarchy: nodes by path in the source's order, parents before children; `/` is a group.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// The nodes.
    pub nodes: IndexMap<NodePath, Node>,
    /// What the reader noticed and could mend (an attribute that is not UTF-8, say), in words.
    pub notes: Vec<String>,
    /// What it was read from.
    pub format: DatasetFormat,
}

impl Default for Dataset {
    fn default() -> Self {
        let mut nodes = IndexMap::new();
        nodes.insert(NodePath::root(), Node::Group(Group::default()));
        Self { nodes, notes: Vec::new(), format: DatasetFormat::Memory }
    }
}

impl Dataset {
    /// The arrays, in order.
    pub fn arrays(&self) -> impl Iterator<Item = (&NodePath, &Array)> {
        self.nodes.iter().filter_map(|(path, node)| match node {
            Node::Array(array) => Some((path, array.as_ref())),
            _ => None,
        })
    }

    /// The groups, in order, `/` first.
    pub fn groups(&self) -> impl Iterator<Item = (&NodePath, &Group)> {
        self.nodes.iter().filter_map(|(path, node)| match node {
            Node::Group(group) => Some((path, group)),
            _ => None,
        })
    }

    /// The variables that cannot be read.
    pub fn refusals(&self) -> impl Iterator<Item = (&NodePath, &Refusal)> {
        self.nodes.iter().filter_map(|(path, node)| match node {
            Node::Refused(refusal) => Some((path, refusal)),
            _ => None,
        })
    }

    /// The array at this path.
    pub fn array(&self, path: &NodePath) -> Option<&Array> {
        match self.nodes.get(path) {
            Some(Node::Array(array)) => Some(array),
            _ => None,
        }
    }

    /// The group at this path.
    pub fn group(&self, path: &NodePath) -> Option<&Group> {
        match self.nodes.get(path) {
            Some(Node::Group(group)) => Some(group),
            _ => None,
        }
    }
}
