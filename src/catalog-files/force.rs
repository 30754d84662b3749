//! Which state of each file counts: the last one without mistakes.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tracing::info;

use crate::declare::Parsed;
use crate::look::Looked;
use crate::{Mistake, absolute, file, no_place, taken};

/// The files that were there when they were looked at last.
#[derive(Default)]
pub(crate) struct Files(BTreeMap<PathBuf, File>);

/// One file, as it is and as it is in force.
#[derive(Default)]
struct File {
    identity: Option<Identity>,
    /// What the file says now, if that is not in force.
    waiting: Option<Result<Parsed, Vec<Mistake>>>,
    in_force: Option<Looked>,
}

/// Size, time of modification in nanoseconds, and number of a file.
type Identity = (u64, i64, i64, u64);

/// Ids that are taken, with the file by its number and the line.
type Holders = HashMap<String, (usize, usize)>;

impl Files {
    /// Files in force, in order.
    pub(crate) fn in_force(&self) -> impl Iterator<Item = (&Path, &Looked)> {
        self.0.iter().filter_map(|(path, file)| Some((path.as_path(), file.in_force.as_ref()?)))
    }

    /// The same, to look for what they name.
    pub(crate) fn in_force_mut(&mut self) -> impl Iterator<Item = (&Path, &mut Looked)> {
        self.0.iter_mut().filter_map(|(path, file)| Some((path.as_path(), file.in_force.as_mut()?)))
    }

    /// Reads what changed at `paths`; true if other states than before are in force. Adds the mistakes of all files.
    pub(crate) fn read(&mut self, paths: &[PathBuf], problems: &mut Vec<Mistake>) -> bool {
        let mut present: Vec<PathBuf> = Vec::new();
        let mut away: Vec<PathBuf> = Vec::new();
        for path in paths {
            let path = absolute(path);
            let (files, unread) = file::files_at(&path);
            present.extend(files);
            for (place, error) in unread {
                problems.push(no_place(&place, error));
                away.push(place);
            }
        }
        present.sort();
        present.dedup();
        // What cannot be looked at keeps its state: a folder that is away for a moment.
        let is_away = |path: &Path| away.iter().any(|away| path.starts_with(away));
        let n_before = self.0.len();
        self.0.retain(|path, _| present.binary_search(path).is_ok() || is_away(path));
        let has_removed = self.0.len() < n_before;
        for path in present {
            self.0.entry(path.clone()).or_default().read(&path);
        }
        let has_adopted = self.adopt(problems);
        has_removed || has_adopted
    }

    /// Puts in force what files say now, unless they have mistakes or name ids of other files.
    fn adopt(&mut self, problems: &mut Vec<Mistake>) -> bool {
        let mistakes = self.0.values().filter_map(|file| file.waiting.as_ref()?.as_ref().err());
        problems.extend(mistakes.flatten().cloned());
        let mut files: Vec<(&Path, &mut File)> =
            self.0.iter_mut().map(|(path, file)| (path.as_path(), file)).collect();
        let is_waiting = |file: &File| matches!(file.waiting, Some(Ok(_)));
        let mut candidates: Vec<usize> = (0..files.len())
            .filter(|number| files.get(*number).is_some_and(|(_, f)| is_waiting(f)))
            .collect();
        if candidates.is_empty() {
            return false;
        }
        let mut holders = Holders::new();
        for (number, (_, file)) in files.iter().enumerate() {
            hold(&mut holders, number, file.in_force.as_ref().map(|looked| &looked.parsed));
        }
        let mut has_adopted = false;
        // A file may take an id that another gives up in the same moment, whichever is looked at first.
        loop {
            let n_before = candidates.len();
            candidates.retain(|number| {
                let is_adopted = files
                    .get_mut(*number)
                    .is_some_and(|(path, file)| file.adopt(path, *number, &mut holders));
                has_adopted |= is_adopted;
                !is_adopted
            });
            if candidates.is_empty() || candidates.len() == n_before {
                break;
            }
        }
        for number in candidates {
            problems.extend(files.get(number).and_then(|(path, file)| {
                let (id, line, (holder, held_line)) = file.conflict(number, &holders)?;
                Some(taken(path, line, id, files.get(holder)?.0, held_line))
            }));
        }
        has_adopted
    }
}

impl File {
    fn read(&mut self, path: &Path) {
        let identity = path
            .metadata()
            .ok()
            .map(|metadata| (metadata.len(), metadata.mtime(), metadata.mtime_nsec(), metadata.ino()));
        if identity.is_none() || self.identity != identity {
            self.identity = identity;
            self.waiting = Some(file::parse(path).map(|read| read.parsed));
        }
    }

    /// Puts in force what waits, unless another file holds one of its ids.
    fn adopt(&mut self, path: &Path, number: usize, holders: &mut Holders) -> bool {
        if self.conflict(number, holders).is_some() {
            return false;
        }
        match self.waiting.take() {
            Some(Ok(parsed)) => {
                if self.in_force.is_some() {
                    holders.retain(|_, (holder, _)| *holder != number);
                }
                hold(holders, number, Some(&parsed));
                info!(path = %path.display(), n_datasets = parsed.datasets.len(), "catalog file read");
                self.in_force = Some(Looked::new(parsed));
                true
            }
            other => {
                self.waiting = other;
                false
            }
        }
    }

    /// The first id of what waits that another file holds, its line, and the holder.
    fn conflict(&self, number: usize, holders: &Holders) -> Option<(&str, usize, (usize, usize))> {
        let waiting = self.waiting.as_ref()?.as_ref().ok()?;
        waiting.ids().find_map(|(id, line)| {
            let held = holders.get(id).filter(|(holder, _)| *holder != number)?;
            Some((id, line, *held))
        })
    }
}

fn hold(holders: &mut Holders, number: usize, parsed: Option<&Parsed>) {
    for (id, line) in parsed.into_iter().flat_map(Parsed::ids) {
        holders.insert(id.to_owned(), (number, line));
    }
}
