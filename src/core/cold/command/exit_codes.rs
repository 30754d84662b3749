//! What exit codes of a command mean.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::FailureCause;

/// What an exit code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExitMeaning {
    /// It worked.
    Ok,
    /// The object does not exist.
    NotFound,
    /// It may not be recalled.
    Denied,
    /// No copy of it is left.
    Lost,
    /// Asking again may help.
    Retry,
    /// The archive takes no more at present: asking again later helps.
    Busy,
}

/// Exit codes that mean something. 0 is success, all others that are not named may be tried again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, ExitMeaning>", into = "BTreeMap<String, ExitMeaning>")]
pub struct ExitCodes(BTreeMap<i32, ExitMeaning>);

impl ExitCodes {
    /// What it means that a command ended with `code`; without one it was killed.
    pub fn meaning(&self, code: Option<i32>) -> ExitMeaning {
        let named = code.and_then(|code| self.0.get(&code).copied());
        named.unwrap_or(if code == Some(0) { ExitMeaning::Ok } else { ExitMeaning::Retry })
    }
}

impl ExitMeaning {
    /// What can be done; `None` if it worked. `busy_after` is when a busy archive is asked again.
    pub fn cause(self, busy_after: Duration) -> Option<FailureCause> {
        match self {
            Self::Ok => None,
            Self::NotFound => Some(FailureCause::NotFound),
            Self::Denied => Some(FailureCause::Denied),
            Self::Lost => Some(FailureCause::Lost),
            Self::Retry => Some(FailureCause::Retryable { after: None }),
            Self::Busy => Some(FailureCause::Retryable { after: Some(busy_after) }),
        }
    }
}

impl TryFrom<BTreeMap<String, ExitMeaning>> for ExitCodes {
    type Error = String;

    fn try_from(table: BTreeMap<String, ExitMeaning>) -> Result<Self, String> {
        let code = |(text, meaning): (String, ExitMeaning)| match text.parse() {
            Ok(code @ 0..=255) => Ok((code, meaning)),
            _ => Err(format!("\"{text}\" is no exit code: they are numbers from 0 to 255")),
        };
        table.into_iter().map(code).collect::<Result<_, _>>().map(Self)
    }
}

impl From<ExitCodes> for BTreeMap<String, ExitMeaning> {
    fn from(codes: ExitCodes) -> Self {
        codes.0.into_iter().map(|(code, meaning)| (code.to_string(), meaning)).collect()
    }
}
