//! `firn check`: whether two trees hold the same bytes.

use crate::error::EngineError;
use crate::objects::error::ObjectsError;
use crate::objects::named::{Named, look};
use crate::objects::pairs::{Pairs, pairs};
use crate::objects::proof::{Proof, Side, Trust, Verdict, compare, sums};
use crate::objects::records::Records;
use crate::progress::Unit;
use crate::settings::Engine;
use crate::verbs::cp::{ObjectFailure, ProvenBy};
use firn_model::diagnose::{Category, Diagnose, shell_word};
use firn_model::source::{ListedObject, SourceVersion};
use firn_storage::{Listing, Prefix};
use futures::{StreamExt, TryStreamExt};
use std::collections::BTreeMap;

/// Comparisons that are under way at once where one side is behind a network.
const REMOTE: usize = 16;

/// What comparing two trees found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct CheckReport {
    /// The first tree.
    pub source: String,
    /// The second.
    pub target: String,
    /// Whether both hold the same.
    pub ok: bool,
    /// Objects of the first.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that are in both, and equal.
    pub equal: u64,
    /// By what that is known.
    pub equal_by: ProvenBy,
    /// Keys that only the first has.
    pub missing: Vec<String>,
    /// Keys that only the second has.
    pub extra: Vec<String>,
    /// Keys of which the two have other bytes.
    pub different: Vec<Different>,
    /// Objects that could not be compared.
    pub failures: Vec<ObjectFailure>,
    /// The next command.
    pub next: String,
}

/// Two objects with one key.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Different {
    /// Their key.
    pub key: String,
    /// How they differ.
    pub what: String,
}

/// Compares, and says what differs.
///
/// # Errors
/// Where a tree cannot be listed.
pub fn check(
    engine: &Engine,
    source: &str,
    target: &str,
    jobs: Option<usize>,
) -> Result<(CheckReport, Option<EngineError>), EngineError> {
    let runtime = engine.storage.runtime();
    let (first, second) = runtime.block_on(async { futures::join!(look(engine, source), look(engine, target)) });
    let (first, second) = (first?, second?);
    let is_one = matches!(first, Named::Object { .. });
    let (from, to, left, right) = sides(source, target, first, second)?;
    let known = Records::between(engine, &from, &to).read()?;
    let back = Records::between(engine, &to, &from).read()?;
    let (objects, bytes) = (left.objects.len() as u64, left.objects.iter().map(|object| object.version.size).sum());
    let there = right.objects.into_iter().map(|object| (object.key, object.version)).collect();
    let Pairs { both, missing, extra } = pairs(named_alike(left.objects, &there, is_one), |(_, key)| key, there);
    let is_local = |prefix: &Prefix| -> Result<bool, EngineError> {
        Ok(engine.storage.physical(prefix.url())?.local_path().is_some())
    };
    let (from_is_local, to_is_local) = (is_local(&from)?, is_local(&to)?);
    let at_once = if from_is_local && to_is_local { engine.settings.jobs } else { engine.settings.jobs.max(REMOTE) };
    let at_once = jobs.unwrap_or(at_once).max(1);
    let mut report = CheckReport {
        source: source.to_owned(),
        target: target.to_owned(),
        ok: false,
        objects,
        bytes,
        equal: 0,
        equal_by: ProvenBy::default(),
        missing: missing.into_iter().map(|(object, _)| object.key).collect(),
        extra,
        different: Vec::new(),
        failures: Vec::new(),
        next: String::new(),
    };
    let mut errors = Vec::new();
    let progress = engine.progress.task("compare", Some(both.len() as u64), Unit::Items);
    // The record of either direction tells what was copied.
    let arrival = |object: &ListedObject, to_key: &String| {
        known.get(to_key).cloned().or_else(|| back.get(&object.key).map(crate::objects::records::Arrival::turned))
    };
    let work = async {
        // Of small files that one look at a tag decides, many at once; what that leaves open, one by one.
        let is_file_with_sum = |((object, to_key), version): &((ListedObject, String), SourceVersion)| {
            let a = Side { place: &from, key: &object.key, version: &object.version, is_local: from_is_local };
            let b = Side { place: &to, key: to_key, version, is_local: to_is_local };
            sums::decides(a, b) && arrival(object, to_key).is_none()
        };
        let (with_sum, mut open): (Vec<_>, Vec<_>) = both.into_iter().partition(is_file_with_sum);
        let mut groups = futures::stream::iter(in_groups(with_sum))
            .map(|group| async {
                engine.cancel.check()?;
                let pairs = group.iter().map(|((object, to_key), version)| (object, to_key.as_str(), version));
                let equal = sums::equal(&from, &to, from_is_local, pairs).await;
                Ok::<_, EngineError>((group, equal))
            })
            .buffer_unordered(jobs.unwrap_or(engine.settings.jobs).max(1));
        while let Some((group, equal)) = groups.try_next().await? {
            for (pair, is_equal) in group.into_iter().zip(equal) {
                if is_equal {
                    report.equal += 1;
                    report.equal_by.count(Proof::Tags);
                    progress.advance(1);
                } else {
                    open.push(pair);
                }
            }
        }
        let mut verdicts = futures::stream::iter(open)
            .map(|((object, to_key), version)| {
                let (from, to, progress) = (from.clone(), to.clone(), &progress);
                let arrival = arrival(&object, &to_key);
                let cancel = engine.cancel.clone();
                let compared = tokio::spawn(async move {
                    cancel.check()?;
                    let a = Side { place: &from, key: &object.key, version: &object.version, is_local: from_is_local };
                    let b = Side { place: &to, key: &to_key, version: &version, is_local: to_is_local };
                    let verdict = compare(a, b, arrival.as_ref(), Trust::Bytes).await;
                    Ok::<_, EngineError>((object.key, verdict))
                });
                async move {
                    let ended = compared.await.map_err(|error| EngineError::bug(error.to_string()))?;
                    progress.advance(1);
                    ended
                }
            })
            .buffer_unordered(at_once);
        while let Some((key, verdict)) = verdicts.try_next().await? {
            match verdict {
                Ok(Verdict::Equal(proof)) => {
                    report.equal += 1;
                    report.equal_by.count(proof);
                }
                Ok(Verdict::Other(what)) => report.different.push(Different { key, what }),
                Err(error) if error.category() == Category::Interrupted => return Err(error),
                Err(error) => {
                    report.failures.push(ObjectFailure::new(&key, &error));
                    errors.push(error);
                }
            }
        }
        Ok(())
    };
    runtime.block_on(work)?;
    for odd in left.unusable.iter().chain(&right.unusable) {
        let error = ObjectsError::unusable(from.url(), odd).into();
        report.failures.push(ObjectFailure::new(&odd.key, &error));
        errors.push(error);
    }
    report.different.sort_by(|a, b| a.key.cmp(&b.key));
    let differs = !(report.missing.is_empty() && report.extra.is_empty() && report.different.is_empty());
    report.ok = !differs && errors.is_empty();
    report.next = match (report.ok, report.extra.is_empty()) {
        (true, _) => format!("firn du {}", shell_word(target)),
        (false, true) => format!("firn sync {} {}", shell_word(source), shell_word(target)),
        (false, false) => format!("firn sync --dry-run --delete {} {}", shell_word(source), shell_word(target)),
    };
    let error = if differs { Some(difference(&report, &to)) } else { EngineError::several("check", errors) };
    Ok((report, error))
}

fn difference(report: &CheckReport, to: &Prefix) -> EngineError {
    let (missing, extra, other) = (report.missing.len(), report.extra.len(), report.different.len());
    let mut keys: Vec<String> = report.missing.iter().map(|key| format!("missing: {key}")).collect();
    keys.extend(report.extra.iter().map(|key| format!("extra: {key}")));
    keys.extend(report.different.iter().map(|other| format!("different: {} ({})", other.key, other.what)));
    let what = format!("{missing} missing, {extra} extra, {other} different of {} objects", report.objects);
    ObjectsError::CheckDiffers { at: to.url().at(), what, keys, next: report.next.clone() }.into()
}

/// Files whose sums are made together.
const GROUP: usize = 64;

fn in_groups<T>(all: Vec<T>) -> Vec<Vec<T>> {
    let (mut groups, mut all) = (Vec::with_capacity(all.len() / GROUP + 1), all.into_iter().peekable());
    while all.peek().is_some() {
        groups.push(all.by_ref().take(GROUP).collect());
    }
    groups
}

/// The key of each object in the other tree: two single objects may have two names.
fn named_alike(
    left: Vec<ListedObject>,
    right: &BTreeMap<String, SourceVersion>,
    is_one: bool,
) -> Vec<(ListedObject, String)> {
    let only = right.keys().next().filter(|_| is_one);
    left.into_iter()
        .map(|object| {
            let key = only.unwrap_or(&object.key).clone();
            (object, key)
        })
        .collect()
}

fn sides(
    source: &str,
    target: &str,
    first: Named,
    second: Named,
) -> Result<(Prefix, Prefix, Listing, Listing), EngineError> {
    let one = |key: String, version: SourceVersion| Listing {
        objects: vec![ListedObject { key, version }],
        ..Listing::default()
    };
    match (first, second) {
        (Named::Folder { prefix: from, listing: left }, Named::Folder { prefix: to, listing: right }) => {
            Ok((from, to, left, right))
        }
        (
            Named::Object { folder: from, key: a, version: left },
            Named::Object { folder: to, key: b, version: right },
        ) => Ok((from, to, one(a, left), one(b, right))),
        (first, _) => {
            let (file, folder) =
                if matches!(first, Named::Object { .. }) { (source, target) } else { (target, source) };
            Err(EngineError::usage(
                format!("{file} is one object, and {folder} is a folder"),
                "compare two objects or two folders",
            ))
        }
    }
}
