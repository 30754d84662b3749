//! Words of requests: random, always the same ones of a seed; good, nearly good, or hostile.

use thermocline_model::Dataset;

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
    /// The dataset.
    pub(crate) id: String,
    /// Paths of its variables.
    pub(crate) variables: Vec<String>,
    /// Its dimensions.
    pub(crate) dims: Vec<String>,
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

/// Makes words.
pub(crate) struct Dice {
    state: u64,
}

impl Dice {
    /// The words of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A variable of a dataset; a text at times, or where it has none.
    pub(crate) fn variable(&mut self, dataset: &Known) -> String {
        match dataset.variables.as_slice() {
            variables if !variables.is_empty() && !self.one_in(25) => {
                variables[self.below(variables.len())].clone()
            }
            _ => self.text(),
        }
    }

    /// A dimension of a dataset; another word at times, or where it has none.
    pub(crate) fn dim(&mut self, dataset: &Known) -> String {
        match dataset.dims.as_slice() {
            dims if !dims.is_empty() && !self.one_in(12) => dims[self.below(dims.len())].clone(),
            _ => self.of(&["time", "lat", "lon", "lev", "nope", "", "a/b", "=", "\u{0}"]).to_owned(),
        }
    }

    /// What selects a part of a dataset, as name and value.
    pub(crate) fn selection(&mut self, dataset: &Known) -> (String, String) {
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

    /// Adds a name with its value; hardly ever where the name is there already.
    pub(crate) fn add(&mut self, pairs: &mut Vec<(String, String)>, pair: (String, String)) {
        if self.one_in(20) || pairs.iter().all(|(name, _)| *name != pair.0) {
            pairs.push(pair);
        }
    }

    /// `HEAD` once in 15 times.
    pub(crate) fn method(&mut self) -> &'static str {
        if self.one_in(15) { "HEAD" } else { "GET" }
    }

    /// A place on an axis: a number, a time, a range, a method with a number.
    pub(crate) fn label(&mut self) -> String {
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

    /// Up to three integers.
    pub(crate) fn range(&mut self, between: char) -> String {
        let mut range = (self.below(40) as i64 - 10).to_string();
        for _ in 0..self.below(3) {
            range.push(between);
            range.push_str(&(self.below(60) as i64 - 20).to_string());
        }
        if self.one_in(10) { self.mutated(&range) } else { range }
    }

    /// Up to six numbers with commas.
    pub(crate) fn numbers(&mut self) -> String {
        let n_numbers = self.below(7);
        let numbers: Vec<String> = (0..n_numbers).map(|_| self.number()).collect();
        numbers.join(",")
    }

    /// A number, or what looks like one.
    pub(crate) fn number(&mut self) -> String {
        match self.below(3) {
            0 => self.of(&NUMBERS).to_owned(),
            1 => (self.below(400) as i64 - 200).to_string(),
            _ => format!("{:.3}", self.below(1 << 20) as f64 / 2048.0 - 256.0),
        }
    }

    /// A text, a long one at times.
    pub(crate) fn text(&mut self) -> String {
        let text = self.of(&TEXTS);
        let n_times = if self.one_in(20) { 400 } else { 1 + self.below(3) };
        text.repeat(n_times)
    }

    /// A text with a character more, less, or another one.
    pub(crate) fn mutated(&mut self, text: &str) -> String {
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

    /// One of these.
    pub(crate) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// True once in so many times.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// A number below `n`, which is not 0 (splitmix64, Steele, Lea and Flood 2014).
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % n.max(1) as u64) as usize
    }
}

/// The query of names and values, with its question mark; nothing without any.
pub(crate) fn query(pairs: &[(String, String)]) -> String {
    let pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

/// A word in a path or a query.
pub(crate) fn encoded(word: &str) -> String {
    let kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:,".contains(&byte);
    word.bytes()
        .map(|byte| if kept(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
