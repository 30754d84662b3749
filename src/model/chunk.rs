//! Regular chunk grids and positions in them.

/// Position of a chunk in its grid, one number a dimension; empty for a scalar.
pub type ChunkIndex = Vec<u64>;

/// A regular grid of chunks over an array. The chunks at the far edges reach beyond the array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkGrid {
    shape: Vec<u64>,
    chunk_shape: Vec<u64>,
}

impl ChunkGrid {
    /// A grid of chunks of `chunk_shape` over an array of `shape`.
    ///
    /// Returns `None` if the ranks differ, a chunk length is 0, or the number of chunks exceeds `u64`.
    pub fn new(shape: Vec<u64>, chunk_shape: Vec<u64>) -> Option<Self> {
        if shape.len() != chunk_shape.len() || chunk_shape.contains(&0) {
            return None;
        }
        let grid = Self { shape, chunk_shape };
        grid.counts().try_fold(1_u64, u64::checked_mul)?;
        Some(grid)
    }

    /// Lengths of the array's axes.
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// Lengths of a chunk's axes.
    pub fn chunk_shape(&self) -> &[u64] {
        &self.chunk_shape
    }

    /// Number of chunks along each axis.
    pub fn counts(&self) -> impl ExactSizeIterator<Item = u64> + '_ {
        self.shape.iter().zip(&self.chunk_shape).map(|(length, chunk)| length.div_ceil(*chunk))
    }

    /// Number of chunks in all; 1 for a scalar, 0 if an axis has no length.
    pub fn n_chunks(&self) -> u64 {
        self.counts().product()
    }

    /// Number of elements in a whole chunk; `None` beyond `u64`.
    pub fn chunk_len(&self) -> Option<u64> {
        self.chunk_shape.iter().try_fold(1_u64, |product, length| product.checked_mul(*length))
    }

    /// Position of a chunk in C order; `None` outside the grid or for another rank.
    pub fn linear(&self, index: &[u64]) -> Option<u64> {
        if index.len() != self.shape.len() {
            return None;
        }
        let mut linear = 0_u64;
        for (position, count) in index.iter().zip(self.counts()) {
            if *position >= count {
                return None;
            }
            linear = linear * count + position;
        }
        Some(linear)
    }

    /// The chunk at a position in C order. Positions outside the grid give indices outside it.
    pub fn index(&self, mut linear: u64) -> ChunkIndex {
        let counts: Vec<u64> = self.counts().collect();
        let mut index = vec![0; counts.len()];
        for (position, count) in index.iter_mut().zip(&counts).rev() {
            let count = (*count).max(1);
            *position = linear % count;
            linear /= count;
        }
        index
    }

    /// The chunks that overlap a box of elements, in C order; what lies beyond the array does not count.
    ///
    /// `start` and `len` have the rank of the grid; axes that are missing in them have no elements.
    pub fn covering(&self, start: &[u64], len: &[u64]) -> Vec<ChunkIndex> {
        let mut indices: Vec<ChunkIndex> = vec![Vec::new()];
        for (axis, (length, chunk)) in self.shape.iter().zip(&self.chunk_shape).enumerate() {
            let start = start.get(axis).copied().unwrap_or(0);
            let end = start.saturating_add(len.get(axis).copied().unwrap_or(0)).min(*length);
            if start >= end {
                return Vec::new();
            }
            let positions = start / chunk..=(end - 1) / chunk;
            indices = indices
                .iter()
                .flat_map(|index| {
                    positions.clone().map(move |position| {
                        let mut index = index.clone();
                        index.push(position);
                        index
                    })
                })
                .collect();
        }
        indices
    }

    /// First element of a chunk along each axis.
    pub fn start(&self, index: &[u64]) -> Vec<u64> {
        index.iter().zip(&self.chunk_shape).map(|(position, length)| position * length).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_scalar_has_one_chunk() {
        let grid = ChunkGrid::new(vec![], vec![]).unwrap();
        assert_eq!(grid.n_chunks(), 1);
        assert_eq!(grid.linear(&[]), Some(0));
    }

    #[test]
    fn an_empty_axis_has_no_chunks() {
        let grid = ChunkGrid::new(vec![0, 4], vec![2, 2]).unwrap();
        assert_eq!(grid.n_chunks(), 0);
        assert_eq!(grid.linear(&[0, 0]), None);
    }

    #[test]
    fn edge_chunks_count() {
        let grid = ChunkGrid::new(vec![5, 7], vec![2, 3]).unwrap();
        assert_eq!(grid.n_chunks(), 9);
        assert_eq!(grid.linear(&[2, 2]), Some(8));
        assert_eq!(grid.linear(&[3, 0]), None);
        assert_eq!(grid.linear(&[0]), None);
    }

    #[test]
    fn a_box_is_covered_by_the_chunks_it_touches() {
        let grid = ChunkGrid::new(vec![5, 7], vec![2, 3]).unwrap();
        assert_eq!(grid.covering(&[1, 2], &[1, 2]), [[0, 0], [0, 1]]);
        assert_eq!(grid.covering(&[4, 6], &[9, 9]), [[2, 2]]);
        assert!(grid.covering(&[5, 0], &[1, 1]).is_empty());
        assert!(grid.covering(&[0, 0], &[0, 1]).is_empty());
    }

    #[test]
    fn more_chunks_than_u64_holds_are_refused() {
        assert_eq!(ChunkGrid::new(vec![u64::MAX, u64::MAX], vec![1, 1]), None);
    }

    proptest! {
        #[test]
        fn linear_positions_come_back(shape in prop::collection::vec(1_u64..20, 0..4), seed in 0_u64..10_000) {
            let chunk_shape = shape.iter().map(|length| (seed % length) + 1).collect();
            let grid = ChunkGrid::new(shape, chunk_shape).unwrap();
            let linear = seed % grid.n_chunks();
            prop_assert_eq!(grid.linear(&grid.index(linear)), Some(linear));
        }
    }
}
