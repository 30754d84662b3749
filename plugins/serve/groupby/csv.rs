//! A result as a table: one row a cell, the labels of its dimensions first, then the value.
//!
//! # Specification
//! RFC 4180.

use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use thermocline_core::Result;
use thermocline_groupby::Described;
use thermocline_model::ArrayBytes;

use crate::body::Written;
use crate::sheet::Sheet;
use crate::table::Steps;
use crate::text;

/// A result that is written as a table.
pub(crate) struct Csv {
    sheet: Sheet,
    steps: Steps,
    /// Of each dimension of the variable its labels as they are written, without those of dimensions without coordinate.
    labels: Vec<Option<Vec<Vec<u8>>>>,
}

impl Csv {
    /// That of a result.
    ///
    /// # Errors
    /// Those of [`Sheet::of`].
    pub(crate) fn of(described: &Described, values: &Arc<ArrayBytes>) -> Result<Self> {
        let sheet = Sheet::of(described, values)?;
        let labels = sheet.main.dims.iter().map(|dim| {
            let column = &sheet.index(dim)?.column;
            let label = |position| {
                let mut out = Vec::new();
                text::csv(column.cell(position), &mut out);
                out
            };
            Some((0..column.n_cells()).map(label).collect())
        });
        let labels = labels.collect();
        Ok(Self { labels, steps: Steps::of(&sheet.main.shape), sheet })
    }
}

impl Written for Csv {
    fn n_cells(&self) -> usize {
        self.sheet.main.column.n_cells()
    }

    fn head(&self, out: &mut Vec<u8>) {
        for dim in &self.sheet.main.dims {
            text::csv_text(dim, out);
            out.push(b',');
        }
        text::csv_text(&self.sheet.main.name, out);
        out.extend_from_slice(b"\r\n");
    }

    fn cells(&self, cells: Range<usize>, out: &mut Vec<u8>) -> Result<()> {
        let main = &self.sheet.main;
        for cell in cells {
            for (axis, labels) in self.labels.iter().enumerate() {
                let position = self.steps.position(axis, cell);
                match labels.as_ref().map(|labels| labels.get(position)) {
                    Some(label) => out.extend_from_slice(label.map(Vec::as_slice).unwrap_or_default()),
                    // Writing into a vector does not fail.
                    None => drop(write!(out, "{position}")),
                }
                out.push(b',');
            }
            text::csv(main.column.cell(cell), out);
            out.extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    fn tail(&self, _out: &mut Vec<u8>) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::result;

    #[test]
    fn each_cell_has_a_row() {
        let csv = Csv::of(&result().0, &result().1).unwrap();
        let mut out = Vec::new();
        csv.head(&mut out);
        csv.cells(0..2, &mut out).unwrap();
        csv.cells(2..6, &mut out).unwrap();
        csv.tail(&mut out);

        assert_eq!(
            String::from_utf8(out).unwrap(),
            "month,time,tas\r\n1,2001-03-01T00:00:00,1.5\r\n1,,\r\n1,2001-03-01T12:00:00,inf\r\n\
             2,2001-03-01T00:00:00,4.0\r\n2,,5.0\r\n2,2001-03-01T12:00:00,6.0\r\n"
        );
    }
}
