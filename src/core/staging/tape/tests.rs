//! Claims about the cost of tape and about the order of reading.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn at(media: &Media, wrap: u32, part: f64) -> u64 {
    let bytes_per_wrap = media.capacity_bytes as f64 / f64::from(media.wraps);
    (bytes_per_wrap * (f64::from(wrap) + part)) as u64
}

fn close(left: f64, right: f64) -> bool {
    (left - right).abs() < 1e-3
}

/// Expected seconds by hand from the published formula.
#[test]
fn a_locate_costs_what_the_published_formula_says() {
    let media = Media::lto8();
    let cases = [
        ("on, same wrap, a tenth of the length", (0, 0.1), (0, 0.2), 4.29 + 0.0006192 * 17_100.0),
        ("back, same wrap", (0, 0.2), (0, 0.1), 4.29 + 11.32 + 0.0006192 * 17_100.0),
        ("on, down the second wrap", (1, 0.1), (1, 0.2), 4.29 + 0.0006192 * 17_100.0),
        ("next wrap, which runs back", (0, 0.1), (1, 0.8), 4.29 + 6.69 + 5.22 + 0.0006192 * 17_100.0),
        ("same direction", (0, 0.1), (2, 0.1), 4.29 + 6.69),
        ("another band", (0, 0.1), (52, 0.1), 4.29 + 6.69 + 3.2),
        ("the other half", (0, 0.1), (0, 0.6), 4.29 - 6.04 + 0.0006192 * 85_500.0),
        ("never less than the least", (0, 0.499), (0, 0.501), 0.5),
    ];
    for (title, (from_wrap, from), (to_wrap, to), seconds) in cases {
        let from = media.spot(at(&media, from_wrap, from));
        let to = media.spot(at(&media, to_wrap, to));
        let found = media.locate_seconds(from, to);
        assert!(close(found, seconds), "{title}: {found} s, not {seconds} s");
    }
}

#[test]
fn a_position_beyond_the_capacity_lies_at_the_end_of_the_last_wrap() {
    let media = Media::lto8();
    for position in [media.capacity_bytes, media.capacity_bytes + 1, u64::MAX] {
        let spot = media.spot(position);
        assert!(spot.wrap == 207 && close(spot.along, 0.0), "{spot:?}");
    }
}

/// For every step of an order, what its locate costs and what the cheapest of all that were left costs.
fn steps(media: &Media, from: Spot, extents: &[Extent], order: &[usize]) -> Vec<((f64, f64), (f64, f64))> {
    let mut left: Vec<usize> = (0..extents.len()).collect();
    let mut here = from;
    let step = |file: &usize| {
        let spot = |file: usize| media.spot(extents[file].position);
        let cost =
            |file: usize| (media.locate_seconds(here, spot(file)), (here.along - spot(file).along).abs());
        let least = left.iter().map(|file| cost(*file)).min_by(|a, b| a.partial_cmp(b).unwrap()).unwrap();
        let found = cost(*file);
        left.retain(|other| other != file);
        here = media.spot(extents[*file].end());
        (found, least)
    };
    order.iter().map(step).collect()
}

fn some_extents() -> impl Strategy<Value = Vec<Extent>> {
    let media = Media::lto8();
    let spread = (0..media.capacity_bytes, 0..4_000_000_000_u64);
    // Files crowd on a few wraps, too, and lie at the same places.
    let crowded = (0..4_u32, 0..20_u32)
        .prop_map(move |(wrap, part)| (at(&media, wrap * 3, f64::from(part) / 20.0), 1_000_000));
    let extent =
        prop_oneof![spread, crowded].prop_map(|(position, len_bytes)| Extent { position, len_bytes });
    prop::collection::vec(extent, 0..120)
}

proptest! {
    #[test]
    fn every_step_is_the_one_that_trying_every_file_gives(extents in some_extents(), start in 0..12_000_000_000_000_u64) {
        let media = Media::lto8();
        let from = media.spot(start);
        let order = reading_order(&media, from, &extents, usize::MAX);
        for (step, least) in steps(&media, from, &extents, &order) {
            prop_assert_eq!(step, least);
        }
        let each_once: BTreeSet<usize> = order.iter().copied().collect();
        prop_assert_eq!((each_once.len(), order.len()), (extents.len(), extents.len()));
    }

    #[test]
    fn a_shorter_order_is_the_beginning_of_the_whole(extents in some_extents(), at_most in 0..50_usize) {
        let media = Media::lto8();
        let mut whole = reading_order(&media, Spot::default(), &extents, usize::MAX);
        whole.truncate(at_most);
        prop_assert_eq!(reading_order(&media, Spot::default(), &extents, at_most), whole);
    }

    #[test]
    fn nonsense_is_ordered_all_the_same(positions in prop::collection::vec(any::<(u64, u64)>(), 0..60)) {
        let media = Media { wraps: 0, bands: 0, capacity_bytes: 0, length: 0.0, ..Media::lto8() };
        let extents: Vec<Extent> =
            positions.iter().map(|&(position, len_bytes)| Extent { position, len_bytes }).collect();
        let mut order = reading_order(&media, Spot::default(), &extents, usize::MAX);
        order.sort_unstable();
        prop_assert_eq!(order, (0..extents.len()).collect::<Vec<_>>());
    }
}
