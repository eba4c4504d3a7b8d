//! Buffers that live from one chunk to the next: fresh pages cost more than some codecs.
//!
//! They are shared by all threads, so that there are as many as chunks are decoded at once, not as many as there are
//! threads, of which most may wait for a network.

use std::sync::{Mutex, PoisonError};

/// Larger buffers are given back to the system.
const MAX_KEPT: usize = 64 << 20;

/// More buffers than this are given back, too.
const MAX_BUFFERS: usize = 64;

static POOL: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// A buffer with whatever was left in it: to be overwritten as a whole. Clearing it would cost a pass over its memory.
pub(super) fn take() -> Vec<u8> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
}

/// Gives a buffer back.
pub(super) fn put(buffer: Vec<u8>) {
    if buffer.capacity() == 0 || buffer.capacity() > MAX_KEPT {
        return;
    }
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    if pool.len() < MAX_BUFFERS {
        pool.push(buffer);
    }
}
