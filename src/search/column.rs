//! One property of all datasets: texts by their codes, numbers beside them.

use std::sync::Arc;

use crate::entry::Cell;
use crate::plan::{Origin, Plan};
use crate::scalar::Scalar;
use crate::texts::Dictionary;

/// Codes of what is no text.
const MISSING: u32 = u32::MAX;
const COMPOSITE: u32 = u32::MAX - 1;
const NUMBER: u32 = u32::MAX - 2;

/// A dictionary is made anew when it has this many times as many texts as there are datasets, and some more.
const WASTE: usize = 2;
const SPARE: usize = 1024;

/// What a dataset has in a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Coded {
    /// Nothing.
    Missing,
    /// The text of a code.
    Text(u32),
    /// A number.
    Number(f64),
    /// Something that does not compare.
    Composite,
}

/// One property of all datasets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Column {
    codes: Vec<u32>,
    /// As long as `codes` if any value is a number, else empty.
    numbers: Vec<f64>,
    dictionary: Arc<Dictionary>,
}

impl Column {
    /// What the dataset in a row has.
    pub(crate) fn coded(&self, row: u32) -> Coded {
        let row = row as usize;
        match self.codes.get(row).copied().unwrap_or(MISSING) {
            MISSING => Coded::Missing,
            COMPOSITE => Coded::Composite,
            NUMBER => self.numbers.get(row).map_or(Coded::Missing, |number| Coded::Number(*number)),
            code => Coded::Text(code),
        }
    }

    /// The same as a value.
    pub(crate) fn value(&self, row: u32) -> Scalar<'_> {
        self.scalar(self.coded(row))
    }

    /// The value of what a dataset has.
    pub(crate) fn scalar(&self, coded: Coded) -> Scalar<'_> {
        match coded {
            Coded::Missing => Scalar::Null,
            Coded::Text(code) => Scalar::text(self.dictionary.text(code)),
            Coded::Number(number) => Scalar::Number(number),
            Coded::Composite => Scalar::Composite,
        }
    }

    /// Its texts.
    pub(crate) fn dictionary(&self) -> &Dictionary {
        &self.dictionary
    }

    /// True if no dataset has anything in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.codes.iter().all(|code| *code == MISSING)
    }

    /// The column after a change: rows that stay from here, new ones with what `cells` gives for them.
    pub(crate) fn patched<'a>(&self, plan: &Plan, cells: impl Fn(usize) -> Option<CellRef<'a>>) -> Self {
        let is_wasteful = self.dictionary.len() > plan.rows.len() * WASTE + SPARE;
        let mut codes = Writer {
            dictionary: if is_wasteful { Arc::default() } else { Arc::clone(&self.dictionary) },
            codes: Vec::with_capacity(plan.rows.len()),
            numbers: Vec::new(),
        };
        for origin in &plan.rows {
            match *origin {
                Origin::Old(row) if is_wasteful => codes.push(match self.coded(row) {
                    Coded::Missing => None,
                    Coded::Text(code) => Some(CellRef::Text(self.dictionary.text(code))),
                    Coded::Number(number) => Some(CellRef::Number(number)),
                    Coded::Composite => Some(CellRef::Composite),
                }),
                Origin::Old(row) => codes.push_coded(self.coded(row)),
                Origin::New(position) => codes.push(cells(position as usize)),
            }
        }
        Self { codes: codes.codes, numbers: codes.numbers, dictionary: codes.dictionary }
    }
}

/// A value that is put into a column.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CellRef<'a> {
    Text(&'a str),
    Number(f64),
    Composite,
}

impl<'a> From<&'a Cell> for CellRef<'a> {
    fn from(cell: &'a Cell) -> Self {
        match cell {
            Cell::Text(text) => Self::Text(text),
            Cell::Number(number) => Self::Number(*number),
            Cell::Composite => Self::Composite,
        }
    }
}

struct Writer {
    dictionary: Arc<Dictionary>,
    codes: Vec<u32>,
    numbers: Vec<f64>,
}

impl Writer {
    fn push(&mut self, cell: Option<CellRef<'_>>) {
        let coded = match cell {
            None => Coded::Missing,
            Some(CellRef::Number(number)) => Coded::Number(number),
            Some(CellRef::Composite) => Coded::Composite,
            Some(CellRef::Text(text)) => Coded::Text(match self.dictionary.code(text) {
                Some(code) => code,
                None => Arc::make_mut(&mut self.dictionary).insert(text),
            }),
        };
        self.push_coded(coded);
    }

    fn push_coded(&mut self, coded: Coded) {
        let code = match coded {
            Coded::Missing => MISSING,
            Coded::Composite => COMPOSITE,
            Coded::Text(code) => code,
            Coded::Number(number) => {
                self.numbers.resize(self.codes.len(), 0.0);
                self.numbers.push(number);
                NUMBER
            }
        };
        self.codes.push(code);
    }
}
