//! `thermocline index`: builds or refreshes the index of sources.

use std::collections::HashSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use futures::{Stream, StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use thermocline_core::ErrorKind;
use thermocline_model::DatasetId;

use super::{Failure, Given, SourceArgs};
use crate::app::{self, Parts, Purpose, Recalls, Sources};
use crate::config::{Config, VerifyConfig};
use crate::plugins::Registry;

mod recall;

/// What to index.
#[derive(Debug, Clone, Args)]
pub(crate) struct IndexArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Recalls what is cold and not indexed, indexes it, and makes it cold again. No server may run on the same
    /// folder of state.
    #[arg(long)]
    recall: bool,
}

/// How long to wait for a source that is being written or does not answer, each time.
const PATIENCE: Duration = Duration::from_millis(500);

/// How often such a source is tried.
const ATTEMPTS: u32 = 5;

/// How many datasets wait for recalls at the same time: what is asked for together is read in the order of its tapes.
const WAITING_AT_ONCE: usize = 256;

pub(crate) fn run(registry: &Registry, given: &Given, args: IndexArgs) -> Result<ExitCode, Failure> {
    let config = given.load(registry, args.source.flags())?.config;
    if args.source.paths.is_empty() && config.catalogs.dirs.is_empty() {
        return Err(Failure::Usage("nothing to index: name a PATH or a --catalog".to_owned()));
    }
    let runtime = super::runtime()?;
    runtime.block_on(async {
        let sources = Sources { paths: args.source.paths, ..Sources::default() };
        let purpose = if args.recall { Purpose::Recall } else { Purpose::Look };
        let parts = app::assemble(registry, &config, &sources, purpose).await?;
        if let Some(recalls) = &parts.recalls {
            recalls.staging.start().await;
        }
        parts.catalog.scan().await;
        for problem in parts.catalog.problems() {
            eprintln!("{problem}");
        }
        let began = Instant::now();
        let mut outcome = index_all(&parts, n_workers(&config)).await;
        let cold = parts.catalog.not_indexed();
        match &parts.recalls {
            Some(recalls) => recall_and_index(&parts, recalls, cold, &mut outcome).await,
            None if cold.is_empty() => {}
            None => eprintln!(
                "{} are cold: `thermocline index --recall` recalls, indexes and releases them",
                cold.len()
            ),
        }
        let took_ms = began.elapsed().as_secs_f64() * 1e3;
        parts.catalog.shut_down().await;
        if let Some(recalls) = &parts.recalls {
            recalls.shut_down().await;
        }
        let (n_indexed, n_refused, n_failed) =
            (outcome.n_indexed, outcome.refused.len(), outcome.failed.len());
        for (id, reason) in outcome.refused.iter().chain(&outcome.failed) {
            println!("{id}: {reason}");
        }
        let place = config.state.index_dir().display();
        let verified = match config.index.verify {
            VerifyConfig::Off => "not verified",
            VerifyConfig::Sample => "samples verified",
            VerifyConfig::Full => "all verified",
        };
        println!(
            "{n_indexed} indexed, {n_refused} refused, {n_failed} failed in {took_ms:.1} ms ({verified}); \
             the index is in {place}"
        );
        Ok(if n_failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

fn n_workers(config: &Config) -> usize {
    match usize::try_from(config.index.workers) {
        Ok(n) if n > 0 => n,
        _ => std::thread::available_parallelism().map_or(2, usize::from),
    }
}

/// Indexes every dataset of a catalog that was scanned. Ids and reasons of what could not be.
pub(super) async fn index_all_of(parts: &Parts, config: &Config) -> Vec<(String, String)> {
    let outcome = index_all(parts, n_workers(config)).await;
    outcome.refused.into_iter().chain(outcome.failed).collect()
}

/// What came of indexing everything.
#[derive(Default)]
struct Outcome {
    n_indexed: usize,
    /// Ids and reasons of what cannot be a dataset.
    refused: Vec<(String, String)>,
    /// Ids and reasons of what could not be read this time.
    failed: Vec<(String, String)>,
}

async fn index_all(parts: &Parts, n_workers: usize) -> Outcome {
    let ids = parts.catalog.ids();
    let bar = progress_bar(ids.len());
    let mut outcome = Outcome::default();
    let answers = stream::iter(ids)
        .map(|id| async move {
            let answer = index_one(parts, id.as_str()).await;
            (id.to_string(), answer)
        })
        .buffer_unordered(n_workers);
    outcome.gather(answers, &bar).await;
    outcome
}

/// The same for datasets that could not be indexed because objects of theirs are cold.
async fn recall_and_index(
    parts: &Parts,
    recalls: &Recalls,
    cold: Vec<(DatasetId, Arc<[Arc<str>]>)>,
    outcome: &mut Outcome,
) {
    let names: HashSet<&str> = cold.iter().map(|(id, _)| id.as_str()).collect();
    outcome.refused.retain(|(id, _)| !names.contains(id.as_str()));
    let bar = progress_bar(cold.len());
    bar.set_message("recalling");
    bar.enable_steady_tick(Duration::from_secs(1));
    let answers = stream::iter(&cold)
        .map(|(id, objects)| async move {
            let mut lent = recall::Lent::new(recalls);
            let answer = recall_one(parts, id.as_str(), objects, &mut lent).await;
            lent.give_back().await;
            (id.to_string(), answer)
        })
        .buffer_unordered(WAITING_AT_ONCE);
    outcome.gather(answers, &bar).await;
}

/// Recalls and indexes until nothing more is found to be cold: what a file refers to shows once it is read.
async fn recall_one(parts: &Parts, id: &str, objects: &[Arc<str>], lent: &mut recall::Lent<'_>) -> Answer {
    let mut objects: Arc<[Arc<str>]> = objects.into();
    loop {
        lent.bring(&objects).await.map_err(|error| (error.kind(), error.to_string()))?;
        let answer = index_one(parts, id).await;
        let cold = parts.catalog.not_indexed().into_iter().find(|(other, _)| other.as_str() == id);
        match (answer, cold) {
            (Err(_), Some((_, more))) if more.iter().any(|object| !lent.has(object)) => objects = more,
            (answer, _) => return answer,
        }
    }
}

fn progress_bar(n: usize) -> ProgressBar {
    let bar = ProgressBar::new(n as u64);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {elapsed_precise} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

impl Outcome {
    /// Adds answers as they come, and shows how many have come.
    async fn gather(&mut self, answers: impl Stream<Item = (String, Answer)>, bar: &ProgressBar) {
        let mut answers = std::pin::pin!(answers);
        while let Some((id, answer)) = answers.next().await {
            bar.inc(1);
            bar.set_message(id.clone());
            self.add(id, answer);
        }
        bar.finish_and_clear();
        self.sort();
    }

    fn add(&mut self, id: String, answer: Answer) {
        match answer {
            Ok(()) => self.n_indexed += 1,
            Err((ErrorKind::Refused, reason)) => self.refused.push((id, reason)),
            Err((_, reason)) => self.failed.push((id, reason)),
        }
    }

    fn sort(&mut self) {
        self.refused.sort();
        self.failed.sort();
    }
}

/// Nothing if a dataset was indexed, or what kept it from it.
type Answer = Result<(), (ErrorKind, String)>;

async fn index_one(parts: &Parts, id: &str) -> Answer {
    let mut attempt = 1;
    loop {
        match parts.catalog.refresh(id).await {
            Ok(_) => return Ok(()),
            Err(error) if attempt < ATTEMPTS && is_passing(error.kind()) => {
                attempt += 1;
                tokio::time::sleep(PATIENCE).await;
            }
            Err(error) => return Err((error.kind(), error.to_string())),
        }
    }
}

fn is_passing(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Changed { .. } | ErrorKind::Unavailable { .. })
}
