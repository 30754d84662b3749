//! Builds the dataset and the chunk tables of references.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use serde_json::Value;
use thermocline_core::coordinates::{Keeping, OpenedByHref, keep_coordinates};
use thermocline_core::format::{Indexed, Limits, Region, Source};
use thermocline_core::{Error, ErrorKind, Result};
use thermocline_model::{
    ArrayBytes, ChunkGrid, ChunkPart, ChunkRef, ChunkTable, ChunkTableBuilder, Note, Place, Variable,
};
use thermocline_zarr::parse::{
    ArrayMetadata, DatasetBuilder, Elements, MetadataLimits, NodeMetadata, StoreMetadata, hierarchy_v2,
    hierarchy_v3, parse_json,
};

use crate::document::{self, Reference, References, refused};
use crate::objects::ReferencedObjects;
use crate::parquet;

/// Most rows of a parquet file of references.
const MAX_RECORD_SIZE: u64 = 10_000_000;
/// Most chunks of a dataset whose files of references are asked for again.
const MAX_ASKED_AGAIN: u64 = 1 << 20;
/// Most notes about single chunks of one array.
const MAX_NOTES: usize = 10;

/// Indexes the references of `source`.
pub(crate) fn index(source: &Source<'_>) -> Result<Indexed> {
    let document = read_document(source)?;
    let is_directory = source.object.object().href.rsplit('/').next() == Some(".zmetadata");
    let references =
        if is_directory { Origin::parquet(source, &document)? } else { Origin::json(&document)? };
    let metadata = references.metadata(source.limits);
    if metadata.nodes.is_empty() && metadata.refusals.is_empty() {
        return Err(refused("no Zarr metadata among the references"));
    }
    let mut indexer = Indexer {
        source,
        objects: ReferencedObjects::new(source),
        inline: Vec::new(),
        notes: Vec::new(),
        n_asked_again: 0,
        is_listed: None,
    };
    let mut builder = DatasetBuilder::new(&metadata);
    let mut tables = Vec::new();
    for (path, node) in &metadata.nodes {
        let NodeMetadata::Array(array) = node else {
            continue;
        };
        match indexer.table(path, array, &references) {
            Ok(table) => {
                builder.array(path, array, tables.len() as u32);
                tables.push(table);
            }
            Err(error) if error.kind() == ErrorKind::Refused => {
                builder.refuse(path, array, error.to_string())
            }
            Err(error) => return Err(error),
        }
    }
    let (objects, mut notes) = indexer.objects.finish();
    let mut indexed = Indexed { dataset: builder.build(), tables, inline: indexer.inline };
    indexed.dataset.notes.append(&mut notes);
    indexed.dataset.notes.append(&mut indexer.notes);
    // Kept with the manifest, an absent chunk would stay absent.
    let decode = |_: u32, _: &Variable, _: &Region| {
        Err(Error::unsupported("a file of its references is absent, and may arrive at any time"))
    };
    let opened = OpenedByHref::new(source.others, &objects);
    keep_coordinates(&mut indexed, &Keeping { objects: &opened, decode: &decode, limits: source.limits })?;
    indexed.dataset.objects = objects;
    Ok(indexed)
}

/// The values of a chunk whose file of references was absent, and still is: fill.
///
/// # Errors
/// [`ErrorKind::Changed`] when the file arrived: the references are to be indexed again.
pub(crate) fn decode(source: &Source<'_>, variable: &Variable, region: &Region) -> Result<ArrayBytes> {
    let changed = |what: &str| {
        let kind = ErrorKind::Changed { retry_after: Duration::from_secs(2) };
        Error::new(kind, format!("{what} is not what was indexed"))
    };
    let path = variable.storage.source_path.as_str();
    let Origin::Parquet { record_size, .. } = Origin::parquet(source, &read_document(source)?)? else {
        return Err(changed(path));
    };
    let lengths = &variable.storage.chunk_shape;
    let index: Vec<u64> =
        region.start.iter().zip(lengths).map(|(start, len)| start / (*len).max(1)).collect();
    let linear = variable.stored_grid().and_then(|grid| grid.linear(&index)).ok_or_else(|| changed(path))?;
    let name = parquet::name(path, linear / record_size);
    if source.others.open(&name)?.is_some() {
        return Err(changed(&name));
    }
    let n_elements = thermocline_codec::region::n_elements(&region.shape)?;
    Ok(thermocline_codec::fill_chunk(&variable.dtype, variable.fill.as_ref(), n_elements))
}

fn read_document(source: &Source<'_>) -> Result<bytes::Bytes> {
    let object = source.object.object();
    if object.len_bytes > source.limits.attribute_bytes as u64 {
        return Err(refused(format!(
            "a document of {} bytes, {} are the most",
            object.len_bytes, source.limits.attribute_bytes
        )));
    }
    source.object.read_at(0, object.len_bytes as usize)
}

/// Where references come from.
enum Origin {
    /// A JSON document, whole in memory.
    Json(References),
    /// Parquet files next to consolidated metadata.
    Parquet { documents: BTreeMap<String, Value>, record_size: u64 },
}

impl Origin {
    fn json(document: &[u8]) -> Result<Self> {
        document::parse(document).map(Self::Json)
    }

    fn parquet(source: &Source<'_>, document: &[u8]) -> Result<Self> {
        let name = &source.object.object().href;
        let mut document = parse_json(document).map_err(|error| refused(format!("{name}: {error}")))?;
        let record_size = document.get("record_size").and_then(Value::as_u64);
        let record_size =
            record_size.filter(|size| (1..=MAX_RECORD_SIZE).contains(size)).ok_or_else(|| {
                refused(format!("{name} has no record_size: no parquet references, and no Zarr group either"))
            })?;
        let documents = match document.get_mut("metadata").map(Value::take) {
            Some(Value::Object(documents)) => documents.into_iter().collect(),
            _ => return Err(refused(format!("{name} has no metadata"))),
        };
        Ok(Self::Parquet { documents, record_size })
    }

    fn metadata(&self, limits: &Limits) -> StoreMetadata {
        let limits = MetadataLimits {
            depth: limits.depth,
            n_nodes: limits.n_nodes,
            n_codecs: limits.n_codecs,
            chunk_bytes: limits.chunk_bytes,
            n_chunks: limits.n_chunks,
        };
        match self {
            Self::Parquet { documents, .. } => hierarchy_v2(documents, &limits),
            Self::Json(references) => json_metadata(references, &limits),
        }
    }
}

/// The nodes that the documents among the references describe.
fn json_metadata(references: &References, limits: &MetadataLimits) -> StoreMetadata {
    let mut unreadable = Vec::new();
    let (mut v2, mut v3) = (BTreeMap::new(), BTreeMap::new());
    for (key, reference) in references {
        let name = key.rsplit('/').next().unwrap_or(key);
        if !matches!(name, ".zgroup" | ".zarray" | ".zattrs" | ".zmetadata" | "zarr.json") {
            continue;
        }
        let document = match reference {
            Reference::Bytes(bytes) => parse_json(bytes).map_err(|error| error.reason),
            _ => Err("metadata in another object is not read".to_owned()),
        };
        match document {
            Ok(mut document) if name == ".zmetadata" => {
                if let Some(Value::Object(consolidated)) = document.get_mut("metadata").map(Value::take) {
                    for (key, document) in consolidated {
                        v2.entry(key).or_insert(document);
                    }
                }
            }
            Ok(document) if name == "zarr.json" => {
                v3.insert(key.strip_suffix(name).unwrap_or(key).trim_end_matches('/').to_owned(), document);
            }
            Ok(document) => {
                v2.insert(key.clone(), document);
            }
            Err(reason) => unreadable.push((key.clone(), reason)),
        }
    }
    let mut metadata = if v2.is_empty() { hierarchy_v3(&v3, limits) } else { hierarchy_v2(&v2, limits) };
    metadata.without_documents(unreadable);
    metadata
}

struct Indexer<'a> {
    source: &'a Source<'a>,
    objects: ReferencedObjects<'a>,
    inline: Vec<u8>,
    notes: Vec<Note>,
    /// Chunks whose files of references are asked for again when they are read.
    n_asked_again: u64,
    is_listed: Option<bool>,
}

impl Indexer<'_> {
    /// The chunk table of an array.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] concerns this array alone.
    fn table(&mut self, path: &str, array: &ArrayMetadata, origin: &Origin) -> Result<ChunkTable> {
        if array.sharding.is_some() {
            return Err(refused("references to shards"));
        }
        if matches!(array.elements, Elements::Ucs4 { .. }) {
            return Err(refused(format!("data type {} in references", array.type_name)));
        }
        let grid = array.grid().ok_or_else(|| refused("no grid of chunks"))?;
        let mut table = TableBuilder { path, array, n_notes: 0, builder: ChunkTableBuilder::new() };
        match origin {
            Origin::Json(references) => self.json_chunks(array, &grid, references, &mut table)?,
            Origin::Parquet { record_size, .. } => self.parquet_chunks(&grid, *record_size, &mut table)?,
        }
        Ok(table.builder.build())
    }

    fn json_chunks(
        &mut self,
        array: &ArrayMetadata,
        grid: &ChunkGrid,
        references: &References,
        table: &mut TableBuilder<'_>,
    ) -> Result<()> {
        let prefix = if table.path.is_empty() { String::new() } else { format!("{}/", table.path) };
        let below = references.range(prefix.clone()..).map_while(|(key, reference)| {
            let key = key.strip_prefix(prefix.as_str())?;
            Some((key, reference))
        });
        for (key, reference) in below {
            let index = array.keys.index(key, array.shape.len());
            if let Some(linear) = index.and_then(|index| grid.linear(&index)) {
                self.push(linear, reference, table)?;
            }
        }
        Ok(())
    }

    fn parquet_chunks(
        &mut self,
        grid: &ChunkGrid,
        record_size: u64,
        table: &mut TableBuilder<'_>,
    ) -> Result<()> {
        let n_chunks = grid.n_chunks();
        for file in 0..n_chunks.div_ceil(record_size) {
            let first = file * record_size;
            let n_rows = record_size.min(n_chunks - first);
            let name = parquet::name(table.path, file);
            let Some(rows) = parquet::read(self.source, &name, n_rows)? else {
                self.absent(&name, first..first + n_rows, table)?;
                continue;
            };
            if (rows.len() as u64) < n_rows {
                return Err(refused(format!("{name} has {} rows, {n_rows} belong into it", rows.len())));
            }
            for (linear, reference) in (first..).zip(&rows) {
                if let Some(reference) = reference {
                    self.push(linear, reference, table)?;
                }
            }
        }
        Ok(())
    }

    /// A file of references that is not there: its chunks were never written. In a place that cannot be
    /// listed it may arrive unnoticed, so that it is asked for again whenever one of its chunks is read.
    fn absent(&mut self, name: &str, chunks: Range<u64>, table: &mut TableBuilder<'_>) -> Result<()> {
        self.note(table, format!("{name} is not there: its chunks were never written"));
        if self.is_listed()? {
            return Ok(());
        }
        self.n_asked_again = self.n_asked_again.saturating_add(chunks.end - chunks.start);
        if self.n_asked_again > MAX_ASKED_AGAIN {
            let most = "more chunks in files that are not there than a place that cannot be listed may have";
            return Err(refused(format!("{most}: {MAX_ASKED_AGAIN}")));
        }
        self.objects.push_missing(name);
        let part = ChunkPart { place: Place::Format(0), encoding: 0, filter_mask: 0, is_short: false };
        for linear in chunks {
            table.builder.push(linear, ChunkRef { part, offset: 0, len_bytes: 0 });
        }
        Ok(())
    }

    /// True if the place of the references can be listed, so that a new file is noticed. Found out once.
    fn is_listed(&mut self) -> Result<bool> {
        if let Some(known) = self.is_listed {
            return Ok(known);
        }
        let is_listed = match self.source.others.list("") {
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::Unsupported => false,
            Err(error) => return Err(error),
        };
        self.is_listed = Some(is_listed);
        Ok(is_listed)
    }

    fn push(&mut self, linear: u64, reference: &Reference, table: &mut TableBuilder<'_>) -> Result<()> {
        let (place, offset, len_bytes) = match reference {
            Reference::Bytes(bytes) if !table.array.may_have(bytes.len() as u64) => {
                self.note(table, format!("chunk {linear}: {} bytes cannot be the whole of it", bytes.len()));
                self.beyond(0)
            }
            Reference::Bytes(bytes) => {
                let offset = self.inline.len() as u64;
                self.inline.extend_from_slice(bytes);
                (Place::Inline, offset, bytes.len() as u64)
            }
            Reference::Whole { url } => {
                let (number, object_len) = self.objects.look_up(url)?;
                self.part(linear, (url, number), 0..object_len, table)
            }
            Reference::Range { url, offset, len_bytes } => {
                let (number, object_len) = self.objects.look_up(url)?;
                match offset.checked_add(*len_bytes).filter(|end| *end <= object_len) {
                    Some(end) => self.part(linear, (url, number), *offset..end, table),
                    None => {
                        if object_len > 0 {
                            self.note(table, format!(
                                "chunk {linear}: {len_bytes} bytes at {offset} of {url}, which has {object_len}: it cannot be read"
                            ));
                        }
                        self.beyond(number)
                    }
                }
            }
        };
        let len_bytes = u32::try_from(len_bytes)
            .map_err(|_| refused(format!("chunk {linear} has {len_bytes} bytes: 4 GiB are the most")))?;
        let part = ChunkPart { place, encoding: 0, filter_mask: 0, is_short: false };
        table.builder.push(linear, ChunkRef { part, offset, len_bytes });
        Ok(())
    }

    /// Where a chunk lies that is a part of an object; a part that cannot be a whole chunk fails when it is read.
    fn part(
        &mut self,
        linear: u64,
        (url, number): (&str, u32),
        bytes: Range<u64>,
        table: &mut TableBuilder<'_>,
    ) -> (Place, u64, u64) {
        let len_bytes = bytes.end.saturating_sub(bytes.start);
        if table.array.may_have(len_bytes) {
            return (Place::Object(number), bytes.start, len_bytes);
        }
        if self.objects.len_bytes(number) > 0 {
            self.note(table, format!("chunk {linear}: {len_bytes} bytes of {url} cannot be the whole of it"));
        }
        self.beyond(number)
    }

    /// A byte beyond the end of an object: reading it is an error, which never looks like an absent chunk.
    fn beyond(&self, number: u32) -> (Place, u64, u64) {
        (Place::Object(number), self.objects.len_bytes(number), 1)
    }

    fn note(&mut self, table: &mut TableBuilder<'_>, note: String) {
        table.n_notes += 1;
        if table.n_notes <= MAX_NOTES {
            self.notes.push(Note { path: table.path.to_owned(), note });
        } else if table.n_notes == MAX_NOTES + 1 {
            let note = "further chunks have the same fault".to_owned();
            self.notes.push(Note { path: table.path.to_owned(), note });
        }
    }
}

struct TableBuilder<'a> {
    path: &'a str,
    array: &'a ArrayMetadata,
    n_notes: usize,
    builder: ChunkTableBuilder,
}
