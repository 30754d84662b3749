//! Wire documents of this plugin.

use serde::Serialize;
use thermocline_core::cold::Cost;
use thermocline_core::staging::Activity;
use thermocline_core::staging::{
    CacheUse, DryRun, Estimate, Face, ObjectInfo, ObjectState, Recall, Request, RequestObject, StoreState,
};
use thermocline_http::links::{BaseUrl, segment};
use thermocline_http::live::iso8601;

use crate::lifetime;
use crate::walk::Unlisted;

/// A link of a document.
#[derive(Debug, Serialize)]
pub(crate) struct Link {
    pub(crate) rel: &'static str,
    pub(crate) href: String,
}

/// How many objects are in a state.
#[derive(Debug, Serialize)]
pub(crate) struct TallyDocument {
    n: u64,
    bytes: u64,
}

/// Counts for every state of objects.
#[derive(Debug, Serialize)]
pub(crate) struct Tallies {
    queued: TallyDocument,
    active: TallyDocument,
    verifying: TallyDocument,
    hot: TallyDocument,
    released: TallyDocument,
    failed: TallyDocument,
    lost: TallyDocument,
    cancelled: TallyDocument,
}

impl Tallies {
    fn of(request: &Request) -> Self {
        let tally = |state| {
            let tally = request.tally(state);
            TallyDocument { n: tally.n, bytes: tally.bytes }
        };
        Self {
            queued: tally(ObjectState::Queued),
            active: tally(ObjectState::Active),
            verifying: tally(ObjectState::Verifying),
            hot: tally(ObjectState::Hot),
            released: tally(ObjectState::Released),
            failed: tally(ObjectState::Failed),
            lost: tally(ObjectState::Lost),
            cancelled: tally(ObjectState::Cancelled),
        }
    }
}

/// A staging request.
#[derive(Debug, Serialize)]
pub(crate) struct RequestDocument {
    id: String,
    state: &'static str,
    owner: String,
    face: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dataset: Option<String>,
    priority: u8,
    lifetime: String,
    n_objects: u64,
    bytes: u64,
    objects: Tallies,
    reason: Option<String>,
    estimate_seconds: Option<u64>,
    basis: Option<&'static str>,
    created: String,
    started: Option<String>,
    finished: Option<String>,
    expires: Option<String>,
    change: u64,
    links: Vec<Link>,
}

impl RequestDocument {
    pub(crate) fn new(request: &Request, base: &BaseUrl) -> Self {
        let (estimate_seconds, basis) = estimate(request.estimate.as_ref());
        Self {
            id: request.id.to_string(),
            state: request.state.as_str(),
            owner: request.owner.to_string(),
            face: face(request.face),
            dataset: request.dataset.as_ref().map(ToString::to_string),
            priority: request.priority,
            lifetime: lifetime::write(request.lifetime),
            n_objects: request.n_objects(),
            bytes: request.tallies.iter().fold(0, |sum: u64, tally| sum.saturating_add(tally.bytes)),
            objects: Tallies::of(request),
            reason: request.reason.clone(),
            estimate_seconds,
            basis,
            created: iso8601(request.created_ns),
            started: request.started_ns.map(iso8601),
            finished: request.finished_ns.map(iso8601),
            expires: request.expires_ns.map(iso8601),
            change: request.change,
            links: request_links(request, base),
        }
    }
}

/// Address of a request.
pub(crate) fn request_url(base: &BaseUrl, request: &Request) -> String {
    format!("{}/requests/{}", base.0, segment(&request.id.0))
}

fn request_links(request: &Request, base: &BaseUrl) -> Vec<Link> {
    let own = request_url(base, request);
    let mut links = vec![
        Link { rel: "self", href: own.clone() },
        Link { rel: "objects", href: format!("{own}/objects") },
        Link { rel: "events", href: format!("{own}/events") },
        Link { rel: "job", href: format!("{}/jobs/{}", base.0, segment(&request.id.0)) },
    ];
    if let Some(dataset) = &request.dataset {
        links.push(Link { rel: "dataset", href: base.dataset(dataset.as_str()) });
    }
    links
}

fn face(face: Face) -> &'static str {
    match face {
        Face::Native => "native",
        Face::Chiller => "chiller",
        Face::Reader => "reader",
        Face::Prefetch => "prefetch",
    }
}

/// Whole seconds, rounded up, and what they are based on.
fn estimate(estimate: Option<&Estimate>) -> (Option<u64>, Option<&'static str>) {
    let seconds = |estimate: &Estimate| {
        estimate.duration.as_secs().saturating_add(u64::from(estimate.duration.subsec_nanos() > 0))
    };
    (estimate.map(seconds), estimate.map(|estimate| estimate.basis))
}

/// A page of requests.
#[derive(Debug, Serialize)]
pub(crate) struct RequestPage {
    pub(crate) requests: Vec<RequestDocument>,
    pub(crate) next: Option<String>,
}

/// An object of a request.
#[derive(Debug, Serialize)]
pub(crate) struct RequestObjectDocument {
    position: u64,
    path: String,
    object: Option<String>,
    state: &'static str,
    bytes: Option<u64>,
    reason: Option<String>,
    estimate_seconds: Option<u64>,
    basis: Option<&'static str>,
    since: String,
    change: u64,
}

impl From<&RequestObject> for RequestObjectDocument {
    fn from(object: &RequestObject) -> Self {
        let (estimate_seconds, basis) = estimate(object.estimate.as_ref());
        Self {
            position: object.position,
            path: object.spelling.to_string(),
            object: object.object.as_ref().map(ToString::to_string),
            state: object.state.as_str(),
            bytes: object.len_bytes,
            reason: object.reason.clone(),
            estimate_seconds,
            basis,
            since: iso8601(object.since_ns),
            change: object.change,
        }
    }
}

/// A page of objects of a request.
#[derive(Debug, Serialize)]
pub(crate) struct RequestObjectPage {
    pub(crate) objects: Vec<RequestObjectDocument>,
    /// What to ask for as `since` to learn what changes after this page.
    pub(crate) change: u64,
    pub(crate) next: Option<String>,
}

/// An object, whoever wants it.
#[derive(Debug, Serialize)]
pub(crate) struct ObjectDocument {
    path: String,
    object: Option<String>,
    locality: &'static str,
    bytes: Option<u64>,
    pins: u32,
    pinned_until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl From<ObjectInfo> for ObjectDocument {
    fn from(object: ObjectInfo) -> Self {
        Self {
            path: object.spelling.to_string(),
            object: object.object.map(|object| object.to_string()),
            locality: object.locality.as_str(),
            bytes: object.len_bytes,
            pins: object.n_pins,
            pinned_until: object.pinned_until_ns.map(iso8601),
            error: object.error,
        }
    }
}

/// A page of objects.
#[derive(Debug, Default, Serialize)]
pub(crate) struct ObjectPage {
    pub(crate) objects: Vec<ObjectDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
    #[serde(flatten)]
    pub(crate) incomplete: Incomplete,
}

/// What a search left out. Nothing is written if that is nothing.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Incomplete {
    /// Folders that could not be looked into, the first ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    incomplete: Vec<String>,
    /// How many they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    n_incomplete: Option<u64>,
}

impl From<Unlisted> for Incomplete {
    fn from(unlisted: Unlisted) -> Self {
        Self { n_incomplete: Some(unlisted.n).filter(|n| *n > 0), incomplete: unlisted.first }
    }
}

/// A document of what a search found.
#[derive(Debug, Serialize)]
pub(crate) struct Searched<T> {
    #[serde(flatten)]
    pub(crate) document: T,
    #[serde(flatten)]
    pub(crate) incomplete: Incomplete,
}

/// What a request would cost.
#[derive(Debug, Serialize)]
pub(crate) struct DryRunDocument {
    n_objects: u64,
    bytes: u64,
    nearline_objects: u64,
    nearline_bytes: u64,
    tapes: Option<u64>,
    estimate_seconds: Option<u64>,
    basis: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<CostDocument>,
    /// In other currencies, if several stores charge.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    further_costs: Vec<CostDocument>,
    /// The first ones.
    objects: Vec<ObjectDocument>,
}

/// What recalls would cost.
#[derive(Debug, Serialize)]
pub(crate) struct CostDocument {
    amount: f64,
    currency: String,
    tier: String,
}

impl From<Cost> for CostDocument {
    fn from(cost: Cost) -> Self {
        Self {
            amount: cost.micros as f64 / 1e6,
            currency: cost.currency.to_string(),
            tier: cost.tier.to_string(),
        }
    }
}

impl From<DryRun> for DryRunDocument {
    fn from(run: DryRun) -> Self {
        let mut costs = run.costs.into_iter().map(CostDocument::from);
        let (estimate_seconds, basis) = estimate(run.estimate.as_ref());
        Self {
            n_objects: run.n_objects,
            bytes: run.bytes,
            nearline_objects: run.n_nearline,
            nearline_bytes: run.nearline_bytes,
            tapes: run.n_tapes,
            estimate_seconds,
            basis,
            cost: costs.next(),
            further_costs: costs.collect(),
            objects: run.objects.into_iter().take(100).map(ObjectDocument::from).collect(),
        }
    }
}

/// A recall.
#[derive(Debug, Serialize)]
pub(crate) struct RecallDocument {
    object: String,
    store: String,
    state: &'static str,
    attempt: u32,
    done_bytes: Option<u64>,
    bytes: Option<u64>,
    n_requests: u32,
    reason: Option<String>,
    since: String,
}

impl From<Recall> for RecallDocument {
    fn from(recall: Recall) -> Self {
        Self {
            object: recall.object.to_string(),
            store: recall.store.to_string(),
            state: recall.state.as_str(),
            attempt: recall.attempt,
            done_bytes: recall.done_bytes,
            bytes: recall.len_bytes,
            n_requests: recall.n_requests,
            reason: recall.reason,
            since: iso8601(recall.since_ns),
        }
    }
}

/// A cold store.
#[derive(Debug, Serialize)]
pub(crate) struct StoreDocument {
    pub(crate) name: String,
    kind: &'static str,
    state: &'static str,
    n_waiting: u64,
    n_active: u64,
    trouble: Option<String>,
}

impl From<StoreState> for StoreDocument {
    fn from(store: StoreState) -> Self {
        Self {
            name: store.name.to_string(),
            kind: store.kind,
            state: match store.activity {
                Activity::Running => "running",
                Activity::Paused => "paused",
                Activity::Draining => "draining",
            },
            n_waiting: store.n_waiting,
            n_active: store.n_active,
            trouble: store.trouble,
        }
    }
}

/// How full the cache is.
#[derive(Debug, Serialize)]
pub(crate) struct CacheDocument {
    capacity_bytes: u64,
    used_bytes: u64,
    reserved_bytes: u64,
    pinned_bytes: u64,
    n_objects: u64,
}

impl From<CacheUse> for CacheDocument {
    fn from(cache: CacheUse) -> Self {
        Self {
            capacity_bytes: cache.capacity_bytes,
            used_bytes: cache.used_bytes,
            reserved_bytes: cache.reserved_bytes,
            pinned_bytes: cache.pinned_bytes,
            n_objects: cache.n_objects,
        }
    }
}
