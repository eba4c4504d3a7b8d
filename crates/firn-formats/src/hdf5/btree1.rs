//! Version 1 B-trees, walked level by level for many trees at a time ("Disk Format: Level 1A1").

use super::file::{Extent, File};
use crate::FormatError;
use firn_model::diagnose::At;
use std::collections::HashSet;

/// A tree to be walked.
pub(super) struct Tree<'a> {
    pub at: &'a At,
    pub root: u64,
    /// 0: group nodes, 1: chunks.
    pub kind: u8,
    /// Bytes of a key.
    pub key_size: usize,
    /// Half the greatest number of children of a node.
    pub k: u16,
}

/// Calls `leaf` with the number of the tree, key and child of each entry of the lowest nodes, in key order.
pub(super) fn walk(
    file: &File,
    trees: &[Tree<'_>],
    mut leaf: impl FnMut(usize, &[u8], u64) -> Result<(), FormatError>,
) -> Result<(), FormatError> {
    let width = usize::from(file.sizes.offset);
    let prefix = 8 + 2 * width;
    let mut visited = HashSet::new();
    let mut nodes: Vec<(usize, u64, Option<u8>)> =
        trees.iter().enumerate().map(|(i, tree)| (i, tree.root, None)).collect();
    while !nodes.is_empty() {
        for (owner, address, _) in &nodes {
            if !visited.insert((*owner, *address)) {
                let at = trees[*owner].at.bytes(file.base.saturating_add(*address), 0);
                return Err(FormatError::corrupt(&at, "a B-tree that leads back to itself"));
            }
        }
        let extents: Vec<Extent> = nodes
            .iter()
            .map(|(owner, address, _)| {
                let tree = &trees[*owner];
                let children = 2 * usize::from(tree.k);
                (*address, (prefix + children * (tree.key_size + width) + tree.key_size) as u64)
            })
            .collect();
        let blocks = file.read_ahead(&file.at, &extents, "a node of a B-tree")?;
        let mut next = Vec::new();
        for ((owner, address, expected), block) in nodes.iter().zip(&blocks) {
            let tree = &trees[*owner];
            let mut cursor = file.cursor(block, *address, tree.at, "node of a B-tree");
            cursor.expect(*b"TREE")?;
            let (kind, level, entries) = (cursor.u8()?, cursor.u8()?, cursor.u16()?);
            if kind != tree.kind {
                return Err(cursor.corrupt(format_args!("it is of kind {kind} instead of {}", tree.kind)));
            }
            if expected.is_some_and(|expected| level != expected) {
                return Err(cursor.corrupt(format_args!("it is at level {level}, which does not fit its parent")));
            }
            cursor.skip(2 * width)?;
            for _ in 0..entries {
                let key = cursor.take(tree.key_size)?;
                let child = cursor.address()?;
                match level {
                    0 => leaf(*owner, key, child)?,
                    _ => next.push((*owner, child, Some(level - 1))),
                }
            }
        }
        nodes = next;
    }
    Ok(())
}
