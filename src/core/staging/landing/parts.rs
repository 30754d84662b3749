//! Which ranges of an object have landed, and which parts are still to be read.

use std::collections::BTreeMap;
use std::ops::Range;

/// A range that has landed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) range: Range<u64>,
    /// CRC-32C of its bytes.
    pub(super) crc32c: u32,
}

/// The ranges of an object that have landed; they do not overlap.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// End and checksum by start.
    parts: BTreeMap<u64, (u64, u32)>,
    len_bytes: u64,
    /// All bytes before this one have landed.
    prefix: u64,
}

impl Done {
    /// Adds a part; `false` if it is empty or overlaps one that is there, and nothing is added then.
    pub(super) fn add(&mut self, part: &Part) -> bool {
        let Range { start, end } = part.range;
        let ends_before =
            self.parts.range(..end).next_back().is_none_or(|(_, (previous_end, _))| *previous_end <= start);
        if start >= end || !ends_before {
            return false;
        }
        self.parts.insert(start, (end, part.crc32c));
        self.len_bytes += end - start;
        while let Some((end, _)) = self.parts.get(&self.prefix) {
            self.prefix = *end;
        }
        true
    }

    /// Bytes that have landed.
    pub(super) fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// How many bytes from the start have landed without a gap.
    pub(super) fn prefix(&self) -> u64 {
        self.prefix
    }

    /// The parts in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Part> {
        self.parts.iter().map(|(start, (end, crc32c))| Part { range: *start..*end, crc32c: *crc32c })
    }

    /// What is missing of an object of `len_bytes` bytes, in order, in ranges of at most `part_bytes` bytes.
    pub(super) fn missing(
        &self,
        len_bytes: u64,
        part_bytes: u64,
    ) -> impl Iterator<Item = Range<u64>> + Send + use<> {
        let mut gaps = Vec::new();
        let mut at = 0;
        for (start, (end, _)) in &self.parts {
            if at < *start {
                gaps.push(at..*start);
            }
            at = *end;
        }
        if at < len_bytes {
            gaps.push(at..len_bytes);
        }
        gaps.into_iter().flat_map(move |gap| cut(gap, part_bytes.max(1)))
    }
}

fn cut(range: Range<u64>, part_bytes: u64) -> impl Iterator<Item = Range<u64>> + Send {
    let mut start = range.start;
    std::iter::from_fn(move || {
        if start >= range.end {
            return None;
        }
        let part = start..start.saturating_add(part_bytes).min(range.end);
        start = part.end;
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_has_landed_and_what_is_missing_make_the_object(
            len_bytes in 0_u64..200,
            part_bytes in 1_u64..50,
            ranges in proptest::collection::vec((0_u64..200, 0_u64..60), 0..20),
        ) {
            let mut done = Done::default();
            let mut landed = [false; 200];
            for (start, len) in ranges {
                let end = (start + len).min(len_bytes);
                let is_free = start < end && !landed[start as usize..end as usize].contains(&true);
                prop_assert_eq!(done.add(&Part { range: start..end, crc32c: 0 }), is_free);
                if is_free {
                    landed[start as usize..end as usize].fill(true);
                }
            }
            prop_assert_eq!(done.len_bytes(), landed.iter().filter(|is| **is).count() as u64);
            prop_assert_eq!(done.prefix(), landed.iter().take_while(|is| **is).count() as u64);
            for part in done.missing(len_bytes, part_bytes) {
                prop_assert!(part.end - part.start <= part_bytes && part.start < part.end);
                for byte in part {
                    prop_assert!(!std::mem::replace(&mut landed[byte as usize], true));
                }
            }
            prop_assert!(landed[..len_bytes as usize].iter().all(|is| *is));
        }
    }
}
