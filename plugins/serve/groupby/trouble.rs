//! Why there is no result, as an answer.

use serde_json::{Value, json};
use thermocline_groupby::{Estimate, Failure};
use thermocline_http::Problem;
use thermocline_http::problem::{TOO_LARGE, UNCOMPUTABLE};

/// The answer of a request that has no result.
pub(crate) fn problem(failure: Failure) -> Problem {
    match failure {
        Failure::Mistake { detail, allowed } => {
            let problem = Problem::invalid_input(detail);
            if allowed.is_empty() { problem } else { problem.with_allowed(allowed) }
        }
        Failure::Impossible(detail) => Problem::new(&UNCOMPUTABLE, detail),
        Failure::TooLarge { detail, estimate } => {
            Problem::new(&TOO_LARGE, detail).with_field("estimate", refused(&estimate))
        }
        Failure::Core(error) => Problem::for_metadata(error),
    }
}

/// The estimate of a request that was refused. Its result has a size above 0, and `null` where that was not known yet: too
/// many labels of one grouper are refused before the others are looked at.
fn refused(estimate: &Estimate) -> Value {
    let mut document = document(estimate);
    if let Some(result_bytes) = document.get_mut("result_bytes").filter(|_| estimate.result_bytes == 0) {
        *result_bytes = Value::Null;
    }
    document
}

/// An estimate as clients read it.
pub fn document(estimate: &Estimate) -> Value {
    json!({
        "read_bytes_online": estimate.read_bytes_online,
        "read_bytes_nearline": estimate.read_bytes_nearline,
        "n_recalls": estimate.n_recalls,
        "result_bytes": estimate.result_bytes,
        "groups": estimate.groups,
        "memory_bytes": estimate.memory_bytes,
    })
}
