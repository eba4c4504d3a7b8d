//! An S3 service, where one is named: `FIRN_TEST_S3_ENDPOINT`, `FIRN_TEST_S3_BUCKET`, `FIRN_TEST_S3_KEY`,
//! `FIRN_TEST_S3_SECRET`. The bucket must exist. Without them these tests say so and pass.

use crate::support::{impatient, runtime};
use bytes::Bytes;
use firn_model::source::SourceError;
use firn_storage::{
    CapabilityStore, CredentialState, Credentials, LimitSettings, ObjectUrl, Precondition, Prefix, Storage,
    StorageError, StorageSettings, probe,
};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::runtime::Runtime;

fn named(name: &str) -> Option<String> {
    std::env::var(format!("FIRN_TEST_S3_{name}")).ok()
}

fn settings() -> Option<StorageSettings> {
    let endpoint = named("ENDPOINT")?;
    let keys = Credentials::new(&named("KEY")?, &named("SECRET")?, None);
    let mut settings = StorageSettings {
        endpoint: Some(endpoint.parse().unwrap()),
        credentials: CredentialState::Keys(keys),
        ..impatient()
    };
    settings.timeouts.idle = Duration::from_secs(20);
    Some(settings)
}

/// A prefix that nothing else uses.
fn prefix(runtime: &Runtime, settings: StorageSettings, name: &str) -> Prefix {
    let storage = Storage::new(settings, runtime.handle().clone()).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let bucket = named("BUCKET").unwrap();
    storage.prefix(&ObjectUrl::parse(&format!("s3://{bucket}/firn-test/{name}-{now}")).unwrap()).unwrap()
}

macro_rules! settings_or_return {
    () => {
        match settings() {
            Some(settings) => settings,
            None => {
                println!("not run: FIRN_TEST_S3_ENDPOINT, _BUCKET, _KEY, _SECRET are not set");
                return;
            }
        }
    };
}

#[test]
fn s3_conforms() {
    let (settings, runtime) = (settings_or_return!(), runtime());
    let prefix = prefix(&runtime, settings, "conforms");
    let outcome = runtime.block_on(firn_storage::conformance::run(&prefix));
    assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
}

#[test]
fn a_probe_tells_what_is_there_and_leaves_nothing() {
    let (settings, runtime) = (settings_or_return!(), runtime());
    let directory = tempfile::tempdir().unwrap();
    let prefix = prefix(&runtime, settings, "probe");
    let table = runtime.block_on(probe(&prefix, None, 1_700_000_000));
    for (name, capability) in table.rows() {
        println!("{name:20} {:?} ({})", capability.answer, capability.detail);
    }
    println!("etag form {:?}", table.conditions.etag_form);
    assert!(table.write.is_yes() && table.list.is_yes() && table.multipart.is_yes() && table.copy.is_yes());
    assert!(runtime.block_on(prefix.list("")).unwrap().is_empty());
    let store = CapabilityStore::new(directory.path());
    store.save(&table).unwrap();
    assert_eq!(store.load(&prefix.identity()).unwrap(), Some(table));
    assert_eq!(store.load("elsewhere").unwrap(), None);
}

#[test]
fn large_objects_go_in_parts_and_are_read_in_pieces() {
    let (settings, runtime) = (settings_or_return!(), runtime());
    let limits = LimitSettings { multipart_from: 6 << 20, part: 5 << 20, ..LimitSettings::default() };
    let prefix = prefix(&runtime, StorageSettings { limits, ..settings }, "parts");
    let bytes: Bytes = (0_u32..3_200_000).flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>().into();
    let put = runtime.block_on(prefix.put("large", bytes.clone(), Precondition::None)).unwrap();
    let head = runtime.block_on(prefix.head("large")).unwrap().unwrap();
    assert_eq!(put.etag, head.etag, "the tag of the write is the tag of the object");
    assert!(head.etag.unwrap().contains("-3"), "three parts have a tag that ends in -3");
    let url = prefix.url().child("large").unwrap();
    let reader = prefix.storage().open(&url).unwrap().unwrap();
    assert_eq!(reader.size().unwrap(), 12_800_000);
    assert_eq!(reader.read(100..12_799_000).unwrap(), bytes.slice(100..12_799_000));
    runtime.block_on(prefix.delete("large")).unwrap();
}

#[test]
fn a_reader_notices_that_the_object_was_replaced() {
    let (settings, runtime) = (settings_or_return!(), runtime());
    let prefix = prefix(&runtime, settings, "changed");
    let put = |bytes: Vec<u8>| runtime.block_on(prefix.put("object", bytes.into(), Precondition::None)).unwrap();
    put(vec![1; 2 << 20]);
    let reader = prefix.storage().open(&prefix.url().child("object").unwrap()).unwrap().unwrap();
    put(vec![2; 2 << 20]);
    let read = reader.read(1 << 20..2 << 20);
    assert!(matches!(read, Err(SourceError::Changed { .. })), "{read:?}");
    runtime.block_on(prefix.delete("object")).unwrap();
}

#[test]
fn a_missing_bucket_is_an_error_and_not_an_absent_object() {
    let (settings, runtime) = (settings_or_return!(), runtime());
    let storage = Storage::new(settings, runtime.handle().clone()).unwrap();
    let opened = storage.open(&ObjectUrl::parse("s3://no-such-bucket-of-firn/key").unwrap());
    match opened {
        Err(SourceError::NotFound { at }) => assert_eq!(at.url.unwrap(), "s3://no-such-bucket-of-firn"),
        Err(SourceError::Denied { .. }) => {}
        other => panic!("{:?}", other.map(|_| ())),
    }
}

#[test]
fn wrong_keys_are_denied_and_not_shown() {
    let (settings, runtime) = (settings_or_return!(), runtime());
    let keys = Credentials::new("AKWRONG0000", "secret-that-is-wrong", None);
    let prefix = prefix(&runtime, StorageSettings { credentials: CredentialState::Keys(keys), ..settings }, "denied");
    let put = runtime.block_on(prefix.put("object", Bytes::new(), Precondition::Create));
    if put.is_ok() {
        println!("not run: the service does not check keys");
        return;
    }
    let error = put.unwrap_err();
    assert!(matches!(error, StorageError::Source(SourceError::Denied { .. })), "{error:?}");
    assert!(!format!("{error:?} {error}").contains("secret-that"));
}

#[test]
fn globs_list_only_their_levels() {
    let (settings, runtime) = (settings_or_return!(), runtime());
    let prefix = prefix(&runtime, settings, "glob");
    runtime.block_on(async {
        for key in ["y1/a.nc", "y1/b.txt", "y2/a.nc", "y2/deep/a.nc"] {
            prefix.put(key, Bytes::from("x"), Precondition::None).await.unwrap();
        }
    });
    let found = |pattern: &str| -> Vec<String> {
        let found = prefix.storage().glob(&format!("{}/{pattern}", prefix.url())).unwrap();
        found.into_iter().map(|(_, object)| object.key).collect()
    };
    assert_eq!(found("y*/*.nc"), ["y1/a.nc", "y2/a.nc"]);
    assert_eq!(found("**/*.nc"), ["y1/a.nc", "y2/a.nc", "y2/deep/a.nc"]);
    assert_eq!(found("y2/[a-b].nc"), ["[a-b].nc".replace("[a-b]", "a")]);
}
