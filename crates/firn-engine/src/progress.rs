//! What a verb is doing, as events: drawn by the command line, sent by a server, called back elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the numbers of a task count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Source files.
    Files,
    /// Chunks.
    Chunks,
    /// Bytes.
    Bytes,
    /// Virtual chunk references.
    References,
    /// Tasks of a plan.
    Tasks,
    /// Cells compared with their source.
    Cells,
    /// Anything else.
    Items,
}

impl Unit {
    /// The plural, as printed after a number.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Chunks => "chunks",
            Self::Bytes => "bytes",
            Self::References => "references",
            Self::Tasks => "tasks",
            Self::Cells => "cells",
            Self::Items => "items",
        }
    }
}

/// The number of a task, unique within the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(u64);

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProgressEvent {
    /// A task began.
    Started {
        /// Its number.
        id: TaskId,
        /// What it does, in a few words: `scan`, `write sst`.
        what: String,
        /// How much there is to do, where that is known.
        total: Option<u64>,
        /// What is counted.
        unit: Unit,
    },
    /// A task got further.
    Advanced {
        /// Its number.
        id: TaskId,
        /// By how much.
        by: u64,
    },
    /// A task ended, done or not; whether it failed is the business of the verb's result.
    Finished {
        /// Its number.
        id: TaskId,
    },
    /// A sentence that the user should see once (what was resumed, dropped, recorded).
    Note {
        /// The sentence.
        text: String,
    },
}

/// Receives events, from any thread, in the order in which each thread sends them. Must return quickly.
pub trait Progress: Send + Sync {
    /// One event.
    fn event(&self, event: &ProgressEvent);
}

impl dyn Progress {
    /// Starts a task; it ends when the handle is dropped.
    pub fn task(self: &Arc<Self>, what: impl Into<String>, total: Option<u64>, unit: Unit) -> TaskProgress {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = TaskId(NEXT.fetch_add(1, Ordering::Relaxed));
        self.event(&ProgressEvent::Started { id, what: what.into(), total, unit });
        TaskProgress { id, progress: Arc::clone(self) }
    }

    /// Tells the user one sentence.
    pub fn note(&self, text: impl Into<String>) {
        self.event(&ProgressEvent::Note { text: text.into() });
    }
}

/// A running task; dropping it sends [`ProgressEvent::Finished`].
pub struct TaskProgress {
    id: TaskId,
    progress: Arc<dyn Progress>,
}

impl TaskProgress {
    /// Got `by` units further.
    pub fn advance(&self, by: u64) {
        self.progress.event(&ProgressEvent::Advanced { id: self.id, by });
    }
}

impl Drop for TaskProgress {
    fn drop(&mut self) {
        self.progress.event(&ProgressEvent::Finished { id: self.id });
    }
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn event(&self, _event: &ProgressEvent) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Recorded(Mutex<Vec<ProgressEvent>>);

    impl Progress for Recorded {
        fn event(&self, event: &ProgressEvent) {
            self.0.lock().unwrap().push(event.clone());
        }
    }

    #[test]
    fn a_task_finishes_when_its_handle_is_dropped_even_by_an_error() {
        let recorded = Arc::new(Recorded::default());
        let progress: Arc<dyn Progress> = recorded.clone();
        let failing = || -> Result<(), ()> {
            let task = progress.task("scan", Some(2), Unit::Files);
            task.advance(1);
            Err(())
        };
        assert!(failing().is_err());
        let events = recorded.0.lock().unwrap();
        let ProgressEvent::Started { id, .. } = events[0] else { panic!("{events:?}") };
        assert_eq!(events[1..], [ProgressEvent::Advanced { id, by: 1 }, ProgressEvent::Finished { id }]);
    }
}
