//! Colours and how requests write them.

mod names;

use crate::{Error, Result};

/// A colour: red, green, blue, opacity, not premultiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Color {
    /// Red, 0 to 255.
    pub red: u8,
    /// Green.
    pub green: u8,
    /// Blue.
    pub blue: u8,
    /// Opacity: 0 transparent, 255 opaque.
    pub alpha: u8,
}

impl Color {
    /// Nothing.
    pub const TRANSPARENT: Self = Self { red: 0, green: 0, blue: 0, alpha: 0 };

    /// An opaque colour.
    pub const fn rgb(red: u8, green: u8, blue: u8) -> Self {
        Self { red, green, blue, alpha: 255 }
    }

    /// A colour as requests write it: a name of CSS or matplotlib in any case, `#rgb`, `#rgba`, `#rrggbb`, `#rrggbbaa`
    /// or `transparent`. Six or eight digits may stand without `#`, which addresses do not carry as it is.
    ///
    /// ```
    /// use thermocline_render::Color;
    ///
    /// assert_eq!(Color::parse("tomato"), Ok(Color::rgb(255, 99, 71)));
    /// assert_eq!(Color::parse("#0f08"), Ok(Color { red: 0, green: 255, blue: 0, alpha: 136 }));
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the text and the forms.
    pub fn parse(text: &str) -> Result<Self> {
        let found = match text.strip_prefix('#') {
            Some(digits) => Self::of_digits(digits),
            None if matches!(text.len(), 6 | 8) => Self::of_name(text).or_else(|| Self::of_digits(text)),
            None => Self::of_name(text),
        };
        found.ok_or_else(|| {
            let shown: String = text.chars().take(40).collect();
            Error::Invalid(format!("'{shown}' is no colour: write a name, #rrggbb, #rrggbbaa or transparent"))
        })
    }

    /// Red, green, blue and opacity.
    pub const fn rgba(self) -> [u8; 4] {
        [self.red, self.green, self.blue, self.alpha]
    }

    fn of_name(text: &str) -> Option<Self> {
        let name = text.to_ascii_lowercase();
        if name == "transparent" || name == "none" {
            return Some(Self::TRANSPARENT);
        }
        let index = names::NAMES.binary_search_by(|(known, _)| (*known).cmp(&name)).ok()?;
        let (_, number) = names::NAMES.get(index)?;
        let [_, red, green, blue] = number.to_be_bytes();
        Some(Self::rgb(red, green, blue))
    }

    fn of_digits(digits: &str) -> Option<Self> {
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        // Digits of the short forms stand for themselves twice.
        let number = u32::from_str_radix(digits, 16).ok()?;
        let double = |shift: u32| (number >> shift & 15) * 17;
        let number = match digits.len() {
            3 => double(8) << 24 | double(4) << 16 | double(0) << 8 | 255,
            4 => double(12) << 24 | double(8) << 16 | double(4) << 8 | double(0),
            6 => number << 8 | 255,
            8 => number,
            _ => return None,
        };
        let [red, green, blue, alpha] = number.to_be_bytes();
        Some(Self { red, green, blue, alpha })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_read_in_every_form() {
        for (text, rgba) in [
            ("white", [255, 255, 255, 255]),
            ("RebeccaPurple", [0x66, 0x33, 0x99, 255]),
            ("lightslategrey", [0x77, 0x88, 0x99, 255]),
            ("k", [0, 0, 0, 255]),
            ("tab:orange", [255, 127, 14, 255]),
            ("#fc0", [255, 204, 0, 255]),
            ("#FFCC00", [255, 204, 0, 255]),
            ("ffcc0080", [255, 204, 0, 128]),
            ("orange", [255, 165, 0, 255]),
            ("Transparent", [0; 4]),
        ] {
            assert_eq!(Color::parse(text).map(Color::rgba), Ok(rgba), "{text}");
        }
    }

    #[test]
    fn what_is_no_colour_is_refused() {
        for text in ["", "#", "#12", "#12345", "#+12345", "#ggg", "fff", "blau", "#123456789", "éé", "#éé"]
        {
            assert!(
                matches!(Color::parse(text), Err(Error::Invalid(detail)) if detail.contains(text)),
                "{text}"
            );
        }
    }

    #[test]
    fn names_are_sorted() {
        assert!(names::NAMES.is_sorted_by(|(a, _), (b, _)| a < b));
    }
}
