//! An array that is open for reading its values: its description, its chunks, the files it needs.

use std::sync::{Arc, OnceLock};

use thermocline_core::format::{OpenOther, ReadAt, Region};
use thermocline_core::{Error, Result};
use thermocline_model::ArrayBytes;

use crate::array::Array;
use crate::file::File;
use crate::mapping::Values;
use crate::messages::Layout;
use crate::tree::{ArrayNode, Files};
use crate::values::{Reading, StoredChunks};
use crate::virtual_dataset::Mappings;

/// An open array.
pub(crate) struct Opened {
    pub(crate) file: Arc<File>,
    pub(crate) array: Array,
    /// The files of external storage, in the order of the pieces.
    pub(crate) external: Vec<Arc<dyn ReadAt>>,
    chunks: OnceLock<StoredChunks>,
    mappings: Option<Mappings>,
}

impl Opened {
    /// Opens the array of a node.
    pub(crate) fn of_node(files: &Files<'_>, node: &ArrayNode) -> Result<Self> {
        let file = Arc::clone(files.get(node.file)?);
        let name = |name: &str| files.relative_name(node.file, name);
        Self::open(file, node.array.clone(), files.others(), &name)
    }

    /// Opens an array; `name` makes names of other files relative to the first file.
    pub(crate) fn open(
        file: Arc<File>,
        array: Array,
        others: &dyn OpenOther,
        name: &dyn Fn(&str) -> String,
    ) -> Result<Self> {
        let mut external: Vec<Arc<dyn ReadAt>> = Vec::with_capacity(array.external.len());
        for piece in &array.external {
            let object = others.open(&name(&piece.name));
            let object = object.map_err(|error| {
                Error::new(
                    error.kind(),
                    format!("its raw data lie in {}, which cannot be opened", piece.name),
                )
                .with_source(error)
            })?;
            external.push(object.ok_or_else(|| {
                Error::unsupported(format!("its raw data lie in {}, which does not exist", piece.name))
            })?);
        }
        let mappings = match &array.layout {
            Layout::Virtual { mappings } => Some(Mappings::open(&file, &array, *mappings, others, name)?),
            _ => None,
        };
        Ok(Self { file, array, external, chunks: OnceLock::new(), mappings })
    }

    /// Fails if a virtual dataset cannot be read.
    pub(crate) fn check_virtual(&self) -> Result<()> {
        let mappings = self.mappings.as_ref();
        mappings.map(|_| ()).ok_or_else(|| Error::internal("a virtual dataset without its mappings"))
    }

    /// Values of a region, elements beyond the file's shape as `beyond`.
    pub(crate) fn read(
        &self,
        values: &Values,
        beyond: Option<&ArrayBytes>,
        region: &Region,
    ) -> Result<ArrayBytes> {
        if let Some(mappings) = &self.mappings {
            return mappings.read(self, values, beyond, region);
        }
        let chunks = match self.chunks.get() {
            Some(chunks) => chunks,
            None => {
                let listed = StoredChunks::list(&self.file, &self.array)?;
                self.chunks.get_or_init(|| listed)
            }
        };
        let reading = Reading {
            file: &self.file,
            array: &self.array,
            values,
            chunks,
            external: &self.external,
            beyond,
        };
        reading.region(region)
    }
}

/// All values of an array.
pub(crate) fn read_leaf(opened: &Opened, values: &Values, beyond: Option<&ArrayBytes>) -> Result<ArrayBytes> {
    let mut shape = opened.array.shape().unwrap_or_default().to_vec();
    shape.extend(&values.inner_shape);
    opened.read(values, beyond, &Region { start: vec![0; shape.len()], shape })
}
