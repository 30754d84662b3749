//! `thermocline inspect`: what a file holds, and how each variable would be served.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;

use super::{Failure, Given, SourceArgs};
use crate::app::{self, Purpose, Sources};
use crate::plugins::Registry;

mod repr;

/// What to look at.
#[derive(Debug, Clone, Args)]
pub(crate) struct InspectArgs {
    /// File, Zarr store, or address (`s3://…`, `https://…`)
    #[arg(value_name = "FILE")]
    file: String,
    /// How much is compared with libhdf5 and libnetcdf
    #[arg(long, value_name = "full|sample|off")]
    verify: Option<crate::config::VerifyConfig>,
}

pub(crate) fn run(registry: &Registry, given: &Given, args: &InspectArgs) -> Result<ExitCode, Failure> {
    let source = SourceArgs { verify: args.verify, ..SourceArgs::default() };
    let mut config = given.load(registry, source.flags())?.config;
    // The index of this one look is thrown away: inspecting changes nothing.
    let scratch = tempfile::tempdir().map_err(|cause| Failure::because("no temporary folder", cause))?;
    config.state.dir = Some(scratch.path().to_owned());
    config.state.index_dir = Some(scratch.path().join("index"));
    config.catalogs.dirs.clear();
    let sources = Sources { paths: vec![args.file.clone()], is_single: false };
    let runtime = super::runtime()?;
    runtime.block_on(async {
        let parts = app::assemble(registry, &config, &sources, Purpose::Look).await?;
        parts.catalog.scan().await;
        let ids = parts.catalog.ids();
        if ids.is_empty() {
            let problems = parts.catalog.problems().join("; ");
            return Err(Failure::Failed(format!("{} holds no dataset {problems}", args.file)));
        }
        let mut code = ExitCode::SUCCESS;
        for id in ids {
            match parts.catalog.open(id.as_str()).await {
                Ok(manifest) => print(&repr::repr(&manifest, &parts.reader).await),
                Err(error) => {
                    print(&format!("{id}: {error}\n"));
                    code = ExitCode::FAILURE;
                }
            }
        }
        parts.catalog.shut_down().await;
        Ok(code)
    })
}

fn print(text: &str) {
    // A reader that went away (`| head`) has seen enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
}
