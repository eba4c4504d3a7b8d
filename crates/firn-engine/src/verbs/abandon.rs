//! `firn run --abandon`: removes what unpublished runs left, and nothing else.

use crate::clock;
use crate::error::EngineError;
use crate::execute::{Output, OutputState};
use crate::icechunk::{ChunkPayload, IcechunkTarget, RepositoryStorage, RunOptions, RunState, SpecVersion};
use crate::journal::{Journal, RunRecord, remove_below};
use crate::lease::RunLease;
use crate::managed::{self, ManagedDataset, Version};
use crate::settings::Engine;
use crate::target::zarr3::ROOT_KEY;
use firn_storage::{ObjectUrl, Prefix};

/// Where runs keep their journals.
const JOURNALS: &str = ".firn/runs";

/// Removes what unpublished runs of a managed dataset left; says what.
///
/// # Errors
/// [`EngineError::TargetBusy`] where such a run is at work; what the storage says.
pub(super) fn abandon(
    engine: &Engine,
    target: &ObjectUrl,
    id: Option<&str>,
    limit: Option<u64>,
) -> Result<Vec<String>, EngineError> {
    let runtime = engine.storage.runtime();
    let prefix = engine.target_prefix(target)?;
    let mut removed = Vec::new();
    for version in runtime.block_on(managed::unpublished(&prefix))? {
        let work = managed::work_of(&prefix, &version)?;
        let version = prefix.child(&version)?;
        if let Some(record) = runtime.block_on(Journal::holder(&work))? {
            // The lease on what a run needs for its file of references lies there, and keeps all of the version.
            let lease = RunLease::take(engine, &work, &record.run, None)?;
            runtime.block_on(version.delete(managed::REFERENCES))?;
            remove_all(engine, &work, Some(lease))?;
        }
        let holder = runtime.block_on(Journal::holder(&version))?;
        let lease = holder.map(|record| RunLease::take(engine, &version, &record.run, None)).transpose()?;
        remove_all(engine, &version, lease)?;
        removed.push(version.url().to_string());
    }
    if let Some(record) = runtime.block_on(Journal::holder(&prefix))?
        && !record.finished
    {
        removed.extend(abandon_repository(engine, &prefix, id, limit, record)?);
    }
    // What is empty now goes too; files that are no objects stay.
    runtime.block_on(prefix.sweep(1))?;
    Ok(removed)
}

/// What an unfinished run left in an Icechunk repository: its branch and chunks, or the whole repository, where nothing was
/// ever published in it. A run that had published, and was stopped before it could say so, is finished instead.
fn abandon_repository(
    engine: &Engine,
    prefix: &Prefix,
    id: Option<&str>,
    limit: Option<u64>,
    record: RunRecord,
) -> Result<Option<String>, EngineError> {
    let runtime = engine.storage.runtime();
    let lease = RunLease::take(engine, prefix, &record.run, None)?;
    let dataset = runtime.block_on(managed::read(prefix))?.map(|(dataset, _)| dataset);
    let options = RunOptions { run: record.run.clone(), spec: SpecVersion::V1, containers: Vec::new() };
    let opened = runtime.block_on(IcechunkTarget::resume(RepositoryStorage::new(prefix.clone()), options))?;
    let journal = Journal::new(prefix.clone(), record.clone());
    if let Some(repository) = &opened
        && let RunState::Published { snapshot } = repository.state()
    {
        runtime.block_on(name(prefix, id, limit, &record, snapshot))?;
        drop(lease);
        runtime.block_on(journal.finish())?;
        runtime.block_on(journal.remove())?;
        return Ok(None);
    }
    let (Some(repository), Some(dataset)) = (opened, dataset) else {
        remove_all(engine, prefix, Some(lease))?;
        return Ok(Some(prefix.url().to_string()));
    };
    let branch = format!("{} (branch {})", prefix.url(), repository.branch());
    let chunks = runtime.block_on(chunks_of(&journal, &dataset))?;
    runtime.block_on(repository.abandon(chunks))?;
    runtime.block_on(prefix.sweep(usize::MAX))?;
    // From here on the repository is again the run's that published last.
    match dataset.versions.last() {
        Some(last) => runtime.block_on(Journal::new(prefix.clone(), RunRecord::of(last)).finish())?,
        None => runtime.block_on(Journal::disclaim(prefix))?,
    }
    drop(lease);
    runtime.block_on(remove_below(prefix, JOURNALS))?;
    Ok(Some(branch))
}

/// The chunks that only the run itself knows. Of a run that was published before, and is done again, earlier versions have
/// the same ones.
async fn chunks_of(journal: &Journal, dataset: &ManagedDataset) -> Result<Vec<ChunkPayload>, EngineError> {
    if dataset.versions.iter().any(|version| version.run == journal.run()) {
        return Ok(Vec::new());
    }
    let payload = |output: Output| match output.state {
        OutputState::Written(written) => written.payload,
        OutputState::KnownEmpty => None,
    };
    Ok(journal.done(usize::MAX).await?.into_values().flatten().filter_map(payload).collect())
}

async fn name(
    prefix: &Prefix,
    id: Option<&str>,
    limit: Option<u64>,
    record: &RunRecord,
    snapshot: &str,
) -> Result<Version, EngineError> {
    let version = Version {
        version: managed::version_of(prefix, snapshot).await?,
        run: record.run.clone(),
        published: clock::now(),
        snapshot: Some(snapshot.to_owned()),
        source_files: record.source_files,
        limit,
        in_place: false,
    };
    managed::publish_version(prefix, id, "icechunk", version).await
}

/// Removes everything below a prefix: a root first, so that no reader sees a partial store, and whose it is last, so that
/// the same command continues where it was stopped.
pub(super) fn remove_all(engine: &Engine, prefix: &Prefix, lease: Option<RunLease>) -> Result<(), EngineError> {
    let runtime = engine.storage.runtime();
    runtime.block_on(prefix.delete(ROOT_KEY))?;
    let level = runtime.block_on(prefix.list_shallow(""))?;
    for object in &level.objects {
        runtime.block_on(prefix.delete(&object.key))?;
    }
    for folder in level.prefixes.iter().filter(|name| !managed::is_own(name)) {
        engine.cancel.check()?;
        runtime.block_on(remove_below(prefix, folder))?;
    }
    runtime.block_on(Journal::disclaim(prefix))?;
    // No heartbeat may write into what is being removed.
    drop(lease);
    for folder in level.prefixes.iter().filter(|name| managed::is_own(name)) {
        runtime.block_on(remove_below(prefix, folder))?;
    }
    Ok(runtime.block_on(prefix.sweep(usize::MAX))?)
}
