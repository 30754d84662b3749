//! What is said of a result above its plot.

use thermocline_groupby::{Action, Component, Frequency, FrequencyUnit, Grouper, Options, Request, Weights};
use thermocline_plot::DerivedRange;

/// Most characters of what a title says of names.
const MAX_CHARS: usize = 80;

/// What stands before and after the name of the variable: `Monthly mean of`, and often nothing.
pub(super) fn around(request: &Request) -> (String, String) {
    let what = computed(request);
    if request.options.anomaly {
        return ("Anomaly of".to_owned(), format!("from its {what}"));
    }
    (capitalized(&format!("{what} of")), String::new())
}

/// What is before the name of the variable beside a scale: nothing where the quantity is that of the variable.
pub(super) fn quantity(request: &Request) -> String {
    match range(request) {
        DerivedRange::Kept => String::new(),
        DerivedRange::Differences => "Anomaly of".to_owned(),
        DerivedRange::Other => capitalized(&format!("{} of", action(request))),
    }
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase).into_iter().flatten();
    first.chain(letters).collect()
}

/// `monthly mean over lat, lon, weighted by coslat`.
fn computed(request: &Request) -> String {
    let options = &request.options;
    let action = action(request);
    let adjective = match request.groupers.as_slice() {
        [grouper] => adjective(grouper, options),
        _ => None,
    };
    let mut text = match adjective {
        Some(adjective) => format!("{adjective} {action}"),
        None => format!("{action} by {}", groups(request)),
    };
    if !options.over.is_empty() {
        text.push_str(&format!(" over {}", shortened(&options.over.join(", "))));
    }
    if let Some(weights) = &options.weights {
        text.push_str(&format!(" weighted by {}", weights_text(weights)));
    }
    text
}

fn action(request: &Request) -> String {
    let word = match request.action {
        Action::Min => "minimum",
        Action::Max => "maximum",
        Action::Prod => "product",
        Action::Std => "standard deviation",
        Action::Var => "variance",
        Action::First => "first value",
        Action::Last => "last value",
        Action::Quantile => return quantile(&request.options.q),
        action => action.word(),
    };
    word.to_owned()
}

fn quantile(q: &[f64]) -> String {
    match q {
        [q] => format!("quantile {q}"),
        _ => "quantiles".to_owned(),
    }
}

/// The word for how often, of groups that have one.
fn adjective(grouper: &Grouper, options: &Options) -> Option<&'static str> {
    if let Some((_, component)) = &grouper.component {
        return match component {
            Component::Year => Some("yearly"),
            Component::Quarter => Some("quarterly"),
            Component::Season => Some("seasonal"),
            Component::Month => Some("monthly"),
            Component::Date => Some("daily"),
            Component::Decade => Some("decadal"),
            _ => None,
        };
    }
    let Frequency { unit, .. } = options.freq.filter(|freq| freq.n == 1)?;
    Some(match unit {
        FrequencyUnit::YearStart | FrequencyUnit::YearEnd => "yearly",
        FrequencyUnit::QuarterStart | FrequencyUnit::QuarterEnd => "quarterly",
        FrequencyUnit::SeasonStart => "seasonal",
        FrequencyUnit::MonthStart | FrequencyUnit::MonthEnd => "monthly",
        FrequencyUnit::Day => "daily",
        FrequencyUnit::Hour => "hourly",
        FrequencyUnit::Minute | FrequencyUnit::Second => return None,
    })
}

/// `year and month`, `lat bins`, `12h`.
fn groups(request: &Request) -> String {
    let options = &request.options;
    let freq = options.freq.and_then(|_| Options::spec("freq")?.write(options));
    let name = |grouper: &Grouper| match (&grouper.component, &freq) {
        (Some((word, _)), _) => word.replace('_', " "),
        (None, Some(freq)) if request.groupers.len() == 1 => freq.clone(),
        (None, _) if options.bins.is_some() && request.groupers.len() == 1 => {
            format!("{} bins", grouper.coordinate)
        }
        (None, _) => grouper.coordinate.clone(),
    };
    let names: Vec<String> = request.groupers.iter().map(name).collect();
    shortened(&names.join(" and "))
}

fn weights_text(weights: &Weights) -> String {
    match weights {
        Weights::CosLat => "the cosine of latitude".to_owned(),
        Weights::CellArea => "the area of cells".to_owned(),
        Weights::DaysInMonth => "the length of months".to_owned(),
        Weights::Variable(name) => shortened(name),
    }
}

/// The beginning of a text that may be of any length, without control characters.
fn shortened(text: &str) -> String {
    let mut shown: String = text.chars().filter(|c| !c.is_control()).take(MAX_CHARS).collect();
    if text.chars().nth(MAX_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

/// Where the values of a result lie.
pub(super) fn range(request: &Request) -> DerivedRange {
    match request.action {
        _ if request.options.anomaly => DerivedRange::Differences,
        Action::Mean | Action::Min | Action::Max | Action::Median => DerivedRange::Kept,
        Action::First | Action::Last | Action::Quantile => DerivedRange::Kept,
        _ => DerivedRange::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn title(grouper: &str, action: &str, query: &str) -> String {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let pairs: Vec<_> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let (before, after) = around(&Request::parse("tas", grouper, action, &pairs).unwrap());
        format!("{before} X {after}").trim().to_owned()
    }

    #[test]
    fn titles_say_what_is_drawn() {
        for (grouper, action, query, expected) in [
            ("time.month", "mean", "", "Monthly mean of X"),
            ("time.season", "std", "", "Seasonal standard deviation of X"),
            ("time.dayofyear", "max", "", "Maximum by dayofyear of X"),
            ("time.month_day", "count", "", "Count by month day of X"),
            ("time", "sum", "freq=YS", "Yearly sum of X"),
            ("time", "sum", "freq=10D", "Sum by 10D of X"),
            ("lat", "mean", "bins=n:3", "Mean by lat bins of X"),
            ("time.year,time.month", "mean", "", "Mean by year and month of X"),
            ("time.month", "mean", "over=lon,lat", "Monthly mean over lat, lon of X"),
            ("time.month", "mean", "weights=coslat", "Monthly mean weighted by the cosine of latitude of X"),
            ("time.month", "quantile", "q=0.9", "Monthly quantile 0.9 of X"),
            ("time.month", "quantile", "q=0.1,0.9", "Monthly quantiles of X"),
            ("time.month", "mean", "anomaly=1", "Anomaly of X from its monthly mean"),
        ] {
            assert_eq!(title(grouper, action, query), expected);
        }
    }

    #[test]
    fn a_scale_names_the_quantity_where_it_is_another_one() {
        let of = |action: &str, query: &[(String, String)]| {
            quantity(&Request::parse("tas", "time.month", action, query).unwrap())
        };
        assert_eq!(of("mean", &[]), "");
        assert_eq!(of("std", &[]), "Standard deviation of");
        assert_eq!(of("mean", &[("anomaly".into(), "1".into())]), "Anomaly of");
    }

    #[test]
    fn a_title_is_short_whatever_names_are_given() {
        let over = format!("over={}", vec!["x".repeat(200); 1].join(","));
        assert!(title("time.month", "mean", &over).chars().count() < 150);
    }

    #[test]
    fn a_range_fits_what_has_the_scale_of_the_variable() {
        let range_of = |action: &str, query: &[(String, String)]| {
            range(&Request::parse("tas", "time.month", action, query).unwrap())
        };
        assert_eq!(range_of("mean", &[]), DerivedRange::Kept);
        assert_eq!(range_of("std", &[]), DerivedRange::Other);
        assert_eq!(range_of("mean", &[("anomaly".into(), "1".into())]), DerivedRange::Differences);
    }
}
