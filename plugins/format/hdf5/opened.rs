//! An array that is open for reading its values: its description, its chunks, the files it needs.

use std::sync::{Arc, OnceLock};

use thermocline_core::format::{ReadAt, Region};
use thermocline_core::{Error, Result};
use thermocline_model::ArrayBytes;

use crate::array::Array;
use crate::file::File;
use crate::files::Files;
use crate::mapping::Values;
use crate::messages::Layout;
use crate::neighbours::{Neighbour, Neighbourhood, changed, fingerprint};
use crate::tree::ArrayNode;
use crate::values::{Reading, StoredChunks};
use crate::virtual_dataset::{Mappings, Sources};

/// Begins the fingerprint of files that all are named by the array itself: their states are known without opening
/// any of them.
const DIRECT: char = '~';

/// An open array.
pub(crate) struct Opened {
    pub(crate) file: Arc<File>,
    pub(crate) array: Array,
    /// The files of external storage, in the order of the pieces.
    pub(crate) external: Vec<Arc<dyn ReadAt>>,
    /// Other files that the values depend on, in the state in which they were found.
    pub(crate) neighbours: Vec<Neighbour>,
    chunks: OnceLock<StoredChunks>,
    mappings: Option<Mappings>,
}

impl Opened {
    /// Opens the array of a node.
    pub(crate) fn of_node(files: &Files<'_>, node: &ArrayNode) -> Result<Self> {
        let file = Arc::clone(files.get(node.file)?);
        Self::open(file, node.array.clone(), files.neighbourhood(node.file)?)
    }

    /// Opens an array that names other files as its own file does.
    pub(crate) fn open(file: Arc<File>, array: Array, around: &Neighbourhood<'_>) -> Result<Self> {
        Self::open_with(file, array, around, Sources::Opened)
    }

    /// The array in the state in which it had that fingerprint. Of its sources none is opened where that can be
    /// told without.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::Changed`] if it is in another state.
    pub(crate) fn open_as_indexed(
        file: Arc<File>,
        array: Array,
        around: &Neighbourhood<'_>,
        indexed: &str,
    ) -> Result<Self> {
        let sources = if indexed.starts_with(DIRECT) { Sources::Named } else { Sources::Opened };
        let href = file.bytes.object().object().href.clone();
        let opened = Self::open_with(file, array, around, sources)?;
        if opened.fingerprint() != indexed {
            return Err(changed(&format!("a file that an array in {href} is made of")));
        }
        Ok(opened)
    }

    fn open_with(
        file: Arc<File>,
        mut array: Array,
        around: &Neighbourhood<'_>,
        sources: Sources,
    ) -> Result<Self> {
        let around = around.part();
        let external = open_external(&array, &around)?;
        let mappings = match &array.layout {
            Layout::Virtual { mappings } => {
                Some(Mappings::open(&file, &array, *mappings, (&around, sources))?)
            }
            _ => None,
        };
        if let Some(mappings) = &mappings {
            array.reshape(&mappings.shape)?;
        }
        let neighbours = around.found();
        Ok(Self { file, array, external, neighbours, chunks: OnceLock::new(), mappings })
    }

    /// A fingerprint of the other files that the values depend on; empty for none.
    pub(crate) fn fingerprint(&self) -> String {
        let fingerprint = fingerprint(&self.neighbours);
        let is_direct = self.mappings.as_ref().is_some_and(Mappings::is_direct);
        if is_direct && !fingerprint.is_empty() { format!("{DIRECT}{fingerprint}") } else { fingerprint }
    }

    /// The virtual dataset's mappings, if a part of it is read from the files of this part alone.
    pub(crate) fn direct_mappings(&self) -> Option<&Mappings> {
        self.mappings.as_ref().filter(|mappings| mappings.is_direct())
    }

    /// What is odd about the sources of a virtual dataset.
    pub(crate) fn note(&self) -> Option<String> {
        self.mappings.as_ref()?.note()
    }

    /// Values of a region, elements beyond the file's shape as `beyond`.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::Changed`] when another file that they come from is not, before or
    /// after they were read, in the state in which it was found.
    pub(crate) fn read(
        &self,
        values: &Values,
        beyond: Option<&ArrayBytes>,
        region: &Region,
        around: &Neighbourhood<'_>,
    ) -> Result<ArrayBytes> {
        if let Some(mappings) = &self.mappings {
            return mappings.read(self, values, beyond, region, around);
        }
        around.check(&self.neighbours)?;
        let answer = self.read_stored(values, beyond, region)?;
        around.check(&self.neighbours)?;
        Ok(answer)
    }

    fn read_stored(
        &self,
        values: &Values,
        beyond: Option<&ArrayBytes>,
        region: &Region,
    ) -> Result<ArrayBytes> {
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

/// Opens the files of external storage.
fn open_external(array: &Array, around: &Neighbourhood<'_>) -> Result<Vec<Arc<dyn ReadAt>>> {
    let open = |piece: &crate::array::External| {
        let object = around.open(&piece.name).map_err(|error| {
            let message = format!("its raw data lie in {}, which cannot be opened", piece.name);
            Error::new(error.kind(), message).with_source(error)
        })?;
        object.ok_or_else(|| {
            Error::unsupported(format!("its raw data lie in {}, which does not exist", piece.name))
        })
    };
    array.external.iter().map(open).collect()
}

/// All values of an array.
pub(crate) fn read_leaf(
    opened: &Opened,
    values: &Values,
    beyond: Option<&ArrayBytes>,
    around: &Neighbourhood<'_>,
) -> Result<ArrayBytes> {
    let mut shape = opened.array.shape().unwrap_or_default().to_vec();
    shape.extend(&values.inner_shape);
    opened.read(values, beyond, &Region { start: vec![0; shape.len()], shape }, around)
}
