//! One bounded pass over the chunks of a variable, tile by tile.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use thermocline_core::read::Reader;
use thermocline_model::ArrayBytes;

use crate::{Engine, Estimate, Failure, Plan};

/// How far a computation is; shared with whoever shows it.
#[derive(Debug, Default)]
pub struct Progress {
    /// Source chunks that were taken, each as often as it was.
    pub done: AtomicU64,
    /// All of them; 0 as long as it is not known.
    pub total: AtomicU64,
    /// Stored bytes that were read.
    pub bytes_read: AtomicU64,
}

impl Engine {
    /// What a plan costs. Looks at chunk tables and localities, reads nothing.
    ///
    /// # Errors
    /// Those of the chunk table.
    pub async fn estimate(&self, _reader: &Arc<Reader>, _plan: &Plan) -> Result<Estimate, Failure> {
        Ok(Estimate::default())
    }

    /// Computes a box of the result, given as a range along each of its dimensions (group dimensions and quantiles may be
    /// cut too). Little-endian, C order. The same bytes whatever the number of threads, and whichever box a cell is in.
    /// Dropping the future ends the computation within a chunk.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::NotStaged`] naming all cold objects before anything is read; [`Failure::Impossible`]
    /// for integers beyond 64 bits; whatever keeps the values from being exactly right.
    pub(crate) async fn compute(
        &self,
        _reader: &Arc<Reader>,
        _plan: &Arc<Plan>,
        _part: &[Range<u64>],
        _progress: &Arc<Progress>,
    ) -> Result<ArrayBytes, Failure> {
        Err(Failure::mistake("groupby is not computed yet"))
    }
}
