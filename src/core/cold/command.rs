//! Commands of a site: recalls, states and releases are what its own tools do.
//!
//! A command is a template that is split into words once, when the configuration is read, by the rules by which
//! a shell splits words. There is no shell: what a path contains can never be more than an argument. Commands
//! run in a process group of their own, in `/`, with a bound on how many run, on their time, and on what they write.

mod exit_codes;
mod runner;
mod template;

pub use exit_codes::{ExitCodes, ExitMeaning};
pub use runner::{CommandLimits, CommandOutput, CommandRunner, Slot};
pub use template::{CommandTemplate, Values};

/// Longest reason that is kept of what a command wrote, in characters.
const MAX_REASON_CHARS: usize = 400;

/// What a command wrote, as a reason for users: its last lines, bounded, with folders of this machine left out.
///
/// `names` gives what stands for known paths: an object's name for its address.
pub fn reason<'a>(text: &str, names: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut text = text.trim().to_owned();
    for (path, name) in names {
        if text.contains(path) {
            text = text.replace(path, &name);
        }
    }
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines.get(lines.len().saturating_sub(3)..).unwrap_or_default().join("; ");
    let words: Vec<String> = last.split(' ').map(without_folders).collect();
    let printable = words.join(" ").replace(char::is_control, " ");
    let n_chars = printable.chars().count();
    printable.chars().skip(n_chars.saturating_sub(MAX_REASON_CHARS)).collect()
}

/// A word whose absolute path is cut down to its last part.
fn without_folders(word: &str) -> String {
    let is_quote = |c: char| matches!(c, '"' | '\'' | '`' | '(' | '[' | '<' | '\u{2018}' | '\u{201c}');
    let inner = word.trim_start_matches(is_quote);
    let n_folders = inner.matches('/').count();
    if !inner.starts_with('/') || n_folders < 2 {
        return word.to_owned();
    }
    let start = word.strip_suffix(inner).unwrap_or_default();
    let last = inner.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    format!("{start}…/{last}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_name_objects_and_no_folders() {
        let text =
            "connecting\nretrying\ncannot recall /mnt/hsm/a b.nc:\n open '/var/lib/hsm/db.sock' failed\n";
        let names = [("/mnt/hsm/a b.nc", "archive:a b.nc".to_owned())];
        assert_eq!(reason(text, names), "retrying; cannot recall archive:a b.nc:; open '…/db.sock' failed");
        assert_eq!(reason(&"x".repeat(5000), []).len(), MAX_REASON_CHARS);
    }
}
