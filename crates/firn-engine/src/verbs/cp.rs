//! `firn cp` and `firn sync`: objects from one place to another.

use crate::error::EngineError;
use crate::objects::advice::{CopyAdvice, Planned, advise, quota};
use crate::objects::error::ObjectsError;
use crate::objects::named::{self, Chosen, choose};
use crate::objects::pairs::{Pairs, pairs};
use crate::objects::proof::{Proof, Side, Trust, Verdict, compare};
use crate::objects::records::{Arrival, Records};
use crate::objects::send::{Sent, send};
use crate::objects::{Item, guard, order::Order};
use crate::progress::Unit;
use crate::settings::Engine;
use crate::verbs::requests::CopyRequest;
use firn_model::diagnose::{Category, Diagnose, shell_word};
use firn_model::policy::destination::Shape;
use firn_model::policy::{PlaceRules, may_copy};
use firn_model::source::SourceVersion;
use firn_storage::{ObjectUrl, Prefix, StorageError};
use futures::{StreamExt, TryStreamExt};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Comparisons that are under way at once.
const COMPARED: usize = 16;

/// What a copy did, or would do.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct CopyReport {
    /// Where to.
    pub target: String,
    /// Where that physically lies.
    pub url: String,
    /// Which way the bytes go: `server` (copied within one service), `local` (from file to file), `through` (by way of this
    /// machine).
    pub route: String,
    /// Whether nothing was done.
    pub dry_run: bool,
    /// Objects of the source.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that were copied; in a dry run, those to copy.
    pub copied: u64,
    /// Their bytes.
    pub copied_bytes: u64,
    /// Objects of these that replaced others.
    pub replaced: u64,
    /// Objects that were there already, and equal.
    pub kept: u64,
    /// By what that is known.
    pub kept_by: ProvenBy,
    /// Keys at the destination that the source does not have: removed by `sync --delete`, else left. The first thousand.
    pub extra: Vec<String>,
    /// How many these are.
    pub extra_objects: u64,
    /// How many of them were removed; in a dry run, those to remove.
    pub deleted: u64,
    /// Objects that did not arrive.
    pub failures: Vec<ObjectFailure>,
    /// Objects that were not tried because others failed: documents that would make an incomplete store appear.
    pub held_back: u64,
    /// How it would go, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<CopyAdvice>,
    /// The next command.
    pub next: String,
}

/// By what objects are known to be equal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct ProvenBy {
    /// By the record of the copy that made one from the other.
    pub record: u64,
    /// By entity tags that are MD5 sums.
    pub tag: u64,
    /// By reading both.
    pub reading: u64,
}

impl ProvenBy {
    /// One more.
    pub fn count(&mut self, proof: Proof) {
        match proof {
            Proof::Recorded => self.record += 1,
            Proof::Tags => self.tag += 1,
            Proof::Read => self.reading += 1,
        }
    }
}

/// An object that did not arrive, or could not be compared.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct ObjectFailure {
    /// Its key.
    pub key: String,
    /// Stable code.
    pub code: String,
    /// What happened.
    pub what: String,
}

impl ObjectFailure {
    /// Of an error.
    pub fn new(key: &str, error: &EngineError) -> Self {
        Self { key: key.to_owned(), code: error.code().to_owned(), what: error.to_string() }
    }
}

/// Objects about which the destination is asked one by one: listing it may tell of many more.
const FEW: usize = 100;
/// Extra keys that a report names.
const NAMED: usize = 1000;

/// Copies, and says what did not arrive. The same call continues.
///
/// # Errors
/// Where nothing can be begun: addresses that lead nowhere, a destination that is protected, objects that would be replaced.
pub fn cp(engine: &Engine, request: &CopyRequest) -> Result<(CopyReport, Option<EngineError>), EngineError> {
    let chosen = choose(engine, &request.sources, request.recursive, &request.with("-r"))?;
    if request.sync {
        whole_folder(request, &chosen)?;
    }
    let Chosen { items, folders, unusable, is_one_object } = chosen;
    let (to, items) = destination(engine, request, items, is_one_object)?;
    let from = source_of(engine, request, &items)?;
    apart(&folders, &items, &to)?;
    allowed(engine, &items, &to)?;
    let mut records = Records::between(engine, &from, &to);
    let known = if request.dry_run { records.read()? } else { records.tidy()? };
    let there = there(engine, &to, &items, request)?;
    guard::no_file_is_a_folder(
        &to,
        there
            .keys()
            .map(String::as_str)
            .chain(items.iter().map(|i| i.to_key.as_str()))
            .collect::<BTreeSet<_>>()
            .into_iter(),
    )?;
    let (objects, bytes) = (items.len() as u64, items.iter().map(|item| item.version.size).sum());
    let all: BTreeSet<String> = items.iter().map(|item| item.to_key.clone()).collect();
    let all_there: BTreeSet<String> = there.keys().cloned().collect();
    let Pairs { both, missing, extra } = pairs(items, |item| &item.to_key, there);
    let compared = compare_all(engine, &to, both, &known)?;

    let replace = request.replace || request.sync;
    if !compared.other.is_empty() && !replace {
        let keys = compared.other.iter().map(|(item, how)| format!("{} ({how})", item.to_key)).collect();
        let at = to.url().at();
        return Err(ObjectsError::Different { at, keys, next: request.with("--replace") }.into());
    }
    let extra: Vec<String> = if request.sync { extra } else { Vec::new() };
    let deletes: &[String] = if request.delete { &extra } else { &[] };
    let changed =
        || compared.other.iter().map(|(item, _)| item.to_key.as_str()).chain(deletes.iter().map(String::as_str));
    if changed().next().is_some() {
        guard::role(engine, to.url(), "replacing or removing objects")?;
        engine.storage.runtime().block_on(guard::published(engine, &to, changed()))?;
    }
    let mut report = CopyReport {
        target: request.target.clone(),
        url: engine.storage.physical(to.url())?.to_string(),
        route: route(engine, &from, &to)?,
        dry_run: request.dry_run,
        objects,
        bytes,
        copied: 0,
        copied_bytes: 0,
        replaced: compared.other.len() as u64,
        kept: compared.by.record + compared.by.tag + compared.by.reading,
        kept_by: compared.by,
        extra_objects: extra.len() as u64,
        extra: extra.iter().take(NAMED).cloned().collect(),
        deleted: 0,
        failures: compared.failures.iter().map(|(key, error)| ObjectFailure::new(key, error)).collect(),
        held_back: 0,
        advice: None,
        next: String::new(),
    };
    let mut errors: Vec<EngineError> = compared.failures.into_iter().map(|(_, error)| error).collect();
    for odd in &unusable {
        let error = ObjectsError::unusable(from.url(), odd).into();
        report.failures.push(ObjectFailure::new(&odd.key, &error));
        errors.push(error);
    }
    let mut open = missing;
    open.extend(compared.other.into_iter().map(|(item, _)| item));
    if request.dry_run {
        report.copied = open.len() as u64;
        report.copied_bytes = open.iter().map(|item| item.version.size).sum();
        report.deleted = deletes.len() as u64;
        if request.explain {
            let largest = open.iter().map(|item| item.version.size).max().unwrap_or(0);
            let (route, objects, bytes) = (report.route.as_str(), report.copied, report.copied_bytes);
            let is_store = !firn_model::upload::find_stores(all.iter().map(String::as_str)).is_empty();
            let shape = if is_store { Shape::Zarr } else { Shape::Files };
            let planned = Planned { route, objects, bytes, largest, shape };
            report.advice = Some(advise(engine, &from, &to, &planned)?);
        }
        report.next = request.again();
    } else {
        records.add(&compared.proven)?;
        let sent = send(engine, to.clone(), open, &all, request.jobs, &mut records)?;
        let Sent { objects, bytes, failures, held_back } = sent;
        (report.copied, report.copied_bytes, report.held_back) = (objects, bytes, held_back.len() as u64);
        report.failures.extend(failures.iter().map(|(key, error)| ObjectFailure::new(key, error)));
        errors.extend(failures.into_iter().map(|(_, error)| error));
        if errors.is_empty() {
            let (deleted, failures) = remove(engine, &to, deletes, &all_there)?;
            report.deleted = deleted;
            report.failures.extend(failures.iter().map(|(key, error)| ObjectFailure::new(key, error)));
            errors.extend(failures.into_iter().map(|(_, error)| error));
        }
        report.next = next(request, &report);
    }
    let what = if request.sync { "sync" } else { "cp" };
    Ok((report, EngineError::several(what, errors)))
}

fn next(request: &CopyRequest, report: &CopyReport) -> String {
    let words = |text: &str| shell_word(text);
    // The same command again would meet them again.
    let is_final = report.failures.iter().all(|failure| failure.code == "objects-unusable-key");
    match (is_final, request.sources.as_slice()) {
        (false, _) => request.again(),
        (true, _) if request.sync && report.extra_objects > report.deleted => request.with("--delete"),
        (true, [source]) if !firn_storage::is_pattern(source) => {
            format!("firn check {} {}", words(source), words(&report.target))
        }
        _ => format!("firn ls {}", words(&report.target)),
    }
}

/// Where the objects go, with their keys there.
///
/// One object gets the name of the destination, except where that is a folder: written with a slash at its end, or there as one.
fn destination(
    engine: &Engine,
    request: &CopyRequest,
    items: Vec<Item>,
    is_one_object: bool,
) -> Result<(Prefix, Vec<Item>), EngineError> {
    let url = ObjectUrl::parse(&request.target)?.absolute()?;
    let is_folder = request.target.ends_with('/')
        || engine.storage.parent(&url).is_none()
        || url.file_name().is_empty()
        || named::is_local_folder(engine, &url)?;
    // A place that is written to is probed first, which writes.
    let place = |url: &ObjectUrl| {
        if request.dry_run { engine.storage.prefix(url) } else { engine.target_prefix(url) }
    };
    if !is_one_object || is_folder {
        return Ok((place(&url)?, items));
    }
    let (Some(folder), name) = (engine.storage.parent(&url), url.file_name()) else { return Ok((place(&url)?, items)) };
    let to = place(&folder)?;
    let items = items.into_iter().map(|item| Item { to_key: name.clone(), ..item }).collect();
    Ok((to, items))
}

/// What a destination becomes equal to is a folder: of a single object or a pattern nothing could be said of the others there.
fn whole_folder(request: &CopyRequest, chosen: &Chosen) -> Result<(), EngineError> {
    let source = request.sources.first().map_or("", String::as_str);
    let copy = CopyRequest { sync: false, recursive: false, delete: false, ..request.clone() };
    if chosen.folders.len() != 1 || firn_storage::is_pattern(source) {
        return Err(EngineError::usage(format!("{source} is no folder"), copy.again()));
    }
    // A disk that is not mounted, or a word too short, is more likely than that all is to go.
    if request.delete && chosen.items.is_empty() {
        let what = format!("{source} is empty, and all of {} would be removed", request.target);
        return Err(EngineError::usage(what, format!("firn rm -r {}", shell_word(&request.target))));
    }
    Ok(())
}

/// What stands for the source in the records: the place of the only address, or that of the first object.
fn source_of(engine: &Engine, request: &CopyRequest, items: &[Item]) -> Result<Prefix, EngineError> {
    match (items.first(), request.sources.first()) {
        (Some(item), _) => Ok((*item.from).clone()),
        (None, Some(text)) => Ok(engine.storage.tree(&ObjectUrl::parse(text)?.absolute()?)?),
        (None, None) => Err(EngineError::usage("there is nothing to copy", "name a source: firn cp SRC DST")),
    }
}

/// Refuses to copy objects over themselves, and a folder into itself.
fn apart(folders: &[Arc<Prefix>], items: &[Item], to: &Prefix) -> Result<(), EngineError> {
    let slashed = |prefix: &Prefix| format!("{}/", prefix.identity().trim_end_matches('/'));
    let target = slashed(to);
    if let Some(item) =
        items.iter().find(|item| format!("{}{}", slashed(&item.from), item.key) == format!("{target}{}", item.to_key))
    {
        let what = format!("{} would be copied to itself", item.from.url().child(&item.key)?);
        return Err(EngineError::usage(what, "name another destination"));
    }
    if let Some(folder) = folders.iter().find(|folder| target.starts_with(&slashed(folder))) {
        let what = format!("{} lies in {}, which is copied", to.url(), folder.url());
        return Err(EngineError::usage(what, "name a destination outside of the source"));
    }
    Ok(())
}

/// Refuses what the rules of the places forbid.
fn allowed(engine: &Engine, items: &[Item], to: &Prefix) -> Result<(), EngineError> {
    engine.may_write(to.url())?;
    quota(engine, to, items.iter().map(|item| item.version.size).sum())?;
    let rules = |prefix: &Prefix| -> Result<Option<PlaceRules>, EngineError> {
        Ok(engine.storage.location_of(prefix.url())?.map(|(location, _)| location.rules.clone()))
    };
    let target = rules(to)?;
    // What was listed together lies together.
    for from in items.chunk_by(|a, b| Arc::ptr_eq(&a.from, &b.from)).filter_map(<[Item]>::first) {
        may_copy(rules(&from.from)?.as_ref(), target.as_ref()).map_err(|forbidden| StorageError::Forbidden {
            at: to.url().at(),
            rule: forbidden.rule,
            what: forbidden.what,
        })?;
    }
    Ok(())
}

/// What lies at the destination: a question for each of few objects, else one listing.
fn there(
    engine: &Engine,
    to: &Prefix,
    items: &[Item],
    request: &CopyRequest,
) -> Result<BTreeMap<String, SourceVersion>, EngineError> {
    let runtime = engine.storage.runtime();
    if items.len() <= FEW && !request.sync {
        let asked = futures::stream::iter(items).map(|item| async move {
            let version = to.head(&item.to_key).await?;
            Ok::<_, EngineError>(version.map(|version| (item.to_key.clone(), version)))
        });
        let found = asked.buffer_unordered(COMPARED).try_filter_map(|found| async move { Ok(found) });
        return runtime.block_on(found.try_collect());
    }
    let listing = runtime.block_on(to.list_all())?;
    Ok(listing.objects.into_iter().map(|object| (object.key, object.version)).collect())
}

#[derive(Default)]
struct Compared {
    /// What is equal and had no record yet.
    proven: Vec<Arrival>,
    by: ProvenBy,
    other: Vec<(Item, String)>,
    failures: Vec<(String, EngineError)>,
}

fn compare_all(
    engine: &Engine,
    to: &Prefix,
    both: Vec<(Item, SourceVersion)>,
    known: &BTreeMap<String, Arrival>,
) -> Result<Compared, EngineError> {
    let is_local = |prefix: &Prefix| -> Result<bool, EngineError> {
        Ok(engine.storage.physical(prefix.url())?.local_path().is_some())
    };
    let to_is_local = is_local(to)?;
    let mut compared = Compared::default();
    if both.is_empty() {
        return Ok(compared);
    }
    let progress = engine.progress.task("compare", Some(both.len() as u64), Unit::Items);
    let work = async {
        let mut verdicts = futures::stream::iter(both)
            .map(|(item, version)| async {
                engine.cancel.check()?;
                let from_is_local = is_local(&item.from)?;
                let a = Side { place: &item.from, key: &item.key, version: &item.version, is_local: from_is_local };
                let b = Side { place: to, key: &item.to_key, version: &version, is_local: to_is_local };
                let verdict = compare(a, b, known.get(&item.to_key), Trust::Versions).await;
                progress.advance(1);
                Ok::<_, EngineError>((item, version, verdict))
            })
            .buffer_unordered(COMPARED);
        while let Some((item, version, verdict)) = verdicts.try_next().await? {
            match verdict {
                Ok(Verdict::Equal(proof)) => {
                    compared.by.count(proof);
                    if proof != Proof::Recorded {
                        let (key, from) = (item.to_key, item.version);
                        compared.proven.push(Arrival { key, from, to: version, blake3: None });
                    }
                }
                Ok(Verdict::Other(how)) => compared.other.push((item, how)),
                Err(error) if error.category() == Category::Interrupted => return Err(error),
                Err(error) => compared.failures.push((item.to_key, error)),
            }
        }
        Ok(())
    };
    engine.storage.runtime().block_on(work)?;
    compared.other.sort_by(|a, b| a.0.to_key.cmp(&b.0.to_key));
    Ok(compared)
}

fn route(engine: &Engine, from: &Prefix, to: &Prefix) -> Result<String, EngineError> {
    let is_local = |prefix: &Prefix| -> Result<bool, EngineError> {
        Ok(engine.storage.physical(prefix.url())?.local_path().is_some())
    };
    Ok(if to.can_copy_from(from) {
        "server"
    } else if is_local(from)? && is_local(to)? {
        "local"
    } else {
        "through"
    }
    .to_owned())
}

/// Removes objects, those first that make a store appear.
///
/// # Errors
/// Where the user stops it.
pub fn remove(
    engine: &Engine,
    place: &Prefix,
    keys: &[String],
    all: &BTreeSet<String>,
) -> Result<(u64, Vec<(String, EngineError)>), EngineError> {
    let order = Order::of(all.iter().map(String::as_str));
    let progress = engine.progress.task("remove", Some(keys.len() as u64), Unit::Items);
    let (mut removed, mut failures) = (0, Vec::new());
    let mut sorted: Vec<&String> = keys.iter().collect();
    sorted.sort_by_key(|key| std::cmp::Reverse(order.rank(key)));
    for rank in sorted.chunk_by(|a, b| order.rank(a) == order.rank(b)) {
        let work = async {
            let mut ended = futures::stream::iter(rank)
                .map(|key| async move { (*key, place.delete(key).await) })
                .buffer_unordered(COMPARED);
            while let Some((key, outcome)) = ended.next().await {
                progress.advance(1);
                match outcome {
                    Ok(()) => removed += 1,
                    Err(error) => failures.push((key.clone(), EngineError::from(error))),
                }
            }
        };
        engine.cancel.check()?;
        engine.storage.runtime().block_on(work);
        if !failures.is_empty() {
            break;
        }
    }
    Ok((removed, failures))
}
