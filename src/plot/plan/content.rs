//! Which axes of a variable are drawn, and as what.

use thermocline_model::cf::Axis;

use super::dims::Dim;
use crate::options::Options;
use crate::{Failure, Kind, Placement, Places};

/// Most lines of a figure.
pub(super) const MAX_LINES: u64 = 32;

/// What a panel shows of the variable: positions of its axes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Cells on a map: rows and columns, or one axis.
    Map(Vec<usize>),
    /// Two dimensions as an image: the first upwards, the second to the right.
    Plane(usize, usize),
    /// Values along a dimension, a line for each position of another one.
    Series(usize, Option<usize>),
    /// How often values occur along these dimensions.
    Distribution(Vec<usize>),
    /// Values of two variables against each other along these dimensions.
    Pairs(Vec<usize>),
}

impl Content {
    /// The axes that are drawn, in the order of rows and columns.
    pub fn axes(&self) -> Vec<usize> {
        match self {
            Self::Map(axes) | Self::Distribution(axes) | Self::Pairs(axes) => axes.clone(),
            Self::Plane(rows, columns) => vec![*rows, *columns],
            Self::Series(axis, hue) => hue.iter().copied().chain([*axis]).collect(),
        }
    }
}

/// What is known when axes are chosen.
pub(super) struct Choosing<'c> {
    /// The dimensions of the variable.
    pub dims: &'c [Dim],
    /// For each of them, whether the request selects one position of it.
    pub is_single: &'c [bool],
    /// Where the cells lie.
    pub placement: Option<&'c Placement>,
    /// The request.
    pub options: &'c Options,
    /// True if `x` names another variable.
    pub has_pair: bool,
    /// True if the places are single ones, between which nothing is known.
    pub is_scattered: bool,
}

impl Choosing<'_> {
    /// The kind and the axes that are drawn.
    pub(super) fn choose(&self) -> Result<(Kind, Content), Failure> {
        let kind = match self.options.kind {
            Some(kind) => kind,
            None => self.default_kind()?,
        };
        let content = match kind {
            Kind::Image | Kind::Contour | Kind::ContourFilled => self.field()?,
            Kind::Section => self.plane()?,
            Kind::Line => self.series()?,
            Kind::Histogram => Content::Distribution(self.field_axes()?),
            Kind::Scatter if self.has_pair => Content::Pairs(self.field_axes()?),
            Kind::Scatter | Kind::Quiver => match self.map_axes() {
                Some(axes) => Content::Map(axes),
                None => return Err(self.without_places(kind)),
            },
        };
        let kind = match (kind, &content) {
            (Kind::Image, Content::Plane(..)) => Kind::Section,
            (kind, _) => kind,
        };
        Ok((kind, content))
    }

    fn default_kind(&self) -> Result<Kind, Failure> {
        let (x, y) = (self.options.x.as_deref(), self.options.y.as_deref());
        if self.has_pair {
            return Ok(Kind::Scatter);
        }
        if self.options.hue.is_some() {
            return Ok(Kind::Line);
        }
        match (x, y) {
            (Some(_), Some(_)) => return Ok(if self.names_map() { Kind::Image } else { Kind::Section }),
            (Some(_), None) | (None, Some(_)) if !self.names_map() => return Ok(Kind::Line),
            _ => {}
        }
        if let Some(axes) = self.map_axes().filter(|_| !self.is_native()) {
            let is_one_place = axes.iter().all(|axis| self.dims.get(*axis).is_some_and(|dim| dim.len == 1));
            return Ok(match self.is_scattered {
                true if is_one_place && self.extended().len() == 1 => Kind::Line,
                true => Kind::Scatter,
                false => Kind::Image,
            });
        }
        match self.extended().len() {
            0 if self.dims.is_empty() => {
                Err(Failure::Undrawable("a single value has too few dimensions".into()))
            }
            0 | 1 => Ok(Kind::Line),
            _ if self.is_native() && self.extended().iter().all(|axis| self.is_map_axis(*axis)) => {
                Ok(Kind::Image)
            }
            _ => Ok(Kind::Section),
        }
    }

    /// True if `x` and `y` name axes of the map.
    fn names_map(&self) -> bool {
        let named = self.options.x.iter().chain(&self.options.y);
        let mut axes = named.map(|name| self.axis_of(name));
        axes.all(|axis| axis.is_some_and(|axis| self.is_map_axis(axis)))
    }

    fn is_map_axis(&self, axis: usize) -> bool {
        self.map_axes().is_some_and(|axes| axes.contains(&axis))
    }

    fn is_native(&self) -> bool {
        self.placement.is_some_and(|placement| placement.places == Places::Native)
    }

    /// The axes of the map if none of them is selected away.
    fn map_axes(&self) -> Option<Vec<usize>> {
        let placement = self.placement?;
        let axes: Vec<usize> = placement.row_axis.into_iter().chain([placement.column_axis]).collect();
        let is_whole = |axis: &usize| self.is_single.get(*axis) == Some(&false);
        (axes.iter().all(is_whole)).then_some(axes)
    }

    /// Axes of more than one position.
    fn extended(&self) -> Vec<usize> {
        let axes = self.dims.iter().zip(self.is_single).enumerate();
        axes.filter(|(_, (dim, is_single))| !**is_single && dim.len > 1).map(|(axis, _)| axis).collect()
    }

    /// Colour by cell: on the map, else over two other dimensions.
    fn field(&self) -> Result<Content, Failure> {
        let named = (self.options.x.is_some() || self.options.y.is_some()) && !self.names_map();
        match self.map_axes() {
            Some(axes) if !named && (!self.is_native() || !self.has_coordinates()) => Ok(Content::Map(axes)),
            _ => self.plane(),
        }
    }

    /// True if the last two dimensions have labels: their axes tell more than an index space.
    fn has_coordinates(&self) -> bool {
        self.extended().iter().any(|axis| self.dims.get(*axis).is_some_and(|dim| dim.coordinate.is_some()))
    }

    fn field_axes(&self) -> Result<Vec<usize>, Failure> {
        if let Some(axes) = self.map_axes() {
            return Ok(axes);
        }
        let extended = self.extended();
        match extended.as_slice() {
            [] if self.dims.is_empty() => {
                Err(Failure::Undrawable("a single value has no distribution".into()))
            }
            [] => Ok(vec![self.dims.len() - 1]),
            [only] => Ok(vec![*only]),
            [.., rows, columns] => Ok(vec![*rows, *columns]),
        }
    }

    /// Two dimensions: those that `x` and `y` name, else the vertical or time with a horizontal one.
    fn plane(&self) -> Result<Content, Failure> {
        let x = self.options.x.as_deref().map(|name| self.named("x", name)).transpose()?;
        let y = self.options.y.as_deref().map(|name| self.named("y", name)).transpose()?;
        let mut free: Vec<usize> = self.extended();
        if free.len() + usize::from(x.is_some()) + usize::from(y.is_some()) < 2 {
            let whole = |(axis, is_single): (usize, &bool)| (!is_single).then_some(axis);
            free = self.is_single.iter().enumerate().filter_map(whole).collect();
        }
        free.retain(|axis| Some(*axis) != x && Some(*axis) != y);
        let (y, x) = match (y, x) {
            (Some(y), Some(x)) => (y, x),
            (Some(y), None) => (y, self.partner(&free, Some(y)).ok_or_else(too_few)?),
            (None, Some(x)) => (self.partner(&free, Some(x)).ok_or_else(too_few)?, x),
            (None, None) => self.pair(&free).ok_or_else(too_few)?,
        };
        if x == y {
            return Err(Failure::mistake("x and y name the same dimension"));
        }
        Ok(Content::Plane(y, x))
    }

    /// What is drawn upwards, and to the right: the vertical over a horizontal one or over time, time over longitude,
    /// latitude over time.
    fn pair(&self, free: &[usize]) -> Option<(usize, usize)> {
        let find = |axis: Axis| free.iter().copied().find(|free| self.measures(*free, axis));
        let (latitude, longitude) = (
            find(Axis::Latitude).or(find(Axis::ProjectedY)),
            find(Axis::Longitude).or(find(Axis::ProjectedX)),
        );
        let (vertical, time) = (find(Axis::Vertical), find(Axis::Time));
        let other = |axis: usize| free.iter().copied().rfind(|free| *free != axis);
        match (vertical, time, latitude, longitude) {
            (Some(vertical), time, latitude, longitude) => {
                Some((vertical, latitude.or(longitude).or(time).or_else(|| other(vertical))?))
            }
            (None, Some(time), Some(latitude), None) => Some((latitude, time)),
            (None, Some(time), _, Some(longitude)) => Some((time, longitude)),
            (None, None, Some(latitude), Some(longitude)) => Some((latitude, longitude)),
            (None, Some(time), None, None) => Some((other(time)?, time)),
            _ => match free {
                [.., rows, columns] => Some((*rows, *columns)),
                _ => None,
            },
        }
    }

    /// The axis that goes with one that is named.
    fn partner(&self, free: &[usize], named: Option<usize>) -> Option<usize> {
        let with_named: Vec<usize> = named.into_iter().chain(free.iter().copied()).collect();
        let (rows, columns) = self.pair(&with_named)?;
        let partner = if Some(rows) == named { columns } else { rows };
        if Some(partner) == named || free.contains(&partner) { Some(partner) } else { free.last().copied() }
    }

    fn measures(&self, axis: usize, what: Axis) -> bool {
        self.dims.get(axis).is_some_and(|dim| dim.axis == Some(what))
    }

    /// A dimension with a line for each position of another.
    fn series(&self) -> Result<Content, Failure> {
        let hue = self.options.hue.as_deref().map(|name| self.named("hue", name)).transpose()?;
        let named = self.options.x.as_deref().map(|name| self.named("x", name));
        let named =
            named.or_else(|| self.options.y.as_deref().map(|name| self.named("y", name))).transpose()?;
        let free: Vec<usize> = self.extended().into_iter().filter(|axis| Some(*axis) != hue).collect();
        let time = free.iter().copied().find(|axis| self.measures(*axis, Axis::Time));
        let vertical = free.iter().copied().find(|axis| self.measures(*axis, Axis::Vertical));
        let whole = self.is_single.iter().position(|is_single| !is_single);
        let axis = named.or(time).or(vertical).or_else(|| free.last().copied()).or(whole);
        let axis = axis.ok_or_else(|| {
            Failure::Undrawable("a single value makes no line: no dimension is left".into())
        })?;
        if Some(axis) == hue {
            return Err(Failure::mistake("hue names the dimension of the lines themselves"));
        }
        Ok(Content::Series(axis, hue))
    }

    /// The axis that a dimension's name means.
    fn axis_of(&self, name: &str) -> Option<usize> {
        self.dims.iter().position(|dim| dim.name == name)
    }

    fn named(&self, option: &str, name: &str) -> Result<usize, Failure> {
        let allowed = || self.dims.iter().map(|dim| dim.name.clone()).collect();
        let axis = self.axis_of(name).ok_or_else(|| Failure::Mistake {
            detail: format!("{option}={} is no dimension of the variable", crate::options::shown(name)),
            allowed: allowed(),
        })?;
        match self.is_single.get(axis) {
            Some(false) => Ok(axis),
            _ => Err(Failure::mistake(format!(
                "{option}={name} is drawn, but the request selects one position of it"
            ))),
        }
    }

    fn without_places(&self, kind: Kind) -> Failure {
        let advice = if kind == Kind::Scatter { "; x=… draws it against another variable" } else { "" };
        Failure::Undrawable(format!("kind={} needs places on the earth{advice}", kind.name()))
    }
}

fn too_few() -> Failure {
    Failure::Undrawable("an image needs two dimensions of more than one position; kind=line draws one".into())
}
