//! Webhooks as receivers see them: a real server on the loopback, on the clock that tests move.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::store::FakeStore;
use super::world::{World, new_request};
use crate::cold::Landing;
use crate::staging::{Delivery, DeliveryFilter, DeliveryState, NewRequest, Notify};
use crate::webhook::sign::Signer;
use crate::webhook::{Hosts, KeyFile, Sender, WebhookSettings, Webhooks};

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// A receiver that gives these answers, one after the other, and the last one for ever.
struct Receiver {
    port: u16,
    received: Arc<Mutex<Vec<Message>>>,
}

#[derive(Debug, Clone)]
struct Message {
    head: String,
    body: String,
}

impl Message {
    fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        let mut found =
            lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim());
        found.next().unwrap_or_default()
    }
}

impl Receiver {
    async fn answering(answers: &'static [&'static str]) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let messages = Arc::clone(&received);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = socket.accept().await.unwrap();
                let mut bytes = Vec::new();
                let message = loop {
                    stream.read_buf(&mut bytes).await.unwrap();
                    if let Some(message) = whole(&bytes) {
                        break message;
                    }
                };
                let n = messages.lock().len();
                messages.lock().push(message);
                let answer = answers.get(n).or(answers.last()).unwrap();
                let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { port, received }
    }

    fn received(&self) -> Vec<Message> {
        self.received.lock().clone()
    }
}

fn whole(bytes: &[u8]) -> Option<Message> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let message = Message { head: head.to_owned(), body: body.to_owned() };
    (message.header("content-length").parse() == Ok(body.len())).then_some(message)
}

/// A server that tells receivers, at hosts of this list.
struct Telling {
    world: World,
    stop: CancellationToken,
}

impl Telling {
    async fn begin(world: World, listed: &[String], max_attempts: u32) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let key = world.folder.path().join("webhook.key");
        std::fs::write(&key, format!("{KEY}\n")).unwrap();
        world.staging.webhook_hosts().replace(Hosts::parse(listed).unwrap());
        let sender = Sender::new(world.staging.webhook_hosts().clone(), KeyFile::new(key)).unwrap();
        let settings = WebhookSettings { max_attempts, ..WebhookSettings::default() };
        let stop = CancellationToken::new();
        tokio::spawn(Webhooks::new(world.staging.clone(), sender, settings).run(stop.clone()));
        Self { world, stop }
    }

    async fn request(&self, url: String) -> String {
        let notify = Some(Notify { url, source: "https://data.example".to_owned() });
        let new = NewRequest { notify, ..new_request("x", &["a"]) };
        let request = self.world.staging.request(new).await.unwrap();
        self.world.ended(&request.id).await;
        request.id.to_string()
    }

    async fn delivery(&self) -> Delivery {
        let filter = DeliveryFilter { limit: 10, ..DeliveryFilter::default() };
        self.world.staging.deliveries(filter).await.unwrap().remove(0)
    }

    /// Lets time pass until the delivery is in that state, at most a day of it.
    async fn until(&self, state: DeliveryState) -> Delivery {
        for _ in 0..2000 {
            let delivery = self.delivery().await;
            if delivery.state == state {
                return delivery;
            }
            self.world.clock.advance(Duration::from_secs(40));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("not {state:?}: {:?}", self.delivery().await);
    }
}

async fn world() -> World {
    let world = World::new(FakeStore::new(Landing::Copied)).await;
    world.put("a");
    world
}

#[tokio::test]
async fn a_receiver_that_fails_hears_the_same_message_again_until_it_answers() {
    let receiver = Receiver::answering(&["500 No", "302 Found", "200 OK"]).await;
    let listed = [format!("http://127.0.0.1:{}", receiver.port)];
    let telling = Telling::begin(world().await, &listed, 40).await;
    let request = telling.request(format!("http://127.0.0.1:{}/hook?x=1", receiver.port)).await;
    let done = telling.until(DeliveryState::Done).await;
    assert_eq!((done.n_attempts, done.last_error), (3, None));

    let received = receiver.received();
    assert_eq!(received.len(), 3);
    for message in &received {
        assert!(message.head.starts_with("POST /hook?x=1 HTTP/1.1"), "{}", message.head);
        assert_eq!(message.body, received[0].body);
        assert_eq!(message.header("webhook-id"), format!("{request}-ended"));
        assert_eq!(message.header("content-type"), "application/cloudevents+json; charset=utf-8");
        let timestamp = message.header("webhook-timestamp").parse().unwrap();
        let signer = Signer::new(KEY.as_bytes());
        let right = signer.sign(message.header("webhook-id"), timestamp, message.body.as_bytes());
        assert_eq!(message.header("x-thermocline-signature"), right.body);
        assert_eq!(message.header("webhook-signature"), right.dated);
    }
    let times: Vec<&str> = received.iter().map(|message| message.header("webhook-timestamp")).collect();
    assert!(times[0] < times[1] && times[1] < times[2], "each attempt is dated anew: {times:?}");
}

#[tokio::test]
async fn what_is_never_answered_is_dead_after_the_last_attempt_and_sent_again_when_asked_for() {
    let receiver = Receiver::answering(&["503 No", "503 No", "503 No", "204 OK"]).await;
    let listed = [format!("http://127.0.0.1:{}", receiver.port)];
    let telling = Telling::begin(world().await, &listed, 3).await;
    telling.request(format!("http://127.0.0.1:{}/", receiver.port)).await;
    let dead = telling.until(DeliveryState::Dead).await;
    assert_eq!((dead.n_attempts, dead.last_error.as_deref()), (3, Some("the receiver answers 503")));

    telling.world.staging.retry_delivery(dead.id).await.unwrap();
    assert_eq!(telling.until(DeliveryState::Done).await.n_attempts, 1);
    assert_eq!(receiver.received().len(), 4);
}

#[tokio::test]
async fn a_key_that_cannot_be_read_for_a_while_is_no_failed_attempt() {
    let receiver = Receiver::answering(&["200 OK"]).await;
    let listed = [format!("http://127.0.0.1:{}", receiver.port)];
    let telling = Telling::begin(world().await, &listed, 1).await;
    let key = telling.world.folder.path().join("webhook.key");
    std::fs::remove_file(&key).unwrap();
    telling.request(format!("http://127.0.0.1:{}/", receiver.port)).await;
    while telling.delivery().await.last_error.is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let waiting = telling.delivery().await;
    assert_eq!((waiting.state, waiting.n_attempts), (DeliveryState::Due, 0));
    assert!(waiting.last_error.unwrap().contains("cannot read the key"));

    std::fs::write(&key, KEY).unwrap();
    assert_eq!(telling.until(DeliveryState::Done).await.n_attempts, 1);
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn a_receiver_that_wants_no_more_is_left_alone() {
    let receiver = Receiver::answering(&["410 Gone"]).await;
    let listed = [format!("http://127.0.0.1:{}", receiver.port)];
    let telling = Telling::begin(world().await, &listed, 40).await;
    telling.request(format!("http://127.0.0.1:{}/", receiver.port)).await;
    telling.until(DeliveryState::Dead).await;
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn a_name_with_a_private_address_is_never_called() {
    let receiver = Receiver::answering(&["200 OK"]).await;
    let listed = [format!("http://localhost:{}", receiver.port)];
    let telling = Telling::begin(world().await, &listed, 2).await;
    telling.request(format!("http://localhost:{}/", receiver.port)).await;
    let dead = telling.until(DeliveryState::Dead).await;
    assert!(dead.last_error.unwrap().contains("private address"));
    assert_eq!(receiver.received().len(), 0);
}

#[tokio::test]
async fn a_host_that_is_listed_no_more_is_not_called_any_more() {
    let receiver = Receiver::answering(&["200 OK"]).await;
    let listed = [format!("http://127.0.0.1:{}", receiver.port)];
    let telling = Telling::begin(world().await, &listed, 40).await;
    let others = Hosts::parse(&["hooks.example"]).unwrap();
    telling.world.staging.webhook_hosts().replace(others);
    telling.request(format!("http://127.0.0.1:{}/", receiver.port)).await;
    let dead = telling.until(DeliveryState::Dead).await;
    assert!(dead.last_error.unwrap().contains("may not call"));
    assert_eq!(receiver.received().len(), 0);
}

#[tokio::test]
async fn what_was_not_acknowledged_before_the_end_is_sent_after_the_next_start() {
    let receiver = Receiver::answering(&["500 No", "200 OK"]).await;
    let listed = [format!("http://127.0.0.1:{}", receiver.port)];
    let telling = Telling::begin(world().await, &listed, 40).await;
    telling.request(format!("http://127.0.0.1:{}/", receiver.port)).await;
    while receiver.received().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let Telling { world, stop } = telling;
    stop.cancel();
    let telling = Telling::begin(world.restart().await, &listed, 40).await;
    telling.until(DeliveryState::Done).await;
    let ids: Vec<String> =
        receiver.received().iter().map(|message| message.header("webhook-id").to_owned()).collect();
    assert_eq!((ids.len(), &ids[0]), (2, &ids[1]));
}
