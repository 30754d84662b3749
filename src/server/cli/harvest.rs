//! `thermocline harvest`: finds datasets by listing, and indexes each of them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use thermocline_core::catalog::HarvestSpec;
use thermocline_core::harvest::{HarvestCounts, HarvestStep, Harvests};

use super::{Failure, Given, SourceArgs};
use crate::app::{self, Parts, Purpose, Sources};
use crate::plugins::Registry;

/// What to harvest.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "PATH is the id of a harvest of the catalogs, a folder, or the address of a prefix; none is \
                        every harvest of the catalogs. What was found is kept in the folder of state: the command \
                        goes on where it was ended, however that was, and never indexes again what did not change."
)]
pub(crate) struct HarvestArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Ends when everything was listed and indexed once, instead of looking again every now and then
    #[arg(long)]
    once: bool,
    /// Writes a line of JSON for each object that is not indexed
    #[arg(long, value_name = "FILE")]
    failures: Option<PathBuf>,
}

/// How often a harvest is done again that does not say.
const EVERY: Duration = Duration::from_secs(3600);

/// Longest wait before a harvest that could not be listed is tried again.
const AFTER_FAILURE: Duration = Duration::from_secs(60);

/// Most failures that are printed; all of them are in the report.
const PRINTED: usize = 100;

pub(crate) fn run(registry: &Registry, given: &Given, args: HarvestArgs) -> Result<ExitCode, Failure> {
    let config = given.load(registry, args.source.flags())?.config;
    let (ids, places): (Vec<String>, Vec<String>) =
        args.source.paths.iter().cloned().partition(|name| !is_place(name));
    if args.source.paths.is_empty() && config.catalogs.dirs.is_empty() {
        return Err(Failure::Usage("nothing to harvest: name a PATH or a --catalog".to_owned()));
    }
    let runtime = super::runtime()?;
    runtime.block_on(async {
        let sources = Sources { harvested: Some(places), ..Sources::default() };
        let parts = app::assemble(registry, &config, &sources, Purpose::Look).await?;
        let harvests =
            parts.harvests.clone().ok_or_else(|| Failure::Usage("nothing to harvest".to_owned()))?;
        parts.catalog.scan().await;
        for problem in parts.catalog.problems() {
            eprintln!("{problem}");
        }
        let chosen = chosen(&harvests, &ids, args.source.paths.is_empty())?;
        let mut is_complete = true;
        let mut turns: Vec<(Instant, &Arc<HarvestSpec>)> =
            chosen.iter().map(|harvest| (Instant::now(), harvest)).collect();
        loop {
            for (due, harvest) in turns.iter_mut().filter(|(due, _)| *due <= Instant::now()) {
                let outcome = harvest_one(&parts, &harvests, harvest).await;
                *due = Instant::now() + pause(harvest, outcome.is_ok());
                // What cannot be listed now keeps no other harvest waiting.
                is_complete &= outcome.unwrap_or_else(|failure| {
                    eprintln!("harvest \"{}\": {failure}", harvest.id);
                    false
                });
            }
            if let Some(path) = &args.failures {
                write_report(&harvests, &chosen, path).await?;
            }
            if args.once {
                break;
            }
            let next = turns.iter().map(|(due, _)| *due).min().unwrap_or_else(Instant::now);
            tokio::time::sleep_until(next.into()).await;
        }
        parts.catalog.shut_down().await;
        Ok(if is_complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

/// Until a harvest is done again; one that could not be listed is tried soon.
fn pause(harvest: &HarvestSpec, is_listed: bool) -> Duration {
    let every = harvest.every.unwrap_or(EVERY);
    if is_listed { every } else { every.min(AFTER_FAILURE) }
}

/// True for what names a folder or a prefix, and not a harvest of a catalog.
fn is_place(name: &str) -> bool {
    name.contains("://") || name.contains('/') || Path::new(name).is_dir()
}

/// The harvests that are meant: those of the command line, and those of the catalogs that are named, or all of them.
fn chosen(harvests: &Harvests, ids: &[String], is_all: bool) -> Result<Vec<Arc<HarvestSpec>>, Failure> {
    let declared = harvests.specs();
    let is_given = |harvest: &HarvestSpec| harvest.id.contains('/');
    let known: Vec<&str> =
        declared.iter().filter(|harvest| !is_given(harvest)).map(|harvest| harvest.id.as_str()).collect();
    if let Some(unknown) = ids.iter().find(|id| !known.contains(&id.as_str())) {
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(Failure::Usage(format!(
            "{unknown:?} is neither a folder nor a harvest of the catalogs; there are: {known}"
        )));
    }
    let is_meant = |harvest: &Arc<HarvestSpec>| is_all || is_given(harvest) || ids.contains(&harvest.id);
    let chosen: Vec<_> = declared.into_iter().filter(is_meant).collect();
    if chosen.is_empty() {
        return Err(Failure::Usage("no harvest is declared in the catalogs".to_owned()));
    }
    Ok(chosen)
}

/// One round of one harvest; true if every object is indexed.
async fn harvest_one(
    parts: &Parts,
    harvests: &Harvests,
    harvest: &Arc<HarvestSpec>,
) -> Result<bool, Failure> {
    let began = Instant::now();
    let before = harvests.counts(&harvest.id).await?;
    let bar = progress_bar(&harvest.id);
    let watch = |step| show(&bar, step);
    let counts = harvests.round(harvest, &parts.catalog, &watch).await;
    bar.finish_and_clear();
    let counts = counts?;
    let n_printed = print_failures(harvests, &harvest.id).await?;
    let n_missing = counts.n_refused.saturating_add(counts.n_failed);
    if n_missing > n_printed as u64 {
        println!("… and {} more: --failures FILE writes all of them", n_missing - n_printed as u64);
    }
    println!("{}", summary(&harvest.id, (before, counts), began.elapsed()));
    Ok(n_missing == 0 && counts.n_waiting == 0)
}

fn summary(id: &str, (before, now): (HarvestCounts, HarvestCounts), took: Duration) -> String {
    let HarvestCounts { n_indexed, n_refused, n_failed, n_missing, .. } = now;
    let n_new = now.n_indexed.saturating_sub(before.n_indexed);
    let seconds = took.as_secs_f64();
    let rate = n_new as f64 / seconds.max(1e-3);
    format!(
        "{id}: {n_indexed} indexed, {n_refused} refused, {n_failed} failed, {n_missing} missing; \
         {n_new} more than before in {seconds:.1} s ({rate:.0} a second)"
    )
}

async fn print_failures(harvests: &Harvests, id: &str) -> Result<usize, Failure> {
    let failures = harvests.failures(id, "", PRINTED).await?;
    for failure in &failures {
        println!("{}: {}", failure.href, failure.reason);
    }
    Ok(failures.len())
}

/// Failures of all harvests in one file.
async fn write_report(harvests: &Harvests, chosen: &[Arc<HarvestSpec>], path: &Path) -> Result<(), Failure> {
    let ids: Vec<&str> = chosen.iter().map(|harvest| harvest.id.as_str()).collect();
    harvests.write_report(&ids, path).await?;
    Ok(())
}

fn progress_bar(id: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{spinner} {msg} {pos} {elapsed_precise}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.set_message(format!("{id}: listing"));
    bar
}

fn show(bar: &ProgressBar, step: HarvestStep) {
    match step {
        HarvestStep::Listing(n_looked_at) => bar.set_position(n_looked_at),
        HarvestStep::Indexing(counts) => {
            if bar.length().is_none() {
                let style =
                    ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} {elapsed_precise} {msg}");
                bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
                bar.reset();
            }
            bar.set_length(counts.n_present());
            bar.set_position(counts.n_settled());
            let n_missing = counts.n_refused.saturating_add(counts.n_failed);
            bar.set_message(if n_missing == 0 { String::new() } else { format!("{n_missing} not indexed") });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_harvest_comes_again_at_its_own_time() {
        let dir = tempfile::tempdir().unwrap();
        let harvest = |every| HarvestSpec { every, ..app::of_place(dir.path().to_str().unwrap()).unwrap() };
        let day = Duration::from_secs(86_400);
        assert_eq!(pause(&harvest(None), true), EVERY);
        assert_eq!(pause(&harvest(Some(day)), true), day);
        assert_eq!(pause(&harvest(Some(day)), false), AFTER_FAILURE);
        assert_eq!(pause(&harvest(Some(Duration::from_secs(5))), false), Duration::from_secs(5));
    }
}
