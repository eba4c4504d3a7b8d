//! Memory for the parts of large objects that pass here: a bound, and buffers that are used again. Memory that is new costs as
//! much as to copy into it, because the system hands it out page by page, and empties it first.

use bytes::Bytes;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What permits count, bytes.
const GRAIN: u64 = 1 << 20;

/// The memory for all parts together.
#[derive(Clone)]
pub(crate) struct PartMemory {
    turns: Arc<Semaphore>,
    grains: u32,
    free: Arc<Free>,
}

#[derive(Default)]
struct Free(Mutex<Vec<Vec<u8>>>);

impl PartMemory {
    pub(crate) fn new(bytes: u64) -> Self {
        let grains = u32::try_from(bytes / GRAIN).unwrap_or(u32::MAX >> 4).clamp(1, u32::MAX >> 4);
        Self { turns: Arc::new(Semaphore::new(grains as usize)), grains, free: Arc::default() }
    }

    /// Waits until there are so many bytes; more than there ever are is all of it.
    pub(crate) async fn hold(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let grains = u32::try_from(bytes.div_ceil(GRAIN)).unwrap_or(u32::MAX).clamp(1, self.grains);
        // The semaphore is never closed, so there always is one.
        Arc::clone(&self.turns).acquire_many_owned(grains).await.ok()
    }

    /// A buffer of so many bytes, with what its last user left in it.
    pub(crate) fn buffer(&self, length: usize) -> Buffer {
        let found = {
            let mut free = self.free.0.lock().unwrap_or_else(PoisonError::into_inner);
            let fits = |buffer: &Vec<u8>| buffer.capacity() >= length;
            free.iter().rposition(fits).map(|at| free.swap_remove(at))
        };
        let mut bytes = found.unwrap_or_default();
        if bytes.capacity() < length {
            bytes = vec![0; length];
        } else {
            bytes.resize(length, 0);
        }
        Buffer { bytes, free: Arc::clone(&self.free), most: self.grains as usize }
    }
}

/// Bytes that go back to be used again.
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    free: Arc<Free>,
    most: usize,
}

impl Buffer {
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// The same, to be shared; it goes back after the last.
    pub(crate) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut free = self.free.0.lock().unwrap_or_else(PoisonError::into_inner);
        let held: usize = free.iter().map(Vec::capacity).sum();
        if (held + self.bytes.capacity()) as u64 <= self.most as u64 * GRAIN {
            free.push(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_and_no_more_are_kept_than_there_is_room_for() {
        let memory = PartMemory::new(3 << 20);
        let mut one = memory.buffer(2 << 20);
        one.bytes_mut()[0] = 9;
        let shared = one.into_bytes();
        let again = shared.clone();
        drop(shared);
        assert_eq!(memory.free.0.lock().unwrap().len(), 0, "{}", again[0]);
        drop(again);
        let small = memory.buffer(1 << 20);
        assert_eq!((small.as_ref().len(), small.as_ref()[0]), (1 << 20, 9), "the same memory");
        let other = memory.buffer(2 << 20);
        drop((small, other));
        assert_eq!(memory.free.0.lock().unwrap().len(), 1, "two of 2 MiB are more than 3");
    }

    #[tokio::test]
    async fn a_part_larger_than_all_waits_for_all() {
        let memory = PartMemory::new(4 << 20);
        let held = memory.hold(1 << 40).await;
        assert!(held.is_some() && memory.turns.available_permits() == 0);
    }
}
