//! Answers questions about CF times, a line for a line: `tests/cf/check_cftime.py` asks.
//!
//! Fields are separated by tabs; times are ISO 8601; what cannot be told is `error` and the reason, or
//! `unclear` if clients may tell it.
//!
//! | question | answer |
//! |---|---|
//! | `decode CALENDAR UNITS VALUE` | time, day of year, day of week, days in month, `true` or `false` for leap years |
//! | `encode CALENDAR UNITS TIME` | `i` or `f`, and the value |
//! | `reference CALENDAR UNITS` | the time of value 0 |
//! | `period CALENDAR DATE` | start, end, precision |
//! | `months CALENDAR TIME N` | the time N months later |
//!
//! A value with a point, an exponent or `n` (`nan`, `inf`) is a float, any other an integer.

use std::error::Error;
use std::io::{BufRead, BufWriter, Write};

use thermocline_model::Number;
use thermocline_model::cf::{Calendar, Period, TimeError, TimeUnits};

fn main() -> Result<(), Box<dyn Error>> {
    let mut answers = BufWriter::new(std::io::stdout().lock());
    for question in std::io::stdin().lock().lines() {
        match answer(&question?) {
            Ok(answer) => writeln!(answers, "{answer}")?,
            Err(error) if is_unclear(&*error) => writeln!(answers, "unclear\t{error}")?,
            Err(error) => writeln!(answers, "error\t{error}")?,
        }
    }
    Ok(answers.flush()?)
}

fn is_unclear(error: &(dyn Error + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(TimeError::UnclearUnits { .. }))
}

fn answer(question: &str) -> Result<String, Box<dyn Error>> {
    let fields: Vec<&str> = question.split('\t').collect();
    let &[verb, calendar, ref rest @ ..] = fields.as_slice() else { return Err("no question".into()) };
    let calendar = Calendar::parse(calendar)?;
    match (verb, rest) {
        ("decode", &[units, value]) => decode(&TimeUnits::parse(units, calendar)?, value),
        ("encode", &[units, time]) => encode(&TimeUnits::parse(units, calendar)?, time),
        ("reference", &[units]) => Ok(TimeUnits::parse(units, calendar)?.reference()?.to_string()),
        ("period", &[date]) => {
            let period = Period::parse(date, calendar)?;
            let precision = format!("{:?}", period.precision()).to_lowercase();
            Ok(format!("{}\t{}\t{precision}", period.start(), period.end()))
        }
        ("months", &[time, months]) => {
            Ok(Period::parse(time, calendar)?.start().add_months(months.parse()?)?.to_string())
        }
        _ => Err("no question".into()),
    }
}

fn decode(units: &TimeUnits, value: &str) -> Result<String, Box<dyn Error>> {
    let is_float = value.contains(['.', 'e', 'n']);
    let value = if is_float { Number::Float(value.parse()?) } else { Number::Integer(value.parse()?) };
    let time = units.decode(value)?;
    let (year_day, week_day, n_days) = (time.day_of_year(), time.day_of_week(), time.days_in_month());
    Ok(format!("{time}\t{year_day}\t{week_day}\t{n_days}\t{}", time.is_leap_year()))
}

fn encode(units: &TimeUnits, time: &str) -> Result<String, Box<dyn Error>> {
    let time = Period::parse(time, units.calendar())?.start();
    Ok(match units.encode(&time)? {
        Number::Integer(value) => format!("i\t{value}"),
        Number::Float(value) => format!("f\t{value:?}"),
    })
}
