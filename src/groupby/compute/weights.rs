//! Weights of values: what they are read from is counted with the chunks of the variable, and read before these.

use std::sync::Arc;

use thermocline_core::format::Region;
use thermocline_core::manifest::blocking;
use thermocline_core::read::{Decoder, Reader};
use thermocline_core::{Error, ErrorKind};
use thermocline_model::{ArrayBytes, Variable};

use super::passes::Stored;
use crate::plan::WeightValues;
use crate::{Failure, Plan};

/// Most weights that lie along axes together.
const MAX_WEIGHTS: u64 = 1 << 25;

/// Most chunks that they are stored in.
const MAX_CHUNKS: u64 = 1 << 20;

/// Bytes of a weight in memory.
const WEIGHT_BYTES: u64 = 8;

/// Weights along some axes.
pub(super) struct WeightTable {
    /// How far apart those of neighbours along each axis of the variable lie; 0 along others than its own.
    pub(super) strides: Vec<usize>,
    pub(super) values: Arc<[f64]>,
}

/// A variable of weights that is read.
pub(super) struct StoredWeights {
    pub(super) variable: Variable,
    /// All its chunks.
    pub(super) stored: Vec<Stored>,
    /// Memory of its values.
    pub(super) len_bytes: u64,
}

/// The variables that the weights of a plan are read from. Reads nothing.
///
/// # Errors
/// [`ErrorKind::TooLarge`]; those of the chunk table.
pub(super) async fn stored(reader: &Reader, plan: &Plan) -> Result<Vec<StoredWeights>, Failure> {
    let mut found = Vec::new();
    for weights in &plan.weights {
        let WeightValues::Stored(path) = &weights.values else { continue };
        let variable = variable_of(plan, path)?.clone();
        let n = variable.n_elements().unwrap_or(u64::MAX);
        let n_chunks = variable.stored_grid().map_or(u64::MAX, |grid| grid.n_chunks());
        if n > MAX_WEIGHTS || n_chunks > MAX_CHUNKS {
            let message = format!(
                "the weights {path:?} are {n} values in {n_chunks} chunks, the most are {MAX_WEIGHTS} in {MAX_CHUNKS}"
            );
            return Err(Error::new(ErrorKind::TooLarge, message).into());
        }
        let stored = reader.in_file_order(&plan.manifest, &variable, (0..n_chunks).collect()).await?;
        found.push(StoredWeights { variable, stored, len_bytes: n.saturating_mul(WEIGHT_BYTES) });
    }
    Ok(found)
}

/// All weights of a plan.
///
/// # Errors
/// Those of reading.
pub(super) async fn read(reader: &Reader, plan: &Plan) -> Result<Vec<WeightTable>, Failure> {
    let mut tables = Vec::new();
    for weights in &plan.weights {
        let values = match &weights.values {
            WeightValues::Known(values) => Arc::clone(values),
            WeightValues::Stored(path) => values(reader, plan, path).await?,
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

fn variable_of<'p>(plan: &'p Plan, path: &str) -> Result<&'p Variable, Failure> {
    let gone = || Error::not_found(format!("Variable '{path}' not found in dataset"));
    Ok(plan.manifest.dataset.root.variable(path).ok_or_else(gone)?)
}

async fn values(reader: &Reader, plan: &Plan, path: &str) -> Result<Arc<[f64]>, Failure> {
    let variable = variable_of(plan, path)?;
    let no_numbers = || Failure::Impossible(format!("the weights {path:?} are no numbers"));
    let decoder = Decoder::of(variable).ok_or_else(no_numbers)?;
    let n = variable.n_elements().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let region = Region { start: vec![0; variable.shape.len()], shape: variable.shape.clone() };
    let ArrayBytes::Fixed(bytes) = reader.values(&plan.manifest, variable, &region).await? else {
        return Err(no_numbers());
    };
    let decode = move || {
        let mut values = vec![0.0; n];
        decoder.decode(&bytes, &mut values);
        Ok(values.into())
    };
    Ok(blocking(decode).await?)
}

fn misfit(plan: &Plan) -> Failure {
    Failure::Core(Error::internal(format!("the weights of {:?} lie over other axes", plan.path)))
}
