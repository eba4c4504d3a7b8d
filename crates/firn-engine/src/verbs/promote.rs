//! `firn inbox promote`: from a sealed upload to a published version.

use crate::error::EngineError;
use crate::feedstock::{FeedstockDir, load};
use crate::inbox::checked::{Checked, check, differences, find, objects, open, refuse_links, several, verified};
use crate::inbox::place::{Upload, address};
use crate::inbox::publish::{Destination, PromotedStore, Promotion, Publication, State};
use crate::inbox::records::Records;
use crate::lease::RunLease;
use crate::settings::Engine;
use crate::verbs::abandon::remove_all;
use crate::verbs::catalog_entry::{
    PublishedStore, StoreDetails, StoreEntryChange, native_snippet, store_entry, update_feedstock_entry,
};
use crate::verbs::requests::PromoteRequest;
use crate::verify::StoreView;
use firn_catalog::snippet::Snippet;
use firn_model::feedstock::store_entry::FilesDetails;
use firn_model::feedstock::{StoreEntry, public_id, slug};
use firn_model::upload::{StoreFormat, UploadManifest};
use firn_storage::{LocationRole, ObjectUrl, Prefix};

/// What a promotion did.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct PromoteReport {
    /// The upload.
    pub upload: String,
    /// Where the version was published.
    pub published: String,
    /// What was promoted.
    pub promotion: Promotion,
    /// How each store opens.
    pub stores: Vec<OpenedStore>,
    /// Whether an earlier command had published it.
    pub already: bool,
    /// Whether the inbox copy was removed.
    pub purged: bool,
    /// The changes of `catalog.yaml`.
    pub catalog_entries: Vec<StoreEntryChange>,
    /// The next command.
    pub next: String,
}

/// A published store.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct OpenedStore {
    /// Id of its entry in a catalog.
    pub id: String,
    /// Its address.
    pub url: String,
    /// Python that opens it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snippet: Option<Snippet>,
}

/// Promotes, or continues to.
///
/// # Errors
/// Where the upload is not what was sealed or the destination exists: then nothing was copied, moved or deleted. Else what the
/// storage says; the same call continues.
pub fn promote(engine: &Engine, request: &PromoteRequest) -> Result<PromoteReport, EngineError> {
    let upload = Upload::parse(engine, &request.upload)?;
    let target = destination(engine, request, &upload)?;
    engine.may_bring([engine.storage.physical(&upload.url)?.to_string().as_str()], &target)?;
    let feedstock = request.feedstock.as_deref().map(load).transpose()?;
    let runtime = engine.storage.runtime();
    let found = find(engine, &upload)?;
    let Some(seal) = found.seal.clone() else {
        if found.listed.is_empty() {
            return purged_before(engine, request, &upload, &target, feedstock.as_ref());
        }
        // Says what is wrong: hostile keys before the missing seal.
        return check(engine, &upload, found).and(Err(EngineError::bug("an upload without a seal was accepted")));
    };
    let to = Destination::new(engine, &target, &upload, &seal.digest, seal.objects)?;
    let state = runtime.block_on(to.state());
    if matches!(state, Ok(State::Done)) {
        to.clear(engine)?;
        let report = told(engine, request, &upload, &to, feedstock.as_ref(), true)?;
        return purge(engine, request, &upload, &to, report);
    }
    let accepted = check(engine, &upload, found).and_then(|checked| Ok((views(engine, &upload, &checked)?, checked)));
    let (views, checked) = match (accepted, &state) {
        (Ok(accepted), _) => accepted,
        // It was what was sealed when it was begun: what was copied of it goes.
        (Err(error @ EngineError::Upload(_)), Ok(State::Begun)) => return Err(withdraw(engine, &to, &to.run, error)?),
        (Err(error), _) => return Err(error),
    };
    if let State::Stale(run) = state? {
        let lease = RunLease::take(engine, &to.version, &run, None)?;
        remove_all(engine, &to.version, Some(lease))?;
    }
    engine.cancel.check()?;
    let Some(lease) = to.enter(engine)? else { return Err(EngineError::TargetExists { at: target.at() }) };
    let (upload_ref, trust_etag) = (&upload, request.trust_etag);
    let publication = Publication {
        engine,
        upload: upload_ref,
        checked: &checked,
        views: &views,
        to: &to,
        lease: &lease,
        trust_etag,
    };
    match publication.publish() {
        Ok(_) => {}
        // It can never be published as it is: what was copied of it goes.
        Err(error @ EngineError::Upload(_)) => {
            remove_all(engine, &to.version, Some(lease))?;
            return Err(error);
        }
        Err(error) => return Err(error),
    }
    let report = told(engine, request, &upload, &to, feedstock.as_ref(), false)?;
    to.finish(engine, lease)?;
    purge(engine, request, &upload, &to, report)
}

/// Removes what a promotion had copied before its upload was found not to be what was sealed; gives the error back.
fn withdraw(engine: &Engine, to: &Destination, run: &str, error: EngineError) -> Result<EngineError, EngineError> {
    let lease = RunLease::take(engine, &to.version, run, None)?;
    remove_all(engine, &to.version, Some(lease))?;
    Ok(error)
}

/// Opens and verifies every store of an upload.
fn views(engine: &Engine, upload: &Upload, checked: &Checked) -> Result<Vec<StoreView>, EngineError> {
    let look = |store| -> Result<StoreView, EngineError> {
        let view = open(engine, upload, store, checked.of_store(store).map(|(_, key)| key))?;
        let mut report = verified(engine, &view)?;
        // What this version cannot read, others may.
        report.findings.retain(|finding| finding.rule != "opens");
        report.add(Vec::new());
        report.into_result()?;
        Ok(view)
    };
    checked.stores.iter().map(look).collect()
}

/// Where the upload goes: below a location that is no inbox.
fn destination(engine: &Engine, request: &PromoteRequest, upload: &Upload) -> Result<ObjectUrl, EngineError> {
    let url = address(engine, &request.to)?;
    let location = engine.storage.location_of(&url)?;
    if let Some((location, _)) = &location
        && location.role == LocationRole::Inbox
    {
        return Err(EngineError::usage(
            format!("{} is an inbox, where nothing is published", location.name),
            "name a location with the role published or persistent after --to",
        ));
    }
    match location {
        Some((_, key)) if key.is_empty() => Ok(url.child(&upload.name)?),
        _ => Ok(url),
    }
}

/// An upload that is not there any more: published and purged by an earlier command, or never there.
fn purged_before(
    engine: &Engine,
    request: &PromoteRequest,
    upload: &Upload,
    target: &ObjectUrl,
    feedstock: Option<&FeedstockDir>,
) -> Result<PromoteReport, EngineError> {
    let version = engine.storage.prefix(&target.child("v1")?)?;
    let promotion = engine.storage.runtime().block_on(Destination::promotion(&version))?;
    let from = engine.storage.physical(&upload.url)?.to_string();
    let Some(promotion) = promotion.filter(|promotion| promotion.upload == from) else {
        return Err(upload.not_found());
    };
    let to = Destination::new(engine, target, upload, &promotion.digest, promotion.objects)?;
    match engine.storage.runtime().block_on(to.state())? {
        State::Done => Ok(PromoteReport { purged: true, ..told(engine, request, upload, &to, feedstock, true)? }),
        _ => Err(upload.not_found()),
    }
}

/// Tells the catalog, and the user.
fn told(
    engine: &Engine,
    request: &PromoteRequest,
    upload: &Upload,
    to: &Destination,
    feedstock: Option<&FeedstockDir>,
    already: bool,
) -> Result<PromoteReport, EngineError> {
    let runtime = engine.storage.runtime();
    let damaged =
        || EngineError::JournalDamaged { at: to.url().at(), what: "it does not say what was promoted".to_owned() };
    let promotion = runtime.block_on(Destination::promotion(&to.version))?.ok_or_else(damaged)?;
    let named = runtime.block_on(crate::managed::read(&to.dataset))?;
    let version = named.and_then(|(dataset, _)| dataset.versions.into_iter().find(|version| version.run == to.run));
    let published = version.map_or_else(crate::clock::now, |version| version.published);
    let (mut stores, mut catalog_entries) = (Vec::new(), Vec::new());
    for (id, url, details) in entries(upload, to, &promotion)? {
        let feedstock_name = feedstock.map(|feedstock| feedstock.name.as_str());
        let store = PublishedStore {
            public_id: feedstock_name.and_then(|name| public_id(name, &id)),
            id,
            name: None,
            url,
            details,
            last_updated: published.clone(),
        };
        let entry = store_entry(engine, &store)?;
        if let Some(feedstock) = feedstock
            && !is_told(feedstock, &entry)
        {
            catalog_entries.push(update_feedstock_entry(engine, &feedstock.dir, &store, !request.no_write)?);
        }
        stores.push(OpenedStore { id: store.id, url: entry.url.clone(), snippet: native_snippet(&entry).ok() });
    }
    let first = stores.first().map_or_else(|| to.url().to_string(), |store| store.url.clone());
    Ok(PromoteReport {
        upload: upload.text(),
        published: engine.storage.physical(to.url())?.to_string(),
        promotion,
        stores,
        already,
        purged: false,
        catalog_entries,
        next: format!("firn verify {}", firn_model::diagnose::shell_word(&first)),
    })
}

/// Whether the entry says this already.
fn is_told(feedstock: &FeedstockDir, entry: &StoreEntry) -> bool {
    let catalog = feedstock.loaded.documents.catalog.as_ref();
    let known = catalog.and_then(|catalog| catalog.store(&entry.id));
    known.is_some_and(|known| known.url == entry.url && known.last_updated >= entry.last_updated)
}

/// The store entries of a promotion: id, address, details.
fn entries(
    upload: &Upload,
    to: &Destination,
    promotion: &Promotion,
) -> Result<Vec<(String, ObjectUrl, StoreDetails)>, EngineError> {
    let mut entries = Vec::new();
    for store in &promotion.stores {
        let url = if store.published_as.is_empty() { to.url().clone() } else { to.url().child(&store.published_as)? };
        let details = StoreDetails::Zarr { format: store.format.number(), consolidated: true };
        entries.push((store_id(upload, store), url, details));
    }
    if promotion.stores.is_empty() || promotion.files > 0 {
        let details =
            FilesDetails { count: Some(promotion.files), bytes: Some(promotion.file_bytes), ..FilesDetails::default() };
        let name = upload.name.rsplit('/').next().unwrap_or_default();
        let id = slug(name).unwrap_or_else(|| "files".to_owned());
        let id = if promotion.stores.is_empty() { id } else { format!("{id}-files") };
        entries.push((id, to.url().clone(), StoreDetails::Files(details)));
    }
    Ok(entries)
}

/// The id of a store: its name without `.zarr`, or that of the upload.
fn store_id(upload: &Upload, store: &PromotedStore) -> String {
    let last = |key: &str| key.rsplit('/').next().unwrap_or_default().to_owned();
    let name = if store.key.is_empty() { last(&upload.name) } else { last(&store.key) };
    let stem = name.strip_suffix(".zarr").unwrap_or(&name);
    slug(stem).unwrap_or_else(|| match store.format {
        StoreFormat::Zarr3 => "zarr".to_owned(),
        StoreFormat::Zarr2 => "zarr2".to_owned(),
    })
}

/// Refuses to remove what is not published: what was written into the upload after its seal, and all of it where an object of
/// the version is gone.
fn removable(engine: &Engine, upload: &Upload, to: &Destination, data: &Prefix) -> Result<(), EngineError> {
    refuse_links(engine, upload)?;
    let listed = objects(engine, upload, data)?;
    let records = Records::new(engine, upload)?;
    let Some(seal) = engine.storage.runtime().block_on(records.seal())?.filter(|_| !listed.is_empty()) else {
        return Ok(());
    };
    let manifest = engine.storage.runtime().block_on(records.manifest(&seal))?;
    let present = UploadManifest {
        objects: listed
            .iter()
            .filter_map(|o| manifest.objects.get_key_value(&o.key))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect(),
    };
    // What is missing was removed by the command that is continued.
    if let Some(error) = several(differences(engine, upload, data, &present, &listed)?) {
        return Err(error);
    }
    to.holds(engine, &manifest)
}

/// Removes the inbox copy, where that is asked for: its data first, the seal last, so that the same command continues.
fn purge(
    engine: &Engine,
    request: &PromoteRequest,
    upload: &Upload,
    to: &Destination,
    report: PromoteReport,
) -> Result<PromoteReport, EngineError> {
    if !request.purge {
        return Ok(report);
    }
    let runtime = engine.storage.runtime();
    let data = engine.storage.prefix(&upload.url)?;
    removable(engine, upload, to, &data)?;
    runtime.block_on(crate::journal::remove_below(&data, ""))?;
    runtime.block_on(data.sweep(usize::MAX))?;
    runtime.block_on(Records::writable(engine, upload)?.remove())?;
    Ok(PromoteReport { purged: true, ..report })
}
