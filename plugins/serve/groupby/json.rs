//! A result as JSON: the shape of xarray's `Dataset.to_dict(data="list")`.

use std::ops::Range;
use std::sync::Arc;

use thermocline_core::Result;
use thermocline_groupby::Described;
use thermocline_model::{ArrayBytes, Attributes};
use thermocline_zarr::attributes_json;

use crate::body::Written;
use crate::sheet::{Sheet, SheetVariable};
use crate::text;

/// A result that is written as JSON.
pub(crate) struct Json(Sheet);

impl Json {
    /// That of a result.
    ///
    /// # Errors
    /// Those of [`Sheet::of`].
    pub(crate) fn of(described: &Described, values: &Arc<ArrayBytes>) -> Result<Self> {
        Sheet::of(described, values).map(Self)
    }
}

impl Written for Json {
    fn n_cells(&self) -> usize {
        self.0.main.column.n_cells()
    }

    fn head(&self, out: &mut Vec<u8>) {
        let Sheet { coords, others, main, attrs } = &self.0;
        out.extend_from_slice(b"{\"coords\":{");
        variables(coords, out);
        out.extend_from_slice(b"},\"attrs\":");
        attributes(attrs, out);
        out.extend_from_slice(b",\"dims\":{");
        for (number, (dim, len)) in self.0.dims().into_iter().enumerate() {
            comma(number, out);
            text::json_text(dim, out);
            out.extend_from_slice(format!(":{len}").as_bytes());
        }
        out.extend_from_slice(b"},\"data_vars\":{");
        variables(others, out);
        comma(others.len(), out);
        opening(main, out);
        if self.n_cells() == 0 {
            nothing(&main.shape, out);
        }
    }

    fn cells(&self, cells: Range<usize>, out: &mut Vec<u8>) -> Result<()> {
        nested(&self.0.main, cells, out);
        Ok(())
    }

    fn tail(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"}}}");
    }
}

fn comma(n_before: usize, out: &mut Vec<u8>) {
    if n_before > 0 {
        out.push(b',');
    }
}

fn attributes(attrs: &Attributes, out: &mut Vec<u8>) {
    // Writing a document into a vector does not fail.
    let _ = serde_json::to_writer(out, &attributes_json(attrs, &[]));
}

fn variables(variables: &[SheetVariable], out: &mut Vec<u8>) {
    for (number, variable) in variables.iter().enumerate() {
        comma(number, out);
        opening(variable, out);
        match variable.column.n_cells() {
            0 => nothing(&variable.shape, out),
            n_cells => nested(variable, 0..n_cells, out),
        }
        out.push(b'}');
    }
}

/// A variable up to its values.
fn opening(variable: &SheetVariable, out: &mut Vec<u8>) {
    text::json_text(&variable.name, out);
    out.extend_from_slice(b":{\"dims\":[");
    for (number, dim) in variable.dims.iter().enumerate() {
        comma(number, out);
        text::json_text(dim, out);
    }
    out.extend_from_slice(b"],\"attrs\":");
    attributes(&variable.attrs, out);
    out.extend_from_slice(format!(",\"dtype\":\"{}\",\"data\":", variable.column.kind().name()).as_bytes());
}

/// Some of the values, with the brackets that begin and end with them.
fn nested(variable: &SheetVariable, cells: Range<usize>, out: &mut Vec<u8>) {
    // How many values a list of each depth holds, outermost first.
    let mut sizes: Vec<usize> = Vec::with_capacity(variable.shape.len());
    let mut size = 1_usize;
    for len in variable.shape.iter().rev() {
        size = size.saturating_mul(usize::try_from(*len).unwrap_or(usize::MAX)).max(1);
        sizes.push(size);
    }
    for position in cells {
        if position > 0 {
            out.push(b',');
        }
        out.extend(sizes.iter().filter(|size| position.is_multiple_of(**size)).map(|_| b'['));
        text::json(variable.column.cell(position), out);
        out.extend(sizes.iter().filter(|size| (position + 1).is_multiple_of(**size)).map(|_| b']'));
    }
}

/// The lists of an array without values.
fn nothing(shape: &[u64], out: &mut Vec<u8>) {
    let n_lists = shape.split_first().map_or((0, &[][..]), |(len, inner)| (*len, inner));
    let (len, inner) = n_lists;
    out.push(b'[');
    for number in 0..len.min(MAX_EMPTY) {
        comma(usize::from(number > 0), out);
        nothing(inner, out);
    }
    out.push(b']');
}

/// Most lists without values that are written at one depth.
const MAX_EMPTY: u64 = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::result;

    fn whole(json: &Json, step: usize) -> String {
        let mut out = Vec::new();
        json.head(&mut out);
        for first in (0..json.n_cells()).step_by(step) {
            json.cells(first..(first + step).min(json.n_cells()), &mut out).unwrap();
        }
        json.tail(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_result_has_the_shape_of_to_dict() {
        let json = Json::of(&result().0, &result().1).unwrap();
        let document: serde_json::Value = serde_json::from_str(&whole(&json, 100)).unwrap();
        assert_eq!(
            document,
            serde_json::json!({
                "coords": {
                    "month": {"dims": ["month"], "attrs": {}, "dtype": "int64", "data": [1, 2]},
                    "time": {"dims": ["time"], "attrs": {"calendar": "noleap"}, "dtype": "datetime64",
                        "data": ["2001-03-01T00:00:00", null, "2001-03-01T12:00:00"]},
                    "height": {"dims": [], "attrs": {"units": "m"}, "dtype": "float32", "data": 2.0},
                },
                "attrs": {"title": "toy"},
                "dims": {"month": 2, "time": 3},
                "data_vars": {
                    "tas": {"dims": ["month", "time"], "attrs": {"units": "K"}, "dtype": "float32",
                        "data": [[1.5, null, null], [4.0, 5.0, 6.0]]},
                },
            })
        );
    }

    #[test]
    fn pieces_join_to_the_same_document() {
        let json = Json::of(&result().0, &result().1).unwrap();
        for step in [1, 2, 4, 5] {
            assert_eq!(whole(&json, step), whole(&json, 100));
        }
    }

    #[test]
    fn an_array_without_values_is_lists_of_nothing() {
        let mut out = Vec::new();
        nothing(&[2, 0, 3], &mut out);
        assert_eq!(out, b"[[],[]]");
    }
}
