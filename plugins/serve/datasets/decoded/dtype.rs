//! Types as numpy names them, and what masking and scaling make of them.

use std::fmt;

use thermocline_model::{Attribute, Attributes, DataType, NumberType};
use thermocline_zarr::v2_dtype;

/// A numpy type in native byte order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    /// Size in bytes.
    Int(u8),
    /// Size in bytes.
    UInt(u8),
    /// Size in bytes.
    Float(u8),
    /// Texts of a fixed number of bytes.
    Bytes(u64),
    Object,
    /// Anything else, as numpy prints it.
    Other(String),
}

impl Kind {
    /// The type before decoding.
    pub(super) fn of(dtype: &DataType) -> Self {
        match dtype {
            DataType::Bool => Self::Bool,
            DataType::Int { size, .. } => Self::Int(*size),
            DataType::UInt { size, .. } => Self::UInt(*size),
            DataType::Float { size, .. } => Self::Float(*size),
            DataType::Char => Self::Bytes(1),
            // The netCDF library reads HDF5's texts of fixed length as texts of any length.
            DataType::FixedString { .. } | DataType::String => Self::Object,
            DataType::Compound { .. } => Self::Other(typestr(dtype)),
        }
    }

    /// Masks and scales as xarray does; attributes that take part are removed.
    pub(super) fn masked_and_scaled(self, attrs: &mut Attributes) -> Self {
        let fills = Fills::take(attrs, &self);
        let mut kind = self;
        if fills.is_given || attrs.get("_Unsigned").is_some() {
            kind = kind.with_sign(attrs.remove("_Unsigned").as_ref());
            if fills.is_masking {
                kind = kind.masked(attrs);
            }
        }
        let packing = Packing { scale: attrs.remove("scale_factor"), offset: attrs.remove("add_offset") };
        if !packing.is_there() {
            return kind;
        }
        if !fills.is_given || is_time_like(attrs) {
            return packing.choose_float(&kind);
        }
        kind
    }

    fn with_sign(self, unsigned: Option<&Attribute>) -> Self {
        match (self, unsigned.and_then(Attribute::as_text)) {
            (Self::Int(size), Some("true")) => Self::UInt(size),
            (Self::UInt(size), Some("false")) => Self::Int(size),
            (kind, _) => kind,
        }
    }

    /// The type that can hold a missing value.
    fn masked(self, attrs: &Attributes) -> Self {
        let packing =
            Packing { scale: attrs.get("scale_factor").cloned(), offset: attrs.get("add_offset").cloned() };
        if packing.is_there() {
            return packing.choose_float(&self);
        }
        match self {
            Self::Int(_) | Self::UInt(_) if is_time_like(attrs) => Self::Int(8),
            Self::Int(size) | Self::UInt(size) => Self::Float(if size <= 2 { 4 } else { 8 }),
            Self::Float(size) => Self::Float(size),
            _ => Self::Object,
        }
    }

    fn is_integer(&self) -> bool {
        matches!(self, Self::Int(_) | Self::UInt(_))
    }

    fn size(&self) -> u64 {
        match self {
            Self::Bool => 1,
            Self::Int(size) | Self::UInt(size) | Self::Float(size) => u64::from(*size),
            Self::Bytes(len) => *len,
            Self::Object | Self::Other(_) => 8,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::Int(size) => write!(f, "int{}", u32::from(*size) * 8),
            Self::UInt(size) => write!(f, "uint{}", u32::from(*size) * 8),
            Self::Float(size) => write!(f, "float{}", u32::from(*size) * 8),
            Self::Bytes(len) => write!(f, "|S{len}"),
            Self::Object => f.write_str("object"),
            Self::Other(name) => f.write_str(name),
        }
    }
}

/// What `_FillValue` and `missing_value` say.
struct Fills {
    /// True if one of them counts, if only as not-a-number.
    is_given: bool,
    /// True if there is a value that becomes a missing one.
    is_masking: bool,
}

impl Fills {
    fn take(attrs: &mut Attributes, kind: &Kind) -> Self {
        let mut fills = Self { is_given: false, is_masking: false };
        for name in ["missing_value", "_FillValue"] {
            let Some(value) = attrs.remove(name) else { continue };
            let is_number = has_value(&value);
            // Not-a-number as the fill of integers does not conform: it is dropped.
            if is_number || !kind.is_integer() {
                fills.is_given = true;
                fills.is_masking |= is_number;
            }
        }
        fills
    }
}

/// True unless an attribute holds nothing but not-a-number.
fn has_value(attribute: &Attribute) -> bool {
    match attribute {
        Attribute::Text(_) => true,
        Attribute::Texts(texts) => !texts.is_empty(),
        Attribute::Numbers { values, .. } => values.iter().any(|value| !value.as_f64().is_nan()),
    }
}

/// `scale_factor` and `add_offset`.
struct Packing {
    scale: Option<Attribute>,
    offset: Option<Attribute>,
}

impl Packing {
    fn is_there(&self) -> bool {
        self.scale.is_some() || self.offset.is_some()
    }

    /// The type that packed values are unpacked to: `_choose_float_dtype`.
    fn choose_float(&self, packed: &Kind) -> Kind {
        let scale = self.scale.as_ref().map(attribute_kind);
        match (scale, self.offset.as_ref().map(attribute_kind)) {
            (Some(scale), Some(offset)) if scale == offset && matches!(scale, Kind::Float(4 | 8)) => {
                if packed.is_integer() && packed.size() == 4 { Kind::Float(8) } else { scale }
            }
            (_, Some(_)) => Kind::Float(8),
            (Some(scale), None) => scale,
            (None, None) => packed.clone(),
        }
    }
}

fn attribute_kind(attribute: &Attribute) -> Kind {
    let Attribute::Numbers { dtype, .. } = attribute else {
        return Kind::Float(8);
    };
    let size = u8::try_from(dtype.len_bytes()).unwrap_or(8);
    match dtype {
        NumberType::Bool => Kind::Bool,
        NumberType::F16 | NumberType::F32 | NumberType::F64 => Kind::Float(size),
        NumberType::I8 | NumberType::I16 | NumberType::I32 | NumberType::I64 => Kind::Int(size),
        NumberType::U8 | NumberType::U16 | NumberType::U32 | NumberType::U64 => Kind::UInt(size),
    }
}

/// True for units of dates and of spans of time.
fn is_time_like(attrs: &Attributes) -> bool {
    attrs
        .text("units")
        .is_some_and(|units| super::times::is_span(units) || super::times::parse_units(units).is_some())
}

/// Name of a stored type: `int16`, `bytes32`, `object`, without byte order.
pub(crate) fn name_of(dtype: &DataType) -> String {
    match dtype {
        DataType::Char => "bytes8".to_owned(),
        DataType::FixedString { len, .. } => format!("bytes{}", len * 8),
        other => Kind::of(other).to_string(),
    }
}

/// Type with its byte order, as numpy writes it: `<f4`, `|S4`, `|O`; of a compound type its members.
pub(crate) fn typestr(dtype: &DataType) -> String {
    let DataType::Compound { fields, .. } = dtype else { return v2_dtype(dtype) };
    let fields = fields.iter().map(|field| format!("('{}', '{}')", field.name, typestr(&field.dtype)));
    format!("[{}]", fields.collect::<Vec<_>>().join(", "))
}
