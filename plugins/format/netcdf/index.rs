//! Builds the dataset and the chunk tables of a file from its header.

use std::collections::HashSet;
use std::sync::Arc;

use thermocline_core::coordinates::{Keeping, keep_coordinates};
use thermocline_core::format::{Indexed, Limits, Region, Source};
use thermocline_core::names::reserved;
use thermocline_core::{Error, Result};
use thermocline_model::{
    Attributes, ChunkPart, ChunkRef, ChunkTable, ChunkTableBuilder, DataType, Dimension, Encoding, Note,
    Place, Refusal, Storage, Variable, Verification,
};

use crate::attributes;
use crate::chunks::{self, ChunkPlan, PlannedBytes};
use crate::decode::decode_by;
use crate::gather::gather;
use crate::header::{Header, HeaderAttribute, HeaderVariable};
use crate::layout::{Layout, VariableLayout};

/// Largest sum of interleaved variables that are kept with the manifest, in bytes.
const MAX_INTERLEAVED_BYTES: u64 = 64 << 20;

/// Indexes the file of `source`.
pub(crate) fn index(source: &Source<'_>) -> Result<Indexed> {
    let object = source.object.as_ref();
    let header = Header::read(object, source.limits)?;
    let layout = Layout::new(&header, object.object().len_bytes)?;
    let mut builder = Builder::new(source, &header, &layout);
    builder.root();
    builder.variables();
    builder.keep_inline()?;
    let mut indexed = builder.indexed;
    let decode =
        |_: u32, variable: &Variable, region: &Region| decode_by(&header, &layout, source, variable, region);
    let objects = vec![Arc::clone(&source.object)];
    keep_coordinates(&mut indexed, &Keeping { objects: &objects, decode: &decode, limits: source.limits })?;
    Ok(indexed)
}

struct Builder<'a> {
    source: &'a Source<'a>,
    header: &'a Header,
    layout: &'a Layout,
    indexed: Indexed,
    /// Positions in the header of the variables to be kept inline, with their tables.
    inline: Vec<(usize, usize)>,
    interleaved_bytes: u64,
}

impl<'a> Builder<'a> {
    fn new(source: &'a Source<'a>, header: &'a Header, layout: &'a Layout) -> Self {
        let mut indexed = Indexed::default();
        indexed.dataset.objects.push(source.object.object().clone());
        Self { source, header, layout, indexed, inline: Vec::new(), interleaved_bytes: 0 }
    }

    fn limits(&self) -> &Limits {
        self.source.limits
    }

    fn note(&mut self, path: impl Into<String>, note: impl Into<String>) {
        self.indexed.dataset.notes.push(Note { path: path.into(), note: note.into() });
    }

    fn root(&mut self) {
        self.indexed.dataset.root.attrs = self.attributes("", &self.header.attributes);
        let mut seen = HashSet::new();
        for dimension in &self.header.dimensions {
            let name = attributes::name(&dimension.name);
            if !seen.insert(name.clone()) {
                self.note("", format!("dimension {name:?} is defined twice, the first counts"));
                continue;
            }
            let is_unlimited = dimension.len == 0;
            let len = if is_unlimited { self.layout.n_records } else { dimension.len };
            self.indexed.dataset.root.dims.push(Dimension { name, len, is_unlimited });
        }
    }

    /// Attributes of the group or variable at `path`.
    fn attributes(&mut self, path: &str, of: &[HeaderAttribute]) -> Attributes {
        let mut attrs = Attributes::new();
        for attribute in of {
            let name = attributes::name(&attribute.name);
            if attrs.get(&name).is_some() {
                self.note(format!("{path}@{name}"), "the attribute occurs twice, the first counts");
                continue;
            }
            attrs.set(name, attributes::value(attribute));
        }
        attrs
    }

    fn variables(&mut self) {
        let mut seen = HashSet::new();
        for position in 0..self.header.variables.len() {
            let (Some(variable), Some(layout)) =
                (self.header.variables.get(position), self.layout.variables.get(position))
            else {
                continue;
            };
            let name = attributes::name(&variable.name);
            if let Some(reason) = reserved(&name) {
                self.refuse(variable, layout, reason.to_owned());
            } else if !seen.insert(name.clone()) {
                self.refuse(variable, layout, format!("a second variable has the name {name:?}"));
            } else if layout.is_unwritten {
                self.refuse(variable, layout, self.words_of_unwritten(layout));
            } else {
                self.variable(position, variable, layout);
            }
        }
    }

    fn words_of_unwritten(&self, layout: &VariableLayout) -> String {
        let len_bytes = self.source.object.object().len_bytes;
        format!("its bytes were never written: they begin at byte {}, the file has {len_bytes}", layout.begin)
    }

    fn refuse(&mut self, variable: &HeaderVariable, layout: &VariableLayout, reason: String) {
        self.indexed.dataset.refusals.push(Refusal {
            path: attributes::name(&variable.name),
            reason,
            dtype: format!("{:?}", variable.kind),
            shape: layout.shape.clone(),
        });
    }

    fn variable(&mut self, position: usize, variable: &HeaderVariable, layout: &VariableLayout) {
        let element_bytes = variable.kind.len_bytes();
        let plan = self.plan(layout, element_bytes);
        let table = self.indexed.tables.len();
        let chunks = if plan.bytes == PlannedBytes::Inline {
            Ok(ChunkTable::default())
        } else {
            self.ranges(layout, &plan, element_bytes)
        };
        match chunks {
            Ok(chunks) => self.indexed.tables.push(chunks),
            Err(reason) => return self.refuse(variable, layout, reason),
        }
        if plan.bytes == PlannedBytes::Inline {
            self.inline.push((position, table));
        }
        let attrs = self.attributes(&attributes::name(&variable.name), &variable.attributes);
        let variable = self.model(variable, layout, plan, table as u32, attrs);
        self.indexed.dataset.root.variables.push(variable);
    }

    /// The chunk plan under the limits and budgets of this dataset.
    fn plan(&mut self, layout: &VariableLayout, element_bytes: u64) -> ChunkPlan {
        let plan = chunks::plan(layout, element_bytes);
        if plan.bytes != PlannedBytes::Inline {
            return plan;
        }
        let total = layout.total_bytes().unwrap_or(u64::MAX);
        self.interleaved_bytes = self.interleaved_bytes.saturating_add(total);
        let is_affordable =
            self.interleaved_bytes <= MAX_INTERLEAVED_BYTES && total <= self.limits().inline_bytes;
        if is_affordable { plan } else { chunks::gathered(layout) }
    }

    fn ranges(
        &self,
        layout: &VariableLayout,
        plan: &ChunkPlan,
        element_bytes: u64,
    ) -> Result<ChunkTable, String> {
        let grid = thermocline_model::ChunkGrid::new(layout.shape.clone(), plan.chunk_shape.clone());
        let n_chunks = grid.map(|grid| grid.n_chunks());
        if n_chunks.is_none_or(|n| n > self.limits().n_chunks) {
            return Err(format!("more chunks than {}, the limit", self.limits().n_chunks));
        }
        chunks::table(layout, plan, element_bytes)
            .ok_or_else(|| "its offsets do not fit into 64 bits".to_owned())
    }

    fn model(
        &self,
        variable: &HeaderVariable,
        layout: &VariableLayout,
        plan: ChunkPlan,
        table: u32,
        attrs: Attributes,
    ) -> Variable {
        let name = attributes::name(&variable.name);
        let dtype: DataType = variable.kind.data_type();
        let encodings = vec![Encoding { dtype: dtype.clone(), codecs: Vec::new() }];
        Variable {
            dims: self.dims(variable),
            shape: layout.shape.clone(),
            dtype,
            fill: Some(attributes::fill(variable.kind, &variable.attributes)),
            attrs,
            storage: Storage {
                chunk_shape: plan.chunk_shape,
                served_chunk_shape: plan.served_chunk_shape,
                encodings,
                table,
                source_path: name.clone(),
            },
            verification: Verification::Unverified { reason: "not compared yet".to_owned() },
            name,
        }
    }

    fn dims(&self, variable: &HeaderVariable) -> Vec<String> {
        let ids = variable.dimension_ids.iter().filter_map(|id| usize::try_from(*id).ok());
        ids.filter_map(|id| self.header.dimensions.get(id)).map(|dim| attributes::name(&dim.name)).collect()
    }

    /// Reads what is to be kept with the manifest, all in one pass over the file.
    fn keep_inline(&mut self) -> Result<()> {
        let wanted = self.inline.iter().filter_map(|(position, _)| self.layout.variables.get(*position));
        let layouts: Vec<&VariableLayout> = wanted.collect();
        self.indexed.inline = gather(self.source.object.as_ref(), &layouts)?;
        let mut offset = 0;
        for (layout, (_, table)) in layouts.iter().zip(&self.inline) {
            let total = layout.total_bytes().unwrap_or(0);
            let len_bytes =
                u32::try_from(total).map_err(|_| Error::internal("an inline array of more than 4 GiB"))?;
            let part = ChunkPart { place: Place::Inline, encoding: 0, filter_mask: 0, is_short: false };
            let mut builder = ChunkTableBuilder::new();
            builder.push(0, ChunkRef { part, offset, len_bytes });
            if let Some(table) = self.indexed.tables.get_mut(*table) {
                *table = builder.build();
            }
            offset += total;
        }
        Ok(())
    }
}
