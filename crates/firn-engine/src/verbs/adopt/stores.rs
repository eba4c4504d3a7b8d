//! Stores of a place: judged side by side, adopted one by one.

use super::Work;
use super::place::below;
use super::record;
use super::report::{AdoptFind, FindState, Problem};
use super::store::{self, Judged};
use crate::error::EngineError;
use crate::progress::Unit;
use crate::verbs::catalog_source::pool;
use firn_model::adopt::{Find, FindKind};
use firn_model::diagnose::{Category, Diagnose};
use firn_model::source::{ListedObject, SourceError};
use firn_storage::ObjectUrl;
use rayon::prelude::*;
use std::collections::BTreeSet;

/// Objects that references lead to and that are asked for.
const ASKED: usize = 100;

impl Work<'_> {
    /// Everything that is no collection of files: judged side by side, adopted one by one.
    pub(super) fn stores(&mut self, owned: &[(Find, Vec<ListedObject>)]) -> Result<(), EngineError> {
        let stores: Vec<&(Find, Vec<ListedObject>)> =
            owned.iter().filter(|(find, _)| find.kind != FindKind::Files).collect();
        let progress = self.engine.progress.task("look at stores", Some(stores.len() as u64), Unit::Items);
        let one = |(find, objects): &&(Find, Vec<ListedObject>)| -> Result<_, EngineError> {
            self.engine.cancel.check()?;
            let looked = self.look_at(find, objects)?;
            progress.advance(1);
            Ok(looked)
        };
        let looked: Vec<(AdoptFind, Option<Judged>)> =
            pool()?.install(|| stores.par_iter().map(one).collect::<Result<_, _>>())?;
        drop(progress);
        for ((_, objects), (mut find, judged)) in stores.iter().zip(looked) {
            if let Some(judged) = judged {
                let objects = inside(&find.key, objects);
                self.take(&mut find, &objects, Some(&judged))?;
            }
            self.finds.push(find);
        }
        Ok(())
    }

    fn look_at(&self, found: &Find, objects: &[ListedObject]) -> Result<(AdoptFind, Option<Judged>), EngineError> {
        let mut find = self.find(&found.key, found.kind, objects)?;
        let objects = inside(&found.key, objects);
        if let Some(known) = self.known(&found.key) {
            match &known.dataset {
                Ok(dataset) if dataset.adopted().is_some() => {
                    find.id.clone_from(&dataset.id);
                    let lines = self.lines(known, &objects, false)?;
                    if lines.is_empty() {
                        find.state = FindState::Managed;
                        return Ok((find, None));
                    }
                    if !self.request.again {
                        find.state = FindState::Changed;
                        find.problem = Some(record::changed(known, &lines, &self.again()));
                        return Ok((find, None));
                    }
                }
                _ => {
                    beside(&mut find);
                    return Ok((find, None));
                }
            }
        }
        let url = self.url(&found.key)?;
        let judged = self.judge(found.kind, &url, &objects);
        settle(find, &url, judged)
    }

    pub(super) fn judge(
        &self,
        kind: FindKind,
        url: &ObjectUrl,
        objects: &[ListedObject],
    ) -> Result<Judged, EngineError> {
        match kind {
            FindKind::ZarrWithoutRoot => {
                let what = "it is named like a Zarr store, and its root document (zarr.json, .zgroup) is not there: readers see no dataset";
                let next =
                    "copy the missing document again from where the store was made, or remove what is left of it";
                Err(store::broken(store::Broken::NoRoot, url, what, next))
            }
            FindKind::KerchunkParquet => Err(EngineError::Unsupported {
                code: "unsupported-kerchunk-parquet",
                at: url.at(),
                what: "references of kerchunk in Parquet are not read by this version".to_owned(),
                next: "it stays as it is; list it by hand in catalog.yaml".to_owned(),
            }),
            FindKind::KerchunkJson => {
                self.targets(url)?;
                store::judge(self.engine, url, kind, objects, self.request.again)
            }
            _ => {
                let prefix = self.engine.storage.prefix(url)?;
                if let Some(link) = self.engine.storage.runtime().block_on(prefix.first_link())? {
                    let what = format!("{link:?} in it is a symbolic link: what it leads to may lie elsewhere");
                    return Err(store::broken(store::Broken::Link, url, what, "put the object itself there"));
                }
                store::judge(self.engine, url, kind, objects, self.request.again)
            }
        }
    }

    /// Whether what references lead to is there.
    fn targets(&self, url: &ObjectUrl) -> Result<(), EngineError> {
        let view = crate::store::open_plain(self.engine, url)?;
        let mut targets: BTreeSet<String> = BTreeSet::new();
        for (_, array) in view.dataset.arrays() {
            if let firn_model::array::ChunkManifest::Table(table) = &array.manifest {
                targets.extend(table.objects().iter().map(|object| object.url.clone()));
            }
        }
        for target in targets.iter().take(ASKED) {
            self.engine.cancel.check()?;
            let target = ObjectUrl::parse(target)?;
            match self.engine.storage.open(&target) {
                Ok(Some(_)) => {}
                Ok(None) | Err(SourceError::NotFound { .. }) => {
                    let what = format!("its references lead to {target}, which is not there");
                    return Err(store::broken(
                        store::Broken::ReferencesLost,
                        url,
                        what,
                        "make the references again: firn virtualize",
                    ));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Objects with keys relative to a folder.
pub(super) fn inside(folder: &str, objects: &[ListedObject]) -> Vec<ListedObject> {
    let inner =
        |object: &ListedObject| Some(ListedObject { key: below(folder, &object.key)?.to_owned(), ..object.clone() });
    objects.iter().filter_map(inner).collect()
}

/// Something lies beside the versions of a dataset, where firn alone writes.
pub(super) fn beside(find: &mut AdoptFind) {
    find.state = FindState::Unsupported;
    find.problem = Some(Problem {
        code: "adopt-beside".to_owned(),
        what: "it lies in the folder of a dataset that firn keeps, and is no version of it".to_owned(),
        next: "move it to a folder of its own, then adopt that".to_owned(),
    });
}

/// What was seen of a store goes into what is said of it.
pub(super) fn settle(
    mut find: AdoptFind,
    url: &ObjectUrl,
    judged: Result<Judged, EngineError>,
) -> Result<(AdoptFind, Option<Judged>), EngineError> {
    match judged {
        Ok(judged) => {
            find.state = FindState::Adopted;
            find.variables = Some(judged.variables);
            find.absent.clone_from(&judged.absent);
            find.findings.clone_from(&judged.findings);
            Ok((find, Some(judged)))
        }
        Err(error) => {
            find.state = match error.category() {
                Category::Interrupted => return Err(error),
                Category::Unavailable | Category::Denied | Category::Bug => FindState::Failed,
                Category::Unsupported => FindState::Unsupported,
                _ => FindState::Broken,
            };
            find.problem = Some(store::problem(&error, url));
            Ok((find, None))
        }
    }
}
