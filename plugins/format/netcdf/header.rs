//! The header of a NetCDF-3 file: dimensions, attributes, variables, and where each variable begins.
//!
//! # Specification
//! "The NetCDF Classic Format Specification", grammar of `header`. Names below are those of the grammar.

mod cursor;

use thermocline_core::format::{Limits, ReadAt};
use thermocline_core::{Error, Result};
use thermocline_model::{ByteOrder, DataType};

use self::cursor::Cursor;

/// Longest rank accepted; libnetcdf's `NC_MAX_VAR_DIMS`.
const MAX_RANK: u64 = 1024;

/// The variant of the format, which tells how wide counts and offsets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// CDF-1: counts and offsets of 4 bytes.
    Classic,
    /// CDF-2: counts of 4 bytes, offsets of 8.
    Offset64,
    /// CDF-5: counts and offsets of 8 bytes, and more types.
    Data64,
}

impl Version {
    /// The variant that the first four bytes of a file declare.
    pub(crate) fn of(head: &[u8]) -> Option<Self> {
        match head.get(..4)? {
            b"CDF\x01" => Some(Self::Classic),
            b"CDF\x02" => Some(Self::Offset64),
            b"CDF\x05" => Some(Self::Data64),
            _ => None,
        }
    }

    /// Bytes of a count (`NON_NEG`).
    fn count_bytes(self) -> u64 {
        if self == Self::Data64 { 8 } else { 4 }
    }

    /// Bytes of a position in the file (`OFFSET`).
    fn offset_bytes(self) -> u64 {
        if self == Self::Classic { 4 } else { 8 }
    }
}

/// The external type of a variable or an attribute (`nc_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExternalType {
    Byte,
    Char,
    Short,
    Int,
    Float,
    Double,
    UByte,
    UShort,
    UInt,
    Int64,
    UInt64,
}

impl ExternalType {
    fn of(code: u32) -> Option<Self> {
        Some(match code {
            1 => Self::Byte,
            2 => Self::Char,
            3 => Self::Short,
            4 => Self::Int,
            5 => Self::Float,
            6 => Self::Double,
            7 => Self::UByte,
            8 => Self::UShort,
            9 => Self::UInt,
            10 => Self::Int64,
            11 => Self::UInt64,
            _ => return None,
        })
    }

    /// Size of one value in bytes.
    pub(crate) fn len_bytes(self) -> u64 {
        match self {
            Self::Byte | Self::Char | Self::UByte => 1,
            Self::Short | Self::UShort => 2,
            Self::Int | Self::UInt | Self::Float => 4,
            Self::Double | Self::Int64 | Self::UInt64 => 8,
        }
    }

    /// The type of the elements as the file stores them.
    pub(crate) fn data_type(self) -> DataType {
        let order = ByteOrder::Big;
        match self {
            Self::Char => DataType::Char,
            Self::Byte => DataType::Int { size: 1, order },
            Self::Short => DataType::Int { size: 2, order },
            Self::Int => DataType::Int { size: 4, order },
            Self::Int64 => DataType::Int { size: 8, order },
            Self::UByte => DataType::UInt { size: 1, order },
            Self::UShort => DataType::UInt { size: 2, order },
            Self::UInt => DataType::UInt { size: 4, order },
            Self::UInt64 => DataType::UInt { size: 8, order },
            Self::Float => DataType::Float { size: 4, order },
            Self::Double => DataType::Float { size: 8, order },
        }
    }
}

/// A dimension as the header names it; the record dimension has length 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeaderDimension {
    /// Name, as bytes of the file.
    pub(crate) name: Vec<u8>,
    /// Length; 0 marks the record dimension.
    pub(crate) len: u64,
}

/// An attribute with its values as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeaderAttribute {
    /// Name, as bytes of the file.
    pub(crate) name: Vec<u8>,
    /// Type of the values.
    pub(crate) kind: ExternalType,
    /// The values, big-endian, without padding.
    pub(crate) bytes: Vec<u8>,
}

/// A variable as the header describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeaderVariable {
    /// Name, as bytes of the file.
    pub(crate) name: Vec<u8>,
    /// Positions of its dimensions in the header's list, outermost first.
    pub(crate) dimension_ids: Vec<u64>,
    /// Attributes in the order of the file.
    pub(crate) attributes: Vec<HeaderAttribute>,
    /// Type of the elements.
    pub(crate) kind: ExternalType,
    /// First byte in the file: of the array, or of its first record.
    pub(crate) begin: u64,
}

/// All that the header says. The sizes it gives for variables (`vsize`) are left out: they overflow
/// and writers get them wrong, so the layout is computed from the shapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    /// The variant of the format.
    pub(crate) version: Version,
    /// Number of records; `None` while a writer streams ("STREAMING"): the file's size tells.
    pub(crate) n_records: Option<u64>,
    /// Dimensions.
    pub(crate) dimensions: Vec<HeaderDimension>,
    /// Attributes of the file.
    pub(crate) attributes: Vec<HeaderAttribute>,
    /// Variables.
    pub(crate) variables: Vec<HeaderVariable>,
    /// Where the header ends.
    pub(crate) len_bytes: u64,
}

impl Header {
    /// Reads the header of `object`.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::Refused`] for anything that is not a whole, plausible header.
    pub(crate) fn read(object: &dyn ReadAt, limits: &Limits) -> Result<Self> {
        let mut parser = Parser::open(object, limits)?;
        let n_records = parser.record_count()?;
        let dimensions = parser.dimensions()?;
        let attributes = parser.attributes("the file")?;
        let variables = parser.variables(dimensions.len())?;
        let (version, len_bytes) = (parser.version, parser.cursor.position());
        Ok(Self { version, n_records, dimensions, attributes, variables, len_bytes })
    }
}

/// What a list of the header holds, with its tag.
#[derive(Debug, Clone, Copy)]
enum List {
    Dimensions,
    Attributes,
    Variables,
}

impl List {
    fn tag(self) -> u32 {
        match self {
            Self::Dimensions => 10,
            Self::Variables => 11,
            Self::Attributes => 12,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Dimensions => "dimensions",
            Self::Variables => "variables",
            Self::Attributes => "attributes",
        }
    }
}

struct Parser<'a> {
    cursor: Cursor<'a>,
    version: Version,
    limits: &'a Limits,
    attribute_bytes: u64,
}

impl<'a> Parser<'a> {
    fn open(object: &'a dyn ReadAt, limits: &'a Limits) -> Result<Self> {
        let mut cursor = Cursor::new(object, limits.header_bytes as u64);
        let magic = cursor.take(4)?;
        let version = Version::of(magic)
            .ok_or_else(|| Error::refused(format!("not a NetCDF-3 file: it begins with {magic:02x?}")))?;
        Ok(Self { cursor, version, limits, attribute_bytes: 0 })
    }

    fn record_count(&mut self) -> Result<Option<u64>> {
        let count = self.cursor.uint(self.version.count_bytes())?;
        let streaming = if self.version == Version::Data64 { u64::MAX } else { u64::from(u32::MAX) };
        Ok((count != streaming).then_some(count))
    }

    fn dimensions(&mut self) -> Result<Vec<HeaderDimension>> {
        let n = self.list(List::Dimensions, self.version.count_bytes() * 2)?;
        let mut dimensions = Vec::new();
        for _ in 0..n {
            let name = self.name()?;
            let len = self.cursor.uint(self.version.count_bytes())?;
            dimensions.push(HeaderDimension { name, len });
        }
        Ok(dimensions)
    }

    fn attributes(&mut self, owner: &str) -> Result<Vec<HeaderAttribute>> {
        let n = self.list(List::Attributes, self.version.count_bytes() * 2 + 4)?;
        let mut attributes = Vec::new();
        for _ in 0..n {
            attributes.push(self.attribute(owner)?);
        }
        Ok(attributes)
    }

    fn attribute(&mut self, owner: &str) -> Result<HeaderAttribute> {
        let name = self.name()?;
        let what = format!("attribute {:?} of {owner}", String::from_utf8_lossy(&name));
        let kind = self.external_type(&what)?;
        let n_values = self.cursor.uint(self.version.count_bytes())?;
        let len_bytes = n_values
            .checked_mul(kind.len_bytes())
            .ok_or_else(|| Error::refused(format!("{what} claims {n_values} values")))?;
        self.attribute_bytes = self.attribute_bytes.saturating_add(len_bytes);
        if self.attribute_bytes > self.limits.attribute_bytes as u64 {
            return Err(Error::refused(format!(
                "{what} claims {len_bytes} bytes, attributes may have {} in all",
                self.limits.attribute_bytes
            )));
        }
        let bytes = self.cursor.take_padded(len_bytes)?.to_vec();
        Ok(HeaderAttribute { name, kind, bytes })
    }

    fn variables(&mut self, n_dimensions: usize) -> Result<Vec<HeaderVariable>> {
        let counts = self.version.count_bytes();
        let n = self.list(List::Variables, counts * 4 + 8 + self.version.offset_bytes())?;
        let mut variables = Vec::new();
        for _ in 0..n {
            variables.push(self.variable(n_dimensions)?);
        }
        Ok(variables)
    }

    fn variable(&mut self, n_dimensions: usize) -> Result<HeaderVariable> {
        let name = self.name()?;
        let what = format!("variable {:?}", String::from_utf8_lossy(&name));
        let rank = self.cursor.uint(self.version.count_bytes())?;
        if rank > MAX_RANK {
            return Err(Error::refused(format!("{what} claims {rank} dimensions, {MAX_RANK} are the most")));
        }
        let mut dimension_ids = Vec::new();
        for _ in 0..rank {
            let id = self.cursor.uint(self.version.count_bytes())?;
            if id >= n_dimensions as u64 {
                return Err(Error::refused(format!(
                    "{what} has dimension number {id}, the file defines {n_dimensions}"
                )));
            }
            dimension_ids.push(id);
        }
        let attributes = self.attributes(&what)?;
        let kind = self.external_type(&what)?;
        self.cursor.uint(self.version.count_bytes())?;
        let begin = self.cursor.uint(self.version.offset_bytes())?;
        Ok(HeaderVariable { name, dimension_ids, attributes, kind, begin })
    }

    /// Reads the tag and the length of a list whose items take at least `item_bytes`.
    fn list(&mut self, list: List, item_bytes: u64) -> Result<u64> {
        let at = self.cursor.position();
        let tag = u32::try_from(self.cursor.uint(4)?).unwrap_or(u32::MAX);
        let n = self.cursor.uint(self.version.count_bytes())?;
        let words = list.words();
        if tag != list.tag() && !(tag == 0 && n == 0) {
            return Err(Error::refused(format!(
                "byte {at} of the header begins no list of {words}: tag {tag}"
            )));
        }
        let remaining = self.cursor.remaining();
        if n.checked_mul(item_bytes).is_none_or(|needed| needed > remaining) {
            return Err(Error::refused(format!(
                "the header claims {n} {words} at byte {at}, the {remaining} bytes after it cannot hold them"
            )));
        }
        if n > self.limits.n_nodes as u64 && !matches!(list, List::Attributes) {
            return Err(Error::refused(format!(
                "the header claims {n} {words}, {} are the most",
                self.limits.n_nodes
            )));
        }
        Ok(n)
    }

    fn name(&mut self) -> Result<Vec<u8>> {
        let len_bytes = self.cursor.uint(self.version.count_bytes())?;
        Ok(self.cursor.take_padded(len_bytes)?.to_vec())
    }

    fn external_type(&mut self, what: &str) -> Result<ExternalType> {
        let code = u32::try_from(self.cursor.uint(4)?).unwrap_or(0);
        // libnetcdf reads the types of CDF-5 in the older variants too.
        ExternalType::of(code).ok_or_else(|| Error::refused(format!("{what} has unknown type {code}")))
    }
}
