//! What is said to the site, and what it says. Everything that it says is untrusted.

use std::collections::HashMap;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use thermocline_core::cold::{FailureCause, Locality, StageFailure, StageState};
use thermocline_core::{Error, ErrorKind};

/// Longest part of the site's own words in a message.
const MAX_REASON_CHARS: usize = 300;

/// When a site is asked again that cannot tell of a file.
const ASK_AGAIN: Duration = Duration::from_secs(60);

/// Where the interface of a site is.
#[derive(Debug, Deserialize)]
pub(crate) struct Discovery {
    pub(crate) endpoints: Vec<Endpoint>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Endpoint {
    pub(crate) uri: String,
    pub(crate) version: String,
}

/// Files that are wanted.
#[derive(Debug, Serialize)]
pub(crate) struct StageBody<'a> {
    files: Vec<StageFile<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StageFile<'a> {
    path: &'a str,
    disk_lifetime: &'a str,
}

impl<'a> StageBody<'a> {
    pub(crate) fn new(paths: &'a [String], disk_lifetime: &'a str) -> Self {
        Self { files: paths.iter().map(|path| StageFile { path, disk_lifetime }).collect() }
    }
}

/// A duration as ISO 8601, at least a second: the site keeps files for at least as long.
pub(crate) fn disk_lifetime(lifetime: Duration) -> String {
    let seconds = lifetime.as_secs().saturating_add(u64::from(lifetime.subsec_nanos() > 0));
    format!("PT{}S", seconds.max(1))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StageAnswer {
    pub(crate) request_id: String,
}

/// The body of questions about paths.
#[derive(Debug, Serialize)]
pub(crate) struct PathsBody<'a> {
    pub(crate) paths: &'a [String],
}

/// How far a request is.
#[derive(Debug, Deserialize)]
pub(crate) struct PollDocument {
    pub(crate) files: Vec<PollFile>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PollFile {
    pub(crate) path: String,
    pub(crate) state: Option<String>,
    pub(crate) on_disk: Option<bool>,
    pub(crate) error: Option<String>,
}

impl PollFile {
    /// How far the recall is. A file that the site has cancelled, and we have not, is asked for again.
    pub(crate) fn stage_state(&self) -> StageState {
        let error = self.error.as_deref().filter(|error| !error.trim().is_empty());
        let failed = |error: &str| StageState::Failed(failure(error));
        match (self.state.as_deref(), self.on_disk) {
            (Some("COMPLETED"), _) | (None, Some(true)) => StageState::Staged,
            (Some("FAILED"), _) => failed(error.unwrap_or("the site says that it failed, and not why")),
            // The specification and gfal2 spell it differently.
            (Some("CANCELLED" | "CANCELED"), _) => StageState::Unknown,
            (Some("SUBMITTED"), _) => StageState::Queued,
            // It may still wait for a drive: for a site the recall has started when it was handed on.
            (Some(_), _) => StageState::Accepted,
            (None, _) => error.map_or(StageState::Accepted, failed),
        }
    }
}

/// What can be done about an error of a file, by the site's words: the interface has no codes.
pub(crate) fn failure(error: &str) -> StageFailure {
    let text = error.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let cause = if says_missing(&text) {
        FailureCause::NotFound
    } else if says(&["permission", "denied", "forbidden", "not authorized", "not authorised"]) {
        FailureCause::Denied
    } else if says(&["no copy", "file is lost", "file lost"]) {
        FailureCause::Lost
    } else {
        FailureCause::Retryable { after: None }
    };
    StageFailure { cause, reason: shortened(error) }
}

/// True for words that say that a file does not exist. Of what else sites do not find, like pools and locations, they find
/// it again.
fn says_missing(lower: &str) -> bool {
    let is_known = ["no such file", "enoent"].iter().any(|words| lower.contains(words));
    is_known || ["does not exist", "doesn't exist", "not found"].iter().any(|gone| is_of_file(lower, gone))
}

/// True if a text says something of a file, and at most its name stands between.
fn is_of_file(lower: &str, said: &str) -> bool {
    lower.match_indices(said).any(|(at, _)| {
        let mut before = lower.get(..at).unwrap_or_default().split_whitespace().rev();
        let is_file =
            |word: &str| matches!(word.trim_start_matches(|c: char| !c.is_alphanumeric()), "file" | "file:");
        match (before.next(), before.next()) {
            (Some(word), _) if is_file(word) => true,
            (Some(name), Some(word)) => is_name(name) && is_file(word),
            _ => false,
        }
    })
}

/// True for a path, in quotes or not.
fn is_name(word: &str) -> bool {
    let bare = word.trim_matches(['"', '\'', '`', '<', '>']);
    word.len() > bare.len() || bare.starts_with('/')
}

/// The first of a text that the site wrote, without what no line has.
pub(crate) fn shortened(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_REASON_CHARS)
        .collect::<String>()
        .trim()
        .to_owned()
}

/// Where a file is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ArchiveInfo {
    pub(crate) path: String,
    pub(crate) locality: Option<String>,
    pub(crate) error: Option<String>,
}

impl ArchiveInfo {
    /// Where the file is.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for one that does not exist, [`ErrorKind::Unavailable`] for one of which the site cannot
    /// tell.
    pub(crate) fn locality(&self) -> Result<Locality, Error> {
        let error = self.error.as_deref().map(shortened).filter(|error| !error.is_empty());
        let said = |usual: &str| format!("{}: {}", self.path, error.as_deref().unwrap_or(usual));
        let is_missing = error.as_deref().is_some_and(|error| says_missing(&error.to_ascii_lowercase()));
        match self.locality.as_deref() {
            _ if is_missing => Err(Error::not_found(said("it does not exist"))),
            Some("NONE") => Err(Error::not_found(said("it does not exist"))),
            Some("DISK") => Ok(Locality::Online),
            Some("TAPE") => Ok(Locality::Nearline),
            Some("DISK_AND_TAPE") => Ok(Locality::OnlineAndNearline),
            Some("LOST") => Ok(Locality::Lost),
            _ => {
                let kind = ErrorKind::Unavailable { retry_after: ASK_AGAIN };
                Err(Error::new(kind, said("the site cannot reach it at present")))
            }
        }
    }
}

/// A problem (RFC 9457) as sites write it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SiteProblem {
    title: Option<String>,
    detail: Option<String>,
    message: Option<String>,
}

/// What the body of a refusal says, in a few words; nothing for a page.
pub(crate) fn refusal(body: &[u8]) -> Option<String> {
    let problem: SiteProblem = serde_json::from_slice(body).ok()?;
    let text = problem.detail.or(problem.message).or(problem.title)?;
    Some(shortened(&text)).filter(|text| !text.is_empty())
}

/// Answers about files by their paths. Sites write slashes and percent-encoded characters in their own way.
pub(crate) struct ByPath<T> {
    exact: HashMap<String, T>,
    loose: HashMap<String, String>,
}

impl<T> ByPath<T> {
    /// Of several answers for one path the last counts.
    pub(crate) fn new(answers: Vec<T>, path: impl Fn(&T) -> &str) -> Self {
        let mut by_path = Self { exact: HashMap::with_capacity(answers.len()), loose: HashMap::new() };
        for answer in answers {
            let exact = path(&answer).to_owned();
            by_path.loose.insert(loose(&exact), exact.clone());
            by_path.exact.insert(exact, answer);
        }
        by_path
    }

    /// The answer for a path as we wrote it.
    pub(crate) fn get(&self, path: &str) -> Option<&T> {
        self.exact.get(path).or_else(|| self.exact.get(self.loose.get(&loose(path))?))
    }
}

/// A path by which two spellings are the same.
fn loose(path: &str) -> String {
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    let parts: Vec<&str> = decoded.split('/').filter(|part| !part.is_empty()).collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn state(text: &str) -> StageState {
        serde_json::from_str::<PollFile>(text).unwrap().stage_state()
    }

    fn cause(text: &str) -> Option<FailureCause> {
        match state(text) {
            StageState::Failed(StageFailure { cause, reason }) => {
                assert!(!reason.is_empty());
                Some(cause)
            }
            _ => None,
        }
    }

    #[test]
    fn both_kinds_of_polls_and_both_spellings_are_understood() {
        for (text, expected) in [
            (r#"{"path": "/a", "state": "SUBMITTED"}"#, StageState::Queued),
            (r#"{"path": "/a", "state": "STARTED", "startedAt": 1}"#, StageState::Accepted),
            (r#"{"path": "/a", "state": "COMPLETED", "finishedAt": 1}"#, StageState::Staged),
            (r#"{"path": "/a", "state": "CANCELLED"}"#, StageState::Unknown),
            (r#"{"path": "/a", "state": "CANCELED"}"#, StageState::Unknown),
            (r#"{"path": "/a", "state": "SOMETHING NEW"}"#, StageState::Accepted),
            (r#"{"path": "/a", "onDisk": true}"#, StageState::Staged),
            (r#"{"path": "/a", "onDisk": false}"#, StageState::Accepted),
            (r#"{"path": "/a"}"#, StageState::Accepted),
        ] {
            assert_eq!(state(text), expected, "{text}");
        }
    }

    #[test]
    fn failures_say_whether_asking_again_helps() {
        for (text, expected) in [
            (r#"{"state": "FAILED"}"#, FailureCause::Retryable { after: None }),
            (r#"{"state": "FAILED", "error": "drive failed"}"#, FailureCause::Retryable { after: None }),
            (r#"{"state": "FAILED", "error": "No such file or directory"}"#, FailureCause::NotFound),
            (r#"{"onDisk": false, "error": "USER ERROR: file does not exist"}"#, FailureCause::NotFound),
            (r#"{"state": "FAILED", "error": "File /a/b.nc not found"}"#, FailureCause::NotFound),
            (r#"{"state": "FAILED", "error": "the file '/a/b.nc' does not exist"}"#, FailureCause::NotFound),
            (r#"{"state": "FAILED", "error": "Pool not found"}"#, FailureCause::Retryable { after: None }),
            (
                r#"{"state": "FAILED", "error": "location not found, retry"}"#,
                FailureCause::Retryable { after: None },
            ),
            (
                r#"{"state": "FAILED", "error": "file /a/b.nc: pool p1 does not exist"}"#,
                FailureCause::Retryable { after: None },
            ),
            (r#"{"state": "FAILED", "error": "Permission denied"}"#, FailureCause::Denied),
            (r#"{"state": "FAILED", "error": "file is lost"}"#, FailureCause::Lost),
        ] {
            assert_eq!(cause(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn where_files_are_is_told_and_what_is_missing_from_what_cannot_be_reached() {
        let locality = |text: &str| {
            serde_json::from_str::<ArchiveInfo>(text).unwrap().locality().map_err(|error| error.kind())
        };
        let unavailable = Err(ErrorKind::Unavailable { retry_after: ASK_AGAIN });
        for (text, expected) in [
            (r#"{"locality": "TAPE"}"#, Ok(Locality::Nearline)),
            (r#"{"locality": "DISK"}"#, Ok(Locality::Online)),
            (r#"{"locality": "DISK_AND_TAPE"}"#, Ok(Locality::OnlineAndNearline)),
            (r#"{"locality": "LOST"}"#, Ok(Locality::Lost)),
            (r#"{"locality": "NONE"}"#, Err(ErrorKind::NotFound)),
            (r#"{"error": "No such file or directory"}"#, Err(ErrorKind::NotFound)),
            (r#"{"locality": "UNAVAILABLE", "error": "pool is down"}"#, unavailable),
            (r#"{"error": "pool not found"}"#, unavailable),
            (r#"{"error": "pool is down"}"#, unavailable),
            (r#"{}"#, unavailable),
        ] {
            assert_eq!(locality(text), expected, "{text}");
        }
    }

    #[test]
    fn lifetimes_are_never_shortened() {
        for (millis, written) in [(0, "PT1S"), (1500, "PT2S"), (3_600_000, "PT3600S")] {
            assert_eq!(disk_lifetime(Duration::from_millis(millis)), written);
        }
    }

    #[test]
    fn an_answer_is_found_however_the_site_spells_the_path() {
        let answers = vec!["/a/b.nc".to_owned(), "//a//sp%20ace".to_owned(), "/a/100%25".to_owned()];
        let by_path = ByPath::new(answers, |path| path);
        for (asked, found) in
            [("/a/b.nc", Some("/a/b.nc")), ("/a/sp ace", Some("//a//sp%20ace")), ("/a/c", None)]
        {
            assert_eq!(by_path.get(asked).map(String::as_str), found, "{asked}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_of_a_site_panics(text in ".{0,80}", error in ".{0,400}") {
            let _ = refusal(text.as_bytes());
            let _ = failure(&error);
            let by_path = ByPath::new(vec![text.clone()], |path| path);
            prop_assert_eq!(by_path.get(&text), Some(&text));
            prop_assert!(shortened(&error).chars().count() <= MAX_REASON_CHARS);
        }
    }
}
