//! Two million objects in one request: how long until it is durable, how much memory, how long a restart takes and a
//! poll of what changed.
//!
//! Prints one line for each figure and fails if one is beyond its bound. The number of objects may be given.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use thermocline_core::bytes::{ObjectSettings, Objects};
use thermocline_core::clock::SystemClock;
use thermocline_core::cold::{
    Capabilities, ColdObject, ColdStore, Landing, Locality, Namespace, NamespaceRoot, ObjectId, ObjectStatus,
    StageRequest, StageState, StageTicket,
};
use thermocline_core::staging::{
    Face, NamedStore, NewRequest, ObjectFilter, ObjectState, Owner, RequestId, Staging, StagingParts,
    StagingSettings,
};
use thermocline_core::state::{Database, DatabaseSettings};
use thermocline_core::{Error, ErrorKind, Result};
use thermocline_http::lists::lines;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Objects of the request, if no other number is given.
const N_OBJECTS: usize = 2_000_000;

/// Bounds: of the answer, of a restart, of a poll, of memory in mebibytes.
const DURABLE: Duration = Duration::from_secs(20);
const RESTART: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(50);
const MEMORY_MEBIBYTES: u64 = 1024;

/// An archive that has everything, and brings a batch after the other online.
struct Archive;

#[async_trait]
impl ColdStore for Archive {
    fn kind(&self) -> &'static str {
        "archive"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            landing: Landing::InPlace,
            knows_tapes: false,
            can_cancel: false,
            can_release: false,
            n_at_once: 4,
            batch_objects: 1000,
            poll_every: Duration::from_secs(2),
        }
    }

    async fn status(&self, objects: &[ColdObject]) -> Vec<Result<ObjectStatus>> {
        let status = |_: &ColdObject| {
            Ok(ObjectStatus {
                locality: Locality::Nearline,
                len_bytes: 1 << 28,
                version: "\"d41d8cd98f00b204e9800998ecf8427e\"".to_owned(),
                place: None,
                checksum: None,
                links_to: None,
                online_until_ns: None,
            })
        };
        objects.iter().map(status).collect()
    }

    async fn stage(&self, request: &StageRequest) -> Result<StageTicket> {
        Ok(StageTicket { key: request.key.clone(), objects: request.objects.clone(), store_id: None })
    }

    async fn progress(&self, ticket: &StageTicket) -> Result<Vec<(ObjectId, StageState)>> {
        Ok(ticket.objects.iter().map(|object| (object.id.clone(), StageState::Accepted)).collect())
    }

    async fn cancel(&self, _: &StageTicket, _: &[ObjectId]) -> Result<()> {
        Ok(())
    }

    async fn release(&self, _: &[ColdObject]) -> Result<()> {
        Ok(())
    }

    async fn read(&self, _: &ColdObject, _: &str, _: Range<u64>) -> Result<Bytes> {
        Err(Error::new(ErrorKind::Unsupported, "objects are read in place"))
    }
}

fn namespace() -> Arc<Namespace> {
    let root = NamespaceRoot {
        name: "archive".into(),
        base: "/archive/cmip6".to_owned(),
        map: Vec::new(),
        store: Some("tape".into()),
    };
    Arc::new(Namespace::new(vec![root]))
}

async fn open(folder: &Path, n_objects: usize) -> Result<Staging> {
    let opener = Objects::new(Vec::new(), ObjectSettings::default(), tokio::runtime::Handle::current());
    let database = Database::open(DatabaseSettings::new(folder.join("state.db")), Staging::MIGRATIONS)?;
    let parts = StagingParts {
        namespace: namespace(),
        stores: vec![NamedStore { name: "tape".into(), store: Arc::new(Archive) }],
        opener,
        database,
        clock: Arc::new(SystemClock),
        settings: StagingSettings {
            cache_dir: folder.join("cache"),
            max_objects: n_objects,
            keep_free_bytes: 0,
            ..StagingSettings::default()
        },
    };
    let staging = Staging::open(parts).await?;
    staging.start().await;
    Ok(staging)
}

/// A list as a client sends it, with paths as long as those of CMIP6.
fn body(n_objects: usize) -> Vec<u8> {
    let line = |n: usize| {
        format!(
            "/archive/cmip6/CMIP/MPI-M/MPI-ESM1-2-HR/historical/r{}i1p1f1/Amon/tas/gn/tas_Amon_{n:08}.nc\n",
            n / 1000
        )
    };
    (0..n_objects).flat_map(|n| line(n).into_bytes()).collect()
}

fn new_request(body: Vec<u8>, n_objects: usize) -> Result<NewRequest> {
    let objects =
        lines(&namespace(), &body, n_objects).map_err(|problem| Error::internal(problem.detail()))?;
    Ok(NewRequest {
        owner: Owner("token:ada".into()),
        face: Face::Native,
        objects,
        priority: 5,
        lifetime: Duration::from_secs(48 * 3600),
        dataset: None,
        idempotency: None,
        notify: None,
    })
}

/// A figure of this process in `/proc/self/status`, in mebibytes.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kibibytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or_default() / 1024
}

/// Tells a figure. True if it is within its bound.
fn told(what: &str, took: Duration, at_most: Duration) -> bool {
    println!("{what}: {took:.3?} (at most {at_most:?})");
    took <= at_most
}

fn told_memory(what: &str, mebibytes: u64) -> bool {
    println!("{what}: {mebibytes} MiB (at most {MEMORY_MEBIBYTES} MiB)");
    mebibytes <= MEMORY_MEBIBYTES
}

/// The longest of some polls of what changed.
async fn poll(staging: &Staging, id: &RequestId) -> Result<Duration> {
    let mut longest = Duration::ZERO;
    for _ in 0..20 {
        let began = Instant::now();
        let request = staging.get(id).await?.ok_or_else(|| Error::not_found("the request is gone"))?;
        let since = Some(request.change.saturating_sub(500));
        let filter = ObjectFilter { since, limit: 1000, ..ObjectFilter::default() };
        staging.objects(id, filter).await?;
        longest = longest.max(began.elapsed());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(longest)
}

/// Waits until all objects have been taken in and looked at, and as many as may be are under way.
async fn taken_in(staging: &Staging, id: &RequestId) -> Result<()> {
    loop {
        let request = staging.get(id).await?.ok_or_else(|| Error::not_found("the request is gone"))?;
        let is_looked_at = |n: u64| request.tallies.iter().map(|tally| tally.bytes).sum::<u64>() >= n << 28;
        if request.tally(ObjectState::Active).n > 0 && is_looked_at(request.n_objects()) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn run(n_objects: usize, folder: &Path) -> Result<bool> {
    let staging = open(folder, n_objects).await?;
    let body = body(n_objects);
    let began = Instant::now();
    let new = tokio::task::spawn_blocking(move || new_request(body, n_objects)).await;
    let new = new.map_err(|cause| Error::internal("reading the list broke off").with_source(cause))??;
    let request = staging.request(new).await?;
    let mut is_good = told("durable answer", began.elapsed(), DURABLE);
    is_good &= told_memory("memory at the answer, at most", memory("VmHWM"));
    taken_in(&staging, &request.id).await?;
    println!("all looked at after {:.3?}", began.elapsed());
    is_good &= told_memory("memory with all of it waiting", memory("VmRSS"));
    is_good &= told_memory("memory at most", memory("VmHWM"));
    is_good &= told("poll of what changed", poll(&staging, &request.id).await?, POLL);
    staging.shut_down().await;
    drop(staging);
    let began = Instant::now();
    let staging = open(folder, n_objects).await?;
    let known = staging.get(&request.id).await?;
    is_good &= told("restart", began.elapsed(), RESTART);
    is_good &= known.is_some_and(|known| known.n_objects() == n_objects as u64);
    is_good &= told("poll after the restart", poll(&staging, &request.id).await?, POLL);
    is_good &= told_memory("memory at most, restart included", memory("VmHWM"));
    staging.shut_down().await;
    Ok(is_good)
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let n_objects = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(N_OBJECTS);
    let folder = match tempfile::tempdir() {
        Ok(folder) => folder,
        Err(error) => {
            eprintln!("no folder can be made: {error}");
            return std::process::ExitCode::FAILURE;
        }
    };
    match run(n_objects, folder.path()).await {
        Ok(true) => std::process::ExitCode::SUCCESS,
        Ok(false) => std::process::ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::FAILURE
        }
    }
}
