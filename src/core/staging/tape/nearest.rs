//! The nearest file that is left in a row of files, on another wrap than the head's.

/// A wrap that no file has.
pub(super) const NO_WRAP: u32 = u32::MAX;

/// No file is left below a node.
const NOTHING: u32 = NO_WRAP;

/// Files of several wraps are left below a node.
const SEVERAL: u32 = NO_WRAP - 1;

/// A row of files, each on a wrap, some of which have been taken away.
///
/// A binary tree above the row says for each stretch on which wrap its files are, or that they are on several,
/// so that stretches without a file of another wrap are skipped whole.
#[derive(Debug)]
pub(super) struct Nearest {
    nodes: Vec<u32>,
    n_leaves: usize,
}

impl Nearest {
    /// A row of files, given by their wraps.
    pub(super) fn new(wraps: impl ExactSizeIterator<Item = u32>) -> Self {
        let n_leaves = wraps.len().next_power_of_two();
        let mut nodes = vec![NOTHING; 2 * n_leaves];
        for (node, wrap) in nodes.iter_mut().skip(n_leaves).zip(wraps) {
            *node = wrap;
        }
        let mut nearest = Self { nodes, n_leaves };
        for node in (1..n_leaves).rev() {
            nearest.renew(node);
        }
        nearest
    }

    /// Takes a file out of the row.
    pub(super) fn remove(&mut self, rank: usize) {
        let mut node = self.n_leaves + rank;
        if let Some(leaf) = self.nodes.get_mut(node) {
            *leaf = NOTHING;
        }
        while node > 1 {
            node /= 2;
            self.renew(node);
        }
    }

    /// The first file from a rank on that is left and not on `but_wrap`.
    pub(super) fn first_at_or_after(&self, rank: usize, but_wrap: u32) -> Option<usize> {
        let mut node = self.leaf(rank)?;
        while !self.has(node, but_wrap) {
            while node % 2 == 1 {
                node /= 2;
            }
            // The way up from the last leaf ends above the root.
            if node == 0 {
                return None;
            }
            node += 1;
        }
        while node < self.n_leaves {
            node *= 2;
            node += usize::from(!self.has(node, but_wrap));
        }
        Some(node - self.n_leaves)
    }

    /// The last file up to a rank that is left and not on `but_wrap`.
    pub(super) fn last_at_or_before(&self, rank: usize, but_wrap: u32) -> Option<usize> {
        let mut node = self.leaf(rank)?;
        while !self.has(node, but_wrap) {
            while node > 1 && node.is_multiple_of(2) {
                node /= 2;
            }
            if node <= 1 {
                return None;
            }
            node -= 1;
        }
        while node < self.n_leaves {
            node = 2 * node + 1;
            node -= usize::from(!self.has(node, but_wrap));
        }
        Some(node - self.n_leaves)
    }

    fn leaf(&self, rank: usize) -> Option<usize> {
        (rank < self.n_leaves).then_some(self.n_leaves + rank)
    }

    fn node(&self, node: usize) -> u32 {
        self.nodes.get(node).copied().unwrap_or(NOTHING)
    }

    fn has(&self, node: usize, but_wrap: u32) -> bool {
        let wrap = self.node(node);
        wrap != NOTHING && wrap != but_wrap
    }

    fn renew(&mut self, node: usize) {
        let together = match (self.node(2 * node), self.node(2 * node + 1)) {
            (NOTHING, wrap) | (wrap, NOTHING) => wrap,
            (left, right) if left == right => left,
            _ => SEVERAL,
        };
        if let Some(node) = self.nodes.get_mut(node) {
            *node = together;
        }
    }
}
