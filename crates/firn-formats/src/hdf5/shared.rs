//! Messages that stand elsewhere: committed datatypes, and messages shared by several objects ("IV.A.2", "IV.A.2.p").

use super::cursor::Cursor;
use super::file::File;
use super::fractal_heap::{self, FractalHeap};
use super::message::kind;
use super::object_header::{self, Message, ObjectHeader};
use crate::FormatError;
use bytes::Bytes;
use firn_model::diagnose::At;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

/// A message that says where a message is may lead to another such.
const DEPTH: usize = 4;

/// Finds messages that stand elsewhere; each header and heap is read once.
pub(super) struct SharedMessages<'h> {
    /// Headers that are known already.
    headers: &'h HashMap<u64, ObjectHeader>,
    others: RefCell<BTreeMap<u64, ObjectHeader>>,
    /// Heaps, with the set of message types (bit `n`: type `n`) that each holds.
    heaps: Vec<(u16, FractalHeap)>,
    objects: RefCell<BTreeMap<(u16, u64), (Bytes, u64)>>,
}

impl<'h> SharedMessages<'h> {
    /// Reads the table of shared messages, where there is one: its address and its number of indices.
    pub fn open(
        file: &File,
        table: Option<(u64, u8)>,
        headers: &'h HashMap<u64, ObjectHeader>,
    ) -> Result<Self, FormatError> {
        let mut heaps = Vec::new();
        if let Some((address, indices)) = table {
            let index = 14 + 2 * u64::from(file.sizes.offset);
            let extent = (address, 4 + index * u64::from(indices) + 4);
            let block = file.read(&file.at, extent, "the table of shared messages")?;
            let mut cursor = file.cursor(&block, address, &file.at, "table of shared messages");
            cursor.expect(*b"SMTB")?;
            let mut places: Vec<(u16, u64)> = Vec::new();
            for _ in 0..indices {
                cursor.version(&[0])?;
                cursor.skip(1)?;
                let kinds = cursor.u16()?;
                cursor.skip(4 + 2 + 2 + 2)?;
                cursor.offset()?; // the index itself: messages carry their heap identifiers
                places.extend(cursor.offset()?.map(|heap| (kinds, heap)));
            }
            cursor.checksum()?;
            let addresses: Vec<(u64, &At)> = places.iter().map(|(_, heap)| (*heap, &file.at)).collect();
            let opened = fractal_heap::open(file, &addresses)?;
            heaps = places.iter().map(|(kinds, _)| *kinds).zip(opened).collect();
        }
        Ok(Self { headers, others: RefCell::default(), heaps, objects: RefCell::default() })
    }

    /// Body and address of this message, wherever it stands.
    pub fn body(&self, file: &File, at: &At, message: &Message) -> Result<(Bytes, u64), FormatError> {
        if message.is_shared() {
            self.follow(file, at, message.kind, &message.body, message.address, 0)
        } else {
            Ok((message.body.clone(), message.address))
        }
    }

    /// Body and address of the message of type `kind` that the shared message in `body` stands for.
    pub fn follow(
        &self,
        file: &File,
        at: &At,
        kind: u16,
        body: &Bytes,
        address: u64,
        depth: usize,
    ) -> Result<(Bytes, u64), FormatError> {
        let mut cursor = file.cursor(body, address, at, "shared message");
        if depth > DEPTH {
            return Err(cursor.corrupt("it leads to other shared messages without end"));
        }
        let version = cursor.version(&[1, 2, 3])?;
        let place = cursor.u8()?;
        if version == 1 {
            cursor.skip(6)?;
        }
        if version == 3 && place == 1 {
            return self.in_heap(file, at, kind, &mut cursor);
        }
        let target = cursor.address()?;
        let found = |header: &ObjectHeader| {
            header.find(kind).cloned().ok_or_else(|| {
                cursor.corrupt(format_args!("the object at {target} has no message of type {kind:#06x}"))
            })
        };
        let message = if let Some(header) = self.headers.get(&target) {
            found(header)?
        } else {
            if !self.others.borrow().contains_key(&target) {
                let header = object_header::read_one(file, at, target)?;
                self.others.borrow_mut().insert(target, header);
            }
            found(self.others.borrow().get(&target).unwrap_or(&ObjectHeader::default()))?
        };
        if message.is_shared() {
            return self.follow(file, at, kind, &message.body, message.address, depth + 1);
        }
        Ok((message.body, message.address))
    }

    fn in_heap(&self, file: &File, at: &At, kind: u16, cursor: &mut Cursor<'_>) -> Result<(Bytes, u64), FormatError> {
        let id = Bytes::copy_from_slice(cursor.take(8)?);
        self.object(file, at, kind, &id)
    }

    /// The message of this type with this identifier in the heap of shared messages.
    pub fn object(&self, file: &File, at: &At, kind: u16, id: &Bytes) -> Result<(Bytes, u64), FormatError> {
        let key = (kind, id.iter().rev().fold(0u64, |number, byte| number << 8 | u64::from(*byte)));
        if let Some(found) = self.objects.borrow().get(&key) {
            return Ok(found.clone());
        }
        let heap = self.heaps.iter().position(|(kinds, _)| kinds >> kind & 1 == 1).ok_or_else(|| {
            FormatError::corrupt(
                at,
                format!("a message of type {kind:#06x} is shared, but the file has no table for it"),
            )
        })?;
        let heap = std::slice::from_ref(&self.heaps[heap].1);
        let mut found = fractal_heap::objects(file, heap, &[(0, id.clone())])?;
        let found = found.pop().ok_or_else(|| FormatError::bug(at, "no heap object was returned"))?;
        self.objects.borrow_mut().insert(key, found.clone());
        Ok(found)
    }
}

/// Addresses of the committed datatypes that these headers name and that are not known yet, for one batch of reads.
pub(super) fn committed_types(file: &File, headers: &HashMap<u64, ObjectHeader>) -> Result<Vec<u64>, FormatError> {
    let mut addresses = std::collections::BTreeSet::new();
    for message in headers.values().flat_map(|header| &header.messages) {
        if message.kind != kind::DATATYPE || !message.is_shared() {
            continue;
        }
        let mut cursor = file.cursor(&message.body, message.address, &file.at, "shared message");
        let (version, place) = (cursor.u8()?, cursor.u8()?);
        if version == 1 {
            cursor.skip(6)?;
        }
        if version < 3 || place == 2 {
            addresses.insert(cursor.address()?);
        }
    }
    addresses.retain(|address| !headers.contains_key(address));
    Ok(addresses.into_iter().collect())
}
