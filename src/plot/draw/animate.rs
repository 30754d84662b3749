//! One picture for each step of a dimension.

use std::sync::Arc;

use bytes::Bytes;
use thermocline_render::encode::{GifWriter, WebpWriter};
use thermocline_render::figure::Plane;
use thermocline_render::ticks::Axis;
use thermocline_render::{Cancel, CellMap, Color, Image, Scale};

use super::map::{Ranged, selected};
use super::panel::Panel;
use super::scale::Range;
use super::style::DEFAULT_WIDTH;
use super::{Drawn, Facts, facts, pixels};
use crate::plan::{Animation, Content};
use crate::{Axes, Failure, Format, Kind, Needs, Plan, Plotter, Wanted};

/// Pictures a second if nobody asks for others.
const DEFAULT_FPS: u32 = 8;

/// Most pixels of all pictures of an animation.
const MAX_PIXELS: u64 = 1 << 28;

/// Animations as they are written.
enum Writer {
    Gif(Box<GifWriter>),
    WebP(Box<WebpWriter>),
}

impl Writer {
    fn new(plan: &Plan, first: &Image, scale: Option<&Scale>) -> Result<Self, Failure> {
        let frame_ms = 1000 / plan.options.fps.unwrap_or(DEFAULT_FPS).max(1);
        let (width, height) = (first.width, first.height);
        if plan.request.format == Format::WebP {
            return Ok(Self::WebP(Box::new(WebpWriter::new(width, height, frame_ms)?)));
        }
        let colors: Vec<Color> = match scale {
            Some(scale) => scale.colormap.table.iter().map(|[r, g, b]| Color::rgb(*r, *g, *b)).collect(),
            None => Vec::new(),
        };
        Ok(Self::Gif(Box::new(GifWriter::new(width, height, frame_ms, &colors)?)))
    }

    fn push(&mut self, image: Image) -> Result<(), Failure> {
        match self {
            Self::Gif(writer) => writer.push(image)?,
            Self::WebP(writer) => writer.push(&image)?,
        }
        Ok(())
    }

    fn finish(self) -> Result<Bytes, Failure> {
        Ok(Bytes::from(match self {
            Self::Gif(writer) => writer.finish()?,
            Self::WebP(writer) => writer.finish()?,
        }))
    }
}

/// Refuses more pixels than an animation has.
fn check_pixels(n_frames: usize, width: u32, height: u32) -> Result<(), Failure> {
    let n_pixels = u64::from(width) * u64::from(height);
    if n_pixels.saturating_mul(n_frames as u64) <= MAX_PIXELS {
        return Ok(());
    }
    Err(Failure::too_large(format!(
        "{n_frames} pictures of {width} × {height} pixels: ask for fewer frames or a smaller width"
    )))
}

impl Plotter {
    /// Draws one picture after the other; no more than one is held beside what is written already. All have the same
    /// range of values, so that a colour means the same in each.
    pub(super) async fn animated(
        &self,
        plan: &Plan,
        animation: &Animation,
        cancel: &Cancel,
    ) -> Result<Drawn, Failure> {
        let n_frames = animation.positions.len();
        // Nothing is read for too many pixels, as far as they are known by then.
        check_pixels(
            n_frames,
            plan.options.width.unwrap_or(DEFAULT_WIDTH),
            plan.options.height.unwrap_or(1),
        )?;
        let common = self.common_range(plan, animation, cancel).await?;
        let mut bytes_read = common.bytes_read;
        let mut writer: Option<Writer> = None;
        let mut last = None;
        for position in &animation.positions {
            cancel.check()?;
            let panel = self.panel(plan, (Some(*position), Some(&common)), cancel).await?;
            check_pixels(n_frames, panel.layout.width, panel.layout.height)?;
            bytes_read += panel.known.bytes_read.saturating_sub(common.bytes_read);
            self.check_total(bytes_read)?;
            let plan = plan.clone();
            let (next, panel) = self
                .run(cancel, move || {
                    let image = pixels(&panel)?;
                    let mut writer = match writer {
                        Some(writer) => writer,
                        None => Writer::new(&plan, &image, panel.known.scale.as_ref())?,
                    };
                    writer.push(image)?;
                    Ok::<(Writer, Panel), Failure>((writer, panel))
                })
                .await??;
            writer = Some(next);
            last = Some(panel);
        }
        let (writer, panel) =
            writer.zip(last).ok_or_else(|| Failure::mistake("an animation without pictures"))?;
        let facts = Facts { document: facts::document(plan, &panel) };
        let body = self.run(cancel, move || writer.finish()).await??;
        Ok(Drawn { body, facts })
    }

    /// The range of what all pictures show.
    async fn common_range(
        &self,
        plan: &Plan,
        animation: &Animation,
        cancel: &Cancel,
    ) -> Result<Ranged, Failure> {
        let axes = plan.content.axes();
        let mut common = Ranged::default();
        for position in &animation.positions {
            let ranged = match &plan.content {
                Content::Map(_) if plan.kind == Kind::Quiver => {
                    self.speeds_of(plan, &axes, Some(*position), cancel).await?
                }
                Content::Map(_) | Content::Plane(..) => {
                    let selected = selected(plan, 0, Some(*position))?;
                    self.ranged(plan, &Axes { selected: &selected, drawn: &axes }, cancel).await?
                }
                Content::Pairs(_) => {
                    let ours = self.range_of(plan, (0, &axes), *position, cancel).await?;
                    let other = self.range_of(plan, (1, &axes), *position, cancel).await?;
                    Ranged { across: other.range, bytes_read: ours.bytes_read + other.bytes_read, ..ours }
                }
                Content::Series(..) | Content::Distribution(_) => {
                    self.range_of(plan, (0, &axes), *position, cancel).await?
                }
            };
            common.range = common.range.with(ranged.range);
            common.across = common.across.with(ranged.across);
            common.bytes_read += ranged.bytes_read;
            self.check_total(common.bytes_read)?;
        }
        if let Content::Distribution(_) = &plan.content {
            let mut counts: Option<Axis> = None;
            for position in &animation.positions {
                let panel =
                    self.distribution_panel(plan, &axes, (Some(*position), Some(&common)), cancel).await?;
                if let Plane::Axes { y, .. } = panel.figure.plane
                    && counts.as_ref().is_none_or(|counts| counts.last < y.last)
                {
                    counts = Some(y);
                }
            }
            common.counts = counts;
        }
        Ok(common)
    }

    /// Smallest and largest value of a variable of the plan in one picture.
    async fn range_of(
        &self,
        plan: &Plan,
        (variable, axes): (usize, &[usize]),
        position: u64,
        cancel: &Cancel,
    ) -> Result<Ranged, Failure> {
        let selected = selected(plan, variable, Some(position))?;
        let drawn = Axes { selected: &selected, drawn: axes };
        let nothing = Arc::new(CellMap::Each(Vec::new()));
        let wanted = Wanted { statistics: true, ..Wanted::default() };
        let read = self.read_field(&plan.manifest, &drawn, Needs::Pixels(&nothing), wanted, cancel).await?;
        let range = Range::of(read.statistics.as_ref(), None);
        Ok(Ranged { range, bytes_read: read.bytes_read, ..Ranged::default() })
    }
}
