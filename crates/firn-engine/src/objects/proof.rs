//! Whether two objects hold the same bytes, and by what that is known. Nothing counts as equal because it looks alike.

use super::records::Arrival;
use crate::error::EngineError;
use crate::inbox::hash::digest_of;
use firn_model::source::{SourceError, SourceVersion};
use firn_storage::Prefix;
use md5::{Digest, Md5};

/// Parts in which other tools write large objects, MiB (AWS's, rclone's, s5cmd's and object_store's defaults and their usual
/// multiples), by which the tags of S3 are made.
const PARTS: [u64; 12] = [16, 8, 5, 50, 64, 128, 10, 32, 100, 256, 25, 512];
const PIECE: u64 = 8 << 20;

/// One object.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// Where it lies.
    pub place: &'a Prefix,
    /// Its key.
    pub key: &'a str,
    /// Its version.
    pub version: &'a SourceVersion,
    /// Whether reading it costs no traffic.
    pub is_local: bool,
}

/// By what two objects are known to be equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// By the digest that was made when one was copied to the other.
    Recorded,
    /// By entity tags that are MD5 sums.
    Tags,
    /// By reading both.
    Read,
}

/// What comparing two objects says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The same bytes.
    Equal(Proof),
    /// Other bytes.
    Other(String),
}

/// How much a record of an earlier copy proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// What has not changed since is what was copied.
    Versions,
    /// Files are read nevertheless: a disk may lose bytes and keep times.
    Bytes,
}

/// Compares two objects, by the cheapest proof that there is.
///
/// # Errors
/// What reading says; [`SourceError::Changed`] where one changes meanwhile.
pub async fn compare(
    a: Side<'_>,
    b: Side<'_>,
    arrival: Option<&Arrival>,
    trust: Trust,
) -> Result<Verdict, EngineError> {
    if a.version.size != b.version.size {
        return Ok(Verdict::Other(format!("{} and {} bytes", a.version.size, b.version.size)));
    }
    let arrival = arrival.filter(|arrival| arrival.is_of(a.version, b.version));
    if let Some(arrival) = arrival {
        match (&arrival.blake3, trust) {
            (_, Trust::Versions) => return Ok(Verdict::Equal(Proof::Recorded)),
            (Some(recorded), Trust::Bytes) => {
                for side in [a, b].into_iter().filter(|side| side.is_local) {
                    if digest_of(side.place, side.key, side.version).await? != *recorded {
                        return Ok(Verdict::Other(
                            "other bytes than were copied, at the same size and time".to_owned(),
                        ));
                    }
                }
                return Ok(Verdict::Equal(Proof::Recorded));
            }
            (None, Trust::Bytes) => {}
        }
    }
    if by_tags(a, b).await? {
        return Ok(Verdict::Equal(Proof::Tags));
    }
    let (first, second) =
        futures::try_join!(digest_of(a.place, a.key, a.version), digest_of(b.place, b.key, b.version))?;
    Ok(if first == second {
        Verdict::Equal(Proof::Read)
    } else {
        Verdict::Other("the same size, other bytes".to_owned())
    })
}

/// Whether entity tags prove that both are equal. That they differ proves nothing: they need not be MD5 sums.
async fn by_tags(a: Side<'_>, b: Side<'_>) -> Result<bool, EngineError> {
    match (tag(a), tag(b)) {
        (Some(a), Some(b)) => Ok(a == b),
        (Some(sum), None) if b.is_local => is_sum_of(b, sum).await,
        (None, Some(sum)) if a.is_local => is_sum_of(a, sum).await,
        _ => Ok(false),
    }
}

/// Small files beside objects whose tags are MD5 sums: many are compared at once.
pub mod sums {
    use super::{PIECE, Side, hex, tag};
    use firn_model::source::{ListedObject, SourceVersion};
    use firn_storage::Prefix;

    /// Whether one is a small file and the other's tag an MD5 sum, so that equal sums decide.
    pub fn decides(a: Side<'_>, b: Side<'_>) -> bool {
        let is_whole = |side: Side<'_>| tag(side).is_some_and(|sum| sum.parts.is_none());
        let size = a.version.size;
        size == b.version.size && size <= PIECE && (a.is_local && is_whole(b) || b.is_local && is_whole(a))
    }

    /// Which of these are certain to be equal. Of the others nothing is known, also where a file could not be read.
    pub async fn equal<'a>(
        from: &Prefix,
        to: &Prefix,
        from_is_local: bool,
        pairs: impl Iterator<Item = (&'a ListedObject, &'a str, &'a SourceVersion)>,
    ) -> Vec<bool> {
        let (files, tags): (Vec<_>, Vec<_>) = pairs
            .map(|(object, to_key, version)| {
                let a = (object.key.clone(), object.version.clone());
                let b = (to_key.to_owned(), version.clone());
                if from_is_local { (a, b) } else { (b, a) }
            })
            .unzip();
        let (files_at, tags_at) = if from_is_local { (from, to) } else { (to, from) };
        let Ok(sums) = files_at.md5_of_files(files).await else { return vec![false; tags.len()] };
        let is_equal = |(sum, (key, version)): (Option<[u8; 16]>, &(String, SourceVersion))| {
            let tag = tag(Side { place: tags_at, key, version, is_local: false });
            sum.zip(tag).is_some_and(|(sum, tag)| tag.parts.is_none() && hex(&sum) == tag.hex)
        };
        sums.into_iter().zip(&tags).map(is_equal).collect()
    }
}

/// An MD5 sum, and the number of parts where it is one of sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sum<'a> {
    hex: &'a str,
    parts: Option<u64>,
}

fn tag(side: Side<'_>) -> Option<Sum<'_>> {
    if side.is_local {
        return None;
    }
    let tag = side.version.etag.as_deref()?;
    let tag = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or(tag);
    let (hex, parts) = match tag.split_once('-') {
        Some((hex, parts)) => (hex, Some(parts.parse().ok()?)),
        None => (tag, None),
    };
    let is_md5 = hex.len() == 32 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    is_md5.then_some(Sum { hex, parts })
}

/// Whether a file has this sum: as a whole, or of parts of the sizes that tools write.
async fn is_sum_of(file: Side<'_>, sum: Sum<'_>) -> Result<bool, EngineError> {
    let size = file.version.size;
    let Some(parts) = sum.parts else { return Ok(md5_of(file, 0..size).await?.hex == sum.hex) };
    for mib in PARTS {
        let part = mib << 20;
        if size.div_ceil(part).max(1) != parts {
            continue;
        }
        let mut all = Md5::new();
        for number in 0..parts {
            all.update(md5_of(file, number * part..size.min((number + 1) * part)).await?.bytes);
        }
        if hex(&all.finalize()) == sum.hex {
            return Ok(true);
        }
    }
    Ok(false)
}

struct Md5Sum {
    bytes: Vec<u8>,
    hex: String,
}

async fn md5_of(file: Side<'_>, range: std::ops::Range<u64>) -> Result<Md5Sum, EngineError> {
    let mut sum = Md5::new();
    if range == (0..file.version.size) && file.version.size <= PIECE {
        // Bytes and version by one look at the file.
        let at = file.place.url().child(file.key)?.at();
        let object = file.place.get(file.key).await?.ok_or_else(|| SourceError::NotFound { at: at.clone() })?;
        crate::inbox::hash::unchanged(&at, file.version, &object.version)?;
        sum.update(&object.bytes);
        let bytes = sum.finalize().to_vec();
        return Ok(Md5Sum { hex: hex(&bytes), bytes });
    }
    let mut start = range.start;
    while start < range.end {
        let end = (start + PIECE).min(range.end);
        sum.update(file.place.get_range(file.key, start..end).await?);
        start = end;
    }
    let at = file.place.url().child(file.key)?.at();
    let seen = file.place.head(file.key).await?.ok_or_else(|| SourceError::NotFound { at: at.clone() })?;
    crate::inbox::hash::unchanged(&at, file.version, &seen)?;
    let bytes = sum.finalize().to_vec();
    Ok(Md5Sum { hex: hex(&bytes), bytes })
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
