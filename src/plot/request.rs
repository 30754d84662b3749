//! A plot as it is asked for.

use thermocline_core::select::Selection;

use crate::{Failure, Options};

/// Most pairs of a query.
const MAX_PAIRS: usize = 200;

/// Other names of options.
const ALIASES: [(&str, &str); 3] = [("by", "hue"), ("projection", "proj"), ("colormap", "cmap")];

/// Names of a query that select and are neither options nor dimensions.
const SELECTING: [&str; 5] = ["sel", "isel", "bbox", "group", "path"];

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

impl Format {
    /// All forms with the extension of each.
    pub const ALL: [(&'static str, Self); 6] = [
        ("png", Self::Png),
        ("webp", Self::WebP),
        ("svg", Self::Svg),
        ("gif", Self::Gif),
        ("json", Self::Json),
        ("html", Self::Html),
    ];

    /// The form of an extension.
    pub fn of_extension(extension: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == extension).map(|(_, format)| *format)
    }

    /// Its extension.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::WebP => "webp",
            Self::Svg => "svg",
            Self::Gif => "gif",
            Self::Json => "json",
            Self::Html => "html",
        }
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::WebP => "image/webp",
            Self::Svg => "image/svg+xml",
            Self::Gif => "image/gif",
            Self::Json => "application/json",
            Self::Html => "text/html; charset=utf-8",
        }
    }
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
    /// The words of the selection as they came: names and values of a query; `path` holds the pairs of a path.
    pub selecting: Vec<(String, String)>,
}

impl Request {
    /// Reads the words of a request: those of the path, if it has Cloudify's form, and the pairs of the query, decoded and
    /// in order (`f` and `wait` are not among them). Names that are no options select: whether the variable has such a
    /// dimension or coordinate is seen when the plot is planned.
    ///
    /// # Errors
    /// [`Failure::Mistake`] for unknown options and words, malformed values, and options that come twice.
    pub fn parse(
        variable: &str,
        format: Format,
        path: Option<&PathForm>,
        pairs: &[(String, String)],
    ) -> Result<Self, Failure> {
        if pairs.len() > MAX_PAIRS {
            return Err(Failure::mistake(format!("a plot has at most {MAX_PAIRS} options")));
        }
        let mut reading = Reading::default();
        if let Some(path) = path {
            for (name, value) in [("kind", &path.kind), ("cmap", &path.colormap)] {
                if value != "default" {
                    reading.option(name, value)?;
                }
            }
            if !path.selection.is_empty() {
                reading.select("path", &path.selection)?;
            }
        }
        for (name, value) in pairs {
            reading.pair(name, value)?;
        }
        reading.options.check()?;
        let Reading { options, selection, selecting, .. } = reading;
        Ok(Self { variable: variable.to_owned(), format, options, selection, selecting })
    }

    /// True if a name of a query is that of an option, or another name of one.
    pub fn is_option(name: &str) -> bool {
        Options::spec(name).is_some() || ALIASES.iter().any(|(alias, _)| *alias == name)
    }

    /// The group that is selected, without slashes at its ends; empty for the root.
    pub fn group(&self) -> &str {
        let group = self.selecting.iter().find(|(name, _)| name == "group");
        group.map_or("", |(_, path)| path.trim_matches('/'))
    }

    /// Names of dimensions and coordinates that the query selects by as if they were options.
    pub(crate) fn selected_names(&self) -> impl Iterator<Item = &str> {
        let names = self.selecting.iter().map(|(name, _)| name.as_str());
        names.filter(|name| !SELECTING.contains(name))
    }
}

/// A request of which some words are read.
#[derive(Default)]
struct Reading {
    options: Options,
    selection: Selection,
    selecting: Vec<(String, String)>,
    seen: Vec<&'static str>,
}

impl Reading {
    fn pair(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, name)| name);
        if matches!(name, "kind" | "cmap") && value == "default" {
            return self.default_word(name);
        }
        match Options::spec(name) {
            Some(_) => self.option(name, value),
            None => self.select(name, value),
        }
    }

    fn option(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        let Some(spec) = Options::spec(name) else { return self.select(name, value) };
        self.once(spec.name)?;
        spec.read(value, &mut self.options)
    }

    fn default_word(&mut self, name: &str) -> Result<(), Failure> {
        match Options::spec(name) {
            Some(spec) => self.once(spec.name),
            None => Ok(()),
        }
    }

    fn once(&mut self, name: &'static str) -> Result<(), Failure> {
        if self.seen.contains(&name) {
            return Err(Failure::mistake(format!("{name} is given twice")));
        }
        self.seen.push(name);
        Ok(())
    }

    fn select(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        let outcome = match name {
            "path" => self.selection.path(value),
            _ => self.selection.query(name, value),
        };
        outcome.map_err(|error| Failure::mistake(error.to_string()))?;
        self.selecting.push((name.to_owned(), value.to_owned()));
        Ok(())
    }
}
