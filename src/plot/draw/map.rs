//! Cells on a map.

use std::sync::Arc;

use thermocline_core::ErrorKind;
use thermocline_core::select::ResolvedVariable;
use thermocline_model::cf::{Projection, Scope};
use thermocline_render::figure::Plane;
use thermocline_render::ticks::Axis;
use thermocline_render::{Cancel, CellMap, Extent, Frame, Grid, MapProjection, Statistics, View};

use super::painting::{Method, Painting};
use super::panel::{Known, Panel};
use super::scale::Range;
use super::{extent, laid_out, scale, style};
use crate::options::Switch;
use crate::plan::{group_of, set_position};
use crate::{Axes, Failure, Needs, Places, Plan, Plotter, Wanted};

/// Which picture of an animation is drawn, and the range that all of them share; `None` of a single picture.
pub(super) type Shown<'s> = (Option<u64>, Option<&'s Ranged>);

/// The range of what is selected, and what else was found on the way.
#[derive(Debug, Clone, Default)]
pub(super) struct Ranged {
    /// The range.
    pub range: Range,
    /// That of another variable, which the first is drawn against.
    pub across: Range,
    /// The axis of the counts of all histograms.
    pub counts: Option<Axis>,
    /// Of all that is selected.
    pub statistics: Option<Statistics>,
    /// Bytes that were read from the source.
    pub bytes_read: u64,
}

impl Plotter {
    /// The panel of a map.
    pub(super) async fn map_panel(
        &self,
        plan: &Plan,
        axes: &[usize],
        (frame, common): Shown<'_>,
        cancel: &Cancel,
    ) -> Result<Panel, Failure> {
        let grid = self.plan_grid(plan).await?;
        let base = view(plan, &grid)?;
        let selected = selected(plan, 0, frame)?;
        let drawn = Axes { selected: &selected, drawn: axes };
        let ranged = match common {
            Some(ranged) => ranged.clone(),
            None => self.ranged(plan, &drawn, cancel).await?,
        };
        let painting = Painting::of(plan, ranged.range)?;
        let figure = style::figure(plan, map_plane(plan, &base), Some(&painting.scale), frame);
        let layout = laid_out(&figure)?;
        let painting = painting.widened(layout.unit);
        let view = layout.panel_view(&base);
        let cells = self.cells_of(plan, &grid, &view, cancel).await?;
        // Interpolation takes neighbours of the cells that the pixels show.
        let needs = match painting.method {
            Method::Bilinear => Needs::All,
            _ => Needs::Pixels(&cells),
        };
        let read = self.read_field(&plan.manifest, &drawn, needs, Wanted::default(), cancel).await?;
        let known = Known {
            scale: Some(painting.scale.clone()),
            extent: Some(view.extent),
            view: Some(view.clone()),
            statistics: ranged.statistics,
            n_chunks: read.n_chunks,
            bytes_read: read.bytes_read + ranged.bytes_read,
            ..Known::default()
        };
        let (field, inner) = (Arc::clone(&read.field), cancel.clone());
        let marks = self.run(cancel, move || painting.map((&cells, &grid, &field), &view, &inner)).await??;
        Ok(Panel { figure, layout, marks, known })
    }

    /// The range of all that is selected.
    pub(super) async fn ranged(
        &self,
        plan: &Plan,
        drawn: &Axes<'_>,
        cancel: &Cancel,
    ) -> Result<Ranged, Failure> {
        let wanted = scale::wanted(&plan.options);
        if wanted == Wanted::default() {
            return Ok(Ranged::default());
        }
        let nothing = Arc::new(CellMap::Each(Vec::new()));
        let read = self.read_field(&plan.manifest, drawn, Needs::Pixels(&nothing), wanted, cancel).await?;
        Ok(Ranged {
            range: Range::of(read.statistics.as_ref(), read.quantiles),
            statistics: read.statistics,
            bytes_read: read.bytes_read,
            ..Ranged::default()
        })
    }

    /// The grid of a plan.
    pub(super) async fn plan_grid(&self, plan: &Plan) -> Result<Arc<Grid>, Failure> {
        let placement = plan.placement.as_ref();
        let placement = placement.ok_or_else(|| thermocline_core::Error::internal("a map without places"))?;
        let grid = self.grid(&plan.manifest, &plan.path, placement).await;
        grid.map_err(|error| match error.kind() {
            ErrorKind::Unsupported => {
                Failure::Undrawable(format!("{error}; kind=section with x=… and y=… draws its dimensions"))
            }
            _ => Failure::Core(error),
        })
    }
}

/// The plane of a map without its size.
pub(super) fn map_plane(plan: &Plan, view: &View) -> Plane {
    let is_on_earth = view.projection != MapProjection::Native;
    Plane::Map {
        view: view.clone(),
        has_coast: is_on_earth && plan.options.coast != Some(Switch::Off),
        has_borders: is_on_earth && plan.options.borders == Some(Switch::On),
    }
}

/// What is selected of a variable of the plan, with the animated axis at one position.
pub(super) fn selected(plan: &Plan, number: usize, frame: Option<u64>) -> Result<ResolvedVariable, Failure> {
    let found = plan.selected.variables.get(number).cloned();
    let mut selected = found.ok_or_else(|| thermocline_core::Error::internal("a plan without a variable"))?;
    if let (Some(animation), Some(position)) = (&plan.animation, frame)
        && let Some(axis) = selected.axes.get_mut(animation.axis)
    {
        set_position(axis, position);
    }
    Ok(selected)
}

/// The map of a plan, in no size yet.
///
/// # Errors
/// [`Failure::Mistake`] for projections that the dataset does not have, and for what makes no map.
pub(super) fn view(plan: &Plan, grid: &Grid) -> Result<View, Failure> {
    let options = &plan.options;
    let is_native = plan.placement.as_ref().is_some_and(|placement| placement.places == Places::Native);
    let word = options.projection.unwrap_or(if is_native { "native" } else { "platecarree" });
    let projection = projection(plan, word, is_native)?;
    let is_plane = matches!(projection, MapProjection::Data(_) | MapProjection::Native);
    let extent = match (options.extent, &projection) {
        (Some([west, east, south, north]), _) => {
            let east = if east < west && !is_plane { east + 360.0 } else { east };
            Extent { west, east, south, north }
        }
        (None, _) if options.frame == Some(Frame::None) && !is_plane => Extent::GLOBE,
        (None, projection) => extent::of_plan(plan, grid, projection),
    };
    let view = View {
        projection,
        extent,
        center: options.center.unwrap_or((0.0, 0.0)),
        bound: options.bound.unwrap_or(50.0),
        width: options.width.unwrap_or(style::DEFAULT_WIDTH),
        height: options.height.unwrap_or(style::DEFAULT_WIDTH),
    };
    view.check()?;
    Ok(view)
}

fn projection(plan: &Plan, word: &str, is_native: bool) -> Result<MapProjection, Failure> {
    let known = match word {
        "native" => return Ok(MapProjection::Native),
        _ if is_native => {
            return Err(Failure::Mistake {
                detail: format!("proj={word}: the variable has no latitudes and longitudes"),
                allowed: vec!["native".into()],
            });
        }
        "data" => {
            let projection = own_projection(plan).ok_or_else(|| Failure::Mistake {
                detail: "proj=data: the variable has no grid mapping with a projection".into(),
                allowed: MapProjection::NAMES
                    .iter()
                    .filter(|name| **name != "data")
                    .map(|name| (*name).into())
                    .collect(),
            })?;
            return Ok(MapProjection::Data(projection));
        }
        word => word,
    };
    Ok(match known {
        "mercator" => MapProjection::Mercator,
        "robinson" => MapProjection::Robinson,
        "mollweide" => MapProjection::Mollweide,
        "equalearth" => MapProjection::EqualEarth,
        "orthographic" => MapProjection::Orthographic,
        "northpolar" => MapProjection::NorthPolar,
        "southpolar" => MapProjection::SouthPolar,
        "lambert" => MapProjection::Lambert,
        _ => MapProjection::PlateCarree,
    })
}

/// The projection of the variable's grid mapping.
fn own_projection(plan: &Plan) -> Option<Projection> {
    let group = group_of(&plan.path);
    let scope = Scope::at(&plan.manifest.dataset.root, group)?;
    let others = thermocline_model::cf::Horizontal::candidates(&scope);
    thermocline_model::cf::Grid::of(plan.variable()?, &scope, &others).plane?.projection
}
