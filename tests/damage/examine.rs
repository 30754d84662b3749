//! Reads a damaged file as the server does, and judges what it would send.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use thermocline_core::format::{Format, Source};
use thermocline_core::reference::Workers;
use thermocline_core::verify::{VerifyLevel, verify};
use thermocline_testkit::{Judgement, LocalFile, judge};

/// A mutant that takes longer has hung, as far as a user can tell.
const MAX_TIME: Duration = Duration::from_secs(90);

/// What reads mutants.
#[derive(Clone)]
pub(crate) struct Examiner {
    pub(crate) formats: Arc<[Arc<dyn Format>]>,
    pub(crate) workers: Arc<Workers>,
    pub(crate) runtime: tokio::runtime::Handle,
}

/// What became of a mutant.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Indexing says what is wrong with it.
    Refused,
    /// It is a dataset for the reader; whether verification refused it whole, and what became of its variables.
    Read {
        is_refused: bool,
        variables: Vec<(String, Verdict)>,
    },
    Panicked(String),
    Hung,
}

/// What became of a variable.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Served, and every bit is the reference library's.
    Equal,
    /// Reading it is an error, or it is refused although nothing differs.
    Loud,
    /// Served; the reference library cannot tell.
    NotJudged,
    /// The reader gives other values than the reference library, or values where that has none; verification
    /// refuses it.
    OnlyVerification(Judgement),
    /// Served with other values than the reference library's.
    Silent(Judgement),
}

impl Examiner {
    /// Opens, reads and judges a file, in a thread of its own that may be left behind.
    pub(crate) fn examine(&self, path: &Path) -> Outcome {
        let (sender, receiver) = mpsc::channel();
        let (examiner, path) = (self.clone(), path.to_owned());
        std::thread::spawn(move || {
            let outcome = catch_unwind(AssertUnwindSafe(|| examiner.read(&path)));
            // Nobody listens any more after a hang.
            let _ = sender.send(outcome.unwrap_or_else(|panic| Outcome::Panicked(text_of(panic.as_ref()))));
        });
        receiver.recv_timeout(MAX_TIME).unwrap_or(Outcome::Hung)
    }

    fn read(&self, path: &Path) -> Outcome {
        let file = LocalFile::open(path, &self.runtime).unwrap();
        file.with_source(|source| self.index_and_judge(source, path))
    }

    fn index_and_judge(&self, source: &Source<'_>, path: &Path) -> Outcome {
        let name = path.file_name().unwrap().to_str().unwrap();
        let Some(format) = self.format_of(source, name) else { return Outcome::Refused };
        let Ok(mut indexed) = format.index(source) else { return Outcome::Refused };
        let judged = judge(format.as_ref(), self.workers.as_ref(), source, &indexed);
        let verified =
            verify(format.as_ref(), self.workers.as_ref(), source, &mut indexed, VerifyLevel::default());
        let served: BTreeSet<String> = match verified {
            Ok(()) => indexed.dataset.root.variables_below().into_iter().map(|(path, _)| path).collect(),
            Err(_) => BTreeSet::new(),
        };
        let variables = judged.into_iter().map(|(path, judgement)| {
            let verdict = verdict(judgement, served.contains(&path));
            (path, verdict)
        });
        Outcome::Read { is_refused: verified.is_err(), variables: variables.collect() }
    }

    fn format_of(&self, source: &Source<'_>, name: &str) -> Option<&Arc<dyn Format>> {
        let of_store = self.formats.iter().find(|format| format.directory_markers().contains(&name));
        let len_bytes = source.object.object().len_bytes;
        let head = source.object.read_at(0, len_bytes.min(65_536) as usize).unwrap();
        of_store.or_else(|| self.formats.iter().find(|format| format.sniff(&head, name)))
    }
}

fn verdict(judgement: Judgement, is_served: bool) -> Verdict {
    match (judgement, is_served) {
        (wrong @ (Judgement::Different(_) | Judgement::OnlyOurs(_)), true) => Verdict::Silent(wrong),
        (wrong @ (Judgement::Different(_) | Judgement::OnlyOurs(_)), false) => {
            Verdict::OnlyVerification(wrong)
        }
        (Judgement::Failing(_), _) | (_, false) => Verdict::Loud,
        (Judgement::Equal, true) => Verdict::Equal,
        (Judgement::NotJudged(_), true) => Verdict::NotJudged,
    }
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    text.unwrap_or_else(|| "a panic without text".to_owned())
}
