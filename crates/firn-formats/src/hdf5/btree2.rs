//! Version 2 B-trees, read level by level for many trees at a time ("Disk Format: Level 1A2").

use super::file::{Extent, File};
use crate::FormatError;
use bytes::Bytes;
use firn_model::diagnose::At;
use std::collections::HashSet;

/// Signature, version, type and checksum of a node.
const NODE_OVERHEAD: u64 = 10;

/// The records of one tree.
#[derive(Debug, Clone)]
pub(super) struct Records {
    /// Which kind of records they are.
    pub kind: u8,
    pub records: Vec<Bytes>,
}

struct Tree {
    kind: u8,
    node_size: u64,
    record_size: u64,
    /// Bytes of the number of records of a node, in its parent.
    count_width: usize,
    /// Bytes of the number of records below a node of each level, in its parent.
    total_widths: Vec<usize>,
}

struct Node {
    owner: usize,
    address: u64,
    records: u64,
    level: u16,
}

/// All records of the trees whose headers are at these addresses; their order is not that of the keys.
pub(super) fn read(file: &File, trees: &[(u64, &At)]) -> Result<Vec<Records>, FormatError> {
    let header = 4 + 2 + 4 + 2 + 2 + 2 + u64::from(file.sizes.offset) + 2 + u64::from(file.sizes.length) + 4;
    let extents: Vec<Extent> = trees.iter().map(|(address, _)| (*address, header)).collect();
    let blocks = file.read_many(&file.at, &extents, "the header of a B-tree")?;
    let mut parsed = Vec::with_capacity(trees.len());
    let mut nodes = Vec::new();
    for (owner, ((address, at), block)) in trees.iter().zip(&blocks).enumerate() {
        let (tree, root) = read_header(file, *address, at, block, owner)?;
        parsed.push(tree);
        nodes.extend(root);
    }
    let mut found: Vec<Records> = parsed.iter().map(|tree| Records { kind: tree.kind, records: Vec::new() }).collect();
    let mut visited = HashSet::new();
    while !nodes.is_empty() {
        let extents: Vec<Extent> = nodes.iter().map(|node| (node.address, parsed[node.owner].node_size)).collect();
        let blocks = file.read_many(&file.at, &extents, "a node of a B-tree")?;
        let mut next = Vec::new();
        for (node, block) in nodes.iter().zip(&blocks) {
            let at = trees[node.owner].1;
            if !visited.insert((node.owner, node.address)) {
                let at = at.bytes(file.base.saturating_add(node.address), 0);
                return Err(FormatError::corrupt(&at, "a B-tree that leads back to itself"));
            }
            read_node(file, at, &parsed[node.owner], node, block, &mut found[node.owner].records, &mut next)?;
        }
        nodes = next;
    }
    Ok(found)
}

fn read_header(
    file: &File,
    address: u64,
    at: &At,
    block: &[u8],
    owner: usize,
) -> Result<(Tree, Option<Node>), FormatError> {
    let mut cursor = file.cursor(block, address, at, "header of a B-tree");
    cursor.expect(*b"BTHD")?;
    cursor.version(&[0])?;
    let kind = cursor.u8()?;
    let node_size = u64::from(cursor.u32()?);
    let record_size = u64::from(cursor.u16()?);
    let depth = cursor.u16()?;
    cursor.skip(2)?;
    let root = cursor.offset()?;
    let records = u64::from(cursor.u16()?);
    cursor.length()?;
    cursor.checksum()?;
    let greatest = node_size.saturating_sub(NODE_OVERHEAD).checked_div(record_size).unwrap_or(0);
    if greatest == 0 {
        return Err(cursor.corrupt("a record does not fit into a node"));
    }
    let count_width = bytes_for(greatest);
    let mut total_widths = vec![0];
    let mut below = greatest;
    for level in 1..=usize::from(depth) {
        let pointer = u64::from(file.sizes.offset) + (count_width + total_widths[level - 1]) as u64;
        let here = node_size.saturating_sub(NODE_OVERHEAD + pointer) / (record_size + pointer);
        if here == 0 || level > 64 {
            return Err(cursor.corrupt("the tree is deeper than its nodes allow"));
        }
        below = here.saturating_add(1).saturating_mul(below).saturating_add(here);
        total_widths.push(bytes_for(below));
    }
    let root = root.map(|address| Node { owner, address, records, level: depth });
    Ok((Tree { kind, node_size, record_size, count_width, total_widths }, root))
}

/// Bytes that a number up to `limit` takes.
fn bytes_for(limit: u64) -> usize {
    ((u64::BITS - limit.leading_zeros()).div_ceil(8) as usize).max(1)
}

fn read_node(
    file: &File,
    at: &At,
    tree: &Tree,
    node: &Node,
    block: &Bytes,
    records: &mut Vec<Bytes>,
    next: &mut Vec<Node>,
) -> Result<(), FormatError> {
    let mut cursor = file.cursor(block, node.address, at, "node of a B-tree");
    cursor.expect(if node.level == 0 { *b"BTLF" } else { *b"BTIN" })?;
    cursor.version(&[0])?;
    let kind = cursor.u8()?;
    if kind != tree.kind {
        return Err(cursor.corrupt(format_args!("it is of kind {kind} instead of {}", tree.kind)));
    }
    for _ in 0..node.records {
        let start = cursor.position();
        cursor.skip(tree.record_size as usize)?;
        records.push(block.slice(start..cursor.position()));
    }
    if let Some(level) = node.level.checked_sub(1) {
        for _ in 0..=node.records {
            let address = cursor.address()?;
            let records = cursor.uint(tree.count_width)?;
            cursor.skip(tree.total_widths[usize::from(level)])?;
            next.push(Node { owner: node.owner, address, records, level });
        }
    }
    cursor.checksum()
}
