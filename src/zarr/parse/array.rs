//! One array: its documents in, shape, type, codecs, fill and attributes out.

use std::borrow::Cow;

use serde_json::{Map, Value};
use thermocline_model::{ArrayBytes, Attribute, Attributes, ByteOrder, ChunkGrid, Codec, DataType};

use super::ParseError;
use super::attributes::{attributes, fill_attribute, fill_of_element};
use super::codecs::{self, ChainV3};
use super::dtype::{self, StoredType};
use super::fill;
use super::json::{lengths, member};
use super::keys::ChunkKeys;
use super::shard::Sharding;

/// Longest rank accepted.
const MAX_RANK: usize = 64;

/// Bytes that a codec of a checksum appends.
const CHECKSUM_BYTES: u64 = 4;

/// What the documents of an array say.
#[derive(Debug, Clone, PartialEq)]
pub struct ArrayMetadata {
    /// Lengths of the axes.
    pub shape: Vec<u64>,
    /// Lengths of the axes of a chunk; of an inner chunk when the array is sharded.
    pub chunk_shape: Vec<u64>,
    /// Names of the axes where the store gives them.
    pub dims: Vec<Option<String>>,
    /// Attributes, `_FillValue` included as xarray sees it, without `_ARRAY_DIMENSIONS`.
    pub attrs: Attributes,
    /// Names of attributes that became JSON text.
    pub json_attrs: Vec<String>,
    /// What the elements are.
    pub elements: Elements,
    /// Steps in the order of writing.
    pub codecs: Vec<Codec>,
    /// How chunks are named.
    pub keys: ChunkKeys,
    /// How chunks are packed into shards.
    pub sharding: Option<Sharding>,
    /// The data type in the words of the store.
    pub type_name: String,
}

/// What the elements of an array are.
#[derive(Debug, Clone, PartialEq)]
pub enum Elements {
    /// Elements of a type that the model has.
    Plain {
        /// Their type.
        dtype: DataType,
        /// What missing chunks read as.
        fill: Option<ArrayBytes>,
    },
    /// Texts of characters of four bytes, to be decoded to [`DataType::String`].
    Ucs4 {
        /// Number of characters.
        n_chars: usize,
        /// Order of the bytes of a character.
        order: ByteOrder,
        /// What missing chunks read as.
        fill: Option<String>,
    },
    /// Records, served as one array a member.
    Record {
        /// Size of a record in bytes.
        size: usize,
        /// The members.
        members: Vec<Member>,
    },
}

/// A member of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Name of the member.
    pub name: String,
    /// Position in the record, in bytes.
    pub offset: usize,
    /// Its type; `None` for one that only decoding could give.
    pub dtype: Option<DataType>,
    /// What missing chunks read as.
    pub fill: Option<ArrayBytes>,
}

impl ArrayMetadata {
    /// The grid of chunks (of inner chunks when the array is sharded).
    pub fn grid(&self) -> Option<ChunkGrid> {
        ChunkGrid::new(self.shape.clone(), self.chunk_shape.clone())
    }

    /// The grid of stored objects: of shards when the array is sharded, else of chunks.
    pub fn object_grid(&self) -> Option<ChunkGrid> {
        let shape = self.sharding.as_ref().map_or(&self.chunk_shape, |sharding| &sharding.shard_shape);
        ChunkGrid::new(self.shape.clone(), shape.clone())
    }

    /// Size of a stored element in bytes; `None` for texts of any length.
    pub fn element_bytes(&self) -> Option<usize> {
        match &self.elements {
            Elements::Plain { dtype, .. } => dtype.len_bytes(),
            Elements::Ucs4 { n_chars, .. } => Some(n_chars * 4),
            Elements::Record { size, .. } => Some(*size),
        }
    }

    /// Bytes of a stored chunk, if all have as many: no step of writing compresses.
    pub fn stored_chunk_bytes(&self) -> Option<u64> {
        let n_elements = self.grid()?.chunk_len()?;
        let decoded = n_elements.checked_mul(self.element_bytes()? as u64)?;
        self.codecs.iter().try_fold(decoded, |len_bytes, codec| match codec {
            Codec::Shuffle { .. } | Codec::Transpose { .. } => Some(len_bytes),
            Codec::Crc32c | Codec::Fletcher32 => len_bytes.checked_add(CHECKSUM_BYTES),
            _ => None,
        })
    }

    /// True if a stored chunk of `len_bytes` may be whole: one without bytes never is.
    pub fn may_have(&self, len_bytes: u64) -> bool {
        self.stored_chunk_bytes().map_or(len_bytes > 0, |expected| expected == len_bytes)
    }

    /// Decodes characters of four bytes; `None` for what is no text.
    pub fn ucs4_text(bytes: &[u8], order: ByteOrder) -> Option<String> {
        fill::ucs4_text(bytes, order)
    }
}

/// Reads a version 2 array: its `.zarray` and `.zattrs`.
///
/// # Errors
/// [`ParseError`] naming what cannot be served.
pub fn array_v2(zarray: &Value, zattrs: Option<&Value>) -> Result<ArrayMetadata, ParseError> {
    if zarray.get("zarr_format").and_then(Value::as_u64) != Some(2) {
        return Err(ParseError::new("zarr_format is not 2"));
    }
    let shape = lengths(zarray, "shape")?;
    let chunk_shape = check_shapes(&shape, lengths(zarray, "chunks")?)?;
    let type_value = zarray.get("dtype").unwrap_or(&Value::Null);
    let stored = dtype::v2(type_value)?;
    let codecs = codecs::v2(zarray, stored.len_bytes(), shape.len())?;
    if (stored == StoredType::Text) != codecs.contains(&Codec::VlenUtf8) {
        return Err(ParseError::new(format!(
            "data type {type_value} needs the filter vlen-utf8, and no other may"
        )));
    }
    let separator = match member(zarray, "dimension_separator").map_or(Some("."), Value::as_str) {
        Some(".") => '.',
        Some("/") => '/',
        other => return Err(ParseError::new(format!("dimension separator {other:?}"))),
    };
    let fill_value = zarray.get("fill_value").unwrap_or(&Value::Null);
    let fill = fill::element(fill_value, &stored)?;
    let zattrs = attribute_object(zattrs)?;
    let (mut attrs, json_attrs) = attributes(&zattrs);
    let dims = dimension_names(attrs.remove("_ARRAY_DIMENSIONS"), shape.len());
    if let Some(attribute) = fill_value_attribute(fill.as_deref(), &stored) {
        attrs.set("_FillValue", attribute);
    }
    Ok(ArrayMetadata {
        shape,
        chunk_shape,
        dims,
        json_attrs,
        codecs,
        keys: ChunkKeys { separator, has_prefix: false },
        sharding: None,
        type_name: type_name(type_value),
        elements: elements(&stored, fill),
        attrs: with_units(attrs, &stored),
    })
}

/// Reads a version 3 array: its `zarr.json`.
///
/// # Errors
/// [`ParseError`] naming what cannot be served.
pub fn array_v3(document: &Value) -> Result<ArrayMetadata, ParseError> {
    check_extensions(document)?;
    let shape = lengths(document, "shape")?;
    let grid_shape = check_shapes(&shape, regular_chunks(document)?)?;
    let list = document.get("codecs").and_then(Value::as_array).map(Vec::as_slice);
    let chain = codecs::v3(list.unwrap_or_default(), shape.len())?;
    let type_value = document.get("data_type").unwrap_or(&Value::Null);
    let stored = dtype::v3(type_value, chain.order)?;
    if (stored == StoredType::Text) != chain.is_text {
        return Err(ParseError::new(format!("data type {type_value} and its codecs do not fit")));
    }
    let fill = fill::element(document.get("fill_value").unwrap_or(&Value::Null), &stored)?;
    let object = attribute_object(member(document, "attributes"))?;
    let (mut attrs, mut json_attrs) = attributes(&object);
    if let Some(value) = object.get("_FillValue") {
        set_fill_attribute(&mut attrs, &mut json_attrs, value, &stored);
    }
    let dims = dims_v3(document, &mut attrs, shape.len());
    let keys = keys_v3(document)?;
    let (chunk_shape, sharding) = shards(&grid_shape, &chain)?;
    Ok(ArrayMetadata {
        shape,
        chunk_shape,
        dims,
        json_attrs,
        keys,
        sharding,
        type_name: type_name(type_value),
        codecs: chain.codecs,
        elements: elements(&stored, fill),
        attrs: with_units(attrs, &stored),
    })
}

/// The attributes of an array; anything but an object would lose `scale_factor` and `_FillValue` silently.
fn attribute_object(value: Option<&Value>) -> Result<Cow<'_, Map<String, Value>>, ParseError> {
    match value {
        None => Ok(Cow::Owned(Map::new())),
        Some(Value::Object(object)) => Ok(Cow::Borrowed(object)),
        Some(_) => Err(ParseError::new("its attributes are no JSON object")),
    }
}

fn type_name(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A chunk length of 0 occurs for axes of length 0, where it means nothing.
fn check_shapes(shape: &[u64], chunk_shape: Vec<u64>) -> Result<Vec<u64>, ParseError> {
    if shape.len() != chunk_shape.len() || shape.len() > MAX_RANK {
        return Err(ParseError::new(format!("chunks {chunk_shape:?} do not fit shape {shape:?}")));
    }
    let chunk_shape: Vec<u64> = chunk_shape
        .iter()
        .zip(shape)
        .map(|(chunk, length)| if *chunk == 0 && *length == 0 { 1 } else { *chunk })
        .collect();
    if ChunkGrid::new(shape.to_vec(), chunk_shape.clone()).is_none() {
        return Err(ParseError::new(format!("chunks {chunk_shape:?} make no grid over shape {shape:?}")));
    }
    Ok(chunk_shape)
}

fn regular_chunks(document: &Value) -> Result<Vec<u64>, ParseError> {
    let grid = document.get("chunk_grid").unwrap_or(&Value::Null);
    match grid.get("name").and_then(Value::as_str) {
        Some("regular") => lengths(grid.get("configuration").unwrap_or(&Value::Null), "chunk_shape"),
        other => Err(ParseError::new(format!("chunk grid {other:?} is not regular"))),
    }
}

/// What a document holds beyond the specification must say that it may be ignored.
fn check_extensions(document: &Value) -> Result<(), ParseError> {
    const KNOWN: [&str; 12] = [
        "zarr_format",
        "node_type",
        "shape",
        "data_type",
        "chunk_grid",
        "chunk_key_encoding",
        "fill_value",
        "codecs",
        "attributes",
        "dimension_names",
        "storage_transformers",
        "consolidated_metadata",
    ];
    let members = document.as_object().into_iter().flatten();
    for (name, value) in members.filter(|(name, _)| !KNOWN.contains(&name.as_str())) {
        if value.get("must_understand") != Some(&Value::Bool(false)) {
            return Err(ParseError::new(format!("extension {name:?} must be understood")));
        }
    }
    match member(document, "storage_transformers").and_then(Value::as_array) {
        Some(transformers) if !transformers.is_empty() => Err(ParseError::new("storage transformers")),
        _ => Ok(()),
    }
}

fn keys_v3(document: &Value) -> Result<ChunkKeys, ParseError> {
    let encoding = document.get("chunk_key_encoding").unwrap_or(&Value::Null);
    let name = encoding.as_str().or_else(|| encoding.get("name").and_then(Value::as_str));
    let separator =
        encoding.get("configuration").and_then(|configuration| member(configuration, "separator"));
    let (default, has_prefix) = match name {
        Some("default") => ("/", true),
        Some("v2") => (".", false),
        other => return Err(ParseError::new(format!("chunk key encoding {other:?}"))),
    };
    let separator = match separator.map_or(Some(default), Value::as_str) {
        Some("/") => '/',
        Some(".") => '.',
        other => return Err(ParseError::new(format!("chunk key separator {other:?}"))),
    };
    Ok(ChunkKeys { separator, has_prefix })
}

/// Inner chunk shape and sharding, if the chunks of the grid are shards.
fn shards(grid_shape: &[u64], chain: &ChainV3) -> Result<(Vec<u64>, Option<Sharding>), ParseError> {
    let Some((inner_shape, index)) = &chain.sharding else {
        return Ok((grid_shape.to_vec(), None));
    };
    let divides = |(inner, outer): (&u64, &u64)| *inner > 0 && outer % inner == 0;
    if inner_shape.len() != grid_shape.len() || !inner_shape.iter().zip(grid_shape).all(divides) {
        return Err(ParseError::new(format!(
            "inner chunks {inner_shape:?} do not divide shards {grid_shape:?}"
        )));
    }
    Ok((inner_shape.clone(), Some(Sharding { shard_shape: grid_shape.to_vec(), index: *index })))
}

fn dims_v3(document: &Value, attrs: &mut Attributes, rank: usize) -> Vec<Option<String>> {
    let from_attrs = attrs.remove("_ARRAY_DIMENSIONS");
    let names = member(document, "dimension_names").and_then(Value::as_array);
    match names.filter(|names| names.len() == rank) {
        Some(names) => names.iter().map(|name| name.as_str().map(str::to_owned)).collect(),
        None => dimension_names(from_attrs, rank),
    }
}

/// The names of `_ARRAY_DIMENSIONS`, if there are as many as axes.
fn dimension_names(attribute: Option<Attribute>, rank: usize) -> Vec<Option<String>> {
    match attribute {
        Some(Attribute::Texts(names)) if names.len() == rank => names.into_iter().map(Some).collect(),
        _ => vec![None; rank],
    }
}

fn fill_value_attribute(element: Option<&[u8]>, stored: &StoredType) -> Option<Attribute> {
    match stored {
        StoredType::Plain(dtype) | StoredType::Time { dtype, .. } => fill_of_element(element?, dtype),
        // An empty text as a fill value would make xarray mask every empty text.
        StoredType::Ucs4 { order, .. } => {
            fill::ucs4_text(element?, *order).filter(|text| !text.is_empty()).map(Attribute::Text)
        }
        StoredType::Text => {
            let text = String::from_utf8(element?.to_vec()).ok()?;
            (!text.is_empty()).then_some(Attribute::Text(text))
        }
        StoredType::Record { .. } => None,
    }
}

fn set_fill_attribute(
    attrs: &mut Attributes,
    json_attrs: &mut Vec<String>,
    value: &Value,
    stored: &StoredType,
) {
    let (StoredType::Plain(dtype) | StoredType::Time { dtype, .. }) = stored else {
        return;
    };
    if let Some(attribute) = fill_attribute(value, dtype) {
        attrs.set("_FillValue", attribute);
        json_attrs.retain(|name| name != "_FillValue");
    }
}

/// Times get the CF units that their type means.
fn with_units(mut attrs: Attributes, stored: &StoredType) -> Attributes {
    let StoredType::Time { units, .. } = stored else {
        return attrs;
    };
    attrs.set("units", Attribute::Text(units.clone()));
    if units.contains(" since ") {
        attrs.set("calendar", Attribute::Text("proleptic_gregorian".to_owned()));
    }
    attrs
}

fn elements(stored: &StoredType, fill: Option<Vec<u8>>) -> Elements {
    match stored {
        StoredType::Plain(dtype) | StoredType::Time { dtype, .. } => {
            Elements::Plain { dtype: dtype.clone(), fill: fill::array_bytes(fill, dtype) }
        }
        StoredType::Text => {
            Elements::Plain { dtype: DataType::String, fill: fill::array_bytes(fill, &DataType::String) }
        }
        StoredType::Ucs4 { n_chars, order } => {
            let fill = fill.and_then(|bytes| fill::ucs4_text(&bytes, *order));
            Elements::Ucs4 { n_chars: *n_chars, order: *order, fill }
        }
        StoredType::Record { size, members } => {
            let member = |(name, offset, stored): &(String, usize, StoredType)| {
                let dtype = match stored {
                    StoredType::Plain(dtype) => Some(dtype.clone()),
                    _ => None,
                };
                let end = offset + stored.len_bytes().unwrap_or(0);
                let part = fill.as_ref().and_then(|bytes| bytes.get(*offset..end)).map(<[u8]>::to_vec);
                Member { name: name.clone(), offset: *offset, dtype, fill: part.map(ArrayBytes::Fixed) }
            };
            Elements::Record { size: *size, members: members.iter().map(member).collect() }
        }
    }
}

#[cfg(test)]
mod tests;
