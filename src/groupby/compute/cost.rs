//! What a computation costs, before anything is read.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use thermocline_core::Result;
use thermocline_core::manifest::ChunkObjects;
use thermocline_core::read::Reader;
use thermocline_model::{ChunkRef, Place, Variable};

use super::passes::{Pass, Stored};
use crate::{Estimate, Plan};

/// What is read.
#[derive(Default)]
pub(super) struct Reads {
    /// Stored bytes by the number of their object, as often as they are read.
    bytes: HashMap<Option<u32>, u64>,
    /// Bytes of the largest chunk of the variable, stored and decoded.
    chunk_bytes: u64,
    n_chunks: usize,
}

impl Reads {
    /// What passes read of a variable, each chunk so many times.
    pub(super) fn of(
        variable: &Variable,
        (stored, passes): (&[Stored], &[Pass]),
        n_times: u64,
        objects: &mut ChunkObjects,
    ) -> Self {
        let decoded_bytes = chunk_bytes(variable);
        let times = times_read(passes, n_times);
        let mut reads = Self { n_chunks: stored.len(), ..Self::default() };
        let mut largest = 0;
        for (linear, chunk) in stored {
            let Some(chunk) = chunk else { continue };
            let len_bytes = reads.add(chunk, decoded_bytes, times.get(linear).copied().unwrap_or(1));
            largest = largest.max(len_bytes);
            objects.add(chunk);
        }
        reads.chunk_bytes = decoded_bytes.saturating_add(largest);
        reads
    }

    /// Adds a chunk that is read so many times. Gives the bytes that it takes once.
    fn add(&mut self, chunk: &ChunkRef, decoded_bytes: u64, n_times: u64) -> u64 {
        let len_bytes = read_bytes(chunk, decoded_bytes);
        let sum = self.bytes.entry(chunk.part.place.object()).or_default();
        *sum = sum.saturating_add(len_bytes.saturating_mul(n_times));
        len_bytes
    }

    /// Adds all chunks of another variable, read once. Gives the bytes that they take.
    pub(super) fn add_all(
        &mut self,
        variable: &Variable,
        stored: &[Stored],
        objects: &mut ChunkObjects,
    ) -> u64 {
        let decoded_bytes = chunk_bytes(variable);
        let chunks = stored.iter().filter_map(|(_, chunk)| chunk.as_ref());
        chunks.fold(0, |sum: u64, chunk| {
            objects.add(chunk);
            sum.saturating_add(self.add(chunk, decoded_bytes, 1))
        })
    }

    /// Memory of so many chunks.
    pub(super) fn in_flight_bytes(&self, n_in_flight: usize) -> u64 {
        self.chunk_bytes.saturating_mul(n_in_flight.min(self.n_chunks) as u64)
    }
}

/// The cost of what is read of objects; the memory that it takes is not known here.
///
/// # Errors
/// Those of looking where objects are.
pub(super) async fn of_reads(
    reader: &Reader,
    plan: &Plan,
    (reads, objects): (&Reads, &[u32]),
) -> Result<Estimate> {
    let away = objects_away(reader, plan, objects).await?;
    let mut estimate = Estimate {
        n_recalls: away.len() as u64,
        result_bytes: plan.result_bytes(),
        groups: plan.n_groups(),
        ..Estimate::default()
    };
    for (object, len_bytes) in &reads.bytes {
        let sum = match object.is_some_and(|number| away.contains(&number)) {
            true => &mut estimate.read_bytes_nearline,
            false => &mut estimate.read_bytes_online,
        };
        *sum = sum.saturating_add(*len_bytes);
    }
    Ok(estimate)
}

/// How often chunks are read that are read more than once.
fn times_read(passes: &[Pass], times: u64) -> HashMap<u64, u64> {
    let mut read: HashMap<u64, u64> = HashMap::new();
    if passes.len() > 1 || times > 1 {
        for (linear, _) in passes.iter().flat_map(|pass| &pass.chunks) {
            *read.entry(*linear).or_default() += times;
        }
    }
    read
}

/// Numbers of the objects that are not online.
async fn objects_away(reader: &Reader, plan: &Plan, numbers: &[u32]) -> Result<BTreeSet<u32>> {
    let Some(recalls) = reader.recalls() else { return Ok(BTreeSet::new()) };
    let residency = recalls.residency();
    let objects = &plan.manifest.dataset.objects;
    let bound: Vec<(u32, Arc<str>)> = numbers
        .iter()
        .filter_map(|number| Some((*number, Arc::from(objects.get(*number as usize)?.href.as_str()))))
        .filter(|(_, href): &(u32, Arc<str>)| residency.is_bound(href))
        .collect();
    let hrefs: Vec<Arc<str>> = bound.iter().map(|(_, href)| Arc::clone(href)).collect();
    let places = residency.localities(&hrefs).await;
    let away = bound.into_iter().zip(places).filter(|(_, place)| !place.is_online());
    Ok(away.map(|((number, _), _)| number).collect())
}

/// Bytes that reading a chunk takes: as visits count them.
fn read_bytes(chunk: &ChunkRef, decoded_bytes: u64) -> u64 {
    match chunk.part.place {
        Place::Inline => 0,
        Place::Object(_) => u64::from(chunk.len_bytes),
        Place::Format(_) | Place::Assembled(_) => decoded_bytes,
    }
}

/// Bytes of a decoded chunk.
pub(super) fn chunk_bytes(variable: &Variable) -> u64 {
    let element = variable.dtype.len_bytes().unwrap_or(64).max(1) as u64;
    variable.storage.chunk_shape.iter().fold(element, |bytes, len| bytes.saturating_mul(*len))
}
