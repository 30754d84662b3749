//! Cells in rows and columns around centres anywhere, with corners midway between neighbours.
//!
//! Neighbours that lie far apart are none: grids made of several parts, swaths with holes, and land whose coordinates are
//! filled with one place are not stretched over what is between.

use rayon::prelude::*;

use super::faces::Sight;
use super::shapes::Shapes;
use super::sphere::{Direction, Place, cross, normalized, plus, squared_distance};
use crate::{Cancel, Result};

/// Neighbours that are so many times as far apart as those beside them are none.
const JUMP: f64 = 8.0;

/// Squared length of the way between neighbours, at most: 97° apart.
const FARTHEST: f64 = 2.25;

/// Places of one corner that are so far apart, in lengths of half a diagonal, are several.
const SAME_CORNER: f64 = 0.6;

/// Neighbours in the outermost row that are so much nearer to one another than those in the next row, squared, are in one
/// place: a hundredth.
const ONE_PLACE: f64 = 1e-4;

/// By how much cells grow where parts of a grid meet.
const GROWTH: f64 = 1.1;

/// A neighbour in the same row, eastwards of the numbering.
const ALONG: u8 = 1;

/// A neighbour in the next row.
const ACROSS: u8 = 2;

/// Cells in rows and columns.
#[derive(Debug)]
pub(super) struct Curvilinear {
    n_rows: usize,
    n_columns: usize,
    centres: Vec<Place>,
    /// Corners between cells, one row and column more than these; missing where cells do not agree.
    corners: Vec<Place>,
    /// Which neighbours each cell has.
    links: Vec<u8>,
}

impl Curvilinear {
    /// Around `n_rows × n_columns` centres in C order.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`].
    pub(super) fn new(
        (n_rows, n_columns): (usize, usize),
        centres: Vec<Place>,
        cancel: &Cancel,
    ) -> Result<Self> {
        let mut cells = Self { n_rows, n_columns, centres, corners: Vec::new(), links: Vec::new() };
        let is_closed = cells.is_closed();
        cells.links = cells.found_links(is_closed, cancel)?;
        cells.corners = cells.inner_corners(cancel)?;
        cells.corners = cells.outer_corners(cancel)?;
        Ok(cells)
    }

    /// The centre of a cell; `None` beyond the grid.
    fn at(&self, row: isize, column: isize) -> Option<Direction> {
        let (row, column) = (usize::try_from(row).ok()?, usize::try_from(column).ok()?);
        let is_cell = row < self.n_rows && column < self.n_columns;
        let place = self.centres.get(row * self.n_columns + column).filter(|_| is_cell)?;
        (!place.is_missing()).then(|| place.direction())
    }

    /// True if the last column is beside the first, as it is in most rows.
    fn is_closed(&self) -> bool {
        let n = self.n_columns as isize;
        if n < 8 {
            return false;
        }
        let step = (self.n_rows / 256).max(1);
        let (mut n_known, mut n_closed) = (0, 0);
        for row in (0..self.n_rows as isize).step_by(step) {
            let distance = |from: isize, to: isize| {
                Some(squared_distance(&self.at(row, from)?, &self.at(row, to)?)).filter(|way| *way > 0.0)
            };
            let ways = (distance(n - 1, 0), distance(0, 1), distance(n - 2, n - 1), distance(n - 2, 0));
            if let (Some(seam), Some(first), Some(last), Some(two)) = ways {
                n_known += 1;
                // Where columns are repeated at the end, the way back is as short but the last but one is no farther.
                n_closed += usize::from(seam <= 4.0 * first.max(last) && two > 1.5 * seam);
            }
        }
        n_known > 0 && n_closed * 10 >= n_known * 7
    }

    fn found_links(&self, is_closed: bool, cancel: &Cancel) -> Result<Vec<u8>> {
        let n_columns = self.n_columns as isize;
        let wrapped = |column: isize| if is_closed { column.rem_euclid(n_columns) } else { column };
        let mut links = vec![0_u8; self.centres.len()];
        if links.is_empty() {
            return Ok(links);
        }
        links.par_chunks_mut(self.n_columns).enumerate().try_for_each(|(row, links)| {
            cancel.check()?;
            let row = row as isize;
            for (column, links) in links.iter_mut().enumerate() {
                let column = column as isize;
                let along = |k: isize| self.at(row, wrapped(column + k));
                let across = |k: isize| self.at(row + k, column);
                let is_along = are_neighbours(along) && (column + 1 < n_columns || is_closed);
                *links = if is_along { ALONG } else { 0 } | if are_neighbours(across) { ACROSS } else { 0 };
            }
            Ok(())
        })?;
        Ok(links)
    }

    fn has_link(&self, row: usize, column: usize, link: u8) -> bool {
        self.links.get(row * self.n_columns + column).is_some_and(|links| links & link != 0)
    }

    /// Corners in the middle of four cells that are all neighbours.
    fn inner_corners(&self, cancel: &Cancel) -> Result<Vec<Place>> {
        let corner_of = |row: usize, column: usize| {
            // Columns 0 and `n_columns` of corners are one where the grid goes round.
            let (west, east) = if column == 0 || column == self.n_columns {
                (self.n_columns - 1, 0)
            } else {
                (column - 1, column)
            };
            if row == 0 || row == self.n_rows {
                return Place::MISSING;
            }
            let is_inner = self.has_link(row - 1, west, ALONG)
                && self.has_link(row, west, ALONG)
                && self.has_link(row - 1, west, ACROSS)
                && self.has_link(row - 1, east, ACROSS);
            if !is_inner {
                return Place::MISSING;
            }
            let mut sum = [0.0; 3];
            for (row, column) in [(row - 1, west), (row - 1, east), (row, west), (row, east)] {
                if let Some(centre) = self.at(row as isize, column as isize) {
                    sum = plus(&sum, &centre, 1.0);
                }
            }
            Place::towards(&sum)
        };
        self.each_corner(corner_of, cancel)
    }

    /// Those corners, and the others where the cells around them agree: each has them opposite to the one that is known.
    fn outer_corners(&self, cancel: &Cancel) -> Result<Vec<Place>> {
        let corner_of = |row: usize, column: usize| {
            let own = self.corners.get(row * (self.n_columns + 1) + column);
            if let Some(known) = own.filter(|corner| !corner.is_missing()) {
                return *known;
            }
            self.agreed_corner(row, column).map_or(Place::MISSING, |corner| Place::towards(&corner))
        };
        self.each_corner(corner_of, cancel)
    }

    fn each_corner(
        &self,
        corner_of: impl Fn(usize, usize) -> Place + Sync,
        cancel: &Cancel,
    ) -> Result<Vec<Place>> {
        if self.centres.is_empty() {
            return Ok(Vec::new());
        }
        let mut corners = vec![Place::MISSING; (self.n_rows + 1) * (self.n_columns + 1)];
        corners.par_chunks_mut(self.n_columns + 1).enumerate().try_for_each(|(row, corners)| {
            cancel.check()?;
            for (column, corner) in corners.iter_mut().enumerate() {
                *corner = corner_of(row, column);
            }
            Ok(())
        })?;
        Ok(corners)
    }

    fn agreed_corner(&self, row: usize, column: usize) -> Option<Direction> {
        let (mut sum, mut first, mut n_cells) = ([0.0; 3], None, 0);
        for (up, right) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let (Some(cell_row), Some(cell_column)) =
                ((row + up).checked_sub(1), (column + right).checked_sub(1))
            else {
                continue;
            };
            let Some(centre) = self.at(cell_row as isize, cell_column as isize) else { continue };
            let Some(opposite) = self.corner(cell_row + up, cell_column + right) else { continue };
            let mirrored = self.mirrored((cell_row, cell_column), (row, column), &opposite);
            let Some(mirrored) = mirrored else { continue };
            let (reference, reach) = *first.get_or_insert((mirrored, squared_distance(&centre, &opposite)));
            if squared_distance(&reference, &mirrored) > SAME_CORNER * SAME_CORNER * reach {
                return None;
            }
            sum = plus(&sum, &mirrored, 1.0);
            n_cells += 1;
        }
        normalized(&sum).filter(|_| n_cells > 0)
    }

    /// The corner of a cell opposite to one that is known; `None` where that is beyond a pole.
    fn mirrored(
        &self,
        cell: (usize, usize),
        corner: (usize, usize),
        opposite: &Direction,
    ) -> Option<Direction> {
        let centre = self.at(cell.0 as isize, cell.1 as isize)?;
        let (row, column) = (self.is_one_place(cell, true), self.is_one_place(cell, false));
        let is_outer = |at: usize, n: usize| at == 0 || at == n;
        if (row && is_outer(corner.0, self.n_rows)) || (column && is_outer(corner.1, self.n_columns)) {
            return Some(centre);
        }
        (!row && !column).then(|| plus(&centre, &plus(&centre, opposite, -1.0), 1.0))
    }

    /// True of a cell in an outermost row, or column, that is all in one place, as it is on a pole: its outer corners are
    /// there, too.
    fn is_one_place(&self, (row, column): (usize, usize), is_row: bool) -> bool {
        let (at, n) = if is_row { (row, self.n_rows) } else { (column, self.n_columns) };
        let inwards = match at {
            0 => 1,
            at if at + 1 == n => -1,
            _ => return false,
        };
        let (row, column) = (row as isize, column as isize);
        let centre = |inwards: isize, along: isize| {
            let (down, right) = if is_row { (inwards, along) } else { (along, inwards) };
            self.at(row + down, column + right)
        };
        let way = |inwards: isize, side: isize| {
            Some(squared_distance(&centre(inwards, 0)?, &centre(inwards, side)?))
        };
        [-1, 1].into_iter().any(|side| {
            let ways = way(0, side).zip(way(inwards, side));
            ways.is_some_and(|(own, next)| own <= ONE_PLACE * next)
        })
    }

    fn corner(&self, row: usize, column: usize) -> Option<Direction> {
        let place = self.corners.get(row * (self.n_columns + 1) + column)?;
        (!place.is_missing()).then(|| place.direction())
    }

    #[inline]
    fn row_and_column(&self, cell: u32) -> (usize, usize) {
        // Numbers of cells have 32 bits, and divide faster so.
        let n_columns = (self.n_columns as u32).max(1);
        ((cell / n_columns) as usize, (cell % n_columns) as usize)
    }

    /// A corner of a cell alone: opposite to one that is known, or as far as half of the ways to its neighbours.
    fn lone_corner(&self, row: usize, column: usize, (up, right): (usize, usize)) -> Option<Direction> {
        let centre = self.at(row as isize, column as isize)?;
        if let Some(opposite) = self.corner(row + 1 - up, column + 1 - right)
            && let Some(mirrored) = self.mirrored((row, column), (row + up, column + right), &opposite)
        {
            return Some(mirrored);
        }
        let towards = |is_after: usize| if is_after == 1 { 1.0 } else { -1.0 };
        let (along, across) = self.half_ways(row, column, &centre)?;
        Some(plus(&plus(&centre, &along, towards(right)), &across, towards(up)))
    }

    /// Half of the ways from a cell to the next column and the next row; `None` of a cell without neighbours.
    fn half_ways(&self, row: usize, column: usize, centre: &Direction) -> Option<(Direction, Direction)> {
        let way = |link: u8, (down, left): (usize, usize)| {
            let next = self.at((row + down) as isize, (column + left) as isize);
            if let Some(next) = next.filter(|_| self.has_link(row, column, link)) {
                return Some(plus(&next, centre, -1.0).map(|part| part / 2.0));
            }
            let (row, column) = (row.checked_sub(down)?, column.checked_sub(left)?);
            let before =
                self.at(row as isize, column as isize).filter(|_| self.has_link(row, column, link))?;
            Some(plus(centre, &before, -1.0).map(|part| part / 2.0))
        };
        match (way(ALONG, (0, 1)), way(ACROSS, (1, 0))) {
            (Some(along), Some(across)) => Some((along, across)),
            (Some(along), None) => Some((along, cross(centre, &along))),
            (None, Some(across)) => Some((cross(&across, centre), across)),
            (None, None) => None,
        }
    }
}

/// True if the centre at 1 is a neighbour of the one at 0, seen from those from −2 to 3.
fn are_neighbours(centre: impl Fn(isize) -> Option<Direction>) -> bool {
    let way = |from: isize| Some(squared_distance(&centre(from)?, &centre(from + 1)?));
    let Some(own) = way(0) else { return false };
    let mut beside: [f64; 4] =
        [-2, -1, 1, 2].map(|from| way(from).filter(|way| *way > 0.0).unwrap_or(f64::INFINITY));
    beside.sort_by(f64::total_cmp);
    // The second shortest: one of them may be as wrong as this one.
    let usual = if beside[1].is_finite() { beside[1] } else { beside[0] };
    own <= FARTHEST && own <= JUMP * JUMP * usual
}

impl Shapes for Curvilinear {
    fn n_cells(&self) -> usize {
        self.centres.len()
    }

    #[inline]
    fn corners(&self, cell: u32) -> impl Iterator<Item = Direction> {
        let (row, column) = self.row_and_column(cell);
        let is_there = self.centres.get(cell as usize).is_some_and(|centre| !centre.is_missing());
        let around: &[(usize, usize)] = if is_there { &[(0, 0), (0, 1), (1, 1), (1, 0)] } else { &[] };
        around.iter().filter_map(move |(up, right)| {
            let shared = self.corner(row + up, column + right);
            shared.or_else(|| self.lone_corner(row, column, (*up, *right)))
        })
    }

    #[inline]
    fn contains(&self, cell: u32, sight: &Sight) -> bool {
        let (row, column) = self.row_and_column(cell);
        let first = row * (self.n_columns + 1) + column;
        let above = first + self.n_columns + 1;
        let (below, above) = (self.corners.get(first..first + 2), self.corners.get(above..above + 2));
        match (below, above) {
            (Some([a, b]), Some([d, c])) if ![a, b, c, d].iter().any(|corner| corner.is_missing()) => {
                let is_there = self.centres.get(cell as usize).is_some_and(|centre| !centre.is_missing());
                is_there && sight.is_in_all(&[a.direction(), b.direction(), c.direction(), d.direction()])
            }
            _ => sight.is_in(self.corners(cell)),
        }
    }

    fn middle(&self, cell: u32) -> Option<Direction> {
        let centre = self.centres.get(cell as usize)?;
        (!centre.is_missing()).then(|| centre.direction())
    }

    fn growth(&self) -> f64 {
        GROWTH
    }

    fn len_bytes(&self) -> u64 {
        ((self.centres.capacity() + self.corners.capacity()) * size_of::<Place>() + self.links.capacity())
            as u64
    }
}
