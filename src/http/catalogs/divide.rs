//! Divides many ids by what they begin with, so that no document names more than a reader can bear.

/// How a document names its datasets: some by themselves, others through documents of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Division {
    /// Datasets that it names itself.
    pub direct: Vec<String>,
    /// Datasets that have a document of their own, by what their ids begin with.
    pub groups: Vec<PrefixGroup>,
}

/// Datasets whose ids begin with the same text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrefixGroup {
    /// What their ids begin with.
    pub prefix: String,
    /// How many there are.
    pub n_ids: usize,
}

/// Where an id may be cut, the best places first.
const SEPARATORS: [&[char]; 2] = [&['.'], &['.', '_', '-', ' ']];

/// Those of sorted ids that begin with `prefix`.
pub fn below<'a>(ids: &'a [Box<str>], prefix: &str) -> &'a [Box<str>] {
    let start = ids.partition_point(|id| id.as_ref() < prefix);
    let rest = ids.get(start..).unwrap_or_default();
    let len = rest.partition_point(|id| id.starts_with(prefix));
    rest.get(..len).unwrap_or_default()
}

/// Divides sorted ids so that at most `max` are named in one place.
///
/// Ids are cut after a dot, where that leaves few enough groups, else after any separator, else after one character
/// more than they all have in common. Each group is smaller than the whole, so that dividing groups again ends.
///
/// ```
/// use thermocline_http::catalogs::divide;
/// let ids = ["era5.t2m", "era5.u10", "orca"].map(Box::from);
/// let division = divide(&ids, 2);
/// assert_eq!(division.direct, ["orca"]);
/// assert_eq!(division.groups[0].prefix, "era5.");
/// ```
pub fn divide(ids: &[Box<str>], max: usize) -> Division {
    if ids.len() <= max {
        return Division { direct: ids.iter().map(ToString::to_string).collect(), groups: Vec::new() };
    }
    let common = common_len(ids);
    let by_separator =
        SEPARATORS.iter().map(|separators| cut_all(ids, |id| after_separator(id, common, separators)));
    let mut fitting = by_separator.filter(|division| {
        !division.groups.is_empty() && division.groups.len() + division.direct.len() <= max
    });
    fitting.next().unwrap_or_else(|| cut_all(ids, |id| after_character(id, common)))
}

/// Length of what the first and the last of sorted ids, and so all of them, begin with.
fn common_len(ids: &[Box<str>]) -> usize {
    let (Some(first), Some(last)) = (ids.first(), ids.last()) else { return 0 };
    let same = first.chars().zip(last.chars()).take_while(|(a, b)| a == b);
    same.map(|(character, _)| character.len_utf8()).sum()
}

fn after_separator<'a>(id: &'a str, common: usize, separators: &[char]) -> Option<&'a str> {
    let rest = id.get(common..)?;
    let position = rest.find(separators)?;
    id.get(..common + position + 1)
}

fn after_character(id: &str, common: usize) -> Option<&str> {
    let next = id.get(common..)?.chars().next()?;
    id.get(..common + next.len_utf8())
}

/// Groups sorted ids by the beginning that `cut` gives; those without one stand for themselves.
fn cut_all<'a>(ids: &'a [Box<str>], cut: impl Fn(&'a str) -> Option<&'a str>) -> Division {
    let mut division = Division { direct: Vec::new(), groups: Vec::new() };
    for id in ids {
        let Some(prefix) = cut(id) else {
            division.direct.push(id.to_string());
            continue;
        };
        match division.groups.last_mut() {
            Some(group) if group.prefix == prefix => group.n_ids += 1,
            _ => division.groups.push(PrefixGroup { prefix: prefix.to_owned(), n_ids: 1 }),
        }
    }
    division
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn sorted(ids: &[&str]) -> Vec<Box<str>> {
        let ids: BTreeSet<&str> = ids.iter().copied().collect();
        ids.into_iter().map(Box::from).collect()
    }

    fn groups(division: &Division) -> Vec<(&str, usize)> {
        division.groups.iter().map(|group| (group.prefix.as_str(), group.n_ids)).collect()
    }

    #[test]
    fn few_ids_stand_for_themselves() {
        let division = divide(&sorted(&["b", "a"]), 2);
        assert_eq!((division.direct, division.groups), (vec!["a".to_owned(), "b".to_owned()], vec![]));
    }

    #[test]
    fn ids_are_cut_after_dots_beyond_what_they_have_in_common() {
        let ids = sorted(&["x.cmip6.a.1", "x.cmip6.a.2", "x.cmip6.b.1", "x.cmip6.c"]);
        let division = divide(&ids, 3);
        assert_eq!(groups(&division), [("x.cmip6.a.", 2), ("x.cmip6.b.", 1)]);
        assert_eq!(division.direct, ["x.cmip6.c"]);
    }

    #[test]
    fn other_separators_and_characters_are_taken_where_dots_do_not_help() {
        assert_eq!(groups(&divide(&sorted(&["a_1", "a_2", "b-1"]), 2)), [("a_", 2), ("b-", 1)]);
        let division = divide(&sorted(&["f", "f1", "f10", "fé"]), 2);
        assert_eq!(groups(&division), [("f1", 2), ("fé", 1)]);
        assert_eq!(division.direct, ["f"]);
    }

    #[test]
    fn a_range_holds_what_begins_alike() {
        let ids = sorted(&["a", "a.1", "a.2", "a0", "b"]);
        assert_eq!(below(&ids, "a.").len(), 2);
        assert_eq!(below(&ids, "").len(), 5);
        assert!(below(&ids, "c").is_empty() && below(&ids, "a.10").is_empty());
    }

    proptest! {
        #[test]
        fn dividing_again_and_again_reaches_every_id_once(
            ids in proptest::collection::btree_set("[ab.é_]{1,6}", 1..60),
            max in 1_usize..6,
        ) {
            let ids: Vec<Box<str>> = ids.into_iter().map(Box::from).collect();
            let mut reached = Vec::new();
            let mut open = vec![String::new()];
            while let Some(prefix) = open.pop() {
                let division = divide(below(&ids, &prefix), max);
                prop_assert!(division.groups.iter().all(|group| group.prefix.len() > prefix.len()));
                for group in &division.groups {
                    prop_assert_eq!(below(&ids, &group.prefix).len(), group.n_ids);
                }
                reached.extend(division.direct);
                open.extend(division.groups.into_iter().map(|group| group.prefix));
            }
            reached.sort();
            prop_assert_eq!(reached, ids.iter().map(ToString::to_string).collect::<Vec<_>>());
        }
    }
}
