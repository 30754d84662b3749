//! Weights of values, read before anything else.

use std::sync::Arc;

use thermocline_core::format::Region;
use thermocline_core::read::{Decoder, Reader};
use thermocline_core::{Error, ErrorKind};
use thermocline_model::ArrayBytes;

use crate::plan::WeightValues;
use crate::{Failure, Plan};

/// Most weights that lie along axes together.
const MAX_WEIGHTS: u64 = 1 << 26;

/// Weights along some axes.
pub(super) struct WeightTable {
    /// How far apart those of neighbours along each axis of the variable lie; 0 along others than its own.
    pub(super) strides: Vec<usize>,
    pub(super) values: Arc<[f64]>,
}

/// All weights of a plan.
///
/// # Errors
/// Those of reading; [`ErrorKind::TooLarge`].
pub(super) async fn read(reader: &Reader, plan: &Plan) -> Result<Vec<WeightTable>, Failure> {
    let mut tables = Vec::new();
    for weights in &plan.weights {
        let values = match &weights.values {
            WeightValues::Known(values) => Arc::clone(values),
            WeightValues::Stored(path) => stored(reader, plan, path).await?,
        };
        let mut strides = vec![0; plan.axes.len()];
        let mut stride = 1_usize;
        for axis in weights.axes.iter().rev() {
            let len = plan.axes.get(*axis).and_then(|axis| usize::try_from(axis.len).ok());
            let (Some(at), Some(len)) = (strides.get_mut(*axis), len) else { return Err(misfit(plan)) };
            *at = stride;
            stride = stride.saturating_mul(len);
        }
        if stride != values.len() {
            return Err(misfit(plan));
        }
        tables.push(WeightTable { strides, values });
    }
    Ok(tables)
}

async fn stored(reader: &Reader, plan: &Plan, path: &str) -> Result<Arc<[f64]>, Failure> {
    let gone = || Error::not_found(format!("Variable '{path}' not found in dataset"));
    let variable = plan.manifest.dataset.root.variable(path).ok_or_else(gone)?;
    let n = variable.shape.iter().try_fold(1_u64, |n, len| n.checked_mul(*len)).unwrap_or(u64::MAX);
    if n > MAX_WEIGHTS {
        let message = format!("the weights {path:?} are {n} values, more than {MAX_WEIGHTS}");
        return Err(Error::new(ErrorKind::TooLarge, message).into());
    }
    let decoder = Decoder::of(variable);
    let decoder =
        decoder.ok_or_else(|| Failure::Impossible(format!("the weights {path:?} are no numbers")))?;
    let region = Region { start: vec![0; variable.shape.len()], shape: variable.shape.clone() };
    let ArrayBytes::Fixed(bytes) = reader.values(&plan.manifest, variable, &region).await? else {
        return Err(Failure::Impossible(format!("the weights {path:?} are no numbers")));
    };
    let mut values = vec![0.0; n as usize];
    decoder.decode(&bytes, &mut values);
    Ok(values.into())
}

fn misfit(plan: &Plan) -> Failure {
    Failure::Core(Error::internal(format!("the weights of {:?} lie over other axes", plan.path)))
}
