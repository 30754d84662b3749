//! Follows a request by its events, and comes back when the connection breaks.

use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use serde_json::Value;

use super::super::Failure;
use super::super::client::Client;
use super::show::Bar;

/// How long to wait before coming back.
const PAUSE: Duration = Duration::from_secs(2);

/// How often a server that cannot be reached is tried again before the request is given up; it goes on without us.
const MAX_TRIES: u32 = 30;

/// How long a stream may be silent: the server sends something every 15 seconds, whatever happens.
const SILENCE: Duration = Duration::from_secs(60);

/// Longest line of a stream, in bytes.
const MAX_LINE_BYTES: usize = 1 << 20;

/// The request when it has ended.
pub(super) async fn follow(client: &Client, url: &str, bar: &Bar) -> Result<Value, Failure> {
    let events = format!("{url}/events");
    let (mut last_id, mut n_failed) = (None, 0);
    loop {
        let request = match client.get(url).await {
            Ok(request) => request,
            Err(failure @ Failure::Usage(_)) => return Err(failure),
            Err(failure) if n_failed >= MAX_TRIES => return Err(failure),
            Err(failure) => {
                n_failed += 1;
                bar.say(&format!("{failure}; trying again"));
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        n_failed = 0;
        bar.show(&request);
        if is_ended(&request) {
            return Ok(request);
        }
        // A stream that cannot be opened or breaks off is no failure: the request itself is looked at again.
        if let Ok(Some(response)) = client.events(&events, last_id.as_deref()).await {
            listen(response.bytes_stream(), &mut last_id, bar).await;
        }
        tokio::time::sleep(PAUSE / 4).await;
    }
}

fn is_ended(request: &Value) -> bool {
    !matches!(request.get("state").and_then(Value::as_str), Some("queued" | "active"))
}

/// Shows events until the request has ended, or the stream breaks off or falls silent.
async fn listen<E>(stream: impl Stream<Item = Result<Bytes, E>>, last_id: &mut Option<String>, bar: &Bar) {
    let mut stream = std::pin::pin!(stream);
    let (mut buffer, mut event) = (Vec::new(), Event::default());
    while let Ok(Some(Ok(bytes))) = tokio::time::timeout(SILENCE, stream.next()).await {
        buffer.extend_from_slice(&bytes);
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\n', '\r']);
            if !line.is_empty() {
                event.take(line);
                continue;
            }
            let event = std::mem::take(&mut event);
            if event.id.is_some() {
                last_id.clone_from(&event.id);
            }
            if matches!(event.kind.as_str(), "progress" | "request")
                && let Ok(request) = serde_json::from_str(&event.data)
            {
                bar.show(&request);
                if is_ended(&request) {
                    return;
                }
            }
        }
        if buffer.len() > MAX_LINE_BYTES {
            return;
        }
    }
}

/// One event of a stream (WHATWG HTML, section 9.2.6).
#[derive(Debug, Default, PartialEq, Eq)]
struct Event {
    kind: String,
    data: String,
    id: Option<String>,
}

impl Event {
    fn take(&mut self, line: &str) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.kind),
            "id" => self.id = Some(value.to_owned()),
            "data" => {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use serde_json::json;

    use super::*;

    fn bar() -> Bar {
        Bar::new(&json!({"n_objects": 1}))
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_falls_silent_counts_as_broken_off() {
        let begun = Bytes::from_static(b"id: 7\nevent: progress\ndata: {\"state\": \"active\"}\n\nid: 8\nev");
        let stream = stream::iter([Ok::<_, ()>(begun)]).chain(stream::pending());
        let mut last_id = None;
        listen(stream, &mut last_id, &bar()).await;
        assert_eq!(last_id.as_deref(), Some("7"), "an event that did not come whole is asked for again");
    }

    #[test]
    fn an_event_is_put_together_from_its_lines() {
        let mut event = Event::default();
        for line in [": heartbeat", "id: 7", "event: progress", "data: {\"a\":", "data: 1}", "retry: 5"] {
            event.take(line);
        }
        let data = "{\"a\":\n1}".to_owned();
        assert_eq!(event, Event { kind: "progress".to_owned(), data, id: Some("7".to_owned()) });
    }
}
