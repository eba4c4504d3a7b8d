//! A Zarr v3 hierarchy: its documents, its attributes written again, its chunks and shards read.
#![no_main]

use firn_formats::zarr;
use firn_fuzz::{Objects, at, expect_no_bug, read_everything};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let source = Objects::of(data);
    match firn_formats::open(&source, &at()) {
        Ok(dataset) => {
            read_everything(&source, &dataset);
            for (_, array) in dataset.arrays() {
                if let Err(error) = zarr::array_document(&array.metadata, &at()) {
                    expect_no_bug(&error);
                }
            }
        }
        Err(error) => expect_no_bug(&error),
    }
});
