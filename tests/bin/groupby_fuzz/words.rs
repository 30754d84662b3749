//! Requests for groupby diagnostics: words that are good, nearly good, or hostile.

use std::sync::Arc;

use thermocline_groupby::{Action, Component};

use crate::dice::{Asked, Dice, Known, encoded, query};
use crate::run::Asks;

const ACCEPTS: [&str; 9] = [
    "text/html",
    "application/json",
    "text/csv",
    "application/netcdf",
    "application/vnd.apache.arrow.stream",
    "*/*;q=0.1",
    "text/html;q=nan",
    ",,,;;;",
    "application/*",
];

const FORMS: [&str; 8] = ["json", "csv", "html", "nc", "arrow", "estimate", "xls", ""];

const FREQUENCIES: [&str; 22] = [
    "YS",
    "YE",
    "QS",
    "QE",
    "QS-DEC",
    "MS",
    "ME",
    "D",
    "h",
    "min",
    "s",
    "2MS",
    "10D",
    "6h",
    "0D",
    "-1D",
    "1.5h",
    "4294967296YS",
    "99999999999999999999s",
    "QS-JAN",
    "W",
    "",
];

const SEASONS: [&str; 9] =
    ["DJF,MAM,JJA,SON", "DJFM,AMJJ,ASON", "JJAS", "DJX", "", "JFMAMJJASOND", "JFMAMJJASONDJ", "DJF,JF", ",,"];

const BINS: [&str; 12] = [
    "-90,-30,30,90",
    "n:10",
    "n:0",
    "n:1",
    "n:10000",
    "n:99999999999",
    "0",
    "1,1",
    "2,1",
    "nan,1",
    "-inf,0,inf",
    "1e-320,1e308",
];

const OPTIONS: [&str; 14] = [
    "skipna",
    "min_count",
    "ddof",
    "q",
    "bins",
    "closed",
    "freq",
    "seasons",
    "drop_incomplete",
    "over",
    "weights",
    "anomaly",
    "f",
    "wait",
];

/// Forms that every result has.
const GOOD_FORMS: [&str; 5] = ["json", "csv", "html", "nc", "estimate"];

/// Spans that every calendar has.
const GOOD_FREQUENCIES: [&str; 7] = ["YS", "QS-DEC", "MS", "ME", "2MS", "10D", "30D"];

/// Parts of keys of lazy groups that are there, whatever is grouped.
const GOOD_KEYS: [&str; 4] = [".zmetadata", "zarr.json", "{}/.zarray", "{}/zarr.json"];

/// Components that most times have.
const GOOD_COMPONENTS: [&str; 9] =
    ["year", "month", "season", "day", "hour", "dayofyear", "weekday", "decade", "is_leap_year"];

const KEYS: [&str; 16] = [
    ".zmetadata",
    "zarr.json",
    ".zattrs",
    ".zgroup",
    "{}/.zarray",
    "{}/zarr.json",
    "{}/0",
    "{}/0.0.0",
    "{}/0.0",
    "{}/c/0/0/0",
    "{}/c/0/0",
    "{}/c/9/9/9",
    "{}/18446744073709551616.0.0",
    "month/0",
    "{}/-1.0.0",
    "../../zarr.json",
];

/// Makes requests, always the same ones of a seed.
pub(crate) struct Words {
    dice: Dice,
    known: Arc<Vec<Known>>,
}

impl Asks for Words {
    fn new(seed: u64, known: Arc<Vec<Known>>) -> Self {
        Self { dice: Dice::new(seed), known }
    }

    fn request(&mut self) -> Asked {
        let known = Arc::clone(&self.known);
        let dataset = &known[self.dice.below(known.len())];
        // What is computed must be tried as often as what is refused.
        if !dataset.variables.is_empty() && !self.dice.one_in(4) {
            return self.good_request(dataset);
        }
        let id = if self.dice.one_in(60) { self.dice.text() } else { dataset.id.clone() };
        let variable = self.dice.variable(dataset);
        let (group, name) = variable.rsplit_once('/').unwrap_or(("", &variable));
        let (grouper, action) = (self.grouper(dataset), self.action());
        let mut pairs = self.pairs(dataset, &action);
        if !group.is_empty() && !self.dice.one_in(10) {
            pairs.push(("group".to_owned(), group.to_owned()));
        }
        let parts = [&id, "groupby", name, &grouper, &action].map(encoded);
        let mut address = format!("/datasets/{}", parts.join("/"));
        let in_path = self.dice.below(pairs.len() + 1);
        for (name, value) in &pairs[..in_path] {
            address.push_str(&format!("/{}={}", encoded(name), encoded(value)));
        }
        if self.dice.one_in(5) {
            address.push_str("/zarr/");
            address.push_str(&self.dice.of(&KEYS).replace("{}", &encoded(name)));
        }
        address.push_str(&query(&pairs[in_path..]));
        if self.dice.one_in(30) {
            let raw = [
                "%zz",
                "%",
                "%00",
                "%ff%fe",
                "&&=&",
                "?",
                "+",
                ";a=b",
                "&=",
                "%2e%2e%2f",
                "/",
                "//",
                "/=",
                "/q=",
                "/zarr",
                "/zarr/",
                "/..",
                "/%2e%2e/x",
            ];
            address.push_str(self.dice.of(&raw));
        }
        let method = self.dice.method();
        let accept = self.dice.one_in(6).then(|| self.dice.of(&ACCEPTS).to_owned());
        Asked { method, address, accept }
    }
}

impl Words {
    /// A request without mistakes, but that the variable may lack a dimension, or its type the action.
    fn good_request(&mut self, dataset: &Known) -> Asked {
        let variable = dataset.variables[self.dice.below(dataset.variables.len())].clone();
        let (group, name) = variable.rsplit_once('/').unwrap_or(("", &variable));
        let (action, _) = Action::ALL[self.dice.below(Action::ALL.len())];
        let (grouper, mut pairs) = self.good_grouper(dataset);
        if let Some((option, value)) = self.good_option(action) {
            pairs.push((option, value.to_owned()));
        }
        if !group.is_empty() {
            pairs.push(("group", group.to_owned()));
        }
        let parts = [&dataset.id, "groupby", name, &grouper, action].map(encoded);
        let mut address = format!("/datasets/{}", parts.join("/"));
        for (option, value) in &pairs {
            address.push_str(&format!("/{option}={}", encoded(value)));
        }
        match self.dice.below(5) {
            0 => {
                address.push_str("/zarr/");
                address.push_str(&self.dice.of(&GOOD_KEYS).replace("{}", &encoded(name)));
            }
            1..=3 => address.push_str(&format!("?f={}", self.dice.of(&GOOD_FORMS))),
            _ => {}
        }
        let method = self.dice.method();
        Asked { method, address, accept: None }
    }

    /// A grouper and what it needs.
    fn good_grouper(&mut self, dataset: &Known) -> (String, Vec<(&'static str, String)>) {
        let (times, others): (Vec<&String>, Vec<&String>) =
            dataset.dims.iter().partition(|dim| dim.contains("time"));
        let time = times.first().map_or("time", |dim| dim.as_str());
        let other = if others.is_empty() { time } else { others[self.dice.below(others.len())].as_str() };
        match self.dice.below(10) {
            0..=5 => (format!("{time}.{}", self.dice.of(&GOOD_COMPONENTS)), Vec::new()),
            6 => (time.to_owned(), vec![("freq", self.dice.of(&GOOD_FREQUENCIES).to_owned())]),
            7 => (format!("{time}.year,{time}.month"), Vec::new()),
            8 => (other.to_owned(), Vec::new()),
            _ => (other.to_owned(), vec![("bins", self.dice.of(&["-90,-30,30,90", "n:4"]).to_owned())]),
        }
    }

    /// An option that goes with an action; none at times, if the action needs none.
    fn good_option(&mut self, action: &str) -> Option<(&'static str, &'static str)> {
        match action {
            "quantile" => Some(("q", self.dice.of(&["0.5", "0,0.1,1", "1e-9", "0.25,0.75"]))),
            _ if self.dice.one_in(2) => None,
            "std" | "var" => Some(("ddof", self.dice.of(&["0", "1", "2", "60"]))),
            "sum" | "prod" => Some(("min_count", self.dice.of(&["0", "1", "60"]))),
            "mean" if self.dice.one_in(2) => Some(("anomaly", "1")),
            "mean" | "min" | "max" | "median" | "first" | "last" => {
                Some(("skipna", self.dice.of(&["0", "1"])))
            }
            _ => None,
        }
    }

    /// One grouper or several, of times or of other coordinates.
    fn grouper(&mut self, dataset: &Known) -> String {
        let n_groupers = if self.dice.one_in(6) { 1 + self.dice.below(4) } else { 1 };
        let groupers: Vec<String> = (0..n_groupers).map(|_| self.one_grouper(dataset)).collect();
        let text = groupers.join(",");
        if self.dice.one_in(25) { self.dice.mutated(&text) } else { text }
    }

    fn one_grouper(&mut self, dataset: &Known) -> String {
        match self.dice.below(12) {
            0..=6 => {
                let (word, _) = Component::WORDS[self.dice.below(Component::WORDS.len())];
                let time =
                    dataset.dims.iter().find(|dim| dim.contains("time")).map_or("time", String::as_str);
                format!("{time}.{word}")
            }
            7..=8 => self.dice.dim(dataset),
            9 => self.dice.variable(dataset),
            10 => format!("{}.{}", self.dice.dim(dataset), self.dice.text()),
            _ => self.dice.text(),
        }
    }

    fn action(&mut self) -> String {
        let (word, _) = Action::ALL[self.dice.below(Action::ALL.len())];
        if self.dice.one_in(25) { self.dice.mutated(word) } else { word.to_owned() }
    }

    fn pairs(&mut self, dataset: &Known, action: &str) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        if action == "quantile" && !self.dice.one_in(10) {
            pairs.push(("q".to_owned(), self.dice.of(&["0.5", "0,0.1,1", "1e-9", "0.25,0.75"]).to_owned()));
        }
        for _ in 0..self.dice.below(4) {
            let pair = match self.dice.below(4) {
                0 => self.dice.selection(dataset),
                _ => self.option(dataset),
            };
            self.dice.add(&mut pairs, pair);
        }
        pairs
    }

    fn option(&mut self, dataset: &Known) -> (String, String) {
        if self.dice.one_in(40) {
            return (self.dice.text(), self.dice.text());
        }
        let name = self.dice.of(&OPTIONS);
        let value = match name {
            "skipna" | "drop_incomplete" | "anomaly" => {
                self.dice.of(&["0", "1", "1", "2", "true"]).to_owned()
            }
            "min_count" | "ddof" => {
                self.dice.of(&["0", "1", "2", "60", "-1", "18446744073709551615"]).to_owned()
            }
            "q" => self.dice.numbers(),
            "bins" => self.dice.of(&BINS).to_owned(),
            "closed" => self.dice.of(&["left", "right", "both"]).to_owned(),
            "freq" => self.dice.of(&FREQUENCIES).to_owned(),
            "seasons" => self.dice.of(&SEASONS).to_owned(),
            "over" => format!("{},{}", self.dice.dim(dataset), self.dice.dim(dataset)),
            "weights" if self.dice.one_in(3) => self.dice.variable(dataset),
            "weights" => self.dice.of(&["none", "coslat", "cellarea", "days_in_month", "nope"]).to_owned(),
            "f" => self.dice.of(&FORMS).to_owned(),
            _ => self.dice.number(),
        };
        let value = if self.dice.one_in(15) { self.dice.mutated(&value) } else { value };
        (name.to_owned(), value)
    }
}
