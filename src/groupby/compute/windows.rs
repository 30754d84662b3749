//! Groups that follow one another in the file are computed one after another: each chunk is read for its own groups only.

use std::collections::HashMap;
use std::ops::Range;

use super::layout::{Axis, Becomes, Layout};
use super::slab::Slab;
use crate::NO_GROUP;

/// Some groups of a column, with the chunks that hold members of them, by their place in the order of the visit.
pub(super) struct Window {
    pub(super) slab: Slab,
    pub(super) places: Vec<u32>,
}

/// Which groups chunks hold.
pub(super) struct Spread {
    /// How many chunks lie along each axis.
    n_chunks: Vec<u64>,
    /// Of each grouper along one axis alone: its number, its axis, and the codes that the chunks along it hold, ascending.
    held: Vec<(usize, usize, HashMap<u64, Vec<u32>>)>,
}

impl Spread {
    pub(super) fn of(layout: &Layout) -> Self {
        let mut held = Vec::new();
        for (number, axis) in layout.axes.iter().enumerate() {
            let Becomes::Reduced(groups) = &axis.becomes else { continue };
            let of = groups.iter().filter_map(|group| Some((*group, layout.groups.get(*group)?)));
            held.extend(of.map(|(group, groups)| (group, number, held_along(axis, &groups.codes))));
        }
        Self { n_chunks: layout.axes.iter().map(|axis| axis.n_chunks.max(1)).collect(), held }
    }

    /// Cuts the groups of a column until `fits`, as long as that saves reading: a chunk that belongs to both halves is read
    /// for each.
    pub(super) fn windows(
        &self,
        whole: Window,
        linear_at: impl Fn(u32) -> u64,
        fits: impl Fn(&Slab) -> bool,
    ) -> Vec<Window> {
        let mut rest = vec![whole];
        let mut windows = Vec::new();
        while let Some(window) = rest.pop() {
            let halves = if fits(&window.slab) { None } else { self.halves(&window, &linear_at) };
            match halves {
                Some((first, second)) => rest.extend([second, first]),
                None => windows.push(window),
            }
        }
        windows
    }

    /// A window cut in two along the grouper that saves most; `None` if over half of the chunks would be in both.
    fn halves(&self, window: &Window, linear_at: &impl Fn(u32) -> u64) -> Option<(Window, Window)> {
        let cuts = self.held.iter().filter_map(|(group, axis, held)| {
            let (first, second) = window.slab.halves_of_group(*group)?;
            let of = |slab: Slab| {
                let range = slab.groups.get(*group).cloned().unwrap_or(0..0);
                let is_held = |place: &u32| holds(held, self.chunk_along(*axis, linear_at(*place)), &range);
                Window { places: window.places.iter().copied().filter(is_held).collect(), slab }
            };
            Some((of(first), of(second)))
        });
        let n_read = |(first, second): &(Window, Window)| first.places.len() + second.places.len();
        let best = cuts.min_by_key(n_read)?;
        (2 * n_read(&best) <= 3 * window.places.len()).then_some(best)
    }

    fn chunk_along(&self, axis: usize, linear: u64) -> u64 {
        let inner = self.n_chunks.iter().skip(axis + 1).product::<u64>().max(1);
        (linear / inner) % self.n_chunks.get(axis).copied().unwrap_or(1)
    }
}

fn holds(held: &HashMap<u64, Vec<u32>>, chunk: u64, groups: &Range<u64>) -> bool {
    let Some(codes) = held.get(&chunk) else { return false };
    let first = codes.partition_point(|code| u64::from(*code) < groups.start);
    codes.get(first).is_some_and(|code| u64::from(*code) < groups.end)
}

/// The codes at the selected positions of each chunk along an axis, ascending.
fn held_along(axis: &Axis, codes: &[u32]) -> HashMap<u64, Vec<u32>> {
    let mut held: HashMap<u64, Vec<u32>> = HashMap::new();
    axis.positions.each(&axis.ordinals(), |position, _| {
        let code = usize::try_from(position).ok().and_then(|at| codes.get(at)).copied();
        let Some(code) = code.filter(|code| *code != NO_GROUP) else { return };
        let of = held.entry(position / axis.chunk_len.max(1)).or_default();
        if of.last() != Some(&code) {
            of.push(code);
        }
    });
    for codes in held.values_mut() {
        codes.sort_unstable();
        codes.dedup();
    }
    held
}
