//! Element types as they are stored, and decoded values.

/// Order of the bytes of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

/// How a fixed string fills its length.
///
/// # Source
/// HDF5 File Format Specification 3.0, IV.A.2.d, class 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StringPadding {
    /// Ends at the first NUL; what follows has no meaning.
    NullTerminated,
    /// Filled up with NULs.
    NullPadded,
    /// Filled up with spaces.
    SpacePadded,
}

/// A member of a compound type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Field {
    /// Name of the member.
    pub name: String,
    /// Position in the record, in bytes.
    pub offset: usize,
    /// Type of the member.
    pub dtype: DataType,
}

/// The type of one element.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DataType {
    /// One byte, 0 or 1.
    Bool,
    /// Signed integer of 1, 2, 4 or 8 bytes.
    Int {
        /// Size in bytes.
        size: u8,
        /// Order of the bytes.
        order: ByteOrder,
    },
    /// Unsigned integer of 1, 2, 4 or 8 bytes.
    UInt {
        /// Size in bytes.
        size: u8,
        /// Order of the bytes.
        order: ByteOrder,
    },
    /// IEEE 754 binary number of 2, 4 or 8 bytes.
    Float {
        /// Size in bytes.
        size: u8,
        /// Order of the bytes.
        order: ByteOrder,
    },
    /// One byte of text (`NC_CHAR`): arrays of it are texts along their last dimension.
    Char,
    /// Text of at most `len` bytes.
    FixedString {
        /// Length in bytes.
        len: usize,
        /// How shorter texts are filled.
        padding: StringPadding,
        /// True if the type declares UTF-8, false for ASCII.
        utf8: bool,
    },
    /// UTF-8 text of any length.
    String,
    /// A record of members.
    Compound {
        /// Size of a record in bytes, gaps included.
        size: usize,
        /// The members in the order of the file.
        fields: Vec<Field>,
    },
}

impl DataType {
    /// Size of one element in bytes; `None` for [`DataType::String`].
    pub fn len_bytes(&self) -> Option<usize> {
        match self {
            Self::Bool | Self::Char => Some(1),
            Self::Int { size, .. } | Self::UInt { size, .. } | Self::Float { size, .. } => {
                Some(usize::from(*size))
            }
            Self::FixedString { len, .. } => Some(*len),
            Self::Compound { size, .. } => Some(*size),
            Self::String => None,
        }
    }

    /// The byte order where the type has one and it matters.
    pub fn byte_order(&self) -> Option<ByteOrder> {
        match self {
            Self::Int { size, order } | Self::UInt { size, order } | Self::Float { size, order }
                if *size > 1 =>
            {
                Some(*order)
            }
            _ => None,
        }
    }

    /// True for booleans, integers and floats.
    pub fn is_number(&self) -> bool {
        matches!(self, Self::Bool | Self::Int { .. } | Self::UInt { .. } | Self::Float { .. })
    }

    /// True for every kind of text.
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Char | Self::FixedString { .. } | Self::String)
    }

    /// The same type with the least significant byte first.
    #[must_use]
    pub fn little_endian(&self) -> Self {
        let order = ByteOrder::Little;
        match self {
            Self::Int { size, .. } => Self::Int { size: *size, order },
            Self::UInt { size, .. } => Self::UInt { size: *size, order },
            Self::Float { size, .. } => Self::Float { size: *size, order },
            other => other.clone(),
        }
    }
}

/// Decoded values of an array or a chunk, in C order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ArrayBytes {
    /// Elements of fixed size, one after another, in the byte order of their [`DataType`].
    Fixed(Vec<u8>),
    /// One text an element, for [`DataType::String`].
    Texts(Vec<String>),
}

impl ArrayBytes {
    /// How many elements of `dtype` it holds.
    pub fn n_elements(&self, dtype: &DataType) -> usize {
        match self {
            Self::Fixed(bytes) => bytes.len() / dtype.len_bytes().unwrap_or(1).max(1),
            Self::Texts(texts) => texts.len(),
        }
    }
}
