//! How objects are wanted: for how long, how urgently.

use std::time::Duration;

use serde::Deserialize;
use thermocline_http::Problem;
use thermocline_http::query::Query;

use crate::{StagingApiSettings, lifetime};

const USUAL_PRIORITY: u8 = 5;

/// Options as they are written, in a body or in the query.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct WrittenOptions {
    pub(crate) lifetime: Option<String>,
    pub(crate) priority: Option<u8>,
    pub(crate) dry_run: Option<bool>,
    pub(crate) notify: Option<String>,
}

/// Options as they hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) lifetime: Duration,
    pub(crate) priority: u8,
    pub(crate) is_dry_run: bool,
    /// The address that is told of the end, as it is written.
    pub(crate) notify: Option<String>,
}

impl Options {
    /// Those of the body; what it does not say, those of the query; else what is usual.
    ///
    /// # Errors
    /// 400 that names the option.
    pub(crate) fn new(
        written: WrittenOptions,
        query: &Query,
        settings: &StagingApiSettings,
    ) -> Result<Self, Problem> {
        let lifetime = match written.lifetime.or_else(|| query.value("lifetime")) {
            Some(text) => bounded_lifetime(&text, settings)?,
            None => settings.default_lifetime,
        };
        let priority = match (written.priority, query.value("priority")) {
            (Some(priority), _) => priority,
            (None, Some(text)) => text.parse().map_err(|_| bad_priority(&text))?,
            (None, None) => USUAL_PRIORITY,
        };
        if priority > 9 {
            return Err(bad_priority(&priority.to_string()));
        }
        let is_dry_run = match written.dry_run {
            Some(is_dry_run) => is_dry_run,
            None => flag("dry_run", query)?,
        };
        let notify = written.notify.or_else(|| query.value("notify"));
        Ok(Self { lifetime, priority, is_dry_run, notify })
    }
}

/// A lifetime that is not longer than pins may live.
///
/// # Errors
/// 400 that names the limit: a lifetime is never shortened silently.
pub(crate) fn bounded_lifetime(text: &str, settings: &StagingApiSettings) -> Result<Duration, Problem> {
    let found = lifetime::parse(text)?;
    if found > settings.max_lifetime {
        let longest = lifetime::write(settings.max_lifetime);
        let detail = format!(
            "lifetime {} is longer than {longest}, the longest that is granted",
            lifetime::write(found)
        );
        return Err(Problem::invalid_input(detail).with_field("limit", longest));
    }
    Ok(found)
}

fn bad_priority(text: &str) -> Problem {
    Problem::invalid_input(format!("priority '{text}' is none of 0 to 9"))
}

fn flag(name: &str, query: &Query) -> Result<bool, Problem> {
    match query.value(name).as_deref() {
        None | Some("false" | "0") => Ok(false),
        Some("" | "true" | "1") => Ok(true),
        Some(other) => Err(Problem::invalid_input(format!("{name}={other} is neither true nor false"))
            .with_allowed(["true", "false"])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(written: WrittenOptions, uri: &str) -> Result<Options, Problem> {
        let (parts, ()) = http::Request::post(uri).body(()).unwrap().into_parts();
        Options::new(written, &Query::of(&parts), &StagingApiSettings::default())
    }

    #[test]
    fn the_body_wins_over_the_query_and_both_over_what_is_usual() {
        let usual = options(WrittenOptions::default(), "/").unwrap();
        assert_eq!((usual.priority, usual.lifetime.as_secs(), usual.is_dry_run), (5, 172_800, false));
        assert_eq!(usual.notify, None);
        let uri = "/?lifetime=PT1H&priority=7&dry_run=true";
        let queried = options(WrittenOptions::default(), uri).unwrap();
        assert_eq!((queried.priority, queried.lifetime.as_secs(), queried.is_dry_run), (7, 3600, true));
        let written = WrittenOptions {
            lifetime: Some("2h".into()),
            priority: Some(1),
            dry_run: Some(false),
            notify: Some("https://a.example".into()),
        };
        let both = options(written, &format!("{uri}&notify=https://b.example")).unwrap();
        assert_eq!((both.priority, both.lifetime.as_secs(), both.is_dry_run), (1, 7200, false));
        assert_eq!(both.notify.as_deref(), Some("https://a.example"));
    }

    #[test]
    fn options_out_of_range_are_named() {
        for (uri, named) in [
            ("/?priority=10", "priority"),
            ("/?priority=high", "priority"),
            ("/?lifetime=P31D", "P30D"),
            ("/?lifetime=forever", "lifetime"),
            ("/?dry_run=maybe", "dry_run"),
        ] {
            let problem = options(WrittenOptions::default(), uri).unwrap_err();
            assert_eq!(problem.status, 400, "{uri}");
            assert!(problem.detail().contains(named), "{uri}: {}", problem.detail());
        }
    }
}
