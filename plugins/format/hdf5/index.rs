//! From the tree of a file to a dataset: variables with their types, chunks, fill values and attributes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use thermocline_core::coordinates::{Keeping, ObjectsByNumber, keep_coordinates};
use thermocline_core::format::{Indexed, ReadAt, Region, Source, is_missing};
use thermocline_core::{Error, Result};
use thermocline_model::{
    ArrayBytes, Attribute, Attributes, ChunkGrid, ChunkPart, ChunkRef, ChunkTable, ChunkTableBuilder, Codec,
    DataType, Encoding, Group, Note, Object, Place, Refusal, Storage, Variable, Verification,
    netcdf_default_fill,
};

use crate::attributes::{ShownAttributes, number_list, number_type, shown};
use crate::dimensions::{self, Axes, Dimensions, Hints};
use crate::eos5;
use crate::files::{Files, Identity};
use crate::fill::stored_fill;
use crate::filters::Pipeline;
use crate::layout::{Placed, Placing};
use crate::mapping::{Dialect, Flags, Leaf, Values, leaves};
use crate::neighbours::{Neighbour, Neighbourhood};
use crate::opened::{Opened, read_leaf};
use crate::source_path::SourcePath;
use crate::storage::is_fault_of_file;
use crate::tree::{ArrayNode, GroupNode, Walk};
use crate::virtual_dataset::Mappings;

/// Indexes a file.
pub(crate) fn index(source: &Source<'_>) -> Result<Indexed> {
    let around = Neighbourhood::new(source.others, &source.object.object().href).while_indexing();
    let mut files = Files::new(Arc::clone(&source.object), &around, source.limits)?;
    let mut walk = Walk::new(&mut files);
    let root = walk.root()?;
    let (refusals, notes) = (std::mem::take(&mut walk.refusals), std::mem::take(&mut walk.notes));
    let hints = read_hints(&root, &files)?;
    let dimensions = dimensions::find(&root, &files, &hints)?;
    let mut building = Building {
        files: &mut files,
        dimensions,
        indexed: Indexed::default(),
        objects: HashMap::new(),
        open_objects: HashMap::new(),
        opened: HashMap::new(),
        tables: HashMap::new(),
    };
    building.indexed.dataset.refusals = refusals;
    building.indexed.dataset.notes = notes;
    building.object(&source.object);
    let group = building.group(&root)?;
    building.indexed.dataset.root = group;
    building.add_neighbours(&around.found());
    building.finish(source)
}

/// Names of dimensions from the structural metadata of HDF-EOS5.
fn read_hints(root: &GroupNode, files: &Files<'_>) -> Result<Hints> {
    let mut metadata = String::new();
    for path in eos5::metadata_paths(root) {
        let nodes = root.groups.iter().flat_map(|group| &group.arrays);
        let Some(node) = nodes.into_iter().find(|node| node.path == path) else { continue };
        let Some(leaf) = leaves(&node.array.datatype, Dialect::Hdf5).into_iter().next() else { continue };
        let Ok(values) = leaf.values else { continue };
        let opened = Opened::of_node(files, node)?;
        match read_leaf(&opened, &values, None, files.neighbourhood(node.file)?) {
            Ok(ArrayBytes::Fixed(bytes)) => {
                let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
                metadata.push_str(&crate::cursor::text(bytes.get(..end).unwrap_or_default()).0);
            }
            Ok(ArrayBytes::Texts(texts)) => texts.iter().for_each(|text| metadata.push_str(text)),
            Err(error) if is_fault_of_file(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(eos5::hints(&metadata))
}

/// What tells chunk tables of one array apart: codecs before the filters, decoding and filling by the format.
type TableKey = (Identity, Vec<u64>, usize, bool, bool);

/// A chunk table that several variables may share.
#[derive(Clone)]
struct Shared {
    table: u32,
    chunk_shape: Vec<u64>,
    pipeline: Pipeline,
}

struct Building<'b, 'a> {
    files: &'b mut Files<'a>,
    dimensions: Dimensions,
    indexed: Indexed,
    /// Numbers of objects by their place.
    objects: HashMap<String, u32>,
    /// The objects that are open, by number.
    open_objects: HashMap<u32, Arc<dyn ReadAt>>,
    opened: HashMap<Identity, Arc<Opened>>,
    tables: HashMap<TableKey, Shared>,
}

impl Building<'_, '_> {
    /// The number of an object that holds chunks.
    fn object(&mut self, object: &Arc<dyn ReadAt>) -> u32 {
        let number = self.add_object(object.object());
        self.open_objects.entry(number).or_insert_with(|| Arc::clone(object));
        number
    }

    /// The number of an object of the dataset.
    fn add_object(&mut self, object: &Object) -> u32 {
        let objects = &mut self.indexed.dataset.objects;
        *self.objects.entry(object.href.clone()).or_insert_with(|| {
            objects.push(object.clone());
            (objects.len() - 1) as u32
        })
    }

    /// Lists files that hold no chunks, or are missing: the dataset changes with them.
    fn add_neighbours(&mut self, neighbours: &[Neighbour]) {
        for neighbour in neighbours {
            self.add_object(&neighbour.object);
        }
    }

    fn note(&mut self, path: &str, note: impl Into<String>) {
        self.indexed.dataset.notes.push(Note { path: path.to_owned(), note: note.into() });
    }

    fn refuse(&mut self, node: &ArrayNode, leaf: Option<&Leaf>, reason: impl Into<String>) {
        let suffix = leaf.map_or("", |leaf| leaf.suffix.as_str());
        let path = format!("{}{suffix}", self.served_path(node));
        let dtype = leaf.map_or_else(|| node.array.datatype.words(), |leaf| leaf.words.clone());
        let shape = node.array.shape().unwrap_or_default().to_vec();
        self.indexed.dataset.refusals.push(Refusal { path, reason: reason.into(), dtype, shape });
    }

    fn served_path(&self, node: &ArrayNode) -> String {
        let name = self.dimensions.variable_name(&node.name);
        match node.path.rsplit_once('/') {
            Some((group, _)) => format!("{group}/{name}"),
            None => name.to_owned(),
        }
    }

    fn group(&mut self, node: &GroupNode) -> Result<Group> {
        let file = Arc::clone(self.files.get(node.file)?);
        let shown = shown(&file, &node.path, &node.attributes, &mut self.indexed.dataset.notes)?;
        let mut group = Group {
            name: node.name.clone(),
            attrs: shown.attributes,
            dims: self.dimensions.of_group(&node.path),
            variables: Vec::new(),
            groups: Vec::new(),
        };
        let mut names: HashSet<String> = node.groups.iter().map(|group| group.name.clone()).collect();
        for array in &node.arrays {
            if self.dimensions.is_hidden(&array.path) {
                continue;
            }
            match self.array(array, &mut names) {
                Ok(mut variables) => group.variables.append(&mut variables),
                Err(error) if is_fault_of_file(&error) => self.refuse(array, None, error.to_string()),
                Err(error) => return Err(error),
            }
        }
        for child in &node.groups {
            group.groups.push(self.group(child)?);
        }
        Ok(group)
    }

    /// The variables that an array becomes.
    fn array(&mut self, node: &ArrayNode, names: &mut HashSet<String>) -> Result<Vec<Variable>> {
        let Some(axes) = self.dimensions.axes(&node.path).cloned() else {
            self.refuse(node, None, "it has a null dataspace: no values and no shape");
            return Ok(Vec::new());
        };
        let file = Arc::clone(self.files.get(node.file)?);
        let path = self.served_path(node);
        let ShownAttributes { attributes: attrs, damage } =
            shown(&file, &path, &node.attributes, &mut self.indexed.dataset.notes)?;
        if let Some(damage) = damage {
            self.refuse(node, None, damage);
            return Ok(Vec::new());
        }
        let mut variables = Vec::new();
        let leaves = leaves(&node.array.datatype, self.dimensions.dialect());
        if let Some(reason) = whole_refusal(&leaves) {
            self.refuse(node, None, reason);
            return Ok(Vec::new());
        }
        self.note_records(node, &leaves);
        for leaf in leaves {
            let values = match &leaf.values {
                Ok(values) if values.may_be_inexact => {
                    self.refuse(
                        node,
                        Some(&leaf),
                        format!("{} does not fit into 64 bits exactly", leaf.words),
                    );
                    continue;
                }
                Ok(values) => values,
                Err(reason) => {
                    self.refuse(node, Some(&leaf), reason.clone());
                    continue;
                }
            };
            let name = format!("{}{}", self.dimensions.variable_name(&node.name), leaf.suffix);
            if !names.insert(name) {
                self.refuse(node, Some(&leaf), "another member of the group has the same name");
                continue;
            }
            match self.variable(node, &axes, &leaf, values, &attrs) {
                Ok(variable) => variables.push(variable),
                Err(error) if is_fault_of_file(&error) => self.refuse(node, Some(&leaf), error.to_string()),
                Err(error) => return Err(error),
            }
        }
        Ok(variables)
    }

    /// Tells where the members of records are.
    fn note_records(&mut self, node: &ArrayNode, leaves: &[Leaf]) {
        let mut noted = HashSet::new();
        for leaf in leaves {
            let Some((record, _)) = leaf.suffix.rsplit_once('.') else { continue };
            if noted.insert(record.to_owned()) {
                let path = format!("{}{record}", self.served_path(node));
                self.note(&path, format!("a record: its members are variables of their own, {path}.…"));
            }
        }
    }

    fn variable(
        &mut self,
        node: &ArrayNode,
        axes: &Axes,
        leaf: &Leaf,
        values: &Values,
        attrs: &Attributes,
    ) -> Result<Variable> {
        let file = Arc::clone(self.files.get(node.file)?);
        let mut variable = Variable {
            name: format!("{}{}", self.dimensions.variable_name(&node.name), leaf.suffix),
            dims: axes.names.clone(),
            shape: axes.shape.clone(),
            dtype: values.dtype.clone(),
            fill: stored_fill(&file, &node.array, values)?,
            attrs: attrs.clone(),
            storage: Storage {
                chunk_shape: Vec::new(),
                served_chunk_shape: Vec::new(),
                encodings: Vec::new(),
                table: 0,
                source_path: self.source_path(node, leaf)?.to_string(),
            },
            verification: Verification::Unverified { reason: "not compared yet".to_owned() },
        };
        for (number, length) in values.inner_shape.iter().enumerate() {
            variable.dims.push(inner_name(leaf, &node.name, number, &axes.names));
            variable.shape.push(*length);
        }
        if let Some(flags) = &values.flags {
            add_flags(&mut variable.attrs, flags, &values.dtype)?;
        }
        let is_longer = node.array.shape().is_some_and(|shape| shape != axes.shape);
        let mut fills_by_format = false;
        if is_longer && variable.fill.is_none() {
            // netCDF reads records that a variable lacks as its default fill, but chunks as zeros.
            variable.fill = netcdf_default_fill(&variable.dtype);
            fills_by_format = variable.fill.is_some();
        }
        if self.keep_inline(node, values, &mut variable)? {
            return Ok(variable);
        }
        let shared = self.table(node, axes, values, fills_by_format)?;
        let n_inner = values.inner_shape.iter().map(|length| (*length).max(1));
        let mut codecs = values.codecs.clone();
        codecs.extend(shared.pipeline.codecs());
        if codecs.len() > self.files.limits().n_codecs {
            return Err(Error::unsupported(format!("a chain of {} codecs", codecs.len())));
        }
        let chunk_shape: Vec<u64> = shared.chunk_shape.iter().copied().chain(n_inner).collect();
        variable.storage.served_chunk_shape = chunk_shape.clone();
        variable.storage.chunk_shape = chunk_shape;
        variable.storage.encodings = vec![Encoding { dtype: values.dtype.clone(), codecs }];
        variable.storage.table = shared.table;
        if variable.stored_grid().is_none() {
            return Err(Error::unsupported("it has more than 2^64 chunks"));
        }
        Ok(variable)
    }

    /// Where a variable's array lies.
    fn source_path(&mut self, node: &ArrayNode, leaf: &Leaf) -> Result<SourcePath> {
        let root = if node.file == 0 { "" } else { "/" };
        let fingerprint = if node.names_files() { self.opened(node)?.fingerprint() } else { String::new() };
        let path = format!("{root}{}", node.source_path);
        Ok(SourcePath { path, fingerprint, suffix: leaf.suffix.clone() })
    }

    fn opened(&mut self, node: &ArrayNode) -> Result<Arc<Opened>> {
        let identity = (node.file, node.array.address);
        if let Some(opened) = self.opened.get(&identity) {
            return Ok(Arc::clone(opened));
        }
        let opened = Arc::new(Opened::of_node(self.files, node)?);
        self.opened.insert(identity, Arc::clone(&opened));
        Ok(opened)
    }

    fn table(
        &mut self,
        node: &ArrayNode,
        axes: &Axes,
        values: &Values,
        fills_by_format: bool,
    ) -> Result<Shared> {
        let identity = (node.file, node.array.address);
        let decodes_by_format = values.dtype == DataType::String;
        let key = (identity, axes.shape.clone(), values.codecs.len(), decodes_by_format, fills_by_format);
        if let Some(shared) = self.tables.get(&key) {
            return Ok(shared.clone());
        }
        let file = Arc::clone(self.files.get(node.file)?);
        let object = self.object(file.bytes.object());
        let external = self.external(node)?;
        let mut pipeline = Pipeline::new(&node.array);
        let placing = Placing {
            file: &file,
            object,
            array: &node.array,
            shape: &axes.shape,
            n_leading: values.codecs.len(),
            external: &external,
            fills_by_format,
            decodes_by_format,
        };
        let Placed { chunk_shape, table, inline, notes } = placing.place(&mut pipeline)?;
        let path = self.served_path(node);
        notes.into_iter().for_each(|note| self.note(&path, note));
        if node.names_files()
            && let Some(note) = self.opened(node)?.note()
        {
            self.note(&path, note);
        }
        let table = match inline {
            Some(bytes) => self.inline_table(&bytes)?,
            None => {
                let table = self.with_sources(node, table, (&axes.shape, &chunk_shape))?;
                self.indexed.tables.push(table);
                (self.indexed.tables.len() - 1) as u32
            }
        };
        let shared = Shared { table, chunk_shape, pipeline };
        self.tables.insert(key, shared.clone());
        Ok(shared)
    }

    /// The table with the numbers of the other objects that chunks are decoded from.
    fn with_sources(
        &mut self,
        node: &ArrayNode,
        table: ChunkTable,
        (shape, chunk_shape): (&[u64], &[u64]),
    ) -> Result<ChunkTable> {
        if !node.names_files() || !table.parts().iter().any(|part| part.place.is_decoded_by_format()) {
            return Ok(table);
        }
        let opened = self.opened(node)?;
        let grid = ChunkGrid::new(shape.to_vec(), chunk_shape.to_vec());
        let grid = grid.ok_or_else(|| Error::corrupt("the array has more than 2^64 chunks"))?;
        let mut lists = Lists::new(opened.direct_mappings(), table.len());
        let mut builder = ChunkTableBuilder::new();
        for (linear, mut chunk) in table.iter() {
            if let Place::Format(object) = chunk.part.place {
                let region = Region { start: grid.start(&grid.index(linear)), shape: chunk_shape.to_vec() };
                let list = match lists.mappings {
                    Some(mappings) => self.list(&mut lists, mappings.files_of(&region), object)?,
                    None => self.list(&mut lists, opened.neighbours.iter(), object)?,
                };
                if let Some((offset, len_bytes)) = list {
                    let part = ChunkPart { place: Place::Assembled(object), ..chunk.part };
                    chunk = ChunkRef { part, offset, len_bytes };
                }
            }
            builder.push(linear, chunk);
        }
        Ok(builder.build())
    }

    /// A list of files other than `object` with the inline bytes, each list once; `None` for a list of none.
    fn list<'n>(
        &mut self,
        lists: &mut Lists<'_>,
        files: impl Iterator<Item = &'n Neighbour>,
        object: u32,
    ) -> Result<Option<(u64, u32)>> {
        let there = files.filter(|file| !is_missing(&file.object));
        let mut numbers: Vec<u32> = there.map(|file| self.add_object(&file.object)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.retain(|number| *number != object);
        if numbers.is_empty() {
            return Ok(None);
        }
        if let Some(known) = lists.known.get(&numbers) {
            return Ok(Some(*known));
        }
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let len_bytes = u32::try_from(bytes.len()).map_err(|_| Error::unsupported("too many sources"))?;
        let list = (self.indexed.inline.len() as u64, len_bytes);
        self.indexed.inline.extend_from_slice(&bytes);
        lists.note(numbers, list);
        Ok(Some(list))
    }

    /// A table of one chunk whose bytes are kept with the manifest.
    fn inline_table(&mut self, bytes: &[u8]) -> Result<u32> {
        let offset = self.indexed.inline.len() as u64;
        let len_bytes =
            u32::try_from(bytes.len()).map_err(|_| Error::unsupported("inline bytes beyond 4 GiB"))?;
        self.indexed.inline.extend_from_slice(bytes);
        let part = ChunkPart { place: Place::Inline, encoding: 0, filter_mask: 0, is_short: false };
        let mut table = ChunkTableBuilder::new();
        table.push(0, ChunkRef { part, offset, len_bytes });
        self.indexed.tables.push(table.build());
        Ok((self.indexed.tables.len() - 1) as u32)
    }

    /// The objects that hold the array's raw data, with their lengths.
    fn external(&mut self, node: &ArrayNode) -> Result<Vec<(u32, u64)>> {
        let opened = if node.array.external.is_empty() { return Ok(Vec::new()) } else { self.opened(node)? };
        Ok(opened.external.iter().map(|object| (self.object(object), object.object().len_bytes)).collect())
    }

    /// Keeps the values of texts of any length with the manifest, unless they are too many.
    fn keep_inline(&mut self, node: &ArrayNode, values: &Values, variable: &mut Variable) -> Result<bool> {
        if values.dtype != DataType::String {
            return Ok(false);
        }
        let limit = self.files.limits().inline_bytes;
        let size = node.array.datatype.size as u64;
        let len = variable.n_elements().and_then(|n| n.checked_mul(size));
        let is_small = len.is_some_and(|len| len <= limit)
            && self.indexed.inline.len() as u64 <= self.files.limits().coordinate_bytes;
        if !is_small {
            return Ok(false);
        }
        let opened = self.opened(node)?;
        let region = Region { start: vec![0; variable.shape.len()], shape: variable.shape.clone() };
        let ArrayBytes::Texts(texts) =
            opened.read(values, variable.fill.as_ref(), &region, self.files.neighbourhood(node.file)?)?
        else {
            return Err(Error::internal("texts decoded to numbers"));
        };
        if texts.iter().map(|text| text.len() as u64 + 4).sum::<u64>() > limit {
            return Ok(false);
        }
        variable.storage.chunk_shape = variable.shape.iter().map(|length| (*length).max(1)).collect();
        variable.storage.served_chunk_shape = variable.storage.chunk_shape.clone();
        variable.storage.encodings =
            vec![Encoding { dtype: values.dtype.clone(), codecs: vec![Codec::VlenUtf8] }];
        variable.storage.table = if variable.n_elements() == Some(0) {
            self.indexed.tables.push(thermocline_model::ChunkTable::default());
            (self.indexed.tables.len() - 1) as u32
        } else {
            self.inline_table(&vlen_utf8(&texts))?
        };
        Ok(true)
    }

    /// Adds what concerns the whole, and keeps the coordinates with the manifest.
    fn finish(mut self, source: &Source<'_>) -> Result<Indexed> {
        let notes = std::mem::take(&mut self.dimensions.notes);
        self.indexed.dataset.notes.extend(notes);
        let mut indexed = self.indexed;
        let format = crate::Hdf5Format::default();
        let decode = |number: u32, variable: &Variable, region: &Region| {
            if number != 0 {
                return Err(Error::unsupported("decoded only when it is asked for"));
            }
            thermocline_core::format::Format::decode(&format, source, variable, region)
        };
        let objects = OpenObjects(self.open_objects);
        let keeping = Keeping { objects: &objects, decode: &decode, limits: source.limits };
        keep_coordinates(&mut indexed, &keeping)?;
        Ok(indexed)
    }
}

/// Most looks of a chunk at a mapping for one array: beyond, all chunks count as made of all sources.
const MAX_LOOKS: usize = 10_000_000;

/// Most bytes of different lists of sources for one array; beyond, further chunks count as made of all.
const MAX_LIST_BYTES: u64 = 16 << 20;

/// The lists of sources of one array.
struct Lists<'m> {
    /// By which the sources of a chunk are found; `None` where it may need all of them.
    mappings: Option<&'m Mappings>,
    known: HashMap<Vec<u32>, (u64, u32)>,
    n_bytes: u64,
}

impl<'m> Lists<'m> {
    fn new(mappings: Option<&'m Mappings>, n_chunks: usize) -> Self {
        let is_cheap = |mappings: &&Mappings| mappings.n_mappings().saturating_mul(n_chunks) <= MAX_LOOKS;
        Self { mappings: mappings.filter(is_cheap), known: HashMap::new(), n_bytes: 0 }
    }

    fn note(&mut self, numbers: Vec<u32>, list: (u64, u32)) {
        self.n_bytes = self.n_bytes.saturating_add(u64::from(list.1));
        self.known.insert(numbers, list);
        if self.n_bytes > MAX_LIST_BYTES {
            self.mappings = None;
        }
    }
}

/// The objects that hold chunks, open, by number.
struct OpenObjects(HashMap<u32, Arc<dyn ReadAt>>);

impl ObjectsByNumber for OpenObjects {
    fn object(&self, number: u32) -> Result<Arc<dyn ReadAt>> {
        let object = self.0.get(&number).cloned();
        object.ok_or_else(|| Error::internal(format!("object {number} is not open")))
    }
}

/// Why none of a record's members are served: none can be, or one cannot and the record holds records,
/// whose members would look like those of another type.
fn whole_refusal(leaves: &[Leaf]) -> Option<String> {
    let refused: Vec<&Leaf> = leaves.iter().filter(|leaf| leaf.values.is_err()).collect();
    let is_nested = leaves.iter().any(|leaf| leaf.suffix.matches('.').count() > 1);
    let first = refused.first()?;
    if refused.len() < leaves.len() && !is_nested {
        return None;
    }
    let reason = first.values.as_ref().err()?;
    let member = if first.suffix.is_empty() {
        String::new()
    } else {
        format!("member {}: ", first.suffix.trim_start_matches('.'))
    };
    let more =
        if refused.len() > 1 { format!(" (and {} more members)", refused.len() - 1) } else { String::new() };
    Some(format!("{member}{reason}{more}"))
}

/// The name of an axis that lies inside each element.
fn inner_name(leaf: &Leaf, name: &str, number: usize, taken: &[String]) -> String {
    let mut candidate = format!("{name}{}_dim_{number}", leaf.suffix);
    while taken.contains(&candidate) {
        candidate.push('_');
    }
    candidate
}

/// The names and values of an enumeration as CF has them.
fn add_flags(attrs: &mut Attributes, flags: &Flags, dtype: &DataType) -> Result<()> {
    let number = number_type(dtype)?;
    let size = number.len_bytes();
    if attrs.get("flag_values").is_some() || attrs.get("flag_meanings").is_some() {
        return Ok(());
    }
    if flags.values.iter().any(|value| value.len() != size) {
        return Ok(());
    }
    let values = number_list(&flags.values.concat(), number, dtype.byte_order());
    let meanings: Vec<String> =
        flags.names.iter().map(|name| name.replace(char::is_whitespace, "_")).collect();
    attrs.set("flag_values", Attribute::Numbers { dtype: number, shape: vec![values.len() as u64], values });
    attrs.set("flag_meanings", Attribute::Text(meanings.join(" ")));
    Ok(())
}

/// Texts as numcodecs' `vlen-utf8` writes them: their number, then each with its length.
fn vlen_utf8(texts: &[String]) -> Vec<u8> {
    let mut bytes = (texts.len() as u32).to_le_bytes().to_vec();
    for text in texts {
        bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}
