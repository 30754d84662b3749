//! Arrows of two components.

use std::sync::Arc;

use serde_json::json;
use thermocline_render::kinds::LineColor;
use thermocline_render::kinds::quiver::{Heading, QuiverStyle, Reference, quiver_map};
use thermocline_render::{Cancel, CellMap, Color, Field, Frame, MapProjection, Scale, Theme, View};

use super::map::{Ranged, Shown, map_plane, selected, view};
use super::panel::{Known, Panel};
use super::scale::{self, Range};
use super::{laid_out, style};
use crate::{Axes, Failure, Needs, Places, Plan, Plotter, Wanted};

/// Distance of arrows in pixels.
const SPACING: f64 = 25.0;

/// Parts of standard names of components that point along the axes of their grid, not eastward and northward.
const ALONG_GRID: [&str; 3] = ["x_wind", "x_velocity", "x_stress"];

impl Plotter {
    /// The panel of a map with arrows.
    pub(super) async fn arrows_panel(
        &self,
        plan: &Plan,
        axes: &[usize],
        (frame, common): Shown<'_>,
        cancel: &Cancel,
    ) -> Result<Panel, Failure> {
        let grid = self.plan_grid(plan).await?;
        let base = view(plan, &grid)?;
        let heading = heading(plan, &base)?;
        let has_colors = plan.request.options.colormap.is_some();
        // Whether there is a colour bar decides on the room of the map, so that what its pixels show comes after it.
        let (u_selected, v_selected) = (selected(plan, 0, frame)?, selected(plan, 1, frame)?);
        let needs = |selected| Axes { selected, drawn: axes };
        let scale = match (has_colors, common) {
            (false, _) => None,
            (true, Some(common)) => Some(speed_scale(plan, common.range)?),
            (true, None) => Some(speed_scale(plan, self.speeds_of(plan, axes, frame, cancel).await?.range)?),
        };
        let figure = style::figure(plan, map_plane(plan, &base), scale.as_ref(), frame);
        let layout = laid_out(&figure)?;
        let view = layout.panel_view(&base);
        let cells = self.cells_of(plan, &grid, &view, cancel).await?;
        let pixels = Needs::Pixels(&cells);
        let u =
            self.read_field(&plan.manifest, &needs(&u_selected), pixels, Wanted::default(), cancel).await?;
        let v =
            self.read_field(&plan.manifest, &needs(&v_selected), pixels, Wanted::default(), cancel).await?;
        let mut known = Known {
            scale: scale.clone(),
            extent: Some(view.extent),
            view: Some(view.clone()),
            n_chunks: u.n_chunks + v.n_chunks,
            bytes_read: u.bytes_read + v.bytes_read,
            ..Known::default()
        };
        let arrows = Arrows {
            cells,
            u: u.field,
            v: v.field,
            view,
            scale,
            heading,
            units: plan.units(),
            unit: layout.unit,
            max_speed: common.and_then(|common| common.range.ends).map(|(_, most)| most),
        };
        let (inner, options) = (cancel.clone(), plan.options.clone());
        let drawn = self.run(cancel, move || arrows.draw(&options, &inner)).await??;
        known.more.insert("n_arrows".into(), json!(drawn.n_arrows));
        known.more.insert("reference".into(), json!(drawn.reference));
        Ok(Panel { figure, layout, marks: drawn.marks, known })
    }

    /// The range of the speeds of one picture.
    pub(super) async fn speeds_of(
        &self,
        plan: &Plan,
        axes: &[usize],
        frame: Option<u64>,
        cancel: &Cancel,
    ) -> Result<Ranged, Failure> {
        let (u_selected, v_selected) = (selected(plan, 0, frame)?, selected(plan, 1, frame)?);
        let needs = |selected| Axes { selected, drawn: axes };
        let all = Wanted::default();
        let u = self.read_field(&plan.manifest, &needs(&u_selected), Needs::All, all, cancel).await?;
        let v = self.read_field(&plan.manifest, &needs(&v_selected), Needs::All, all, cancel).await?;
        let bytes_read = u.bytes_read + v.bytes_read;
        let range = self.run(cancel, move || speeds(&u.field, &v.field)).await?;
        Ok(Ranged { range, bytes_read, ..Ranged::default() })
    }
}

/// The colours of speeds.
fn speed_scale(plan: &Plan, range: Range) -> Result<Scale, Failure> {
    let options = crate::Options { norm: plan.request.options.norm, ..plan.options.clone() };
    scale::of_range(&options, range)
}

/// What arrows are drawn from.
struct Arrows {
    cells: Arc<CellMap>,
    u: Arc<Field>,
    v: Arc<Field>,
    view: View,
    scale: Option<Scale>,
    heading: Heading,
    units: String,
    /// Pixels of a unit, by which the figure widens texts.
    unit: f32,
    /// The highest speed of all pictures of an animation.
    max_speed: Option<f64>,
}

impl Arrows {
    fn draw(
        &self,
        options: &crate::Options,
        cancel: &Cancel,
    ) -> thermocline_render::Result<thermocline_render::kinds::quiver::Arrows> {
        let (ink, paper) = match options.theme {
            Some(Theme::Dark) => (Color::rgb(0xe6, 0xe6, 0xe6), Color::rgb(0x14, 0x16, 0x1a)),
            _ => (Color::rgb(0x1a, 0x1a, 0x1a), Color::rgb(0xff, 0xff, 0xff)),
        };
        let is_alone = options.frame == Some(Frame::None);
        let scale = f64::from(self.unit);
        let style = QuiverStyle {
            spacing: SPACING * scale,
            color: self.scale.as_ref().map_or(LineColor::Plain(ink), LineColor::Of),
            heading: self.heading,
            reference: (!is_alone).then(|| Reference { units: self.units.clone(), ink, paper }),
            scale,
            max_speed: self.max_speed,
        };
        quiver_map((&self.cells, &self.u, &self.v), &self.view, &style, cancel)
    }
}

/// The range of speeds.
fn speeds(u: &Field, v: &Field) -> Range {
    let n = u.values.len().min(v.values.len());
    Range::of_values((0..n).map(|at| u.values.get(at).hypot(v.values.get(at))))
}

/// Along what the components point. Those along the axes of a grid are not eastward and northward unless the grid is.
///
/// # Errors
/// [`Failure::Mistake`] where they would point in a wrong direction.
fn heading(plan: &Plan, view: &View) -> Result<Heading, Failure> {
    let standard_name =
        plan.variable().and_then(|variable| variable.attrs.text("standard_name")).unwrap_or_default();
    let is_along_grid = ALONG_GRID.iter().any(|part| standard_name.contains(part));
    let is_own = matches!(view.projection, MapProjection::Data(_) | MapProjection::Native);
    match plan.placement.as_ref().map(|placement| placement.places) {
        _ if is_own && is_along_grid => Ok(Heading::Panel),
        Some(Places::Native) => Ok(Heading::Panel),
        Some(Places::Rectilinear) | None => Ok(Heading::Earth),
        _ if is_along_grid => Err(Failure::mistake(format!(
            "{standard_name} points along the axes of the grid, not eastward: draw it with proj=data"
        ))),
        _ => Ok(Heading::Earth),
    }
}
