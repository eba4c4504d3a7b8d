//! The links of groups: old symbol tables, link messages, dense links ("Disk Format: Level 1A1, 1C, 2A2").

use super::btree1::{self, Tree};
use super::btree2;
use super::file::{Extent, File};
use super::fractal_heap;
use super::local_heap::{self, LocalHeap};
use super::message::kind;
use super::message::link::{self, Dense, Link, Target};
use super::object_header::ObjectHeader;
use super::superblock::Superblock;
use crate::FormatError;
use firn_model::diagnose::At;

/// The links of each of these groups, in the order in which libnetcdf shows them: by creation where that is tracked, else
/// by name.
pub(super) fn links(
    file: &File,
    superblock: &Superblock,
    groups: &[(&ObjectHeader, At)],
) -> Result<Vec<Vec<Link>>, FormatError> {
    let mut found: Vec<Vec<Link>> = vec![Vec::new(); groups.len()];
    let mut is_tracked = vec![false; groups.len()];
    let mut dense = Vec::new();
    let mut old = Vec::new();
    for (index, (header, at)) in groups.iter().enumerate() {
        for message in &header.messages {
            let mut cursor = file.cursor(&message.body, message.address, at, "link message");
            match message.kind {
                kind::LINK => found[index].push(link::parse(&mut cursor)?),
                kind::LINK_INFO => {
                    let (place, tracked) = link::parse_link_info(&mut cursor)?;
                    is_tracked[index] = tracked;
                    dense.extend(place.map(|place| (index, place)));
                }
                kind::SYMBOL_TABLE => old.push((index, cursor.address()?, cursor.address()?)),
                _ => {}
            }
        }
    }
    read_dense(file, groups, &dense, &mut found)?;
    read_old(file, superblock, groups, &old, &mut found)?;
    for (links, is_tracked) in found.iter_mut().zip(is_tracked) {
        if is_tracked && links.iter().all(|link| link.creation_order.is_some()) {
            links.sort_by_key(|link| link.creation_order);
        } else {
            links.sort_by(|a, b| a.name.cmp(&b.name));
        }
    }
    Ok(found)
}

fn read_dense(
    file: &File,
    groups: &[(&ObjectHeader, At)],
    dense: &[(usize, Dense)],
    into: &mut [Vec<Link>],
) -> Result<(), FormatError> {
    let places: Vec<(Dense, &At)> = dense.iter().map(|(group, place)| (*place, &groups[*group].1)).collect();
    for ((group, _), objects) in dense.iter().zip(read_dense_objects(file, &places, 5, 4..11, |_| false)?) {
        for object in objects {
            let at = &groups[*group].1;
            let bytes = object.bytes.unwrap_or_default();
            let mut cursor = file.cursor(&bytes, object.address, at, "link");
            into[*group].push(link::parse(&mut cursor)?);
        }
    }
    Ok(())
}

/// An object of a fractal heap and the record that found it.
pub(super) struct DenseObject {
    /// `None` where the record says that the object is in another heap.
    pub bytes: Option<bytes::Bytes>,
    pub address: u64,
    pub record: bytes::Bytes,
}

/// All objects of these heaps that their name indices know. `kind` is the type of the index's records, `id` the place of
/// the heap identifier in each; `elsewhere` says which records have their object in another heap.
pub(super) fn read_dense_objects(
    file: &File,
    places: &[(Dense, &At)],
    kind: u8,
    id: std::ops::Range<usize>,
    elsewhere: fn(&[u8]) -> bool,
) -> Result<Vec<Vec<DenseObject>>, FormatError> {
    let heaps: Vec<(u64, &At)> = places.iter().map(|(place, at)| (place.heap, *at)).collect();
    let trees: Vec<(u64, &At)> = places.iter().map(|(place, at)| (place.names, *at)).collect();
    let heaps = fractal_heap::open(file, &heaps)?;
    let trees = btree2::read(file, &trees)?;
    let mut found: Vec<Vec<DenseObject>> = places.iter().map(|_| Vec::new()).collect();
    let mut ids = Vec::new();
    let mut records = Vec::new();
    for (owner, ((_, at), tree)) in places.iter().zip(&trees).enumerate() {
        for record in &tree.records {
            if tree.kind != kind || record.len() < id.end {
                return Err(FormatError::corrupt(at, "the index of names is of another kind"));
            }
            if elsewhere(record) {
                found[owner].push(DenseObject { bytes: None, address: 0, record: record.clone() });
                continue;
            }
            ids.push((owner, record.slice(id.clone())));
            records.push(record.clone());
        }
    }
    let objects = fractal_heap::objects(file, &heaps, &ids)?;
    for (((owner, _), record), (bytes, address)) in ids.iter().zip(records).zip(objects) {
        found[*owner].push(DenseObject { bytes: Some(bytes), address, record });
    }
    Ok(found)
}

fn read_old(
    file: &File,
    superblock: &Superblock,
    groups: &[(&ObjectHeader, At)],
    old: &[(usize, u64, u64)],
    into: &mut [Vec<Link>],
) -> Result<(), FormatError> {
    let places: Vec<(u64, &At)> = old.iter().map(|(group, _, heap)| (*heap, &groups[*group].1)).collect();
    let heaps = local_heap::read(file, &places)?;
    let trees: Vec<Tree<'_>> = old
        .iter()
        .map(|(group, root, _)| Tree {
            at: &groups[*group].1,
            root: *root,
            kind: 0,
            key_size: usize::from(file.sizes.length),
            k: superblock.group_k,
        })
        .collect();
    let mut nodes = Vec::new();
    btree1::walk(file, &trees, |owner, _, child| {
        nodes.push((owner, child));
        Ok(())
    })?;
    let entry = 24 + 2 * u64::from(file.sizes.offset);
    let size = 8 + 2 * u64::from(superblock.leaf_k) * entry;
    let extents: Vec<Extent> = nodes.iter().map(|(_, address)| (*address, size)).collect();
    let blocks = file.read_ahead(&file.at, &extents, "a symbol table node")?;
    for ((owner, address), block) in nodes.iter().zip(&blocks) {
        let group = old[*owner].0;
        read_symbols(file, &groups[group].1, *address, block, &heaps[*owner], &mut into[group])?;
    }
    Ok(())
}

fn read_symbols(
    file: &File,
    at: &At,
    address: u64,
    block: &[u8],
    heap: &LocalHeap,
    into: &mut Vec<Link>,
) -> Result<(), FormatError> {
    let mut cursor = file.cursor(block, address, at, "symbol table node");
    cursor.expect(*b"SNOD")?;
    cursor.version(&[1])?;
    cursor.skip(1)?;
    for _ in 0..cursor.u16()? {
        let name = heap.text(file, at, cursor.address()?)?;
        let object = cursor.offset()?;
        let cache = cursor.u32()?;
        cursor.skip(4)?;
        let mut scratch = file.cursor(cursor.take(16)?, address, at, "symbol table entry");
        let target = if cache == 2 {
            Target::Soft(heap.text(file, at, u64::from(scratch.u32()?))?)
        } else {
            Target::Hard(object.ok_or_else(|| cursor.corrupt("an entry without an object"))?)
        };
        into.push(Link { name, target, creation_order: None });
    }
    Ok(())
}
