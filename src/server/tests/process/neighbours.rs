//! Files of a cold archive that lead to each other: virtual datasets and their sources, links.

use std::path::Path;

use hdf5::File;

use super::cold::on_tape;
use super::{Server, path_of, run};

/// Numbers in a row of `v`: a row is a chunk of its own.
const ROW: usize = 1 << 20;

/// A folder with `main.h5`, whose `v` has a row from each of `0.h5`, `1.h5` and `2.h5`.
fn virtual_dataset() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let create = |name: &str| File::create(folder.path().join(name)).expect("a file");
    let mut builder = create("main.h5").new_dataset::<i64>().shape((3, ROW)).fill_value(9_i64);
    for number in 0..3 {
        builder = builder.with_dcpl(|list| {
            let (from, to) = ((0..ROW,), (number, 0..ROW));
            list.virtual_map(format!("{number}.h5"), "d", ROW, from, (3, ROW), to)
        });
        let source = create(&format!("{number}.h5"));
        let values = vec![number as i64 + 1; ROW];
        source.new_dataset_builder().with_data(&values).create("d").expect("a source");
    }
    builder.create("v").expect("a virtual dataset");
    folder
}

/// The bytes of a row of `v`.
fn row(number: i64) -> String {
    let bytes = (number + 1).to_le_bytes().repeat(ROW);
    String::from_utf8(bytes).expect("small numbers")
}

/// Paths of the objects that were recalled, in the order of their recalls.
fn recalls(folder: &Path) -> Vec<String> {
    let log = std::fs::read_to_string(folder.join("recalls.log")).unwrap_or_default();
    let recalls = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    recalls.map(|recall| recall["path"].as_str().unwrap_or_default().to_owned()).collect()
}

/// A configuration of a folder on tape whose recalls are noted.
fn noting(folder: &Path) -> String {
    let file = on_tape(folder, "anonymous = true\n");
    let text = std::fs::read_to_string(&file).expect("a configuration");
    let text = text.replace("speed = 600\n", "speed = 600\nrecall_log = \"recalls.log\"\n");
    std::fs::write(&file, text).expect("a configuration file");
    file
}

#[test]
fn a_virtual_dataset_that_was_indexed_before_is_staged_and_read_by_the_sources_of_each_part() {
    let (folder, state) = (virtual_dataset(), tempfile::tempdir().expect("a temporary folder"));
    let (code, said, error) = run(&["index", "--state", path_of(&state), path_of(&folder)]);
    assert!(code == Some(0) && said.contains("4 indexed, 0 refused"), "{said} {error}");
    let file = noting(folder.path());
    let index_dir = format!("state.index_dir={}", state.path().join("index").display());
    let server = Server::start(&["serve", "--config", &file, "--set", &index_dir, path_of(&folder)]);
    server.wait_for("/datasets", |_, body| body.contains("\"main\""));

    let selection = r#"{"variables": ["v"], "isel": {"phony_dim_0": 1}, "dry_run": true}"#;
    let (status, cost) = server.post("/datasets/main/stage", selection);
    assert_eq!(status, 200, "{cost}");
    assert!(cost.contains("main.h5") && cost.contains("1.h5") && !cost.contains("0.h5"), "{cost}");

    let (status, request) = server.post("/datasets/main/stage", &selection.replace("true", "false"));
    assert_eq!(status, 202, "{request}");
    let request: serde_json::Value = serde_json::from_str(&request).expect("JSON");
    let request = format!("/requests/{}", request["id"].as_str().expect("an id"));
    server.wait_for(&request, |_, body| body.contains("\"succeeded\""));
    let mut recalled = recalls(folder.path());
    recalled.sort_unstable();
    assert_eq!(recalled, ["1.h5", "main.h5"]);

    for number in [1, 0, 2] {
        let (status, body) = server.get(&format!("/datasets/main/zarr-v2/v/{number}.0"));
        assert_eq!(status, 200, "{}", body.get(..200).unwrap_or(&body));
        assert!(body == row(number), "row {number} is another one: {:?}", body.get(..16));
    }
    assert_eq!(recalls(folder.path()).len(), 4, "each file once");
}

#[test]
fn a_virtual_dataset_that_is_indexed_by_a_recall_is_served() {
    let (folder, state) = (virtual_dataset(), tempfile::tempdir().expect("a temporary folder"));
    let file = noting(folder.path());
    let index = ["index", "--config", &file, "--state", path_of(&state), "--recall", path_of(&folder)];
    let (code, said, error) = run(&index);
    assert!(code == Some(0) && said.contains("4 indexed, 0 refused"), "{said} {error}");

    let index_dir = format!("state.index_dir={}", state.path().join("index").display());
    let server = Server::start(&["serve", "--config", &file, "--set", &index_dir, path_of(&folder)]);
    server.wait_for("/datasets", |_, body| body.contains("\"main\""));
    let (status, body) = server.get("/datasets/main/zarr-v2/v/2.0");
    assert!(status == 200 && body == row(2), "{status} {:?}", body.get(..200));
}

#[test]
fn a_file_and_a_link_to_it_are_recalled_once() {
    let (folder, state) = (virtual_dataset(), tempfile::tempdir().expect("a temporary folder"));
    std::os::unix::fs::symlink("0.h5", folder.path().join("link.h5")).expect("a link");
    let (code, said, error) = run(&["index", "--state", path_of(&state), path_of(&folder)]);
    assert!(code == Some(0), "{said} {error}");
    let file = noting(folder.path());
    let index_dir = format!("state.index_dir={}", state.path().join("index").display());
    let server = Server::start(&["serve", "--config", &file, "--set", &index_dir, path_of(&folder)]);
    server.wait_for("/ready", |status, _| status == 200);

    let link = format!("{}/link.h5", path_of(&folder));
    let (code, said, error) = run(&["stage", &link, "--server", &format!("http://{}", server.address)]);
    assert_eq!((code, said.as_str()), (Some(0), "succeeded: 1 online, 0 failed\n"), "{error}");
    for dataset in ["0", "link"] {
        let (status, _) = server.get(&format!("/datasets/{dataset}/zarr-v2/d/0"));
        assert_eq!(status, 200, "{dataset}");
    }
    let (_, body) = server.get("/datasets/main/zarr-v2/v/0.0");
    assert!(body == row(0), "{:?}", body.get(..200));

    assert_eq!(recalls(folder.path()), ["0.h5", "main.h5"]);
}
