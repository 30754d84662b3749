//! Cells without values, numbers at the ends of their range, and results as bytes.

use thermocline_model::cf::{Calendar, TimeUnits};
use thermocline_model::{ArrayBytes, ByteOrder, DataType};

use super::*;

const F4: DataType = DataType::Float { size: 4, order: ByteOrder::Little };
const F8: DataType = DataType::Float { size: 8, order: ByteOrder::Little };

#[test]
fn cells_without_valid_values_have_what_the_contract_says() {
    for values in [&[][..], &[f64::NAN][..]] {
        for (action, expected) in [
            (Action::Count, 0.0),
            (Action::Sum, 0.0),
            (Action::Prod, 1.0),
            (Action::Mean, f64::NAN),
            (Action::Min, f64::NAN),
            (Action::Max, f64::NAN),
            (Action::Std, f64::NAN),
            (Action::Var, f64::NAN),
            (Action::Median, f64::NAN),
            (Action::First, f64::NAN),
            (Action::Last, f64::NAN),
        ] {
            let found = number(of_one_cell(&spec(action, Source::Double), Lane::Double(values)).unwrap());
            assert!(found == expected || found.is_nan() && expected.is_nan(), "{action:?}: {found}");
        }
    }
    let of = |action| of_one_cell(&spec(action, Source::Double), Lane::Double(&[f64::NAN]));
    assert_eq!(of(Action::Any), Ok(Cells::Booleans(vec![true])));
    assert_eq!(of(Action::All), Ok(Cells::Booleans(vec![true])));
}

#[test]
fn small_variances_do_not_drown_in_large_means() {
    // Multiples of 2^-20 beside 2^27 are exact, so that the variance is that of the multiples.
    let steps: Vec<f64> =
        (0..1_000).map(|i| f64::from((i * 7_919) % 2_003 - 1_001) / f64::from(1 << 20)).collect();
    let values: Vec<f64> = steps.iter().map(|step| f64::from(1 << 27) + step).collect();
    let mean = steps.iter().sum::<f64>() / 1_000.0;
    let exact = steps.iter().map(|step| (step - mean).powi(2)).sum::<f64>() / 1_000.0;
    let spec = spec(Action::Var, Source::Double);

    let at_once = number(of_one_cell(&spec, Lane::Double(&values)).unwrap());
    let mut state = State::new(&spec, 1, &|_| 1_000);
    for value in &values {
        state.take(Lane::Double(&[*value]), Target::Each { first: 0 }, RunWeights::One(1.0), 0, 0).unwrap();
    }
    let one_by_one = number(state.finish().unwrap());
    let mut state = State::new(&spec, 1, &|_| 1_000);
    for part in values.chunks(33) {
        state.take(Lane::Double(part), Target::One { cell: 0 }, RunWeights::One(1.0), 0, 1).unwrap();
    }
    let in_parts = number(state.finish().unwrap());

    for found in [at_once, one_by_one, in_parts] {
        assert!((found - exact).abs() <= 1e-11 * exact, "{found} instead of {exact}");
    }
}

#[test]
fn the_variance_of_equal_values_is_zero() {
    for value in [0.1, -3e38, 1e300, 288.15] {
        let found = of_one_cell(&spec(Action::Var, Source::Double), Lane::Double(&[value; 9]));
        assert_eq!(found, Ok(Cells::Floats(vec![0.0])), "{value}");
    }
}

#[test]
fn a_missing_weight_is_a_missing_value() {
    let spec = Spec { is_weighted: true, ..spec(Action::Mean, Source::Single) };
    let mut state = State::new(&spec, 1, &|_| 3);
    let weights = RunWeights::Each(&[1.0, f64::NAN, 3.0]);
    state.take(Lane::Single(&[1.0, 7.0, 5.0]), Target::One { cell: 0 }, weights, 0, 1).unwrap();
    assert_eq!(state.finish(), Ok(Cells::Floats(vec![4.0])));
}

#[test]
fn runs_that_do_not_fit_are_refused() {
    let mut state = State::new(&spec(Action::Sum, Source::Single), 3, &|_| 1);
    let lane = Lane::Single(&[1.0, 2.0]);
    let one = RunWeights::One(1.0);
    assert!(state.take(lane, Target::Each { first: 2 }, one, 0, 0).is_err());
    assert!(state.take(lane, Target::Each { first: usize::MAX }, one, 0, 0).is_err());
    assert!(state.take(lane, Target::One { cell: 3 }, one, 0, 0).is_err());
    assert!(state.take(lane, Target::Table { first: 1, cells: &[0, 2] }, one, 0, 0).is_err());
    assert!(state.take(lane, Target::Table { first: 0, cells: &[0] }, one, 0, 0).is_err());
    assert!(state.take(lane, Target::Each { first: 0 }, RunWeights::Each(&[1.0]), 0, 0).is_err());
    assert!(state.take(Lane::Double(&[1.0]), Target::Each { first: 0 }, one, 0, 0).is_err());
    assert_eq!(state.finish(), Ok(Cells::Floats(vec![0.0; 3])));
}

#[test]
fn cells_with_more_values_than_announced_keep_them_all() {
    let mut state = State::new(&spec(Action::Median, Source::Single), 2, &|_| 1);
    let values = Lane::Single(&[3.0, 1.0, 2.0]);
    state.take(values, Target::One { cell: 1 }, RunWeights::One(1.0), 0, 1).unwrap();
    let medians = state.finish().unwrap().into_floats();
    assert!(medians[0].is_nan());
    assert_eq!(medians[1], 2.0);
}

#[test]
fn cells_without_members_make_integers_floats() {
    let is_second = |cell: usize| cell == 1;
    let floats = Cells::Ints(vec![3, 0]).with_empty(is_second).into_floats();
    assert_eq!(floats[0], 3.0);
    assert!(floats[1].is_nan());
    assert_eq!(Cells::Times(vec![3, 4]).with_empty(is_second), Cells::Times(vec![3, i64::MIN]));
    let texts = Cells::Texts(vec!["a".into(), "b".into()]);
    assert_eq!(texts.with_empty(is_second), Cells::Texts(vec!["a".into(), String::new()]));
}

#[test]
fn results_are_rounded_once() {
    let value = 16_777_217.000_000_1_f64;
    assert_eq!(
        Cells::Floats(vec![value]).encode(&F4).unwrap(),
        ArrayBytes::Fixed((value as f32).to_le_bytes().to_vec())
    );
    assert_eq!(
        Cells::Floats(vec![value]).encode(&F8).unwrap(),
        ArrayBytes::Fixed(value.to_le_bytes().to_vec())
    );
}

#[test]
fn integers_are_encoded_as_wide_as_they_are_or_refused() {
    let i2 = DataType::Int { size: 2, order: ByteOrder::Big };
    let u1 = DataType::UInt { size: 1, order: ByteOrder::Little };
    assert_eq!(Cells::Ints(vec![-2, 258]).encode(&i2).unwrap(), ArrayBytes::Fixed(vec![0xff, 0xfe, 1, 2]));
    assert_eq!(Cells::Ints(vec![200]).encode(&u1).unwrap(), ArrayBytes::Fixed(vec![200]));
    assert_eq!(
        Cells::Booleans(vec![true, false]).encode(&DataType::Bool).unwrap(),
        ArrayBytes::Fixed(vec![1, 0])
    );
    assert_eq!(
        Cells::UInts(vec![u64::MAX]).encode(&DataType::UInt { size: 8, order: ByteOrder::Little }).unwrap(),
        ArrayBytes::Fixed(vec![0xff; 8])
    );
    assert!(Cells::Ints(vec![256]).encode(&u1).is_err());
    assert!(Cells::Ints(vec![-1]).encode(&u1).is_err());
    assert!(Cells::Floats(vec![1.0]).encode(&i2).is_err());
    assert!(Cells::Times(vec![1]).encode(&F8).is_err());
    assert!(Cells::Texts(vec![]).encode(&F8).is_err());
}

#[test]
fn instants_are_encoded_in_their_units() {
    let units = TimeUnits::parse("days since 2000-01-01", Calendar::Standard).unwrap();
    let day = 86_400_000_000;
    let start = units.reference().unwrap().ticks();
    let times = Cells::Times(vec![start + day, start + day / 2, i64::MIN]);
    let ArrayBytes::Fixed(bytes) = times.encode_times(&F8, &units).unwrap() else { panic!("no numbers") };
    let values: Vec<f64> = bytes.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
    assert_eq!(values[..2], [1.0, 0.5]);
    assert!(values[2].is_nan());
    assert!(times.encode_times(&DataType::Int { size: 8, order: ByteOrder::Little }, &units).is_err());
}
