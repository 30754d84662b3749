//! What a computation costs, before anything is read.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use thermocline_core::Result;
use thermocline_core::read::Reader;
use thermocline_model::{ChunkRef, Place, Variable};

use super::passes::{Pass, Stored};
use crate::{Estimate, Plan};

/// The cost of passes.
///
/// # Errors
/// Those of the chunk table.
pub(super) async fn of_passes(
    reader: &Reader,
    (plan, variable): (&Plan, &Variable),
    (stored, passes): (&[Stored], &[Pass]),
    n_in_flight: usize,
) -> Result<Estimate> {
    let away = objects_away(reader, plan, stored).await?;
    let decoded_bytes = chunk_bytes(variable);
    let times = times_read(passes, if plan.request.options.anomaly { 2 } else { 1 });
    let mut estimate = Estimate {
        n_recalls: away.len() as u64,
        result_bytes: plan.result_bytes(),
        groups: plan.n_groups(),
        ..Estimate::default()
    };
    let mut largest = 0;
    for (linear, chunk) in stored {
        let Some(chunk) = chunk else { continue };
        let len_bytes = read_bytes(chunk, decoded_bytes);
        largest = largest.max(len_bytes);
        let len_bytes = len_bytes.saturating_mul(times.get(linear).copied().unwrap_or(1));
        let is_away = chunk.part.place.object().is_some_and(|number| away.contains(&number));
        let sum = match is_away {
            true => &mut estimate.read_bytes_nearline,
            false => &mut estimate.read_bytes_online,
        };
        *sum = sum.saturating_add(len_bytes);
    }
    let states = passes.iter().map(|pass| pass.len_bytes).max().unwrap_or(0);
    let in_flight =
        decoded_bytes.saturating_add(largest).saturating_mul((n_in_flight.min(stored.len())) as u64);
    estimate.memory_bytes = states.saturating_add(in_flight).saturating_add(estimate.result_bytes);
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
async fn objects_away(reader: &Reader, plan: &Plan, stored: &[Stored]) -> Result<BTreeSet<u32>> {
    let Some(recalls) = reader.recalls() else { return Ok(BTreeSet::new()) };
    let residency = recalls.residency();
    let numbers = reader.objects_of_chunks(&plan.manifest, stored).await?;
    let objects = &plan.manifest.dataset.objects;
    let bound: Vec<(u32, Arc<str>)> = numbers
        .into_iter()
        .filter_map(|number| Some((number, Arc::from(objects.get(number as usize)?.href.as_str()))))
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
