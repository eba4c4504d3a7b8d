//! Object headers, versions 1 and 2, read for many objects at a time ("Disk Format: Level 2A").

use super::file::{Extent, File};
use super::limits;
use crate::FormatError;
use bytes::Bytes;
use firn_model::diagnose::At;
use std::collections::HashSet;

/// Read ahead for each header: most are smaller than this.
const AHEAD: u64 = 512;
const CONTINUATION: u16 = 0x0010;
const NIL: u16 = 0x0000;

/// One message, unparsed.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub kind: u16,
    pub flags: u8,
    pub body: Bytes,
    /// Address of the body.
    pub address: u64,
    /// Number of its creation, where that is tracked.
    pub order: Option<u16>,
}

impl Message {
    /// Whether the body only says where the message is.
    pub fn is_shared(&self) -> bool {
        self.flags & 0x02 != 0
    }
}

/// All messages of one object.
#[derive(Debug, Clone, Default)]
pub(super) struct ObjectHeader {
    pub messages: Vec<Message>,
}

impl ObjectHeader {
    pub fn find(&self, kind: u16) -> Option<&Message> {
        self.messages.iter().find(|message| message.kind == kind)
    }

    pub fn has(&self, kind: u16) -> bool {
        self.find(kind).is_some()
    }
}

/// How messages are laid out in the blocks of a header.
#[derive(Debug, Clone, Copy)]
struct Form {
    version: u8,
    creation_order: bool,
}

struct Pending {
    header: ObjectHeader,
    form: Form,
    blocks: Vec<Extent>,
    seen: HashSet<u64>,
}

/// The header at this address.
pub(super) fn read_one(file: &File, at: &At, address: u64) -> Result<ObjectHeader, FormatError> {
    let mut headers = read(file, &[(address, at.clone())])?;
    headers.pop().ok_or_else(|| FormatError::bug(at, "no object header was returned"))
}

/// The headers at these addresses: one batch of reads for all beginnings, one for all that is longer, and one for each
/// generation of continuation blocks.
pub(super) fn read(file: &File, objects: &[(u64, At)]) -> Result<Vec<ObjectHeader>, FormatError> {
    let extents: Vec<Extent> = objects.iter().map(|(address, _)| (*address, AHEAD)).collect();
    let beginnings = file.read_ahead(&file.at, &extents, "an object header")?;
    let mut firsts = Vec::with_capacity(objects.len());
    for ((address, at), bytes) in objects.iter().zip(&beginnings) {
        firsts.push(first_block(file, at, *address, bytes)?);
    }
    let longer: Vec<usize> = (0..objects.len()).filter(|i| firsts[*i].2 > beginnings[*i].len() as u64).collect();
    let extents: Vec<Extent> = longer.iter().map(|i| (objects[*i].0, firsts[*i].2)).collect();
    let whole = file.read_many(&file.at, &extents, "an object header")?;
    let mut bytes = beginnings;
    for (index, answer) in longer.iter().zip(whole) {
        bytes[*index] = answer;
    }
    let mut pending = Vec::with_capacity(objects.len());
    for (((address, at), (form, start, end)), bytes) in objects.iter().zip(&firsts).zip(&bytes) {
        let mut one =
            Pending { header: ObjectHeader::default(), form: *form, blocks: Vec::new(), seen: HashSet::new() };
        let mut messages_end = *end;
        if form.version == 2 {
            verify(file, at, *address, &bytes[..*end as usize])?;
            messages_end -= 4;
        }
        let body = bytes.slice(*start as usize..messages_end as usize);
        messages(file, at, *address + start, &body, &mut one)?;
        pending.push(one);
    }
    follow(file, objects, &mut pending)?;
    Ok(pending.into_iter().map(|one| one.header).collect())
}

/// Reads continuation blocks of all headers, generation by generation.
fn follow(file: &File, objects: &[(u64, At)], pending: &mut [Pending]) -> Result<(), FormatError> {
    loop {
        let mut wanted = Vec::new();
        for (index, one) in pending.iter_mut().enumerate() {
            wanted.extend(std::mem::take(&mut one.blocks).into_iter().map(|extent| (index, extent)));
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let extents: Vec<Extent> = wanted.iter().map(|(_, extent)| *extent).collect();
        let blocks = file.read_many(&file.at, &extents, "a continuation of an object header")?;
        for ((index, (address, length)), block) in wanted.into_iter().zip(blocks) {
            let at = &objects[index].1;
            let one = &mut pending[index];
            if !one.seen.insert(address) {
                return Err(FormatError::corrupt(
                    &at.bytes(file.base + address, length),
                    "a continuation of an object header that leads back to itself",
                ));
            }
            if one.seen.len() > limits::CONTINUATIONS {
                let limit = limits::CONTINUATIONS as u64;
                return Err(FormatError::limit(
                    at,
                    "the number of continuations of an object header",
                    limit + 1,
                    limit,
                ));
            }
            if one.form.version == 1 {
                messages(file, at, address, &block, one)?;
                continue;
            }
            let mut cursor = file.cursor(&block, address, at, "continuation of an object header");
            cursor.expect(*b"OCHK")?;
            if length < 8 {
                return Err(cursor.corrupt("it is too short for its checksum"));
            }
            verify(file, at, address, &block)?;
            messages(file, at, address + 4, &block.slice(4..block.len() - 4), one)?;
        }
    }
}

/// Form of a header, where its messages start and where its first block ends, both relative to its address.
fn first_block(file: &File, at: &At, address: u64, bytes: &[u8]) -> Result<(Form, u64, u64), FormatError> {
    let mut cursor = file.cursor(bytes, address, at, "object header");
    if bytes.first() == Some(&1) {
        cursor.skip(8)?;
        let size = u64::from(cursor.u32()?);
        cursor.skip(4)?;
        return Ok((Form { version: 1, creation_order: false }, 16, 16 + size));
    }
    cursor.expect(*b"OHDR")?;
    cursor.version(&[2])?;
    let flags = cursor.u8()?;
    if flags & 0x20 != 0 {
        cursor.skip(16)?;
    }
    if flags & 0x10 != 0 {
        cursor.skip(4)?;
    }
    let size = cursor.uint(1 << (flags & 0x03))?;
    let start = cursor.position() as u64;
    let end = start.checked_add(size).and_then(|end| end.checked_add(4));
    let end = end.ok_or_else(|| cursor.corrupt("its size overflows"))?;
    file.place(at, (address, end), "an object header")?;
    Ok((Form { version: 2, creation_order: flags & 0x04 != 0 }, start, end))
}

fn verify(file: &File, at: &At, address: u64, block: &[u8]) -> Result<(), FormatError> {
    let mut cursor = file.cursor(block, address, at, "object header");
    cursor.skip(block.len() - 4)?;
    cursor.checksum()
}

fn messages(file: &File, at: &At, address: u64, block: &Bytes, into: &mut Pending) -> Result<(), FormatError> {
    let prefix = match (into.form.version, into.form.creation_order) {
        (1, _) => 8,
        (_, false) => 4,
        (_, true) => 6,
    };
    let mut cursor = file.cursor(block, address, at, "object header");
    // What is left and too short for a message is a gap.
    while cursor.remaining() >= prefix {
        let (kind, size, flags);
        let mut order = None;
        if into.form.version == 1 {
            (kind, size, flags) = (cursor.u16()?, cursor.u16()?, cursor.u8()?);
            cursor.skip(3)?;
        } else {
            (kind, size, flags) = (u16::from(cursor.u8()?), cursor.u16()?, cursor.u8()?);
            if into.form.creation_order {
                order = Some(cursor.u16()?);
            }
        }
        let start = cursor.position();
        cursor.skip(usize::from(size))?;
        let message = Message {
            kind,
            flags,
            body: block.slice(start..cursor.position()),
            address: address + start as u64,
            order,
        };
        match kind {
            NIL => {}
            CONTINUATION => {
                let mut cursor = file.cursor(&message.body, message.address, at, "continuation message");
                let extent = (cursor.address()?, cursor.length()?);
                into.blocks.push(extent);
            }
            _ if kind > 0x0019 && flags & 0x80 != 0 => {
                let what = format!("a message of type {kind:#06x}, which must be understood, is not known");
                return Err(FormatError::unsupported("unsupported-hdf5-message", at, what));
            }
            _ => into.header.messages.push(message),
        }
        if into.header.messages.len() > limits::MESSAGES {
            let limit = limits::MESSAGES as u64;
            return Err(FormatError::limit(at, "the number of messages of an object", limit + 1, limit));
        }
    }
    Ok(())
}
