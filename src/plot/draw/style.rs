//! The figure around a panel.

use thermocline_render::figure::Plane;
use thermocline_render::{Figure, Frame, Scale, Theme};

use crate::Plan;
use crate::options::{Options, Switch};

/// Width of a picture that nobody asked for.
pub(super) const DEFAULT_WIDTH: u32 = 1000;

/// The figure around a panel that shows `plane` with the colours of `scale`.
pub(super) fn figure(plan: &Plan, plane: Plane, scale: Option<&Scale>, frame: Option<u64>) -> Figure {
    let options = &plan.options;
    let style = options.frame.unwrap_or(Frame::Full);
    let is_full = style == Frame::Full;
    let has_colorbar = is_full && options.colorbar != Some(Switch::Off);
    let title = if is_full { plan.title() } else { String::new() };
    // An empty title hides what stands below it too.
    let is_titled = is_full && options.title.as_deref() != Some("");
    Figure {
        width: options.width.unwrap_or(DEFAULT_WIDTH),
        height: options.height,
        frame: style,
        theme: options.theme.unwrap_or(Theme::Light),
        scale: text_scale(options),
        title,
        subtitle: if is_titled { plan.subtitle(frame) } else { String::new() },
        plane,
        has_grid: options.grid != Some(Switch::Off),
        colorbar: scale.filter(|_| has_colorbar).map(|scale| (scale.clone(), plan.label())),
        legend: Vec::new(),
    }
}

/// Factor for texts and lines.
pub(super) fn text_scale(options: &Options) -> f64 {
    options.scale.unwrap_or(1.0) * options.dpi.unwrap_or(100.0) / 100.0
}

/// The label of an axis: that of the request, none if it is empty.
pub(super) fn axis_label(asked: Option<&String>, default: String) -> Option<String> {
    Some(asked.cloned().unwrap_or(default)).filter(|label| !label.is_empty())
}

/// A height that is a share of the width.
pub(super) fn height_of(width: u32, share: f64) -> u32 {
    ((f64::from(width) * share) as u32).max(1)
}
