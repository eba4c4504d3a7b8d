//! An allocator that refuses what no input of a few kilobytes may need: a size that a reader believes without a check ends the
//! process, as it would on a small machine. Requests that can fail (`try_reserve`) fail and are errors.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The largest single request, bytes.
const LARGEST: usize = 64 << 20;

/// The most that is allocated at once, bytes.
const TOTAL: usize = 256 << 20;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static REFUSED: AtomicUsize = AtomicUsize::new(0);

/// Bytes that are allocated now; the peak starts again from there.
pub fn restart_peak() -> usize {
    let now = ALLOCATED.load(Ordering::Relaxed);
    PEAK.store(now, Ordering::Relaxed);
    REFUSED.store(0, Ordering::Relaxed);
    now
}

/// Most bytes that were allocated at once since [`restart_peak`].
pub fn peak() -> usize {
    PEAK.load(Ordering::Relaxed)
}

/// The largest request since [`restart_peak`] that was refused; 0 where none was.
pub fn refused() -> usize {
    REFUSED.load(Ordering::Relaxed)
}

struct Bounded;

#[global_allocator]
static HEAP: Bounded = Bounded;

fn take(size: usize) -> bool {
    let before = ALLOCATED.fetch_add(size, Ordering::Relaxed);
    let fits = size <= LARGEST && before.saturating_add(size) <= TOTAL;
    if fits {
        PEAK.fetch_max(before + size, Ordering::Relaxed);
    } else {
        ALLOCATED.fetch_sub(size, Ordering::Relaxed);
        REFUSED.fetch_max(size, Ordering::Relaxed);
    }
    fits
}

fn give_back(size: usize) {
    ALLOCATED.fetch_sub(size, Ordering::Relaxed);
}

// SAFETY: every call goes to the allocator of the system with the arguments as they came, or answers null, which the contract
// allows.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !take(layout.size()) {
            return std::ptr::null_mut();
        }
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !take(layout.size()) {
            return std::ptr::null_mut();
        }
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        give_back(layout.size());
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !take(size) {
            return std::ptr::null_mut();
        }
        let moved = unsafe { System.realloc(pointer, layout, size) };
        give_back(if moved.is_null() { size } else { layout.size() });
        moved
    }
}
