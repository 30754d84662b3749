//! What one request may cost, and what to say to those that would cost more.

use std::ops::Range;

use super::cut::product;
use super::folder::Expected;
use super::{Engine, EngineSettings};
use crate::{Estimate, Failure, Plan};

impl Engine {
    /// Whether the whole result may be computed, by what it costs.
    ///
    /// # Errors
    /// [`Failure::TooLarge`] naming the limit and what narrows the request.
    pub fn check(&self, plan: &Plan, estimate: &Estimate) -> Result<(), Failure> {
        let settings = &*self.settings;
        let result_bytes = len_bytes(plan, plan.shape.iter().copied()).max(estimate.result_bytes);
        let estimate = Estimate { result_bytes, ..estimate.clone() };
        check_groups(settings, &estimate)?;
        if result_bytes > settings.max_result_bytes {
            let detail = format!(
                "the result takes {result_bytes} bytes, the most is {}: select less (sel=), reduce more dimensions \
                 (over=), or read its parts below /zarr",
                settings.max_result_bytes
            );
            return Err(too_large(detail, estimate));
        }
        check_read(settings, &estimate)
    }

    /// Whether a part of the result may be computed, by what it costs.
    ///
    /// # Errors
    /// [`Failure::TooLarge`] naming the limit and what narrows the request.
    pub(super) fn check_part(
        &self,
        plan: &Plan,
        part: &[Range<u64>],
        estimate: Estimate,
    ) -> Result<(), Failure> {
        let settings = &*self.settings;
        let result_bytes = len_bytes(plan, part.iter().map(|range| range.end.saturating_sub(range.start)));
        let estimate = Estimate { result_bytes, ..estimate };
        check_groups(settings, &estimate)?;
        if result_bytes > settings.max_chunk_bytes {
            let detail = format!(
                "a chunk of the result takes {result_bytes} bytes, the most is {}: select less (sel=), or group by \
                 what has fewer groups",
                settings.max_chunk_bytes
            );
            return Err(too_large(detail, estimate));
        }
        check_read(settings, &estimate)
    }

    /// What values a kept result must have to be believed.
    pub(super) fn expected(&self, plan: &Plan) -> Option<Expected> {
        let n = product(plan.shape.iter().copied())?;
        Some(match plan.dtype.len_bytes() {
            Some(size) => Expected::Fixed(n.checked_mul(size as u64)?),
            None => Expected::Texts(n, self.settings.max_result_bytes),
        })
    }
}

/// Bytes of so many values; of texts their number.
pub(super) fn len_bytes(plan: &Plan, lens: impl IntoIterator<Item = u64>) -> u64 {
    let size = plan.dtype.len_bytes().unwrap_or(1) as u64;
    product(lens).and_then(|n| n.checked_mul(size)).unwrap_or(u64::MAX)
}

fn check_groups(settings: &EngineSettings, estimate: &Estimate) -> Result<(), Failure> {
    if estimate.groups <= settings.max_groups {
        return Ok(());
    }
    let detail = format!(
        "the result has {} groups, the most is {}: select less (sel=), or group more coarsely (bins=, freq=)",
        estimate.groups, settings.max_groups
    );
    Err(too_large(detail, estimate.clone()))
}

fn check_read(settings: &EngineSettings, estimate: &Estimate) -> Result<(), Failure> {
    let read_bytes = estimate.read_bytes_online.saturating_add(estimate.read_bytes_nearline);
    if read_bytes <= settings.max_read_bytes {
        return Ok(());
    }
    let detail = format!(
        "{read_bytes} bytes would be read, the most is {}: select less (sel=), along time above all",
        settings.max_read_bytes
    );
    Err(too_large(detail, estimate.clone()))
}

fn too_large(detail: String, estimate: Estimate) -> Failure {
    Failure::TooLarge { detail, estimate: Box::new(estimate) }
}
