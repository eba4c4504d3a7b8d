//! The store entry of what lies elsewhere.

use super::look::{Readers, Seen};
use super::report::LinkWarning;
use crate::error::EngineError;
use crate::icechunk::SpecVersion;
use crate::verbs::catalog_entry::access;
use crate::verbs::init::documents::quoted;
use firn_catalog::classify::StoreKind;
use firn_model::array::ChunkManifest;
use firn_model::dataset::{Dataset, NodePath};
use firn_model::feedstock::store_entry::{
    AcceptedWarning, IcechunkDetails, KerchunkDetails, KerchunkFormat, LinkRecord, ZarrDetails,
};
use firn_model::feedstock::{DataType, StoreEntry, StoreMode, license_id, slug};
use firn_model::hosting::Egress;
use firn_storage::ObjectUrl;

/// What the entry says besides what was seen.
pub(super) struct Said<'a> {
    /// Its id.
    pub id: String,
    /// Its public id.
    pub public_id: Option<String>,
    /// How the data came to be there; absent where the document says the same of all stores.
    pub data_type: Option<DataType>,
    /// Whether its metadata are in one document, where that is a question.
    pub consolidated: Option<bool>,
    /// Who pays for traffic.
    pub egress: Egress,
    /// The warnings.
    pub warnings: &'a [LinkWarning],
    /// What an earlier entry says of them.
    pub before: Option<&'a LinkRecord>,
}

/// The entry.
///
/// # Errors
/// An address in an unknown location.
pub(super) fn entry(seen: &Seen, kind: StoreKind, said: Said<'_>) -> Result<StoreEntry, EngineError> {
    let Ok(opened) = &seen.opened else { return Err(EngineError::bug("an entry of what did not open")) };
    let address = address(seen)?;
    let is_public = matches!(seen.readers, Readers::Everybody);
    let mut entry = StoreEntry {
        id: said.id.clone(),
        name: text(&opened.view.dataset, &["title", "long_title"]),
        url: address.to_string(),
        public: is_public.then_some(true),
        data_type: said.data_type,
        firn_id: said.public_id.clone(),
        firn_link: Some(record(&said)),
        ..StoreEntry::default()
    };
    match kind {
        StoreKind::Icechunk => {
            entry.mode = Some(StoreMode::Icechunk);
            let spec = opened.snapshot.as_ref().map(|(_, spec)| if *spec == SpecVersion::V1 { 1 } else { 2 });
            let containers = (!opened.containers.is_empty()).then(|| opened.containers.clone());
            let details = IcechunkDetails { spec, virtual_chunk_containers: containers, ..IcechunkDetails::default() };
            entry.icechunk = Some(details);
        }
        StoreKind::KerchunkJson => {
            entry.mode = Some(StoreMode::Kerchunk);
            let remote_protocol = protocol(&opened.view.dataset);
            let format = Some(KerchunkFormat::Json);
            entry.kerchunk = Some(KerchunkDetails { format, remote_protocol, ..KerchunkDetails::default() });
        }
        _ => {
            entry.mode = Some(StoreMode::Zarr);
            let format = Some(if kind == StoreKind::ZarrV2 { 2 } else { 3 });
            entry.zarr = Some(ZarrDetails { format, consolidated: said.consolidated, ..ZarrDetails::default() });
        }
    }
    if address.scheme() == "s3" {
        entry.access = access(&seen.engine, &address, is_public)?;
        if said.egress == Egress::Reader {
            entry.access.get_or_insert_default().requester_pays = Some(true);
        }
    }
    Ok(entry)
}

/// Where readers open it: of a managed dataset, its current version.
pub(super) fn address(seen: &Seen) -> Result<ObjectUrl, EngineError> {
    let found = match &seen.opened {
        Ok(opened) => ObjectUrl::parse(&opened.view.url)?,
        Err(_) => seen.address.clone(),
    };
    Ok(found.absolute()?)
}

fn record(said: &Said<'_>) -> LinkRecord {
    let open: Vec<String> =
        said.warnings.iter().filter(|w| w.accepted.is_none()).map(|warning| warning.code.to_owned()).collect();
    let accepted: Vec<AcceptedWarning> = said
        .warnings
        .iter()
        .filter_map(|warning| {
            let reason = warning.accepted.clone()?;
            Some(AcceptedWarning { warning: warning.code.to_owned(), reason, ..AcceptedWarning::default() })
        })
        .collect();
    // What stands there already is replaced also where nothing is to be said any more.
    let had = |is_there: fn(&LinkRecord) -> bool| said.before.is_some_and(is_there);
    LinkRecord {
        egress: Some(said.egress),
        warnings: (!open.is_empty() || had(|record| record.warnings.is_some())).then_some(open),
        accepted: (!accepted.is_empty() || had(|record| record.accepted.is_some())).then_some(accepted),
        ..LinkRecord::default()
    }
}

/// The protocol of the files that references lead to.
pub(in crate::verbs) fn protocol(dataset: &Dataset) -> Option<String> {
    let objects = dataset.arrays().filter_map(|(_, array)| match &array.manifest {
        ChunkManifest::Table(table) => table.objects().first(),
        _ => None,
    });
    let scheme = objects.map(|object| object.url.split_once("://").map_or("file", |(scheme, _)| scheme)).next();
    scheme.map(str::to_owned)
}

/// A text attribute of the root, by the first of these names, on one line.
pub(super) fn text(dataset: &Dataset, names: &[&str]) -> Option<String> {
    let root = dataset.group(&NodePath::root())?;
    let found = names.iter().find_map(|name| {
        root.attributes.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).and_then(|(_, value)| value.as_text())
    });
    found.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")).filter(|text| !text.is_empty())
}

/// An id for a store at this address: its name, without what only says the format.
pub(in crate::verbs) fn id_of(address: &ObjectUrl) -> String {
    const SAY_THE_FORMAT: [&str; 5] = [".zarr", ".icechunk", ".json", ".zarr3", ".zarr2"];
    let mut place = Some(address.clone());
    while let Some(at) = place {
        let name = at.file_name();
        let is_version = name.strip_prefix('v').is_some_and(|n| !n.is_empty() && n.chars().all(|c| c.is_ascii_digit()));
        let lower = name.to_ascii_lowercase();
        let bare = SAY_THE_FORMAT.iter().find_map(|ending| lower.strip_suffix(ending)).unwrap_or(&lower);
        if !is_version && let Some(id) = slug(bare) {
            return id;
        }
        place = at.parent().filter(|parent| parent.to_string() != at.to_string());
    }
    "store".to_owned()
}

/// What the store says of itself; the rest waits to be filled in.
pub(in crate::verbs) fn meta_text(entry: &StoreEntry, dataset: Option<&Dataset>, maintainer: Option<&str>) -> String {
    let text = |names: &[&str]| dataset.and_then(|dataset| text(dataset, names));
    let line = |names: &[&str], otherwise: &str| match text(names) {
        Some(found) => quoted(&found),
        None => format!("{}  # fill in", quoted(otherwise)),
    };
    let license = match text(&["license", "licence"]).and_then(|text| license_id(&text)) {
        Some(id) => quoted(&id),
        None => "LicenseRef-unknown  # fill in: an SPDX id such as CC-BY-4.0".to_owned(),
    };
    format!(
        "title: {}\ndescription: {}\nprovenance:\n  providers:\n    - name: {}\n      roles: [producer, licensor]\n  license: \
         {license}\nmaintainers:\n  - name: {}\n",
        line(&["title", "long_title"], &entry.id),
        line(&["summary", "description", "comment"], entry.name.as_deref().unwrap_or(&entry.id)),
        line(&["institution", "creator_name", "publisher_name"], "Provider of the data"),
        maintainer.map_or_else(|| "Your name  # fill in".to_owned(), quoted),
    )
}
