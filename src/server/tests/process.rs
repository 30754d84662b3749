//! The server as a process: starting, serving, reloading, stopping.

#![cfg(test)]

#[path = "process/cold.rs"]
mod cold;
#[path = "process/groupby.rs"]
mod groupby;
#[path = "process/limits.rs"]
mod limits;
#[path = "process/neighbours.rs"]
mod neighbours;
#[cfg(feature = "oidc")]
#[path = "process/oidc.rs"]
mod oidc;
#[path = "process/plot.rs"]
mod plot;
#[path = "process/proxy.rs"]
mod proxy;
#[path = "process/waiting.rs"]
mod waiting;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// A running server; it is killed when it is dropped.
struct Server {
    process: Child,
    address: String,
    _state: tempfile::TempDir,
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let state = tempfile::tempdir().expect("a temporary folder");
        let mut process = Command::new(env!("CARGO_BIN_EXE_thermocline"))
            .args(arguments)
            .args(["--listen", "127.0.0.1:0", "--log", "json", "--state"])
            .arg(state.path())
            .current_dir(state.path())
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("the server's binary");
        let lines = BufReader::new(process.stderr.take().expect("piped")).lines();
        let (sender, receiver) = std::sync::mpsc::channel();
        // Reading on keeps the pipe from filling up.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once("\"address\":\"http://") {
                    let _ = sender.send(rest.split('"').next().unwrap_or_default().to_owned());
                }
            }
        });
        let address =
            receiver.recv_timeout(std::time::Duration::from_secs(30)).expect("the server's address");
        Self { process, address, _state: state }
    }

    /// Status and body of an answer.
    fn get(&self, path: &str) -> (u16, String) {
        self.ask("GET", path, "")
    }

    fn post(&self, path: &str, body: &str) -> (u16, String) {
        self.ask("POST", path, body)
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        self.ask_with("", method, path, body)
    }

    /// The same with further headers, each with its end of line.
    fn ask_with(&self, headers: &str, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        let head = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{headers}");
        write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).expect("a request");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
    }

    /// Asks until the answer is as wanted.
    fn wait_for(&self, path: &str, is_wanted: impl Fn(u16, &str) -> bool) {
        for _ in 0..300 {
            let (status, body) = self.get(path);
            if is_wanted(status, &body) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("{path} never answered as wanted, last: {:?}", self.get(path));
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).expect("a running process");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn demo_files() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for name in ["air_temperature.nc", "winds.nc"] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo").join(name);
        std::fs::copy(from, folder.path().join(name)).expect("a copy");
    }
    folder
}

fn path_of(folder: &tempfile::TempDir) -> &str {
    folder.path().to_str().expect("UTF-8")
}

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let home = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new(env!("CARGO_BIN_EXE_thermocline"))
        .args(arguments)
        .env_clear()
        .env("HOME", home.path())
        .current_dir(home.path())
        .output()
        .expect("the server's binary");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_folder_is_served_and_new_files_appear() {
    let folder = demo_files();
    let server = Server::start(&["serve", path_of(&folder)]);
    server.wait_for("/ready", |status, _| status == 200);
    server.wait_for("/datasets", |_, body| body == r#"["air_temperature","winds"]"#);
    server.wait_for("/datasets/winds/zarr/zarr.json", |status, body| status == 200 && body.contains("\"U\""));

    std::fs::copy(folder.path().join("winds.nc"), folder.path().join("more.nc")).expect("a copy");

    server.wait_for("/datasets", |_, body| body.contains("\"more\""));
}

#[test]
fn what_is_measured_is_shown() {
    let folder = demo_files();
    let server = Server::start(&["serve", path_of(&folder)]);
    server.wait_for("/metrics", |_, body| body.contains("thermocline_datasets{state=\"indexed\"} 2"));
    let (_, body) = server.get("/metrics");
    for name in
        ["process_resident_memory_bytes", "thermocline_http_requests_total", "thermocline_index_tables_bytes"]
    {
        assert!(body.contains(name), "{name} is not in {body}");
    }
}

#[test]
fn a_catalog_is_read_again_on_sighup() {
    let folder = demo_files();
    let catalog = folder.path().join("catalog.yaml");
    let entry =
        |id: &str| format!("version: 1\ndatasets:\n  - {{id: {id}, source: {{paths: [winds.nc]}}}}\n");
    std::fs::write(&catalog, entry("before")).expect("a file");
    let server = Server::start(&[
        "serve",
        "--catalog",
        catalog.to_str().expect("UTF-8"),
        "--set",
        "catalogs.watch=false",
    ]);
    server.wait_for("/datasets", |_, body| body == r#"["before"]"#);

    std::fs::write(&catalog, entry("after")).expect("a file");
    server.signal(Signal::HUP);

    server.wait_for("/datasets", |_, body| body == r#"["after"]"#);
}

#[test]
fn a_store_that_is_down_keeps_no_folder_from_being_served() {
    let folder = demo_files();
    let server = Server::start(&["serve", path_of(&folder), "http://127.0.0.1:1/down/"]);
    server.wait_for("/datasets", |_, body| body == r#"["air_temperature","winds"]"#);
    server.wait_for("/datasets/winds/zarr/zarr.json", |status, _| status == 200);
    server.wait_for("/ready", |status, _| status == 200);
    server.wait_for("/health", |_, body| body.contains("127.0.0.1:1"));
}

#[test]
fn a_configuration_with_mistakes_changes_nothing_and_shows_until_it_is_mended() {
    let folder = demo_files();
    let config = folder.path().join("thermocline.toml");
    std::fs::write(&config, "").expect("a file");
    let config_path = config.to_str().expect("UTF-8");
    let server = Server::start(&["serve", path_of(&folder), "--config", config_path]);
    server.wait_for("/ready", |status, _| status == 200);

    std::fs::write(&config, "[server]\nlitsen = 1\n").expect("a file");
    server.signal(Signal::HUP);
    server.wait_for("/health", |_, body| body.contains("unknown field `litsen`"));
    assert_eq!(server.get("/datasets/winds/zarr/zarr.json").0, 200);

    std::fs::write(&config, "[server]\nlog_level = \"warn\"\n").expect("a file");
    server.signal(Signal::HUP);
    server.wait_for("/health", |_, body| !body.contains("litsen"));
}

/// A file of the classic format with one variable of `n_floats` zeros, which take no room on the disk.
fn large_classic_file(path: &Path, n_floats: u32) {
    let begin = 80_u64;
    let words: [u32; 16] = [
        0x4344_4602, // "CDF", version 2
        0,           // no records
        10,          // dimensions
        1,
        1,
        u32::from_be_bytes(*b"x\0\0\0"),
        n_floats,
        0, // no attributes
        0,
        11, // variables
        1,
        1,
        u32::from_be_bytes(*b"v\0\0\0"),
        1, // dimensions of it
        0,
        0, // no attributes of it
    ];
    let rest: [u32; 4] = [0, 5, n_floats * 4, 0]; // attributes, float, size, upper half of the offset
    let mut header: Vec<u8> = words.iter().chain(&rest).flat_map(|word| word.to_be_bytes()).collect();
    header.extend((begin as u32 + 4).to_be_bytes());
    let mut file = std::fs::File::create(path).expect("a file");
    file.write_all(&header).expect("a header");
    file.set_len(begin + 4 + u64::from(n_floats) * 4).expect("a length");
}

#[test]
fn d13_no_variable_is_held_in_memory_whole() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    large_classic_file(&folder.path().join("large.nc"), 1 << 28);
    let server = Server::start(&["serve", path_of(&folder)]);
    server.wait_for("/datasets/large/zarr-v2/v/.zarray", |status, body| {
        status == 200 && body.contains("268435456")
    });
    for chunk in 0..3 {
        let (status, body) = server.get(&format!("/datasets/large/zarr-v2/v/{chunk}"));
        assert!(status == 200 && body.len() > 100_000, "{status}, {} bytes", body.len());
    }

    let status = std::fs::read_to_string(format!("/proc/{}/status", server.process.id())).expect("a process");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let peak_kib: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(peak_kib < 400 << 10, "{peak_kib} KiB for a variable of 1 GiB");
}

#[test]
fn sigterm_ends_the_server_with_success() {
    let folder = demo_files();
    let mut server = Server::start(&["serve", path_of(&folder)]);
    server.wait_for("/ready", |status, _| status == 200);
    server.signal(Signal::TERM);
    assert!(server.process.wait().expect("its end").success());
}

#[test]
fn mistakes_of_the_configuration_end_with_2() {
    let (code, _, errors) = run(&["serve", "/", "--listen", "nowhere", "--set", "server.max_body=lots"]);
    assert_eq!(code, Some(2));
    assert!(errors.contains("2 mistakes"), "{errors}");
    assert!(errors.contains("--listen nowhere: server.listen:"), "{errors}");
    assert_eq!(run(&["serve"]).0, Some(2), "nothing to serve");
    let folder = demo_files();
    let (code, _, errors) = run(&["serve", path_of(&folder), "--single", "--listen", "127.0.0.1:0"]);
    assert_eq!(code, Some(2));
    assert!(errors.contains("PATH holds 2"), "{errors}");
}

#[test]
fn a_path_that_is_not_there_is_said_at_once() {
    let (code, _, errors) = run(&["serve", "/nonexistent.nc", "--listen", "127.0.0.1:0"]);
    assert_ne!(code, Some(0));
    assert!(errors.contains("cannot open /nonexistent.nc"), "{errors}");
}

#[test]
fn a_file_can_be_inspected_without_serving_it() {
    let folder = demo_files();
    let file = folder.path().join("winds.nc");
    let (code, text, errors) = run(&["inspect", file.to_str().expect("UTF-8")]);
    assert_eq!(code, Some(0), "{errors}");
    for expected in
        ["<dataset winds> netcdf", "Dimensions:  (", "U (time: 2, lat: 64, lon: 128) float32", "title: UV300"]
    {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
}

#[test]
fn a_folder_can_be_indexed_before_it_is_served() {
    let folder = demo_files();
    let state = tempfile::tempdir().expect("a temporary folder");
    let (code, text, errors) = run(&["index", path_of(&folder), "--state", path_of(&state)]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(text.contains("2 indexed, 0 refused, 0 failed in "), "{text}");
    assert!(text.contains(" ms (samples verified)"), "{text}");
}

#[test]
fn a_file_that_no_plugin_read_is_read_once_its_plugin_is_there() {
    let folder = demo_files();
    let state = tempfile::tempdir().expect("a temporary folder");
    let index = ["index", path_of(&folder), "--state", path_of(&state)];
    let (_, text, _) = run(&[&index[..], &["--set", "plugins.hdf5.enabled=false"]].concat());
    assert!(text.contains("1 indexed, 1 refused, 0 failed"), "{text}");

    let (_, text, _) = run(&index);

    assert!(text.contains("2 indexed, 0 refused, 0 failed"), "{text}");
}

#[test]
fn completions_name_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let (code, text, _) = run(&["completions", shell]);
        assert_eq!(code, Some(0));
        assert!(text.contains("inspect"), "{shell}");
    }
}
