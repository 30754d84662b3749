//! One picture for each step of a dimension.

use bytes::Bytes;
use thermocline_render::encode::{GifWriter, WebpWriter};
use thermocline_render::{Cancel, Color, Image, Scale};

use super::map::{Ranged, selected};
use super::panel::Panel;
use super::{Drawn, Facts, facts, pixels};
use crate::plan::{Animation, Content};
use crate::{Axes, Failure, Format, Plan, Plotter};

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

impl Plotter {
    /// Draws one picture after the other; no more than one is held beside what is written already. All have the same
    /// range of values, so that a colour means the same in each.
    pub(super) async fn animated(
        &self,
        plan: &Plan,
        animation: &Animation,
        cancel: &Cancel,
    ) -> Result<Drawn, Failure> {
        let common = self.common_range(plan, animation, cancel).await?;
        let mut writer: Option<Writer> = None;
        let mut last = None;
        for position in &animation.positions {
            cancel.check()?;
            let panel = self.panel(plan, (Some(*position), Some(&common)), cancel).await?;
            let n_pixels = u64::from(panel.layout.width) * u64::from(panel.layout.height);
            if n_pixels.saturating_mul(animation.positions.len() as u64) > MAX_PIXELS {
                return Err(Failure::too_large(format!(
                    "{} pictures of {} × {} pixels: ask for fewer frames or a smaller width",
                    animation.positions.len(),
                    panel.layout.width,
                    panel.layout.height
                )));
            }
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

    async fn common_range(
        &self,
        plan: &Plan,
        animation: &Animation,
        cancel: &Cancel,
    ) -> Result<Ranged, Failure> {
        let axes = match &plan.content {
            Content::Map(axes) if plan.kind != crate::Kind::Quiver => axes.clone(),
            Content::Plane(rows, columns) => vec![*rows, *columns],
            _ => return Ok(Ranged::default()),
        };
        let mut common = Ranged::default();
        for position in &animation.positions {
            let selected = selected(plan, 0, Some(*position))?;
            let drawn = Axes { selected: &selected, drawn: &axes };
            let ranged = self.ranged(plan, &drawn, cancel).await?;
            common.range = common.range.with(ranged.range);
            common.bytes_read += ranged.bytes_read;
        }
        Ok(common)
    }
}
