//! The coordinate of a grouper: its labels, and the axes of the variable that they lie along.

use std::sync::Arc;

use thermocline_core::ErrorKind;
use thermocline_core::manifest::Manifest;
use thermocline_core::select::{Coordinate, Labels, ResolvedVariable};
use thermocline_model::cf::{DateTime, Scope, TimeUnits};
use thermocline_model::{Attribute, Attributes, DataType, Place, Variable};

use super::chosen::chosen;
use super::{Coded, Factor, GroupLabels, NO_GROUP, Rule};
use crate::{Estimate, Failure};

/// Most positions of a dimension without coordinate, as many as a coordinate may have labels.
const MAX_POSITIONS: u64 = 1 << 25;

/// The labels of a coordinate along axes of a variable.
pub(super) struct Along<'m> {
    /// Name of the coordinate.
    pub(super) name: String,
    /// The labels, in C order of `axes`.
    pub(super) labels: Labels,
    /// True for labels that the selection has.
    pub(super) chosen: Vec<bool>,
    /// True for numbers that stand for booleans.
    pub(super) is_boolean: bool,
    /// Axes of the variable in the order of the coordinate.
    axes: Vec<usize>,
    /// Lengths of these.
    lens: Vec<usize>,
    /// The coordinate as it is stored; none of a dimension without one.
    variable: Option<&'m Variable>,
    /// What is selected of the variable that is grouped.
    selected: &'m ResolvedVariable,
}

impl<'m> Along<'m> {
    /// Reads a coordinate that exists. Blocking.
    pub(super) fn read(
        manifest: &Manifest,
        scope: &Scope<'m>,
        grouped: &Variable,
        selected: &'m ResolvedVariable,
        name: &str,
    ) -> Result<Self, Failure> {
        let is_dim = grouped.dims.iter().any(|dim| dim == name);
        let stored = scope.variable(name);
        let dims = match stored {
            Some(variable) => thermocline_model::cf::along(variable).to_vec(),
            None => vec![name.to_owned()],
        };
        let axes = axes(grouped, selected, name, &dims)?;
        let lens = lens(grouped, &axes, name)?;
        let (labels, is_boolean) = match stored {
            Some(variable) => (read_labels(manifest, variable)?, stands_for_booleans(variable)),
            None if is_dim => (positions(&lens), false),
            None => return Err(no_common_dim(grouped, name, &dims)),
        };
        if Some(labels.len()) != lens.iter().try_fold(1_usize, |n, len| n.checked_mul(*len)) {
            return Err(Failure::mistake(format!(
                "coordinate '{name}' has another shape than variable '{}' has along it",
                grouped.name
            )));
        }
        let chosen = chosen(selected, &axes, &lens);
        if !chosen.contains(&true) {
            return Err(Failure::mistake(format!("nothing of coordinate '{name}' is selected")));
        }
        Ok(Self { name: name.to_owned(), labels, chosen, is_boolean, axes, lens, variable: stored, selected })
    }

    /// True for times.
    pub(super) fn is_time(&self) -> bool {
        matches!(self.labels, Labels::Times { .. })
    }

    /// True for times that nobody can decode.
    pub(super) fn is_undecodable(&self) -> bool {
        !self.is_time() && self.variable.is_some_and(|variable| TimeUnits::of(&variable.attrs).is_some())
    }

    /// The selected times, `None` where there is none; with their units.
    ///
    /// # Errors
    /// [`Failure::Impossible`] for times that cannot be decoded, [`Failure::Mistake`] for what is no time.
    pub(super) fn times(&self) -> Result<Times<'_>, Failure> {
        let name = &self.name;
        let units = self.variable.and_then(|variable| TimeUnits::of(&variable.attrs));
        match (&self.labels, units) {
            (Labels::Times { ticks, .. }, Some(Ok(units))) => {
                Ok(Times { ticks, chosen: &self.chosen, units, attrs: self.variable.map(|it| &it.attrs) })
            }
            (_, Some(Err(error))) => Err(Failure::Impossible(format!(
                "coordinate '{name}' is a time that cannot be decoded: {error}"
            ))),
            _ => Err(Failure::mistake(format!("coordinate '{name}' is no time: it has no components"))),
        }
    }

    /// The failure of a grouping without any group.
    pub(super) fn without_labels(&self) -> Failure {
        Failure::mistake(format!(
            "every selected label of coordinate '{}' is missing: there is no group",
            self.name
        ))
    }

    /// The groups as a factor of the result.
    pub(super) fn factor(&self, mut coded: Coded, rule: &Rule<'_>) -> Factor {
        let n_groups = n_labels(&coded.labels);
        let order = if matches!(rule, Rule::Equal) { self.order(&coded.codes, n_groups) } else { None };
        if order == Some(Order::Descending) {
            // Where nothing is reduced, xarray keeps the order of the dimension.
            reverse(&mut coded, n_groups);
        }
        let mut n_members = vec![0_u64; n_groups];
        for code in &coded.codes {
            if let Some(n) = n_members.get_mut(*code as usize) {
                *n += 1;
            }
        }
        let (axes, codes) = ascending(&self.axes, &self.lens, coded.codes);
        Factor {
            name: rule.name(&self.name),
            coordinate: self.name.clone(),
            axes,
            codes: Arc::from(codes),
            labels: coded.labels,
            n_members,
            attrs: coded.attrs,
            is_identity: order.is_some(),
            lists_empty: rule.lists_empty(),
        }
    }

    /// How the groups lie to the positions of a dimension in the order of the selection, if this is the coordinate of a
    /// dimension and each position is a group of its own.
    fn order(&self, codes: &[u32], n_groups: usize) -> Option<Order> {
        let [only] = self.axes.as_slice() else { return None };
        let axis = self.selected.axes.get(*only).filter(|axis| axis.dim == self.name)?;
        if axis.n_selected() != n_groups as u64 {
            return None;
        }
        let code = |position: u64| {
            let code = usize::try_from(position).ok().and_then(|position| codes.get(position));
            code.map_or(usize::MAX, |code| *code as usize)
        };
        let of_selected: Vec<usize> = match &axis.indices {
            Some(indices) => indices.iter().map(code).collect(),
            None => (0..axis.len).map(code).collect(),
        };
        if of_selected.iter().copied().eq(0..n_groups) {
            return Some(Order::Ascending);
        }
        of_selected.iter().copied().eq((0..n_groups).rev()).then_some(Order::Descending)
    }
}

/// The order of groups along a dimension that each of its positions makes one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Ascending,
    Descending,
}

/// Numbers groups from the last to the first.
fn reverse(coded: &mut Coded, n_groups: usize) {
    for code in coded.codes.iter_mut().filter(|code| **code != NO_GROUP) {
        *code = (n_groups as u32).wrapping_sub(1).wrapping_sub(*code);
    }
    match &mut coded.labels {
        GroupLabels::Integers(labels) => labels.reverse(),
        GroupLabels::Unsigned(labels) => labels.reverse(),
        GroupLabels::Floats { values, .. } => values.reverse(),
        GroupLabels::Booleans(labels) => labels.reverse(),
        GroupLabels::Texts(labels) => labels.reverse(),
        GroupLabels::Times { ticks, .. } => ticks.reverse(),
        GroupLabels::Intervals { edges, .. } => edges.reverse(),
    }
}

/// Selected times of a coordinate.
pub(super) struct Times<'l> {
    ticks: &'l [i64],
    chosen: &'l [bool],
    /// Units and calendar of the coordinate.
    pub(super) units: TimeUnits,
    attrs: Option<&'l Attributes>,
}

impl Times<'_> {
    /// The ticks of each position; `None` where it is not selected or missing.
    pub(super) fn ticks(&self) -> impl ExactSizeIterator<Item = Option<i64>> + '_ {
        let some = |(ticks, is_chosen): (&i64, &bool)| {
            (*is_chosen && *ticks != thermocline_core::select::TimeAxis::MISSING).then_some(*ticks)
        };
        self.ticks.iter().zip(self.chosen).map(some)
    }

    /// The dates of each position; `None` where it is not selected or missing.
    pub(super) fn dates(&self) -> impl ExactSizeIterator<Item = Option<DateTime>> + '_ {
        let calendar = self.units.calendar();
        self.ticks().map(move |ticks| ticks.and_then(|ticks| DateTime::from_ticks(calendar, ticks).ok()))
    }

    /// Times as labels, in the units of the coordinate where they can tell them exactly, else in microseconds; and the
    /// attributes that say which.
    pub(super) fn labels(&self, ticks: Vec<i64>) -> (GroupLabels, Attributes) {
        let calendar = self.units.calendar();
        let is_exact = |ticks: &i64| self.units.decode_ticks(self.units.encode_ticks(*ticks)) == Ok(*ticks);
        let mut attrs = Attributes::new();
        let mut units = self.units;
        let text = self.attrs.and_then(|attrs| attrs.text("units"));
        match text.filter(|_| ticks.iter().all(is_exact)) {
            Some(text) => attrs.set("units", Attribute::Text(text.to_owned())),
            None => {
                let text = "microseconds since 1970-01-01 00:00:00";
                attrs.set("units", Attribute::Text(text.to_owned()));
                units = TimeUnits::parse(text, calendar).unwrap_or(units);
            }
        }
        let named = self.attrs.and_then(|attrs| attrs.text("calendar"));
        let calendar = named.map_or_else(|| calendar.name().to_owned(), str::to_owned);
        attrs.set("calendar", Attribute::Text(calendar));
        (GroupLabels::Times { ticks, units }, attrs)
    }
}

/// Axes of a variable that a coordinate lies along, in the order of the coordinate.
fn axes(
    grouped: &Variable,
    selected: &ResolvedVariable,
    name: &str,
    dims: &[String],
) -> Result<Vec<usize>, Failure> {
    let scalar = || {
        Failure::mistake(format!(
            "coordinate '{name}' is a scalar: there is nothing to group '{}' by",
            grouped.name
        ))
    };
    if dims.is_empty() {
        return Err(scalar());
    }
    let mut axes = Vec::new();
    for dim in dims {
        let axis = grouped.dims.iter().position(|other| other == dim);
        let axis = axis.ok_or_else(|| no_common_dim(grouped, name, dims))?;
        if axes.contains(&axis) {
            return Err(Failure::mistake(format!("coordinate '{name}' has the dimension '{dim}' twice")));
        }
        axes.push(axis);
    }
    let is_single = |axis: &usize| selected.axes.get(*axis).is_some_and(|axis| axis.is_single);
    if axes.iter().all(is_single) {
        return Err(scalar());
    }
    Ok(axes)
}

fn no_common_dim(grouped: &Variable, name: &str, dims: &[String]) -> Failure {
    Failure::mistake_among(
        format!(
            "coordinate '{name}' lies along {}, and variable '{}' along {}: there is nothing to group",
            dims.join(", "),
            grouped.name,
            if grouped.dims.is_empty() { "nothing".to_owned() } else { grouped.dims.join(", ") }
        ),
        &grouped.dims,
    )
}

/// Lengths of axes, which together have no more positions than are looked at.
fn lens(grouped: &Variable, axes: &[usize], name: &str) -> Result<Vec<usize>, Failure> {
    let lens: Vec<u64> = axes.iter().filter_map(|axis| grouped.shape.get(*axis).copied()).collect();
    let n = lens.iter().try_fold(1_u64, |n, len| n.checked_mul(*len));
    if n.is_some_and(|n| n <= MAX_POSITIONS) {
        return Ok(lens.into_iter().map(|len| len as usize).collect());
    }
    Err(too_many(name, n.unwrap_or(u64::MAX)))
}

fn too_many(name: &str, n: u64) -> Failure {
    let detail = format!("coordinate '{name}' has more labels than the {MAX_POSITIONS} that are looked up");
    Failure::TooLarge { detail, estimate: Box::new(Estimate { groups: n, ..Estimate::default() }) }
}

/// The labels of a stored coordinate.
fn read_labels(manifest: &Manifest, variable: &Variable) -> Result<Labels, Failure> {
    let name = &variable.name;
    if let Some(Err(error)) = TimeUnits::of(&variable.attrs) {
        // Readers disagree about such units, so that no label is told; numbers would be grouped by other instants.
        if matches!(error, thermocline_model::cf::TimeError::UnclearUnits { .. }) {
            return Err(Failure::Impossible(format!(
                "coordinate '{name}' is a time that cannot be decoded: {error}"
            )));
        }
    }
    let impossible = |why: &str| Failure::Impossible(format!("'{name}' cannot group: {why}"));
    let table = manifest.table_blocking(variable)?;
    if !table.parts().iter().all(|part| part.place == Place::Inline) {
        return Err(impossible("its values are not kept with the index, as those of coordinates are"));
    }
    Coordinate::read(manifest, variable).map(|coordinate| coordinate.labels).map_err(|error| {
        match error.kind() {
            ErrorKind::InvalidInput => impossible(&format!("{error}")),
            ErrorKind::TooLarge => too_many(name, variable.n_elements().unwrap_or(u64::MAX)),
            _ => Failure::Core(error),
        }
    })
}

/// True for booleans, and for bytes that xarray wrote for them.
fn stands_for_booleans(variable: &Variable) -> bool {
    match variable.dtype {
        DataType::Bool => true,
        DataType::Int { size: 1, .. } | DataType::UInt { size: 1, .. } => {
            variable.attrs.text("dtype") == Some("bool")
        }
        _ => false,
    }
}

/// The labels of a dimension without coordinate, as xarray counts it.
fn positions(lens: &[usize]) -> Labels {
    let n = lens.iter().product::<usize>();
    Labels::Integers { values: (0..n as i64).collect(), above: 0 }
}

fn n_labels(labels: &GroupLabels) -> usize {
    match labels {
        GroupLabels::Integers(labels) => labels.len(),
        GroupLabels::Unsigned(labels) => labels.len(),
        GroupLabels::Floats { values, .. } => values.len(),
        GroupLabels::Booleans(labels) => labels.len(),
        GroupLabels::Texts(labels) => labels.len(),
        GroupLabels::Times { ticks, .. } => ticks.len(),
        GroupLabels::Intervals { edges, .. } => edges.len().saturating_sub(1),
    }
}

/// The same codes with their axes in ascending order.
fn ascending(axes: &[usize], lens: &[usize], codes: Vec<u32>) -> (Vec<usize>, Vec<u32>) {
    if axes.is_sorted() {
        return (axes.to_vec(), codes);
    }
    let mut order: Vec<usize> = (0..axes.len()).collect();
    order.sort_by_key(|place| axes.get(*place));
    let stride = |place: usize| lens.iter().skip(place + 1).product::<usize>();
    let steps: Vec<(usize, usize)> =
        order.iter().map(|place| (lens.get(*place).copied().unwrap_or(0), stride(*place))).collect();
    let sources = steps.iter().fold(vec![0_usize], |starts, (len, stride)| {
        starts.iter().flat_map(|start| (0..*len).map(move |i| start + i * stride)).collect()
    });
    let codes = sources.into_iter().map(|at| codes.get(at).copied().unwrap_or(NO_GROUP)).collect();
    (order.into_iter().filter_map(|place| axes.get(place).copied()).collect(), codes)
}
