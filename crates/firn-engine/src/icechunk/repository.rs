//! Opening and creating repositories, their configuration, and where a run stands in them.

use super::structure::NodeLayout;
use super::target::{BASE, PART, RUN, RunState};
use super::{IcechunkError, RepositoryStorage, SpecVersion, VirtualContainer};
use firn_model::dataset::NodePath;
use firn_model::diagnose::At;
use futures::TryStreamExt;
use icechunk::config::{
    CachingConfig, ManifestConfig, ManifestSplitCondition, ManifestSplitDim, ManifestSplitDimCondition,
    ManifestSplittingConfig,
};
use icechunk::format::SnapshotId;
use icechunk::format::format_constants::SpecVersionBin;
use icechunk::format::snapshot::{Snapshot, SnapshotProperties};
use icechunk::format::transaction_log::TransactionLog;
use icechunk::storage::{Settings, StorageContext, VersionInfo};
use icechunk::{Repository, RepositoryConfig};
use indexmap::IndexMap;
use std::sync::Arc;

/// Where a run stands.
pub(super) struct Position {
    pub(super) base: SnapshotId,
    pub(super) tip: SnapshotId,
    pub(super) state: RunState,
}

/// Keys at the root of a repository's prefix that may be there before the repository is: what an interrupted creation
/// leaves. So may those of firn's own (a journal, a probe), which begin with [`FIRN`].
const KNOWN_ROOTS: [&str; 7] =
    ["chunks", "manifests", "overwritten", "refs", "snapshots", "transactions", "config.yaml"];
const FIRN: &str = ".firn";

/// Chunk references held of manifests that were read.
const CACHED_REFS: u64 = 500_000;

/// How often a change of the configuration is tried against concurrent ones.
const CONFIG_ATTEMPTS: usize = 5;

pub(super) async fn open(
    storage: &RepositoryStorage,
    splitting: Option<ManifestSplittingConfig>,
) -> Result<Repository, IcechunkError> {
    // A run reads back hardly any manifest: keeping them would only cost memory.
    let caching = CachingConfig { num_chunk_refs: Some(CACHED_REFS), ..Default::default() };
    let config = RepositoryConfig {
        caching: Some(caching),
        manifest: splitting.map(|splitting| ManifestConfig { splitting: Some(splitting), ..Default::default() }),
        ..Default::default()
    };
    Repository::open(Arc::clone(&storage.storage))
        .config(config)
        .execute()
        .await
        .map_err(|error| IcechunkError::from_repository(&storage.at, error))
}

pub(super) async fn open_or_create(
    storage: &RepositoryStorage,
    spec: SpecVersion,
) -> Result<Repository, IcechunkError> {
    let asked = match spec {
        SpecVersion::V1 => SpecVersionBin::V1,
        SpecVersion::V2 => SpecVersionBin::V2,
    };
    let repository = match open(storage, None).await {
        Err(IcechunkError::NoRepository { .. }) => {
            fail_unless_clean(storage).await?;
            // Without a configuration: a creation that was interrupted may have left one, and icechunk refuses that.
            let created = Repository::create(Arc::clone(&storage.storage))
                .spec_version(asked)
                .check_clean_root(false)
                .execute()
                .await;
            match created {
                Ok(repository) => repository,
                // Somebody else created it at the same time.
                Err(error) => {
                    open(storage, None).await.map_err(|_| IcechunkError::from_repository(&storage.at, error))?
                }
            }
        }
        other => other?,
    };
    if repository.spec_version() != asked {
        let found = if repository.spec_version() == SpecVersionBin::V1 { SpecVersion::V1 } else { SpecVersion::V2 };
        return Err(IcechunkError::SpecMismatch { at: storage.at.clone(), found, asked: spec });
    }
    Ok(repository)
}

async fn fail_unless_clean(storage: &RepositoryStorage) -> Result<(), IcechunkError> {
    let failed = |error: icechunk::StorageError| IcechunkError::from_storage(&storage.at, &error.kind);
    let settings = Settings::default();
    let context = StorageContext::unattributed(&settings);
    let mut listing = match storage.storage.list_objects(&context, "").await {
        Ok(listing) => listing,
        Err(error) if matches!(error.kind, icechunk::storage::StorageErrorKind::ObjectNotFound) => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    while let Some(object) = listing.try_next().await.map_err(failed)? {
        let root = object.id.trim_start_matches('/').split('/').next().unwrap_or("");
        if !KNOWN_ROOTS.contains(&root) && !root.starts_with(FIRN) {
            return Err(IcechunkError::NotEmpty { at: storage.at.clone(), found: object.id });
        }
    }
    Ok(())
}

/// Adds containers to the repository's saved configuration. Nothing else of it is touched, and no storage settings are
/// saved: they are each process's own.
pub(super) async fn declare_containers(
    at: &At,
    repository: &Repository,
    containers: &[VirtualContainer],
) -> Result<(), IcechunkError> {
    let mut wanted = Vec::with_capacity(containers.len());
    for container in containers {
        wanted.push(container.to_icechunk()?);
    }
    for _ in 0..CONFIG_ATTEMPTS {
        let saved = Repository::fetch_config(Arc::clone(repository.storage()))
            .await
            .map_err(|error| IcechunkError::from_repository(at, error))?;
        let (mut config, version) = saved.unwrap_or((RepositoryConfig::default(), VersionInfo::for_creation()));
        let mut changed = false;
        for container in &wanted {
            let prefix = container.url_prefix();
            match config.get_virtual_chunk_container(prefix) {
                Some(declared) if declared.store == container.store => {}
                Some(_) => {
                    return Err(IcechunkError::ContainerConflict { at: at.clone(), prefix: prefix.to_owned() });
                }
                None => {
                    config
                        .set_virtual_chunk_container(container.clone())
                        .map_err(|what| IcechunkError::Damaged { at: at.clone(), what })?;
                    changed = true;
                }
            }
        }
        if !changed || save_config(at, repository, config, &version).await? {
            return Ok(());
        }
    }
    Err(IcechunkError::Locked { at: at.clone(), what: "its configuration changes all the time".to_owned() })
}

/// Whether it was saved; `false` where somebody else saved one in between.
async fn save_config(
    at: &At,
    repository: &Repository,
    config: RepositoryConfig,
    version: &VersionInfo,
) -> Result<bool, IcechunkError> {
    let assets = repository.asset_manager();
    let failed = |error| IcechunkError::from_repository(at, error);
    if repository.spec_version() == SpecVersionBin::V1 {
        return Ok(assets.try_update_config(&config, version, None).await.map_err(failed)?.is_some());
    }
    let updates = repository.config().num_updates_per_repo_info_file();
    assets
        .update_repo_info(repository.config().repo_update_retries(), |info, backup, _| {
            info.set_config(repository.spec_version(), &config, backup, updates)
                .map(Arc::new)
                .map_err(|error| error.inject())
        })
        .await
        .map_err(failed)?;
    Ok(true)
}

/// How the manifests of large arrays are cut; `None` where no array is large.
pub(super) fn splitting(layouts: &IndexMap<NodePath, NodeLayout>, most: u64) -> Option<ManifestSplittingConfig> {
    let sizes: Vec<_> = layouts
        .iter()
        .filter_map(|(path, layout)| match layout {
            NodeLayout::Array(layout) => Some((path, layout.manifest_split(most)?)),
            NodeLayout::Group => None,
        })
        .map(|(path, split)| {
            let regex = format!("^{}$", escape_regex(path.as_str()));
            let dimensions = split
                .into_iter()
                .enumerate()
                .map(|(axis, num_chunks)| ManifestSplitDim {
                    condition: ManifestSplitDimCondition::Axis(axis),
                    num_chunks,
                })
                .collect();
            (ManifestSplitCondition::PathMatches { regex }, dimensions)
        })
        .collect();
    (!sizes.is_empty()).then_some(ManifestSplittingConfig { split_sizes: Some(sizes) })
}

fn escape_regex(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii() && !character.is_ascii_alphanumeric() && character != '/' && character != '_' {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// Finds the run, or begins it: a run that committed nothing whole starts again from where `main` is now.
pub(super) async fn find_run(
    at: &At,
    repository: &Repository,
    run: &str,
    branch: &str,
) -> Result<Position, IcechunkError> {
    let failed = |error| IcechunkError::from_repository(at, error);
    let main = repository.lookup_branch("main").await.map_err(failed)?;
    let of_main = properties(at, repository, &main).await?;
    let tip = lookup(at, repository, branch).await?;
    if text(&of_main, RUN) == Some(run) {
        if tip.is_some() {
            repository.delete_branch(branch).await.map_err(failed)?;
        }
        let base = snapshot_id(at, text(&of_main, BASE))?;
        return Ok(Position { base, tip: main.clone(), state: RunState::Published { snapshot: main.to_string() } });
    }
    let Some(tip) = tip else {
        repository.create_branch(branch, &main).await.map_err(failed)?;
        return Ok(Position { base: main.clone(), tip: main, state: RunState::Fresh });
    };
    let of_tip = properties(at, repository, &tip).await?;
    if text(&of_tip, RUN) == Some(run) && !of_tip.contains_key(PART) {
        let base = snapshot_id(at, text(&of_tip, BASE))?;
        let state = RunState::Committed { snapshot: tip.to_string() };
        return Ok(Position { base, tip, state });
    }
    if tip != main {
        repository.reset_branch(branch, &main, Some(&tip)).await.map_err(failed)?;
    }
    Ok(Position { base: main.clone(), tip: main, state: RunState::Fresh })
}

/// The snapshot that a branch names; `None` where there is no such branch.
pub(super) async fn lookup(
    at: &At,
    repository: &Repository,
    branch: &str,
) -> Result<Option<SnapshotId>, IcechunkError> {
    match repository.lookup_branch(branch).await.map_err(|error| IcechunkError::from_repository(at, error)) {
        Ok(id) => Ok(Some(id)),
        Err(IcechunkError::NoSuchVersion { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The properties of a snapshot.
pub(super) async fn properties(
    at: &At,
    repository: &Repository,
    id: &SnapshotId,
) -> Result<SnapshotProperties, IcechunkError> {
    let info = repository.lookup_snapshot(id).await.map_err(|error| IcechunkError::from_repository(at, error))?;
    Ok(info.metadata)
}

pub(super) fn text<'a>(properties: &'a SnapshotProperties, name: &str) -> Option<&'a str> {
    properties.get(name).and_then(|value| value.as_str())
}

fn snapshot_id(at: &At, text: Option<&str>) -> Result<SnapshotId, IcechunkError> {
    text.and_then(|text| SnapshotId::try_from(text).ok()).ok_or_else(|| IcechunkError::Damaged {
        at: at.clone(),
        what: "a snapshot of a run does not say what it was built on".to_owned(),
    })
}

/// Replaces the unfinished snapshots of a run by one that follows `base`, so that no history shows a partial dataset.
/// Only for spec 1, whose commits cannot be amended.
pub(super) async fn squash(
    at: &At,
    repository: &Repository,
    branch: &str,
    base: &SnapshotId,
    parts: &[SnapshotId],
    message: &str,
    properties: SnapshotProperties,
) -> Result<SnapshotId, IcechunkError> {
    let failed = |error| IcechunkError::from_repository(at, error);
    let damaged = |error: icechunk::format::IcechunkFormatError| IcechunkError::from_format(at, &error.kind);
    let assets = repository.asset_manager();
    let Some(last) = parts.last() else {
        return Err(IcechunkError::Damaged { at: at.clone(), what: "there is no part to squash".to_owned() });
    };
    let whole = assets.fetch_snapshot(last).await.map_err(failed)?;
    let manifests = whole.manifest_files().collect::<Result<Vec<_>, _>>().map_err(damaged)?;
    let squashed = Snapshot::from_iter(
        None,
        Some(base.clone()),
        SpecVersionBin::V1,
        message,
        Some(properties),
        manifests,
        None,
        whole.iter(),
    )
    .map_err(damaged)?;
    let id = squashed.id();
    let mut logs = Vec::with_capacity(parts.len());
    for part in parts {
        logs.push(assets.fetch_transaction_log(part).await.map_err(failed)?);
    }
    let log = TransactionLog::merge(&id, logs.iter().map(AsRef::as_ref)).map_err(damaged)?;
    assets.write_snapshot(Arc::new(squashed)).await.map_err(failed)?;
    assets.write_transaction_log(id.clone(), Arc::new(log)).await.map_err(failed)?;
    repository.reset_branch(branch, &id, Some(last)).await.map_err(failed)?;
    Ok(id)
}
