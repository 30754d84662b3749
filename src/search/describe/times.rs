//! When a dataset lies, and its axes of time.

use std::collections::HashSet;

use thermocline_core::manifest::Manifest;
use thermocline_model::cf::{Calendar, Period, Precision, Scope, TimeUnits};
use thermocline_model::{ObjectIdentity, Variable};

use super::coordinates::{Coordinates, Values};
use super::instants::{CLIPPED, FIRST, LAST, told};
use super::steps;
use super::tree::{DataVariable, Tree};
use crate::summary::Span;

/// Most names in one attribute that are looked at.
const MAX_NAMES: usize = 256;

/// What is said where coordinates of time cannot be read.
const UNREAD: &str = "times of some data cannot be read";

/// What is said where nothing at all tells when data lie.
const NOWHEN: &str = "nothing tells of which time the data are";

/// What is said of datasets with more variables than summaries tell of.
const CUT: &str = "only the first of many variables say where and when the data lie";

/// First and last instant of something, in microseconds since 1970 of the proleptic Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Interval {
    pub(super) start_us: i64,
    pub(super) end_us: i64,
    pub(super) is_clipped: bool,
}

impl Interval {
    fn hull(self, other: Self) -> Self {
        Self {
            start_us: self.start_us.min(other.start_us),
            end_us: self.end_us.max(other.end_us),
            is_clipped: self.is_clipped || other.is_clipped,
        }
    }
}

/// What a coordinate of times tells.
#[derive(Debug, Clone)]
pub(super) struct TimeAxis {
    pub(super) interval: Interval,
    pub(super) calendar: Calendar,
    pub(super) step_text: Option<String>,
}

/// What a coordinate of times tells, its bounds included; `None` if it is none, or without any time.
///
/// # Source
/// CF Conventions 1.11, sections 4.4, 7.1 and 7.4.
pub(super) fn axis(
    variable: &Variable,
    scope: &Scope<'_>,
    coordinates: &Coordinates<'_>,
) -> Option<TimeAxis> {
    let instants = coordinates.instants(variable)?;
    let calendar = instants.calendar;
    let bounds = match coordinates.bounds(variable, scope) {
        Some(Values::Times(bounds)) if bounds.calendar == calendar && !bounds.ticks.is_empty() => {
            Some(bounds)
        }
        _ => None,
    };
    let ends = |ticks: &[i64]| Some((*ticks.iter().min()?, *ticks.iter().max()?));
    let (first, last) = ends(bounds.as_ref().map_or(&instants.ticks, |bounds| &bounds.ticks))?;
    let (start, end) = (told(calendar, first)?, told(calendar, last)?);
    let is_clipped = start.is_clipped || end.is_clipped;
    let starts: Option<Vec<i64>> = bounds
        .filter(|bounds| bounds.ticks.len() == 2 * instants.ticks.len())
        .map(|bounds| bounds.ticks.iter().step_by(2).copied().collect());
    let step_text = steps::of_instants(calendar, &instants.ticks, starts.as_deref());
    Some(TimeAxis {
        interval: Interval { start_us: start.us, end_us: end.us, is_clipped },
        calendar,
        step_text,
    })
}

/// When a dataset lies.
pub(super) fn span(manifest: &Manifest, tree: &Tree<'_>, coordinates: &Coordinates<'_>) -> Span {
    let (by_coordinates, is_unread) = by_coordinates(&tree.data, coordinates);
    let (found, is_told) = match by_coordinates {
        Some(found) => (found, true),
        None => without_coordinates(manifest),
    };
    let given = manifest.spec.about.temporal.as_ref();
    let of_catalog = |text: Option<&String>| instants_of(text?);
    let start = given.and_then(|(start, _)| of_catalog(start.as_ref())).map(|(start, _)| start);
    let end = given.and_then(|(_, end)| of_catalog(end.as_ref())).map(|(_, end)| end);
    let start_us = start.unwrap_or(found.start_us);
    let end_us = end.unwrap_or(found.end_us);
    // Half an interval of the catalog may lie on the wrong side of what the data say.
    let (start_us, end_us) = match (start, end) {
        (Some(start), None) => (start, end_us.max(start)),
        (None, Some(end)) => (start_us.min(end), end),
        _ => (start_us.min(end_us), end_us.max(start_us)),
    };
    let is_of_catalog = start.is_some() && end.is_some();
    let notes = [(found.is_clipped, CLIPPED), (is_unread, UNREAD), (!is_told, NOWHEN), (tree.is_cut, CUT)];
    let notes: Vec<&str> =
        notes.into_iter().filter(|(holds, _)| *holds && !is_of_catalog).map(|(_, note)| note).collect();
    let note = (!notes.is_empty()).then(|| notes.join("; "));
    Span { start_us, end_us, is_instant: start_us == end_us, note }
}

/// The hull of all coordinates of time of data variables that can be read, and whether there are others.
fn by_coordinates(data: &[DataVariable<'_>], coordinates: &Coordinates<'_>) -> (Option<Interval>, bool) {
    let (mut seen, mut is_unread) = (HashSet::new(), false);
    let (mut valid, mut other): (Option<Interval>, Option<Interval>) = (None, None);
    for variable in data {
        for time in times_of(variable) {
            if !seen.insert(std::ptr::from_ref(time)) {
                continue;
            }
            let Some(found) = axis(time, &variable.placed.scope, coordinates) else {
                is_unread |= coordinates.instants(time).is_none();
                continue;
            };
            // Times with another standard name, as that of the forecast's beginning, count if there are no others.
            let is_valid = time.attrs.text("standard_name").is_none_or(|name| name == "time");
            let hull = if is_valid { &mut valid } else { &mut other };
            *hull = Some(hull.map_or(found.interval, |hull| hull.hull(found.interval)));
        }
    }
    (valid.or(other), is_unread)
}

/// The coordinates of time of a variable: of its dimensions, those that it names, and those that say so themselves.
fn times_of<'m>(data: &DataVariable<'m>) -> Vec<&'m Variable> {
    let (variable, scope) = (data.placed.variable, &data.placed.scope);
    let along = variable.dims.iter().filter_map(|dim| scope.index_of(dim));
    let names = variable.attrs.text("coordinates").unwrap_or_default().split_whitespace().take(MAX_NAMES);
    let named = names.filter_map(|name| scope.named(name));
    let marked = data.placed.times.iter().copied();
    let is_over = |time: &&Variable| time.dims.iter().all(|dim| variable.dims.contains(dim));
    let is_time = |time: &&Variable| TimeUnits::of(&time.attrs).is_some();
    let all = along.chain(named).chain(marked);
    all.filter(is_over).filter(is_time).filter(|time| !std::ptr::eq(*time, variable)).collect()
}

/// When a dataset without coordinates of time lies: what its attributes say, else when its newest object was modified;
/// and whether anything says so.
fn without_coordinates(manifest: &Manifest) -> (Interval, bool) {
    let attrs = &manifest.dataset.root.attrs;
    let text = |name: &str| attrs.text(name).and_then(instants_of);
    let coverage = (text("time_coverage_start"), text("time_coverage_end"));
    let created =
        || ["date_created", "creation_date"].into_iter().find_map(text).map(|(start, _)| (start, start));
    let told = match coverage {
        (Some((start, _)), Some((_, end))) if start <= end => Some((start, end)),
        (Some((start, end)), None) => Some((start, end)),
        (None, Some((start, end))) => Some((start, end)),
        _ => created().or_else(|| modified_us(manifest).map(|modified| (modified, modified))),
    };
    let (start_us, end_us) = told.unwrap_or_default();
    (Interval { start_us, end_us, is_clipped: false }, told.is_some())
}

/// When the newest object was modified; `None` if no store says.
fn modified_us(manifest: &Manifest) -> Option<i64> {
    let modified = manifest.dataset.objects.iter().filter_map(|object| match object.identity {
        ObjectIdentity::Modified { mtime_ns, .. } => Some(mtime_ns.div_euclid(1_000)),
        ObjectIdentity::ETag(_) => None,
    });
    modified.max().map(|modified| modified.clamp(FIRST, LAST))
}

/// The first and last instant that a date names: those of the day for a date without a time.
fn instants_of(text: &str) -> Option<(i64, i64)> {
    let text = text.trim();
    let text = text.strip_suffix(" UTC").or_else(|| text.strip_suffix(" GMT")).unwrap_or(text);
    let period = Period::parse(text, Calendar::ProlepticGregorian).ok()?;
    let range = period.ticks();
    let last =
        if period.precision() <= Precision::Day { range.end.saturating_sub(1_000_000) } else { range.start };
    (range.start >= FIRST && last <= LAST + 999_999).then_some((range.start, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_attributes_name_instants_or_whole_days() {
        let day = |text: &str| instants_of(text).map(|(start, end)| (start / 1_000_000, end / 1_000_000));
        assert_eq!(day("1970-01-02T00:00:00Z"), Some((86_400, 86_400)));
        assert_eq!(day("1970-01-02 01:00:00 UTC"), Some((90_000, 90_000)));
        assert_eq!(day("1970-01-02"), Some((86_400, 2 * 86_400 - 1)));
        assert_eq!(day("1970"), Some((0, 365 * 86_400 - 1)));
        assert_eq!(day("19700102"), Some((86_400, 2 * 86_400 - 1)));
        for text in ["", "yesterday", "10000-01-01", "1970-13-01"] {
            assert_eq!(day(text), None, "{text}");
        }
    }
}
