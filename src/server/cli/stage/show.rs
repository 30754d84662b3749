//! What the user sees of a request: a bar while it goes on, what it would take, what came of it.

use std::fmt::Write;
use std::time::Duration;

use bytesize::ByteSize;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

/// The progress of a request.
pub(super) struct Bar {
    bar: ProgressBar,
}

impl Bar {
    pub(super) fn new(request: &Value) -> Self {
        let bar = ProgressBar::new(number(request, "n_objects"));
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} files  {msg}") {
            bar.set_style(style);
        }
        let shown = Self { bar };
        shown.show(request);
        shown
    }

    /// Shows a request as it stands.
    pub(super) fn show(&self, request: &Value) {
        let settled = ["hot", "released", "failed", "lost", "cancelled"];
        let settled = settled.into_iter().map(|state| tally(request, state)).sum();
        self.bar.set_length(number(request, "n_objects"));
        self.bar.set_position(settled);
        let mut message = request.get("state").and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Some(seconds) = request.get("estimate_seconds").and_then(Value::as_u64) {
            let _ = write!(message, ", about {}", span(seconds));
        }
        if let Some(reason) = request.get("reason").and_then(Value::as_str) {
            let _ = write!(message, ": {reason}");
        }
        self.bar.set_message(message);
    }

    /// Says something beside the bar, which is not there where nobody watches.
    pub(super) fn say(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// What a request would take, a line for each thing.
pub(super) fn cost(answer: &Value) -> String {
    let mut text = String::new();
    let bytes = |key: &str| ByteSize(number(answer, key)).display().iec();
    let _ = writeln!(text, "files      {} ({})", number(answer, "n_objects"), bytes("bytes"));
    let _ = writeln!(text, "to recall  {} ({})", number(answer, "nearline_objects"), bytes("nearline_bytes"));
    if let Some(tapes) = answer.get("tapes").and_then(Value::as_u64) {
        let _ = writeln!(text, "tapes      {tapes}");
    }
    if let Some(seconds) = answer.get("estimate_seconds").and_then(Value::as_u64) {
        let basis = answer.get("basis").and_then(Value::as_str).unwrap_or("no basis named");
        let _ = writeln!(text, "time       about {} ({basis})", span(seconds));
    }
    text
}

/// A warning of folders in which the server could not look for files; nothing if there are none.
pub(super) fn left_out(answer: &Value) -> String {
    let folders = answer.get("incomplete").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let n_folders = number(answer, "n_incomplete").max(folders.len() as u64);
    let mut text = String::new();
    if n_folders == 0 {
        return text;
    }
    let _ =
        writeln!(text, "warning: {n_folders} folders could not be searched, what lies in them is left out");
    for folder in folders.iter().filter_map(Value::as_str) {
        let _ = writeln!(text, "  {}", folder.escape_debug());
    }
    let n_unnamed = n_folders.saturating_sub(folders.len() as u64);
    if n_unnamed > 0 {
        let _ = writeln!(text, "  and {n_unnamed} more");
    }
    text
}

/// What came of a request: a line, and one for each file that is not there.
pub(super) fn outcome(request: &Value, missing: &[Value]) -> String {
    let state = request.get("state").and_then(Value::as_str).unwrap_or_default();
    let mut text = String::new();
    let n_missing = tally(request, "failed") + tally(request, "lost");
    let _ = writeln!(text, "{state}: {} online, {n_missing} failed", tally(request, "hot"));
    for object in missing {
        let said = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
        let _ = writeln!(text, "{}: {}", said("path"), said("reason"));
    }
    let n_unnamed = n_missing.saturating_sub(missing.len() as u64);
    if !missing.is_empty() && n_unnamed > 0 {
        let _ = writeln!(text, "and {n_unnamed} more");
    }
    text
}

/// How many objects of a request are in a state.
pub(super) fn tally(request: &Value, state: &str) -> u64 {
    request.pointer(&format!("/objects/{state}/n")).and_then(Value::as_u64).unwrap_or(0)
}

fn number(document: &Value, key: &str) -> u64 {
    document.get(key).and_then(Value::as_u64).unwrap_or(0)
}

fn span(seconds: u64) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_cost_of_a_request_is_told_in_plain_words() {
        let answer = json!({"n_objects": 12, "bytes": 3_u64 << 30, "nearline_objects": 10, "nearline_bytes": 2_u64 << 30,
            "tapes": 3, "estimate_seconds": 90, "basis": "tape model"});
        let lines = "files      12 (3.0 GiB)\nto recall  10 (2.0 GiB)\ntapes      3\n\
            time       about 1m 30s (tape model)\n";
        assert_eq!(cost(&answer), lines);
    }

    #[test]
    fn folders_that_could_not_be_searched_are_a_warning_with_their_number() {
        assert_eq!(left_out(&json!({"n_objects": 1})), "");
        let answer = json!({"incomplete": ["a/b", "c\u{1b}[2J"], "n_incomplete": 7});
        let warning = "warning: 7 folders could not be searched, what lies in them is left out\n  a/b\n  c\\u{1b}[2J\n  and 5 more\n";
        assert_eq!(left_out(&answer), warning);
    }

    #[test]
    fn files_that_could_not_be_brought_online_are_named_with_their_reasons() {
        let mut request = json!({"state": "partial", "objects": {"hot": {"n": 1}, "failed": {"n": 1}}});
        let missing = [json!({"path": "/a/b.nc", "reason": "no such file"})];
        assert_eq!(outcome(&request, &missing), "partial: 1 online, 1 failed\n/a/b.nc: no such file\n");
        request["objects"]["lost"] = json!({"n": 7});
        let lines = "partial: 1 online, 8 failed\n/a/b.nc: no such file\nand 7 more\n";
        assert_eq!(outcome(&request, &missing), lines);
    }
}
