//! `firn link`: a store that lies elsewhere, judged as its readers will see it, and catalogued where it is.

mod chunks;
pub(super) mod entry;
mod judge;
mod look;
mod report;

pub use report::{ChunkRead, Criterion, CriterionVerdict, LinkReport, LinkWarning, LinkedFeedstock, LinkedVariable};

use crate::error::EngineError;
use crate::folder::local_folder;
use crate::settings::Engine;
use crate::store::Opened;
use crate::verbs::inspect::inspect;
use crate::verbs::requests::{InspectRequest, LinkRequest};
use crate::verbs::stock::{NewDocuments, Stock, elsewhere};
use entry::Said;
use firn_catalog::classify::StoreKind;
use firn_catalog::snippet::{Opening, snippet};
use firn_formats::zarr::ROOT_DOCUMENT;
use firn_model::dataset::DatasetFormat;
use firn_model::diagnose::{At, shell_word};
use firn_model::feedstock::{DataType, StoreChange, StoreEntry, edit_store};
use firn_model::hosting::Egress;
use firn_storage::ObjectUrl;
use judge::{Judgement, WARNINGS};
use look::{Seen, look};
use serde_json::Value;

const CATALOG: &str = "# Stores that lie elsewhere, as `firn link` found them.\ntype: curated\ntags: []\nstores: []\n";

/// A judged store, and why a catalog must not list it.
#[derive(Debug)]
pub struct Linked {
    /// What was seen.
    pub report: LinkReport,
    /// What stands in the way. Nothing was written then.
    pub failure: Option<EngineError>,
}

/// Judges a store; with a feedstock, writes its entry unless something stands in the way.
///
/// # Errors
/// A call that is wrong, invalid documents of the feedstock, and where nothing is there or nobody answers. What is to be said
/// against a store is in the result.
pub fn link(engine: &Engine, request: &LinkRequest) -> Result<Linked, EngineError> {
    check_accepted(request)?;
    let url = ObjectUrl::parse(&request.url)?;
    if !url.is_durable() {
        let what = format!("{url} has a query, whose values may be a signature and are never written into a catalog");
        return Err(EngineError::usage(what, "name the store by a URL without a query"));
    }
    let folder = request.feedstock.as_deref().map(|named| local_folder(engine, named)).transpose()?;
    let request = &LinkRequest { feedstock: folder, ..request.clone() };
    let stock = request.feedstock.as_deref().map(Stock::open).transpose()?;
    let seen = look(engine, &url)?;
    let kind = seen.opened.as_ref().ok().and_then(kind_of);
    let mut judgement = Judgement::default();
    let count = seen
        .opened
        .as_ref()
        .map_or(0, |opened| opened.view.dataset.arrays().count() + opened.view.dataset.refusals().count());
    judgement.opens(&seen, kind, count);
    judgement.public(&seen, elsewhere(engine, stock.as_ref()).as_deref());
    let egress = judgement.egress(&seen)?;
    let address = entry::address(&seen)?;
    let mut report = LinkReport { url: address.to_string(), kind, ..LinkReport::default() };
    if kind.is_some_and(is_file) {
        return of_file(engine, request, judgement, report);
    }
    let mut consolidated = None;
    if let Ok(opened) = &seen.opened {
        judgement.chunks(&seen);
        consolidated = judgement.consolidated(&seen)?;
        report.variables = chunks::variables(&seen.engine, &opened.view)?;
        judgement.decodes(&seen, &report.variables);
        ask_as_page(&mut judgement, &seen, opened, &address)?;
    }
    if let Some(kind) = kind {
        let told = Told { kind, consolidated, egress, address: &address };
        describe(&mut report, &mut judgement, &seen, request, stock.as_ref(), &told)?;
    }
    finish(request, judgement, report, seen, stock.as_ref())
}

/// What is said in an entry, besides the store itself.
struct Told<'a> {
    kind: StoreKind,
    consolidated: Option<bool>,
    egress: Egress,
    address: &'a ObjectUrl,
}

/// Entry and snippet.
fn describe(
    report: &mut LinkReport,
    judgement: &mut Judgement,
    seen: &Seen,
    request: &LinkRequest,
    stock: Option<&Stock>,
    told: &Told<'_>,
) -> Result<(), EngineError> {
    let known = stock.and_then(|stock| stock.entry_at(&report.url));
    let id = match (known, stock) {
        (Some(known), _) => known.id.clone(),
        (None, Some(stock)) => stock.free_id(&entry::id_of(told.address)),
        (None, None) => entry::id_of(told.address),
    };
    let make = |judgement: &Judgement| {
        let said = Said {
            id: id.clone(),
            public_id: stock.and_then(|stock| stock.public_id(&id)),
            data_type: Some(request.data_type)
                .filter(|wanted| stock.and_then(|stock| stock.data_type(DataType::Curated)) != Some(*wanted)),
            consolidated: told.consolidated,
            egress: told.egress,
            warnings: &judgement.warnings,
            before: known.and_then(|known| known.firn_link.as_ref()),
        };
        entry::entry(seen, told.kind, said)
    };
    let draft = make(judgement)?;
    match snippet(&Opening::of(&draft, told.kind)) {
        Ok(lines) => report.snippet = Some(lines),
        Err(none) => judgement.no_snippet(&none.what),
    }
    for warning in &mut judgement.warnings {
        let now = request.accept.iter().any(|code| code == warning.code).then(|| request.reason.clone()).flatten();
        warning.accepted = now.or_else(|| {
            let mut before = accepted_before(known);
            before.find(|(code, _)| *code == warning.code).map(|(_, reason)| reason.to_owned())
        });
    }
    let entry = make(judgement)?;
    report.entry_yaml = Some(yaml(&entry)?);
    report.entry = Some(entry);
    Ok(())
}

/// The warnings that an earlier entry accepted: code and reason.
fn accepted_before(known: Option<&StoreEntry>) -> impl Iterator<Item = (&str, &str)> {
    let record = known.and_then(|known| known.firn_link.as_ref());
    record
        .and_then(|record| record.accepted.as_ref())
        .into_iter()
        .flatten()
        .map(|a| (a.warning.as_str(), a.reason.as_str()))
}

fn finish(
    request: &LinkRequest,
    judgement: Judgement,
    mut report: LinkReport,
    seen: Seen,
    stock: Option<&Stock>,
) -> Result<Linked, EngineError> {
    report.criteria = judgement.criteria;
    report.warnings = judgement.warnings;
    let failure = match (seen.opened, judgement.blocked) {
        (_, Some(blocked)) => Some(blocked),
        (Err(error), None) => Some(error),
        (Ok(opened), None) => {
            report.linkable = true;
            if let (Some(stock), Some(entry)) = (stock, &report.entry) {
                let meta = entry::meta_text(entry, Some(&opened.view.dataset), None);
                let written = stock.write(entry, &NewDocuments { meta: &meta, catalog: CATALOG })?;
                let dir = stock.dir().display().to_string();
                report.feedstock = Some(LinkedFeedstock { dir, created: written.created, change: written.change });
            }
            None
        }
    };
    let word = shell_word(&report.url);
    report.next = match (&failure, &request.feedstock) {
        (Some(failure), _) => firn_model::diagnose::Diagnose::next(failure),
        (None, Some(dir)) => format!("firn catalog validate {}", shell_word(&dir.to_string_lossy())),
        (None, None) => format!("firn link {word} --feedstock DIR"),
    };
    Ok(Linked { report, failure })
}

/// A file is no store: the answer is how it becomes one without a copy.
fn of_file(
    engine: &Engine,
    request: &LinkRequest,
    judgement: Judgement,
    mut report: LinkReport,
) -> Result<Linked, EngineError> {
    let asked = InspectRequest { sources: vec![request.url.clone()] };
    let inspected = engine.storage.runtime().block_on(inspect(engine, &asked))?.into_iter().next();
    let summary = inspected.and_then(|inspection| inspection.outcome.ok()).map(|inspected| inspected.summary);
    let word = shell_word(&report.url);
    let is_virtual = summary.is_some_and(|summary| summary.transformable == 0);
    report.next = if is_virtual {
        format!("firn virtualize {word} --target TARGET")
    } else {
        format!("firn transform {word} --target TARGET")
    };
    report.summary = summary;
    report.criteria = judgement.criteria;
    report.warnings = judgement.warnings;
    let failure = judgement.blocked.or_else(|| {
        request.feedstock.as_ref()?;
        Some(EngineError::NotLinkable {
            code: "link-file",
            at: At::url(&report.url),
            what: format!("{} is a file and not a store: nothing was written", report.url),
            category: firn_model::diagnose::Category::Unsupported,
            next: format!("make a feedstock that refers to it: firn plan {word} --write DIR"),
        })
    });
    Ok(Linked { report, failure })
}

/// How the server of a store answers the pages of other hosts.
fn ask_as_page(
    judgement: &mut Judgement,
    seen: &Seen,
    opened: &Opened,
    address: &ObjectUrl,
) -> Result<(), EngineError> {
    let Some(web) = seen.engine.storage.web_address(address)? else {
        judgement.no_cors();
        return Ok(());
    };
    let web = ObjectUrl::parse(web.as_str())?;
    let (document, folder) = match opened.view.dataset.format {
        DatasetFormat::ZarrV3 => (web.child(ROOT_DOCUMENT)?, web),
        DatasetFormat::ZarrV2 => (web.child(".zgroup")?, web),
        DatasetFormat::Icechunk if opened.snapshot.as_ref().is_some_and(|(_, spec)| spec.to_string() == "2") => {
            (web.child("repo")?, web)
        }
        DatasetFormat::Icechunk => (web.child("refs/branch.main/ref.json")?, web),
        _ => {
            let folder = web.parent().unwrap_or_else(|| web.clone());
            (web, folder)
        }
    };
    judgement.cors(seen, &document, &folder.child("firn-link-asks-for-what-is-not-there")?);
    Ok(())
}

fn kind_of(opened: &Opened) -> Option<StoreKind> {
    Some(match opened.view.dataset.format {
        DatasetFormat::ZarrV2 => StoreKind::ZarrV2,
        DatasetFormat::ZarrV3 => StoreKind::ZarrV3,
        DatasetFormat::Icechunk => StoreKind::Icechunk,
        DatasetFormat::Kerchunk => StoreKind::KerchunkJson,
        DatasetFormat::NetCdf3 | DatasetFormat::Hdf5 => StoreKind::Netcdf,
        _ => return None,
    })
}

fn is_file(kind: StoreKind) -> bool {
    kind == StoreKind::Netcdf
}

/// The entry as a document of its own.
fn yaml(entry: &StoreEntry) -> Result<String, EngineError> {
    let Ok(Value::Object(mut set)) = serde_json::to_value(entry) else {
        return Err(EngineError::bug("a store entry is no mapping"));
    };
    set.shift_remove("id");
    let change = StoreChange { id: entry.id.clone(), set, remove: Vec::new() };
    let edited = edit_store("catalog.yaml", "", &change).map_err(|error| EngineError::bug(error.to_string()))?;
    Ok(edited.text)
}

/// What is accepted has a reason, and is something that can be.
fn check_accepted(request: &LinkRequest) -> Result<(), EngineError> {
    let again = format!("firn link {}", shell_word(&firn_model::diagnose::without_secrets(&request.url)));
    let codes = WARNINGS.map(|kind| kind.code);
    if let Some(unknown) = request.accept.iter().find(|code| !codes.contains(&code.as_str())) {
        let what = format!("--accept {unknown:?} is no warning that can be accepted; there are {}", codes.join(", "));
        return Err(EngineError::usage(what, again));
    }
    let has_reason = request.reason.as_ref().is_some_and(|reason| !reason.trim().is_empty());
    match (request.accept.first(), has_reason) {
        (Some(code), false) => Err(EngineError::usage(
            "--accept needs a --reason, which is written into the catalog",
            format!("{again} --accept {code} --reason \"…\""),
        )),
        (None, true) => {
            Err(EngineError::usage("--reason without --accept", format!("{again} --accept WARN --reason \"…\"")))
        }
        _ => Ok(()),
    }
}
