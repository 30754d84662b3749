//! The factors of datasets made by hand, whose variable is `tas`.

use thermocline_core::select::{Selection, resolve};
use thermocline_model::{Attributes, DataType};

use crate::groups::{Factor, factors};
use crate::request::{Action, Grouper};
use crate::testing::{F8, World, texts};
use crate::{Component, Failure, Options, Request};

/// A type without attributes.
pub(super) fn plain(dtype: DataType) -> (DataType, Attributes) {
    (dtype, Attributes::new())
}

/// A dataset with the variable `tas` over some dimensions.
pub(super) fn tas(dims: &[(&str, u64)]) -> World {
    let shape: Vec<u64> = dims.iter().map(|(_, len)| *len).collect();
    World::default().data("tas", dims, &shape, plain(F8))
}

/// A dataset with the variable `tas(time)` at these times.
pub(super) fn tas_at(units: &str, calendar: &str, values: &[i32]) -> World {
    let dims = [("time", values.len() as u64)];
    let values: Vec<f64> = values.iter().copied().map(f64::from).collect();
    let attrs = texts(&[("units", units), ("calendar", calendar)]);
    tas(&dims).coordinate("time", &dims, (F8, attrs), &values)
}

impl World {
    /// The factors of groupers of the variable `tas`, as the path has them.
    pub(super) fn factors(
        &self,
        groupers: &str,
        options: &Options,
        selecting: &[(&str, &str)],
    ) -> Result<Vec<Factor>, Failure> {
        let mut selection = Selection::new();
        for (name, value) in selecting {
            selection.query(name, value).unwrap();
        }
        let request = Request {
            variable: "tas".into(),
            groupers: groupers.split(',').map(grouper).collect(),
            action: Action::Mean,
            options: options.clone(),
            selection: selection.clone(),
            selecting: Vec::new(),
        };
        let manifest = self.clone().manifest();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let resolved = runtime.block_on(resolve(&manifest, &selection, &["tas".to_owned()])).unwrap();
        factors(&manifest, "tas", &request, &resolved, 100)
    }
}

fn grouper(text: &str) -> Grouper {
    let (coordinate, component) = match text.split_once('.') {
        Some((coordinate, word)) => (coordinate, Some((word.to_owned(), Component::parse(word).unwrap()))),
        None => (text, None),
    };
    Grouper { coordinate: coordinate.to_owned(), component }
}
