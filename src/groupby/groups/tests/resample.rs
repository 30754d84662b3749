//! Resampling compared with xarray 2026.9 (pandas 3 and cftime 1.6): `da.resample(time=freq).count()` and, where incomplete
//! seasons are dropped, `SeasonResampler(["DJF", "MAM", "JJA", "SON"], drop_incomplete=True)`.

use serde::Deserialize;
use thermocline_model::cf::DateTime;

use super::world::tas_at;
use crate::groups::GroupLabels;
use crate::request::FrequencyUnit;
use crate::{Frequency, Options};

/// Times, and the spans that xarray finds.
#[derive(Deserialize)]
struct Case {
    calendar: String,
    units: String,
    values: Vec<i32>,
    freq: String,
    drop: bool,
    labels: Vec<String>,
    counts: Vec<u64>,
}

/// A frequency as it is written.
pub(super) fn frequency(text: &str) -> Frequency {
    let (n, unit) = text.split_at(text.find(|letter: char| !letter.is_ascii_digit()).unwrap());
    let unit = match unit {
        "YS" => FrequencyUnit::YearStart,
        "YE" => FrequencyUnit::YearEnd,
        "QS" => FrequencyUnit::QuarterStart,
        "QE" => FrequencyUnit::QuarterEnd,
        "QS-DEC" => FrequencyUnit::SeasonStart,
        "MS" => FrequencyUnit::MonthStart,
        "ME" => FrequencyUnit::MonthEnd,
        "D" => FrequencyUnit::Day,
        "h" => FrequencyUnit::Hour,
        "min" => FrequencyUnit::Minute,
        "s" => FrequencyUnit::Second,
        other => panic!("no unit {other}"),
    };
    Frequency { n: n.parse().unwrap_or(1), unit }
}

fn found(case: &Case) -> (Vec<String>, Vec<u64>) {
    let world = tas_at(&case.units, &case.calendar, &case.values);
    let freq = Some(frequency(&case.freq));
    let options = Options { freq, drop_incomplete: case.drop, ..Options::default() };
    let Ok(mut factors) = world.factors("time", &options, &[]) else { return (Vec::new(), Vec::new()) };
    let factor = factors.remove(0);
    let GroupLabels::Times { ticks, units } = &factor.labels else { panic!("no times") };
    let text = |ticks: &i64| DateTime::from_ticks(units.calendar(), *ticks).unwrap().to_string();
    (ticks.iter().map(text).collect(), factor.n_members)
}

#[test]
fn spans_are_those_of_xarray() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("resample.json")).unwrap();
    let mut wrong = Vec::new();
    for case in &cases {
        let (labels, counts) = found(case);
        if (&labels, &counts) != (&case.labels, &case.counts) {
            let Case { calendar, units, values, freq, drop, .. } = case;
            wrong.push(format!(
                "{calendar} {units} {values:?} {freq} {drop}: {labels:?} {counts:?}, expected {:?} {:?}",
                case.labels, case.counts
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
