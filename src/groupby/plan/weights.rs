//! What values are weighted by.

use std::sync::Arc;

use thermocline_core::manifest::Manifest;
use thermocline_model::Variable;

use crate::{Failure, Request};

/// Weights along some axes of the variable. A value whose weight is NaN does not count.
#[derive(Debug, Clone)]
pub struct AxisWeights {
    /// The axes of the variable that they lie along, in the order of their own dimensions.
    pub axes: Vec<usize>,
    /// The weights over the whole lengths of these axes, in C order.
    pub values: WeightValues,
}

/// Where weights come from.
#[derive(Debug, Clone)]
pub enum WeightValues {
    /// Known from coordinates.
    Known(Arc<[f64]>),
    /// The variable at this path from the root, decoded.
    Stored(String),
}

/// The weights of a request: the product of all of these.
///
/// # Errors
/// [`Failure::Mistake`] naming `weights` if the dataset does not have what they are made of.
pub(super) fn of(
    _manifest: &Manifest,
    _path: &str,
    _variable: &Variable,
    request: &Request,
) -> Result<Vec<AxisWeights>, Failure> {
    match &request.options.weights {
        None => Ok(Vec::new()),
        Some(_) => Err(Failure::mistake("weights are not looked up yet")),
    }
}
