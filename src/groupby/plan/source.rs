//! The decoded type of a variable, and the type of a result.
//!
//! # Source
//! xarray's `coding/variables.py` and `core/dtypes.py` (`maybe_promote`).

use thermocline_core::read::Decoder;
use thermocline_model::cf::TimeUnits;
use thermocline_model::{Attribute, Attributes, ByteOrder, DataType, Variable};

use super::Source;
use crate::{Action, Failure, Request};

const F4: DataType = DataType::Float { size: 4, order: ByteOrder::Little };
const F8: DataType = DataType::Float { size: 8, order: ByteOrder::Little };
const I8: DataType = DataType::Int { size: 8, order: ByteOrder::Little };
const U8: DataType = DataType::UInt { size: 8, order: ByteOrder::Little };

impl Source {
    /// That of a variable: integers stay integers unless they are packed or may be missing.
    ///
    /// # Errors
    /// [`Failure::Impossible`] for records, and for times that clients do not read alike.
    pub fn of(variable: &Variable) -> Result<Self, Failure> {
        if variable.dtype.is_text() {
            return Ok(Self::Text);
        }
        let attrs = &variable.attrs;
        let Some(decoder) = Decoder::of(variable) else {
            return Err(Failure::Impossible(format!("variable {:?} has no numbers", variable.name)));
        };
        match TimeUnits::of(attrs) {
            Some(Ok(_)) => return Ok(Self::Time),
            Some(Err(unclear @ thermocline_model::cf::TimeError::UnclearUnits { .. })) => {
                return Err(Failure::Impossible(format!("variable {:?}: {unclear}", variable.name)));
            }
            _ => {}
        }
        let is_real = is_packed(attrs) || decoder.has_missing();
        Ok(match (&variable.dtype, attrs.text("_Unsigned")) {
            (DataType::Float { .. }, _) => Self::real(decoder.is_single()),
            _ if is_real => Self::real(decoder.is_single()),
            (DataType::Bool, _) => Self::Bool,
            (DataType::Int { size: 1, .. }, _) if attrs.text("dtype") == Some("bool") => Self::Bool,
            (DataType::Int { size, .. }, Some("true")) => Self::UInt(*size),
            (DataType::UInt { size, .. }, Some("false")) => Self::Int(*size),
            (DataType::UInt { size, .. }, _) => Self::UInt(*size),
            (DataType::Int { size, .. }, _) => Self::Int(*size),
            _ => Self::real(decoder.is_single()),
        })
    }

    fn real(is_single: bool) -> Self {
        if is_single { Self::Single } else { Self::Double }
    }

    /// True if values cannot be missing: integers and booleans.
    pub fn is_never_missing(self) -> bool {
        matches!(self, Self::Int(_) | Self::UInt(_) | Self::Bool)
    }

    /// Refuses actions that the values do not have.
    ///
    /// # Errors
    /// [`Failure::Impossible`] naming those that they have.
    pub(super) fn check(self, request: &Request, path: &str) -> Result<(), Failure> {
        use Action::{Count, First, Last, Max, Mean, Min};
        let (what, actions): (&str, &[Action]) = match self {
            Self::Time => ("times", &[Count, First, Last, Max, Mean, Min]),
            Self::Text => ("texts", &[Count, First, Last]),
            _ => return Ok(()),
        };
        let words = || actions.iter().map(|action| action.word()).collect::<Vec<_>>().join(", ");
        if !actions.contains(&request.action) {
            return Err(Failure::Impossible(format!(
                "{path:?} holds {what}, which have no {:?}; they have {}",
                request.action.word(),
                words()
            )));
        }
        if request.options.anomaly || request.options.weights.is_some() {
            return Err(Failure::Impossible(format!(
                "{path:?} holds {what}, which have neither anomalies nor weighted means"
            )));
        }
        Ok(())
    }

    /// How many members every cell must have for the result to have the plain type: with fewer, a cell has no value.
    pub(super) fn least_members(self, request: &Request) -> u64 {
        let is_exact = self.is_never_missing() && request.options.weights.is_none();
        let counts = matches!(request.action, Action::Sum | Action::Prod) && is_exact;
        if counts { request.options.min_count.max(1) } else { 1 }
    }

    /// The type of the result. Cells that have no value are NaN, so what has some is floating point.
    pub(super) fn result(self, request: &Request, has_empty: bool) -> DataType {
        let plain = match request.action {
            // Quantiles are `f8`, and so is what they are subtracted from.
            Action::Quantile => F8,
            // Differences and weighted sums of integers are no integers.
            _ if request.options.anomaly || request.options.weights.is_some() => self.real_of(),
            action => self.plain_result(action),
        };
        match plain {
            F4 | DataType::String => plain,
            _ if has_empty => F8,
            plain => plain,
        }
    }

    fn plain_result(self, action: Action) -> DataType {
        match action {
            Action::Count => I8,
            Action::Any | Action::All => DataType::Bool,
            Action::Quantile => F8,
            Action::Mean | Action::Std | Action::Var | Action::Median => self.real_of(),
            Action::Sum | Action::Prod => match self {
                Self::Int(_) | Self::Bool => I8,
                Self::UInt(_) => U8,
                other => other.real_of(),
            },
            Action::Min | Action::Max | Action::First | Action::Last => self.itself(),
        }
    }

    fn real_of(self) -> DataType {
        if self == Self::Single { F4 } else { F8 }
    }

    fn itself(self) -> DataType {
        let order = ByteOrder::Little;
        match self {
            Self::Single => F4,
            Self::Double | Self::Time => F8,
            Self::Int(size) => DataType::Int { size, order },
            Self::UInt(size) => DataType::UInt { size, order },
            Self::Bool => DataType::Bool,
            Self::Text => DataType::String,
        }
    }

    /// Units and calendar of times.
    pub(super) fn time_units(self, variable: &Variable) -> Option<TimeUnits> {
        if self != Self::Time {
            return None;
        }
        TimeUnits::of(&variable.attrs)?.ok()
    }
}

/// True if attributes say how numbers are packed.
fn is_packed(attrs: &Attributes) -> bool {
    ["scale_factor", "add_offset"].iter().any(|name| has_numbers(attrs, name))
}

fn has_numbers(attrs: &Attributes, name: &str) -> bool {
    matches!(attrs.get(name), Some(Attribute::Numbers { values, .. }) if !values.is_empty())
}
