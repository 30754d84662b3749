//! `thermocline config`: shows, checks and explains the configuration.

use std::io::Write;
use std::process::ExitCode;

use clap::Subcommand;

use super::{Failure, Given};
use crate::config::{Annotation, UNNAMED_PROXY, example, json_schema, show};
use crate::plugins::Registry;

/// What to do with the configuration.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Prints the effective configuration, secrets masked
    Show {
        /// Says where each value comes from
        #[arg(long)]
        origin: bool,
    },
    /// Reports every mistake
    Check,
    /// Prints the JSON Schema of the configuration file
    Schema,
    /// Prints a configuration file that explains every key
    Example,
}

pub(crate) fn run(registry: &Registry, given: &Given, command: &ConfigCommand) -> Result<ExitCode, Failure> {
    let text = match command {
        ConfigCommand::Show { origin } => {
            let annotation = if *origin { Annotation::Origin } else { Annotation::Nothing };
            show(&given.load(registry, Vec::new())?, annotation)
        }
        ConfigCommand::Check => {
            let loaded = given.load(registry, Vec::new())?;
            if loaded.config.has_unnamed_proxy() {
                eprintln!("note: {UNNAMED_PROXY}");
            }
            match loaded.file {
                Some(file) => format!("{}: no mistakes\n", file.display()),
                None => "no mistakes, and no file: these are the defaults\n".to_owned(),
            }
        }
        ConfigCommand::Schema => format!("{:#}\n", json_schema()),
        ConfigCommand::Example => example(&registry.store_keys()),
    };
    // A reader that went away (`| head`) has seen enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}
