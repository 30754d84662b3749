//! `thermocline groupby`: a diagnostic of a variable, as the server computes it, without a server.
//!
//! The file is indexed as by `inspect`, and what is cold stays cold. The same crate computes here and there: with the same
//! options the bytes of the file are the same.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use thermocline_core::manifest::blocking;
use thermocline_core::write::ArrayWriter;
use thermocline_groupby::{
    Engine, EngineSettings, Failure as GroupbyFailure, Grouped, Plan, Progress, Request,
};
use thermocline_serve_groupby::estimate_document;

use super::one_file::{OneFile, STDOUT, made, with_file, write};
use super::{Failure, Given};
use crate::plugins::Registry;

use options::GroupbyOptions;

mod options;

/// What is computed, and where the result goes.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct GroupbyArgs {
    /// File, Zarr store, or address (`s3://…`, `https://…`)
    #[arg(value_name = "FILE")]
    file: String,
    /// The variable; its path where it lies in a group
    #[arg(value_name = "VARIABLE")]
    variable: String,
    /// By what its values are grouped: time.month, a coordinate, or several with commas
    #[arg(value_name = "GROUPER")]
    grouper: String,
    /// What is computed of each group: mean, max, quantile, …
    #[arg(value_name = "ACTION")]
    action: String,
    /// Where the NetCDF-4 file goes. `-` is the standard output
    #[arg(short, long, value_name = "OUT.nc", required_unless_present = "estimate")]
    output: Option<String>,
    /// Says what it would read and need, as JSON, and computes nothing; without an output
    #[arg(long, conflicts_with = "output")]
    estimate: bool,
    /// No progress bar
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    options: GroupbyOptions,
}

const EXAMPLES: &str = "\
Examples:
  thermocline groupby tas.nc tas time.month mean -o climatology.nc
  thermocline groupby tas.nc tas time max --freq YS -o yearly.nc
  thermocline groupby https://host/sst.nc sst time.season quantile --q 0.1,0.5,0.9 -o -

The default of each option is that of the server. Numbers may begin with a minus.";

/// How often the progress is shown.
const SHOW_EVERY: Duration = Duration::from_millis(100);

/// Largest result, in bytes: it is in memory before it is written.
const MAX_RESULT_BYTES: u64 = 8 << 30;

/// Most groups, whose labels are in memory too: more than hours since 1850.
const MAX_GROUPS: u64 = 1 << 24;

pub(crate) fn run(registry: &Registry, given: &Given, args: &GroupbyArgs) -> Result<ExitCode, Failure> {
    let (variable, grouper, action) = (&args.variable, &args.grouper, &args.action);
    let request = Request::parse(variable, grouper, action, args.options.pairs()).map_err(told)?;
    with_file(registry, given, &args.file, async |file| {
        let engine = Engine::new(settings(file));
        let plan = Arc::new(engine.plan(&file.manifest, request).await.map_err(told)?);
        if args.estimate {
            let estimate = engine.estimate(&file.parts.reader, &plan).await.map_err(told)?;
            return write(STDOUT, format!("{:#}\n", estimate_document(&estimate)).as_bytes());
        }
        let writer = writer(args)?;
        let grouped = computed(&engine, file, &plan, args).await?;
        written(writer, grouped, args.output.clone().unwrap_or_else(|| STDOUT.to_owned())).await
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Those of the server, but for the bounds that keep clients from each other.
fn settings(file: &OneFile) -> EngineSettings {
    EngineSettings {
        max_result_bytes: MAX_RESULT_BYTES,
        max_groups: MAX_GROUPS,
        max_read_bytes: u64::MAX,
        ..(&file.config.plugins.groupby).into()
    }
}

/// What writes the file that is asked for.
fn writer(args: &GroupbyArgs) -> Result<Arc<dyn ArrayWriter>, Failure> {
    let writer = thermocline_format_netcdf::writer();
    let writer = writer
        .ok_or_else(|| Failure::Failed("NetCDF-4 cannot be written: libnetcdf is not built in".into()))?;
    let output = args.output.as_deref().unwrap_or(STDOUT);
    let ending = Path::new(output).extension().and_then(|ending| ending.to_str());
    let is_known = ending.is_some_and(|ending| ending.eq_ignore_ascii_case(writer.extension()));
    if output == STDOUT || is_known {
        return Ok(writer);
    }
    Err(Failure::Usage(format!(
        "--output: {output:?} does not end as files do that can be written (allowed: .nc)"
    )))
}

/// Computes, and shows how far that is.
async fn computed(
    engine: &Engine,
    file: &OneFile,
    plan: &Arc<Plan>,
    args: &GroupbyArgs,
) -> Result<Grouped, Failure> {
    let progress = Arc::new(Progress::default());
    let bar = if args.quiet { ProgressBar::hidden() } else { progress_bar() };
    let work = engine.grouped(&file.parts.reader, plan, &progress);
    tokio::pin!(work);
    let outcome = loop {
        tokio::select! {
            outcome = &mut work => break outcome,
            () = tokio::time::sleep(SHOW_EVERY) => show(&bar, &progress),
        }
    };
    bar.finish_and_clear();
    outcome.map_err(told)
}

fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} chunks {elapsed_precise} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn show(bar: &ProgressBar, progress: &Progress) {
    bar.set_length(progress.total.load(Ordering::Relaxed));
    bar.set_position(progress.done.load(Ordering::Relaxed));
    bar.set_message(format!("{} MB read", progress.bytes_read.load(Ordering::Relaxed) / 1_000_000));
}

/// Writes the file. An output that exists is replaced when all of it is there.
async fn written(writer: Arc<dyn ArrayWriter>, grouped: Grouped, output: String) -> Result<(), Failure> {
    blocking(move || Ok(made(&output, |path| Ok(writer.write(&grouped, path)?)))).await?
}

/// What a failed diagnostic says on a terminal.
fn told(failure: GroupbyFailure) -> Failure {
    match failure {
        GroupbyFailure::Mistake { detail, allowed } if allowed.is_empty() => Failure::Usage(detail),
        GroupbyFailure::Mistake { detail, allowed } => {
            Failure::Usage(format!("{detail} (allowed: {})", allowed.join(", ")))
        }
        GroupbyFailure::Impossible(detail) | GroupbyFailure::TooLarge { detail, .. } => {
            Failure::Failed(detail)
        }
        GroupbyFailure::Core(error) => error.into(),
    }
}
