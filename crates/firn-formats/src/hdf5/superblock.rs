//! The superblock and its extension: where the file begins, ends, and has its root ("Disk Format: Level 0").

use super::cursor::{Cursor, Sizes};
use super::file::File;
use super::object_header::{self, ObjectHeader};
use crate::FormatError;
use bytes::Bytes;
use firn_model::diagnose::At;

/// More than any version of the superblock has.
const AHEAD: u64 = 128;
const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";

/// What the superblock and its extension say.
#[derive(Debug, Clone)]
pub(super) struct Superblock {
    /// Address of the root group's object header.
    pub root: u64,
    /// Half the greatest number of children of a node of a chunk B-tree.
    pub chunk_k: u16,
    /// Half the greatest number of children of a node of a group B-tree.
    pub group_k: u16,
    /// Half the greatest number of symbols of a node.
    pub leaf_k: u16,
    /// Address and number of indices of the table of shared messages.
    pub shared_messages: Option<(u64, u8)>,
}

/// Finds and reads the superblock and its extension, and sets base and sizes of the file accordingly.
pub(super) fn read(file: &mut File) -> Result<Superblock, FormatError> {
    let parsed = locate(file)?;
    let at = file.at.clone();
    let mut superblock = parsed.superblock;
    if let Some(driver) = parsed.driver {
        let block = file.read(&at, (driver, 16), "the driver information block")?;
        return Err(other_driver(&at, &block[8..16]));
    }
    if let Some(extension) = parsed.extension {
        let header = object_header::read_one(file, &at, extension)?;
        read_extension(file, &at, &header, &mut superblock)?;
    }
    Ok(superblock)
}

/// Finds the superblock and sets base and sizes of the file accordingly; checks that the file reaches its stated end.
pub(super) fn locate(file: &mut File) -> Result<Parsed, FormatError> {
    let at = file.at.clone();
    let (start, bytes) = find(file, &at)?;
    let mut cursor = Cursor::new(&bytes, start, file.sizes, &at, "superblock");
    cursor.skip(SIGNATURE.len())?;
    let parsed = match cursor.version(&[0, 1, 2, 3])? {
        version @ (0 | 1) => read_old(&mut cursor, version)?,
        _ => read_new(&mut cursor)?,
    };
    // The stored end counts from the same byte as the stored base; a file behind a user block that was added later has both
    // counted from the superblock instead of from the first byte.
    let end = parsed.end.saturating_sub(parsed.base).saturating_add(start);
    if end > file.size {
        return Err(FormatError::truncated(&at, "its superblock", end, file.size));
    }
    file.base = start;
    file.sizes = parsed.sizes;
    Ok(parsed)
}

/// What the superblock itself says.
pub(super) struct Parsed {
    sizes: Sizes,
    base: u64,
    end: u64,
    driver: Option<u64>,
    extension: Option<u64>,
    superblock: Superblock,
}

/// The byte at which the signature stands (0, or after a user block of 512, 1024, 2048, … bytes) and what follows it.
fn find(file: &File, at: &At) -> Result<(u64, Bytes), FormatError> {
    let mut start = 0u64;
    while start.saturating_add(SIGNATURE.len() as u64) <= file.size {
        let bytes = file.read_ahead(at, &[(start, AHEAD)], "the superblock")?.pop().unwrap_or_default();
        if bytes.starts_with(&SIGNATURE) {
            return Ok((start, bytes));
        }
        start = if start == 0 { 512 } else { start.saturating_mul(2) };
    }
    let what = "no HDF5 signature stands at byte 0, 512, 1024, or any later doubling".to_owned();
    Err(FormatError::NotAnArrayFile { at: at.clone(), what })
}

fn sizes(cursor: &mut Cursor<'_>) -> Result<Sizes, FormatError> {
    let sizes = Sizes { offset: cursor.u8()?, length: cursor.u8()? };
    for size in [sizes.offset, sizes.length] {
        match size {
            2 | 4 | 8 => {}
            16 | 32 => {
                let what = format_args!("addresses or lengths of {size} bytes are not read");
                return Err(cursor.unsupported("unsupported-hdf5-wide-addresses", what));
            }
            _ => return Err(cursor.corrupt(format_args!("{size} bytes for an address or a length"))),
        }
    }
    Ok(sizes)
}

fn read_old(cursor: &mut Cursor<'_>, version: u8) -> Result<Parsed, FormatError> {
    cursor.skip(4)?;
    let sizes = sizes(cursor)?;
    cursor.skip(1)?;
    let leaf_k = cursor.u16()?;
    let group_k = cursor.u16()?;
    cursor.skip(4)?;
    let mut chunk_k = 32;
    if version == 1 {
        chunk_k = cursor.u16()?;
        cursor.skip(2)?;
    }
    let width = usize::from(sizes.offset);
    let base = cursor.uint(width)?;
    cursor.skip(width)?;
    let end = cursor.uint(width)?;
    let driver = cursor.uint(width)?;
    let undefined = u64::MAX >> (64 - 8 * width);
    cursor.skip(width)?; // the name of the root
    let root = cursor.uint(width)?;
    Ok(Parsed {
        sizes,
        base,
        end,
        driver: (driver != undefined).then_some(driver),
        extension: None,
        superblock: Superblock { root, chunk_k, group_k, leaf_k, shared_messages: None },
    })
}

fn read_new(cursor: &mut Cursor<'_>) -> Result<Parsed, FormatError> {
    let sizes = sizes(cursor)?;
    cursor.skip(1)?;
    let width = usize::from(sizes.offset);
    let undefined = u64::MAX >> (64 - 8 * width);
    let base = cursor.uint(width)?;
    let extension = cursor.uint(width)?;
    let end = cursor.uint(width)?;
    let root = cursor.uint(width)?;
    cursor.checksum()?;
    Ok(Parsed {
        sizes,
        base,
        end,
        driver: None,
        extension: (extension != undefined).then_some(extension),
        superblock: Superblock { root, chunk_k: 32, group_k: 16, leaf_k: 4, shared_messages: None },
    })
}

fn read_extension(file: &File, at: &At, header: &ObjectHeader, into: &mut Superblock) -> Result<(), FormatError> {
    for message in &header.messages {
        let mut cursor = file.cursor(&message.body, message.address, at, "superblock extension");
        match message.kind {
            0x000f => {
                cursor.version(&[0])?;
                into.shared_messages = Some((cursor.address()?, cursor.u8()?));
            }
            0x0013 => {
                cursor.version(&[0])?;
                into.chunk_k = cursor.u16()?;
                into.group_k = cursor.u16()?;
                into.leaf_k = cursor.u16()?;
            }
            0x0014 => {
                cursor.version(&[0])?;
                return Err(other_driver(at, cursor.take(8)?));
            }
            0x0018 => {
                cursor.skip(1)?;
                if cursor.offset()?.is_some() {
                    let what = "its metadata is in a cache image, which is not read; open and close it with HDF5 1.10 or later to write it out";
                    return Err(FormatError::unsupported("unsupported-hdf5-cache-image", at, what));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn other_driver(at: &At, name: &[u8]) -> FormatError {
    let name = String::from_utf8_lossy(name);
    let what = format!(
        "the file is one of several that make up one (driver {:?}); join them with h5repart or h5repack",
        name.trim_end_matches('\0')
    );
    FormatError::unsupported("unsupported-hdf5-driver", at, what)
}
