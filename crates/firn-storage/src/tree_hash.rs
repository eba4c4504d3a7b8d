//! BLAKE3 of an object whose ranges are hashed apart: in any order, side by side, and only once where a copy goes on after a
//! stop. The digest is that of the whole, as every other tool makes it.
//!
//! BLAKE3 is a tree over chunks of 1,024 bytes (O'Connor et al., section 2.1): the left subtree of a node is the largest
//! power of two of chunks that leaves something to the right. So a range is hashed as the largest subtrees that lie in it.

use blake3::hazmat::{ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root};
use blake3::{CHUNK_LEN, Hash, Hasher};
use firn_model::source::ByteRange;
use std::collections::{BTreeMap, VecDeque};

/// The chaining values of subtrees, by the bytes that they cover: first byte, and the byte after the last.
pub(crate) type Nodes = BTreeMap<(u64, u64), ChainingValue>;

/// Ranges of this many bytes and its multiples can be hashed apart.
pub(crate) const GRAIN: u64 = CHUNK_LEN as u64;

/// Hashes one range of an object, whose bytes come in order.
#[derive(Debug)]
pub(crate) struct RangeHash {
    /// Subtrees that are not complete; the first is under way.
    open: VecDeque<ByteRange>,
    at: u64,
    hasher: Hasher,
    done: Nodes,
    /// The object is one chunk, which is hashed as a whole.
    is_one_chunk: bool,
}

impl RangeHash {
    /// Of these bytes of an object of `size` bytes; `None` where they do not begin and end with chunks.
    pub(crate) fn new(size: u64, bytes: &ByteRange) -> Option<Self> {
        let mut open = VecDeque::new();
        let whole = 0..size;
        let is_one_chunk = size <= GRAIN;
        let found = if is_one_chunk {
            open.push_back(whole.clone());
            *bytes == whole
        } else {
            // The root has no chaining value: of a whole object its two children are hashed.
            let middle = left_subtree_len(size);
            subtrees(0..middle, bytes, &mut open) && subtrees(middle..size, bytes, &mut open)
        };
        let hasher = Self::hasher(open.front(), is_one_chunk);
        found.then(|| Self { at: bytes.start, open, hasher, done: Nodes::new(), is_one_chunk })
    }

    fn hasher(subtree: Option<&ByteRange>, is_one_chunk: bool) -> Hasher {
        let mut hasher = Hasher::new();
        if let Some(subtree) = subtree.filter(|_| !is_one_chunk) {
            hasher.set_input_offset(subtree.start);
        }
        hasher
    }

    /// The next bytes. Those after the end of the range are left out.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        while let Some(subtree) = self.open.front().filter(|_| !bytes.is_empty()) {
            let (now, later) = bytes.split_at(bytes.len().min((subtree.end - self.at) as usize));
            self.hasher.update(now);
            (self.at, bytes) = (self.at + now.len() as u64, later);
            if self.at == subtree.end {
                self.complete();
            }
        }
    }

    fn complete(&mut self) {
        let Some(subtree) = self.open.pop_front() else { return };
        let value = if self.is_one_chunk { self.hasher.finalize().into() } else { self.hasher.finalize_non_root() };
        self.done.insert((subtree.start, subtree.end), value);
        self.hasher = Self::hasher(self.open.front(), self.is_one_chunk);
    }

    /// The subtrees of the range; `None` where bytes are missing.
    pub(crate) fn finish(mut self) -> Option<Nodes> {
        if self.open.front().is_some_and(ByteRange::is_empty) {
            self.complete();
        }
        self.open.is_empty().then_some(self.done)
    }
}

/// The largest subtrees of `node` that lie in `wanted`; whether it begins and ends with chunks.
fn subtrees(node: ByteRange, wanted: &ByteRange, found: &mut VecDeque<ByteRange>) -> bool {
    if node.end <= wanted.start || wanted.end <= node.start {
        return true;
    }
    if wanted.start <= node.start && node.end <= wanted.end {
        found.push_back(node);
        return true;
    }
    let length = node.end - node.start;
    if length <= GRAIN {
        return false;
    }
    let middle = node.start + left_subtree_len(length);
    subtrees(node.start..middle, wanted, found) && subtrees(middle..node.end, wanted, found)
}

/// The digest of an object of `size` bytes, all of whose ranges were hashed; `None` where one is missing.
pub(crate) fn joined(size: u64, nodes: &Nodes) -> Option<Hash> {
    if size <= GRAIN {
        return if size == 0 { Some(blake3::hash(&[])) } else { nodes.get(&(0, size)).map(|value| Hash::from(*value)) };
    }
    let middle = left_subtree_len(size);
    Some(merge_subtrees_root(&value(0..middle, nodes)?, &value(middle..size, nodes)?, Mode::Hash))
}

fn value(node: ByteRange, nodes: &Nodes) -> Option<ChainingValue> {
    if let Some(value) = nodes.get(&(node.start, node.end)) {
        return Some(*value);
    }
    let length = node.end - node.start;
    if length <= GRAIN {
        return None;
    }
    let middle = node.start + left_subtree_len(length);
    Some(merge_subtrees_non_root(&value(node.start..middle, nodes)?, &value(middle..node.end, nodes)?, Mode::Hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3_copy::pieces;

    fn bytes(size: usize) -> Vec<u8> {
        (0..size).map(|at| (at * 31 % 251) as u8).collect()
    }

    /// The digest of all, made of ranges of so many bytes that come from behind, in small runs.
    fn apart(all: &[u8], part: u64) -> Option<Hash> {
        let size = all.len() as u64;
        let mut nodes = Nodes::new();
        for range in pieces(size, part).collect::<Vec<_>>().into_iter().rev() {
            let mut hash = RangeHash::new(size, &range)?;
            all[range.start as usize..range.end as usize].chunks(777).for_each(|run| hash.update(run));
            nodes.append(&mut hash.finish()?);
        }
        joined(size, &nodes)
    }

    #[test]
    fn the_digest_is_that_of_the_whole() {
        for size in
            [0, 1, 1023, 1024, 1025, 2048, 2049, 3072, 5000, 8192, 8193, 65_536, 100_000, 1 << 20, (1 << 20) + 1]
        {
            let all = bytes(size);
            for part in [1024, 2048, 3072, 5 * 1024, 8192, 65_536, 7 * 65_536, 1 << 21] {
                assert_eq!(apart(&all, part), Some(blake3::hash(&all)), "{size} bytes in parts of {part}");
            }
        }
    }

    #[test]
    fn what_is_missing_or_unaligned_has_no_digest() {
        assert!(RangeHash::new(5000, &(0..1000)).is_none());
        assert!(RangeHash::new(5000, &(1024..4999)).is_none());
        assert!(RangeHash::new(500, &(0..100)).is_none());
        let mut hash = RangeHash::new(5000, &(1024..5000)).unwrap();
        hash.update(&bytes(3000));
        assert!(hash.finish().is_none(), "976 bytes did not come");
        let mut hash = RangeHash::new(5000, &(0..4096)).unwrap();
        hash.update(&bytes(9000));
        assert!(joined(5000, &hash.finish().unwrap()).is_none(), "the end was not hashed");
    }
}
