//! The value at a place, and the values there along another dimension.

use std::sync::Arc;

use serde_json::{Value, json};
use thermocline_core::select::Indices;
use thermocline_model::cf::LonLat;
use thermocline_render::{Cancel, CellMap};

use super::chosen::Chosen;
use super::map::selected;
use crate::plan::{Content, set_position};
use crate::{Axes, Failure, Needs, Plan, Plotter, Wanted};

/// Most values of a series; the last ones are told.
const MAX_VALUES: u64 = 1000;

impl Plotter {
    /// What is at the place that a plan asks for; `None` if it asks for none.
    ///
    /// # Errors
    /// [`Failure::Mistake`] for plots that are no maps.
    pub(super) async fn at(&self, plan: &Plan, cancel: &Cancel) -> Result<Option<Value>, Failure> {
        let Some((longitude, latitude)) = plan.options.at else { return Ok(None) };
        let Content::Map(axes) = &plan.content else {
            return Err(Failure::mistake("at names a place of a map, and this plot is none"));
        };
        let grid = self.plan_grid(plan).await?;
        let place = LonLat { longitude, latitude };
        let mut told = json!({ "longitude": longitude, "latitude": latitude, "value": null });
        let found = grid.locate(place);
        let Some((cell, told_of)) = found.zip(told.as_object_mut()) else { return Ok(Some(told)) };
        let selected = selected(plan, 0, None)?;
        let n_columns = grid.shape().1.max(1);
        let position = [cell / n_columns, cell % n_columns];
        // What is not selected is not drawn: there is no value.
        if !Chosen::of(&selected, axes).contains(u64::from(position[0]), u64::from(position[1])) {
            return Ok(Some(told));
        }
        let drawn = Axes { selected: &selected, drawn: axes };
        let cells = Arc::new(CellMap::Each(vec![cell]));
        let read =
            self.read_field(&plan.manifest, &drawn, Needs::Pixels(&cells), Wanted::default(), cancel).await?;
        told_of.insert("value".into(), json!(read.field.value(cell)));
        told_of.insert(
            "center".into(),
            json!(grid.centre(cell).map(|center| [center.longitude, center.latitude])),
        );
        told_of.insert("cell".into(), json!(if axes.len() > 1 { position.to_vec() } else { vec![cell] }));
        if let Some(dim) = &plan.options.series {
            told_of.insert("series".into(), self.series_at(plan, axes, position, dim, cancel).await?);
        }
        Ok(Some(told))
    }

    /// Values of a cell (row, column) along a dimension that is not drawn.
    async fn series_at(
        &self,
        plan: &Plan,
        axes: &[usize],
        [row, column]: [u32; 2],
        dim: &str,
        cancel: &Cancel,
    ) -> Result<Value, Failure> {
        let along = plan.dims.iter().position(|known| known.name == dim).filter(|axis| !axes.contains(axis));
        let along = along.ok_or_else(|| Failure::Mistake {
            detail: format!("series={} is no dimension beside the map", crate::options::shown(dim)),
            allowed: plan
                .dims
                .iter()
                .enumerate()
                .filter(|(axis, _)| !axes.contains(axis))
                .map(|(_, dim)| dim.name.clone())
                .collect(),
        })?;
        let mut selected = selected(plan, 0, None)?;
        // A cell of a selection has its place along each drawn axis; what masks leave out has no value anyway.
        selected.masks.clear();
        let places: &[u32] = if axes.len() > 1 { &[row, column] } else { &[column] };
        for (axis, place) in axes.iter().zip(places) {
            if let Some(axis) = selected.axes.get_mut(*axis) {
                set_position(axis, u64::from(*place));
            }
        }
        let choice = plan.choices.get(along).and_then(Option::clone);
        if let Some(axis) = selected.axes.get_mut(along) {
            let all = choice
                .filter(|choice| choice.len() > 1)
                .unwrap_or_else(|| Arc::new(Indices::range(0..axis.len)));
            axis.indices = Some(Arc::new(all.largest(MAX_VALUES)));
            axis.is_single = false;
        }
        let read =
            self.read_series(&plan.manifest, &Axes { selected: &selected, drawn: &[along] }, cancel).await?;
        let positions = read.positions.first().cloned().unwrap_or_default();
        let values: Vec<f64> = (0..read.values.len()).map(|at| read.values.get(at)).collect();
        let labels: Vec<String> = plan
            .dims
            .get(along)
            .map(|dim| positions.iter().map(|at| dim.value(*at)).collect())
            .unwrap_or_default();
        Ok(json!({ "dim": dim, "positions": positions, "labels": labels, "values": values }))
    }
}
