//! Webhooks: taking the address that is told of a request's end, and what operators see of those that were not reached.

use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use serde::Serialize;
use thermocline_core::staging::{Delivery, DeliveryFilter, DeliveryState, Notify, Staging};
use thermocline_http::links::{BaseUrl, segment};
use thermocline_http::live::{self, Engine, audit, iso8601};
use thermocline_http::problem::WRONG_STATE;
use thermocline_http::query::Query;
use thermocline_http::{MayAdminister, Problem};

use crate::documents::Link;
use crate::requests::{limit, page_url};

/// What a request tells of its end.
///
/// # Errors
/// 400 for an address that this server does not call.
pub(crate) async fn notify(url: &str, base: &BaseUrl, staging: &Staging) -> Result<Notify, Problem> {
    let hosts = staging.webhook_hosts().get();
    if hosts.is_empty() {
        let detail = "notify is not offered: this server calls nobody; watch the events of the request";
        return Err(Problem::invalid_input(detail));
    }
    let target = hosts.admit(url).await.map_err(|error| {
        Problem::invalid_input(format!("notify: {}", error.message())).with_field("option", "notify")
    })?;
    Ok(Notify { url: target.into(), source: base.0.to_string() })
}

/// A delivery, for operators.
#[derive(Debug, Serialize)]
struct DeliveryDocument {
    id: u64,
    request: String,
    event: String,
    url: String,
    state: &'static str,
    attempts: u32,
    last_error: Option<String>,
    created: String,
    /// When the next attempt is, if there is one.
    next: Option<String>,
    links: Vec<Link>,
}

impl DeliveryDocument {
    fn new(delivery: Delivery, base: &BaseUrl) -> Self {
        let is_due = delivery.state == DeliveryState::Due;
        let mut links = vec![Link {
            rel: "request",
            href: format!("{}/requests/{}", base.0, segment(&delivery.request.0)),
        }];
        if delivery.state != DeliveryState::Done {
            links.push(Link { rel: "retry", href: format!("{}/webhooks/{}/retry", base.0, delivery.id) });
        }
        Self {
            id: delivery.id,
            request: delivery.request.to_string(),
            event: delivery.event,
            url: delivery.url,
            state: delivery.state.as_str(),
            attempts: delivery.n_attempts,
            last_error: delivery.last_error,
            created: iso8601(delivery.created_ns),
            next: is_due.then(|| iso8601(delivery.next_ns)),
            links,
        }
    }
}

/// A page of deliveries.
#[derive(Debug, Serialize)]
struct DeliveryPage {
    webhooks: Vec<DeliveryDocument>,
    next: Option<String>,
}

/// Deliveries, newest first.
pub(crate) async fn list(
    MayAdminister(_): MayAdminister,
    Engine(staging): Engine,
    base: BaseUrl,
    query: Query,
    parts: Parts,
) -> Result<Response, Problem> {
    let limit = limit(&query, 100, 1000)?;
    let filter = DeliveryFilter {
        state: query.value("state").map(|state| named_state(&state)).transpose()?,
        before: query.value("cursor").map(|cursor| number(&cursor)).transpose()?,
        limit: limit.saturating_add(1),
    };
    let mut deliveries = staging.deliveries(filter).await?;
    let has_more = deliveries.len() > limit;
    deliveries.truncate(limit);
    let last = deliveries.last().filter(|_| has_more).map(|delivery| delivery.id.to_string());
    let next = last.map(|cursor| page_url(&base, &parts, &cursor));
    let webhooks = deliveries.into_iter().map(|delivery| DeliveryDocument::new(delivery, &base)).collect();
    live::json(&parts, StatusCode::OK, &DeliveryPage { webhooks, next })
}

/// Tries a delivery again, at once.
pub(crate) async fn retry(
    Path(id): Path<String>,
    MayAdminister(who): MayAdminister,
    Engine(staging): Engine,
    base: BaseUrl,
    parts: Parts,
) -> Result<Response, Problem> {
    let answer = tried_again(&staging, &id).await;
    let outcome = match &answer {
        Ok(_) => "done".to_owned(),
        Err(problem) => format!("refused with {}", problem.status),
    };
    audit(&who, "retry webhook", &id, &outcome);
    live::json(&parts, StatusCode::ACCEPTED, &DeliveryDocument::new(answer?, &base))
}

async fn tried_again(staging: &Staging, text: &str) -> Result<Delivery, Problem> {
    let unknown = || Problem::not_found(format!("Webhook '{text}' not found"));
    let id = text.parse().map_err(|_| unknown())?;
    let delivery = staging.delivery(id).await?.ok_or_else(unknown)?;
    if delivery.state == DeliveryState::Done {
        return Err(Problem::new(&WRONG_STATE, format!("webhook '{id}' has been delivered")));
    }
    Ok(staging.retry_delivery(id).await?)
}

fn named_state(text: &str) -> Result<DeliveryState, Problem> {
    DeliveryState::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| {
        Problem::invalid_input(format!("'{text}' is no state of a webhook"))
            .with_allowed(DeliveryState::ALL.map(DeliveryState::as_str))
    })
}

fn number(cursor: &str) -> Result<u64, Problem> {
    cursor.parse().map_err(|_| Problem::invalid_input(format!("cursor '{cursor}' is none of this list")))
}
