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
    requests: BTreeMap<String, BTreeMap<String, bool>>,
    staged: Vec<(String, String)>,
    next_stages: VecDeque<Option<Fault>>,
    is_held: bool,
    refused: BTreeSet<String>,
    most_files: Option<usize>,
    disk_only: BTreeSet<String>,
    everything: Option<Fault>,
    came_unauthorized: bool,
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
        !self.state.lock().came_unauthorized
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
        state.came_unauthorized |= !head.to_ascii_lowercase().contains("authorization: bearer secret");
        match state.everything {
            Some(fault) => failed(fault),
            None => state.reply(method, path, &body),
        }
    };
    if let Some(reply) = reply {
        let _ = stream.write_all(reply.as_bytes()).await;
    }
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
            ("POST", ["api", "v1", "archiveinfo"]) => {
                let infos: Vec<Value> = strings(&body["paths"]).iter().map(|path| self.info(path)).collect();
                document(200, &Value::Array(infos))
            }
            ("POST", ["api", "v1", "stage"]) => self.stage(body),
            ("GET", ["api", "v1", "stage", id]) => match self.requests.get(*id) {
                Some(files) => {
                    let files: Vec<Value> =
                        files.iter().map(|(path, is_cancelled)| self.file(path, *is_cancelled)).collect();
                    document(200, &json!({"id": id, "createdAt": 1, "startedAt": 1, "files": files}))
                }
                None => failed(Fault::Status(404)),
            },
            ("POST", ["api", "v1", "stage", id, "cancel"]) => {
                let Some(files) = self.requests.get_mut(*id) else { return failed(Fault::Status(404)) };
                for path in strings(&body["paths"]) {
                    let Some(is_cancelled) = files.get_mut(&path) else { return failed(Fault::Status(400)) };
                    *is_cancelled = true;
                }
                with(200, "", "")
            }
            ("HEAD", ["webdav", name]) if exists(&format!("/pnfs/{}", name.replace("%20", " "))) => {
                with(200, &format!("etag: \"tag of {path}\"\r\ncontent-length: {LEN_BYTES}\r\n"), "")
            }
            _ => failed(Fault::Status(404)),
        }
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
