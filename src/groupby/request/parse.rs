//! From words to a request.

use thermocline_core::select::Selection;

use super::rules::check;
use super::values::{MAX_NAME_BYTES, finite, joined, shown};
use super::{Action, Component, Grouper, Options, Request};
use crate::Failure;

/// Most options and selections of a request.
const MAX_PAIRS: usize = 200;

/// Most groupers of a request.
const MAX_GROUPERS: usize = 3;

/// Names that select and are not those of a dimension, with what they do.
pub(super) const SELECTING: [(&str, &str); 4] = [
    ("sel", "dim=value, for names that are options; several times"),
    ("isel", "dim=i, dim=i:j or dim=i:j:k, positions as Python indexes; several times"),
    ("bbox", "west,south,east,north"),
    ("group", "path of the group that the variable is in"),
];

/// Names that are about the answer, never about the result.
const OF_ANSWERS: [&str; 2] = ["f", "wait"];

pub(super) fn parse(
    variable: &str,
    grouper: &str,
    action: &str,
    pairs: &[(String, String)],
) -> Result<Request, Failure> {
    if pairs.len() > MAX_PAIRS {
        return Err(Failure::mistake(format!("a request has at most {MAX_PAIRS} options")));
    }
    if variable.is_empty() || variable.len() > MAX_NAME_BYTES {
        return Err(Failure::mistake(format!("the name of a variable has 1 to {MAX_NAME_BYTES} bytes")));
    }
    let unknown_action = || {
        let detail = format!("Groupby action '{}' not recognized", shown(action));
        Failure::mistake_among(detail, Action::ALL.map(|(word, _)| word))
    };
    let action = Action::parse(action).ok_or_else(unknown_action)?;
    let groupers = groupers(grouper)?;
    let mut reading = Reading::default();
    for (name, value) in pairs {
        reading.pair(name, value)?;
    }
    check(&groupers, action, &reading.options, &reading.seen)?;
    let (selection, selecting) = reading.selection()?;
    let Reading { options, .. } = reading;
    Ok(Request { variable: variable.to_owned(), groupers, action, options, selection, selecting })
}

fn groupers(text: &str) -> Result<Vec<Grouper>, Failure> {
    if text.len() > MAX_NAME_BYTES {
        return Err(Failure::mistake(format!("the grouper is longer than {MAX_NAME_BYTES} bytes")));
    }
    let groupers: Vec<Grouper> =
        text.split(',').take(MAX_GROUPERS + 1).map(grouper).collect::<Result<_, _>>()?;
    if groupers.len() > MAX_GROUPERS {
        return Err(Failure::mistake(format!("a request has at most {MAX_GROUPERS} groupers")));
    }
    for (place, grouper) in groupers.iter().enumerate() {
        let name = grouper.dimension();
        if groupers.iter().take(place).any(|other| other.dimension() == name) {
            return Err(Failure::mistake(format!("two groupers give the dimension {} twice", shown(name))));
        }
    }
    Ok(groupers)
}

/// `coordinate` or `coordinate.component`: what stands before the first dot is the coordinate.
fn grouper(text: &str) -> Result<Grouper, Failure> {
    let (coordinate, word) = match text.split_once('.') {
        Some((coordinate, word)) => (coordinate, Some(word)),
        None => (text, None),
    };
    if coordinate.is_empty() {
        let detail = format!("the grouper '{}' names no coordinate", shown(text));
        return Err(Failure::mistake(format!("{detail}: write time.month, lat or time.year,time.month")));
    }
    let component = |word: &str| {
        let unknown = || {
            let detail =
                format!("Groupby component '{}' of '{}' not recognized", shown(word), shown(coordinate));
            Failure::mistake_among(detail, Component::WORDS.map(|(word, _)| word))
        };
        Component::parse(word).map(|component| (word.to_owned(), component)).ok_or_else(unknown)
    };
    Ok(Grouper { coordinate: coordinate.to_owned(), component: word.map(component).transpose()? })
}

/// A request of which some words are read.
#[derive(Default)]
struct Reading {
    options: Options,
    seen: Vec<&'static str>,
    selecting: Vec<(String, String)>,
}

impl Reading {
    fn pair(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        if name.len() > MAX_NAME_BYTES {
            return Err(Failure::mistake(format!(
                "the name of an option is longer than {MAX_NAME_BYTES} bytes"
            )));
        }
        let Some(spec) = Options::spec(name) else { return self.select(name, value) };
        self.once(spec.name)?;
        spec.read(value, &mut self.options)
    }

    fn once(&mut self, name: &'static str) -> Result<(), Failure> {
        if self.seen.contains(&name) {
            return Err(Failure::mistake(format!("{name} is given twice")));
        }
        self.seen.push(name);
        Ok(())
    }

    /// Notes what selects, in one form: names before what `sel` says of them, where they can be.
    fn select(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        match name {
            "group" => {
                self.once("group")?;
                let path = value.trim_matches('/');
                if !path.is_empty() {
                    self.selecting.push(("group".to_owned(), path.to_owned()));
                }
                return Ok(());
            }
            "sel" => {
                if let Some((dim, value)) = value.split_once('=').filter(|(dim, _)| !is_reserved(dim)) {
                    self.selecting.push((dim.to_owned(), value.to_owned()));
                    return Ok(());
                }
            }
            "bbox" => {
                let numbers: Option<Vec<f64>> = value.split(',').map(|part| finite(part.trim())).collect();
                let value = numbers.map_or_else(|| value.to_owned(), |numbers| joined(&numbers));
                self.selecting.push(("bbox".to_owned(), value));
                return Ok(());
            }
            _ => {}
        }
        self.selecting.push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    /// The selection and its words, sorted: their order says nothing.
    fn selection(&self) -> Result<(Selection, Vec<(String, String)>), Failure> {
        let mut selecting = self.selecting.clone();
        selecting.sort();
        let mut selection = Selection::new();
        for (name, value) in &selecting {
            selection.query(name, value).map_err(Failure::of_selection)?;
        }
        Ok((selection, selecting))
    }
}

/// True for names that mean something else than a dimension.
fn is_reserved(name: &str) -> bool {
    let is_selecting = SELECTING.iter().any(|(known, _)| *known == name);
    is_selecting || OF_ANSWERS.contains(&name) || Options::spec(name).is_some()
}
