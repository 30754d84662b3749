//! Which variables are coordinates: what dimensions and attributes name, and what says so itself.

use std::collections::HashSet;

use thermocline_model::cf::{Axis, NAMING_BOUNDS, NAMING_COORDINATES};
use thermocline_model::{Attributes, Group, Variable};

/// Paths of coordinates.
#[derive(Debug, Default)]
pub(super) struct Named {
    coordinates: HashSet<String>,
    bounds: HashSet<String>,
}

impl Named {
    /// What the variables and groups of a tree name.
    pub(super) fn of(root: &Group) -> Self {
        let variables: HashSet<String> = root.variables_below().into_iter().map(|(path, _)| path).collect();
        let mut named = Self::default();
        root.visit(&mut |path, group| named.collect(group, path, &variables));
        named
    }

    /// True for the path of a coordinate or of bounds.
    pub(super) fn contains(&self, path: &str) -> bool {
        self.coordinates.contains(path) || self.is_bounds(path)
    }

    /// True for the path of bounds.
    pub(super) fn is_bounds(&self, path: &str) -> bool {
        self.bounds.contains(path)
    }

    /// Collects what the variables of one group name, of all `variables` of the tree.
    fn collect(&mut self, group: &Group, path: &str, variables: &HashSet<String>) {
        let dims: HashSet<&str> = group.dims.iter().map(|dimension| dimension.name.as_str()).collect();
        self.coordinates.extend(named_in(&group.attrs, &["coordinates"], path, variables));
        for variable in &group.variables {
            let is_index = variable.dims.contains(&variable.name) || dims.contains(variable.name.as_str());
            if is_index || says_so(variable) {
                self.coordinates.insert(join(path, &variable.name));
            }
            self.coordinates.extend(named_in(&variable.attrs, &NAMING_COORDINATES, path, variables));
            self.bounds.extend(named_in(&variable.attrs, &NAMING_BOUNDS, path, variables));
        }
    }
}

/// Most dimensions of coordinates that nothing names.
const MAX_RANK: usize = 2;

/// True for latitudes, longitudes and times that no attribute names: many files leave that out, and boxes and times are
/// looked up in them all the same.
fn says_so(variable: &Variable) -> bool {
    let is = |axis: Axis| axis.evidence(variable).is_some();
    let is_time = variable.attrs.text("standard_name") == Some("time");
    variable.dims.len() <= MAX_RANK && (is_time || is(Axis::Latitude) || is(Axis::Longitude))
}

/// Paths of the variables that attributes of something in the group at `path` name.
fn named_in<'a>(
    attrs: &'a Attributes,
    naming: &'a [&str],
    path: &'a str,
    variables: &'a HashSet<String>,
) -> impl Iterator<Item = String> + 'a {
    let texts = naming.iter().filter_map(|attribute| attrs.text(attribute));
    texts.flat_map(names).filter_map(move |name| find(variables, path, name))
}

/// The names in an attribute; `grid_mapping` may write `crs: x y`.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace().map(|name| name.trim_end_matches(':')).filter(|name| !name.is_empty())
}

/// The path of the variable of a name: in the group, else in the nearest group above; names may be paths.
fn find(variables: &HashSet<String>, path: &str, name: &str) -> Option<String> {
    if let Some(absolute) = name.strip_prefix('/') {
        return variables.get(absolute).cloned();
    }
    let mut group = path;
    loop {
        if let Some(found) = variables.get(&join(group, name)) {
            return Some(found.clone());
        }
        if group.is_empty() {
            return None;
        }
        group = group.rsplit_once('/').map_or("", |(parent, _)| parent);
    }
}

/// The path of what has that name in the group at `path`.
pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use thermocline_model::{Attribute, DataType, Storage, Verification};

    #[test]
    fn names_are_found_in_the_nearest_group_above() {
        let variables: HashSet<String> = ["x", "a/x", "a/b/y"].map(str::to_owned).into();
        let find = |path, name| find(&variables, path, name);
        assert_eq!(find("a/b", "x").as_deref(), Some("a/x"));
        assert_eq!(find("c", "x").as_deref(), Some("x"));
        assert_eq!(find("a/b", "/x").as_deref(), Some("x"));
        assert_eq!(find("", "a/b/y").as_deref(), Some("a/b/y"));
        assert_eq!(find("", "y"), None);
    }

    #[test]
    fn latitudes_longitudes_and_times_need_no_name_of_theirs_elsewhere() {
        let variable = |name: &str, rank: usize, attribute: (&str, &str)| Variable {
            name: name.to_owned(),
            dims: (0..rank).map(|axis| format!("d{axis}")).collect(),
            shape: vec![1; rank],
            dtype: DataType::Bool,
            fill: None,
            attrs: [(attribute.0.to_owned(), Attribute::Text(attribute.1.to_owned()))].into_iter().collect(),
            storage: Storage {
                chunk_shape: vec![1; rank],
                served_chunk_shape: vec![1; rank],
                encodings: Vec::new(),
                table: 0,
                source_path: String::new(),
            },
            verification: Verification::Unverified { reason: String::new() },
        };
        let variables = vec![
            variable("a", 2, ("standard_name", "latitude")),
            variable("b", 1, ("units", "degrees_east")),
            variable("c", 1, ("standard_name", "time")),
            variable("d", 3, ("standard_name", "latitude")),
            variable("e", 1, ("units", "K")),
        ];
        let named = Named::of(&Group { variables, ..Group::default() });
        assert_eq!(
            ["a", "b", "c", "d", "e"].map(|name| named.contains(name)),
            [true, true, true, false, false]
        );
    }
}
