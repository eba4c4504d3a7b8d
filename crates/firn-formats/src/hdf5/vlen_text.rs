//! Texts of variable length: from the references that chunks hold to the bytes in global heaps.

use super::file::File;
use super::global_heap::{self, GlobalHeaps};
use super::limits;
use super::superblock;
use crate::FormatError;
use firn_model::diagnose::At;
use firn_model::source::RangeReader;

/// The bytes of each text that `references` (decoded elements stored as `Hdf5VlenText`, one after the other) lead to, without
/// a terminating NUL. Each heap collection is read once, all in at most two batches beside the superblock.
///
/// # Errors
/// Where a reference leads nowhere, where texts add up to more than 1 GiB, and where bytes cannot be had.
pub fn read_vlen_text(
    reader: &dyn RangeReader,
    at: &At,
    references: &[u8],
    offset_size: u8,
) -> Result<Vec<Vec<u8>>, FormatError> {
    let mut file = File::new(reader, at)?;
    superblock::locate(&mut file)?;
    let width = usize::from(offset_size) + 8;
    if offset_size != file.sizes.offset || !references.len().is_multiple_of(width) {
        return Err(FormatError::bug(at, "heap references of another size than the file's"));
    }
    let mut parsed = Vec::with_capacity(references.len() / width);
    for element in references.chunks_exact(width) {
        parsed.push(global_heap::reference(&mut file.cursor(element, 0, at, "reference to a text"))?);
    }
    let mut heaps = GlobalHeaps::default();
    heaps.fetch(&file, at, parsed.iter().filter_map(|reference| Some(reference.object?.0)))?;
    let mut left = limits::TEXT_BYTES;
    let mut texts = Vec::with_capacity(parsed.len());
    for reference in parsed {
        let Some(object) = reference.object else {
            texts.push(Vec::new());
            continue;
        };
        let bytes = heaps.get(at, object)?;
        let text = &bytes[..bytes.len().min(reference.count as usize)];
        let text = text.strip_suffix(b"\0").unwrap_or(text);
        left = left.checked_sub(text.len() as u64).ok_or_else(|| {
            FormatError::limit(
                at,
                "the number of bytes of the texts of a chunk",
                limits::TEXT_BYTES + 1,
                limits::TEXT_BYTES,
            )
        })?;
        texts.push(text.to_vec());
    }
    Ok(texts)
}
