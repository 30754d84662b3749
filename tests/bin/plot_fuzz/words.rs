//! Requests for plots: words that are good, nearly good, or hostile.

use std::sync::Arc;

use thermocline_model::Dataset;
use thermocline_plot::{Format, Options};

/// A request.
pub(crate) struct Asked {
    /// Method.
    pub(crate) method: &'static str,
    /// Path and query.
    pub(crate) address: String,
    /// The header `Accept`, if it is sent.
    pub(crate) accept: Option<String>,
}

/// Names in a dataset.
pub(crate) struct Known {
    id: String,
    variables: Vec<String>,
    dims: Vec<String>,
}

impl Known {
    /// Those of variables in all groups, and of their dimensions.
    pub(crate) fn of(id: &str, dataset: &Dataset) -> Self {
        let below = dataset.root.variables_below();
        let mut dims: Vec<String> = below.iter().flat_map(|(_, variable)| variable.dims.clone()).collect();
        dims.sort();
        dims.dedup();
        Self { id: id.to_owned(), variables: below.into_iter().map(|(path, _)| path).collect(), dims }
    }
}

const NUMBERS: [&str; 26] = [
    "0",
    "1",
    "-1",
    "0.5",
    "10",
    "45",
    "90",
    "-90",
    "180",
    "-180",
    "360",
    "2",
    "3",
    "7",
    "64",
    "1e-300",
    "1e300",
    "1e999",
    "-0",
    "nan",
    "inf",
    "-inf",
    "9223372036854775808",
    "0x10",
    "1_000",
    "",
];

const TEXTS: [&str; 16] = [
    "a",
    "Title",
    "m s-1",
    "<b>&\"'",
    "\u{0}",
    "\u{202e}abc",
    "日本語",
    "🌍",
    "e\u{301}",
    "\n\r\t",
    "%s%n",
    "{}",
    "../../etc/passwd",
    "' OR 1=1",
    "\u{feff}",
    "$\\frac{1}{2}$",
];

const TIMES: [&str; 14] = [
    "2001-02-03",
    "2001",
    "2001-02",
    "2000-02-30",
    "2001-03-16T00:00:00Z",
    "-1-01-01",
    "99999-01-01",
    "2001-13-01",
    "noon",
    "2001-02-03T25",
    "0000",
    "2000-01-01:2002",
    "::",
    "nearest::2001-02-03",
];

const ACCEPTS: [&str; 7] =
    ["text/html", "image/*", "application/json", "*/*;q=0.1", "text/html;q=nan", ",,,;;;", "image/svg+xml"];

/// Makes requests, always the same ones of a seed.
pub(crate) struct Words {
    state: u64,
    known: Arc<Vec<Known>>,
}

impl Words {
    /// Requests for plots of known datasets.
    pub(crate) fn new(seed: u64, known: Arc<Vec<Known>>) -> Self {
        Self { state: seed, known }
    }

    /// The next request.
    pub(crate) fn request(&mut self) -> Asked {
        let known = Arc::clone(&self.known);
        let dataset = &known[self.below(known.len())];
        let id = if self.one_in(60) { self.text() } else { dataset.id.clone() };
        let variable = match dataset.variables.as_slice() {
            variables if !variables.is_empty() && !self.one_in(25) => {
                variables[self.below(variables.len())].clone()
            }
            _ => self.text(),
        };
        let (group, name) = variable.rsplit_once('/').unwrap_or(("", &variable));
        let mut address = format!("/datasets/{}/{}/{}", encoded(&id), self.page(), encoded(name));
        address.push_str(&self.ending(dataset));
        let mut pairs = self.pairs(dataset);
        if !group.is_empty() && !self.one_in(10) {
            pairs.push(("group".to_owned(), group.to_owned()));
        }
        for (n, (name, value)) in pairs.iter().enumerate() {
            let separator = if n == 0 { '?' } else { '&' };
            address.push_str(&format!("{separator}{}={}", encoded(name), encoded(value)));
        }
        if self.one_in(40) {
            let raw = ["%zz", "%", "%00", "%ff%fe", "&&=&", "?", "+", ";a=b", "&=", "%2e%2e%2f"];
            address.push_str(self.of(&raw));
        }
        let method = if self.one_in(15) { "HEAD" } else { "GET" };
        let accept = self.one_in(6).then(|| self.of(&ACCEPTS).to_owned());
        Asked { method, address, accept }
    }

    fn page(&mut self) -> &'static str {
        if self.one_in(30) { "legend" } else { "plot" }
    }

    /// The form, or the rest of Cloudify's path.
    fn ending(&mut self, dataset: &Known) -> String {
        match self.below(12) {
            0 => {
                let (kind, colormap) = (self.value("kind"), self.value("cmap"));
                let mut path = format!("/{}/{}", encoded(&kind), encoded(&colormap));
                for _ in 0..self.below(3) {
                    let (dim, range) = (self.dim(dataset), self.range('_'));
                    path.push_str(&format!("/{}/{}", encoded(&dim), encoded(&range)));
                }
                path
            }
            1 => self.of(&["", ".xyz", ".", ".png.png", "/", "//", ".PNG"]).to_owned(),
            _ => {
                let (extension, _) = Format::ALL[self.below(Format::ALL.len())];
                format!(".{extension}")
            }
        }
    }

    fn pairs(&mut self, dataset: &Known) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        if !self.one_in(200) {
            pairs.push(("width".to_owned(), (8 + self.below(80)).to_string()));
            pairs.push(("height".to_owned(), (8 + self.below(60)).to_string()));
        }
        if self.one_in(2) {
            pairs.push(("frame".to_owned(), "none".to_owned()));
        }
        for _ in 0..self.below(4) {
            let pair = match self.below(5) {
                0 => self.selection(dataset),
                _ => self.option(dataset),
            };
            if !self.one_in(20) && pairs.iter().any(|(name, _)| *name == pair.0) {
                continue;
            }
            pairs.push(pair);
        }
        pairs
    }

    fn option(&mut self, dataset: &Known) -> (String, String) {
        if self.one_in(40) {
            return (self.text(), self.text());
        }
        let all = Options::all();
        let name = all[self.below(all.len())].name;
        let value = match name {
            "x" | "y" | "hue" | "dim" | "series" if !self.one_in(10) => self.dim(dataset),
            "u" | "v" if !self.one_in(10) && !dataset.variables.is_empty() => {
                dataset.variables[self.below(dataset.variables.len())].clone()
            }
            _ => self.value(name),
        };
        (name.to_owned(), value)
    }

    /// A value of an option: one of its words, numbers, or anything.
    fn value(&mut self, name: &str) -> String {
        let words = Options::spec(name).map(|option| option.words()).unwrap_or_default();
        let good = if !words.is_empty() && !self.one_in(8) {
            words[self.below(words.len())].to_owned()
        } else {
            match self.below(5) {
                0 => self.text(),
                1 => self.numbers(),
                2 => self
                    .of(&["viridis", "RdBu_r", "cmo.thermal", "red", "#12345678", "transparent", "default"])
                    .to_owned(),
                _ => self.number(),
            }
        };
        if self.one_in(12) { self.mutated(&good) } else { good }
    }

    fn selection(&mut self, dataset: &Known) -> (String, String) {
        let dim = self.dim(dataset);
        match self.below(6) {
            0 => ("isel".to_owned(), format!("{dim}={}", self.range(':'))),
            1 => ("sel".to_owned(), format!("{dim}={}", self.label())),
            2 => ("bbox".to_owned(), self.numbers()),
            3 => (
                "group".to_owned(),
                self.of(&["/", "/ocean/top", "ocean", "/../..", "//", "/nope"]).to_owned(),
            ),
            _ => (dim, self.label()),
        }
    }

    fn dim(&mut self, dataset: &Known) -> String {
        match dataset.dims.as_slice() {
            dims if !dims.is_empty() && !self.one_in(12) => dims[self.below(dims.len())].clone(),
            _ => self.of(&["time", "lat", "lon", "lev", "nope", "", "a/b", "=", "\u{0}"]).to_owned(),
        }
    }

    fn label(&mut self) -> String {
        match self.below(5) {
            0 => self.of(&TIMES).to_owned(),
            1 => format!(
                "{}::{}",
                self.of(&["nearest", "pad", "backfill", "nearest(3h)", "nearest(-1)", "best"]),
                self.number()
            ),
            2 => self.range(':'),
            _ => self.number(),
        }
    }

    fn range(&mut self, between: char) -> String {
        let mut range = (self.below(40) as i64 - 10).to_string();
        for _ in 0..self.below(3) {
            range.push(between);
            range.push_str(&(self.below(60) as i64 - 20).to_string());
        }
        if self.one_in(10) { self.mutated(&range) } else { range }
    }

    fn numbers(&mut self) -> String {
        let n_numbers = self.below(7);
        let numbers: Vec<String> = (0..n_numbers).map(|_| self.number()).collect();
        numbers.join(",")
    }

    fn number(&mut self) -> String {
        match self.below(3) {
            0 => self.of(&NUMBERS).to_owned(),
            1 => (self.below(400) as i64 - 200).to_string(),
            _ => format!("{:.3}", self.below(1 << 20) as f64 / 2048.0 - 256.0),
        }
    }

    fn text(&mut self) -> String {
        let text = self.of(&TEXTS);
        let n_times = if self.one_in(20) { 400 } else { 1 + self.below(3) };
        text.repeat(n_times)
    }

    /// A text with a character more, less, or another one.
    fn mutated(&mut self, text: &str) -> String {
        let mut characters: Vec<char> = text.chars().collect();
        let at = self.below(characters.len() + 1);
        let other = char::from(32 + u8::try_from(self.below(95)).unwrap_or_default());
        match self.below(3) {
            0 => characters.insert(at, other),
            1 if at < characters.len() => drop(characters.remove(at)),
            _ => {
                if let Some(character) = characters.get_mut(at) {
                    *character = other;
                }
            }
        }
        characters.into_iter().collect()
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// A number below `n`, which is not 0 (splitmix64, Steele, Lea and Flood 2014).
    fn below(&mut self, n: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % n.max(1) as u64) as usize
    }
}

/// A word in a path or a query.
fn encoded(word: &str) -> String {
    let kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:,".contains(&byte);
    word.bytes()
        .map(|byte| if kept(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
