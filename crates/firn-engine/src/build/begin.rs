//! Who may write: the claim of a run on its target, and the lease of a process on the run. And how a run ends.

use super::{BuildOptions, Destination};
use crate::error::EngineError;
use crate::journal::{Claim, Journal, RunRecord};
use crate::lease::RunLease;
use crate::managed::{self, VersionSlot};
use crate::settings::Engine;
use firn_model::combine::Noted;
use firn_storage::Prefix;

/// Claims a prefix that is written once, or says why not.
pub(super) async fn claim(
    journal: &Journal,
    prefix: &Prefix,
    destination: &Destination,
    store_exists: bool,
) -> Result<Claim, EngineError> {
    let at = prefix.url().at();
    if Journal::holder(prefix).await?.is_none() {
        if store_exists {
            return Err(EngineError::TargetExists { at });
        }
        let level = prefix.list_shallow("").await?;
        // Another process of this run may have begun since; its claim decides below.
        let mut names =
            level.objects.iter().map(|object| object.key.as_str()).chain(level.prefixes.iter().map(String::as_str));
        if let Some(first) = names.find(|name| !managed::is_own(name)) {
            return Err(EngineError::TargetNotEmpty {
                at,
                what: format!("it holds {first:?}, which no run of firn wrote"),
                next: "choose an empty --target".to_owned(),
            });
        }
    }
    match journal.claim().await? {
        Claim::Other(other) if other.finished => Err(EngineError::TargetExists { at }),
        Claim::Other(other) => Err(other_run(journal, prefix, destination, &other)),
        claim => Ok(claim),
    }
}

/// Takes the lease of a run whose target is claimed, and clears away what its stopped processes left half written. `None`
/// where the run is finished.
pub(super) fn enter(
    engine: &Engine,
    journal: &Journal,
    prefix: &Prefix,
    destination: &Destination,
    options: &BuildOptions,
) -> Result<Option<RunLease>, EngineError> {
    let runtime = engine.storage.runtime();
    let lease = RunLease::take(engine, prefix, journal.run(), options.part)?;
    // The one who had it before may have finished the run, or given it up.
    match runtime.block_on(Journal::holder(prefix))? {
        Some(record) if record.run != journal.run() => return Err(other_run(journal, prefix, destination, &record)),
        Some(record) if record.finished => return Ok(None),
        Some(_) => {}
        None => {
            let what = "it gave up this run at this very moment".to_owned();
            return Err(EngineError::TargetBusy { at: prefix.url().at(), what });
        }
    }
    if options.part.is_some() {
        // Other parts may be at work; who finishes clears away for all.
        return Ok(Some(lease));
    }
    if lease.continues() {
        runtime.block_on(prefix.sweep(usize::MAX))?;
        runtime.block_on(engine.target_prefix(destination.url())?.sweep(0))?;
    } else {
        runtime.block_on(prefix.sweep(0))?;
        runtime.block_on(prefix.child(".firn")?.sweep(usize::MAX))?;
    }
    Ok(Some(lease))
}

/// Ends a run whose store is published and named.
pub(super) fn finish(engine: &Engine, journal: &Journal, lease: RunLease) -> Result<(), EngineError> {
    let runtime = engine.storage.runtime();
    // No heartbeat may write into what is being removed.
    drop(lease);
    runtime.block_on(journal.finish())?;
    runtime.block_on(journal.remove())?;
    Ok(())
}

/// Of a run that was finished before: whether its last process was stopped while it removed the journal, which is done now.
pub(super) fn clear(engine: &Engine, journal: &Journal, prefix: &Prefix) -> Result<bool, EngineError> {
    let runtime = engine.storage.runtime();
    let found = runtime.block_on(journal.remove())?;
    runtime.block_on(prefix.child(".firn")?.sweep(usize::MAX))?;
    Ok(found)
}

/// Another run holds the target and is not finished.
pub(super) fn other_run(
    journal: &Journal,
    prefix: &Prefix,
    destination: &Destination,
    other: &RunRecord,
) -> EngineError {
    let next = match destination {
        Destination::Managed { .. } => "remove what it left: the same command with --abandon; then run it again",
        Destination::Bare(_) => "choose another --target, or remove what lies there",
    };
    EngineError::TargetNotEmpty {
        at: prefix.url().at(),
        what: format!("an unfinished run of {} lies there ({})", journal.differs(other), other.run),
        next: next.to_owned(),
    }
}

/// Runs that did not end and whose versions this one leaves alone.
pub(super) fn passed_over(journal: &Journal, slot: &VersionSlot) -> Vec<Noted> {
    let note = |(version, other): &(String, RunRecord)| Noted {
        code: "other-run",
        at: version.clone(),
        what: format!(
            "an unfinished run of {} holds {version}; this is a new run, in {}. What it left is removed by --abandon",
            journal.differs(other),
            slot.version
        ),
    };
    slot.others.iter().map(note).collect()
}
