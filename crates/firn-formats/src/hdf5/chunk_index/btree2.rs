//! Chunks in a version 2 B-tree ("Disk Format: Level 1A2", record types 10 and 11).

use super::{Entry, Job};
use crate::FormatError;
use crate::hdf5::btree2;
use crate::hdf5::file::File;
use firn_model::diagnose::At;

pub(super) fn read(file: &File, jobs: &mut [&mut Job]) -> Result<(), FormatError> {
    let ats: Vec<At> = jobs.iter().map(|job| job.at.clone()).collect();
    let trees: Vec<(u64, &At)> =
        jobs.iter().zip(&ats).filter_map(|(job, at)| Some((job.chunked.address?, at))).collect();
    for ((job, at), tree) in jobs.iter_mut().zip(&ats).zip(btree2::read(file, &trees)?) {
        let is_filtered = job.num_filters > 0;
        if tree.kind != if is_filtered { 11 } else { 10 } {
            return Err(FormatError::corrupt(at, format!("its chunk index has records of type {}", tree.kind)));
        }
        let width = job.size_width();
        for record in &tree.records {
            let mut cursor = file.cursor(record, 0, at, "record of a chunk");
            let address = cursor.offset()?;
            let (length, filter_mask) =
                if is_filtered { (cursor.uint(width)?, cursor.u32()?) } else { (job.chunk_bytes, 0) };
            let mut position = Vec::with_capacity(job.shape.len());
            for _ in 0..job.shape.len() {
                position.push(cursor.u64()?);
            }
            if cursor.remaining() != 0 {
                return Err(cursor.corrupt("a record of another size"));
            }
            job.put(file, &position, Entry { address, length, filter_mask })?;
        }
    }
    Ok(())
}
