//! The forms in which a dataset is offered as a Zarr hierarchy.

/// One form of a Zarr hierarchy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum View {
    /// Format 2 with numcodecs' codecs.
    V2,
    /// Format 3 with the core codecs and numcodecs' codecs.
    V3,
    /// Format 3 with nothing but the core codecs and `vlen-utf8`.
    Core,
}

impl View {
    /// True for format 2.
    pub fn is_v2(self) -> bool {
        self == Self::V2
    }

    /// The format's number.
    pub fn zarr_format(self) -> u8 {
        if self.is_v2() { 2 } else { 3 }
    }
}
