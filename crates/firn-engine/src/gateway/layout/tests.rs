use super::*;
use firn_model::array::codec::BloscShuffle;
use firn_model::array::{Attributes, ChunkTable, KeyedChunks, SourceObject};
use firn_model::source::SourceVersion;

const LITTLE: CodecMetadata = CodecMetadata::Bytes { endian: Endian::Little };

fn array(data_type: DataType, shape: &[u64], chunks: &[u64], codecs: Vec<CodecMetadata>) -> Array {
    let keys = KeyedChunks { prefix: "x/".to_owned(), separator: '.', scalar_key: "x/0".to_owned() };
    Array {
        metadata: ArrayMetadata {
            shape: shape.to_vec(),
            data_type,
            chunk_grid: ChunkGrid::regular(chunks),
            fill_value: None,
            codecs,
            dimension_names: (0..shape.len()).map(|axis| format!("d{axis}")).collect(),
            attributes: Attributes::default(),
        },
        stored_as: StoredAs::Elements,
        manifest: ChunkManifest::Keyed(keys),
    }
}

fn of(array: &Array) -> ServedArray {
    served(array, &At::nowhere()).unwrap()
}

#[test]
fn codecs_that_every_client_has_pass() {
    let blosc = |compressor| CodecMetadata::Blosc {
        compressor,
        level: 5,
        shuffle: BloscShuffle::Shuffle,
        typesize: 4,
        blocksize: 0,
    };
    let big = CodecMetadata::Bytes { endian: Endian::Big };
    let transpose = CodecMetadata::Transpose { order: vec![1, 0] };
    for (codecs, way) in [
        (vec![LITTLE], Way::AsStored),
        (vec![transpose, big, CodecMetadata::Gzip { level: 5 }], Way::AsStored),
        (vec![LITTLE, blosc(BloscCompressor::Lz4)], Way::AsStored),
        (vec![LITTLE, blosc(BloscCompressor::Snappy)], Way::Encoded),
        (vec![LITTLE, CodecMetadata::Zlib { level: 1 }], Way::Encoded),
        (vec![LITTLE, CodecMetadata::Shuffle { element_size: 4 }, CodecMetadata::Gzip { level: 1 }], Way::Encoded),
        (vec![CodecMetadata::Gzip { level: 5 }], Way::Encoded),
    ] {
        let served = of(&array(DataType::Float32, &[4, 6], &[2, 3], codecs.clone()));
        assert_eq!(served.way, way, "{codecs:?}");
        let expected = if way == Way::AsStored { codecs } else { own_codecs(DataType::Float32) };
        assert_eq!((served.metadata.codecs, served.chunk_shape), (expected, vec![2, 3]));
    }
}

#[test]
fn shards_are_served_as_their_inner_chunks() {
    let sharding = |codecs| CodecMetadata::ShardingIndexed {
        chunk_shape: vec![2, 3],
        codecs,
        index_codecs: vec![LITTLE, CodecMetadata::Crc32c],
        index_at_end: true,
    };
    let passed = of(&array(DataType::Int16, &[8, 6], &[4, 6], vec![sharding(vec![LITTLE])]));
    assert_eq!((passed.way, passed.chunk_shape, passed.metadata.codecs), (Way::Inner, vec![2, 3], vec![LITTLE]));
    let zlib = vec![LITTLE, CodecMetadata::Zlib { level: 1 }];
    let decoded = of(&array(DataType::Int16, &[8, 6], &[4, 6], vec![sharding(zlib)]));
    assert_eq!((decoded.way, decoded.chunk_shape), (Way::Encoded, vec![2, 3]));
}

#[test]
fn what_cannot_be_decoded_is_refused_by_name() {
    let unknown = CodecMetadata::Unknown { name: "lz77".to_owned(), configuration: "{}".to_owned() };
    let refused = served(&array(DataType::Int16, &[8], &[4], vec![LITTLE, unknown]), &At::nowhere()).unwrap_err();
    assert_eq!(refused.code, "unsupported-codec");
    assert!(refused.what.contains("lz77"));
}

#[test]
fn text_of_fixed_length_becomes_text_of_variable_length() {
    let mut text = array(DataType::String, &[8], &[4], vec![LITTLE]);
    text.stored_as = StoredAs::FixedText { length: 5 };
    let served = of(&text);
    assert_eq!((served.way, served.metadata.codecs), (Way::Encoded, own_codecs(DataType::String)));
}

#[test]
fn chunks_that_skipped_a_filter_are_decoded() {
    let mut skipped = array(DataType::Int8, &[4], &[2], vec![LITTLE, CodecMetadata::Gzip { level: 1 }]);
    let mut table = ChunkTable::known_empty(&[2]).unwrap();
    let object = table.intern(&SourceObject { url: "u".to_owned(), version: SourceVersion::default() });
    table.set_stored(0, object, 0, 2, 1);
    skipped.manifest = ChunkManifest::Table(table);
    assert_eq!(of(&skipped).way, Way::Encoded);
}

#[test]
fn one_contiguous_chunk_of_a_large_file_is_served_in_parts() {
    let large = of(&array(DataType::Float64, &[1000, 500, 700], &[1000, 500, 700], vec![LITTLE]));
    assert_eq!((large.way, large.chunk_shape), (Way::Encoded, vec![1, 500, 700]));
    let wide = of(&array(DataType::UInt8, &[3, 100_000_000], &[3, 100_000_000], vec![LITTLE]));
    assert_eq!(wide.chunk_shape, vec![1, PART]);
}

#[test]
fn many_tiny_chunks_of_few_files_are_joined() {
    let of_objects = |count: u64, objects: u64| {
        let mut time = array(DataType::Float64, &[count], &[1], vec![LITTLE]);
        let mut table = ChunkTable::known_empty(&[count]).unwrap();
        for linear in 0..count {
            let url = (linear % objects).to_string();
            let object = table.intern(&SourceObject { url, version: SourceVersion::default() });
            table.set_stored(linear, object, linear * 8, 8, 0);
        }
        time.manifest = ChunkManifest::Table(table);
        of(&time)
    };
    let one_file = of_objects(20_000, 1);
    assert_eq!((one_file.way, one_file.chunk_shape), (Way::Encoded, vec![JOINED / 8]));
    let scattered = of_objects(2_000, 500);
    assert_eq!((scattered.way, scattered.chunk_shape), (Way::AsStored, vec![1]));
    let keys = of(&array(DataType::Float64, &[20_000], &[1], vec![LITTLE]));
    assert_eq!(keys.way, Way::AsStored, "chunks that are objects of their own");
}
