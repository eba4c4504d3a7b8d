//! What each phase of a build took: by the clock, by all threads of this process together, and of the network.

use firn_storage::{Storage, Traffic};
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// What one phase took.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct Spent {
    /// Seconds from its beginning to its end.
    pub wall_seconds: f64,
    /// Seconds of processors, user and system, of all threads.
    pub cpu_seconds: f64,
    /// Requests to servers, repeated ones counted each time.
    pub requests: u64,
    /// Bytes of bodies that they sent.
    pub received: u64,
}

/// What the phases of a build took, in their order. One that a build does not have took nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct Phases {
    /// Opening the sources: metadata, and the values that combining compares.
    pub scan: Spent,
    /// Joining them, and reading what the rules compare.
    pub combine: Spent,
    /// Layouts, claim of the target, tasks.
    pub plan: Spent,
    /// Reading, decoding, encoding and writing chunks.
    pub execute: Spent,
    /// Writing references and metadata into a repository; a plain store gets its metadata when it is published.
    pub commit: Spent,
    /// Verifying what was written.
    pub verify: Spent,
    /// Making it visible.
    pub publish: Spent,
}

/// Measures one phase after the other.
pub struct Stopwatch {
    storage: Storage,
    wall: Instant,
    cpu: Duration,
    traffic: Traffic,
}

impl Stopwatch {
    /// Begins the first phase.
    pub fn start(storage: &Storage) -> Self {
        Self { storage: storage.clone(), wall: Instant::now(), cpu: cpu_time(), traffic: storage.traffic() }
    }

    /// Ends a phase, of this name, and begins the next.
    pub fn lap(&mut self, phase: &'static str) -> Spent {
        let now = Self::start(&self.storage);
        let before = std::mem::replace(self, now);
        let spent = Spent {
            wall_seconds: (self.wall - before.wall).as_secs_f64(),
            cpu_seconds: self.cpu.saturating_sub(before.cpu).as_secs_f64(),
            requests: self.traffic.requests - before.traffic.requests,
            received: self.traffic.received - before.traffic.received,
        };
        let (requests, received) = (spent.requests, spent.received);
        tracing::info!(seconds = %format_args!("{:.3}", spent.wall_seconds), requests, received, "{phase}: done");
        spent
    }
}

fn cpu_time() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(spent.tv_sec.unsigned_abs(), u32::try_from(spent.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lap_counts_from_the_lap_before_and_work_of_other_threads_with_it() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let storage = Storage::new(firn_storage::StorageSettings::default(), runtime.handle().clone()).unwrap();
        let mut watch = Stopwatch::start(&storage);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let until = Instant::now() + Duration::from_millis(60);
                while Instant::now() < until {
                    std::hint::spin_loop();
                }
            });
        });
        let busy = watch.lap("first");
        assert!(busy.wall_seconds >= 0.06 && busy.cpu_seconds > 0.0, "{busy:?}");
        assert!(watch.lap("second").cpu_seconds < busy.cpu_seconds);
    }
}
