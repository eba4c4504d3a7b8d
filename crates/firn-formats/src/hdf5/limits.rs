//! Bounds on what a file may claim. Sound files are far below each of them.

/// Groups within groups.
pub(super) const DEPTH: usize = 64;
/// Objects in the hierarchy, a hard-linked object counted by each of its names.
pub(super) const NODES: usize = 500_000;
/// Bytes of the paths of all objects.
pub(super) const PATH_BYTES: usize = 256 << 20;
/// Parts of soft links followed in one file.
pub(super) const LINK_STEPS: usize = 5_000_000;
/// Messages of one object header.
pub(super) const MESSAGES: usize = 1 << 20;
/// Continuation blocks of one object header.
pub(super) const CONTINUATIONS: usize = 1 << 16;
/// Dimensions of a dataset (the format's own bound).
pub(super) const RANK: usize = 32;
/// Datatypes within datatypes.
pub(super) const TYPE_DEPTH: usize = 16;
/// Soft links that lead to soft links.
pub(super) const SOFT_LINKS: usize = 16;
/// Bytes of metadata read from one file: this, or less where [`metadata_bytes`] says so.
const METADATA_BYTES: u64 = 1 << 30;
/// Bytes of text decoded from heap references in one call.
pub(super) const TEXT_BYTES: u64 = 1 << 30;
/// Chunks in all tables of one file, stored or not, beside one for each byte of the file.
const CHUNKS: u64 = 4_000_000;

/// How many bytes of metadata may be read from a file of this size. Every structure is read once; what is read ahead and
/// overlaps is what the factor is for.
pub(super) fn metadata_bytes(file_size: u64) -> u64 {
    file_size.saturating_mul(8).saturating_add(16 << 20).min(METADATA_BYTES)
}

/// How many chunks all arrays of a file of this size may have together, unallocated ones included.
pub(super) fn chunks(file_size: u64) -> u64 {
    file_size.saturating_add(CHUNKS).min(2 * firn_model::array::manifest::MAX_CHUNKS)
}
