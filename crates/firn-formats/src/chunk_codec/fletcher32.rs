//! Fletcher32 as HDF5 computes it (HDF5 filter 3; `numcodecs.fletcher32`): 16-bit words, high byte first, a last odd byte
//! as the high byte of a word; both sums modulo 65535 with 65535 in place of a zero that is not empty.

use crate::error::FormatError;
use firn_model::diagnose::At;

/// Bytes that the codec appends.
pub(super) const LENGTH: usize = 4;

/// Words after which the sums are reduced: 360 sums of 16-bit words fit 32 bits, and far more fit the 64 used here.
const BLOCK: usize = 1 << 16;

/// The checksum of these bytes.
pub(super) fn checksum(data: &[u8]) -> u32 {
    let (mut sum1, mut sum2) = (0u64, 0u64);
    let (words, rest) = data.as_chunks::<2>();
    for block in words.chunks(BLOCK) {
        for word in block {
            sum1 += u64::from(u16::from_be_bytes(*word));
            sum2 += sum1;
        }
        (sum1, sum2) = (fold(sum1), fold(sum2));
    }
    if let [last] = rest {
        sum1 += u64::from(*last) << 8;
        sum2 += sum1;
    }
    ((fold(sum2) as u32) << 16) | fold(sum1) as u32
}

/// `sum` modulo 65535, with 65535 instead of 0 unless it is 0.
fn fold(mut sum: u64) -> u64 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum
}

/// The data without its checksum, which must be right. HDF5 before 1.6.3 stored it with the bytes of each half swapped on
/// little-endian machines; the library accepts both, and so does this.
pub(super) fn check<'a>(encoded: &'a [u8], at: &At) -> Result<&'a [u8], FormatError> {
    let Some((data, stored)) = encoded.split_last_chunk::<LENGTH>() else {
        return Err(FormatError::corrupt(at, format!("{} bytes cannot end in a Fletcher32 checksum", encoded.len())));
    };
    let computed = checksum(data);
    let [a, b, c, d] = *stored;
    if u32::from_le_bytes([a, b, c, d]) != computed && u32::from_le_bytes([b, a, d, c]) != computed {
        let stored = u32::from_le_bytes(*stored);
        return Err(FormatError::corrupt(
            at,
            format!("the Fletcher32 checksum is {computed:08x} where {stored:08x} is stored"),
        ));
    }
    Ok(data)
}

/// Appends the checksum of the data.
pub(super) fn append(data: &mut Vec<u8>) {
    let checksum = checksum(data);
    data.extend_from_slice(&checksum.to_le_bytes());
}
