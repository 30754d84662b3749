//! What takes a connection for long without being worked on: readers of cold bytes, streams of events, clients that
//! wait for the end of a job.
//!
//! All of them have places of one bound, so that connections are left for everybody else; and all of them are ended
//! when the server is.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, BodyDataStream};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use http::StatusCode;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::Problem;
use crate::problem::TOO_MANY;
use crate::sse::{EventStream, RETRY};

/// Of an address of IPv6 the part that one client has to itself, in bits from the end.
const OWN_BITS: u32 = 64;

/// Whom streams are counted by; `None` are all that cannot be told apart.
type Client = Option<IpAddr>;

/// The places of what waits.
pub struct Waiting {
    places: Arc<Semaphore>,
    max: usize,
    max_streams_each: usize,
    /// How many streams each client has open; clients without one are not kept.
    streams: Mutex<HashMap<Client, usize>>,
    ended: CancellationToken,
    /// Those that wait while they are worked on.
    n_turns: AtomicUsize,
}

/// The place of one that is worked on while it waits, until it is dropped.
pub struct Turn {
    _counted: Counted,
    _place: OwnedSemaphorePermit,
}

/// One of those that wait while they are worked on.
struct Counted(Arc<Waiting>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.n_turns.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Waiting {
    /// Room for `max` in all, and of each client for `max_streams_each` streams of events, at least one.
    pub fn new(max: usize, max_streams_each: usize) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS)));
        let ended = CancellationToken::new();
        Arc::new(Self {
            places,
            max,
            max_streams_each: max_streams_each.max(1),
            streams: Mutex::default(),
            ended,
            n_turns: AtomicUsize::new(0),
        })
    }

    /// A place, if one is left.
    pub fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// A place for one that is worked on while it waits, if fewer than `most` of these do: all others have to be answered.
    pub fn turn(self: &Arc<Self>, most: usize) -> Option<Turn> {
        let before = self.n_turns.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(Arc::clone(self));
        let place = self.place().filter(|_| before < most)?;
        Some(Turn { _counted: counted, _place: place })
    }

    /// Ends all that waits, now and from now on: the server is about to stop.
    pub fn end(&self) {
        self.ended.cancel();
    }

    /// Cancelled once nothing waits any more.
    pub fn ended(&self) -> &CancellationToken {
        &self.ended
    }

    /// The answer, with a place and an end if it is a stream of events; else as it is.
    pub(crate) fn admit(self: &Arc<Self>, mut response: Response, client: Client) -> Response {
        if response.extensions_mut().remove::<EventStream>().is_none() {
            return response;
        }
        let place = match self.stream_place(client) {
            Ok(place) => place,
            Err(problem) => return problem.into_response(),
        };
        let ended = self.ended.clone().cancelled_owned();
        response.map(|events| {
            let events: BodyDataStream = events.into_data_stream();
            let events = events.take_until(Box::pin(ended));
            // The place is given back when the stream ends or its client leaves.
            Body::from_stream(events.inspect(move |_| {
                let _ = &place;
            }))
        })
    }

    fn stream_place(self: &Arc<Self>, client: Client) -> Result<StreamPlace, Problem> {
        let place = self.place().ok_or_else(|| {
            let detail = format!("{} clients wait or watch, which is the most", self.max);
            let mut problem = Problem::new(&TOO_MANY, detail);
            problem.status = StatusCode::SERVICE_UNAVAILABLE;
            problem.with_retry_after(RETRY)
        })?;
        let client = client.map(network_of);
        let mut streams = self.streams.lock();
        let n_open = streams.entry(client).or_default();
        if *n_open >= self.max_streams_each {
            let detail = format!("{n_open} event streams of this client are open, which is the most");
            return Err(Problem::new(&TOO_MANY, detail).with_retry_after(RETRY));
        }
        *n_open = n_open.saturating_add(1);
        Ok(StreamPlace { waiting: Arc::clone(self), client, _place: place })
    }
}

/// The place of one stream.
struct StreamPlace {
    waiting: Arc<Waiting>,
    client: Client,
    _place: OwnedSemaphorePermit,
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        let mut streams = self.waiting.streams.lock();
        if let Some(n_open) = streams.get_mut(&self.client) {
            *n_open = n_open.saturating_sub(1);
            if *n_open == 0 {
                streams.remove(&self.client);
            }
        }
    }
}

/// The addresses that a client can take as it likes count as one.
pub(crate) fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> OWN_BITS << OWN_BITS).into(),
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use http_body_util::BodyExt;

    use super::*;
    use crate::sse::{Event, respond};

    fn opened(waiting: &Arc<Waiting>, client: &str) -> Response {
        let event = || Event { name: "progress", id: None, data: String::new() };
        let events = futures::stream::repeat_with(event).take(1).chain(futures::stream::pending());
        waiting.admit(respond(&Method::GET, events), client.parse().ok())
    }

    #[tokio::test]
    async fn streams_end_with_the_server() {
        let waiting = Waiting::new(1, 1);
        let response = opened(&waiting, "192.0.2.1");
        waiting.end();
        assert!(response.into_body().collect().await.is_ok());
        assert!(opened(&waiting, "192.0.2.1").status().is_success(), "its place is free again");
    }

    #[tokio::test]
    async fn streams_have_a_bound_in_all_and_one_of_each_client() {
        let waiting = Waiting::new(3, 2);
        let one = [opened(&waiting, "2001:db8::1"), opened(&waiting, "2001:db8::2")];
        assert!(one.iter().all(|stream| stream.status().is_success()));
        assert_eq!(opened(&waiting, "2001:db8::3").status(), 429, "one client has a network to itself");
        let _other = opened(&waiting, "unknown");
        let refused = opened(&waiting, "192.0.2.1");
        assert_eq!(refused.status(), 503);
        assert_eq!(refused.headers()[http::header::RETRY_AFTER], "30");
        drop(one);
        assert!(opened(&waiting, "192.0.2.1").status().is_success());
        assert!(waiting.streams.lock().len() <= 2, "who has left is forgotten");
    }

    #[test]
    fn only_a_part_of_what_is_worked_on_may_wait() {
        let waiting = Waiting::new(10, 1);
        let first = waiting.turn(2);
        let second = waiting.turn(2);
        assert!(first.is_some() && second.is_some());
        assert!(waiting.turn(2).is_none());
        drop(first);
        assert!(waiting.turn(2).is_some(), "who was refused and who has left are not counted");
        assert!(Waiting::new(0, 1).turn(2).is_none(), "it is one of all that wait");
    }

    #[tokio::test]
    async fn all_other_answers_need_no_place() {
        let waiting = Waiting::new(0, 0);
        assert_eq!(waiting.admit("text".into_response(), None).status(), 200);
        assert_eq!(waiting.admit(respond(&Method::HEAD, futures::stream::empty()), None).status(), 200);
    }
}
