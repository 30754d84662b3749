//! Finding objects by the pattern of their names, without reading or recalling any.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use globset::{GlobBuilder, GlobMatcher};
use thermocline_core::staging::{Staging, Wanted};
use thermocline_core::{Error, ErrorKind};
use thermocline_http::Problem;
use thermocline_http::identity::Paths;
use thermocline_http::lists::wanted;
use tokio_util::sync::CancellationToken;

use crate::body::too_large;
use crate::requests::time_ns;
use crate::walk::{Bounds, Page, Unlisted, walk};
use crate::{Api, lifetime};

/// Longest pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 1024;

/// A search as it is written.
#[derive(Debug, Default)]
pub(crate) struct WrittenSearch {
    pub(crate) root: Option<String>,
    pub(crate) pattern: Option<String>,
    pub(crate) newer: Option<String>,
    pub(crate) older: Option<String>,
}

impl WrittenSearch {
    /// True if nothing is searched for.
    pub(crate) fn is_empty(&self) -> bool {
        self.root.is_none() && self.pattern.is_none() && self.newer.is_none() && self.older.is_none()
    }
}

/// Files below a root whose path, or a folder of it, matches a pattern.
#[derive(Debug, Clone)]
pub(crate) struct Search {
    /// What the client may name.
    pub(crate) paths: Paths,
    /// Folder of the root.
    pub(crate) base: PathBuf,
    /// Folders with which every match begins.
    pub(crate) prefix: Vec<String>,
    /// Folders below the root that are not there for the client.
    pub(crate) hidden: Vec<String>,
    pub(crate) pattern: GlobMatcher,
    /// Most names in a path that matches, folders included; `None` for any number.
    pub(crate) max_names: Option<usize>,
    /// Whether names that begin with a dot are looked at.
    pub(crate) shows_hidden: bool,
    /// First time of modification, in nanoseconds since 1970.
    pub(crate) from_ns: Option<i64>,
    /// Time of modification before which files were modified.
    pub(crate) before_ns: Option<i64>,
}

impl Search {
    /// The search that is written.
    ///
    /// # Errors
    /// 400 for an unknown root (with those that there are), one that is no folder, and a pattern that is none.
    pub(crate) fn new(written: &WrittenSearch, paths: &Paths) -> Result<Self, Problem> {
        let names = || paths.roots().roots().iter().map(|root| root.name.to_string());
        let name = written.root.as_deref().ok_or_else(|| {
            Problem::invalid_input("a pattern is looked for below a root, which is not named")
                .with_allowed(names())
        })?;
        let pattern = written.pattern.as_deref().filter(|pattern| !pattern.is_empty());
        let pattern = pattern.ok_or_else(|| Problem::invalid_input("pattern is missing"))?;
        let root = paths.roots().root(name).ok_or_else(|| {
            Problem::invalid_input(format!("'{name}' is no declared root")).with_allowed(names())
        })?;
        if !Path::new(&root.base).is_absolute() {
            let detail =
                format!("root '{name}' is no folder of this server: patterns cannot be looked for in it");
            return Err(Problem::invalid_input(detail));
        }
        let pattern = pattern.trim_start_matches('/');
        let time = |name, text: &Option<String>| text.as_deref().map(|text| time_ns(name, text)).transpose();
        Ok(Self {
            paths: paths.clone(),
            base: PathBuf::from(&root.base),
            hidden: paths.hidden_below(root),
            prefix: prefix(pattern),
            pattern: glob(pattern)?,
            max_names: (!pattern.contains("**")).then(|| pattern.matches('/').count().saturating_add(1)),
            shows_hidden: pattern.starts_with('.') || pattern.contains("/."),
            from_ns: time("newer", &written.newer)?,
            before_ns: time("older", &written.older)?,
        })
    }

    /// The address of a path that was found.
    fn href(&self, path: &str) -> String {
        format!("{}/{path}", self.base.display())
    }
}

fn glob(pattern: &str) -> Result<GlobMatcher, Problem> {
    if pattern.len() > MAX_PATTERN_BYTES || pattern.contains('\0') {
        return Err(Problem::invalid_input(format!(
            "a pattern has at most {MAX_PATTERN_BYTES} bytes and no NUL"
        )));
    }
    if pattern.split('/').any(|part| part == "..") {
        return Err(Problem::invalid_input(format!("pattern '{pattern}' contains '..'")));
    }
    let glob = GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build();
    glob.map(|glob| glob.compile_matcher())
        .map_err(|cause| Problem::invalid_input(format!("pattern '{pattern}' is none: {}", cause.kind())))
}

/// Folders at the start of a pattern that are plain names.
fn prefix(pattern: &str) -> Vec<String> {
    let mut parts: Vec<&str> = pattern.split('/').collect();
    // The last part may be the name of a file.
    parts.pop();
    let is_plain = |part: &&str| {
        !part.is_empty() && *part != "." && !part.contains(['*', '?', '[', '{', '\\', '}', ']'])
    };
    parts.into_iter().take_while(is_plain).map(str::to_owned).collect()
}

/// A page of what was found, as it is wanted, and where the next one begins.
pub(crate) struct FoundPage {
    pub(crate) objects: Vec<Wanted>,
    pub(crate) next: Option<String>,
    /// Folders that could not be looked into.
    pub(crate) unlisted: Unlisted,
}

/// What of the files that match is looked for.
struct Part {
    /// The last path that was looked at.
    cursor: Option<String>,
    limit: usize,
    max_entries: usize,
    time: Duration,
}

/// The files after `cursor`, at most `limit`.
///
/// # Errors
/// 503 while too many searches are under way, and for folders that take too long.
pub(crate) async fn page(
    api: &Api,
    staging: &Staging,
    search: Search,
    cursor: Option<String>,
    limit: usize,
) -> Result<FoundPage, Problem> {
    let (max_entries, time) = (api.settings.search_entries, api.settings.search_time);
    find(api, staging, search, Part { cursor, limit, max_entries, time }).await
}

/// Looks for a part, as one of few searches; it ends when nobody waits for it any more.
async fn find(api: &Api, staging: &Staging, search: Search, part: Part) -> Result<FoundPage, Problem> {
    let turn = Arc::clone(&api.searches).acquire_owned();
    let turn = tokio::time::timeout(api.settings.search_time, turn).await;
    let turn = turn.map_err(|_| busy("too many searches are under way"))?;
    let (clock, listings) = (Arc::clone(staging.clock()), Arc::clone(&api.listings));
    let given_up = CancellationToken::new();
    let waiter = given_up.clone().drop_guard();
    let work = tokio::task::spawn_blocking(move || {
        // A thread that a file server keeps counts as a search until it comes back.
        let _turn = turn;
        let Part { cursor, limit, max_entries, time } = part;
        let is_given_up = || given_up.is_cancelled();
        let bounds = Bounds { limit, max_entries, time, clock: &*clock, is_given_up: &is_given_up };
        let Page { paths, next, unlisted } = walk(&search, &listings, cursor.as_deref(), &bounds)?;
        unlisted.warn(&search.base);
        let objects = paths.iter().map(|path| wanted(&search.paths, &search.href(path))).collect();
        Ok(FoundPage { objects, next, unlisted })
    });
    let longest = api.settings.max_search_time;
    let done = tokio::time::timeout(longest, work).await;
    drop(waiter);
    match done.map_err(|_| too_slow(longest))? {
        Ok(found) => found.map_err(|error: Error| error.into()),
        Err(_) => Err(Error::internal("a search stopped by a mistake").into()),
    }
}

/// All files that match, and the folders that could not be looked into.
///
/// # Errors
/// 400 if there are none, 413 if there are more than a request may have; those of [`page`].
pub(crate) async fn all(
    api: &Api,
    staging: &Staging,
    search: Search,
) -> Result<(Vec<Wanted>, Unlisted), Problem> {
    let limit = api.settings.max_objects;
    let whole =
        Part { cursor: None, limit: limit.saturating_add(1), max_entries: usize::MAX, time: Duration::MAX };
    let glob = search.pattern.glob().clone();
    // One turn is left for those who browse.
    let turn = tokio::time::timeout(api.settings.search_time, api.long_searches.acquire()).await;
    let _turn = turn.map_err(|_| busy("too many searches are under way"))?;
    let FoundPage { objects, unlisted, .. } = find(api, staging, search, whole).await?;
    if objects.len() > limit {
        let detail = format!("more than {limit} objects match the pattern, a request has at most {limit}");
        return Err(too_large(detail, limit));
    }
    if objects.is_empty() {
        let detail = match unlisted.n {
            0 => format!("nothing below the root matches the pattern '{glob}'"),
            n => format!(
                "nothing that could be looked at matches the pattern '{glob}': {n} folders could not be, such as {}",
                unlisted.first.join(", ")
            ),
        };
        return Err(Problem::invalid_input(detail));
    }
    Ok((objects, unlisted))
}

fn too_slow(longest: Duration) -> Problem {
    let longest = lifetime::write(longest);
    let detail = format!(
        "the folders of the root were not searched within {longest}, the longest that a search may take: begin the \
         pattern with the names of folders, or go through the pages of GET /objects"
    );
    busy(&detail).with_field("limit", longest)
}

fn busy(detail: &str) -> Problem {
    Error::new(ErrorKind::Unavailable { retry_after: Duration::from_secs(10) }, detail).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_folders_are_gone_into_at_once() {
        for (pattern, plain) in [
            ("a/b/*.nc", &["a", "b"][..]),
            ("a/b.nc", &["a"]),
            ("**/x", &[]),
            ("a/[b]/c", &["a"]),
            ("*.nc", &[]),
            ("a/./b/c", &["a"]),
        ] {
            assert_eq!(prefix(pattern), plain, "{pattern}");
        }
    }
}
