//! What a file is, by its content; its name says nothing.

use crate::error::FormatError;
use firn_model::diagnose::At;
use firn_model::source::RangeReader;

/// What is looked at first, bytes.
const START: u64 = 1 << 10;

/// The signature of HDF5, at byte 0 or at 512, 1024, 2048, … behind a user block.
const HDF5: &[u8] = b"\x89HDF\r\n\x1a\n";

/// The largest user block that is looked behind, bytes.
const MAX_USER_BLOCK: u64 = 1 << 30;

/// A format that can be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileFormat {
    /// NetCDF classic: CDF-1, CDF-2, CDF-5.
    NetCdf3,
    /// HDF5, and so NetCDF-4.
    Hdf5,
    /// References of kerchunk, as JSON.
    KerchunkJson,
}

/// The format of an object.
///
/// # Errors
/// [`FormatError::Unsupported`] for a known format that is not read yet, [`FormatError::NotAnArrayFile`] for everything
/// else, both naming what it is.
pub fn sniff(reader: &dyn RangeReader, at: &At) -> Result<FileFormat, FormatError> {
    let size = reader.size()?;
    let start = reader.read(0..START.min(size))?;
    if crate::netcdf3::is_netcdf3(&start) {
        return Ok(FileFormat::NetCdf3);
    }
    if start.starts_with(HDF5) {
        return Ok(FileFormat::Hdf5);
    }
    if crate::kerchunk::is_kerchunk(String::from_utf8_lossy(&start).trim_start()) {
        return Ok(FileFormat::KerchunkJson);
    }
    // A user block may hold anything, zeros too.
    let is_blank = start.iter().all(|byte| *byte == 0);
    if let (false, Some(error)) = (is_blank && size > 0, refusal(&start, size, at)) {
        return Err(error);
    }
    let mut offset = 512u64;
    while offset <= MAX_USER_BLOCK && offset + HDF5.len() as u64 <= size {
        if reader.read(offset..offset + HDF5.len() as u64)? == HDF5 {
            return Ok(FileFormat::Hdf5);
        }
        offset *= 2;
    }
    if is_blank {
        return Err(not_an_array_file(at, "its first bytes are all zero, as after a broken transfer"));
    }
    let shown = start.iter().take(16).fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    Err(not_an_array_file(at, &format!("it starts with the bytes {shown}, which no known format does")))
}

/// Formats that are named when they are met: signature, code, name.
const NOT_READ_YET: [(&[u8], &str, &str); 10] = [
    (b"GRIB", "unsupported-grib", "GRIB"),
    (b"II*\0", "unsupported-tiff", "TIFF"),
    (b"MM\0*", "unsupported-tiff", "TIFF"),
    (b"II+\0", "unsupported-tiff", "BigTIFF"),
    (b"MM\0+", "unsupported-tiff", "BigTIFF"),
    (b"\x0e\x03\x13\x01", "unsupported-hdf4", "HDF4"),
    (b"SIMPLE  =", "unsupported-fits", "FITS"),
    (b"BUFR", "unsupported-bufr", "BUFR"),
    (b"\x93NUMPY", "unsupported-npy", "NumPy"),
    (b"PAR1", "unsupported-parquet", "Parquet"),
];

const COMPRESSED: [(&[u8], &str, &str); 7] = [
    (b"\x1f\x8b", "gzip", "gunzip"),
    (b"BZh", "bzip2", "bunzip2"),
    (b"\xfd7zXZ\0", "xz", "unxz"),
    (b"\x28\xb5\x2f\xfd", "Zstandard", "unzstd"),
    (b"\x1f\x9d", "compress", "uncompress"),
    (b"PK\x03\x04", "ZIP", "unzip"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip", "7z x"),
];

fn refusal(start: &[u8], size: u64, at: &At) -> Option<FormatError> {
    if size == 0 {
        return Some(not_an_array_file(at, "it is empty (0 bytes)"));
    }
    if let Some((_, code, name)) = NOT_READ_YET.iter().find(|(magic, ..)| start.starts_with(magic)) {
        return Some(FormatError::unsupported(code, at, format!("{name} files are not read yet")));
    }
    if let Some((_, name, tool)) = COMPRESSED.iter().find(|(magic, ..)| start.starts_with(magic)) {
        return Some(not_an_array_file(at, &format!("it is compressed or packed ({name}); unpack it first: {tool}")));
    }
    if start.get(257..262) == Some(b"ustar") {
        return Some(not_an_array_file(at, "it is a tar archive; unpack it first: tar -xf"));
    }
    text_refusal(start, at)
}

fn text_refusal(start: &[u8], at: &At) -> Option<FormatError> {
    let text = String::from_utf8_lossy(start);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let lower = text.to_ascii_lowercase();
    // What a stranger wrote reaches a terminal, which obeys control characters.
    let plain = |c: char| if c.is_control() || is_bidi(c) { '\u{fffd}' } else { c };
    let shown =
        || text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(80).map(plain).collect::<String>();
    let html = ["<!doctype html", "<html", "<head", "<body"].iter().any(|tag| lower.starts_with(tag));
    if html || (lower.starts_with('<') && lower.contains("<html")) {
        return Some(not_an_array_file(at, &format!("it is an HTML page: {}", shown())));
    }
    if lower.starts_with("<?xml") || lower.starts_with("<error") {
        return Some(not_an_array_file(at, &format!("it is an XML document: {}", shown())));
    }
    if lower.starts_with("version https://git-lfs") || lower.starts_with("/annex/objects/") {
        return Some(not_an_array_file(at, "it is a pointer of Git LFS or git-annex, not the file itself"));
    }
    if lower.starts_with("error {") || lower.starts_with("dataset {") {
        return Some(not_an_array_file(at, &format!("it is an answer of an OPeNDAP server: {}", shown())));
    }
    if lower.starts_with("netcdf ") && lower.contains('{') {
        return Some(not_an_array_file(at, "it is CDL text; make a file of it first: ncgen"));
    }
    if text.starts_with(['{', '[']) {
        return Some(json_refusal(text, at, &shown()));
    }
    None
}

/// Characters that turn the direction of the text around them.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn json_refusal(text: &str, at: &At, shown: &str) -> FormatError {
    if text.contains("\"zarr_format\"") {
        return not_an_array_file(at, "it is a metadata document of Zarr; open the folder that it is in");
    }
    not_an_array_file(at, &format!("it is a JSON document: {shown}"))
}

fn not_an_array_file(at: &At, what: &str) -> FormatError {
    FormatError::NotAnArrayFile { at: at.clone(), what: what.to_owned() }
}
