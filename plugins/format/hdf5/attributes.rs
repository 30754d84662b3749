//! Attributes of groups and arrays, in every type that has a counterpart.

use bytes::Bytes;
use thermocline_codec::{ChunkSpec, decode};
use thermocline_core::{Error, Result};
use thermocline_model::{
    ArrayBytes, Attribute, Attributes, ByteOrder, DataType, Note, Number, NumberType, StringPadding,
};

use crate::btree2::Tree;
use crate::cursor::{Cursor, text};
use crate::datatype::{Class, Datatype};
use crate::file::File;
use crate::global_heap::HeapId;
use crate::header::{ObjectHeader, kind};
use crate::mapping::{Dialect, leaves};
use crate::messages::Dataspace;
use crate::storage::is_fault_of_file;

/// Attributes that belong to the machinery of HDF5 and netCDF-4 and are not shown.
const MACHINERY: [&str; 8] = [
    "DIMENSION_LIST",
    "REFERENCE_LIST",
    "CLASS",
    "NAME",
    "_Netcdf4Dimid",
    "_Netcdf4Coordinates",
    "_nc3_strict",
    "_NCProperties",
];

/// Attributes without which values are decoded to other ones: a variable that lacks one of them for damage
/// must not be served.
///
/// # Source
/// CF Conventions 1.11, sections 2.5.1, 3.1, 4.4 and 8.1; netCDF Users Guide, appendix A.
const DECODING: [&str; 12] = [
    "_FillValue",
    "missing_value",
    "scale_factor",
    "add_offset",
    "units",
    "calendar",
    "_Unsigned",
    "_Encoding",
    "valid_range",
    "valid_min",
    "valid_max",
    "dtype",
];

/// An attribute as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct RawAttribute {
    /// Its name; `None` if not even that can be read.
    pub(crate) name: Option<String>,
    /// Its value, or why it cannot be read.
    pub(crate) value: std::result::Result<RawValue, String>,
}

/// The value of an attribute as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct RawValue {
    pub(crate) datatype: Datatype,
    pub(crate) dataspace: Dataspace,
    pub(crate) bytes: Bytes,
}

impl RawValue {
    /// The number of elements; `None` if the shape is impossible.
    fn n_elements(&self) -> Option<usize> {
        match &self.dataspace {
            Dataspace::Null => Some(0),
            Dataspace::Simple { shape, .. } => {
                let n = shape.iter().try_fold(1_u64, |product, length| product.checked_mul(*length))?;
                usize::try_from(n).ok()
            }
        }
    }
}

impl RawAttribute {
    /// Attributes of which nothing can be read, not even how many they are.
    fn unreadable(error: &Error) -> Self {
        Self { name: None, value: Err(error.to_string()) }
    }

    fn is_called(&self, name: &str) -> bool {
        self.name.as_deref() == Some(name)
    }
}

/// All attributes of an object, in the order of creation where the file keeps it.
///
/// # Errors
/// Those of stores that do not answer: what is damaged is among the attributes.
pub(crate) fn read_attributes(file: &File, header: &ObjectHeader) -> Result<Vec<RawAttribute>> {
    let mut found: Vec<(Option<u64>, RawAttribute)> = Vec::new();
    for message in header.all(kind::ATTRIBUTE) {
        let body = file.body(message);
        let attribute = body.and_then(|body| parse(file, &body));
        found.push((message.order.map(u64::from), keep(attribute)?));
    }
    if let Some(message) = header.find(kind::ATTRIBUTE_INFO) {
        let body = file.body(message);
        let dense =
            body.and_then(|body| dense_attributes(file, &mut Cursor::new(&body, file.sizes()), &mut found));
        match dense {
            Ok(()) => {}
            Err(error) if is_fault_of_file(&error) => found.push((None, RawAttribute::unreadable(&error))),
            Err(error) => return Err(error),
        }
    }
    if header.tracks_attribute_order {
        found.sort_by_key(|(order, _)| *order);
    }
    Ok(found.into_iter().map(|(_, attribute)| attribute).collect())
}

/// An attribute that is damaged loses only itself; a store that does not answer ends the reading.
fn keep(attribute: Result<RawAttribute>) -> Result<RawAttribute> {
    match attribute {
        Err(error) if is_fault_of_file(&error) => Ok(RawAttribute::unreadable(&error)),
        other => other,
    }
}

fn dense_attributes(
    file: &File,
    cursor: &mut Cursor<'_>,
    found: &mut Vec<(Option<u64>, RawAttribute)>,
) -> Result<()> {
    let version = cursor.u8()?;
    if version != 0 {
        return Err(Error::unsupported(format!("attribute info version {version}")));
    }
    let flags = cursor.u8()?;
    if flags & 1 != 0 {
        cursor.skip(2)?;
    }
    let heap = cursor.address()?;
    let names = cursor.address()?;
    let (Some(heap), Some(names)) = (heap, names) else { return Ok(()) };
    let tree = Tree::read(file, names)?;
    if tree.kind != 8 {
        return Err(Error::corrupt(format!("a B-tree of kind {} where attributes are expected", tree.kind)));
    }
    let mut records: Vec<Vec<u8>> = Vec::new();
    tree.each_record(file, file.limits.n_nodes as u64, &mut |record| {
        records.push(record.to_vec());
        Ok(())
    })?;
    for record in records {
        let mut cursor = Cursor::new(&record, file.sizes());
        let id = cursor.take(8)?;
        let flags = cursor.u8()?;
        let order = cursor.u32()?;
        let is_shared = flags & 0x02 != 0;
        let heap = if is_shared { file.shared_heap(kind::ATTRIBUTE) } else { Ok(heap) };
        let body = heap.and_then(|heap| file.heap_object(heap, id));
        let attribute = body.and_then(|body| parse(file, &body));
        found.push((Some(u64::from(order)), keep(attribute)?));
    }
    Ok(())
}

/// Reads an attribute message, versions 1 to 3.
fn parse(file: &File, body: &Bytes) -> Result<RawAttribute> {
    let mut cursor = Cursor::new(body, file.sizes());
    let version = cursor.u8()?;
    let flags = cursor.u8()?;
    let name_len = usize::from(cursor.u16()?);
    let type_len = usize::from(cursor.u16()?);
    let space_len = usize::from(cursor.u16()?);
    if version == 3 {
        cursor.skip(1)?;
    }
    let is_padded = version == 1;
    let name = cursor.take(name_len)?;
    let name = text(name.split(|byte| *byte == 0).next().unwrap_or_default()).0;
    pad(&mut cursor, is_padded, name_len)?;
    let type_bytes = cursor.take(type_len)?;
    pad(&mut cursor, is_padded, type_len)?;
    let space_bytes = cursor.take(space_len)?;
    pad(&mut cursor, is_padded, space_len)?;
    let value_start = cursor.position();
    let value = match version {
        1..=3 => {
            let flags = if version == 1 { 0 } else { flags };
            raw_value(file, flags, type_bytes, space_bytes, body.slice(value_start..))
        }
        version => Err(Error::unsupported(format!("attribute version {version}"))),
    };
    match value {
        Ok(value) => Ok(RawAttribute { name: Some(name), value: Ok(value) }),
        Err(error) if is_fault_of_file(&error) => {
            Ok(RawAttribute { name: Some(name), value: Err(error.to_string()) })
        }
        Err(error) => Err(error),
    }
}

fn pad(cursor: &mut Cursor<'_>, is_padded: bool, len: usize) -> Result<()> {
    let padding = if is_padded { len.wrapping_neg() % 8 } else { 0 };
    cursor.skip(padding.min(cursor.remaining()))
}

fn raw_value(
    file: &File,
    flags: u8,
    type_bytes: &[u8],
    space_bytes: &[u8],
    bytes: Bytes,
) -> Result<RawValue> {
    let shared_type;
    let type_bytes = if flags & 1 != 0 {
        shared_type = file.shared_body(kind::DATATYPE, type_bytes)?;
        &shared_type
    } else {
        type_bytes
    };
    let shared_space;
    let space_bytes = if flags & 2 != 0 {
        shared_space = file.shared_body(kind::DATASPACE, space_bytes)?;
        &shared_space
    } else {
        space_bytes
    };
    let datatype = Datatype::parse(&mut Cursor::new(type_bytes, file.sizes()))?;
    let dataspace = Dataspace::parse(&mut Cursor::new(space_bytes, file.sizes()))?;
    let value = RawValue { datatype, dataspace, bytes };
    let len = value.n_elements().and_then(|n| n.checked_mul(value.datatype.size));
    match len {
        Some(len) if len <= value.bytes.len() => Ok(RawValue { bytes: value.bytes.slice(..len), ..value }),
        _ => Err(Error::corrupt("the value is shorter than its shape says")),
    }
}

/// The attributes to show.
pub(crate) struct ShownAttributes {
    pub(crate) attributes: Attributes,
    /// What is wrong with attributes that decide what the values mean.
    pub(crate) damage: Option<String>,
}

/// The attributes to show, and notes on those that are left out.
pub(crate) fn shown(
    file: &File,
    path: &str,
    raw: &[RawAttribute],
    notes: &mut Vec<Note>,
) -> Result<ShownAttributes> {
    let mut shown = ShownAttributes { attributes: Attributes::new(), damage: None };
    for attribute in raw.iter().filter(|attribute| !attribute.is_machinery()) {
        let name = attribute.name.as_deref().unwrap_or("?");
        let note_path = format!("{path}@{name}");
        let value = match &attribute.value {
            Ok(value) => shown_value(file, value),
            Err(reason) => Err(Error::corrupt(reason.clone())),
        };
        match value {
            Ok(Shown { value, is_latin1 }) => {
                if is_latin1 {
                    notes.push(Note {
                        path: note_path,
                        note: "is not UTF-8 and was decoded as Latin-1".to_owned(),
                    });
                }
                shown.attributes.set(name, value);
            }
            Err(error) if is_fault_of_file(&error) => {
                if shown.damage.is_none() && attribute.is_damaged_decoding() {
                    shown.damage = Some(format!("its attribute {name} cannot be read: {error}"));
                }
                notes.push(Note { path: note_path, note: format!("is left out: {error}") });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(shown)
}

impl RawAttribute {
    fn is_machinery(&self) -> bool {
        self.name.as_deref().is_some_and(|name| MACHINERY.contains(&name))
    }

    /// True if a value that cannot be shown may be one that others need to decode values: not if its type
    /// has no counterpart, as that of the fill value of a record.
    fn is_damaged_decoding(&self) -> bool {
        let may_decode = self.name.as_deref().is_none_or(|name| DECODING.contains(&name));
        may_decode && self.value.as_ref().map_or(true, |value| is_expressible(&value.datatype))
    }
}

/// True if attributes of a type are shown: texts and single numbers.
fn is_expressible(datatype: &Datatype) -> bool {
    match leaves(datatype, Dialect::Hdf5).as_slice() {
        [leaf] => leaf.suffix.is_empty() && leaf.values.is_ok(),
        _ => false,
    }
}

struct Shown {
    value: Attribute,
    is_latin1: bool,
}

fn shown_value(file: &File, raw: &RawValue) -> Result<Shown> {
    let n = raw.n_elements().unwrap_or(0);
    let texts = match &raw.datatype.class {
        Class::FixedString { padding, .. } => {
            let cut = raw.bytes.chunks_exact(raw.datatype.size).map(|bytes| text(unpadded(bytes, *padding)));
            Some(cut.collect::<Vec<_>>())
        }
        Class::String { padding } => {
            let texts = raw.bytes.chunks_exact(raw.datatype.size).map(|element| {
                let bytes = file.sequence(element, 1)?;
                let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
                Ok(text(unpadded(bytes, *padding)))
            });
            Some(texts.collect::<Result<Vec<_>>>()?)
        }
        _ => None,
    };
    if let Some(texts) = texts {
        let is_latin1 = texts.iter().any(|(_, is_latin1)| *is_latin1);
        let mut texts: Vec<String> = texts.into_iter().map(|(text, _)| text).collect();
        let value = match (texts.len(), texts.pop()) {
            (1, Some(text)) => Attribute::Text(text),
            (_, Some(last)) => {
                texts.push(last);
                Attribute::Texts(texts)
            }
            (_, None) => Attribute::Text(String::new()),
        };
        return Ok(Shown { value, is_latin1 });
    }
    Ok(Shown { value: numbers(raw, n)?, is_latin1: false })
}

fn numbers(raw: &RawValue, n: usize) -> Result<Attribute> {
    let mut leaves = leaves(&raw.datatype, Dialect::Hdf5);
    let leaf = match (leaves.pop(), leaves.is_empty()) {
        (Some(leaf), true) if leaf.suffix.is_empty() => leaf,
        _ => {
            return Err(Error::unsupported(format!(
                "attributes of type {} are not shown",
                raw.datatype.words()
            )));
        }
    };
    let values = leaf.values.map_err(|_| {
        Error::unsupported(format!("attributes of type {} are not shown", raw.datatype.words()))
    })?;
    let shape = match &raw.dataspace {
        Dataspace::Null => vec![0],
        Dataspace::Simple { shape, .. } => shape.clone(),
    };
    let shape: Vec<u64> = shape.into_iter().chain(values.inner_shape.iter().copied()).collect();
    let dtype = number_type(&values.dtype)?;
    if n == 0 {
        return Ok(Attribute::Numbers { dtype, shape: vec![0], values: Vec::new() });
    }
    let spec = ChunkSpec { dtype: &values.dtype, shape: &shape, max_bytes: raw.bytes.len() as u64 * 8 };
    let ArrayBytes::Fixed(bytes) = decode(&values.codecs, 0, &raw.bytes, &spec)? else {
        return Err(Error::internal("numbers decoded to texts"));
    };
    let numbers = number_list(&bytes, dtype, values.dtype.byte_order());
    // Writers of netCDF make no difference between one number and an array of one.
    let shape = if shape == [1] { Vec::new() } else { shape };
    Ok(Attribute::Numbers { dtype, shape, values: numbers })
}

/// The type of an attribute for a type of elements.
pub(crate) fn number_type(dtype: &DataType) -> Result<NumberType> {
    Ok(match dtype {
        DataType::Bool => NumberType::Bool,
        DataType::Int { size: 1, .. } => NumberType::I8,
        DataType::Int { size: 2, .. } => NumberType::I16,
        DataType::Int { size: 4, .. } => NumberType::I32,
        DataType::Int { size: 8, .. } => NumberType::I64,
        DataType::UInt { size: 1, .. } => NumberType::U8,
        DataType::UInt { size: 2, .. } => NumberType::U16,
        DataType::UInt { size: 4, .. } => NumberType::U32,
        DataType::UInt { size: 8, .. } => NumberType::U64,
        DataType::Float { size: 2, .. } => NumberType::F16,
        DataType::Float { size: 4, .. } => NumberType::F32,
        DataType::Float { size: 8, .. } => NumberType::F64,
        other => return Err(Error::unsupported(format!("{other:?} is not a number"))),
    })
}

/// Numbers from their bytes.
pub(crate) fn number_list(bytes: &[u8], dtype: NumberType, order: Option<ByteOrder>) -> Vec<Number> {
    bytes
        .chunks_exact(dtype.len_bytes())
        .map(|element| {
            let mut padded = [0_u8; 8];
            for (to, from) in padded.iter_mut().zip(element) {
                *to = *from;
            }
            if order == Some(ByteOrder::Big) {
                for (to, from) in padded.iter_mut().zip(element.iter().rev()) {
                    *to = *from;
                }
            }
            number(u64::from_le_bytes(padded), dtype)
        })
        .collect()
}

fn number(bits: u64, dtype: NumberType) -> Number {
    match dtype {
        NumberType::I8 => Number::Integer(i128::from(bits as i8)),
        NumberType::I16 => Number::Integer(i128::from(bits as i16)),
        NumberType::I32 => Number::Integer(i128::from(bits as i32)),
        NumberType::I64 => Number::Integer(i128::from(bits as i64)),
        NumberType::U8 | NumberType::U16 | NumberType::U32 | NumberType::U64 => {
            Number::Integer(i128::from(bits))
        }
        NumberType::Bool => Number::Integer(i128::from(bits != 0)),
        NumberType::F16 => Number::Float(half::f16::from_bits(bits as u16).to_f64()),
        NumberType::F32 => Number::Float(f64::from(f32::from_bits(bits as u32))),
        NumberType::F64 => Number::Float(f64::from_bits(bits)),
    }
}

/// A text of fixed length without what fills it up.
pub(crate) fn unpadded(bytes: &[u8], padding: StringPadding) -> &[u8] {
    let len = match padding {
        StringPadding::NullTerminated => bytes.iter().position(|byte| *byte == 0),
        StringPadding::NullPadded => {
            Some(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1))
        }
        StringPadding::SpacePadded => {
            Some(bytes.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1))
        }
    };
    bytes.get(..len.unwrap_or(bytes.len())).unwrap_or_default()
}

impl File {
    /// The bytes that an element of variable length refers to; `item` is the size of one of its items.
    pub(crate) fn sequence(&self, element: &[u8], item: usize) -> Result<Bytes> {
        let mut cursor = Cursor::new(element, self.sizes());
        let n = cursor.u32()? as usize;
        let collection = cursor.address()?;
        let index = cursor.u32()?;
        let collection = match collection {
            Some(collection) if n > 0 && collection > 0 => collection,
            _ => return Ok(Bytes::new()),
        };
        let len = n.checked_mul(item).ok_or_else(|| Error::corrupt("a sequence of more than 2^64 bytes"))?;
        let object = self.global_object(HeapId { collection, index })?;
        if object.len() < len {
            return Err(Error::corrupt(format!("a sequence of {len} bytes has only {}", object.len())));
        }
        Ok(object.slice(..len))
    }
}

/// Values of attributes that the machinery of dimensions needs.
pub(crate) struct Machinery<'a> {
    file: &'a File,
    attributes: &'a [RawAttribute],
}

impl<'a> Machinery<'a> {
    pub(crate) fn new(file: &'a File, attributes: &'a [RawAttribute]) -> Self {
        Self { file, attributes }
    }

    fn raw(&self, name: &str) -> Option<&'a RawValue> {
        let found = self.attributes.iter().find(|attribute| attribute.is_called(name))?;
        found.value.as_ref().ok()
    }

    /// True if there is an attribute of that name, readable or not.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.attributes.iter().any(|attribute| attribute.is_called(name))
    }

    /// A text attribute; `None` if it is absent or not a text.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        match shown_value(self.file, raw) {
            Ok(Shown { value: Attribute::Text(text), .. }) => Ok(Some(text)),
            Ok(_) => Ok(None),
            Err(error) if is_fault_of_file(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// An attribute of integers; `None` if it is absent or of another type.
    pub(crate) fn integers(&self, name: &str) -> Option<Vec<i128>> {
        let value = self.raw(name).and_then(|raw| numbers(raw, raw.n_elements()?).ok())?;
        let Attribute::Numbers { values, .. } = value else { return None };
        let integers = values.into_iter().map(|value| match value {
            Number::Integer(value) => Some(value),
            Number::Float(_) => None,
        });
        integers.collect()
    }

    /// For each axis the addresses of its dimension scales.
    pub(crate) fn dimension_list(&self) -> Result<Option<Vec<Vec<u64>>>> {
        let Some(raw) = self.raw("DIMENSION_LIST") else { return Ok(None) };
        let Class::Sequence(base) = &raw.datatype.class else { return Ok(None) };
        if !matches!(base.class, Class::Reference(_)) || base.size < self.file.sizes().address {
            return Ok(None);
        }
        let mut axes = Vec::new();
        for element in raw.bytes.chunks_exact(raw.datatype.size) {
            let references = match self.file.sequence(element, base.size) {
                Ok(references) => references,
                Err(error) if is_fault_of_file(&error) => return Ok(None),
                Err(error) => return Err(error),
            };
            let mut scales = Vec::new();
            for reference in references.chunks_exact(base.size) {
                scales.extend(Cursor::new(reference, self.file.sizes()).address()?);
            }
            axes.push(scales);
        }
        Ok(Some(axes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_cut_as_the_type_says() {
        for (padding, expected) in [
            (StringPadding::NullTerminated, b"ab".as_slice()),
            (StringPadding::NullPadded, b"ab\0xy"),
            (StringPadding::SpacePadded, b"ab\0xy\0\0"),
        ] {
            assert_eq!(unpadded(b"ab\0xy\0\0", padding), expected);
        }
        assert_eq!(unpadded(b"ab  ", StringPadding::SpacePadded), b"ab");
    }

    #[test]
    fn big_endian_numbers_are_turned() {
        assert_eq!(
            number_list(&[0, 1, 0xff, 0xfe], NumberType::I16, Some(ByteOrder::Big)),
            vec![Number::Integer(1), Number::Integer(-2)]
        );
    }
}
