//! Finds out what a location can do, by trying it with objects of its own that it removes again.

use crate::capabilities::{Answer, CAPABILITIES_VERSION, Capabilities, Capability, Conditions, EtagForm};
use crate::error::StorageError;
use crate::holder::Holder;
use crate::prefix::{Guarantee, Precondition, Prefix};
use crate::url::ObjectUrl;
use bytes::Bytes;
use firn_model::diagnose::{Category, Diagnose};
use firn_model::source::SourceError;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};

/// Where the probe's objects lie, below the prefix.
const FOLDER: &str = ".firn-probe";
/// Writers that race for one name.
const RACERS: usize = 8;

/// What this prefix can do, at this time (seconds since 1970-01-01 UTC).
///
/// `public_url` is the address at which everybody reads the same prefix. Failures are answers, with what was seen; they
/// are not errors.
pub async fn probe(prefix: &Prefix, public_url: Option<&ObjectUrl>, now: u64) -> Capabilities {
    let run = Run::new(prefix);
    let untried = || Capability::unknown("writing failed, so it was not tried");
    let mut table = Capabilities {
        version: CAPABILITIES_VERSION,
        location: prefix.identity(),
        probed: now,
        write: run.write().await,
        conditions: Conditions { create: untried(), if_match: untried(), etag_form: EtagForm::default() },
        list: untried(),
        multipart: untried(),
        copy: untried(),
        delete: untried(),
        public_read: untried(),
        cors: untried(),
        copies_from: BTreeMap::new(),
    };
    if table.write.is_yes() {
        table.list = run.list().await;
        table.conditions = run.conditions().await;
        table.multipart = run.multipart().await;
        table.copy = run.copy().await;
        (table.public_read, table.cors) = run.public(public_url).await;
        table.delete = run.delete().await;
    }
    table
}

/// Only how far preconditions can be trusted: what a conditional write needs to know.
///
/// # Errors
/// [`SourceError::Unavailable`] where the storage does not answer: then nothing is known.
pub(crate) async fn conditions(prefix: &Prefix) -> Result<Conditions, StorageError> {
    let run = Run::new(prefix);
    let conditions = run.conditions().await;
    for seen in [&conditions.create, &conditions.if_match] {
        if seen.answer == Answer::Unknown {
            return Err(SourceError::Unavailable { at: prefix.url().at(), what: seen.detail.clone() }.into());
        }
    }
    let removed = run.delete().await;
    if !removed.is_yes() {
        tracing::debug!(folder = run.folder, what = removed.detail, "probe objects stay");
    }
    Ok(conditions)
}

/// Removes what probes of this prefix left whose process was stopped. What the living try is theirs: without their objects
/// they would see a storage that it is not.
///
/// # Errors
/// What the storage says.
pub(crate) async fn sweep(prefix: &Prefix) -> Result<(), StorageError> {
    for object in prefix.list(FOLDER).await? {
        let Some(found) = prefix.get(&object.key).await? else { continue };
        let first = found.bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let holder: Result<Holder, _> = serde_json::from_slice(first);
        if holder.is_ok_and(|holder| holder.is_gone()) {
            prefix.delete(&object.key).await?;
        }
    }
    Ok(())
}

struct Run<'a> {
    prefix: &'a Prefix,
    folder: String,
    /// First line of what writers write, so that [`sweep`] knows whose it is.
    holder: String,
}

impl<'a> Run<'a> {
    fn new(prefix: &'a Prefix) -> Self {
        let random = std::hash::RandomState::new().build_hasher().finish();
        let holder = serde_json::to_string(&Holder::this_process()).unwrap_or_default();
        Self { prefix, folder: format!("{FOLDER}/{random:016x}"), holder }
    }

    fn body(&self, text: &str) -> Bytes {
        Bytes::from(format!("{}\n{} {text}", self.holder, self.folder))
    }

    fn key(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }

    /// What a failure tells, in its own words: no answer is not the answer "no".
    fn failed(error: &StorageError) -> Capability {
        match error.category() {
            Category::Unavailable => Capability::unknown(error.to_string()),
            _ => Capability::no(error.to_string()),
        }
    }

    async fn write(&self) -> Capability {
        let (key, bytes) = (self.key("object"), Bytes::from(self.folder.clone()));
        if let Err(error) = self.prefix.put(&key, bytes.clone(), Precondition::None).await {
            return Self::failed(&error);
        }
        match self.prefix.get(&key).await {
            Ok(Some(object)) if object.bytes == bytes => Capability::yes("written and read back"),
            Ok(Some(_)) => Capability::no("what is read is not what was written"),
            Ok(None) => Capability::no("what was written is not there"),
            Err(error) => Self::failed(&error),
        }
    }

    async fn list(&self) -> Capability {
        match self.prefix.list(&self.folder).await {
            Ok(found) if found.iter().any(|object| object.key == self.key("object")) => {
                Capability::yes("shows what was just written")
            }
            Ok(found) => Capability::no(format!("{} objects are listed, not the one just written", found.len())),
            Err(error) => Self::failed(&error),
        }
    }

    async fn conditions(&self) -> Conditions {
        let create = self.create().await;
        let (if_match, etag_form) = self.if_match().await;
        Conditions { create, if_match, etag_form }
    }

    /// Several writers race for one name.
    async fn create(&self) -> Capability {
        self.race("race", &Precondition::Create, EtagForm::Quoted).await
    }

    /// Several writers at the same moment under the same precondition: exactly one may win, and the object must be the
    /// winner's. One writer after the other would not show a server that looks first and writes later.
    async fn race(&self, name: &str, when: &Precondition, form: EtagForm) -> Capability {
        let key = self.key(name);
        let racers = (0..RACERS).map(|racer| {
            let (key, bytes) = (key.clone(), self.body(&racer.to_string()));
            async move { (bytes.clone(), self.prefix.put_raw(&key, bytes, when, form).await) }
        });
        let outcomes = futures::future::join_all(racers).await;
        let mut winners: Vec<Bytes> = Vec::new();
        for (bytes, outcome) in outcomes {
            match outcome {
                Ok(put) if put.guarantee == Guarantee::Coordinated => {
                    return Capability::no("the file system has no hard links; a lock stands in");
                }
                Ok(_) => winners.push(bytes),
                Err(error) if error.is_conflict() => {}
                Err(error) => return Self::failed(&error),
            }
        }
        let there = self.prefix.get(&key).await;
        let kept = there.ok().flatten().map(|object| object.bytes);
        match winners.as_slice() {
            [winner] if kept.as_ref() == Some(winner) => Capability::yes(format!("of {RACERS} writers at once 1 won")),
            [_] => Capability::no("one writer was told that it won, and the object is another's"),
            [] => Capability::no(format!("of {RACERS} writers at once none won")),
            more => Capability::no(format!("of {RACERS} writers at once {} were told that they won", more.len())),
        }
    }

    async fn if_match(&self) -> (Capability, EtagForm) {
        let mut seen = Vec::new();
        for form in [EtagForm::Quoted, EtagForm::Unquoted] {
            let answer = self.if_match_in(form).await;
            if answer.answer != Answer::No {
                return (answer, form);
            }
            seen.push(format!("{form}: {}", answer.detail));
        }
        (Capability::no(seen.join("; ")), EtagForm::Quoted)
    }

    async fn if_match_in(&self, form: EtagForm) -> Capability {
        let key = self.key("match");
        let current = match self.prefix.put_plain(&key, self.body("first")).await {
            Ok(put) => put.etag,
            Err(error) => return Self::failed(&error),
        };
        let Some(current) = current else { return Capability::no("the server gives no entity tags") };
        let wrong = Precondition::IfMatch("\"00000000000000000000000000000000\"".to_owned());
        match self.prefix.put_raw(&key, self.body("wrong"), &wrong, form).await {
            Err(error) if error.is_conflict() => {}
            Err(error) => return Self::failed(&error),
            Ok(_) => return Capability::no("a wrong tag is accepted"),
        }
        let right = Precondition::IfMatch(current);
        self.race("match", &right, form).await
    }

    async fn multipart(&self) -> Capability {
        let (key, bytes) = (self.key("parts"), Bytes::from("in parts"));
        match self.prefix.put_in_parts(&key, bytes.clone()).await {
            Ok(()) => match self.prefix.get(&key).await {
                Ok(Some(object)) if object.bytes == bytes => Capability::yes("written in parts and read back"),
                Ok(_) => Capability::no("what was written in parts is not what is read"),
                Err(error) => Self::failed(&error),
            },
            Err(error) => Self::failed(&error),
        }
    }

    async fn copy(&self) -> Capability {
        let (from, to) = (self.key("object"), self.key("copy"));
        if let Err(error) = self.prefix.copy(&from, &to).await {
            return Self::failed(&error);
        }
        match (self.prefix.get(&from).await, self.prefix.get(&to).await) {
            (Ok(Some(from)), Ok(Some(to))) if from.bytes == to.bytes => Capability::yes("copied without passing here"),
            (Err(error), _) | (_, Err(error)) => Self::failed(&error),
            _ => Capability::no("the copy is not the original"),
        }
    }

    /// Public read, and whether web pages may.
    async fn public(&self, public_url: Option<&ObjectUrl>) -> (Capability, Capability) {
        let Some(base) = public_url else {
            let none = || Capability::unknown("the location has no public_url");
            return (none(), none());
        };
        let asked = match base.child(&self.key("object")) {
            Ok(url) => self.prefix.storage().get_as_web_page(&url).await,
            Err(error) => Err(error),
        };
        match asked {
            Ok(page) if page.bytes == self.folder.as_bytes() => {
                let read = Capability::yes(format!("read at {base} without credentials"));
                let cors = match page.allowed_origin.as_deref() {
                    Some("*") => Capability::yes("Access-Control-Allow-Origin: *"),
                    Some(origin) => Capability::no(format!("Access-Control-Allow-Origin is {origin:?}, not *")),
                    None => Capability::no("no Access-Control-Allow-Origin"),
                };
                (read, cors)
            }
            Ok(_) => {
                let other = "the public_url shows other bytes than the location; it is not the same place";
                (Capability::no(other), Capability::unknown("not readable there"))
            }
            Err(error) => (Self::failed(&error), Capability::unknown("not readable there")),
        }
    }

    async fn delete(&self) -> Capability {
        let found = match self.prefix.list(&self.folder).await {
            Ok(found) => found.into_iter().map(|object| object.key).collect(),
            // Without a listing the names are known all the same.
            Err(_) => ["object", "race", "match", "parts", "copy"].map(|name| self.key(name)).to_vec(),
        };
        for key in &found {
            if let Err(error) = self.prefix.delete(key).await {
                return Self::failed(&error);
            }
        }
        match self.prefix.head(&self.key("race")).await {
            Ok(None) => Capability::yes("removed what the probe wrote"),
            Ok(Some(_)) => Capability::no("an object is still there after it was removed"),
            Err(error) => Self::failed(&error),
        }
    }
}
