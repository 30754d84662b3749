//! The filters of an array as codecs. A filter that nothing here can undo matters only if a chunk has it.

use thermocline_model::{Codec, NbitType};

use crate::array::Array;
use crate::messages::Filter;

/// The filters of an array, in the order of writing.
#[derive(Debug, Clone)]
pub(crate) struct Pipeline {
    /// The codec of each filter, or why there is none.
    steps: Vec<Result<Codec, String>>,
    /// Bits of filters without effect: that change nothing, or that every chunk skips and nothing can undo.
    dropped: u32,
}

impl Pipeline {
    pub(crate) fn new(array: &Array) -> Self {
        let step = |filter: &Filter| {
            let name = (!filter.name.is_empty()).then_some(filter.name.as_str());
            thermocline_codec::hdf5::codec_of_filter(
                filter.id,
                &filter.client_data,
                name,
                array.datatype.size,
            )
        };
        let steps: Vec<_> = array.filters.iter().map(step).collect();
        let changes_nothing =
            |step: &Result<Codec, String>| matches!(step, Ok(Codec::Nbit(NbitType::NoOp { .. })));
        let idle = steps.iter().enumerate().filter(|(_, step)| changes_nothing(step));
        let dropped = idle.fold(0, |bits, (number, _)| bits | bit(number));
        Self { steps, dropped }
    }

    /// Bits of all filters.
    pub(crate) fn all(&self) -> u32 {
        (0..self.steps.len()).fold(0, |bits, number| bits | bit(number))
    }

    /// Bits of the filters that nothing here can undo.
    pub(crate) fn undecodable(&self) -> u32 {
        let bits = self.steps.iter().enumerate().filter(|(_, step)| step.is_err());
        bits.fold(0, |bits, (number, _)| bits | bit(number))
    }

    /// Why the filters with these bits cannot be undone.
    pub(crate) fn reason(&self, bits: u32) -> String {
        let reasons: Vec<&str> = self
            .steps
            .iter()
            .enumerate()
            .filter(|(number, _)| bits & bit(*number) != 0)
            .filter_map(|(_, step)| step.as_ref().err().map(String::as_str))
            .collect();
        reasons.join("; ")
    }

    /// Leaves out the filters that cannot be undone: no chunk has them.
    pub(crate) fn drop_undecodable(&mut self) {
        self.dropped |= self.undecodable();
    }

    /// The codecs of the filters that are left.
    pub(crate) fn codecs(&self) -> Vec<Codec> {
        self.steps
            .iter()
            .enumerate()
            .filter(|(number, _)| self.dropped & bit(*number) == 0)
            .filter_map(|(_, step)| step.as_ref().ok().cloned())
            .collect()
    }

    /// A mask of skipped filters as a mask of skipped codecs, of which `n_leading` stand before the filters.
    pub(crate) fn mask(&self, filter_mask: u32, n_leading: usize) -> u32 {
        let mut mask = 0;
        let mut codec = n_leading;
        for number in 0..self.steps.len() {
            if self.dropped & bit(number) != 0 {
                continue;
            }
            if filter_mask & bit(number) != 0 {
                mask |= bit(codec);
            }
            codec += 1;
        }
        mask
    }
}

/// The bit of a filter or codec; pipelines are never longer than 32.
fn bit(number: usize) -> u32 {
    1_u32.checked_shl(number as u32).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_skip_what_is_dropped_and_what_leads() {
        let mut pipeline = Pipeline {
            steps: vec![Ok(Codec::Lzf), Err("unknown".to_owned()), Ok(Codec::Fletcher32)],
            dropped: 0,
        };
        assert_eq!(pipeline.all(), 0b111);
        assert_eq!(pipeline.undecodable(), 0b010);
        assert_eq!(pipeline.reason(0b010), "unknown");
        pipeline.drop_undecodable();
        assert_eq!(pipeline.codecs(), vec![Codec::Lzf, Codec::Fletcher32]);
        assert_eq!(pipeline.mask(0b110, 1), 0b100);
        assert_eq!(pipeline.mask(0b011, 0), 0b01);
    }
}
