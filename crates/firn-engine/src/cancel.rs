//! Stopping cleanly: asked for once, seen by every task at its next safe point.

use firn_model::diagnose::{At, Category, Diagnose};
use std::sync::Arc;
use tokio::sync::watch;

/// A request to stop, shared by all that work on one command. Clones are the same request.
#[derive(Debug, Clone)]
pub struct Cancel(Arc<watch::Sender<bool>>);

impl Default for Cancel {
    fn default() -> Self {
        Self(Arc::new(watch::channel(false).0))
    }
}

impl Cancel {
    /// Not asked for yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everyone to stop.
    pub fn set(&self) {
        self.0.send_replace(true);
    }

    /// Whether it was asked for.
    pub fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// To be called between two pieces of work.
    ///
    /// # Errors
    /// [`Interrupted`] once it was asked for.
    pub fn check(&self) -> Result<(), Interrupted> {
        if self.is_set() { Err(Interrupted) } else { Ok(()) }
    }

    /// Waits until it is asked for.
    pub async fn cancelled(&self) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|set| *set).await;
    }
}

/// The user stopped it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stopped before it was done")]
pub struct Interrupted;

impl Diagnose for Interrupted {
    fn code(&self) -> &'static str {
        match self {
            Self => "interrupted",
        }
    }

    fn category(&self) -> Category {
        Category::Interrupted
    }

    fn at(&self) -> At {
        At::nowhere()
    }

    fn why(&self) -> String {
        "nothing was published; what was there before is untouched".to_owned()
    }

    fn next(&self) -> String {
        "run the same command again to continue".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_clone_sees_the_request() {
        let cancel = Cancel::new();
        let other = cancel.clone();
        assert_eq!(other.check(), Ok(()));
        let waiting = tokio::spawn(async move { other.cancelled().await });
        cancel.set();
        waiting.await.unwrap();
        assert_eq!(cancel.check(), Err(Interrupted));
    }
}
