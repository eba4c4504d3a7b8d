//! What the tests share.

use firn_storage::{RetrySettings, Storage, StorageSettings, TimeoutSettings};
use std::time::Duration;
use tokio::runtime::Runtime;

/// A runtime as the binary makes it.
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Settings that give up soon.
pub fn impatient() -> StorageSettings {
    StorageSettings {
        retry: RetrySettings {
            attempts: 3,
            first_wait: Duration::from_millis(5),
            longest_wait: Duration::from_millis(20),
            longest_retry_after: Duration::from_secs(5),
        },
        timeouts: TimeoutSettings {
            connect: Duration::from_secs(2),
            idle: Duration::from_millis(400),
            slowest: 1 << 20,
        },
        ..StorageSettings::default()
    }
}

/// Storage on this runtime.
pub fn storage(runtime: &Runtime) -> Storage {
    Storage::new(impatient(), runtime.handle().clone()).unwrap()
}
