//! `thermocline catalog`: checks catalog files.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::{Failure, Given};
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
}

pub(crate) fn run(registry: &Registry, given: &Given, command: CatalogCommand) -> Result<ExitCode, Failure> {
    let CatalogCommand::Check { catalogs } = command;
    let _ = (registry, given, catalogs);
    Err(Failure::Usage("catalog files are not supported by this version".to_owned()))
}
