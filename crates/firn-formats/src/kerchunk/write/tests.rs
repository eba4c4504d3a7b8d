use super::*;
use crate::kerchunk::open;
use firn_model::array::{
    AttributeValue, ChunkGrid, ChunkManifest, CodecMetadata, DataType, Endian, Numbers, SourceObject,
};
use firn_model::diagnose::Diagnose;
use firn_model::source::{ListedObject, MemoryReader, RangeReader, Source, SourceError, SourceVersion};
use std::sync::Arc;

struct File(Bytes);

impl Source for File {
    fn url(&self) -> &'static str {
        "memory"
    }

    fn object(&self, key: &str) -> Result<Option<Arc<dyn RangeReader>>, SourceError> {
        Ok(key.is_empty().then(|| Arc::new(MemoryReader::new("memory", self.0.clone())) as _))
    }

    fn list(&self, _: &str) -> Result<Vec<ListedObject>, SourceError> {
        Ok(Vec::new())
    }

    fn sibling(&self, url: &str) -> Result<Arc<dyn Source>, SourceError> {
        Err(SourceError::NotFound { at: At::url(url) })
    }
}

fn metadata(fill: i16) -> ArrayMetadata {
    ArrayMetadata {
        shape: vec![3, 2],
        data_type: DataType::Int16,
        chunk_grid: ChunkGrid::regular(&[1, 2]),
        fill_value: Some(FillValue::Fixed(fill.to_le_bytes().to_vec())),
        codecs: vec![CodecMetadata::Bytes { endian: Endian::Big }],
        dimension_names: vec!["y".to_owned(), "x".to_owned()],
        attributes: Attributes::from_iter([(
            "_FillValue".to_owned(),
            AttributeValue::Numbers(Numbers::Int16(vec![7])),
        )]),
    }
}

fn table(url: &str) -> ChunkTable {
    let mut table = ChunkTable::known_empty(&[3, 1]).unwrap();
    let object = table.push_object(SourceObject { url: url.to_owned(), version: SourceVersion::default() });
    table.set_stored(0, object, 10, 4, 0);
    table.set_inline(1, Bytes::from_static(&[0, 1, 0, 2]));
    table
}

fn written(fill: i16, url: &str) -> Result<Bytes, FormatError> {
    let at = At::nowhere();
    let mut writer = ReferencesWriter::new(&Attributes::new(), &at)?;
    let (group, array) = (NodePath::parse("g").unwrap(), NodePath::parse("g/v").unwrap());
    writer.group(&group, &Attributes::new(), &at)?;
    writer.array(&array, &metadata(fill), &table(url), &at)?;
    writer.finish(&at)
}

const ZARRAY: &str =
    r#"\"chunks\":[1,2],\"dtype\":\">i2\",\"order\":\"C\",\"fill_value\":7,\"filters\":null,\"compressor\":null"#;

#[test]
fn the_text_is_the_same_each_time_and_absent_where_every_reader_sees_the_fill_value() {
    let text = String::from_utf8(written(7, "s3://b/a b%20.nc").unwrap().to_vec()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], r#"{"version":1,"refs":{"#);
    assert_eq!(lines[1], r#"".zgroup":"{\"zarr_format\":2}","#);
    assert!(lines[5].starts_with(r#""g/v/.zarray":"{"#) && lines[5].contains(ZARRAY), "{}", lines[5]);
    assert_eq!(lines[6], r#""g/v/.zattrs":"{\"_ARRAY_DIMENSIONS\":[\"y\",\"x\"]}","#);
    assert_eq!(&lines[7..9], [r#""g/v/0.0":["s3://b/a b%20.nc",10,4],"#, r#""g/v/1.0":"base64:AAEAAg==","#]);
    assert!(lines[9].starts_with(r#"".zmetadata":"{\"zarr_consolidated_format\":1,"#) && lines[9].ends_with("\"}}"));
    assert_eq!(lines.len(), 10);
}

#[test]
fn an_unwritten_chunk_that_reads_as_something_else_than_the_fill_value_stands_in_the_file() {
    let text = String::from_utf8(written(-2, "s3://b/a.nc").unwrap().to_vec()).unwrap();
    assert!(text.contains("\n\"g/v/2.0\":\"base64://7//g==\",\n"), "{text}");
}

#[test]
fn it_reads_back_and_names_after_file_are_not_escaped() {
    let source = File(written(7, "file:///data/a b%20.nc").unwrap());
    let dataset = open(&source, &At::nowhere()).unwrap();
    let array = dataset.array(&NodePath::parse("g/v").unwrap()).unwrap();
    assert_eq!(array.metadata, metadata(7));
    let ChunkManifest::Table(found) = &array.manifest else { panic!("no table") };
    assert_eq!(*found, table("/data/a b%20.nc"));
}

#[test]
fn braces_in_a_url_are_refused() {
    assert_eq!(written(7, "s3://b/{{x}}.nc").unwrap_err().code(), "unsupported-kerchunk");
}

#[test]
fn more_than_the_bound_does_not_stand_in_the_file() {
    let at = At::nowhere();
    let large = ArrayMetadata { chunk_grid: ChunkGrid::regular(&[1, 2]), ..metadata(7) };
    let mut table = ChunkTable::known_empty(&[3, 1]).unwrap();
    table.set_inline(0, Bytes::from(vec![0; MAX_INLINE as usize + 1]));
    let mut writer = ReferencesWriter::new(&Attributes::new(), &at).unwrap();
    let refused = writer.array(&NodePath::parse("v").unwrap(), &large, &table, &at).unwrap_err();
    assert!(matches!(refused, FormatError::Limit { limit: MAX_INLINE, .. }));
}
