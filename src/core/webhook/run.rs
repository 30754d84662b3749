//! Tells everybody who is to be told, again and again until they have heard it or are given up.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::Sender;
use super::send::Outcome;
use crate::clock::nanoseconds;
use crate::staging::{AfterFailure, DueDelivery, Retries, Staging, Turns};

/// How long nothing is looked for at most while nothing is said: clocks may jump.
const LONGEST_IDLE: Duration = Duration::from_secs(10);

/// How long to wait when the database fails.
const AFTER_TROUBLE: Duration = Duration::from_secs(10);

/// How often deliveries are looked for that nobody asks for any more.
const TIDY_EVERY_NS: i64 = 3600 * 1_000_000_000;

/// How often, and how many at once.
#[derive(Debug, Clone)]
pub struct WebhookSettings {
    /// Most attempts of a delivery: after them it is dead. Default 40, which takes a day and a half.
    pub max_attempts: u32,
    /// How long to wait between attempts. Default 10 s, then twice as long each time, up to an hour.
    pub retries: Retries,
    /// Origins (scheme, host and port) that are called at the same time, each with one message at a time. Default 8.
    pub at_once: usize,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        let retries = Retries { first_after: Duration::from_secs(10), at_most: Duration::from_secs(3600) };
        Self { max_attempts: 40, retries, at_once: 8 }
    }
}

/// Sends what is due.
#[derive(Clone)]
pub struct Webhooks {
    staging: Staging,
    sender: Arc<Sender>,
    settings: WebhookSettings,
}

/// Attempts under way, with their origins; and whose turn it is.
#[derive(Default)]
struct Calls {
    tasks: JoinSet<()>,
    origins: HashMap<Id, String>,
    turns: Turns,
}

impl Webhooks {
    /// Tells of the requests of `staging`. Nothing happens before [`Webhooks::run`].
    pub fn new(staging: Staging, sender: Sender, settings: WebhookSettings) -> Self {
        Self { staging, sender: Arc::new(sender), settings }
    }

    /// Sends what is due until `stop`. Attempts under way are broken off then: what was not acknowledged is sent again
    /// after the next start, with the same id.
    pub async fn run(self, stop: CancellationToken) {
        let mut calls = Calls::default();
        let mut tidied_ns = i64::MIN;
        loop {
            let now_ns = self.staging.clock().now_ns();
            if now_ns.saturating_sub(tidied_ns) >= TIDY_EVERY_NS {
                tidied_ns = now_ns;
                self.tidy_up().await;
            }
            let idle = self.begin(&mut calls).await;
            tokio::select! {
                () = stop.cancelled() => break,
                Some(done) = calls.tasks.join_next_with_id() => {
                    let id = done.map_or_else(|failed| failed.id(), |(id, ())| id);
                    if let Some(origin) = calls.origins.remove(&id) {
                        calls.turns.end(&origin);
                    }
                }
                () = self.staging.deliveries_changed() => {}
                () = self.staging.clock().sleep(idle) => {}
            }
        }
        calls.tasks.shutdown().await;
    }

    /// Begins what is due, as far as there is room. How long there is nothing else to begin.
    async fn begin(&self, calls: &mut Calls) -> Duration {
        let n_free = self.settings.at_once.saturating_sub(calls.turns.busy().len());
        if n_free == 0 {
            return LONGEST_IDLE;
        }
        let due = match self.staging.due_deliveries(calls.turns.clone(), n_free).await {
            Ok(due) => due,
            Err(error) => {
                error!(%error, "webhooks that are due cannot be read, will retry");
                return AFTER_TROUBLE;
            }
        };
        for delivery in due.deliveries {
            calls.turns.begin(&delivery.delivery);
            let origin = delivery.delivery.origin.clone();
            let webhooks = self.clone();
            let task = calls.tasks.spawn(async move { webhooks.attempt(delivery).await });
            calls.origins.insert(task.id(), origin);
        }
        let idle = due.next_ns.map(|next_ns| next_ns.saturating_sub(self.staging.clock().now_ns()).max(0));
        let idle = idle.map(|ns| Duration::from_nanos(u64::try_from(ns).unwrap_or_default()));
        idle.unwrap_or(LONGEST_IDLE).min(LONGEST_IDLE)
    }

    /// Tells an address once, and notes what came of it.
    async fn attempt(&self, due: DueDelivery) {
        let outcome = self.sender.send(&due, self.staging.clock().now_ns()).await;
        let delivery = due.delivery;
        let n_attempts = delivery.n_attempts.saturating_add(1);
        let (id, request, origin) = (delivery.id, delivery.request.clone(), delivery.origin.clone());
        let noted = match outcome {
            Outcome::Arrived => {
                counter!("thermocline_webhooks_total", "outcome" => "delivered").increment(1);
                info!(%request, origin, n_attempts, "webhook delivered");
                self.staging.delivered(id).await
            }
            Outcome::NotTried(why) => {
                warn!(%request, origin, error = why, "webhook cannot be sent, will retry");
                let next_ns = self.after(self.settings.retries.first_after);
                self.staging.delivery_failed(delivery, why, AfterFailure::Postponed { next_ns }).await
            }
            Outcome::Failed { why, after } if n_attempts < self.settings.max_attempts => {
                counter!("thermocline_webhooks_total", "outcome" => "failed").increment(1);
                warn!(%request, origin, n_attempts, error = why, "webhook not delivered, will retry");
                let next_ns = self.next_ns(id, n_attempts, after);
                self.staging.delivery_failed(delivery, why, AfterFailure::Again { next_ns }).await
            }
            Outcome::Failed { why, .. } | Outcome::Hopeless(why) => {
                counter!("thermocline_webhooks_total", "outcome" => "dead").increment(1);
                warn!(%request, origin, n_attempts, error = why, "webhook given up");
                self.staging.delivery_failed(delivery, why, AfterFailure::Dead).await
            }
        };
        if let Err(error) = noted {
            error!(%request, %error, "what came of a webhook cannot be written: it is sent again");
            // Not at once: the receiver would hear it again and again.
            self.staging.clock().sleep(AFTER_TROUBLE).await;
        }
    }

    /// When the next attempt is. A receiver that asks for more than the longest wait does not get it.
    fn next_ns(&self, id: u64, n_failed: u32, asked_for: Option<Duration>) -> i64 {
        let retries = &self.settings.retries;
        let asked_for = asked_for.map(|after| after.min(retries.at_most));
        self.after(retries.wait(n_failed, asked_for, id))
    }

    fn after(&self, wait: Duration) -> i64 {
        self.staging.clock().now_ns().saturating_add(nanoseconds(wait))
    }

    async fn tidy_up(&self) {
        if let Err(error) = self.staging.forget_deliveries().await {
            warn!(%error, "old webhooks cannot be forgotten, will retry");
        }
    }
}
