//! Attributes of groups and variables, with the types that the file gave them.

use crate::DataType;

/// The type of a numeric attribute in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the types")]
pub enum NumberType {
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F16,
    F32,
    F64,
    Bool,
}

impl NumberType {
    /// The type of a number that is stored as `dtype`; `None` for texts and records.
    pub fn of(dtype: &DataType) -> Option<Self> {
        Some(match dtype {
            DataType::Bool => Self::Bool,
            DataType::Int { size: 1, .. } => Self::I8,
            DataType::Int { size: 2, .. } => Self::I16,
            DataType::Int { size: 4, .. } => Self::I32,
            DataType::Int { .. } => Self::I64,
            DataType::UInt { size: 1, .. } => Self::U8,
            DataType::UInt { size: 2, .. } => Self::U16,
            DataType::UInt { size: 4, .. } => Self::U32,
            DataType::UInt { .. } => Self::U64,
            DataType::Float { size: 2, .. } => Self::F16,
            DataType::Float { size: 4, .. } => Self::F32,
            DataType::Float { .. } => Self::F64,
            _ => return None,
        })
    }

    /// Size of one value in bytes.
    pub fn len_bytes(self) -> usize {
        match self {
            Self::I8 | Self::U8 | Self::Bool => 1,
            Self::I16 | Self::U16 | Self::F16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
        }
    }

    /// True for the floating types.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::F32 | Self::F64)
    }
}

/// One number of an attribute, exact for every [`NumberType`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// An integer or a boolean (0 or 1).
    Integer(i128),
    /// A floating value; `f16` and `f32` widen exactly.
    Float(f64),
}

impl Number {
    /// The value as `f64`; integers beyond 2^53 are rounded.
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Integer(value) => value as f64,
            Self::Float(value) => value,
        }
    }
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    /// One text.
    Text(String),
    /// An array of texts.
    Texts(Vec<String>),
    /// Numbers with the type and shape of the file; an empty `shape` is a scalar.
    Numbers {
        /// The type in the file.
        dtype: NumberType,
        /// The lengths of the axes; empty for a scalar.
        shape: Vec<u64>,
        /// The values in C order.
        values: Vec<Number>,
    },
}

impl Attribute {
    /// A scalar number.
    pub fn number(dtype: NumberType, value: Number) -> Self {
        Self::Numbers { dtype, shape: Vec::new(), values: vec![value] }
    }

    /// The text, if it is one text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Texts(texts) if texts.len() == 1 => texts.first().map(String::as_str),
            _ => None,
        }
    }

    /// The first number, if it holds exactly one.
    pub fn as_number(&self) -> Option<Number> {
        match self {
            Self::Numbers { values, .. } if values.len() == 1 => values.first().copied(),
            _ => None,
        }
    }
}

/// Attributes in the order of the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Attributes(Vec<(String, Attribute)>);

impl Attributes {
    /// No attributes.
    pub fn new() -> Self {
        Self::default()
    }

    /// The attribute of that name.
    pub fn get(&self, name: &str) -> Option<&Attribute> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The text attribute of that name.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Attribute::as_text)
    }

    /// Sets an attribute: in its place if the name exists, else at the end.
    pub fn set(&mut self, name: impl Into<String>, value: Attribute) {
        let name = name.into();
        match self.0.iter_mut().find(|(key, _)| *key == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    /// Removes an attribute and returns it.
    pub fn remove(&mut self, name: &str) -> Option<Attribute> {
        let position = self.0.iter().position(|(key, _)| key == name)?;
        Some(self.0.remove(position).1)
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Attribute)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True without any attribute.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(String, Attribute)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (String, Attribute)>>(iter: I) -> Self {
        let mut attributes = Self::new();
        attributes.0.extend(iter);
        attributes
    }
}
