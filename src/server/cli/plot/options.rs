//! The options of a plot on the command line: `--name value` for each `name=value` of an address.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

/// Options that come once: name, form of the value, help.
const OPTIONS: [(&str, &str, &str); 41] = [
    (
        "kind",
        "KIND",
        "image, contour, contourf, line, scatter, hist, section, quiver, or another name of them",
    ),
    ("cmap", "NAME", "Colour map; NAME_r is reversed"),
    ("vmin", "NUMBER", "Lower end of the colours"),
    ("vmax", "NUMBER", "Upper end of the colours"),
    ("robust", "0|1", "Colours from the 2nd to the 98th percentile"),
    ("norm", "NORM", "linear, log, symlog, power(γ) or centered"),
    ("levels", "N|A,B,…", "Number of bands, or their edges"),
    ("above", "COLOUR", "Colour of values above vmax"),
    ("below", "COLOUR", "Colour of values below vmin"),
    ("bad", "COLOUR", "Colour of missing values"),
    ("proj", "NAME", "Projection; `data` is that of the file"),
    ("center", "LON,LAT", "Middle of the orthographic view"),
    ("bound", "DEGREES", "Parallel that touches the sides of a polar map"),
    ("extent", "WEST,EAST,SOUTH,NORTH", "What the map shows"),
    ("width", "PIXELS", "Width of the picture"),
    ("height", "PIXELS", "Height of the picture"),
    ("dpi", "NUMBER", "Size of text and lines: dots per inch"),
    ("scale", "NUMBER", "Size of text and lines: a factor"),
    ("interp", "nearest|bilinear", "Between the cells"),
    ("title", "TEXT", "Title; empty hides it"),
    ("xlabel", "TEXT", "Label of the horizontal axis"),
    ("ylabel", "TEXT", "Label of the vertical axis"),
    ("units", "TEXT", "Units at the colour bar"),
    ("frame", "full|axes|none", "What is drawn around the data"),
    ("colorbar", "0|1", "Colour bar"),
    ("coast", "auto|110m|50m|0", "Coastlines"),
    ("borders", "0|1", "Borders of countries"),
    ("grid", "0|1", "Lines of longitude and latitude"),
    ("theme", "light|dark|transparent", "Colours of the frame"),
    ("dim", "DIM", "Dimension of an animation"),
    ("fps", "NUMBER", "Pictures of an animation in a second"),
    ("frames", "NUMBER", "Most pictures of an animation"),
    ("x", "NAME", "Dimension or coordinate to the right"),
    ("y", "NAME", "Dimension or coordinate upwards"),
    ("u", "VARIABLE", "Eastward part of arrows"),
    ("v", "VARIABLE", "Northward part of arrows"),
    ("size", "PIXELS", "Diameter of points"),
    ("hue", "DIM", "Several lines along this dimension"),
    ("by", "DIM", "Another name of hue"),
    ("bbox", "WEST,SOUTH,EAST,NORTH", "Only cells in this box"),
    ("group", "/PATH", "Group of the variable"),
];

/// Options that may come again: name, form of the value, help.
const SELECTIONS: [(&str, &str, &str); 2] = [
    (
        "sel",
        "DIM=VALUE",
        "Selects by value: time=2000-01, lev=nearest::850, lat=30:60; for several dimensions repeat it",
    ),
    ("isel", "DIM=POSITION", "Selects by position: time=-1, lev=0:3"),
];

/// The options that were given, in the order of their names.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct PlotOptions(Vec<(String, String)>);

impl PlotOptions {
    /// The pairs of the query that says the same.
    pub(super) fn pairs(&self) -> Vec<(String, String)> {
        self.0.clone()
    }
}

impl Args for PlotOptions {
    fn augment_args(command: Command) -> Command {
        let once = OPTIONS.iter().map(|&option| arg(option, "What is drawn").action(ArgAction::Set));
        let again = SELECTIONS.iter().map(|&option| arg(option, "Selection").action(ArgAction::Append));
        command.args(again).args(once)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// An option whose value may begin with a minus.
fn arg((name, value, help): (&'static str, &'static str, &'static str), heading: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help).help_heading(heading).allow_hyphen_values(true)
}

impl FromArgMatches for PlotOptions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut options = Self::default();
        options.update_from_arg_matches(matches)?;
        Ok(options)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for (name, ..) in SELECTIONS.iter().chain(&OPTIONS) {
            let values = matches.get_many::<String>(name).into_iter().flatten();
            self.0.extend(values.map(|value| ((*name).to_owned(), value.clone())));
        }
        Ok(())
    }
}
