//! `crc32c` (Zarr v3 core codec): four little-endian bytes of CRC-32C after the data.

use crate::error::FormatError;
use firn_model::diagnose::At;

/// Bytes that the codec appends.
pub(super) const LENGTH: usize = 4;

/// The data without its checksum, which must be right.
pub(super) fn check<'a>(encoded: &'a [u8], at: &At) -> Result<&'a [u8], FormatError> {
    let Some((data, stored)) = encoded.split_last_chunk::<LENGTH>() else {
        return Err(FormatError::corrupt(at, format!("{} bytes cannot end in a CRC-32C checksum", encoded.len())));
    };
    let (stored, computed) = (u32::from_le_bytes(*stored), ::crc32c::crc32c(data));
    if stored != computed {
        return Err(FormatError::corrupt(
            at,
            format!("the CRC-32C checksum is {computed:08x} where {stored:08x} is stored"),
        ));
    }
    Ok(data)
}

/// Appends the checksum of the data.
pub(super) fn append(data: &mut Vec<u8>) {
    let checksum = ::crc32c::crc32c(data);
    data.extend_from_slice(&checksum.to_le_bytes());
}
