//! Colours and sizes of everything but the data.

use super::Theme;
use crate::Color;

/// Colours of a theme.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Palette {
    /// Behind everything.
    pub(super) background: Color,
    /// Frames, ticks, titles.
    pub(super) ink: Color,
    /// Subtitles.
    pub(super) faint: Color,
    /// Coastlines.
    pub(super) coast: Color,
    /// Borders.
    pub(super) border: Color,
    /// Lines across the panel.
    pub(super) grid: Color,
}

const fn grey(level: u8, alpha: u8) -> Color {
    Color { red: level, green: level, blue: level, alpha }
}

impl Palette {
    pub(super) fn of(theme: Theme) -> Self {
        let on_light = Self {
            background: grey(255, 255),
            ink: grey(0x22, 255),
            faint: grey(0x66, 255),
            coast: grey(0x11, 225),
            border: grey(0x11, 120),
            grid: grey(0x84, 105),
        };
        match theme {
            Theme::Light => on_light,
            Theme::Transparent => Self { background: Color::TRANSPARENT, ..on_light },
            Theme::Dark => Self {
                background: Color::rgb(0x16, 0x18, 0x1c),
                ink: grey(0xe6, 255),
                faint: grey(0xa4, 255),
                coast: grey(0xf4, 215),
                border: grey(0xf4, 120),
                grid: grey(0xa8, 95),
            },
        }
    }
}

/// Sizes in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sizes {
    /// Pixels of a unit: 1 for a picture of 1000 × 500 pixels at a scale of 1.
    pub(super) unit: f32,
}

impl Sizes {
    /// Sizes that suit a picture. Texts grow a little slower than the picture, so that small ones stay legible.
    pub(super) fn of(width: f32, height: f32, scale: f64) -> Self {
        let ratio = (width * height).max(1.0).sqrt() / 707.0;
        let own = if ratio > 1.0 { ratio.powf(0.9) } else { ratio.powf(0.3).max(0.6) };
        let scale = if scale.is_finite() { scale as f32 } else { 1.0 };
        Self { unit: (own * scale).clamp(0.25, 60.0) }
    }

    pub(super) fn units(self, n: f32) -> f32 {
        n * self.unit
    }

    /// Size of tick labels.
    pub(super) fn tick(self) -> f32 {
        self.units(11.5)
    }

    /// Size of the labels of axes and colour bars.
    pub(super) fn label(self) -> f32 {
        self.units(12.5)
    }

    pub(super) fn title(self) -> f32 {
        self.units(15.5)
    }

    pub(super) fn subtitle(self) -> f32 {
        self.units(11.5)
    }

    /// Around everything.
    pub(super) fn pad(self) -> f32 {
        self.units(9.0)
    }

    /// Between a tick's end and its label.
    pub(super) fn gap(self) -> f32 {
        self.units(3.0)
    }

    pub(super) fn tick_length(self) -> f32 {
        self.units(4.0).round().max(1.0)
    }

    /// Width of frames and ticks: whole pixels, so that they are sharp.
    pub(super) fn line(self) -> f32 {
        self.units(0.9).round().max(1.0)
    }

    /// Thickness of a colour bar.
    pub(super) fn bar(self) -> f32 {
        self.units(14.0).round().max(3.0)
    }
}
