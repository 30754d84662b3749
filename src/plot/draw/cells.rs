//! Which cell each pixel of a map shows, kept for the next step of the same map.

use std::sync::Arc;

use moka::future::Cache;
use thermocline_core::{Error, ErrorKind};
use thermocline_render::{Cancel, CellMap, Grid, View};

use crate::plotter::in_kib;
use crate::{Failure, Plan, Plotter};

/// What an entry takes besides its cells.
const ENTRY_BYTES: u64 = 1024;

/// The cells of maps that were drawn: the next time step of the same map needs lookups only.
pub(crate) struct CellMaps(Cache<Key, Arc<CellMap>>);

/// A map of a grid of one state of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    dataset: String,
    revision: String,
    grid: String,
    view: String,
}

impl CellMaps {
    /// Cells that take so many bytes at most.
    pub(crate) fn new(max_bytes: u64) -> Self {
        let weight =
            |key: &Key, cells: &Arc<CellMap>| in_kib(len_bytes(cells) + key.view.len() as u64 + ENTRY_BYTES);
        Self(Cache::builder().max_capacity(max_bytes / 1024).weigher(weight).build())
    }
}

fn len_bytes(cells: &CellMap) -> u64 {
    let n_numbers = match cells {
        CellMap::Separable { rows, columns, .. } => rows.len() + columns.len(),
        CellMap::Each(cells) => cells.len(),
    };
    n_numbers as u64 * size_of::<u32>() as u64
}

/// Why there are no cells, to be shared by all who wait for them.
fn of_drawing(error: thermocline_render::Error) -> Error {
    use thermocline_render::Error as Drawing;
    match error {
        Drawing::Invalid(detail) => Error::invalid_input(detail),
        Drawing::TooLarge(detail) => Error::new(ErrorKind::TooLarge, detail),
        other => Error::internal(other.to_string()),
    }
}

impl Plotter {
    /// The cell of each pixel of a view.
    pub(super) async fn cells_of(
        &self,
        plan: &Plan,
        grid: &Arc<Grid>,
        view: &View,
        cancel: &Cancel,
    ) -> Result<Arc<CellMap>, Failure> {
        cancel.check()?;
        let key = Key {
            dataset: plan.manifest.id.to_string(),
            revision: plan.manifest.revision.to_string(),
            grid: plan.placement.as_ref().map(|placement| placement.key.clone()).unwrap_or_default(),
            view: format!("{view:?}"),
        };
        let (grid, view) = (Arc::clone(grid), view.clone());
        // Others that wait for the same cells do not depend on this request.
        let never = Cancel::new();
        let made = self.cell_maps.0.try_get_with(key, async {
            let inner = never.clone();
            let found = self.run(&never, move || grid.cells(&view, &inner).map(Arc::new)).await;
            match found {
                Ok(Ok(cells)) => Ok(cells),
                Ok(Err(error)) => Err(of_drawing(error)),
                Err(error) => Err(error),
            }
        });
        made.await.map_err(|error: Arc<Error>| Failure::Core(error.shared()))
    }
}
