//! Damaged files: an error is right; a panic, a hang or a huge allocation is not.

use super::{checksum, open};
use crate::FormatError;
use bytes::Bytes;
use firn_model::array::ChunkManifest;
use firn_model::dataset::Dataset;
use firn_model::diagnose::{At, Diagnose};
use firn_model::source::MemorySource;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn small_files(limit: u64) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["../../testdata/hdf5", "../../testdata/netcdf4", "../../testdata/hdf5_hostile", "tests/golden"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let is_hdf5 = path.extension().is_some_and(|extension| extension == "h5" || extension == "nc");
            if is_hdf5 && std::fs::metadata(&path).unwrap().len() < limit {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn read(bytes: impl Into<Bytes>) -> Result<Dataset, FormatError> {
    let source = MemorySource::new("file:///damaged.h5", bytes);
    open(&source, &At::url("file:///damaged.h5"))
}

/// Xorshift: the same damage in every run.
struct Damage(u64);

impl Damage {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A few bytes changed, or a word set to an extreme.
    fn apply(&mut self, bytes: &mut [u8]) {
        let places = bytes.len() as u64 - 8;
        for _ in 0..=self.next() % 4 {
            let at = (self.next() % places) as usize;
            match self.next() % 5 {
                0 => bytes[at] = 0xff,
                1 => bytes[at] = 0,
                2 => bytes[at] = bytes[at].wrapping_add(1),
                3 => bytes[at..at + 8].copy_from_slice(&(self.next() % places).to_le_bytes()),
                _ => bytes[at] ^= 1 << (self.next() % 8),
            }
        }
    }
}

#[test]
fn a_cut_file_is_truncated_wherever_it_is_cut() {
    let files = small_files(9000);
    assert!(files.len() > 30);
    for path in files {
        let bytes = Bytes::from(std::fs::read(&path).unwrap());
        let Ok(whole) = read(bytes.clone()) else { continue };
        for cut in (0..bytes.len()).step_by(1 + bytes.len() / 400) {
            match read(bytes.slice(..cut)) {
                // Room beyond the stated end may be missing.
                Ok(dataset) => assert_eq!(shapes(&dataset), shapes(&whole), "{} cut at {cut}", path.display()),
                Err(error) => assert!(
                    ["format-truncated", "format-corrupt", "not-an-array-file"].contains(&error.code()),
                    "{}: {error}",
                    path.display()
                ),
            }
        }
    }
}

/// Everything of a dataset but the size of its file.
fn shapes(dataset: &Dataset) -> Vec<(String, Vec<u64>, u64)> {
    let arrays = dataset.arrays().map(|(path, array)| {
        let ChunkManifest::Table(table) = &array.manifest else { return (path.to_string(), vec![], 0) };
        (path.to_string(), array.metadata.shape.clone(), table.stored_bytes())
    });
    arrays.collect()
}

fn damage_all(files: &[PathBuf], rounds: usize, seed: u64) -> (usize, usize) {
    let mut damage = Damage(seed);
    let (mut opened, mut refused) = (0, 0);
    for path in files {
        let bytes = std::fs::read(path).unwrap();
        for round in 0..rounds {
            let mut damaged = bytes.clone();
            damage.apply(&mut damaged);
            let start = Instant::now();
            match read(damaged) {
                Ok(_) => opened += 1,
                Err(_) => refused += 1,
            }
            let taken = start.elapsed();
            assert!(taken < Duration::from_secs(5), "{} round {round}: {taken:?}", path.display());
        }
    }
    (opened, refused)
}

#[test]
fn a_damaged_file_never_panics() {
    let (opened, refused) = damage_all(&small_files(20_000), 150, 0x9e37_79b9_7f4a_7c15);
    assert!(opened > 100 && refused > 100, "{opened} {refused}");
}

#[test]
fn a_damaged_file_with_right_checksums_never_panics() {
    checksum::tests::IGNORED.set(true);
    let (opened, refused) = damage_all(&small_files(20_000), 300, 0x2545_f491_4f6c_dd1d);
    checksum::tests::IGNORED.set(false);
    assert!(opened > 100 && refused > 100, "{opened} {refused}");
}
