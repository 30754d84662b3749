//! Times: when numbers become `datetime64[ns]`, and when they cannot.
//!
//! # Source
//! CF Conventions 1.11, section 4.4; xarray's `coding/times.py`; cftime's names of units and calendars.

use std::collections::HashMap;
use std::sync::Arc;

use thermocline_core::format::Region;
use thermocline_core::manifest::Manifest;
use thermocline_core::read::Reader;
use thermocline_model::cf::Calendar;
use thermocline_model::{ArrayBytes, Attribute, Attributes, ByteOrder, DataType, Group, Place, Variable};

/// First and last value of a time, unpacked; `None` where they are missing values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ends(pub(crate) [Option<f64>; 2]);

/// Units of spans that xarray knows.
const SPANS: [&str; 7] =
    ["days", "hours", "minutes", "seconds", "milliseconds", "microseconds", "nanoseconds"];

/// Seconds since 1970 of 1677-09-21T00:12:43.145224 and 2262-04-11T23:47:16.854775: what `datetime64[ns]` holds.
const NANOSECOND_RANGE: [f64; 2] = [-9_223_372_036.854_776, 9_223_372_036.854_775];

const SECONDS_A_DAY: f64 = 86_400.0;

/// What `units` of dates say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct TimeUnits {
    /// Length of the unit in seconds; `None` for months, which only the 360-day calendar has.
    seconds: Option<f64>,
    /// The reference date, in seconds since 1970.
    reference: f64,
}

/// True for units of spans of time.
pub(super) fn is_span(units: &str) -> bool {
    SPANS.contains(&units)
}

/// Reads `days since 1970-01-01 12:00`.
pub(super) fn parse_units(units: &str) -> Option<TimeUnits> {
    let (unit, date) = units.rsplit_once(" since ").or_else(|| units.split_once(" since "))?;
    Some(TimeUnits { seconds: unit_seconds(unit.trim())?, reference: parse_date(date.trim())? })
}

#[expect(clippy::option_option, reason = "the outer one is an unknown unit, the inner one an uneven length")]
fn unit_seconds(unit: &str) -> Option<Option<f64>> {
    Some(Some(match unit.to_ascii_lowercase().as_str() {
        "nanosecond" | "nanoseconds" => 1e-9,
        "microsecond" | "microseconds" | "microsec" | "microsecs" => 1e-6,
        "millisecond" | "milliseconds" | "millisec" | "millisecs" | "msec" | "msecs" | "ms" => 1e-3,
        "second" | "seconds" | "sec" | "secs" | "s" => 1.0,
        "minute" | "minutes" | "min" | "mins" => 60.0,
        "hour" | "hours" | "hr" | "hrs" | "h" => 3600.0,
        "day" | "days" | "d" => SECONDS_A_DAY,
        "month" | "months" | "common_year" | "common_years" => return Some(None),
        _ => return None,
    }))
}

/// Reads `1850-1-1 00:00:00`, `20000101`, `1-jan-1970`, up to the hour: the rest is too small to matter here.
fn parse_date(text: &str) -> Option<f64> {
    let (is_negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (date, time) = text.split_once([' ', 'T']).unwrap_or((text, ""));
    let [year, month, day] = year_month_day(date)?;
    let is_date = year < 1_000_000 && (1..=12).contains(&month) && (1..=31).contains(&day);
    is_date.then_some(())?;
    let hour = time.trim().split([':', '.', ' ', 'Z', '+', '-']).next().and_then(|hour| hour.parse().ok());
    let year = if is_negative { -year } else { year };
    Some(
        days_since_1970(year, month, day) as f64 * SECONDS_A_DAY
            + f64::min(hour.unwrap_or(0.0), 24.0) * 3600.0,
    )
}

fn year_month_day(date: &str) -> Option<[i64; 3]> {
    let is_digits = date.bytes().all(|byte| byte.is_ascii_digit());
    if let (true, Some((year, rest))) = (is_digits && date.len() == 8, date.split_at_checked(4)) {
        let (month, day) = rest.split_at_checked(2)?;
        return Some([year.parse().ok()?, month.parse().ok()?, day.parse().ok()?]);
    }
    let mut parts = date.split(['-', '/']);
    let (first, second, third) = (parts.next()?, parts.next().unwrap_or("1"), parts.next().unwrap_or("1"));
    if let Some(month) = month_number(second) {
        return Some([third.parse().ok()?, month, first.parse().ok()?]);
    }
    Some([first.parse().ok()?, second.parse().ok()?, third.parse().ok()?])
}

/// Number of a month by the first three letters of its English name.
fn month_number(name: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let start = name.get(..3)?.to_ascii_lowercase();
    (1_i64..).zip(MONTHS).find(|(_, month)| *month == start).map(|(number, _)| number)
}

/// Days from 1970-01-01 in the Gregorian calendar, also before its introduction.
///
/// # Source
/// H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn parse_calendar(calendar: Option<&Attribute>) -> Option<Calendar> {
    let Some(calendar) = calendar else { return Some(Calendar::default()) };
    Calendar::parse(calendar.as_text()?).ok()
}

/// The type that numbers with these attributes get as dates: `datetime64[ns]`, or `object` for other
/// calendars and years. `units` and `calendar` are removed. `None`, and nothing removed, for all else.
pub(super) fn datetime(attrs: &mut Attributes, ends: Option<&Ends>) -> Option<&'static str> {
    let units = parse_units(attrs.text("units").filter(|units| units.contains("since"))?)?;
    let calendar = parse_calendar(attrs.get("calendar"))?;
    let is_gregorian = matches!(calendar, Calendar::Standard | Calendar::ProlepticGregorian);
    if units.seconds.is_none() && is_gregorian {
        return None;
    }
    attrs.remove("units");
    attrs.remove("calendar");
    let is_in_range = ends.is_none_or(|ends| ends.0.iter().flatten().all(|value| is_in_range(units, *value)));
    Some(if is_gregorian && is_in_range { "datetime64[ns]" } else { "object" })
}

fn is_in_range(units: TimeUnits, value: f64) -> bool {
    let seconds = value.mul_add(units.seconds.unwrap_or(SECONDS_A_DAY), units.reference);
    let [first, last] = NANOSECOND_RANGE;
    value.is_nan() || (first..=last).contains(&seconds)
}

/// The type of a span that xarray wrote: it says `timedelta64` in `dtype`. Both attributes are removed.
pub(super) fn timedelta(attrs: &mut Attributes) -> Option<String> {
    let resolution = attrs.text("dtype")?.strip_prefix("timedelta64")?.trim_matches(['[', ']']).to_owned();
    is_span(attrs.text("units")?).then_some(())?;
    attrs.remove("units");
    attrs.remove("dtype");
    let resolution = match resolution.as_str() {
        resolution @ ("s" | "ms" | "us" | "ns") => resolution,
        "m" | "h" | "D" | "W" => "s",
        _ => "ns",
    };
    Some(format!("timedelta64[{resolution}]"))
}

/// First and last values of all times of a group whose values lie in the manifest: nothing else is read.
pub(crate) async fn ends(reader: &Reader, manifest: &Arc<Manifest>, group: &Group) -> HashMap<String, Ends> {
    let mut found = HashMap::new();
    for (variable, attrs) in super::with_bounds_attributes(group) {
        let has_dates = attrs.text("units").is_some_and(|units| units.contains("since"));
        if !has_dates || !variable.dtype.is_number() || variable.shape.contains(&0) {
            continue;
        }
        if let Some(ends) = ends_of(reader, manifest, variable).await {
            found.insert(variable.name.clone(), ends);
        }
    }
    found
}

async fn ends_of(reader: &Reader, manifest: &Arc<Manifest>, variable: &Variable) -> Option<Ends> {
    let first = vec![0; variable.shape.len()];
    let last = variable.shape.iter().map(|length| length.saturating_sub(1)).collect();
    let first = element(reader, manifest, variable, first).await?;
    let last = element(reader, manifest, variable, last).await?;
    Some(Ends([unpacked(&variable.attrs, first), unpacked(&variable.attrs, last)]))
}

/// One value, if it lies in the manifest.
async fn element(
    reader: &Reader,
    manifest: &Arc<Manifest>,
    variable: &Variable,
    index: Vec<u64>,
) -> Option<f64> {
    let grid = variable.stored_grid()?;
    let chunk: Vec<u64> =
        index.iter().zip(grid.chunk_shape()).map(|(position, length)| position / length).collect();
    let stored = manifest.table(variable).await.ok()?.get(grid.linear(&chunk)?);
    if stored.is_some_and(|chunk| chunk.part.place != Place::Inline) {
        return None;
    }
    let region = Region { shape: vec![1; index.len()], start: index };
    match reader.values(manifest, variable, &region).await.ok()? {
        ArrayBytes::Fixed(bytes) => number(&variable.dtype, &bytes),
        ArrayBytes::Texts(_) => None,
    }
}

/// `None` for missing values.
fn unpacked(attrs: &Attributes, value: f64) -> Option<f64> {
    let attribute = |name| attrs.get(name).and_then(Attribute::as_number).map(|number| number.as_f64());
    let is_missing = ["_FillValue", "missing_value"].into_iter().any(|name| attribute(name) == Some(value));
    let scaled = value * attribute("scale_factor").unwrap_or(1.0) + attribute("add_offset").unwrap_or(0.0);
    (!is_missing && !scaled.is_nan()).then_some(scaled)
}

fn number(dtype: &DataType, bytes: &[u8]) -> Option<f64> {
    let mut bytes = bytes.to_vec();
    if dtype.byte_order() == Some(ByteOrder::Big) {
        bytes.reverse();
    }
    let mut wide = [0; 8];
    wide.get_mut(..bytes.len())?.copy_from_slice(&bytes);
    let unsigned = u64::from_le_bytes(wide);
    match (dtype, bytes.len()) {
        (DataType::UInt { .. } | DataType::Bool, _) => Some(unsigned as f64),
        (DataType::Int { .. }, size @ 1..=8) => {
            let shift = 64 - 8 * u32::try_from(size).ok()?;
            Some(((unsigned << shift).cast_signed() >> shift) as f64)
        }
        (DataType::Float { .. }, 4) => Some(f64::from(f32::from_bits(u32::try_from(unsigned).ok()?))),
        (DataType::Float { .. }, 8) => Some(f64::from_bits(unsigned)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_from_1970() {
        for (date, days) in
            [((1970, 1, 1), 0), ((2000, 3, 1), 11_017), ((1582, 10, 15), -141_427), ((1, 1, 1), -719_162)]
        {
            assert_eq!(days_since_1970(date.0, date.1, date.2), days, "{date:?}");
        }
    }

    #[test]
    fn numbers_are_read_in_their_byte_order() {
        let cases = [
            (DataType::Int { size: 2, order: ByteOrder::Big }, vec![0xff, 0xfe], -2.0),
            (DataType::UInt { size: 1, order: ByteOrder::Little }, vec![200], 200.0),
            (DataType::Float { size: 4, order: ByteOrder::Big }, vec![0x3f, 0x80, 0, 0], 1.0),
            (DataType::Int { size: 8, order: ByteOrder::Little }, vec![255; 8], -1.0),
        ];
        for (dtype, bytes, value) in cases {
            assert_eq!(number(&dtype, &bytes), Some(value), "{dtype:?}");
        }
    }
}
