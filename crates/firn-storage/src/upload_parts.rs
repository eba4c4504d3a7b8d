//! A large object that passes here, part by part, to an S3 service: read, summed and sent side by side, in bounded memory; after
//! a stop only the parts that the server does not have.

use crate::copy::{Arriving, CopyExpected, CopyOptions};
use crate::error::StorageError;
use crate::md5_lanes::{LANES, md5_of_many};
use crate::original::Original;
use crate::part_log::{Arrived, Found, Head, PartLog};
use crate::part_memory::Buffer;
use crate::prefix::Prefix;
use crate::s3_copy::pieces;
use crate::s3_parts::{MOST_PARTS, Upload, content_md5_of, tag_of_parts};
use crate::s3_prefix::S3Prefix;
use crate::s3_signed::Refusal;
use crate::store_prefix::content_type;
use crate::tree_hash::{self, GRAIN, Nodes, RangeHash};
use firn_model::source::{ByteRange, SourceError, SourceVersion};
use futures::FutureExt;
use futures::future::try_join_all;
use futures::stream::{StreamExt, TryStreamExt};
use std::collections::BTreeMap;

/// Largest part: several are in memory at once.
const LARGEST: u64 = 128 << 20;
/// Groups of parts of one object at once: one is read and summed while another is sent.
const GROUPS: usize = 2;

/// Where an object comes from and goes to.
pub(crate) struct PartsJob<'a> {
    pub from: &'a Prefix,
    pub key: &'a str,
    pub reader: &'a Original,
    pub to: &'a Prefix,
    pub bucket: &'a S3Prefix,
    pub to_key: &'a str,
    pub expected: &'a CopyExpected,
    pub options: &'a CopyOptions,
}

impl PartsJob<'_> {
    /// Sends the object, and gives its digest where one was asked for. Nobody sees it before its last step. Where nobody knows
    /// whether that was done, and the object is not there as it has to be, all is done once more.
    pub(crate) async fn run(&self) -> Result<Option<String>, StorageError> {
        let part = self.part_size();
        let (log, mut found) = self.log(part).await?.map_or((None, None), |(log, found)| (Some(log), found));
        for is_last in [false, true] {
            match self.once(part, log.as_ref(), found.take()).await {
                Err((true, _)) if !is_last => {}
                outcome => return outcome.map_err(|(_, error)| error),
            }
        }
        Err(StorageError::Misuse { what: "an upload was neither done nor refused".to_owned() })
    }

    /// The parts of the original where they are known: then the copy has the same entity tag.
    fn part_size(&self) -> u64 {
        let size = self.expected.size;
        let fits = |part: &u64| *part <= LARGEST && size.div_ceil(*part) <= MOST_PARTS && part.is_multiple_of(GRAIN);
        let needed = self.to.storage().settings().limits.part.max(size.div_ceil(MOST_PARTS)).max(1);
        let known = self.expected.part_size.filter(|part| *part > 0).filter(fits);
        known.unwrap_or_else(|| needed.next_multiple_of(GRAIN))
    }

    async fn log(&self, part: u64) -> Result<Option<(PartLog, Option<Found>)>, StorageError> {
        let version =
            SourceVersion { etag: self.expected.etag.clone(), size: self.expected.size, ..SourceVersion::default() };
        self.to.part_log(self.options, (self.from, self.key), self.to_key, version, part).await
    }

    /// The error says whether all may be done once more.
    async fn once(
        &self,
        part: u64,
        log: Option<&PartLog>,
        found: Option<Found>,
    ) -> Result<Option<String>, (bool, StorageError)> {
        let size = self.expected.size;
        let (upload, mut arrived) = self.begin(part, log, found).await.map_err(|error| (false, error))?;
        let there = pieces(size, part).zip(1..).filter(|(_, number)| arrived.contains_key(number));
        self.tell(there.map(|(bytes, _)| bytes.end - bytes.start).sum());
        let missing = pieces(size, part).zip(1..).filter(|(_, number)| !arrived.contains_key(number));
        let missing: Vec<(ByteRange, u64)> = missing.collect();
        let memory = self.to.storage().settings().limits.part_memory;
        let group = usize::try_from(memory / part).unwrap_or(LANES).clamp(1, LANES);
        let groups: Vec<Vec<(ByteRange, u64)>> = missing.chunks(group).map(<[_]>::to_vec).collect();
        let sent = futures::stream::iter(groups)
            .map(|parts| self.send(&upload, parts, log).boxed())
            .buffer_unordered(GROUPS)
            .try_fold(Vec::new(), |mut all, mut some| async move {
                all.append(&mut some);
                Ok(all)
            })
            .await;
        match sent {
            Ok(sent) => arrived.extend(sent),
            Err(error) => {
                // What a later run can go on with is left; a lifecycle rule of the bucket removes what nobody goes on with.
                let is_passing = matches!(error, StorageError::Source(SourceError::Unavailable { .. }));
                if log.is_none() || !is_passing {
                    self.give_up(upload, log).await;
                }
                return Err((false, error));
            }
        }
        let tags: Vec<String> = arrived.values().map(|part| part.tag.clone().unwrap_or_default()).collect();
        if let Err(refusal) = upload.complete(&tags).await {
            // Where it was joined before the stop, the upload is gone, and the object is there.
            let again = refusal.may_have_happened();
            if !(again && self.is_there(&tags).await) {
                self.give_up(upload, log).await;
                return Err((again, self.bucket.refused(self.to_key, &refusal)));
            }
        }
        if let Some(log) = log {
            log.remove();
        }
        Ok(self.digest(arrived.values()))
    }

    fn digest<'a>(&self, parts: impl Iterator<Item = &'a Arrived>) -> Option<String> {
        let nodes: Nodes = parts.flat_map(|part| &part.nodes).map(|(range, value)| (*range, *value)).collect();
        let digest = self.options.digest.then(|| tree_hash::joined(self.expected.size, &nodes)).flatten();
        digest.map(|digest| digest.to_hex().to_string())
    }

    /// Whether the stop came after the last step was asked for: then the service may still be at it, and the upload is gone before
    /// the object is there.
    async fn is_being_joined(&self, part: u64, found: &Found) -> bool {
        let transport = self.to.storage().transport();
        for looked in 1..=transport.attempts() {
            match self.is_done(part, found).await {
                Some(true) => return true,
                Some(false) => tokio::time::sleep(transport.wait(looked)).await,
                None => return false,
            }
        }
        false
    }

    /// Whether the object is there as the parts make it; `None` where not all of them have arrived.
    async fn is_done(&self, part: u64, found: &Found) -> Option<bool> {
        let count = self.expected.size.div_ceil(part);
        let tags: Option<Vec<String>> = (1..=count).map(|number| found.parts.get(&number)?.tag.clone()).collect();
        Some(self.is_there(&tags?).await)
    }

    fn tell(&self, bytes: u64) {
        Arriving::tell(self.options.arriving.as_ref(), bytes);
    }

    async fn give_up(&self, upload: Upload<'_>, log: Option<&PartLog>) {
        upload.abort().await;
        if let Some(log) = log {
            log.remove();
        }
    }

    /// A new upload, or the one that was stopped, with the parts of it that the server has.
    async fn begin(
        &self,
        part: u64,
        log: Option<&PartLog>,
        found: Option<Found>,
    ) -> Result<(Upload<'_>, BTreeMap<u64, Arrived>), StorageError> {
        let path = self.bucket.path(self.to_key)?;
        let path = path.as_ref().to_owned();
        let bucket = self.bucket.bucket(self.to.storage().transport());
        let refused = |refusal: &Refusal| self.bucket.refused(self.to_key, refusal);
        if let Some(found) = found {
            let upload = Upload::of(bucket, path.clone(), found.place.clone());
            if found.is_same {
                match upload.parts().await {
                    Ok(there) => return Ok((upload, self.proven(part, found, &there))),
                    // Gone, or not to be looked at.
                    Err(refusal @ Refusal::Answer { .. }) => {
                        if self.is_being_joined(part, &found).await {
                            return Ok((upload, found.parts));
                        }
                        tracing::debug!(key = self.to_key, %refusal, "an upload that was stopped cannot be gone on with");
                    }
                    Err(refusal) => return Err(refused(&refusal)),
                }
            } else {
                upload.abort().await;
            }
        }
        let upload = Upload::begin(bucket, path, content_type(self.to_key)).await;
        let upload = upload.map_err(|refusal| refused(&refusal))?;
        if let Some(log) = log {
            log.begin(upload.id())?;
        }
        Ok((upload, BTreeMap::new()))
    }

    /// Of the parts that were noted, those that the server has in the same state.
    fn proven(&self, part: u64, found: Found, there: &BTreeMap<u64, (String, u64)>) -> BTreeMap<u64, Arrived> {
        let sizes: Vec<u64> = pieces(self.expected.size, part).map(|bytes| bytes.end - bytes.start).collect();
        let is_proven = |number: u64, noted: &Arrived| {
            let size = usize::try_from(number).ok().and_then(|number| sizes.get(number.checked_sub(1)?));
            let is_hashed = !self.options.digest || !noted.nodes.is_empty();
            is_hashed
                && there.get(&number).is_some_and(|(tag, len)| Some(tag) == noted.tag.as_ref() && Some(len) == size)
        };
        found.parts.into_iter().filter(|(number, noted)| is_proven(*number, noted)).collect()
    }

    /// Some parts: read, summed together and sent.
    async fn send(
        &self,
        upload: &Upload<'_>,
        parts: Vec<(ByteRange, u64)>,
        log: Option<&PartLog>,
    ) -> Result<Vec<(u64, Arrived)>, StorageError> {
        let storage = self.to.storage();
        let memory = storage.part_memory();
        let _held = memory.hold(parts.iter().map(|(bytes, _)| bytes.end - bytes.start).sum()).await;
        let filled = try_join_all(parts.iter().map(|(bytes, _)| {
            let buffer = memory.buffer((bytes.end - bytes.start) as usize);
            self.from.fill(self.reader, bytes.start, buffer)
        }));
        let filled = filled.await?;
        let hashed = self.options.digest.then_some(self.expected.size);
        let ranges: Vec<ByteRange> = parts.iter().map(|(bytes, _)| bytes.clone()).collect();
        let summed = storage.bridge().blocking(move || Ok(summed(hashed, &ranges, filled))).await?;
        try_join_all(parts.iter().zip(summed).map(|((bytes, number), (buffer, sum, nodes))| async move {
            let tag = upload.put(*number, buffer.into_bytes(), content_md5_of(&sum)).await;
            let tag = tag.map_err(|refusal| self.bucket.refused(self.to_key, &refusal))?;
            let arrived = Arrived { tag: Some(tag), nodes };
            if let Some(log) = log {
                log.add(*number, &arrived)?;
            }
            self.tell(bytes.end - bytes.start);
            Ok((*number, arrived))
        }))
        .await
    }

    /// Whether the object is there as the parts make it.
    async fn is_there(&self, tags: &[String]) -> bool {
        let Some(tag) = tag_of_parts(tags) else { return false };
        let seen = self.to.head(self.to_key).await.ok().flatten();
        seen.is_some_and(|seen| seen.size == self.expected.size && seen.etag == Some(tag))
    }
}

type Summed = (Buffer, [u8; 16], Nodes);

/// Parts with their MD5 sums, and with their subtrees of the digest of an object of so many bytes.
fn summed(hashed: Option<u64>, ranges: &[ByteRange], parts: Vec<Buffer>) -> Vec<Summed> {
    let nodes: Vec<Nodes> = parts
        .iter()
        .zip(ranges)
        .map(|(part, range)| {
            let mut hash = hashed.and_then(|size| RangeHash::new(size, range))?;
            hash.update(part.as_ref());
            hash.finish()
        })
        .map(Option::unwrap_or_default)
        .collect();
    let sums = md5_of_many(&parts.iter().map(AsRef::as_ref).collect::<Vec<_>>());
    parts.into_iter().zip(sums).zip(nodes).map(|((part, sum), nodes)| (part, sum, nodes)).collect()
}

impl Prefix {
    /// The log of the parts of a copy to this prefix, where one is to be kept and can be of use.
    pub(crate) async fn part_log(
        &self,
        options: &CopyOptions,
        (from, key): (&Self, &str),
        to_key: &str,
        version: SourceVersion,
        part: u64,
    ) -> Result<Option<(PartLog, Option<Found>)>, StorageError> {
        let Some(folder) = options.parts.clone() else { return Ok(None) };
        let place = |prefix: &Self, key: &str| format!("{}\n{key}", prefix.identity());
        let Some(head) = Head::new(place(from, key), place(self, to_key), version, part) else { return Ok(None) };
        self.storage().bridge().blocking(move || PartLog::open(&folder, head)).await
    }
}
