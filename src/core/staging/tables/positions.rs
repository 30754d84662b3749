//! Where a request has its objects.

use std::collections::HashMap;

use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};

use super::object_of;
use crate::Result;
use crate::cold::ObjectId;

/// As many objects are read one after the other in the time in which one is looked up.
const READ_PER_LOOKUP: u64 = 16;

/// Most objects of a request that are looked up by name. The index is written in no order, which for millions takes longer
/// than all else that accepting them does.
pub(super) const MAX_NAMED: usize = 100_000;

/// Something that is looked for among the objects of a request.
#[derive(Debug)]
pub(in crate::staging) struct Sought {
    /// How it is written.
    pub(in crate::staging) spelling: String,
    /// What that may mean.
    pub(in crate::staging) objects: Vec<ObjectId>,
}

/// Number by which an object of a request is looked up: of the first name that its spelling may mean, else of the
/// spelling. Different names may have the same one.
pub(super) fn name_hash(spelling: &str, objects: &[ObjectId]) -> i64 {
    let mut hash = Sha256::new();
    match objects.first() {
        Some(object) => {
            hash.update(object.root());
            hash.update([0]);
            hash.update(object.path());
        }
        None => hash.update(spelling),
    }
    let digest = hash.finalize();
    digest.first_chunk().map_or(0, |first| i64::from_le_bytes(*first))
}

/// Where a request has what is sought, in the same order; `None` for what is none of it.
///
/// A few are looked up each by itself. Lists of much of the request, and names that are not found so (requests of
/// more than [`MAX_NAMED`] objects and of earlier versions have no index of them), cost reading all its objects once.
pub(in crate::staging) fn positions(
    tables: &Connection,
    request: i64,
    sought: &[Sought],
) -> Result<Vec<Option<u32>>> {
    let mut found = vec![None; sought.len()];
    if sought.len() as u64 * READ_PER_LOOKUP <= n_objects(tables, request)? {
        for (sought, found) in sought.iter().zip(&mut found) {
            *found = look_up(tables, request, sought)?;
        }
    }
    if found.iter().any(Option::is_none) {
        read_all(tables, request, sought, &mut found)?;
    }
    Ok(found)
}

fn n_objects(tables: &Connection, request: i64) -> Result<u64> {
    let mut last =
        tables.prepare_cached("SELECT max(position) FROM staging_request_objects WHERE request = ?1")?;
    let last: Option<u32> = last.query_row([request], |row| row.get(0))?;
    Ok(last.map_or(0, |last| u64::from(last) + 1))
}

fn look_up(tables: &Connection, request: i64, sought: &Sought) -> Result<Option<u32>> {
    let mut find = tables.prepare_cached(
        "SELECT position, spelling, root, path FROM staging_request_objects
         INDEXED BY staging_request_objects_named WHERE request = ?1 AND name_hash = ?2",
    )?;
    let mut rows = find.query(params![request, name_hash(&sought.spelling, &sought.objects)])?;
    let mut found = None;
    while let Some(row) = rows.next()? {
        if row.get_ref(1)?.as_str().is_ok_and(|spelling| spelling == sought.spelling) {
            return Ok(Some(row.get(0)?));
        }
        if object_of(row, 2, 3)?.is_some_and(|object| sought.objects.contains(&object)) {
            found = Some(row.get(0)?);
        }
    }
    Ok(found)
}

/// Reads all objects of a request. What is written the same way counts more than what means the same, and of several
/// meanings the first.
fn read_all(tables: &Connection, request: i64, sought: &[Sought], found: &mut [Option<u32>]) -> Result<()> {
    let mut by_spelling: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut by_object: HashMap<&ObjectId, Vec<(usize, usize)>> = HashMap::new();
    for (number, sought) in sought.iter().enumerate() {
        by_spelling.entry(&sought.spelling).or_default().push(number);
        for (rank, object) in sought.objects.iter().enumerate() {
            by_object.entry(object).or_default().push((number, rank + 1));
        }
    }
    let mut ranks = vec![usize::MAX; sought.len()];
    let mut find = tables.prepare_cached(
        "SELECT position, spelling, root, path FROM staging_request_objects WHERE request = ?1",
    )?;
    let mut rows = find.query([request])?;
    while let Some(row) = rows.next()? {
        let position: u32 = row.get(0)?;
        let mut note = |number: usize, rank: usize| {
            if let (Some(known), Some(found)) = (ranks.get_mut(number), found.get_mut(number))
                && rank < *known
            {
                (*known, *found) = (rank, Some(position));
            }
        };
        let spelling = row.get_ref(1)?.as_str().unwrap_or_default();
        by_spelling.get(spelling).into_iter().flatten().for_each(|number| note(*number, 0));
        if let Some(object) = object_of(row, 2, 3)? {
            by_object.get(&object).into_iter().flatten().for_each(|(number, rank)| note(*number, *rank));
        }
    }
    Ok(())
}
