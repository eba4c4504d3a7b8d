//! Politeness: how many requests go to one host at a time, and when it asked to be left alone.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use url::Url;

/// The hosts spoken to, shared by all jobs.
#[derive(Default)]
pub(crate) struct Hosts(Mutex<HashMap<String, Arc<Host>>>);

impl Hosts {
    /// The host of this URL; `at_once` counts at its first use.
    pub(crate) fn get(&self, url: &Url, at_once: usize) -> Arc<Host> {
        self.named(&Host::key(url), at_once)
    }

    /// The host that is called so.
    pub(crate) fn named(&self, place: &str, at_once: usize) -> Arc<Host> {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let host = hosts.entry(place.to_owned()).or_insert_with(|| Arc::new(Host::new(at_once)));
        Arc::clone(host)
    }
}

/// One host and port.
pub(crate) struct Host {
    permits: Semaphore,
    not_before: Mutex<Instant>,
}

impl Host {
    fn new(at_once: usize) -> Self {
        Self { permits: Semaphore::new(at_once.max(1)), not_before: Mutex::new(Instant::now()) }
    }

    /// Scheme, host and port.
    pub(crate) fn key(url: &Url) -> String {
        url.origin().ascii_serialization()
    }

    /// Runs the request when it is its turn: within the budget, and not while the host asked for a pause.
    pub(crate) async fn turn<T>(&self, request: impl Future<Output = T>) -> T {
        // The semaphore is never closed, so an error cannot happen; without a permit the request would still be right.
        let _permit = self.permits.acquire().await.ok();
        loop {
            let not_before = *self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
            let wait = not_before.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                break;
            }
            tokio::time::sleep(wait).await;
        }
        request.await
    }

    /// Nobody asks this host again before `wait` has passed: it said so to one of us, and means all.
    pub(crate) fn pause(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut not_before = self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        *not_before = (*not_before).max(until);
    }
}

/// A bound on bytes a second. Whole bodies are counted, so that the bound holds on average, not at every moment.
#[derive(Debug)]
pub(crate) struct Pace {
    rate: Option<u64>,
    /// When what was moved so far has had its time.
    paid: Mutex<Instant>,
}

impl Pace {
    pub(crate) fn new(rate: Option<u64>) -> Self {
        Self { rate, paid: Mutex::new(Instant::now()) }
    }

    /// Counts bytes that were or will be moved.
    pub(crate) fn spend(&self, bytes: u64) {
        let Some(rate) = self.rate else { return };
        let time = Duration::from_secs_f64(bytes as f64 / rate as f64);
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        *paid = (*paid).max(Instant::now()) + time;
    }

    /// Waits until it is time to send this many bytes, and counts them.
    pub(crate) async fn turn(&self, bytes: u64) {
        if self.rate.is_none() {
            return;
        }
        loop {
            let wait = {
                let paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
                paid.saturating_duration_since(Instant::now())
            };
            if wait.is_zero() {
                break;
            }
            tokio::time::sleep(wait).await;
        }
        self.spend(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_take_their_time() {
        let pace = Pace::new(Some(100_000));
        let begun = Instant::now();
        for _ in 0..5 {
            pace.turn(2000).await;
        }
        // The first four have had their 20 milliseconds each when the fifth goes.
        assert!(begun.elapsed() >= Duration::from_millis(79), "{:?}", begun.elapsed());
        let free = Pace::new(None);
        free.spend(u64::MAX);
        free.turn(u64::MAX).await;
    }
}
