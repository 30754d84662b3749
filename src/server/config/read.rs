//! Section `[read]`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::{Size, Span};

/// How the archive is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReadConfig {
    /// Most memory for data in work at once, as a size: stored and decoded bytes of chunks that are being made,
    /// and large ones until they were sent. Requests beyond it wait.
    pub work_memory: Size,
    /// Most files kept open. Opening costs more than reading a small chunk, on network file systems much more.
    pub max_open_files: u64,
    /// Most reads under way in object stores. More do not make a store faster.
    pub max_remote_reads: usize,
    /// Most reads of files under way below one root, those that the page cache answers aside. A file server that
    /// hangs keeps as many threads for good; reads that come on top wait 5 seconds, then are answered 503.
    pub max_local_reads: usize,
    /// How old the last change of a file must be, as a duration, before the file is indexed. Linux stamps files
    /// with the time of its last tick, at most 10 ms ago; raise it to 2s for file servers that stamp whole seconds.
    pub settled_after: Span,
    /// How long a store may take to answer, as a duration, before a read is tried again or given up.
    pub store_timeout: Span,
}

impl Default for ReadConfig {
    fn default() -> Self {
        Self {
            work_memory: Size(1 << 30),
            max_open_files: 1024,
            max_remote_reads: 64,
            max_local_reads: 64,
            settled_after: Span(Duration::from_millis(12)),
            store_timeout: Span::seconds(60),
        }
    }
}
