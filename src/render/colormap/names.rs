//! Names of colour maps: the list of all, other ways to write them, and what was probably meant.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use super::MapName;

/// A line of `maps.txt`.
struct Listed {
    name: &'static str,
    row: usize,
    origin: &'static str,
    license: &'static str,
}

/// Names that other packages have for maps of ours: Bokeh's and HoloViews' for the categories of D3.
const FOREIGN: [(&str, &str); 4] =
    [("Category10", "tab10"), ("Category20", "tab20"), ("Category20b", "tab20b"), ("Category20c", "tab20c")];

/// Longest name that is compared with those of the maps.
const MAX_COMPARED: usize = 40;

static LISTED: LazyLock<Vec<Listed>> =
    LazyLock::new(|| include_str!("maps.txt").lines().filter_map(listed).collect());

/// The row of each name as it is written, and of other ways to write it that mean one map.
static ROWS: LazyLock<HashMap<String, usize>> = LazyLock::new(|| {
    let mut rows: HashMap<String, usize> = LISTED.iter().map(|map| (map.name.to_owned(), map.row)).collect();
    for map in LISTED.iter() {
        for alias in aliases(map) {
            rows.entry(alias).or_insert(map.row);
        }
    }
    let mut in_lower_case: HashMap<String, HashSet<usize>> = HashMap::new();
    for (name, row) in &rows {
        in_lower_case.entry(name.to_ascii_lowercase()).or_default().insert(*row);
    }
    for (name, found) in in_lower_case {
        if let [row] = found.into_iter().collect::<Vec<_>>().as_slice() {
            rows.entry(name).or_insert(*row);
        }
    }
    rows
});

fn listed(line: &'static str) -> Option<Listed> {
    let mut parts = line.split('\t');
    Some(Listed {
        name: parts.next()?,
        row: parts.next()?.parse().ok()?,
        origin: parts.next()?,
        license: parts.next()?,
    })
}

/// Other names of a map that no other map has.
fn aliases(map: &Listed) -> Vec<String> {
    let is_free = |name: &str| LISTED.iter().all(|other| other.name != name);
    let plain = map.name.split_once('.').map(|(_, plain)| plain).filter(|plain| is_free(plain));
    let foreign = FOREIGN.iter().filter(|(_, ours)| *ours == map.name).map(|(foreign, _)| *foreign);
    plain.into_iter().chain(foreign).map(str::to_owned).collect()
}

/// Where the table of a name is.
pub(super) fn row(name: &str) -> Option<usize> {
    ROWS.get(name).or_else(|| ROWS.get(&name.to_ascii_lowercase())).copied()
}

/// All maps with what is known of them.
pub(super) fn all() -> Vec<MapName> {
    let described = |map: &Listed| MapName {
        name: map.name,
        aliases: aliases(map),
        origin: map.origin,
        license: map.license,
    };
    LISTED.iter().map(described).collect()
}

/// The names nearest to one, the nearest first, those at the same distance by name.
pub(super) fn nearest(name: &str, limit: usize) -> Vec<String> {
    let (plain, suffix) = match name.strip_suffix("_r") {
        Some(plain) => (plain, "_r"),
        None => (name, ""),
    };
    let plain: Vec<char> = plain.to_lowercase().chars().take(MAX_COMPARED).collect();
    let mut found: Vec<(usize, String)> = LISTED
        .iter()
        .flat_map(|map| std::iter::once(map.name.to_owned()).chain(aliases(map)))
        .map(|known| (distance(&plain, &known.to_lowercase()), known))
        .collect();
    found.sort();
    let nearest = found.into_iter().take(limit);
    nearest.map(|(_, known)| format!("{known}{suffix}")).collect()
}

/// How many letters must be put in, left out or changed.
fn distance(a: &[char], b: &str) -> usize {
    let mut row: Vec<usize> = (0..=a.len()).collect();
    for (above, letter) in b.chars().enumerate() {
        let mut diagonal = above;
        let mut left = above + 1;
        for (cell, other) in row.iter_mut().skip(1).zip(a) {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = *cell;
            left = changed.min(left + 1).min(*cell + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = above + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}
