//! A tape site for tests: HTTP/1.1 without haste, one answer for each connection.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Names of its files below `/pnfs` on tape, and `/webdav` on the web.
pub(crate) const FILES: [&str; 14] = [
    "a.nc",
    "b.nc",
    "sp ace.nc",
    "c.nc",
    "d.nc",
    "e.nc",
    "f.nc",
    "g.nc",
    "h.nc",
    "i.nc",
    "j.nc",
    "k.nc",
    "l.nc",
    "m.nc",
];

/// Bytes of each file.
pub(crate) const LEN_BYTES: usize = 5000;

/// How a call fails.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// The connection ends without an answer.
    BreakOff,
    /// With a status.
    Status(u16),
    /// With an answer that is none.
    Garbage,
}

/// The site. It ends with the test's runtime.
pub(crate) struct Site {
    address: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    address: String,
    interface: Option<String>,
    online: BTreeSet<String>,
    recalled: BTreeSet<String>,
    n_recalls: usize,
    n_calls: usize,
    n_requests: usize,
    /// Files of each request, and whether they were cancelled.
    requests: BTreeMap<String, BTreeMap<String, bool>>,
    staged: Vec<(String, String)>,
    next_stages: VecDeque<Option<Fault>>,
    is_held: bool,
    refused: BTreeSet<String>,
    most_files: Option<usize>,
    disk_only: BTreeSet<String>,
    everything: Option<Fault>,
    cancels: Option<Fault>,
    looks: Option<Fault>,
    unsaid: BTreeSet<String>,
    errors: BTreeMap<String, String>,
    files_are_at: Option<String>,
    /// Method, path and token of each call.
    calls: Vec<(String, String, String)>,
}

impl Site {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State { address: address.clone(), ..State::default() }));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&shared)));
            }
        });
        Self { address, state }
    }

    pub(crate) fn address(&self) -> String {
        self.address.clone()
    }

    /// A recall ends.
    pub(crate) fn bring_online(&self, path: &str) {
        self.state.lock().online.insert(path.to_owned());
    }

    /// All recalls end.
    pub(crate) fn end_recalls(&self) {
        let mut state = self.state.lock();
        let recalled = state.recalled.clone();
        state.online.extend(recalled);
    }

    pub(crate) fn forget_requests(&self) {
        self.state.lock().requests.clear();
    }

    /// The next request for files is acted on if its fault is none of a refusal, and then its answer is lost.
    pub(crate) fn fail_next_stage(&self, fault: Fault) {
        self.fail_stages([Some(fault)]);
    }

    /// The same of several ones, in their order.
    pub(crate) fn fail_stages(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.state.lock().next_stages.extend(faults);
    }

    /// Requests for files wait for an answer.
    pub(crate) fn hold_stages(&self, is_held: bool) {
        self.state.lock().is_held = is_held;
    }

    /// Requests with this path in them are refused as a whole.
    pub(crate) fn refuse(&self, path: &str) {
        self.state.lock().refused.insert(path.to_owned());
    }

    /// Requests for more files are refused as a whole.
    pub(crate) fn take_at_most(&self, n_files: usize) {
        self.state.lock().most_files = Some(n_files);
    }

    /// A file that has no copy on tape.
    pub(crate) fn keep_off_tape(&self, path: &str) {
        let mut state = self.state.lock();
        state.online.insert(path.to_owned());
        state.disk_only.insert(path.to_owned());
    }

    pub(crate) fn fail_everything(&self, fault: Option<Fault>) {
        self.state.lock().everything = fault;
    }

    /// Nothing is cancelled any more.
    pub(crate) fn fail_cancels(&self, fault: Option<Fault>) {
        self.state.lock().cancels = fault;
    }

    /// Where files are is told no more.
    pub(crate) fn fail_looks(&self, fault: Option<Fault>) {
        self.state.lock().looks = fault;
    }

    /// No answer names this file.
    pub(crate) fn say_nothing_of(&self, path: &str) {
        self.state.lock().unsaid.insert(path.to_owned());
    }

    /// The recall of this file has failed, in these words.
    pub(crate) fn fail_recall(&self, path: &str, error: &str) {
        self.state.lock().errors.insert(path.to_owned(), error.to_owned());
    }

    /// Whoever wants a file is sent to another address.
    pub(crate) fn say_files_are_at(&self, address: &str) {
        self.state.lock().files_are_at = Some(address.to_owned());
    }

    pub(crate) fn say_interface_is_at(&self, uri: &str) {
        self.state.lock().interface = Some(uri.to_owned());
    }

    pub(crate) fn n_recalls(&self) -> usize {
        self.state.lock().n_recalls
    }

    pub(crate) fn n_calls(&self) -> usize {
        self.state.lock().n_calls
    }

    pub(crate) fn n_requests(&self) -> usize {
        self.state.lock().n_requests
    }

    /// Paths that were asked for, in the order in which they were.
    pub(crate) fn staged_paths(&self) -> Vec<String> {
        self.state.lock().staged.iter().map(|(path, _)| path.clone()).collect()
    }

    /// The lifetimes with which they were.
    pub(crate) fn lifetimes(&self) -> Vec<String> {
        self.state.lock().staged.iter().map(|(_, lifetime)| lifetime.clone()).collect()
    }

    /// True if every call came with the token.
    pub(crate) fn authorized_only(&self) -> bool {
        self.state.lock().calls.iter().all(|(.., token)| token == "secret")
    }

    /// Calls to the interface for requests, with their tokens.
    pub(crate) fn calls_for_requests(&self) -> Vec<(String, String)> {
        let state = self.state.lock();
        let is_for_requests = |(_, path, _): &&(String, String, String)| path.starts_with("/api/v1/stage");
        let call = |(method, path, token): &(String, String, String)| {
            let path = path.strip_prefix("/api/v1/").unwrap_or(path);
            (format!("{method} {path}"), token.clone())
        };
        state.calls.iter().filter(is_for_requests).map(call).collect()
    }

    /// Files that were cancelled in a request.
    pub(crate) fn cancelled(&self, id: &str) -> Vec<String> {
        let state = self.state.lock();
        let files = state.requests.get(id).into_iter().flatten();
        files.filter(|(_, is_cancelled)| **is_cancelled).map(|(path, _)| path.clone()).collect()
    }
}

async fn answer(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let Some((head, body)) = read(&mut stream).await else { return };
    let mut words = head.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    while path == "/api/v1/stage" && state.lock().is_held {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    let reply = {
        let mut state = state.lock();
        state.n_calls += 1;
        state.calls.push((method.to_owned(), path.to_owned(), token(&head)));
        match state.everything {
            Some(fault) => failed(fault),
            None => state.reply(method, path, &body),
        }
    };
    if let Some(reply) = reply {
        let _ = stream.write_all(reply.as_bytes()).await;
    }
}

/// The bearer token of a call.
fn token(head: &str) -> String {
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("authorization: bearer "));
    line.map(|line| line["authorization: bearer ".len()..].trim().to_owned()).unwrap_or_default()
}

async fn read(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let n_read = stream.read(&mut piece).await.ok().filter(|n_read| *n_read > 0)?;
        bytes.extend_from_slice(&piece[..n_read]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let length = head
            .to_ascii_lowercase()
            .split("content-length:")
            .nth(1)
            .and_then(|rest| rest.split("\r\n").next()?.trim().parse::<usize>().ok());
        if bytes.len() >= end + 4 + length.unwrap_or_default() {
            return Some((head, bytes[end + 4..].to_vec()));
        }
    }
}

fn with(status: u16, headers: &str, body: &str) -> Option<String> {
    let length = if headers.contains("content-length") {
        String::new()
    } else {
        format!("content-length: {}\r\n", body.len())
    };
    Some(format!("HTTP/1.1 {status} Status\r\nconnection: close\r\n{headers}{length}\r\n{body}"))
}

fn document(status: u16, document: &Value) -> Option<String> {
    with(status, "content-type: application/json\r\n", &document.to_string())
}

fn failed(fault: Fault) -> Option<String> {
    match fault {
        Fault::BreakOff => None,
        Fault::Status(status) => {
            let problem = json!({"status": status, "title": "Failed", "detail": "made to fail"});
            with(status, "retry-after: 7\r\n", &problem.to_string())
        }
        Fault::Garbage => with(200, "", "<html>welcome</html>"),
    }
}

fn exists(path: &str) -> bool {
    path.strip_prefix("/pnfs/").is_some_and(|name| FILES.contains(&name))
}

fn strings(value: &Value) -> Vec<String> {
    let texts = value.as_array().into_iter().flatten();
    texts.map(|text| text.as_str().unwrap_or_default().to_owned()).collect()
}

impl State {
    fn reply(&mut self, method: &str, path: &str, body: &Value) -> Option<String> {
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        match (method, &segments[..]) {
            ("GET", [".well-known", "wlcg-tape-rest-api"]) => {
                let own = format!("{}/api/v1", self.address);
                let uri = self.interface.clone().unwrap_or(own);
                let endpoints = json!([{"uri": "http://127.0.0.1:1/old", "version": "v0"}, {"uri": uri, "version": "v1"}]);
                document(200, &json!({"sitename": "toy", "endpoints": endpoints}))
            }
            ("POST", ["api", "v1", "archiveinfo"]) => match self.looks {
                Some(fault) => failed(fault),
                None => {
                    let mut paths = strings(&body["paths"]);
                    paths.retain(|path| !self.unsaid.contains(path));
                    document(200, &paths.iter().map(|path| self.info(path)).collect())
                }
            },
            ("POST", ["api", "v1", "stage"]) => self.stage(body),
            ("GET", ["api", "v1", "stage", id]) => match self.requests.get(*id) {
                Some(files) => {
                    let files = files.iter().filter(|(path, _)| !self.unsaid.contains(*path));
                    let files: Vec<Value> =
                        files.map(|(path, is_cancelled)| self.file(path, *is_cancelled)).collect();
                    document(200, &json!({"id": id, "createdAt": 1, "startedAt": 1, "files": files}))
                }
                None => failed(Fault::Status(404)),
            },
            ("POST", ["api", "v1", "stage", id, "cancel"]) => self.cancel(id, &strings(&body["paths"])),
            ("HEAD", ["webdav", _]) if self.files_are_at.is_some() => {
                let there = self.files_are_at.clone().unwrap_or_default();
                with(307, &format!("location: {there}{path}\r\n"), "")
            }
            ("HEAD", ["webdav", name]) if exists(&format!("/pnfs/{}", name.replace("%20", " "))) => {
                with(200, &format!("etag: \"tag of {path}\"\r\ncontent-length: {LEN_BYTES}\r\n"), "")
            }
            _ => failed(Fault::Status(404)),
        }
    }

    /// Drops files from a request, and with that their pins: what no other request wants goes from the disks.
    fn cancel(&mut self, id: &str, paths: &[String]) -> Option<String> {
        if let Some(fault) = self.cancels {
            return failed(fault);
        }
        let Some(files) = self.requests.get_mut(id) else { return failed(Fault::Status(404)) };
        for path in paths {
            let Some(is_cancelled) = files.get_mut(path) else { return failed(Fault::Status(400)) };
            *is_cancelled = true;
        }
        for path in paths {
            let is_pinned = self.requests.values().any(|files| files.get(path) == Some(&false));
            if !is_pinned && !self.disk_only.contains(path) {
                self.online.remove(path);
            }
        }
        with(200, "", "")
    }

    fn info(&self, path: &str) -> Value {
        match (exists(path), self.online.contains(path)) {
            (false, _) => json!({"path": path, "error": "No such file or directory"}),
            (true, true) if self.disk_only.contains(path) => json!({"path": path, "locality": "DISK"}),
            (true, true) => json!({"path": path, "locality": "DISK_AND_TAPE"}),
            (true, false) => json!({"path": path, "locality": "TAPE"}),
        }
    }

    fn file(&self, path: &str, is_cancelled: bool) -> Value {
        // Some sites spell paths in their own way.
        let spelt = format!("/{}", path.replace(' ', "%20"));
        if let Some(error) = self.errors.get(path) {
            return json!({"path": spelt, "state": "FAILED", "error": error});
        }
        match (exists(path), self.online.contains(path)) {
            (false, _) => json!({"path": spelt, "state": "FAILED", "error": "No such file or directory"}),
            (true, true) => json!({"path": spelt, "onDisk": true}),
            (true, false) if is_cancelled => json!({"path": spelt, "state": "CANCELED"}),
            (true, false) => json!({"path": spelt, "state": "SUBMITTED"}),
        }
    }

    fn stage(&mut self, body: &Value) -> Option<String> {
        let fault = self.next_stages.pop_front().flatten();
        let asked: Vec<&Value> =
            body["files"].as_array().into_iter().flatten().map(|file| &file["path"]).collect();
        let is_refused =
            asked.iter().any(|path| path.as_str().is_some_and(|path| self.refused.contains(path)));
        if is_refused || self.most_files.is_some_and(|most_files| asked.len() > most_files) {
            return failed(Fault::Status(400));
        }
        if let Some(Fault::Status(400 | 401 | 403 | 429 | 503)) = fault {
            return failed(fault?);
        }
        self.n_requests += 1;
        let id = format!("request-{}", self.n_requests);
        let mut files = BTreeMap::new();
        for file in body["files"].as_array().into_iter().flatten() {
            let text = |key: &str| file[key].as_str().unwrap_or_default().to_owned();
            let path = text("path");
            if exists(&path) && !self.online.contains(&path) && self.recalled.insert(path.clone()) {
                self.n_recalls += 1;
            }
            self.staged.push((path.clone(), text("diskLifetime")));
            files.insert(path, false);
        }
        self.requests.insert(id.clone(), files);
        match fault {
            Some(fault) => failed(fault),
            None => document(201, &json!({"requestId": id})),
        }
    }
}
