//! `thermocline plot`: a plot of a variable, as the server draws it, without a server.
//!
//! The file is indexed as by `inspect`, and what is cold stays cold. The same crate draws here and there: with the same
//! options the bytes of the picture are the same.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use thermocline_plot::{Failure as PlotFailure, Format, PlotSettings, Plotter, Request};
use thermocline_render::Cancel;

use super::one_file::{OneFile, STDOUT, with_file, write};
use super::{Failure, Given};
use crate::plugins::Registry;

use options::PlotOptions;

mod options;

/// What is drawn, and where the picture goes.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PlotArgs {
    /// File, Zarr store, or address (`s3://…`, `https://…`)
    #[arg(value_name = "FILE")]
    file: String,
    /// The variable; its path where it lies in a group
    #[arg(value_name = "VARIABLE")]
    variable: String,
    /// Where the picture goes; its ending says in which form. `-` is the standard output
    #[arg(short, long, value_name = "OUT.png|webp|svg|gif|json")]
    output: String,
    /// The form, whatever the ending [default: that of the ending, png on the standard output]
    #[arg(long, value_name = "png|webp|svg|gif|json")]
    format: Option<String>,
    #[command(flatten)]
    options: PlotOptions,
}

const EXAMPLES: &str = "\
Examples:
  thermocline plot tas.nc tas -o tas.png
  thermocline plot tas.nc tas -o arctic.png --proj northpolar --bound 60 --sel time=2000-01
  thermocline plot https://host/sst.nc sst -o - --bbox -30,30,40,70 --cmap thermal > sst.png

The default of each option is that of the server. Numbers may begin with a minus.";

pub(crate) fn run(registry: &Registry, given: &Given, args: &PlotArgs) -> Result<ExitCode, Failure> {
    let request = Request::parse(&args.variable, form(args)?, None, args.options.pairs()).map_err(told)?;
    let body = with_file(registry, given, &args.file, async |file| draw(file, request).await)?;
    write(&args.output, &body)?;
    Ok(ExitCode::SUCCESS)
}

/// The form that is asked for, or that of the output's ending.
fn form(args: &PlotArgs) -> Result<Format, Failure> {
    let ending = Path::new(&args.output).extension().and_then(|ending| ending.to_str());
    let (what, name) = match (&args.format, ending) {
        (Some(name), _) => ("--format", name.as_str()),
        (None, _) if args.output == STDOUT => return Ok(Format::Png),
        (None, Some(ending)) => ("--output", ending),
        (None, None) => ("--output", ""),
    };
    // A page has links to its server.
    let known = Format::of_extension(&name.to_ascii_lowercase()).filter(|format| *format != Format::Html);
    known.ok_or_else(|| {
        let forms = Format::ALL.iter().filter(|(_, format)| *format != Format::Html);
        let allowed = forms.map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        Failure::Usage(format!("{what}: {name:?} is no form of a plot (allowed: {allowed})"))
    })
}

async fn draw(file: &OneFile, request: Request) -> Result<bytes::Bytes, Failure> {
    let plotter = Plotter::new(Arc::clone(&file.parts.reader), PlotSettings::default());
    let plan = plotter.plan(&file.manifest, request).await.map_err(told)?;
    Ok(plotter.draw(&plan, &Cancel::new()).await.map_err(told)?.body)
}

/// What a failed plot says on a terminal.
fn told(failure: PlotFailure) -> Failure {
    match failure {
        PlotFailure::Mistake { detail, allowed } if allowed.is_empty() => Failure::Usage(detail),
        PlotFailure::Mistake { detail, allowed } => {
            Failure::Usage(format!("{detail} (allowed: {})", allowed.join(", ")))
        }
        PlotFailure::Undrawable(detail) => Failure::Failed(detail),
        PlotFailure::Core(error) => error.into(),
        PlotFailure::Cancelled => Failure::Failed("interrupted".to_owned()),
    }
}
