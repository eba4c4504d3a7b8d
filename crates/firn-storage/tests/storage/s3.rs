//! An S3 service, where one is named: `FIRN_TEST_S3_ENDPOINT`, `FIRN_TEST_S3_BUCKET`, `FIRN_TEST_S3_KEY`,
//! `FIRN_TEST_S3_SECRET`, for copies `FIRN_TEST_S3_OTHER_BUCKET`. The buckets must exist. Without them these tests say so and pass.

use crate::support::{impatient, runtime};
use bytes::Bytes;
use firn_model::source::SourceError;
use firn_storage::{
    Account, CapabilityStore, CopyExpected, CopyOptions, Credentials, How, LimitSettings, ObjectUrl, Precondition,
    Prefix, Storage, StorageError, StorageSettings, probe,
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
        account: Account::with_keys("the test", keys),
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
    let prefix =
        prefix(&runtime, StorageSettings { account: Account::with_keys("the test", keys), ..settings }, "denied");
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

/// The prefix, and one of another bucket of the same service.
fn two_buckets(runtime: &Runtime, settings: StorageSettings, name: &str) -> Option<(Prefix, Prefix)> {
    let Some(other) = named("OTHER_BUCKET") else {
        println!("not run: FIRN_TEST_S3_OTHER_BUCKET is not set");
        return None;
    };
    let from = prefix(runtime, settings, name);
    let to = from.url().to_string().replacen(&named("BUCKET").unwrap(), &other, 1);
    let to = from.storage().prefix(&ObjectUrl::parse(&to).unwrap()).unwrap();
    Some((from, to))
}

#[test]
fn copies_between_buckets_conform() {
    let (settings, runtime) = (settings_or_return!(), runtime());
    let Some((from, to)) = two_buckets(&runtime, settings, "copies") else { return };
    let outcome = runtime.block_on(firn_storage::conformance::run_copies(&from, &to));
    assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
}

#[test]
fn large_objects_are_copied_in_the_parts_in_which_they_were_written() {
    let (settings, runtime) = (settings_or_return!(), runtime());
    let limits = LimitSettings { multipart_from: 6 << 20, part: 5 << 20, ..LimitSettings::default() };
    let Some((from, to)) = two_buckets(&runtime, StorageSettings { limits, ..settings }, "copied-parts") else {
        return;
    };
    let bytes: Bytes = (0_u32..3_200_000).flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>().into();
    runtime.block_on(async {
        let put = from.put("large + 1", bytes.clone(), Precondition::None).await.unwrap();
        let expected = CopyExpected { size: 12_800_000, etag: put.etag.clone(), ..CopyExpected::default() };
        for (server_side, how) in [(true, How::ServerSide), (false, How::Through)] {
            let options = CopyOptions { server_side, digest: true, ..CopyOptions::default() };
            let copied = to.copy_object(&from, "large + 1", "copy", &expected, &options).await.unwrap();
            assert_eq!((copied.how, copied.etag, copied.size), (how, put.etag.clone(), 12_800_000));
            let digest = (!server_side).then(|| blake3::hash(&bytes).to_hex().to_string());
            assert_eq!(copied.digest, digest);
            assert!(to.get("copy").await.unwrap().unwrap().bytes == bytes);
            to.delete("copy").await.unwrap();
        }
        let stale = CopyExpected { etag: Some("\"0123456789abcdef0123456789abcdef-3\"".to_owned()), ..expected };
        let error = to.copy_object(&from, "large + 1", "copy", &stale, &CopyOptions::default()).await.unwrap_err();
        assert!(matches!(error, StorageError::Source(SourceError::Changed { .. })), "{error:?}");
        from.delete("large + 1").await.unwrap();
        to.delete("copy").await.unwrap();
    });
}

#[test]
fn what_is_too_large_for_one_request_is_copied_in_parts() {
    let (settings, runtime) = (settings_or_return!(), runtime());
    let limits = LimitSettings { copy_at_once: 6 << 20, copy_part: 5 << 20, ..LimitSettings::default() };
    let Some((from, to)) = two_buckets(&runtime, StorageSettings { limits, ..settings }, "too-large") else { return };
    let bytes: Bytes = (0_u32..3_200_000).flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>().into();
    runtime.block_on(async {
        let put = from.put("large", bytes.clone(), Precondition::None).await.unwrap();
        let expected = CopyExpected { size: 12_800_000, etag: put.etag, ..CopyExpected::default() };
        let copied = to.copy_object(&from, "large", "copy", &expected, &CopyOptions::default()).await.unwrap();
        assert!(copied.how == How::ServerSide && copied.etag.unwrap().contains("-3"));
        assert!(to.get("copy").await.unwrap().unwrap().bytes == bytes);
        from.delete("large").await.unwrap();
        to.delete("copy").await.unwrap();
    });
}
