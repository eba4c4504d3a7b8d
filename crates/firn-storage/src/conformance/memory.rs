//! The suite on a service in the memory of this process: what does not hold here is no fault of a network.

use crate::settings::{LimitSettings, StorageSettings};
use crate::storage::Storage;
use crate::url::ObjectUrl;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use std::sync::{Arc, PoisonError};

#[test]
fn memory_conforms() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    // Small parts, so that the suite writes some.
    let limits = LimitSettings { multipart_from: 6 << 20, part: 5 << 20, ..LimitSettings::default() };
    let settings = StorageSettings { limits, anonymous: true, ..StorageSettings::default() };
    let storage = Storage::new(settings, runtime.handle().clone()).unwrap();
    let url = ObjectUrl::parse("gs://memory/below").unwrap();
    // The first prefix makes a client, in whose place comes memory.
    storage.prefix(&url).unwrap();
    let memory: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    for client in storage.0.clouds.lock().unwrap_or_else(PoisonError::into_inner).values_mut() {
        *client = Arc::clone(&memory);
    }
    let prefix = storage.prefix(&url).unwrap();
    let outcome = runtime.block_on(crate::conformance::run(&prefix));
    assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
}
