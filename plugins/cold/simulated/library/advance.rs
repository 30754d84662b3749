//! Time passes: drives take up what waits, and finish it.

use thermocline_core::staging::tape::Media;

use super::{
    Copy, Drive, EndedRecall, FileState, Key, Library, Recall, Rules, Run, failure, mishap, nanoseconds,
};
use crate::config::FaultKind;

impl Library {
    /// Lets everything happen up to `now_ns`. Time never goes back.
    pub(crate) fn advance(&mut self, rules: &Rules, now_ns: i64) {
        self.fit_drives(rules.n_drives);
        self.start_drives(rules);
        while let Some((ends_ns, drive)) = self.next_end().filter(|(ends_ns, _)| *ends_ns <= now_ns) {
            self.now_ns = self.now_ns.max(ends_ns);
            self.end(drive);
            self.start_drives(rules);
        }
        self.now_ns = self.now_ns.max(now_ns);
    }

    /// The number of drives is the one of the configuration; what a drive read that is gone waits again.
    fn fit_drives(&mut self, n_drives: usize) {
        while self.drives.len() > n_drives {
            let Some(key) = self.drives.pop().and_then(|drive| drive.reads) else { continue };
            let Some(recall) = self.recalls.get_mut(&key) else { continue };
            recall.run = None;
            let entry = (recall.turn, key);
            self.waiting.entry(recall.file.tape.clone()).or_default().insert(entry);
        }
        self.drives.resize_with(n_drives, Drive::default);
    }

    /// The drive that is done first, and when.
    fn next_end(&self) -> Option<(i64, usize)> {
        let end = |drive: &Drive| self.recalls.get(drive.reads.as_ref()?)?.run.as_ref()?.ends_ns;
        self.drives.iter().enumerate().filter_map(|(number, drive)| Some((end(drive)?, number))).min()
    }

    /// Gives work to every drive that has none.
    pub(super) fn start_drives(&mut self, rules: &Rules) {
        while let Some((number, tape)) = self.next_start() {
            self.start(rules, number, &tape);
        }
    }

    /// An idle drive and the tape that it reads next: the one that is in it as long as something waits for it,
    /// else the one for which was waited longest.
    fn next_start(&self) -> Option<(usize, String)> {
        if self.waiting.is_empty() {
            return None;
        }
        let idle = || self.drives.iter().enumerate().filter(|(_, drive)| drive.reads.is_none());
        let mounted = |drive: &Drive| drive.tape.clone().filter(|tape| self.waiting.contains_key(tape));
        if let Some(start) = idle().find_map(|(number, drive)| Some((number, mounted(drive)?))) {
            return Some(start);
        }
        // An empty drive is loaded before a tape is taken out of another.
        let (number, _) = idle().min_by_key(|(_, drive)| drive.tape.is_some())?;
        let is_free = |tape: &String| !self.drives.iter().any(|drive| drive.tape.as_ref() == Some(tape));
        let first = |(tape, waiting): (&String, &std::collections::BTreeSet<(super::Turn, Key)>)| {
            Some((waiting.first()?.0, tape.clone()))
        };
        let (_, tape) = self.waiting.iter().filter(|(tape, _)| is_free(tape)).filter_map(first).min()?;
        Some((number, tape))
    }

    /// Lets a drive begin with what waits for a tape.
    fn start(&mut self, rules: &Rules, number: usize, tape: &str) {
        let Some(entry) = self.waiting.get(tape).and_then(|waiting| waiting.first().cloned()) else { return };
        self.remove_waiting(tape, &entry);
        let (_, key) = entry;
        let (Some(drive), Some(recall)) = (self.drives.get_mut(number), self.recalls.get_mut(&key)) else {
            return;
        };
        let mishap = mishap(rules, &key, &mut self.attempts);
        let mut seconds = 0.0;
        if drive.tape.as_deref() != Some(tape) {
            seconds += rules.media.mount_seconds(drive.tape.is_some());
            (drive.tape, drive.head) = (Some(tape.to_owned()), 0);
            self.n_mounts += 1;
        }
        seconds += locate_seconds(&rules.media, drive.head, recall.file.position);
        let reads_from_ns = after(self.now_ns, seconds / rules.speed);
        let read_seconds = rules.media.read_seconds(recall.file.len_bytes);
        let ends_ns =
            after(reads_from_ns, read_seconds / rules.speed).saturating_add(nanoseconds(mishap.delay));
        let is_stalled = mishap.kind == Some(FaultKind::Stall);
        let ends_ns = (!is_stalled).then_some(ends_ns);
        recall.run = Some(Run { began_ns: self.now_ns, reads_from_ns, ends_ns, fault: mishap.kind });
        drive.head = recall.file.position.saturating_add(recall.file.len_bytes);
        // A recall that hangs is not one that keeps a drive: others go on.
        drive.reads = (!is_stalled).then_some(key);
        self.n_recalls += 1;
    }

    /// Ends what a drive reads.
    fn end(&mut self, number: usize) {
        let Some(key) = self.drives.get_mut(number).and_then(|drive| drive.reads.take()) else { return };
        let Some(recall) = self.recalls.remove(&key) else { return };
        let Some(run) = &recall.run else { return };
        let (state, result) = outcome(run.fault);
        if matches!(state, FileState::Staged { is_lie: false }) {
            let until_ns = self.now_ns.saturating_add(recall.lifetime_ns);
            let is_corrupt = run.fault == Some(FaultKind::Corrupt);
            self.staged.insert(key.clone(), Copy { until_ns, is_corrupt });
        }
        for name in &recall.batches {
            let Some(batch) = self.batches.get_mut(name) else { continue };
            batch.touched_ns = self.now_ns;
            if let Some(known @ FileState::Wanted) = batch.files.get_mut(&key) {
                *known = state.clone();
            }
        }
        self.ended.push(ended(&recall, run, self.now_ns, result));
    }
}

fn outcome(fault: Option<FaultKind>) -> (FileState, &'static str) {
    if let Some(failure) = fault.and_then(failure) {
        let result = match fault {
            Some(FaultKind::Lost) => "lost",
            Some(FaultKind::Denied) => "denied",
            _ => "failed",
        };
        return (FileState::Failed(failure), result);
    }
    match fault {
        Some(FaultKind::Lie) => (FileState::Staged { is_lie: true }, "lie"),
        Some(FaultKind::Corrupt) => (FileState::Staged { is_lie: false }, "corrupt"),
        _ => (FileState::Staged { is_lie: false }, "online"),
    }
}

fn ended(recall: &Recall, run: &Run, ended_ns: i64, result: &str) -> EndedRecall {
    let file = &recall.file;
    EndedRecall {
        root: file.root.clone(),
        path: file.path.clone(),
        began_ns: run.began_ns,
        ended_ns,
        tape: file.tape.clone(),
        result: result.to_owned(),
    }
}

fn locate_seconds(media: &Media, from: u64, to: u64) -> f64 {
    if from == to {
        return 0.0;
    }
    media.locate_seconds(media.spot(from), media.spot(to))
}

/// A time some seconds later.
fn after(now_ns: i64, seconds: f64) -> i64 {
    // A float beyond the range of the integer becomes its largest.
    now_ns.saturating_add((seconds * 1e9) as i64)
}
