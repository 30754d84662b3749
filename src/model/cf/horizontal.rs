//! The latitudes and longitudes of a variable.

use super::axis::Evidence;
use super::{Axis, Scope, grid};
use crate::Variable;

/// Most latitudes and longitudes of one group that variables are matched with which do not name theirs.
const MAX_CANDIDATES: usize = 64;

/// Most names in one attribute that are looked at.
const MAX_NAMES: usize = 256;

/// Latitudes and longitudes of a variable: one of each along a dimension of its own, or both over the same ones.
///
/// # Source
/// CF Conventions 1.11, sections 4.1, 4.2 and 5.
#[derive(Debug, Clone, Copy)]
pub struct Horizontal<'m> {
    /// The latitudes.
    pub latitude: &'m Variable,
    /// The longitudes.
    pub longitude: &'m Variable,
}

impl<'m> Horizontal<'m> {
    /// The latitudes and longitudes that are in a scope.
    pub fn candidates(scope: &Scope<'m>) -> Vec<&'m Variable> {
        let is_horizontal = |variable: &&Variable| {
            Axis::Latitude.evidence(variable).is_some() || Axis::Longitude.evidence(variable).is_some()
        };
        scope.variables().filter(is_horizontal).take(MAX_CANDIDATES).collect()
    }

    /// Those of a variable, which its attribute `coordinates` names, which lie along its dimensions or are `others`;
    /// `None` if it has none. Surer evidence goes before the order in which they are named.
    ///
    /// A single latitude or longitude that it does not name may be that of anything, as the point below a satellite: it
    /// is taken only if nothing else says where the variable lies.
    pub fn of(variable: &Variable, scope: &Scope<'m>, others: &[&'m Variable]) -> Option<Self> {
        let named = variable.attrs.text("coordinates").unwrap_or_default().split_whitespace();
        let mut candidates: Vec<&'m Variable> =
            named.take(MAX_NAMES).filter_map(|name| scope.named(name)).collect();
        candidates.extend(variable.dims.iter().filter_map(|dim| scope.variable(dim)));
        let (single, several): (Vec<&Variable>, Vec<&Variable>) =
            others.iter().copied().partition(|other| other.dims.is_empty());
        candidates.extend(several);
        candidates.retain(|candidate| candidate.dims.iter().all(|dim| variable.dims.contains(dim)));
        let found = Self::among(&candidates);
        if found.is_some() || single.is_empty() || grid::is_on_another(variable, scope) {
            return found;
        }
        candidates.extend(single);
        Self::among(&candidates)
    }

    /// The surest of some coordinates that go together.
    pub fn among(candidates: &[&'m Variable]) -> Option<Self> {
        let (latitudes, longitudes) = (known(candidates, Axis::Latitude), known(candidates, Axis::Longitude));
        let pairs = latitudes.iter().flat_map(|latitude| {
            longitudes.iter().map(move |longitude| Self { latitude, longitude: *longitude })
        });
        let together = pairs.clone().find(Self::go_together);
        together.or_else(|| pairs.into_iter().next())
    }

    /// True if both lie over the same dimensions, or each along at most one.
    fn go_together(&self) -> bool {
        let (latitude, longitude) = (&self.latitude.dims, &self.longitude.dims);
        latitude == longitude || (latitude.len() <= 1 && longitude.len() <= 1)
    }
}

/// Those that are known to measure an axis, the surest first.
fn known<'m>(candidates: &[&'m Variable], axis: Axis) -> Vec<&'m Variable> {
    let mut known: Vec<(Evidence, &'m Variable)> =
        candidates.iter().filter_map(|candidate| Some((axis.evidence(candidate)?, *candidate))).collect();
    known.sort_by_key(|(evidence, _)| *evidence);
    known.into_iter().take(MAX_CANDIDATES).map(|(_, candidate)| candidate).collect()
}

#[cfg(test)]
mod tests {
    use super::super::example::variable;
    use super::*;
    use crate::Group;

    fn found(variables: Vec<Variable>, data: &Variable) -> Option<(String, String)> {
        let root = Group { variables, ..Group::default() };
        let scope = Scope::at(&root, "").unwrap();
        let others = Horizontal::candidates(&scope);
        let horizontal = Horizontal::of(data, &scope, &others)?;
        Some((horizontal.latitude.name.clone(), horizontal.longitude.name.clone()))
    }

    #[test]
    fn coordinates_are_found_by_name_dimension_and_in_the_group() {
        let lat = || variable("lat", &["lat"], &[("units", "degrees_north")]);
        let lon = || variable("lon", &["lon"], &[("units", "degrees_east")]);
        let grid = || {
            [
                variable("nav_lat", &["y", "x"], &[("standard_name", "latitude")]),
                variable("nav_lon", &["y", "x"], &[("standard_name", "longitude")]),
            ]
        };
        let pair = |lat: &str, lon: &str| Some((lat.to_owned(), lon.to_owned()));

        let data = variable("t", &["time", "lat", "lon"], &[]);
        assert_eq!(found(vec![lon(), lat()], &data), pair("lat", "lon"));

        let data = variable("t", &["y", "x"], &[("coordinates", "nav_lon nav_lat")]);
        assert_eq!(found(grid().into(), &data), pair("nav_lat", "nav_lon"));

        let data = variable("t", &["time", "y", "x"], &[]);
        assert_eq!(found(grid().into(), &data), pair("nav_lat", "nav_lon"));

        let data = variable("t", &["time"], &[]);
        assert_eq!(found(grid().into(), &data), None);
    }

    #[test]
    fn single_positions_that_nothing_names_come_last() {
        let lat = || variable("sub_lat", &[], &[("standard_name", "latitude")]);
        let lon = || variable("sub_lon", &[], &[("standard_name", "longitude")]);
        let pair = Some(("sub_lat".to_owned(), "sub_lon".to_owned()));
        let series = variable("t", &["time"], &[]);
        assert_eq!(found(vec![lat(), lon()], &series), pair);

        let axes = [
            variable("lat", &["lat"], &[("units", "degrees_north")]),
            variable("lon", &["lon"], &[("units", "degrees_east")]),
        ];
        let data = variable("t", &["lat", "lon"], &[]);
        let variables = [lat(), lon()].into_iter().chain(axes).collect();
        assert_eq!(found(variables, &data), Some(("lat".to_owned(), "lon".to_owned())));

        let mapping = || variable("view", &[], &[("grid_mapping_name", "geostationary")]);
        let plane = || {
            [
                variable("x", &["x"], &[("standard_name", "projection_x_coordinate")]),
                variable("y", &["y"], &[("standard_name", "projection_y_coordinate")]),
            ]
        };
        let data = variable("t", &["y", "x"], &[]);
        assert_eq!(found([lat(), lon()].into_iter().chain(plane()).collect(), &data), None);
        let data = variable("t", &["y", "x"], &[("grid_mapping", "view")]);
        assert_eq!(found(vec![lat(), lon(), mapping()], &data), None);
        let data = variable("t", &["time"], &[("coordinates", "sub_lat sub_lon"), ("grid_mapping", "view")]);
        assert_eq!(found(vec![lat(), lon(), mapping()], &data), pair);
    }

    #[test]
    fn coordinates_that_do_not_go_together_are_passed_over() {
        let variables = vec![
            variable("lat2", &["y", "x"], &[("standard_name", "latitude")]),
            variable("lat1", &["y"], &[("standard_name", "latitude")]),
            variable("lon1", &["x"], &[("standard_name", "longitude")]),
        ];
        let data = variable("t", &["y", "x"], &[]);
        assert_eq!(found(variables, &data), Some(("lat1".to_owned(), "lon1".to_owned())));
    }
}
