//! Chunks in a version 1 B-tree ("Disk Format: Level 1A1", node type 1).

use super::{Entry, Job};
use crate::FormatError;
use crate::hdf5::btree1::{self, Tree};
use crate::hdf5::file::File;
use firn_model::diagnose::At;

/// Finds the chunks of these datasets. `k` of the file decides how much is read at once, nothing else.
pub(super) fn read(file: &File, jobs: &mut [&mut Job]) -> Result<(), FormatError> {
    let ats: Vec<At> = jobs.iter().map(|job| job.at.clone()).collect();
    let trees: Vec<Tree<'_>> = jobs
        .iter()
        .zip(&ats)
        .filter_map(|(job, at)| {
            let root = job.chunked.address?;
            Some(Tree { at, root, kind: 1, key_size: 8 + 8 * (job.shape.len() + 1), k: file.chunk_k })
        })
        .collect();
    btree1::walk(file, &trees, |owner, key, child| {
        let job = &mut *jobs[owner];
        let mut cursor = file.cursor(key, 0, &ats[owner], "key of a chunk");
        let (length, filter_mask) = (u64::from(cursor.u32()?), cursor.u32()?);
        let mut position = Vec::with_capacity(job.shape.len());
        for chunk in &job.chunked.chunk_shape {
            let offset = cursor.u64()?;
            if offset % chunk != 0 {
                return Err(
                    cursor.corrupt(format_args!("a chunk at element {offset}, which is no multiple of {chunk}"))
                );
            }
            position.push(offset / chunk);
        }
        if cursor.u64()? != 0 {
            return Err(cursor.corrupt("a chunk that begins inside of an element"));
        }
        job.put(file, &position, Entry { address: Some(child), length, filter_mask })
    })
}
