//! A coalescing block cache under a reader of one remote object.
//!
//! Format readers ask for many small pieces: superblock, object headers, B-tree nodes. Over a network each request
//! costs a round trip, so
//!
//! 1. the first request of an object fetches its first `head` bytes, which also tell its size and version (no HEAD);
//! 2. the ranges of one batch are sorted, and those with a gap of at most `gap` bytes between them become one request;
//! 3. each such request is widened by `margin` bytes on both sides, as what lies around a piece of metadata is usually
//!    wanted next;
//! 4. the first small request beyond the head is widened to `ahead` bytes instead: most files have their metadata at the
//!    beginning and at one other place, which the reader enters by one small piece, as a link of a chain;
//! 5. the requests of one batch are sent side by side;
//! 6. what was fetched is kept, least recently used out first, up to `capacity` bytes a reader;
//! 7. a range of at least `bypass` bytes is data: read exactly, and not kept.
//!
//! **Bound.** A batch of ranges whose pieces lie in `c` clusters (pieces of a cluster being at most `gap` apart) costs
//! at most `c` requests and at most `gap` bytes for each gap more than was asked, plus twice `margin` for each cluster,
//! plus `ahead` once. A reader that follows addresses breadth-first in `d` batches therefore needs `d` round trips after the first. It never
//! fetches a byte twice while `capacity` holds.
//!
//! Measured on daily files of sea surface temperature (NetCDF-4, 1.7 MB, 4 packed variables of one chunk each, metadata at
//! 0–28 KB, 784–790 KB and 944–978 KB), all attributes, chunk addresses and coordinate values: 2 requests and 279 KB, for
//! a reader that follows a chain of addresses as for one that reads in batches. `gap` and `ahead` are what a line of
//! 10 MB/s transfers in about one round trip: for less, a request of its own is dearer.

use crate::remote::check_bounds;
use crate::settings::CacheSettings;
use bytes::{Bytes, BytesMut};
use firn_model::diagnose::At;
use firn_model::source::{ByteRange, RangeReader, SourceError, SourceVersion};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A reader that keeps what it fetched; see the module.
pub struct CachedReader {
    inner: Arc<dyn RangeReader>,
    at: At,
    size: u64,
    settings: CacheSettings,
    blocks: Mutex<Blocks>,
}

impl CachedReader {
    /// A cache over `inner`, which has `size` bytes, of which `head` are known.
    pub fn new(inner: Arc<dyn RangeReader>, at: At, size: u64, head: Bytes, settings: CacheSettings) -> Self {
        // Without a head it is known what is wanted: nothing is looked for.
        let ahead = if head.is_empty() { 0 } else { settings.ahead };
        let mut blocks = Blocks { ahead, ..Blocks::default() };
        blocks.insert(0, &head, settings.capacity);
        Self { inner, at, size, settings, blocks: Mutex::new(blocks) }
    }

    fn blocks(&self) -> MutexGuard<'_, Blocks> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What of each range is there, and what has to be fetched.
    fn plan(&self, ranges: &[ByteRange]) -> Plan {
        let mut blocks = self.blocks();
        let (mut small, mut large) = (Vec::new(), Vec::new());
        let parts = ranges.iter().map(|range| {
            let parts = blocks.cover(range);
            let missing = parts.iter().filter_map(|part| match part {
                Part::Missing(missing) => Some(missing.clone()),
                Part::Have(_) => None,
            });
            if range.end - range.start >= self.settings.bypass {
                large.extend(missing);
            } else {
                small.extend(missing);
            }
            parts
        });
        let parts = parts.collect();
        let kept = blocks.merge(small, &self.settings, self.size);
        Plan { parts, kept, passing: large }
    }
}

impl RangeReader for CachedReader {
    fn size(&self) -> Result<u64, SourceError> {
        Ok(self.size)
    }

    fn version(&self) -> Result<SourceVersion, SourceError> {
        self.inner.version()
    }

    fn read_ranges(&self, ranges: &[ByteRange]) -> Result<Vec<Bytes>, SourceError> {
        check_bounds(&self.at, ranges, self.size)?;
        let plan = self.plan(ranges);
        let wanted: Vec<ByteRange> = plan.kept.iter().chain(&plan.passing).cloned().collect();
        let fetched: Vec<(u64, Bytes)> = if wanted.is_empty() {
            Vec::new()
        } else {
            let bytes = self.inner.read_ranges(&wanted)?;
            wanted.iter().map(|range| range.start).zip(bytes).collect()
        };
        let mut blocks = self.blocks();
        for (start, bytes) in fetched.iter().take(plan.kept.len()) {
            blocks.insert(*start, bytes, self.settings.capacity);
        }
        drop(blocks);
        plan.parts.into_iter().map(|parts| self.assemble(parts, &fetched)).collect()
    }
}

impl CachedReader {
    fn assemble(&self, parts: Vec<Part>, fetched: &[(u64, Bytes)]) -> Result<Bytes, SourceError> {
        let find = |range: &ByteRange| {
            let whole =
                |(start, bytes): &&(u64, Bytes)| *start <= range.start && range.end <= *start + bytes.len() as u64;
            let (start, bytes) = fetched.iter().find(whole).ok_or_else(|| SourceError::Broken {
                at: self.at.bytes(range.start, range.end - range.start),
                what: "the storage returned fewer bytes than were asked for".to_owned(),
            })?;
            Ok(bytes.slice((range.start - start) as usize..(range.end - start) as usize))
        };
        let mut pieces = Vec::with_capacity(parts.len());
        for part in parts {
            pieces.push(match part {
                Part::Have(bytes) => bytes,
                Part::Missing(range) => find(&range)?,
            });
        }
        if pieces.len() == 1 {
            return Ok(pieces.swap_remove(0));
        }
        let mut all = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
        for piece in &pieces {
            all.extend_from_slice(piece);
        }
        Ok(all.freeze())
    }
}

struct Plan {
    /// For each range asked, its pieces in order.
    parts: Vec<Vec<Part>>,
    /// Requests whose bytes are kept.
    kept: Vec<ByteRange>,
    /// Requests whose bytes are not.
    passing: Vec<ByteRange>,
}

#[derive(Debug)]
enum Part {
    Have(Bytes),
    Missing(ByteRange),
}

/// Blocks of one object that never overlap.
#[derive(Default)]
struct Blocks {
    by_start: BTreeMap<u64, Block>,
    held: u64,
    clock: u64,
    /// What the next small request is widened to; 0 after it.
    ahead: u64,
}

struct Block {
    bytes: Bytes,
    used: u64,
}

impl Block {
    fn end(&self, start: u64) -> u64 {
        start + self.bytes.len() as u64
    }
}

impl Blocks {
    /// The range, cut into what is there and what is not.
    fn cover(&mut self, range: &ByteRange) -> Vec<Part> {
        self.clock += 1;
        let mut parts = Vec::new();
        let mut at = range.start;
        let first = self.by_start.range(..=at).next_back().map_or(at, |(start, _)| *start);
        for (start, block) in self.by_start.range_mut(first..range.end) {
            let end = block.end(*start);
            if end <= at {
                continue;
            }
            if *start > at {
                parts.push(Part::Missing(at..*start));
                at = *start;
            }
            let stop = end.min(range.end);
            parts.push(Part::Have(block.bytes.slice((at - start) as usize..(stop - start) as usize)));
            block.used = self.clock;
            at = stop;
        }
        if at < range.end || parts.is_empty() {
            parts.push(if at < range.end { Part::Missing(at..range.end) } else { Part::Have(Bytes::new()) });
        }
        parts
    }

    /// Few requests for many small ranges: neighbours joined, then widened, never over what is there.
    fn merge(&mut self, mut missing: Vec<ByteRange>, settings: &CacheSettings, size: u64) -> Vec<ByteRange> {
        missing.sort_by_key(|range| range.start);
        let mut merged: Vec<ByteRange> = Vec::new();
        for range in missing {
            match merged.last_mut() {
                Some(last)
                    if range.start <= last.end.saturating_add(settings.gap) && self.is_free(last.end, range.start) =>
                {
                    last.end = last.end.max(range.end);
                }
                _ => merged.push(range),
            }
        }
        if !merged.is_empty() {
            let ahead = std::mem::take(&mut self.ahead);
            if let [only] = merged.as_mut_slice()
                && ahead > only.end - only.start
            {
                // Little before and much after: a chain is followed forwards.
                let (before, length) = (ahead / 16, only.end - only.start);
                self.widen(only, before, ahead.saturating_sub(before + length), 0..size);
                return merged;
            }
        }
        // Only after joining: a widened request must not make a far neighbour look near.
        let starts: Vec<u64> = merged.iter().skip(1).map(|range| range.start).chain([size]).collect();
        let mut before = 0;
        for (range, after) in merged.iter_mut().zip(starts) {
            self.widen(range, settings.margin, settings.margin, before..after);
            before = range.end;
        }
        merged
    }

    /// Widens a request on both sides, within bounds and not over what is there.
    fn widen(&self, range: &mut ByteRange, before: u64, after: u64, bounds: ByteRange) {
        let held_before = self.by_start.range(..range.start).next_back().map_or(0, |(start, held)| held.end(*start));
        let held_after = self.by_start.range(range.end..).next().map_or(u64::MAX, |(start, _)| *start);
        let (start, end) = (range.start.saturating_sub(before), range.end.saturating_add(after));
        range.start = start.max(bounds.start).max(held_before).min(range.start);
        range.end = end.min(bounds.end).min(held_after).max(range.end);
    }

    /// No block lies between the two positions.
    fn is_free(&self, from: u64, to: u64) -> bool {
        from >= to || self.by_start.range(from..to).next().is_none()
    }

    /// Keeps what is not there yet, and lets the least recently used go.
    fn insert(&mut self, start: u64, bytes: &Bytes, capacity: u64) {
        let range = start..start + bytes.len() as u64;
        let missing: Vec<ByteRange> = self
            .cover(&range)
            .into_iter()
            .filter_map(|part| if let Part::Missing(missing) = part { Some(missing) } else { None })
            .collect();
        for part in missing {
            let bytes = bytes.slice((part.start - start) as usize..(part.end - start) as usize);
            self.held += bytes.len() as u64;
            self.by_start.insert(part.start, Block { bytes, used: self.clock });
        }
        while self.held > capacity && self.by_start.len() > 1 {
            let Some(oldest) = self.by_start.iter().min_by_key(|(_, block)| block.used).map(|(start, _)| *start) else {
                break;
            };
            if let Some(block) = self.by_start.remove(&oldest) {
                self.held -= block.bytes.len() as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests;
