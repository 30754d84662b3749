//! Values of coordinates, read from the index.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use thermocline_core::manifest::Manifest;
use thermocline_core::select::{Coordinate, Labels, TimeAxis};
use thermocline_model::cf::{Calendar, Scope};
use thermocline_model::{Attributes, Variable};

/// Most values of a coordinate that is kept while a dataset is described: larger ones are read once for each grid.
const MAX_KEPT: usize = 1 << 16;

/// Attributes of a coordinate that its bounds have too unless they say otherwise.
const INHERITED: [&str; 2] = ["units", "calendar"];

/// Numbers of a coordinate with the lengths of its axes.
#[derive(Debug, Clone)]
pub(super) struct Numbers {
    /// In C order; NaN where they are missing.
    pub(super) values: Vec<f64>,
    /// Lengths of the axes.
    pub(super) shape: Vec<u64>,
}

/// Instants of a coordinate of times, in microseconds of their calendar, without the missing ones.
#[derive(Debug, Clone)]
pub(super) struct Instants {
    /// In C order.
    pub(super) ticks: Vec<i64>,
    /// The calendar.
    pub(super) calendar: Calendar,
}

/// Any values of a coordinate.
#[derive(Debug, Clone)]
pub(super) enum Values {
    /// Numbers.
    Numbers(Rc<Numbers>),
    /// Times.
    Times(Rc<Instants>),
    /// Texts.
    Texts(Rc<Vec<String>>),
}

/// Reads coordinates of one dataset; none is read from the archive.
pub(super) struct Coordinates<'m> {
    manifest: &'m Manifest,
    kept: RefCell<HashMap<*const Variable, Option<Values>>>,
}

impl<'m> Coordinates<'m> {
    /// Those of a dataset.
    pub(super) fn of(manifest: &'m Manifest) -> Self {
        Self { manifest, kept: RefCell::default() }
    }

    /// The values of a coordinate; `None` if they are not kept with the index or cannot be decoded.
    pub(super) fn values(&self, variable: &Variable) -> Option<Values> {
        let key = std::ptr::from_ref(variable);
        if let Some(kept) = self.kept.borrow().get(&key) {
            return kept.clone();
        }
        let values = self.read(variable, &variable.attrs);
        let is_small = variable.n_elements().is_some_and(|n| n <= MAX_KEPT as u64);
        if is_small || values.is_none() {
            self.kept.borrow_mut().insert(key, values.clone());
        }
        values
    }

    /// The numbers of a coordinate; `None` for times and texts too.
    pub(super) fn numbers(&self, variable: &Variable) -> Option<Rc<Numbers>> {
        match self.values(variable)? {
            Values::Numbers(numbers) => Some(numbers),
            Values::Times(_) | Values::Texts(_) => None,
        }
    }

    /// The instants of a coordinate of times.
    pub(super) fn instants(&self, variable: &Variable) -> Option<Rc<Instants>> {
        match self.values(variable)? {
            Values::Times(instants) => Some(instants),
            Values::Numbers(_) | Values::Texts(_) => None,
        }
    }

    /// Bounds of a coordinate in its units: those of `bounds`, for times also of `climatology`. They have the axes of
    /// the coordinate, and one more of the corners.
    pub(super) fn bounds(&self, variable: &Variable, scope: &Scope<'_>) -> Option<Values> {
        let name = variable.attrs.text("bounds").or_else(|| variable.attrs.text("climatology"))?;
        let bounds = scope.named(name.trim())?;
        let (corners, own) = bounds.shape.split_last()?;
        if own != variable.shape.as_slice() || *corners < 2 {
            return None;
        }
        let mut attrs: Attributes = bounds.attrs.clone();
        for name in INHERITED {
            if attrs.get(name).is_none()
                && let Some(value) = variable.attrs.get(name)
            {
                attrs.set(name, value.clone());
            }
        }
        self.read(bounds, &attrs)
    }

    fn read(&self, variable: &Variable, attrs: &Attributes) -> Option<Values> {
        let coordinate = Coordinate::read_with(self.manifest, variable, attrs)
            .inspect_err(|error| {
                let (dataset, variable) = (&self.manifest.id, &variable.name);
                tracing::debug!(%dataset, %variable, %error, "a summary goes without a coordinate");
            })
            .ok()?;
        let shape = coordinate.shape;
        Some(match coordinate.labels {
            Labels::Times { mut ticks, axis } => {
                ticks.retain(|tick| *tick != TimeAxis::MISSING);
                Values::Times(Rc::new(Instants { ticks, calendar: axis.calendar() }))
            }
            Labels::Texts(texts) => Values::Texts(Rc::new(texts)),
            labels => Values::Numbers(Rc::new(Numbers { values: labels.into_numbers()?, shape })),
        })
    }
}
