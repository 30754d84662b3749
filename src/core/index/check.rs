//! Whether the numbers of an indexed dataset fit together.

use std::collections::BTreeSet;

use thermocline_model::{ChunkPart, ChunkTable, Dataset, Group, Place};

use super::file::FileError;
use crate::format::Indexed;
use crate::manifest::{List, list_of, listed};
use crate::{Error, Result};

/// Deepest nesting that is stored: formats stop earlier.
const MAX_DEPTH: usize = 256;

/// Checks that every table, object, encoding and inline range that is named exists.
///
/// # Errors
/// [`crate::ErrorKind::Internal`]: the format plugin has a mistake, and serving it could give wrong bytes.
pub(crate) fn check(indexed: &Indexed) -> Result<()> {
    if indexed.dataset.objects.is_empty() {
        return Err(Error::internal("the format named no object"));
    }
    if depth(&indexed.dataset.root) > MAX_DEPTH {
        return Err(Error::refused(format!("groups are nested deeper than {MAX_DEPTH}")));
    }
    for (path, variable) in indexed.dataset.root.variables_below() {
        let table = indexed.tables.get(variable.storage.table as usize);
        let table = table.ok_or_else(|| Error::internal(format!("variable {path:?} has no chunk table")))?;
        let Some(grid) = variable.stored_grid() else {
            return Err(Error::internal(format!("variable {path:?} has no chunk grid")));
        };
        if variable.served_grid().is_none() || variable.dims.len() != variable.shape.len() {
            return Err(Error::internal(format!("variable {path:?} has axes that do not fit together")));
        }
        let n_encodings = variable.storage.encodings.len();
        if table.parts().iter().any(|part| usize::from(part.encoding) >= n_encodings) {
            return Err(Error::internal(format!(
                "variable {path:?} names an encoding that it does not have"
            )));
        }
        if table.iter().last().is_some_and(|(position, _)| position >= grid.n_chunks()) {
            return Err(Error::internal(format!("variable {path:?} has a chunk outside its grid")));
        }
    }
    for (number, table) in indexed.tables.iter().enumerate() {
        check_table(table, indexed.dataset.objects.len(), indexed.inline.len() as u64)
            .map_err(|what| Error::internal(format!("chunk table {number}: {what}")))?;
        check_lists(table, indexed)?;
    }
    Ok(())
}

/// Checks places of chunks against the number of objects and the length of the inline bytes.
pub(super) fn check_table(
    table: &ChunkTable,
    n_objects: usize,
    inline_bytes: u64,
) -> Result<(), &'static str> {
    let is_known = |object: u32| (object as usize) < n_objects;
    for part in table.parts() {
        if part.place.object().is_some_and(|object| !is_known(object)) {
            return Err("a chunk lies in an object that is not listed");
        }
    }
    let is_inline = |part: &ChunkPart| matches!(part.place, Place::Inline | Place::Assembled(_));
    if !table.parts().iter().any(is_inline) {
        return Ok(());
    }
    let outside = table.iter().any(|(_, chunk)| {
        let end = chunk.offset.checked_add(u64::from(chunk.len_bytes));
        is_inline(&chunk.part) && end.is_none_or(|end| end > inline_bytes)
    });
    if outside { Err("a chunk lies beyond the inline bytes") } else { Ok(()) }
}

/// Checks the lists of objects of chunks that lie within the inline bytes.
fn check_lists(table: &ChunkTable, indexed: &Indexed) -> Result<()> {
    let lists: BTreeSet<List> = table.iter().filter_map(|(_, chunk)| list_of(&chunk)).collect();
    for (offset, len_bytes) in lists {
        let bytes = usize::try_from(offset).ok().and_then(|offset| indexed.inline.get(offset..));
        let bytes = bytes.and_then(|bytes| bytes.get(..len_bytes as usize)).unwrap_or_default();
        listed(bytes, indexed.dataset.objects.len())?;
    }
    Ok(())
}

/// Checks that every variable's table is among `n_tables`.
pub(super) fn check_tables_exist(dataset: &Dataset, n_tables: usize) -> Result<(), FileError> {
    let mut exist = true;
    dataset.root.visit(&mut |_, group| {
        exist &= group.variables.iter().all(|variable| (variable.storage.table as usize) < n_tables);
    });
    if exist { Ok(()) } else { Err(FileError::Damaged("a variable has no table")) }
}

/// Nesting of a tree, without walking it recursively.
fn depth(root: &Group) -> usize {
    let mut level: Vec<&Group> = vec![root];
    let mut depth = 0;
    while !level.is_empty() {
        depth += 1;
        if depth > MAX_DEPTH {
            break;
        }
        level = level.iter().flat_map(|group| &group.groups).collect();
    }
    depth
}
