//! The attributes of objects: found, resolved, decoded.

use super::cursor::Cursor;
use super::file::File;
use super::global_heap::{self, GlobalHeaps, HeapReference};
use super::group::{self, DenseObject};
use super::limits;
use super::message::attribute;
use super::message::dataspace::{self, Dataspace};
use super::message::datatype::{self, Datatype, Padding};
use super::message::kind;
use super::message::link;
use super::object_header::ObjectHeader;
use super::shared::SharedMessages;
use crate::FormatError;
use bytes::Bytes;
use firn_model::array::{AttributeValue, DataType, Endian, Numbers};
use firn_model::diagnose::{At, Diagnose};

/// An attribute, not decoded yet.
#[derive(Debug, Clone)]
pub(super) struct RawAttribute {
    pub name: String,
    pub datatype: Datatype,
    pub dataspace: Dataspace,
    pub data: Bytes,
    /// Address of the data.
    pub address: u64,
}

/// The attributes of each of these objects, in the order of their creation as far as the file knows it. What is not read is
/// named in `notes`.
pub(super) fn read(
    file: &File,
    shared: &SharedMessages<'_>,
    objects: &[(&ObjectHeader, At)],
    notes: &mut Vec<String>,
) -> Result<Vec<Vec<RawAttribute>>, FormatError> {
    let mut found: Vec<Vec<((u64, u64), RawAttribute)>> = objects.iter().map(|_| Vec::new()).collect();
    let mut dense = Vec::new();
    for (index, (header, at)) in objects.iter().enumerate() {
        for message in &header.messages {
            match message.kind {
                kind::ATTRIBUTE => {
                    let (body, address) = shared.body(file, at, message)?;
                    let order = (message.order.map_or(found[index].len() as u64, u64::from), 0);
                    let one = keep(parse(file, shared, at, &body, address), at, notes)?;
                    found[index].extend(one.map(|one| (order, one)));
                }
                kind::ATTRIBUTE_INFO => {
                    let mut cursor = file.cursor(&message.body, message.address, at, "attribute info message");
                    dense.extend(link::parse_attribute_info(&mut cursor)?.map(|place| (index, place)));
                }
                _ => {}
            }
        }
    }
    let places: Vec<_> = dense.iter().map(|(index, place)| (*place, &objects[*index].1)).collect();
    for ((index, _), of_one) in dense.iter().zip(read_dense(file, shared, &places)?) {
        let at = &objects[*index].1;
        for (object, order) in of_one {
            let one = keep(parse(file, shared, at, &object.0, object.1), at, notes)?;
            found[*index].extend(one.map(|one| (order, one)));
        }
    }
    for attributes in &mut found {
        attributes.sort_by_key(|(order, _)| *order);
    }
    Ok(found.into_iter().map(|of_one| of_one.into_iter().map(|(_, attribute)| attribute).collect()).collect())
}

/// Messages of dense attributes with the number of their creation (the same for all where it is not tracked) and the hash of
/// their name.
type DenseMessages = Vec<((Bytes, u64), (u64, u64))>;

fn read_dense(
    file: &File,
    shared: &SharedMessages<'_>,
    places: &[(link::Dense, &At)],
) -> Result<Vec<DenseMessages>, FormatError> {
    let mut found = Vec::with_capacity(places.len());
    for ((_, at), objects) in places.iter().zip(group::read_dense_objects(file, places, 8, 0..8, shared_attribute)?) {
        let mut of_one = Vec::with_capacity(objects.len());
        for DenseObject { bytes, address, record } in objects {
            let mut cursor = Cursor::new(&record, 0, file.sizes, at, "record of an attribute");
            cursor.skip(9)?;
            let order = (u64::from(cursor.u32()?), u64::from(cursor.u32()?));
            let message = match bytes {
                Some(bytes) => (bytes, address),
                None => shared.object(file, at, kind::ATTRIBUTE, &record.slice(0..8))?,
            };
            of_one.push((message, order));
        }
        found.push(of_one);
    }
    Ok(found)
}

/// Whether the record of an attribute says that the attribute is in the heap of shared messages.
fn shared_attribute(record: &[u8]) -> bool {
    record.get(8).is_some_and(|flags| flags & 0x02 != 0)
}

/// The attribute, or a note where it is of a kind that is not read.
fn keep(
    parsed: Result<RawAttribute, FormatError>,
    at: &At,
    notes: &mut Vec<String>,
) -> Result<Option<RawAttribute>, FormatError> {
    match parsed {
        Ok(attribute) => Ok(Some(attribute)),
        Err(error @ FormatError::Unsupported { .. }) => {
            let node = at.node.as_deref().unwrap_or("/");
            notes.push(format!("an attribute of {node} is left out ({}): {error}", error.code()));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn parse(
    file: &File,
    shared: &SharedMessages<'_>,
    at: &At,
    body: &Bytes,
    address: u64,
) -> Result<RawAttribute, FormatError> {
    let mut cursor = file.cursor(body, address, at, "attribute message");
    let parts = attribute::parse(&mut cursor)?;
    let part = |(start, length): (usize, usize), kind: u16, is_shared: bool| {
        let slice = (body.slice(start..start + length), address + start as u64);
        if is_shared { shared.follow(file, at, kind, &slice.0, slice.1, 0) } else { Ok(slice) }
    };
    let (bytes, place) = part(parts.datatype, kind::DATATYPE, parts.datatype_is_shared)?;
    let datatype = datatype::parse(&mut file.cursor(&bytes, place, at, "datatype of an attribute"))?;
    let (bytes, place) = part(parts.dataspace, kind::DATASPACE, parts.dataspace_is_shared)?;
    let dataspace = dataspace::parse(&mut file.cursor(&bytes, place, at, "dataspace of an attribute"))?;
    let size = datatype.size(file.sizes.offset) as u64;
    let needed = dataspace.count().and_then(|count| count.checked_mul(size));
    let data = cursor.remaining() as u64;
    let Some(needed) = needed.filter(|needed| *needed <= data) else {
        let what = format_args!("the value of {:?} has {data} bytes, but its type and shape need more", parts.name);
        return Err(cursor.corrupt(what));
    };
    let data = body.slice(parts.data..parts.data + needed as usize);
    Ok(RawAttribute { name: parts.name, datatype, dataspace, data, address: address + parts.data as u64 })
}

impl RawAttribute {
    fn cursor<'a>(&'a self, file: &File, at: &'a At) -> Cursor<'a> {
        file.cursor(&self.data, self.address, at, "value of an attribute")
    }

    /// The references into global heaps that the value consists of.
    pub fn heap_references(&self, file: &File, at: &At) -> Result<Vec<HeapReference>, FormatError> {
        if !matches!(self.datatype, Datatype::VlenText { .. } | Datatype::Vlen { .. }) {
            return Ok(Vec::new());
        }
        let mut cursor = self.cursor(file, at);
        let count = self.dataspace.count().unwrap_or(0);
        (0..count).map(|_| global_heap::reference(&mut cursor)).collect()
    }

    /// Whether decoding it needs global heaps.
    pub fn needs_heaps(&self) -> bool {
        match &self.datatype {
            Datatype::VlenText { .. } => true,
            Datatype::Vlen { base } => {
                self.name == "DIMENSION_LIST" && matches!(**base, Datatype::Reference { object: true, .. })
            }
            _ => false,
        }
    }

    /// The texts of a text attribute, as they are.
    pub fn text(&self) -> Option<String> {
        match self.datatype {
            Datatype::FixedText { padding, .. } => Some(text_of(&self.data, padding).0),
            _ => None,
        }
    }

    /// The integers of an integer attribute.
    pub fn integers(&self) -> Option<Vec<i64>> {
        let Datatype::Number { data_type, endian, .. } = self.datatype else { return None };
        match numbers(data_type, endian, &self.data) {
            Some(Numbers::Int32(v)) => Some(v.into_iter().map(i64::from).collect()),
            Some(Numbers::UInt32(v)) => Some(v.into_iter().map(i64::from).collect()),
            Some(Numbers::Int64(v)) => Some(v),
            _ => None,
        }
    }

    /// The addresses that DIMENSION_LIST gives for each dimension.
    pub fn object_lists(&self, file: &File, at: &At, heaps: &GlobalHeaps) -> Result<Vec<Vec<u64>>, FormatError> {
        let width = usize::from(file.sizes.offset);
        let mut lists = Vec::new();
        for reference in self.heap_references(file, at)? {
            let mut list = Vec::new();
            if let Some(object) = reference.object {
                let bytes = heaps.get(at, object)?;
                let mut cursor = file.cursor(bytes, object.0, at, "list of references");
                for _ in 0..(reference.count as usize).min(bytes.len() / width) {
                    list.extend(cursor.offset()?);
                }
            }
            lists.push(list);
        }
        Ok(lists)
    }
}

/// Decodes attributes of one file; counts what texts it makes, because many references may lead to one long text.
pub(super) struct Decoder<'a> {
    pub file: &'a File<'a>,
    pub heaps: &'a GlobalHeaps,
    pub text_left: u64,
    pub notes: Vec<String>,
}

impl Decoder<'_> {
    /// The value of an attribute; `None` with a note where its kind is not read.
    pub fn decode(&mut self, at: &At, raw: &RawAttribute) -> Result<Option<AttributeValue>, FormatError> {
        let rank = raw.dataspace.shape().len();
        if rank > 1 {
            self.note(at, raw, &format!("has {rank} dimensions; its values stand in one row"));
        }
        let value = match &raw.datatype {
            Datatype::Number { data_type, endian, .. } => numbers(*data_type, *endian, &raw.data),
            Datatype::Enum { base, .. } => match base.as_ref() {
                Datatype::Number { data_type, endian, .. } => numbers(*data_type, *endian, &raw.data),
                _ => None,
            },
            Datatype::Array { base, .. } => match base.as_ref() {
                Datatype::Number { data_type, endian, .. } => numbers(*data_type, *endian, &raw.data),
                _ => None,
            },
            Datatype::FixedText { size, padding } => return self.fixed_text(at, raw, *size, *padding).map(Some),
            Datatype::VlenText { padding } => return self.vlen_text(at, raw, *padding).map(Some),
            _ => None,
        };
        if value.is_none() {
            self.note(at, raw, &format!("is left out: its type is {}", raw.datatype.describe()));
        }
        Ok(value.map(AttributeValue::Numbers))
    }

    fn fixed_text(
        &mut self,
        at: &At,
        raw: &RawAttribute,
        size: usize,
        padding: Padding,
    ) -> Result<AttributeValue, FormatError> {
        let mut texts = Vec::new();
        for element in raw.data.chunks_exact(size) {
            texts.push(self.text(at, raw, element, padding)?);
        }
        Ok(self.texts(raw, texts))
    }

    fn vlen_text(&mut self, at: &At, raw: &RawAttribute, padding: Padding) -> Result<AttributeValue, FormatError> {
        let mut texts = Vec::new();
        for reference in raw.heap_references(self.file, at)? {
            let bytes = match reference.object {
                Some(object) => self.heaps.get(at, object)?,
                None => &Bytes::new(),
            };
            let length = (reference.count as usize).min(bytes.len());
            texts.push(self.text(at, raw, &bytes[..length], padding)?);
        }
        Ok(self.texts(raw, texts))
    }

    #[allow(clippy::unused_self)]
    fn texts(&self, raw: &RawAttribute, mut texts: Vec<String>) -> AttributeValue {
        match (texts.len(), &raw.dataspace) {
            (1, _) => AttributeValue::Text(texts.pop().unwrap_or_default()),
            (_, Dataspace::Null) => AttributeValue::Text(String::new()),
            _ => AttributeValue::Texts(texts),
        }
    }

    fn text(&mut self, at: &At, raw: &RawAttribute, bytes: &[u8], padding: Padding) -> Result<String, FormatError> {
        self.text_left = self.text_left.checked_sub(bytes.len() as u64).ok_or_else(|| {
            FormatError::limit(at, "the number of bytes of attribute texts", limits::TEXT_BYTES + 1, limits::TEXT_BYTES)
        })?;
        let (text, is_utf8) = text_of(bytes, padding);
        if !is_utf8 {
            self.note(at, raw, "is not UTF-8 and was read as Latin-1");
        }
        Ok(text)
    }

    fn note(&mut self, at: &At, raw: &RawAttribute, what: &str) {
        let node = at.node.as_deref().unwrap_or("/");
        self.notes.push(format!("the attribute {:?} of {node} {what}", raw.name));
    }
}

/// The text in these bytes without its padding; `false` where they are not UTF-8 and were taken for Latin-1.
pub(super) fn text_of(bytes: &[u8], padding: Padding) -> (String, bool) {
    let bytes = match padding {
        Padding::Nul => bytes.split(|byte| *byte == 0).next().unwrap_or_default(),
        Padding::NulPadded | Padding::Space => {
            let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            &bytes[..end]
        }
    };
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), true),
        Err(_) => (bytes.iter().map(|byte| char::from(*byte)).collect(), false),
    }
}

fn numbers(data_type: DataType, endian: Endian, bytes: &[u8]) -> Option<Numbers> {
    macro_rules! read {
        ($variant:ident, $t:ty) => {
            Numbers::$variant(
                bytes
                    .chunks_exact(size_of::<$t>())
                    .map(|element| {
                        let mut number = [0; size_of::<$t>()];
                        number.copy_from_slice(element);
                        if endian == Endian::Big { <$t>::from_be_bytes(number) } else { <$t>::from_le_bytes(number) }
                    })
                    .collect(),
            )
        };
    }
    Some(match data_type {
        DataType::Int8 => read!(Int8, i8),
        DataType::Int16 => read!(Int16, i16),
        DataType::Int32 => read!(Int32, i32),
        DataType::Int64 => read!(Int64, i64),
        DataType::UInt8 => read!(UInt8, u8),
        DataType::UInt16 => read!(UInt16, u16),
        DataType::UInt32 => read!(UInt32, u32),
        DataType::UInt64 => read!(UInt64, u64),
        DataType::Float32 => read!(Float32, f32),
        DataType::Float64 => read!(Float64, f64),
        // Every number of 16 bits is one of 32 bits, too, and attributes have no narrower type.
        DataType::Float16 => {
            let Numbers::UInt16(halves) = read!(UInt16, u16) else { return None };
            Numbers::Float32(halves.into_iter().map(|bits| half::f16::from_bits(bits).to_f32()).collect())
        }
        DataType::Bool | DataType::String => return None,
    })
}
