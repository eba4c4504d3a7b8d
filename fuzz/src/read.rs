//! Reading whatever a dataset claims to hold, within bounds, and rules that hold for every answer.

use firn_formats::read::{ChunkLocation, StoredLayout, chunk_location};
use firn_formats::{FormatError, TextEncoding, read_array, read_subset};
use firn_model::array::chunk_grid::indices_of;
use firn_model::array::{Array, ArraySubset, ChunkManifest, Elements, Values};
use firn_model::dataset::{Dataset, Node};
use firn_model::diagnose::{Category, Diagnose};
use firn_model::source::Source;

/// Larger arrays and chunks are opened, but not read.
const LARGEST_READ: u64 = 1 << 20;

/// Arrays that are read of one dataset.
const MOST_ARRAYS: usize = 64;

/// Chunks whose place is asked for, of one array.
const MOST_CHUNKS: usize = 4096;

/// An error may say anything but that the program is wrong, and can always be explained.
pub fn expect_no_bug(error: &impl Diagnose) {
    let told = [error.why(), error.next(), error.at().to_string()];
    assert!(!told[0].is_empty() && !told[1].is_empty(), "{} explains nothing", error.code());
    assert!(error.category() != Category::Bug, "{}: {} {}", error.code(), error.why(), error.at());
}

/// Reads every array of the dataset that is not too large, whole and in two parts; both must agree.
pub fn read_everything(source: &dyn Source, dataset: &Dataset) {
    for (path, node) in &dataset.nodes {
        if let Node::Refused(refusal) = node {
            assert!(!refusal.code.is_empty() && !refusal.what.is_empty(), "{path} is refused without a reason");
        }
    }
    for (_, array) in dataset.arrays().take(MOST_ARRAYS) {
        places(array);
        if small(array) {
            values(source, array);
        }
    }
}

fn small(array: &Array) -> bool {
    let chunk = StoredLayout::of(array, &crate::at()).map_or(1, |layout| {
        layout.chunk_shape.iter().fold(layout.element_size as u64, |bytes, extent| bytes.saturating_mul(*extent))
    });
    let text = StoredLayout::of(array, &crate::at()).map_or(1, |layout| {
        layout.shape.iter().fold(layout.element_size as u64, |bytes, extent| bytes.saturating_mul(*extent))
    });
    array.metadata.decoded_bytes() <= LARGEST_READ && chunk <= LARGEST_READ && text <= LARGEST_READ
}

/// Where each chunk is: the first of a table, which may be large.
fn places(array: &Array) {
    let ChunkManifest::Table(table) = &array.manifest else { return };
    for indices in indices_of(table.grid_shape()).take(MOST_CHUNKS) {
        match chunk_location(array, &indices, &crate::at()) {
            Ok(ChunkLocation::Range { range, .. }) => assert!(range.start <= range.end),
            Ok(_) => {}
            Err(error) => expect_no_bug(&error),
        }
    }
}

fn values(source: &dyn Source, array: &Array) {
    let at = crate::at();
    let whole = match read_array(source, array, TextEncoding::Latin1, &at) {
        Ok(whole) => whole,
        Err(error) => return expect_no_bug(&error),
    };
    let shape = &array.metadata.shape;
    assert_eq!(&whole.shape, shape);
    let Some(axis) = shape.iter().position(|extent| *extent > 1) else { return };
    // Cut along the first axis that can be cut: rows of C order, so the parts follow each other.
    let middle = shape[axis] / 2;
    let mut parts = Vec::new();
    for (start, extent) in [(0, middle), (middle, shape[axis] - middle)] {
        let mut subset = ArraySubset::whole(shape);
        (subset.start[axis], subset.shape[axis]) = (start, extent);
        let part: Result<Values, FormatError> = read_subset(source, array, &subset, TextEncoding::Latin1, &at);
        parts.push(part.expect("a part of what could be read whole"));
    }
    let same = match (&parts[0].elements, &parts[1].elements, &whole.elements) {
        (Elements::Fixed(a), Elements::Fixed(b), Elements::Fixed(all)) => {
            all.len() == a.len() + b.len() && all.starts_with(a) && all.ends_with(b)
        }
        (Elements::Text(a), Elements::Text(b), Elements::Text(all)) => {
            all.len() == a.len() + b.len() && all.starts_with(a) && all.ends_with(b)
        }
        _ => false,
    };
    assert!(same, "two parts of an array differ from the whole");
}
