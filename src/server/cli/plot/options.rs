//! The options of a plot on the command line: `--name value` for each `name=value` of an address.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use thermocline_plot::Options;

/// What selects: name, form of the value, help.
const SELECTIONS: [(&str, &str, &str); 4] = [
    ("sel", "DIM=VALUE", "By value: time=2000-01, lev=nearest::850, lat=30:60. May be repeated"),
    ("isel", "DIM=POSITION", "By position: time=-1, lev=0:3. May be repeated"),
    ("bbox", "WEST,SOUTH,EAST,NORTH", "Only cells in this box"),
    ("group", "/PATH", "Group of the variable"),
];

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
        let selections = SELECTIONS.iter().map(|(name, value, help)| {
            arg(name).value_name(*value).help(*help).help_heading("Selection").action(ArgAction::Append)
        });
        let options = Options::all().iter().map(|option| {
            let help = format!("{} ({}) [default: {}]", option.about, option.values, option.default);
            arg(option.name).value_name("VALUE").help(help).help_heading("Options of the plot")
        });
        command.args(selections).args(options)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// An option whose value may begin with a minus.
fn arg(name: &'static str) -> Arg {
    Arg::new(name).long(name).allow_hyphen_values(true)
}

impl FromArgMatches for PlotOptions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut options = Self::default();
        options.update_from_arg_matches(matches)?;
        Ok(options)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let selections = SELECTIONS.iter().map(|(name, ..)| *name);
        for name in selections.chain(Options::all().iter().map(|option| option.name)) {
            let values = matches.get_many::<String>(name).into_iter().flatten();
            self.0.extend(values.map(|value| (name.to_owned(), value.clone())));
        }
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
