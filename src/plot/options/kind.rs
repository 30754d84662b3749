//! Kinds of plots by their names: those of hvplot, of xarray and ours.

use crate::Failure;

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Colour by cell.
    Image,
    /// Lines of equal value.
    Contour,
    /// Filled levels.
    ContourFilled,
    /// A series, or several.
    Line,
    /// Values at their places, or two variables against each other.
    Scatter,
    /// The distribution.
    Histogram,
    /// Two dimensions that are not both horizontal.
    Section,
    /// Arrows of two components.
    Quiver,
}

/// Name, kind, other names, what it draws.
const KINDS: [(&str, Kind, &[&str], &str); 8] = [
    (
        "image",
        Kind::Image,
        &["quadmesh", "pcolormesh", "imshow", "map", "rgb", "polygons"],
        "the colour of each cell, on any grid",
    ),
    ("contour", Kind::Contour, &[], "lines of equal value"),
    ("contourf", Kind::ContourFilled, &[], "filled levels"),
    ("line", Kind::Line, &["step", "area", "lines"], "a series along one dimension, several by hue"),
    ("scatter", Kind::Scatter, &["points"], "values at their places; two variables against each other by x"),
    ("hist", Kind::Histogram, &[], "the distribution of the values"),
    (
        "section",
        Kind::Section,
        &["hovmoller", "heatmap"],
        "two dimensions that are not both horizontal; pressure and depth downwards",
    ),
    ("quiver", Kind::Quiver, &["vectorfield"], "arrows of two components, u and v"),
];

/// Names that hvplot knows and nothing here draws.
const NOT_DRAWN: [&str; 20] = [
    "bar",
    "barh",
    "bivariate",
    "box",
    "dataset",
    "density",
    "errorbars",
    "explorer",
    "hexbin",
    "kde",
    "labels",
    "ohlc",
    "paths",
    "streamplot",
    "table",
    "violin",
    "surface",
    "barbs",
    "scatter_matrix",
    "parallel_coordinates",
];

impl Kind {
    /// All kinds.
    pub fn all() -> impl Iterator<Item = Self> {
        KINDS.iter().map(|(_, kind, _, _)| *kind)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.entry().map_or("image", |(name, _, _, _)| name)
    }

    /// Other names of it.
    pub fn aliases(self) -> &'static [&'static str] {
        self.entry().map_or(&[], |(_, _, aliases, _)| aliases)
    }

    /// What it draws, in a few words.
    pub fn about(self) -> &'static str {
        self.entry().map_or("", |(_, _, _, about)| about)
    }

    /// Names of all kinds without the other ones.
    pub fn names() -> Vec<&'static str> {
        KINDS.iter().map(|(name, _, _, _)| *name).collect()
    }

    /// The kind of a name or of one of its other names.
    ///
    /// # Errors
    /// [`Failure::Mistake`] with all names that work.
    pub fn parse(word: &str) -> Result<Self, Failure> {
        let known = KINDS.iter().find(|(name, _, aliases, _)| *name == word || aliases.contains(&word));
        if let Some((_, kind, _, _)) = known {
            return Ok(*kind);
        }
        let detail = match NOT_DRAWN.contains(&word) {
            true => format!("kind={word} is not drawn by this server"),
            false => format!("kind={} is no kind of plot", super::values::shown(word)),
        };
        let names = KINDS.iter().flat_map(|(name, _, aliases, _)| std::iter::once(name).chain(*aliases));
        Err(Failure::Mistake { detail, allowed: names.map(|name| (*name).to_owned()).collect() })
    }

    fn entry(self) -> Option<&'static (&'static str, Self, &'static [&'static str], &'static str)> {
        KINDS.iter().find(|(_, kind, _, _)| *kind == self)
    }
}
