//! The options of a diagnostic on the command line.

use clap::{ArgMatches, Args, Command, FromArgMatches};
use thermocline_groupby::Options;

use crate::cli::named;

/// The options that were given: as pairs of a query.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct GroupbyOptions(Vec<(String, String)>);

impl GroupbyOptions {
    /// The pairs of the query that says the same.
    pub(super) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }
}

/// Options by their names in addresses; selections are added for all commands alike.
fn own() -> impl Iterator<Item = &'static thermocline_groupby::OptionSpec> {
    Options::all().iter()
}

impl Args for GroupbyOptions {
    fn augment_args(command: Command) -> Command {
        let help = |option: &thermocline_groupby::OptionSpec| {
            format!("{} ({}) [default: {}]", option.about, option.values, option.default)
        };
        named::arguments(
            command,
            "Options of the diagnostic",
            own().map(|option| (option.name, help(option))),
        )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for GroupbyOptions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut options = Self::default();
        options.update_from_arg_matches(matches)?;
        Ok(options)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.extend(named::pairs(matches, own().map(|option| option.name)));
        Ok(())
    }
}
