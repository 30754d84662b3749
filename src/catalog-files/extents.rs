//! Checks the extents that entries give: boxes that are upside down, days that no month has.

use thermocline_model::cf::Calendar;

use crate::node::{Fault, Node};

/// Mistakes in `spatial` and `temporal` of an entry that follows the schema.
pub(crate) fn faults(item: &Node, path: &str, faults: &mut Vec<Fault>) {
    let bbox = item.get("spatial").and_then(|spatial| spatial.get("bbox"));
    if let Some(node) = bbox
        && let [_, south, _, north] = node.items()
        && south.float() > north.float()
    {
        let message = "the second number is the southern edge, the fourth the northern one";
        faults.push(Fault::new(node.line, format!("{path}.spatial.bbox"), message));
    }
    let Some(temporal) = item.get("temporal") else { return };
    let n_before = faults.len();
    for (number, instant) in temporal.items().iter().enumerate() {
        let text = instant.text().unwrap_or_default();
        if !is_instant(text) {
            let message = format!("{text:?} is no day and time that there is");
            faults.push(Fault::new(instant.line, format!("{path}.temporal[{number}]"), message));
        }
    }
    if let [start, end] = temporal.items()
        && faults.len() == n_before
        && start.text().map(sortable) > end.text().map(sortable)
    {
        faults.push(Fault::new(temporal.line, format!("{path}.temporal"), "the end is before the start"));
    }
}

/// Instants in this form sort as texts: those of the schema, always in UTC.
fn sortable(instant: &str) -> &str {
    instant.trim_end_matches('Z')
}

/// True for `YYYY-MM-DDThh:mm:ss[.ffffff]Z` with a day that there is.
fn is_instant(text: &str) -> bool {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u8>().ok();
    let year = text.get(0..4).and_then(|digits| digits.parse::<u16>().ok());
    let date = (year, number(5..7), number(8..10));
    let time = (number(11..13), number(14..16), number(17..19));
    let ((Some(year), Some(month), Some(day)), (Some(hour), Some(minute), Some(second))) = (date, time)
    else {
        return false;
    };
    let is_day = Calendar::ProlepticGregorian.has_date(year.into(), month, day);
    is_day && hour < 24 && minute < 60 && second < 60
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        faults(&crate::yaml::parse(text).unwrap(), "x", &mut found);
        found.into_iter().map(|fault| fault.path).collect()
    }

    #[test]
    fn boxes_have_their_south_below_their_north() {
        assert_eq!(places("spatial: {bbox: [170, -10, -170, 10]}"), [""; 0]);
        assert_eq!(places("spatial: {bbox: [0, 5, 0, 5]}"), [""; 0]);
        assert_eq!(places("spatial: {bbox: [0, 10, 10, 9.5]}"), ["x.spatial.bbox"]);
    }

    #[test]
    fn time_ranges_are_of_days_that_there_are_and_in_order() {
        for (temporal, expected) in [
            ("['2000-02-29T00:00:00Z', '2000-03-01T00:00:00Z']", None),
            ("['2000-01-01T00:00:00Z', '2000-01-01T00:00:00.5Z']", None),
            ("['2000-01-01T00:00:00Z', '2000-01-01T00:00:00Z']", None),
            ("['1900-02-29T00:00:00Z', '2000-03-01T00:00:00Z']", Some("x.temporal[0]")),
            ("['2000-01-01T00:00:00Z', '2000-13-01T00:00:00Z']", Some("x.temporal[1]")),
            ("['2000-01-01T00:00:00Z', '2000-12-01T24:00:00Z']", Some("x.temporal[1]")),
            ("['2001-01-01T00:00:00Z', '2000-12-01T00:00:00Z']", Some("x.temporal")),
        ] {
            let found = places(&format!("temporal: {temporal}"));
            assert_eq!(found.first().map(String::as_str), expected, "{temporal}");
        }
    }
}
