//! Lists that a site refuses as a whole, for some of their files.

/// How often a site may refuse parts of one list. That is enough to find three bad files among a thousand.
const MAX_REFUSALS: usize = 32;

/// Parts of a list that a site is still to be asked for.
pub(crate) struct Parts<T> {
    waiting: Vec<Vec<T>>,
    n_refused: usize,
}

impl<T> Parts<T> {
    /// The whole list is one part.
    pub(crate) fn new(list: Vec<T>) -> Self {
        Self { waiting: vec![list], n_refused: 0 }
    }

    /// The next part, which has something in it.
    pub(crate) fn next(&mut self) -> Option<Vec<T>> {
        while let Some(part) = self.waiting.pop() {
            if !part.is_empty() {
                return Some(part);
            }
        }
        None
    }

    /// The site has refused a part: its halves come next. Says how often that happened before.
    ///
    /// # Errors
    /// The part, if the site can only mean the one file in it, or has refused too many: it is not asked for again.
    pub(crate) fn halve(&mut self, mut part: Vec<T>) -> Result<usize, Vec<T>> {
        if part.len() < 2 || self.n_refused >= MAX_REFUSALS {
            return Err(part);
        }
        let rest = part.split_off(part.len() / 2);
        self.waiting.extend([rest, part]);
        self.n_refused += 1;
        Ok(self.n_refused - 1)
    }

    /// All that is left.
    pub(crate) fn rest(self) -> impl Iterator<Item = T> {
        self.waiting.into_iter().rev().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_files_are_found_in_halves_and_all_others_are_taken() {
        let (mut parts, mut taken, mut bad) = (Parts::new((0..1000).collect()), Vec::new(), Vec::new());
        while let Some(part) = parts.next() {
            if !part.iter().any(|number| [0, 500, 999].contains(number)) {
                taken.extend(part);
            } else if let Err(alone) = parts.halve(part) {
                bad.push(alone);
            }
        }
        assert_eq!(bad, [[0], [500], [999]]);
        assert_eq!(taken.len(), 997);
    }

    #[test]
    fn a_site_that_refuses_all_is_asked_a_bounded_number_of_times() {
        let (mut parts, mut n_asked, mut n_given_up) = (Parts::new((0..1000).collect()), 0, 0);
        while let Some(part) = parts.next() {
            n_asked += 1;
            n_given_up += parts.halve(part).err().map_or(0, |part| part.len());
        }
        assert_eq!((n_asked, n_given_up), (2 * MAX_REFUSALS + 1, 1000));
    }
}
