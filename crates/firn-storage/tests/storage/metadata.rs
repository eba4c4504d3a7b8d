//! How many requests the metadata of a NetCDF-4 file costs over HTTP.

use crate::support::{impatient, runtime};
use crate::web::{Web, good, pattern};
use firn_storage::{ObjectUrl, Storage};
use std::ops::Range;

/// What the HDF5 library reads of a daily file of sea surface temperature of 1,693,928 bytes (4 packed variables of one
/// chunk each, and their coordinates): all attributes, chunk addresses, and the coordinates' values. Offset and length,
/// recorded with h5py 3 from a Python file object, in the order of the reads.
fn reads() -> Vec<Range<u64>> {
    let lines = include_str!("oisst_reads.csv").lines().skip(1);
    lines
        .map(|line| {
            let (offset, length) = line.split_once(',').unwrap();
            let (offset, length): (u64, u64) = (offset.parse().unwrap(), length.parse().unwrap());
            offset..offset + length
        })
        .collect()
}

fn cost(batches: &[Vec<Range<u64>>]) -> (usize, u64) {
    let runtime = runtime();
    let web = Web::serve(|request| good(request, &pattern(1_693_928), &["ETag: \"1\""]));
    let storage = Storage::new(impatient(), runtime.handle().clone()).unwrap();
    let url = ObjectUrl::parse(&format!("{}/oisst.nc", web.url)).unwrap();
    let reader = storage.open(&url).unwrap().unwrap();
    for batch in batches {
        reader.read_ranges(batch).unwrap();
    }
    assert_eq!(storage.traffic().requests, web.count() as u64);
    (web.count(), storage.traffic().received)
}

#[test]
fn a_breadth_first_reader_needs_two_requests() {
    // What the head of the file leads to: superblock, root group and object headers lie before the first chunk.
    let (first, then): (Vec<_>, Vec<_>) = reads().into_iter().partition(|range| range.end < 28_419);
    let (requests, bytes) = cost(&[first, then]);
    assert!(requests <= 2 && bytes <= 300_000, "{requests} requests, {bytes} bytes");
}

#[test]
fn a_reader_that_follows_a_chain_needs_two_requests() {
    let batches: Vec<_> = reads().into_iter().map(|range| vec![range]).collect();
    let (requests, bytes) = cost(&batches);
    assert!(requests <= 2 && bytes <= 300_000, "{requests} requests, {bytes} bytes");
}
