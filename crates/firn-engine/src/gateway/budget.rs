//! Memory that answers may take together.

use crate::error::EngineError;
use crate::execute::lock;
use bytes::Bytes;
use firn_model::diagnose::At;
use firn_model::source::SourceError;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long an answer waits for others to be sent.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes of memory, lent to answers until they are sent.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    total: u64,
    free: Mutex<u64>,
    returned: Condvar,
}

/// Memory that is lent; given back when dropped.
#[derive(Debug)]
pub struct Lent {
    budget: Budget,
    bytes: u64,
}

impl Budget {
    /// Of this many bytes.
    pub fn new(total: u64) -> Self {
        Self(Arc::new(Shared { total, free: Mutex::new(total), returned: Condvar::new() }))
    }

    /// Takes so much, waiting for it where others have it.
    ///
    /// # Errors
    /// [`EngineError::Unsupported`] for more than there is in all; [`SourceError::Unavailable`] where others keep it too long.
    pub fn take(&self, bytes: u64, at: &At) -> Result<Lent, EngineError> {
        if bytes > self.0.total {
            return Err(EngineError::Unsupported {
                code: "chunk-too-large-to-serve",
                at: at.clone(),
                what: format!("a chunk needs {bytes} bytes of memory, and the server may take {}", self.0.total),
                next: "serve with more memory: firn serve --memory 8GiB".to_owned(),
            });
        }
        let until = Instant::now() + PATIENCE;
        let mut free = lock(&self.0.free);
        while *free < bytes {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let what = "the server is busy with other answers".to_owned();
                return Err(SourceError::Unavailable { at: at.clone(), what }.into());
            }
            free = self.0.returned.wait_timeout(free, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *free -= bytes;
        Ok(Lent { budget: self.clone(), bytes })
    }
}

impl Lent {
    /// Keeps only so much of it.
    pub fn shrink(&mut self, bytes: u64) {
        let back = self.bytes.saturating_sub(bytes);
        self.bytes -= back;
        self.budget.give(back);
    }

    /// These bytes, which hold what was lent until the last of them is dropped.
    pub fn around(mut self, bytes: Bytes) -> Bytes {
        self.shrink(bytes.len() as u64);
        Bytes::from_owner(Held { bytes, _lent: self })
    }
}

impl Budget {
    fn give(&self, bytes: u64) {
        *lock(&self.0.free) += bytes;
        self.0.returned.notify_all();
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.budget.give(self.bytes);
    }
}

struct Held {
    bytes: Bytes,
    _lent: Lent,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firn_model::diagnose::Diagnose;

    #[test]
    fn what_is_lent_comes_back_with_the_last_copy_of_the_bytes() {
        let budget = Budget::new(100);
        let bytes = budget.take(100, &At::nowhere()).unwrap().around(Bytes::from_static(b"ten bytes."));
        assert_eq!(*lock(&budget.0.free), 90);
        let part = bytes.slice(2..4);
        drop(bytes);
        assert_eq!(*lock(&budget.0.free), 90);
        drop(part);
        assert_eq!(*lock(&budget.0.free), 100);
    }

    #[test]
    fn more_than_there_is_in_all_is_refused_at_once() {
        let error = Budget::new(100).take(101, &At::nowhere()).unwrap_err();
        assert_eq!(error.code(), "chunk-too-large-to-serve");
    }

    #[test]
    fn an_answer_waits_for_others_to_be_sent() {
        let budget = Budget::new(100);
        let first = budget.take(80, &At::nowhere()).unwrap();
        let waiting = std::thread::spawn({
            let budget = budget.clone();
            move || budget.take(50, &At::nowhere()).map(|lent| lent.bytes)
        });
        drop(first);
        assert_eq!(waiting.join().unwrap().unwrap(), 50);
    }
}
