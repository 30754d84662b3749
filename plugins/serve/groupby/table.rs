//! Where a cell stands along each dimension of a table.

/// Lengths of dimensions, and how many cells lie between two positions along each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Steps(Vec<(usize, usize)>);

impl Steps {
    /// Those of an array in C order.
    pub(crate) fn of(shape: &[u64]) -> Self {
        let lengths = shape.iter().map(|len| usize::try_from(*len).unwrap_or(usize::MAX).max(1));
        let mut steps: Vec<(usize, usize)> = lengths.map(|len| (len, 1)).collect();
        let mut step = 1_usize;
        for (len, own) in steps.iter_mut().rev() {
            *own = step;
            step = step.saturating_mul(*len);
        }
        Self(steps)
    }

    /// The position of a cell along a dimension.
    pub(crate) fn position(&self, axis: usize, cell: usize) -> usize {
        self.0.get(axis).map_or(0, |(len, step)| cell / step % len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_dimension_runs_fastest() {
        let steps = Steps::of(&[2, 3]);
        let positions = |axis| (0..6).map(|cell| steps.position(axis, cell)).collect::<Vec<_>>();
        assert_eq!(positions(0), [0, 0, 0, 1, 1, 1]);
        assert_eq!(positions(1), [0, 1, 2, 0, 1, 2]);
        assert_eq!(Steps::of(&[]).position(0, 5), 0);
        assert_eq!(Steps::of(&[0, 3]).position(1, 4), 1);
    }
}
