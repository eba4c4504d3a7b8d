//! Buffers that live from one chunk to the next on the same thread: fresh pages cost more than some codecs.

use std::cell::RefCell;

/// Larger buffers are given back to the system.
const MAX_KEPT: usize = 64 << 20;

/// A pipeline has at most two intermediate results alive at once.
const MAX_BUFFERS: usize = 2;

thread_local! {
    static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer, perhaps with capacity.
pub(super) fn take() -> Vec<u8> {
    POOL.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Gives a buffer back.
pub(super) fn put(mut buffer: Vec<u8>) {
    if buffer.capacity() == 0 || buffer.capacity() > MAX_KEPT {
        return;
    }
    buffer.clear();
    POOL.with_borrow_mut(|pool| {
        if pool.len() < MAX_BUFFERS {
            pool.push(buffer);
        }
    });
}
