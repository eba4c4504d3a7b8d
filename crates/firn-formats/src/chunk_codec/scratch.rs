//! Buffers that live from one chunk to the next on the same thread: fresh pages cost more than some codecs.

use std::cell::RefCell;

/// Larger buffers are given back to the system.
const MAX_KEPT: usize = 64 << 20;

/// A pipeline has at most two intermediate results alive at once.
const MAX_BUFFERS: usize = 2;

thread_local! {
    static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer with whatever was left in it: to be overwritten as a whole. Clearing it would cost a pass over its memory.
pub(super) fn take() -> Vec<u8> {
    POOL.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Gives a buffer back.
pub(super) fn put(buffer: Vec<u8>) {
    if buffer.capacity() == 0 || buffer.capacity() > MAX_KEPT {
        return;
    }
    POOL.with_borrow_mut(|pool| {
        if pool.len() < MAX_BUFFERS {
            pool.push(buffer);
        }
    });
}
