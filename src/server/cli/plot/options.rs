//! The options of a plot on the command line: `--name value` for each `name=value` of an address.

use clap::{ArgMatches, Args, Command, FromArgMatches};
use thermocline_plot::Options;

use crate::cli::named;

/// The options that were given: as pairs of a query.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct PlotOptions(Vec<(String, String)>);

impl PlotOptions {
    /// The pairs of the query that says the same.
    pub(super) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }
}

impl Args for PlotOptions {
    fn augment_args(command: Command) -> Command {
        let help = |option: &thermocline_plot::OptionSpec| {
            format!("{} ({}) [default: {}]", option.about, option.values, option.default)
        };
        named::arguments(
            command,
            "Options of the plot",
            Options::all().iter().map(|option| (option.name, help(option))),
        )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for PlotOptions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut options = Self::default();
        options.update_from_arg_matches(matches)?;
        Ok(options)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.extend(named::pairs(matches, Options::all().iter().map(|option| option.name)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(arguments: &[&str]) -> Vec<(String, String)> {
        let command = PlotOptions::augment_args(Command::new("plot"));
        let matches = command.try_get_matches_from(std::iter::once(&"plot").chain(arguments)).unwrap();
        PlotOptions::from_arg_matches(&matches).unwrap().pairs().to_vec()
    }

    #[test]
    fn options_are_the_pairs_of_a_query() {
        let given =
            pairs(&["--extent", "-20,50,30,75", "--sel", "time=2000-01", "--sel", "lev=850", "--vmin=-1"]);
        let expected =
            [("sel", "time=2000-01"), ("sel", "lev=850"), ("vmin", "-1"), ("extent", "-20,50,30,75")];
        assert_eq!(given, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
