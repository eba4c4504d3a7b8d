//! `vlen-utf8` (numcodecs `VLenUTF8`, Zarr v3 `vlen-utf8`): a count, then each text as its length and its UTF-8 bytes;
//! count and lengths are little-endian `u32`.

use crate::error::FormatError;
use firn_model::diagnose::At;

/// The texts, exactly `count` of them.
pub(super) fn decode(encoded: &[u8], count: usize, at: &At) -> Result<Vec<String>, FormatError> {
    let cut = || FormatError::corrupt(at, "the list of texts is cut short");
    let (stated, mut rest) = split_u32(encoded).ok_or_else(cut)?;
    if stated != count {
        return Err(FormatError::corrupt(at, format!("{stated} texts are stored where the chunk has {count}")));
    }
    // Each text takes at least its length, so a false count cannot make this large.
    if rest.len() / 4 < count {
        return Err(cut());
    }
    let mut texts = Vec::with_capacity(count);
    for number in 0..count {
        let (length, after) = split_u32(rest).ok_or_else(cut)?;
        let bytes = after.get(..length).ok_or_else(cut)?;
        let text = std::str::from_utf8(bytes)
            .map_err(|_| FormatError::invalid_text(at, format!("text {number} of the chunk is not UTF-8")))?;
        texts.push(text.to_owned());
        rest = &after[length..];
    }
    if !rest.is_empty() {
        return Err(FormatError::corrupt(at, format!("{} bytes follow the last text", rest.len())));
    }
    Ok(texts)
}

/// The encoded texts.
pub(super) fn encode(texts: &[String], at: &At) -> Result<Vec<u8>, FormatError> {
    let too_long = |n: usize| FormatError::limit(at, "the length of a text chunk", n as u64, u64::from(u32::MAX));
    let mut out = Vec::with_capacity(4 + texts.iter().map(|t| t.len() + 4).sum::<usize>());
    out.extend_from_slice(&u32::try_from(texts.len()).map_err(|_| too_long(texts.len()))?.to_le_bytes());
    for text in texts {
        out.extend_from_slice(&u32::try_from(text.len()).map_err(|_| too_long(text.len()))?.to_le_bytes());
        out.extend_from_slice(text.as_bytes());
    }
    Ok(out)
}

fn split_u32(bytes: &[u8]) -> Option<(usize, &[u8])> {
    bytes.split_first_chunk::<4>().map(|(word, rest)| (u32::from_le_bytes(*word) as usize, rest))
}
