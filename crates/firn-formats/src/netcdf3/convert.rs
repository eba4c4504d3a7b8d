//! From header and layout to the model.

use super::header::{Attribute, Header, NcType, Variable};
use super::layout::{Layout, Placed};
use crate::characters;
use crate::error::FormatError;
use firn_model::array::{
    Array, ArrayMetadata, AttributeValue, Attributes, ChunkGrid, ChunkManifest, ChunkTable, CodecMetadata, DataType,
    Endian, FillValue, SourceObject, StoredAs,
};
use firn_model::dataset::{Dataset, DatasetFormat, Dimension, Group, Node, NodeName, NodePath, Refusal};
use firn_model::diagnose::At;
use std::collections::HashSet;

pub(super) fn dataset(header: &Header, layout: &Layout, object: SourceObject, at: &At) -> Result<Dataset, FormatError> {
    let mut dataset = Dataset { notes: header.notes.clone(), format: DatasetFormat::NetCdf3, ..Dataset::default() };
    if layout.has_partial_record {
        dataset.notes.push("the file ends inside of a record; whole records alone were counted".to_owned());
    }
    let mut group =
        Group { attributes: attributes(&header.attributes, "the file", &mut dataset.notes), ..Group::default() };
    for dimension in &header.dimensions {
        let unlimited = dimension.length == 0;
        let size = if unlimited { layout.num_records } else { dimension.length };
        if group.dimensions.insert(dimension.name.clone(), Dimension { size, unlimited }).is_some() {
            return Err(FormatError::corrupt(at, format!("two dimensions have the name {}", dimension.name)));
        }
    }
    dataset.nodes.insert(NodePath::root(), Node::Group(group));
    let names: HashSet<&str> = header.variables.iter().map(|variable| variable.name.as_str()).collect();
    let joins = characters::joined(
        header.variables.iter().map(|v| (v.nc_type == NcType::Char, v.dimensions.as_slice())),
        header.dimensions.iter().map(|dimension| names.contains(dimension.name.as_str())),
    );
    for (variable, placed) in header.variables.iter().zip(&layout.variables) {
        let at = at.node(format!("/{}", variable.name));
        let name = match NodeName::new(&variable.name) {
            Ok(name) => name,
            Err(what) => {
                let refusal = Refusal { code: "unsupported-variable-name", what };
                let stand_in = NodePath::root().child(&NodeName::standing_for(&variable.name));
                dataset.nodes.insert(stand_in, Node::Refused(refusal));
                continue;
            }
        };
        let mut array = array(variable, placed, layout.record_size, &joins, &object, &at)?;
        let names = variable.dimensions.iter().map(|id| header.dimensions[*id].name.clone());
        array.metadata.dimension_names = names.take(array.metadata.shape.len()).collect();
        array.metadata.attributes = attributes(&variable.attributes, &variable.name, &mut dataset.notes);
        if let Some(fill_value) = own_fill(&array.metadata) {
            array.metadata.fill_value = Some(fill_value);
        }
        if dataset.nodes.insert(NodePath::root().child(&name), Node::Array(Box::new(array))).is_some() {
            return Err(FormatError::corrupt(&at, "two variables have this name"));
        }
    }
    Ok(dataset)
}

/// The first of several attributes of one name counts, as in the netCDF libraries.
fn attributes(list: &[Attribute], owner: &str, notes: &mut Vec<String>) -> Attributes {
    let mut attributes = Attributes::new();
    for attribute in list {
        if attributes.contains_key(&attribute.name) {
            notes.push(format!("{owner} has several attributes named {}; the first was taken", attribute.name));
        } else {
            attributes.insert(attribute.name.clone(), attribute.value.clone());
        }
    }
    attributes
}

/// The array of a variable, without names and attributes.
fn array(
    variable: &Variable,
    placed: &Placed,
    record_size: u64,
    joins: &[bool],
    object: &SourceObject,
    at: &At,
) -> Result<Array, FormatError> {
    let mut shape = placed.shape.clone();
    let mut chunk_shape = shape.clone();
    if placed.is_record {
        chunk_shape[0] = 1;
    }
    // Characters are stored with a dimension of their own, the last: where texts are not joined, each character is a text.
    let is_text = variable.nc_type == NcType::Char;
    if is_text && !characters::are_joined(&variable.dimensions, joins) {
        shape.push(1);
        chunk_shape.push(1);
    }
    let table = table(placed, record_size, &shape, &chunk_shape, object, at)?;
    let mut stored_as = StoredAs::Elements;
    if is_text {
        let (length, chunk_length) = (shape.pop().unwrap_or(1), chunk_shape.pop().unwrap_or(1));
        stored_as = StoredAs::CharDimension { length, chunk_length: chunk_length.max(1) };
    }
    let (data_type, fill_value) = type_and_fill(variable.nc_type);
    let endian = if variable.nc_type.size() > 1 { Endian::Big } else { Endian::Little };
    let metadata = ArrayMetadata {
        shape,
        data_type,
        chunk_grid: ChunkGrid::regular(&chunk_shape),
        fill_value: Some(fill_value),
        codecs: vec![CodecMetadata::Bytes { endian }],
        dimension_names: Vec::new(),
        attributes: Attributes::new(),
    };
    Ok(Array { metadata, stored_as, manifest: ChunkManifest::Table(table) })
}

/// A variable is one chunk; a record variable has one a record.
fn table(
    placed: &Placed,
    record_size: u64,
    stored_shape: &[u64],
    chunk_shape: &[u64],
    object: &SourceObject,
    at: &At,
) -> Result<ChunkTable, FormatError> {
    let grid = ChunkGrid::regular(chunk_shape).grid_shape(stored_shape);
    let count = grid.iter().product::<u64>();
    let mut table = ChunkTable::known_empty(&grid).ok_or_else(|| {
        FormatError::limit(at, "the number of chunks", count, firn_model::array::manifest::MAX_CHUNKS)
    })?;
    let number = table.intern(object);
    for record in 0..count {
        // In bounds: the layout checked that the last record ends within the file.
        table.set_stored(record, number, placed.begin + record * record_size, placed.length, 0);
    }
    Ok(table)
}

/// The value that a variable's own `_FillValue` puts in place of the library's: one number of the variable's type.
fn own_fill(metadata: &ArrayMetadata) -> Option<FillValue> {
    match metadata.attributes.get("_FillValue") {
        Some(AttributeValue::Numbers(numbers)) if numbers.len() == 1 && numbers.data_type() == metadata.data_type => {
            Some(FillValue::Fixed(numbers.to_le_bytes()))
        }
        _ => None,
    }
}

/// The type, and the value that the library fills unwritten cells with (`NC_FILL_*`). Every cell of a classic file is
/// allocated, so no reader needs it to find a value; a copy that grows does.
fn type_and_fill(nc_type: NcType) -> (DataType, FillValue) {
    const FILL_F32: f32 = f32::from_bits(0x7cf0_0000);
    const FILL_F64: f64 = f64::from_bits(0x479e_0000_0000_0000);
    let fixed = |bytes: &[u8]| FillValue::Fixed(bytes.to_vec());
    match nc_type {
        NcType::Byte => (DataType::Int8, fixed(&(-127i8).to_le_bytes())),
        NcType::Char => (DataType::String, FillValue::Text(String::new())),
        NcType::Short => (DataType::Int16, fixed(&(-32767i16).to_le_bytes())),
        NcType::Int => (DataType::Int32, fixed(&(-2_147_483_647i32).to_le_bytes())),
        NcType::Float => (DataType::Float32, fixed(&FILL_F32.to_le_bytes())),
        NcType::Double => (DataType::Float64, fixed(&FILL_F64.to_le_bytes())),
        NcType::UByte => (DataType::UInt8, fixed(&255u8.to_le_bytes())),
        NcType::UShort => (DataType::UInt16, fixed(&65535u16.to_le_bytes())),
        NcType::UInt => (DataType::UInt32, fixed(&u32::MAX.to_le_bytes())),
        NcType::Int64 => (DataType::Int64, fixed(&(-9_223_372_036_854_775_806i64).to_le_bytes())),
        NcType::UInt64 => (DataType::UInt64, fixed(&18_446_744_073_709_551_614u64.to_le_bytes())),
    }
}
