//! Objects that are recalled so that they can be indexed, and are made cold again afterwards.

use std::sync::Arc;
use std::time::Duration;

use thermocline_core::cold::ObjectId;
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
#[derive(Default)]
pub(super) struct Lent {
    staging: Option<Staging>,
    requests: Vec<RequestId>,
    objects: Vec<ObjectId>,
}

impl Lent {
    /// Recalls what an error says is cold, and waits for it.
    ///
    /// # Errors
    /// The error again if nothing is recalled here, or if what it names was recalled already; what keeps an object from
    /// coming online.
    pub(super) async fn bring(&mut self, recalls: Option<&Recalls>, error: &Error) -> Result<()> {
        let Some(recalls) = recalls else {
            let advice = "it is cold; `thermocline index --recall` recalls, indexes and releases it";
            return Err(Error::new(ErrorKind::NotStaged, format!("{error}: {advice}")));
        };
        let staging = &recalls.staging;
        let named =
            error.not_staged().iter().map(|href| Ok((Arc::clone(href), staging.namespace().resolve(href)?)));
        let mut named = named.collect::<Result<Vec<(Arc<str>, ObjectId)>>>()?;
        named.retain(|(_, object)| !self.objects.contains(object));
        if named.is_empty() {
            return Err(error.shared());
        }
        self.staging = Some(staging.clone());
        self.objects.extend(named.iter().map(|(_, object)| object.clone()));
        let mut events = staging.events();
        let request = staging.request(order(&named, recalls.lifetime)).await?;
        self.requests.push(request.id.clone());
        let ended = wait(staging, &mut events, request).await?;
        match ended.state {
            RequestState::Succeeded => Ok(()),
            _ => Err(failure(staging, &ended).await?),
        }
    }

    /// Makes everything cold again that nobody else wants.
    pub(super) async fn give_back(self) {
        let Some(staging) = self.staging else { return };
        for request in &self.requests {
            // Pins that are left end with their lifetime.
            let _ = staging.cancel(request).await;
            let _ = staging.release(request, None).await;
        }
        if let Err(error) = staging.evict(Some(self.objects)).await {
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

fn order(named: &[(Arc<str>, ObjectId)], lifetime: Duration) -> NewRequest {
    let wanted = named
        .iter()
        .map(|(href, object)| Wanted { spelling: Arc::clone(href), object: Ok(vec![object.clone()]) });
    NewRequest {
        owner: Owner(OWNER.into()),
        face: Face::Native,
        objects: wanted.collect(),
        priority: 0,
        lifetime,
        dataset: None,
        idempotency: None,
        notify: None,
    }
}
