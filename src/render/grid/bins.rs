//! Rectangles on the faces of a cube in bins: which may contain a point.
//!
//! Each face has as many bins as rectangles where these are; a bin with many of them has bins of its own.

use rayon::prelude::*;

use super::faces::{N_FACES, OnFace, Rectangle};
use crate::{Cancel, Result};

/// Rectangles in a bin from which on it gets bins of its own.
const CROWDED: usize = 48;

/// Bins for each rectangle. More of them take more memory, less of them more time.
const BINS_EACH: f32 = 1.2;

/// Levels of bins within bins.
const MAX_DEPTH: usize = 6;

/// Entries in all bins of a level for each rectangle, at most.
const MAX_ENTRIES: u64 = 8;

/// Entries in all levels together for each rectangle, at most.
const MAX_IN_ALL: u64 = 32;

/// Bins along one side of a level, at most.
const MAX_SIDE: f32 = 16384.0;

/// Rectangles of one bin that are looked at, at most.
const MAX_CANDIDATES: usize = 4096;

/// The rectangle of a cell on a face.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) cell: u32,
    pub(super) rectangle: Rectangle,
}

/// Bins on the six faces.
#[derive(Debug)]
pub(super) struct Bins {
    faces: Vec<Level>,
}

impl Bins {
    /// Bins of the rectangles on each face, given in parts, with the cells in rising order.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`].
    pub(super) fn new(faces: [Vec<Vec<Entry>>; N_FACES], cancel: &Cancel) -> Result<Self> {
        let of_face = |parts: Vec<Vec<Entry>>| {
            let mut own: Vec<Entry> = Vec::with_capacity(parts.iter().map(Vec::len).sum());
            // Each part is freed before the next one takes as much memory.
            parts.into_iter().for_each(|part| own.extend_from_slice(&part));
            let members: Vec<u32> = (0..own.len() as u32).collect();
            let mut level = Level::new(&own, &members, cancel)?;
            level.name_cells(&own);
            Ok(level)
        };
        let faces: Result<Vec<Level>> = faces.into_par_iter().map(of_face).collect();
        Ok(Self { faces: faces? })
    }

    /// The cells whose rectangles may contain a point, in rising order.
    #[inline]
    pub(super) fn at(&self, point: &OnFace) -> &[u32] {
        match self.faces.get(point.face) {
            Some(level) => level.at(point.u, point.v),
            None => &[],
        }
    }

    /// Memory that they take, in bytes.
    pub(super) fn len_bytes(&self) -> u64 {
        (self.faces.capacity() * size_of::<Level>()) as u64
            + self.faces.iter().map(Level::len_bytes).sum::<u64>()
    }
}

/// Bins in rows and columns.
#[derive(Debug, Default)]
struct Level {
    low: [f32; 2],
    /// Bins for one unit of u and v.
    density: [f32; 2],
    n: [u32; 2],
    /// Where the cells of each bin start, and the end of the last.
    starts: Vec<u32>,
    cells: Vec<u32>,
    /// Bins that have bins of their own, by rising numbers.
    finer: Vec<(u32, Level)>,
}

impl Level {
    fn new(entries: &[Entry], members: &[u32], cancel: &Cancel) -> Result<Self> {
        cancel.check()?;
        let rectangle = |member: &u32| entries.get(*member as usize).map(|entry| entry.rectangle);
        let whole = members.iter().filter_map(rectangle).fold(Rectangle::EMPTY, |all, one| all.joined(&one));
        if whole.is_empty() {
            return Ok(Self::default());
        }
        let mut level = Self::sized(&whole, members.len());
        let limit = MAX_ENTRIES * members.len() as u64;
        let n_entries = |level: &Self| -> u64 {
            let spans = members.iter().filter_map(rectangle).map(|one| level.span(&one));
            spans.map(|(low, high)| u64::from(high[0] - low[0] + 1) * u64::from(high[1] - low[1] + 1)).sum()
        };
        while n_entries(&level) > limit && level.n != [1, 1] {
            cancel.check()?;
            level = level.coarser(&whole);
        }
        level.fill(members, rectangle);
        level.refine(entries, 1, MAX_IN_ALL * members.len() as u64, cancel)?;
        Ok(level)
    }

    /// About as many bins as rectangles, as wide as high.
    fn sized(whole: &Rectangle, n_rectangles: usize) -> Self {
        let size = [0, 1].map(|axis| (whole.high[axis] - whole.low[axis]).max(1e-7));
        let n_bins = BINS_EACH * n_rectangles as f32;
        let across = (n_bins * size[0] / size[1]).sqrt().clamp(1.0, MAX_SIDE);
        let n = [across, (n_bins / across).clamp(1.0, MAX_SIDE)].map(|n| n.ceil() as u32);
        Self::between(whole, n)
    }

    fn between(whole: &Rectangle, n: [u32; 2]) -> Self {
        let density = [0, 1].map(|axis| {
            let size = whole.high[axis] - whole.low[axis];
            if size > 0.0 { (n[axis] as f32 / size).min(1e12) } else { 0.0 }
        });
        Self { low: whole.low, density, n, ..Self::default() }
    }

    fn coarser(&self, whole: &Rectangle) -> Self {
        Self::between(whole, self.n.map(|n| n.div_ceil(2)))
    }

    #[inline]
    fn index(&self, axis: usize, at: f32) -> u32 {
        // Numbers below 0 and no number at all become 0.
        (((at - self.low[axis]) * self.density[axis]) as u32).min(self.n[axis] - 1)
    }

    /// The first and last bins that a rectangle touches.
    fn span(&self, one: &Rectangle) -> ([u32; 2], [u32; 2]) {
        (
            [0, 1].map(|axis| self.index(axis, one.low[axis])),
            [0, 1].map(|axis| self.index(axis, one.high[axis])),
        )
    }

    /// Puts members into the bins, those of each in the order that they come in.
    fn fill(&mut self, members: &[u32], rectangle: impl Fn(&u32) -> Option<Rectangle>) {
        let n_bins = self.n[0] as usize * self.n[1] as usize;
        let mut starts = vec![0_u32; n_bins + 1];
        let n_columns = self.n[0];
        let each_bin = |level: &Self, member: &u32, put: &mut dyn FnMut(usize)| {
            let Some(one) = rectangle(member) else { return };
            let (low, high) = level.span(&one);
            for row in low[1]..=high[1] {
                for column in low[0]..=high[0] {
                    put(row as usize * n_columns as usize + column as usize);
                }
            }
        };
        for member in members {
            each_bin(self, member, &mut |bin| starts[bin] += 1);
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += std::mem::replace(start, sum);
        }
        let mut cells = vec![0; sum as usize];
        for member in members {
            each_bin(self, member, &mut |bin| {
                cells[starts[bin] as usize] = *member;
                starts[bin] += 1;
            });
        }
        // Each start is now the end of its bin, which is the start of the next.
        starts.rotate_right(1);
        starts[0] = 0;
        (self.starts, self.cells) = (starts, cells);
    }

    /// Gives crowded bins bins of their own where that parts what is in them, with `n_entries` in all of them.
    fn refine(&mut self, entries: &[Entry], depth: usize, n_entries: u64, cancel: &Cancel) -> Result<()> {
        if depth > MAX_DEPTH {
            return Ok(());
        }
        let crowded: Vec<u32> =
            (0..self.n[0] * self.n[1]).filter(|bin| self.of_bin(*bin).len() > CROWDED).collect();
        let n_members: u64 = crowded.iter().map(|bin| self.of_bin(*bin).len() as u64).sum();
        let left = n_entries.saturating_sub(self.cells.len() as u64);
        let finer = |bin: &u32| {
            let members = self.of_bin(*bin);
            let share = u128::from(left) * members.len() as u128 / u128::from(n_members.max(1));
            let within = (self.rectangle_of(*bin), depth, u64::try_from(share).unwrap_or(left));
            let level = Self::new_within(entries, members, within, cancel).transpose()?;
            Some(level.map(|level| (*bin, level)))
        };
        let finer: Result<Vec<(u32, Self)>> = crowded.par_iter().filter_map(finer).collect();
        self.finer = finer?;
        Ok(())
    }

    /// Bins within a bin; `None` if they would not part its members.
    fn new_within(
        entries: &[Entry],
        members: &[u32],
        (bin, depth, n_in_all): (Rectangle, usize, u64),
        cancel: &Cancel,
    ) -> Result<Option<Self>> {
        cancel.check()?;
        let cut = |member: &u32| {
            let one = entries.get(*member as usize)?.rectangle;
            let at = |from: [f32; 2], pick: fn(f32, f32) -> f32, to: [f32; 2]| {
                [pick(from[0], to[0]), pick(from[1], to[1])]
            };
            Some(Rectangle { low: at(one.low, f32::max, bin.low), high: at(one.high, f32::min, bin.high) })
        };
        let mut level = Self::sized(&bin, members.len());
        let limit = n_in_all.min(MAX_ENTRIES / 2 * members.len() as u64);
        let n_entries = |level: &Self| -> u64 {
            let spans = members.iter().filter_map(cut).map(|one| level.span(&one));
            spans.map(|(low, high)| u64::from(high[0] - low[0] + 1) * u64::from(high[1] - low[1] + 1)).sum()
        };
        while n_entries(&level) > limit {
            if level.n[0] <= 2 && level.n[1] <= 2 {
                return Ok(None);
            }
            level = level.coarser(&bin);
        }
        if level.n == [1, 1] {
            return Ok(None);
        }
        level.fill(members, cut);
        level.refine(entries, depth + 1, n_in_all, cancel)?;
        Ok(Some(level))
    }

    /// The sides of a bin, with room for rounding.
    fn rectangle_of(&self, bin: u32) -> Rectangle {
        let at = [bin % self.n[0], bin / self.n[0]];
        let side = |axis: usize, index: u32| {
            let density = self.density[axis];
            if density > 0.0 { self.low[axis] + index as f32 / density } else { self.low[axis] }
        };
        let slack = 1e-6;
        Rectangle {
            low: [0, 1].map(|axis| side(axis, at[axis]) - slack),
            high: [0, 1].map(|axis| side(axis, at[axis] + 1) + slack),
        }
    }

    fn of_bin(&self, bin: u32) -> &[u32] {
        let bounds = self.starts.get(bin as usize).zip(self.starts.get(bin as usize + 1));
        bounds.and_then(|(start, end)| self.cells.get(*start as usize..*end as usize)).unwrap_or(&[])
    }

    #[inline]
    fn at(&self, u: f32, v: f32) -> &[u32] {
        let mut level = self;
        loop {
            if level.cells.is_empty() {
                return &[];
            }
            let (column, row) = (level.index(0, u), level.index(1, v));
            let bin = row * level.n[0] + column;
            let finer = if level.finer.is_empty() {
                None
            } else {
                level.finer.binary_search_by_key(&bin, |(bin, _)| *bin).ok()
            };
            match finer.and_then(|at| level.finer.get(at)) {
                Some((_, finer)) => level = finer,
                None => {
                    let cells = level.of_bin(bin);
                    return &cells[..cells.len().min(MAX_CANDIDATES)];
                }
            }
        }
    }

    /// Puts the numbers of cells in the place of those of entries.
    fn name_cells(&mut self, entries: &[Entry]) {
        for cell in &mut self.cells {
            *cell = entries.get(*cell as usize).map_or(u32::MAX, |entry| entry.cell);
        }
        for (_, finer) in &mut self.finer {
            finer.name_cells(entries);
        }
        self.cells.shrink_to_fit();
    }

    fn len_bytes(&self) -> u64 {
        let own = (self.starts.capacity() + self.cells.capacity()) * size_of::<u32>()
            + self.finer.capacity() * size_of::<(u32, Self)>();
        own as u64 + self.finer.iter().map(|(_, finer)| finer.len_bytes()).sum::<u64>()
    }
}
