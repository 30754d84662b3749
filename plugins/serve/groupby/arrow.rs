//! A result as a stream of Arrow's record batches: the same table as CSV, typed.
//!
//! # Specification
//! Arrow columnar format 1.5, IPC streaming format.
//!
//! # Limits
//! Times whose calendar is not that of Arrow's timestamps are texts.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Float32Builder, Float64Builder, Int8Builder, Int16Builder, Int32Builder, Int64Builder,
    StringBuilder, TimestampMicrosecondBuilder, UInt8Builder, UInt16Builder, UInt32Builder, UInt64Builder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use thermocline_core::{Error, Result};
use thermocline_groupby::Described;
use thermocline_model::cf::{Calendar, DateTime};
use thermocline_model::{ArrayBytes, Attribute};

use crate::body::Written;
use crate::column::{Cell, Column, Kind};
use crate::sheet::Sheet;
use crate::table::Steps;
use crate::text;

/// Ends a stream: a continuation, and no message behind it.
const END: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// Microseconds since 1970 of 15 October 1582, from which on the standard calendar is that of Arrow's timestamps.
const GREGORIAN: i64 = -12_219_292_800_000_000;

/// A result that is written as record batches.
pub(crate) struct Arrow {
    sheet: Sheet,
    steps: Steps,
    /// Type of each column: those of the dimensions, then that of the variable.
    types: Vec<Type>,
    schema: SchemaRef,
    /// The message that says what the columns are.
    head: Vec<u8>,
}

/// What a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    /// As it is.
    Plain(Kind),
    /// An instant, in microseconds since this one.
    Timestamp(i64),
    /// Whatever it is, as CSV writes it.
    Text,
    /// The position along a dimension without labels.
    Position,
}

impl Type {
    fn of(column: Option<&Column>) -> Self {
        let Some(column) = column else { return Self::Position };
        match column.kind() {
            Kind::Time(calendar) => epoch(calendar, column).map_or(Self::Text, Self::Timestamp),
            kind => Self::Plain(kind),
        }
    }

    fn arrow(self) -> DataType {
        match self {
            Self::Plain(Kind::Bool) => DataType::Boolean,
            Self::Plain(Kind::Int(1)) => DataType::Int8,
            Self::Plain(Kind::Int(2)) => DataType::Int16,
            Self::Plain(Kind::Int(4)) => DataType::Int32,
            Self::Plain(Kind::Int(_)) | Self::Position => DataType::Int64,
            Self::Plain(Kind::UInt(1)) => DataType::UInt8,
            Self::Plain(Kind::UInt(2)) => DataType::UInt16,
            Self::Plain(Kind::UInt(4)) => DataType::UInt32,
            Self::Plain(Kind::UInt(_)) => DataType::UInt64,
            Self::Plain(Kind::Float(4)) => DataType::Float32,
            Self::Plain(Kind::Float(_)) => DataType::Float64,
            Self::Timestamp(_) => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Plain(Kind::Time(_) | Kind::Text) | Self::Text => DataType::Utf8,
        }
    }
}

/// 1970 in the ticks of a calendar that counts days as Arrow does, for all times of a column.
fn epoch(calendar: Calendar, column: &Column) -> Option<i64> {
    let epoch = DateTime::new(calendar, 1970, 1, 1).ok()?.ticks();
    let is_in_range = || {
        (0..column.n_cells()).all(|position| match column.cell(position) {
            Cell::Time(time) => time.ticks().saturating_sub(epoch) >= GREGORIAN,
            _ => true,
        })
    };
    match calendar {
        Calendar::ProlepticGregorian => Some(epoch),
        Calendar::Standard => is_in_range().then_some(epoch),
        _ => None,
    }
}

impl Arrow {
    /// That of a result.
    ///
    /// # Errors
    /// Those of [`Sheet::of`].
    pub(crate) fn of(described: &Described, values: &Arc<ArrayBytes>) -> Result<Self> {
        let sheet = Sheet::of(described, values)?;
        let main = &sheet.main;
        let indexes = || main.dims.iter().map(|dim| sheet.index(dim));
        let types: Vec<Type> = indexes()
            .map(|index| Type::of(index.map(|index| &index.column)))
            .chain([Type::of(Some(&main.column))])
            .collect();
        let attrs = indexes().map(|index| index.map(|index| &index.attrs)).chain([Some(&main.attrs)]);
        let names = main.dims.iter().chain([&main.name]);
        let fields = names.zip(&types).zip(attrs).map(|((name, of_column), attrs)| {
            let texts = attrs.into_iter().flat_map(|attrs| attrs.iter());
            let texts = texts.filter_map(|(name, value)| match value {
                Attribute::Text(text) => Some((name.to_owned(), text.clone())),
                _ => None,
            });
            Field::new(name, of_column.arrow(), true)
                .with_metadata(texts.collect::<HashMap<String, String>>())
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let head = StreamWriter::try_new(Vec::new(), &schema).map_err(|cause| unwritable(&cause))?;
        let head = head.get_ref().clone();
        Ok(Self { steps: Steps::of(&main.shape), types, schema, head, sheet })
    }

    /// One column of some rows; `axis` is the dimension that it labels, `None` for that of the values.
    fn column(&self, of_column: Type, axis: Option<usize>, rows: Range<usize>) -> ArrayRef {
        let position = |row: usize| axis.map_or(row, |axis| self.steps.position(axis, row));
        let index =
            axis.and_then(|axis| self.sheet.main.dims.get(axis)).and_then(|dim| self.sheet.index(dim));
        let values = match axis {
            None => Some(&self.sheet.main.column),
            Some(_) => index.map(|index| &index.column),
        };
        let cells = rows.map(|row| match values {
            Some(values) => values.cell(position(row)),
            None => Cell::Int(i64::try_from(position(row)).unwrap_or(i64::MAX)),
        });
        array(of_column, cells)
    }

    fn batch(&self, rows: &Range<usize>) -> Result<Vec<u8>, ArrowError> {
        let n_axes = self.sheet.main.dims.len();
        let columns = self.types.iter().enumerate().map(|(number, of_column)| {
            let axis = (number < n_axes).then_some(number);
            self.column(*of_column, axis, rows.clone())
        });
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns.collect())?;
        let mut writer = StreamWriter::try_new(Vec::new(), &self.schema)?;
        writer.write(&batch)?;
        let mut written = std::mem::take(writer.get_mut());
        // Each writer begins with what the stream has begun with already.
        written.drain(..self.head.len().min(written.len()));
        Ok(written)
    }
}

impl Written for Arrow {
    fn n_cells(&self) -> usize {
        self.sheet.main.column.n_cells()
    }

    fn head(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
    }

    fn cells(&self, cells: Range<usize>, out: &mut Vec<u8>) -> Result<()> {
        if cells.is_empty() {
            return Ok(());
        }
        out.extend(self.batch(&cells).map_err(|cause| unwritable(&cause))?);
        Ok(())
    }

    fn tail(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&END);
    }
}

fn unwritable(cause: &ArrowError) -> Error {
    Error::internal(format!("a table cannot be written: {cause}"))
}

/// Builds an array of one type from cells; what is of another is null.
macro_rules! built {
    ($builder:ty, $cells:expr, $pattern:pat => $value:expr) => {{
        let mut builder = <$builder>::new();
        for cell in $cells {
            builder.append_option(match cell {
                $pattern => $value,
                _ => None,
            });
        }
        Arc::new(builder.finish())
    }};
}

fn array<'c>(of_column: Type, cells: impl Iterator<Item = Cell<'c>>) -> ArrayRef {
    match of_column {
        Type::Plain(Kind::Bool) => built!(BooleanBuilder, cells, Cell::Bool(value) => Some(value)),
        Type::Plain(Kind::Int(1)) => built!(Int8Builder, cells, Cell::Int(value) => value.try_into().ok()),
        Type::Plain(Kind::Int(2)) => built!(Int16Builder, cells, Cell::Int(value) => value.try_into().ok()),
        Type::Plain(Kind::Int(4)) => built!(Int32Builder, cells, Cell::Int(value) => value.try_into().ok()),
        Type::Plain(Kind::Int(_)) | Type::Position => {
            built!(Int64Builder, cells, Cell::Int(value) => Some(value))
        }
        Type::Plain(Kind::UInt(1)) => built!(UInt8Builder, cells, Cell::UInt(value) => value.try_into().ok()),
        Type::Plain(Kind::UInt(2)) => {
            built!(UInt16Builder, cells, Cell::UInt(value) => value.try_into().ok())
        }
        Type::Plain(Kind::UInt(4)) => {
            built!(UInt32Builder, cells, Cell::UInt(value) => value.try_into().ok())
        }
        Type::Plain(Kind::UInt(_)) => built!(UInt64Builder, cells, Cell::UInt(value) => Some(value)),
        // Widened from `f4` before, so nothing is lost.
        Type::Plain(Kind::Float(4)) => {
            built!(Float32Builder, cells, Cell::Float(value) => Some(value as f32))
        }
        Type::Plain(Kind::Float(_)) => built!(Float64Builder, cells, Cell::Float(value) => Some(value)),
        Type::Timestamp(epoch) => {
            built!(TimestampMicrosecondBuilder, cells, Cell::Time(time) => time.ticks().checked_sub(epoch))
        }
        Type::Plain(Kind::Time(_) | Kind::Text) | Type::Text => texts(cells),
    }
}

fn texts<'c>(cells: impl Iterator<Item = Cell<'c>>) -> ArrayRef {
    let mut builder = StringBuilder::new();
    for cell in cells {
        match cell {
            Cell::Missing => builder.append_null(),
            Cell::Text(text) => builder.append_value(text),
            other => {
                let mut out = Vec::new();
                text::csv(other, &mut out);
                builder.append_value(String::from_utf8_lossy(&out));
            }
        }
    }
    Arc::new(builder.finish())
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float32Type, Int64Type};
    use arrow_ipc::reader::StreamReader;

    use super::*;

    #[test]
    fn batches_of_any_length_hold_the_same_table() {
        let (described, values) = crate::tests::result();
        let arrow = Arrow::of(&described, &values).unwrap();
        for step in [1, 4, 6] {
            let mut out = Vec::new();
            arrow.head(&mut out);
            for first in (0..6).step_by(step) {
                arrow.cells(first..(first + step).min(6), &mut out).unwrap();
            }
            arrow.tail(&mut out);

            let reader = StreamReader::try_new(out.as_slice(), None).unwrap();
            let names: Vec<String> =
                reader.schema().fields().iter().map(|field| field.name().clone()).collect();
            assert_eq!(names, ["month", "time", "tas"]);
            assert_eq!(reader.schema().field(2).metadata().get("units").map(String::as_str), Some("K"));
            let (mut months, mut times, mut floats) = (Vec::new(), Vec::new(), Vec::new());
            for batch in reader.map(|batch| batch.unwrap()) {
                months.extend(batch.column(0).as_primitive::<Int64Type>().values().iter().copied());
                times.extend(batch.column(1).as_string::<i32>().iter().map(|time| time.map(str::to_owned)));
                floats.extend(batch.column(2).as_primitive::<Float32Type>().values().iter().copied());
            }
            assert_eq!(months, [1, 1, 1, 2, 2, 2]);
            assert_eq!(
                times[3..],
                [Some("2001-03-01T00:00:00".into()), None, Some("2001-03-01T12:00:00".into())]
            );
            assert!(floats[1].is_nan() && floats[2].is_infinite());
            assert_eq!(floats[3..], [4.0, 5.0, 6.0]);
        }
    }

    #[test]
    fn times_count_from_1970_where_the_calendar_is_that_of_arrow() {
        let (described, _) = crate::tests::result();
        let mut time =
            described.root.variables.iter().find(|variable| variable.name == "time").unwrap().clone();
        let of_calendar = |calendar: &str, time: &mut thermocline_model::Variable| {
            time.attrs.set("calendar", Attribute::Text(calendar.into()));
            let column = Column::of(time, &time.attrs, described.values_of("time").unwrap()).unwrap();
            let of_column = Type::of(Some(&column));
            (of_column, array(of_column, (0..3).map(|position| column.cell(position))))
        };
        let (of_column, array) = of_calendar("standard", &mut time);
        assert!(matches!(of_column, Type::Timestamp(_)));
        let micros = array.as_primitive::<arrow_array::types::TimestampMicrosecondType>();
        assert_eq!(micros.value(0), 983_404_800_000_000);
        assert_eq!(of_calendar("360_day", &mut time).0, Type::Text);
    }
}
