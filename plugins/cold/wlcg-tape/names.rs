//! The site's names for the parts of a batch, as they are kept with its recalls.
//!
//! One name for each line. A part of a batch over several roots has its root behind a tab: its files are asked about with the
//! credentials of that root. Neither names nor roots have control characters.

const BETWEEN_PARTS: char = '\n';
const BEFORE_ROOT: char = '\t';

/// A request of the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part<'t> {
    /// The site's name of it.
    pub(crate) name: &'t str,
    /// The root of its files.
    pub(crate) root: &'t str,
}

/// The names of before with one more.
pub(crate) fn with(before: Option<String>, name: &str, root: Option<&str>) -> String {
    let mut names = before.map_or_else(String::new, |names| names + &BETWEEN_PARTS.to_string());
    names.push_str(name);
    if let Some(root) = root {
        names.push(BEFORE_ROOT);
        names.push_str(root);
    }
    names
}

/// The parts of a batch; those without a root are of its only one.
pub(crate) fn parts<'t>(names: &'t str, only_root: &'t str) -> impl Iterator<Item = Part<'t>> {
    names.split(BETWEEN_PARTS).map(move |line| match line.split_once(BEFORE_ROOT) {
        Some((name, root)) => Part { name, root },
        None => Part { name: line, root: only_root },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_with_the_roots_with_which_they_were_kept() {
        let part = |name, root| Part { name, root };
        let plain = with(Some(with(None, "1", None)), "2", None);
        assert_eq!(plain, "1\n2");
        assert_eq!(parts(&plain, "tape").collect::<Vec<_>>(), [part("1", "tape"), part("2", "tape")]);
        let mixed = with(Some(with(None, "1", Some("tape"))), "2", Some("other"));
        assert_eq!(parts(&mixed, "any").collect::<Vec<_>>(), [part("1", "tape"), part("2", "other")]);
    }
}
