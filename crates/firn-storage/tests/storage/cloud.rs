//! Google Cloud Storage, Azure Blob Storage or an SFTP server, where one is named: `FIRN_TEST_CLOUD_URL` (`gs://bucket`,
//! `az://container`, `sftp://host/folder`), reached as the environment says. Without it the test says so and passes.

use crate::support::{impatient, runtime};
use firn_storage::{LimitSettings, ObjectUrl, Storage, StorageSettings};
use std::time::{SystemTime, UNIX_EPOCH};

#[test]
fn a_cloud_conforms() {
    let Ok(url) = std::env::var("FIRN_TEST_CLOUD_URL") else {
        println!("not run: FIRN_TEST_CLOUD_URL is not set");
        return;
    };
    let runtime = runtime();
    // Small parts, so that the suite writes some.
    let limits = LimitSettings { multipart_from: 6 << 20, part: 5 << 20, ..LimitSettings::default() };
    let settings = StorageSettings::from_env(std::env::vars()).unwrap();
    let settings = StorageSettings { retry: impatient().retry, limits, ..settings };
    let storage = Storage::new(settings, runtime.handle().clone()).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let prefix = storage.prefix(&ObjectUrl::parse(&format!("{url}/firn-test/{now}")).unwrap()).unwrap();
    let outcome = runtime.block_on(firn_storage::conformance::run(&prefix));
    assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
}
