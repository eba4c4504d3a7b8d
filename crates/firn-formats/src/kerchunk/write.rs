//! Writing a file of references, version 1.
//!
//! The text grows chunk by chunk in one buffer; nothing else of its size is made. Keys stand in the order in which they are
//! given, the chunks of an array in C order: the same dataset gives the same text. All documents stand at its end once more,
//! consolidated: zarr-python 3 finds no array in a group of a file of references by listing.

use super::document::MAX_REFERENCES;
use super::open::MAX_FILE;
use crate::chunk_codec::{self, ChunkSpec};
use crate::error::FormatError;
use crate::zarr::v2;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use firn_model::array::chunk_grid::{from_linear, product};
use firn_model::array::{ArrayMetadata, Attributes, ChunkEntry, ChunkTable, FillValue, KeyedChunks};
use firn_model::dataset::NodePath;
use firn_model::diagnose::At;
use serde_json::{Map, Value, json};

/// Most bytes of encoded chunks that stand in a file of references themselves: readers hold them all.
pub const MAX_INLINE: u64 = 64 << 20;

/// A file of references that is being written.
pub struct ReferencesWriter {
    text: Vec<u8>,
    entries: usize,
    inline: u64,
    consolidated: Map<String, Value>,
}

impl ReferencesWriter {
    /// A hierarchy with these attributes of its root.
    ///
    /// # Errors
    /// [`FormatError::Limit`] for more than [`super::open()`] reads.
    pub fn new(attributes: &Attributes, at: &At) -> Result<Self, FormatError> {
        let mut writer =
            Self { text: br#"{"version":1,"refs":{"#.to_vec(), entries: 0, inline: 0, consolidated: Map::new() };
        writer.documents(
            &NodePath::root(),
            &[(".zgroup", &v2::group_document()), (".zattrs", &v2::group_attributes(attributes))],
            at,
        )?;
        Ok(writer)
    }

    /// Adds a group below the root.
    ///
    /// # Errors
    /// As [`ReferencesWriter::new`].
    pub fn group(&mut self, path: &NodePath, attributes: &Attributes, at: &At) -> Result<(), FormatError> {
        let documents = [(".zgroup", &v2::group_document()), (".zattrs", &v2::group_attributes(attributes))];
        self.documents(path, &documents, at)
    }

    /// Adds an array whose chunks are at these places. The URLs of their objects are written as they are.
    ///
    /// A chunk that is known to be empty has no key where every reader takes its elements for the array's fill value; else
    /// it stands in the file.
    ///
    /// # Errors
    /// [`FormatError::Unsupported`] for what Zarr v2 cannot say and for URLs that readers would take for templates;
    /// [`FormatError::Limit`] for more than readers take.
    pub fn array(
        &mut self,
        path: &NodePath,
        metadata: &ArrayMetadata,
        table: &ChunkTable,
        at: &At,
    ) -> Result<(), FormatError> {
        let at = &at.node(path.as_str());
        for object in table.objects() {
            check_url(&object.url, at)?;
        }
        let documents = v2::array_documents(metadata, at)?;
        self.documents(path, &[(".zarray", &documents.array), (".zattrs", &documents.attributes)], at)?;
        let zero = FillValue::zero(metadata.data_type);
        let fill = metadata.fill_value.as_ref().unwrap_or(&zero);
        let absent = documents.reads_as.as_ref() == Some(fill);
        let keys = keys(path);
        let mut filled: Option<Bytes> = None;
        for linear in 0..table.len() as u64 {
            let key = || keys.key(&from_linear(linear, table.grid_shape()));
            match table.entry(linear) {
                ChunkEntry::Stored { filter_mask: 0, object, offset, length } => {
                    self.key(&key(), at)?;
                    // Numbers need no escapes.
                    self.text.push(b'[');
                    self.string(&object.url, at)?;
                    self.text.extend_from_slice(format!(",{offset},{length}]").as_bytes());
                }
                ChunkEntry::Inline(bytes) => self.inline(&key(), bytes, at)?,
                ChunkEntry::KnownEmpty if absent => {}
                ChunkEntry::KnownEmpty => {
                    let bytes = match &filled {
                        Some(bytes) => bytes.clone(),
                        None => filled.insert(filled_chunk(metadata, fill, at)?).clone(),
                    };
                    self.inline(&key(), &bytes, at)?;
                }
                ChunkEntry::Stored { .. } | ChunkEntry::Unknown => {
                    return Err(FormatError::bug(at, format!("the chunk {} cannot be referred to", key())));
                }
            }
        }
        Ok(())
    }

    /// The whole text.
    ///
    /// # Errors
    /// As [`ReferencesWriter::new`].
    pub fn finish(mut self, at: &At) -> Result<Bytes, FormatError> {
        let documents = std::mem::take(&mut self.consolidated);
        let consolidated = json!({ "zarr_consolidated_format": 1, "metadata": documents });
        self.key(".zmetadata", at)?;
        self.string(&consolidated.to_string(), at)?;
        self.text.extend_from_slice(b"}}\n");
        Ok(Bytes::from(self.text))
    }

    fn documents(&mut self, path: &NodePath, documents: &[(&str, &Value)], at: &At) -> Result<(), FormatError> {
        for (name, document) in documents {
            let key = if path.is_root() { (*name).to_owned() } else { format!("{}/{name}", path.as_key()) };
            self.key(&key, at)?;
            self.string(&document.to_string(), at)?;
            self.consolidated.insert(key, (*document).clone());
        }
        Ok(())
    }

    fn inline(&mut self, key: &str, bytes: &Bytes, at: &At) -> Result<(), FormatError> {
        self.inline = self.inline.saturating_add(bytes.len() as u64);
        if self.inline > MAX_INLINE {
            let what = "the size in bytes of chunks that have to stand in the file of references themselves";
            return Err(FormatError::limit(at, what, self.inline, MAX_INLINE));
        }
        self.key(key, at)?;
        self.text.extend_from_slice(br#""base64:"#);
        self.text.extend_from_slice(STANDARD.encode(bytes).as_bytes());
        self.text.push(b'"');
        Ok(())
    }

    /// Begins an entry.
    fn key(&mut self, key: &str, at: &At) -> Result<(), FormatError> {
        let size = self.text.len() as u64;
        if self.entries >= MAX_REFERENCES {
            let count = self.entries as u64 + 1;
            return Err(FormatError::limit(at, "the number of references in a file", count, MAX_REFERENCES as u64));
        }
        if size >= MAX_FILE {
            return Err(FormatError::limit(at, "the size of the file of references in bytes", size, MAX_FILE));
        }
        if self.entries > 0 {
            self.text.push(b',');
        }
        self.text.push(b'\n');
        self.entries += 1;
        self.string(key, at)?;
        self.text.push(b':');
        Ok(())
    }

    fn string(&mut self, text: &str, at: &At) -> Result<(), FormatError> {
        serde_json::to_writer(&mut self.text, text).map_err(|error| FormatError::bug(at, error.to_string()))
    }
}

/// How Zarr v2 names the chunks of an array.
fn keys(path: &NodePath) -> KeyedChunks {
    let prefix = format!("{}/", path.as_key());
    KeyedChunks { separator: '.', scalar_key: format!("{prefix}0"), prefix }
}

/// A chunk of the fill value alone, encoded.
fn filled_chunk(metadata: &ArrayMetadata, fill: &FillValue, at: &At) -> Result<Bytes, FormatError> {
    let shape = metadata.chunk_grid.chunk_shape().unwrap_or(&[]);
    let element_size = metadata.data_type.size().unwrap_or(1);
    let count = product(shape).unwrap_or(u64::MAX);
    let size = count.saturating_mul(element_size as u64);
    // Compressed it may be small, but it has to be made first.
    let most = MAX_INLINE.saturating_mul(8);
    if size > most {
        let what = "the size in bytes of an unwritten chunk that has to stand in the file of references itself";
        return Err(FormatError::limit(at, what, size, most));
    }
    let encoded = match fill {
        FillValue::Fixed(bytes) => {
            let spec = ChunkSpec { shape, element_size, fill_value: bytes };
            chunk_codec::encode(&bytes.repeat(count as usize), &metadata.codecs, spec, at)?
        }
        FillValue::Text(text) => chunk_codec::encode_text(&vec![text.clone(); count as usize], &metadata.codecs, at)?,
    };
    Ok(Bytes::from(encoded))
}

/// Whether readers take the URL for what it is.
fn check_url(url: &str, at: &At) -> Result<(), FormatError> {
    if url.contains("{{") || url.contains("{%") {
        let what = format!("readers take the braces in {url:?} for a template");
        return Err(FormatError::unsupported("unsupported-kerchunk", at, what));
    }
    if !url.contains("://") {
        return Err(FormatError::bug(at, format!("the URL {url:?} is relative")));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
