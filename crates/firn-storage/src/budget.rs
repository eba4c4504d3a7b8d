//! Politeness: how many requests go to one host at a time, and when it asked to be left alone.
//!
//! How many help depends on the way to the host and on the host, and only trying tells: behind 20 ms of latency 128 small
//! requests are answered as fast as one, and of a server that is busy with 32 more than 32 only wait there. So where more may
//! go, more go for as long as more are answered a second.

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
    /// The host of this URL, with so many requests at once at first and at most; they count at its first use.
    pub(crate) fn get(&self, url: &Url, first: usize, most: usize) -> Arc<Host> {
        self.named(&Host::key(url), first, most)
    }

    /// The host that is called so.
    pub(crate) fn named(&self, place: &str, first: usize, most: usize) -> Arc<Host> {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let host = hosts.entry(place.to_owned()).or_insert_with(|| Arc::new(Host::new(first, most)));
        Arc::clone(host)
    }
}

/// What a request is for. Servers read and write at different speeds, so how many of each help is found apart; and what waits
/// to be written does not keep from reading what is written next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Read,
    Write,
}

/// One host and port.
pub(crate) struct Host {
    reads: Lane,
    writes: Lane,
    not_before: Mutex<Instant>,
}

/// Requests of one kind.
struct Lane {
    permits: Semaphore,
    trial: Mutex<Trial>,
}

impl Lane {
    fn new(first: usize, most: usize, now: Instant) -> Self {
        Self { permits: Semaphore::new(first), trial: Mutex::new(Trial::new(first, most, now)) }
    }
}

impl Host {
    fn new(first: usize, most: usize) -> Self {
        let (now, first) = (Instant::now(), first.max(1));
        Self { reads: Lane::new(first, most, now), writes: Lane::new(first, most, now), not_before: Mutex::new(now) }
    }

    /// Scheme, host and port.
    pub(crate) fn key(url: &Url) -> String {
        url.origin().ascii_serialization()
    }

    /// Runs the request when it is its turn: within the budget, and not while the host asked for a pause.
    pub(crate) async fn turn<T>(&self, purpose: Use, request: impl Future<Output = T>) -> T {
        let lane = match purpose {
            Use::Read => &self.reads,
            Use::Write => &self.writes,
        };
        let has_waited = lane.permits.available_permits() == 0;
        // The semaphore is never closed, so an error cannot happen; without a permit the request would still be right.
        let _permit = lane.permits.acquire().await.ok();
        loop {
            let not_before = *self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
            let wait = not_before.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                break;
            }
            tokio::time::sleep(wait).await;
        }
        let outcome = request.await;
        let more = lane.trial.lock().unwrap_or_else(PoisonError::into_inner).answered(has_waited, Instant::now());
        if more > 0 {
            lane.permits.add_permits(more);
        }
        outcome
    }

    /// Nobody asks this host again before `wait` has passed: it said so to one of us, and means all.
    pub(crate) fn pause(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut not_before = self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        *not_before = (*not_before).max(until);
        for lane in [&self.reads, &self.writes] {
            lane.trial.lock().unwrap_or_else(PoisonError::into_inner).most = 0;
        }
    }
}

/// Fewest answers that tell how many come a second.
const SAMPLE: usize = 64;
/// Half as many again at once have to bring so much more a second.
const WORTH: f64 = 1.15;

/// Finds out whether more requests at once would bring more answers a second.
#[derive(Debug)]
struct Trial {
    at_once: usize,
    /// No more than these; less than `at_once` where there is nothing to find out any more.
    most: usize,
    since: Instant,
    answers: usize,
    waited: usize,
    /// Answers a second before the last growth.
    rate: f64,
}

impl Trial {
    fn new(at_once: usize, most: usize, now: Instant) -> Self {
        Self { at_once, most, since: now, answers: 0, waited: 0, rate: 0.0 }
    }

    /// After an answer to a request that had to wait for its turn, or had not: so many more may go at once.
    fn answered(&mut self, has_waited: bool, now: Instant) -> usize {
        if self.at_once >= self.most {
            return 0;
        }
        self.answers += 1;
        self.waited += usize::from(has_waited);
        if self.answers < SAMPLE.max(2 * self.at_once) {
            return 0;
        }
        let rate = self.answers as f64 / now.saturating_duration_since(self.since).as_secs_f64().max(1e-6);
        let is_full = 2 * self.waited > self.answers;
        (self.since, self.answers, self.waited) = (now, 0, 0);
        if !is_full {
            return 0;
        }
        if rate < self.rate * WORTH {
            self.most = 0;
            return 0;
        }
        self.rate = rate;
        let more = (self.at_once / 2).clamp(1, self.most - self.at_once);
        self.at_once += more;
        more
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

    /// How many requests at once are found for a server that answers after `latency` and can answer `most` a second.
    fn found(latency: f64, most: f64) -> usize {
        let mut now = Instant::now();
        let mut trial = Trial::new(32, 128, now);
        for _ in 0..10_000 {
            now += Duration::from_secs_f64((latency / trial.at_once as f64).max(1.0 / most));
            trial.answered(true, now);
        }
        trial.at_once
    }

    #[test]
    fn more_at_once_where_more_are_answered() {
        assert_eq!(found(0.02, 1e6), 128, "the way is long");
        assert_eq!(found(0.02, 2000.0), 72, "the server is full with 40");
        assert_eq!(found(0.001, 800.0), 48, "it is full from the start, which one growth shows");
        let mut trial = Trial::new(32, 128, Instant::now());
        let later = Instant::now() + Duration::from_secs(1);
        assert_eq!((0..1000).map(|_| trial.answered(false, later)).sum::<usize>(), 0, "nobody waited for a turn");
    }

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

    #[tokio::test]
    async fn writes_do_not_wait_for_reads() {
        let host = Host::new(1, 1);
        let reading = host.turn(Use::Read, std::future::pending::<()>());
        tokio::pin!(reading);
        assert!(futures::poll!(&mut reading).is_pending());
        host.turn(Use::Write, async {}).await;
        let second = host.turn(Use::Read, async {});
        tokio::pin!(second);
        assert!(futures::poll!(second).is_pending(), "there is one turn for reads");
    }
}
