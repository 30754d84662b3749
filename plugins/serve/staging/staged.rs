//! From objects to a request: the end that lists, patterns and selections share.

use axum::response::Response;
use http::header::{LOCATION, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use thermocline_core::staging::{Face, IdempotencyKey, NewRequest, Request, Staging, Wanted};
use thermocline_http::links::BaseUrl;
use thermocline_http::live::{self, audit};
use thermocline_http::{Identity, Problem, idempotency};
use thermocline_model::DatasetId;

use crate::StagingApiSettings;
use crate::body::too_large;
use crate::documents::{DryRunDocument, Incomplete, RequestDocument, Searched, request_url};
use crate::options::Options;
use crate::walk::Unlisted;
use crate::webhooks;

/// When a client is told to look again, at the latest, in seconds.
const MAX_RETRY_SECONDS: u64 = 60;

/// What is to be staged.
pub(crate) struct Order {
    pub(crate) objects: Vec<Wanted>,
    /// Folders in which more may lie.
    pub(crate) unlisted: Unlisted,
    pub(crate) dataset: Option<DatasetId>,
    pub(crate) options: Options,
    pub(crate) idempotency: Option<IdempotencyKey>,
}

/// Who asks, and how.
pub(crate) struct Asking<'a> {
    pub(crate) who: &'a Identity,
    pub(crate) base: &'a BaseUrl,
    pub(crate) parts: &'a Parts,
}

/// Stages an order: 202 with the request, which is durable; or 200 with what it would cost.
///
/// # Errors
/// 400 for nothing to stage, 413 for too many objects, 422 for a key that was used for something else.
pub(crate) async fn stage(
    staging: &Staging,
    settings: &StagingApiSettings,
    asking: &Asking<'_>,
    order: Order,
) -> Result<Response, Problem> {
    let n_objects = order.objects.len();
    let subject = match &order.dataset {
        Some(dataset) => format!("{n_objects} objects of {dataset}"),
        None => format!("{n_objects} objects"),
    };
    let incomplete = Incomplete::from(order.unlisted.clone());
    let answer = take(staging, settings, asking, order).await;
    let outcome = match &answer {
        Ok(Taken::DryRun(_)) => "dry run".to_owned(),
        Ok(Taken::Accepted(request)) => format!("request {}", request.id),
        Err(problem) => format!("refused with {}", problem.status),
    };
    audit(asking.who, "stage", &subject, &outcome);
    match answer? {
        Taken::DryRun(document) => {
            live::json(asking.parts, StatusCode::OK, &Searched { document: *document, incomplete })
        }
        Taken::Accepted(request) => accepted(asking, &request, incomplete),
    }
}

enum Taken {
    DryRun(Box<DryRunDocument>),
    Accepted(Box<Request>),
}

async fn take(
    staging: &Staging,
    settings: &StagingApiSettings,
    asking: &Asking<'_>,
    order: Order,
) -> Result<Taken, Problem> {
    let Order { objects, dataset, options, idempotency: key, .. } = order;
    check(&objects, settings)?;
    let notify = match &options.notify {
        Some(url) => Some(webhooks::notify(url, asking.base, staging).await?),
        None => None,
    };
    if options.is_dry_run {
        let document = DryRunDocument::from(staging.dry_run(objects).await?);
        return Ok(Taken::DryRun(Box::new(document)));
    }
    let new = NewRequest {
        owner: asking.who.owner.clone(),
        face: Face::Native,
        objects,
        priority: options.priority,
        lifetime: options.lifetime,
        dataset,
        notify,
        idempotency: key,
    };
    let has_key = new.idempotency.is_some();
    match staging.request(new).await {
        Ok(request) => Ok(Taken::Accepted(Box::new(request))),
        Err(error) if has_key => Err(idempotency::refused(error)),
        Err(error) => Err(error.into()),
    }
}

/// Refuses what nobody can mean.
fn check(objects: &[Wanted], settings: &StagingApiSettings) -> Result<(), Problem> {
    if objects.len() > settings.max_objects {
        let detail =
            format!("{} objects are wanted, a request has at most {}", objects.len(), settings.max_objects);
        return Err(too_large(detail, settings.max_objects));
    }
    if objects.iter().any(|wanted| wanted.object.is_ok()) {
        return Ok(());
    }
    let first = objects.first().and_then(|wanted| wanted.object.as_ref().err());
    let reason = first.map_or("no object is named", String::as_str);
    Err(Problem::invalid_input(format!("nothing can be staged: {reason}")))
}

fn accepted(asking: &Asking<'_>, request: &Request, incomplete: Incomplete) -> Result<Response, Problem> {
    let document = Searched { document: RequestDocument::new(request, asking.base), incomplete };
    let mut response = live::json(asking.parts, StatusCode::ACCEPTED, &document)?;
    let seconds = request.estimate.as_ref().map_or(10, |estimate| estimate.duration.as_secs());
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::try_from(request_url(asking.base, request)) {
        headers.insert(LOCATION, location);
    }
    headers.insert(RETRY_AFTER, HeaderValue::from(seconds.clamp(1, MAX_RETRY_SECONDS)));
    Ok(response)
}
