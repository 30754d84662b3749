//! The reference document as parquet tables, read piece by piece.
//!
//! # Specification
//! fsspec's `LazyReferenceMapper`: `.zmetadata` with `record_size`, and for each array the files
//! `refs.{n}.parq` with the columns `path`, `offset`, `size` and `raw`, one row a chunk in C order.

use std::ops::Range;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::Response;
use bytes::Bytes;
use http::Method;
use http::request::Parts;
use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, Type as PhysicalType, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{ColumnPath, Type};
use serde_json::{Map, json};
use thermocline_core::manifest::Manifest;
use thermocline_core::{Error, Result};
use thermocline_http::conditional::{content_tag, precondition, respond, respond_head};
use thermocline_http::{AppState, DatasetPath, Problem};
use thermocline_zarr::{Hierarchy, View, ZarrArray, ascii_json, chunk_key, metadata_documents};
use thermocline_zarr_http::Body;

use crate::KerchunkSettings;
use crate::inline::{InlineBudget, inline_bytes};
use crate::kept::Part;
use crate::references::References;
use crate::request::ReferenceRequest;
use crate::target::{Addresses, Pointer, Target};

/// Media type of the tables.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.apache.parquet";

/// A request for a file of the layout.
pub(crate) struct TableRequest {
    request: ReferenceRequest,
    key: String,
}

impl FromRequestParts<AppState> for TableRequest {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        let request = ReferenceRequest::from_request_parts(parts, app).await?;
        let DatasetPath(key) = DatasetPath::from_request_parts(parts, app).await?;
        Ok(Self { request, key })
    }
}

/// Sends `.zmetadata` or a table.
pub(crate) async fn answer(references: &References, asked: TableRequest) -> Result<Response, Problem> {
    let TableRequest { request, key } = asked;
    let hierarchy = Hierarchy::of(&request.manifest, View::V2);
    let record_size = references.settings.record_size;
    match find(&hierarchy, &key, record_size) {
        Some(File::Metadata) => {
            let made = metadata(&request.manifest, &hierarchy, record_size);
            let body = references.kept.get_or_make(&request, Part::TableMetadata, made).await?;
            Ok(request.respond("application/json", body))
        }
        Some(File::Table { array, number, positions }) => {
            answer_table(references, &request, array, (number, positions)).await
        }
        None => {
            let id = &request.manifest.id;
            Err(Problem::not_found(format!("Key '{key}' not found in the references of dataset '{id}'")))
        }
    }
}

/// Sends a table; makes it only if its bytes are asked for.
async fn answer_table(
    references: &References,
    request: &ReferenceRequest,
    array: &ZarrArray,
    (number, positions): (u64, Range<u64>),
) -> Result<Response, Problem> {
    let part = Part::Table { path: array.path.clone(), number };
    let etag = table_tag(&references.settings, request, &array.path, number);
    let representation = request.representation(MEDIA_TYPE, etag);
    if let Some(response) = precondition(&request.headers, &representation) {
        return Ok(response);
    }
    if request.method == Method::HEAD {
        let kept = references.kept.get(request, &part).await;
        let len_bytes = kept.map(|body| body.bytes.len() as u64);
        return Ok(respond_head(&request.headers, &representation, len_bytes));
    }
    let made = table(&references.settings, request, array, positions);
    let body = references.kept.get_or_make(request, part, made).await?;
    Ok(respond(&request.method, &request.headers, &representation, body.bytes))
}

/// The entity tag of a table: a hash of all that determines its bytes, known before they are made.
fn table_tag(settings: &KerchunkSettings, request: &ReferenceRequest, path: &str, number: u64) -> String {
    let KerchunkSettings { inline_chunk_bytes, inline_document_bytes, record_size, .. } = settings;
    let determined_by = (
        (env!("CARGO_PKG_VERSION"), &request.manifest.revision.0, &request.base.0),
        (path, number, record_size),
        (inline_chunk_bytes, inline_document_bytes, request.app.config.serve_objects),
    );
    content_tag(format!("{determined_by:?}").as_bytes())
}

/// A file of the layout.
enum File<'h> {
    Metadata,
    Table { array: &'h ZarrArray, number: u64, positions: Range<u64> },
}

fn find<'h>(hierarchy: &'h Hierarchy, key: &str, record_size: u64) -> Option<File<'h>> {
    if key == ".zmetadata" {
        return Some(File::Metadata);
    }
    let (path, name) = key.rsplit_once('/')?;
    let array = hierarchy.array(path)?;
    let number: u64 = number_of(name)?;
    let start = number.checked_mul(record_size)?;
    // An array without chunks has one empty table.
    if start >= array.grid.n_chunks().max(1) {
        return None;
    }
    Some(File::Table { array, number, positions: start..start.checked_add(record_size)? })
}

fn number_of(name: &str) -> Option<u64> {
    let number = name.strip_prefix("refs.")?.strip_suffix(".parq")?;
    let is_plain =
        number.bytes().all(|byte| byte.is_ascii_digit()) && (number == "0" || !number.starts_with('0'));
    if is_plain { number.parse().ok() } else { None }
}

async fn metadata(manifest: &Arc<Manifest>, hierarchy: &Arc<Hierarchy>, record_size: u64) -> Result<Body> {
    let (manifest, hierarchy) = (Arc::clone(manifest), Arc::clone(hierarchy));
    let made = tokio::task::spawn_blocking(move || {
        let documents = metadata_documents(&hierarchy, &manifest.dataset, "");
        let metadata: Map<_, _> =
            documents.into_iter().map(|document| (document.key, document.json)).collect();
        Body::new(ascii_json(&json!({"metadata": metadata, "record_size": record_size})))
    });
    made.await.map_err(|cause| Error::internal("a document was not finished").with_source(cause))
}

/// The columns of a table.
#[derive(Debug, Default, PartialEq)]
struct Rows {
    paths: Vec<Option<String>>,
    offsets: Vec<i64>,
    sizes: Vec<i64>,
    raws: Vec<Option<Bytes>>,
}

impl Rows {
    fn push(&mut self, path: Option<String>, (offset, size): (u64, u64), raw: Option<Bytes>) {
        self.paths.push(path);
        self.offsets.push(i64::try_from(offset).unwrap_or(i64::MAX));
        self.sizes.push(i64::try_from(size).unwrap_or(i64::MAX));
        self.raws.push(raw);
    }

    /// Adds rows of chunks that do not exist, up to `n_rows` in all.
    fn pad(&mut self, n_rows: usize) {
        while self.paths.len() < n_rows {
            self.push(None, (0, 0), None);
        }
    }
}

async fn table(
    settings: &KerchunkSettings,
    request: &ReferenceRequest,
    array: &ZarrArray,
    positions: Range<u64>,
) -> Result<Body> {
    let ReferenceRequest { app, manifest, base, .. } = request;
    let variable = array.variable(&manifest.dataset);
    let variable =
        variable.ok_or_else(|| Error::internal(format!("array {:?} has no variable", array.path)))?;
    let addresses = Addresses::new(app, base, manifest, Target::Server)?;
    let own_url = addresses.array(&array.path);
    let mut budget = InlineBudget::new(settings.inline_chunk_bytes, settings.inline_document_bytes);
    let mut rows = Rows::default();
    let located = app.reader.locations_in(manifest, variable, &array.form, positions.clone()).await?;
    for (linear, location) in located {
        rows.pad(usize::try_from(linear - positions.start).unwrap_or(usize::MAX));
        let raw = inline_bytes(&app.reader, manifest, array, (linear, &location), &mut budget).await?;
        let (path, range) = match (&raw, addresses.pointer(&location)) {
            (Some(_), _) => (None, (0, 0)),
            (None, Pointer::Range { url, offset, len_bytes }) => (Some(url.to_owned()), (offset, len_bytes)),
            (None, Pointer::Chunk) => {
                let name = chunk_key(View::V2, &array.grid.index(linear));
                (Some(format!("{own_url}{name}")), (0, 0))
            }
        };
        rows.push(path, range, raw);
    }
    rows.pad(usize::try_from(positions.end - positions.start).unwrap_or(0));
    let written = tokio::task::spawn_blocking(move || write(&rows)).await;
    let written = written.map_err(|cause| Error::internal("a table was not finished").with_source(cause))?;
    written.map(Body::new).map_err(|cause| Error::internal("a table cannot be written").with_source(cause))
}

fn write(rows: &Rows) -> Result<Vec<u8>, ParquetError> {
    // Without a count of nulls fastparquet takes integers that cannot be null for floating numbers.
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_statistics_enabled(EnabledStatistics::None)
        .set_column_statistics_enabled(ColumnPath::from("offset"), EnabledStatistics::Chunk)
        .set_column_statistics_enabled(ColumnPath::from("size"), EnabledStatistics::Chunk)
        .set_dictionary_enabled(false)
        .set_column_dictionary_enabled(ColumnPath::from("path"), true)
        .build();
    let mut out = Vec::new();
    let mut file = SerializedFileWriter::new(&mut out, Arc::new(schema()?), Arc::new(properties))?;
    let mut group = file.next_row_group()?;
    let paths = rows.paths.iter().map(|path| path.as_deref().map(ByteArray::from));
    write_optional(&mut group, paths)?;
    write_integers(&mut group, &rows.offsets)?;
    write_integers(&mut group, &rows.sizes)?;
    write_optional(&mut group, rows.raws.iter().map(|raw| raw.clone().map(ByteArray::from)))?;
    group.close()?;
    file.close()?;
    Ok(out)
}

fn schema() -> Result<Type, ParquetError> {
    let text = Type::primitive_type_builder("path", PhysicalType::BYTE_ARRAY)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(Some(LogicalType::String))
        .with_converted_type(ConvertedType::UTF8)
        .build()?;
    let integer = |name: &str| {
        Type::primitive_type_builder(name, PhysicalType::INT64).with_repetition(Repetition::REQUIRED).build()
    };
    let raw = Type::primitive_type_builder("raw", PhysicalType::BYTE_ARRAY)
        .with_repetition(Repetition::OPTIONAL)
        .build()?;
    let fields =
        vec![Arc::new(text), Arc::new(integer("offset")?), Arc::new(integer("size")?), Arc::new(raw)];
    Type::group_type_builder("schema").with_fields(fields).build()
}

fn write_optional<W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: impl Iterator<Item = Option<ByteArray>>,
) -> Result<(), ParquetError> {
    let values: Vec<Option<ByteArray>> = values.collect();
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let present: Vec<ByteArray> = values.into_iter().flatten().collect();
    let mut column = group.next_column()?.ok_or_else(no_column)?;
    column.typed::<ByteArrayType>().write_batch(&present, Some(&levels), None)?;
    column.close()
}

fn write_integers<W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[i64],
) -> Result<(), ParquetError> {
    let mut column = group.next_column()?.ok_or_else(no_column)?;
    column.typed::<Int64Type>().write_batch(values, None, None)?;
    column.close()
}

fn no_column() -> ParquetError {
    ParquetError::General("the schema has fewer columns than are written".to_owned())
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;

    use super::*;

    #[test]
    fn rows_come_back_from_the_table() {
        let mut rows = Rows::default();
        rows.push(Some("http://h/objects/0".into()), (4096, 77), None);
        rows.pad(2);
        rows.push(None, (0, 0), Some(Bytes::from_static(b"raw")));
        let file = SerializedFileReader::new(Bytes::from(write(&rows).unwrap())).unwrap();
        let read: Vec<_> = file.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        assert_eq!(read.len(), 3);
        assert_eq!(read[0].get_string(0).unwrap(), "http://h/objects/0");
        assert_eq!((read[0].get_long(1).unwrap(), read[0].get_long(2).unwrap()), (4096, 77));
        assert!(read[1].get_string(0).is_err(), "null");
        assert_eq!(read[2].get_bytes(3).unwrap().data(), b"raw");
    }

    #[test]
    fn names_of_tables_are_matched_exactly() {
        assert_eq!(number_of("refs.0.parq"), Some(0));
        assert_eq!(number_of("refs.12.parq"), Some(12));
        for name in ["refs.00.parq", "refs.01.parq", "refs..parq", "refs.-1.parq", "refs.0.parquet", "0.parq"]
        {
            assert_eq!(number_of(name), None, "{name}");
        }
    }
}
