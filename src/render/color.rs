//! Colours and how requests write them.

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

    /// A colour as requests write it: a name, `#rrggbb`, `#rrggbbaa` or `transparent`.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the text and the forms.
    pub fn parse(text: &str) -> Result<Self> {
        if text == "transparent" {
            return Ok(Self::TRANSPARENT);
        }
        Err(Error::Invalid(format!("'{text}' is no colour: write a name, #rrggbb, #rrggbbaa or transparent")))
    }
}
