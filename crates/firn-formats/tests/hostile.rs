//! Damaged and misleading input: an error is right, a panic, a hang, a huge allocation or a wrong value is not.
#![allow(clippy::unwrap_used, clippy::panic)]

use bytes::Bytes;
use firn_formats::{FormatError, TextEncoding, open, read_array};
use firn_model::array::Values;
use firn_model::dataset::{Dataset, NodePath};
use firn_model::diagnose::{At, Category, Diagnose};
use firn_model::source::MemorySource;
use std::path::{Path, PathBuf};

/// Arrays that a damaged header makes larger are not read.
const MAX_BYTES: u64 = 1 << 20;

fn source(bytes: impl Into<Bytes>) -> MemorySource {
    MemorySource::new("file:///damaged.nc", bytes)
}

fn at() -> At {
    At::url("file:///damaged.nc")
}

fn small_netcdf3_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/netcdf3");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| std::fs::metadata(path).unwrap().len() < 5000);
    files.sort();
    assert!(files.len() > 15);
    files
}

type Contents = Vec<(NodePath, Values)>;

fn contents(bytes: Bytes) -> Result<(Dataset, Contents), FormatError> {
    let source = source(bytes);
    let dataset = open(&source, &at())?;
    let mut contents = Vec::new();
    for (path, array) in dataset.arrays().filter(|(_, array)| array.metadata.decoded_bytes() < MAX_BYTES) {
        let values = read_array(&source, array, TextEncoding::Latin1, &at().node(path.as_str()))?;
        contents.push((path.clone(), values));
    }
    Ok((dataset, contents))
}

/// Small files that together have every structure that the HDF5 reader follows: both kinds of object headers and groups, each
/// index of chunks, heaps, filters, shared messages.
const SMALL_HDF5: [&str; 12] = [
    "hdf5/old_format_v1.h5",
    "hdf5/v4_layout.h5",
    "hdf5/extensible_array_chunked.h5",
    "hdf5/fixed_array_chunked.h5",
    "hdf5/btree_v2_chunked.h5",
    "hdf5/simple_chunked_deflate.h5",
    "hdf5/fletcher32.h5",
    "hdf5/string_attrs.h5",
    "hdf5/vlen_strings.h5",
    "hdf5/nested_groups.h5",
    "hdf5/sohm_group.h5",
    "hdf5/userblock_v0.h5",
];

#[test]
fn a_cut_hdf5_file_is_refused_at_every_byte_or_read_right() {
    for name in SMALL_HDF5 {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata").join(name);
        let bytes = Bytes::from(std::fs::read(path).unwrap());
        let whole = contents(bytes.clone()).unwrap();
        assert!(!whole.1.is_empty() || name.ends_with("sohm_group.h5"), "{name} has no array that is read");
        let mut padded = bytes.to_vec();
        for cut in (0..bytes.len()).rev() {
            match contents(bytes.slice(..cut)) {
                Ok(part) => assert_eq!(part, whole, "{name} cut at {cut}"),
                Err(error) => assert_ne!(error.category(), Category::Bug, "{name} cut at {cut}: {error}"),
            }
            // What a transfer that stopped leaves of a file that was made in its full length. Nothing tells values from
            // zeros; what follows the cut is only to be refused or read, without a panic and in bounds.
            padded[cut] = 0;
            if let Err(error) = contents(Bytes::copy_from_slice(&padded)) {
                assert_ne!(error.category(), Category::Bug, "{name} with zeros from {cut}: {error}");
            }
        }
    }
}

#[test]
fn a_cut_netcdf3_file_is_refused_unless_it_lost_padding_alone() {
    for path in small_netcdf3_files() {
        let bytes = Bytes::from(std::fs::read(&path).unwrap());
        let (_, whole) = contents(bytes.clone()).unwrap();
        let mut accepted = 0;
        for cut in 0..bytes.len() {
            if let Ok((_, part)) = contents(bytes.slice(..cut)) {
                assert_eq!(part, whole, "{} cut at {cut}", path.display());
                accepted += 1;
            }
        }
        // Up to three bytes of padding a value, and room that some writers leave at the end.
        let room = path.file_name().is_some_and(|name| name == "empty_data_set.nc");
        assert!(accepted < 8 || room, "{}: {accepted} cuts were accepted", path.display());
    }
}

#[test]
fn a_cut_netcdf3_file_names_where_it_should_end() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/netcdf3/uv300.nc");
    let bytes = std::fs::read(path).unwrap();
    let size = bytes.len() / 2;
    let error = contents(Bytes::from(bytes).slice(..size)).unwrap_err();
    assert_eq!(error.code(), "format-truncated");
    assert!(error.to_string().contains(&format!("ends at byte {size}")), "{error}");
}

#[test]
fn a_damaged_netcdf3_file_never_panics() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let mut opened = 0;
    for path in small_netcdf3_files() {
        let bytes = std::fs::read(&path).unwrap();
        for _ in 0..400 {
            let mut damaged = bytes.clone();
            for _ in 0..=next() % 3 {
                let place = (next() % 512.min(bytes.len() as u64)) as usize;
                damaged[place] = if next() % 3 == 0 { 0xff } else { next() as u8 };
            }
            opened += usize::from(contents(damaged.into()).is_ok());
        }
    }
    assert!(opened > 100, "{opened}");
}

/// A header that claims everything that can be claimed, in a file of 80 bytes.
#[test]
fn claims_of_a_small_file_are_not_believed() {
    let header = |records: u32, length: u32, kind: u32| {
        let mut bytes = b"CDF\x01".to_vec();
        for word in [records, 10, 1, 1] {
            bytes.extend_from_slice(&word.to_be_bytes());
        }
        bytes.extend_from_slice(b"x\0\0\0");
        for word in [length, 0, 0, 11, 1, 1] {
            bytes.extend_from_slice(&word.to_be_bytes());
        }
        bytes.extend_from_slice(b"v\0\0\0");
        for word in [1, 0, 0, 0, kind, 4, 80] {
            bytes.extend_from_slice(&word.to_be_bytes());
        }
        bytes
    };
    for (records, length) in [(0, i32::MAX as u32), (i32::MAX as u32, 0), (0x8000_0000, 0), (0, u32::MAX)] {
        let error = contents(header(records, length, 6).into()).unwrap_err();
        assert_eq!(error.category(), Category::Corrupt, "{records} {length}: {error}");
    }
    let error = contents(header(0, 4, 12).into()).unwrap_err();
    assert!(error.to_string().contains("12 is not a type"), "{error}");
}

/// Neither the part before it, which other libraries show, nor what is left without it is the name that was written.
#[test]
fn a_name_with_nul_inside_is_damage() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/netcdf3/nc_fill_values.nc");
    let mut bytes = std::fs::read(path).unwrap();
    let name = b"nc_fill_value_f32";
    let at = bytes.windows(name.len()).position(|window| window == name).unwrap();
    bytes[at + 6..at + 10].fill(0);
    let error = contents(bytes.into()).unwrap_err();
    assert_eq!(error.category(), Category::Corrupt);
    assert!(error.to_string().contains("a name contains NUL"), "{error}");
}

#[test]
fn records_that_their_writer_did_not_count_are_counted_from_the_size() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/netcdf3/ref_multi_rec.nc");
    let mut bytes = std::fs::read(path).unwrap();
    let (before, whole) = contents(bytes.clone().into()).unwrap();
    bytes[4..8].copy_from_slice(&u32::MAX.to_be_bytes());
    let (dataset, streamed) = contents(bytes.clone().into()).unwrap();
    assert_eq!(streamed, whole);
    assert_eq!(dataset.notes, before.notes);
    bytes.extend_from_slice(&[1, 2, 3, 4]);
    let (dataset, streamed) = contents(bytes.into()).unwrap();
    assert_eq!(streamed, whole);
    assert!(dataset.notes.iter().any(|note| note.contains("inside of a record")), "{:?}", dataset.notes);
}

#[test]
fn what_is_no_array_file_is_named_for_what_it_is() {
    let tar = |()| {
        let mut bytes = vec![b'a'; 512];
        bytes[257..262].copy_from_slice(b"ustar");
        bytes
    };
    for (bytes, code, says) in [
        (b"".to_vec(), "not-an-array-file", "empty"),
        (b"\n\n<!DOCTYPE html><html><head><title>404".to_vec(), "not-an-array-file", "HTML page"),
        (b"<?xml version=\"1.0\"?><Error><Code>AccessDenied".to_vec(), "not-an-array-file", "AccessDenied"),
        (b"{\"message\": \"Not Found\"}".to_vec(), "not-an-array-file", "JSON document"),
        (b"\x1f\x8b\x08\0\0\0\0\0".to_vec(), "not-an-array-file", "gunzip"),
        (b"PK\x03\x04\0\0\0\0".to_vec(), "not-an-array-file", "ZIP"),
        (tar(()), "not-an-array-file", "tar archive"),
        (vec![0; 4096], "not-an-array-file", "all zero"),
        (b"version https://git-lfs.github.com/spec/v1\noid".to_vec(), "not-an-array-file", "Git LFS"),
        (b"netcdf air {\ndimensions:".to_vec(), "not-an-array-file", "ncgen"),
        (b"hello, world, this is text".to_vec(), "not-an-array-file", "68656c6c6f"),
        (b"GRIB\0\0\0\x02".to_vec(), "unsupported-grib", "GRIB"),
        (b"II*\0\x08\0\0\0".to_vec(), "unsupported-tiff", "TIFF"),
        (b"MM\0+\0\x08\0\0".to_vec(), "unsupported-tiff", "BigTIFF"),
        (b"\x0e\x03\x13\x01\0\0\0\0".to_vec(), "unsupported-hdf4", "HDF4"),
        (b"{\"version\": 7, \"refs\": {\".zgroup\": \"\"}}".to_vec(), "unsupported-kerchunk-version", "version"),
        (b"CDF\x03\0\0\0\0\0\0\0\0".to_vec(), "unsupported-netcdf-version", "version 3"),
    ] {
        let error = contents(bytes.into()).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(says), "{error}");
        assert!(!error.why().is_empty() && !error.next().is_empty());
    }
}

#[test]
fn a_header_larger_than_the_first_read_is_read_completely() {
    // 40,000 attributes: a header of more than the first read.
    let mut bytes = b"CDF\x02\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    bytes.extend_from_slice(&12u32.to_be_bytes());
    bytes.extend_from_slice(&40_000u32.to_be_bytes());
    for number in 0..40_000u32 {
        bytes.extend_from_slice(&8u32.to_be_bytes());
        bytes.extend_from_slice(format!("a{number:07}").as_bytes());
        for word in [4, 1, number] {
            bytes.extend_from_slice(&word.to_be_bytes());
        }
    }
    bytes.extend_from_slice(&[0; 8]);
    let (dataset, _) = contents(bytes.into()).unwrap();
    let attributes = &dataset.group(&NodePath::root()).unwrap().attributes;
    assert_eq!(attributes.len(), 40_000);
    assert_eq!(attributes["a0039999"].as_number(), Some(39_999.0));
}
