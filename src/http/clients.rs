//! What one client may ask for: so many requests in a second, so many computations at the same time.
//!
//! A client is the owner of its token, else its address; addresses that one client can take as it likes (of IPv6 a
//! network of 64 bits) count as one. What is asked beyond a limit is answered 429 with the time to wait, never with other
//! values; who waits for cold bytes was counted when it came, and is not counted again when these are online.
//!
//! # Source
//! The rate is the generic cell rate algorithm of ITU-T I.371, as a virtual scheduling algorithm: of each client one time
//! is kept.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::extract::Request;
use http::Method;
use http::request::Parts;
use parking_lot::Mutex;
use thermocline_core::staging::Owner;

use crate::identity::Credentials;
use crate::problem::TOO_MANY;
use crate::waiting::network_of;
use crate::{App, Identity, Problem};

/// Paths that are asked by whoever watches over the server.
const FREE: [&str; 3] = ["/health", "/ready", "/metrics"];

/// Most clients that are told apart; further ones share places.
const MAX_CLIENTS: usize = 65_536;

/// Places of those that are not told apart.
const CROWDS: u64 = 1024;

/// How often room is looked for, at most.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);

/// When to ask again for a computation.
const COMPUTATION_RETRY: Duration = Duration::from_secs(5);

/// What one client may ask for; nothing is limited by default.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ClientLimits {
    /// How many requests.
    pub rate: Option<RequestRate>,
    /// Most plots and groupby results that are computed at the same time.
    pub computations: Option<u32>,
}

/// How many requests one client may send.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RequestRate {
    /// In a second, in the long run.
    pub per_second: f64,
    /// At once, after a pause.
    pub burst: u32,
}

impl RequestRate {
    /// The time between two requests that come evenly.
    fn pause(&self) -> Duration {
        Duration::try_from_secs_f64(self.per_second.recip()).unwrap_or(Duration::MAX)
    }
}

/// What clients have asked for of late.
pub struct Clients {
    /// Whether something is limited: all that most servers ever look at.
    is_limited: AtomicBool,
    state: Mutex<State>,
    hasher: RandomState,
    started: Instant,
}

#[derive(Default)]
struct State {
    limits: ClientLimits,
    /// Of each client the time at which its next request would come if it came evenly. One that is over is as good as none.
    next: HashMap<Client, Duration>,
    swept: Option<Duration>,
    /// How many computations of each client go on; clients without one are not kept.
    computing: HashMap<Client, u32>,
}

/// Whom requests are counted by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Client {
    /// Whose token it is.
    Owner(Owner),
    /// Where it comes from; `None` are all that cannot be told apart.
    Address(Option<IpAddr>),
    /// Some of those that came when there was no room left.
    Crowd(u64),
}

impl Client {
    fn of(identity: &Identity) -> Self {
        match identity.credentials {
            Credentials::Valid => Self::Owner(identity.owner.clone()),
            _ => Self::Address(identity.from.map(network_of)),
        }
    }
}

impl Clients {
    /// With these limits.
    pub fn new(limits: ClientLimits) -> Arc<Self> {
        let clients = Self {
            is_limited: AtomicBool::new(false),
            state: Mutex::default(),
            hasher: RandomState::new(),
            started: Instant::now(),
        };
        clients.replace(limits);
        Arc::new(clients)
    }

    /// Takes other limits, from the next request on.
    pub fn replace(&self, limits: ClientLimits) {
        let mut state = self.state.lock();
        if state.limits.rate != limits.rate {
            state.next.clear();
        }
        state.limits = limits;
        self.is_limited.store(limits != ClientLimits::default(), Ordering::Relaxed);
    }

    /// Counts a request at a time; else the rate that it exceeds, and how long to wait.
    fn count(&self, client: Client, now: Duration) -> Result<(), (RequestRate, Duration)> {
        let mut state = self.state.lock();
        let Some(rate) = state.limits.rate else { return Ok(()) };
        let client = self.place(&mut state, client, now);
        let pause = rate.pause();
        let next = state.next.entry(client).or_insert(now);
        let since = (*next).max(now);
        let ahead = since.saturating_sub(now);
        let allowed = pause.saturating_mul(rate.burst.saturating_sub(1));
        if ahead > allowed {
            return Err((rate, ahead - allowed));
        }
        *next = since.saturating_add(pause);
        Ok(())
    }

    /// The place of a client among those that are kept.
    fn place(&self, state: &mut State, client: Client, now: Duration) -> Client {
        if state.next.len() < MAX_CLIENTS || state.next.contains_key(&client) {
            return client;
        }
        if state.swept.is_none_or(|swept| now.saturating_sub(swept) >= SWEEP_PAUSE) {
            state.swept = Some(now);
            state.next.retain(|_, next| *next > now);
            if state.next.len() < MAX_CLIENTS {
                return client;
            }
        }
        Client::Crowd(self.hasher.hash_one(&client) % CROWDS)
    }

    /// A turn for a computation of this client; `None` where that is not limited.
    fn turn(self: &Arc<Self>, client: Client) -> Result<Option<Computing>, Problem> {
        let mut state = self.state.lock();
        let Some(most) = state.limits.computations else { return Ok(None) };
        let n_computing = state.computing.entry(client.clone()).or_default();
        if *n_computing >= most {
            let detail = format!(
                "{n_computing} plots and results of this client are being computed, which is the most \
                 (limits.per_client.computations)"
            );
            return Err(Problem::new(&TOO_MANY, detail).with_retry_after(COMPUTATION_RETRY));
        }
        *n_computing = n_computing.saturating_add(1);
        Ok(Some(Computing { clients: Arc::clone(self), client }))
    }
}

/// The problem of a request beyond the limit of its client; `None` for one that is counted and goes on.
pub(crate) fn refusal(app: &App, request: &Request) -> Option<Problem> {
    let clients = &app.clients;
    if !clients.is_limited.load(Ordering::Relaxed) || is_free(request) {
        return None;
    }
    let client = Client::of(&Identity::of_request(app, request));
    let (rate, wait) = clients.count(client, clients.started.elapsed()).err()?;
    let detail = format!(
        "this client asked for more than {} requests per second (limits.per_client.requests_per_second), of which {} may \
         come at once",
        rate.per_second, rate.burst
    );
    Some(Problem::new(&TOO_MANY, detail).with_retry_after(wait))
}

/// True for what costs nothing and must be answered: what watches over the server, and what browsers ask before they ask.
fn is_free(request: &Request) -> bool {
    request.method() == Method::OPTIONS || FREE.contains(&request.uri().path())
}

/// One computation of a client.
struct Computing {
    clients: Arc<Clients>,
    client: Client,
}

impl Drop for Computing {
    fn drop(&mut self) {
        let mut state = self.clients.state.lock();
        if let Some(n_computing) = state.computing.get_mut(&self.client) {
            *n_computing = n_computing.saturating_sub(1);
            if *n_computing == 0 {
                state.computing.remove(&self.client);
            }
        }
    }
}

/// Whom the computations of a request are counted by.
pub struct Computations {
    clients: Arc<Clients>,
    /// `None` where they are not limited.
    client: Option<Client>,
}

impl Computations {
    /// Those of the client that sent a request.
    pub fn of(app: &App, parts: &Parts) -> Self {
        let is_limited = app.clients.is_limited.load(Ordering::Relaxed);
        let client = is_limited.then(|| Client::of(&Identity::of(app, parts)));
        Self { clients: Arc::clone(&app.clients), client }
    }

    /// A turn for one of them, until it is dropped.
    ///
    /// # Errors
    /// 429 with `Retry-After` if the client has as many as it may.
    pub fn turn(&self) -> Result<ComputationTurn, Problem> {
        let computing = match &self.client {
            Some(client) => self.clients.turn(client.clone())?,
            None => None,
        };
        Ok(ComputationTurn { _computing: computing })
    }
}

/// One of the computations that a client may have at the same time, until it is dropped.
#[must_use = "the turn ends when it is dropped"]
pub struct ComputationTurn {
    _computing: Option<Computing>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn clients(per_second: f64, burst: u32) -> Arc<Clients> {
        Clients::new(ClientLimits {
            rate: Some(RequestRate { per_second, burst }),
            ..ClientLimits::default()
        })
    }

    fn at(address: &str) -> Client {
        Client::Address(address.parse().ok().map(network_of))
    }

    /// How many of `n` requests at once are let through.
    fn passed(clients: &Clients, client: &Client, now: Duration, n: usize) -> usize {
        (0..n).filter(|_| clients.count(client.clone(), now).is_ok()).count()
    }

    #[test]
    fn a_burst_passes_at_once_and_then_so_many_in_a_second() {
        let clients = clients(10.0, 5);
        let client = at("192.0.2.1");
        assert_eq!(passed(&clients, &client, SECOND, 9), 5);
        let (_, wait) = clients.count(client.clone(), SECOND).unwrap_err();
        assert_eq!(wait, Duration::from_millis(100), "then there is room for one");
        assert_eq!(passed(&clients, &client, SECOND + wait, 9), 1);
        assert_eq!(passed(&clients, &client, SECOND * 2, 9), 5, "after a pause as many as before");
        let evenly = (1..=50).filter(|n| clients.count(client.clone(), SECOND * 3 + wait * *n).is_ok());
        assert_eq!(evenly.count(), 50);
    }

    #[test]
    fn refused_requests_do_not_make_the_wait_longer() {
        let clients = clients(1.0, 1);
        let client = at("192.0.2.1");
        assert_eq!(passed(&clients, &client, SECOND, 1_000), 1);
        assert_eq!(passed(&clients, &client, SECOND * 2, 1), 1);
    }

    #[test]
    fn clients_do_not_take_from_each_other_but_what_is_one_network_of_ipv6_is_one_client() {
        let clients = clients(1.0, 2);
        assert_eq!(passed(&clients, &at("2001:db8::1"), SECOND, 1), 1);
        assert_eq!(passed(&clients, &at("2001:db8::2"), SECOND, 5), 1);
        assert_eq!(passed(&clients, &at("2001:db8:0:1::1"), SECOND, 5), 2);
        assert_eq!(passed(&clients, &at("192.0.2.1"), SECOND, 5), 2);
        assert_eq!(passed(&clients, &at("192.0.2.2"), SECOND, 5), 2);
        assert_eq!(passed(&clients, &Client::Owner(Owner("token:a".into())), SECOND, 5), 2);
    }

    #[test]
    fn what_is_kept_of_clients_is_bounded_and_all_of_them_stay_limited() {
        let clients = clients(1.0, 1);
        let all = (0..200_000_u32).map(|n| Client::Address(Some(IpAddr::from(n.to_be_bytes()))));
        let most = MAX_CLIENTS + usize::try_from(CROWDS).unwrap();
        let first = all.filter(|client| clients.count(client.clone(), SECOND).is_ok()).count();
        assert!((MAX_CLIENTS..=most).contains(&first), "{first}");
        assert!(clients.state.lock().next.len() <= most);
        assert_eq!(
            passed(&clients, &at("203.0.113.7"), SECOND * 9, 2),
            1,
            "room is made of those that paused"
        );
        assert_eq!(clients.state.lock().next.len(), 1);
    }

    #[test]
    fn nothing_is_limited_or_kept_without_limits_and_limits_can_be_changed() {
        let clients = Clients::new(ClientLimits::default());
        let client = at("192.0.2.1");
        assert_eq!(passed(&clients, &client, SECOND, 1_000), 1_000);
        assert!(clients.state.lock().next.is_empty() && !clients.is_limited.load(Ordering::Relaxed));
        let rate = Some(RequestRate { per_second: 1.0, burst: 3 });
        clients.replace(ClientLimits { rate, computations: None });
        assert_eq!(passed(&clients, &client, SECOND, 10), 3);
        clients.replace(ClientLimits::default());
        assert_eq!(passed(&clients, &client, SECOND, 10), 10);
    }

    #[test]
    fn computations_of_a_client_are_counted_until_they_end() {
        let clients = Clients::new(ClientLimits { rate: None, computations: Some(2) });
        let client = at("192.0.2.1");
        let two = [clients.turn(client.clone()), clients.turn(client.clone())];
        assert!(two.iter().all(Result::is_ok));
        let problem = clients.turn(client.clone()).err().unwrap();
        assert_eq!(problem.status, 429);
        assert!(problem.detail().contains("limits.per_client.computations"), "{}", problem.detail());
        assert!(clients.turn(at("192.0.2.2")).is_ok());
        drop(two);
        assert!(clients.turn(client).is_ok());
        assert!(clients.state.lock().computing.is_empty(), "who has none is forgotten");
    }
}
