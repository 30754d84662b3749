//! `thermocline inspect`: what a file holds, and how each variable would be served.
//!
//! Nothing is recalled: a cold file is shown as it was indexed when it was online.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use thermocline_core::manifest::Manifest;
use thermocline_model::DatasetId;

use super::{Failure, Given, SourceArgs};
use crate::app::{self, Parts, Purpose, Sources};
use crate::config::Config;
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
    config.catalogs.dirs.clear();
    // The index of this one look is thrown away: inspecting changes nothing.
    let scratch = tempfile::tempdir().map_err(|cause| Failure::because("no temporary folder", cause))?;
    let mut anew = config.clone();
    anew.state.dir = Some(scratch.path().to_owned());
    anew.state.index_dir = Some(scratch.path().join("index"));
    let sources = Sources { paths: vec![args.file.clone()], ..Sources::default() };
    super::runtime()?.block_on(async {
        let anew = look(registry, &anew, &sources).await?;
        // What is cold cannot be indexed: of that the server's own index tells.
        let kept = match !config.cold.is_empty() && config.state.index_dir().is_dir() {
            true => Some(look(registry, &config, &sources).await?),
            false => None,
        };
        let inspected = Inspected { anew, kept };
        let code = inspected.print(&args.file).await;
        inspected.shut_down().await;
        code
    })
}

async fn look(registry: &Registry, config: &Config, sources: &Sources) -> Result<Parts, Failure> {
    let parts = app::assemble(registry, config, sources, Purpose::Look).await?;
    parts.catalog.scan().await;
    Ok(parts)
}

/// What lies in a file or folder.
struct Inspected {
    /// As it is indexed now.
    anew: Parts,
    /// As it was indexed before, for what is cold.
    kept: Option<Parts>,
}

impl Inspected {
    async fn print(&self, file: &str) -> Result<ExitCode, Failure> {
        let catalog = &self.kept.as_ref().unwrap_or(&self.anew).catalog;
        let ids = catalog.ids();
        if ids.is_empty() {
            let problems = catalog.problems().join("; ");
            return Err(Failure::Failed(format!("{file} holds no dataset {problems}")));
        }
        let mut code = ExitCode::SUCCESS;
        for id in ids {
            match self.open(&id).await {
                Ok((manifest, parts)) => print(&repr::repr(&manifest, &parts.reader).await),
                Err(error) => {
                    print(&format!("{id}: {error}\n"));
                    code = ExitCode::FAILURE;
                }
            }
        }
        Ok(code)
    }

    async fn open(&self, id: &DatasetId) -> thermocline_core::Result<(Arc<Manifest>, &Parts)> {
        let anew = match self.anew.catalog.open(id.as_str()).await {
            Ok(manifest) => return Ok((manifest, &self.anew)),
            Err(error) => error,
        };
        match &self.kept {
            Some(kept) if self.is_cold(id) => Ok((kept.catalog.open(id.as_str()).await?, kept)),
            _ => Err(anew),
        }
    }

    /// True for what could not be indexed because its bytes are cold, or could not even be recognised.
    fn is_cold(&self, id: &DatasetId) -> bool {
        let catalog = &self.anew.catalog;
        !catalog.ids().contains(id) || catalog.not_indexed().iter().any(|(cold, _)| cold == id)
    }

    async fn shut_down(&self) {
        for parts in std::iter::once(&self.anew).chain(&self.kept) {
            parts.catalog.shut_down().await;
        }
    }
}

fn print(text: &str) {
    // A reader that went away (`| head`) has seen enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
}
