//! Components of times compared with xarray 2026.9, on pandas 3 and on cftime 1.6; weeks with Python's `isocalendar`.
//! `quarter`, `month_day`, `decade` and, beside pandas, `date` are computed from xarray's `year`, `month` and `day`.

use serde::Deserialize;
use thermocline_model::cf::DateTime;

use super::world::tas_at;
use crate::Options;
use crate::groups::GroupLabels;

/// Times, and the labels that xarray finds.
#[derive(Deserialize)]
struct Case {
    calendar: String,
    units: String,
    values: Vec<i32>,
    component: String,
    labels: Vec<String>,
    counts: Vec<u64>,
}

fn found(case: &Case) -> (Vec<String>, Vec<u64>) {
    let world = tas_at(&case.units, &case.calendar, &case.values);
    let grouper = format!("time.{}", case.component);
    let factor = world.factors(&grouper, &Options::default(), &[]).unwrap().remove(0);
    let labels = match &factor.labels {
        GroupLabels::Integers(labels) => labels.iter().map(i64::to_string).collect(),
        GroupLabels::Booleans(labels) => labels.iter().map(bool::to_string).collect(),
        GroupLabels::Texts(labels) => labels.clone(),
        GroupLabels::Times { ticks, units } => {
            let text = |ticks: &i64| DateTime::from_ticks(units.calendar(), *ticks).unwrap().to_string();
            ticks.iter().map(text).collect()
        }
        other => panic!("labels of another kind: {other:?}"),
    };
    (labels, factor.n_members)
}

#[test]
fn components_are_those_of_xarray() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("components.json")).unwrap();
    let mut wrong = Vec::new();
    for case in &cases {
        let (labels, counts) = found(case);
        if (&labels, &counts) != (&case.labels, &case.counts) {
            let Case { calendar, units, values, component, .. } = case;
            wrong.push(format!(
                "{calendar} {units} {values:?} {component}: {labels:?} {counts:?}, expected {:?} {:?}",
                case.labels, case.counts
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
