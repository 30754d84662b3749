//! How much memory slabs take.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;

use super::layout::Layout;
use super::members::Members;
use super::slab::{Slab, advance};
use crate::kernel::State;

/// Bytes of a result on its way to the output: as a number, and as it is written there.
const RESULT_BYTES: u64 = 12;

/// Bytes of a result that anomalies are taken from.
const KEPT_BYTES: u64 = 8;

/// Memory that slabs take together. Results exist slab by slab, on as many threads as there are.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Load {
    pub(super) n_slabs: usize,
    /// Bytes of their states.
    pub(super) states: u64,
    /// Bytes of results that stay until the anomalies have been written.
    pub(super) kept: u64,
    /// Bytes of the results of the largest.
    pub(super) results: u64,
}

impl Load {
    /// That of both.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            n_slabs: self.n_slabs.saturating_add(other.n_slabs),
            states: self.states.saturating_add(other.states),
            kept: self.kept.saturating_add(other.kept),
            results: self.results.max(other.results),
        }
    }

    /// Bytes of everything; saturates.
    pub(super) fn len_bytes(&self, n_threads: usize) -> u64 {
        let at_once = self.n_slabs.min(n_threads) as u64;
        self.states.saturating_add(self.kept).saturating_add(self.results.saturating_mul(at_once))
    }
}

/// Measures slabs.
pub(super) struct Sizes<'l> {
    layout: &'l Layout,
    members: &'l Members,
    of_cell: u64,
    of_value: u64,
    /// Members at one kept position of boxes of groups, each counted once.
    n_members: RefCell<HashMap<Vec<Range<u64>>, u64>>,
}

impl<'l> Sizes<'l> {
    pub(super) fn new(layout: &'l Layout, members: &'l Members) -> Self {
        let (of_cell, of_value) = (State::cell_bytes(&layout.spec), State::value_bytes(&layout.spec));
        Self { layout, members, of_cell, of_value, n_members: RefCell::default() }
    }

    /// What a slab takes; saturates.
    pub(super) fn of(&self, slab: &Slab) -> Load {
        let n_results = self.layout.spec.q.len().max(1) as u64;
        let n_cells = slab.n_cells();
        let states = n_cells.saturating_mul(self.of_cell);
        let values = match self.of_value {
            0 => 0,
            of_value => self.n_members(slab).saturating_mul(slab.n_kept()).saturating_mul(of_value),
        };
        Load {
            n_slabs: 1,
            states: states.saturating_add(values),
            kept: if self.layout.is_anomaly { n_cells.saturating_mul(KEPT_BYTES) } else { 0 },
            results: n_cells.saturating_mul(RESULT_BYTES * n_results),
        }
    }

    /// What slabs take together.
    pub(super) fn of_all<'s>(&self, slabs: impl IntoIterator<Item = &'s Slab>) -> Load {
        slabs.into_iter().fold(Load::default(), |load, slab| load.and(self.of(slab)))
    }

    /// Bytes of a slab alone.
    pub(super) fn alone(&self, slab: &Slab) -> u64 {
        self.of(slab).len_bytes(1)
    }

    /// Members of all groups of a slab at one of its kept positions; saturates.
    fn n_members(&self, slab: &Slab) -> u64 {
        if let Some(n) = self.n_members.borrow().get(&slab.groups) {
            return *n;
        }
        let mut groups: Vec<u64> = slab.groups.iter().map(|range| range.start).collect();
        let mut n = 0_u64;
        loop {
            n = n.saturating_add(self.members.of_cell(self.layout, &groups));
            if !advance(&mut groups, &slab.groups) {
                break;
            }
        }
        self.n_members.borrow_mut().insert(slab.groups.clone(), n);
        n
    }
}
