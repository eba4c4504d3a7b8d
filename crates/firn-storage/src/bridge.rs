//! The one bridge from sync readers to async storage.

use crate::error::StorageError;
use std::future::Future;
use tokio::runtime::{Handle, RuntimeFlavor};

/// Where futures run while a thread waits for them.
#[derive(Clone, Debug)]
pub(crate) struct Bridge(Handle);

impl Bridge {
    /// A bridge into this runtime.
    ///
    /// # Errors
    /// [`StorageError::Misuse`] for a current-thread runtime: a thread that blocks would stop the very work it waits for.
    pub(crate) fn new(handle: Handle) -> Result<Self, StorageError> {
        if handle.runtime_flavor() == RuntimeFlavor::CurrentThread {
            let what = "it needs a multi-thread runtime; a current-thread one would wait for itself".to_owned();
            return Err(StorageError::Misuse { what });
        }
        Ok(Self(handle))
    }

    /// Runs the future on the runtime and blocks this thread until it is done. The work is spawned rather than polled
    /// here, so that it works on any thread (std, rayon, `spawn_blocking`) and never panics inside a runtime.
    ///
    /// # Errors
    /// [`StorageError::Misuse`] where the runtime was shut down, or the work panicked.
    pub(crate) fn wait<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, StorageError> {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        self.0.spawn(async move {
            // The receiver waits below; it is gone only where the waiting thread was unwound.
            let _ = sender.send(future.await);
        });
        // On a worker of a runtime the task just spawned may stand in that worker's own queue, behind this very wait:
        // then the queue is handed to another thread first.
        let on_worker = Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
        let received = if on_worker { tokio::task::block_in_place(|| receiver.recv()) } else { receiver.recv() };
        received
            .map_err(|_| StorageError::Misuse { what: "the runtime stopped while a reader waited for it".to_owned() })
    }

    /// Runs a future as a task of its own, which goes on while nobody asks how far it is, and ends where the answer is not
    /// wanted any more.
    ///
    /// # Errors
    /// What the future returns, or [`StorageError::Misuse`] where the runtime was shut down.
    pub(crate) async fn apart<T: Send + 'static>(
        &self,
        future: impl Future<Output = Result<T, StorageError>> + Send + 'static,
    ) -> Result<T, StorageError> {
        let stopped = |_| StorageError::Misuse { what: "the runtime stopped while a request was under way".to_owned() };
        let mut task = EndedOnDrop(self.0.spawn(future));
        (&mut task.0).await.map_err(stopped)?
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.0
    }

    /// Runs blocking work (local files) off the async threads.
    ///
    /// # Errors
    /// What the work returns, or [`StorageError::Misuse`] where the runtime was shut down.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let stopped = |_| StorageError::Misuse { what: "the runtime stopped while a file was written".to_owned() };
        self.0.spawn_blocking(work).await.map_err(stopped)?
    }
}

struct EndedOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for EndedOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
