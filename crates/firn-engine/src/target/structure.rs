//! The documents of a store: one `zarr.json` a node, the root's with all others consolidated in it.

use crate::error::EngineError;
use bytes::Bytes;
use firn_formats::zarr;
use firn_model::array::{ArrayMetadata, Attributes, ChunkGrid, CodecMetadata};
use firn_model::combine::Combined;
use firn_model::dataset::NodePath;
use firn_model::diagnose::At;
use firn_model::plan::ArrayLayout;
use serde_json::Value;

/// The hierarchy to write.
#[derive(Debug, Clone)]
pub struct Structure {
    root: Bytes,
    plain_root: Bytes,
    documents: Vec<(NodePath, Bytes)>,
}

/// An array as it will be stored.
pub fn stored_metadata(metadata: &ArrayMetadata, layout: &ArrayLayout) -> ArrayMetadata {
    let codecs = match &layout.shard_shape {
        None => layout.codecs.clone(),
        Some(_) => vec![CodecMetadata::ShardingIndexed {
            chunk_shape: layout.chunk_shape.clone(),
            codecs: layout.codecs.clone(),
            index_codecs: crate::execute::index_codecs(),
            index_at_end: true,
        }],
    };
    ArrayMetadata {
        chunk_grid: ChunkGrid::regular(layout.unit_shape()),
        codecs,
        fill_value: Some(layout.fill_value.clone()),
        ..metadata.clone()
    }
}

impl Structure {
    /// The documents of these arrays in the groups of the dataset; `provenance` joins the root's attributes.
    ///
    /// # Errors
    /// What the writer of documents says.
    pub fn new(
        combined: &Combined,
        arrays: &[(NodePath, ArrayMetadata)],
        provenance: &Attributes,
    ) -> Result<Self, EngineError> {
        let at = At::nowhere();
        let mut nodes: Vec<(NodePath, Value)> = Vec::new();
        let mut root_attributes = Attributes::new();
        for (path, group) in &combined.groups {
            if path.is_root() {
                root_attributes.clone_from(&group.attributes);
            } else {
                nodes.push((path.clone(), zarr::group_document(&group.attributes, &at.node(path.as_str()))?));
            }
        }
        root_attributes.extend(provenance.clone());
        for (path, metadata) in arrays {
            nodes.push((path.clone(), zarr::array_document(metadata, &at.node(path.as_str()))?));
        }
        let plain_root = zarr::group_document(&root_attributes, &at.node("/"))?;
        let root = zarr::consolidated_document(&plain_root, &nodes);
        let documents = nodes
            .into_iter()
            .map(|(path, document)| Ok((path, bytes(&document)?)))
            .collect::<Result<_, EngineError>>()?;
        Ok(Self { root: bytes(&root)?, plain_root: bytes(&plain_root)?, documents })
    }

    /// The root document, with or without consolidated metadata.
    pub fn root(&self, consolidated: bool) -> &Bytes {
        if consolidated { &self.root } else { &self.plain_root }
    }

    /// The documents of all nodes but the root, parents before children.
    pub fn documents(&self) -> impl Iterator<Item = (&NodePath, &Bytes)> {
        self.documents.iter().map(|(path, document)| (path, document))
    }
}

fn bytes(document: &Value) -> Result<Bytes, EngineError> {
    let mut text = serde_json::to_vec_pretty(document).map_err(|error| EngineError::bug(error.to_string()))?;
    text.push(b'\n');
    Ok(Bytes::from(text))
}
