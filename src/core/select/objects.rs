//! Which objects hold the chunks of a selection.
//!
//! Chunks lie in a grid, in C order, and a selection is a product of positions along its axes: whole ranges of chunks
//! that are not selected are never looked at, and of those that are only the numbers of their parts.

mod walk;

use std::collections::{BTreeSet, HashMap};
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use thermocline_model::{ChunkTable, Place, Variable};

use super::resolve::{Resolved, ResolvedVariable};
use crate::manifest::{List, Manifest, blocking};
use crate::{Error, Result};

use walk::ChunkWalk;

/// Most variables that are looked up by their paths one by one.
const MAX_LOOKED_UP: usize = 16;

/// Numbers of the objects that hold a chunk of the selection, each once and ascending. Chunks that are kept with the
/// manifest have none; of a chunk that is served as one but stored as many, the objects of all of these count, and
/// of one that a format puts together from several objects, all of those.
///
/// Dropping the future stops the search.
///
/// # Errors
/// Those of loading chunk tables.
pub async fn objects(manifest: &Arc<Manifest>, resolved: &Arc<Resolved>) -> Result<Vec<u32>> {
    let stop = Stop::default();
    let (manifest, resolved, stopped) = (Arc::clone(manifest), Arc::clone(resolved), Arc::clone(&stop.0));
    let found = blocking(move || objects_blocking(&manifest, &resolved, &stopped)).await;
    drop(stop);
    found
}

/// Tells the search that nobody waits for it any more.
#[derive(Default)]
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub(super) fn objects_blocking(
    manifest: &Manifest,
    resolved: &Resolved,
    stopped: &AtomicBool,
) -> Result<Vec<u32>> {
    let (mut found, mut lists) = (BTreeSet::new(), BTreeSet::new());
    // Looking each of many up by its path would look through the whole group for each.
    let by_path: HashMap<String, &Variable> = match resolved.variables.len() {
        0..=MAX_LOOKED_UP => HashMap::new(),
        _ => manifest.dataset.root.variables_below().into_iter().collect(),
    };
    for selected in &resolved.variables {
        let variable = by_path.get(&selected.path).copied();
        let variable = variable.or_else(|| manifest.dataset.root.variable(&selected.path));
        let variable = variable.ok_or_else(|| Error::internal(format!("no variable {:?}", selected.path)))?;
        let table = manifest.table_blocking(variable)?;
        objects_of(variable, selected, &table, (&mut found, &mut lists), stopped)?;
    }
    for list in lists {
        found.extend(manifest.listed_blocking(list)?);
    }
    let n_objects = manifest.dataset.objects.len();
    match found.last() {
        Some(last) if *last as usize >= n_objects => {
            Err(Error::internal(format!("a chunk names object {last} of {n_objects}")))
        }
        _ => Ok(found.into_iter().collect()),
    }
}

/// Adds the objects of one variable, and the lists of objects that its chunks are put together from.
fn objects_of(
    variable: &Variable,
    selected: &ResolvedVariable,
    table: &ChunkTable,
    (found, lists): (&mut BTreeSet<u32>, &mut BTreeSet<List>),
    stopped: &AtomicBool,
) -> Result<()> {
    let mut scan = Scan::new(table, found);
    if scan.flow().is_break() {
        return Ok(());
    }
    let walk = ChunkWalk::new(variable, selected)?;
    let mut n_ranges = 0_u32;
    let mut take = |range: Range<u64>| {
        n_ranges = n_ranges.wrapping_add(1);
        if n_ranges.is_multiple_of(4096) && stopped.load(Ordering::Relaxed) {
            return ControlFlow::Break(());
        }
        scan.take(range)
    };
    // Both end as soon as all parts are seen.
    if walk.n_ranges() <= table.len() as u64 {
        let _ = walk.ranges(&mut take);
    } else {
        let _ = table.iter().try_for_each(|(linear, _)| {
            if walk.contains(linear) { take(linear..linear + 1) } else { ControlFlow::Continue(()) }
        });
    }
    lists.append(&mut scan.lists);
    found.extend(scan.objects());
    Ok(())
}

/// The parts of a table that selected chunks have.
struct Scan<'t> {
    table: &'t ChunkTable,
    positions: Option<&'t [u64]>,
    part_of: Option<&'t [u32]>,
    is_seen: Vec<bool>,
    /// Parts with objects that are not among those found yet.
    n_unseen: usize,
    /// True if chunks may have lists of objects: then each of them is looked at.
    has_lists: bool,
    lists: BTreeSet<List>,
    /// Entries before are at positions that were taken.
    next: usize,
}

impl<'t> Scan<'t> {
    /// Parts whose objects are known already are not searched for.
    fn new(table: &'t ChunkTable, known: &BTreeSet<u32>) -> Self {
        let (positions, _, _, part_of, parts) = table.columns();
        let is_of_interest = |place: Place| place.object().is_some_and(|number| !known.contains(&number));
        let is_seen: Vec<bool> = parts.iter().map(|part| !is_of_interest(part.place)).collect();
        let has_lists = parts.iter().any(|part| matches!(part.place, Place::Assembled(_)));
        let n_unseen = if table.is_empty() { 0 } else { is_seen.iter().filter(|is_seen| !**is_seen).count() };
        let lists = BTreeSet::new();
        Self { table, positions, part_of, is_seen, n_unseen, has_lists, lists, next: 0 }
    }

    /// Looks at the chunks at a range of positions, after those of the ranges before.
    fn take(&mut self, range: Range<u64>) -> ControlFlow<()> {
        let entries = self.entries(&range);
        if self.has_lists {
            self.list(entries.clone());
        }
        let Some(part_of) = self.part_of else {
            if !entries.is_empty() {
                self.see(0);
            }
            return self.flow();
        };
        let mut before = None;
        for part in part_of.get(entries).unwrap_or_default() {
            if before.replace(*part) != Some(*part) {
                self.see(*part as usize);
                if self.n_unseen == 0 {
                    break;
                }
            }
        }
        self.flow()
    }

    /// The entries of the table at a range of positions.
    fn entries(&mut self, range: &Range<u64>) -> Range<usize> {
        let n = self.table.len();
        let Some(positions) = self.positions else {
            let entry = |position: u64| usize::try_from(position).unwrap_or(n).min(n);
            return entry(range.start)..entry(range.end);
        };
        let rest = positions.get(self.next..).unwrap_or_default();
        let start = self.next + rest.partition_point(|position| *position < range.start);
        let rest = positions.get(start..).unwrap_or_default();
        let end = start + rest.partition_point(|position| *position < range.end);
        self.next = end;
        start..end
    }

    /// Notes the lists of entries.
    fn list(&mut self, entries: Range<usize>) {
        let (_, offsets, lengths, _, parts) = self.table.columns();
        for entry in entries {
            let part = self.part_of.map_or(Some(0), |part_of| part_of.get(entry).copied());
            let part = part.and_then(|part| parts.get(part as usize));
            if part.is_some_and(|part| matches!(part.place, Place::Assembled(_)))
                && let (Some(offset), Some(len_bytes)) = (offsets.get(entry), lengths.get(entry))
            {
                self.lists.insert((*offset, *len_bytes));
            }
        }
    }

    fn see(&mut self, part: usize) {
        if let Some(is_seen) = self.is_seen.get_mut(part).filter(|is_seen| !**is_seen) {
            *is_seen = true;
            self.n_unseen -= 1;
        }
    }

    fn flow(&self) -> ControlFlow<()> {
        let is_done = self.n_unseen == 0 && (!self.has_lists || self.table.is_empty());
        if is_done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// The objects of all parts that were seen, those that were known before among them.
    fn objects(self) -> impl Iterator<Item = u32> + 't {
        let parts = self.table.parts().iter().zip(self.is_seen);
        parts.filter(|(_, is_seen)| *is_seen).filter_map(|(part, _)| part.place.object())
    }
}
