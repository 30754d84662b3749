//! Looking a selection up in the coordinates of a dataset.

mod group;
mod picks;
mod variables;

use std::sync::{Arc, LazyLock};

use tokio::sync::Semaphore;

use super::Selection;
use super::indices::Indices;
use super::mask::Mask;
use crate::manifest::{Manifest, blocking};
use crate::{Error, Result};

use group::{InGroup, Outcome};
use variables::{Chosen, choose};

/// One for each processor: more at once would only need more memory for the labels of coordinates.
static PROCESSORS: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from)));

/// A selection as positions in the variables of a dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The variables that are selected of, with what of them is selected.
    pub variables: Vec<ResolvedVariable>,
}

/// What is selected of a variable.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedVariable {
    /// Path of the variable.
    pub path: String,
    /// Its axes in order.
    pub axes: Vec<ResolvedAxis>,
    /// Cells that are selected besides, over two or more of its axes each.
    pub masks: Vec<Arc<Mask>>,
}

/// What is selected along an axis of a variable.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedAxis {
    /// Name of the dimension.
    pub dim: String,
    /// Length of the dimension.
    pub len: u64,
    /// The positions; `None` if the selection does not name the dimension, which is to say all of them.
    pub indices: Option<Arc<Indices>>,
    /// True if one label or position was named, which drops the dimension as xarray does.
    pub is_single: bool,
}

impl ResolvedAxis {
    /// How many positions are selected along it.
    pub fn n_selected(&self) -> u64 {
        self.indices.as_ref().map_or(self.len, |indices| indices.len())
    }
}

/// Looks a selection up in the coordinates of a dataset; `variables` are names or paths in the selected group, none
/// of them means all of it.
///
/// # Errors
/// [`crate::ErrorKind::InvalidInput`] for names, values and positions that the dataset does not have, naming those that it
/// has, and for a selection that is empty; [`crate::ErrorKind::NotFound`] for a variable that does not exist.
pub async fn resolve(
    manifest: &Arc<Manifest>,
    selection: &Selection,
    variables: &[String],
) -> Result<Resolved> {
    let (manifest, selection, variables) = (Arc::clone(manifest), selection.clone(), variables.to_vec());
    let closed = |cause| Error::internal("selections are closed").with_source(cause);
    let processor = PROCESSORS.acquire().await.map_err(closed)?;
    let work = move || {
        let _processor = processor;
        resolve_blocking(&manifest, &selection, &variables)
    };
    blocking(work).await
}

/// The same as [`resolve`]. Blocking.
pub(super) fn resolve_blocking(
    manifest: &Manifest,
    selection: &Selection,
    variables: &[String],
) -> Result<Resolved> {
    let chosen = choose(manifest, selection, variables)?;
    if selection.terms.is_empty() && selection.bounding_box.is_none() {
        return Ok(Resolved { variables: chosen.variables.iter().map(ResolvedVariable::whole).collect() });
    }
    let mut groups = Vec::new();
    for (path, variables) in chosen.by_group() {
        groups.push(InGroup::new(manifest, path, variables, selection)?);
    }
    for term in &selection.terms {
        let mut is_known = false;
        for group in &mut groups {
            is_known |= group.apply(term)?;
        }
        if !is_known {
            return Err(unknown(term.target.name(), &groups));
        }
    }
    let mut outcomes = Vec::new();
    for group in &mut groups {
        for variable in group.variables.clone() {
            outcomes.push(group.resolved(variable, selection)?);
        }
    }
    if selection.bounding_box.is_some() && !groups.iter().any(|group| group.has_horizontal) {
        return Err(Error::invalid_input(
            "bbox: no selected variable has latitudes and longitudes; select by its dimensions",
        ));
    }
    gathered(outcomes, chosen.are_named)
}

/// All variables of which something is selected.
///
/// When variables are not named, some may be left out, for they may lie on several grids; but not all of those that the
/// selection is about the most: what is left would be coordinates, and variables that have nothing to do with it.
fn gathered(outcomes: Vec<Outcome>, are_named: bool) -> Result<Resolved> {
    let most = outcomes.iter().map(|outcome| outcome.n_restricted).max();
    let is_about = |outcome: &&Outcome| Some(outcome.n_restricted) == most;
    let is_empty = !outcomes.iter().filter(is_about).any(|outcome| outcome.resolved.is_ok());
    let mut variables = Vec::new();
    for outcome in outcomes {
        match outcome.resolved {
            Ok(variable) => variables.push(variable),
            Err(empty) if are_named || is_empty => return Err(empty),
            Err(_) => {}
        }
    }
    Ok(Resolved { variables })
}

fn unknown(name: &str, groups: &[InGroup<'_>]) -> Error {
    let mut names: Vec<&str> = groups.iter().flat_map(InGroup::dims).collect();
    names.sort_unstable();
    names.dedup();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    Error::invalid_input(format!(
        "no selected variable has a dimension or coordinate {name:?}; dimensions are {names}"
    ))
}

impl ResolvedVariable {
    /// All of a variable.
    fn whole(chosen: &Chosen<'_>) -> Self {
        let axes = chosen.variable.dims.iter().zip(&chosen.variable.shape).map(|(dim, len)| ResolvedAxis {
            dim: dim.clone(),
            len: *len,
            indices: None,
            is_single: false,
        });
        Self { path: chosen.path.clone(), axes: axes.collect(), masks: Vec::new() }
    }

    /// Refuses masks of other lengths than the variable has; true if no cell is selected, though there are some.
    fn is_empty_of_cells(&self) -> Result<bool> {
        if self
            .axes
            .iter()
            .any(|axis| axis.len > 0 && axis.indices.as_ref().is_some_and(|indices| indices.is_empty()))
        {
            return Ok(true);
        }
        for mask in &self.masks {
            let axes: Vec<&ResolvedAxis> = mask.dims().iter().filter_map(|dim| self.axis(dim)).collect();
            if axes.iter().zip(mask.shape()).any(|(axis, len)| axis.len != *len) {
                return Err(Error::invalid_input(format!(
                    "the coordinates of {:?} have the shape {:?}, which is not its own; select by isel=",
                    self.path,
                    mask.shape()
                )));
            }
            let chosen: Vec<Option<&Indices>> = axes.iter().map(|axis| axis.indices.as_deref()).collect();
            if !mask.meets(&chosen) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The axis of a dimension.
    pub fn axis(&self, dim: &str) -> Option<&ResolvedAxis> {
        self.axes.iter().find(|axis| axis.dim == dim)
    }
}

fn empty(variable: &ResolvedVariable) -> Error {
    let shape: Vec<String> = variable.axes.iter().map(|axis| format!("{} {}", axis.dim, axis.len)).collect();
    let shape = shape.join(", ");
    Error::invalid_input(format!(
        "nothing of {:?} is in all parts of the selection; it has {shape}",
        variable.path
    ))
}
