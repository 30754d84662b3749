//! A proxy that breaks off streams of events, and loses answers.

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
    /// It ends before anything was answered, and so does the next one, whatever is asked for on it.
    Refuse,
}

/// Stands before a server. Each stream of events is broken off as told, those beyond are left alone.
pub(super) struct Proxy {
    pub(super) url: String,
    streams: Arc<Mutex<Streams>>,
}

#[derive(Default)]
struct Streams {
    cuts: Vec<Cut>,
    /// `Last-Event-ID` of each.
    last_ids: Vec<Option<String>>,
    refuses_next: bool,
    /// How many answers to POST are lost from now on.
    n_lost_answers: usize,
}

impl Proxy {
    pub(super) fn before(server: &str, cuts: Vec<Cut>) -> Self {
        Self::with(server, Streams { cuts, ..Streams::default() })
    }

    /// One that loses what the server answers to so many POST requests.
    pub(super) fn losing_answers(server: &str, n_lost_answers: usize) -> Self {
        Self::with(server, Streams { n_lost_answers, ..Streams::default() })
    }

    fn with(server: &str, streams: Streams) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let streams = Arc::new(Mutex::new(streams));
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
    let cut = streams.lock().expect("no panic").next(first, rest);
    if cut == Some(Cut::Refuse) {
        return Ok(());
    }
    let mut upstream = TcpStream::connect(server)?;
    // The client would send the next request on the same connection, past us.
    upstream.write_all(format!("{first}\r\nConnection: close\r\n{rest}").as_bytes())?;
    let (mut body, mut to_server) = (client.try_clone()?, upstream.try_clone()?);
    std::thread::spawn(move || std::io::copy(&mut body, &mut to_server));
    let is_lost = first.starts_with("POST ") && streams.lock().expect("no panic").loses_answer();
    match cut {
        None if is_lost => drop(upstream.read_to_end(&mut Vec::new())),
        None => drop(std::io::copy(&mut upstream, &mut client)),
        Some(cut) => client.write_all(&begin_of(&mut upstream, cut)?)?,
    }
    client.shutdown(Shutdown::Both)?;
    upstream.shutdown(Shutdown::Both)
}

impl Streams {
    fn loses_answer(&mut self) -> bool {
        let is_lost = self.n_lost_answers > 0;
        self.n_lost_answers = self.n_lost_answers.saturating_sub(1);
        is_lost
    }

    /// What happens to the next request.
    fn next(&mut self, first_line: &str, headers: &str) -> Option<Cut> {
        if std::mem::take(&mut self.refuses_next) {
            return Some(Cut::Refuse);
        }
        if !first_line.contains("/events ") {
            return None;
        }
        let last_id = headers.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("last-event-id").then(|| value.trim().to_owned())
        });
        let cut = self.cuts.get(self.last_ids.len()).copied();
        self.last_ids.push(last_id);
        self.refuses_next = cut == Some(Cut::Refuse);
        cut
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
