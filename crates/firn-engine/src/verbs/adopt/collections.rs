//! Collections of files: what is new in a folder, and what was adopted there before.

use super::files::{self, FileState, ending};
use super::place::below;
use super::report::{FindState, Problem};
use super::stores::{beside, inside, settle};
use super::{Work, is_collection, record, store};
use crate::error::EngineError;
use crate::progress::Unit;
use crate::verbs::cp::ObjectFailure;
use firn_model::adopt::FindKind;
use firn_model::source::ListedObject;
use firn_storage::ObjectUrl;

/// Files, looked at.
struct Sorted {
    /// What their names say, as far as that can be told.
    fine: Vec<ListedObject>,
    /// Those of them that are references.
    references: Vec<ListedObject>,
    /// Not what they should be.
    broken: Vec<ObjectFailure>,
}

impl Work<'_> {
    /// A collection of files: what is new in its folder, and what was adopted there before.
    pub(super) fn files(&mut self, folder: &str, new: &[ListedObject]) -> Result<(), EngineError> {
        let known = self.known(folder).filter(|known| is_collection(known));
        let before: Vec<ListedObject> = match known.and_then(|known| known.manifest.as_ref()) {
            Some(manifest) => {
                let own = |object: &&ListedObject| {
                    below(folder, &object.key).is_some_and(|key| manifest.objects.contains_key(key))
                };
                self.place.listing.objects.iter().filter(own).cloned().collect()
            }
            None => Vec::new(),
        };
        // What is adopted again is looked at again.
        let mut looked: Vec<ListedObject> = new.to_vec();
        if self.request.again {
            looked.extend(before.iter().cloned());
            looked.sort_by(|a, b| a.key.cmp(&b.key));
        }
        let Sorted { fine, references, broken } = self.sort_files(&looked)?;
        let all: Vec<ListedObject> = new.iter().chain(&before).cloned().collect();
        let mut find = self.find(folder, FindKind::Files, &all)?;
        find.broken_files = broken;
        let counted = if self.request.again { &[][..] } else { before.as_slice() };
        for object in fine.iter().chain(counted) {
            *find.endings.entry(ending(&object.key)).or_default() += 1;
        }
        let own = inside(folder, &fine);
        if let Some(known) = known {
            find.id = known.dataset.as_ref().ok().and_then(|dataset| dataset.id.clone());
            let mut lines = self.lines(known, &inside(folder, &before), true)?;
            let is_new =
                |object: &&ListedObject| new.iter().any(|n| below(folder, &n.key) == Some(object.key.as_str()));
            lines.extend(own.iter().filter(is_new).map(|object| format!("{} is new", object.key)));
            if lines.is_empty() {
                find.state = FindState::Managed;
                self.finds.push(find);
                return Ok(());
            }
            if !self.request.again {
                find.state = FindState::Changed;
                find.problem = Some(record::changed(known, &lines, &self.again()));
                self.finds.push(find);
                return Ok(());
            }
        } else if self.known(folder).is_some() {
            beside(&mut find);
            self.finds.push(find);
            return Ok(());
        }
        if own.is_empty() {
            find.state = FindState::Broken;
            find.problem = Some(Problem {
                code: "adopt-files-broken".to_owned(),
                what: "none of its files is what its name says".to_owned(),
                next: "copy them again from where they were made, or remove them".to_owned(),
            });
        } else {
            self.take(&mut find, &own, None)?;
        }
        self.finds.push(find);
        self.references(references)
    }

    /// Files that are what their names say, those of them that are references, and those that are not what they should be.
    fn sort_files(&self, objects: &[ListedObject]) -> Result<Sorted, EngineError> {
        let named: Vec<(ObjectUrl, String)> = objects
            .iter()
            .map(|object| Ok((self.url(&object.key)?, object.key.clone())))
            .collect::<Result<_, EngineError>>()?;
        let progress = self.engine.progress.task("look at files", Some(named.len() as u64), Unit::Items);
        let states = files::judge(self.engine, &named, &progress)?;
        let root = self.engine.storage.physical(&self.place.url)?;
        let (mut fine, mut references, mut broken) = (Vec::new(), Vec::new(), Vec::new());
        for (object, state) in objects.iter().zip(states) {
            if root.local_path().is_some_and(|root| is_link(root, &object.key)) {
                let what = "it is a symbolic link, or lies behind one: that may lead elsewhere".to_owned();
                broken.push(ObjectFailure {
                    key: object.key.clone(),
                    code: store::Broken::Link.code().to_owned(),
                    what,
                });
                continue;
            }
            match state {
                FileState::Fine => fine.push(object.clone()),
                FileState::Kerchunk => {
                    references.push(object.clone());
                    fine.push(object.clone());
                }
                FileState::Broken(failure) => broken.push(failure),
            }
        }
        Ok(Sorted { fine, references, broken })
    }

    /// Files of references: stores that consist of one object.
    fn references(&mut self, references: Vec<ListedObject>) -> Result<(), EngineError> {
        for object in references {
            let find = self.find(&object.key, FindKind::KerchunkJson, std::slice::from_ref(&object))?;
            let url = self.url(&object.key)?;
            let judged = self.judge(FindKind::KerchunkJson, &url, &[]);
            let (mut find, judged) = settle(find, &url, judged)?;
            if let Some(judged) = judged {
                self.take(&mut find, &[], Some(&judged))?;
            }
            self.finds.push(find);
        }
        Ok(())
    }
}

/// Whether a file is a link or lies below one.
fn is_link(root: &std::path::Path, key: &str) -> bool {
    let mut path = root.to_owned();
    key.split('/').any(|segment| {
        path.push(segment);
        path.is_symlink()
    })
}
