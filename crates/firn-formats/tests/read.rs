//! Boxes of arrays whose chunks lie in every way that a manifest can say.
#![allow(clippy::unwrap_used, clippy::panic)]

use bytes::Bytes;
use firn_formats::chunk_codec::{ChunkSpec, encode};
use firn_formats::{FormatError, TextEncoding, open, read_array, read_subset};
use firn_model::array::chunk_grid::indices_of;
use firn_model::array::{
    Array, ArrayMetadata, ArraySubset, AttributeValue, Attributes, ChunkGrid, ChunkManifest, ChunkTable, CodecMetadata,
    DataType, Elements, Endian, FillValue, SourceObject, StoredAs,
};
use firn_model::diagnose::{At, Category, Diagnose};
use firn_model::source::{
    ByteRange, ListedObject, MemoryReader, MemorySource, RangeReader, Source, SourceError, SourceVersion,
};
use proptest::prelude::*;
use std::path::Path;
use std::sync::{Arc, Mutex};

const URL: &str = "s3://bucket/a.nc";

/// One object that counts what is asked of it.
struct Counting {
    bytes: Bytes,
    calls: Arc<Mutex<Vec<Vec<ByteRange>>>>,
}

struct CountingReader {
    inner: MemoryReader,
    calls: Arc<Mutex<Vec<Vec<ByteRange>>>>,
}

impl RangeReader for CountingReader {
    fn size(&self) -> Result<u64, SourceError> {
        self.inner.size()
    }

    fn version(&self) -> Result<SourceVersion, SourceError> {
        self.inner.version()
    }

    fn read_ranges(&self, ranges: &[ByteRange]) -> Result<Vec<Bytes>, SourceError> {
        self.calls.lock().unwrap().push(ranges.to_vec());
        self.inner.read_ranges(ranges)
    }
}

impl Source for Counting {
    fn url(&self) -> &'static str {
        URL
    }

    fn object(&self, key: &str) -> Result<Option<Arc<dyn RangeReader>>, SourceError> {
        assert_eq!(key, "");
        let inner = MemoryReader::new(URL, self.bytes.clone());
        Ok(Some(Arc::new(CountingReader { inner, calls: self.calls.clone() })))
    }

    fn list(&self, _: &str) -> Result<Vec<ListedObject>, SourceError> {
        Ok(Vec::new())
    }

    fn sibling(&self, url: &str) -> Result<Arc<dyn Source>, SourceError> {
        Err(SourceError::Denied { at: At::url(url), what: "not in this test".to_owned() })
    }
}

impl Counting {
    fn new(bytes: Vec<u8>) -> Self {
        Self { bytes: bytes.into(), calls: Arc::default() }
    }

    fn read(&self, array: &Array, start: &[u64], shape: &[u64]) -> Result<Vec<i64>, FormatError> {
        let subset = ArraySubset { start: start.to_vec(), shape: shape.to_vec() };
        let values = read_subset(self, array, &subset, TextEncoding::Utf8, &At::url(URL))?;
        assert_eq!(values.shape, shape);
        Ok(values.to_i64().unwrap())
    }
}

fn big_endian() -> Vec<CodecMetadata> {
    vec![CodecMetadata::Bytes { endian: Endian::Big }]
}

fn object(size: usize) -> SourceObject {
    SourceObject { url: URL.to_owned(), version: SourceVersion { size: size as u64, ..SourceVersion::default() } }
}

fn int32(shape: &[u64], chunk_shape: &[u64], codecs: Vec<CodecMetadata>, table: ChunkTable) -> Array {
    let metadata = ArrayMetadata {
        shape: shape.to_vec(),
        data_type: DataType::Int32,
        chunk_grid: ChunkGrid::regular(chunk_shape),
        fill_value: Some(FillValue::Fixed((-7i32).to_le_bytes().to_vec())),
        codecs,
        dimension_names: (0..shape.len()).map(|axis| format!("d{axis}")).collect(),
        attributes: Attributes::new(),
    };
    Array { metadata, stored_as: StoredAs::Elements, manifest: ChunkManifest::Table(table) }
}

/// An array of the numbers 0, 1, 2, … in C order, its chunks one after the other behind ten bytes; elements beyond its end
/// are -1.
fn numbered(shape: &[u64], chunk_shape: &[u64], codecs: &[CodecMetadata]) -> (Counting, Array) {
    let grid = ChunkGrid::regular(chunk_shape);
    let grid_shape = grid.grid_shape(shape);
    let mut bytes = vec![0xee; 10];
    let mut places = Vec::new();
    for chunk in indices_of(&grid_shape) {
        let mut elements = Vec::new();
        for inside in indices_of(chunk_shape) {
            let index: Vec<u64> =
                chunk.0.iter().zip(chunk_shape).zip(&inside.0).map(|((c, extent), i)| c * extent + i).collect();
            let is_inside = index.iter().zip(shape).all(|(i, extent)| i < extent);
            let number = index.iter().zip(shape).fold(0i32, |n, (i, extent)| n * *extent as i32 + *i as i32);
            elements.extend_from_slice(&(if is_inside { number } else { -1 }).to_le_bytes());
        }
        let spec = ChunkSpec { shape: chunk_shape, element_size: 4, fill_value: &[] };
        let encoded = encode(&elements, codecs, spec, &At::nowhere()).unwrap();
        places.push((bytes.len() as u64, encoded.len() as u64));
        bytes.extend(encoded);
    }
    let mut table = ChunkTable::known_empty(&grid_shape).unwrap();
    let number = table.intern(&object(bytes.len()));
    for (linear, (offset, length)) in (0..).zip(places) {
        table.set_stored(linear, number, offset, length, 0);
    }
    (Counting::new(bytes), int32(shape, chunk_shape, codecs.to_vec(), table))
}

fn any_array() -> impl Strategy<Value = (Vec<u64>, Vec<u64>, Vec<u64>, Vec<u64>, usize)> {
    let dimension = (1u64..8, 1u64..5, 0u64..8, 0u64..8);
    (prop::collection::vec(dimension, 0..4), 0usize..4).prop_map(|(dimensions, codec)| {
        let shape = dimensions.iter().map(|d| d.0).collect();
        let chunks = dimensions.iter().map(|d| d.1).collect();
        let start: Vec<u64> = dimensions.iter().map(|d| d.2 % d.0).collect();
        let extent = dimensions.iter().zip(&start).map(|(d, s)| d.3 % (d.0 - s + 1)).collect();
        (shape, chunks, start, extent, codec)
    })
}

proptest! {
    #[test]
    fn any_box_of_any_grid_holds_its_own_numbers((shape, chunks, start, extent, codec) in any_array()) {
        let codecs = [
            big_endian(),
            vec![CodecMetadata::Bytes { endian: Endian::Little }],
            vec![CodecMetadata::Bytes { endian: Endian::Big }, CodecMetadata::Shuffle { element_size: 4 }, CodecMetadata::Zlib { level: 1 }],
            vec![CodecMetadata::Bytes { endian: Endian::Little }, CodecMetadata::Fletcher32],
        ];
        let (source, array) = numbered(&shape, &chunks, &codecs[codec]);
        let expected: Vec<i64> = indices_of(&extent)
            .map(|i| i.0.iter().zip(&start).zip(&shape).fold(0, |n, ((i, s), e)| n * *e as i64 + (i + s) as i64))
            .collect();
        prop_assert_eq!(source.read(&array, &start, &extent).unwrap(), expected);
        prop_assert!(source.calls.lock().unwrap().len() <= 1);
    }
}

#[test]
fn of_an_uncompressed_chunk_the_bytes_of_the_box_are_read_alone() {
    let (source, array) = numbered(&[100, 4000], &[100, 4000], &big_endian());
    assert_eq!(
        source.read(&array, &[50, 1000], &[2, 3]).unwrap(),
        [201_000, 201_001, 201_002, 205_000, 205_001, 205_002]
    );
    let calls = source.calls.lock().unwrap();
    let first = 10 + (50 * 4000 + 1000) * 4;
    assert_eq!(*calls, [vec![first..first + 12, first + 16_000..first + 16_012]]);
}

#[test]
fn all_chunks_of_one_object_are_asked_for_at_once() {
    let (source, array) = numbered(&[64, 64], &[8, 8], &[CodecMetadata::Zlib { level: 1 }]);
    source.read(&array, &[0, 0], &[64, 64]).unwrap();
    let calls = source.calls.lock().unwrap();
    assert_eq!((calls.len(), calls[0].len()), (1, 64));
}

#[test]
fn an_empty_chunk_is_the_fill_value_and_an_unknown_one_an_error() {
    for codecs in [big_endian(), vec![CodecMetadata::Zlib { level: 1 }]] {
        let table = ChunkTable::known_empty(&[2]).unwrap();
        let source = Counting::new(Vec::new());
        let array = int32(&[3], &[2], codecs.clone(), table);
        assert_eq!(source.read(&array, &[0], &[3]).unwrap(), [-7, -7, -7]);
        let array = int32(&[3], &[2], codecs, ChunkTable::unknown(&[2]).unwrap());
        let error = source.read(&array, &[2], &[1]).unwrap_err();
        assert_eq!((error.code(), error.category()), ("chunk-missing", Category::Corrupt));
    }
}

#[test]
fn an_array_without_a_fill_value_is_zero_where_it_is_empty() {
    let mut array = int32(&[2], &[2], big_endian(), ChunkTable::known_empty(&[1]).unwrap());
    array.metadata.fill_value = None;
    assert_eq!(Counting::new(Vec::new()).read(&array, &[0], &[2]).unwrap(), [0, 0]);
}

#[test]
fn inline_chunks_need_no_source() {
    for (codecs, bytes) in [
        (big_endian(), [0u8, 0, 0, 5, 0, 0, 0, 6].to_vec()),
        (
            vec![CodecMetadata::Bytes { endian: Endian::Little }, CodecMetadata::Shuffle { element_size: 4 }],
            vec![5, 6, 0, 0, 0, 0, 0, 0],
        ),
    ] {
        let mut table = ChunkTable::known_empty(&[2]).unwrap();
        table.set_inline(0, bytes.into());
        let array = int32(&[3], &[2], codecs, table);
        let source = Counting::new(Vec::new());
        assert_eq!(source.read(&array, &[0], &[3]).unwrap(), [5, 6, -7]);
        assert_eq!(source.read(&array, &[1], &[1]).unwrap(), [6]);
        assert!(source.calls.lock().unwrap().is_empty());
    }
}

#[test]
fn an_object_that_changed_since_it_was_scanned_is_refused() {
    let (mut source, array) = numbered(&[4], &[2], &big_endian());
    source.bytes = [&source.bytes[..], b"more"].concat().into();
    let error = source.read(&array, &[0], &[4]).unwrap_err();
    assert_eq!(error.code(), "source-changed");
}

#[test]
fn a_chunk_of_another_length_than_its_shape_is_refused() {
    let (source, mut array) = numbered(&[4], &[4], &big_endian());
    let mut table = ChunkTable::known_empty(&[1]).unwrap();
    let number = table.intern(&object(source.bytes.len()));
    table.set_stored(0, number, 10, 15, 0);
    array.manifest = ChunkManifest::Table(table);
    assert_eq!(source.read(&array, &[0], &[1]).unwrap_err().code(), "format-corrupt");
}

#[test]
fn a_box_outside_of_the_array_is_a_mistake_of_the_caller() {
    let (source, array) = numbered(&[4], &[4], &big_endian());
    for (start, shape) in [(&[2][..], &[3][..]), (&[u64::MAX], &[1]), (&[0, 0], &[1, 1])] {
        let subset = ArraySubset { start: start.to_vec(), shape: shape.to_vec() };
        let error = read_subset(&source, &array, &subset, TextEncoding::Utf8, &At::url(URL)).unwrap_err();
        assert_eq!(error.category(), Category::Bug);
    }
}

/// Two rows of three texts of up to four characters, one chunk a row.
fn characters(bytes: &[u8; 24]) -> (Counting, Array) {
    let mut table = ChunkTable::known_empty(&[2, 1, 1]).unwrap();
    let number = table.intern(&object(24));
    table.set_stored(0, number, 0, 12, 0);
    table.set_stored(1, number, 12, 12, 0);
    let mut array = int32(&[2, 3], &[1, 3], vec![CodecMetadata::Bytes { endian: Endian::Little }], table);
    array.metadata.data_type = DataType::String;
    array.metadata.fill_value = Some(FillValue::Text(String::new()));
    array.stored_as = StoredAs::CharDimension { length: 4, chunk_length: 4 };
    (Counting::new(bytes.to_vec()), array)
}

fn texts(source: &Counting, array: &Array, encoding: TextEncoding) -> Result<Vec<String>, FormatError> {
    let values = read_array(source, array, encoding, &At::url(URL))?;
    let Elements::Text(texts) = values.elements else { panic!("no text") };
    Ok(texts)
}

#[test]
fn characters_are_joined_and_their_padding_left_out() {
    let (source, array) = characters(b"abc\0\0\0\0\0a\0b\0 x  \xc3\xa9\0\0full");
    assert_eq!(texts(&source, &array, TextEncoding::Utf8).unwrap(), ["abc", "", "a\0b", " x  ", "é", "full"]);
}

#[test]
fn text_in_another_encoding_is_refused_at_its_index() {
    let (source, mut array) = characters(b"abc\0\0\0\0\0abc\0abc\0caf\xe9full");
    let error = texts(&source, &array, TextEncoding::Utf8).unwrap_err();
    assert_eq!(error.code(), "text-encoding");
    assert!(error.to_string().contains("index [1, 1]"), "{error}");
    assert_eq!(texts(&source, &array, TextEncoding::Latin1).unwrap()[4], "café");
    array.metadata.attributes.insert("_Encoding".to_owned(), AttributeValue::Text("ISO-8859-1".to_owned()));
    assert_eq!(texts(&source, &array, TextEncoding::Utf8).unwrap()[4], "café");
}

#[test]
fn padded_texts_are_cut_at_their_padding() {
    let (source, mut array) = characters(b"abc\0\0\0\0\0a\0b\0 x  \xc3\xa9\0\0full");
    let mut table = ChunkTable::known_empty(&[2, 1]).unwrap();
    let number = table.intern(&object(24));
    table.set_stored(0, number, 0, 12, 0);
    array.manifest = ChunkManifest::Table(table);
    array.stored_as = StoredAs::FixedText { length: 4 };
    array.metadata.fill_value = Some(FillValue::Text("none".to_owned()));
    assert_eq!(texts(&source, &array, TextEncoding::Utf8).unwrap(), ["abc", "", "a\0b", "none", "none", "none"]);
}

#[test]
fn text_of_an_hdf5_heap_is_read_element_by_element_as_in_one_go() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/netcdf4/vlstr_type.nc");
    let source = MemorySource::new("file:///vlstr_type.nc", std::fs::read(path).unwrap());
    let at = At::url(source.url());
    let dataset = open(&source, &at).unwrap();
    let mut seen = 0;
    for (path, array) in dataset.arrays().filter(|(_, a)| matches!(a.stored_as, StoredAs::Hdf5VlenText { .. })) {
        let Elements::Text(whole) = read_array(&source, array, TextEncoding::Utf8, &at).unwrap().elements else {
            panic!("no text")
        };
        for (index, text) in indices_of(&array.metadata.shape).zip(&whole) {
            let one = ArraySubset { shape: vec![1; index.0.len()], start: index.0 };
            let part = read_subset(&source, array, &one, TextEncoding::Utf8, &at).unwrap();
            assert_eq!(part.elements, Elements::Text(vec![text.clone()]), "{path}");
            seen += usize::from(!text.is_empty());
        }
    }
    assert!(seen > 0);
}
