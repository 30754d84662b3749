//! What the answers of S3 say about an object and about a restore. Pure.
//!
//! # Source
//! Amazon S3 API Reference: HeadObject (`x-amz-storage-class`, `x-amz-restore`, `x-amz-archive-status`) and
//! RestoreObject, "Special Errors".

use std::time::{Duration, UNIX_EPOCH};

use http::HeaderMap;
use http::header::{CONTENT_LENGTH, ETAG, LAST_MODIFIED};
use thermocline_core::cold::{FailureCause, Locality, ObjectStatus, StageFailure};
use thermocline_core::{Error, ErrorKind, Result};

use crate::config::Tier;

/// When a store is asked again that says what makes no sense.
const NONSENSE_RETRY_AFTER: Duration = Duration::from_secs(60);

/// Which way back an object has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// None is needed: STANDARD, GLACIER_IR and all others that answer reads at once.
    Immediate,
    /// GLACIER, now called Glacier Flexible Retrieval.
    Glacier,
    /// DEEP_ARCHIVE.
    DeepArchive,
    /// An archive tier of INTELLIGENT_TIERING: what comes back stays.
    Tiered {
        /// Whether it is the deep one.
        is_deep: bool,
    },
}

impl Class {
    /// The class by its name, and by what is said of the tier that an object of INTELLIGENT_TIERING lies in.
    fn new(name: &str, archive: Option<&str>) -> Self {
        match (name, archive) {
            ("GLACIER", _) => Self::Glacier,
            ("DEEP_ARCHIVE", _) => Self::DeepArchive,
            (_, Some("ARCHIVE_ACCESS")) => Self::Tiered { is_deep: false },
            (_, Some("DEEP_ARCHIVE_ACCESS")) => Self::Tiered { is_deep: true },
            _ => Self::Immediate,
        }
    }

    /// The tier that an object may be asked for by: the deep ones know no Expedited.
    pub(crate) fn tier(self, wanted: Tier) -> Tier {
        match self {
            Self::DeepArchive | Self::Tiered { is_deep: true } => wanted.min(Tier::Standard),
            Self::Immediate | Self::Glacier | Self::Tiered { is_deep: false } => wanted,
        }
    }

    /// Whether a copy is made for some days; otherwise the object itself comes back.
    pub(crate) fn makes_copies(self) -> bool {
        matches!(self, Self::Glacier | Self::DeepArchive)
    }
}

/// How an object stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is read where it is.
    Online,
    /// Reads are refused.
    Cold,
    /// The same, and a restore runs.
    Restoring,
    /// A copy answers reads.
    Restored {
        /// When it ends, in nanoseconds since 1970, if the store says.
        until_ns: Option<i64>,
    },
}

impl Standing {
    pub(crate) fn is_online(self) -> bool {
        matches!(self, Self::Online | Self::Restored { .. })
    }

    /// True if a copy ends before that time.
    pub(crate) fn ends_before(self, at_ns: i64) -> bool {
        matches!(self, Self::Restored { until_ns: Some(until_ns) } if until_ns < at_ns)
    }
}

/// An object as the store shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) standing: Standing,
    pub(crate) class: Class,
    pub(crate) len_bytes: u64,
    /// The entity tag, or the time of modification where there is none.
    pub(crate) version: String,
    /// Whether a listing showed it that said nothing of its restore: one may run, or have made a copy.
    pub(crate) is_presumed: bool,
}

impl Seen {
    pub(crate) fn status(self) -> ObjectStatus {
        let (locality, online_until_ns) = match self.standing {
            Standing::Online => (Locality::Online, None),
            Standing::Cold | Standing::Restoring => (Locality::Nearline, None),
            Standing::Restored { until_ns } => (Locality::OnlineAndNearline, until_ns),
        };
        ObjectStatus {
            locality,
            len_bytes: self.len_bytes,
            version: self.version,
            place: None,
            // An entity tag is no checksum of what lies encrypted or came in parts.
            checksum: None,
            links_to: None,
            online_until_ns,
        }
    }
}

/// What the headers of an answer to HEAD say.
///
/// # Errors
/// [`ErrorKind::Unavailable`] for an answer that cannot be understood: nothing is concluded from it.
pub(crate) fn seen(headers: &HeaderMap) -> Result<Seen> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let class = Class::new(text("x-amz-storage-class").unwrap_or("STANDARD"), text("x-amz-archive-status"));
    let len_bytes = text(CONTENT_LENGTH.as_str()).and_then(|length| length.trim().parse().ok());
    let version = text(ETAG.as_str()).or_else(|| text(LAST_MODIFIED.as_str()));
    Ok(Seen {
        standing: standing(class, text("x-amz-restore"))?,
        class,
        len_bytes: len_bytes.ok_or_else(|| nonsense("names no length"))?,
        version: version
            .ok_or_else(|| nonsense("names neither an ETag nor a time of modification"))?
            .to_owned(),
        is_presumed: false,
    })
}

fn standing(class: Class, restore: Option<&str>) -> Result<Standing> {
    let restore = restore.map(str::trim).filter(|restore| !restore.is_empty());
    match (class, restore) {
        (Class::Immediate, _) => Ok(Standing::Online),
        (_, None) => Ok(Standing::Cold),
        (_, Some(restore)) => restored(restore),
    }
}

/// What `ongoing-request="false", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT"` says.
fn restored(header: &str) -> Result<Standing> {
    match member(header, "ongoing-request") {
        Some("true") => Ok(Standing::Restoring),
        Some("false") => {
            let until = member(header, "expiry-date").map(httpdate::parse_http_date).transpose();
            let until = until.map_err(|_| nonsense("names an end of its copy that is no date"))?;
            Ok(Standing::Restored { until_ns: until.map(nanoseconds) })
        }
        _ => Err(nonsense("says neither that a restore runs nor that it does not")),
    }
}

/// The value of `name="value"` in a header.
fn member<'h>(header: &'h str, name: &str) -> Option<&'h str> {
    let (_, rest) = header.split_once(name)?;
    let rest = rest.trim_start().strip_prefix('=')?.trim_start().strip_prefix('"')?;
    rest.split_once('"').map(|(value, _)| value)
}

/// Nanoseconds since 1970.
fn nanoseconds(time: std::time::SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

fn nonsense(what: &str) -> Error {
    let kind = ErrorKind::Unavailable { retry_after: NONSENSE_RETRY_AFTER };
    Error::new(kind, format!("the answer of the store {what}"))
}

/// What a listing says of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) key: String,
    pub(crate) seen: Seen,
    /// Whether the listing told how a restore stands.
    pub(crate) tells_restore: bool,
    /// Whether the listing cannot tell how the object stands.
    pub(crate) is_unclear: bool,
}

/// What the parts of an entry of a listing say; `None` if they cannot be understood.
pub(crate) fn listed(entry: crate::xml::Entry) -> Option<Listed> {
    let class = Class::new(entry.class.as_deref().unwrap_or("STANDARD"), None);
    let standing = match (class, &entry.restore) {
        (Class::Immediate, _) => Standing::Online,
        (_, None) => Standing::Cold,
        (_, Some(restore)) if restore.is_in_progress => Standing::Restoring,
        (_, Some(restore)) => {
            let until = restore.expires.as_deref().map(humantime::parse_rfc3339_weak).transpose().ok()?;
            Standing::Restored { until_ns: until.map(nanoseconds) }
        }
    };
    Some(Listed {
        tells_restore: entry.restore.is_some(),
        // Which of its tiers such an object lies in no listing says.
        is_unclear: entry.class.as_deref() == Some("INTELLIGENT_TIERING"),
        seen: Seen {
            standing,
            class,
            len_bytes: entry.len_bytes,
            version: entry.tag?,
            is_presumed: class.makes_copies() && entry.restore.is_none(),
        },
        key: entry.key,
    })
}

/// What came of asking for a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Restored {
    /// It has begun, or goes on by a faster tier.
    Started,
    /// There is a copy already, and it ends at another time now.
    Prolonged,
    /// One runs already.
    Joined,
    /// The object is read where it is.
    Online,
    /// This tier has no capacity at present.
    NextTier,
    /// Too many requests.
    SlowDown,
    /// It may or may not have begun: the store has to be looked at.
    Unclear(String),
    /// Nobody wanted it any more when it was its turn: it was not asked for.
    Cancelled,
    /// The credentials are at fault, not the object.
    Credentials,
    /// It did not begin.
    Failed(StageFailure),
}

/// What an answer to RestoreObject says, by its status and the code of its error document.
pub(crate) fn restore_answer(status: u16, code: Option<&str>) -> Restored {
    let failed = |cause, reason: String| Restored::Failed(StageFailure { cause, reason });
    let said = || match code {
        Some(code) => format!("the store answers {status} {code}"),
        None => format!("the store answers {status}"),
    };
    match (status, code) {
        (202, _) => Restored::Started,
        (200..=299, _) => Restored::Prolonged,
        (_, Some("RestoreAlreadyInProgress")) => Restored::Joined,
        (_, Some("ObjectAlreadyInActiveTierError")) => Restored::Online,
        (_, Some("GlacierExpeditedRetrievalNotAvailable")) => Restored::NextTier,
        (_, Some("SlowDown" | "RequestLimitExceeded" | "ThrottlingException")) | (429, _) => {
            Restored::SlowDown
        }
        (_, Some(code)) if is_about_credentials(code) => Restored::Credentials,
        (404, Some("NoSuchBucket")) => failed(
            FailureCause::Busy { after: Some(NONSENSE_RETRY_AFTER) },
            "there is no such bucket".to_owned(),
        ),
        (300..=399, _) => failed(FailureCause::Busy { after: Some(NONSENSE_RETRY_AFTER) }, said()),
        // The store names the error in each of its answers: these come from something in front of it.
        (_, None) => Restored::Unclear(said()),
        (404, _) => failed(FailureCause::NotFound, "there is no such object".to_owned()),
        (403, _) => failed(FailureCause::Denied, format!("{}: restoring needs s3:RestoreObject", said())),
        // Of the connection, or of two requests at the same time: the next one may go well.
        (408 | 409 | 500..=599, _) | (400, Some("RequestTimeout" | "IncompleteBody")) => {
            Restored::Unclear(said())
        }
        _ => failed(FailureCause::Denied, said()),
    }
}

/// True for codes of errors that are about whoever asks.
///
/// Source: Amazon S3 API reference, "Error responses".
pub(crate) fn is_about_credentials(code: &str) -> bool {
    credentials_trouble(code).is_some()
}

/// What is wrong with the credentials, in words.
pub(crate) fn credentials_trouble(code: &str) -> Option<&'static str> {
    Some(match code {
        "InvalidAccessKeyId" => "the store does not know the access key",
        "SignatureDoesNotMatch" | "InvalidSecurity" => "the secret key does not fit the access key",
        "ExpiredToken" | "TokenRefreshRequired" => "the credentials have expired",
        "InvalidToken" => "the store does not accept the session token",
        "RequestTimeTooSkewed" => "the clock of this machine and that of the store are too far apart",
        "AuthorizationHeaderMalformed" => "the region is not that of the bucket",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let usual = [("content-length", "20"), ("etag", "\"abc\"")];
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        usual.iter().chain(pairs).map(pair).collect()
    }

    fn standing_of(class: &str, restore: &str) -> Standing {
        let restore = [("x-amz-storage-class", class), ("x-amz-restore", restore)];
        let given = if restore[1].1.is_empty() { &restore[..1] } else { &restore[..] };
        seen(&headers(given)).unwrap().standing
    }

    const ENDED: &str = "ongoing-request=\"false\", expiry-date=\"Fri, 21 Dec 2012 00:00:00 GMT\"";

    #[test]
    fn each_state_of_the_api_reference_is_told_apart() {
        let restored = Standing::Restored { until_ns: Some(1_356_048_000_000_000_000) };
        for (class, restore, expected) in [
            ("GLACIER", "", Standing::Cold),
            ("GLACIER", "ongoing-request=\"true\"", Standing::Restoring),
            ("GLACIER", ENDED, restored),
            ("DEEP_ARCHIVE", "", Standing::Cold),
            ("DEEP_ARCHIVE", ENDED, restored),
            ("DEEP_ARCHIVE", "ongoing-request=\"false\"", Standing::Restored { until_ns: None }),
            ("GLACIER_IR", "", Standing::Online),
            ("STANDARD_IA", "", Standing::Online),
            ("INTELLIGENT_TIERING", "", Standing::Online),
        ] {
            assert_eq!(standing_of(class, restore), expected, "{class} {restore}");
        }
        assert_eq!(seen(&headers(&[])).unwrap().standing, Standing::Online);
    }

    #[test]
    fn archive_tiers_of_intelligent_tiering_are_cold() {
        let deep =
            [("x-amz-storage-class", "INTELLIGENT_TIERING"), ("x-amz-archive-status", "DEEP_ARCHIVE_ACCESS")];
        let seen = seen(&headers(&deep)).unwrap();
        assert_eq!((seen.standing, seen.class), (Standing::Cold, Class::Tiered { is_deep: true }));
        assert!(!seen.class.makes_copies());
    }

    #[test]
    fn deep_classes_are_never_asked_for_by_expedited() {
        assert_eq!(Class::DeepArchive.tier(Tier::Expedited), Tier::Standard);
        assert_eq!(Class::DeepArchive.tier(Tier::Bulk), Tier::Bulk);
        assert_eq!(Class::Glacier.tier(Tier::Expedited), Tier::Expedited);
    }

    #[test]
    fn nothing_is_concluded_from_what_makes_no_sense() {
        for restore in [
            "ongoing-request=\"maybe\"",
            "ongoing-request",
            "false",
            "ongoing-request=\"false\", expiry-date=\"soon\"",
        ] {
            let pairs = [("x-amz-storage-class", "GLACIER"), ("x-amz-restore", restore)];
            let kind = seen(&headers(&pairs)).unwrap_err().kind();
            assert!(matches!(kind, ErrorKind::Unavailable { .. }), "{restore}");
        }
        assert!(seen(&HeaderMap::new()).is_err());
    }

    #[test]
    fn answers_to_a_restore_mean_what_the_api_reference_says() {
        let cause = |answer| match answer {
            Restored::Failed(failure) => failure.cause,
            other => panic!("{other:?}"),
        };
        for (status, code, expected) in [
            (202, None, Restored::Started),
            (200, None, Restored::Prolonged),
            (409, Some("RestoreAlreadyInProgress"), Restored::Joined),
            (403, Some("ObjectAlreadyInActiveTierError"), Restored::Online),
            (503, Some("GlacierExpeditedRetrievalNotAvailable"), Restored::NextTier),
            (503, Some("SlowDown"), Restored::SlowDown),
            (403, Some("InvalidAccessKeyId"), Restored::Credentials),
            (400, Some("ExpiredToken"), Restored::Credentials),
        ] {
            assert_eq!(restore_answer(status, code), expected, "{status} {code:?}");
        }
        assert_eq!(cause(restore_answer(404, Some("NoSuchKey"))), FailureCause::NotFound);
        for (status, code) in [(404, "NoSuchBucket"), (301, "PermanentRedirect"), (307, "TemporaryRedirect")]
        {
            let cause = cause(restore_answer(status, Some(code)));
            assert!(matches!(cause, FailureCause::Busy { .. }), "{status} {code}");
        }
        assert_eq!(cause(restore_answer(403, Some("AccessDenied"))), FailureCause::Denied);
        assert_eq!(cause(restore_answer(400, Some("InvalidArgument"))), FailureCause::Denied);
        // Whether it has begun nobody knows: never a failure of the object.
        for (status, code) in [
            (400, Some("RequestTimeout")),
            (400, Some("IncompleteBody")),
            (409, Some("OperationAborted")),
            (409, None),
            (403, None),
            (404, None),
            (405, None),
            (413, None),
        ] {
            assert!(matches!(restore_answer(status, code), Restored::Unclear(_)), "{status} {code:?}");
        }
        assert!(matches!(restore_answer(500, Some("InternalError")), Restored::Unclear(_)));
        assert!(matches!(restore_answer(503, None), Restored::Unclear(_)));
    }

    proptest! {
        #[test]
        fn headers_never_make_it_panic(class in ".{0,20}", restore in ".{0,60}", length in ".{0,12}") {
            let mut given = HeaderMap::new();
            for (name, value) in [("x-amz-storage-class", &class), ("x-amz-restore", &restore), ("content-length", &length)] {
                if let Ok(value) = HeaderValue::from_str(value) {
                    given.insert(HeaderName::from_static(name), value);
                }
            }
            let _ = seen(&given);
            let _ = restored(&restore);
        }

        #[test]
        fn dates_come_back(seconds in 0_u64..4_000_000_000) {
            let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
            let header = format!("ongoing-request=\"false\", expiry-date=\"{date}\"");
            let until_ns = Some(i64::try_from(seconds).unwrap() * 1_000_000_000);
            prop_assert_eq!(restored(&header).unwrap(), Standing::Restored { until_ns });
        }

        #[test]
        fn every_answer_means_something(status in 0_u16..1000, code in proptest::option::of("[A-Za-z]{0,30}")) {
            let _ = restore_answer(status, code.as_deref());
        }
    }
}
