//! NetCDF classic: CDF-1, CDF-2 (64-bit offsets), CDF-5 (64-bit data). Spec: "The NetCDF Classic Format Specification".

mod convert;
mod header;
mod layout;
mod parse;

use crate::error::FormatError;
use firn_model::array::SourceObject;
use firn_model::dataset::Dataset;
use firn_model::diagnose::At;
use firn_model::source::{RangeReader, Source, SourceError};

/// The largest header that is read, bytes. Real ones are some KiB, a few MiB with ten thousand attributes.
const MAX_HEADER: u64 = 32 << 20;

/// What is read first: most headers fit, and one request costs the same for it as for a byte.
const FIRST_READ: u64 = 64 << 10;

/// Whether these first bytes are those of a NetCDF classic file of any version.
pub fn is_netcdf3(start: &[u8]) -> bool {
    start.starts_with(b"CDF") && start.get(3).is_some_and(|version| *version < 0x20)
}

/// Opens a NetCDF classic file: its header is read, no data.
///
/// # Errors
/// [`FormatError::Corrupt`] and [`FormatError::Truncated`] for a header that contradicts itself or the size of the file.
pub fn open(source: &dyn Source, at: &At) -> Result<Dataset, FormatError> {
    let Some(reader) = source.object("")? else { return Err(SourceError::NotFound { at: at.clone() }.into()) };
    let header = read_header(reader.as_ref(), at)?;
    let version = reader.version()?;
    let layout = layout::Layout::new(&header, version.size, at)?;
    convert::dataset(&header, &layout, SourceObject { url: source.url().to_owned(), version }, at)
}

/// Reads ever longer beginnings of the file until the header fits.
fn read_header(reader: &dyn RangeReader, at: &At) -> Result<header::Header, FormatError> {
    let size = reader.size()?;
    let mut length = FIRST_READ.min(size);
    loop {
        let bytes = reader.read(0..length)?;
        match header::parse(&bytes, at)? {
            header::Parsed::Header(header) => return Ok(header),
            header::Parsed::Needs(needed) if needed > size => {
                return Err(FormatError::truncated(at, "its header", needed, size));
            }
            header::Parsed::Needs(needed) if needed > MAX_HEADER => {
                return Err(FormatError::limit(at, "the size of the header in bytes", needed, MAX_HEADER));
            }
            header::Parsed::Needs(needed) => length = needed.max(length.saturating_mul(4)).min(size).min(MAX_HEADER),
        }
    }
}
