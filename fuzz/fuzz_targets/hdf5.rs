//! An HDF5 or netCDF-4 file: opened, every chunk of every array read.
#![no_main]

use firn_fuzz::{at, expect_no_bug, read_everything};
use firn_model::source::MemorySource;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let source = MemorySource::new("file:///input", data.to_vec());
    match firn_formats::hdf5::open(&source, &at()) {
        Ok(dataset) => read_everything(&source, &dataset),
        Err(error) => expect_no_bug(&error),
    }
});
