//! Floats: every action, with and without missing values and weights, into cells of every kind of target.

use proptest::prelude::*;

use super::*;

const N_CELLS: usize = 7;

/// Where the values of a run go.
#[derive(Debug, Clone)]
enum Going {
    Each(usize),
    One(usize),
    Table(Vec<Option<usize>>),
}

#[derive(Debug, Clone)]
struct PlainRun {
    going: Going,
    values: Vec<f64>,
    weights: Vec<f64>,
    position: u64,
}

/// A member of a cell.
#[derive(Debug, Clone, Copy)]
struct Member {
    value: f64,
    weight: f64,
    position: u64,
}

fn values(is_finite: bool) -> BoxedStrategy<f64> {
    let usual = prop_oneof![
        8 => (-400_i32..400).prop_map(|value| f64::from(value) / 8.0),
        3 => Just(f64::NAN),
        1 => Just(-0.0),
        1 => Just(0.0),
    ];
    if is_finite {
        return usual.boxed();
    }
    prop_oneof![12 => usual, 1 => Just(f64::INFINITY), 1 => Just(f64::NEG_INFINITY)].boxed()
}

fn runs(is_finite: bool) -> impl Strategy<Value = Vec<PlainRun>> {
    let weight = (0_u8..9).prop_map(|weight| f64::from(weight) / 4.0);
    let run = (0_u8..3, 0..N_CELLS, prop::collection::vec((values(is_finite), weight, 0..9_usize), 0..40));
    prop::collection::vec(run, 0..12).prop_map(|runs| {
        let n_runs = runs.len() as u64;
        let with_number = runs.into_iter().enumerate();
        with_number
            .map(|(number, (kind, cell, mut of_run))| {
                if kind == 0 {
                    of_run.truncate(N_CELLS - cell);
                }
                let going = match kind {
                    0 => Going::Each(cell),
                    1 => Going::One(cell),
                    _ => {
                        let cells = of_run.iter().map(|(_, _, to)| Some(*to).filter(|to| *to < N_CELLS));
                        Going::Table(cells.collect())
                    }
                };
                PlainRun {
                    going,
                    values: of_run.iter().map(|(value, _, _)| *value).collect(),
                    weights: of_run.iter().map(|(_, weight, _)| *weight).collect(),
                    // Runs come in another order than their positions.
                    position: (number as u64 * 7_919 + 3) % n_runs.max(1) * 1_000,
                }
            })
            .collect()
    })
}

fn cell_of(going: &Going, i: usize) -> Option<usize> {
    match going {
        Going::Each(first) => Some(first + i),
        Going::One(cell) => Some(*cell),
        Going::Table(cells) => cells[i],
    }
}

fn members(runs: &[PlainRun], cell: usize, is_weighted: bool) -> Vec<Member> {
    let mut members = Vec::new();
    for run in runs {
        for (i, value) in run.values.iter().enumerate() {
            if cell_of(&run.going, i) == Some(cell) {
                let weight = if is_weighted { run.weights[i] } else { 1.0 };
                members.push(Member { value: *value, weight, position: run.position + i as u64 });
            }
        }
    }
    members
}

/// The definition: what contract and numpy say of all members of a cell. Booleans are 0 and 1.
fn defined(spec: &Spec, members: &[Member]) -> f64 {
    let valid: Vec<Member> = members.iter().copied().filter(|member| !member.value.is_nan()).collect();
    let is_spoiled = !spec.skipna && valid.len() < members.len();
    let n: f64 = valid.iter().map(|member| member.weight).sum();
    let sum: f64 = valid.iter().map(|member| member.weight * member.value).sum();
    let extreme =
        |pick: fn(f64, f64) -> f64| valid.iter().map(|member| member.value).reduce(pick).unwrap_or(f64::NAN);
    let end = |is_last: bool| {
        let mut among = if spec.skipna { valid.clone() } else { members.to_vec() };
        among.sort_by_key(|member| member.position);
        let member = if is_last { among.last() } else { among.first() };
        member.map_or(f64::NAN, |member| member.value)
    };
    let variance = || {
        let mean = sum / n;
        let squares: f64 =
            valid.iter().map(|member| member.weight * (member.value - mean) * (member.value - mean)).sum();
        if n - spec.ddof as f64 > 0.0 { squares / (n - spec.ddof as f64) } else { f64::NAN }
    };
    let is_short = (valid.len() as u64) < spec.min_count;
    match spec.action {
        Action::Count => valid.len() as f64,
        Action::Any => f64::from(u8::from(members.iter().any(|member| member.value != 0.0))),
        Action::All => f64::from(u8::from(members.iter().all(|member| member.value != 0.0))),
        Action::First => end(false),
        Action::Last => end(true),
        _ if is_spoiled => f64::NAN,
        Action::Mean => sum / n,
        Action::Sum if is_short => f64::NAN,
        Action::Prod if is_short => f64::NAN,
        Action::Sum => sum,
        Action::Prod => valid.iter().map(|member| member.value).product(),
        Action::Min => extreme(f64::min),
        Action::Max => extreme(f64::max),
        Action::Var => variance(),
        Action::Std => variance().sqrt(),
        Action::Median | Action::Quantile => {
            let mut sorted: Vec<f64> = valid.iter().map(|member| member.value).collect();
            sorted.sort_by(f64::total_cmp);
            let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
            let at = spec.q[0] * last as f64;
            let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
            below + (above - below) * (at - at.floor())
        }
    }
}

/// What the kernels say.
fn computed(spec: &Spec, runs: &[PlainRun]) -> Vec<f64> {
    let n_members = |cell: usize| members(runs, cell, false).len() as u64;
    let mut state = State::new(spec, N_CELLS, &n_members);
    for run in runs {
        let weights = if spec.is_weighted { RunWeights::Each(&run.weights) } else { RunWeights::One(1.0) };
        let table: Vec<u32> = match &run.going {
            Going::Table(cells) => {
                cells.iter().map(|cell| cell.map_or(NO_GROUP, |cell| cell as u32)).collect()
            }
            _ => Vec::new(),
        };
        let to = match &run.going {
            Going::Each(first) => Target::Each { first: *first },
            Going::One(cell) => Target::One { cell: *cell },
            Going::Table(_) => Target::Table { first: 0, cells: &table },
        };
        let singles: Vec<f32> = run.values.iter().map(|value| *value as f32).collect();
        let lane = match spec.source {
            Source::Single => Lane::Single(&singles),
            _ => Lane::Double(&run.values),
        };
        state.take(lane, to, weights, run.position, 1).expect("cells that exist");
    }
    state.finish().expect("floats").into_floats()
}

fn agree(spec: &Spec, runs: &[PlainRun], tolerance: f64) -> Result<(), TestCaseError> {
    let found = computed(spec, runs);
    for (cell, found) in found.iter().enumerate() {
        let members = members(runs, cell, spec.is_weighted);
        let expected = defined(spec, &members);
        // Where sums cancel, their error is one of what was added.
        let size: f64 =
            members.iter().map(|member| member.value).filter(|value| value.is_finite()).map(f64::abs).sum();
        let scale = if spec.action == Action::Prod { expected.abs() } else { expected.abs().max(size) };
        let is_near = (found - expected).abs() <= tolerance * scale;
        prop_assert!(
            *found == expected || (found.is_nan() && expected.is_nan()) || is_near,
            "cell {}: {} instead of {} for {:?}",
            cell,
            found,
            expected,
            spec
        );
    }
    Ok(())
}

fn sources() -> impl Strategy<Value = Source> {
    prop_oneof![Just(Source::Single), Just(Source::Double)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn counting_and_choosing_is_exact(
        runs in runs(false),
        source in sources(),
        skipna in any::<bool>(),
        action in prop::sample::select(vec![
            Action::Count, Action::Min, Action::Max, Action::First, Action::Last, Action::Any, Action::All,
        ]),
    ) {
        agree(&Spec { skipna, ..spec(action, source) }, &runs, 0.0)?;
    }

    #[test]
    fn sums_and_means_follow_ieee(
        runs in runs(false),
        source in sources(),
        skipna in any::<bool>(),
        is_weighted in any::<bool>(),
        min_count in 0_u64..4,
        action in prop::sample::select(vec![Action::Sum, Action::Mean]),
    ) {
        agree(&Spec { skipna, is_weighted, min_count, ..spec(action, source) }, &runs, 1e-14)?;
    }

    #[test]
    fn variances_of_parts_are_those_of_the_whole(
        runs in runs(true),
        source in sources(),
        skipna in any::<bool>(),
        is_weighted in any::<bool>(),
        ddof in 0_u64..3,
        action in prop::sample::select(vec![Action::Std, Action::Var]),
    ) {
        agree(&Spec { skipna, is_weighted, ddof, ..spec(action, source) }, &runs, 1e-11)?;
    }

    #[test]
    fn products_and_quantiles_take_all_values(
        runs in runs(true),
        source in sources(),
        skipna in any::<bool>(),
        min_count in 0_u64..4,
        q in prop_oneof![Just(0.0), Just(1.0), Just(0.5), 0.0_f64..1.0],
    ) {
        let plain = Spec { skipna, min_count, ..spec(Action::Prod, source) };
        agree(&plain, &runs, 1e-13)?;
        agree(&Spec { min_count: 0, ..spec(Action::Median, source) }, &runs, 1e-14)?;
        agree(&Spec { skipna, q: vec![q], ..spec(Action::Quantile, source) }, &runs, 1e-14)?;
    }

    #[test]
    fn several_quantiles_are_those_of_each_in_the_order_of_the_request(
        values in prop::collection::vec(values(true), 0..60),
        q in prop::collection::vec(prop_oneof![Just(0.5), 0.0_f64..=1.0], 1..6),
    ) {
        let together = of_one_cell(&Spec { q: q.clone(), ..spec(Action::Quantile, Source::Double) }, Lane::Double(&values));
        let alone = q.iter().map(|q| {
            let spec = Spec { q: vec![*q], ..spec(Action::Quantile, Source::Double) };
            number(of_one_cell(&spec, Lane::Double(&values)).expect("floats")).to_bits()
        });
        let together = together.expect("floats").into_floats();
        prop_assert_eq!(together.iter().map(|value| value.to_bits()).collect::<Vec<_>>(), alone.collect::<Vec<_>>());
    }

    #[test]
    fn the_bits_of_a_cell_do_not_depend_on_its_neighbours(
        rows in prop::collection::vec(prop::collection::vec((values(false), 0.0_f64..2.0), 37), 1..9),
        action in prop::sample::select(Action::ALL.map(|(_, action)| action).to_vec()),
        source in sources(),
        is_weighted in any::<bool>(),
    ) {
        let spec = Spec { q: vec![0.3], is_weighted, ..spec(action, source) };
        let take = |state: &mut State, row: &[(f64, f64)], number: usize| {
            let doubles: Vec<f64> = row.iter().map(|(value, _)| *value).collect();
            let singles: Vec<f32> = doubles.iter().map(|value| *value as f32).collect();
            let weights: Vec<f64> = row.iter().map(|(_, weight)| *weight).collect();
            let lane = if source == Source::Single { Lane::Single(&singles) } else { Lane::Double(&doubles) };
            let weights = if is_weighted { RunWeights::Each(&weights) } else { RunWeights::One(1.0) };
            state.take(lane, Target::Each { first: 0 }, weights, number as u64, 0).expect("cells that exist");
        };
        let mut whole = State::new(&spec, 37, &|_| rows.len() as u64);
        rows.iter().enumerate().for_each(|(number, row)| take(&mut whole, row, number));
        let whole = whole.finish().expect("floats").into_floats();
        for cut in [0, 1, 20, 36] {
            let mut alone = State::new(&spec, 1, &|_| rows.len() as u64);
            rows.iter().enumerate().for_each(|(number, row)| take(&mut alone, &row[cut..=cut], number));
            let alone = alone.finish().expect("floats").into_floats();
            prop_assert_eq!(alone[0].to_bits(), whole[cut].to_bits(), "{:?}", action);
        }
    }
}
