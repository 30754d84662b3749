//! What a file says of one array: type, shape, layout, filters, fill value.

use thermocline_core::{Error, Result};

use crate::cursor::Cursor;
use crate::datatype::Datatype;
use crate::file::File;
use crate::header::{ObjectHeader, kind};
use crate::links::LocalHeap;
use crate::messages::{Dataspace, Fill, Filter, Layout, parse_external_files, parse_filters};

/// An array as it is described in its object header.
#[derive(Debug, Clone)]
pub(crate) struct Array {
    /// Address of its object header: what tells arrays of one file apart.
    pub(crate) address: u64,
    pub(crate) datatype: Datatype,
    pub(crate) dataspace: Dataspace,
    pub(crate) layout: Layout,
    pub(crate) filters: Vec<Filter>,
    pub(crate) fill: Fill,
    pub(crate) external: Vec<External>,
}

/// A piece of an array in another file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct External {
    /// Name of the file as it is stored.
    pub(crate) name: String,
    /// First byte in that file.
    pub(crate) offset: u64,
    /// Bytes; `None` without bound.
    pub(crate) len_bytes: Option<u64>,
}

/// True if the header is that of an array.
pub(crate) fn is_array(header: &ObjectHeader) -> bool {
    header.find(kind::DATASPACE).is_some() && header.find(kind::LAYOUT).is_some()
}

impl Array {
    /// Reads the description from an object header.
    pub(crate) fn read(file: &File, address: u64, header: &ObjectHeader) -> Result<Self> {
        let required = |kind, what: &str| {
            let message =
                header.find(kind).ok_or_else(|| Error::corrupt(format!("an array without {what}")))?;
            file.body(message)
        };
        let datatype = required(kind::DATATYPE, "type")?;
        let datatype = Datatype::parse(&mut Cursor::new(&datatype, file.sizes()))?;
        let dataspace = required(kind::DATASPACE, "shape")?;
        let dataspace = Dataspace::parse(&mut Cursor::new(&dataspace, file.sizes()))?;
        let layout = required(kind::LAYOUT, "layout")?;
        let layout = Layout::parse(&mut Cursor::new(&layout, file.sizes()))?;
        let filters = match header.find(kind::FILTERS) {
            Some(message) => {
                let body = file.body(message)?;
                parse_filters(&mut Cursor::new(&body, file.sizes()), file.limits.n_codecs)?
            }
            None => Vec::new(),
        };
        let fill = read_fill(file, header)?;
        let external = match header.find(kind::EXTERNAL_FILES) {
            Some(message) => read_external(file, &file.body(message)?)?,
            None => Vec::new(),
        };
        let array = Self { address, datatype, dataspace, layout, filters, fill, external };
        array.check()?;
        Ok(array)
    }

    /// The present shape; `None` for a null dataspace.
    pub(crate) fn shape(&self) -> Option<&[u64]> {
        match &self.dataspace {
            Dataspace::Null => None,
            Dataspace::Simple { shape, .. } => Some(shape),
        }
    }

    /// True if the file lets an axis grow.
    pub(crate) fn is_unlimited(&self, axis: usize) -> bool {
        match &self.dataspace {
            Dataspace::Null => false,
            Dataspace::Simple { max_shape, .. } => matches!(max_shape.get(axis), Some(None)),
        }
    }

    /// Gives the array its present shape, if that is not what its header says.
    pub(crate) fn reshape(&mut self, present: &[u64]) -> Result<()> {
        if let Dataspace::Simple { shape, .. } = &mut self.dataspace {
            present.clone_into(shape);
        }
        self.check()
    }

    /// True for a virtual dataset that may grow with its sources.
    pub(crate) fn grows_with_sources(&self) -> bool {
        let rank = self.shape().map_or(0, <[u64]>::len);
        matches!(self.layout, Layout::Virtual { .. }) && (0..rank).any(|axis| self.is_unlimited(axis))
    }

    /// Bytes of all elements.
    pub(crate) fn len_bytes(&self) -> Option<u64> {
        let size = self.datatype.size as u64;
        self.shape()?.iter().try_fold(size, |product, length| product.checked_mul(*length))
    }

    /// Checks that shape, chunks and type fit together.
    fn check(&self) -> Result<()> {
        let Some(shape) = self.shape() else { return Ok(()) };
        self.len_bytes()
            .ok_or_else(|| Error::corrupt(format!("an array of shape {shape:?} exceeds 2^64 bytes")))?;
        if let Layout::Chunked { chunk_shape, .. } = &self.layout
            && (chunk_shape.len() != shape.len() || chunk_shape.contains(&0))
        {
            return Err(Error::corrupt(format!(
                "chunks of shape {chunk_shape:?} in an array of shape {shape:?}"
            )));
        }
        if let Fill::Value(value) = &self.fill
            && value.len() != self.datatype.size
        {
            return Err(Error::corrupt(format!(
                "a fill value of {} bytes for elements of {}",
                value.len(),
                self.datatype.size
            )));
        }
        Ok(())
    }

    /// Bytes of one decoded chunk of stored elements.
    pub(crate) fn chunk_bytes(&self) -> Option<u64> {
        let Layout::Chunked { chunk_shape, .. } = &self.layout else { return self.len_bytes() };
        let size = self.datatype.size as u64;
        chunk_shape.iter().try_fold(size, |product, length| product.checked_mul(*length))
    }
}

fn read_fill(file: &File, header: &ObjectHeader) -> Result<Fill> {
    if let Some(message) = header.find(kind::FILL_VALUE) {
        return Fill::parse(&mut Cursor::new(&file.body(message)?, file.sizes()));
    }
    match header.find(kind::OLD_FILL_VALUE) {
        Some(message) => Fill::parse_old(&mut Cursor::new(&file.body(message)?, file.sizes())),
        None => Ok(Fill::Default),
    }
}

fn read_external(file: &File, body: &[u8]) -> Result<Vec<External>> {
    let (heap, pieces) = parse_external_files(&mut Cursor::new(body, file.sizes()))?;
    let heap = LocalHeap::read(file, heap)?;
    let name = |piece: crate::messages::ExternalPiece| {
        let name = heap.text(piece.name_offset)?;
        Ok(External { name, offset: piece.offset, len_bytes: piece.len_bytes })
    };
    pieces.into_iter().map(name).collect()
}

/// A part of an array that lies in one piece of an external file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    /// First byte in the array.
    pub(crate) start: u64,
    /// Bytes of the array in this piece.
    pub(crate) len_bytes: u64,
    /// Number of the external file in [`Array::external`].
    pub(crate) number: usize,
    /// First byte in the external file.
    pub(crate) offset: u64,
}

impl Array {
    /// The pieces in external files that hold the array's bytes, in order.
    pub(crate) fn pieces(&self) -> Result<Vec<Piece>> {
        let total = self.len_bytes().unwrap_or(0);
        let mut pieces = Vec::new();
        let mut start = 0_u64;
        for (number, external) in self.external.iter().enumerate() {
            let left = total - start;
            let len_bytes = external.len_bytes.unwrap_or(left).min(left);
            pieces.push(Piece { start, len_bytes, number, offset: external.offset });
            start += len_bytes;
        }
        if start < total {
            return Err(Error::corrupt(format!("external files hold {start} bytes of {total}")));
        }
        Ok(pieces)
    }
}
