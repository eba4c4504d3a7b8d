//! What every prefix must do, whatever is behind it: the suite that each implementation runs.

mod copies;
#[cfg(test)]
mod memory;

pub use copies::run as run_copies;

use crate::error::StorageError;
use crate::holder::Holder;
use crate::lease::Lease;
use crate::prefix::{Precondition, Prefix};
use bytes::Bytes;
use firn_model::source::{Source, SourceError};
use std::time::Duration;

/// A rule that did not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: {what}")]
pub struct Violation {
    /// The rule.
    pub rule: &'static str,
    /// What was seen.
    pub what: String,
}

/// Runs the suite below `prefix`, which must be empty; what it wrote is removed at the end.
///
/// # Errors
/// The first rule that does not hold.
pub async fn run(prefix: &Prefix) -> Result<(), Violation> {
    absent_is_none_and_not_an_error(prefix).await?;
    bytes_come_back_as_written(prefix).await?;
    ranges_are_exact(prefix).await?;
    a_put_replaces(prefix).await?;
    deferred_puts_are_seen_and_made_durable(prefix).await?;
    create_refuses_what_exists(prefix).await?;
    of_racing_creates_one_wins(prefix).await?;
    if_match_refuses_another_version(prefix).await?;
    of_racing_updates_none_is_lost(prefix).await?;
    listings_are_complete_and_in_order(prefix).await?;
    unsafe_keys_are_refused(prefix).await?;
    a_prefix_is_not_a_name_beginning(prefix).await?;
    sync_readers_see_the_same(prefix).await?;
    a_lease_has_one_holder(prefix).await?;
    run_copies(&folder(prefix, "copies/one")?, &folder(prefix, "copies/two")?).await?;
    delete_is_idempotent_and_final(prefix).await
}

fn folder(prefix: &Prefix, key: &str) -> Result<Prefix, Violation> {
    prefix.child(key).map_err(failed("a prefix has prefixes below it"))
}

type Rule = Result<(), Violation>;

fn check(rule: &'static str, holds: bool, what: impl FnOnce() -> String) -> Rule {
    if holds { Ok(()) } else { Err(Violation { rule, what: what() }) }
}

fn failed(rule: &'static str) -> impl Fn(StorageError) -> Violation {
    move |error| Violation { rule, what: error.to_string() }
}

async fn absent_is_none_and_not_an_error(prefix: &Prefix) -> Rule {
    let rule = "absent is none and not an error";
    let got = prefix.get("absent/object").await.map_err(failed(rule))?;
    let head = prefix.head("absent/object").await.map_err(failed(rule))?;
    let listed = prefix.list("absent").await.map_err(failed(rule))?;
    check(rule, got.is_none() && head.is_none() && listed.is_empty(), || format!("{got:?} {head:?} {listed:?}"))?;
    let range = prefix.get_range("absent/object", 0..1).await;
    check(rule, matches!(&range, Err(error) if error.is_not_found()), || format!("{range:?}"))
}

async fn bytes_come_back_as_written(prefix: &Prefix) -> Rule {
    let rule = "bytes come back as written";
    let every_byte: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    for (key, bytes) in [("empty", Vec::new()), ("deep/er/bytes", every_byte), ("name with spaces+ümläut%41", vec![7])]
    {
        let bytes = Bytes::from(bytes);
        let put = prefix.put(key, bytes.clone(), Precondition::None).await.map_err(failed(rule))?;
        let got = prefix.get(key).await.map_err(failed(rule))?;
        let same = got.as_ref().is_some_and(|got| got.bytes == bytes && got.version.size == bytes.len() as u64);
        check(rule, same, || format!("{key}: {} bytes written, other bytes read", bytes.len()))?;
        let tags = (put.etag, got.and_then(|got| got.version.etag));
        check(rule, tags.0.is_some() && tags.0 == tags.1, || format!("{key}: tags differ: {tags:?}"))?;
        let head = prefix.head(key).await.map_err(failed(rule))?;
        let same = head.as_ref().is_some_and(|head| head.size == bytes.len() as u64 && head.etag == tags.0);
        check(rule, same, || format!("{key}: head says {head:?}"))?;
    }
    Ok(())
}

async fn ranges_are_exact(prefix: &Prefix) -> Rule {
    let rule = "ranges are exact";
    prefix.put("range", Bytes::from("0123456789"), Precondition::None).await.map_err(failed(rule))?;
    for (range, expected) in [(0..10, "0123456789"), (3..4, "3"), (9..10, "9"), (4..4, "")] {
        let got = prefix.get_range("range", range.clone()).await.map_err(failed(rule))?;
        check(rule, got == expected, || format!("{range:?} gives {got:?}"))?;
    }
    let beyond = prefix.get_range("range", 8..12).await;
    let refused = matches!(&beyond, Err(StorageError::Source(SourceError::OutOfBounds { size: 10, .. })));
    check(rule, refused, || format!("8..12 of 10 bytes gives {beyond:?}"))
}

async fn a_put_replaces(prefix: &Prefix) -> Rule {
    let rule = "a put replaces";
    let one = prefix.put("replaced", Bytes::from("one"), Precondition::None).await.map_err(failed(rule))?;
    let two = prefix.put("replaced", Bytes::from("two"), Precondition::None).await.map_err(failed(rule))?;
    check(rule, one.etag != two.etag, || "both versions have the same tag".to_owned())?;
    let got = prefix.get("replaced").await.map_err(failed(rule))?;
    check(rule, got.as_ref().is_some_and(|got| got.bytes == "two"), || format!("{got:?}"))
}

async fn deferred_puts_are_seen_and_made_durable(prefix: &Prefix) -> Rule {
    let rule = "deferred puts are seen at once, replace, and are made durable together";
    for text in ["first", "second"] {
        prefix.put_deferred("deferred/a/object", Bytes::from(text)).await.map_err(failed(rule))?;
        prefix.put_deferred("deferred/object", Bytes::from(text)).await.map_err(failed(rule))?;
        for key in ["deferred/a/object", "deferred/object"] {
            let got = prefix.get(key).await.map_err(failed(rule))?;
            check(rule, got.is_some_and(|object| object.bytes == text), || format!("{key} is not {text:?}"))?;
        }
    }
    let keys = ["deferred/a/object", "deferred/object"].map(str::to_owned);
    prefix.make_durable(keys.to_vec()).await.map_err(failed(rule))?;
    for key in keys {
        prefix.delete(&key).await.map_err(failed(rule))?;
    }
    Ok(())
}

async fn create_refuses_what_exists(prefix: &Prefix) -> Rule {
    let rule = "create refuses what exists";
    prefix.put("created", Bytes::from("one"), Precondition::Create).await.map_err(failed(rule))?;
    for bytes in ["two", "one"] {
        let again = prefix.put("created", Bytes::from(bytes), Precondition::Create).await;
        check(rule, matches!(&again, Err(error) if error.is_conflict()), || format!("{bytes}: {again:?}"))?;
    }
    let got = prefix.get("created").await.map_err(failed(rule))?;
    check(rule, got.as_ref().is_some_and(|got| got.bytes == "one"), || format!("{got:?}"))
}

async fn of_racing_creates_one_wins(prefix: &Prefix) -> Rule {
    let rule = "of racing creates one wins";
    for round in 0..4 {
        let key = format!("race/{round}");
        let racers = (0..6).map(|racer| {
            let (key, bytes) = (key.clone(), Bytes::from(format!("racer {racer}")));
            async move { (bytes.clone(), prefix.put(&key, bytes, Precondition::Create).await) }
        });
        let mut winners = Vec::new();
        for (bytes, outcome) in futures::future::join_all(racers).await {
            match outcome {
                Ok(_) => winners.push(bytes),
                Err(error) => check(rule, error.is_conflict(), || error.to_string())?,
            }
        }
        check(rule, winners.len() == 1, || format!("{} won", winners.len()))?;
        let got = prefix.get(&key).await.map_err(failed(rule))?.map(|got| got.bytes);
        check(rule, got.as_ref() == winners.first(), || format!("{got:?} is there, {winners:?} won"))?;
    }
    Ok(())
}

async fn if_match_refuses_another_version(prefix: &Prefix) -> Rule {
    let rule = "if-match refuses another version";
    let put = |bytes: &'static str, when| prefix.put("matched", Bytes::from(bytes), when);
    let match_tag = |tag: &Option<String>| Precondition::IfMatch(tag.clone().unwrap_or_default());
    let one = put("one", Precondition::None).await.map_err(failed(rule))?.etag;
    let two = put("two", match_tag(&one)).await.map_err(failed(rule))?.etag;
    check(rule, one != two, || "both versions have the same tag".to_owned())?;
    let stale = put("three", match_tag(&one)).await;
    check(rule, matches!(&stale, Err(error) if error.is_conflict()), || format!("a stale tag: {stale:?}"))?;
    let absent = prefix.put("matched/not", Bytes::new(), match_tag(&one)).await;
    // On a local disk `matched` is a file, and nothing can lie below it.
    check(rule, absent.is_err(), || format!("an absent object: {absent:?}"))?;
    let absent = prefix.put("unmatched", Bytes::new(), match_tag(&one)).await;
    check(rule, matches!(&absent, Err(error) if error.is_conflict()), || format!("an absent object: {absent:?}"))?;
    let got = prefix.get("matched").await.map_err(failed(rule))?;
    check(rule, got.as_ref().is_some_and(|got| got.bytes == "two" && got.version.etag == two), || format!("{got:?}"))
}

/// Several writers each add lines to one object, by read and conditional write, as `firn.json` is changed.
async fn of_racing_updates_none_is_lost(prefix: &Prefix) -> Rule {
    let rule = "of racing updates none is lost";
    prefix.put("lines", Bytes::new(), Precondition::None).await.map_err(failed(rule))?;
    let writers = (0..4).map(|writer| async move {
        for line in 0..5 {
            while !add_line(prefix, &format!("{writer}-{line}")).await? {}
        }
        Ok(())
    });
    futures::future::try_join_all(writers).await.map_err(failed(rule))?;
    let got = prefix.get("lines").await.map_err(failed(rule))?.map(|got| got.bytes).unwrap_or_default();
    let mut lines: Vec<&[u8]> = got.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let written = lines.len();
    lines.sort_unstable();
    lines.dedup();
    check(rule, (written, lines.len()) == (20, 20), || {
        format!("4 × 5 lines: {written}, {} of them different", lines.len())
    })
}

/// Adds a line where it is not there yet. False where another writer was quicker.
async fn add_line(prefix: &Prefix, line: &str) -> Result<bool, StorageError> {
    let Some(object) = prefix.get("lines").await? else { return Ok(true) };
    if object.bytes.split(|byte| *byte == b'\n').any(|there| there == line.as_bytes()) {
        return Ok(true);
    }
    let bytes = Bytes::from([&object.bytes, line.as_bytes(), b"\n"].concat());
    let when = Precondition::IfMatch(object.version.etag.unwrap_or_default());
    match prefix.put("lines", bytes, when).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_conflict() => Ok(false),
        Err(error) => Err(error),
    }
}

async fn listings_are_complete_and_in_order(prefix: &Prefix) -> Rule {
    let rule = "listings are complete and in order";
    let keys = ["list/a", "list/a-b", "list/b/c", "list/b/d/e", "list/ö"];
    for key in keys.iter().rev() {
        prefix.put(key, Bytes::from(*key), Precondition::None).await.map_err(failed(rule))?;
    }
    let listed = prefix.list("list").await.map_err(failed(rule))?;
    let found: Vec<&str> = listed.iter().map(|object| object.key.as_str()).collect();
    check(rule, found == keys, || format!("{found:?}"))?;
    check(rule, listed.iter().all(|object| object.version.size == object.key.len() as u64), || format!("{listed:?}"))?;
    let level = prefix.list_shallow("list").await.map_err(failed(rule))?;
    let names: Vec<&str> = level.objects.iter().map(|object| object.key.as_str()).collect();
    check(rule, names == ["a", "a-b", "ö"] && level.prefixes == ["b"], || format!("{level:?}"))
}

async fn unsafe_keys_are_refused(prefix: &Prefix) -> Rule {
    let rule = "unsafe keys are refused";
    for key in ["", "/a", "a/", "a//b", "../a", "a/../../b", "a/./b", "a\nb", "a\0b", ".firn-tmp-x"] {
        let put = prefix.put(key, Bytes::new(), Precondition::None).await;
        check(rule, matches!(put, Err(StorageError::BadKey { .. })), || format!("{key:?}: {put:?}"))?;
        let got = prefix.get(key).await;
        check(rule, matches!(got, Err(StorageError::BadKey { .. })), || format!("{key:?}: {got:?}"))?;
    }
    Ok(())
}

async fn a_prefix_is_not_a_name_beginning(prefix: &Prefix) -> Rule {
    let rule = "a prefix is not the beginning of a name";
    prefix.put("begin/x", Bytes::new(), Precondition::None).await.map_err(failed(rule))?;
    prefix.put("beginning/y", Bytes::new(), Precondition::None).await.map_err(failed(rule))?;
    let listed = prefix.list("begin").await.map_err(failed(rule))?;
    check(rule, listed.len() == 1, || format!("{listed:?}"))
}

async fn sync_readers_see_the_same(prefix: &Prefix) -> Rule {
    let rule = "sync readers see the same";
    let (storage, url) = (prefix.storage().clone(), prefix.url().clone());
    let read = move || -> Result<(bool, bytes::Bytes), SourceError> {
        let source = storage.source(&url)?;
        let absent = source.object("absent/object")?.is_none();
        let reader = Source::object(&*source, "range")?.ok_or(SourceError::NotFound { at: url.at() })?;
        Ok((absent, reader.read(2..5)?))
    };
    let read = tokio::task::spawn_blocking(read).await;
    let read = read.map_err(|error| Violation { rule, what: error.to_string() })?;
    let (absent, bytes) = read.map_err(|error| Violation { rule, what: error.to_string() })?;
    check(rule, absent && bytes == "234", || format!("{absent} {bytes:?}"))
}

async fn a_lease_has_one_holder(prefix: &Prefix) -> Rule {
    let rule = "a lease has one holder";
    let (length, now) = (Duration::from_mins(1), Duration::from_secs(1_000_000));
    let mut first = Lease::take(prefix, "lease", &Holder::named("first"), length, now).await.map_err(failed(rule))?;
    let second = Lease::take(prefix, "lease", &Holder::named("second"), length, now + length / 2).await;
    check(rule, matches!(second, Err(StorageError::LeaseHeld { .. })), || "taken while held".to_owned())?;
    first.renew(now + length / 2).await.map_err(failed(rule))?;
    let second = Lease::take(prefix, "lease", &Holder::named("second"), length, now + length).await;
    check(rule, matches!(second, Err(StorageError::LeaseHeld { .. })), || "taken although renewed".to_owned())?;
    let late = now + length * 3;
    let second = Lease::take(prefix, "lease", &Holder::named("second"), length, late).await.map_err(failed(rule))?;
    let lost = first.renew(late).await;
    check(rule, matches!(lost, Err(StorageError::LeaseLost { .. })), || "renewed after it was taken over".to_owned())?;
    check(rule, second.generation() > first.generation(), || "generations do not grow".to_owned())?;
    second.release(late).await.map_err(failed(rule))?;
    Lease::check_free(prefix, "lease", late).await.map_err(failed(rule))?;
    let third = Lease::take(prefix, "lease", &Holder::named("third"), length, late).await.map_err(failed(rule))?;
    let held = Lease::check_free(prefix, "lease", late).await;
    check(rule, matches!(held, Err(StorageError::LeaseHeld { .. })), || "free although held".to_owned())?;
    third.release(late).await.map_err(failed(rule))
}

async fn delete_is_idempotent_and_final(prefix: &Prefix) -> Rule {
    let rule = "delete is idempotent and final";
    for object in prefix.list("").await.map_err(failed(rule))? {
        prefix.delete(&object.key).await.map_err(failed(rule))?;
        prefix.delete(&object.key).await.map_err(failed(rule))?;
    }
    let left = prefix.list("").await.map_err(failed(rule))?;
    check(rule, left.is_empty(), || format!("{left:?}"))
}
