//! Memory of write units that were written, for the next ones: fresh pages cost as much as some codecs.

use super::lock;
use std::sync::Mutex;

/// Buffers that nobody uses, all of one length: never more bytes than were in use at one time, because all are given up when
/// another length is asked for.
#[derive(Default)]
pub(super) struct Spare(Mutex<Vec<Vec<u8>>>);

impl Spare {
    /// A buffer of this length with whatever was left in it: to be overwritten as a whole.
    pub fn take(&self, len: usize) -> Vec<u8> {
        let mut spare = lock(&self.0);
        if let Some(buffer) = spare.pop()
            && buffer.len() == len
        {
            return buffer;
        }
        let others = std::mem::take(&mut *spare);
        drop(spare);
        drop(others);
        vec![0; len]
    }

    /// Gives a buffer back.
    pub fn put(&self, buffer: Vec<u8>) {
        let mut spare = lock(&self.0);
        if spare.first().is_some_and(|other| other.len() != buffer.len()) {
            spare.clear();
        }
        spare.push(buffer);
    }
}
