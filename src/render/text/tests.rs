use super::*;

#[test]
fn units_are_typeset_as_people_write_them() {
    let table = [
        ("m s-1", "m s⁻¹"),
        ("kg m**-2", "kg m⁻²"),
        ("W m^-2", "W m⁻²"),
        ("W.m-2", "W m⁻²"),
        ("m^{-2}", "m⁻²"),
        ("m2 s-2", "m² s⁻²"),
        ("m3/m3", "m³/m³"),
        ("K/s", "K/s"),
        ("kg m-2 s-1", "kg m⁻² s⁻¹"),
        ("mol m-3", "mol m⁻³"),
        ("10^-6 kg", "10⁻⁶ kg"),
        ("mm day-1", "mm day⁻¹"),
        ("degC", "°C"),
        ("degrees_C", "°C"),
        ("degree_Celsius", "°C"),
        ("degK", "K"),
        ("degrees_north", "°N"),
        ("degrees_east", "°E"),
        ("1", ""),
        ("dimensionless", ""),
        ("", ""),
        ("%", "%"),
        ("percent", "%"),
        ("um", "µm"),
        ("micron", "µm"),
        ("hPa", "hPa"),
        ("0.001", "0.001"),
        ("1e-3", "1e-3"),
        ("(0 - 1)", "(0 - 1)"),
        ("days since 1990-01-01 00:00:00", "days since 1990-01-01 00:00:00"),
        ("m-1-2", "m-1-2"),
        ("m-", "m-"),
        ("//", "//"),
    ];
    for (units, typeset) in table {
        assert_eq!(typeset_units(units), typeset, "of {units:?}");
    }
}

#[test]
fn a_longer_text_is_wider_and_widths_grow_with_the_size() {
    assert!(width("ii", 12.0) > width("i", 12.0));
    assert!((width("Temperature", 24.0) - 2.0 * width("Temperature", 12.0)).abs() < 1e-3);
    assert_eq!(width("", 12.0), 0.0);
}

#[test]
fn the_font_has_the_signs_of_scales_and_units() {
    let signs = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺₀₁₂₃₄₅₆₇₈₉°′″µ−×·‰√äéøßŠžłΔαβγФж…–—→←↑↓≤≥∞";
    let missing = ink('\u{4E2D}');
    for sign in signs.chars() {
        assert_ne!(ink(sign), missing, "{sign} is drawn as a box");
    }
    assert!(!missing.is_empty(), "a character without a sign is drawn as a box");
}

fn ink(c: char) -> Vec<(i32, i32)> {
    let mut pixels = Vec::new();
    let spot = Spot { x: 5.0, y: 30.0, angle: 0.0 };
    draw(&c.to_string(), 24.0, spot, &mut |x, y, coverage| {
        if coverage > 0.4 {
            pixels.push((x, y));
        }
    });
    pixels
}

#[test]
fn a_text_too_wide_is_cut_with_an_ellipsis_and_fits() {
    let title = "Sea water potential temperature at the surface of the ocean";
    for most in [30.0, 100.0, 200.0] {
        let cut = shortened(title, 14.0, most);
        assert!(cut.ends_with('…') && width(&cut, 14.0) <= most, "{cut}");
    }
    assert_eq!(shortened(title, 14.0, 1e4), title);
    assert_eq!(shortened(title, 14.0, 1.0), "");
}

#[test]
fn lines_are_broken_at_spaces_and_only_the_last_is_cut() {
    let lines = wrap("one two three four five six seven", 12.0, 60.0, 2);
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|line| width(line, 12.0) <= 60.0), "{lines:?}");
    assert!(!lines[0].ends_with('…') && lines[1].ends_with('…'), "{lines:?}");
    assert_eq!(wrap("", 12.0, 60.0, 2), Vec::<String>::new());
}

#[test]
fn a_turned_text_has_as_much_ink() {
    let ink_at = |angle: f32| {
        let mut ink = 0.0;
        draw("Latitude", 20.0, Spot { x: 100.0, y: 100.0, angle }, &mut |_, _, coverage| ink += coverage);
        ink
    };
    let (flat, upright) = (ink_at(0.0), ink_at(-std::f32::consts::FRAC_PI_2));
    assert!((flat - upright).abs() / flat < 0.02, "{flat} and {upright}");
}

#[test]
fn control_characters_are_not_drawn() {
    assert_eq!(printable("a\nb\u{0}c "), "a b c");
}
