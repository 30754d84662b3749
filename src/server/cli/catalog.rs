//! `thermocline catalog`: checks catalog files, writes catalogs as files.

mod export;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use thermocline_catalog_files::Configured;
use thermocline_core::access::{DEFAULT_RULE, PUBLIC_RULE};

use super::{Failure, Given};
use crate::config::Config;
use crate::plugins::Registry;

/// What to do with catalogs.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum CatalogCommand {
    /// Reports every mistake of catalog files, with file, key and line
    Check {
        /// Catalog files, or folders of them [default: those of the configuration]
        #[arg(value_name = "FILE|DIR")]
        catalogs: Vec<PathBuf>,
    },
    /// Writes all catalogs as files, for a static web server: the same bytes as `serve` sends under that address
    Export(export::ExportArgs),
}

pub(crate) fn run(registry: &Registry, given: &Given, command: CatalogCommand) -> Result<ExitCode, Failure> {
    match command {
        CatalogCommand::Check { catalogs } => check(registry, given, catalogs),
        CatalogCommand::Export(args) => export::run(registry, given, args),
    }
}

fn check(registry: &Registry, given: &Given, catalogs: Vec<PathBuf>) -> Result<ExitCode, Failure> {
    let loaded = given.load(registry, Vec::new())?;
    let config = &loaded.config;
    let paths = if catalogs.is_empty() { config.catalogs.dirs.clone() } else { catalogs };
    if paths.is_empty() {
        return Err(Failure::Usage("nothing to check: name a catalog file, or a folder of them".to_owned()));
    }
    // Without a configuration nobody knows which roots and rules there will be.
    let configured = loaded.file.is_some().then(|| Configured {
        roots: config.roots.keys().cloned().collect(),
        access_rules: access_rules(config),
    });
    let mistakes = thermocline_catalog_files::check(&paths, configured.as_ref());
    for mistake in &mistakes {
        println!("{mistake}");
    }
    match mistakes.len() {
        0 => println!("no mistakes"),
        n => println!("{n} mistake{}", if n == 1 { "" } else { "s" }),
    }
    Ok(if mistakes.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Names of the access rules, those included that are always there.
fn access_rules(config: &Config) -> Vec<String> {
    let always = [DEFAULT_RULE, PUBLIC_RULE].map(str::to_owned);
    let names: BTreeSet<String> = config.access.keys().cloned().chain(always).collect();
    names.into_iter().collect()
}
