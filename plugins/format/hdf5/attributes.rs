//! Attributes of groups and arrays as they are stored.

mod machinery;
mod shown;

use bytes::Bytes;
use thermocline_core::{Error, Result};

use crate::btree2::Tree;
use crate::cursor::{Cursor, text};
use crate::datatype::Datatype;
use crate::file::File;
use crate::global_heap::HeapId;
use crate::header::{ObjectHeader, kind};
use crate::messages::Dataspace;
use crate::storage::is_fault_of_file;

pub(crate) use machinery::Machinery;
pub(crate) use shown::{ShownAttributes, number_list, number_type, shown, unpadded};

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
