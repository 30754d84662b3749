//! Units of times, and the way from numbers to instants and back.

use std::fmt;

use super::reference;
use super::{Calendar, DateTime, TimeError};
use crate::{Attributes, Number};

/// Longest units accepted, in bytes.
const MAX_UNITS_BYTES: usize = 256;

/// A unit that times are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// 10^-9 seconds; values are rounded to microseconds.
    Nanosecond,
    /// 10^-6 seconds.
    Microsecond,
    /// 10^-3 seconds.
    Millisecond,
    /// A second.
    Second,
    /// 60 seconds.
    Minute,
    /// 3,600 seconds.
    Hour,
    /// 86,400 seconds.
    Day,
    /// 30 days, in [`Calendar::Day360`] only.
    Month,
    /// 365 days, in [`Calendar::NoLeap`] only.
    CommonYear,
}

impl Unit {
    /// The unit of a name such as `hours`, `hr` or `h`, in any case.
    ///
    /// # Source
    /// cftime 1.6, `UNIT_CONVERSION_FACTORS`; nanoseconds as in xarray.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "nanosecond" | "nanoseconds" => Self::Nanosecond,
            "microsecond" | "microseconds" | "microsec" | "microsecs" => Self::Microsecond,
            "millisecond" | "milliseconds" | "millisec" | "millisecs" | "msec" | "msecs" | "ms" => {
                Self::Millisecond
            }
            "second" | "seconds" | "sec" | "secs" | "s" => Self::Second,
            "minute" | "minutes" | "min" | "mins" => Self::Minute,
            "hour" | "hours" | "hr" | "hrs" | "h" => Self::Hour,
            "day" | "days" | "d" => Self::Day,
            "month" | "months" => Self::Month,
            "common_year" | "common_years" => Self::CommonYear,
            _ => return None,
        })
    }

    /// The unit in microseconds as a fraction: numerator and denominator.
    fn microseconds(self) -> (i64, i64) {
        const SECOND: i64 = 1_000_000;
        const DAY: i64 = 86_400 * SECOND;
        match self {
            Self::Nanosecond => (1, 1_000),
            Self::Microsecond => (1, 1),
            Self::Millisecond => (1_000, 1),
            Self::Second => (SECOND, 1),
            Self::Minute => (60 * SECOND, 1),
            Self::Hour => (3_600 * SECOND, 1),
            Self::Day => (DAY, 1),
            Self::Month => (30 * DAY, 1),
            Self::CommonYear => (365 * DAY, 1),
        }
    }

    /// True for units so small that a microsecond is not an error of rounding.
    fn is_subsecond(self) -> bool {
        matches!(self, Self::Nanosecond | Self::Microsecond | Self::Millisecond)
    }

    /// Why the calendar does not have this unit.
    fn refusal(self, calendar: Calendar) -> Option<&'static str> {
        let is_gregorian = matches!(calendar, Calendar::Standard | Calendar::ProlepticGregorian);
        match self {
            Self::Month if calendar != Calendar::Day360 => {
                Some("months have one length in the 360_day calendar only")
            }
            Self::CommonYear if calendar != Calendar::NoLeap => {
                Some("common_years are for the noleap calendar only")
            }
            Self::Nanosecond if !is_gregorian => {
                Some("nanoseconds are for the standard and proleptic_gregorian calendars only")
            }
            _ => None,
        }
    }
}

/// What the numbers of a time variable mean: `{unit} since {reference}` in a calendar.
///
/// ```
/// use thermocline_model::Number;
/// use thermocline_model::cf::{Calendar, TimeUnits};
///
/// let units = TimeUnits::parse("days since 2000-01-01 00:00:0.0 +01:00", Calendar::Standard)?;
/// assert_eq!(units.reference()?.to_string(), "1999-12-31T23:00:00");
///
/// let time = units.decode(Number::Integer(59))?;
/// assert_eq!(time.to_string(), "2000-02-28T23:00:00");
/// assert_eq!(units.encode(&time)?, Number::Integer(59));
/// # Ok::<(), thermocline_model::cf::TimeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeUnits {
    unit: Unit,
    calendar: Calendar,
    reference_ticks: i64,
}

impl TimeUnits {
    /// Reads units of the form `{unit} since {date}[T| ]{time}[zone]`.
    ///
    /// # Errors
    /// [`TimeError::InvalidUnits`] saying what is wrong: not this form, a unit without a fixed length, a date that
    /// the calendar does not have. [`TimeError::UnclearUnits`] for a date that clients do not read alike.
    pub fn parse(units: &str, calendar: Calendar) -> Result<Self, TimeError> {
        let wrong = |reason: &str| TimeError::units(units, reason.to_owned());
        if units.len() > MAX_UNITS_BYTES {
            return Err(wrong("longer than 256 bytes"));
        }
        let (name, rest) = units
            .trim()
            .split_once(char::is_whitespace)
            .ok_or_else(|| wrong("not of the form `unit since date`"))?;
        let rest = rest.trim_start();
        let reference = rest.get(..5).filter(|since| since.eq_ignore_ascii_case("since"));
        let reference =
            reference.and_then(|_| rest.get(5..)).filter(|date| date.starts_with(char::is_whitespace));
        let reference = reference.ok_or_else(|| wrong("not of the form `unit since date`"))?;
        if !rest.starts_with("since") {
            return Err(TimeError::unclear(units, "readers disagree about a `since` in capitals".to_owned()));
        }
        let unit = Unit::parse(name).ok_or_else(|| wrong(unknown_unit(name)))?;
        if let Some(reason) = unit.refusal(calendar) {
            return Err(wrong(reason));
        }
        let reference = reference::parse(reference, calendar, units)?;
        Ok(Self { unit, calendar, reference_ticks: reference.ticks() })
    }

    /// The units and calendar of a variable; `None` if its `units` are not of the form `… since …`.
    ///
    /// # Errors
    /// As [`Calendar::parse`] and [`Self::parse`].
    pub fn of(attrs: &Attributes) -> Option<Result<Self, TimeError>> {
        let units = attrs.text("units").filter(|units| units.to_ascii_lowercase().contains("since"))?;
        let calendar = match attrs.get("calendar") {
            None => Ok(Calendar::default()),
            Some(calendar) => Calendar::parse(calendar.as_text().unwrap_or_default()),
        };
        Some(calendar.and_then(|calendar| Self::parse(units, calendar)))
    }

    /// The unit.
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// The calendar.
    pub fn calendar(&self) -> Calendar {
        self.calendar
    }

    /// The instant of value 0, in UTC.
    ///
    /// # Errors
    /// None for units that were parsed.
    pub fn reference(&self) -> Result<DateTime, TimeError> {
        DateTime::from_ticks(self.calendar, self.reference_ticks)
    }

    /// The instant of a value. Missing values are the caller's: here NaN is an error.
    ///
    /// # Errors
    /// As [`Self::decode_ticks`].
    pub fn decode(&self, value: Number) -> Result<DateTime, TimeError> {
        DateTime::from_ticks(self.calendar, self.decode_ticks(value)?)
    }

    /// The instant of a value as [`DateTime::ticks`], which is faster where only the order matters.
    ///
    /// The product of value and unit is exact and rounded half to even to microseconds. A floating value within a
    /// microsecond of a whole second from the reference is that second, as in cftime: such values come from
    /// fractions of days.
    ///
    /// # Errors
    /// [`TimeError::NotFinite`] for NaN and infinities, [`TimeError::OutOfRange`] for years beyond
    /// [`super::MAX_YEAR`].
    pub fn decode_ticks(&self, value: Number) -> Result<i64, TimeError> {
        let out_of_range = || TimeError::out_of_range(Shown(value));
        let (numerator, denominator) = self.unit.microseconds();
        let elapsed = match value {
            Number::Integer(value) => {
                let product = value.checked_mul(i128::from(numerator)).ok_or_else(out_of_range)?;
                Quotient::new(product, i128::from(denominator)).round_half_even()
            }
            Number::Float(value) if !value.is_finite() => return Err(TimeError::NotFinite),
            Number::Float(value) => {
                let product = exact_product(value, numerator, denominator).ok_or_else(out_of_range)?;
                if self.unit.is_subsecond() { product.round_half_even() } else { product.round_to_second() }
            }
        };
        let ticks = i128::from(self.reference_ticks).checked_add(elapsed).ok_or_else(out_of_range)?;
        let ticks = i64::try_from(ticks).map_err(|_| out_of_range())?;
        self.calendar.has_ticks(ticks).then_some(ticks).ok_or_else(out_of_range)
    }

    /// The value of an instant: an integer where it is one, else the nearest `f64`.
    ///
    /// # Errors
    /// [`TimeError::InvalidDate`] if the instant belongs to another calendar.
    pub fn encode(&self, time: &DateTime) -> Result<Number, TimeError> {
        if time.calendar() != self.calendar {
            let reason = format!("it is in the {} calendar, expected {}", time.calendar(), self.calendar);
            return Err(TimeError::date(time, reason));
        }
        Ok(self.encode_ticks(time.ticks()))
    }

    /// The value of an instant given by its [`DateTime::ticks`]: an integer where it is one, else the nearest `f64`.
    pub fn encode_ticks(&self, ticks: i64) -> Number {
        let (numerator, denominator) = self.unit.microseconds();
        let elapsed = (i128::from(ticks) - i128::from(self.reference_ticks)) * i128::from(denominator);
        let quotient = Quotient::new(elapsed, i128::from(numerator));
        if quotient.remainder == 0 {
            return Number::Integer(quotient.floor);
        }
        Number::Float(nearest_f64(elapsed, numerator))
    }
}

/// `hours since 1900-01-01T00:00:00`, in UTC.
impl fmt::Display for TimeUnits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Nanosecond => "nanoseconds",
            Unit::Microsecond => "microseconds",
            Unit::Millisecond => "milliseconds",
            Unit::Second => "seconds",
            Unit::Minute => "minutes",
            Unit::Hour => "hours",
            Unit::Day => "days",
            Unit::Month => "months",
            Unit::CommonYear => "common_years",
        };
        let reference = self.reference().map_err(|_| fmt::Error)?;
        write!(f, "{unit} since {reference}")
    }
}

fn unknown_unit(name: &str) -> &'static str {
    match name.to_ascii_lowercase().as_str() {
        "year" | "years" | "yr" | "yrs" | "weeks" | "week" => {
            "years and weeks are not decoded, expected days, hours, minutes, seconds or a smaller unit"
        }
        _ => "unknown unit, expected days, hours, minutes, seconds, milliseconds or microseconds",
    }
}

struct Shown(Number);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Number::Integer(value) => write!(f, "{value}"),
            Number::Float(value) => write!(f, "{value:?}"),
        }
    }
}

/// An exact quotient of integers: `floor + remainder / divisor`, with `remainder` from 0 to below `divisor`.
struct Quotient {
    floor: i128,
    remainder: i128,
    divisor: i128,
}

impl Quotient {
    /// `divisor` is above 0, and at most 2^125.
    fn new(dividend: i128, divisor: i128) -> Self {
        Self { floor: dividend.div_euclid(divisor), remainder: dividend.rem_euclid(divisor), divisor }
    }

    fn round_half_even(&self) -> i128 {
        let twice = 2 * self.remainder;
        let is_up = twice > self.divisor || (twice == self.divisor && self.floor % 2 != 0);
        self.floor + i128::from(is_up)
    }

    /// Microseconds; where rounding leaves one microsecond to a whole second, the neighbour that is nearer to it.
    ///
    /// # Source
    /// cftime 1.6, `cast_to_int`.
    fn round_to_second(&self) -> i128 {
        let rounded = self.round_half_even();
        match rounded.rem_euclid(1_000_000) {
            1 => self.floor,
            999_999 => self.floor + i128::from(self.remainder > 0),
            _ => rounded,
        }
    }
}

/// The `f64` nearest to a quotient that is not 0, ties to even. `divisor` is above 0 and below 2^60.
fn nearest_f64(dividend: i128, divisor: i64) -> f64 {
    // Shifted to 127 bits, the quotient has more than the 53 bits of an f64; its last bit then says whether anything
    // is left, so that rounding sees on which side of a tie the quotient lies.
    let magnitude = dividend.unsigned_abs().max(1);
    let shift = magnitude.leading_zeros().saturating_sub(1);
    let scaled = magnitude << shift;
    let divisor = u128::from(divisor.unsigned_abs().max(1));
    let quotient = (scaled / divisor) | u128::from(!scaled.is_multiple_of(divisor));
    let power = f64::from_bits((1_023 - u64::from(shift)) << 52);
    let nearest = quotient as f64 * power;
    if dividend < 0 { -nearest } else { nearest }
}

/// The exact product of `value` and a fraction; `None` if it is beyond all years.
fn exact_product(value: f64, numerator: i64, denominator: i64) -> Option<Quotient> {
    /// Beyond this many nanoseconds, the smallest unit, lie no years that are told apart: 2^77.
    const MAX_SHIFT: i32 = 24;
    /// Below 2^53 times 2^-110 any unit is far from half a microsecond.
    const MIN_SHIFT: i32 = -110;
    let denominator = i128::from(denominator);
    let bits = value.to_bits();
    let (exponent, fraction) = (((bits >> 52) & 0x7ff) as i32, i128::from(bits & ((1 << 52) - 1)));
    let (magnitude, shift) =
        if exponent == 0 { (fraction, -1_074) } else { (fraction | (1 << 52), exponent - 1_075) };
    let product = if value.is_sign_negative() { -magnitude } else { magnitude } * i128::from(numerator);
    match shift {
        _ if magnitude == 0 || shift < MIN_SHIFT => Some(Quotient::new(0, 1)),
        ..0 => Some(Quotient::new(product, denominator << -shift)),
        0..=MAX_SHIFT => Some(Quotient::new(product << shift, denominator)),
        _ => None,
    }
}
