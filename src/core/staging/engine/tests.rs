//! The rules against a simple model: whatever happens in whatever order, nothing is lost, told wrongly, recalled
//! twice or evicted while it is pinned.

mod rig;

use proptest::prelude::*;

use rig::{Rig, Step};

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..3_usize, prop::collection::vec(0..6_usize, 1..4), 1..200_u64)
            .prop_map(|(owner, objects, lifetime)| Step::Request { owner, objects, lifetime }),
        2 => (0..3_usize, 0..6_usize).prop_map(|(owner, object)| Step::Join { owner, object }),
        2 => any::<prop::sample::Index>().prop_map(Step::Cancel),
        1 => any::<prop::sample::Index>().prop_map(Step::Release),
        1 => (any::<prop::sample::Index>(), 1..200_u64).prop_map(|(request, lifetime)| Step::Extend(request, lifetime)),
        8 => (any::<prop::sample::Index>(), 0..10_u8).prop_map(|(action, luck)| Step::Answer(action, luck)),
        4 => (1..100_u64).prop_map(Step::Pass),
        1 => Just(Step::EvictAll),
        1 => (0..6_usize).prop_map(Step::Replace),
        1 => (0..6_usize).prop_map(Step::Vanish),
        1 => Just(Step::ClockBack),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn copied_objects_keep_every_promise(steps in prop::collection::vec(step(), 1..80)) {
        let mut rig = Rig::new(crate::cold::Landing::Copied);
        for step in steps {
            rig.step(step);
        }
        rig.finish();
    }

    #[test]
    fn objects_in_place_keep_every_promise(steps in prop::collection::vec(step(), 1..80)) {
        let mut rig = Rig::new(crate::cold::Landing::InPlace);
        for step in steps {
            rig.step(step);
        }
        rig.finish();
    }
}
