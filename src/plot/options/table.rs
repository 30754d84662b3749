//! The table of all options.

use thermocline_render::kinds::LineShape;
use thermocline_render::{Frame, MapProjection, Theme};

use super::values::{
    SWITCHES, check_length, color, color_text, colormap, dataset_name, integer_within, joined, levels,
    levels_text, norm, norm_text, number, number_text, number_within, numbers, place, side, switch, text,
    word, word_of,
};
use super::{Interpolation, Kind, MAX_FRAMES, Options, Switch};
use crate::Failure;

type Read = fn(&str, &str, &mut Options) -> Result<(), Failure>;
type Write = fn(&Options) -> Option<String>;

/// What there is to know of an option.
#[derive(Debug, Clone, Copy)]
pub struct OptionSpec {
    /// Its name in a query.
    pub name: &'static str,
    /// What its values look like.
    pub values: &'static str,
    /// What holds without it.
    pub default: &'static str,
    /// What it does.
    pub about: &'static str,
    words: fn() -> Vec<&'static str>,
    read: Read,
    write: Write,
}

impl OptionSpec {
    /// The words that it knows, of options that have a closed list.
    pub fn words(&self) -> Vec<&'static str> {
        (self.words)()
    }

    /// Reads a value into options.
    ///
    /// # Errors
    /// [`Failure::Mistake`] naming the option; [`thermocline_core::ErrorKind::TooLarge`] for pictures beyond all limits.
    pub fn read(&self, value: &str, options: &mut Options) -> Result<(), Failure> {
        check_length(self.name, value)?;
        (self.read)(self.name, value, options)
    }

    /// The value as it is read again; `None` if the option is not set.
    pub fn write(&self, options: &Options) -> Option<String> {
        (self.write)(options)
    }
}

const FRAMES: [(&str, Frame); 3] = [("full", Frame::Full), ("axes", Frame::Axes), ("none", Frame::None)];
const THEMES: [(&str, Theme); 3] =
    [("light", Theme::Light), ("dark", Theme::Dark), ("transparent", Theme::Transparent)];
const INTERPOLATIONS: [(&str, Interpolation); 2] =
    [("nearest", Interpolation::Nearest), ("bilinear", Interpolation::Bilinear)];

const SHAPES: [(&str, LineShape); 2] = [("step", LineShape::Step), ("area", LineShape::Area)];

fn words_of<T>(words: &[(&'static str, T)]) -> Vec<&'static str> {
    words.iter().map(|(word, _)| *word).collect()
}

fn read_projection(name: &str, value: &str, options: &mut Options) -> Result<(), Failure> {
    let words: Vec<(&str, &'static str)> = MapProjection::NAMES.iter().map(|word| (*word, *word)).collect();
    options.projection = Some(word(name, value, &words)?);
    Ok(())
}

fn read_bound(name: &str, value: &str, options: &mut Options) -> Result<(), Failure> {
    options.bound = Some(number_within(name, value, -80.0, 89.9)?);
    Ok(())
}

fn read_extent(name: &str, value: &str, options: &mut Options) -> Result<(), Failure> {
    options.extent = Some(numbers(name, value, "a box as west,east,south,north")?);
    Ok(())
}

fn pair_text((a, b): (f64, f64)) -> String {
    joined(&[a, b])
}

/// One row of the table: what it is called and means, then how a value is read and written.
macro_rules! option {
    ($name:literal, $values:literal, $default:literal, $about:literal, $words:expr, $read:expr, $write:expr) => {
        OptionSpec {
            name: $name,
            values: $values,
            default: $default,
            about: $about,
            words: $words,
            read: $read,
            write: $write,
        }
    };
    ($name:literal, $values:literal, $default:literal, $about:literal, $field:ident by $read:expr, $write:expr) => {
        option!(
            $name,
            $values,
            $default,
            $about,
            Vec::new,
            |name, value, options| {
                options.$field = Some($read(name, value)?);
                Ok(())
            },
            |options| options.$field.as_ref().map($write)
        )
    };
    ($name:literal, $default:literal, $about:literal, $field:ident of $words:ident) => {
        option!(
            $name,
            "a word",
            $default,
            $about,
            || words_of(&$words),
            |name, value, options| {
                options.$field = Some(word(name, value, &$words)?);
                Ok(())
            },
            |options| options.$field.as_ref().map(|value| word_of(value, &$words))
        )
    };
    ($name:literal, $default:literal, $about:literal, $field:ident as switch) => {
        option!(
            $name,
            "a word",
            $default,
            $about,
            || words_of(&SWITCHES),
            |name, value, options| {
                options.$field = Some(switch(name, value)?);
                Ok(())
            },
            |options| options.$field.as_ref().map(|value| word_of(value, &SWITCHES))
        )
    };
}

/// All options, in the order of the documentation and of the canonical form.
pub(super) const OPTIONS: &[OptionSpec] = &[
    option!(
        "kind",
        "a word",
        "image on a map, section of two other dimensions, line of one",
        "what is drawn",
        Kind::names,
        |_, value, options| {
            options.kind = Some(Kind::parse(value)?);
            options.line_shape = SHAPES.iter().find(|(word, _)| *word == value).map(|(_, shape)| *shape);
            Ok(())
        },
        |options| {
            let shape = options.line_shape.filter(|_| options.kind == Some(Kind::Line));
            let shape = SHAPES.iter().find(|(_, known)| Some(*known) == shape).map(|(word, _)| *word);
            options.kind.map(|kind| shape.unwrap_or(kind.name()).to_owned())
        }
    ),
    option!(
        "cmap", "a name, with _r reversed", "by the standard name, else viridis", "the colour map",
        colormap by colormap, String::clone
    ),
    option!(
        "vmin", "a number", "the smallest value of the selected field", "lower end of the range",
        vmin by number, |value| number_text(*value)
    ),
    option!(
        "vmax", "a number", "the largest value of the selected field", "upper end of the range",
        vmax by number, |value| number_text(*value)
    ),
    option!(
        "robust",
        "0 or 1",
        "0",
        "the range is that of the 2nd to the 98th percentile",
        || vec!["0", "1"],
        |name, value, options| {
            let switch = switch(name, value)?;
            options.is_robust = Some(switch == Switch::On);
            Ok(())
        },
        |options| options.is_robust.map(|is_robust| u8::from(is_robust).to_string())
    ),
    option!(
        "norm",
        "linear, log, symlog(half width), power(exponent), centered",
        "linear; centered for differences whose values lie on both sides of 0",
        "how values are spread over the colours",
        || super::values::NORMS.to_vec(),
        |name, value, options| {
            options.norm = Some(norm(name, value)?);
            Ok(())
        },
        |options| options.norm.as_ref().map(norm_text)
    ),
    option!(
        "levels",
        "a number of bands, or their edges a,b,…",
        "256 colours",
        "how many colours",
        Vec::new,
        |name, value, options| {
            options.levels = Some(levels(name, value)?);
            Ok(())
        },
        |options| options.levels.as_ref().and_then(levels_text)
    ),
    option!(
        "above", "a colour", "the last colour of the map", "colour of values above the range",
        above by color, color_text
    ),
    option!(
        "below", "a colour", "the first colour of the map", "colour of values below the range",
        below by color, color_text
    ),
    option!("bad", "a colour", "transparent", "colour of missing values", bad by color, color_text),
    option!(
        "proj",
        "a word",
        "platecarree, native without latitudes and longitudes",
        "the map projection; data is that of the dataset's own grid mapping",
        || MapProjection::NAMES.to_vec(),
        read_projection,
        |options| options.projection.map(str::to_owned)
    ),
    option!(
        "center", "longitude,latitude", "0,0", "middle of the orthographic view; of others the central meridian",
        center by place, |place| pair_text(*place)
    ),
    option!(
        "bound",
        "degrees from the equator",
        "50",
        "the parallel that touches the sides of a polar map",
        Vec::new,
        read_bound,
        |options| options.bound.map(number_text)
    ),
    option!(
        "extent",
        "west,east,south,north",
        "of the data; the globe with frame=none",
        "what the map shows; east < west crosses the date line",
        Vec::new,
        read_extent,
        |options| options.extent.map(|extent| joined(&extent))
    ),
    option!(
        "width", "pixels", "1000", "width of the picture, at most 8192",
        width by side, u32::to_string
    ),
    option!(
        "height", "pixels", "by the aspect", "height of the picture, at most 8192",
        height by side, u32::to_string
    ),
    option!(
        "dpi", "10 to 600", "100", "size of texts and lines, in dots an inch",
        dpi by |name, value| number_within(name, value, 10.0, 600.0), |value| number_text(*value)
    ),
    option!(
        "scale", "0.1 to 10", "1", "factor for the size of texts and lines",
        scale by |name, value| number_within(name, value, 0.1, 10.0), |value| number_text(*value)
    ),
    option!(
        "interp", "nearest", "how pixels between centres get their values, of rectilinear grids",
        interpolation of INTERPOLATIONS
    ),
    option!(
        "title", "a text", "long name and units", "first line above the panel; empty for none",
        title by text, String::clone
    ),
    option!(
        "xlabel", "a text", "by the coordinate", "what stands below the panel; empty for nothing",
        xlabel by text, String::clone
    ),
    option!(
        "ylabel", "a text", "by the coordinate", "what stands beside the panel; empty for nothing",
        ylabel by text, String::clone
    ),
    option!(
        "units", "a text", "those of the variable", "units as they are written; values stay as they are",
        units by text, String::clone
    ),
    option!("frame", "full", "how much is drawn around the data; none is the data area alone", frame of FRAMES),
    option!("colorbar", "on", "the colour bar", colorbar as switch),
    option!("coast", "auto", "coastlines, 1:110 million or 1:50 million by scale", coast as switch),
    option!("borders", "off", "borders of countries", borders as switch),
    option!("grid", "on", "lines from the ticks across the panel", grid as switch),
    option!("theme", "light", "colours of everything but the data", theme of THEMES),
    option!(
        "dim", "a dimension", "none; time of a gif", "the dimension that is animated",
        dim by dataset_name, String::clone
    ),
    option!(
        "fps", "1 to 50", "8", "pictures a second",
        fps by |name, value| integer_within(name, value, 1, 50), u32::to_string
    ),
    option!(
        "frames", "1 to 120", "all that are selected, the last 12 without a selection", "pictures of an animation",
        frames by |name, value| integer_within(name, value, 1, MAX_FRAMES), u32::to_string
    ),
    option!(
        "x", "a dimension, coordinate or variable", "by the axes of the variable", "what is drawn from left to right",
        x by dataset_name, String::clone
    ),
    option!(
        "y", "a dimension or coordinate", "by the axes of the variable", "what is drawn upwards",
        y by dataset_name, String::clone
    ),
    option!(
        "u", "a variable", "the plotted variable", "eastward component of arrows",
        u by dataset_name, String::clone
    ),
    option!(
        "v", "a variable", "by the standard name", "northward component of arrows",
        v by dataset_name, String::clone
    ),
    option!(
        "size", "0.5 to 100", "4", "diameter of points in pixels",
        size by |name, value| number_within(name, value, 0.5, 100.0), |value| number_text(*value)
    ),
    option!(
        "hue", "a dimension", "none", "the dimension of several lines; by is another name of it",
        hue by dataset_name, String::clone
    ),
    option!(
        "bins", "1 to 1000", "by the number of values", "bars of a histogram",
        bins by |name, value| integer_within(name, value, 1, 1000), u32::to_string
    ),
    option!(
        "at", "longitude,latitude", "none", "a place whose value the json answer tells",
        at by place, |place| pair_text(*place)
    ),
    option!(
        "series", "a dimension", "none", "the dimension along which the json answer tells the values of that place",
        series by dataset_name, String::clone
    ),
];
