//! Header values that most answers share, made once a thread.

use std::cell::RefCell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::HeaderValue;

/// First second of the year 10000, which an HTTP date cannot say.
const YEAR_10000: u64 = 253_402_300_800;

/// How many `Cache-Control` values are kept: there are as many as settings.
const MAX_KEPT: usize = 16;

thread_local! {
    static LAST_DATE: RefCell<Option<(u64, HeaderValue)>> = const { RefCell::new(None) };
    static CACHE_CONTROL: RefCell<Vec<(u64, HeaderValue)>> = const { RefCell::new(Vec::new()) };
}

/// An entity tag in quotes; `None` if it holds what a header cannot.
pub(super) fn etag(etag: &str, suffix: &str) -> Option<HeaderValue> {
    let mut quoted = String::with_capacity(etag.len() + suffix.len() + 2);
    quoted.push('"');
    quoted.push_str(etag);
    quoted.push_str(suffix);
    quoted.push('"');
    HeaderValue::from_maybe_shared(Bytes::from(quoted)).ok()
}

/// Seconds since 1970; `None` for times that an HTTP date cannot say.
pub(super) fn whole_seconds(time: SystemTime) -> Option<u64> {
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
    (seconds < YEAR_10000).then_some(seconds)
}

/// A time as HTTP writes it.
pub(super) fn http_date(time: SystemTime) -> Option<HeaderValue> {
    let seconds = whole_seconds(time)?;
    LAST_DATE.with_borrow_mut(|last| {
        if let Some((_, value)) = last.as_ref().filter(|(kept, _)| *kept == seconds) {
            return Some(value.clone());
        }
        let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
        let value = HeaderValue::from_maybe_shared(Bytes::from(text)).ok()?;
        *last = Some((seconds, value.clone()));
        Some(value)
    })
}

/// `public, max-age=…`
pub(super) fn public_for(max_age: Duration) -> HeaderValue {
    let seconds = max_age.as_secs();
    CACHE_CONTROL.with_borrow_mut(|kept| {
        if let Some((_, value)) = kept.iter().find(|(age, _)| *age == seconds) {
            return value.clone();
        }
        let text = format!("public, max-age={seconds}");
        let value = HeaderValue::from_maybe_shared(Bytes::from(text))
            .unwrap_or_else(|_| HeaderValue::from_static("no-cache"));
        if kept.len() < MAX_KEPT {
            kept.push((seconds, value.clone()));
        }
        value
    })
}
