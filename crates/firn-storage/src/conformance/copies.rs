//! What a copy from one prefix to another must do.

use super::{Rule, check, failed};
use crate::copy::{Copied, CopyExpected, CopyOptions};
use crate::error::StorageError;
use crate::prefix::{Precondition, Prefix};
use bytes::Bytes;
use firn_model::source::SourceError;

/// Runs the rules of copies from one empty prefix to another; what was written is removed at the end.
///
/// # Errors
/// The first rule that does not hold.
pub async fn run(from: &Prefix, to: &Prefix) -> Rule {
    for server_side in [true, false] {
        bytes_and_names_arrive(from, to, server_side).await?;
        only_the_expected_version_is_copied(from, to, server_side).await?;
        only_new_refuses_what_exists(from, to, server_side).await?;
        of_racing_copies_one_wins(from, to, server_side).await?;
    }
    for prefix in [from, to] {
        let rule = "copies leave nothing else";
        for object in prefix.list("").await.map_err(failed(rule))? {
            let known = object.key.starts_with("from/") || object.key.starts_with("to/");
            check(rule, known, || format!("{} is there", object.key))?;
            prefix.delete(&object.key).await.map_err(failed(rule))?;
        }
    }
    Ok(())
}

const KEYS: [&str; 4] = ["plain", "deep/er/bytes", "name with spaces+ümläut%41", "a=b&c?d#e;f,g'h(i)*!~@$:"];

async fn copy(
    (from, key): (&Prefix, &str),
    (to, to_key): (&Prefix, &str),
    expected: &CopyExpected,
    (server_side, only_new): (bool, bool),
) -> Result<Copied, StorageError> {
    let options = CopyOptions { server_side, only_new, digest: true, ..CopyOptions::default() };
    to.copy_object(from, &format!("from/{key}"), &format!("to/{to_key}"), expected, &options).await
}

/// Writes an object that is to be copied.
async fn written(from: &Prefix, key: &str, bytes: &Bytes) -> Result<CopyExpected, StorageError> {
    let put = from.put(&format!("from/{key}"), bytes.clone(), Precondition::None).await?;
    Ok(CopyExpected { size: bytes.len() as u64, etag: put.etag, ..CopyExpected::default() })
}

async fn bytes_and_names_arrive(from: &Prefix, to: &Prefix, server_side: bool) -> Rule {
    let rule = "copied bytes arrive, whatever the name";
    let every_byte: Bytes = (0..=255).cycle().take(300_000).collect::<Vec<u8>>().into();
    for (at, key) in KEYS.into_iter().enumerate() {
        for bytes in [Bytes::new(), every_byte.slice(at..)] {
            let expected = written(from, key, &bytes).await.map_err(failed(rule))?;
            let copied = copy((from, key), (to, key), &expected, (server_side, false)).await.map_err(failed(rule))?;
            let there = to.get(&format!("to/{key}")).await.map_err(failed(rule))?;
            let same = there.as_ref().is_some_and(|object| object.bytes == bytes);
            check(rule, same, || format!("{key}: {} bytes copied, other bytes read", bytes.len()))?;
            let etag = there.and_then(|object| object.version.etag);
            check(rule, copied.size == bytes.len() as u64 && copied.etag == etag, || format!("{key}: {copied:?}"))?;
            let digest = blake3::hash(&bytes).to_hex().to_string();
            check(rule, copied.digest.is_none_or(|told| told == digest), || format!("{key}: another digest"))?;
            let untagged = CopyExpected { etag: None, ..expected };
            copy((from, key), (to, key), &untagged, (server_side, false)).await.map_err(failed(rule))?;
        }
    }
    Ok(())
}

async fn only_the_expected_version_is_copied(from: &Prefix, to: &Prefix, server_side: bool) -> Rule {
    let rule = "only the expected version is copied";
    let first = written(from, "version", &Bytes::from("first")).await.map_err(failed(rule))?;
    let second = written(from, "version", &Bytes::from("again")).await.map_err(failed(rule))?;
    let stale = copy((from, "version"), (to, "version"), &first, (server_side, false)).await;
    let changed = |result: &Result<Copied, StorageError>| {
        matches!(result, Err(StorageError::Source(SourceError::Changed { .. })))
    };
    check(rule, changed(&stale), || format!("a stale tag: {stale:?}"))?;
    let longer = CopyExpected { size: 6, ..second.clone() };
    let wrong = copy((from, "version"), (to, "version"), &longer, (server_side, false)).await;
    check(rule, wrong.is_err(), || format!("another size: {wrong:?}"))?;
    let untagged = CopyExpected { size: 6, etag: None, ..CopyExpected::default() };
    let wrong = copy((from, "version"), (to, "version"), &untagged, (server_side, false)).await;
    check(rule, changed(&wrong), || format!("another size without a tag: {wrong:?}"))?;
    for expected in [second.clone(), CopyExpected { etag: None, ..second }] {
        let absent = copy((from, "absent"), (to, "absent"), &expected, (server_side, false)).await;
        let missing =
            matches!(&absent, Err(StorageError::Source(SourceError::NotFound { .. } | SourceError::Changed { .. })));
        check(rule, missing, || format!("an absent object: {absent:?}"))?;
    }
    let left = to.head("to/absent").await.map_err(failed(rule))?;
    check(rule, left.is_none(), || format!("something was written for an absent object: {left:?}"))
}

async fn only_new_refuses_what_exists(from: &Prefix, to: &Prefix, server_side: bool) -> Rule {
    let rule = "a copy that is to be new refuses what exists";
    let key = format!("new-{server_side}");
    let bytes = Bytes::from("bytes");
    let expected = written(from, &key, &bytes).await.map_err(failed(rule))?;
    copy((from, &key), (to, &key), &expected, (server_side, true)).await.map_err(failed(rule))?;
    let other = written(from, "other", &Bytes::from("other")).await.map_err(failed(rule))?;
    let again = copy((from, "other"), (to, &key), &other, (server_side, true)).await;
    check(rule, matches!(&again, Err(error) if error.is_conflict()), || format!("{again:?}"))?;
    let there = to.get(&format!("to/{key}")).await.map_err(failed(rule))?;
    check(rule, there.as_ref().is_some_and(|object| object.bytes == bytes), || format!("{there:?}"))
}

async fn of_racing_copies_one_wins(from: &Prefix, to: &Prefix, server_side: bool) -> Rule {
    let rule = "of racing copies that are to be new one wins";
    let mut originals = Vec::new();
    for racer in 0..4 {
        let (key, bytes) = (format!("racer-{racer}"), Bytes::from(format!("racer {racer}")));
        let expected = written(from, &key, &bytes).await.map_err(failed(rule))?;
        originals.push((key, bytes, expected));
    }
    let target = format!("raced-{server_side}");
    let race = originals.iter().map(|(key, bytes, expected)| {
        let target = target.as_str();
        async move { (bytes, copy((from, key), (to, target), expected, (server_side, true)).await) }
    });
    let mut winners = Vec::new();
    for (bytes, outcome) in futures::future::join_all(race).await {
        match outcome {
            Ok(_) => winners.push(bytes),
            Err(error) => check(rule, error.is_conflict(), || error.to_string())?,
        }
    }
    check(rule, winners.len() == 1, || format!("{} won", winners.len()))?;
    let there = to.get(&format!("to/{target}")).await.map_err(failed(rule))?.map(|object| object.bytes);
    check(rule, there.as_ref() == winners.first().copied(), || format!("{there:?} is there, {winners:?} won"))
}
