//! A tape library on virtual time, that does what the scheduler says.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

use super::*;
use crate::staging::tape::{Media, Spot};

/// Drives, the files wanted from them, and what they have done.
pub(super) struct Library {
    pub(super) scheduler: Scheduler,
    pub(super) now_ns: i64,
    media: Media,
    drives: Vec<Drive>,
    files: HashMap<u64, Wanted>,
    ends: BinaryHeap<Reverse<(i64, u64)>>,
    pub(super) done_ns: BTreeMap<u64, i64>,
    pub(super) n_mounts: usize,
    pub(super) batches: Vec<(i64, Batch)>,
}

struct Drive {
    tape: Option<Arc<str>>,
    head: Spot,
    free_ns: i64,
}

impl Library {
    pub(super) fn new(scheduler: Scheduler, n_drives: usize) -> Self {
        let drive = || Drive { tape: None, head: Spot::default(), free_ns: 0 };
        Self {
            scheduler,
            now_ns: 0,
            media: Media::lto8(),
            drives: (0..n_drives).map(|_| drive()).collect(),
            files: HashMap::new(),
            ends: BinaryHeap::new(),
            done_ns: BTreeMap::new(),
            n_mounts: 0,
            batches: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, wanted: Wanted) {
        self.files.insert(wanted.recall, wanted.clone());
        self.scheduler.add(wanted);
    }

    /// Lets time pass; drives end what they read, and are given more.
    pub(super) fn run_until(&mut self, until_ns: i64) {
        loop {
            while let Some(batch) = self.scheduler.next(self.now_ns) {
                self.read(batch);
            }
            let ends_ns = self.ends.peek().map(|Reverse((end_ns, _))| *end_ns);
            let wakes_ns = self.scheduler.next_wake(self.now_ns).map(|wake_ns| wake_ns.max(self.now_ns + 1));
            let Some(next_ns) =
                ends_ns.into_iter().chain(wakes_ns).min().filter(|next_ns| *next_ns <= until_ns)
            else {
                break;
            };
            self.now_ns = next_ns;
            while let Some(Reverse((end_ns, recall))) = self.ends.peek().copied()
                && end_ns <= next_ns
            {
                self.ends.pop();
                self.done_ns.insert(recall, end_ns);
                let len_bytes = self.files[&recall].len_bytes;
                assert!(self.scheduler.finished(recall, len_bytes, next_ns));
            }
        }
        self.now_ns = self.now_ns.max(until_ns.min(i64::MAX - 1));
    }

    /// Lets time pass until nothing is left to do.
    pub(super) fn run(&mut self) {
        let year = 365 * 86_400 * SECOND;
        let end = self.now_ns + year;
        self.run_until(end);
        assert!(self.scheduler.is_idle(), "recalls are left after a year");
    }

    /// When all was done, in seconds.
    pub(super) fn makespan(&self) -> f64 {
        self.done_ns.values().max().map_or(0.0, |done_ns| *done_ns as f64 / 1e9)
    }

    pub(super) fn done(&self, recall: u64) -> f64 {
        self.done_ns.get(&recall).map_or(f64::INFINITY, |done_ns| *done_ns as f64 / 1e9)
    }

    fn read(&mut self, batch: Batch) {
        let holds = |drive: &Drive| drive.tape.is_some() && drive.tape == batch.tape;
        let holder = self.drives.iter().position(holds);
        let free_first = (0..self.drives.len()).min_by_key(|drive| self.drives[*drive].free_ns).unwrap();
        let drive = &mut self.drives[holder.unwrap_or(free_first)];
        let mut time = drive.free_ns.max(self.now_ns) as f64 / 1e9;
        if holder.is_none() {
            time += self.media.mount_seconds(drive.tape.is_some());
            (drive.tape, drive.head) = (batch.tape.clone(), Spot::default());
            self.n_mounts += 1;
        }
        for recall in &batch.recalls {
            let file = &self.files[recall];
            let position = file.place.as_ref().map_or(0, |place| place.position);
            time += self.media.locate_seconds(drive.head, self.media.spot(position));
            time += self.media.read_seconds(file.len_bytes);
            drive.head = self.media.spot(position + file.len_bytes);
            self.ends.push(Reverse(((time * 1e9) as i64, *recall)));
        }
        drive.free_ns = (time * 1e9) as i64;
        self.batches.push((self.now_ns, batch));
    }
}
