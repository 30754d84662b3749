//! Colours of several series, told apart by people who see colours differently, on white and on black.
//!
//! # Source
//! M. Okabe and K. Ito, Color Universal Design (2008). Their black and yellow are left out: each vanishes on one of the
//! two backgrounds.

use crate::Color;

/// Colours in the order in which series get them.
pub const COLORS: [Color; 7] = [
    Color::rgb(0x00, 0x72, 0xB2),
    Color::rgb(0xD5, 0x5E, 0x00),
    Color::rgb(0x00, 0x9E, 0x73),
    Color::rgb(0xCC, 0x79, 0xA7),
    Color::rgb(0x56, 0xB4, 0xE9),
    Color::rgb(0xE6, 0x9F, 0x00),
    Color::rgb(0x80, 0x80, 0x80),
];

/// The colour of the series of a number; after the last one they begin again.
pub fn color(number: usize) -> Color {
    COLORS[number % COLORS.len()]
}

/// Strokes and gaps of the series of a number: those that share a colour differ in them.
pub fn dashes(number: usize) -> Vec<f32> {
    match (number / COLORS.len()) % 4 {
        0 => Vec::new(),
        1 => vec![6.0, 3.0],
        2 => vec![2.0, 2.0],
        _ => vec![8.0, 3.0, 2.0, 3.0],
    }
}
