//! Texts: the font, how wide a text is, and units as people write them.
//!
//! The font is DejaVu Sans, cut down to Latin, Greek, Cyrillic and the signs of scales and units (`text/LICENSE_DEJAVU`
//! is its licence). A character that it lacks is drawn as a box.

mod font;
mod units;

pub(crate) use font::{Spot, ascent, cap_height, draw, line_height};
pub use font::{width, wrap};
pub(crate) use units::raised;
pub use units::typeset_units;

/// Most characters of a text that are looked at: titles come from files.
const MAX_CHARS: usize = 600;

/// A text fit to be drawn: control characters become spaces, and what is beyond all measure is cut.
pub(crate) fn printable(text: &str) -> String {
    let cleaned = text.chars().take(MAX_CHARS).map(|c| if is_drawable(c) { c } else { ' ' });
    cleaned.collect::<String>().trim().to_owned()
}

/// False for control characters and those that XML does not have.
fn is_drawable(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{FFFE}' | '\u{FFFF}')
}

/// A text at most `most` pixels wide: cut with `…` where it is wider, empty where not even that fits.
pub fn shortened(text: &str, size: f32, most: f32) -> String {
    if width(text, size) <= most {
        return text.to_owned();
    }
    let chars: Vec<char> = text.chars().take(MAX_CHARS).collect();
    let cut = |n: usize| -> String {
        let kept: String = chars.iter().take(n).collect();
        format!("{}…", kept.trim_end())
    };
    let (mut fits, mut too_wide) = (0, chars.len() + 1);
    while too_wide - fits > 1 {
        let middle = usize::midpoint(fits, too_wide);
        if width(&cut(middle), size) <= most {
            fits = middle;
        } else {
            too_wide = middle;
        }
    }
    if fits == 0 { String::new() } else { cut(fits) }
}

#[cfg(test)]
mod tests;
