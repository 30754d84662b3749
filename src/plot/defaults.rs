//! How a variable is coloured when neither the request nor the catalog says it: by what its attributes say of it.
//!
//! The colour map is that of the CF standard name. Without a standard name that is known here it is [`GENERAL`], whatever
//! the variable is called: names alone tell little, and the same field keeps its colours in every dataset. Fields that
//! say that they are differences — anomalies, trends, components of vectors, tendencies — diverge around 0 and have a
//! symmetrical range, if their values lie on both sides of 0 and nobody gives the range: heights of 1330 km centred on 0
//! would all have one colour.

use thermocline_model::{Attribute, Variable};
use thermocline_render::Levels;

use crate::options::{NormChoice, Options};

/// The colour map of everything else.
pub(crate) const GENERAL: &str = "viridis";

/// The colour map of flags.
const FLAGS: &str = "tab20";

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

/// The options with the colours that a variable's attributes suggest. Who gives an end of the range, edges or a norm has
/// decided where 0 lies: nothing is centred then.
pub(crate) fn suggested(mut options: Options, variable: &Variable) -> Options {
    let has_range = options.vmin.is_some()
        || options.vmax.is_some()
        || options.norm.is_some()
        || matches!(options.levels, Some(Levels::Edges(_)));
    if options.colormap.is_some() {
        return options;
    }
    let is_plain = !has_range && options.levels.is_none() && options.is_robust != Some(true);
    match Colors::of(variable) {
        Colors::Flags(edges) if is_plain => {
            options.colormap = Some(FLAGS.to_owned());
            options.levels = Some(Levels::Edges(edges));
        }
        Colors::Evenly(colormap) => options.colormap = Some(colormap.to_owned()),
        Colors::Around0(colormap) if !has_range => options.diverging = Some(colormap),
        Colors::Around0(colormap) if is_symmetrical(&options) => options.colormap = Some(colormap.to_owned()),
        Colors::Around0(_) | Colors::Flags(_) => options.colormap = Some(GENERAL.to_owned()),
    }
    options
}

/// True if 0 is asked for in the middle of the range.
fn is_symmetrical(options: &Options) -> bool {
    match (options.vmin, options.vmax) {
        (Some(vmin), Some(vmax)) => vmin < 0.0 && vmin == -vmax,
        _ => options.norm == Some(NormChoice::Centered),
    }
}

/// The options of arrows: without a colour map that is asked for they have no colours at all, and the ranges of their
/// components are not that of their speed.
pub(crate) fn of_arrows(asked: &Options, options: Options) -> Options {
    let colored = match asked.colormap {
        Some(_) => asked.clone(),
        None => Options::default(),
    };
    Options {
        colormap: colored.colormap,
        vmin: colored.vmin,
        vmax: colored.vmax,
        is_robust: colored.is_robust,
        norm: colored.norm,
        levels: colored.levels,
        above: colored.above,
        below: colored.below,
        bad: colored.bad,
        ..options
    }
}

/// Options without those that say where values lie.
pub(crate) fn without_range(options: &Options) -> Options {
    let bare = Options { vmin: None, vmax: None, levels: None, norm: None, ..options.clone() };
    Options { is_robust: None, above: None, below: None, ..bare }
}

/// The options of what is known to be a difference: it diverges around 0, unless `asked` has colours or a range.
pub(crate) fn of_differences(asked: &Options, options: Options) -> Options {
    if asked.colormap.is_some() || options.levels.is_some() || without_range(asked) != *asked {
        return options;
    }
    Options { colormap: None, diverging: Some(DIVERGING), ..options }
}

/// The colours that attributes suggest.
#[derive(Debug, PartialEq)]
enum Colors {
    /// One for each flag, between these edges.
    Flags(Vec<f64>),
    /// From the smallest value to the largest.
    Evenly(&'static str),
    /// Symmetrical around 0, if the values lie on both sides of it.
    Around0(&'static str),
}

impl Colors {
    fn of(variable: &Variable) -> Self {
        let standard_name = variable.attrs.text("standard_name").unwrap_or_default().to_ascii_lowercase();
        let long_name = variable.attrs.text("long_name").unwrap_or_default().to_ascii_lowercase();
        if let Some(edges) = flag_edges(variable) {
            return Self::Flags(edges);
        }
        if DIFFERENCES.iter().any(|word| long_name.contains(word)) {
            return Self::Around0(DIVERGING);
        }
        let fits = |quantity: &&Quantity| quantity.words.iter().any(|word| standard_name.contains(word));
        match QUANTITIES.iter().find(fits) {
            Some(Quantity { colormap, norm: NormChoice::Centered, .. }) => Self::Around0(colormap),
            Some(Quantity { colormap, .. }) => Self::Evenly(colormap),
            None => Self::Evenly(GENERAL),
        }
    }
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

/// The options of a request, and those of the catalog where it leaves them open and they agree with it.
pub(crate) fn with_catalog(request: &Options, catalog: &Options) -> Options {
    let mut catalog = if says_what(request) { without_what(catalog) } else { catalog.clone() };
    let is_robust = request.is_robust == Some(true);
    if is_robust {
        (catalog.vmin, catalog.vmax) = (None, None);
    }
    if is_robust || request.vmin.is_some() || request.vmax.is_some() {
        catalog.levels = catalog.levels.filter(|levels| !matches!(levels, Levels::Edges(_)));
    }
    let both = merged(request.clone(), &catalog);
    if both.check().is_ok() {
        return both;
    }
    let agreeing = Options {
        vmin: None,
        vmax: None,
        norm: None,
        levels: None,
        extent: None,
        width: None,
        height: None,
        ..catalog
    };
    merged(request.clone(), &agreeing)
}

/// True if options say what is drawn, not only how.
pub(crate) fn says_what(options: &Options) -> bool {
    let Options { kind, x, y, u, v, hue, .. } = options;
    kind.is_some() || [x, y, u, v, hue].iter().any(|name| name.is_some())
}

/// The options that say how it is drawn.
pub(crate) fn without_what(options: &Options) -> Options {
    let what =
        Options { kind: None, line_shape: None, x: None, y: None, u: None, v: None, ..options.clone() };
    Options { hue: None, ..what }
}

/// The options of `first`, and those of `second` where it leaves them open.
fn merged(first: Options, second: &Options) -> Options {
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
    use crate::Kind;
    use crate::testing::{F4, World, texts};

    fn colors(attrs: &[(&str, &str)]) -> Colors {
        let world = World::default().with("tas", &[("x", 1)], (F4, texts(attrs)), &[1], &[0.0]).build();
        Colors::of(world.manifest.dataset.root.variable("tas").unwrap())
    }

    /// Colour map, and that of values on both sides of 0, of an eastward wind for which `asked` is given.
    fn of_wind(asked: Options) -> (Option<String>, Option<&'static str>) {
        let attrs = texts(&[("standard_name", "eastward_wind")]);
        let world = World::default().with("ua", &[("x", 1)], (F4, attrs), &[1], &[0.0]).build();
        let options = suggested(asked, world.manifest.dataset.root.variable("ua").unwrap());
        assert_eq!((options.norm, &options.levels), (None, &None));
        (options.colormap, options.diverging)
    }

    #[test]
    fn every_suggested_colour_map_exists() {
        let names =
            QUANTITIES.iter().map(|quantity| quantity.colormap).chain([GENERAL, DIVERGING, CYCLIC, FLAGS]);
        for name in names {
            assert!(thermocline_render::Colormap::named(name).is_ok(), "{name}");
        }
    }

    #[tokio::test]
    async fn a_name_alone_suggests_nothing() {
        assert_eq!(colors(&[("long_name", "Field")]), Colors::Evenly(GENERAL));
    }

    #[tokio::test]
    async fn standard_names_suggest_colours_and_differences_diverge_around_0() {
        assert_eq!(colors(&[("standard_name", "air_temperature")]), Colors::Evenly("inferno"));
        assert_eq!(colors(&[("standard_name", "wind_from_direction")]), Colors::Evenly(CYCLIC));
        assert_eq!(colors(&[("standard_name", "eastward_wind")]), Colors::Around0("cmo.balance"));
        assert_eq!(colors(&[("long_name", "2 m temperature anomaly")]), Colors::Around0(DIVERGING));
    }

    #[tokio::test]
    async fn nothing_is_centred_for_who_gives_the_range() {
        let ends = |vmin, vmax| Options { vmin, vmax, ..Options::default() };
        assert_eq!(of_wind(Options::default()), (None, Some("cmo.balance")));
        assert_eq!(of_wind(ends(Some(0.0), Some(20.0))), (Some(GENERAL.to_owned()), None));
        assert_eq!(of_wind(ends(None, Some(20.0))), (Some(GENERAL.to_owned()), None));
        assert_eq!(of_wind(ends(Some(-5.0), Some(5.0))), (Some("cmo.balance".to_owned()), None));
        let magma = Options { colormap: Some("magma".into()), ..Options::default() };
        assert_eq!(of_wind(magma), (Some("magma".to_owned()), None));
    }

    #[test]
    fn a_range_is_of_the_stored_values() {
        let catalog = Options {
            colormap: Some("magma".into()),
            vmin: Some(0.0),
            levels: Some(Levels::Count(5)),
            is_robust: Some(true),
            ..Options::default()
        };
        let expected = Options { colormap: Some("magma".into()), ..Options::default() };
        assert_eq!(without_range(&catalog), expected);
    }

    #[test]
    fn the_catalog_yields_to_what_the_request_says() {
        let ends = |vmin, vmax| Options { vmin, vmax, ..Options::default() };
        let catalog =
            Options { kind: Some(Kind::Section), x: Some("lon".into()), ..ends(Some(0.0), Some(20.0)) };
        let of = |request: Options| with_catalog(&request, &catalog);
        assert_eq!(of(Options::default()), catalog);
        assert_eq!(of(ends(Some(5.0), None)).vmax, Some(20.0));
        assert_eq!(of(ends(Some(30.0), None)).vmax, None);
        let robust = of(Options { is_robust: Some(true), ..Options::default() });
        assert_eq!((robust.vmin, robust.vmax), (None, None));
        let log = of(Options { norm: Some(NormChoice::Log), ..Options::default() });
        assert_eq!((log.norm, log.vmin), (Some(NormChoice::Log), None));
        let line = of(Options { kind: Some(Kind::Line), ..Options::default() });
        assert_eq!((line.kind, line.x), (Some(Kind::Line), None));
    }
}
