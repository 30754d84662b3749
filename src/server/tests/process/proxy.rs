//! A proxy that breaks off streams of events.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What happens to one stream of events.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// The connection ends in the middle of its first event.
    InsideEvent,
    /// It ends behind its first event.
    AfterEvent,
    /// It ends before anything was answered.
    Refuse,
}

/// Stands before a server. Each stream of events is broken off as told, those beyond are left alone.
pub(super) struct Proxy {
    pub(super) url: String,
    streams: Arc<Mutex<Streams>>,
}

struct Streams {
    cuts: Vec<Cut>,
    /// `Last-Event-ID` of each.
    last_ids: Vec<Option<String>>,
}

impl Proxy {
    pub(super) fn before(server: &str, cuts: Vec<Cut>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let streams = Arc::new(Mutex::new(Streams { cuts, last_ids: Vec::new() }));
        let (seen, server) = (Arc::clone(&streams), server.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (seen, server) = (Arc::clone(&seen), server.clone());
                // Whoever goes away in the middle is no failure of the proxy.
                std::thread::spawn(move || drop(pass(client, &server, &seen)));
            }
        });
        Self { url, streams }
    }

    pub(super) fn last_event_ids(&self) -> Vec<Option<String>> {
        self.streams.lock().expect("no panic").last_ids.clone()
    }
}

/// Passes one request and its answer.
fn pass(mut client: TcpStream, server: &str, streams: &Mutex<Streams>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let (first, rest) = head.split_once("\r\n").unwrap_or_default();
    let cut = if first.contains("/events ") { streams.lock().expect("no panic").next(rest) } else { None };
    if cut == Some(Cut::Refuse) {
        return Ok(());
    }
    let mut upstream = TcpStream::connect(server)?;
    // The client would send the next request on the same connection, past us.
    upstream.write_all(format!("{first}\r\nConnection: close\r\n{rest}").as_bytes())?;
    let (mut body, mut to_server) = (client.try_clone()?, upstream.try_clone()?);
    std::thread::spawn(move || std::io::copy(&mut body, &mut to_server));
    match cut {
        None => drop(std::io::copy(&mut upstream, &mut client)),
        Some(cut) => client.write_all(&begin_of(&mut upstream, cut)?)?,
    }
    client.shutdown(Shutdown::Both)?;
    upstream.shutdown(Shutdown::Both)
}

impl Streams {
    fn next(&mut self, head: &str) -> Option<Cut> {
        let last_id = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("last-event-id").then(|| value.trim().to_owned())
        });
        self.last_ids.push(last_id);
        self.cuts.get(self.last_ids.len() - 1).copied()
    }
}

/// An answer up to its first event with an id: without its end, or with it.
fn begin_of(upstream: &mut TcpStream, cut: Cut) -> std::io::Result<Vec<u8>> {
    let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let n_bytes = upstream.read(&mut piece)?;
        answer.extend(&piece[..n_bytes]);
        let text = String::from_utf8_lossy(&answer);
        let begin = text.find("id:");
        let end = begin.and_then(|begin| Some(begin + text[begin..].find("\n\n")? + 2));
        if let Some(end) = end.or((n_bytes == 0).then_some(answer.len())) {
            answer.truncate(if cut == Cut::InsideEvent { end - 3 } else { end });
            return Ok(answer);
        }
    }
}
