//! Options that come from a table: `--name value` for each `name=value` of an address.

use clap::{Arg, ArgAction, ArgMatches, Command};

/// What selects: name, form of the value, help.
const SELECTIONS: [(&str, &str, &str); 4] = [
    ("sel", "DIM=VALUE", "By value: time=2000-01, lev=nearest::850, lat=30:60. May be repeated"),
    ("isel", "DIM=POSITION", "By position: time=-1, lev=0:3. May be repeated"),
    ("bbox", "WEST,SOUTH,EAST,NORTH", "Only cells in this box"),
    ("group", "/PATH", "Group of the variable"),
];

/// Adds what selects, and the options of a table with their help.
pub(super) fn arguments(
    command: Command,
    heading: &'static str,
    options: impl Iterator<Item = (&'static str, String)>,
) -> Command {
    let selections = SELECTIONS.iter().map(|(name, value, help)| {
        arg(name).value_name(*value).help(*help).help_heading("Selection").action(ArgAction::Append)
    });
    let options = options.map(|(name, help)| arg(name).value_name("VALUE").help(help).help_heading(heading));
    command.args(selections).args(options)
}

/// An option whose value may begin with a minus.
fn arg(name: &'static str) -> Arg {
    Arg::new(name).long(name).allow_hyphen_values(true)
}

/// What was given, as the pairs of a query that says the same.
pub(super) fn pairs(
    matches: &ArgMatches,
    options: impl Iterator<Item = &'static str>,
) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for name in SELECTIONS.iter().map(|(name, ..)| *name).chain(options) {
        let values = matches.get_many::<String>(name).into_iter().flatten();
        pairs.extend(values.map(|value| (name.to_owned(), value.clone())));
    }
    pairs
}
