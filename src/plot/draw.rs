//! Draws what was planned.
//!
//! | Module | |
//! |---|---|
//! | [`map`] | cells on a map |
//! | [`plane`] | two dimensions as an image |
//! | [`painting`] | cells, contour lines, filled levels of either |
//! | [`series`] | lines |
//! | [`distribution`] | histograms |
//! | [`discs`] | values at places, two variables against each other |
//! | [`arrows`] | two components |
//! | [`animate`] | one picture for each step |
//! | [`cells`] | the cell of each pixel, kept |
//! | [`chosen`] | the cells that a selection leaves |
//! | [`extent`] | what a map shows if nobody says it |
//! | [`flags`] | names of flags beside their colours |
//! | [`at`] | the value at a place |
//! | [`scale`] | the range of values and its colours |
//! | [`style`] | the figure around the panel |
//! | [`facts`] | what is shown, for the `json` answer |
//! | [`legend`] | the colour bar alone |

mod animate;
mod arrows;
mod at;
mod cells;
mod chosen;
mod discs;
mod distribution;
mod extent;
mod facts;
mod flags;
mod legend;
mod map;
mod painting;
mod panel;
mod plane;
mod scale;
mod series;
mod style;

use bytes::Bytes;
use serde_json::{Map, Value};
use thermocline_render::figure::{Layout, draw, draw_svg};
use thermocline_render::{Cancel, Figure, Image, encode};

use crate::options::{MAX_PIXELS, MAX_SIDE};
use crate::plan::Content;
use crate::{Failure, Format, Interpolation, Kind, Plan, Plotter};

use map::Shown;
use panel::Panel;

pub(crate) use cells::CellMaps;

/// Memory for each pixel while a picture is drawn: itself, its cell, and what is encoded.
const BYTES_A_PIXEL: u64 = 16;

/// A plot.
#[derive(Debug, Clone)]
pub struct Drawn {
    /// The answer in its form; of [`crate::Format::Html`] the picture is left to the page, and this is empty.
    pub body: Bytes,
    /// What it shows.
    pub facts: Facts,
}

/// What a plot shows, as the `json` answer says it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// Variable, resolved selection, vmin and vmax, norm, extent, projection, statistics, chunks and bytes read.
    pub document: Map<String, Value>,
}

impl Plotter {
    /// Draws a plan.
    ///
    /// # Errors
    /// Those of reading; [`thermocline_core::ErrorKind::NotStaged`] names the cold objects; [`Failure::Cancelled`].
    pub async fn draw(&self, plan: &Plan, cancel: &Cancel) -> Result<Drawn, Failure> {
        cancel.check()?;
        // Waiting has a time of its own: what begins late may draw as long as what begins at once.
        let _admission = self.admit(work_bytes(self, plan)).await?;
        self.in_time(cancel, self.drawn(plan, cancel)).await
    }

    async fn drawn(&self, plan: &Plan, cancel: &Cancel) -> Result<Drawn, Failure> {
        let format = plan.request.format;
        if let Some(animation) =
            plan.animation.as_ref().filter(|_| matches!(format, Format::Gif | Format::WebP))
        {
            return self.animated(plan, animation, cancel).await;
        }
        let panel = self.panel(plan, (None, None), cancel).await?;
        let mut facts = Facts { document: facts::document(plan, &panel) };
        if let Some(at) = self.at(plan, cancel).await? {
            facts.document.insert("at".into(), at);
        }
        let body = match format {
            Format::Html => Bytes::new(),
            Format::Json => serde_json::to_vec(&facts.document).map(Bytes::from).map_err(unwritten)?,
            _ => self.run(cancel, move || encoded(&panel, format)).await??,
        };
        Ok(Drawn { body, facts })
    }

    /// The panel of a plan, of one picture if it is an animation.
    async fn panel(&self, plan: &Plan, shown: Shown<'_>, cancel: &Cancel) -> Result<Panel, Failure> {
        match &plan.content {
            Content::Map(axes) => match plan.kind {
                Kind::Scatter => self.discs_panel(plan, axes, shown, cancel).await,
                Kind::Quiver => self.arrows_panel(plan, axes, shown, cancel).await,
                _ => self.map_panel(plan, axes, shown, cancel).await,
            },
            Content::Plane(rows, columns) => self.plane_panel(plan, (*rows, *columns), shown, cancel).await,
            Content::Series(axis, hue) => self.series_panel(plan, (*axis, *hue), shown, cancel).await,
            Content::Distribution(axes) => self.distribution_panel(plan, axes, shown, cancel).await,
            Content::Pairs(axes) => self.pairs_panel(plan, axes, shown, cancel).await,
        }
    }
}

fn unwritten(cause: serde_json::Error) -> Failure {
    thermocline_core::Error::internal("the facts of a plot cannot be written").with_source(cause).into()
}

/// Memory that drawing a plan takes at most: its picture several times, its fields as far as they are held, and what
/// finding quantiles of them takes besides.
fn work_bytes(plotter: &Plotter, plan: &Plan) -> u64 {
    let options = &plan.options;
    let width = u64::from(options.width.unwrap_or(style::DEFAULT_WIDTH));
    let height = options.height.map_or(width, u64::from);
    let pixels = width.saturating_mul(height).saturating_mul(BYTES_A_PIXEL);
    let axes = plan.content.axes();
    let field = |path: &str| plotter.field_bytes(&plan.manifest, path, &axes).unwrap_or(0);
    let fields = plan.selected.variables.iter().map(|selected| field(&selected.path));
    let fields = fields.fold(0, u64::saturating_add);
    // Larger fields are read in parts, unless all values are drawn.
    let kept = fields.min(plotter.settings().field_cache_bytes / 2);
    let has_parts = match plan.content {
        Content::Map(_) if matches!(plan.kind, Kind::Scatter | Kind::Quiver) => false,
        Content::Map(_) => options.interpolation != Some(Interpolation::Bilinear),
        Content::Plane(..) | Content::Series(..) => true,
        Content::Distribution(_) | Content::Pairs(_) => false,
    };
    let held = if has_parts { kept } else { fields };
    let sorted = if options.is_robust == Some(true) { kept } else { 0 };
    // What takes more is refused where it is known what is selected.
    pixels.saturating_add(held).saturating_add(sorted).min(plotter.settings().work_bytes)
}

/// The picture of a panel in the form of an answer.
fn encoded(panel: &Panel, format: Format) -> Result<Bytes, Failure> {
    let bytes = match format {
        Format::Svg => draw_svg(&panel.figure, &panel.layout, &panel.marks)?.into_bytes(),
        Format::WebP => encode::webp(&pixels(panel)?)?,
        Format::Gif => encode::gif(&[pixels(panel)?], 1000)?,
        _ => encode::png(&pixels(panel)?)?,
    };
    Ok(Bytes::from(bytes))
}

fn pixels(panel: &Panel) -> Result<Image, Failure> {
    Ok(draw(&panel.figure, &panel.layout, &panel.marks)?)
}

/// Where the parts of a figure are, if they are not more pixels than a picture has.
fn laid_out(figure: &Figure) -> Result<Layout, Failure> {
    let layout = Layout::of(figure)?;
    let n_pixels = u64::from(layout.width) * u64::from(layout.height);
    if layout.width > MAX_SIDE || layout.height > MAX_SIDE || n_pixels > MAX_PIXELS {
        return Err(Failure::too_large(format!(
            "a picture of {} × {} pixels; at most {MAX_SIDE} a side and {MAX_PIXELS} in all",
            layout.width, layout.height
        )));
    }
    Ok(layout)
}
