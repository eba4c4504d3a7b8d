//! A file of references that point into the file itself: opened, every chunk of every array read.
#![no_main]

use firn_fuzz::{at, expect_no_bug, read_everything};
use firn_model::source::MemorySource;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let source = MemorySource::new("file:///input", data.to_vec());
    match firn_formats::kerchunk::open(&source, &at()) {
        Ok(dataset) => read_everything(&source, &dataset),
        Err(error) => expect_no_bug(&error),
    }
});
