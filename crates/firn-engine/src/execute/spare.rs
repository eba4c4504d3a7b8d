//! Memory of write units that were written, for the next ones: fresh pages cost as much as some codecs.

use super::lock;
use std::sync::Mutex;

/// Buffers that nobody uses. Never more than were in use at one time: one is given away before another is made.
#[derive(Default)]
pub(super) struct Spare(Mutex<Vec<Vec<u8>>>);

impl Spare {
    /// A buffer of this length with whatever was left in it: to be overwritten as a whole.
    pub fn take(&self, len: usize) -> Vec<u8> {
        let spare = lock(&self.0).pop();
        spare.filter(|buffer| buffer.len() == len).unwrap_or_else(|| vec![0; len])
    }

    /// Gives a buffer back.
    pub fn put(&self, buffer: Vec<u8>) {
        lock(&self.0).push(buffer);
    }
}
