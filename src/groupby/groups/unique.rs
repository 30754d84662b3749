//! Groups of equal labels, in ascending order.

use std::collections::HashMap;
use std::hash::Hash;

use thermocline_core::select::Labels;
use thermocline_model::Attributes;

use super::coordinate::Along;
use super::{Coded, GroupLabels, NO_GROUP};
use crate::{Estimate, Failure};

/// Groups the positions of a coordinate by equal labels. Missing labels belong to no group.
pub(super) fn equal(along: &Along<'_>, max_groups: u64) -> Result<Coded, Failure> {
    let chosen = || along.chosen.iter().copied();
    let too_many = || too_many_groups(&along.name, max_groups);
    let coded = match &along.labels {
        Labels::Times { .. } => {
            let times = along.times()?;
            let (ticks, codes) = factorize(times.ticks(), max_groups).ok_or_else(too_many)?;
            let (labels, attrs) = times.labels(ticks);
            Coded { codes, labels, attrs }
        }
        Labels::Integers { values, above } if along.is_boolean && *above == 0 => {
            let keys = values.iter().zip(chosen()).map(|(value, is)| is.then_some(*value != 0));
            let (labels, codes) = factorize(keys, max_groups).ok_or_else(too_many)?;
            plain(codes, GroupLabels::Booleans(labels))
        }
        Labels::Integers { values, above } => {
            let keys = values.iter().zip(chosen()).map(|(value, is)| is.then_some(*value));
            let (labels, codes) = factorize(keys, max_groups).ok_or_else(too_many)?;
            plain(codes, integers(&labels, *above, &along.name)?)
        }
        Labels::Floats { values, is_single } => {
            let keys = values.iter().zip(chosen());
            let keys = keys.map(|(value, is)| (is && !value.is_nan()).then_some(Ascending::of(*value)));
            let (labels, codes) = factorize(keys, max_groups).ok_or_else(too_many)?;
            let values = labels.into_iter().map(Ascending::value).collect();
            plain(codes, GroupLabels::Floats { values, is_single: *is_single })
        }
        Labels::Texts(texts) => {
            let keys = texts.iter().zip(chosen()).map(|(text, is)| is.then_some(text.as_str()));
            let (labels, codes) = factorize(keys, max_groups).ok_or_else(too_many)?;
            plain(codes, GroupLabels::Texts(labels.into_iter().map(str::to_owned).collect()))
        }
    };
    if coded.codes.iter().all(|code| *code == NO_GROUP) {
        return Err(along.without_labels());
    }
    Ok(coded)
}

fn plain(codes: Vec<u32>, labels: GroupLabels) -> Coded {
    Coded { codes, labels, attrs: Attributes::new() }
}

/// Stored integers and what is added to each, as labels of the narrower type that holds all.
fn integers(stored: &[i64], above: i128, name: &str) -> Result<GroupLabels, Failure> {
    let values = || stored.iter().map(|value| i128::from(*value) + above);
    if let Ok(labels) = values().map(i64::try_from).collect::<Result<_, _>>() {
        return Ok(GroupLabels::Integers(labels));
    }
    let labels = values().map(u64::try_from).collect::<Result<_, _>>();
    labels.map(GroupLabels::Unsigned).map_err(|_| {
        Failure::Impossible(format!("the labels of coordinate '{name}' are not integers of 64 bits"))
    })
}

/// The distinct keys, ascending, and for each position the number of its key; [`NO_GROUP`] where there is none. `None` as
/// soon as there are more than `max_groups`: no memory is taken for more.
pub(super) fn factorize<K: Ord + Hash + Copy>(
    keys: impl Iterator<Item = Option<K>>,
    max_groups: u64,
) -> Option<(Vec<K>, Vec<u32>)> {
    let mut number_of: HashMap<K, u32> = HashMap::new();
    let mut last: Option<(K, u32)> = None;
    let mut codes = Vec::with_capacity(keys.size_hint().0);
    for key in keys {
        let Some(key) = key else {
            codes.push(NO_GROUP);
            continue;
        };
        let number = match last {
            Some((same, number)) if same == key => number,
            _ => {
                let next = number_of.len() as u32;
                *number_of.entry(key).or_insert(next)
            }
        };
        if number_of.len() as u64 > max_groups {
            return None;
        }
        last = Some((key, number));
        codes.push(number);
    }
    let mut found: Vec<(K, u32)> = number_of.into_iter().collect();
    found.sort_unstable_by_key(|(key, _)| *key);
    let mut rank = vec![NO_GROUP; found.len()];
    for (new, (_, old)) in (0_u32..).zip(&found) {
        if let Some(rank) = rank.get_mut(*old as usize) {
            *rank = new;
        }
    }
    for code in &mut codes {
        *code = rank.get(*code as usize).copied().unwrap_or(NO_GROUP);
    }
    Some((found.into_iter().map(|(key, _)| key).collect(), codes))
}

/// The failure of a grouping by more distinct labels than may be; how many more is not counted.
pub(super) fn too_many_groups(name: &str, max_groups: u64) -> Failure {
    let detail = format!(
        "{name} has more than {max_groups} groups; select less of it, or group by a coarser label, as bins="
    );
    let groups = max_groups.saturating_add(1);
    Failure::TooLarge { detail, estimate: Box::new(Estimate { groups, ..Estimate::default() }) }
}

/// A float that is not NaN, as an integer of the same order: both zeros are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Ascending(i64);

impl Ascending {
    fn of(value: f64) -> Self {
        let bits = (value + 0.0).to_bits().cast_signed();
        // The bits of negative floats descend where the floats ascend.
        Self(if bits < 0 { bits ^ i64::MAX } else { bits })
    }

    fn value(self) -> f64 {
        let bits = if self.0 < 0 { self.0 ^ i64::MAX } else { self.0 };
        f64::from_bits(bits.cast_unsigned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_position_gets_the_number_of_its_key(keys in prop::collection::vec(prop::option::of(-4..4_i64), 0..60)) {
            let mut expected: Vec<i64> = keys.iter().copied().flatten().collect();
            expected.sort_unstable();
            expected.dedup();

            let n_distinct = expected.len() as u64;
            let (labels, codes) = factorize(keys.iter().copied(), n_distinct).unwrap();

            prop_assert_eq!(&labels, &expected);
            for (key, code) in keys.iter().zip(codes) {
                prop_assert_eq!(*key, labels.get(code as usize).copied());
            }
            if let Some(fewer) = n_distinct.checked_sub(1) {
                prop_assert_eq!(factorize(keys.iter().copied(), fewer), None);
            }
        }

        #[test]
        fn floats_keep_their_order(a in any::<f64>(), b in any::<f64>()) {
            prop_assume!(!a.is_nan() && !b.is_nan());
            prop_assert_eq!(Ascending::of(a).cmp(&Ascending::of(b)), a.partial_cmp(&b).unwrap());
            prop_assert_eq!(Ascending::of(a).value(), a);
        }
    }

    #[test]
    fn both_zeros_are_one() {
        assert_eq!(Ascending::of(-0.0), Ascending::of(0.0));
    }

    #[test]
    fn labels_without_sign_are_exact() {
        let above = 1_i128 << 63;
        let Ok(GroupLabels::Unsigned(labels)) = integers(&[0, i64::MAX], above, "x") else {
            panic!("signed")
        };
        assert_eq!(labels, [1 << 63, u64::MAX]);
        let small = integers(&[i64::MIN, i64::MIN + 7], above, "x");
        assert!(matches!(small, Ok(GroupLabels::Integers(labels)) if labels == [0, 7]));
    }
}
