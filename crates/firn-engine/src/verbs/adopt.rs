//! `firn adopt`: what other tools left in a place becomes managed datasets, where it lies.
//!
//! Nothing is copied, moved or changed. Beside each store or collection of files three things are written: a manifest of its
//! objects, for stores of plain Zarr a ledger of their chunks, and `firn.json`. What readers would see wrongly is left alone.

mod collections;
mod feedstocks;
mod files;
mod hash;
mod place;
mod record;
mod report;
mod store;
mod stores;

pub use report::{AbsentChunks, AdoptFind, AdoptReport, AdoptedFeedstock, Counts, FindState, Problem};

use crate::error::EngineError;
use crate::objects::error::ObjectsError;
use crate::progress::Unit;
use crate::settings::Engine;
use crate::verbs::catalog_entry::StoreDetails;
use crate::verbs::cp::ObjectFailure;
use crate::verbs::requests::AdoptRequest;
use feedstocks::{Feedstocks, NewStore};
use firn_model::adopt::{Find, FindKind, finds};
use firn_model::diagnose::{Category, Diagnose, shell_word};
use firn_model::feedstock::store_entry::FilesDetails;
use firn_model::source::ListedObject;
use firn_storage::ObjectUrl;
use hash::Digests;
use place::{Managed, Place, look};
use record::Adoption;
use std::collections::{BTreeMap, BTreeSet};
use store::Judged;

/// Adopts what lies in a place, and says what was left alone. The same call continues.
///
/// # Errors
/// A place that cannot be adopted; what the storage says; the user's stop.
pub fn adopt(engine: &Engine, request: &AdoptRequest) -> Result<(AdoptReport, Option<EngineError>), EngineError> {
    let place = look(engine, request)?;
    let claimed = claimed(&place);
    let positions: Vec<usize> =
        (0..place.listing.objects.len()).filter(|n| !claimed.contains(&place.listing.objects[*n].key)).collect();
    let keys: Vec<&str> = positions.iter().map(|n| place.listing.objects[*n].key.as_str()).collect();
    let found = finds(&keys);
    let groups: Vec<String> = found
        .iter()
        .map(|find| find.group().to_owned())
        .chain(place.managed.iter().map(|known| group_of(&known.key)))
        .collect();
    let feedstocks = Feedstocks::new(
        engine,
        &request.feedstocks,
        request.data_type,
        request.owner.as_deref(),
        &place.url,
        groups.iter().map(String::as_str),
    );
    let digests = Digests::of(engine, &place.prefix)?;
    let mut work = Work { engine, request, place: &place, feedstocks, digests, finds: Vec::new(), errors: Vec::new() };
    let owned: Vec<(Find, Vec<ListedObject>)> = found
        .into_iter()
        .map(|find| {
            let objects = find.objects.iter().map(|n| place.listing.objects[positions[*n]].clone()).collect();
            (find, objects)
        })
        .collect();
    work.managed()?;
    work.stores(&owned)?;
    let mut collections: BTreeMap<&str, &[ListedObject]> = BTreeMap::new();
    collections
        .extend(place.managed.iter().filter(|known| is_collection(known)).map(|known| (known.key.as_str(), &[][..])));
    let files = owned.iter().filter(|(find, _)| find.kind == FindKind::Files);
    collections.extend(files.map(|(find, objects)| (find.key.as_str(), objects.as_slice())));
    for (key, objects) in collections {
        work.files(key, objects)?;
    }
    Ok(work.finish())
}

fn group_of(key: &str) -> String {
    key.split('/').next().unwrap_or_default().to_owned()
}

/// The keys of files that were adopted before.
fn claimed(place: &Place) -> BTreeSet<String> {
    let collections = place.managed.iter().filter(|known| is_collection(known));
    let join = |folder: &str, key: &str| if folder.is_empty() { key.to_owned() } else { format!("{folder}/{key}") };
    collections
        .flat_map(|known| known.manifest.iter().map(move |manifest| (known, manifest)))
        .flat_map(|(known, manifest)| manifest.objects.keys().map(move |key| join(&known.key, key)))
        .collect()
}

fn is_collection(known: &Managed) -> bool {
    known.dataset.as_ref().is_ok_and(|dataset| dataset.format == "files" && dataset.adopted().is_some())
}

struct Work<'a> {
    engine: &'a Engine,
    request: &'a AdoptRequest,
    place: &'a Place,
    feedstocks: Feedstocks<'a>,
    digests: Digests,
    finds: Vec<AdoptFind>,
    errors: Vec<EngineError>,
}

impl Work<'_> {
    fn url(&self, key: &str) -> Result<ObjectUrl, EngineError> {
        Ok(if key.is_empty() { self.place.url.clone() } else { self.place.url.child(key)? })
    }

    fn find(&self, key: &str, kind: FindKind, objects: &[ListedObject]) -> Result<AdoptFind, EngineError> {
        Ok(AdoptFind {
            key: key.to_owned(),
            url: self.url(key)?.to_string(),
            kind,
            state: FindState::Adopted,
            objects: objects.len() as u64,
            bytes: objects.iter().map(|object| object.version.size).sum(),
            variables: None,
            absent: Vec::new(),
            endings: BTreeMap::new(),
            findings: Vec::new(),
            problem: None,
            broken_files: Vec::new(),
            id: None,
            feedstock: None,
        })
    }

    fn again(&self) -> String {
        format!("firn adopt {}", shell_word(&self.request.place))
    }

    fn known(&self, key: &str) -> Option<&'_ Managed> {
        self.place.managed.iter().find(|known| known.key == key)
    }

    /// What firn wrote here.
    fn managed(&mut self) -> Result<(), EngineError> {
        for known in &self.place.managed {
            let kind = match known.dataset.as_ref().map(|dataset| dataset.format.as_str()) {
                Ok("zarr3") => FindKind::Zarr3,
                Ok("zarr2") => FindKind::Zarr2,
                Ok("icechunk") => FindKind::Icechunk,
                Ok(crate::managed::KERCHUNK) => FindKind::KerchunkJson,
                _ => FindKind::Files,
            };
            let mut find = self.find(&known.key, kind, &[])?;
            match &known.dataset {
                Err(error) => {
                    find.state = FindState::Broken;
                    find.problem = Some(Problem::of(error));
                }
                Ok(dataset) if dataset.adopted().is_none() => {
                    (find.state, find.objects, find.bytes) = (FindState::Managed, known.objects, known.bytes);
                    find.id.clone_from(&dataset.id);
                }
                // What was adopted is found again as before.
                Ok(_) => continue,
            }
            self.finds.push(find);
        }
        Ok(())
    }

    /// In what objects differ from what was adopted.
    fn lines(&self, known: &Managed, objects: &[ListedObject], may_be_more: bool) -> Result<Vec<String>, EngineError> {
        let Some(manifest) = &known.manifest else { return Ok(vec!["its manifest is not there".to_owned()]) };
        let place = &self.place.prefix;
        let folder = if known.key.is_empty() { place.as_ref().clone() } else { place.child(&known.key)? };
        self.engine.storage.runtime().block_on(record::differences(&folder, manifest, objects, may_be_more))
    }

    /// Digests, records and the entry of a find; the state of one that fails is told.
    fn take(
        &mut self,
        find: &mut AdoptFind,
        objects: &[ListedObject],
        judged: Option<&Judged>,
    ) -> Result<(), EngineError> {
        if self.request.dry_run {
            return Ok(());
        }
        match self.try_take(find, objects, judged) {
            Ok(()) => Ok(()),
            Err(error) if error.category() == Category::Interrupted => Err(error),
            Err(error) => {
                let is_broken = error.category() == Category::Corrupt;
                find.state = if is_broken { FindState::Broken } else { FindState::Failed };
                find.problem = Some(Problem::of(&error));
                if !is_broken {
                    self.errors.push(error);
                }
                Ok(())
            }
        }
    }

    fn try_take(
        &mut self,
        find: &mut AdoptFind,
        objects: &[ListedObject],
        judged: Option<&Judged>,
    ) -> Result<(), EngineError> {
        let url = self.url(&find.key)?;
        let details = match judged {
            Some(judged) => judged.details.clone(),
            None => StoreDetails::Files(FilesDetails {
                count: Some(objects.len() as u64),
                bytes: Some(objects.iter().map(|object| object.version.size).sum()),
                ..FilesDetails::default()
            }),
        };
        let group = group_of(if find.kind == FindKind::KerchunkJson { folder(&find.key) } else { &find.key });
        let new = NewStore { group: &group, url: &url, details, dataset: judged.map(|judged| &judged.dataset) };
        let named = self.feedstocks.name(&new)?;
        let published = if find.kind == FindKind::KerchunkJson {
            // It is in the manifest of the files that it lies with.
            crate::clock::now()
        } else {
            let full = |object: &ListedObject| {
                let key = if find.key.is_empty() { object.key.clone() } else { format!("{}/{}", find.key, object.key) };
                ListedObject { key, ..object.clone() }
            };
            let digests = if self.request.hash {
                let bytes = objects.iter().map(|object| object.version.size).sum();
                let what = if find.key.is_empty() { "read".to_owned() } else { format!("read {}", find.key) };
                let progress = self.engine.progress.task(what, Some(bytes), Unit::Bytes);
                let objects: Vec<ListedObject> = objects.iter().map(full).collect();
                Some(self.digests.make(self.engine, &objects, &progress)?)
            } else {
                None
            };
            let adoption = Adoption {
                url: &url,
                id: named.public_id.as_deref(),
                owner: self.request.owner.as_deref(),
                objects,
                digests: digests.as_deref(),
                judged,
            };
            record::write(self.engine, &adoption)?
        };
        find.id.clone_from(&named.public_id);
        find.feedstock = Some(self.feedstocks.write(named, &new, &published)?);
        Ok(())
    }

    fn finish(self) -> (AdoptReport, Option<EngineError>) {
        let again = self.again();
        let Self { request, place, feedstocks, mut finds, errors, .. } = self;
        finds.sort_by(|a, b| (&a.key, a.kind).cmp(&(&b.key, b.kind)));
        let mut counts = Counts::default();
        let mut lines = Vec::new();
        for find in &finds {
            let name = if find.key.is_empty() { "(the place itself)" } else { &find.key };
            match find.state {
                FindState::Adopted => counts.adopted += 1,
                FindState::Managed => counts.managed += 1,
                FindState::Changed => counts.changed += 1,
                FindState::Broken => counts.broken += 1,
                FindState::Unsupported => counts.unsupported += 1,
                FindState::Failed => counts.failed += 1,
            }
            if let (FindState::Broken | FindState::Changed | FindState::Failed, Some(problem)) =
                (find.state, &find.problem)
            {
                lines.push(format!("{}: {name} [{}]: {}", find.state.name(), problem.code, problem.what));
            } else {
                let files = &find.broken_files;
                lines.extend(files.iter().map(|file| format!("broken: {} [{}]: {}", file.key, file.code, file.what)));
            }
        }
        let left_alone: Vec<ObjectFailure> = place
            .listing
            .unusable
            .iter()
            .map(|odd| ObjectFailure::new(&odd.key, &ObjectsError::unusable(&place.url, odd).into()))
            .collect();
        lines.extend(left_alone.iter().map(|odd| format!("left alone: {} [{}]: {}", odd.key, odd.code, odd.what)));
        let feedstocks = feedstocks.written();
        let first = feedstocks.first().map(|feedstock| feedstock.dir.clone());
        let next = match (&first, request.dry_run) {
            (_, true) => again.clone(),
            (Some(_), _) => {
                let folder = shell_word(&request.feedstocks.to_string_lossy());
                format!("firn catalog validate {folder}/*")
            }
            (None, _) => format!("firn du {}", shell_word(&request.place)),
        };
        let is_first_broken = |find: &&AdoptFind| matches!(find.state, FindState::Broken | FindState::Changed);
        let look = finds.iter().find(is_first_broken).map(|find| match find.state {
            FindState::Changed => find.problem.as_ref().map_or_else(|| again.clone(), |problem| problem.next.clone()),
            _ => format!("firn inspect {}", shell_word(&find.url)),
        });
        let ok = lines.is_empty();
        let report = AdoptReport {
            place: place.url.to_string(),
            ok,
            hashed: request.hash,
            objects: place.listing.objects.len() as u64,
            bytes: place.listing.objects.iter().map(|object| object.version.size).sum(),
            counts,
            finds,
            left_alone,
            feedstocks,
            next,
        };
        if ok {
            return (report, None);
        }
        if let Some(error) = EngineError::several("what lies there", errors) {
            return (report, Some(error));
        }
        let what = format!(
            "{} not adopted",
            if lines.len() == 1 { "1 thing was".to_owned() } else { format!("{} things were", lines.len()) }
        );
        let next = look.unwrap_or_else(|| again.clone());
        (report, Some(ObjectsError::NotAdopted { at: place.url.at(), what, keys: lines, next }.into()))
    }
}

fn folder(key: &str) -> &str {
    key.rsplit_once('/').map_or("", |(folder, _)| folder)
}
