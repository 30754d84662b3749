//! How a variable is coloured when neither the request nor the catalog says it: by what its attributes say of it.
//!
//! The colour map is that of the CF standard name. Without a standard name that is known here it is [`GENERAL`], whatever
//! the variable is called: names alone tell little, and the same field keeps its colours in every dataset. Fields that
//! say that they are differences — anomalies, trends, components of vectors, tendencies — diverge around 0: their range
//! is symmetrical. Whether a field straddles 0 is not looked up in its values: the colours of one step would differ from
//! those of the next.

use thermocline_model::{Attribute, Variable};
use thermocline_render::Levels;

use crate::options::{NormChoice, Options};

/// The colour map of everything else.
pub(crate) const GENERAL: &str = "viridis";

/// The colour map of differences.
const DIVERGING: &str = "RdBu_r";

/// The colour map of directions and phases.
const CYCLIC: &str = "cmo.phase";

/// Most values of a flag that get a colour of their own.
const MAX_FLAGS: usize = 64;

/// What is known of a quantity by its standard name.
struct Quantity {
    /// What the standard name contains.
    words: &'static [&'static str],
    colormap: &'static str,
    norm: NormChoice,
}

const fn evenly(words: &'static [&'static str], colormap: &'static str) -> Quantity {
    Quantity { words, colormap, norm: NormChoice::Linear }
}

const fn around_0(words: &'static [&'static str], colormap: &'static str) -> Quantity {
    Quantity { words, colormap, norm: NormChoice::Centered }
}

/// Quantities by parts of their standard names; the first that fits counts.
///
/// # Source
/// CF Standard Name Table, version 85. The choice of maps follows Thyng and others (2016), "True Colors of Oceanography".
const QUANTITIES: &[Quantity] = &[
    around_0(&["_anomaly", "tendency_of_", "_trend", "difference", "correction", "_bias"], DIVERGING),
    evenly(&["from_direction", "to_direction", "_phase"], CYCLIC),
    around_0(
        &["eastward_", "northward_", "upward_air_velocity", "lagrangian_tendency", "x_wind", "y_wind"],
        "cmo.balance",
    ),
    around_0(&["sea_water_x_velocity", "sea_water_y_velocity", "upward_sea_water_velocity"], "cmo.balance"),
    around_0(&["vorticity", "divergence", "sea_surface_height_above"], "cmo.balance"),
    evenly(&["wind_speed", "sea_water_speed"], "cmo.speed"),
    evenly(
        &[
            "sea_surface_temperature",
            "sea_water_temperature",
            "sea_water_potential_temperature",
            "sea_water_conservative_temperature",
        ],
        "cmo.thermal",
    ),
    evenly(&["temperature"], "inferno"),
    evenly(&["precipitation", "rainfall", "snowfall", "convective_rain", "stratiform_rain"], "cmo.rain"),
    evenly(&["humidity", "water_vapor", "dew_point_depression", "mixing_ratio"], "YlGnBu"),
    evenly(&["cloud", "snow", "ice_area_fraction", "sea_ice", "land_ice"], "cmo.ice"),
    evenly(&["salinity"], "cmo.haline"),
    evenly(&["chlorophyll"], "cmo.algae"),
    evenly(&["oxygen"], "cmo.oxy"),
    evenly(&["turbidity", "suspended_matter"], "cmo.turbid"),
    evenly(&["leaf_area", "vegetation"], "YlGn"),
    around_0(&["surface_altitude", "height_above_reference_ellipsoid", "bedrock_altitude"], "cmo.topo"),
    evenly(&["sea_floor_depth"], "cmo.deep"),
    evenly(&["sea_surface_wave", "wave_significant_height"], "cmo.amp"),
];

/// Words of a long name that say of a field that it is a difference.
const DIFFERENCES: [&str; 6] =
    ["anomaly", "anomalies", "difference", "departure from", "trend", "deviation from"];

/// The options of a variable that its attributes suggest: colour map, norm, and the levels of flags.
pub(crate) fn of_variable(variable: &Variable) -> Options {
    let mut options = Options { colormap: Some(GENERAL.to_owned()), ..Options::default() };
    let standard_name = variable.attrs.text("standard_name").unwrap_or_default().to_ascii_lowercase();
    let long_name = variable.attrs.text("long_name").unwrap_or_default().to_ascii_lowercase();
    if let Some(edges) = flag_edges(variable) {
        options.colormap = Some("tab20".to_owned());
        options.levels = Some(Levels::Edges(edges));
        return options;
    }
    let fits = |quantity: &&Quantity| quantity.words.iter().any(|word| standard_name.contains(word));
    let is_difference = DIFFERENCES.iter().any(|word| long_name.contains(word));
    if is_difference {
        options.colormap = Some(DIVERGING.to_owned());
        options.norm = Some(NormChoice::Centered);
    } else if let Some(quantity) = QUANTITIES.iter().find(fits) {
        options.colormap = Some(quantity.colormap.to_owned());
        options.norm = (quantity.norm != NormChoice::Linear).then_some(quantity.norm);
    }
    options
}

/// Edges around the values of a flag, if they are integers in a row: each gets a colour of its own.
fn flag_edges(variable: &Variable) -> Option<Vec<f64>> {
    variable.attrs.text("flag_meanings")?;
    let Some(Attribute::Numbers { values, .. }) = variable.attrs.get("flag_values") else { return None };
    let mut values: Vec<f64> = values.iter().map(|value| value.as_f64()).collect();
    if values.len() < 2 || values.len() > MAX_FLAGS || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    values.sort_by(f64::total_cmp);
    values.dedup();
    let between = values.windows(2).filter_map(|pair| match pair {
        [lo, hi] => Some((lo + hi) / 2.0),
        _ => None,
    });
    let (first, last) = (values.first()? - 0.5, values.last()? + 0.5);
    Some(std::iter::once(first).chain(between).chain([last]).collect())
}

/// The options of `first`, and those of `second` where it leaves them open.
pub(crate) fn merged(first: Options, second: &Options) -> Options {
    let mut merged = first;
    for spec in Options::all() {
        if spec.write(&merged).is_none()
            && let Some(value) = spec.write(second)
        {
            // What was written by an option is read by it; an option that could not be stays open.
            let _ = spec.read(&value, &mut merged);
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{F4, World, texts};

    fn suggested(attrs: &[(&str, &str)]) -> (String, Option<NormChoice>) {
        let world = World::default().with("tas", &[("x", 1)], (F4, texts(attrs)), &[1], &[0.0]).build();
        let options = of_variable(world.manifest.dataset.root.variable("tas").unwrap());
        (options.colormap.unwrap(), options.norm)
    }

    #[test]
    fn every_suggested_colour_map_exists() {
        let names =
            QUANTITIES.iter().map(|quantity| quantity.colormap).chain([GENERAL, DIVERGING, CYCLIC, "tab20"]);
        for name in names {
            assert!(thermocline_render::Colormap::named(name).is_ok(), "{name}");
        }
    }

    #[tokio::test]
    async fn a_name_alone_suggests_nothing() {
        assert_eq!(suggested(&[("long_name", "Field")]), (GENERAL.to_owned(), None));
    }

    #[tokio::test]
    async fn standard_names_suggest_colours_and_differences_diverge_around_0() {
        assert_eq!(suggested(&[("standard_name", "air_temperature")]), ("inferno".to_owned(), None));
        assert_eq!(suggested(&[("standard_name", "wind_from_direction")]).0, CYCLIC);
        let around_0 = Some(NormChoice::Centered);
        assert_eq!(suggested(&[("standard_name", "eastward_wind")]).1, around_0);
        assert_eq!(suggested(&[("long_name", "2 m temperature anomaly")]), (DIVERGING.to_owned(), around_0));
    }
}
