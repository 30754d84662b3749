//! Objects that are recalled so that they can be indexed, and are made cold again afterwards.

use std::sync::Arc;
use std::time::Duration;

use thermocline_core::staging::{
    Event, Face, NewRequest, ObjectFilter, ObjectState, Owner, Request, RequestId, RequestState, Staging,
    Wanted,
};
use thermocline_core::{Error, ErrorKind, Result};
use tokio::sync::broadcast::Receiver;

use crate::app::Recalls;

/// How long to wait for an event before looking how a request stands.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Whose the recalls are.
const OWNER: &str = "index";

/// What was recalled for one dataset.
pub(super) struct Lent<'a> {
    recalls: &'a Recalls,
    requests: Vec<RequestId>,
    objects: Vec<Arc<str>>,
}

impl<'a> Lent<'a> {
    /// Nothing yet.
    pub(super) fn new(recalls: &'a Recalls) -> Self {
        Self { recalls, requests: Vec::new(), objects: Vec::new() }
    }

    /// True for what was recalled already.
    pub(super) fn has(&self, object: &Arc<str>) -> bool {
        self.objects.contains(object)
    }

    /// Recalls objects and waits for them.
    ///
    /// # Errors
    /// What keeps one of them from coming online.
    pub(super) async fn bring(&mut self, objects: &[Arc<str>]) -> Result<()> {
        let staging = &self.recalls.staging;
        let mut events = staging.events();
        let request = staging.request(self.order(objects)).await?;
        self.requests.push(request.id.clone());
        self.objects.extend(objects.iter().cloned());
        let ended = wait(staging, &mut events, request).await?;
        match ended.state {
            RequestState::Succeeded => Ok(()),
            _ => Err(failure(staging, &ended).await?),
        }
    }

    fn order(&self, objects: &[Arc<str>]) -> NewRequest {
        let namespace = self.recalls.staging.namespace();
        let wanted = |href: &Arc<str>| {
            let object = namespace.resolve(href).map(|object| vec![object]);
            Wanted { spelling: Arc::clone(href), object: object.map_err(|error| error.to_string()) }
        };
        NewRequest {
            owner: Owner(OWNER.into()),
            face: Face::Native,
            objects: objects.iter().map(wanted).collect(),
            priority: 0,
            lifetime: self.recalls.lifetime,
            dataset: None,
            idempotency: None,
            notify: None,
        }
    }

    /// Makes everything cold again that nobody else wants.
    pub(super) async fn give_back(self) {
        let staging = &self.recalls.staging;
        for request in &self.requests {
            if let Err(error) = staging.cancel(request).await {
                tracing::warn!(%request, %error, "pins of the indexing end with their lifetime");
            }
        }
        let objects = self.objects.iter().filter_map(|href| staging.namespace().resolve(href).ok());
        if let Err(error) = staging.evict(Some(objects.collect())).await {
            tracing::warn!(%error, "objects that were recalled for their index stay online");
        }
    }
}

/// Waits until a request has ended.
async fn wait(staging: &Staging, events: &mut Receiver<Event>, mut request: Request) -> Result<Request> {
    while !request.state.is_ended() {
        let concerns_it = async {
            loop {
                match events.recv().await {
                    Ok(Event::Request(other)) if other.id != request.id => {}
                    Ok(Event::Object { .. } | Event::Progress(_)) => {}
                    Ok(Event::Request(_)) | Err(_) => return,
                }
            }
        };
        // Whoever missed an event looks by itself.
        let _ = tokio::time::timeout(LOOK_AGAIN, concerns_it).await;
        let found = staging.get(&request.id).await?;
        request = found.ok_or_else(|| Error::internal(format!("request {} is gone", request.id)))?;
    }
    Ok(request)
}

/// Why an object of a request is not online.
async fn failure(staging: &Staging, request: &Request) -> Result<Error> {
    for state in [ObjectState::Lost, ObjectState::Failed, ObjectState::Cancelled] {
        let filter = ObjectFilter { state: Some(state), limit: 1, ..ObjectFilter::default() };
        if let [object] = staging.objects(&request.id, filter).await?.as_slice() {
            let reason = object.reason.as_deref().unwrap_or("no reason is known");
            let kind = if state == ObjectState::Lost { ErrorKind::Lost } else { ErrorKind::NotStaged };
            return Ok(Error::new(kind, format!("{} was not recalled: {reason}", object.spelling)));
        }
    }
    Ok(Error::internal(format!("request {} ended as {}", request.id, request.state.as_str())))
}
