//! What a coordinate measures: latitude, longitude, a projection's plane, the vertical or time.
//!
//! # Source
//! CF Conventions 1.11, sections 4 and 5.6, and appendix F. Coordinates that carry no attributes are taken by the
//! names that models give them.

use super::TimeUnits;
use crate::{Attributes, Variable};

/// What a coordinate measures.
///
/// ```
/// use thermocline_model::cf::Axis;
///
/// assert!(Axis::Latitude.has_units("degrees_north"));
/// assert!(!Axis::Latitude.has_units("degrees_east"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Axis {
    /// Degrees north.
    Latitude,
    /// Degrees east.
    Longitude,
    /// The first coordinate of a projection's plane, or the longitude of a rotated pole.
    ProjectedX,
    /// The second coordinate of a projection's plane, or the latitude of a rotated pole.
    ProjectedY,
    /// Height, depth, pressure, a model's level.
    Vertical,
    /// Time.
    Time,
}

/// How a coordinate is known, the surest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// By its `standard_name`.
    StandardName,
    /// By its units, or `positive` of the vertical.
    Units,
    /// By its attribute `axis`.
    AxisAttribute,
    /// By its name only.
    Name,
}

impl Axis {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Latitude, Self::Longitude, Self::ProjectedX, Self::ProjectedY, Self::Vertical, Self::Time];

    /// What a coordinate measures; `None` if nothing says so.
    pub fn of(variable: &Variable) -> Option<Self> {
        let known = Self::ALL.into_iter().filter_map(|axis| Some((axis.evidence(variable)?, axis)));
        known.min_by_key(|(evidence, _)| *evidence).map(|(_, axis)| axis)
    }

    /// How a variable is known to measure this; `None` if it does not.
    pub fn evidence(self, variable: &Variable) -> Option<Evidence> {
        let attrs = &variable.attrs;
        if let Some(standard_name) = attrs.text("standard_name") {
            return self.has_standard_name(standard_name).then_some(Evidence::StandardName);
        }
        let is_marked = attrs.text("axis").is_some_and(|axis| axis.eq_ignore_ascii_case(self.letter()));
        let units = attrs.text("units").map(str::trim);
        match self {
            Self::Time if TimeUnits::of(attrs).is_some() => Some(Evidence::Units),
            Self::Vertical if attrs.text("positive").is_some() => Some(Evidence::Units),
            Self::Time | Self::Vertical | Self::Latitude | Self::Longitude
                if units.is_some_and(|units| self.has_units(units)) =>
            {
                Some(Evidence::Units)
            }
            Self::Latitude | Self::Longitude if units.is_some_and(|units| !is_angle(units)) => None,
            Self::Latitude | Self::Longitude if is_marked && units.is_some() => Some(Evidence::AxisAttribute),
            Self::ProjectedX | Self::ProjectedY if is_marked && units.is_none_or(is_length) => {
                Some(Evidence::AxisAttribute)
            }
            Self::Vertical | Self::Time if is_marked => Some(Evidence::AxisAttribute),
            _ => self.has_name(&variable.name, units).then_some(Evidence::Name),
        }
    }

    /// True for units that only this axis has.
    pub fn has_units(self, units: &str) -> bool {
        match self {
            Self::Latitude => {
                matches!(
                    units,
                    "degrees_north" | "degree_north" | "degree_N" | "degrees_N" | "degreeN" | "degreesN"
                )
            }
            Self::Longitude => {
                matches!(
                    units,
                    "degrees_east" | "degree_east" | "degree_E" | "degrees_E" | "degreeE" | "degreesE"
                )
            }
            Self::Vertical => is_pressure(units) || matches!(units, "level" | "layer" | "sigma_level"),
            Self::ProjectedX | Self::ProjectedY | Self::Time => false,
        }
    }

    fn has_standard_name(self, name: &str) -> bool {
        match self {
            Self::Latitude => name == "latitude",
            Self::Longitude => name == "longitude",
            Self::ProjectedX => {
                matches!(
                    name,
                    "projection_x_coordinate" | "projection_x_angular_coordinate" | "grid_longitude"
                )
            }
            Self::ProjectedY => {
                matches!(
                    name,
                    "projection_y_coordinate" | "projection_y_angular_coordinate" | "grid_latitude"
                )
            }
            Self::Time => name == "time",
            Self::Vertical => is_vertical_name(name),
        }
    }

    fn letter(self) -> &'static str {
        match self {
            Self::Latitude | Self::ProjectedY => "Y",
            Self::Longitude | Self::ProjectedX => "X",
            Self::Vertical => "Z",
            Self::Time => "T",
        }
    }

    /// True for a name that models give to this coordinate, `units` being none or those of an angle.
    fn has_name(self, name: &str, units: Option<&str>) -> bool {
        let name = name.to_ascii_lowercase();
        let name = name.as_str();
        match self {
            // Of the grid's own coordinates, `xc` and `yc` are metres as often as degrees.
            Self::Latitude if units.is_some() && name == "yc" => true,
            Self::Longitude if units.is_some() && name == "xc" => true,
            Self::Latitude => matches!(
                name,
                "lat" | "latitude" | "nav_lat" | "clat" | "xlat" | "xlat_m" | "latcell" | "gphit"
            ),
            Self::Longitude => matches!(
                name,
                "lon" | "longitude" | "nav_lon" | "clon" | "xlong" | "xlong_m" | "loncell" | "glamt"
            ),
            Self::ProjectedX => matches!(name, "rlon"),
            Self::ProjectedY => matches!(name, "rlat"),
            Self::Vertical => {
                matches!(name, "lev" | "level" | "plev" | "depth" | "height" | "altitude" | "isobaric")
            }
            Self::Time => false,
        }
    }
}

/// True for standard names of the vertical.
///
/// # Source
/// CF Conventions 1.11, section 4.3 and appendix D.
fn is_vertical_name(name: &str) -> bool {
    let is_parametric =
        (name.starts_with("atmosphere_") || name.starts_with("ocean_")) && name.ends_with("_coordinate");
    is_parametric
        || matches!(
            name,
            "height"
                | "depth"
                | "altitude"
                | "air_pressure"
                | "sea_water_pressure"
                | "geopotential_height"
                | "height_above_geopotential_datum"
                | "height_above_reference_ellipsoid"
                | "height_above_mean_sea_level"
                | "depth_below_geoid"
                | "model_level_number"
        )
}

fn is_pressure(units: &str) -> bool {
    matches!(
        units,
        "Pa" | "pascal"
            | "pascals"
            | "hPa"
            | "hectopascal"
            | "kPa"
            | "mbar"
            | "millibar"
            | "millibars"
            | "mb"
            | "bar"
            | "atm"
            | "atmosphere"
            | "dbar"
            | "decibar"
            | "decibars"
    )
}

/// True for the units of an angle that does not say which.
pub(super) fn is_angle(units: &str) -> bool {
    matches!(units, "degrees" | "degree" | "deg") || is_radians(units)
}

/// True for a latitude or longitude in radians: its units say so, or, without units, it has a name of the meshes of MPAS,
/// which are always in radians.
///
/// # Source
/// MPAS Mesh Specification, <https://mpas-dev.github.io/files/documents/MPAS-MeshSpec.pdf>.
pub fn is_in_radians(name: &str, attrs: &Attributes) -> bool {
    match attrs.text("units").map(str::trim) {
        Some(units) => is_radians(units),
        None => attrs.text("standard_name").is_none() && matches!(name, "latCell" | "lonCell"),
    }
}

/// True for radians.
pub(super) fn is_radians(units: &str) -> bool {
    matches!(units, "radian" | "radians" | "rad")
}

/// True for lengths that a projection's plane is measured in.
pub(super) fn is_length(units: &str) -> bool {
    metres_of(units).is_some()
}

/// How many metres a unit of length has.
pub(super) fn metres_of(units: &str) -> Option<f64> {
    match units {
        "m" | "meter" | "meters" | "metre" | "metres" => Some(1.0),
        "km" | "kilometer" | "kilometers" | "kilometre" | "kilometres" => Some(1000.0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::example::{texts, variable};
    use super::*;

    #[test]
    fn radians_are_known_by_units_and_those_of_mpas_by_name() {
        assert!(is_in_radians("clat", &texts(&[("units", "radian")])));
        assert!(is_in_radians("latCell", &Attributes::new()));
        assert!(!is_in_radians("latCell", &texts(&[("units", "degrees_north")])));
        assert!(!is_in_radians("lat", &Attributes::new()));
    }

    #[test]
    fn coordinates_are_known_by_standard_name_units_axis_and_name_in_this_order() {
        type Texts = &'static [(&'static str, &'static str)];
        type Case = (&'static str, Texts, Option<(Axis, Evidence)>);
        let cases: &[Case] = &[
            (
                "a",
                &[("standard_name", "latitude"), ("units", "K")],
                Some((Axis::Latitude, Evidence::StandardName)),
            ),
            (
                "lat",
                &[("standard_name", "grid_latitude"), ("units", "degrees")],
                Some((Axis::ProjectedY, Evidence::StandardName)),
            ),
            ("lat", &[("standard_name", "air_temperature")], None),
            ("a", &[("units", "degreesE")], Some((Axis::Longitude, Evidence::Units))),
            ("a", &[("units", "degrees"), ("axis", "Y")], Some((Axis::Latitude, Evidence::AxisAttribute))),
            ("lat", &[("units", "radian")], Some((Axis::Latitude, Evidence::Name))),
            ("lat", &[("units", "m")], None),
            ("LAT", &[], Some((Axis::Latitude, Evidence::Name))),
            ("yc", &[], None),
            ("yc", &[("units", "km")], None),
            ("yc", &[("units", "degrees")], Some((Axis::Latitude, Evidence::Name))),
            ("y", &[("units", "km"), ("axis", "Y")], Some((Axis::ProjectedY, Evidence::AxisAttribute))),
            ("p", &[("units", "hPa")], Some((Axis::Vertical, Evidence::Units))),
            ("z", &[("units", "m"), ("positive", "down")], Some((Axis::Vertical, Evidence::Units))),
            ("s", &[("standard_name", "ocean_s_coordinate")], Some((Axis::Vertical, Evidence::StandardName))),
            ("t", &[("units", "days since 2000-01-01")], Some((Axis::Time, Evidence::Units))),
            ("t", &[("standard_name", "forecast_reference_time"), ("units", "days since 2000-01-01")], None),
            ("band", &[], None),
        ];
        for (name, attrs, expected) in cases {
            let variable = variable(name, &["n"], attrs);
            let axis = Axis::of(&variable);
            let found = axis.and_then(|axis| Some((axis, axis.evidence(&variable)?)));
            assert_eq!(found, *expected, "{name} {attrs:?}");
        }
    }
}
