//! Few colours that stand for many.
//!
//! # Source
//! P. Heckbert, *Color image quantization for frame buffer display* (1982): median cut.

use std::collections::BTreeMap;

/// Opaque colours that stand for those of pixels, at most `limit`: boxes of colours are cut in two, always the one whose
/// colours are farthest apart for their number, and the mean of each is taken. Colours that are `fixed` are kept.
pub(super) fn quantize(pixels: &[[u8; 4]], fixed: &[[u8; 4]], limit: usize) -> Vec<[u8; 4]> {
    let mut counts: BTreeMap<[u8; 3], u64> = BTreeMap::new();
    let mut runs =
        pixels.chunk_by(|a, b| a == b).filter(|run| run.first().is_some_and(|pixel| pixel[3] >= 128));
    let counted = runs
        .by_ref()
        .filter_map(|run| run.first().map(|[red, green, blue, _]| ([*red, *green, *blue], run.len())));
    for (color, n_pixels) in counted {
        *counts.entry(color).or_default() += n_pixels as u64;
    }
    let mut palette: Vec<[u8; 4]> = fixed.iter().copied().take(limit).collect();
    for [red, green, blue, _] in &palette {
        counts.remove(&[*red, *green, *blue]);
    }
    let mut boxes = vec![Box::of(counts.into_iter().collect())];
    while boxes.len() + palette.len() < limit {
        let widest =
            boxes.iter().enumerate().max_by_key(|(number, cut)| (cut.weight(), std::cmp::Reverse(*number)));
        let Some((number, _)) = widest.filter(|(_, cut)| cut.colors.len() > 1) else { break };
        let (low, high) = boxes.swap_remove(number).halves();
        boxes.extend([low, high]);
    }
    if palette.len() < limit {
        palette.extend(boxes.iter().filter_map(Box::mean));
    }
    palette
}

/// The colour of a palette that is nearest to one; the transparent one is for those that are more transparent than not.
pub(super) fn nearest(palette: &[[u8; 4]], color: [u8; 4]) -> u8 {
    let distance = |known: &[u8; 4]| -> u32 {
        if (known[3] < 128) != (color[3] < 128) {
            return u32::MAX;
        }
        if color[3] < 128 {
            return 0;
        }
        known.iter().zip(color).take(3).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
    };
    let nearest = palette.iter().enumerate().min_by_key(|(_, known)| distance(known));
    nearest.map_or(0, |(number, _)| number as u8)
}

/// Colours close to each other, with how often they occur.
struct Box {
    colors: Vec<([u8; 3], u64)>,
    /// The part of the colour in which they differ most, and how much.
    axis: usize,
    width: u8,
}

impl Box {
    fn of(colors: Vec<([u8; 3], u64)>) -> Self {
        let width = |axis: usize| {
            let parts = colors.iter().map(|(color, _)| color[axis]);
            parts.clone().max().unwrap_or(0) - parts.min().unwrap_or(0)
        };
        let axis = [1, 0, 2].into_iter().max_by_key(|axis| width(*axis)).unwrap_or(0);
        Self { width: width(axis), axis, colors }
    }

    fn weight(&self) -> u64 {
        // The root keeps a plain background from taking every colour.
        let n_pixels: u64 = self.colors.iter().map(|(_, count)| count).sum();
        u64::from(self.width) * u64::from(self.width) * n_pixels.isqrt()
    }

    /// Two boxes at the median of the pixels.
    fn halves(mut self) -> (Self, Self) {
        let axis = self.axis;
        self.colors.sort_by_key(|(color, _)| (color[axis], *color));
        let half = self.colors.iter().map(|(_, count)| count).sum::<u64>() / 2;
        let mut seen = 0;
        let below = self.colors.iter().take_while(|(_, count)| {
            seen += count;
            seen <= half
        });
        let cut = below.count().clamp(1, self.colors.len().saturating_sub(1).max(1));
        let high = self.colors.split_off(cut.min(self.colors.len()));
        (Self::of(self.colors), Self::of(high))
    }

    fn mean(&self) -> Option<[u8; 4]> {
        let n_pixels: u64 = self.colors.iter().map(|(_, count)| count).sum();
        let part = |axis: usize| {
            let sum: u64 = self.colors.iter().map(|(color, count)| u64::from(color[axis]) * count).sum();
            (sum + n_pixels / 2).checked_div(n_pixels).map(|mean| mean as u8)
        };
        Some([part(0)?, part(1)?, part(2)?, 255])
    }
}
