//! Requests for plots: words that are good, nearly good, or hostile.

use std::sync::Arc;

use thermocline_plot::{Format, Options};

use crate::dice::{Asked, Dice, Known, encoded, query};
use crate::run::Asks;

const ACCEPTS: [&str; 7] =
    ["text/html", "image/*", "application/json", "*/*;q=0.1", "text/html;q=nan", ",,,;;;", "image/svg+xml"];

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
        let id = if self.dice.one_in(60) { self.dice.text() } else { dataset.id.clone() };
        let variable = self.dice.variable(dataset);
        let (group, name) = variable.rsplit_once('/').unwrap_or(("", &variable));
        let mut address = format!("/datasets/{}/{}/{}", encoded(&id), self.page(), encoded(name));
        address.push_str(&self.ending(dataset));
        let mut pairs = self.pairs(dataset);
        if !group.is_empty() && !self.dice.one_in(10) {
            pairs.push(("group".to_owned(), group.to_owned()));
        }
        address.push_str(&query(&pairs));
        if self.dice.one_in(40) {
            let raw = ["%zz", "%", "%00", "%ff%fe", "&&=&", "?", "+", ";a=b", "&=", "%2e%2e%2f"];
            address.push_str(self.dice.of(&raw));
        }
        let method = self.dice.method();
        let accept = self.dice.one_in(6).then(|| self.dice.of(&ACCEPTS).to_owned());
        Asked { method, address, accept }
    }
}

impl Words {
    fn page(&mut self) -> &'static str {
        if self.dice.one_in(30) { "legend" } else { "plot" }
    }

    /// The form, or the rest of Cloudify's path.
    fn ending(&mut self, dataset: &Known) -> String {
        match self.dice.below(12) {
            0 => {
                let (kind, colormap) = (self.value("kind"), self.value("cmap"));
                let mut path = format!("/{}/{}", encoded(&kind), encoded(&colormap));
                for _ in 0..self.dice.below(3) {
                    let (dim, range) = (self.dice.dim(dataset), self.dice.range('_'));
                    path.push_str(&format!("/{}/{}", encoded(&dim), encoded(&range)));
                }
                path
            }
            1 => self.dice.of(&["", ".xyz", ".", ".png.png", "/", "//", ".PNG"]).to_owned(),
            _ => {
                let (extension, _) = Format::ALL[self.dice.below(Format::ALL.len())];
                format!(".{extension}")
            }
        }
    }

    fn pairs(&mut self, dataset: &Known) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        if !self.dice.one_in(200) {
            pairs.push(("width".to_owned(), (8 + self.dice.below(80)).to_string()));
            pairs.push(("height".to_owned(), (8 + self.dice.below(60)).to_string()));
        }
        if self.dice.one_in(2) {
            pairs.push(("frame".to_owned(), "none".to_owned()));
        }
        for _ in 0..self.dice.below(4) {
            let pair = match self.dice.below(5) {
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
        let all = Options::all();
        let name = all[self.dice.below(all.len())].name;
        let value = match name {
            "x" | "y" | "hue" | "dim" | "series" if !self.dice.one_in(10) => self.dice.dim(dataset),
            "u" | "v" if !self.dice.one_in(10) && !dataset.variables.is_empty() => {
                dataset.variables[self.dice.below(dataset.variables.len())].clone()
            }
            _ => self.value(name),
        };
        (name.to_owned(), value)
    }

    /// A value of an option: one of its words, numbers, or anything.
    fn value(&mut self, name: &str) -> String {
        let words = Options::spec(name).map(|option| option.words()).unwrap_or_default();
        let good = if !words.is_empty() && !self.dice.one_in(8) {
            words[self.dice.below(words.len())].to_owned()
        } else {
            match self.dice.below(5) {
                0 => self.dice.text(),
                1 => self.dice.numbers(),
                2 => self
                    .dice
                    .of(&["viridis", "RdBu_r", "cmo.thermal", "red", "#12345678", "transparent", "default"])
                    .to_owned(),
                _ => self.dice.number(),
            }
        };
        if self.dice.one_in(12) { self.dice.mutated(&good) } else { good }
    }
}
