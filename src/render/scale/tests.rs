use proptest::prelude::*;

use super::*;

fn scale(vmin: f64, vmax: f64, norm: Norm, levels: Levels) -> Result<Scale> {
    Scale::new(vmin, vmax, norm, levels, Colormap::named("viridis")?)
}

fn entries(scale: &Scale, values: &[f64]) -> Vec<Entry> {
    values.iter().map(|value| scale.entry(*value)).collect()
}

fn of(indices: &[u8]) -> Vec<Entry> {
    indices.iter().map(|index| Entry::Of(*index)).collect()
}

#[test]
fn values_are_spread_evenly_and_clipped() -> Result<()> {
    let linear = scale(0.0, 256.0, Norm::Linear, Levels::Continuous)?;

    let values = [0.0, 0.999, 1.0, 127.5, 255.9, 256.0, -1.0, 300.0, f64::INFINITY, f64::NEG_INFINITY];
    assert_eq!(entries(&linear, &values), of(&[0, 0, 1, 127, 255, 255, 0, 255, 255, 0]));
    assert_eq!(linear.entry(f64::NAN), Entry::Bad);
    Ok(())
}

#[test]
fn a_range_without_width_is_entry_0() -> Result<()> {
    let flat = scale(7.0, 7.0, Norm::Linear, Levels::Continuous)?;

    assert_eq!(entries(&flat, &[7.0, 6.0, 8.0]), of(&[0, 0, 0]));
    Ok(())
}

#[test]
fn a_logarithm_spreads_decades_and_misses_what_is_not_above_0() -> Result<()> {
    let log = scale(0.01, 100.0, Norm::Log, Levels::Continuous)?;

    assert_eq!(entries(&log, &[0.01, 0.1001, 1.0001, 10.001, 100.0]), of(&[0, 64, 128, 192, 255]));
    assert_eq!(entries(&log, &[0.0, -1.0]), [Entry::Bad, Entry::Bad]);
    Ok(())
}

#[test]
fn a_centred_norm_takes_the_larger_magnitude() -> Result<()> {
    let centered = scale(-0.5, 2.0, Norm::Centered, Levels::Continuous)?;

    assert_eq!(centered.range(), (-2.0, 2.0));
    assert_eq!(entries(&centered, &[-2.0, -1.0, 0.0, 1.0, 2.0]), of(&[0, 64, 128, 192, 255]));
    Ok(())
}

#[test]
fn a_power_bends_the_share() -> Result<()> {
    let power = scale(0.0, 4.0, Norm::Power(0.5), Levels::Continuous)?;

    assert_eq!(entries(&power, &[0.0, 1.0, 2.25, 4.0, -1.0, 9.0]), of(&[0, 128, 192, 255, 0, 255]));
    Ok(())
}

#[test]
fn symlog_is_matplotlibs() -> Result<()> {
    // matplotlib.colors.SymLogNorm(1, linscale=1, vmin=-100, vmax=100, base=10).
    let symlog = scale(-100.0, 100.0, Norm::SymLog(1.0), Levels::Continuous)?;

    for (value, share) in [
        (-100.0, 0.0),
        (-10.0, 0.160_714_285_714),
        (-0.5, 0.410_714_285_714),
        (0.0, 0.5),
        (1.0, 0.678_571_428_571),
        (100.0, 1.0),
    ] {
        assert!((symlog.share(value) - share).abs() < 1e-9, "{value}: {}", symlog.share(value));
    }
    Ok(())
}

#[test]
fn bands_of_equal_width_have_colours_from_end_to_end() -> Result<()> {
    let bands = scale(0.0, 10.0, Norm::Linear, Levels::Count(5))?;

    assert_eq!(
        entries(&bands, &[0.0, 1.9, 2.0, 5.0, 9.9, 10.0, -3.0, 12.0]),
        of(&[0, 0, 63, 127, 255, 255, 0, 255])
    );
    let edges = bands.edges().unwrap_or_default();
    assert_eq!(edges.len(), 6);
    for (edge, expected) in edges.iter().zip([0.0, 2.0, 4.0, 6.0, 8.0, 10.0]) {
        assert!((edge - expected).abs() < 1e-12, "{edges:?}");
    }
    assert_eq!(scale(0.0, 1.0, Norm::Linear, Levels::Count(1))?.entry(0.3), Entry::Of(127));
    Ok(())
}

#[test]
fn bands_between_edges_are_closed_below() -> Result<()> {
    let bands = scale(0.0, 1.0, Norm::Linear, Levels::Edges(vec![0.0, 64.0, 100.0, 128.0, 256.0]))?;

    assert_eq!((bands.vmin, bands.vmax), (0.0, 256.0));
    assert_eq!(
        entries(&bands, &[-1.0, 0.0, 63.9, 64.0, 100.0, 127.0, 128.0, 256.0, 999.0]),
        of(&[0, 0, 0, 85, 170, 170, 255, 255, 255])
    );
    assert_eq!(scale(0.0, 1.0, Norm::Linear, Levels::Edges(vec![0.0, 1.0]))?.entry(5.0), Entry::Of(127));
    Ok(())
}

#[test]
fn values_beyond_the_range_have_colours_of_their_own_if_asked_for() -> Result<()> {
    let mut linear = scale(0.0, 1.0, Norm::Linear, Levels::Continuous)?;
    linear.below = Some(Color::rgb(1, 2, 3));
    linear.above = Some(Color::TRANSPARENT);

    assert_eq!(
        entries(&linear, &[-0.1, 0.0, 1.0, 1.1]),
        [Entry::Below, Entry::Of(0), Entry::Of(255), Entry::Above]
    );
    assert_eq!(linear.color(Entry::Below), Color::rgb(1, 2, 3));
    assert_eq!(linear.color(Entry::Bad), Color::TRANSPARENT);
    Ok(())
}

#[test]
fn ranges_that_make_no_sense_are_refused_by_name() {
    let edges = |edges: &[f64]| Levels::Edges(edges.to_vec());
    for (vmin, vmax, norm, levels, culprit) in [
        (2.0, 1.0, Norm::Linear, Levels::Continuous, "vmin 2 is larger than vmax 1"),
        (f64::NAN, 1.0, Norm::Linear, Levels::Continuous, "vmin"),
        (0.0, f64::INFINITY, Norm::Linear, Levels::Continuous, "vmax"),
        (-1.0, 1.0, Norm::Log, Levels::Continuous, "vmin -1"),
        (0.0, 1.0, Norm::Power(0.0), Levels::Continuous, "norm"),
        (0.0, 1.0, Norm::SymLog(f64::NAN), Levels::Continuous, "norm"),
        (0.0, 1.0, Norm::Linear, Levels::Count(0), "levels"),
        (0.0, 1.0, Norm::Linear, Levels::Count(257), "levels"),
        (0.0, 1.0, Norm::Linear, edges(&[3.0, 2.0, 1.0]), "levels"),
        (0.0, 1.0, Norm::Linear, edges(&[1.0]), "levels"),
        (0.0, 1.0, Norm::Linear, edges(&[]), "levels"),
        (0.0, 1.0, Norm::Linear, edges(&[0.0, f64::NAN]), "levels"),
        (0.0, 1.0, Norm::Log, edges(&[0.0, 1.0]), "vmin"),
    ] {
        let found = scale(vmin, vmax, norm, levels);
        assert!(
            matches!(&found, Err(Error::Invalid(detail)) if detail.contains(culprit)),
            "{culprit}: {found:?}"
        );
    }
}

#[test]
fn a_range_wider_than_numbers_reach_is_still_spread() -> Result<()> {
    let wide = scale(-f64::MAX, f64::MAX, Norm::Linear, Levels::Continuous)?;

    assert_eq!(entries(&wide, &[-f64::MAX, 0.0, f64::MAX]), of(&[0, 128, 255]));
    assert!(wide.value_at(0.5).abs() < 1.0);
    Ok(())
}

fn norms() -> impl Strategy<Value = Norm> {
    prop_oneof![
        Just(Norm::Linear),
        Just(Norm::Log),
        Just(Norm::Centered),
        any::<f64>().prop_map(Norm::SymLog),
        any::<f64>().prop_map(Norm::Power),
    ]
}

proptest! {
    #[test]
    fn the_fast_way_is_the_formula(vmin in -1e6..1e6_f64, width in 1e-6..1e6_f64, at in -0.1..1.1_f64, whole in 0..=256_i32) {
        let linear = scale(vmin, vmin + width, Norm::Linear, Levels::Continuous).expect("a range");
        for share in [at, f64::from(whole) / 256.0] {
            let value = vmin + share * width;
            let formula = (256.0 * (value - linear.vmin) / (linear.vmax - linear.vmin)).floor().clamp(0.0, 255.0);
            prop_assert_eq!(linear.entry(value), Entry::Of(formula as u8));
        }
    }

    #[test]
    fn any_numbers_are_drawn_or_refused(a in any::<f64>(), b in any::<f64>(), norm in norms(), count in 0..300_u32, value in any::<f64>()) {
        for levels in [Levels::Continuous, Levels::Count(count), Levels::Edges(vec![a, b])] {
            if let Ok(scale) = scale(a.min(b), a.max(b), norm, levels) {
                let entry = scale.entry(value);
                prop_assert!(entry != Entry::Bad || value.is_nan() || value <= 0.0);
                scale.color(entry);
                scale.value_at(scale.share(value));
                scale.edges();
            }
        }
    }

    #[test]
    fn values_come_back_from_their_shares(share in 0.0..1.0_f64) {
        for norm in [Norm::Linear, Norm::Log, Norm::Centered, Norm::SymLog(2.0), Norm::Power(0.7)] {
            let scale = scale(1.0, 40.0, norm, Levels::Continuous).expect("a range");
            prop_assert!((scale.share(scale.value_at(share)) - share).abs() < 1e-9);
        }
    }
}
