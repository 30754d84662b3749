//! Which option goes with which action, which grouper, and which other option.

use super::values::is_in_sequence;
use super::{Action, Component, Frequency, FrequencyUnit, Grouper, Options};
use crate::Failure;

/// Options that say nothing when they are off, whatever they are given to.
const SWITCHED_OFF: [&str; 3] = ["anomaly", "drop_incomplete", "weights"];

/// Refuses options that would not be followed. `given` are the names that the request has.
pub(super) fn check(
    groupers: &[Grouper],
    action: Action,
    options: &Options,
    given: &[&'static str],
) -> Result<(), Failure> {
    check_action(action, options, given)?;
    check_intervals(groupers, options, given)?;
    check_seasons(groupers, options)?;
    check_anomaly(groupers, options)
}

fn check_action(action: Action, options: &Options, given: &[&'static str]) -> Result<(), Failure> {
    let specs = given.iter().filter_map(|name| Options::spec(name));
    for spec in specs.filter(|spec| !spec.goes_with(action)) {
        let is_off = SWITCHED_OFF.contains(&spec.name) && spec.write(options).is_none();
        if is_off {
            continue;
        }
        let actions = spec.actions.unwrap_or_default().iter().map(|action| action.word());
        let detail =
            format!("{} does not go with {}: it is an option of other actions", spec.name, action.word());
        return Err(Failure::mistake_among(detail, actions));
    }
    if action == Action::Quantile && options.q.is_empty() {
        return Err(Failure::mistake(
            "quantile needs q: one or several numbers from 0 to 1, as q=0.9 or q=0.1,0.9",
        ));
    }
    if options.weights.is_some() && options.ddof > 0 {
        return Err(Failure::mistake(
            "ddof does not go with weights: weighted variances divide by the sum of weights",
        ));
    }
    Ok(())
}

/// Bins and spans of time are about a coordinate that is named without a component. Which one of several, its kind says.
fn check_intervals(groupers: &[Grouper], options: &Options, given: &[&'static str]) -> Result<(), Failure> {
    if given.contains(&"closed") && options.bins.is_none() {
        return Err(Failure::mistake("closed is the side of bins: it needs bins=…"));
    }
    let n_plain = groupers.iter().filter(|grouper| grouper.component.is_none()).count();
    let name = match (&options.bins, &options.freq) {
        (Some(_), Some(_)) if n_plain == 1 => {
            return Err(Failure::mistake(
                "bins and freq are given: groups are bins or spans of time, not both",
            ));
        }
        (Some(_), _) => "bins",
        (None, Some(_)) => "freq",
        (None, None) => return Ok(()),
    };
    match groupers.first().filter(|_| n_plain == 0) {
        None => Ok(()),
        Some(grouper) => {
            let (text, coordinate) = (grouper.text(), &grouper.coordinate);
            Err(Failure::mistake(format!(
                "{name} does not go with {text}: name the coordinate without a component, {coordinate}"
            )))
        }
    }
}

fn check_seasons(groupers: &[Grouper], options: &Options) -> Result<(), Failure> {
    let is_by_season = |grouper: &&Grouper| matches!(grouper.component, Some((_, Component::Season)));
    let n_by_season = groupers.iter().filter(is_by_season).count();
    let is_in_seasons = options.freq.is_some_and(is_of_seasons);
    if let Some(seasons) = &options.seasons {
        if n_by_season + usize::from(is_in_seasons) != 1 {
            return Err(Failure::mistake(
                "seasons goes with one grouper: time.season, or time with freq=QS-DEC",
            ));
        }
        if is_in_seasons && !is_in_sequence(seasons) {
            return Err(Failure::mistake(
                "seasons with freq follow each other through the year, as MAM,JJA,SON,DJF do",
            ));
        }
    }
    if options.drop_incomplete && !is_in_seasons {
        return Err(Failure::mistake("drop_incomplete goes with freq=QS-DEC: seasons of single years"));
    }
    Ok(())
}

/// True for spans that are the seasons of single years.
fn is_of_seasons(freq: Frequency) -> bool {
    freq == Frequency { n: 1, unit: FrequencyUnit::SeasonStart }
}

fn check_anomaly(groupers: &[Grouper], options: &Options) -> Result<(), Failure> {
    if !options.anomaly {
        return Ok(());
    }
    if groupers.len() > 1 {
        return Err(Failure::mistake("anomaly goes with one grouper, not with the product of several"));
    }
    if options.q.len() > 1 {
        return Err(Failure::mistake("anomaly goes with one quantile: q has several"));
    }
    Ok(())
}
