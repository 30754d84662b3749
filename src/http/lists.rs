//! Lists of objects as clients send them: one a line.

use std::collections::HashSet;
use std::sync::Arc;

use thermocline_core::staging::Wanted;

use crate::Problem;
use crate::identity::Paths;
use crate::problem::TOO_LARGE;

/// Longest spelling that is shown in full, in bytes. No object has a longer one.
const MAX_SPELLING_BYTES: usize = 8192;

/// What a spelling means for a client: an object below a declared root, percent-encoded or not, or the reason why none.
pub fn wanted(paths: &Paths, spelling: &str) -> Wanted {
    if spelling.len() > MAX_SPELLING_BYTES {
        let shown: String = spelling.chars().take(200).collect();
        let reason = format!("a path has at most {MAX_SPELLING_BYTES} bytes");
        return Wanted { spelling: shown.into(), object: Err(reason) };
    }
    Wanted { spelling: spelling.into(), object: paths.objects(spelling) }
}

/// The objects of a body with one spelling a line. Empty lines, line ends of either kind and repeated lines do not
/// count; a line that cannot mean an object is kept with its reason.
///
/// # Errors
/// 413 for more than `limit` of them.
pub fn lines(paths: &Paths, body: &[u8], limit: usize) -> Result<Vec<Wanted>, Problem> {
    let mut seen = HashSet::new();
    let lines = body.split(|byte| *byte == b'\n').map(|line| line.trim_ascii());
    let mut lines = lines.filter(|line| !line.is_empty() && seen.insert(*line));
    let wanted = lines.by_ref().take(limit).map(|line| wanted_line(paths, line)).collect();
    if lines.next().is_some() {
        return Err(too_long(limit));
    }
    Ok(wanted)
}

/// The problem of a list that is too long: 413 that names the limit.
pub fn too_long(limit: usize) -> Problem {
    Problem::new(&TOO_LARGE, format!("more than {limit} objects are named, a list has at most {limit}"))
        .with_field("limit", limit)
}

fn wanted_line(paths: &Paths, line: &[u8]) -> Wanted {
    match std::str::from_utf8(line) {
        Ok(spelling) => wanted(paths, spelling),
        Err(_) => {
            let line = line.get(..line.len().min(200)).unwrap_or_default();
            let spelling: Arc<str> = String::from_utf8_lossy(line).into();
            Wanted { spelling, object: Err("the path is not UTF-8".to_owned()) }
        }
    }
}

#[cfg(test)]
mod tests {
    use thermocline_core::cold::{Namespace, NamespaceRoot};

    use super::*;

    fn archive() -> Paths {
        let root = NamespaceRoot {
            name: "archive".into(),
            base: "/archive".to_owned(),
            map: Vec::new(),
            store: None,
        };
        Paths::all(Arc::new(Namespace::new(vec![root])))
    }

    #[test]
    fn one_bad_line_is_kept_with_its_reason_and_the_rest_goes_on() {
        let body = b"/archive/a\r\n\n  /archive/a=b&c+d.nc \n/archive/a\n/etc/passwd\nrelative\n\xff\xfe\n/archive/a/../b\n/archive/last";
        let found = lines(&archive(), body, 7).unwrap();
        let spellings: Vec<(&str, bool)> =
            found.iter().map(|wanted| (&*wanted.spelling, wanted.object.is_ok())).collect();
        assert_eq!(
            spellings,
            [
                ("/archive/a", true),
                ("/archive/a=b&c+d.nc", true),
                ("/etc/passwd", false),
                ("relative", false),
                ("\u{fffd}\u{fffd}", false),
                ("/archive/a/../b", false),
                ("/archive/last", true),
            ]
        );
    }

    #[test]
    fn a_list_that_is_too_long_is_refused_and_the_limit_named() {
        let problem =
            lines(&archive(), b"/archive/a\n/archive/b\n/archive/a\n\n/archive/c", 2).err().unwrap();
        assert_eq!(problem.status, 413);
        assert!(problem.detail().contains("more than 2 objects"), "{}", problem.detail());
    }

    #[test]
    fn a_line_without_end_is_no_reason_to_keep_it() {
        let found = lines(&archive(), &vec![b'a'; 100_000], 1).unwrap();
        assert_eq!(found.first().map(|wanted| wanted.spelling.len()), Some(200));
    }
}
