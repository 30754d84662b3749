//! Indexes HDF5 files, prints what was found and compares every value with the reference library.
//!
//! `cargo run -p thermocline-format-hdf5 --example index [--json DIR] FILE…`: a line for each variable;
//! with `--json` one document a file, values as hex, for comparison with other readers.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use thermocline_codec::{ChunkSpec, decode, fill_chunk, region::copy_box};
use thermocline_core::format::{Format, Indexed, Limits, OpenOther, ReadAt, Region, Source};
use thermocline_core::{Error, Result};
use thermocline_format_hdf5::Hdf5Format;
use thermocline_model::{ArrayBytes, Attribute, Number, Object, ObjectIdentity, Place, Variable};

struct LocalFile {
    file: File,
    path: PathBuf,
    object: Object,
}

impl LocalFile {
    fn open(path: &Path) -> Result<Self> {
        let fail = |cause: std::io::Error| Error::not_found(format!("{}", path.display())).with_source(cause);
        let file = File::open(path).map_err(fail)?;
        let metadata = file.metadata().map_err(fail)?;
        let identity = ObjectIdentity::Modified { mtime_ns: metadata.mtime(), inode: metadata.ino() };
        let object = Object { href: path.display().to_string(), len_bytes: metadata.len(), identity };
        Ok(Self { file, path: path.to_owned(), object })
    }
}

impl ReadAt for LocalFile {
    fn object(&self) -> &Object {
        &self.object
    }

    fn read_at(&self, offset: u64, len_bytes: usize) -> Result<bytes::Bytes> {
        let mut bytes = vec![0; len_bytes];
        self.file
            .read_exact_at(&mut bytes, offset)
            .map_err(|cause| Error::corrupt(format!("{len_bytes} bytes at {offset}")).with_source(cause))?;
        Ok(bytes.into())
    }

    fn local_path(&self) -> Option<&Path> {
        Some(&self.path)
    }
}

struct Folder(PathBuf);

impl OpenOther for Folder {
    fn open(&self, name: &str) -> Result<Option<Arc<dyn ReadAt>>> {
        let path = self.0.join(name);
        if path.is_file() { Ok(Some(Arc::new(LocalFile::open(&path)?))) } else { Ok(None) }
    }

    fn list(&self, _prefix: &str) -> Result<Vec<(String, u64)>> {
        Ok(Vec::new())
    }
}

/// Values of a region of a variable from its chunks, as a server would read them.
fn read(
    indexed: &Indexed,
    source: &Source<'_>,
    format: &Hdf5Format,
    variable: &Variable,
) -> Result<ArrayBytes> {
    let grid = variable.stored_grid().ok_or_else(|| Error::internal("no grid"))?;
    let n = variable.n_elements().unwrap_or(0) as usize;
    let mut values = fill_chunk(&variable.dtype, variable.fill.as_ref(), n);
    let table = &indexed.tables[variable.storage.table as usize];
    let shape = &variable.storage.chunk_shape;
    let folder = Path::new(&source.object.object().href).parent().unwrap_or(Path::new("/")).to_owned();
    for (linear, chunk) in table.iter() {
        let start = grid.start(&grid.index(linear));
        let encoding = &variable.storage.encodings[usize::from(chunk.part.encoding)];
        let stored = match chunk.part.place {
            Place::Inline => {
                let start = chunk.offset as usize;
                Some(bytes::Bytes::copy_from_slice(&indexed.inline[start..start + chunk.len_bytes as usize]))
            }
            Place::Object(number) => {
                let object = LocalFile::open(Path::new(&indexed.dataset.objects[number as usize].href))?;
                Some(object.read_at(chunk.offset, chunk.len_bytes as usize)?)
            }
            Place::Format(_) => None,
        };
        let decoded = match (stored, chunk.part.place) {
            (Some(stored), _) if chunk.part.is_short => {
                let mut bytes = stored.to_vec();
                let len = grid.chunk_len().unwrap_or(0) as usize * variable.dtype.len_bytes().unwrap_or(1);
                bytes.resize(len, 0);
                ArrayBytes::Fixed(bytes)
            }
            (Some(stored), _) => {
                let spec = ChunkSpec { dtype: &encoding.dtype, shape, max_bytes: source.limits.chunk_bytes };
                decode(&encoding.codecs, chunk.part.filter_mask, &stored, &spec)?
            }
            (None, Place::Format(number)) => {
                let path = Path::new(&indexed.dataset.objects[number as usize].href);
                let others = Folder(path.parent().unwrap_or(&folder).to_owned());
                let source = Source {
                    object: Arc::new(LocalFile::open(path)?),
                    others: &others,
                    limits: source.limits,
                };
                let region = Region { start: start.clone(), shape: shape.clone() };
                format.decode(&source, variable, &region)?
            }
            (None, _) => continue,
        };
        let lengths: Vec<u64> =
            start.iter().zip(shape).zip(&variable.shape).map(|((s, c), l)| (*c).min(l - s)).collect();
        let from = vec![0; lengths.len()];
        let size = variable.dtype.len_bytes().unwrap_or(1);
        copy_box(&decoded, shape, &from, &mut values, &variable.shape, &start, &lengths, size)?;
    }
    Ok(values)
}

fn compare(values: &ArrayBytes, source: &Source<'_>, format: &Hdf5Format, variable: &Variable) -> String {
    let mut reference = match format.reference(source) {
        Ok(reference) => reference,
        Err(error) => return format!("no reference: {error:?}"),
    };
    let region = Region { start: vec![0; variable.shape.len()], shape: variable.shape.clone() };
    match reference.read(variable, &variable.dtype, &region) {
        Ok(expected) if expected == *values => "same".to_owned(),
        Ok(_) => "DIFFERENT".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if (c as u32) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn number(number: &Number) -> String {
    match number {
        Number::Integer(value) => value.to_string(),
        Number::Float(value) if value.is_nan() => "NaN".to_owned(),
        Number::Float(value) if value.is_infinite() => {
            if *value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
        }
        Number::Float(value) => format!("{value:?}"),
    }
}

fn attribute(value: &Attribute) -> String {
    match value {
        Attribute::Text(text) => quoted(text),
        Attribute::Texts(texts) => {
            format!("[{}]", texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(","))
        }
        Attribute::Numbers { shape, values, .. } if shape.is_empty() => {
            values.first().map_or("null".into(), number)
        }
        Attribute::Numbers { shape, values, .. } => nested(shape, values),
    }
}

/// Numbers as lists in lists.
fn nested(shape: &[u64], values: &[Number]) -> String {
    let items: Vec<String> = match shape {
        [n, rest @ ..] if !rest.is_empty() && *n > 0 => {
            values.chunks((values.len() / *n as usize).max(1)).map(|part| nested(rest, part)).collect()
        }
        _ => values.iter().map(number).collect(),
    };
    format!("[{}]", items.join(","))
}

fn attributes(attrs: &thermocline_model::Attributes) -> String {
    let pairs: Vec<String> =
        attrs.iter().map(|(name, value)| format!("{}:{}", quoted(name), attribute(value))).collect();
    format!("{{{}}}", pairs.join(","))
}

fn document(indexed: &Indexed, source: &Source<'_>, format: &Hdf5Format) -> String {
    let mut out = String::from("{\"groups\":{");
    let mut groups = Vec::new();
    indexed.dataset.root.visit(&mut |path, group| groups.push((path.to_owned(), group)));
    let entries: Vec<String> =
        groups.iter().map(|(path, group)| format!("{}:{}", quoted(path), attributes(&group.attrs))).collect();
    out.push_str(&entries.join(","));
    out.push_str("},\"variables\":{");
    let mut entries = Vec::new();
    for (path, variable) in indexed.dataset.root.variables_below() {
        let values = match read(indexed, source, format, variable) {
            Ok(ArrayBytes::Fixed(bytes)) => {
                let mut hex = String::new();
                for byte in bytes {
                    let _ = write!(hex, "{byte:02x}");
                }
                format!("\"hex\":\"{hex}\"")
            }
            Ok(ArrayBytes::Texts(texts)) => {
                format!("\"texts\":[{}]", texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(","))
            }
            Err(error) => format!("\"error\":{}", quoted(&error.to_string())),
        };
        let dims: Vec<String> = variable.dims.iter().map(|dim| quoted(dim)).collect();
        entries.push(format!(
            "{}:{{\"dtype\":{},\"shape\":{:?},\"dims\":[{}],\"attrs\":{},{values}}}",
            quoted(&path),
            quoted(&format!("{:?}", variable.dtype)),
            variable.shape,
            dims.join(","),
            attributes(&variable.attrs)
        ));
    }
    out.push_str(&entries.join(","));
    out.push_str("},\"refusals\":{");
    let refusals: Vec<String> = indexed
        .dataset
        .refusals
        .iter()
        .map(|r| format!("{}:{}", quoted(&r.path), quoted(&r.reason)))
        .collect();
    out.push_str(&refusals.join(","));
    out.push_str("},\"notes\":[");
    let notes: Vec<String> =
        indexed.dataset.notes.iter().map(|n| format!("[{},{}]", quoted(&n.path), quoted(&n.note))).collect();
    out.push_str(&notes.join(","));
    out.push_str("]}");
    out
}

fn show(path: &Path, json: Option<&Path>) -> std::result::Result<(), Box<dyn StdError>> {
    let format = Hdf5Format::default();
    let limits = Limits::default();
    let path = path.canonicalize()?;
    let others = Folder(path.parent().unwrap_or(Path::new("/")).to_owned());
    let object: Arc<dyn ReadAt> = Arc::new(LocalFile::open(&path)?);
    let source = Source { object, others: &others, limits: &limits };
    let started = Instant::now();
    let outcome = format.index(&source);
    let took = started.elapsed();
    let target = |folder: &Path| {
        folder.join(format!("{}.json", path.file_name().unwrap_or_default().to_string_lossy()))
    };
    let indexed = match outcome {
        Ok(indexed) => indexed,
        Err(error) => {
            println!("{}: {:?} {error}", path.display(), error.kind());
            if let Some(folder) = json {
                std::fs::write(target(folder), format!("{{\"refused\":{}}}", quoted(&error.to_string())))?;
            }
            return Ok(());
        }
    };
    println!("{}: {} ms", path.display(), took.as_millis());
    if let Some(folder) = json {
        std::fs::write(target(folder), document(&indexed, &source, &format))?;
    }
    for (path, variable) in indexed.dataset.root.variables_below() {
        let n_chunks = indexed.tables[variable.storage.table as usize].len();
        let outcome = match read(&indexed, &source, &format, variable) {
            Ok(values) => compare(&values, &source, &format, variable),
            Err(error) => format!("cannot be read: {error}"),
        };
        println!(
            "  {path} {:?} {:?} {:?} chunks {:?} x{n_chunks} {:?}: {outcome}",
            variable.dims,
            variable.shape,
            variable.dtype,
            variable.storage.chunk_shape,
            variable.storage.encodings.iter().map(|encoding| &encoding.codecs).collect::<Vec<_>>(),
        );
    }
    for refusal in &indexed.dataset.refusals {
        println!("  refused {}: {} ({}, {:?})", refusal.path, refusal.reason, refusal.dtype, refusal.shape);
    }
    for note in &indexed.dataset.notes {
        println!("  note {}: {}", note.path, note.note);
    }
    Ok(())
}

fn main() -> std::result::Result<(), Box<dyn StdError>> {
    let mut json = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--json" {
            json = arguments.next().map(PathBuf::from);
            continue;
        }
        if let Err(error) = show(Path::new(&argument), json.as_deref()) {
            println!("{argument}: {error}");
        }
    }
    Ok(())
}
