//! Section `[staging]`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::load::Check;
use super::server::ServerConfig;
use super::units::{Money, Network, Size, Span};

const DAY: u64 = 24 * 3600;

/// How cold objects are brought online, who may ask for it, and how long readers wait.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StagingConfig {
    /// How long the reader of a cold chunk is kept waiting, as a duration, before it is told to come back. Clients
    /// that are known to wait longer or less (aiohttp 280s, object_store 25s) get their own time.
    pub hold: Span,
    /// Longest time that a client may ask to be kept waiting (`Prefer: wait=N`, `?wait=N`), as a duration.
    pub max_hold: Span,
    /// Most clients that are kept waiting at once, for cold data, events or the end of a job; further ones are told at
    /// once to come back. Each takes less than 20 KiB. Three quarters of server.max_connections by default, and at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 12_000)]
    pub max_held: Option<usize>,
    /// Who may cause a recall by reading: "anyone", "owners" (a token, or a network of `networks`) or "never".
    pub recall_on_read: RecallOnRead,
    /// Most objects that are brought online ahead of a reader after a cold one, of the same variable; 0 for none.
    /// Never for anonymous readers.
    pub prefetch: usize,
    /// Whether anyone may use the staging calls (`/requests`, `/upload`, `/datasets/{id}/stage`) without a token. Datasets
    /// are under their access rules, files that are named by their paths under the rule of their root (`roots.NAME.access`).
    pub anonymous: bool,
    /// Whether anyone may evict and pause stores: only where nobody but the user can reach the server.
    #[serde(skip)]
    pub anonymous_administers: bool,
    /// Networks whose clients may use the staging calls without a token, as Chiller's users do. The access rules of datasets
    /// and of roots (`roots.NAME.access`) count as with `anonymous`.
    pub networks: Vec<Network>,
    /// Folder, shared with users, for the lists of staged files that Chiller's `/jobs/{id}` names; by default
    /// `staged` below state.dir.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "/eodc/private/staged")]
    pub staged_files_dir: Option<PathBuf>,
    /// File with the key by which messages to `limits.webhook_hosts` are signed (HMAC-SHA256), of 16 bytes or more. It is
    /// read for each message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "/etc/thermocline/webhook.key")]
    pub webhook_key_file: Option<PathBuf>,
    /// Most attempts to tell a receiver, before an administrator must ask for more. The first pause is 10 s, each
    /// twice as long as the one before, at most an hour: 40 take a day and a half.
    pub webhook_attempts: u32,
    /// Most objects of one request.
    pub max_objects: usize,
    /// Most bytes of the body of a staging call, as a size. A path takes about 100 bytes.
    pub max_body: Size,
    /// Most bodies of more than 1 MiB that may arrive at the same time, each in up to max_body of state.dir's disk.
    /// Further ones are answered with 503.
    pub max_arriving: usize,
    /// Most bodies of more than 1 MiB that are worked on at the same time, for each plugin that takes lists; others
    /// wait. Each may take several times its size in memory.
    pub max_large_bodies: usize,
    /// Most searches by pattern at the same time; others wait some seconds, then are answered with 503. A file server
    /// that does not answer keeps a thread for each.
    pub max_searches: usize,
    /// Most bytes of listings of folders that are kept for the next page of a search, as a size. An entry takes about
    /// 80 bytes; a folder that has no room is listed again for each page.
    pub search_memory: Size,
    /// How long objects stay online for a request that does not say, as a duration.
    pub lifetime: Span,
    /// Longest time that a request may keep objects online, as a duration.
    pub max_lifetime: Span,
    /// How long a finished request can be asked about, as a duration; at least the 24 hours of its `Idempotency-Key`,
    /// if it has one.
    pub keep_requests: Span,
    /// How long files of a tape are gathered, as a duration, before it is mounted for them. Whatever somebody waits
    /// for at this moment is not gathered for.
    pub mount_after: Span,
    /// So many files of a tape make it worth mounting at once.
    pub mount_files: usize,
    /// So many bytes of a tape make it worth mounting at once, as a size: some minutes of reading.
    pub mount_bytes: Size,
    /// Most recalls of one owner under way at once: one of many must not have every drive. It does not count for stores
    /// whose recalls share none (s3-glacier).
    pub max_active_per_owner: usize,
    /// Most bytes that the requests of one owner may wait for or pin, as a size; by default as many as there are. What
    /// is beyond is refused with 429 as far as sizes are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "20 TiB")]
    pub max_pinned: Option<Size>,
    /// Most requests of one owner that have not ended; by default any number. Further ones are refused with 429.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 100)]
    pub max_requests: Option<u64>,
    /// What recalls of one owner may cost on one day (UTC), with its currency, where stores have prices; by default any
    /// sum. Who is the first to want an object pays for it. What is beyond is refused with 429, reads with 503.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "25 USD")]
    pub max_cost_per_day: Option<Money>,
    /// Most attempts to recall an object before it has failed.
    pub max_attempts: u32,
    /// How long the archive may read an object without progress, as a duration, before it is tried again. Time in the
    /// archive's own queue does not count.
    pub stalled_after: Span,
    /// How long a recall may take in all, as a duration. Libraries were seen to queue for a day.
    pub recall_timeout: Span,
    /// How long an object stays online at least, as a duration: it must be there when those who waited read it.
    pub min_residency: Span,
    /// What owners get that is not the usual, by their name (`token:NAME`, `oidc:ISSUER/OWNER`, `network:CIDR`,
    /// `anonymous`).
    pub owners: BTreeMap<String, OwnerConfig>,
}

/// Who may cause a recall by reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RecallOnRead {
    /// Every reader.
    Anyone,
    /// Readers with a token, or of a network that may stage.
    Owners,
    /// Nobody: cold data are staged first.
    Never,
}

/// What one owner gets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OwnerConfig {
    /// Its share of the drives beside others' 1, while both wait.
    pub share: f64,
    /// Most recalls under way at once, instead of `max_active_per_owner`; it counts for all stores.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 1000)]
    pub max_active: Option<usize>,
    /// Most bytes that its requests may wait for or pin, as a size, instead of `max_pinned`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "50 TiB")]
    pub max_pinned: Option<Size>,
    /// Most requests that have not ended, instead of `max_requests`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 1000)]
    pub max_requests: Option<u64>,
    /// What its recalls may cost on one day (UTC), instead of `max_cost_per_day`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "100 USD")]
    pub max_cost_per_day: Option<Money>,
}

impl Default for OwnerConfig {
    fn default() -> Self {
        Self { share: 1.0, max_active: None, max_pinned: None, max_requests: None, max_cost_per_day: None }
    }
}

impl Default for StagingConfig {
    fn default() -> Self {
        Self {
            hold: Span::seconds(20),
            max_hold: Span::seconds(280),
            max_held: None,
            recall_on_read: RecallOnRead::Anyone,
            prefetch: 0,
            anonymous: false,
            anonymous_administers: false,
            networks: Vec::new(),
            staged_files_dir: None,
            webhook_key_file: None,
            webhook_attempts: 40,
            max_objects: 2_000_000,
            max_body: Size::mebibytes(512),
            max_arriving: 32,
            max_large_bodies: 2,
            max_searches: 4,
            search_memory: Size::mebibytes(128),
            lifetime: Span::seconds(2 * DAY),
            max_lifetime: Span::seconds(30 * DAY),
            keep_requests: Span::seconds(7 * DAY),
            mount_after: Span::seconds(30),
            mount_files: 100,
            mount_bytes: Size(100_000_000_000),
            max_active_per_owner: 1000,
            max_pinned: None,
            max_requests: None,
            max_cost_per_day: None,
            max_attempts: 5,
            stalled_after: Span::seconds(30 * 60),
            recall_timeout: Span::seconds(2 * DAY),
            min_residency: Span(Duration::from_secs(60)),
            owners: BTreeMap::new(),
        }
    }
}

impl StagingConfig {
    /// The folder of the lists of staged files.
    pub fn staged_files_dir(&self) -> &Path {
        self.staged_files_dir.as_deref().unwrap_or(Path::new("/"))
    }

    pub(super) fn complete(&mut self, state: Option<&Path>, server: &ServerConfig, check: &mut Check<'_>) {
        let most = server.max_waiting();
        if self.max_held.is_some_and(|max_held| max_held > most) {
            let n_connections = server.max_connections;
            check.mistake(
                &["staging", "max_held"],
                format!("must be at most {most}, three quarters of server.max_connections ({n_connections}): other \
                         requests need connections too"),
            );
        }
        if let Some(file) = &mut self.webhook_key_file {
            *file = check.absolute(&["staging", "webhook_key_file"], file);
        }
        self.staged_files_dir = match &self.staged_files_dir {
            Some(dir) => Some(check.absolute(&["staging", "staged_files_dir"], dir)),
            None => state.map(|state| state.join("staged")),
        };
        let most: [(&str, u64); 8] = [
            ("max_objects", self.max_objects as u64),
            ("max_active_per_owner", self.max_active_per_owner as u64),
            ("max_attempts", u64::from(self.max_attempts)),
            ("webhook_attempts", u64::from(self.webhook_attempts)),
            ("max_body", self.max_body.0),
            ("max_arriving", self.max_arriving as u64),
            ("max_large_bodies", self.max_large_bodies as u64),
            ("max_searches", self.max_searches as u64),
        ];
        for (key, _) in most.into_iter().filter(|(_, value)| *value == 0) {
            check.mistake(&["staging", key], "must be more than zero");
        }
        let spans = [
            ("lifetime", self.lifetime),
            ("max_lifetime", self.max_lifetime),
            ("stalled_after", self.stalled_after),
            ("recall_timeout", self.recall_timeout),
        ];
        for (key, _) in spans.into_iter().filter(|(_, span)| span.0.is_zero()) {
            check.mistake(&["staging", key], "must be longer than zero");
        }
        if self.lifetime > self.max_lifetime {
            check.mistake(&["staging", "lifetime"], "is longer than max_lifetime");
        }
        if self.hold > self.max_hold {
            check.mistake(&["staging", "hold"], "is longer than max_hold");
        }
        for (name, owner) in &self.owners {
            if !(owner.share.is_finite() && owner.share > 0.0) {
                check.mistake(&["staging", "owners", name, "share"], "must be a number above zero");
            }
            if owner.max_active == Some(0) {
                check.mistake(&["staging", "owners", name, "max_active"], "must be more than zero");
            }
        }
    }
}
