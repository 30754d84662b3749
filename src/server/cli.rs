//! The command line: what can be asked, and where each command begins.

mod catalog;
mod client;
mod config;
mod demo;
mod failure;
mod groupby;
mod harvest;
mod index;
mod inspect;
mod named;
mod one_file;
mod operate;
mod plot;
mod serve;
mod stage;
mod token;
mod webhooks;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use thermocline_core::reference::run_worker;
use toml::Value;

use crate::config::{Flag, Known, Loaded, LogFormat, Surroundings, VerifyConfig, load};
use crate::plugins::Registry;

pub(crate) use failure::Failure;

/// Serves HDF5, NetCDF and Zarr archives over HTTP as Zarr and kerchunk, without converting them.
#[derive(Debug, Parser)]
#[command(name = "thermocline", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    general: GeneralArgs,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "General options")]
struct GeneralArgs {
    /// Configuration file [default: $THERMOCLINE_CONFIG, ./thermocline.toml, the XDG folder, /etc/thermocline]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Sets any key of the configuration, e.g. `--set state.memory="2 GiB"`
    #[arg(long, global = true, value_name = "SECTION.KEY=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,
    /// Folder for the index and all other state [default: $XDG_STATE_HOME/thermocline]
    #[arg(long, global = true, value_name = "DIR")]
    state: Option<PathBuf>,
    /// What is logged: error, warn, info, debug, trace, or filters such as "info,thermocline_core=debug"
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<String>,
    /// Form of the log
    #[arg(long, global = true, value_name = "text|json", value_parser = log_format)]
    log: Option<LogFormat>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves files, folders, object stores and catalogs
    Serve(serve::ServeArgs),
    /// Serves a small data set that comes with the program
    Demo(demo::DemoArgs),
    /// Shows what a file holds and how each variable is served, without serving it
    Inspect(inspect::InspectArgs),
    /// Draws a variable of a file: a map, a section, a series
    Plot(plot::PlotArgs),
    /// Computes a diagnostic of a variable of a file: means of months, quantiles of seasons, yearly maxima
    Groupby(groupby::GroupbyArgs),
    /// Builds or refreshes the index of files, folders and object stores
    Index(index::IndexArgs),
    /// Finds datasets by listing trees and buckets, and indexes each of them
    Harvest(harvest::HarvestArgs),
    /// Brings cold data online: a selection of a dataset, or a list of files, of a running server
    Stage(stage::StageArgs),
    /// Makes objects of a running server cold again
    Evict(operate::EvictArgs),
    /// Lists the recalls of a running server
    Recalls(operate::ListArgs),
    /// Lists the objects that requests keep online
    Pins(operate::ListArgs),
    /// Shows, pauses and drains the cold stores of a running server
    #[command(subcommand)]
    Cold(operate::ColdCommand),
    /// Lists who could not be told of the end of requests, and tries again
    #[command(subcommand)]
    Webhooks(webhooks::WebhookCommand),
    /// Makes, lists and revokes tokens by which clients are known
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Shows, checks and explains the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Checks catalog files
    #[command(subcommand)]
    Catalog(catalog::CatalogCommand),
    /// Answers questions about files through libhdf5 and libnetcdf; started by the server itself
    #[command(hide = true)]
    ReferenceWorker,
    /// Prints a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// What names data: paths, catalogs, roots.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SourceArgs {
    /// Files, folders, or addresses (`s3://…`, `https://…`)
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<String>,
    /// Catalog file, or folder of catalog files
    #[arg(long, value_name = "FILE|DIR")]
    pub(crate) catalog: Vec<PathBuf>,
    /// Folder or address below which catalogs may read
    #[arg(long, value_name = "[NAME=]DIR")]
    pub(crate) root: Vec<String>,
    /// How much is compared with libhdf5 and libnetcdf after indexing
    #[arg(long, value_name = "full|sample|off")]
    pub(crate) verify: Option<VerifyConfig>,
}

/// Runs the command that the process was started with.
pub(crate) fn run(registry: &Registry, arguments: Vec<OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too; a closed pipe is nobody's mistake.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match dispatch(registry, cli) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("thermocline: {failure}");
            failure.exit_code()
        }
    }
}

fn dispatch(registry: &Registry, cli: Cli) -> Result<ExitCode, Failure> {
    let general = Given { args: cli.general, surroundings: Surroundings::of_process() };
    match cli.command {
        Command::Serve(args) => serve::run(registry, &general, args),
        Command::Demo(args) => demo::run(registry, &general, args),
        Command::Inspect(args) => inspect::run(registry, &general, &args),
        Command::Plot(args) => plot::run(registry, &general, &args),
        Command::Groupby(args) => groupby::run(registry, &general, &args),
        Command::Index(args) => index::run(registry, &general, args),
        Command::Harvest(args) => harvest::run(registry, &general, args),
        Command::Stage(args) => stage::run(&args),
        Command::Evict(args) => operate::evict(&args),
        Command::Recalls(args) => operate::recalls(&args),
        Command::Pins(args) => operate::pins(&args),
        Command::Cold(command) => operate::cold(&command),
        Command::Webhooks(command) => webhooks::run(&command),
        Command::Token(command) => token::run(registry, &general, &command),
        Command::Config(command) => config::run(registry, &general, &command),
        Command::Catalog(command) => catalog::run(registry, &general, command),
        Command::ReferenceWorker => reference_worker(registry),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "thermocline", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn reference_worker(registry: &Registry) -> Result<ExitCode, Failure> {
    let runtime = runtime()?;
    let (input, output) = (std::io::stdin().lock(), std::io::stdout().lock());
    run_worker(registry.formats(), runtime.handle(), input, output)
        .map_err(|cause| Failure::because("the server went away", cause))?;
    Ok(ExitCode::SUCCESS)
}

/// The runtime of a command.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|cause| Failure::because("cannot start threads", cause))
}

/// The general options, and what surrounds the process.
#[derive(Clone)]
pub(crate) struct Given {
    args: GeneralArgs,
    pub(crate) surroundings: Surroundings,
}

impl Given {
    /// The configuration with this command's own flags over it.
    pub(crate) fn load(&self, registry: &Registry, own: Vec<Flag>) -> Result<Loaded, Failure> {
        let args = &self.args;
        let mut flags = own;
        for (key, value) in &args.set {
            flags.push(Flag {
                flag: format!("--set {key}={value}"),
                key: key.split('.').map(str::to_owned).collect(),
                value: crate::config::parse_value(value),
                appends: false,
            });
        }
        if let Some(state) = &args.state {
            flags.push(flag("--state", &["state", "dir"], &state.to_string_lossy()));
        }
        if let Some(level) = &args.log_level {
            flags.push(flag("--log-level", &["server", "log_level"], level));
        }
        if let Some(format) = args.log {
            let text = if format == LogFormat::Json { "json" } else { "text" };
            flags.push(flag("--log", &["server", "log"], text));
        }
        let check_store = |kind: &str, keys: &toml::Table| registry.check_store(kind, keys);
        let known = Known {
            private_plugins: &registry.private_ids(),
            check_store: Some(&check_store),
            store_paths: Some(&|kind: &str| registry.store_paths(kind)),
        };
        Ok(load(&self.surroundings, args.config.as_deref(), &flags, &known)?)
    }
}

impl SourceArgs {
    /// The flags as keys of the configuration.
    pub(crate) fn flags(&self) -> Vec<Flag> {
        let catalogs = self.catalog.iter().map(|path| Flag {
            appends: true,
            ..flag("--catalog", &["catalogs", "dirs"], &path.to_string_lossy())
        });
        let roots = self.root.iter().enumerate().map(|(n, root)| {
            let (name, place) = match root.split_once('=') {
                Some((name, place)) if !name.contains(['/', ':']) => (name.to_owned(), place),
                _ => (format!("root-{}", n + 1), root.as_str()),
            };
            let key = if place.contains("://") { "url" } else { "path" };
            flag("--root", &["roots", &name, key], place)
        });
        let verify = self.verify.map(|verify| {
            let text = match verify {
                VerifyConfig::Full => "full",
                VerifyConfig::Sample => "sample",
                VerifyConfig::Off => "off",
            };
            flag("--verify", &["index", "verify"], text)
        });
        catalogs.chain(roots).chain(verify).collect()
    }
}

/// A flag that sets a key to a text.
pub(crate) fn flag(name: &str, key: &[&str], value: &str) -> Flag {
    Flag {
        flag: format!("{name} {value}"),
        key: key.iter().map(|level| (*level).to_owned()).collect(),
        value: Value::String(value.to_owned()),
        appends: false,
    }
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected SECTION.KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.trim().trim_matches('"').to_owned()))
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("expected \"text\" or \"json\"".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_option_of_a_command_has_the_name_of_a_general_one() {
        let cli = Cli::command();
        let general: Vec<_> = cli.get_arguments().map(|argument| argument.get_id().clone()).collect();
        assert!(general.iter().any(|id| id == "state"));
        let mut left: Vec<_> = cli.get_subcommands().collect();
        while let Some(command) = left.pop() {
            let taken = command.get_arguments().find(|argument| general.contains(argument.get_id()));
            assert!(taken.is_none(), "{}: {:?}", command.get_name(), taken.map(|argument| argument.get_id()));
            left.extend(command.get_subcommands());
        }
    }

    #[test]
    fn flags_are_keys_of_the_configuration() {
        let arguments = [
            "thermocline",
            "serve",
            "a",
            "--root",
            "cmip=/x",
            "--root",
            "s3://b/p",
            "--catalog",
            "c",
            "--verify",
            "off",
        ];
        let Command::Serve(args) = Cli::try_parse_from(arguments).unwrap().command else {
            panic!("not serve")
        };
        let keys: Vec<String> = args
            .source
            .flags()
            .iter()
            .map(|flag| format!("{}={}", flag.key.join("."), flag.value.as_str().unwrap()))
            .collect();
        let expected =
            ["catalogs.dirs=c", "roots.cmip.path=/x", "roots.root-2.url=s3://b/p", "index.verify=off"];
        assert_eq!(keys, expected);
    }

    #[test]
    fn every_key_can_be_set_from_the_command_line() {
        let arguments = ["thermocline", "config", "show", "--set", "state.memory=2 GiB"];
        let cli = Cli::try_parse_from(arguments).unwrap();
        assert_eq!(cli.general.set, [("state.memory".to_owned(), "2 GiB".to_owned())]);
    }
}
