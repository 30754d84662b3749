//! Clients that wait: until the server ends, and no more of them than leave room for others.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::cold::on_tape;
use super::{Server, demo_files, path_of, run};

/// A recall that takes longer than any test.
const SLOW: &str =
    "anonymous = true\n[[cold.tape.faults]]\npath = \"**\"\nfault = \"slow\"\ndelay = \"10m\"\n";

const CHUNK: &str = "/datasets/winds/zarr-v2/U/0.0.0?wait=250";

/// A server of files on a tape that does not come.
struct Archive {
    folder: tempfile::TempDir,
    _index: tempfile::TempDir,
    server: Server,
}

impl Archive {
    fn start(more: &[&str]) -> Self {
        let (folder, index) = (demo_files(), tempfile::tempdir().expect("a temporary folder"));
        let file = on_tape(folder.path(), "");
        let made =
            run(&["index", "--config", &file, "--state", path_of(&index), "--recall", path_of(&folder)]);
        assert_eq!(made.0, Some(0), "{}", made.2);
        on_tape(folder.path(), SLOW);
        let index_dir = format!("state.index_dir={}", index.path().join("index").display());
        let arguments = ["serve", "--config", &file, "--set", &index_dir];
        let server = Server::start(&[&arguments[..], more, &[path_of(&folder)]].concat());
        server.wait_for("/datasets", |_, body| body.contains("\"winds\""));
        Self { folder, _index: index, server }
    }

    /// The name of a request that is never done.
    fn stage(&self) -> String {
        let path = self.folder.path().join("air_temperature.nc");
        let (status, request) = self.server.post("/requests", &path.display().to_string());
        assert_eq!(status, 202, "{request}");
        let request: serde_json::Value = serde_json::from_str(&request).expect("JSON");
        request["id"].as_str().expect("a name").to_owned()
    }

    fn ask(&self, path: &str) -> Client {
        let mut stream = TcpStream::connect(&self.server.address).expect("a connection");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").expect("a request");
        Client(BufReader::new(stream))
    }

    /// Asks for a cold chunk, and sees to it that the request waits.
    fn wait_as(&self, number: usize) -> Client {
        let client = self.ask(CHUNK);
        let held = format!("thermocline_held_requests {number}\n");
        self.server.wait_for("/metrics", |_, body| body.contains(&held));
        client
    }
}

/// A client that has asked.
struct Client(BufReader<TcpStream>);

impl Client {
    /// The next line of the answer, its end included.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line");
        line
    }

    fn rest(mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).expect("an answer and its end");
        rest
    }
}

#[test]
fn all_that_wait_are_answered_at_once_when_the_server_ends() {
    let mut archive = Archive::start(&[]);
    let id = archive.stage();
    let job = archive.ask(&format!("/jobs/{id}?wait=250"));
    let mut events = archive.ask(&format!("/requests/{id}/events"));
    assert_eq!(events.line(), "HTTP/1.1 200 OK\r\n");
    while !events.line().starts_with("data: ") {}
    let reader = archive.wait_as(1);

    let signalled = Instant::now();
    archive.server.signal(Signal::TERM);

    let reader = reader.rest();
    assert!(reader.starts_with("HTTP/1.1 503 "), "{reader}");
    assert!(reader.contains("\r\nretry-after: ") && reader.contains("/problems/not-staged"), "{reader}");
    let job = job.rest();
    assert!(job.starts_with("HTTP/1.1 200 OK\r\n") && job.contains("\"state\":\""), "{job}");
    let events = events.rest();
    assert!(events.ends_with("0\r\n\r\n"), "the stream ends as one does: {events}");
    assert!(archive.server.process.wait().expect("its end").success());
    assert!(signalled.elapsed() < Duration::from_secs(10), "{:?}", signalled.elapsed());
}

#[test]
fn clients_that_wait_leave_connections_to_all_others() {
    let archive = Archive::start(&["--set", "server.max_connections=8", "--set", "server.max_streams=2"]);
    let id = archive.stage();
    let events = format!("/requests/{id}/events");
    let mut streams = [archive.ask(&events), archive.ask(&events)];
    for stream in &mut streams {
        assert_eq!(stream.line(), "HTTP/1.1 200 OK\r\n");
    }
    assert_eq!(archive.server.get(&events).0, 429, "of one client there are two at most");
    // Six of eight connections may wait.
    let _readers: Vec<Client> = (1..=4).map(|number| archive.wait_as(number)).collect();

    let (status, problem) = archive.server.get(CHUNK);
    assert_eq!(status, 503, "{problem}");
    assert!(problem.contains("/problems/not-staged"), "{problem}");
    assert_eq!(archive.server.get("/health").0, 200);
    assert_eq!(archive.server.get("/datasets/winds/zarr-v2/.zmetadata").0, 200);
}
