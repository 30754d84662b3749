//! Conditions on datasets: what a CQL2 expression means.
//!
//! # Source
//! OGC 21-065r2 (CQL2), sections 6.3 to 6.5 and 7: three-valued logic, comparison, spatial and temporal functions.

/// A property of a dataset by its STAC name: `id`, `collection`, `title`, `datetime`, `cmip6:source_id`,
/// `order:status`, `properties.title` (the prefix `properties.` is taken off by [`PropertyName::new`]).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PropertyName(String);

impl PropertyName {
    /// From how clients write it.
    pub fn new(name: &str) -> Self {
        Self(name.strip_prefix("properties.").unwrap_or(name).to_owned())
    }

    /// The name without `properties.`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A condition, true, false or NULL of each dataset.
#[derive(Debug, Clone)]
pub enum Filter {
    /// A constant.
    Constant(bool),
    /// All hold.
    And(Vec<Filter>),
    /// Any holds.
    Or(Vec<Filter>),
    /// Does not hold; NULL stays NULL.
    Not(Box<Filter>),
    /// A comparison; NULL if either side is missing or the types differ.
    Compare(Comparison, Operand, Operand),
    /// Equal to any.
    In(Operand, Vec<Operand>),
    /// Between two, both included.
    Between(Operand, Operand, Operand),
    /// Matches a pattern: `%` any text, `_` any character, `\` escapes.
    Like(Operand, String),
    /// Missing.
    IsNull(Operand),
    /// A relation of the dataset's geometry (the first) to another.
    Spatial(SpatialOp, geo::Geometry<f64>),
    /// A relation of times.
    Temporal(TemporalOp, TimeOperand, TimeOperand),
}

impl Filter {
    /// How many conditions and values it consists of, itself included.
    pub(crate) fn n_parts(&self) -> usize {
        let of_operands = |operands: &[&Operand]| operands.iter().map(|operand| operand.n_parts()).sum();
        let n_inner: usize = match self {
            Self::Constant(_) | Self::Spatial(..) => 0,
            Self::And(parts) | Self::Or(parts) => parts.iter().map(Self::n_parts).sum(),
            Self::Not(filter) => filter.n_parts(),
            Self::Compare(_, a, b) => of_operands(&[a, b]),
            Self::In(operand, of) => operand.n_parts() + of.iter().map(Operand::n_parts).sum::<usize>(),
            Self::Between(operand, low, high) => of_operands(&[operand, low, high]),
            Self::Like(operand, _) | Self::IsNull(operand) => operand.n_parts(),
            Self::Temporal(_, a, b) => a.n_parts() + b.n_parts(),
        };
        n_inner + 1
    }
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A side of a comparison.
#[derive(Debug, Clone)]
pub enum Operand {
    /// The value of a property. Of times: instants.
    Property(PropertyName),
    /// A text; compared with a property of time it is read as RFC 3339, if it is one.
    Text(String),
    /// A number.
    Number(f64),
    /// True or false.
    Boolean(bool),
    /// An instant, in microseconds since 1970.
    Instant(i64),
    /// A text without regard to case or accents.
    Function(TextFunction, Box<Operand>),
    /// Arithmetic on numbers.
    Arithmetic(ArithmeticOp, Box<Operand>, Box<Operand>),
}

impl Operand {
    fn n_parts(&self) -> usize {
        match self {
            Self::Function(_, operand) => operand.n_parts() + 1,
            Self::Arithmetic(_, a, b) => a.n_parts() + b.n_parts() + 1,
            _ => 1,
        }
    }
}

/// How texts are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextFunction {
    /// Without regard to case (`CASEI`).
    CaseInsensitive,
    /// Without regard to accents (`ACCENTI`).
    AccentInsensitive,
}

/// Arithmetic on numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ArithmeticOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    IntegerDivide,
}

/// A relation of geometries (OGC Simple Features).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum SpatialOp {
    Intersects,
    Equals,
    Disjoint,
    Touches,
    Within,
    Overlaps,
    Crosses,
    Contains,
}

/// A relation of times (OGC 21-065r2, section 7.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum TemporalOp {
    After,
    Before,
    Contains,
    Disjoint,
    During,
    Equals,
    FinishedBy,
    Finishes,
    Intersects,
    Meets,
    MetBy,
    OverlappedBy,
    Overlaps,
    StartedBy,
    Starts,
}

/// A side of a relation of times.
#[derive(Debug, Clone)]
pub enum TimeOperand {
    /// An instant: a property of time, or microseconds since 1970.
    Instant(Operand),
    /// From one to another; `None` is open (`..`).
    Interval(Option<Operand>, Option<Operand>),
}

impl TimeOperand {
    fn n_parts(&self) -> usize {
        match self {
            Self::Instant(operand) => operand.n_parts(),
            Self::Interval(start, end) => start.iter().chain(end).map(Operand::n_parts).sum(),
        }
    }
}
