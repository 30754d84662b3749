//! The form of a scale for many values: everything that does not depend on the value is worked out before.

use super::{Entry, Levels, Norm, Scale};

/// How far a quotient by way of the reciprocal may be from an integer to be trusted to lie on the same side of it as the
/// exact quotient: rounding moves it by less than 10⁻¹².
const DOUBTFUL: f64 = 1e-9;

/// A scale for many values.
#[derive(Debug, Clone, PartialEq)]
pub struct CompiledScale {
    transform: Transform,
    /// Ends of the range as values.
    low: f64,
    high: f64,
    /// The lower end and the width of the range by the norm, both halved if the width would overflow.
    foot: f64,
    width: f64,
    /// 256 / `width` where that is a normal number.
    per_entry: Option<f64>,
    halved: bool,
    bands: Bands,
    has_below: bool,
    has_above: bool,
}

/// What the norm does to a value before it is placed between the ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Transform {
    None,
    Log,
    SymLog(f64),
    /// Applied to the share, not to the value.
    Power(f64),
}

#[derive(Debug, Clone, PartialEq)]
enum Bands {
    None,
    Count(u32),
    Edges(Vec<f64>),
}

impl CompiledScale {
    pub(super) fn of(scale: &Scale) -> Self {
        let transform = match scale.norm {
            Norm::Linear | Norm::Centered => Transform::None,
            Norm::Log => Transform::Log,
            Norm::SymLog(width) => Transform::SymLog(width),
            Norm::Power(exponent) => Transform::Power(exponent),
        };
        let (low, high) = scale.range();
        let (foot, head) = (transform.of(low), transform.of(high));
        let halved = !(head - foot).is_finite();
        let factor = if halved { 0.5 } else { 1.0 };
        let width = head * factor - foot * factor;
        let per_entry = 256.0 / width;
        Self {
            transform,
            low,
            high,
            foot: foot * factor,
            width,
            per_entry: (per_entry.is_normal() && width.is_normal()).then_some(per_entry),
            halved,
            bands: match &scale.levels {
                Levels::Continuous => Bands::None,
                Levels::Count(count) => Bands::Count((*count).max(1)),
                Levels::Edges(edges) => Bands::Edges(edges.clone()),
            },
            has_below: scale.below.is_some(),
            has_above: scale.above.is_some(),
        }
    }

    /// The entry of a value.
    #[inline]
    pub fn entry(&self, value: f64) -> Entry {
        if value.is_nan() || (self.transform == Transform::Log && value <= 0.0) {
            return Entry::Bad;
        }
        if self.has_below && value < self.low {
            return Entry::Below;
        }
        if self.has_above && value > self.high {
            return Entry::Above;
        }
        match &self.bands {
            Bands::None => Entry::Of(self.index(value)),
            Bands::Count(count) => {
                let band = (self.share_within(value) * f64::from(*count)).min(f64::from(count - 1));
                Entry::Of(entry_of_band(band as usize, *count as usize))
            }
            Bands::Edges(edges) => {
                let band = edges.partition_point(|edge| *edge <= value).saturating_sub(1);
                let n_bands = edges.len().saturating_sub(1);
                Entry::Of(entry_of_band(band.min(n_bands.saturating_sub(1)), n_bands))
            }
        }
    }

    /// Where a value lies between the ends by the norm.
    pub fn share(&self, value: f64) -> f64 {
        if self.transform == Transform::Log && value <= 0.0 {
            return f64::NAN;
        }
        if self.width == 0.0 {
            return if value.is_nan() { f64::NAN } else { 0.0 };
        }
        let share = (self.transformed(value) - self.foot) / self.width;
        match self.transform {
            // Below the range there is no power of the share; matplotlib goes on linearly too.
            Transform::Power(exponent) if share > 0.0 => share.powf(exponent),
            _ => share,
        }
    }

    /// The value at a share of the way between the ends.
    pub fn value_at(&self, share: f64) -> f64 {
        let share = match self.transform {
            Transform::Power(exponent) if share > 0.0 => share.powf(exponent.recip()),
            _ => share,
        };
        let transformed = self.foot + share * self.width;
        match self.transform {
            Transform::Log => transformed.exp(),
            Transform::SymLog(width) => symlog_inverse(transformed, width),
            Transform::None | Transform::Power(_) if self.halved => transformed * 2.0,
            Transform::None | Transform::Power(_) => transformed,
        }
    }

    /// `floor(256 share)` within 0 … 255.
    #[inline]
    fn index(&self, value: f64) -> u8 {
        let Some(per_entry) = self.per_entry else {
            return (self.share_within(value) * 256.0) as u8;
        };
        if let Transform::Power(_) = self.transform {
            return (self.share_within(value) * 256.0) as u8;
        }
        let distance = self.transformed(value) - self.foot;
        let near = distance * per_entry;
        // Dividing is slow: it decides only where the product is too near to an integer to do so. Conversions to u8
        // stop at 0 and 255.
        if (near - near.round_ties_even()).abs() > DOUBTFUL {
            return near as u8;
        }
        (distance / self.width * 256.0) as u8
    }

    #[inline]
    fn share_within(&self, value: f64) -> f64 {
        self.share(value).clamp(0.0, 1.0)
    }

    #[inline]
    fn transformed(&self, value: f64) -> f64 {
        let transformed = self.transform.of(value);
        if self.halved { transformed * 0.5 } else { transformed }
    }
}

impl Transform {
    #[inline]
    fn of(self, value: f64) -> f64 {
        match self {
            Self::None | Self::Power(_) => value,
            Self::Log => value.ln(),
            Self::SymLog(width) => symlog(value, width),
        }
    }
}

/// Of k bands band b has entry `floor(255 b / (k − 1))`, entry 127 if there is one.
#[inline]
fn entry_of_band(band: usize, n_bands: usize) -> u8 {
    match n_bands {
        0 | 1 => 127,
        _ => (255 * band / (n_bands - 1)).min(255) as u8,
    }
}

/// # Formula
/// `v · 10/9` within the linear range, `± width (10/9 + log₁₀(|v| / width))` beyond it: matplotlib's `SymLogNorm` with
/// its `linscale` of 1 and base 10.
fn symlog(value: f64, width: f64) -> f64 {
    let magnitude = value.abs();
    if magnitude <= width {
        return value * LINEAR_ROOM;
    }
    (width * (LINEAR_ROOM + (magnitude / width).log10())).copysign(value)
}

fn symlog_inverse(transformed: f64, width: f64) -> f64 {
    let magnitude = transformed.abs();
    if magnitude <= width * LINEAR_ROOM {
        return transformed / LINEAR_ROOM;
    }
    (width * 10_f64.powf(magnitude / width - LINEAR_ROOM)).copysign(transformed)
}

/// 1 / (1 − 10⁻¹).
const LINEAR_ROOM: f64 = 10.0 / 9.0;
