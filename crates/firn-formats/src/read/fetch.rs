//! All ranges of one object in one request.

use crate::error::FormatError;
use bytes::Bytes;
use firn_model::array::SourceObject;
use firn_model::diagnose::At;
use firn_model::source::{ByteRange, RangeReader, Source, SourceError};
use std::collections::HashMap;
use std::sync::Arc;

/// Ranges that are wanted, by object.
pub(super) struct Fetch<'a> {
    source: &'a dyn Source,
    at: &'a At,
    numbers: HashMap<String, usize>,
    objects: Vec<(Arc<dyn RangeReader>, Vec<ByteRange>)>,
}

/// A range that was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    object: usize,
    range: usize,
}

/// The answers.
pub(super) struct Fetched(Vec<Vec<Bytes>>);

impl<'a> Fetch<'a> {
    pub(super) fn new(source: &'a dyn Source, at: &'a At) -> Self {
        Self { source, at, numbers: HashMap::new(), objects: Vec::new() }
    }

    /// The number of an object that a manifest refers to, whose version must be the one that was scanned.
    pub(super) fn object(&mut self, object: &SourceObject) -> Result<usize, FormatError> {
        if let Some(number) = self.numbers.get(&object.url) {
            return Ok(*number);
        }
        let reader = open(self.source, object)?;
        self.numbers.insert(object.url.clone(), self.objects.len());
        self.objects.push((reader, Vec::new()));
        Ok(self.objects.len() - 1)
    }

    /// The number and size of the object with this key below the source; `None` where it does not exist.
    pub(super) fn key(&mut self, key: &str) -> Result<Option<(usize, u64)>, FormatError> {
        let Some(reader) = self.source.object(key)? else { return Ok(None) };
        let size = match reader.size() {
            Ok(size) => size,
            Err(SourceError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        self.objects.push((reader, Vec::new()));
        Ok(Some((self.objects.len() - 1, size)))
    }

    /// Asks for a range of an object.
    pub(super) fn want(&mut self, object: usize, range: ByteRange) -> Ticket {
        let ranges = &mut self.objects[object].1;
        ranges.push(range);
        Ticket { object, range: ranges.len() - 1 }
    }

    /// Reads what was asked for, one call an object, and forgets it: the objects stay for another round.
    pub(super) fn read(&mut self) -> Result<Fetched, FormatError> {
        let mut all = Vec::with_capacity(self.objects.len());
        for (reader, ranges) in &mut self.objects {
            let asked = std::mem::take(ranges);
            let answers = if asked.is_empty() { Vec::new() } else { reader.read_ranges(&asked)? };
            let right = |(range, bytes): (&ByteRange, &Bytes)| range.end - range.start == bytes.len() as u64;
            if answers.len() != asked.len() || !asked.iter().zip(&answers).all(right) {
                let what = "other bytes than those asked for were returned".to_owned();
                return Err(SourceError::Broken { at: self.at.clone(), what }.into());
            }
            all.push(answers);
        }
        Ok(Fetched(all))
    }
}

/// Opens an object that a manifest refers to, whose version must be the one that was scanned.
pub(super) fn open(source: &dyn Source, object: &SourceObject) -> Result<Arc<dyn RangeReader>, FormatError> {
    let reader =
        if object.url == source.url() { source.object("")? } else { source.sibling(&object.url)?.object("")? };
    let reader = reader.ok_or_else(|| SourceError::NotFound { at: At::url(&object.url) })?;
    if let Some(what) = object.version.difference(&reader.version()?) {
        return Err(SourceError::Changed { at: At::url(&object.url), what }.into());
    }
    Ok(reader)
}

impl Fetched {
    /// The bytes of a range that was asked for.
    pub(super) fn take(&mut self, ticket: Ticket) -> Bytes {
        std::mem::take(&mut self.0[ticket.object][ticket.range])
    }
}
