//! Cold data through the server as a process.

use std::path::Path;

use rustix::process::Signal;

use super::proxy::{Cut, Proxy};
use super::{Server, demo_files, path_of, run};

/// A configuration of the files in `folder` on a simulated library, besides whatever `more` says.
pub(super) fn on_tape(folder: &Path, more: &str) -> String {
    let text = format!(
        "[roots.archive]\npath = \"{}\"\n[cold.tape]\nkind = \"simulated\"\nroots = [\"archive\"]\nspeed = 600\n\
         poll_every = \"50ms\"\n[staging]\nmount_after = \"0s\"\n{more}",
        folder.display()
    );
    let file = folder.join("thermocline.toml");
    std::fs::write(&file, text).expect("a configuration file");
    file.to_string_lossy().into_owned()
}

#[test]
fn the_demonstration_opens_cold_data_at_once_and_recalls_what_is_read() {
    let server = Server::start(&["demo"]);
    server.wait_for("/datasets", |_, body| body.contains("\"tape.winds\""));
    let (key, hot) = ("/datasets/tape.winds/zarr-v2/U/0.0.0", "/datasets/winds/zarr-v2/U/0.0.0");

    assert_eq!(server.get("/datasets/tape.winds/zarr-v2/.zmetadata").0, 200);
    let (status, problem) = server.get(&format!("{key}?wait=0"));
    assert_eq!(status, 503, "{problem}");
    assert!(problem.contains("not-staged") && problem.contains("/requests/"), "{problem}");

    let (status, recalled) = server.get(key);
    assert_eq!(status, 200);
    assert!(recalled == server.get(hot).1, "what came from tape differs from what is on disk");
}

#[test]
fn a_second_server_on_one_folder_of_state_is_refused() {
    let folder = demo_files();
    let server = Server::start(&["serve", path_of(&folder)]);
    let state = server._state.path().to_str().expect("UTF-8");

    let (code, _, said) = run(&["serve", path_of(&folder), "--state", state, "--listen", "127.0.0.1:0"]);

    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("another server runs on"), "{said}");
}

#[test]
fn who_may_stage_changes_while_the_server_runs() {
    let folder = demo_files();
    let file = on_tape(folder.path(), "");
    let server = Server::start(&["serve", "--config", &file, path_of(&folder)]);
    server.wait_for("/ready", |status, _| status == 200);
    assert_eq!(server.get("/requests").0, 403);

    on_tape(folder.path(), "anonymous = true\n");
    server.signal(Signal::HUP);

    server.wait_for("/requests", |status, _| status == 200);
}

#[test]
fn files_that_went_cold_without_an_index_are_indexed_when_the_operator_says_so() {
    let (folder, state) = (demo_files(), tempfile::tempdir().expect("a temporary folder"));
    let file = on_tape(folder.path(), "");
    let index = |more: &[&str]| {
        let arguments = ["index", "--config", &file, "--state", path_of(&state), "--verify", "off"];
        run(&[&arguments[..], more, &[path_of(&folder)]].concat())
    };

    let (_, said, advice) = index(&[]);
    assert!(said.contains("0 indexed, 2 refused"), "{said}");
    assert!(advice.contains("index --recall"), "{advice}");

    let (code, said, error) = index(&["--recall"]);
    assert!(code == Some(0) && said.contains("2 indexed, 0 refused, 0 failed"), "{said} {error}");
    let cached = walkdir::WalkDir::new(state.path().join("cache/objects"));
    let n_files = cached.into_iter().flatten().filter(|entry| entry.file_type().is_file()).count();
    assert_eq!(n_files, 0, "files that were recalled for their index are cold again");
    assert!(index(&[]).1.contains("2 indexed"), "the index is there");
}

#[test]
fn commands_stage_list_and_evict_and_say_by_their_exit_code_what_came_of_it() {
    let folder = demo_files();
    let state = tempfile::tempdir().expect("a temporary folder");
    let file = on_tape(folder.path(), "anonymous = true\n");
    let index = ["index", "--config", &file, "--state", path_of(&state), "--recall", path_of(&folder)];
    assert_eq!(run(&index).0, Some(0));
    let index_dir = format!("state.index_dir={}", state.path().join("index").display());
    let server = Server::start(&["serve", "--config", &file, "--set", &index_dir, path_of(&folder)]);
    server.wait_for("/datasets", |_, body| body.contains("\"winds\""));
    let (base, at) =
        (format!("http://{}", server.address), |name: &str| format!("{}/{name}", path_of(&folder)));
    let winds = format!("{base}/datasets/winds");

    let (code, said, error) = run(&["stage", &winds, "--var", "U", "--isel", "time=0", "--dry-run"]);
    assert!(code == Some(0) && said.contains("to recall  1 ("), "{said} {error}");
    let (code, said, _) = run(&["stage", &winds, "--lifetime", "PT1H"]);
    assert_eq!((code, said.as_str()), (Some(0), "succeeded: 1 online, 0 failed\n"));
    let (code, said, _) = run(&["pins", "--server", &base]);
    assert!(code == Some(0) && said.contains("winds.nc"), "{said}");

    let (code, said, _) = run(&["stage", &at("winds.nc"), &at("none.nc"), "--server", &base]);
    assert!(code == Some(1) && said.starts_with("partial: 1 online, 1 failed\n"), "{said}");
    assert!(said.contains("none.nc: no file"), "{said}");
    assert_eq!(run(&["stage", &format!("{base}/datasets/none")]).0, Some(2));
    assert_eq!(run(&["stage", "/etc/passwd", "--server", &base]).0, Some(2));

    // Nobody may administer here without a token that says so.
    let (code, _, error) = run(&["evict", "--all", "--server", &base]);
    assert!(code == Some(2) && error.contains("administration"), "{error}");
    assert_eq!(run(&["recalls", "--server", "http://127.0.0.1:9"]).0, Some(1));
}

#[test]
fn costs_are_foretold_as_fast_as_the_library_of_the_demonstration_is() {
    let server = Server::start(&["demo"]);
    server.wait_for("/datasets", |_, body| body.contains("\"tape.winds\""));
    let (status, cost) = server.post("/datasets/tape.winds/stage", r#"{"dry_run": true}"#);
    let cost: serde_json::Value = serde_json::from_str(&cost).expect("JSON");
    // Two minutes of mounting and one of locating, twenty times as fast.
    assert_eq!((status, cost["estimate_seconds"].as_u64()), (200, Some(10)), "{cost}");
}

#[test]
fn a_site_that_only_stages_needs_no_catalog_and_names_paths_as_its_configuration_does() {
    let site = tempfile::tempdir().expect("a temporary folder");
    let archive = site.path().join("archive");
    std::fs::create_dir(&archive).expect("a folder");
    std::fs::write(archive.join("B02.jp2"), "a picture").expect("a file");
    std::fs::write(site.path().join("tapes.csv"), "path,tape,position\nB02.jp2,T00042,0\n").expect("a file");
    let text = "[roots.archive]\npath = \"archive\"\n[cold.tape]\nkind = \"simulated\"\nroots = [\"archive\"]\n\
                speed = 600\npoll_every = \"50ms\"\ntable = \"tapes.csv\"\nrecall_log = \"recalls.log\"\n\
                [staging]\nmount_after = \"0s\"\nanonymous = true\n";
    let file = site.path().join("thermocline.toml");
    std::fs::write(&file, text).expect("a configuration file");

    let server = Server::start(&["serve", "--config", file.to_str().expect("UTF-8")]);
    server.wait_for("/ready", |status, _| status == 200);
    let (status, job) = server.post("/upload", &format!("{}/B02.jp2\n", archive.display()));
    assert_eq!(status, 200, "{job}");
    let (_, id) = job.trim().rsplit_once('/').expect("the address of a job");
    server.wait_for(&format!("/jobs/{id}"), |_, body| body.contains("\"State\":\"finished\""));

    let log =
        std::fs::read_to_string(site.path().join("recalls.log")).expect("a log beside the configuration");
    assert!(log.contains("T00042"), "{log}");
}

#[test]
fn a_cold_file_is_inspected_by_its_index_and_stays_cold() {
    let (folder, state) = (demo_files(), tempfile::tempdir().expect("a temporary folder"));
    let file = on_tape(folder.path(), "");
    let winds = folder.path().join("winds.nc");
    let inspect = ["inspect", "--config", &file, "--state", path_of(&state), winds.to_str().expect("UTF-8")];
    let (code, said, _) = run(&inspect);
    assert!(code == Some(1) && said.contains("not indexed"), "{said}");

    let index = ["index", "--config", &file, "--state", path_of(&state), "--recall", path_of(&folder)];
    assert_eq!(run(&index).0, Some(0));
    let (code, said, error) = run(&inspect);

    assert_eq!(code, Some(0), "{said} {error}");
    for expected in
        ["<dataset winds> netcdf", "Locality:  1 nearline", "U (time: 2, lat: 64, lon: 128) float32"]
    {
        assert!(said.contains(expected), "{expected} is not in {said}");
    }
}

#[test]
fn staging_is_followed_to_its_end_although_the_stream_of_events_breaks_off() {
    let folder = demo_files();
    let slow = |name: &str, delay: &str| {
        format!("[[cold.tape.faults]]\npath = \"{name}\"\nfault = \"slow\"\ndelay = \"{delay}\"\n")
    };
    let faults = [slow("winds.nc", "8s"), slow("air_temperature.nc", "3s")].concat();
    let file = on_tape(folder.path(), &format!("anonymous = true\n{faults}"));
    let server = Server::start(&["serve", "--config", &file]);
    server.wait_for("/ready", |status, _| status == 200);
    let at = |name: &str| format!("{}/{name}", path_of(&folder));

    let proxy = Proxy::before(&server.address, vec![Cut::InsideEvent, Cut::Refuse, Cut::AfterEvent]);
    let (code, said, error) = run(&["stage", &at("winds.nc"), "--server", &proxy.url]);

    assert_eq!((code, said.as_str()), (Some(0), "succeeded: 1 online, 0 failed\n"), "{error}");
    let last_ids = proxy.last_event_ids();
    assert!(error.contains("trying again"), "{error}");
    assert!(last_ids.len() > 3, "streams: {last_ids:?}");
    assert_eq!(last_ids[..3], [None, None, None], "no event had come whole");
    assert!(last_ids[3..].iter().all(Option::is_some), "it goes on after the last whole event: {last_ids:?}");

    let proxy = Proxy::before(&server.address, vec![Cut::AfterEvent]);
    let (code, said, error) =
        run(&["stage", &at("air_temperature.nc"), &at("none.nc"), "--server", &proxy.url]);

    assert!(code == Some(1) && said.starts_with("partial: 1 online, 1 failed\n"), "{said} {error}");
    assert!(proxy.last_event_ids().len() > 1);
}

#[test]
fn as_much_of_the_disk_is_left_free_as_the_configuration_says() {
    let folder = demo_files();
    let file = on_tape(folder.path(), "anonymous = true\n");
    let keep_free = ["--set", "state.cache_keep_free=1000000 TiB"];
    let server = Server::start(&[&["serve", "--config", &file][..], &keep_free].concat());
    server.wait_for("/ready", |status, _| status == 200);

    let (_, request) = server.post("/requests", &format!("{}/winds.nc\n", path_of(&folder)));

    let request: serde_json::Value = serde_json::from_str(&request).expect("JSON");
    let objects = format!("/requests/{}/objects", request["id"].as_str().expect("an id"));
    server.wait_for(&objects, |_, body| body.contains("no space"));
}

#[test]
fn a_request_whose_answer_was_lost_is_sent_again_and_made_once() {
    let folder = demo_files();
    let file = on_tape(folder.path(), "anonymous = true\n");
    let server = Server::start(&["serve", "--config", &file]);
    server.wait_for("/ready", |status, _| status == 200);
    let winds = format!("{}/winds.nc", path_of(&folder));

    let proxy = Proxy::losing_answers(&server.address, 1);
    let (code, said, error) = run(&["stage", &winds, "--server", &proxy.url]);

    assert_eq!((code, said.as_str()), (Some(0), "succeeded: 1 online, 0 failed\n"), "{error}");
    let requests: serde_json::Value = serde_json::from_str(&server.get("/requests").1).expect("JSON");
    assert_eq!(requests["requests"].as_array().map(Vec::len), Some(1), "{requests}");
}

#[test]
fn files_that_are_lost_are_named_and_recalls_under_way_counted() {
    let folder = demo_files();
    let faults = "anonymous = true\n[[cold.tape.faults]]\npath = \"**/winds.nc\"\nfault = \"lost\"\n\
                  [[cold.tape.faults]]\npath = \"**/air_temperature.nc\"\nfault = \"stall\"\n";
    let server = Server::start(&["serve", "--config", &on_tape(folder.path(), faults)]);
    server.wait_for("/ready", |status, _| status == 200);
    let (base, at) =
        (format!("http://{}", server.address), |name: &str| format!("{}/{name}", path_of(&folder)));

    let (code, said, error) = run(&["stage", &at("winds.nc"), "--server", &base]);
    assert_eq!(code, Some(1), "{error}");
    assert!(said.starts_with("failed: 0 online, 1 failed\n") && said.contains("/winds.nc: "), "{said}");

    assert_eq!(run(&["stage", &at("air_temperature.nc"), "--no-wait", "--server", &base]).0, Some(0));
    server.wait_for("/cold", |_, body| body.contains("\"n_active\":1"));
    let (code, said, error) = run(&["cold", "list", "--server", &base]);
    assert!(code == Some(0) && said.contains("tape: running, 0 waiting, 1 under way"), "{said} {error}");
}
