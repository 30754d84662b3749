//! The names of axes: dimension scales, netCDF-4's dimensions, names that HDF-EOS5 gives, phony dimensions.
//!
//! # Specification
//! HDF5 Dimension Scale Specification (`DIMENSION_LIST`, `CLASS`, `NAME`); netCDF-4 file format, "Dimensions"
//! (`_Netcdf4Dimid`, `_Netcdf4Coordinates`, hidden dimensions, phony dimensions).

use std::collections::{HashMap, HashSet};

use thermocline_core::Result;
use thermocline_model::{Dimension, Note};

use crate::attributes::Machinery;
use crate::files::{Files, Identity};
use crate::mapping::Dialect;
use crate::tree::{ArrayNode, GroupNode};

/// How netCDF-4 marks a dimension that no variable has the name of.
const HIDDEN: &str = "This is a netCDF dimension but not a netCDF variable";

/// How netCDF-4 names a variable that has the name of a dimension without being its coordinate.
const NON_COORDINATE: &str = "_nc4_non_coord_";

/// The axes of one array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Axes {
    pub(crate) names: Vec<String>,
    /// The shape as it is served.
    pub(crate) shape: Vec<u64>,
}

/// The axes of all arrays, and the dimensions of all groups.
#[derive(Debug, Default)]
pub(crate) struct Dimensions {
    /// By path of the array.
    axes: HashMap<String, Axes>,
    /// By path of the group.
    groups: HashMap<String, Vec<Dimension>>,
    /// Paths of arrays that only stand for a dimension.
    hidden: HashSet<String>,
    /// True if netCDF wrote the file.
    is_netcdf: bool,
    /// What was changed.
    pub(crate) notes: Vec<Note>,
}

impl Dimensions {
    pub(crate) fn axes(&self, path: &str) -> Option<&Axes> {
        self.axes.get(path)
    }

    pub(crate) fn of_group(&self, path: &str) -> Vec<Dimension> {
        self.groups.get(path).cloned().unwrap_or_default()
    }

    pub(crate) fn is_hidden(&self, path: &str) -> bool {
        self.hidden.contains(path)
    }

    /// Whose reading of types counts.
    pub(crate) fn dialect(&self) -> Dialect {
        if self.is_netcdf { Dialect::Netcdf } else { Dialect::Hdf5 }
    }

    /// The name of a variable: netCDF-4's prefix is its own business.
    pub(crate) fn variable_name<'n>(&self, name: &'n str) -> &'n str {
        if self.is_netcdf { name.strip_prefix(NON_COORDINATE).unwrap_or(name) } else { name }
    }
}

/// What is known of an array's dimensions before they are put together.
struct Scale {
    name: String,
    group: String,
    rank: usize,
    len: u64,
    is_unlimited: bool,
    id: Option<i128>,
}

/// An axis on its way to a name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Axis {
    /// It belongs to a scale.
    Scale(Identity),
    /// It has a name without a scale.
    Named(String),
    /// Nothing is said of it.
    Unknown,
}

/// Names that a convention gives to arrays by their paths, for axes that have no scale.
pub(crate) type Hints = HashMap<String, Vec<String>>;

/// Finds the names of all axes.
pub(crate) fn find(root: &GroupNode, files: &Files<'_>, hints: &Hints) -> Result<Dimensions> {
    let mut finding = Finding {
        files,
        hints,
        scales: HashMap::new(),
        order: Vec::new(),
        by_id: HashMap::new(),
        axes: HashMap::new(),
        found: Dimensions::default(),
        lengths: HashMap::new(),
        n_phony: 0,
    };
    finding.found.is_netcdf = finding.is_netcdf_root(root)?;
    finding.collect_scales(root)?;
    finding.collect_axes(root)?;
    if finding.found.is_netcdf {
        let mut lengths = HashMap::new();
        finding.measure(root, &mut lengths);
        finding.lengths = lengths;
    }
    finding.n_phony = finding.scales.len();
    finding.name_group(root);
    Ok(finding.found)
}

struct Finding<'f, 'a> {
    files: &'f Files<'a>,
    hints: &'f Hints,
    scales: HashMap<Identity, Scale>,
    /// Scales in the order of the walk.
    order: Vec<Identity>,
    by_id: HashMap<(usize, i128), Identity>,
    /// The axes of each array by its path.
    axes: HashMap<String, Vec<Axis>>,
    found: Dimensions,
    /// Lengths of unlimited dimensions, where netCDF makes all variables along them equally long.
    lengths: HashMap<Identity, u64>,
    n_phony: usize,
}

fn identity(node: &ArrayNode) -> Identity {
    (node.file, node.array.address)
}

impl Finding<'_, '_> {
    fn is_netcdf_root(&self, root: &GroupNode) -> Result<bool> {
        let machinery = Machinery::new(self.files.get(root.file)?, &root.attributes);
        Ok(machinery.has("_NCProperties") || machinery.has("_nc3_strict"))
    }

    fn collect_scales(&mut self, group: &GroupNode) -> Result<()> {
        for node in &group.arrays {
            let machinery = Machinery::new(self.files.get(node.file)?, &node.attributes);
            let id = machinery.integers("_Netcdf4Dimid").and_then(|ids| ids.first().copied());
            self.found.is_netcdf |= id.is_some() || machinery.has("_Netcdf4Coordinates");
            let is_scale = machinery.text("CLASS")?.as_deref() == Some("DIMENSION_SCALE");
            let Some(shape) = node.array.shape().filter(|_| is_scale) else { continue };
            let is_hidden = machinery.text("NAME")?.is_some_and(|name| name.starts_with(HIDDEN));
            if is_hidden {
                self.found.hidden.insert(node.path.clone());
                self.found.is_netcdf = true;
            }
            let identity = identity(node);
            if let Some(known) = self.scales.get_mut(&identity) {
                // Of several hard links to one dimension netCDF-C takes the name of the last.
                if id.is_some() && node.path == node.source_path && known.group == group.path {
                    known.name.clone_from(&node.name);
                }
                continue;
            }
            if shape.is_empty() {
                continue;
            }
            let scale = Scale {
                name: node.name.clone(),
                group: group.path.clone(),
                rank: shape.len(),
                len: shape.first().copied().unwrap_or(0),
                is_unlimited: node.array.is_unlimited(0),
                id,
            };
            if let Some(id) = id {
                self.by_id.entry((node.file, id)).or_insert(identity);
            }
            self.order.push(identity);
            self.scales.insert(identity, scale);
        }
        group.groups.iter().try_for_each(|child| self.collect_scales(child))
    }

    fn collect_axes(&mut self, group: &GroupNode) -> Result<()> {
        for node in &group.arrays {
            let Some(rank) = node.array.shape().map(<[u64]>::len) else { continue };
            let axes = self.axes_of(node, rank)?;
            self.axes.insert(node.path.clone(), axes);
        }
        group.groups.iter().try_for_each(|child| self.collect_axes(child))
    }

    fn axes_of(&self, node: &ArrayNode, rank: usize) -> Result<Vec<Axis>> {
        let machinery = Machinery::new(self.files.get(node.file)?, &node.attributes);
        let mut axes = vec![Axis::Unknown; rank];
        if let Some(hints) = self.hints.get(&node.path).filter(|hints| hints.len() == rank) {
            axes = hints.iter().cloned().map(Axis::Named).collect();
        }
        let own = identity(node);
        if self.scales.contains_key(&own)
            && let Some(first) = axes.first_mut()
        {
            *first = Axis::Scale(own);
        }
        if let Some(ids) = machinery.integers("_Netcdf4Coordinates").filter(|ids| ids.len() == rank) {
            for (axis, id) in axes.iter_mut().zip(ids) {
                if let Some(scale) = self.by_id.get(&(node.file, id)) {
                    *axis = Axis::Scale(*scale);
                }
            }
        }
        if let Some(list) = machinery.dimension_list()?.filter(|list| list.len() == rank) {
            for (axis, scales) in axes.iter_mut().zip(list) {
                let known = scales
                    .iter()
                    .map(|address| (node.file, *address))
                    .find(|id| self.scales.contains_key(id));
                if let Some(scale) = known {
                    *axis = Axis::Scale(scale);
                }
            }
        }
        Ok(axes)
    }

    /// The lengths of unlimited dimensions: those of the longest array along them.
    fn measure(&self, group: &GroupNode, lengths: &mut HashMap<Identity, u64>) {
        for node in &group.arrays {
            let (Some(shape), Some(axes)) = (node.array.shape(), self.axes.get(&node.path)) else { continue };
            if self.found.is_hidden(&node.path) {
                continue;
            }
            for (number, (axis, length)) in axes.iter().zip(shape).enumerate() {
                let Axis::Scale(scale) = axis else { continue };
                if node.array.is_unlimited(number) {
                    let longest = lengths.entry(*scale).or_insert(0);
                    *longest = (*longest).max(*length);
                }
            }
        }
        group.groups.iter().for_each(|child| self.measure(child, lengths));
    }

    /// Names the axes of all arrays below a group; subgroups first, as netCDF-C numbers phony dimensions.
    fn name_group(&mut self, group: &GroupNode) {
        group.groups.iter().for_each(|child| self.name_group(child));
        let mut naming = Naming { dims: self.dims_of(group), foreign: Vec::new(), lengths: HashMap::new() };
        for dimension in &naming.dims {
            naming.lengths.entry(dimension.name.clone()).or_insert(dimension.len);
        }
        for node in &group.arrays {
            if self.found.is_hidden(&node.path) || node.array.shape().is_none() {
                continue;
            }
            let axes = self.axes.get(&node.path).cloned().unwrap_or_default();
            let named = self.name_array(group, node, &axes, &mut naming);
            self.found.axes.insert(node.path.clone(), named);
        }
        let mut dims = naming.dims;
        dims.extend(naming.foreign);
        self.found.groups.insert(group.path.clone(), dims);
    }

    /// The dimensions that a group defines, in netCDF's order.
    fn dims_of(&self, group: &GroupNode) -> Vec<Dimension> {
        let of_group =
            |identity: &&Identity| self.scales.get(*identity).is_some_and(|scale| scale.group == group.path);
        let mut scales: Vec<&Identity> = self.order.iter().filter(of_group).collect();
        scales.sort_by_key(|identity| self.scales.get(*identity).and_then(|scale| scale.id));
        let mut dims: Vec<Dimension> = Vec::new();
        for identity in scales {
            let Some(scale) = self.scales.get(identity) else { continue };
            if scale.rank > 1 && !self.found.is_netcdf {
                continue;
            }
            let len = self.lengths.get(identity).copied().unwrap_or(scale.len);
            let is_unlimited = scale.is_unlimited;
            dims.push(Dimension { name: scale.name.clone(), len, is_unlimited });
        }
        dims
    }

    fn name_array(
        &mut self,
        group: &GroupNode,
        node: &ArrayNode,
        axes: &[Axis],
        naming: &mut Naming,
    ) -> Axes {
        let shape = node.array.shape().unwrap_or_default();
        let mut named = Axes { names: Vec::new(), shape: Vec::new() };
        let mut used_phony = HashSet::new();
        for (number, (axis, length)) in axes.iter().zip(shape).enumerate() {
            let is_unlimited = node.array.is_unlimited(number);
            let mut len = *length;
            let wanted = match axis {
                Axis::Scale(scale) => {
                    if is_unlimited {
                        len = len.max(self.lengths.get(scale).copied().unwrap_or(0));
                    }
                    let known = self.scales.get(scale);
                    let is_own = *scale == identity(node)
                        && shape.len() == 1
                        && known.is_some_and(|known| known.id.is_none());
                    let name =
                        if is_own { Some(node.name.clone()) } else { known.map(|known| known.name.clone()) };
                    name.inspect(|name| self.import(group, *scale, name, len, is_unlimited, naming))
                }
                Axis::Named(name) => {
                    let dimension = Dimension { name: name.clone(), len, is_unlimited };
                    naming.add(dimension);
                    Some(name.clone())
                }
                Axis::Unknown => None,
            };
            let name = match wanted {
                Some(name) if naming.lengths.get(&name).is_none_or(|known| *known == len) => name,
                Some(name) => {
                    let other = self.phony(naming, len, is_unlimited, &mut used_phony);
                    let note = format!(
                        "axis {number} has the name {name:?} of a dimension of another length and is served as {other:?}"
                    );
                    self.found.notes.push(Note { path: node.path.clone(), note });
                    other
                }
                None => match naming.same_length(len, is_unlimited) {
                    Some(name) => name,
                    None => self.phony(naming, len, is_unlimited, &mut used_phony),
                },
            };
            naming.lengths.entry(name.clone()).or_insert(len);
            named.names.push(name);
            named.shape.push(len);
        }
        let distinct: HashSet<&String> = named.names.iter().collect();
        if distinct.len() < named.names.len() {
            let note = format!("has a dimension twice: {}", named.names.join(", "));
            self.found.notes.push(Note { path: node.path.clone(), note });
        }
        named
    }

    /// Takes a dimension that neither this group nor one above it defines into this group.
    fn import(
        &self,
        group: &GroupNode,
        scale: Identity,
        name: &str,
        len: u64,
        is_unlimited: bool,
        naming: &mut Naming,
    ) {
        let is_above = self.scales.get(&scale).is_some_and(|scale| {
            scale.name == name
                && (scale.group.is_empty()
                    || group.path == scale.group
                    || group.path.strip_prefix(&scale.group).is_some_and(|rest| rest.starts_with('/')))
        });
        let is_known = naming.dims.iter().chain(&naming.foreign).any(|dimension| dimension.name == name);
        if !is_above && !is_known {
            naming.foreign.push(Dimension { name: name.to_owned(), len, is_unlimited });
        }
    }

    /// A dimension without a name: one for each length in a group, more where one array has a length twice.
    fn phony(
        &mut self,
        naming: &mut Naming,
        len: u64,
        is_unlimited: bool,
        used: &mut HashSet<String>,
    ) -> String {
        let known = naming.dims.iter().find(|dimension| {
            dimension.name.starts_with("phony_dim_")
                && dimension.len == len
                && !used.contains(&dimension.name)
        });
        let name = match known {
            Some(dimension) => dimension.name.clone(),
            None => {
                let name = format!("phony_dim_{}", self.n_phony);
                self.n_phony += 1;
                naming.dims.push(Dimension { name: name.clone(), len, is_unlimited });
                name
            }
        };
        used.insert(name.clone());
        name
    }
}

/// The names in use in one group.
struct Naming {
    /// Dimensions that the group defines.
    dims: Vec<Dimension>,
    /// Dimensions of other groups that its arrays use.
    foreign: Vec<Dimension>,
    /// The length that each name has in this group.
    lengths: HashMap<String, u64>,
}

impl Naming {
    fn add(&mut self, dimension: Dimension) {
        if !self.dims.iter().any(|known| known.name == dimension.name) {
            self.dims.push(dimension);
        }
    }

    /// netCDF-C gives an axis without scale to the first dimension of the group that has its length.
    fn same_length(&self, len: u64, is_unlimited: bool) -> Option<String> {
        let found = self.dims.iter().find(|dimension| {
            dimension.len == len
                && dimension.is_unlimited == is_unlimited
                && !dimension.name.starts_with("phony_dim_")
        });
        found.map(|dimension| dimension.name.clone())
    }
}
