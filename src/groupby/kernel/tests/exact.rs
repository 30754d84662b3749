//! Integers and instants: exact, or refused.

use proptest::prelude::*;

use super::*;

fn signed() -> impl Strategy<Value = i64> {
    prop_oneof![
        -3_i64..4,
        -3_i64..4,
        any::<i64>(),
        Just(i64::MAX),
        Just(i64::MIN),
        Just(1 << 31),
        Just(1 << 62)
    ]
}

fn unsigned() -> impl Strategy<Value = u64> {
    prop_oneof![0_u64..4, 0_u64..4, any::<u64>(), Just(u64::MAX), Just(1 << 32)]
}

/// The product, or `None` where 64 bits cannot hold it.
fn product(values: &[i128], limits: std::ops::RangeInclusive<i128>) -> Option<i128> {
    if values.contains(&0) {
        return Some(0);
    }
    let product = values.iter().try_fold(1_i128, |product, value| product.checked_mul(*value))?;
    Some(product).filter(|product| limits.contains(product))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sums_and_products_of_integers_are_exact_or_refused(values in prop::collection::vec(signed(), 0..7)) {
        let wide: Vec<i128> = values.iter().map(|value| i128::from(*value)).collect();
        let limits = i128::from(i64::MIN)..=i128::from(i64::MAX);
        let sum = Some(wide.iter().sum::<i128>()).filter(|sum| limits.contains(sum));
        let cells = |value: Option<i128>| value.map_or(Err(Overflow { cell: 0 }), |value| Ok(Cells::Ints(vec![value as i64])));
        let of = |action| of_one_cell(&spec(action, Source::Int(8)), Lane::Int(&values));
        prop_assert_eq!(of(Action::Sum), cells(sum));
        prop_assert_eq!(of(Action::Prod), cells(product(&wide, limits)));
    }

    #[test]
    fn sums_and_products_without_sign_are_exact_or_refused(values in prop::collection::vec(unsigned(), 0..7)) {
        let wide: Vec<i128> = values.iter().map(|value| i128::from(*value)).collect();
        let limits = 0..=i128::from(u64::MAX);
        let sum = Some(wide.iter().sum::<i128>()).filter(|sum| limits.contains(sum));
        let cells = |value: Option<i128>| value.map_or(Err(Overflow { cell: 0 }), |value| Ok(Cells::UInts(vec![value as u64])));
        let of = |action| of_one_cell(&spec(action, Source::UInt(8)), Lane::UInt(&values));
        prop_assert_eq!(of(Action::Sum), cells(sum));
        prop_assert_eq!(of(Action::Prod), cells(product(&wide, limits)));
    }

    #[test]
    fn integers_are_counted_chosen_and_averaged(values in prop::collection::vec(signed(), 1..30)) {
        let of = |action| of_one_cell(&spec(action, Source::Int(8)), Lane::Int(&values)).expect("small");
        let ints = |value: i64| Cells::Ints(vec![value]);
        prop_assert_eq!(of(Action::Count), ints(values.len() as i64));
        prop_assert_eq!(of(Action::Min), ints(*values.iter().min().expect("one")));
        prop_assert_eq!(of(Action::Max), ints(*values.iter().max().expect("one")));
        prop_assert_eq!(of(Action::First), ints(values[0]));
        prop_assert_eq!(of(Action::Last), ints(values[values.len() - 1]));
        prop_assert_eq!(of(Action::Any), Cells::Booleans(vec![values.iter().any(|value| *value != 0)]));
        prop_assert_eq!(of(Action::All), Cells::Booleans(vec![values.iter().all(|value| *value != 0)]));
        let mean = values.iter().map(|value| i128::from(*value)).sum::<i128>() as f64 / values.len() as f64;
        prop_assert!((number(of(Action::Mean)) - mean).abs() <= mean.abs() * 1e-15);
    }

    #[test]
    fn the_mean_of_instants_is_the_nearest_microsecond(ticks in prop::collection::vec(-9_i64..9, 1..9)) {
        let mean = of_one_cell(&spec(Action::Mean, Source::Time), Lane::Int(&ticks));
        let exact = ticks.iter().sum::<i64>() as f64 / ticks.len() as f64;
        prop_assert_eq!(mean, Ok(Cells::Times(vec![exact.round_ties_even() as i64])));
    }
}

#[test]
fn the_cell_that_overflows_is_named() {
    let mut state = State::new(&spec(Action::Sum, Source::Int(8)), 3, &|_| 2);
    for _ in 0..2 {
        let values = Lane::Int(&[1, 2, i64::MAX]);
        state.take(values, Target::Each { first: 0 }, RunWeights::One(1.0), 0, 0).unwrap();
    }
    assert_eq!(state.finish(), Err(Overflow { cell: 2 }));
}

#[test]
fn too_few_integers_make_floats() {
    let spec = Spec { min_count: 2, ..spec(Action::Sum, Source::Int(4)) };
    assert!(number(of_one_cell(&spec, Lane::Int(&[5])).unwrap()).is_nan());
    assert_eq!(of_one_cell(&spec, Lane::Int(&[5, 6])), Ok(Cells::Ints(vec![11])));
}

#[test]
fn missing_instants_are_left_out_or_spoil_their_cell() {
    let ticks = [i64::MIN, 5, 8, i64::MIN];
    for (action, expected) in
        [(Action::Min, 5), (Action::Max, 8), (Action::First, 5), (Action::Last, 8), (Action::Mean, 6)]
    {
        let plain = spec(action, Source::Time);
        assert_eq!(of_one_cell(&plain, Lane::Int(&ticks)), Ok(Cells::Times(vec![expected])), "{action:?}");
        let strict = Spec { skipna: false, ..plain.clone() };
        assert_eq!(of_one_cell(&strict, Lane::Int(&ticks)), Ok(Cells::Times(vec![i64::MIN])), "{action:?}");
        assert_eq!(
            of_one_cell(&plain, Lane::Int(&[i64::MIN])),
            Ok(Cells::Times(vec![i64::MIN])),
            "{action:?}"
        );
    }
    let count = spec(Action::Count, Source::Time);
    assert_eq!(of_one_cell(&count, Lane::Int(&ticks)), Ok(Cells::Ints(vec![2])));
}

#[test]
fn booleans_stay_booleans_where_one_is_chosen() {
    let values = [1, 0, 1];
    let of = |action| of_one_cell(&spec(action, Source::Bool), Lane::Int(&values)).unwrap();
    assert_eq!(of(Action::Min), Cells::Booleans(vec![false]));
    assert_eq!(of(Action::Last), Cells::Booleans(vec![true]));
    assert_eq!(of(Action::Sum), Cells::Ints(vec![2]));
    assert_eq!(of(Action::Mean), Cells::Floats(vec![2.0 / 3.0]));
}

#[test]
fn texts_are_counted_and_chosen() {
    let texts = ["b".to_owned(), String::new(), "a".to_owned()];
    let of = |action| of_one_cell(&spec(action, Source::Text), Lane::Text(&texts)).unwrap();
    assert_eq!(of(Action::Count), Cells::Ints(vec![3]));
    assert_eq!(of(Action::First), Cells::Texts(vec!["b".into()]));
    assert_eq!(of(Action::Last), Cells::Texts(vec!["a".into()]));
}
