//! Which file lies on which tape, and where.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use globset::{Glob, GlobMatcher};
use serde::Deserialize;
use thermocline_core::cold::{ObjectId, TapePlace};
use thermocline_core::{Error, Result};
use walkdir::WalkDir;

/// Largest table, in bytes.
const MAX_TABLE_BYTES: u64 = 256 << 20;

/// Most files that are laid out before they are asked for. Further ones lie behind them.
const MAX_LISTED: usize = 2_000_000;

/// A table in TOML or JSON: `[[place]]` with `path`, `tape`, `position`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    place: Vec<TableRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TableRow {
    path: String,
    tape: String,
    position: Option<u64>,
}

/// A row of the table.
struct Row {
    matcher: GlobMatcher,
    tape: Arc<str>,
    /// Where the next of its files lies; `None`: behind what lies on the tape.
    next: Option<u64>,
}

/// Places of all files that were ever asked for.
pub(crate) struct Layout {
    /// Rows without wildcards, by path, and all others in the order of the table.
    exact: HashMap<String, Row>,
    globs: Vec<Row>,
    known: HashMap<ObjectId, (Arc<str>, u64)>,
    /// First free byte of each tape.
    ends: HashMap<Arc<str>, u64>,
    /// The tape that is being filled.
    filling: (u32, u64),
    tape_bytes: u64,
    is_listed: bool,
}

impl Layout {
    /// The layout that `table` gives, and beyond it tapes that hold `tape_bytes` each.
    pub(crate) fn new(table: Option<&Path>, tape_bytes: u64) -> Result<Self> {
        let rows = table.map_or_else(|| Ok(Vec::new()), read_table)?;
        let (mut exact, mut globs) = (HashMap::new(), Vec::new());
        for row in rows {
            let mistake = |cause| Error::invalid_input(format!("table: path {:?}: {cause}", row.path));
            let matcher = Glob::new(&row.path).map_err(mistake)?.compile_matcher();
            let is_exact = !row.path.contains(['*', '?', '[', '{', '\\']);
            let place = Row { matcher, tape: row.tape.into(), next: row.position };
            match is_exact {
                true => drop(exact.insert(row.path, place)),
                false => globs.push(place),
            }
        }
        let (known, ends) = (HashMap::new(), HashMap::new());
        Ok(Self { exact, globs, known, ends, filling: (1, 0), tape_bytes, is_listed: false })
    }

    /// Lays out all files below `roots` in the order of their names, once. Blocking.
    pub(crate) fn list_once(&mut self, roots: &[(Arc<str>, PathBuf)]) {
        if self.is_listed {
            return;
        }
        self.is_listed = true;
        for (name, folder) in roots {
            let mut files = files_below(name, folder);
            files.sort_unstable();
            for (id, len_bytes) in files {
                self.place(&id, len_bytes);
            }
        }
    }

    /// Where a file lies. One that came later lies behind those that were there.
    pub(crate) fn place(&mut self, id: &ObjectId, len_bytes: u64) -> TapePlace {
        if let Some((tape, position)) = self.known.get(id) {
            return TapePlace { tape: Arc::clone(tape), position: *position };
        }
        let (tape, position) =
            self.place_in_table(id, len_bytes).unwrap_or_else(|| self.next_free(len_bytes));
        let end = self.ends.entry(Arc::clone(&tape)).or_default();
        *end = (*end).max(position.saturating_add(len_bytes));
        self.known.insert(id.clone(), (Arc::clone(&tape), position));
        TapePlace { tape, position }
    }

    fn place_in_table(&mut self, id: &ObjectId, len_bytes: u64) -> Option<(Arc<str>, u64)> {
        let row = match self.exact.get_mut(id.path()) {
            Some(row) => row,
            None => self.globs.iter_mut().find(|row| row.matcher.is_match(id.path()))?,
        };
        let behind = self.ends.get(&row.tape).copied().unwrap_or_default();
        let position = row.next.unwrap_or(behind);
        if let Some(next) = &mut row.next {
            *next = next.saturating_add(len_bytes);
        }
        Some((Arc::clone(&row.tape), position))
    }

    fn next_free(&mut self, len_bytes: u64) -> (Arc<str>, u64) {
        let (tape, end) = &mut self.filling;
        if *end > 0 && end.saturating_add(len_bytes) > self.tape_bytes {
            (*tape, *end) = (tape.saturating_add(1), 0);
        }
        let position = *end;
        *end = end.saturating_add(len_bytes);
        (format!("S{tape:05}").into(), position)
    }
}

fn files_below(root: &Arc<str>, folder: &Path) -> Vec<(ObjectId, u64)> {
    let entries = WalkDir::new(folder).into_iter().flatten().filter(|entry| entry.file_type().is_file());
    let id = |path: &Path| ObjectId::new(Arc::clone(root), path.strip_prefix(folder).ok()?.to_str()?).ok();
    entries
        .filter_map(|entry| Some((id(entry.path())?, entry.metadata().ok()?.len())))
        .take(MAX_LISTED)
        .collect()
}

fn read_table(path: &Path) -> Result<Vec<TableRow>> {
    let mistake = |cause: String| Error::invalid_input(format!("table {}: {cause}", path.display()));
    let len_bytes = std::fs::metadata(path).map_err(|cause| mistake(cause.to_string()))?.len();
    if len_bytes > MAX_TABLE_BYTES {
        return Err(mistake(format!("has {len_bytes} bytes, the limit is {MAX_TABLE_BYTES}")));
    }
    let text = std::fs::read_to_string(path).map_err(|cause| mistake(cause.to_string()))?;
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => {
            toml::from_str(&text).map(|table: Table| table.place).map_err(|e| mistake(e.to_string()))
        }
        Some("json") => {
            serde_json::from_str(&text).map(|table: Table| table.place).map_err(|e| mistake(e.to_string()))
        }
        Some("csv") => read_csv(&text).map_err(mistake),
        _ => Err(mistake("is none of .toml, .json, .csv".to_owned())),
    }
}

/// Lines `path,tape,position`; the path may have commas, the position may be empty. A first line with these
/// words is a heading.
fn read_csv(text: &str) -> Result<Vec<TableRow>, String> {
    let lines = text.lines().enumerate().filter(|(number, line)| {
        !(line.trim().is_empty() || *number == 0 && line.replace(' ', "") == "path,tape,position")
    });
    let row = |(number, line): (usize, &str)| {
        let mistake = || format!("line {}: {line:?} is not path,tape,position", number + 1);
        let mut fields = line.rsplitn(3, ',').map(str::trim);
        let (position, tape, path) = (fields.next(), fields.next(), fields.next());
        let (Some(position), Some(tape), Some(path)) = (position, tape, path) else { return Err(mistake()) };
        let position = match position {
            "" => None,
            digits => Some(digits.parse().map_err(|_| mistake())?),
        };
        Ok(TableRow { path: path.to_owned(), tape: tape.to_owned(), position })
    };
    lines.map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(path: &str) -> ObjectId {
        ObjectId::new("a", path).unwrap()
    }

    fn place(layout: &mut Layout, path: &str, len_bytes: u64) -> (String, u64) {
        let place = layout.place(&id(path), len_bytes);
        (place.tape.to_string(), place.position)
    }

    #[test]
    fn files_fill_one_tape_after_the_other_and_stay_where_they_are() {
        let mut layout = Layout::new(None, 100).unwrap();
        assert_eq!(place(&mut layout, "a", 60), ("S00001".to_owned(), 0));
        assert_eq!(place(&mut layout, "b", 40), ("S00001".to_owned(), 60));
        assert_eq!(place(&mut layout, "c", 1), ("S00002".to_owned(), 0));
        assert_eq!(place(&mut layout, "b", 40), ("S00001".to_owned(), 60));
        assert_eq!(place(&mut layout, "too large for a tape", 500), ("S00003".to_owned(), 0));
    }

    #[test]
    fn a_table_says_where_files_lie_in_every_of_its_forms() {
        let folder = tempfile::tempdir().unwrap();
        let forms = [
            ("t.csv", "path,tape,position\nx/a,nc, T1, 500\n2019/*.nc,T2,\n"),
            (
                "t.toml",
                "[[place]]\npath='x/a,nc'\ntape='T1'\nposition=500\n[[place]]\npath='2019/*.nc'\ntape='T2'\n",
            ),
            (
                "t.json",
                r#"{"place":[{"path":"x/a,nc","tape":"T1","position":500},{"path":"2019/*.nc","tape":"T2"}]}"#,
            ),
        ];
        for (name, text) in forms {
            let table = folder.path().join(name);
            std::fs::write(&table, text).unwrap();
            let mut layout = Layout::new(Some(&table), 100).unwrap();
            assert_eq!(place(&mut layout, "x/a,nc", 7), ("T1".to_owned(), 500), "{name}");
            assert_eq!(place(&mut layout, "2019/1.nc", 7), ("T2".to_owned(), 0), "{name}");
            assert_eq!(place(&mut layout, "2019/2.nc", 7), ("T2".to_owned(), 7), "{name}");
            assert_eq!(place(&mut layout, "other", 7), ("S00001".to_owned(), 0), "{name}");
        }
    }

    #[test]
    fn a_table_with_a_mistake_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in
            [("t.csv", "only a path"), ("t.csv", "p,T,far"), ("t.toml", "plaice = 1"), ("t.txt", "")]
        {
            let table = folder.path().join(name);
            std::fs::write(&table, text).unwrap();
            assert!(Layout::new(Some(&table), 100).is_err(), "{name}: {text}");
        }
    }

    #[test]
    fn files_are_laid_out_in_the_order_of_their_names_whoever_asks_first() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b", "c", "a"] {
            std::fs::write(folder.path().join(name), b"1234567890").unwrap();
        }
        let mut layout = Layout::new(None, 1000).unwrap();
        layout.list_once(&[("a".into(), folder.path().to_owned())]);
        assert_eq!(place(&mut layout, "c", 10), ("S00001".to_owned(), 20));
        assert_eq!(place(&mut layout, "a", 10), ("S00001".to_owned(), 0));
    }
}
