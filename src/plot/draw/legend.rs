//! The colour bar of a plot alone.

use bytes::Bytes;
use serde_json::{Map, json};
use thermocline_render::figure::{Legend, legend, legend_svg};
use thermocline_render::{Cancel, Levels, Scale, Theme, encode};

use super::painting::Painting;
use super::scale::{self, Range};
use super::{Drawn, Facts, map};
use crate::{Axes, Failure, Format, Plan, Plotter};

/// Size of a colour bar that nobody asked for, in pixels.
const SIZE: (u32, u32) = (600, 80);

impl Plotter {
    /// Draws the colour bar that a plan has. Data are read only if an end of its range comes from them.
    ///
    /// # Errors
    /// Those of [`Self::draw`].
    pub async fn draw_legend(&self, plan: &Plan, cancel: &Cancel) -> Result<Drawn, Failure> {
        cancel.check()?;
        let _admission = self.admit(super::work_bytes(self, plan)).await?;
        self.in_time(cancel, self.legend_of(plan, cancel)).await
    }

    async fn legend_of(&self, plan: &Plan, cancel: &Cancel) -> Result<Drawn, Failure> {
        let range = match scale::is_open(&plan.options) {
            true => {
                let (selected, axes) = (map::selected(plan, 0, None)?, plan.content.axes());
                let drawn = Axes { selected: &selected, drawn: &axes };
                self.ranged(plan, &drawn, cancel).await?.range
            }
            false => Range::default(),
        };
        let scale = Painting::of(plan, range)?.scale;
        let facts = Facts { document: document(plan, &scale) };
        let bar = Legend {
            scale,
            label: plan.label(),
            width: plan.options.width.unwrap_or(SIZE.0),
            height: plan.options.height.unwrap_or(SIZE.1),
            theme: plan.options.theme.unwrap_or(Theme::Light),
        };
        let body = match plan.request.format {
            Format::Json => serde_json::to_vec(&facts.document).map(Bytes::from).unwrap_or_default(),
            Format::Svg => self.run(cancel, move || legend_svg(&bar)).await??.into_bytes().into(),
            _ => self.run(cancel, move || encode::png(&legend(&bar)?)).await??.into(),
        };
        Ok(Drawn { body, facts })
    }
}

/// What a colour bar shows, with all its colours.
fn document(plan: &Plan, scale: &Scale) -> Map<String, serde_json::Value> {
    let colors =
        scale.colormap.table.iter().map(|[red, green, blue]| format!("#{red:02x}{green:02x}{blue:02x}"));
    let members = [
        ("variable", json!(plan.path)),
        ("label", json!(plan.label())),
        ("units", json!(plan.units())),
        ("cmap", json!(scale.colormap.name)),
        ("vmin", json!(scale.vmin)),
        ("vmax", json!(scale.vmax)),
        ("norm", json!(super::facts::norm_word(plan, scale))),
        ("levels", json!(if scale.levels == Levels::Continuous { None } else { Some(scale.edges()) })),
        ("colors", colors.collect()),
    ];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
